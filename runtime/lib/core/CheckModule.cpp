// Refuses descriptors that contradict themselves.
// One function a table, in the order of route_module.h. Pointers that do not
// point anywhere cannot be told from good ones; everything else can.
#include "CheckModule.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

using namespace route;

bool route::arrayBytes(const route_module_desc &module,
                       const route_type_desc &type, const uint32_t *axes,
                       uint64_t numAxes, uint64_t &bytes) {
  bytes = route_element_size(type.element);
  for (uint32_t axis : table(axes, numAxes)) {
    int64_t size = extent(module.axes[axis]);
    if (size < 0 || !multiply(bytes, static_cast<uint64_t>(size), bytes))
      return false;
  }
  return true;
}

bool route::nextPiece(const route_module_desc &module, const char *&cursor,
                      NamePiece &piece) {
  if (!*cursor)
    return false;
  auto placeholder = [&](const char *open) -> bool {
    const char *close = strchr(open, '}');
    if (!close)
      return false;
    const char *name = open + 1;
    uint64_t size = static_cast<uint64_t>(close - name);
    bool byName = size > 5 && memcmp(close - 5, ".name", 5) == 0;
    uint64_t axisSize = byName ? size - 5 : size;
    for (uint64_t i = 0; i < module.num_axes; ++i) {
      const char *axis = module.axes[i].name;
      if (strlen(axis) == axisSize && memcmp(axis, name, axisSize) == 0) {
        piece = {open, size + 2, static_cast<int64_t>(i), byName};
        return true;
      }
    }
    return false;
  };
  if (*cursor == '{' && placeholder(cursor)) {
    cursor += piece.size;
    return true;
  }
  const char *end = cursor + 1;
  while (*end && !(*end == '{' && placeholder(end)))
    ++end;
  piece = {cursor, static_cast<uint64_t>(end - cursor), -1, false};
  cursor = end;
  return true;
}

int64_t route::countPlaceholders(const route_module_desc &module,
                                 const char *tensor, const uint32_t *axes,
                                 uint64_t numAxes) {
  uint64_t seen = 0; // bit i: the i-th axis has a placeholder
  NamePiece piece;
  for (const char *cursor = tensor; nextPiece(module, cursor, piece);) {
    if (piece.axis < 0)
      continue;
    uint64_t position = 0;
    while (position < numAxes &&
           axes[position] != static_cast<uint32_t>(piece.axis))
      ++position;
    if (position == numAxes)
      return -1;
    if (piece.byName && !module.axes[piece.axis].members)
      return -1;
    seen |= uint64_t(1) << position;
  }
  if (seen & (seen + 1))
    return -1;
  return __builtin_popcountll(seen);
}

#define WRONG(...) fail(error, ROUTE_ERROR_DESCRIPTOR, __VA_ARGS__)

namespace {

class Checker {
public:
  Checker(const route_module_desc &module, route_error *error)
      : module(module), error(error) {}

  route_status run();

private:
  using Status = route_status;

  Status checkTable(const void *data, uint64_t count, const char *what,
                    uint64_t limit = ROUTE_MAX_TABLE) {
    if (count > limit)
      return WRONG("descriptor lists %llu %s, at most %llu are allowed",
                   static_cast<unsigned long long>(count), what,
                   static_cast<unsigned long long>(limit));
    if (count && !data)
      return WRONG("descriptor has a null table of %s", what);
    return ROUTE_OK;
  }
  Status checkName(const char *name, const char *what) {
    return name && *name ? ROUTE_OK : WRONG("%s without a name", what);
  }
  Status checkNames(const char *const *names, uint64_t count,
                    const char *owner) {
    for (const char *name : table(names, count))
      if (!name)
        return WRONG("'%.100s' has a member without a name", owner);
    return ROUTE_OK;
  }
  bool validIndex(int32_t index, uint64_t count) {
    return index >= -1 && (index < 0 || static_cast<uint64_t>(index) < count);
  }

  Status checkType(const route_type_desc &type, const char *owner);
  Status checkAxisList(const uint32_t *axes, uint64_t count, const char *owner);
  Status checkAxes();
  Status checkEnums();
  Status checkPools();
  Status checkParam(const route_param_desc &param);
  Status checkState(const route_state_desc &state);
  Status checkPeopleTables();
  Status checkPort(const route_entry_desc &entry, const route_port_desc &port,
                   bool input);
  Status checkStateList(const route_entry_desc &entry, const uint32_t *list,
                        uint64_t count, const char *what);
  Status checkPortNames(const route_entry_desc &entry,
                        const route_port_desc *ports, uint64_t count,
                        const char *what);
  Status checkEntry(const route_entry_desc &entry);
  Status checkHostPorts(const route_entry_desc &entry,
                        const route_variant_desc &variant);
  Status checkEntryNames();
  Status checkDeviceCode();

  const route_module_desc &module;
  route_error *error;
};

#define CHECK(EXPRESSION)                                                      \
  if (route_status status = (EXPRESSION))                                      \
    return status;

route_status Checker::checkType(const route_type_desc &type,
                                const char *owner) {
  if (!route_element_size(type.element))
    return WRONG("'%.100s' has unknown element type %u", owner, type.element);
  if (type.flags & ~uint32_t(ROUTE_TYPE_MAY_BE_UNKNOWN |
                             ROUTE_TYPE_JSON_MEMBERS | ROUTE_TYPE_OTHER_ITEMS))
    return WRONG("'%.100s' has unknown type flags %#x", owner, type.flags);
  if (!validIndex(type.enumeration, module.num_enums))
    return WRONG("'%.100s' is of enum %d, the module has %llu", owner,
                 type.enumeration,
                 static_cast<unsigned long long>(module.num_enums));
  if (!validIndex(type.rows_of, module.num_axes))
    return WRONG("'%.100s' holds rows of axis %d, the module has %llu", owner,
                 type.rows_of,
                 static_cast<unsigned long long>(module.num_axes));
  if ((type.enumeration >= 0 || type.rows_of >= 0) && type.element != ROUTE_I32)
    return WRONG("'%.100s' holds members as %s, expected i32", owner,
                 route_element_name(type.element));
  return ROUTE_OK;
}

route_status Checker::checkAxisList(const uint32_t *axes, uint64_t count,
                                    const char *owner) {
  CHECK(checkTable(axes, count, "axes of an array", ROUTE_MAX_RANK));
  for (uint32_t axis : table(axes, count))
    if (axis >= module.num_axes)
      return WRONG("'%.100s' is over axis %u, the module has %llu", owner, axis,
                   static_cast<unsigned long long>(module.num_axes));
  return ROUTE_OK;
}

route_status Checker::checkAxes() {
  CHECK(checkTable(module.axes, module.num_axes, "axes", ROUTE_MAX_AXES));
  for (const route_axis_desc &axis : table(module.axes, module.num_axes)) {
    CHECK(checkName(axis.name, "axis"));
    if (axis.size < -1 || axis.max_size < -1)
      return WRONG("axis '%.100s' has a negative size", axis.name);
    if (!validIndex(axis.parent, module.num_axes) ||
        (axis.parent >= 0 && &module.axes[axis.parent] == &axis))
      return WRONG("axis '%.100s' has no such parent: %d", axis.name,
                   axis.parent);
    if (axis.flags & ~uint32_t(ROUTE_AXIS_RAGGED))
      return WRONG("axis '%.100s' has unknown flags %#x", axis.name,
                   axis.flags);
    if ((axis.flags & ROUTE_AXIS_RAGGED) && axis.parent < 0)
      return WRONG("ragged axis '%.100s' has no parent", axis.name);
    if (axis.members) {
      if (axis.size < 0)
        return WRONG("dynamic axis '%.100s' lists members", axis.name);
      CHECK(checkTable(axis.members, static_cast<uint64_t>(axis.size),
                       "members of an axis"));
      CHECK(checkNames(axis.members, static_cast<uint64_t>(axis.size),
                       axis.name));
    }
  }
  // Whoever climbs from parent to parent comes to an end.
  for (const route_axis_desc &axis : table(module.axes, module.num_axes)) {
    uint64_t left = module.num_axes;
    for (int32_t above = axis.parent; above >= 0 && left--;
         above = module.axes[above].parent)
      if (&module.axes[above] == &axis)
        return WRONG("axis '%.100s' is nested in itself", axis.name);
  }
  return ROUTE_OK;
}

route_status Checker::checkEnums() {
  CHECK(checkTable(module.enums, module.num_enums, "enums"));
  for (const route_enum_desc &item : table(module.enums, module.num_enums)) {
    CHECK(checkName(item.name, "enum"));
    CHECK(checkTable(item.members, item.num_members, "members of an enum"));
    CHECK(checkNames(item.members, item.num_members, item.name));
  }
  return ROUTE_OK;
}

route_status Checker::checkPools() {
  CHECK(checkTable(module.pools, module.num_pools, "pools"));
  for (const route_pool_desc &pool : table(module.pools, module.num_pools)) {
    CHECK(checkName(pool.name, "pool"));
    if (pool.axis >= module.num_axes)
      return WRONG("pool '%.100s' is over axis %u", pool.name, pool.axis);
    CHECK(checkTable(pool.attributes, pool.num_attributes, "attributes"));
    for (const route_attribute_desc &attribute :
         table(pool.attributes, pool.num_attributes)) {
      CHECK(checkName(attribute.name, "attribute"));
      CHECK(checkType(attribute.type, attribute.name));
      CHECK(checkAxisList(attribute.axes, attribute.num_axes, attribute.name));
      uint64_t bytes;
      switch (attribute.kind) {
      case ROUTE_ATTRIBUTE_CONST:
        if (!arrayBytes(module, attribute.type, attribute.axes,
                        attribute.num_axes, bytes))
          return WRONG("attribute '%.100s' has no fixed size", attribute.name);
        if (bytes && !attribute.values)
          return WRONG("attribute '%.100s' has no values", attribute.name);
        break;
      case ROUTE_ATTRIBUTE_LIVE:
      case ROUTE_ATTRIBUTE_STATE:
        if (attribute.state < 0 ||
            !validIndex(attribute.state, module.num_states))
          return WRONG("attribute '%.100s' has no state cell", attribute.name);
        break;
      default:
        return WRONG("attribute '%.100s' has unknown kind %u", attribute.name,
                     attribute.kind);
      }
    }
  }
  return ROUTE_OK;
}

route_status Checker::checkParam(const route_param_desc &param) {
  CHECK(checkName(param.name, "parameter"));
  CHECK(checkName(param.tensor, "checkpoint tensor"));
  CHECK(checkType(param.type, param.name));
  if (param.type.element >= ROUTE_TEXT)
    return WRONG("parameter '%.100s' has elements of type %s", param.name,
                 route_element_name(param.type.element));
  CHECK(checkAxisList(param.axes, param.num_axes, param.name));
  uint64_t bytes;
  for (uint32_t axis : table(param.axes, param.num_axes))
    if (module.axes[axis].size < 0)
      return WRONG("parameter '%.100s' is over axis '%.100s' of no static size",
                   param.name, module.axes[axis].name);
  if (!arrayBytes(module, param.type, param.axes, param.num_axes, bytes) ||
      param.packed_size > INT64_MAX)
    return WRONG("parameter '%.100s' is too large", param.name);
  int64_t stacked =
      countPlaceholders(module, param.tensor, param.axes, param.num_axes);
  if (stacked < 0)
    return WRONG("the placeholders in '%.100s' are not the leading axes of "
                 "parameter '%.100s'",
                 param.tensor, param.name);
  if (param.stored > ROUTE_STORED_MXFP4)
    return WRONG("parameter '%.100s' is stored in form %u, which this runtime "
                 "does not know",
                 param.name, param.stored);
  if (param.stored == ROUTE_STORED_MXFP4 &&
      (param.type.element != ROUTE_BF16 ||
       static_cast<uint64_t>(stacked) == param.num_axes ||
       module.axes[param.axes[param.num_axes - 1]].size % 32 != 0))
    return WRONG("parameter '%.100s' is stored in blocks of 32 numbers, but "
                 "its elements are no bf16 in such blocks",
                 param.name);
  if (!param.pack != (param.packed_size == 0) ||
      !param.pack != (param.layout == ROUTE_LAYOUT_ROW_MAJOR))
    return WRONG("parameter '%.100s' has layout %u, packed size %llu and %s "
                 "pack function",
                 param.name, param.layout,
                 static_cast<unsigned long long>(param.packed_size),
                 param.pack ? "a" : "no");
  return ROUTE_OK;
}

route_status Checker::checkState(const route_state_desc &state) {
  CHECK(checkName(state.name, "state cell"));
  CHECK(checkType(state.type, state.name));
  if (state.type.element == ROUTE_TEXT)
    return WRONG("state cell '%.100s' has elements of type text", state.name);
  CHECK(checkAxisList(state.axes, state.num_axes, state.name));
  uint64_t bytes;
  if (!arrayBytes(module, state.type, state.axes, state.num_axes, bytes))
    return WRONG("state cell '%.100s' has no fixed size", state.name);
  if (state.flags & ~uint32_t(ROUTE_STATE_SPLAT))
    return WRONG("state cell '%.100s' has unknown flags %#x", state.name,
                 state.flags);
  if ((state.flags & ROUTE_STATE_SPLAT) && !state.initial)
    return WRONG("state cell '%.100s' has no value to repeat", state.name);
  if (state.tensor &&
      countPlaceholders(module, state.tensor, state.axes, state.num_axes) < 0)
    return WRONG("the placeholders in '%.100s' are not the leading axes of "
                 "state cell '%.100s'",
                 state.tensor, state.name);
  return ROUTE_OK;
}

route_status Checker::checkPeopleTables() {
  CHECK(checkTable(module.notes, module.num_notes, "notes"));
  for (const route_note_desc &note : table(module.notes, module.num_notes)) {
    CHECK(checkName(note.name, "note"));
    CHECK(checkType(note.type, note.name));
  }
  CHECK(checkTable(module.budgets, module.num_budgets, "budgets"));
  for (const route_budget_desc &budget :
       table(module.budgets, module.num_budgets)) {
    CHECK(checkName(budget.name, "budget"));
    if (!budget.per || !budget.window || !budget.limit)
      return WRONG("budget '%.100s' is incomplete", budget.name);
  }
  CHECK(checkTable(module.rejects, module.num_rejects, "reject reasons"));
  for (const route_reject_desc &reject :
       table(module.rejects, module.num_rejects)) {
    CHECK(checkName(reject.reason, "reject reason"));
    if (reject.code == 0)
      return WRONG("reject reason '%.100s' has code 0", reject.reason);
  }
  return ROUTE_OK;
}

route_status Checker::checkPort(const route_entry_desc &entry,
                                const route_port_desc &port, bool input) {
  CHECK(checkName(port.name, input ? "input" : "output"));
  CHECK(checkType(port.type, port.name));
  CHECK(checkAxisList(port.axes, port.num_axes, port.name));
  bool unknown = port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN;
  if (port.known_axes > port.num_axes || (!unknown && port.known_axes))
    return WRONG("'%.100s' has known bytes over %u axes", port.name,
                 port.known_axes);
  auto expect = [&](bool condition) {
    return condition ? ROUTE_OK
                     : WRONG("'%.100s' of entry '%.100s' cannot have role %u",
                             port.name, entry.name, port.role);
  };
  bool itemAxisOnly = port.num_axes == 1 && entry.item_axis >= 0 &&
                      port.axes[0] == static_cast<uint32_t>(entry.item_axis);
  bool integers = port.type.element == ROUTE_I32;
  switch (port.role) {
  case ROUTE_ROLE_DATA:
    return ROUTE_OK;
  case ROUTE_ROLE_HOST:
    return expect(input && port.timeout_ns >= 0);
  case ROUTE_ROLE_KNOWN: {
    std::string_view name = port.name;
    bool named = name.ends_with(".known") && name.size() > 6;
    bool members = port.subject < 0;
    if (named && input && !members &&
        static_cast<uint64_t>(port.subject) < entry.num_inputs) {
      const char *lists = entry.inputs[port.subject].name;
      members = lists && name.substr(0, name.size() - 6) == lists;
    }
    return expect(input && named && members && !unknown &&
                  port.type.element == ROUTE_BOOL && port.num_axes <= 1);
  }
  case ROUTE_ROLE_OFFSETS: {
    bool ragged = port.subject >= 0 &&
                  validIndex(port.subject, module.num_axes) &&
                  (module.axes[port.subject].flags & ROUTE_AXIS_RAGGED);
    return expect(input && ragged && !unknown && port.num_axes == 1 &&
                  static_cast<int32_t>(port.axes[0]) ==
                      module.axes[port.subject].parent &&
                  (integers || port.type.element == ROUTE_I64));
  }
  case ROUTE_ROLE_ID:
    return expect(input && itemAxisOnly && !unknown &&
                  port.type.element == ROUTE_U64);
  case ROUTE_ROLE_PLAN_INDEX:
    return expect(port.num_axes >= 1 && port.type.rows_of >= 0 && !unknown);
  case ROUTE_ROLE_PLAN_COUNT:
    return expect(integers && !unknown);
  case ROUTE_ROLE_PLAN_STATUS:
    return expect(!unknown && port.type.element == ROUTE_I64);
  case ROUTE_ROLE_PLAN_COLUMN:
    return expect(port.num_axes >= 1);
  case ROUTE_ROLE_NOTE:
    return expect(!input && port.subject >= 0 &&
                  validIndex(port.subject, module.num_notes));
  case ROUTE_ROLE_NEEDS:
    return expect(!input && itemAxisOnly && !unknown &&
                  port.type.element == ROUTE_U64 && entry.num_inputs <= 64);
  }
  return expect(false);
}

route_status Checker::checkStateList(const route_entry_desc &entry,
                                     const uint32_t *list, uint64_t count,
                                     const char *what) {
  CHECK(checkTable(list, count, what));
  for (uint64_t i = 0; i < count; ++i)
    if (list[i] >= module.num_states || (i && list[i] <= list[i - 1]))
      return WRONG("entry '%.100s' lists %s that do not ascend or do not exist",
                   entry.name, what);
  return ROUTE_OK;
}

/// Hosts give and find values by name.
route_status Checker::checkPortNames(const route_entry_desc &entry,
                                     const route_port_desc *ports,
                                     uint64_t count, const char *what) {
  for (uint64_t i = 1; i < count; ++i)
    for (uint64_t j = 0; j < i; ++j)
      if (strcmp(ports[i].name, ports[j].name) == 0)
        return WRONG("two %s of entry '%.100s' are named '%.100s'", what,
                     entry.name, ports[i].name);
  return ROUTE_OK;
}

route_status Checker::checkEntry(const route_entry_desc &entry) {
  CHECK(checkName(entry.name, "entry"));
  CHECK(checkTable(entry.inputs, entry.num_inputs, "inputs", ROUTE_MAX_PORTS));
  CHECK(checkTable(entry.outputs, entry.num_outputs, "outputs",
                   ROUTE_MAX_PORTS - entry.num_inputs));
  if (!validIndex(entry.item_axis, module.num_axes))
    return WRONG("entry '%.100s' has item axis %d", entry.name,
                 entry.item_axis);
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
    CHECK(checkPort(entry, port, true));
  for (const route_port_desc &port : table(entry.outputs, entry.num_outputs))
    CHECK(checkPort(entry, port, false));
  CHECK(checkPortNames(entry, entry.inputs, entry.num_inputs, "inputs"));
  CHECK(checkPortNames(entry, entry.outputs, entry.num_outputs, "outputs"));
  if (entry.kind < ROUTE_ENTRY_ROUTER || entry.kind > ROUTE_ENTRY_EVENT)
    return WRONG("entry '%.100s' has unknown kind %u", entry.name, entry.kind);
  CHECK(checkStateList(entry, entry.reads, entry.num_reads, "state reads"));
  CHECK(checkStateList(entry, entry.writes, entry.num_writes, "state writes"));
  if (entry.num_writes && entry.kind != ROUTE_ENTRY_EVENT)
    return WRONG("entry '%.100s' writes state and is no event", entry.name);
  CHECK(checkTable(entry.variants, entry.num_variants, "variants"));
  for (const route_variant_desc &variant :
       table(entry.variants, entry.num_variants)) {
    CHECK(checkName(variant.name, "variant"));
    if (!variant.fn)
      return WRONG("variant '%.100s' of entry '%.100s' has no function",
                   variant.name, entry.name);
    if (variant.device != ROUTE_DEVICE_CPU &&
        variant.device != ROUTE_DEVICE_CUDA)
      return WRONG("variant '%.100s' of entry '%.100s' is for device %u",
                   variant.name, entry.name, variant.device);
    CHECK(checkHostPorts(entry, variant));
  }
  return ROUTE_OK;
}

/// Which ports a variant for a device has in the host's memory.
route_status Checker::checkHostPorts(const route_entry_desc &entry,
                                     const route_variant_desc &variant) {
  const uint64_t numPorts = entry.num_inputs + entry.num_outputs;
  CHECK(checkTable(variant.host_ports, variant.num_host_ports,
                   "ports of the host", ROUTE_MAX_PORTS));
  if (variant.device == ROUTE_DEVICE_CPU) {
    if (variant.num_host_ports || variant.host_fn ||
        variant.host_workspace_size)
      return WRONG("variant '%.100s' of entry '%.100s' is for the CPU and has "
                   "a part for the host",
                   variant.name, entry.name);
    return ROUTE_OK;
  }
  if (variant.host_workspace_size && !variant.host_fn)
    return WRONG("variant '%.100s' of entry '%.100s' needs memory for a part "
                 "for the host and has none",
                 variant.name, entry.name);
  uint64_t next = 0;
  for (uint32_t port : table(variant.host_ports, variant.num_host_ports)) {
    if (port < next || port >= numPorts)
      return WRONG("variant '%.100s' of entry '%.100s' has port %u in the "
                   "host's memory, of %llu and in ascending order",
                   variant.name, entry.name, port,
                   static_cast<unsigned long long>(numPorts));
    next = port + 1;
  }
  std::span<const uint32_t> onHost =
      table(variant.host_ports, variant.num_host_ports);
  for (uint64_t i = 0; i < numPorts; ++i) {
    const route_port_desc &port = i < entry.num_inputs
                                      ? entry.inputs[i]
                                      : entry.outputs[i - entry.num_inputs];
    if (port.type.element == ROUTE_TEXT &&
        !std::binary_search(onHost.begin(), onHost.end(), i))
      return WRONG("variant '%.100s' of entry '%.100s' has the texts '%.100s' "
                   "on a device",
                   variant.name, entry.name, port.name);
  }
  return ROUTE_OK;
}

route_status Checker::checkEntryNames() {
  for (uint64_t i = 1; i < module.num_entries; ++i)
    for (uint64_t j = 0; j < i; ++j)
      if (strcmp(module.entries[i].name, module.entries[j].name) == 0)
        return WRONG("two entries are named '%.100s'", module.entries[i].name);
  return ROUTE_OK;
}

route_status Checker::checkDeviceCode() {
  const route_device_code_desc *code = module.device_code;
  if (!code)
    return ROUTE_OK;
  CHECK(checkName(code->architecture, "device architecture"));
  if (code->assembly ? code->assembly[code->assembly_size] != 0
                     : code->num_kernels || code->num_binaries)
    return WRONG("the code for '%.100s' lacks its assembly",
                 code->architecture);
  CHECK(checkTable(code->binaries, code->num_binaries, "binaries"));
  for (const route_device_binary &binary :
       table(code->binaries, code->num_binaries))
    if (!binary.data || !binary.size)
      return WRONG("the code for '%.100s' lacks a binary", code->architecture);
  if (!code->prepare != (code->prepared_size == 0) ||
      !code->prepare != !code->prepare_workspace_size ||
      code->prepared_size > INT64_MAX)
    return WRONG("the code for '%.100s' prepares %llu bytes with %s function",
                 code->architecture,
                 static_cast<unsigned long long>(code->prepared_size),
                 code->prepare ? "a" : "no");
  CHECK(checkTable(code->kernels, code->num_kernels, "kernels"));
  for (const route_kernel_desc &kernel :
       table(code->kernels, code->num_kernels)) {
    CHECK(checkName(kernel.name, "kernel"));
    if (code->num_binaries && kernel.binary >= code->num_binaries)
      return WRONG("kernel '%.100s' is in none of %llu binaries", kernel.name,
                   static_cast<unsigned long long>(code->num_binaries));
  }
  return ROUTE_OK;
}

route_status Checker::run() {
  const char *strings[] = {module.name, module.source_hash,
                           module.compiler_version, module.unicode_version,
                           module.target};
  for (const char *text : strings)
    if (!text)
      return WRONG("descriptor lacks its name, hash, version or target");
  // Counts first: later checks follow indices from table to table.
  CHECK(checkTable(module.states, module.num_states, "state cells"));
  CHECK(checkTable(module.params, module.num_params, "parameters"));
  CHECK(checkTable(module.entries, module.num_entries, "entries",
                   ROUTE_MAX_ENTRIES));
  CHECK(checkAxes());
  CHECK(checkEnums());
  CHECK(checkPools());
  for (const route_param_desc &param : table(module.params, module.num_params))
    CHECK(checkParam(param));
  for (const route_state_desc &state : table(module.states, module.num_states))
    CHECK(checkState(state));
  CHECK(checkPeopleTables());
  for (const route_entry_desc &entry :
       table(module.entries, module.num_entries))
    CHECK(checkEntry(entry));
  CHECK(checkDeviceCode());
  return checkEntryNames();
}

#undef CHECK
#undef WRONG

} // namespace

route_status route::checkModule(const route_module_desc *module,
                                route_error *error) {
  if (!module || module->magic != ROUTE_MODULE_MAGIC)
    return fail(error, ROUTE_ERROR_NOT_A_MODULE,
                "the descriptor is not one of a route module");
  if (module->abi_version != ROUTE_MODULE_ABI_VERSION)
    return fail(error, ROUTE_ERROR_ABI_VERSION,
                "module has ABI version %u, this runtime has %u",
                module->abi_version, ROUTE_MODULE_ABI_VERSION);
  if (module->struct_size < sizeof(route_module_desc))
    return fail(error, ROUTE_ERROR_ABI_VERSION,
                "descriptor has %llu bytes, expected at least %zu",
                static_cast<unsigned long long>(module->struct_size),
                sizeof(route_module_desc));
  return Checker(*module, error).run();
}
