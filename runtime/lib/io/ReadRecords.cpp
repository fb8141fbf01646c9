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
#include <deque>
#include <numeric>
#include <optional>

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

/// Most elements that are made for what a line leaves out or has as null.
static constexpr uint64_t maxDefaults = uint64_t(1) << 28;

/// Whether an axis is nested in that of the items, at any depth.
static bool isUnderItems(const route_module_desc &module,
                         const route_entry_desc &entry, uint32_t axis) {
  int32_t above = module.axes[axis].parent;
  for (uint64_t depth = 0; above >= 0 && depth < module.num_axes; ++depth) {
    if (above == entry.item_axis)
      return true;
    above = module.axes[above].parent;
  }
  return false;
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

  bool overItems(const route_port_desc &port) const {
    return entry.item_axis >= 0 && port.num_axes &&
           port.axes[0] == static_cast<uint32_t>(entry.item_axis);
  }
  /// Over the items, or over members of theirs at any depth: each line has its
  /// own. Others belong to all lines.
  bool ofItems(const route_port_desc &port) const {
    return overItems(port) ||
           (port.num_axes && isUnderItems(module, entry, port.axes[0]));
  }
  /// A column of the item that an event is about, given for the whole batch.
  bool ofEventItem(const route_port_desc &port) const {
    return entry.kind == ROUTE_ENTRY_EVENT && port.num_axes &&
           module.axes[port.axes[0]].size < 0;
  }

  /// Does an input besides the ids tell how many items there are?
  bool itemsTold() const {
    for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
      if (port.role != ROUTE_ROLE_ID && overItems(port))
        return true;
    return false;
  }

  /// How records give a port: the axes whose members are lists in lists, from
  /// the outermost to the port's first, none where a list along that is all.
  /// The outermost is within `root`: the items, of which a record has one, or
  /// an axis along which there is a list too; -1: the port has no axes.
  struct Nest {
    std::vector<uint32_t> axes;
    int32_t root = -1;
    bool mayLack = false; ///< null may stand for the lists
  };
  Nest nestOf(size_t index) const;

  using Parts = std::vector<const Json *>;
  route_status countMembers(const route_port_desc &port, uint32_t axis,
                            std::vector<int64_t> counts);
  route_status openLists(size_t index, const Json &json, Parts &parts);
  int64_t countPositions(uint32_t axis) const;
  bool countMissing(const Nest &nest);

  route_status readLine(std::string_view text);
  route_status readPort(size_t index, const Json *json);
  route_status readNested(size_t index, const Json *json);
  route_status readKnown(size_t index, const Json *json);
  route_status readArray(size_t index, const Json &json, size_t axis);
  route_status readLeaf(size_t index, const Json &json);
  route_status fillDefault(size_t index, size_t axis);
  route_status setSize(const route_port_desc &port, uint32_t axis,
                       uint64_t size);
  void finishOffsets(size_t index, uint64_t items);
  route_status finishShared();
  route_status finish(uint64_t items);
  std::string hint(std::string_view name) const;
  bool isElsewhere(std::string_view name) const {
    return std::ranges::find(options.elsewhere, name) !=
           options.elsewhere.end();
  }
  bool gives(const route_port_desc &port) const {
    return recordsGive(module, entry, port) && !isElsewhere(port.name);
  }
  bool takenElsewhere(std::string_view name) const;
  route_status refuseName(const std::string &name);

  const route_module_desc &module;
  const route_entry_desc &entry;
  const ReadOptions &options;
  Values &inputs;
  route_error *error;
  std::vector<Nest> nests; ///< by port
  /// The deepest that a record can mean anything: lists of the highest rank.
  unsigned depth = ROUTE_MAX_RANK + 1;
  std::vector<int64_t> sizes;
  /// By axis, of the line under way and of what belongs to all lines: how many
  /// members each parent has. Nothing where no input has told it.
  std::vector<std::optional<std::vector<int64_t>>> counts;
  std::vector<int64_t> perParent; ///< where all have as many; -1: not told
  std::vector<std::vector<int64_t>> allCounts; ///< by axis, of all lines
  std::vector<std::optional<Json>> shared;     ///< by port: what all lines say
  std::vector<bool> absent, present;           ///< by port: in some line
  uint64_t line = 0;
};

} // namespace

/// The name that records have for a port: what says where there are lists goes
/// by theirs.
static std::string_view recordName(const route_port_desc &port) {
  std::string_view name = port.name;
  if (port.role == ROUTE_ROLE_KNOWN)
    name.remove_suffix(strlen(".known"));
  return name;
}

/// Whether two values are written alike, up to the form of numbers.
static bool sameJson(const Json &a, const Json &b) {
  if (a.isNumber() && b.isNumber() && a.kind != b.kind)
    return a.asDouble() == b.asDouble();
  if (a.kind != b.kind)
    return false;
  if (a.kind == Json::Kind::Double)
    return a.number == b.number;
  return (a.kind == Json::Kind::Bool ? a.boolean == b.boolean
          : a.isNumber()             ? a.natural == b.natural
                                     : a.text == b.text) &&
         a.keys == b.keys &&
         std::equal(a.elements.begin(), a.elements.end(), b.elements.begin(),
                    b.elements.end(), sameJson);
}

bool route::recordsGive(const route_module_desc &module,
                        const route_entry_desc &entry,
                        const route_port_desc &port) {
  if (port.role == ROUTE_ROLE_OFFSETS)
    return false;
  if (entry.item_axis < 0 || !port.num_axes)
    return true;
  // What lies along a product of the items has no place in a line of one.
  const route_axis_desc &first = module.axes[port.axes[0]];
  return first.size >= 0 || !first.derived_size ||
         port.axes[0] == static_cast<uint32_t>(entry.item_axis) ||
         isUnderItems(module, entry, port.axes[0]);
}

route_status RecordReader::wrong(const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return fail(error, ROUTE_ERROR_RECORD, "%.200s:%llu: %s", options.label,
              static_cast<unsigned long long>(line), text);
}

RecordReader::Nest RecordReader::nestOf(size_t index) const {
  const route_port_desc &port = entry.inputs[index];
  Nest nest;
  auto hasOffsets = [&](int32_t axis) {
    for (const route_port_desc &each : table(entry.inputs, entry.num_inputs))
      if (each.role == ROUTE_ROLE_OFFSETS && each.subject == axis)
        return true;
    return false;
  };
  if (port.num_axes)
    nest.root = static_cast<int32_t>(port.axes[0]);
  while (nest.root >= 0 && nest.root != entry.item_axis &&
         module.axes[nest.root].parent >= 0 &&
         (hasOffsets(nest.root) ||
          isUnderItems(module, entry, static_cast<uint32_t>(nest.root)))) {
    nest.axes.insert(nest.axes.begin(), static_cast<uint32_t>(nest.root));
    nest.root = module.axes[nest.root].parent;
  }
  for (const route_port_desc &each : table(entry.inputs, entry.num_inputs))
    nest.mayLack |= each.role == ROUTE_ROLE_KNOWN &&
                    each.subject == static_cast<int32_t>(index);
  return nest;
}

bool RecordReader::takenElsewhere(std::string_view name) const {
  for (const route_entry_desc &other :
       table(module.entries, module.num_entries))
    for (const route_port_desc &port : table(other.inputs, other.num_inputs))
      if (port.role != ROUTE_ROLE_OFFSETS && name == recordName(port))
        return true;
  return false;
}

/// The hint after a name that no input has.
std::string RecordReader::hint(std::string_view name) const {
  std::vector<const char *> names;
  std::deque<std::string> lists;
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs)) {
    if (port.role == ROUTE_ROLE_KNOWN && port.subject < 0)
      names.push_back(lists.emplace_back(recordName(port)).c_str());
    else if (port.role != ROUTE_ROLE_KNOWN && gives(port))
      names.push_back(port.name);
  }
  return namesLike(name, names);
}

/// A name that records do not give, or that there is not.
route_status RecordReader::refuseName(const std::string &name) {
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs)) {
    if (name != port.name)
      continue;
    if (port.role == ROUTE_ROLE_OFFSETS)
      return wrong("'%.100s' is not given by records: it follows from lists of "
                   "the members of '%.60s'",
                   port.name, module.axes[port.subject].name);
    if (port.role == ROUTE_ROLE_KNOWN)
      return wrong("'%.100s' is not given by records: null for '%.100s' says "
                   "that there is none",
                   port.name, std::string(recordName(port)).c_str());
    return wrong(
        "'%.100s' is not given by records: it lies along axis '%.60s', "
        "which is not nested in '%.60s'; give it in a .safetensors",
        port.name, module.axes[port.axes[0]].name,
        module.axes[entry.item_axis].name);
  }
  return wrong("no input is named '%.100s'%.120s; --allow-extra skips what "
               "nothing reads",
               name.c_str(), hint(name).c_str());
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

/// How many members each parent has on `axis`, by this port.
route_status RecordReader::countMembers(const route_port_desc &port,
                                        uint32_t axis,
                                        std::vector<int64_t> found) {
  if (counts[axis] && *counts[axis] != found) {
    if (found.size() == 1 && counts[axis]->size() == 1)
      return wrong("'%.100s' has %lld members on axis '%.60s', expected %lld",
                   port.name, static_cast<long long>(found[0]),
                   module.axes[axis].name,
                   static_cast<long long>(counts[axis]->front()));
    return wrong("'%.100s' has other numbers of members on axis '%.60s' than "
                 "an input before it",
                 port.name, module.axes[axis].name);
  }
  if (!(module.axes[axis].flags & ROUTE_AXIS_RAGGED))
    for (int64_t count : found) {
      if (perParent[axis] < 0)
        perParent[axis] = count;
      if (perParent[axis] != count)
        return wrong("'%.100s' has %lld members on axis '%.60s', expected %lld",
                     port.name, static_cast<long long>(count),
                     module.axes[axis].name,
                     static_cast<long long>(perParent[axis]));
    }
  counts[axis] = std::move(found);
  return ROUTE_OK;
}

/// What `json` has at each position of the port's first axis: lists in lists.
/// Where there may be no lists, null is one without members.
route_status RecordReader::openLists(size_t index, const Json &json,
                                     Parts &parts) {
  const route_port_desc &port = entry.inputs[index];
  const Nest &nest = nests[index];
  bool ofItem = nest.root == entry.item_axis;
  parts = {&json};
  auto open = [&](const Json &list, uint32_t axis, bool mayLack, Parts &into) {
    for (const Json &element : list.elements)
      into.push_back(&element);
    return list.kind == Json::Kind::Array ||
                   (mayLack && list.kind == Json::Kind::Null)
               ? ROUTE_OK
               : wrong("'%.100s' is not a list%s over axis '%.60s'",
                       std::string(recordName(port)).c_str(),
                       nest.axes.size() + !ofItem > 1 ? " of lists" : "",
                       module.axes[axis].name);
  };
  if (!ofItem) {
    Parts members;
    if (route_status status = open(json, port.axes[0], false, members))
      return status;
    if (route_status status =
            setSize(port, static_cast<uint32_t>(nest.root), members.size()))
      return status;
    parts = std::move(members);
  }
  for (uint32_t axis : nest.axes) {
    Parts members;
    std::vector<int64_t> found;
    for (const Json *list : parts) {
      size_t before = members.size();
      if (route_status status =
              open(*list, port.axes[0],
                   nest.mayLack && axis == nest.axes.back(), members))
        return status;
      found.push_back(static_cast<int64_t>(members.size() - before));
    }
    if (route_status status = countMembers(port, axis, std::move(found)))
      return status;
    parts = std::move(members);
  }
  return ROUTE_OK;
}

/// Positions of an axis in the line under way, or in what belongs to all; -1
/// where nothing has told them.
int64_t RecordReader::countPositions(uint32_t axis) const {
  if (static_cast<int32_t>(axis) == entry.item_axis)
    return 1;
  if (counts[axis])
    return std::accumulate(counts[axis]->begin(), counts[axis]->end(),
                           int64_t(0));
  return sizes[axis];
}

/// Counts along a nest what nothing has told, where there can be none: below
/// what has no members. False where that says nothing.
bool RecordReader::countMissing(const Nest &nest) {
  int32_t above = nest.root;
  for (uint32_t axis : nest.axes) {
    if (!counts[axis]) {
      if (countPositions(static_cast<uint32_t>(above)) != 0)
        return false;
      counts[axis].emplace();
    }
    above = static_cast<int32_t>(axis);
  }
  return true;
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
    // Sizes come from lines, and may be told by lists that are none of this.
    if (!multiply(elements, static_cast<uint64_t>(size), elements) ||
        elements > maxDefaults)
      return wrong("'%.100s' is left out or null, and has more than %llu "
                   "elements there",
                   port.name, static_cast<unsigned long long>(maxDefaults));
    if (i < port.known_axes)
      known = elements;
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

/// An input along an axis that is nested in others: a column, or the members of
/// lists. One that a line leaves out has as many members as another one tells.
route_status RecordReader::readNested(size_t index, const Json *json) {
  const route_port_desc &port = entry.inputs[index];
  const Nest &nest = nests[index];
  if (nest.mayLack && (!json || json->kind == Json::Kind::Null)) {
    // Without lists there are no members. Their positions are told by what says
    // that there are none.
    int64_t parents =
        countPositions(static_cast<uint32_t>(module.axes[port.axes[0]].parent));
    return countMembers(port, port.axes[0],
                        std::vector<int64_t>(static_cast<size_t>(
                            std::max<int64_t>(parents, 0))));
  }
  if (json) {
    Parts parts;
    if (route_status status = openLists(index, *json, parts))
      return status;
    for (const Json *part : parts)
      if (route_status status = readArray(index, *part, 1))
        return status;
    return ROUTE_OK;
  }
  bool told = countMissing(nest);
  bool isList = std::string_view(module.axes[port.axes[0]].name) == port.name;
  if (!told && !isList)
    return wrong("'%.100s' is missing, and so is every column of '%.60s': how "
                 "many there are is not told",
                 port.name, module.axes[port.axes[0]].name);
  int64_t count = told ? countPositions(port.axes[0]) : -1;
  if (count < 0 || (count > 0 && !port.initial &&
                    !(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)))
    return wrong("'%.100s' is missing: it has no default and cannot be unknown",
                 port.name);
  for (int64_t i = 0; i < count; ++i)
    if (route_status status = fillDefault(index, 1))
      return status;
  return ROUTE_OK;
}

/// What says where there is a list, by the lists: there is none where they are
/// null or left out.
route_status RecordReader::readKnown(size_t index, const Json *json) {
  const route_port_desc &port = entry.inputs[index];
  Value &value = inputs.values[index];
  bool none = !json || json->kind == Json::Kind::Null;
  if (!port.num_axes || overItems(port)) {
    *value.grow(1) = !none;
    return ROUTE_OK;
  }
  if (none) {
    int64_t count = countPositions(port.axes[0]);
    if (count < 0 && ofEventItem(port)) {
      count = 1; // it is the only one
      sizes[port.axes[0]] = 1;
    }
    if (count < 0)
      return wrong("'%.100s' is missing, and nothing tells how many members "
                   "axis '%.60s' has",
                   std::string(recordName(port)).c_str(),
                   module.axes[port.axes[0]].name);
    value.grow(static_cast<uint64_t>(count));
    return ROUTE_OK;
  }
  Parts parts;
  if (route_status status = openLists(index, *json, parts))
    return status;
  for (const Json *part : parts)
    *value.grow(1) = part->kind != Json::Kind::Null;
  return ROUTE_OK;
}

route_status RecordReader::readPort(size_t index, const Json *json) {
  const route_port_desc &port = entry.inputs[index];
  bool each = ofItems(port);
  if (entry.item_axis >= 0 && !each) {
    // It belongs to all lines: one may say it, and others the same again.
    if (!json)
      return ROUTE_OK;
    if (shared[index])
      return sameJson(*shared[index], *json)
                 ? ROUTE_OK
                 : wrong("'%.100s' is another one than in a line before: it is "
                         "no column of '%.60s', and one for all lines",
                         port.name, module.axes[entry.item_axis].name);
    shared[index] = *json;
  }
  if (port.role == ROUTE_ROLE_KNOWN)
    return readKnown(index, json);
  if (!nests[index].axes.empty())
    return readNested(index, json);
  // A list of all that there may be none of has no members then.
  static const Json empty = [] {
    Json list;
    list.kind = Json::Kind::Array;
    return list;
  }();
  if ((!json || json->kind == Json::Kind::Null) && nests[index].mayLack)
    json = &empty;
  size_t firstAxis = overItems(port) ? 1 : 0;
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

route_status RecordReader::readLine(std::string_view text) {
  if (text.size() > (uint64_t(1) << 28))
    return wrong("the line has more than 256 MiB");
  Json record;
  std::string message;
  if (!parseJson(text, depth, record, message))
    return wrong("%s", message.c_str());
  if (record.kind != Json::Kind::Object)
    return wrong("the record is not an object");
  std::vector<const Json *> found(entry.num_inputs, nullptr);
  for (size_t key = 0; key < record.keys.size(); ++key) {
    const std::string &name = record.keys[key];
    if (isElsewhere(name))
      return wrong("'%.100s' is also in a file beside the records",
                   name.c_str());
    bool taken = false;
    for (size_t i = 0; i < entry.num_inputs; ++i) {
      const route_port_desc &port = entry.inputs[i];
      if (!gives(port) || name != recordName(port))
        continue;
      if (found[i])
        return wrong("'%.100s' is given twice", name.c_str());
      found[i] = &record.elements[key];
      taken = true;
    }
    // What another entry takes belongs to the spec, if not to this entry.
    if (!taken && !options.allowExtra && !takenElsewhere(name))
      return refuseName(name);
  }
  // What is left out, or null, last: what is given tells how many members there
  // are.
  for (bool given : {true, false})
    for (size_t i = 0; i < entry.num_inputs; ++i) {
      bool isGiven = found[i] && found[i]->kind != Json::Kind::Null;
      if (isGiven == given && gives(entry.inputs[i]))
        if (route_status status = readPort(i, found[i]))
          return status;
    }
  for (uint32_t axis = 0; axis < module.num_axes; ++axis)
    if (counts[axis] && isUnderItems(module, entry, axis)) {
      allCounts[axis].insert(allCounts[axis].end(), counts[axis]->begin(),
                             counts[axis]->end());
      counts[axis].reset();
    }
  return ROUTE_OK;
}

/// The offsets of a nested axis, where lists have told them.
void RecordReader::finishOffsets(size_t index, uint64_t items) {
  const route_port_desc &port = entry.inputs[index];
  Value &value = inputs.values[index];
  const std::vector<int64_t> &each =
      allCounts[static_cast<size_t>(port.subject)];
  uint32_t parent = port.axes[0];
  int64_t parents = sizes[parent];
  if (static_cast<int32_t>(parent) == entry.item_axis)
    parents = static_cast<int64_t>(items);
  else if (parents < 0)
    parents = std::accumulate(allCounts[parent].begin(),
                              allCounts[parent].end(), int64_t(0));
  if (static_cast<int64_t>(each.size()) != parents)
    return;
  value.given = true;
  value.shape = {parents + 1};
  bool narrow = port.type.element == ROUTE_I32;
  auto put = [&](int64_t offset) {
    char *target = value.grow(route_element_size(port.type.element));
    int32_t word = static_cast<int32_t>(offset);
    memcpy(target, narrow ? static_cast<const void *>(&word) : &offset,
           narrow ? sizeof(word) : sizeof(offset));
  };
  int64_t end = 0;
  put(end);
  for (int64_t count : each)
    put(end += count);
}

/// Lists for all lines that no line gives: there are none, unless a file beside
/// this one has them.
route_status RecordReader::finishShared() {
  if (entry.item_axis < 0)
    return ROUTE_OK; // the one record has left them out
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    if (shared[i] || ofItems(port) ||
        (port.role != ROUTE_ROLE_KNOWN && !nests[i].mayLack))
      continue;
    int32_t above = port.role == ROUTE_ROLE_KNOWN ? nests[i].root
                    : nests[i].axes.empty() ? -1
                                            : module.axes[port.axes[0]].parent;
    if (above >= 0 && countPositions(static_cast<uint32_t>(above)) < 0)
      continue;
    shared[i].emplace();
    bool known = port.role == ROUTE_ROLE_KNOWN;
    if (!known && nests[i].axes.empty())
      sizes[port.axes[0]] = 0;
    else if (route_status status =
                 known ? readKnown(i, nullptr) : readNested(i, nullptr))
      return status;
  }
  return ROUTE_OK;
}

/// Shapes, now that all lines are read, and offsets of nested axes.
route_status RecordReader::finish(uint64_t items) {
  if (route_status status = finishShared())
    return status;
  for (uint32_t axis = 0; axis < module.num_axes; ++axis)
    if (counts[axis]) // of what belongs to all lines
      allCounts[axis] = std::move(*counts[axis]);
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    Value &value = inputs.values[i];
    if (port.role == ROUTE_ROLE_OFFSETS) {
      finishOffsets(i, items);
      continue;
    }
    if (!gives(port))
      continue;
    if (entry.item_axis >= 0 && !ofItems(port) && !shared[i])
      continue; // a file beside this one may have it
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
    else if (!nests[i].axes.empty())
      value.shape[0] =
          std::accumulate(allCounts[port.axes[0]].begin(),
                          allCounts[port.axes[0]].end(), int64_t(0));
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
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    nests.push_back(nestOf(i));
    depth = std::max<unsigned>(
        depth, static_cast<unsigned>(nests[i].axes.size() +
                                     entry.inputs[i].num_axes + 1));
  }
  counts.resize(module.num_axes);
  allCounts.resize(module.num_axes);
  perParent.assign(module.num_axes, -1);
  shared.resize(entry.num_inputs);
  absent.assign(entry.num_inputs, false);
  present.assign(entry.num_inputs, false);
  for (const RecordLines::Line &text : lines) {
    line = text.number;
    if (route_status status = readLine(text.text))
      return status;
  }
  return finish(lines.size());
}

route_status route::readRecords(const route_module_desc &module,
                                const route_entry_desc &entry,
                                std::span<const RecordLines::Line> lines,
                                const ReadOptions &options, Values &inputs,
                                route_error *error) {
  return RecordReader(module, entry, options, inputs, error).run(lines);
}
