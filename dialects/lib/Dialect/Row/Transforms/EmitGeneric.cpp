// linalg.generic and scalar operations of a row program as loops over lanes.
#include "Emitter.h"
#include "GenericBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::row {

Value Emitter::cloneInLanes(Operation *op,
                            llvm::function_ref<Value(Value)> find) {
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op)) {
    TypedAttr attr = constantOp.getValue();
    if (lanes != 1)
      attr = DenseElementsAttr::get(cast<ShapedType>(laneType(attr.getType())),
                                    Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  if (op->getNumResults() != 1 || op->getNumRegions() ||
      !OpTrait::hasElementwiseMappableTraits(op))
    return nullptr;
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    Value v = find(operand);
    if (!v)
      return nullptr;
    mapping.map(operand, v);
  }
  Operation *copy = b.clone(*op, mapping);
  copy->getResult(0).setType(laneType(op->getResult(0).getType()));
  return copy->getResult(0);
}

/// Joins n >= 8 elements in four chains, each of which starts with the zeroth
/// element too: a repetition. `watch` sees all elements, two at a time, and
/// updates `state`.
static Value chains(ImplicitLocOpBuilder &b, int64_t n, Value init,
                    llvm::function_ref<Value(Value)> element,
                    llvm::function_ref<Value(Value, Value)> join,
                    llvm::function_ref<Value(Value, Value, Value)> watch = {},
                    Value *state = nullptr) {
  const int64_t count = 4;
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  Value zeroth = join(element(index(0)), init);
  Values carried(count, zeroth);
  if (watch)
    carried.push_back(*state);
  auto loop = scf::ForOp::create(b, index(0), index(n / count * count),
                                 index(count), carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Values next, elements;
    for (int64_t c = 0; c < count; ++c) {
      elements.push_back(
          element(arith::AddIOp::create(b, loop.getInductionVar(), index(c))));
      next.push_back(join(elements[c], loop.getRegionIterArgs()[c]));
    }
    if (watch)
      next.push_back(watch(
          elements[0], elements[1],
          watch(elements[2], elements[3], loop.getRegionIterArgs()[count])));
    scf::YieldOp::create(b, next);
  }
  Value all = loop.getResult(0);
  for (int64_t c = 1; c < count; ++c)
    all = join(loop.getResult(c), all);
  if (watch)
    *state = loop.getResult(count);
  for (int64_t i = n / count * count; i < n; ++i) {
    Value x = element(index(i));
    all = join(x, all);
    if (watch)
      *state = watch(x, x, *state);
  }
  return all;
}

Value Emitter::reduceInChains(Operation *join, int64_t n, Value init,
                              llvm::function_ref<Value(Value)> element) {
  auto exact = [&](Value x, Value acc) -> Value {
    IRMapping mapping;
    mapping.map(join->getOperand(0), acc);
    mapping.map(join->getOperand(1), x);
    Operation *copy = b.clone(*join, mapping);
    copy->getResult(0).setType(acc.getType());
    return copy->getResult(0);
  };
  bool most = isa<arith::MaximumFOp>(join);
  if (lanes == 1 || (!most && !isa<arith::MinimumFOp>(join)))
    return chains(b, n, init, element, exact);
  // NaN and the order of zeros cost more than all the rest: first without them,
  // and again with them where an element is NaN or some item's result a zero.
  auto quick = [&](Value x, Value acc) -> Value {
    Value better = arith::CmpFOp::create(
        b, most ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, x,
        acc);
    return arith::SelectOp::create(b, better, x, acc);
  };
  Type i32 = b.getI32Type();
  auto watch = [&](Value x, Value y, Value state) -> Value {
    Value odd = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, y);
    return arith::SelectOp::create(b, odd, constant(i32, 1), state);
  };
  Value odd = constant(i32, 0);
  Value found = chains(b, n, init, element, quick, watch, &odd);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(found.getType()));
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, found, zero);
  Value isOdd =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, odd, constant(i32, 0));
  Value some = vector::ReductionOp::create(
      b, vector::CombiningKind::OR, arith::OrIOp::create(b, isZero, isOdd));
  auto again = scf::IfOp::create(b, found.getType(), some, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&again.getElseRegion().front());
  scf::YieldOp::create(b, found);
  b.setInsertionPointToStart(&again.getThenRegion().front());
  scf::YieldOp::create(b, chains(b, n, init, element, exact));
  return again.getResult(0);
}

FailureOr<Values> Emitter::emitBody(linalg::GenericOp op, ValueRange arguments,
                                    ValueRange at) {
  return cloneGenericBody(
      op, arguments, scalars, [&](unsigned dim) { return inLanes(at[dim]); },
      [&](Operation *inner, llvm::function_ref<Value(Value)> find) {
        return cloneInLanes(inner, find);
      });
}

LogicalResult Emitter::emitGeneric(linalg::GenericOp op) {
  if (deferQuotient(op))
    return success();
  unsigned numLoops = op.getNumLoops();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  Values bounds(numLoops);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = maps[operand.getOperandNumber()];
    for (auto [i, e] : llvm::enumerate(map.getResults())) {
      if (auto dim = dyn_cast<AffineDimExpr>(e)) {
        if (!bounds[dim.getPosition()])
          bounds[dim.getPosition()] = sizeOf(operand.get(), i);
      } else if (!isa<AffineConstantExpr>(e)) {
        return op.emitError("row programs lower indexing by dimensions and "
                            "constants only");
      }
    }
  }
  if (llvm::any_of(bounds, [](Value v) { return !v; }))
    return op.emitError("a loop whose bound no operand gives");

  auto place = [&](unsigned operand, ValueRange at) {
    Values result;
    for (AffineExpr e : maps[operand].getResults()) {
      if (auto dim = dyn_cast<AffineDimExpr>(e))
        result.push_back(at[dim.getPosition()]);
      else
        result.push_back(index(cast<AffineConstantExpr>(e).getValue()));
    }
    return result;
  };

  // Results may take the place of an operand that is read at the same element
  // for the last time.
  bool parallel = op.getNumReductionLoops() == 0;
  SmallVector<RowValue> results;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    auto type = cast<RankedTensorType>(init.get().getType());
    Values sizes;
    for (unsigned i = 0; i < type.getRank(); ++i)
      sizes.push_back(sizeOf(init.get(), i));
    if (parallel && maps[init.getOperandNumber()].isIdentity()) {
      for (OpOperand &in : op->getOpOperands()) {
        if (!isa<RankedTensorType>(in.get().getType()) ||
            !maps[in.getOperandNumber()].isIdentity() || !diesAt(in.get(), op))
          continue;
        bool once = llvm::count(op->getOperands(), in.get()) == 1;
        if (once) {
          pending[in.get()] = 0;
          release(row(in.get()).scratch);
          break;
        }
      }
    }
    results.push_back(allocate(type, sizes));
  }

  auto operandsAt = [&](ValueRange at) {
    Values values;
    for (OpOperand &operand : op->getOpOperands()) {
      if (op.isDpsInit(&operand))
        break;
      Value v = operand.get();
      values.push_back(isa<RankedTensorType>(v.getType())
                           ? load(row(v), place(operand.getOperandNumber(), at))
                           : scalars.lookup(v));
    }
    return values;
  };
  auto initAt = [&](unsigned i, ValueRange at) {
    OpOperand &init = op.getDpsInitsMutable()[i];
    return load(row(init.get()), place(init.getOperandNumber(), at));
  };
  unsigned firstInit = op.getNumDpsInputs();

  // Parallel loops outside, reductions inside.
  SmallVector<unsigned> outer, inner;
  for (auto [i, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    (kind == utils::IteratorType::parallel ? outer : inner).push_back(i);
  Values outerBounds;
  for (unsigned d : outer)
    outerBounds.push_back(bounds[d]);

  bool failedBody = false;
  auto step = [&](ValueRange at, ValueRange accumulators) -> Values {
    Values arguments = operandsAt(at);
    arguments.append(accumulators.begin(), accumulators.end());
    FailureOr<Values> yielded = emitBody(op, arguments, at);
    if (failed(yielded)) {
      failedBody = true;
      return Values(accumulators);
    }
    return *yielded;
  };

  forEach(outerBounds, [&](ValueRange outerAt) {
    Values at(numLoops);
    for (auto [d, v] : llvm::zip_equal(outer, outerAt))
      at[d] = v;
    Values accumulators;
    for (unsigned i = 0; i < results.size(); ++i) {
      bool read = !op.getRegionOutputArgs()[i].use_empty();
      accumulators.push_back(
          read ? initAt(i, at) : constant(results[i].type.getElementType(), 0));
    }
    // One static reduction loop whose order does not matter: four chains.
    std::optional<int64_t> n;
    if (inner.size() == 1)
      n = getConstantIntValue(bounds[inner[0]]);
    Operation *join = n && *n >= 8 ? idempotentJoin(op) : nullptr;
    Values finals;
    if (join) {
      // The operand of the join that is not the accumulator, at `iv`.
      bool accFirst = join->getOperand(0) == op.getRegionOutputArgs()[0];
      auto element = [&](Value iv) {
        at[inner[0]] = iv;
        Value joined = step(at, accumulators[0])[0];
        Operation *copy = joined.getDefiningOp();
        if (failedBody || !copy)
          return joined;
        Value x = copy->getOperand(accFirst);
        copy->erase();
        return x;
      };
      finals.push_back(reduceInChains(join, *n, accumulators[0], element));
    } else {
      std::function<Values(unsigned, Values)> nest = [&](unsigned level,
                                                         Values acc) {
        if (level == inner.size())
          return step(at, acc);
        auto loop = scf::ForOp::create(b, index(0), bounds[inner[level]],
                                       index(1), acc);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        at[inner[level]] = loop.getInductionVar();
        Values next = nest(level + 1, Values(loop.getRegionIterArgs()));
        scf::YieldOp::create(b, next);
        return Values(loop.getResults());
      };
      finals = nest(0, accumulators);
    }
    for (unsigned i = 0; i < results.size(); ++i)
      store(results[i], place(firstInit + i, at), finals[i]);
  });
  if (failedBody)
    return failure();
  for (auto [result, value] : llvm::zip_equal(op->getResults(), results))
    define(result, value);
  return success();
}

LogicalResult Emitter::emitScalarOp(Operation *op) {
  auto find = [&](Value v) { return scalars.lookup(v); };
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op)) {
    if (auto dense = dyn_cast<DenseElementsAttr>(constantOp.getValue())) {
      auto type = dyn_cast<RankedTensorType>(constantOp.getType());
      if (!type)
        return op->emitError("a constant that is neither scalar nor tensor");
      RowValue value;
      for (int64_t n : type.getShape())
        value.sizes.push_back(index(n));
      if (dense.isSplat()) {
        Attribute attr = dense.getSplatValue<Attribute>();
        TypedAttr typed = cast<TypedAttr>(attr);
        if (lanes != 1)
          typed = DenseElementsAttr::get(
              cast<ShapedType>(laneType(type.getElementType())), attr);
        value.splat = arith::ConstantOp::create(b, typed);
      } else {
        value.uniform = true;
        value.buffer = constantTable(dense);
      }
      define(op->getResult(0), value);
      return success();
    }
  }
  if (op->getNumResults() == 1 && op->getResult(0).getType().isIndex()) {
    // Sizes are the same for all items: computed in front of the loop.
    OpBuilder::InsertionGuard guard(b);
    b.restoreInsertionPoint(allocations);
    IRMapping mapping;
    for (Value operand : op->getOperands()) {
      Value v = find(operand);
      if (!v || !v.getType().isIndex())
        return op->emitError("row programs do not lower '")
               << op->getName() << "' on this operand";
      mapping.map(operand, v);
    }
    scalars[op->getResult(0)] = b.clone(*op, mapping)->getResult(0);
    return success();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Values at;
    for (Value v : extract.getIndices())
      at.push_back(find(v));
    if (llvm::all_of(at, [](Value v) { return v && v.getType().isIndex(); })) {
      scalars[extract] = load(row(extract.getTensor()), at);
      return success();
    }
  }
  if (auto make = dyn_cast<tensor::FromElementsOp>(op)) {
    RankedTensorType type = make.getType();
    if (type.getRank() <= 1) {
      Values sizes;
      for (int64_t n : type.getShape())
        sizes.push_back(index(n));
      RowValue value = allocate(type, sizes);
      for (auto [i, element] : llvm::enumerate(make.getElements())) {
        Value x = find(element);
        if (!x)
          return op->emitError("an element unknown here");
        store(value, type.getRank() ? ValueRange(index(i)) : ValueRange(), x);
      }
      define(make, value);
      return success();
    }
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    if (Value x = find(splat.getInput());
        x && splat.getType().hasStaticShape()) {
      RowValue value;
      for (int64_t n : splat.getType().getShape())
        value.sizes.push_back(index(n));
      value.splat = x;
      define(splat, value);
      return success();
    }
  }
  Value result;
  if (op->getNumResults() == 1 && !isa<ShapedType>(op->getResult(0).getType()))
    result = cloneInLanes(op, find);
  if (!result)
    return op->emitError("row programs do not lower '") << op->getName() << "'";
  scalars[op->getResult(0)] = result;
  return success();
}

} // namespace route::row
