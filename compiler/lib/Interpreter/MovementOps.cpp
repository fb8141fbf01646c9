// Evaluators of ops that make values or move them between axes.
#include "Elementwise.h"
#include "Scalars.h"
#include "route/philox.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

static ArrayType typeOf(Value value) {
  return cast<ArrayType>(value.getType());
}

static LogicalResult evalConstant(ConstantOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  auto axes = resolveAxes(type.getAxes(), {}, frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  auto value = frame.machine.materialize(op.getValue(), type.getElementType(),
                                         *axes, op.getLoc());
  if (failed(value))
    return failure();
  frame.set(op.getResult(), std::move(*value));
  return success();
}

static LogicalResult evalUnknown(UnknownOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  auto axes = resolveAxes(type.getAxes(), {}, frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  Array one =
      Array::scalar(type.getElementType(), unknownOf(type.getElementType()));
  auto view = viewFor(op, one, *axes);
  if (failed(view))
    return failure();
  frame.set(op.getResult(), std::move(*view));
  return success();
}

static LogicalResult evalBroadcast(BroadcastOp op, Frame &frame) {
  llvm::SmallVector<RuntimeValue> sources;
  if (op.getPlan())
    sources.push_back(frame.get(op.getPlan()));
  sources.push_back(frame.get(op.getOperand()));
  auto axes = resolveAxes(typeOf(op.getResult()).getAxes(), sources,
                          frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  auto view = viewFor(op, frame.array(op.getOperand()), *axes);
  if (failed(view))
    return failure();
  frame.set(op.getResult(), std::move(*view));
  return success();
}

/// The instance of `target`, which copies or is copied by the axis `own` is a
/// run of: the same size and parents under the other name.
static AxisRef renamed(const AxisRef &own, StringAttr target) {
  auto axis = std::make_shared<Axis>(*own);
  axis->name = target;
  return axis;
}

static LogicalResult evalRename(RenameOp op, Frame &frame) {
  Array view = frame.array(op.getOperand());
  Array before = view;
  for (auto [source, target] :
       llvm::zip(op.getSource().getAsRange<FlatSymbolRefAttr>(),
                 op.getTarget().getAsRange<FlatSymbolRefAttr>())) {
    int place = before.findAxis(source.getAttr());
    if (place < 0)
      return op.emitError("axis ") << source << " is not an axis of the value";
    AxisRef axis = renamed(before.axes[place], target.getAttr());
    // A copy lies inside the copies of what its original lies in.
    auto declared = frame.machine.symbols.lookup<AxisOp>(target.getAttr());
    auto nested = std::make_shared<Axis>(*axis);
    if (declared && !axis->isPlan())
      for (auto [parent, symbol] :
           llvm::zip(nested->parents, declared.getParentAxes()))
        if (parent.axis->name != symbol.getAttr()) {
          auto above = frame.machine.axis(symbol.getAttr(), op.getLoc());
          if (failed(above))
            return failure();
          parent.axis = *above;
        }
    view.axes[place] = nested;
  }
  frame.set(op.getResult(), std::move(view));
  return success();
}

static LogicalResult evalPick(PickOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  const Array &operand = frame.array(op.getOperand());
  const Array &position = frame.array(op.getPosition());
  int along = operand.findAxis(op.getAlongAttr().getAttr());
  if (along < 0)
    return op.emitError("axis ")
           << op.getAlongAttr() << " is not an axis of the value";
  // The position's axes first: where it lies over `along` itself, that is the
  // axis the result has.
  SmallVector<RuntimeValue> sources = {position, operand};
  auto axes = resolveAxes(type.getAxes(), sources, frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  auto positions = viewFor(op, position, *axes);
  auto result =
      frame.machine.allocate(type.getElementType(), *axes, op.getLoc());
  if (failed(positions) || failed(result))
    return failure();
  // The operand with `along` held at 0, seen over the result's axes.
  Array rest = operand;
  rest.axes.erase(rest.axes.begin() + along);
  rest.dims.clear();
  for (Array::Dim dim : operand.dims) {
    if (dim.axis == static_cast<unsigned>(along))
      continue;
    dim.axis -= dim.axis > static_cast<unsigned>(along);
    rest.dims.push_back(dim);
  }
  auto base = viewFor(op, rest, *axes);
  if (failed(base))
    return failure();
  std::vector<int64_t> steps = operand.offsets()[along];
  Element missing = isRangeType(type.getElementType())
                        ? unknownOf(type.getElementType())
                        : zeroOf(type.getElementType());
  walk<2>(*axes, {&*positions, &*base}, [&](int64_t index, auto at) {
    Range chosen = toRange(positions->buffer->get(at[0]));
    int64_t p = chosen.known ? chosen.lo.asInt() : -1;
    bool inside = p >= 0 && p < static_cast<int64_t>(steps.size());
    result->buffer->set(index, inside ? operand.buffer->get(at[1] + steps[p])
                                      : missing);
  });
  frame.set(op.getResult(), std::move(*result));
  return success();
}

static LogicalResult evalStack(StackOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  SmallVector<RuntimeValue> sources;
  for (Value operand : op.getOperands())
    sources.push_back(frame.get(operand));
  auto axes = resolveAxes(type.getAxes(), sources, frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  if (axes->back()->size != static_cast<int64_t>(op.getOperands().size()))
    return op.emitError("stacks ")
           << op.getOperands().size() << " values along axis '"
           << axes->back()->label() << "' of size " << axes->back()->size;
  auto result =
      frame.machine.allocate(type.getElementType(), *axes, op.getLoc());
  if (failed(result))
    return failure();
  ArrayRef<AxisRef> shared = ArrayRef(*axes).drop_back();
  for (auto [k, operand] : llvm::enumerate(op.getOperands())) {
    auto view = viewFor(op, frame.array(operand), shared);
    if (failed(view))
      return failure();
    walk<1>(shared, {&*view}, [&, k = k](int64_t index, auto at) {
      result->buffer->set(index * op.getOperands().size() + k,
                          view->buffer->get(at[0]));
    });
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

static LogicalResult evalIota(IotaOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  SmallVector<RuntimeValue> sources;
  if (op.getPlan())
    sources.push_back(frame.get(op.getPlan()));
  auto result = allocateFor(type, sources, frame.machine, op.getLoc());
  if (failed(result))
    return failure();
  for (int64_t p = 0; p < result->axes.front()->size; ++p)
    result->buffer->set(p, p);
  frame.set(op.getResult(), std::move(*result));
  return success();
}

static LogicalResult evalSize(SizeOp op, Frame &frame) {
  auto axis = frame.machine.axis(op.getAxisAttr().getAttr(), op.getLoc());
  if (failed(axis))
    return failure();
  frame.set(op.getResult(),
            Array::scalar(elementTypeOf(op.getResult()), (*axis)->size));
  return success();
}

static LogicalResult evalNow(NowOp op, Frame &frame) {
  Type type = elementTypeOf(op.getResult());
  int64_t ns = frame.machine.nowNs;
  Element now = isa<FloatType>(type) ? Element(static_cast<double>(ns) / 1e9)
                                     : Element(ns);
  frame.set(op.getResult(), Array::scalar(type, now));
  return success();
}

/// Mixes a key operand's element into the draw, as philox.h says.
static void addKey(num::Draw &draw, const Element &key, Type type) {
  if (const auto *value = std::get_if<float>(&key))
    return draw.add(*value);
  if (const auto *value = std::get_if<double>(&key))
    return draw.add(*value);
  if (std::holds_alternative<std::string>(key))
    return draw.add(
        num::Draw::hashText(key.asText().data(), key.asText().size()));
  if (std::holds_alternative<std::shared_ptr<const Range>>(key))
    return addKey(draw,
                  key.asRange().known ? key.asRange().lo
                                      : zeroOf(getValueType(type)),
                  getValueType(type));
  draw.add(static_cast<uint64_t>(key.asInt()));
}

static Element drawAt(const num::Draw &draw, DrawKind kind, int64_t position) {
  switch (kind) {
  case DrawKind::uniform:
    return draw.uniform(position);
  case DrawKind::gumbel:
    return draw.gumbel(position);
  case DrawKind::normal:
    return draw.normal(position);
  case DrawKind::bits:
    return static_cast<int64_t>(draw.bits(position));
  }
  return int64_t(0);
}

/// Counts on `place` by a position along `axis`; of a row of a plan by its
/// items and by what was chosen, so that it hangs on no other row.
static void countPlace(uint64_t &place, const Axis &axis, int64_t position) {
  if (!axis.isPlan()) {
    place = place * axis.size + position;
    return;
  }
  for (const Axis::Parent &parent : axis.parents)
    countPlace(place, *parent.axis, (*parent.index)[position]);
}

static LogicalResult evalDraw(DrawOp op, Frame &frame) {
  ArrayType type = typeOf(op.getResult());
  SmallVector<RuntimeValue> sources;
  for (Value key : op.getKeys())
    sources.push_back(frame.get(key));
  auto result = allocateFor(type, sources, frame.machine, op.getLoc());
  if (failed(result))
    return failure();
  SmallVector<Array> keys;
  for (Value key : op.getKeys()) {
    auto view = viewFor(op, frame.array(key), result->axes);
    if (failed(view))
      return failure();
    keys.push_back(std::move(*view));
  }
  std::vector<std::vector<Element>> values;
  for (const Array &key : keys)
    values.push_back(key.elements());
  Type plain = op.getKind() == DrawKind::bits
                   ? Type(IntegerType::get(op.getContext(), 64))
                   : Type(Float32Type::get(op.getContext()));
  int64_t count = result->size();
  for (int64_t p = 0; p < count; ++p) {
    num::Draw draw(frame.machine.options.seed, op.getSite());
    for (auto [key, value] : llvm::zip(keys, values))
      addKey(draw, value[p], key.elementType);
    uint64_t place = 0;
    int64_t inner = count, rest = p;
    for (const AxisRef &axis : result->axes) {
      inner /= axis->size;
      countPlace(place, *axis, rest / inner);
      rest %= inner;
    }
    result->buffer->set(p, applyCast(plain, type.getElementType(),
                                     drawAt(draw, op.getKind(), place)));
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

void route::interp::addMovementOps(Registry &registry) {
  registry.add(evalConstant);
  registry.add(evalUnknown);
  registry.add(evalBroadcast);
  registry.add(evalRename);
  registry.add(evalPick);
  registry.add(evalStack);
  registry.add(evalIota);
  registry.add(evalSize);
  registry.add(evalNow);
  registry.add(evalDraw);
}
