// Text functions: one loop over the items asks each text everything.
// So all predicates on a text fuse into one scan.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// The axes of the texts that `op` asks; a vector of features adds one more.
static SmallVector<Axis> textAxes(TextFnOp op) {
  SmallVector<Axis> axes;
  for (Value operand : op.getOperands())
    for (Axis axis : cast<ArrayType>(operand.getType()).getAxes())
      if (!llvm::is_contained(axes, axis))
        axes.push_back(axis);
  return axes;
}

/// Whether the operand's tensor is there, or can be made at once.
bool Lowering::isReady(Value operand) {
  if (values.contains(operand))
    return true;
  Operation *op = operand.getDefiningOp();
  return op && isa<GetOp, ConstantOp, BoundOp>(op) &&
         llvm::all_of(op->getOperands(), [](Value source) {
           return isa_and_nonnull<GetOp>(source.getDefiningOp()) ||
                  isa<BlockArgument>(source);
         });
}

/// All functions of texts over the same axes that the block asks from `first`
/// on, as far as their texts are at hand.
SmallVector<TextFnOp> Lowering::textGroup(TextFnOp first) {
  SmallVector<TextFnOp> group;
  SmallVector<Axis> axes = textAxes(first);
  for (Operation *op = first; op; op = op->getNextNode())
    if (auto text = dyn_cast<TextFnOp>(op);
        text && textAxes(text) == axes &&
        llvm::all_of(text.getOperands(),
                     [&](Value operand) { return isReady(operand); }))
      group.push_back(text);
  return group;
}

LogicalResult Lowering::lowerTextFn(TextFnOp first) {
  if (values.contains(first.getResult()))
    return success(); // asked together with an earlier one
  Location loc = first.getLoc();
  SmallVector<TextFnOp> group = textGroup(first);
  if (group.empty() || group.front() != first)
    return notCovered(first, "a text function of computed texts");
  for (TextFnOp op : group)
    for (Value operand : op.getOperands())
      if (!values.contains(operand) && failed(lower(operand.getDefiningOp())))
        return failure();

  SmallVector<Axis> dims = dimsOf(textAxes(first));
  SmallVector<Value> state;
  for (TextFnOp op : group) {
    auto type = cast<ArrayType>(op.getType());
    SmallVector<Axis> have = dimsOf(type);
    bool vector = have.size() == dims.size() + 1;
    if (ArrayRef(have).take_front(dims.size()) != ArrayRef(dims) ||
        (have != dims && !vector))
      return notCovered(op, "a text function of this shape");
    state.push_back(empty(have, type.getElementType(), op.getLoc()));
  }
  // One loop a dimension, the results carried inwards.
  SmallVector<Value> positions;
  SmallVector<scf::ForOp> loops;
  Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
  SmallVector<Value> carried = state;
  for (Axis dim : dims) {
    auto loop =
        scf::ForOp::create(b, loc, zero, sizeValue(dim, loc), one, carried);
    loops.push_back(loop);
    positions.push_back(loop.getInductionVar());
    carried = llvm::to_vector_of<Value>(loop.getRegionIterArgs());
    b.setInsertionPointToStart(loop.getBody());
  }
  llvm::DenseMap<Value, Value> texts;
  for (auto [op, target] : llvm::zip(group, carried)) {
    SmallVector<Value> asked;
    for (Value operand : op.getOperands()) {
      Value &text = texts[operand];
      if (!text) {
        SmallVector<Value> at;
        for (Axis dim : dimsOf(cast<ArrayType>(operand.getType())))
          at.push_back(positions[llvm::find(dims, dim) - dims.begin()]);
        text = tensor::ExtractOp::create(b, op.getLoc(), get(operand), at);
      }
      asked.push_back(text);
    }
    FailureOr<Value> answer = signal::buildTextFunction(
        b, op.getLoc(), op.getName(), op.getArgumentsAttr(), asked);
    if (failed(answer))
      return failure();
    Type want = element(cast<ArrayType>(op.getType()).getElementType());
    auto features = dyn_cast<RankedTensorType>(answer->getType());
    if ((features ? features.getElementType() : answer->getType()) != want)
      return notCovered(op, "a text function with this result");
    if (!features) {
      target =
          tensor::InsertOp::create(b, op.getLoc(), *answer, target, positions);
      continue;
    }
    auto whole = cast<RankedTensorType>(target.getType());
    if (whole.getRank() != static_cast<int64_t>(dims.size()) + 1 ||
        whole.getShape().back() != features.getDimSize(0))
      return op.emitOpError("gives ")
             << features.getDimSize(0) << " features for " << whole;
    SmallVector<OpFoldResult> offsets(positions.begin(), positions.end()),
        sizes(dims.size(), b.getIndexAttr(1)),
        strides(dims.size() + 1, b.getIndexAttr(1));
    offsets.push_back(b.getIndexAttr(0));
    sizes.push_back(b.getIndexAttr(features.getDimSize(0)));
    target = tensor::InsertSliceOp::create(b, op.getLoc(), *answer, target,
                                           offsets, sizes, strides);
  }
  for (scf::ForOp loop : llvm::reverse(loops)) {
    scf::YieldOp::create(b, loc, carried);
    b.setInsertionPointAfter(loop);
    carried = llvm::to_vector_of<Value>(loop.getResults());
  }
  for (auto [op, result] : llvm::zip(group, carried))
    set(op.getResult(), result);
  return success();
}

/// A constant of texts: the same one everywhere, or one a position.
LogicalResult Lowering::lowerTextConstant(Operation *op, Attribute value,
                                          ArrayType type) {
  Location loc = op->getLoc();
  SmallVector<StringRef> texts;
  if (auto one = dyn_cast<StringAttr>(value)) {
    texts = {one.getValue()};
  } else if (auto list = dyn_cast<ArrayAttr>(value)) {
    for (Attribute entry : list)
      if (auto text = dyn_cast<StringAttr>(entry))
        texts.push_back(text.getValue());
  } else if (auto dense = dyn_cast<DenseStringElementsAttr>(value)) {
    llvm::append_range(texts, dense.getRawStringData());
  }
  SmallVector<Axis> dims = dimsOf(type);
  int64_t size = 1;
  for (Axis dim : dims)
    size *= ShapedType::isDynamic(staticSize(dim)) ? -1 : staticSize(dim);
  SmallVector<Value> parts;
  for (StringRef text : texts)
    parts.push_back(signal::ConstantOp::create(b, loc, text));
  if (size == static_cast<int64_t>(parts.size()) || dims.empty()) {
    if (parts.size() != 1 && dims.empty())
      return notCovered(op, "this constant");
    // Put in one by one: tensor.from_elements would fold to a table of strings,
    // and there are no globals of these.
    RankedTensorType whole = tensorType(type);
    Value tensor = tensor::EmptyOp::create(b, loc, whole.getShape(),
                                           whole.getElementType());
    for (auto [i, part] : llvm::enumerate(parts)) {
      SmallVector<Value> at(whole.getRank());
      int64_t rest = static_cast<int64_t>(i);
      for (int64_t dim = whole.getRank(); dim-- > 0;) {
        at[dim] = constantIndex(rest % whole.getDimSize(dim), loc);
        rest /= whole.getDimSize(dim);
      }
      tensor = tensor::InsertOp::create(b, loc, part, tensor, at);
    }
    set(op->getResult(0), tensor);
    return success();
  }
  if (parts.size() != 1)
    return notCovered(op, "constants of this shape");
  set(op->getResult(0),
      map(dims, type.getElementType(), {}, loc,
          [&](OpBuilder &, Location, ValueRange) { return parts.front(); }));
  return success();
}
