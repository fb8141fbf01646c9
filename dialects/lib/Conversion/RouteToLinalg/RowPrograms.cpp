// Row programs: what is computed item by item, with what enters and leaves it.
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

LogicalResult Lowering::lowerRows(RowsOp op) {
  Location loc = op.getLoc();
  Axis axis = op.getItemAttr();
  Block &source = op.getBody().front();

  // What the region uses from outside, constants apart.
  llvm::SetVector<Value> captured;
  SmallVector<ConstantOp> constants;
  op.walk([&](Operation *nested) {
    if (nested == op)
      return;
    for (Value operand : nested->getOperands()) {
      if (op.getBody().isAncestor(operand.getParentRegion()))
        continue;
      if (auto constant = operand.getDefiningOp<ConstantOp>())
        constants.push_back(constant);
      else
        captured.insert(operand);
    }
  });

  SmallVector<Value> inputs, uniforms, outs;
  SmallVector<std::pair<Value *, bool>> slots;
  /// One tensor that enters the program: where its row is to be found inside.
  struct Entering {
    Value value;    // the array, or null for the parts of a plan
    StringRef plan; // the plan's axis
    bool counts;
  };
  SmallVector<Entering> varyingOf, uniformOf;
  auto enter = [&](Value tensor, ArrayRef<Axis> dims, Entering what) {
    if (!llvm::is_contained(dims, axis)) {
      uniforms.push_back(tensor);
      uniformOf.push_back(what);
      return;
    }
    SmallVector<Axis> front = {axis};
    llvm::append_range(front, llvm::make_filter_range(
                                  dims, [&](Axis dim) { return dim != axis; }));
    inputs.push_back(transposeTo(tensor, dims, front, loc));
    varyingOf.push_back(what);
  };
  for (Value value : captured) {
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      Plan &rows = plan(value);
      SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(rows.axis));
      enter(rows.indices, dims, {{}, rows.axis.getValue(), false});
      enter(rows.counts, ArrayRef(dims).drop_back(),
            {{}, rows.axis.getValue(), true});
      continue;
    }
    Value tensor = get(value);
    if (!tensor)
      return failure();
    enter(tensor, dimsOf(cast<ArrayType>(value.getType())), {value, {}, false});
  }

  // The body is converted first, apart, so that the outputs' shapes are known.
  auto savedValues = values;
  llvm::StringMap<Plan> savedPlans = plans;
  auto savedSizes = sizes;
  OpBuilder::InsertPoint before = b.saveInsertionPoint();
  Block *body = new Block;
  Region holder;
  holder.push_back(body);
  item = axis;
  sizes.clear();
  b.setInsertionPointToStart(body);
  auto bind = [&](const Entering &what, Value tensor, bool varying) {
    Value argument = body->addArgument(
        row::ProgramOp::rowType(tensor.getType(), varying), loc);
    if (what.value)
      set(what.value, argument);
    else if (what.counts)
      plans[what.plan].counts = argument;
    else
      plans[what.plan].indices = argument;
    if (what.value)
      for (auto [i, dim] :
           llvm::enumerate(dimsOf(cast<ArrayType>(what.value.getType()))))
        if (ShapedType::isDynamic(staticSize(dim)) &&
            !sizes.contains(dim.getValue()))
          sizes[dim.getValue()] = tensor::DimOp::create(b, loc, argument, i);
  };
  for (auto [tensor, what] : llvm::zip(inputs, varyingOf))
    bind(what, tensor, true);
  for (auto [tensor, what] : llvm::zip(uniforms, uniformOf))
    bind(what, tensor, false);
  LogicalResult result = success();
  for (ConstantOp constant : constants)
    if (failed(result = lowerConstant(constant)))
      break;
  if (succeeded(result))
    result = lowerBlock(source);
  // Rows that leave, the chosen positions and counts of plans in two.
  SmallVector<Value> leaving;
  SmallVector<SmallVector<Axis>> leavingDims;
  auto yield = cast<YieldOp>(source.getTerminator());
  // Plans that stay inside but of which a column leaves: what is made outside
  // from it may ask for their rows.
  SmallVector<Axis> followers;
  if (succeeded(result)) {
    auto leave = [&](Value tensor, ArrayRef<Axis> dims) {
      leaving.push_back(tensor);
      SmallVector<Axis> front = {axis};
      llvm::append_range(front, dims);
      leavingDims.push_back(front);
    };
    auto leaveRows = [&](const Plan &rows) {
      SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(rows.axis));
      leave(rows.indices, dims);
      leave(rows.counts, ArrayRef(dims).drop_back());
    };
    for (Value value : yield.getOperands()) {
      if (isa<PlanType>(value.getType())) {
        leaveRows(plan(value));
        continue;
      }
      Value tensor = get(value);
      if (!tensor) {
        result = failure();
        break;
      }
      leave(tensor, dimsOf(cast<ArrayType>(value.getType())));
    }
    auto yielded = [&](Axis plan) {
      return llvm::any_of(yield.getOperandTypes(), [&](Type type) {
        auto made = dyn_cast<PlanType>(type);
        return made && made.getAxis() == plan;
      });
    };
    for (Value value : yield.getOperands())
      if (auto type = dyn_cast<ArrayType>(value.getType()))
        for (Axis used : type.getAxes())
          if (plans.contains(used.getValue()) &&
              !savedPlans.contains(used.getValue()) && !yielded(used) &&
              !llvm::is_contained(followers, used))
            followers.push_back(used);
    if (succeeded(result))
      for (Axis used : followers)
        leaveRows(plans[used.getValue()]);
    row::YieldOp::create(b, loc, leaving);
  }
  llvm::StringMap<Plan> innerPlans = plans;
  values = std::move(savedValues);
  plans = std::move(savedPlans);
  sizes = std::move(savedSizes);
  item = {};
  b.restoreInsertionPoint(before);
  if (failed(result)) {
    body->dropAllReferences();
    return failure();
  }
  SmallVector<Type> types;
  for (auto [tensor, dims] : llvm::zip(leaving, leavingDims)) {
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<OpFoldResult> shape = {size(axis, loc)};
    SmallVector<int64_t> fixed = {staticSize(axis)};
    for (auto [extent, dim] :
         llvm::zip(type.getShape(), ArrayRef(dims).drop_front())) {
      fixed.push_back(extent);
      shape.push_back(ShapedType::isDynamic(extent)
                          ? size(dim, loc)
                          : OpFoldResult(b.getIndexAttr(extent)));
    }
    types.push_back(RankedTensorType::get(fixed, type.getElementType()));
    outs.push_back(
        tensor::EmptyOp::create(b, loc, shape, type.getElementType()));
  }
  auto program = row::ProgramOp::create(b, loc, types, inputs, uniforms, outs,
                                        ValueRange{});
  program.getBody().takeBody(holder);
  // Back outside: item axes return to where the array's type has them.
  unsigned next = 0;
  auto keepRows = [&](Axis made) {
    Plan rows = innerPlans[made.getValue()];
    rows.indices = program.getResult(next++);
    rows.counts = program.getResult(next++);
    plans[made.getValue()] = rows;
    SmallVector<Axis> want = dimsOf(ArrayRef<Axis>(rows.axis));
    Plan &stored = plans[made.getValue()];
    stored.indices =
        transposeTo(rows.indices, leavingDims[next - 2], want, loc);
    stored.counts = transposeTo(rows.counts, leavingDims[next - 1],
                                ArrayRef(want).drop_back(), loc);
  };
  for (auto [inner, outer] : llvm::zip(yield.getOperands(), op.getResults())) {
    if (auto type = dyn_cast<PlanType>(outer.getType())) {
      keepRows(type.getAxis());
      continue;
    }
    // A column may come before its plan in the list.
    for (Axis used : cast<ArrayType>(outer.getType()).getAxes())
      if (innerPlans.contains(used.getValue()) &&
          !plans.contains(used.getValue()))
        plans[used.getValue()] = innerPlans[used.getValue()];
    set(outer, transposeTo(program.getResult(next), leavingDims[next],
                           dimsOf(cast<ArrayType>(outer.getType())), loc));
    ++next;
  }
  for (Axis used : followers)
    keepRows(used);
  return success();
}
