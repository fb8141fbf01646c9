// Measures the forms of an entry's products.
// At each number of items: all forms of one shape, the others as they are, then
// of the next. Where few items have a form of their own, the products of the
// other form are measured first, and then both as they came out.
#include "Tune.h"
#include "../core/Elements.h"
#include "../core/Module.h"
#include "../io/Names.h"
#include "DeviceTimer.h"
#include "Findings.h"
#include "route/io/Files.h"
#include "route/io/Json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <memory>

using namespace route;

namespace {
/// A call with everything on the GPU.
struct TunedCall {
  std::vector<route_tensor> tensors;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<route_argument> inputs, outputs;
  route_call call = {};
};

class Tuner {
public:
  Tuner(const RunOptions &options, route_module *module, uint32_t entry,
        route_error *error)
      : options(options), module(module), entry(entry), error(error) {}
  ~Tuner() { route_context_release(context); }

  route_status run();

private:
  const route_module_desc &desc() const { return *module->descriptor; }
  const route_entry_desc &item() const { return desc().entries[entry]; }

  route_status readChoices();
  route_status makeContext();
  route_status makeCall(int64_t items, unsigned seed, TunedCall &call);
  route_status addTensor(const uint32_t *axes, uint64_t numAxes,
                         const int64_t *sizes, uint32_t element,
                         const std::string &data, TunedCall &call,
                         const route_tensor **tensor);
  std::string randomData(const route_type_desc &type, uint32_t role,
                         unsigned seed, double scale) const;
  route_status measure(int64_t items);
  route_status tune(size_t finding, int64_t items, int64_t rows);
  int64_t seenRows(size_t finding) const;
  void choose(size_t finding, int32_t form);
  bool isTried(size_t finding, size_t form, int64_t rows) const;
  using Graphs = std::vector<std::unique_ptr<DeviceTimer::Graph>>;
  route_status capture(std::unique_ptr<DeviceTimer::Graph> &graph);
  route_status time(const Graphs &graphs, std::vector<double> &times);

  const RunOptions &options;
  route_module *module;
  uint32_t entry;
  route_error *error;
  const route_tuning_desc *tuning = nullptr;
  DeviceTimer timer;
  route_context *context = nullptr;
  std::vector<size_t> ofChoice; ///< by choice: its finding
  std::vector<Finding> findings;
  std::vector<std::unique_ptr<TunedCall>> calls; ///< of one number of items
};
} // namespace

/// The form for few rows of a product, or few items of a chain of them.
static bool isForFew(const std::string &form) {
  return form == "few" || form == "slots";
}

static const Json *field(const Json &object, const char *name) {
  for (size_t i = 0; i < object.keys.size(); ++i)
    if (object.keys[i] == name)
      return &object.elements[i];
  return nullptr;
}

/// The library's choices; those of equal shapes are made together.
route_status Tuner::readChoices() {
  const void *symbol =
      module->library ? dlsym(module->library, ROUTE_TUNING_SYMBOL) : nullptr;
  if (!symbol)
    return fail(error, ROUTE_ERROR_ENTRY_KIND,
                "'%.200s' has nothing to tune: compile it with "
                "'--target=cpu,cuda --tunable', with products of bf16 or f16",
                options.library.c_str());
  tuning = static_cast<const route_tuning_desc *>(symbol);
  Json list;
  std::string why;
  if (!parseJson(tuning->choices, 8, list, why))
    return fail(error, ROUTE_ERROR_DESCRIPTOR, "the library's choices: %.200s",
                why.c_str());
  for (const Json &choice : list.elements) {
    Finding made;
    const Json *shape = field(choice, "shape"), *forms = field(choice, "forms"),
               *most = field(choice, "most");
    if (!shape || !forms || !most)
      return fail(error, ROUTE_ERROR_DESCRIPTOR,
                  "the library's choices lack a shape, forms or limits");
    made.shape = shape->text;
    for (const Json &form : forms->elements)
      made.forms.push_back(form.text);
    for (const Json &rows : most->elements)
      made.most.push_back(static_cast<int64_t>(rows.natural));
    auto same = std::find_if(
        findings.begin(), findings.end(),
        [&](const Finding &each) { return each.shape == made.shape; });
    ofChoice.push_back(static_cast<size_t>(same - findings.begin()));
    if (same == findings.end())
      findings.push_back(made);
  }
  return ROUTE_OK;
}

/// Bytes for a tensor of that type to be filled with, random but for what only
/// some values make sense of.
std::string Tuner::randomData(const route_type_desc &type, uint32_t role,
                              unsigned seed, double scale) const {
  uint64_t state = 0x9E3779B97F4A7C15u * (seed + 1);
  auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  // The sum of four uniform numbers is normal enough.
  auto normal = [&] {
    double sum = 0;
    for (int i = 0; i < 4; ++i)
      sum += static_cast<double>(next() >> 40) / (1 << 24) - 0.5;
    return static_cast<float>(sum * 1.7 * scale);
  };
  int64_t members = type.rows_of >= 0 ? desc().axes[type.rows_of].size : 0;
  size_t count = size_t(1) << 20;
  size_t size = route_element_size(type.element);
  std::string bytes(count * size, '\0');
  for (size_t i = 0; i < count; ++i) {
    char *at = bytes.data() + i * size;
    auto put = [&](auto value) { memcpy(at, &value, sizeof(value)); };
    float f = normal();
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    switch (type.element) {
    case ROUTE_F64:
      put(static_cast<double>(f));
      break;
    case ROUTE_F32:
      put(f);
      break;
    case ROUTE_BF16:
      put(static_cast<uint16_t>(bits >> 16));
      break;
    case ROUTE_F16: {
      // Of normal size, or else 0.
      int exponent = static_cast<int>(bits >> 23 & 255) - 127 + 15;
      put(exponent > 0 && exponent < 31
              ? static_cast<uint16_t>((bits >> 16 & 0x8000) | exponent << 10 |
                                      (bits >> 13 & 1023))
              : uint16_t(0));
      break;
    }
    case ROUTE_BOOL:
      put(static_cast<uint8_t>(next() >> 60 & 1));
      break;
    case ROUTE_I32:
      if (members > 0)
        put(static_cast<int32_t>((next() >> 20) %
                                 static_cast<uint64_t>(members)));
      else if (role == ROUTE_ROLE_PLAN_COUNT)
        put(int32_t(1));
      break;
    default:
      break;
    }
  }
  return bytes;
}

route_status Tuner::makeContext() {
  std::vector<route_file> files;
  for (const RunOptions::Named &param : options.params)
    files.push_back({param.name.empty() ? nullptr : param.name.c_str(),
                     param.file.c_str(), nullptr, 0});
  std::vector<route_param> params;
  std::vector<route_tensor> tensors(desc().num_params);
  std::vector<std::vector<int64_t>> shapes(desc().num_params);
  for (uint64_t i = 0; files.empty() && i < desc().num_params; ++i) {
    const route_param_desc &param = desc().params[i];
    uint64_t size = route_element_size(param.type.element);
    double inner = 1;
    for (uint32_t axis : table(param.axes, param.num_axes)) {
      const route_axis_desc &each = desc().axes[axis];
      shapes[i].push_back(each.size >= 0 ? each.size : each.max_size);
      inner = static_cast<double>(shapes[i].back());
      size *= static_cast<uint64_t>(shapes[i].back());
    }
    route_tensor &tensor = tensors[i];
    if (route_status status = timer.allocate(size, tensor.data, error))
      return status;
    // Products then have about the size of what goes in.
    if (route_status status = timer.fill(
            tensor.data, size,
            randomData(param.type, ROUTE_ROLE_DATA, static_cast<unsigned>(i),
                       1 / std::sqrt(std::max(inner, 1.0))),
            error))
      return status;
    tensor.device.device_type =
        static_cast<decltype(tensor.device.device_type)>(ROUTE_DEVICE_CUDA);
    tensor.ndim = static_cast<int32_t>(param.num_axes);
    tensor.dtype = route_element_dtype(param.type.element);
    tensor.shape = shapes[i].data();
    params.push_back({param.name, &tensor});
  }
  route_context_options made = {};
  made.struct_size = sizeof(made);
  made.flags = ROUTE_CONTEXT_CUDA;
  if (options.allowExtra)
    made.flags |= ROUTE_CONTEXT_ALLOW_EXTRA;
  made.files = files.data();
  made.num_files = files.size();
  made.params = params.data();
  made.num_params = params.size();
  return route_context_create(module, &made, &context, error);
}

route_status Tuner::addTensor(const uint32_t *axes, uint64_t numAxes,
                              const int64_t *sizes, uint32_t element,
                              const std::string &data, TunedCall &call,
                              const route_tensor **tensor) {
  std::vector<int64_t> &shape = call.shapes.emplace_back();
  uint64_t size = route_element_size(element);
  for (uint32_t axis : table(axes, numAxes)) {
    shape.push_back(sizes[axis]);
    size *= static_cast<uint64_t>(sizes[axis]);
  }
  route_tensor &made = call.tensors.emplace_back();
  if (route_status status = timer.allocate(size, made.data, error))
    return status;
  if (route_status status = timer.fill(made.data, size, data, error))
    return status;
  made.device.device_type =
      static_cast<decltype(made.device.device_type)>(ROUTE_DEVICE_CUDA);
  made.ndim = static_cast<int32_t>(numAxes);
  made.dtype = route_element_dtype(element);
  made.shape = shape.data();
  *tensor = &made;
  return ROUTE_OK;
}

route_status Tuner::makeCall(int64_t items, unsigned seed, TunedCall &made) {
  for (const route_variant_desc &variant :
       table(item().variants, item().num_variants))
    if (variant.num_host_ports)
      return fail(
          error, ROUTE_ERROR_ENTRY_KIND,
          "entry '%.100s' reads '%.100s' in the host's memory, and what "
          "is measured is calls that a GPU runs alone",
          item().name, portName(item(), variant.host_ports[0]));
  std::vector<int64_t> sizes(desc().num_axes + 1, -1);
  if (item().item_axis < 0 || desc().axes[item().item_axis].size >= 0)
    return fail(error, ROUTE_ERROR_ENTRY_KIND,
                "entry '%.100s' has no axis of items whose number varies",
                item().name);
  sizes[static_cast<size_t>(item().item_axis)] = items;
  if (route_status status =
          route_complete_sizes(module, entry, sizes.data(), error))
    return status;
  // Tensors are pointed to.
  size_t most = 2 * (item().num_inputs + item().num_outputs);
  made.tensors.reserve(most);
  made.shapes.reserve(most);
  auto add = [&](const route_port_desc &port, bool isInput,
                 route_argument &argument) {
    std::string data, ones(isInput ? 1 << 16 : 0, '\1');
    if (isInput)
      data =
          randomData(port.type, port.role, seed + made.inputs.size() * 977, 1);
    if (route_status status =
            addTensor(port.axes, port.num_axes, sizes.data(), port.type.element,
                      data, made, &argument.tensor))
      return status;
    if (!(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
      return ROUTE_OK;
    return addTensor(port.axes, port.known_axes, sizes.data(), ROUTE_BOOL, ones,
                     made, &argument.known);
  };
  for (const route_port_desc &port : table(item().inputs, item().num_inputs))
    if (route_status status = add(port, true, made.inputs.emplace_back()))
      return status;
  for (const route_port_desc &port : table(item().outputs, item().num_outputs))
    if (route_status status = add(port, false, made.outputs.emplace_back()))
      return status;
  route_call &call = made.call;
  call.struct_size = sizeof(call);
  call.inputs = made.inputs.data();
  call.num_inputs = made.inputs.size();
  call.outputs = made.outputs.data();
  call.num_outputs = made.outputs.size();
  call.stream = timer.stream();
  if (route_status status = route_workspace_size(
          context, entry, sizes.data(), 1, &call.workspace_size, error))
    return status;
  return timer.allocate(call.workspace_size, call.workspace, error);
}

void Tuner::choose(size_t finding, int32_t form) {
  for (size_t i = 0; i < ofChoice.size(); ++i)
    if (ofChoice[i] == finding)
      tuning->chosen[i] = form;
}

route_status Tuner::capture(std::unique_ptr<DeviceTimer::Graph> &graph) {
  return timer.capture(
      [&](route_error *error) {
        for (auto &call : calls)
          if (route_status status =
                  route_decide(context, entry, &call->call, error))
            return status;
        return ROUTE_OK;
      },
      graph, error);
}

route_status Tuner::time(const Graphs &graphs, std::vector<double> &times) {
  if (route_status status = timer.time(graphs, times, error))
    return status;
  for (double &time : times)
    time /= static_cast<double>(calls.size());
  return ROUTE_OK;
}

/// Forms for few rows read weights once for each row: with many they take as
/// good as forever, which smaller numbers of rows foretell.
bool Tuner::isTried(size_t finding, size_t form, int64_t rows) const {
  const Finding &of = findings[finding];
  if (!isForFew(of.forms[form]))
    return true;
  if (of.points.empty())
    return rows <= 1024;
  const Finding::Point &last = of.points.back();
  double best = -1;
  for (double time : last.times)
    if (time >= 0 && (best < 0 || time < best))
      best = time;
  return last.times[form] >= 0 && last.times[form] <= 1.3 * best;
}

route_status Tuner::tune(size_t finding, int64_t items, int64_t rows) {
  Finding &of = findings[finding];
  Finding::Point point = {items, rows, {}};
  point.times.assign(of.forms.size(), -1);
  Graphs graphs;
  std::vector<size_t> tried;
  for (size_t form = 0; form < of.forms.size(); ++form) {
    if (!isTried(finding, form, rows))
      continue;
    choose(finding, static_cast<int32_t>(form));
    if (route_status status = capture(graphs.emplace_back()))
      return status;
    tried.push_back(form);
  }
  std::vector<double> times;
  if (route_status status = time(graphs, times))
    return status;
  size_t fastest = 0;
  for (size_t i = 0; i < tried.size(); ++i) {
    point.times[tried[i]] = times[i];
    if (times[i] < times[fastest])
      fastest = i;
  }
  choose(finding, static_cast<int32_t>(tried[fastest]));
  of.points.push_back(point);
  return ROUTE_OK;
}

int64_t Tuner::seenRows(size_t finding) const {
  int64_t rows = -1;
  for (size_t i = 0; i < ofChoice.size(); ++i)
    if (ofChoice[i] == finding)
      rows = std::max(rows, tuning->rows[i]);
  return rows;
}

route_status Tuner::measure(int64_t items) {
  for (size_t i = 0; i < ofChoice.size(); ++i) {
    tuning->chosen[i] = -1;
    tuning->rows[i] = -1;
  }
  Graphs both(2);
  if (route_status status = capture(both[0]))
    return status;
  // Products of a chain in order run only where that form of it does.
  std::vector<size_t> chains, products;
  for (size_t f = 0; f < findings.size(); ++f)
    if (findings[f].forms.front() == "slots" && seenRows(f) >= 0) {
      chains.push_back(f);
      choose(f, 1);
    }
  std::unique_ptr<DeviceTimer::Graph> ordered;
  if (!chains.empty())
    if (route_status status = capture(ordered))
      return status;
  for (size_t f = 0; f < findings.size(); ++f)
    if (findings[f].forms.front() != "slots" && seenRows(f) >= 0)
      products.push_back(f);
  for (const std::vector<size_t> &kind : {products, chains})
    for (size_t f : kind)
      if (route_status status = tune(f, items, seenRows(f)))
        return status;
  if (route_status status = capture(both[1]))
    return status;
  std::vector<double> times;
  if (route_status status = time(both, times))
    return status;
  printf("%9lld %10.2f %10.2f ", static_cast<long long>(items), times[0],
         times[1]);
  for (const Finding &finding : findings) {
    if (finding.points.empty() || finding.points.back().items != items)
      continue;
    const Finding::Point &point = finding.points.back();
    size_t fastest = finding.ownForm(point.rows);
    for (size_t form = 0; form < point.times.size(); ++form)
      if (point.times[form] >= 0 && (point.times[fastest] < 0 ||
                                     point.times[form] < point.times[fastest]))
        fastest = form;
    printf(" %s (%s)", finding.forms[fastest].c_str(),
           finding.forms[finding.ownForm(point.rows)].c_str());
  }
  printf("\n");
  fflush(stdout);
  return ROUTE_OK;
}

route_status Tuner::run() {
  if (route_status status = readChoices())
    return status;
  if (route_status status = timer.open(error))
    return status;
  if (route_status status = makeContext())
    return status;
  size_t kept = timer.numAllocated();
  printf("%s\n%9s %10s %10s  fastest (the library's own) form of each choice\n",
         timer.device().c_str(), "items", "us", "tuned");
  for (int64_t items : options.tokens) {
    // Several inputs, so that few items do not find their weights in the cache.
    size_t copies = items <= 64 ? 8 : items <= 1024 ? 4 : 1;
    for (size_t i = 0; i < copies; ++i) {
      calls.push_back(std::make_unique<TunedCall>());
      if (route_status status =
              makeCall(items, static_cast<unsigned>(i * 31 + 7), *calls.back()))
        return status;
    }
    route_status status = measure(items);
    calls.clear();
    timer.release(kept);
    if (status)
      return status;
  }
  std::erase_if(findings,
                [](const Finding &finding) { return finding.points.empty(); });
  if (findings.empty())
    return fail(error, ROUTE_ERROR_ENTRY_KIND,
                "entry '%.100s' runs none of the library's products",
                item().name);
  return writeFile(options.outputs.c_str(),
                   writeFindings(timer.device(), findings), error);
}

route_status route::tuneEntry(const RunOptions &options, route_module *module,
                              uint32_t entry, route_error *error) {
  return Tuner(options, module, entry, error).run();
}
