// Choices by a quotient e / s with one divisor, as softmax makes them.
// Division by s > 0 never reverses an order, so the choice is made by e and
// only the chosen are divided. Rounding can make unequal numerators tie, which
// would let the lower index win: where the chosen quotients and a bound on the
// next do not all differ, everything is divided after all.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::row {

/// The numerator and the divisor of a one-dimensional quotient of f32 whose
/// divisor is the same for all elements; null where `op` is something else.
static std::pair<Value, Value> matchQuotient(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || op.getNumDpsInputs() != 2 ||
      op.getNumLoops() != 1 || op.getNumParallelLoops() != 1)
    return {};
  auto yield = op.getBody()->getTerminator();
  auto division = yield->getOperand(0).getDefiningOp<arith::DivFOp>();
  if (!division || !division.getType().isF32() ||
      !llvm::hasSingleElement(op.getBody()->without_terminator()))
    return {};
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  auto numerator = dyn_cast<BlockArgument>(division.getLhs());
  auto divisor = dyn_cast<BlockArgument>(division.getRhs());
  if (!numerator || !divisor || numerator.getArgNumber() > 1 ||
      divisor.getArgNumber() > 1 ||
      !maps[numerator.getArgNumber()].isIdentity() || !maps[2].isIdentity() ||
      maps[divisor.getArgNumber()].getNumResults() != 0)
    return {};
  Value e = op.getDpsInputs()[numerator.getArgNumber()];
  Value s = op.getDpsInputs()[divisor.getArgNumber()];
  if (!isa<RankedTensorType>(e.getType()) ||
      !isa<RankedTensorType>(s.getType()))
    return {};
  return {e, s};
}

bool Emitter::deferQuotient(linalg::GenericOp op) {
  auto [numerator, divisor] = matchQuotient(op);
  if (!numerator)
    return false;
  // One choice, and values taken by its indices: no other use.
  ChooseOp choice;
  for (Operation *user : op.getResult(0).getUsers())
    if (auto choose = dyn_cast<ChooseOp>(user)) {
      if (choice && choice != choose)
        return false;
      choice = choose;
    }
  if (!choice || choice.getKeys().size() != 1 ||
      choice.getKeys()[0] != op.getResult(0) || choice.getValues() ||
      choice.getCount() || choice.isUp(0) || !fitsNetwork(choice) ||
      !mayGuess(choice))
    return false;
  for (Operation *user : op.getResult(0).getUsers()) {
    auto take = dyn_cast<TakeOp>(user);
    if (user != choice && (!take || take.getIndices() != choice.getIndices()))
      return false;
  }
  quotients[op.getResult(0)] = {op, numerator, divisor, {}};
  return true;
}

/// The quotients of the numerators at indices `from`, into `to`.
void Emitter::emitQuotients(const Quotient &quotient, const RowValue &indices) {
  forEach(indices.sizes, [&](ValueRange at) {
    Value e = gather(row(quotient.numerator), {}, load(indices, at));
    Value s = load(row(quotient.divisor), {});
    Value q = arith::DivFOp::create(b, e, s);
    // Absent rows are zero whatever the divisor.
    Value present =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, load(indices, at),
                              constant(b.getI32Type(), 0));
    q = arith::SelectOp::create(b, present, q, constant(b.getF32Type(), 0));
    store(quotient.taken, at, q);
  });
}

void Emitter::emitQuotientChoice(ChooseOp op, Quotient &quotient,
                                 const RowValue &indices,
                                 const RowValue &chosen) {
  ++numNetworks;
  Value key = op.getKeys()[0];
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  int64_t k = indices.type.getShape().back();
  quotient.taken = allocate(RankedTensorType::get(indices.type.getShape(), f32),
                            indices.sizes);
  auto numerator = row(quotient.numerator);
  rows[key] = numerator;
  Value next;
  Value certain =
      emitGuess(op, {}, indices, isNonNegative(quotient.numerator), &next);
  emitQuotients(quotient, indices);

  // From the next candidate's key back to its value, or above.
  Value sign = arith::ShRSIOp::create(b, next, constant(i32, 31));
  Value flip = arith::AndIOp::create(b, sign, constant(i32, INT32_MAX));
  Value bound = arith::BitcastOp::create(b, laneType(f32),
                                         arith::XOrIOp::create(b, next, flip));
  Value s = load(row(quotient.divisor), {});
  bound = arith::DivFOp::create(b, bound, s);
  Value distinct =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, s, constant(f32, 0));
  for (int64_t r = 0; r < k; ++r) {
    Value here = load(quotient.taken, index(r));
    Value below = r + 1 < k ? load(quotient.taken, index(r + 1)) : bound;
    distinct = arith::AndIOp::create(
        b, distinct,
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, here, below));
  }
  distinct =
      vector::ReductionOp::create(b, vector::CombiningKind::AND, distinct);
  certain = arith::AndIOp::create(b, certain, distinct);

  Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
  auto again =
      scf::IfOp::create(b, arith::XOrIOp::create(b, certain, yes), false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&again.getThenRegion().front());
    RowValue all = allocate(numerator.type, numerator.sizes);
    RowValue keys = allocate(
        RankedTensorType::get(numerator.type.getShape(), i32), numerator.sizes);
    Value divisor = load(row(quotient.divisor), {});
    rows[key] = all;
    forEach(numerator.sizes, [&](ValueRange at) {
      store(all, at, arith::DivFOp::create(b, load(numerator, at), divisor));
      store(keys, at, networkKey(op, at));
    });
    emitExact(op, keys, {}, indices);
    emitQuotients(quotient, indices);
    release(all.scratch);
    release(keys.scratch);
  }
  storeNumber(op, indices, chosen);
}

} // namespace route::row
