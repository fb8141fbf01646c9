// Runs functions of the tensor level on a route's inputs.
// Their outputs are read back as arrays and plans.
#include "Choice.h"
#include "Scalars.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "route/Interpreter/Rows.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

bool route::interp::isLowered(Operation *function) {
  auto func = dyn_cast<FunctionOpInterface>(function);
  return func && !isa<FuncOp>(function) && func.getNumArguments() > 0 &&
         func.getArgAttr(0, "route.role");
}

namespace {
/// One argument of a lowered function.
struct Slot {
  StringRef role, name, part;
  StringAttr rows; ///< of an index: what it counts along, where that is told
  SmallVector<FlatSymbolRefAttr> axes;
  /// The type of the array it carries, where it is no plan.
  ArrayType type;
  MemRefType memref;
};

class LoweredRun {
public:
  LoweredRun(Machine &machine, FunctionOpInterface func)
      : machine(machine), func(func) {}
  FailureOr<SmallVector<RuntimeValue>> run();

private:
  Slot slotOf(unsigned i);
  FailureOr<RuntimeValue> given(const Slot &slot);
  FailureOr<Array> output(const Slot &slot);
  FailureOr<SmallVector<AxisRef>> itemAxes(StringAttr plan, Location loc);
  FailureOr<AxisRef> axisOf(StringAttr name, Location loc);
  LogicalResult sizesOf(StringAttr plan, bool ranks, Location loc,
                        SmallVectorImpl<int64_t> &sizes);
  FailureOr<int64_t> derivedSize(StringRef axis, Location loc);
  FailureOr<RuntimeValue> decodePlan(const Slot &slot, const Array &indices);
  FailureOr<RuntimeValue> decodeArray(const Slot &slot, const Array &held);

  Machine &machine;
  FunctionOpInterface func;
  /// Plans read back so far, with the places of their rows in padded buffers.
  struct Decoded {
    AxisRef axis;
    std::vector<int64_t> places;
    /// The row at each place, -1 for none.
    std::vector<int64_t> rows;
  };
  llvm::StringMap<Decoded> plans;
};
} // namespace

Slot LoweredRun::slotOf(unsigned i) {
  Slot slot;
  auto text = [&](StringRef attr) {
    auto string = func.getArgAttrOfType<StringAttr>(i, attr);
    return string ? string.getValue() : StringRef();
  };
  slot.role = text("route.role");
  slot.name = text("route.name");
  slot.part = text("route.part");
  if (auto rows = func.getArgAttrOfType<FlatSymbolRefAttr>(i, "route.rows"))
    slot.rows = rows.getAttr();
  if (auto axes = func.getArgAttrOfType<ArrayAttr>(i, "route.axes"))
    slot.axes = llvm::to_vector(axes.getAsRange<FlatSymbolRefAttr>());
  if (auto type = func.getArgAttrOfType<TypeAttr>(i, "route.type"))
    slot.type = dyn_cast<ArrayType>(type.getValue());
  slot.memref = dyn_cast<MemRefType>(func.getArgumentTypes()[i]);
  return slot;
}

/// A row-major copy with anonymous axes and the memref's element type.
static FailureOr<Array> densify(Machine &machine, const Array &array,
                                Type element, Location loc) {
  SmallVector<AxisRef> axes;
  for (const AxisRef &axis : array.axes)
    axes.push_back(makeAxis(nullptr, axis->size));
  auto dense = machine.allocate(element, axes, loc);
  if (failed(dense))
    return failure();
  walk<1>(array.axes, {&array}, [&](int64_t index, auto at) {
    dense->buffer->set(index, array.buffer->get(at[0]));
  });
  return dense;
}

FailureOr<RuntimeValue> LoweredRun::given(const Slot &slot) {
  Location loc = func.getLoc();
  if (slot.role == "size") {
    auto axis =
        machine.axis(StringAttr::get(func.getContext(), slot.name), loc);
    if (failed(axis))
      return failure();
    return RuntimeValue(Element((*axis)->size));
  }
  if (slot.role == "offsets") {
    StringRef name = slot.name;
    name.consume_back(".offsets");
    auto axis = machine.axis(StringAttr::get(func.getContext(), name), loc);
    if (failed(axis))
      return failure();
    const Axis::Parent &parent = (*axis)->parents.front();
    auto offsets =
        machine.allocate(slot.memref.getElementType(),
                         {makeAxis(nullptr, parent.axis->size + 1)}, loc);
    if (failed(offsets))
      return failure();
    std::vector<int64_t> first(parent.axis->size + 1);
    for (int64_t of : *parent.index)
      ++first[of + 1];
    for (size_t i = 1; i < first.size(); ++i)
      first[i] += first[i - 1];
    for (auto [i, place] : llvm::enumerate(first))
      offsets->buffer->set(i, place);
    return RuntimeValue(std::move(*offsets));
  }
  if (slot.role == "now")
    return RuntimeValue(Element(static_cast<double>(machine.nowNs) / 1e9));
  if (slot.role == "seed")
    return RuntimeValue(Element(static_cast<int64_t>(machine.options.seed)));
  if (!slot.memref || (slot.type && isRangeType(slot.type.getElementType())))
    return emitError(loc, "argument '")
           << slot.name << "' of role '" << slot.role
           << "' is not one the interpreter can give";
  FailureOr<Array> value = failure();
  if (auto found = machine.inputs.find(slot.name);
      found != machine.inputs.end()) {
    value = found->second;
  } else if (Operation *target = lookupDotted(machine, slot.name)) {
    SymbolRefAttr symbol = FlatSymbolRefAttr::get(func.getContext(), slot.name);
    if (auto column = dyn_cast<ColumnOp>(target))
      symbol = SymbolRefAttr::get(
          cast<AxisOp>(column->getParentOp()).getSymNameAttr(),
          {FlatSymbolRefAttr::get(column.getSymNameAttr())});
    value = machine.read(symbol, loc);
  } else {
    return emitError(loc, "argument '") << slot.name << "' is not bound";
  }
  if (failed(value))
    return failure();
  auto dense = densify(machine, *value, slot.memref.getElementType(), loc);
  if (failed(dense))
    return failure();
  return RuntimeValue(std::move(*dense));
}

/// The axes of a plan's items, outermost first, where none is a plan.
static FailureOr<SmallVector<AxisRef>>
declaredItems(Machine &machine, StringAttr plan, Location loc) {
  auto op = machine.symbols.lookup<AxisOp>(plan);
  if (!op || op.getKind() != AxisKind::plan)
    return emitError(loc, "'") << plan.getValue() << "' is no plan axis";
  SmallVector<AxisRef> axes;
  for (FlatSymbolRefAttr parent : ArrayRef(op.getParentAxes()).drop_back()) {
    auto axis = machine.axis(parent.getAttr(), loc);
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
  }
  return axes;
}

FailureOr<AxisRef>
route::interp::planFromRows(Machine &machine, StringAttr name,
                            ArrayRef<std::vector<int64_t>> rows, Location loc) {
  auto items = declaredItems(machine, name, loc);
  if (failed(items))
    return failure();
  auto op = machine.symbols.lookup<AxisOp>(name);
  auto candidates = machine.axis(op.getParentAxes().back().getAttr(), loc);
  if (failed(candidates))
    return failure();
  ChoiceSpace space;
  space.per = *items;
  space.candidates = *candidates;
  if (failed(space.prepare(machine, loc)))
    return failure();
  if (static_cast<int64_t>(rows.size()) != space.items)
    return emitError(loc, "plan '")
           << name.getValue() << "' has " << rows.size() << " items, expected "
           << space.items;
  for (const std::vector<int64_t> &row : rows)
    for (int64_t candidate : row)
      if (candidate < 0 || candidate >= (*candidates)->size)
        return emitError(loc, "plan '")
               << name.getValue() << "' chose " << candidate << " of "
               << (*candidates)->size;
  return makePlan(name, space, rows.vec());
}

/// An axis, or the rows of a plan that was read back.
FailureOr<AxisRef> LoweredRun::axisOf(StringAttr name, Location loc) {
  if (auto found = plans.find(name.getValue()); found != plans.end())
    return found->second.axis;
  return machine.axis(name, loc);
}

/// The axes of a plan's items, outermost first.
FailureOr<SmallVector<AxisRef>> LoweredRun::itemAxes(StringAttr plan,
                                                     Location loc) {
  auto op = machine.symbols.lookup<AxisOp>(plan);
  if (!op || op.getKind() != AxisKind::plan)
    return emitError(loc, "'") << plan.getValue() << "' is no plan axis";
  SmallVector<AxisRef> axes;
  for (FlatSymbolRefAttr parent : ArrayRef(op.getParentAxes()).drop_back()) {
    auto axis = axisOf(parent.getAttr(), loc);
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
  }
  return axes;
}

/// The size that a function of the module gives for an axis.
FailureOr<int64_t> LoweredRun::derivedSize(StringRef axis, Location loc) {
  auto function =
      func->getParentOfType<ModuleOp>().lookupSymbol(("size." + axis).str());
  auto names = function ? function->getAttrOfType<ArrayAttr>("route.sizes")
                        : ArrayAttr();
  if (!names)
    return emitError(loc, "the size of '") << axis << "' is not known";
  SmallVector<RuntimeValue, 1> args;
  for (auto name : names.getAsRange<StringAttr>()) {
    auto size = machine.axis(name, loc);
    if (failed(size))
      return failure();
    args.push_back(Element((*size)->size));
  }
  auto made = machine.call(function, args);
  if (failed(made))
    return failure();
  return std::get<Element>(made->front()).asInt();
}

/// The sizes of the dimensions of a plan's items and, with `ranks`, of its rows
/// as they are padded; dynamic where the buffer has a static one.
LogicalResult LoweredRun::sizesOf(StringAttr plan, bool ranks, Location loc,
                                  SmallVectorImpl<int64_t> &sizes) {
  auto op = machine.symbols.lookup<AxisOp>(plan);
  for (FlatSymbolRefAttr parent : ArrayRef(op.getParentAxes()).drop_back()) {
    auto above = machine.symbols.lookup<AxisOp>(parent.getAttr());
    if (above.getKind() == AxisKind::plan) {
      if (failed(sizesOf(parent.getAttr(), /*ranks=*/true, loc, sizes)))
        return failure();
      continue;
    }
    auto axis = machine.axis(parent.getAttr(), loc);
    if (failed(axis))
      return failure();
    sizes.push_back((*axis)->size);
  }
  if (ranks)
    sizes.push_back(ShapedType::kDynamic);
  return success();
}

/// A buffer for an output. A plan axis takes the places of its items and of its
/// ranks; open sizes come from the axes.
FailureOr<Array> LoweredRun::output(const Slot &slot) {
  Location loc = func.getLoc();
  SmallVector<int64_t> sizes;
  for (FlatSymbolRefAttr name : slot.axes) {
    auto op = machine.symbols.lookup<AxisOp>(name.getAttr());
    if (op && op.getKind() == AxisKind::plan) {
      if (failed(sizesOf(name.getAttr(), slot.part != "count", loc, sizes)))
        return failure();
      if (slot.part != "count" &&
          sizes.size() <= static_cast<size_t>(slot.memref.getRank()) &&
          slot.memref.isDynamicDim(sizes.size() - 1)) {
        auto rank = derivedSize((name.getValue() + ".rank").str(), loc);
        if (failed(rank))
          return failure();
        sizes.back() = *rank;
      }
      continue;
    }
    auto axis = machine.axis(name.getAttr(), loc);
    if (failed(axis))
      return failure();
    sizes.push_back((*axis)->size);
  }
  if (static_cast<int64_t>(sizes.size()) != slot.memref.getRank())
    return emitError(loc, "output '")
           << slot.name << "' has rank " << slot.memref.getRank()
           << ", expected " << sizes.size();
  SmallVector<AxisRef> axes;
  for (auto [size, fixed] : llvm::zip(sizes, slot.memref.getShape())) {
    int64_t known = ShapedType::isDynamic(fixed) ? size : fixed;
    if (ShapedType::isDynamic(known))
      return emitError(loc, "output '")
             << slot.name << "' has a size nobody knows";
    axes.push_back(makeAxis(nullptr, known));
  }
  return machine.allocate(slot.memref.getElementType(), axes, loc);
}

/// Indices over the items and ranks, -1 for no row, as a plan. Rows of a plan,
/// as items or as what is chosen, are numbered by their places.
FailureOr<RuntimeValue> LoweredRun::decodePlan(const Slot &slot,
                                               const Array &indices) {
  Location loc = func.getLoc();
  StringAttr name = slot.axes.front().getAttr();
  auto op = machine.symbols.lookup<AxisOp>(name);
  auto items = itemAxes(name, loc);
  if (failed(items))
    return failure();
  StringAttr chosen =
      slot.rows ? slot.rows : op.getParentAxes().back().getAttr();
  auto candidates = axisOf(chosen, loc);
  if (failed(candidates))
    return failure();
  ChoiceSpace space;
  space.per = *items;
  space.candidates = *candidates;
  if (failed(space.prepare(machine, loc)))
    return failure();
  int64_t width = indices.axes.back()->size;
  // Items by their places in the buffer.
  SmallVector<const Decoded *> rowsOf;
  SmallVector<int64_t> extents;
  for (FlatSymbolRefAttr parent : ArrayRef(op.getParentAxes()).drop_back()) {
    auto found = plans.find(parent.getValue());
    rowsOf.push_back(found == plans.end() ? nullptr : &found->second);
    extents.push_back(rowsOf.back()
                          ? static_cast<int64_t>(rowsOf.back()->rows.size())
                          : (*items)[extents.size()]->size);
  }
  auto itemAt = [&](int64_t place) {
    int64_t item = 0, scale = 1;
    for (size_t i = extents.size(); i-- > 0;) {
      int64_t position = place % std::max<int64_t>(extents[i], 1);
      place /= std::max<int64_t>(extents[i], 1);
      if (rowsOf[i])
        position = rowsOf[i]->rows[position];
      if (position < 0)
        return int64_t(-1);
      item += position * scale;
      scale *= (*items)[i]->size;
    }
    return item;
  };
  auto above = plans.find(chosen.getValue());
  Kept kept(space.items);
  Decoded decoded;
  for (int64_t place = 0, n = indices.size(); place < n; ++place) {
    int64_t candidate = indices.buffer->get(place).asInt();
    decoded.rows.push_back(candidate < 0 ? -1 : decoded.places.size());
    if (candidate < 0)
      continue;
    if (above != plans.end())
      candidate = candidate < static_cast<int64_t>(above->second.rows.size())
                      ? above->second.rows[candidate]
                      : -1;
    int64_t item = itemAt(place / width);
    if (candidate < 0 || item < 0 || candidate >= (*candidates)->size)
      return emitError(loc, "plan '")
             << name.getValue() << "' chose " << candidate << " of "
             << (*candidates)->size << " for item " << item;
    kept[item].push_back(candidate);
    decoded.places.push_back(place);
  }
  decoded.axis = makePlan(name, space, kept);
  plans[name.getValue()] = decoded;
  return RuntimeValue(Plan{decoded.axis});
}

/// An output as an array; rows of a plan leave their padding.
FailureOr<RuntimeValue> LoweredRun::decodeArray(const Slot &slot,
                                                const Array &held) {
  Location loc = func.getLoc();
  SmallVector<AxisRef> axes;
  const Decoded *plan = nullptr;
  for (auto [i, name] : llvm::enumerate(slot.axes)) {
    if (auto found = plans.find(name.getValue()); found != plans.end()) {
      if (i != 0)
        return emitError(loc, "output '")
               << slot.name << "' has its plan axis inside";
      plan = &found->second;
      axes.push_back(plan->axis);
      continue;
    }
    auto axis = machine.axis(name.getAttr(), loc);
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
  }
  Type element =
      slot.type ? slot.type.getElementType() : slot.memref.getElementType();
  auto array = machine.allocate(element, axes, loc);
  if (failed(array))
    return failure();
  int64_t width =
      axes.empty() ? 1 : countPositions(ArrayRef(axes).drop_front());
  for (int64_t i = 0, n = array->size(); i < n; ++i) {
    int64_t place = plan ? plan->places[i / width] * width + i % width : i;
    array->buffer->set(i, held.buffer->get(place));
  }
  return RuntimeValue(std::move(*array));
}

FailureOr<SmallVector<RuntimeValue>> LoweredRun::run() {
  SmallVector<RuntimeValue, 1> args;
  std::vector<std::pair<Slot, Array>> outputs;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    Slot slot = slotOf(i);
    if (slot.role != "output") {
      auto value = given(slot);
      if (failed(value))
        return failure();
      args.push_back(std::move(*value));
      continue;
    }
    auto buffer = output(slot);
    if (failed(buffer))
      return failure();
    args.push_back(*buffer);
    outputs.push_back({slot, *buffer});
  }
  if (failed(machine.call(func, args)))
    return failure();
  SmallVector<RuntimeValue> results;
  // Plans first: arrays over them need their rows.
  for (auto &[slot, buffer] : outputs)
    if (slot.part == "index" && failed(decodePlan(slot, buffer)))
      return failure();
  for (auto &[slot, buffer] : outputs) {
    if (slot.part == "count")
      continue;
    auto value = slot.part == "index" ? decodePlan(slot, buffer)
                                      : decodeArray(slot, buffer);
    if (failed(value))
      return failure();
    results.push_back(std::move(*value));
  }
  return results;
}

FailureOr<SmallVector<RuntimeValue>>
route::interp::runLowered(Machine &machine, Operation *function) {
  return LoweredRun(machine, cast<FunctionOpInterface>(function)).run();
}
