// Row programs: what is computed item by item, with what enters and leaves it.
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// A row program in the making: what enters it and what leaves it.
struct Lowering::RowProgram {
  RowsOp op;
  Axis axis; // of the items
  /// One tensor that enters the program: where its row is to be found inside.
  struct Entering {
    Value value;    // the array, or null for the parts of a plan
    StringRef plan; // the plan's axis
    bool counts;
  };
  SmallVector<Value> inputs, uniforms;
  SmallVector<Entering> varyingOf, uniformOf;
  SmallVector<ConstantOp> constants;
  /// What leaves, and its axes: rows, and plans in two, positions and counts.
  SmallVector<Value> leaving;
  SmallVector<SmallVector<Axis>> leavingDims;
  /// Plans that stay inside but of which a column leaves: what is made outside
  /// from it may ask for their rows.
  SmallVector<Axis> followers;

  explicit RowProgram(RowsOp op) : op(op), axis(op.getItemAttr()) {}
  void leave(Value tensor, ArrayRef<Axis> dims) {
    leaving.push_back(tensor);
    SmallVector<Axis> front = {axis};
    llvm::append_range(front, dims);
    leavingDims.push_back(front);
  }
};

/// What the region uses from outside, the items' dimension first.
LogicalResult Lowering::enterRows(RowProgram &program) {
  Location loc = program.op.getLoc();
  llvm::SetVector<Value> captured;
  program.op.walk([&](Operation *nested) {
    if (nested == program.op)
      return;
    for (Value operand : nested->getOperands()) {
      if (program.op.getBody().isAncestor(operand.getParentRegion()))
        continue;
      if (auto constant = operand.getDefiningOp<ConstantOp>())
        program.constants.push_back(constant);
      else
        captured.insert(operand);
    }
  });
  auto enter = [&](Value tensor, ArrayRef<Axis> dims,
                   RowProgram::Entering what) {
    if (!llvm::is_contained(dims, program.axis)) {
      program.uniforms.push_back(tensor);
      program.uniformOf.push_back(what);
      return;
    }
    SmallVector<Axis> front = {program.axis};
    llvm::append_range(front, llvm::make_filter_range(dims, [&](Axis dim) {
                         return dim != program.axis;
                       }));
    program.inputs.push_back(transposeTo(tensor, dims, front, loc));
    program.varyingOf.push_back(what);
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
  return success();
}

/// Lowers the region into `body`, whose arguments are what enters.
LogicalResult Lowering::lowerRowBody(RowProgram &program, Block *body) {
  Location loc = program.op.getLoc();
  auto bind = [&](const RowProgram::Entering &what, Value tensor,
                  bool varying) {
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
        // Of a copy, which the items may have, too: all of its original.
        if (StringRef name = sourceAxis(dim).getSymName();
            ShapedType::isDynamic(staticSize(dim)) && !sizes.contains(name))
          sizes[name] = tensor::DimOp::create(b, loc, argument, i);
  };
  for (auto [tensor, what] : llvm::zip(program.inputs, program.varyingOf))
    bind(what, tensor, true);
  for (auto [tensor, what] : llvm::zip(program.uniforms, program.uniformOf))
    bind(what, tensor, false);
  for (ConstantOp constant : program.constants)
    if (failed(lowerConstant(constant)))
      return failure();
  return lowerBlock(program.op.getBody().front());
}

/// Ends the body with what leaves it; `before` are the plans from outside.
LogicalResult Lowering::leaveRows(RowProgram &program,
                                  const llvm::StringMap<Plan> &before) {
  auto yield = cast<YieldOp>(program.op.getBody().front().getTerminator());
  auto isColumnOfNew = [&](ArrayType type) {
    return !type.isScalar() &&
           plans.contains(type.getAxes().front().getValue()) &&
           !before.contains(type.getAxes().front().getValue());
  };
  auto leavePlan = [&](const Plan &rows) {
    SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(rows.axis));
    program.leave(rows.indices, dims);
    program.leave(rows.counts, ArrayRef(dims).drop_back());
  };
  for (auto [value, outer] :
       llvm::zip_equal(yield.getOperands(), program.op.getResults())) {
    if (isa<PlanType>(value.getType())) {
      leavePlan(plan(value));
      continue;
    }
    Value tensor = get(value);
    if (!tensor)
      return failure();
    auto type = cast<ArrayType>(value.getType());
    // Zero where there is no row already here, whether the column leaves the
    // entry or not: entries with the same program can share its code.
    if (isColumnOfNew(type)) {
      tensor = zeroPastCount(tensor, type, program.op.getLoc());
      zeroed.insert(outer);
    }
    program.leave(tensor, dimsOf(type));
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
            !before.contains(used.getValue()) && !yielded(used) &&
            !llvm::is_contained(program.followers, used))
          program.followers.push_back(used);
  for (Axis used : program.followers)
    leavePlan(plans[used.getValue()]);
  row::YieldOp::create(b, program.op.getLoc(), program.leaving);
  return success();
}

/// Back outside: item axes return to where the array's type has them. `inner`
/// are the plans of the body.
void Lowering::placeRows(RowProgram &program, ValueRange results,
                         llvm::StringMap<Plan> &inner) {
  Location loc = program.op.getLoc();
  unsigned next = 0;
  auto keepRows = [&](Axis made) {
    Plan rows = inner[made.getValue()];
    rows.indices = results[next++];
    rows.counts = results[next++];
    plans[made.getValue()] = rows;
    SmallVector<Axis> want = dimsOf(ArrayRef<Axis>(rows.axis));
    Plan &stored = plans[made.getValue()];
    stored.indices =
        transposeTo(rows.indices, program.leavingDims[next - 2], want, loc);
    stored.counts = transposeTo(rows.counts, program.leavingDims[next - 1],
                                ArrayRef(want).drop_back(), loc);
  };
  for (Value outer : program.op.getResults()) {
    if (auto type = dyn_cast<PlanType>(outer.getType())) {
      keepRows(type.getAxis());
      continue;
    }
    // A column may come before its plan in the list.
    for (Axis used : cast<ArrayType>(outer.getType()).getAxes())
      if (inner.contains(used.getValue()) && !plans.contains(used.getValue()))
        plans[used.getValue()] = inner[used.getValue()];
    set(outer, transposeTo(results[next], program.leavingDims[next],
                           dimsOf(cast<ArrayType>(outer.getType())), loc));
    ++next;
  }
  for (Axis used : program.followers)
    keepRows(used);
}

LogicalResult Lowering::lowerRows(RowsOp op) {
  Location loc = op.getLoc();
  RowProgram program(op);
  if (failed(enterRows(program)))
    return failure();

  // The body is converted first, apart, so that the outputs' shapes are known.
  auto savedValues = values;
  llvm::StringMap<Plan> savedPlans = plans;
  auto savedSizes = sizes;
  OpBuilder::InsertPoint before = b.saveInsertionPoint();
  Block *body = new Block;
  Region holder;
  holder.push_back(body);
  item = program.axis;
  sizes.clear();
  b.setInsertionPointToStart(body);
  LogicalResult result = lowerRowBody(program, body);
  if (succeeded(result))
    result = leaveRows(program, savedPlans);
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
  SmallVector<Value> outs;
  for (auto [tensor, dims] : llvm::zip(program.leaving, program.leavingDims)) {
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<OpFoldResult> shape = {size(program.axis, loc)};
    SmallVector<int64_t> fixed = {staticSize(program.axis)};
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
  auto made = row::ProgramOp::create(b, loc, types, program.inputs,
                                     program.uniforms, outs, ValueRange{});
  made.getBody().takeBody(holder);
  placeRows(program, made.getResults(), innerPlans);
  return success();
}
