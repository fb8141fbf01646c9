// Made-up inputs and checkpoints.
// Values that find mistakes: exact ties, the ends of ranges, what is no number,
// empty axes and texts that are no UTF-8.
#include "../lib/core/CheckModule.h"
#include "../lib/core/Context.h"
#include "../lib/core/Elements.h"
#include "../lib/core/Params.h"
#include "Conformance.h"
#include "route/mxfp4.h"
#include "route/numerics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

using namespace route;
using namespace route::cts;

static bool isOpen(int64_t size) { return size < 0; }

std::vector<int64_t> Generator::sizes(const route_entry_desc &entry,
                                      int64_t most) {
  std::vector<int64_t> sizes;
  for (const route_axis_desc &axis : table(module.axes, module.num_axes)) {
    int64_t size = axis.size;
    if (size < 0 && !axis.derived_size) {
      int64_t limit = most;
      if (axis.max_size >= 0 && axis.max_size < limit)
        limit = axis.max_size;
      size = static_cast<int64_t>(below(static_cast<uint64_t>(limit) + 1));
    }
    sizes.push_back(size);
  }
  // A row that an event is about is there.
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
    if (port.type.rows_of >= 0 && port.num_axes == 0)
      if (int64_t &size = sizes[static_cast<size_t>(port.type.rows_of)];
          size == 0)
        size = 1;
  // Without parents there are no members, nor members of these, from which the
  // size of a parent may follow.
  for (uint64_t i = 0; i < module.num_axes; ++i)
    if (module.axes[i].parent >= 0 &&
        sizes[static_cast<size_t>(module.axes[i].parent)] == 0)
      sizes[i] = 0;
  // A parent and its members may each follow from the other: there the parent,
  // which stands first, is made up.
  followSizes(module, sizes.data());
  for (auto open = std::find_if(sizes.begin(), sizes.end(), isOpen);
       open != sizes.end();
       open = std::find_if(sizes.begin(), sizes.end(), isOpen)) {
    *open = static_cast<int64_t>(below(static_cast<uint64_t>(most) + 1));
    followSizes(module, sizes.data());
  }
  return sizes;
}

static double wildNumber(uint64_t choice, double fallback) {
  switch (choice) {
  case 0:
    return NAN;
  case 1:
    return INFINITY;
  case 2:
    return -INFINITY;
  case 3:
    return -0.0;
  case 4:
    return 1e-40; // a denormal f32
  case 5:
    return 3e38;
  default:
    return fallback;
  }
}

template <typename T> static void store(char *target, T value) {
  memcpy(target, &value, sizeof(value));
}

void Generator::element(const route_type_desc &type,
                        const route_port_desc *port, int64_t rows, Style style,
                        char *target, std::deque<std::string> *texts) {
  static const char *const words[] = {"",
                                      "def f(): pass",
                                      "hello there",
                                      "\xff\xfe",
                                      "caf\xc3\xa9",
                                      "api",
                                      "\xe9\x94\x99\xe8\xaf\xaf",
                                      "\xf0\x9f",
                                      "A",
                                      "```code```"};
  // Few distinct values, so that many are equal.
  double number = static_cast<double>(below(9)) - 4;
  if (style == Style::Wild && below(4) == 0)
    number = wildNumber(below(8), number / 3);
  if (style == Style::Special && below(16) == 0)
    number = wildNumber(below(3), number);
  if (isCount(type))
    number = std::fabs(number);
  int64_t whole = static_cast<int64_t>(below(9));
  if (style == Style::Wild && below(8) == 0)
    whole = static_cast<int64_t>(below(1 << 20));
  if (type.enumeration >= 0)
    rows = static_cast<int64_t>(module.enums[type.enumeration].num_members);
  if (type.enumeration >= 0 || type.rows_of >= 0)
    return store(target,
                 static_cast<int32_t>(
                     rows > 0 ? below(static_cast<uint64_t>(rows)) : 0));
  switch (type.element) {
  case ROUTE_BOOL:
    *target = static_cast<char>(below(2));
    return;
  case ROUTE_I8:
  case ROUTE_U8:
    *target = static_cast<char>(whole);
    return;
  case ROUTE_I16:
  case ROUTE_U16:
    return store(target, static_cast<int16_t>(whole));
  case ROUTE_I32:
  case ROUTE_U32:
    return store(target, static_cast<int32_t>(whole));
  case ROUTE_I64:
  case ROUTE_U64:
  case ROUTE_HANDLE:
    return store(target, whole);
  case ROUTE_F16:
    return store(target, num::toF16(static_cast<float>(number)));
  case ROUTE_BF16:
    return store(target, num::toBf16(static_cast<float>(number)));
  case ROUTE_F32:
    return store(target, static_cast<float>(number));
  case ROUTE_F64:
    return store(target, number);
  case ROUTE_TEXT: {
    std::string &text = texts->emplace_back();
    for (uint64_t parts = below(4); parts > 0; --parts)
      text.append(words[below(std::size(words))]).append(below(2) ? " " : "");
    return store(target,
                 route_text{text.data(), static_cast<int64_t>(text.size())});
  }
  }
}

/// Makes index and count of plans handed back agree: rows past the count are
/// -1.
void Generator::planPadding(const route_entry_desc &entry,
                            const std::vector<int64_t> &sizes, Values &values) {
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &count = entry.inputs[i];
    if (count.role != ROUTE_ROLE_PLAN_COUNT)
      continue;
    for (size_t j = 0; j < entry.num_inputs; ++j) {
      const route_port_desc &index = entry.inputs[j];
      if (index.role != ROUTE_ROLE_PLAN_INDEX || index.subject != count.subject)
        continue;
      Value &rows = values.values[j], &counts = values.values[i];
      uint64_t most = static_cast<uint64_t>(rows.shape.back());
      auto *row = reinterpret_cast<int32_t *>(rows.bytes());
      auto *used = reinterpret_cast<int32_t *>(counts.bytes());
      bool none = sizes[static_cast<size_t>(index.type.rows_of)] == 0;
      for (uint64_t item = 0; item < counts.size / 4; ++item) {
        used[item] = none ? 0 : static_cast<int32_t>(below(most + 1));
        for (uint64_t r = static_cast<uint64_t>(used[item]); r < most; ++r)
          row[item * most + r] = -1;
      }
    }
  }
}

Values Generator::inputs(const route_entry_desc &entry,
                         const std::vector<int64_t> &sizes, Style style) {
  Values values(entry.inputs, entry.num_inputs);
  for (size_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    Value &value = values.values[i];
    value.given = true;
    uint64_t count = 1, known = 1;
    for (uint64_t axis = 0; axis < port.num_axes; ++axis) {
      int64_t size = sizes[port.axes[axis]];
      value.shape.push_back(size + (port.role == ROUTE_ROLE_OFFSETS ? 1 : 0));
      count *= static_cast<uint64_t>(value.shape.back());
      if (axis < port.known_axes)
        known *= static_cast<uint64_t>(size);
    }
    uint64_t elementSize = route_element_size(port.type.element);
    char *target = value.grow(count * elementSize);
    if (port.role == ROUTE_ROLE_OFFSETS) {
      // Sorted cuts of the ragged axis, empty parents among them.
      std::vector<int64_t> cuts(count, 0);
      int64_t members = sizes[static_cast<size_t>(port.subject)];
      for (uint64_t k = 1; k + 1 < count; ++k)
        cuts[k] =
            static_cast<int64_t>(below(static_cast<uint64_t>(members) + 1));
      cuts.back() = count > 1 ? members : 0;
      std::sort(cuts.begin(), cuts.end());
      for (uint64_t k = 0; k < count; ++k)
        port.type.element == ROUTE_I32
            ? store(target + k * 4, static_cast<int32_t>(cuts[k]))
            : store(target + k * 8, cuts[k]);
      continue;
    }
    int64_t rows = port.type.rows_of >= 0
                       ? sizes[static_cast<size_t>(port.type.rows_of)]
                       : 0;
    for (uint64_t k = 0; k < count; ++k)
      if (port.role == ROUTE_ROLE_ID)
        store(target + k * 8, uint64_t(1000) + k);
      else
        element(port.type, &port, rows, style, target + k * elementSize,
                &values.texts);
    if (port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)
      for (uint64_t k = 0; k < known; ++k)
        value.known.push_back(below(4) != 0);
  }
  planPadding(entry, sizes, values);
  return values;
}

std::vector<std::pair<std::string, std::string>>
Generator::checkpoints(Style style) {
  std::map<std::string, SafeTensorsWriter> files;
  std::map<std::string, bool> written;
  auto add = [&](const Checkpoint::Wanted &wanted) {
    size_t stacked = static_cast<size_t>(countPlaceholders(
        module, wanted.tensor, wanted.axes.data(), wanted.axes.size()));
    std::vector<int64_t> shape;
    uint64_t count = 1;
    for (uint32_t axis : wanted.axes.subspan(stacked)) {
      shape.push_back(extent(module.axes[axis]));
      count *= static_cast<uint64_t>(shape.back());
    }
    std::string label = wanted.file ? wanted.file : "";
    uint64_t size = route_element_size(wanted.type.element);
    std::vector<int64_t> indices(stacked, 0);
    for (bool more = true; more;) {
      std::string name = sliceName(module, wanted, indices);
      bool first = !std::exchange(written[label + "\n" + name], true);
      if (first && wanted.stored == ROUTE_STORED_MXFP4) {
        // Any bits are numbers; scales near 1 keep sums finite.
        std::string blocks(count / 2, '\0');
        std::string scales(count / num::mxfp4Block, '\0');
        for (char &byte : blocks)
          byte = static_cast<char>(below(256));
        for (char &byte : scales)
          byte = static_cast<char>(120 + below(8));
        std::vector<int64_t> dims = shape;
        dims.back() /= num::mxfp4Block;
        files[label].add(name + "_scales", ROUTE_U8, dims, scales.data(),
                         scales.size());
        dims.push_back(num::mxfp4Block / 2);
        files[label].add(name + "_blocks", ROUTE_U8, dims, blocks.data(),
                         blocks.size());
      } else if (first) {
        std::string bytes(count * size, '\0');
        for (uint64_t k = 0; k < count; ++k)
          element(wanted.type, nullptr, 1, style, bytes.data() + k * size,
                  nullptr);
        files[label].add(name, wanted.type.element, shape, bytes.data(),
                         bytes.size());
      }
      more = false;
      for (size_t i = stacked; i-- > 0 && !more;) {
        more = ++indices[i] < extent(module.axes[wanted.axes[i]]);
        if (!more)
          indices[i] = 0;
      }
    }
  };
  for (uint64_t i = 0; i < module.num_params; ++i)
    add(Checkpoint::Wanted(module, module.params[i]));
  for (const route_state_desc &item : table(module.states, module.num_states))
    if (item.tensor)
      add(Checkpoint::Wanted(module, item));
  std::vector<std::pair<std::string, std::string>> result;
  for (auto &[label, writer] : files)
    result.emplace_back(label, writer.serialise());
  return result;
}
