// The compiled library as a back end: one context, called through the runtime.
#include "../../runtime/lib/core/Support.h"
#include "ContextBackend.h"

#include <cstring>

using namespace route;
using namespace route::fuzz;

ContextBackend::~ContextBackend() { route_context_release(context); }

bool ContextBackend::open(const Checkpoints &checkpoints, uint64_t flags,
                          std::string &why) {
  std::vector<route_file> files;
  for (const auto &[label, bytes] : checkpoints)
    files.push_back({label.empty() ? nullptr : label.c_str(), nullptr,
                     bytes.data(), bytes.size()});
  route_context_options options = {};
  options.struct_size = sizeof(options);
  options.files = files.data();
  options.num_files = files.size();
  options.flags = flags;
  route_error error = {};
  return !route_context_create(module, &options, &context, &error) ||
         failed(why, error.message);
}

bool ContextBackend::push(uint32_t cell, const Push &values, int64_t now,
                          std::string &why) {
  route_error error = {};
  const uint8_t *known = values.known.empty() ? nullptr : values.known.data();
  return !route_state_push(context, cell, values.bytes.data(),
                           values.bytes.size(), known, now, &error) ||
         failed(why, error.message);
}

bool ContextBackend::prepare(uint32_t index, Values &inputs, Values &outputs,
                             int64_t now, route_call &call, std::string &why) {
  route_error error = {};
  call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs.arguments();
  call.num_inputs = desc.entries[index].num_inputs;
  call.now = now;
  call.workers = 1;
  std::vector<int64_t> sizes(desc.num_axes + 1, -1);
  if (route_call_sizes(context, index, &call, sizes.data(), &error) ||
      route_workspace_size(context, index, sizes.data(), 1,
                           &call.workspace_size, &error) ||
      route_host_workspace_size(context, index, sizes.data(), 1,
                                &call.host_workspace_size, &error) ||
      outputs.allocate(module, sizes.data(), &error))
    return failed(why, error.message);
  for (Value &value : outputs.values) {
    memset(value.bytes(), 0xa5, value.size);
    std::fill(value.known.begin(), value.known.end(), 0xa5);
  }
  return true;
}

bool ContextBackend::call(uint32_t index, const route_call &call,
                          std::string &why) {
  bool event = desc.entries[index].kind == ROUTE_ENTRY_EVENT;
  route_error error = {};
  return !(event ? route_emit : route_decide)(context, index, &call, &error) ||
         failed(why, error.message);
}

bool ContextBackend::run(uint32_t index, Values &inputs, Values &outputs,
                         int64_t now, std::string &why) {
  route_call call;
  if (!prepare(index, inputs, outputs, now, call, why))
    return false;
  AlignedMemory workspace;
  if (!workspace.allocate(call.workspace_size))
    return failed(why, "out of memory");
  memset(workspace.get(), 0x5a, call.workspace_size);
  call.workspace = workspace.get();
  call.outputs = outputs.arguments();
  call.num_outputs = desc.entries[index].num_outputs;
  return this->call(index, call, why);
}

bool ContextBackend::state(uint32_t cell, std::string &bytes,
                           std::string &why) {
  route_error error = {};
  bytes.resize(route_state_size(context, cell));
  return !route_state_read(context, cell, bytes.data(), bytes.size(), &error) ||
         failed(why, error.message);
}

std::unique_ptr<Backend>
route::fuzz::makeLibrary(route_module *module, const Checkpoints &checkpoints,
                         std::string &why) {
  auto made = std::make_unique<ContextBackend>(module, "library: ");
  if (!made->open(checkpoints, 0, why))
    return nullptr;
  return made;
}

namespace {
class WrongBackend : public Backend {
public:
  explicit WrongBackend(std::unique_ptr<Backend> inner)
      : inner(std::move(inner)) {}
  bool run(uint32_t entry, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override {
    if (!inner->run(entry, inputs, outputs, now, why))
      return false;
    if (!outputs.values.empty() && outputs.values.back().size > 0)
      outputs.values.back().bytes()[0] ^= 1;
    return true;
  }
  bool state(uint32_t cell, std::string &bytes, std::string &why) override {
    return inner->state(cell, bytes, why);
  }

  bool push(uint32_t cell, const Push &values, int64_t now,
            std::string &why) override {
    return inner->push(cell, values, now, why);
  }

private:
  std::unique_ptr<Backend> inner;
};
} // namespace

std::unique_ptr<Backend>
route::fuzz::makeWrong(std::unique_ptr<Backend> inner) {
  return std::make_unique<WrongBackend>(std::move(inner));
}
