// Bodies of linalg.generic in row programs, whatever lies in the lanes.
#include "GenericBody.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

FailureOr<SmallVector<Value>> route::row::cloneGenericBody(
    linalg::GenericOp op, ValueRange arguments,
    const DenseMap<Value, Value> &outside,
    llvm::function_ref<Value(unsigned)> position,
    llvm::function_ref<Value(Operation *, llvm::function_ref<Value(Value)>)>
        clone) {
  DenseMap<Value, Value> map;
  for (auto [argument, value] :
       llvm::zip_equal(op.getBody()->getArguments(), arguments))
    map[argument] = value;
  auto find = [&](Value v) -> Value {
    if (Value known = map.lookup(v))
      return known;
    return outside.lookup(v);
  };
  for (Operation &inner : op.getBody()->without_terminator()) {
    Value result;
    if (auto index = dyn_cast<linalg::IndexOp>(&inner))
      result = position(index.getDim());
    else
      result = clone(&inner, find);
    if (!result)
      return inner.emitError("row programs do not lower '")
             << inner.getName() << "' inside 'linalg.generic'";
    map[inner.getResult(0)] = result;
  }
  SmallVector<Value> results;
  for (Value v : op.getBody()->getTerminator()->getOperands()) {
    Value known = find(v);
    if (!known)
      return op.emitError("yields a value from outside that is unknown here");
    results.push_back(known);
  }
  return results;
}

Operation *route::row::idempotentJoin(linalg::GenericOp op) {
  if (op.getNumDpsInits() != 1)
    return nullptr;
  BlockArgument acc = op.getRegionOutputArgs()[0];
  Operation *join =
      op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  if (!join || !acc.hasOneUse() || *acc.getUsers().begin() != join)
    return nullptr;
  if (isa<arith::MaximumFOp, arith::MinimumFOp, arith::MaxSIOp, arith::MinSIOp,
          arith::MaxUIOp, arith::MinUIOp, arith::AndIOp, arith::OrIOp>(join))
    return join;
  return nullptr;
}
