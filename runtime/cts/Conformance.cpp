// What any compiled module must keep.
// Every entry runs several times on the same inputs in surroundings that must
// not matter: other garbage in outputs and workspace, other ways to share
// loops, other variants, fewer items. Guards stand around what it may write.
#include "Conformance.h"
#include "../lib/core/CheckModule.h"

#include <algorithm>
#include <cstring>
#include <numeric>

using namespace route;
using namespace route::cts;

namespace {

constexpr uint64_t guardSize = 256;

/// Memory of one output between guards, filled with a pattern.
struct Guarded {
  AlignedMemory memory;
  uint64_t size = 0;
  unsigned char pattern = 0;

  bool make(uint64_t bytes, unsigned char fill) {
    size = bytes;
    pattern = fill;
    if (!memory.allocate(bytes + 2 * guardSize))
      return false;
    memset(memory.get(), fill, bytes + 2 * guardSize);
    return true;
  }
  char *data() { return memory.get() + guardSize; }
  bool intact() const {
    const char *bytes = memory.get();
    auto clean = [&](uint64_t from) {
      for (uint64_t i = from; i < from + guardSize; ++i)
        if (static_cast<unsigned char>(bytes[i]) != pattern)
          return false;
      return true;
    };
    return clean(0) && clean(guardSize + size);
  }
};

/// Shares a loop out backwards, a grain at a time, over three worker numbers.
void backwards(void *, int64_t count, int64_t grain, route_body_fn body,
               void *argument) {
  if (grain < 1)
    grain = 1;
  int64_t shares = (count + grain - 1) / grain;
  for (int64_t share = shares; share-- > 0;)
    body(argument, share * grain, std::min(count, (share + 1) * grain),
         share % 3);
}

/// What one run of an entry gave.
struct Run {
  std::vector<Guarded> outputs, known;
  Guarded workspace;
};

class EntryChecker {
public:
  EntryChecker(route_module *module, uint32_t entry, uint64_t seed,
               Report &report)
      : module(module), desc(*route_module_descriptor(module)), index(entry),
        entry(desc.entries[entry]), seed(seed), report(report) {}

  void check(route_context *context, Values &inputs, Style style,
             const std::vector<route_context *> &others);

private:
  /// Counts a check; a false one is reported.
  bool expect(bool good, const std::string &what) {
    ++report.checks;
    if (!good)
      report.failures.push_back(std::string(entry.name) + ": " + what +
                                " (seed " + std::to_string(seed) + ")");
    return good;
  }
  bool run(route_context *context, Values &inputs, unsigned char pattern,
           bool shareBackwards, Run &result, std::string *trace = nullptr);
  bool same(const Run &a, const Run &b, const std::string &what,
            bool plansOnly = false);
  void checkPlans(Run &run);
  void checkMembers(Run &run);
  void checkItems(route_context *context, Values &inputs, Run &whole);
  std::string textBytes(size_t output, const Run &run) const;
  uint64_t count(const route_port_desc &port) const {
    uint64_t n = 1;
    for (uint64_t i = 0; i < port.num_axes; ++i)
      n *= static_cast<uint64_t>(sizes[port.axes[i]]);
    return n;
  }

  route_module *module;
  const route_module_desc &desc;
  uint32_t index;
  const route_entry_desc &entry;
  uint64_t seed;
  Report &report;
  std::vector<int64_t> sizes;
};

} // namespace

bool EntryChecker::run(route_context *context, Values &inputs,
                       unsigned char pattern, bool shareBackwards, Run &result,
                       std::string *trace) {
  route_error error = {};
  auto failed = [&](const char *step) {
    return expect(false, std::string(step) + ": " + error.message);
  };
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs.arguments();
  call.num_inputs = entry.num_inputs;
  call.seed = 12345;
  call.now = 1'700'000'000'000'000'000;
  call.workers = 1;
  if (shareBackwards) {
    call.parallel_for = backwards;
    call.workers = 3;
  }
  sizes.assign(desc.num_axes + 1, -1);
  if (route_call_sizes(context, index, &call, sizes.data(), &error))
    return failed("sizes");
  uint64_t workspaceSize;
  if (route_workspace_size(context, index, sizes.data(), call.workers,
                           &workspaceSize, &error))
    return failed("workspace");

  result.outputs.clear();
  result.outputs.resize(entry.num_outputs);
  result.known.clear();
  result.known.resize(entry.num_outputs);
  std::vector<route_tensor> tensors(2 * entry.num_outputs);
  std::vector<std::vector<int64_t>> shapes(entry.num_outputs);
  std::vector<route_argument> outputs(entry.num_outputs + 1);
  bool memory = result.workspace.make(workspaceSize, pattern);
  for (size_t i = 0; i < entry.num_outputs && memory; ++i) {
    const route_port_desc &port = entry.outputs[i];
    shapes[i].resize(port.num_axes + 1);
    if (route_port_shape(module, &port, sizes.data(), shapes[i].data(), &error))
      return failed("shape");
    memory = result.outputs[i].make(
        count(port) * route_element_size(port.type.element), pattern);
    auto tensor = [&](route_tensor &made, uint32_t element, uint64_t rank,
                      void *data) {
      made.data = data;
      made.device.device_type = ROUTE_DEVICE_CPU;
      made.ndim = static_cast<int32_t>(rank);
      made.dtype = route_element_dtype(element);
      made.shape = shapes[i].data();
      return &made;
    };
    outputs[i].tensor = tensor(tensors[2 * i], port.type.element, port.num_axes,
                               result.outputs[i].data());
    if (!memory || !(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
      continue;
    uint64_t positions = 1;
    for (uint32_t axis = 0; axis < port.known_axes; ++axis)
      positions *= static_cast<uint64_t>(sizes[port.axes[axis]]);
    memory = result.known[i].make(positions, pattern);
    outputs[i].known = tensor(tensors[2 * i + 1], ROUTE_BOOL, port.known_axes,
                              result.known[i].data());
  }
  if (!memory)
    return expect(false, "out of memory");
  call.outputs = outputs.data();
  call.num_outputs = entry.num_outputs;
  call.workspace = result.workspace.data();
  call.workspace_size = workspaceSize;
  auto make = entry.kind == ROUTE_ENTRY_EVENT ? route_emit : route_decide;
  route_trace recorded = {};
  if (trace) {
    trace->resize(1 << 22);
    recorded = {trace->data(), trace->size(), 0};
    call.trace = &recorded;
  }
  route_status status = make(context, index, &call, &error);
  if (trace && status == ROUTE_ERROR_TRACE_SPACE) {
    // The call says how much it needs.
    trace->resize(recorded.size);
    recorded = {trace->data(), trace->size(), 0};
    status = make(context, index, &call, &error);
  }
  if (status) {
    // An event may refuse what it is told; a decision may not fail.
    if (status == ROUTE_ERROR_ENTRY_FAILED && entry.kind == ROUTE_ENTRY_EVENT)
      return false;
    return failed("call");
  }
  if (trace)
    trace->resize(recorded.size);
  bool intact = result.workspace.intact();
  expect(intact, "writes outside its workspace");
  for (size_t i = 0; i < entry.num_outputs; ++i)
    intact &= expect(result.outputs[i].intact() &&
                         (!result.known[i].size || result.known[i].intact()),
                     std::string("writes outside output '") +
                         entry.outputs[i].name + "'");
  return intact;
}

std::string EntryChecker::textBytes(size_t output, const Run &run) const {
  std::string all;
  auto &values = const_cast<Guarded &>(run.outputs[output]);
  for (uint64_t at = 0; at < values.size; at += sizeof(route_text)) {
    route_text text;
    memcpy(&text, values.data() + at, sizeof(text));
    all += std::to_string(text.size) + ":";
    if (text.size > 0)
      all.append(text.data, static_cast<size_t>(text.size));
  }
  return all;
}

bool EntryChecker::same(const Run &a, const Run &b, const std::string &what,
                        bool plansOnly) {
  bool all = true;
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &port = entry.outputs[i];
    bool plan = port.role == ROUTE_ROLE_PLAN_INDEX ||
                port.role == ROUTE_ROLE_PLAN_COUNT ||
                port.role == ROUTE_ROLE_PLAN_STATUS;
    if (plansOnly && !plan)
      continue;
    auto &left = const_cast<Guarded &>(a.outputs[i]);
    auto &right = const_cast<Guarded &>(b.outputs[i]);
    bool equal = port.type.element == ROUTE_TEXT
                     ? textBytes(i, a) == textBytes(i, b)
                     : memcmp(left.data(), right.data(), left.size) == 0;
    auto &leftKnown = const_cast<Guarded &>(a.known[i]);
    auto &rightKnown = const_cast<Guarded &>(b.known[i]);
    if (leftKnown.size)
      equal &= memcmp(leftKnown.data(), rightKnown.data(), leftKnown.size) == 0;
    all &= expect(equal, std::string("output '") + port.name + "' " + what);
  }
  return all;
}

/// Counts and rows in range, -1 and zeros past the count, none when rejected.
void EntryChecker::checkPlans(Run &run) {
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &counts = entry.outputs[i];
    if (counts.role != ROUTE_ROLE_PLAN_COUNT)
      continue;
    auto *used = reinterpret_cast<int32_t *>(run.outputs[i].data());
    uint64_t items = count(counts);
    for (size_t j = 0; j < entry.num_outputs; ++j) {
      const route_port_desc &port = entry.outputs[j];
      if (port.subject != counts.subject || i == j)
        continue;
      char *bytes = run.outputs[j].data();
      if (port.role == ROUTE_ROLE_PLAN_STATUS && count(port) == items) {
        auto *status = reinterpret_cast<int64_t *>(bytes);
        bool good = true;
        for (uint64_t k = 0; k < items; ++k)
          good &= status[k] == 0 || used[k] == 0;
        expect(good, std::string("plan '") + port.name +
                         "' has rows where it is rejected");
      }
      bool rows = port.role == ROUTE_ROLE_PLAN_INDEX;
      if ((!rows && port.role != ROUTE_ROLE_PLAN_COLUMN) ||
          port.num_axes <= counts.num_axes)
        continue;
      int64_t most = sizes[port.axes[counts.num_axes]];
      uint64_t each = route_element_size(port.type.element);
      for (uint64_t a = counts.num_axes + 1; a < port.num_axes; ++a)
        each *= static_cast<uint64_t>(sizes[port.axes[a]]);
      bool ranged = true, padded = true, members = true;
      int64_t limit =
          port.type.rows_of >= 0 ? sizes[port.type.rows_of] : INT32_MAX;
      if (limit < 0)
        limit = INT32_MAX;
      for (uint64_t k = 0; k < items; ++k) {
        ranged &= used[k] >= 0 && used[k] <= most;
        for (int64_t r = 0; r < most; ++r) {
          char *at = bytes + (k * static_cast<uint64_t>(most) +
                              static_cast<uint64_t>(r)) *
                                 each;
          int32_t row = 0;
          if (rows)
            memcpy(&row, at, sizeof(row));
          if (r < used[k])
            members &= !rows || (row >= 0 && row < limit);
          else if (rows)
            padded &= row == -1;
          else
            padded &= std::all_of(at, at + each, [](char c) { return c == 0; });
        }
      }
      expect(ranged, std::string("output '") + counts.name +
                         "' counts more rows than there can be");
      expect(members, std::string("output '") + port.name +
                          "' names rows that do not exist");
      expect(padded, std::string("output '") + port.name +
                         "' is not -1 or 0 past its count");
    }
  }
}

/// Enum members and known bytes of outputs lie in their range.
void EntryChecker::checkMembers(Run &run) {
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &port = entry.outputs[i];
    for (uint64_t k = 0; k < run.known[i].size; ++k)
      if (!expect(static_cast<unsigned char>(run.known[i].data()[k]) <= 1,
                  std::string("output '") + port.name +
                      "' has known bytes besides 0 and 1"))
        break;
    if (port.type.enumeration < 0)
      continue;
    auto *values = reinterpret_cast<int32_t *>(run.outputs[i].data());
    auto members =
        static_cast<int32_t>(desc.enums[port.type.enumeration].num_members);
    bool good = true;
    // Of a router by rules: -1 where no rule decided.
    int32_t least = std::string_view(port.name).ends_with(".which") ? -1 : 0;
    for (uint64_t k = 0; k < count(port); ++k)
      good &= values[k] >= least && values[k] < members;
    expect(good, std::string("output '") + port.name +
                     "' has members that its enum does not");
  }
}

/// Items are decided independently: the first alone gives what it gave among
/// all. Outputs that the spec makes of other items too, and entries with inputs
/// over axes inside the items or around them, are left out.
void EntryChecker::checkItems(route_context *context, Values &inputs,
                              Run &whole) {
  if (entry.item_axis < 0 || sizes[entry.item_axis] < 2)
    return;
  auto axis = static_cast<uint32_t>(entry.item_axis);
  if (int32_t above = desc.axes[axis].parent;
      above >= 0 && desc.axes[above].derived_size)
    return; // one item would be no whole parent's
  auto overItems = [&](const route_port_desc &port) {
    return port.num_axes && port.axes[0] == axis;
  };
  auto liesIn = [&](uint32_t inner, uint32_t outer) {
    int32_t above = desc.axes[inner].parent;
    while (above >= 0 && above != static_cast<int32_t>(outer))
      above = desc.axes[above].parent;
    return above >= 0;
  };
  Values one(entry.inputs, entry.num_inputs);
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    for (uint64_t dim = 0; dim < port.num_axes; ++dim)
      if (liesIn(port.axes[dim], axis) || liesIn(axis, port.axes[dim]))
        return;
    if (port.role == ROUTE_ROLE_OFFSETS)
      return;
    Value &value = one.values[i] = inputs.values[i];
    if (!overItems(port))
      continue;
    auto items = static_cast<uint64_t>(value.shape[0]);
    value.shape[0] = 1;
    value.size /= items;
    if (port.known_axes)
      value.known.resize(value.known.size() / items);
  }
  std::vector<int64_t> all = sizes;
  Run alone;
  if (!run(context, one, 0x11, false, alone))
    return;
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &port = entry.outputs[i];
    if (!overItems(port) || port.type.element == ROUTE_TEXT)
      continue;
    if (port.type.flags & ROUTE_TYPE_OTHER_ITEMS) {
      report.together.insert(std::string(entry.name) + ": output '" +
                             port.name + "'");
      continue;
    }
    expect(memcmp(alone.outputs[i].data(), whole.outputs[i].data(),
                  alone.outputs[i].size) == 0,
           std::string("output '") + port.name +
               "' of the first item depends on the other items");
  }
  sizes = all;
}

void EntryChecker::check(route_context *context, Values &inputs, Style style,
                         const std::vector<route_context *> &others) {
  std::vector<std::vector<uint64_t>> before;
  for (const Value &value : inputs.values)
    before.push_back(value.storage);
  bool event = entry.kind == ROUTE_ENTRY_EVENT;
  Run first;
  std::string trace;
  if (!run(context, inputs, 0xa5, false, first, &trace))
    return;
  for (size_t i = 0; i < before.size(); ++i)
    expect(before[i] == inputs.values[i].storage,
           std::string("writes into input '") + entry.inputs[i].name + "'");
  checkPlans(first);
  checkMembers(first);
  route_error error = {};
  expect(route_replay(context, trace.data(), trace.size(), &error) == ROUTE_OK,
         std::string("does not replay: ") + error.message);
  if (event)
    return;
  Run second, shared;
  if (run(context, inputs, 0x5a, false, second))
    same(first, second,
         "differs from run to run, or is not written everywhere");
  if (run(context, inputs, 0x3c, true, shared))
    same(first, shared, "depends on how loops are shared out");
  checkItems(context, inputs, first);
  if (style != Style::Exact)
    return;
  for (route_context *other : others) {
    Run variant;
    if (run(other, inputs, 0xa5, false, variant))
      same(first, variant,
           std::string("of variant '") + route_context_variant(other, index) +
               "' differs from that of '" +
               route_context_variant(context, index) + "'",
           true);
  }
}

route_status route::cts::checkConformance(route_module *module,
                                          const Options &options,
                                          Report &report, route_error *error) {
  const route_module_desc &desc = *route_module_descriptor(module);
  for (int round = 0; round < options.rounds; ++round) {
    Style style = round % 2 ? Style::Exact : Style::Wild;
    uint64_t seed = options.seed + static_cast<uint64_t>(round);
    Generator generator(desc, seed);
    auto made = generator.checkpoints(Style::Exact);
    std::vector<route_file> files;
    for (auto &[label, bytes] : made)
      files.push_back({label.empty() ? nullptr : label.c_str(), nullptr,
                       bytes.data(), bytes.size()});
    route_context_options contextOptions = {};
    contextOptions.struct_size = sizeof(contextOptions);
    contextOptions.files = options.files ? options.files : files.data();
    contextOptions.num_files = options.files ? options.numFiles : files.size();
    // One context for each set of features that makes a difference.
    std::vector<route_context *> contexts;
    uint64_t mask = route_cpu_features();
    route_status status = ROUTE_OK;
    for (uint64_t bit = uint64_t(1) << 63;; bit >>= 1) {
      contextOptions.features_mask = mask ? mask : uint64_t(1) << 63;
      route_context *context = nullptr;
      route_error problem = {};
      status =
          route_context_create(module, &contextOptions, &context, &problem);
      if (!context) {
        if (contexts.empty() && error)
          *error = problem;
        break;
      }
      contexts.push_back(context);
      while (bit && !(mask & bit))
        bit >>= 1;
      if (!bit)
        break;
      mask &= ~bit;
    }
    if (contexts.empty())
      return status;
    // Events last: they change the state of the first context alone.
    std::vector<uint32_t> order(desc.num_entries);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_partition(order.begin(), order.end(), [&](uint32_t entry) {
      return desc.entries[entry].kind != ROUTE_ENTRY_EVENT;
    });
    for (uint32_t entry : order) {
      std::vector<route_context *> others;
      std::string seen = "\n";
      for (route_context *context : contexts) {
        const char *name = route_context_variant(context, entry);
        if (!name || seen.find("\n" + std::string(name) + "\n") != seen.npos)
          continue;
        seen += std::string(name) + "\n";
        if (context != contexts[0])
          others.push_back(context);
      }
      if (!route_context_variant(contexts[0], entry))
        continue; // for another device
      int64_t most = round == 0 ? 1 : round == 1 ? 3 : options.mostItems;
      Values inputs =
          generator.inputs(desc.entries[entry],
                           generator.sizes(desc.entries[entry], most), style);
      EntryChecker(module, entry, seed, report)
          .check(contexts[0], inputs, style, others);
    }
    for (route_context *context : contexts)
      route_context_release(context);
  }
  return ROUTE_OK;
}
