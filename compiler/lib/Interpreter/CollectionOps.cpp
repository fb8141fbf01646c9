// Evaluators of ops on lists and sets, keyed state, pools of pools and rings.
#include "Elementwise.h"
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Text/Tables.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The place of `element` in `members`, or -1.
static int64_t placeOf(const Element &element,
                       const std::vector<Element> &members) {
  for (auto [place, member] : llvm::enumerate(members))
    if (equalElements(member, element))
      return place;
  return -1;
}

static LogicalResult evalFind(FindOp op, Frame &frame) {
  Type type = elementTypeOf(op.getResult());
  return mapElements<2>(
      op, {op.getElement(), op.getCollection()}, frame,
      [&](const auto &in) -> Element {
        Range element = toRange(in[0]), collection = toRange(in[1]);
        bool empty = collection.known && collection.lo.asList().empty();
        if (!empty && (!element.known || !collection.known))
          return unknownOf(type);
        int64_t place =
            empty ? -1 : placeOf(element.lo, collection.lo.asList());
        return isRangeType(type) ? knownRange(place) : Element(place);
      });
}

static LogicalResult evalSubset(SubsetOp op, Frame &frame) {
  Type type = elementTypeOf(op.getResult());
  return mapElements<2>(
      op, {op.getLhs(), op.getRhs()}, frame, [&](const auto &in) -> Element {
        Range lhs = toRange(in[0]), rhs = toRange(in[1]);
        bool none = lhs.known && lhs.lo.asList().empty();
        if (!none && (!lhs.known || !rhs.known))
          return unknownOf(type);
        bool holds = none || llvm::all_of(lhs.lo.asList(), [&](const auto &m) {
                       return placeOf(m, rhs.lo.asList()) >= 0;
                     });
        return isRangeType(type) ? knownRange(int64_t(holds))
                                 : Element(int64_t(holds));
      });
}

static LogicalResult evalIsEmpty(IsEmptyOp op, Frame &frame) {
  return mapElements<1>(op, {op.getCollection()}, frame,
                        [&](const auto &in) -> Element {
                          return int64_t(in[0].asList().empty());
                        });
}

static LogicalResult evalCollect(CollectOp op, Frame &frame) {
  const Array &members = frame.array(op.getMembers());
  auto type = cast<ArrayType>(op.getType());
  auto result =
      allocateFor(type, {RuntimeValue(members)}, frame.machine, op.getLoc());
  if (failed(result))
    return failure();
  std::vector<std::vector<Element>> lists(result->size());
  IndexMap above = result->axes.empty() ? nullptr
                                        : descent(*members.axes.front(),
                                                  result->axes.front()->name);
  bool once = isa<SetType>(type.getElementType());
  for (auto [p, member] : llvm::enumerate(members.elements())) {
    std::vector<Element> &list = lists[above ? (*above)[p] : 0];
    if (!once || placeOf(member, list) < 0)
      list.push_back(member);
  }
  for (auto [i, list] : llvm::enumerate(lists))
    result->buffer->set(
        i, std::make_shared<const std::vector<Element>>(std::move(list)));
  frame.set(op.getResult(), std::move(*result));
  return success();
}

/// The members of `collection` without `element`.
static std::vector<Element> without(const std::vector<Element> &members,
                                    const Element &element) {
  std::vector<Element> rest;
  for (const Element &member : members)
    if (!equalElements(member, element))
      rest.push_back(member);
  return rest;
}

static Element collectionOf(std::vector<Element> members) {
  return std::make_shared<const std::vector<Element>>(std::move(members));
}

static LogicalResult evalInsert(InsertOp op, Frame &frame) {
  size_t bound = op.getBound() ? *op.getBound() : ~size_t(0);
  return mapElements<2>(
      op, {op.getCollection(), op.getElement()}, frame,
      [&](const auto &in) -> Element {
        Range element = toRange(in[1]);
        // NaN is no member of anything.
        if (!element.known || !equalElements(element.lo, element.lo))
          return in[0];
        auto members = without(toRange(in[0]).lo.asList(), element.lo);
        members.push_back(element.lo);
        if (members.size() > bound)
          members.erase(members.begin(), members.end() - bound);
        return collectionOf(std::move(members));
      });
}

static LogicalResult evalRemove(RemoveOp op, Frame &frame) {
  return mapElements<2>(op, {op.getCollection(), op.getElement()}, frame,
                        [&](const auto &in) -> Element {
                          Range element = toRange(in[1]);
                          if (!element.known)
                            return in[0];
                          return collectionOf(
                              without(toRange(in[0]).lo.asList(), element.lo));
                        });
}

namespace {
/// The keys of a lookup or store, item by item.
class Keys {
public:
  /// `items` are the axes that keys differ along; other axes of theirs belong
  /// to the key.
  LogicalResult prepare(Operation *op, OperandRange operands,
                        ArrayRef<AxisRef> items, Frame &frame);
  /// The key at a row-major position over the items.
  std::vector<Element> at(int64_t item) const;
  /// The key as text, equal for equal keys only.
  std::string textAt(int64_t item) const;

private:
  struct Part {
    Type type;
    std::vector<Element> elements;
    int64_t width; // elements a key
  };
  SmallVector<Part> parts;
};
} // namespace

LogicalResult Keys::prepare(Operation *op, OperandRange operands,
                            ArrayRef<AxisRef> items, Frame &frame) {
  for (Value operand : operands) {
    const Array &array = frame.array(operand);
    SmallVector<AxisRef> axes(items);
    int64_t width = 1;
    for (const AxisRef &axis : array.axes)
      if (llvm::none_of(items, [&](const AxisRef &item) {
            return descent(*item, axis->name) != nullptr;
          })) {
        axes.push_back(axis);
        width *= axis->size;
      }
    auto view = viewFor(op, array, axes);
    if (failed(view))
      return failure();
    parts.push_back({array.elementType, view->elements(), width});
  }
  return success();
}

std::vector<Element> Keys::at(int64_t item) const {
  std::vector<Element> key;
  for (const Part &part : parts)
    for (int64_t i = 0; i < part.width; ++i)
      key.push_back(part.elements[item * part.width + i]);
  return key;
}

std::string Keys::textAt(int64_t item) const {
  std::string text;
  for (const Part &part : parts)
    for (int64_t i = 0; i < part.width; ++i)
      text += keyText(part.elements[item * part.width + i], part.type);
  return text;
}

std::string route::interp::keyText(const Element &part, Type type) {
  if (auto ranged = dyn_cast<RangeType>(type)) { // unknown is a key of its own
    const Range &range = part.asRange();
    return range.known ? keyText(range.lo, ranged.getValueType()) : "?;";
  }
  auto isZero = [](auto *number) { return number && *number == 0; };
  if (isZero(std::get_if<float>(&part)) || isZero(std::get_if<double>(&part)))
    return "0;"; // -0 too, which is equal to it
  if (!std::holds_alternative<std::string>(part))
    return printElement(part, type) + ";";
  int64_t digest[2];
  route_text_digest(part.asText().bytes_begin(), part.asText().size(), digest);
  return std::to_string(digest[0]) + ";" + std::to_string(digest[1]) + ";";
}

/// The state as the present handler sees it.
static KeyedState &keyedState(Machine &machine, StringRef name) {
  if (!machine.keyedWrites)
    return machine.keyed[name];
  auto found = machine.keyedWrites->find(name);
  if (found == machine.keyedWrites->end())
    found = machine.keyedWrites->try_emplace(name, machine.keyed[name]).first;
  return found->second;
}

/// The element of a cell at `position`, or of `initial` where the cell was
/// written when its axes were shorter.
static Element cellAt(const Array *cell, const Array &initial,
                      ArrayRef<int64_t> position) {
  if (cell)
    for (auto [axis, place] : llvm::zip(cell->axes, position))
      if (place >= axis->size)
        cell = nullptr;
  return (cell ? *cell : initial).at(position);
}

static LogicalResult evalLookup(LookupOp op, Frame &frame) {
  Machine &machine = frame.machine;
  auto state = machine.symbols.lookup<StateOp>(op.getStateAttr().getAttr());
  FailureOr<Array> initial = machine.initialState(state);
  if (failed(initial))
    return failure();
  auto cellType = cast<ArrayType>(state.getType());
  auto type = cast<ArrayType>(op.getType());
  SmallVector<FlatSymbolRefAttr> itemNames;
  for (FlatSymbolRefAttr axis : type.getAxes())
    if (!cellType.hasAxis(axis))
      itemNames.push_back(axis);
  SmallVector<RuntimeValue> sources;
  for (Value key : op.getKeys())
    sources.push_back(frame.get(key));
  auto items = resolveAxes(itemNames, sources, machine, op.getLoc());
  auto axes = resolveAxes(type.getAxes(), sources, machine, op.getLoc());
  Keys keys;
  if (failed(items) || failed(axes) ||
      failed(keys.prepare(op, op.getKeys(), *items, frame)))
    return failure();
  // Items first, then the cell's own axes.
  SmallVector<AxisRef> order(*items);
  order.append(initial->axes.begin(), initial->axes.end());
  auto value = machine.allocate(type.getElementType(), order, op.getLoc());
  if (failed(value))
    return failure();
  const KeyedState &stored = keyedState(machine, op.getState());
  int64_t count = countPositions(*items), width = initial->size();
  for (int64_t item = 0; item < count; ++item) {
    auto found = stored.cells.find(keys.textAt(item));
    const Array *cell =
        found == stored.cells.end() ? nullptr : &found->second.value;
    for (int64_t i = 0; i < width; ++i) {
      SmallVector<int64_t> position(initial->axes.size());
      int64_t rest = i;
      for (size_t a = position.size(); a-- > 0; rest /= initial->axes[a]->size)
        position[a] = rest % initial->axes[a]->size;
      value->buffer->set(item * width + i, cellAt(cell, *initial, position));
    }
  }
  auto view = viewFor(op, *value, *axes);
  if (failed(view))
    return failure();
  frame.set(op.getResult(), std::move(*view));
  return success();
}

static LogicalResult evalStore(StoreOp op, Frame &frame) {
  Machine &machine = frame.machine;
  if (!machine.keyedWrites)
    return op.emitError("state is written outside an event");
  auto state = machine.symbols.lookup<StateOp>(op.getStateAttr().getAttr());
  Keys keys;
  if (failed(keys.prepare(op, op.getKeys(), {}, frame)))
    return failure();
  KeyedState &stored = keyedState(machine, op.getState());
  stored.cells[keys.textAt(0)] = {keys.at(0), frame.array(op.getValue()),
                                  ++stored.clock};
  if (state.getBound() && stored.cells.size() > *state.getBound())
    stored.cells.erase(std::min_element(
        stored.cells.begin(), stored.cells.end(),
        [](auto &a, auto &b) { return a.second.written < b.second.written; }));
  return success();
}

static LogicalResult evalJoin(JoinOp op, Frame &frame) {
  Machine &machine = frame.machine;
  auto type = cast<ArrayType>(op.getType());
  SmallVector<RuntimeValue> sources;
  for (Value operand : op.getOperands())
    sources.push_back(frame.get(operand));
  auto axes = resolveAxes(type.getAxes(), sources, machine, op.getLoc());
  if (failed(axes))
    return failure();
  auto declared = machine.symbols.lookup<AxisOp>(op.getAlongAttr().getAttr());
  auto result = machine.allocate(type.getElementType(), *axes, op.getLoc());
  if (failed(result))
    return failure();
  ArrayRef<AxisRef> items = ArrayRef(*axes).drop_back();
  int64_t total = axes->back()->size, offset = 0;
  bool ranged = isRangeType(type.getElementType());
  for (auto [operand, part] :
       llvm::zip(op.getOperands(),
                 getParts(declared).getAsRange<FlatSymbolRefAttr>())) {
    auto own = machine.axis(part.getAttr(), op.getLoc());
    if (failed(own))
      return failure();
    SmallVector<AxisRef> over(items);
    over.push_back(*own);
    auto view = viewFor(op, frame.array(operand), over);
    if (failed(view))
      return failure();
    int64_t size = (*own)->size;
    walk<1>(over, {&*view}, [&](int64_t index, auto at) {
      Element element = view->buffer->get(at[0]);
      result->buffer->set(
          index / size * total + offset + index % size,
          ranged ? Element(std::make_shared<const Range>(toRange(element)))
                 : element);
    });
    offset += size;
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

/// xxh3 of the bytes and 8 bytes of `number`.
static uint64_t hashWith(StringRef bytes, uint64_t number) {
  SmallVector<uint8_t> all(bytes.bytes_begin(), bytes.bytes_end());
  uint8_t tail[8];
  llvm::support::endian::write64le(tail, number);
  all.append(tail, tail + 8);
  return llvm::xxh3_64bits(all);
}

static LogicalResult evalRing(RingOp op, Frame &frame) {
  const Array &names = frame.array(op.getNames());
  int64_t vnodes = op.getVnodes(), rows = names.size();
  if (rows > 0 && vnodes > frame.machine.options.maxSteps / rows)
    return op.emitError("a ring of ")
           << rows << " rows of " << vnodes << " points is too large";
  if (failed(frame.machine.charge(rows * vnodes, op.getLoc())))
    return failure();
  // The lower row keeps a point that two rows have.
  std::map<uint64_t, int64_t> ring;
  for (auto [row, name] : llvm::enumerate(names.elements()))
    for (int64_t point = 0; point < vnodes; ++point)
      ring.try_emplace(hashWith(name.asText(), point), row);
  Type type = elementTypeOf(op.getResult());
  return mapElements<1>(
      op, {op.getKey()}, frame, [&](const auto &in) -> Element {
        Range key = toRange(in[0]);
        if (!key.known)
          return unknownOf(type);
        std::string bytes = key.lo.asText().str();
        if (!std::holds_alternative<std::string>(key.lo)) {
          bytes.resize(8);
          llvm::support::endian::write64le(bytes.data(), key.lo.asInt());
        }
        auto point = ring.lower_bound(hashWith(bytes, op.getSeed()));
        int64_t row = ring.empty()          ? -1
                      : point == ring.end() ? ring.begin()->second
                                            : point->second;
        return isRangeType(type) ? knownRange(row) : Element(row);
      });
}

void route::interp::addCollectionOps(Registry &registry) {
  registry.add(evalFind);
  registry.add(evalSubset);
  registry.add(evalIsEmpty);
  registry.add(evalCollect);
  registry.add(evalInsert);
  registry.add(evalRemove);
  registry.add(evalLookup);
  registry.add(evalStore);
  registry.add(evalJoin);
  registry.add(evalRing);
}
