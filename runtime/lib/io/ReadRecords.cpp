// Items from lines of JSON.
// Lines are parsed one at a time, to a bounded depth; every error names its
// line and its column.
#include "../core/CheckModule.h"
#include "route/io/Records.h"
#include "route/io/Scalars.h"
#include "route/io/Spelling.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

using namespace route;

RecordLines::RecordLines(std::string_view text) {
  for (uint64_t number = 1; !text.empty(); ++number) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") != line.npos)
      lines.push_back({line, number});
  }
}

namespace {

class RecordReader {
public:
  RecordReader(const route_module_desc &module, const route_entry_desc &entry,
               const ReadOptions &options, Values &inputs, route_error *error)
      : module(module), entry(entry), options(options), inputs(inputs),
        error(error), sizes(module.num_axes, -1) {
    for (uint64_t i = 0; i < module.num_axes; ++i)
      sizes[i] = module.axes[i].size;
  }

  route_status run(std::span<const RecordLines::Line> lines);

private:
  [[gnu::format(printf, 2, 3)]] route_status wrong(const char *format, ...);

  /// Item axis in front, or the ragged axis below it?
  bool overItems(const route_port_desc &port) const {
    return entry.item_axis >= 0 && port.num_axes &&
           port.axes[0] == static_cast<uint32_t>(entry.item_axis);
  }
  bool overRagged(const route_port_desc &port) const {
    if (entry.item_axis < 0 || !port.num_axes)
      return false;
    const route_axis_desc &axis = module.axes[port.axes[0]];
    return (axis.flags & ROUTE_AXIS_RAGGED) && axis.parent == entry.item_axis;
  }
  /// A column of the item that an event is about, given for the whole batch.
  bool ofEventItem(const route_port_desc &port) const {
    return entry.kind == ROUTE_ENTRY_EVENT && port.num_axes &&
           module.axes[port.axes[0]].size < 0;
  }
  bool fromLines(const route_port_desc &port) const {
    return port.role != ROUTE_ROLE_OFFSETS &&
           (entry.item_axis < 0 || overItems(port) || overRagged(port));
  }

  /// Does an input besides the ids tell how many items there are?
  bool itemsTold() const {
    for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
      if (port.role != ROUTE_ROLE_ID && overItems(port))
        return true;
    return false;
  }

  /// Whether the one record of an entry without items gives such an input as a
  /// list of lists, one for each parent.
  bool isListed(const route_port_desc &port) const {
    if (entry.item_axis >= 0 || port.num_axes == 0)
      return false;
    for (const route_port_desc &each : table(entry.inputs, entry.num_inputs))
      if (each.role == ROUTE_ROLE_OFFSETS && port.role != ROUTE_ROLE_OFFSETS &&
          each.subject == static_cast<int32_t>(port.axes[0]))
        return true;
    return false;
  }

  /// The name of the lists of which a port says whether there are any, as
  /// `tags.known` does; empty of others.
  static std::string_view listKnownBy(const route_port_desc &port) {
    std::string_view name = port.name;
    return port.type.element == ROUTE_BOOL && name.ends_with(".known")
               ? name.substr(0, name.size() - 6)
               : std::string_view();
  }
  /// Whether a record may give null for the lists of a port.
  bool mayLack(const route_port_desc &port) const {
    for (const route_port_desc &each : table(entry.inputs, entry.num_inputs))
      if (listKnownBy(each) == port.name)
        return true;
    return false;
  }

  route_status readLists(size_t index, const Json *json);
  route_status readLine(std::string_view text, uint64_t item);
  route_status readPort(size_t index, const Json *json, uint64_t item);
  route_status readArray(size_t index, const Json &json, size_t axis);
  route_status fillMembers(size_t index);
  route_status readLeaf(size_t index, const Json &json);
  route_status fillDefault(size_t index, size_t axis);
  route_status setSize(const route_port_desc &port, uint32_t axis,
                       uint64_t size);
  route_status finish(uint64_t items);
  std::string hint(std::string_view name) const;
  bool takenElsewhere(std::string_view name) const;

  const route_module_desc &module;
  const route_entry_desc &entry;
  const ReadOptions &options;
  Values &inputs;
  route_error *error;
  std::vector<int64_t> sizes;
  std::vector<int64_t> raggedCounts;         // members under the item, by axis
  std::vector<std::vector<int64_t>> offsets; // by axis, for ragged ones
  std::vector<bool> absent, present;         // by port: in some line
  uint64_t line = 0;
};

} // namespace

route_status RecordReader::wrong(const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return fail(error, ROUTE_ERROR_RECORD, "%.200s:%llu: %s", options.label,
              static_cast<unsigned long long>(line), text);
}

bool RecordReader::takenElsewhere(std::string_view name) const {
  for (const route_entry_desc &other :
       table(module.entries, module.num_entries))
    for (const route_port_desc &port : table(other.inputs, other.num_inputs))
      if (name == port.name && listKnownBy(port).empty() && fromLines(port))
        return true;
  return false;
}

/// The hint after a name that no input has.
std::string RecordReader::hint(std::string_view name) const {
  std::vector<const char *> names;
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
    names.push_back(fromLines(port) && listKnownBy(port).empty() ? port.name
                                                                 : nullptr);
  return namesLike(name, names);
}

route_status RecordReader::setSize(const route_port_desc &port, uint32_t axis,
                                   uint64_t size) {
  if (sizes[axis] >= 0 && static_cast<uint64_t>(sizes[axis]) != size)
    return wrong("'%.100s' has %llu members on axis '%.60s', expected %lld",
                 port.name, static_cast<unsigned long long>(size),
                 module.axes[axis].name, static_cast<long long>(sizes[axis]));
  sizes[axis] = static_cast<int64_t>(size);
  return ROUTE_OK;
}

route_status RecordReader::readLeaf(size_t index, const Json &json) {
  const route_port_desc &port = entry.inputs[index];
  Value &value = inputs.values[index];
  char *target = value.grow(route_element_size(port.type.element));
  std::string expected;
  if (!readElement(module, port, json, target, inputs.texts, expected))
    return wrong("'%.100s' is not %s", port.name, expected.c_str());
  return ROUTE_OK;
}

/// Elements for an absent position: the port's default, or zeros when unknown.
route_status RecordReader::fillDefault(size_t index, size_t axis) {
  const route_port_desc &port = entry.inputs[index];
  Value &value = inputs.values[index];
  bool unknown = port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN;
  uint64_t elements = 1, known = 1;
  for (size_t i = axis; i < port.num_axes; ++i) {
    int64_t size = sizes[port.axes[i]];
    if (size < 0)
      return wrong("'%.100s' is left out before any line tells the size of "
                   "axis '%.60s'",
                   port.name, module.axes[port.axes[i]].name);
    elements *= static_cast<uint64_t>(size);
    if (i < port.known_axes)
      known *= static_cast<uint64_t>(size);
  }
  uint64_t elementSize = route_element_size(port.type.element);
  char *target = value.grow(elements * elementSize);
  if (port.initial)
    for (uint64_t i = 0; i < elements; ++i)
      memcpy(target + i * elementSize, port.initial, elementSize);
  if (unknown && axis <= port.known_axes)
    value.known.resize(value.known.size() + known, port.initial ? 1 : 0);
  return ROUTE_OK;
}

route_status RecordReader::readArray(size_t index, const Json &json,
                                     size_t axis) {
  const route_port_desc &port = entry.inputs[index];
  Value &value = inputs.values[index];
  if (json.kind == Json::Kind::Null) {
    if (!(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
      return wrong("'%.100s' is null, and cannot be unknown", port.name);
    if (axis > port.known_axes)
      return wrong("'%.100s' is null in part, and can only be unknown as a "
                   "whole",
                   port.name);
    size_t before = value.known.size();
    if (route_status status = fillDefault(index, axis))
      return status;
    // A null says unknown, also where leaving it out would mean the default.
    for (size_t i = before; i < value.known.size(); ++i)
      value.known[i] = 0;
    return ROUTE_OK;
  }
  if (axis == port.known_axes && (port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
    value.known.push_back(1);
  if (axis == port.num_axes)
    return readLeaf(index, json);
  if (json.kind != Json::Kind::Array) {
    if (axis != 0 || !ofEventItem(port))
      return wrong("'%.100s' is not a list over axis '%.60s'", port.name,
                   module.axes[port.axes[axis]].name);
    // The item's own value, where it is alone in the batch.
    if (route_status status = setSize(port, port.axes[0], 1))
      return status;
    return readArray(index, json, 1);
  }
  if (route_status status =
          setSize(port, port.axes[axis], json.elements.size()))
    return status;
  for (const Json &element : json.elements)
    if (route_status status = readArray(index, element, axis + 1))
      return status;
  return ROUTE_OK;
}

route_status RecordReader::readLists(size_t index, const Json *json) {
  const route_port_desc &port = entry.inputs[index];
  const route_axis_desc &axis = module.axes[port.axes[0]];
  if (!json || json->kind != Json::Kind::Array)
    return wrong("'%.100s' is not a list of lists over axis '%.60s'", port.name,
                 axis.name);
  if (route_status status = setSize(port, static_cast<uint32_t>(axis.parent),
                                    json->elements.size()))
    return status;
  std::vector<int64_t> ends = {0};
  for (const Json &list : json->elements) {
    bool none = list.kind == Json::Kind::Null && mayLack(port);
    if (!none && list.kind != Json::Kind::Array)
      return wrong("'%.100s' is not a list of lists over axis '%.60s'",
                   port.name, axis.name);
    for (const Json &element : list.elements)
      if (route_status status = readArray(index, element, 1))
        return status;
    ends.push_back(ends.back() + static_cast<int64_t>(list.elements.size()));
  }
  std::vector<int64_t> &known = offsets[port.axes[0]];
  if (known.size() > 1 && known != ends)
    return wrong("'%.100s' has other numbers of members on axis '%.60s' than "
                 "an input before it",
                 port.name, axis.name);
  known = std::move(ends);
  return ROUTE_OK;
}

/// A column over a ragged axis that a line leaves out: its members are as many
/// as another column has.
route_status RecordReader::fillMembers(size_t index) {
  const route_port_desc &port = entry.inputs[index];
  int64_t count = raggedCounts[port.axes[0]];
  std::string_view owner = module.axes[port.axes[0]].name;
  bool isList = owner == port.name; // an axis of its own
  if (count < 0 && !isList)
    return wrong("'%.100s' is missing, and so is every column of '%.60s': how "
                 "many there are is not told",
                 port.name, owner.data());
  if (count < 0 || (count > 0 && !port.initial &&
                    !(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)))
    return wrong("'%.100s' is missing: it has no default and cannot be unknown",
                 port.name);
  for (int64_t i = 0; i < count; ++i)
    if (route_status status = fillDefault(index, 1))
      return status;
  return ROUTE_OK;
}

route_status RecordReader::readPort(size_t index, const Json *json,
                                    uint64_t item) {
  const route_port_desc &port = entry.inputs[index];
  bool none = !json || json->kind == Json::Kind::Null;
  if (!listKnownBy(port).empty()) {
    bool each = entry.item_axis < 0 && port.num_axes && !none;
    if (!each)
      *inputs.values[index].grow(1) = !none;
    for (size_t i = 0; each && i < json->elements.size(); ++i)
      *inputs.values[index].grow(1) =
          json->elements[i].kind != Json::Kind::Null;
    return ROUTE_OK;
  }
  // Where there is no list it has no members.
  static const Json empty = [] {
    Json list;
    list.kind = Json::Kind::Array;
    return list;
  }();
  if (none && mayLack(port))
    json = &empty;
  if (isListed(port))
    return readLists(index, json);
  size_t firstAxis = overItems(port) ? 1 : 0;
  if (overRagged(port)) {
    if (!json)
      return fillMembers(index);
    if (json->kind != Json::Kind::Array)
      return wrong("'%.100s' is not a list over axis '%.60s'", port.name,
                   module.axes[port.axes[0]].name);
    int64_t &count = raggedCounts[port.axes[0]];
    int64_t found = static_cast<int64_t>(json->elements.size());
    if (count >= 0 && count != found)
      return wrong("'%.100s' has %lld members on axis '%.60s', expected %lld",
                   port.name, static_cast<long long>(found),
                   module.axes[port.axes[0]].name,
                   static_cast<long long>(count));
    count = found;
    for (const Json &element : json->elements)
      if (route_status status = readArray(index, element, 1))
        return status;
    return ROUTE_OK;
  }
  if (json) {
    present[index] = true;
    if (absent[index] && port.role == ROUTE_ROLE_ID)
      return wrong("'%.100s' is given here and left out before", port.name);
    return readArray(index, *json, firstAxis);
  }
  absent[index] = true;
  if (port.role == ROUTE_ROLE_ID)
    return present[index]
               ? wrong("'%.100s' is left out here and given before", port.name)
               : ROUTE_OK;
  if (!port.initial && !(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
    return wrong("'%.100s' is missing: it has no default and cannot be unknown",
                 port.name);
  return fillDefault(index, firstAxis);
}

route_status RecordReader::readLine(std::string_view text, uint64_t item) {
  if (text.size() > (uint64_t(1) << 28))
    return wrong("the line has more than 256 MiB");
  // The deepest a record can mean anything: a list of the highest rank.
  Json record;
  std::string message;
  if (!parseJson(text, ROUTE_MAX_RANK + 1, record, message))
    return wrong("%s", message.c_str());
  if (record.kind != Json::Kind::Object)
    return wrong("the record is not an object");
  std::vector<const Json *> found(entry.num_inputs, nullptr);
  for (size_t key = 0; key < record.keys.size(); ++key) {
    const std::string &name = record.keys[key];
    bool taken = false;
    for (size_t i = 0; i < entry.num_inputs; ++i) {
      const route_port_desc &port = entry.inputs[i];
      std::string_view list = listKnownBy(port);
      if (!fromLines(port) || name != (list.empty() ? port.name : list))
        continue;
      if (found[i])
        return wrong("'%.100s' is given twice", name.c_str());
      found[i] = &record.elements[key];
      taken = true;
    }
    if (!taken) {
      // What another entry takes belongs to the spec, if not to this entry.
      if (options.allowExtra || takenElsewhere(name))
        continue;
      return wrong("no input is named '%.100s'%.120s; --allow-extra skips what "
                   "nothing reads",
                   name.c_str(), hint(name).c_str());
    }
  }
  raggedCounts.assign(module.num_axes, -1);
  // What is left out last: what is given tells how many members there are.
  for (bool given : {true, false})
    for (size_t i = 0; i < entry.num_inputs; ++i)
      if (fromLines(entry.inputs[i]) && (found[i] != nullptr) == given)
        if (route_status status = readPort(i, found[i], item))
          return status;
  for (size_t axis = 0; axis < offsets.size(); ++axis)
    if (raggedCounts[axis] >= 0)
      offsets[axis].push_back(offsets[axis].back() + raggedCounts[axis]);
  return ROUTE_OK;
}

/// Shapes, now that all lines are read, and offsets of ragged axes.
route_status RecordReader::finish(uint64_t items) {
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    Value &value = inputs.values[i];
    if (port.role == ROUTE_ROLE_OFFSETS) {
      std::vector<int64_t> &list = offsets[static_cast<size_t>(port.subject)];
      uint64_t parents = items;
      if (entry.item_axis < 0 && sizes[port.axes[0]] >= 0)
        parents = static_cast<uint64_t>(sizes[port.axes[0]]);
      if (list.size() != parents + 1)
        continue;
      value.given = true;
      value.shape = {static_cast<int64_t>(parents) + 1};
      for (int64_t offset : list) {
        char *target = value.grow(route_element_size(port.type.element));
        int32_t narrow = static_cast<int32_t>(offset);
        if (port.type.element == ROUTE_I32)
          memcpy(target, &narrow, sizeof(narrow));
        else
          memcpy(target, &offset, sizeof(offset));
      }
      continue;
    }
    if (!fromLines(port))
      continue;
    if (port.role == ROUTE_ROLE_ID && absent[i]) {
      if (itemsTold())
        continue;
      // How many lines there are is all that the call wants to know.
      for (uint64_t item = 0; item < items; ++item)
        memcpy(value.grow(sizeof(item)), &item, sizeof(item));
    }
    value.given = true;
    for (uint64_t axis = 0; axis < port.num_axes; ++axis)
      value.shape.push_back(sizes[port.axes[axis]]);
    if (overItems(port))
      value.shape[0] = static_cast<int64_t>(items);
    if (overRagged(port) || isListed(port))
      value.shape[0] = offsets[port.axes[0]].back();
    for (int64_t &size : value.shape)
      if (size < 0) {
        if (items)
          return wrong("no line tells the size of an axis of '%.100s'",
                       port.name);
        size = 0;
      }
  }
  return ROUTE_OK;
}

route_status RecordReader::run(std::span<const RecordLines::Line> lines) {
  if (entry.item_axis < 0 && lines.size() != 1)
    return fail(error, ROUTE_ERROR_RECORD,
                "entry '%.100s' has no items: it takes one record, not %zu",
                entry.name, lines.size());
  offsets.assign(module.num_axes, {0});
  absent.assign(entry.num_inputs, false);
  present.assign(entry.num_inputs, false);
  uint64_t item = 0;
  for (const RecordLines::Line &text : lines) {
    line = text.number;
    if (route_status status = readLine(text.text, item++))
      return status;
  }
  return finish(item);
}

route_status route::readRecords(const route_module_desc &module,
                                const route_entry_desc &entry,
                                std::span<const RecordLines::Line> lines,
                                const ReadOptions &options, Values &inputs,
                                route_error *error) {
  return RecordReader(module, entry, options, inputs, error).run(lines);
}
