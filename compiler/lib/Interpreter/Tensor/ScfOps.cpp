// Evaluators of scf and func: loops, conditionals, calls.
#include "Tensors.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

static void setResults(Operation *op, Frame &frame,
                       ArrayRef<RuntimeValue> values) {
  for (auto [result, value] : llvm::zip(op->getResults(), values))
    frame.set(result, value);
}

static LogicalResult evalFor(scf::ForOp op, Frame &frame) {
  int64_t step = indexOf(frame, op.getStep());
  if (step <= 0)
    return op.emitError("steps by ") << step;
  SmallVector<RuntimeValue, 1> carried;
  for (Value init : op.getInitArgs())
    carried.push_back(frame.get(init));
  int64_t end = indexOf(frame, op.getUpperBound());
  for (int64_t i = indexOf(frame, op.getLowerBound()); i < end; i += step) {
    SmallVector<RuntimeValue, 1> args = {Element(i)}, yielded;
    args.append(carried.begin(), carried.end());
    if (failed(frame.machine.runRegion(op.getRegion(), args, frame, yielded)))
      return failure();
    carried = std::move(yielded);
  }
  setResults(op, frame, carried);
  return success();
}

static LogicalResult evalIf(scf::IfOp op, Frame &frame) {
  Region &region = frame.scalar(op.getCondition()).asTruth()
                       ? op.getThenRegion()
                       : op.getElseRegion();
  if (region.empty())
    return success();
  SmallVector<RuntimeValue, 1> yielded;
  if (failed(frame.machine.runRegion(region, {}, frame, yielded)))
    return failure();
  setResults(op, frame, yielded);
  return success();
}

static LogicalResult evalWhile(scf::WhileOp op, Frame &frame) {
  SmallVector<RuntimeValue, 1> carried;
  for (Value init : op.getInits())
    carried.push_back(frame.get(init));
  while (true) {
    SmallVector<RuntimeValue, 1> condition, yielded;
    if (failed(
            frame.machine.runRegion(op.getBefore(), carried, frame, condition)))
      return failure();
    bool goOn = std::get<Element>(condition.front()).asTruth();
    ArrayRef<RuntimeValue> forwarded = ArrayRef(condition).drop_front();
    if (!goOn) {
      setResults(op, frame, forwarded);
      return success();
    }
    if (failed(
            frame.machine.runRegion(op.getAfter(), forwarded, frame, yielded)))
      return failure();
    carried = std::move(yielded);
  }
}

static LogicalResult evalSwitch(scf::IndexSwitchOp op, Frame &frame) {
  int64_t value = indexOf(frame, op.getArg());
  Region *region = &op.getDefaultRegion();
  for (auto [label, block] : llvm::zip(op.getCases(), op.getCaseRegions()))
    if (label == value)
      region = &block;
  SmallVector<RuntimeValue, 1> yielded;
  if (failed(frame.machine.runRegion(*region, {}, frame, yielded)))
    return failure();
  setResults(op, frame, yielded);
  return success();
}

static LogicalResult evalCall(func::CallOp op, Frame &frame) {
  auto callee = frame.machine.symbols.lookup(op.getCallee());
  if (!callee)
    return op.emitError("'") << op.getCallee() << "' is no function";
  SmallVector<RuntimeValue, 1> args;
  for (Value operand : op.getOperands())
    args.push_back(frame.get(operand));
  auto results = frame.machine.call(callee, args);
  if (failed(results))
    return failure();
  setResults(op, frame, *results);
  return success();
}

void route::interp::addScfOps(Registry &registry) {
  registry.add(evalFor);
  registry.add(evalIf);
  registry.add(evalWhile);
  registry.add(evalSwitch);
  registry.add(evalCall);
}
