// The compiled library as a back end: one context, called through the runtime.
#include "../../runtime/lib/core/Support.h"
#include "Backend.h"

#include <cstring>

using namespace route;
using namespace route::fuzz;

namespace {

class LibraryBackend : public Backend {
public:
  explicit LibraryBackend(route_module *module)
      : module(module), desc(*route_module_descriptor(module)) {}
  ~LibraryBackend() override { route_context_release(context); }

  bool open(const Checkpoints &checkpoints, std::string &why) {
    std::vector<route_file> files;
    for (const auto &[label, bytes] : checkpoints)
      files.push_back({label.empty() ? nullptr : label.c_str(), nullptr,
                       bytes.data(), bytes.size()});
    route_context_options options = {};
    options.struct_size = sizeof(options);
    options.files = files.data();
    options.num_files = files.size();
    route_error error = {};
    if (route_context_create(module, &options, &context, &error))
      return failed(why, error);
    return true;
  }

  bool run(uint32_t entry, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override;
  bool state(uint32_t cell, std::string &bytes, std::string &why) override {
    route_error error = {};
    bytes.resize(route_state_size(context, cell));
    return !route_state_read(context, cell, bytes.data(), bytes.size(),
                             &error) ||
           failed(why, error);
  }

private:
  static bool failed(std::string &why, const route_error &error) {
    why = "library: " + std::string(error.message);
    return false;
  }

  route_module *module;
  const route_module_desc &desc;
  route_context *context = nullptr;
};

} // namespace

bool LibraryBackend::run(uint32_t index, Values &inputs, Values &outputs,
                         int64_t now, std::string &why) {
  const route_entry_desc &entry = desc.entries[index];
  route_error error = {};
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs.arguments();
  call.num_inputs = entry.num_inputs;
  call.now = now;
  call.workers = 1;
  std::vector<int64_t> sizes(desc.num_axes + 1, -1);
  if (route_call_sizes(context, index, &call, sizes.data(), &error) ||
      route_workspace_size(context, index, sizes.data(), 1,
                           &call.workspace_size, &error) ||
      outputs.allocate(module, sizes.data(), &error))
    return failed(why, error);
  // Whatever is not written shows.
  for (Value &value : outputs.values) {
    memset(value.bytes(), 0xa5, value.size);
    std::fill(value.known.begin(), value.known.end(), 0xa5);
  }
  AlignedMemory workspace;
  if (!workspace.allocate(call.workspace_size))
    return failed(why, {ROUTE_ERROR_MEMORY, "out of memory"});
  memset(workspace.get(), 0x5a, call.workspace_size);
  call.workspace = workspace.get();
  call.outputs = outputs.arguments();
  call.num_outputs = entry.num_outputs;
  auto make = entry.kind == ROUTE_ENTRY_EVENT ? route_emit : route_decide;
  return !make(context, index, &call, &error) || failed(why, error);
}

std::unique_ptr<Backend>
route::fuzz::makeLibrary(route_module *module, const Checkpoints &checkpoints,
                         std::string &why) {
  auto made = std::make_unique<LibraryBackend>(module);
  if (!made->open(checkpoints, why))
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

private:
  std::unique_ptr<Backend> inner;
};
} // namespace

std::unique_ptr<Backend>
route::fuzz::makeWrong(std::unique_ptr<Backend> inner) {
  return std::make_unique<WrongBackend>(std::move(inner));
}
