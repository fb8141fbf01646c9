// Items to lines of JSON.
// A plan is a list of its rows' names, cut at its count; a rejection carries
// its reason; what is unknown is null.
#include "../core/CheckModule.h"
#include "route/io/Records.h"
#include "route/io/Scalars.h"

#include <cstring>

using namespace route;

namespace {

class RecordWriter {
public:
  RecordWriter(const route_module_desc &module, const route_entry_desc &entry,
               const Values &outputs, const int64_t *sizes, std::string &text)
      : module(module), entry(entry), outputs(outputs), sizes(sizes),
        text(text) {}

  void run();

private:
  bool overItems(const route_port_desc &port) const {
    return entry.item_axis >= 0 && port.num_axes &&
           port.axes[0] == static_cast<uint32_t>(entry.item_axis);
  }
  void key(const char *name, bool &first) {
    if (!first)
      text += ", ";
    first = false;
    writeString(name, text);
    text += ": ";
  }
  void object(bool items, int64_t item);
  void port(size_t index, int64_t item, bool &first);
  void array(const route_port_desc &port, const Value &value, size_t axis,
             uint64_t position, const Value *counts);
  const Value *countsOf(const route_port_desc &port) const;
  void needs(uint64_t mask);
  void reason(const route_port_desc &port, int64_t status, bool &first);

  const route_module_desc &module;
  const route_entry_desc &entry;
  const Values &outputs;
  const int64_t *sizes;
  std::string &text;
};

} // namespace

/// The counts that cut a plan's rows, or null.
const Value *RecordWriter::countsOf(const route_port_desc &port) const {
  if (port.role != ROUTE_ROLE_PLAN_INDEX && port.role != ROUTE_ROLE_PLAN_COLUMN)
    return nullptr;
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &other = entry.outputs[i];
    if (other.role == ROUTE_ROLE_PLAN_COUNT && other.subject == port.subject &&
        other.num_axes + 1 <= port.num_axes)
      return &outputs.values[i];
  }
  return nullptr;
}

/// The array below `axis` whose first element is at `position` (in units of
/// what is above that axis).
void RecordWriter::array(const route_port_desc &port, const Value &value,
                         size_t axis, uint64_t position, const Value *counts) {
  if (!value.known.empty() && axis == port.known_axes &&
      !value.known[position]) {
    text += "null";
    return;
  }
  if (axis == port.num_axes) {
    uint64_t size = route_element_size(port.type.element);
    writeElement(module, port.type, value.bytes() + position * size, text);
    return;
  }
  uint64_t extent = static_cast<uint64_t>(value.shape[axis]), shown = extent;
  if (counts && counts->shape.size() == axis) {
    int32_t count;
    memcpy(&count, counts->bytes() + position * sizeof(count), sizeof(count));
    if (count >= 0 && static_cast<uint64_t>(count) < extent)
      shown = static_cast<uint64_t>(count);
  }
  text += '[';
  for (uint64_t i = 0; i < shown; ++i) {
    if (i)
      text += ", ";
    array(port, value, axis + 1, position * extent + i, counts);
  }
  text += ']';
}

void RecordWriter::needs(uint64_t mask) {
  text += '[';
  bool first = true;
  for (uint64_t i = 0; i < entry.num_inputs && i < 64; ++i)
    if (mask >> i & 1) {
      text += first ? "" : ", ";
      writeString(entry.inputs[i].name, text);
      first = false;
    }
  text += ']';
}

/// "PLAN.reason": the name of a rejection's code, where it has one.
void RecordWriter::reason(const route_port_desc &port, int64_t status,
                          bool &first) {
  std::string plan = port.name;
  for (const route_port_desc &other : table(entry.outputs, entry.num_outputs))
    if (other.role == ROUTE_ROLE_PLAN_INDEX && other.subject == port.subject)
      plan = other.name;
  for (const route_reject_desc &reject :
       table(module.rejects, module.num_rejects))
    if (reject.code == status) {
      key((plan + ".reason").c_str(), first);
      return writeString(reject.reason, text);
    }
}

void RecordWriter::port(size_t index, int64_t item, bool &first) {
  const route_port_desc &port = entry.outputs[index];
  const Value &value = outputs.values[index];
  size_t axis = item >= 0 ? 1 : 0;
  uint64_t position = item >= 0 ? static_cast<uint64_t>(item) : 0;
  if (port.role == ROUTE_ROLE_PLAN_COUNT)
    return; // the plan's list has this length
  key(port.name, first);
  if (port.role == ROUTE_ROLE_NEEDS && axis == port.num_axes) {
    uint64_t mask;
    memcpy(&mask, value.bytes() + position * 8, sizeof(mask));
    return needs(mask);
  }
  array(port, value, axis, position, countsOf(port));
  if (port.role == ROUTE_ROLE_PLAN_STATUS && axis == port.num_axes) {
    int64_t status;
    memcpy(&status, value.bytes() + position * sizeof(status), sizeof(status));
    if (status != 0)
      reason(port, status, first);
  }
}

void RecordWriter::object(bool items, int64_t item) {
  text += '{';
  bool first = true;
  for (size_t i = 0; i < entry.num_outputs; ++i)
    if (overItems(entry.outputs[i]) == items)
      port(i, item, first);
  text += '}';
}

void RecordWriter::run() {
  bool anyOfItems = false, anyOfAll = false;
  for (const route_port_desc &port : table(entry.outputs, entry.num_outputs))
    (overItems(port) ? anyOfItems : anyOfAll) = true;
  if (entry.item_axis < 0) {
    object(false, -1);
    text += '\n';
    return;
  }
  for (int64_t i = 0; anyOfItems && i < sizes[entry.item_axis]; ++i) {
    object(true, i);
    text += '\n';
  }
  if (anyOfAll) {
    text += "{\"all\": ";
    object(false, -1);
    text += "}\n";
  }
}

void route::writeRecords(const route_module_desc &module,
                         const route_entry_desc &entry, const Values &outputs,
                         const int64_t *axisSizes, std::string &text) {
  RecordWriter(module, entry, outputs, axisSizes, text).run();
}
