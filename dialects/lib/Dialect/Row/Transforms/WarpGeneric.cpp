// linalg.generic in the lanes of a warp: each computes the elements it owns.
#include "GenericBody.h"
#include "WarpEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::row {

FailureOr<WarpEmitter::Values> WarpEmitter::emitBody(linalg::GenericOp op,
                                                     ValueRange arguments,
                                                     ValueRange at) {
  return cloneGenericBody(
      op, arguments, scalars, [&](unsigned dim) { return at[dim]; },
      [&](Operation *inner, llvm::function_ref<Value(Value)> find) {
        Operation *copy = clone(inner, find);
        return copy ? copy->getResult(0) : Value();
      });
}

/// The place of an operand's element at a place of the loops.
static FailureOr<SmallVector<Value>> placeOf(ImplicitLocOpBuilder &b,
                                             linalg::GenericOp op,
                                             AffineMap map, ValueRange at) {
  SmallVector<Value> place;
  for (AffineExpr e : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(e))
      place.push_back(at[dim.getPosition()]);
    else if (auto number = dyn_cast<AffineConstantExpr>(e))
      place.push_back(arith::ConstantIndexOp::create(b, number.getValue()));
    else
      return op.emitError("row programs lower indexing by dimensions and "
                          "constants only");
  }
  return place;
}

LogicalResult WarpEmitter::emitGeneric(linalg::GenericOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  for (unsigned result = 0; result < op.getNumResults(); ++result) {
    OpOperand *init = op.getDpsInitOperand(result);
    AffineMap to = maps[init->getOperandNumber()];
    if (!to.isPermutation())
      return op.emitError("row programs lower results indexed by dimensions "
                          "only");
    WarpValue value = make(op.getResult(result).getType());
    int64_t n = value.type.getNumElements();
    // Operands read at the result's own element need no exchange.
    auto sameElement = [&](OpOperand &operand) {
      return maps[operand.getOperandNumber()] == to;
    };
    bool allUniform = op.getBody()->getOps<linalg::IndexOp>().empty();
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      WarpValue &v = row(operand.get());
      if (v.uniform || sameElement(operand))
        load(v);
      else
        share(v);
      bool read =
          !op.isDpsInit(&operand) || op.payloadUsesValueFromOperand(&operand);
      allUniform &= v.uniform || !read;
    }
    value.uniform |= allUniform;
    for (int64_t r = 0; r < (value.uniform ? 1 : registersOf(n)); ++r) {
      Values place = delinearize(value.uniform ? index(0) : element(n, r),
                                 value.type.getShape());
      Values at(op.getNumLoops());
      for (auto [i, e] : llvm::enumerate(to.getResults()))
        at[cast<AffineDimExpr>(e).getPosition()] = place[i];
      Values arguments;
      for (OpOperand &operand : op->getOpOperands()) {
        if (!isa<RankedTensorType>(operand.get().getType())) {
          arguments.push_back(scalars.lookup(operand.get()));
          continue;
        }
        WarpValue &v = row(operand.get());
        if (v.uniform) {
          arguments.push_back(v.own[0]);
        } else if (sameElement(operand)) {
          arguments.push_back(v.own[r]);
        } else {
          auto from = placeOf(b, op, maps[operand.getOperandNumber()], at);
          if (failed(from))
            return failure();
          arguments.push_back(this->at(v, *from));
        }
      }
      FailureOr<Values> yielded = emitBody(op, arguments, at);
      if (failed(yielded))
        return failure();
      value.own.push_back((*yielded)[result]);
    }
    define(op.getResult(result), value);
  }
  return success();
}

/// What the body takes at one place of the loops; where every lane is at its
/// element `r` of what is indexed by all loops, r is not negative.
FailureOr<WarpEmitter::Values>
WarpEmitter::reductionArguments(linalg::GenericOp op, ValueRange at, int64_t r,
                                ValueRange accumulators) {
  Values arguments;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    Value v = operand->get();
    if (!isa<RankedTensorType>(v.getType())) {
      arguments.push_back(scalars.lookup(v));
      continue;
    }
    AffineMap map = op.getMatchingIndexingMap(operand);
    if (r >= 0 && map.isIdentity() && !row(v).uniform) {
      arguments.push_back(row(v).own[r]);
      continue;
    }
    auto place = placeOf(b, op, map, at);
    if (failed(place))
      return failure();
    arguments.push_back(this->at(row(v), *place));
  }
  llvm::append_range(arguments, accumulators);
  return arguments;
}

/// One result of all elements by an operation that is free to reorder: each
/// lane joins its own, then the lanes join.
FailureOr<Value> WarpEmitter::reduceWhole(linalg::GenericOp op,
                                          Operation *join) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  int64_t all = llvm::product_of(sizes);
  Value acc = row(op.getDpsInits()[0]).own[0];
  for (int64_t r = 0; r < registersOf(all); ++r) {
    Values at = delinearize(element(all, r), sizes);
    auto arguments = reductionArguments(op, at, r, acc);
    if (failed(arguments))
      return failure();
    auto yielded = emitBody(op, *arguments, at);
    if (failed(yielded))
      return failure();
    acc = (*yielded)[0];
  }
  return butterfly(acc, [&](Value x, Value y) -> Value {
    IRMapping mapping;
    mapping.map(join->getOperand(0), x);
    mapping.map(join->getOperand(1), y);
    return b.clone(*join, mapping)->getResult(0);
  });
}

/// The lane's results of number `r`, which it reduces in the order of the
/// loops.
FailureOr<WarpEmitter::Values>
WarpEmitter::reduceInOrder(linalg::GenericOp op, int64_t r,
                           RankedTensorType type) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<unsigned> inner;
  for (auto [d, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    if (kind == utils::IteratorType::reduction)
      inner.push_back(d);
  int64_t n = type.getNumElements();
  Values at(op.getNumLoops());
  Values place =
      delinearize(n == 1 ? index(0) : element(n, r), type.getShape());
  AffineMap to = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  for (auto [i, e] : llvm::enumerate(to.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(e))
      at[dim.getPosition()] = place[i];
  Values accumulators;
  for (Value init : op.getDpsInits()) {
    WarpValue &v = row(init);
    accumulators.push_back(v.uniform ? v.own[0] : v.own[r]);
  }
  bool failedBody = false;
  std::function<Values(unsigned, Values)> nest = [&](unsigned level,
                                                     Values acc) -> Values {
    if (level == inner.size()) {
      auto arguments = reductionArguments(op, at, -1, acc);
      auto yielded = failed(arguments) ? FailureOr<Values>(failure())
                                       : emitBody(op, *arguments, at);
      failedBody |= failed(yielded);
      return failed(yielded) ? acc : *yielded;
    }
    auto loop = scf::ForOp::create(b, index(0), index(sizes[inner[level]]),
                                   index(1), acc);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    at[inner[level]] = loop.getInductionVar();
    scf::YieldOp::create(b, nest(level + 1, Values(loop.getRegionIterArgs())));
    return Values(loop.getResults());
  };
  Values finals = nest(0, accumulators);
  if (failedBody)
    return failure();
  return finals;
}

LogicalResult WarpEmitter::emitReduction(linalg::GenericOp op) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  if (llvm::any_of(sizes, ShapedType::isDynamic))
    return op.emitError("a loop whose bound no operand gives");
  AffineMap to = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  for (OpOperand &init : op.getDpsInitsMutable())
    if (op.getMatchingIndexingMap(&init) != to)
      return op.emitError("row programs lower reductions whose results are "
                          "indexed alike only");
  SmallVector<WarpValue> results;
  for (Value result : op->getResults())
    results.push_back(make(result.getType()));
  RankedTensorType type = results[0].type;
  int64_t n = type.getNumElements();
  Operation *join = idempotentJoin(op);
  bool whole = n == 1 && join && llvm::product_of(sizes) <= kMaxElements;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    WarpValue &v = row(operand.get());
    bool own = op.isDpsInit(&operand) || v.uniform ||
               (whole && op.getMatchingIndexingMap(&operand).isIdentity());
    own ? load(v) : share(v);
  }
  if (whole) {
    FailureOr<Value> joined = reduceWhole(op, join);
    if (failed(joined))
      return failure();
    results[0].own.push_back(*joined);
    define(op.getResult(0), results[0]);
    return success();
  }
  for (int64_t r = 0; r < (n == 1 ? 1 : registersOf(n)); ++r) {
    FailureOr<Values> reduced = reduceInOrder(op, r, type);
    if (failed(reduced))
      return failure();
    for (auto [result, x] : llvm::zip_equal(results, *reduced))
      result.own.push_back(x);
  }
  for (auto [result, value] : llvm::zip_equal(op->getResults(), results))
    define(result, value);
  return success();
}

} // namespace route::row
