// State cells from one version of a module to the next.
// Each axis of the new cell says for its positions which one of the old cell
// they were; the elements are then copied, in blocks as large as the inner axes
// that stayed as they were.
#include "route/io/Cells.h"
#include "Support.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

using namespace route;

std::vector<std::string>
route::nestedNames(const std::vector<std::string> &parents, int64_t size) {
  std::vector<std::string> names;
  if (parents.empty() || size < 0 ||
      size % static_cast<int64_t>(parents.size()))
    return names;
  size_t each = static_cast<size_t>(size) / parents.size();
  for (const std::string &parent : parents)
    for (size_t i = 0; i < each; ++i)
      names.push_back(parent + "[" + std::to_string(i) + "]");
  return names;
}

/// Names of the positions of an axis: its own, or where its parent's have names
/// those and a number each.
static std::vector<std::string> namesOf(const route_module_desc &module,
                                        int32_t axis) {
  const route_axis_desc &desc = module.axes[axis];
  std::vector<std::string> names;
  if (desc.size < 0 || desc.flags & ROUTE_AXIS_RAGGED)
    return names;
  if (desc.members)
    return {desc.members, desc.members + desc.size};
  if (desc.parent < 0)
    return names;
  return nestedNames(namesOf(module, desc.parent), desc.size);
}

CellLayout route::cellLayout(const route_module_desc &module,
                             const route_state_desc &state) {
  CellLayout layout;
  layout.element = state.type.element;
  layout.meaning = state.meaning;
  layout.unit = state.type.unit ? state.type.unit : "";
  for (uint32_t axis : table(state.axes, state.num_axes)) {
    const route_axis_desc &desc = module.axes[axis];
    layout.axes.push_back({desc.name,
                           desc.size >= 0 ? desc.size : desc.max_size,
                           namesOf(module, static_cast<int32_t>(axis))});
  }
  if (state.type.enumeration >= 0) {
    const route_enum_desc &desc = module.enums[state.type.enumeration];
    layout.values.assign(desc.members, desc.members + desc.num_members);
  } else if (state.type.rows_of >= 0) {
    layout.values = namesOf(module, state.type.rows_of);
  }
  return layout;
}

namespace {

/// Where the positions of a list of names were in another one; -1: nowhere.
struct Moves {
  std::vector<int64_t> from;
  std::vector<std::string> added, gone;
  bool same = true; // every position is what it was

  static Moves byNumber(int64_t size) {
    Moves moves;
    for (int64_t i = 0; i < size; ++i)
      moves.from.push_back(i);
    return moves;
  }
  Moves() = default;
  Moves(const std::vector<std::string> &before,
        const std::vector<std::string> &after)
      : same(before == after) {
    std::unordered_map<std::string_view, int64_t> places;
    for (size_t i = 0; i < before.size(); ++i)
      places.emplace(before[i], static_cast<int64_t>(i));
    for (const std::string &name : after) {
      auto found = places.find(name);
      from.push_back(found == places.end() ? -1 : found->second);
      if (found == places.end())
        added.push_back(name);
      else
        places.erase(found);
    }
    for (const std::string &name : before)
      if (places.count(name))
        gone.push_back(name);
  }
};

/// `'a', 'b' and 4 more of 'models' start anew`
std::string listed(const std::vector<std::string> &names,
                   const std::string &axis, const char *one, const char *many) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 3; ++i)
    text += (i == 0                                       ? ""
             : i + 1 == names.size() && names.size() <= 3 ? " and "
                                                          : ", ") +
            ("'" + names[i] + "'");
  if (names.size() > 3)
    text += " and " + std::to_string(names.size() - 3) + " more";
  return text + " of '" + axis + "' " + (names.size() == 1 ? one : many);
}

/// What of a whole cell is another, or nothing.
std::string unlike(const CellLayout &from, const CellLayout &to) {
  auto type = [](const CellLayout &layout) {
    return std::string(route_element_name(layout.element)) +
           (layout.unit.empty() ? "" : " " + layout.unit);
  };
  if (type(from) != type(to))
    return "it holds " + type(to) + ", and held " + type(from);
  if (from.meaning != to.meaning || from.values.empty() != to.values.empty())
    return "what it holds is declared otherwise";
  if (from.axes.size() != to.axes.size())
    return "it has " + std::to_string(to.axes.size()) + " axes, and had " +
           std::to_string(from.axes.size());
  for (size_t i = 0; i < to.axes.size(); ++i)
    if ((from.axes[i].members.empty() || to.axes[i].members.empty()) &&
        from.axes[i].size != to.axes[i].size)
      return "axis '" + to.axes[i].name + "' has " +
             std::to_string(to.axes[i].size) + " positions, and had " +
             std::to_string(from.axes[i].size);
  return "";
}

} // namespace

std::string route::carryCell(const CellLayout &from, const void *source,
                             const CellLayout &to, void *target, bool &moved) {
  moved = false;
  std::string words = unlike(from, to);
  if (!words.empty())
    return words;
  auto say = [&](std::string text) {
    words += (words.empty() ? "" : "; ") + text;
  };
  std::vector<Moves> axes;
  for (size_t i = 0; i < to.axes.size(); ++i) {
    const CellLayout::Axis &before = from.axes[i], &after = to.axes[i];
    axes.push_back(before.members.empty() || after.members.empty()
                       ? Moves::byNumber(after.size)
                       : Moves(before.members, after.members));
    if (!axes.back().added.empty())
      say(listed(axes.back().added, after.name, "starts anew", "start anew"));
    if (!axes.back().gone.empty())
      say(listed(axes.back().gone, after.name, "is gone", "are gone"));
  }
  // Old numbers of rows and members, as new ones.
  Moves values(to.values, from.values);
  bool renumber = !values.same && to.element == ROUTE_I32;

  size_t outer = axes.size(); // axes before the block that moves as it is
  uint64_t block = route_element_size(to.element);
  while (outer && axes[outer - 1].same && !renumber) {
    block *= axes[outer - 1].from.size();
    --outer;
  }
  uint64_t count = 1;
  for (size_t i = 0; i < outer; ++i)
    count *= axes[i].from.size();
  size_t lost = from.values.size(); // the first of those that are gone
  bool others = false;
  for (uint64_t at = 0; at < count; ++at) {
    uint64_t rest = at, place = 0, stride = 1;
    bool known = true;
    for (size_t i = outer; i-- > 0;) {
      int64_t position = axes[i].from[rest % axes[i].from.size()];
      rest /= axes[i].from.size();
      known &= position >= 0;
      place += static_cast<uint64_t>(position) * stride;
      stride *= static_cast<uint64_t>(from.axes[i].size);
    }
    if (!known)
      continue;
    const char *element = static_cast<const char *>(source) + place * block;
    char *out = static_cast<char *>(target) + at * block;
    if (renumber) {
      int32_t value;
      memcpy(&value, element, sizeof(value));
      if (value >= 0 && static_cast<size_t>(value) < values.from.size()) {
        if (values.from[static_cast<size_t>(value)] < 0) {
          size_t old = static_cast<size_t>(value);
          others |= lost < from.values.size() && lost != old;
          lost = std::min(lost, old);
          continue;
        }
        value = static_cast<int32_t>(values.from[static_cast<size_t>(value)]);
      }
      memcpy(out, &value, sizeof(value));
    } else {
      memcpy(out, element, block);
    }
    moved = true;
  }
  if (lost < from.values.size())
    say("what held '" + from.values[lost] + "'" +
        (others ? " and others" : "") + ", which is gone, starts anew");
  return words;
}

std::string route::writeLayout(const CellLayout &layout) {
  // Each piece with its length before it: names may hold anything.
  std::string text;
  auto add = [&](const std::string &piece) {
    text += std::to_string(piece.size()) + ":" + piece;
  };
  auto list = [&](const std::vector<std::string> &names) {
    add(std::to_string(names.size()));
    for (const std::string &name : names)
      add(name);
  };
  add(std::to_string(layout.element));
  add(std::to_string(layout.meaning));
  add(layout.unit);
  list(layout.values);
  add(std::to_string(layout.axes.size()));
  for (const CellLayout::Axis &axis : layout.axes) {
    add(axis.name);
    add(std::to_string(axis.size));
    list(axis.members);
  }
  return text;
}

bool route::readLayout(std::string_view text, CellLayout &layout) {
  layout = CellLayout();
  bool good = true;
  auto number = [&](std::string_view digits, uint64_t most) {
    uint64_t value = 0;
    good &= !digits.empty() && digits.size() <= 19;
    for (char c : digits.substr(0, good ? digits.size() : 0)) {
      good &= c >= '0' && c <= '9';
      value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    good &= value <= most;
    return good ? value : 0;
  };
  auto take = [&]() -> std::string {
    size_t colon = text.find(':');
    if (!good || colon == std::string_view::npos)
      return good = false, "";
    uint64_t size = number(text.substr(0, colon), text.size() - colon - 1);
    if (!good)
      return "";
    std::string piece(text.substr(colon + 1, size));
    text.remove_prefix(colon + 1 + size);
    return piece;
  };
  auto list = [&](std::vector<std::string> &names) {
    uint64_t count = number(take(), text.size() / 2);
    for (uint64_t i = 0; i < count && good; ++i)
      names.push_back(take());
  };
  layout.element = static_cast<uint32_t>(number(take(), ROUTE_HANDLE));
  good &= layout.element != 0;
  layout.meaning = static_cast<uint32_t>(number(take(), UINT32_MAX));
  layout.unit = take();
  list(layout.values);
  uint64_t axes = number(take(), 64);
  for (uint64_t i = 0; i < axes && good; ++i) {
    CellLayout::Axis &axis = layout.axes.emplace_back();
    axis.name = take();
    axis.size = static_cast<int64_t>(number(take(), INT64_MAX));
    list(axis.members);
    good &= axis.members.empty() ||
            static_cast<int64_t>(axis.members.size()) == axis.size;
  }
  return good && text.empty();
}

std::string route::printShape(const CellLayout &layout) {
  std::string text;
  for (const CellLayout::Axis &axis : layout.axes)
    text += (text.empty() ? "" : ", ") + axis.name + " = " +
            std::to_string(axis.size);
  return "[" + text + "]";
}

bool route::fitsLayout(const FileTensor &tensor, const CellLayout &layout) {
  const char *type = safeTensorsType(layout.element);
  if (!type || tensor.type != type || tensor.shape.size() != layout.axes.size())
    return false;
  for (size_t i = 0; i < layout.axes.size(); ++i)
    if (tensor.shape[i] != layout.axes[i].size)
      return false;
  return true;
}
