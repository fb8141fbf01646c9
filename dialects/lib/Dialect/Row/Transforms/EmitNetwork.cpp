// Choices by one 32-bit key on sorting networks.
// A candidate is one signed 64-bit number, key above ~index, so that a larger
// number is chosen first and the lower index wins a tie; a comparator is a max
// and a min.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "route/Dialect/Row/Transforms/IROps.h"
#include "route/numerics_functions.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace route::row {

bool Emitter::fitsNetwork(ChooseOp op) {
  if (lanes == 1 || op.getKeys().size() != 1)
    return false;
  auto key = cast<RankedTensorType>(op.getKeys()[0].getType());
  auto indices = cast<RankedTensorType>(op.getIndices().getType());
  if (!key.hasStaticShape() || !indices.hasStaticShape() ||
      indices.getShape().back() > 16 || indices.getShape().back() == 0)
    return false;
  Type element = key.getElementType();
  // i32 uses all keys: none is left to stand for a masked candidate.
  return element.isF32() || (element.isInteger(32) && !op.getMask());
}

Value Emitter::lowHalves(int64_t n) {
  SmallVector<int64_t> values(n);
  for (int64_t i = 0; i < n; ++i)
    values[i] = int64_t(uint32_t(~uint32_t(i)));
  return constantTable(DenseElementsAttr::get(
      RankedTensorType::get({n}, b.getI64Type()), ArrayRef<int64_t>(values)));
}

/// Signed keys, in lanes: masked INT32_MIN, then NaN, then -inf and up.
Value Emitter::networkKey(ChooseOp op, ValueRange at) {
  RowValue &from = row(op.getKeys()[0]);
  bool up = op.isUp(0), isFloat = from.type.getElementType().isF32();
  Type i32 = b.getI32Type();
  Value x = load(from, at), k = x;
  if (isFloat) {
    IROps ops(b, x.getType());
    k = num::orderedKey(ops, x);
  }
  if (up) {
    k = arith::XOrIOp::create(b, k, constant(i32, -1));
    if (isFloat) {
      Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
      k = arith::SelectOp::create(b, nan, constant(i32, INT32_MIN), k);
    }
  }
  if (op.getMask()) {
    k = arith::MaxSIOp::create(b, k, constant(i32, INT32_MIN + 1));
    k = arith::SelectOp::create(b, load(row(op.getMask()), at), k,
                                constant(i32, INT32_MIN));
  }
  return k;
}

namespace {
/// Comparators on a list of vectors, larger values to the front.
struct Network {
  ImplicitLocOpBuilder &b;
  Values v;

  void compare(int64_t i, int64_t j) {
    Value high = arith::MaxSIOp::create(b, v[i], v[j]);
    v[j] = arith::MinSIOp::create(b, v[i], v[j]);
    v[i] = high;
  }
  /// Batcher's odd-even merge sort of a power of two.
  void sort() {
    int64_t n = v.size();
    for (int64_t p = 1; p < n; p *= 2)
      for (int64_t k = p; k >= 1; k /= 2)
        for (int64_t j = k % p; j + k < n; j += 2 * k)
          for (int64_t i = 0; i < std::min(k, n - j - k); ++i)
            if ((i + j) / (2 * p) == (i + j + k) / (2 * p))
              compare(i + j, i + j + k);
  }
  /// Sorts a bitonic list.
  void mergeBitonic() {
    for (int64_t s = int64_t(v.size()) / 2; s; s /= 2)
      for (int64_t i = 0; i < int64_t(v.size()); ++i)
        if (!(i & s))
          compare(i, i + s);
  }
};
} // namespace

Values Emitter::networkTop(int64_t n, int64_t k, bool withNext, VectorType type,
                           llvm::function_ref<Value(Value)> candidate) {
  Type element = type.getElementType();
  Value least = arith::ConstantOp::create(
      b, DenseElementsAttr::get(
             type, Attribute(b.getIntegerAttr(
                       element, APInt::getSignedMinValue(
                                    element.getIntOrFloatBitWidth())))));
  // Few: each candidate passes down the list. More: blocks are sorted, then
  // merged with the best so far; `lost` is the best of those that fell out.
  bool insertion = k + withNext <= 3;
  int64_t list = insertion ? k + withNext : int64_t(llvm::PowerOf2Ceil(k));
  int64_t block = insertion ? 4 : list;
  bool track = withNext && k == list;
  auto high = [&](Value x, Value y) -> Value {
    return arith::MaxSIOp::create(b, x, y);
  };
  auto low = [&](Value x, Value y) -> Value {
    return arith::MinSIOp::create(b, x, y);
  };
  auto join = [&](Values best, Values next) {
    if (insertion) {
      while (list == 1 && next.size() > 1) {
        Value last = next.pop_back_val();
        next[0] = high(next[0], last);
      }
      for (Value x : next) {
        for (int64_t i = 0; i < list; ++i) {
          Value larger = high(best[i], x);
          if (i + 1 < list)
            x = low(best[i], x);
          best[i] = larger;
        }
      }
      return best;
    }
    Value lost = track ? best.pop_back_val() : Value();
    Network sorter{b, std::move(next)};
    sorter.sort();
    Network merge{b, best};
    Values fallen;
    for (int64_t i = 0; i < list; ++i) {
      merge.v[i] = high(best[i], sorter.v[list - 1 - i]);
      if (track)
        fallen.push_back(low(best[i], sorter.v[list - 1 - i]));
    }
    merge.mergeBitonic();
    if (track) {
      for (; fallen.size() > 1; fallen.truncate(fallen.size() / 2))
        for (size_t i = 0; i < fallen.size() / 2; ++i)
          fallen[i] = high(fallen[i], fallen[i + fallen.size() / 2]);
      merge.v.push_back(high(lost, fallen[0]));
    }
    return merge.v;
  };

  Values best(list + track, least);
  int64_t whole = n / block * block;
  if (whole) {
    auto loop =
        scf::ForOp::create(b, index(0), index(whole), index(block), best);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Values next;
    for (int64_t i = 0; i < block; ++i)
      next.push_back(candidate(
          arith::AddIOp::create(b, loop.getInductionVar(), index(i))));
    scf::YieldOp::create(
        b, join(Values(loop.getRegionIterArgs()), std::move(next)));
    best = Values(loop.getResults());
  }
  if (whole < n) {
    Values next;
    for (int64_t i = whole; i < n; ++i)
      next.push_back(candidate(index(i)));
    if (!insertion)
      next.append(block - (n - whole), least);
    best = join(std::move(best), std::move(next));
  }
  best.truncate(k + withNext);
  return best;
}

/// The best of all candidates by 64-bit numbers, exact.
void Emitter::emitExact(ChooseOp op, const RowValue &keys, ValueRange at,
                        const RowValue &indices) {
  int64_t k = indices.type.getShape().back();
  int64_t n = keys.type.getShape().back();
  int64_t width = std::min(lanes64, lanes);
  auto wide = VectorType::get({width}, b.getI64Type());
  auto narrow = VectorType::get({width}, b.getI32Type());
  auto splat = [&](VectorType type, int64_t v) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(
               type, Attribute(b.getIntegerAttr(type.getElementType(), v))));
  };
  Value low = lowHalves(n);
  OpBuilder::InsertionGuard guard(b);
  Value half = index(0);
  if (width < lanes) {
    auto loop = scf::ForOp::create(b, half, index(lanes), index(width));
    half = loop.getInductionVar();
    b.setInsertionPointToStart(loop.getBody());
  }
  auto candidate = [&](Value e) -> Value {
    Values place(at);
    place.push_back(e);
    place.push_back(half);
    Value key = vector::LoadOp::create(b, narrow, keys.buffer, place);
    Value high = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, wide, key),
                                       splat(wide, 32));
    Value i =
        vector::BroadcastOp::create(b, wide, memref::LoadOp::create(b, low, e));
    return arith::OrIOp::create(b, high, i);
  };
  Values best = networkTop(n, k, /*withNext=*/false, wide, candidate);
  for (int64_t r = 0; r < k; ++r) {
    Value i = arith::TruncIOp::create(b, narrow, best[r]);
    i = arith::XOrIOp::create(b, i, splat(narrow, -1));
    if (op.getMask()) {
      Value least = splat(wide, int64_t(INT32_MIN + 1) * (1ll << 32));
      Value absent =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, best[r], least);
      i = arith::SelectOp::create(b, absent, splat(narrow, kAbsent), i);
    }
    Values place(at);
    place.push_back(index(r));
    place.push_back(half);
    vector::StoreOp::create(b, i, indices.buffer, place);
  }
}

/// Whether an f32 value is never below +0, but perhaps NaN.
bool Emitter::isNonNegative(Value v) {
  Operation *op = v.getDefiningOp();
  if (auto generic = dyn_cast_or_null<linalg::GenericOp>(op))
    op = generic.getBody()
             ->getTerminator()
             ->getOperand(cast<OpResult>(v).getResultNumber())
             .getDefiningOp();
  if (auto unary = dyn_cast_or_null<UnaryOp>(op))
    return unary.getFunction() == UnaryFunction::Sigmoid;
  return isa_and_nonnull<math::ExpOp, math::Exp2Op>(op);
}

/// A signed key in a few operations: the order of numbers, -0 below +0 and NaN
/// beyond one of the infinities. Masked candidates are INT32_MIN.
Value Emitter::guessedKey(ChooseOp op, ValueRange at, bool nonNegative) {
  Type i32 = b.getI32Type();
  Value k = arith::BitcastOp::create(b, laneType(i32),
                                     load(row(op.getKeys()[0]), at));
  if (!nonNegative) {
    Value sign = arith::ShRSIOp::create(b, k, constant(i32, 31));
    Value flip = arith::AndIOp::create(b, sign, constant(i32, INT32_MAX));
    k = arith::XOrIOp::create(b, k, flip);
  }
  if (op.isUp(0))
    k = arith::XOrIOp::create(b, k, constant(i32, -1));
  if (op.getMask())
    k = arith::SelectOp::create(b, load(row(op.getMask()), at), k,
                                constant(i32, INT32_MIN));
  return k;
}

/// A guess by 32-bit numbers, twice as many in a vector: the key's high bits
/// above ~index. It is right if the high bits of the best k and of the next all
/// differ, even if zeros count as equal, and none of the k is NaN; returns
/// whether that holds for all items.
Value Emitter::emitGuess(ChooseOp op, ValueRange at, const RowValue &indices,
                         bool nonNegative, Value *next) {
  RowValue from = row(op.getKeys()[0]);
  int64_t k = indices.type.getShape().back();
  int64_t n = from.type.getShape().back();
  int64_t bits = std::max(1u, llvm::Log2_64_Ceil(n));
  int32_t lowMask = (1 << bits) - 1;
  nonNegative &= !op.isUp(0); // of keys as they are compared
  Type i32 = b.getI32Type();
  SmallVector<int32_t> table(n);
  for (int64_t i = 0; i < n; ++i)
    table[i] = lowMask - int32_t(i);
  Value low = constantTable(DenseElementsAttr::get(
      RankedTensorType::get({n}, i32), ArrayRef<int32_t>(table)));
  auto candidate = [&](Value e) -> Value {
    Values place(at);
    place.push_back(e);
    Value high = arith::AndIOp::create(b, guessedKey(op, place, nonNegative),
                                       constant(i32, ~lowMask));
    return arith::OrIOp::create(b, high,
                                inLanes(memref::LoadOp::create(b, low, e)));
  };
  Values best = networkTop(n, k, /*withNext=*/true,
                           cast<VectorType>(laneType(i32)), candidate);
  if (next)
    *next = arith::OrIOp::create(b, best[k], constant(i32, lowMask));
  auto above = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, x, y);
  };
  // The last of the chosen is not NaN, infinite, masked or padding, nor is the
  // first.
  int32_t infinity = 0x7f800000 >> bits;
  int32_t floor = nonNegative ? -1 : int32_t(0x807fffff) >> bits;
  Value certain;
  for (int64_t r = 0; r <= k; ++r) {
    if (r < k) {
      Value i = arith::AndIOp::create(b, best[r], constant(i32, lowMask));
      Values place(at);
      place.push_back(index(r));
      store(indices, place,
            arith::SubIOp::create(b, constant(i32, lowMask), i));
    }
    best[r] = arith::ShRSIOp::create(b, best[r], constant(i32, bits));
    if (!nonNegative) {
      // -0 is -1 here, and +0 is 0.
      Value negative = arith::ShRSIOp::create(b, best[r], constant(i32, 31));
      best[r] = arith::SubIOp::create(b, best[r], negative);
    }
    Value distinct = above(r ? best[r - 1] : constant(i32, infinity), best[r]);
    if (r == std::min(k, n) - 1)
      distinct = arith::AndIOp::create(b, distinct,
                                       above(best[r], constant(i32, floor)));
    certain =
        certain ? Value(arith::AndIOp::create(b, certain, distinct)) : distinct;
  }
  return vector::ReductionOp::create(b, vector::CombiningKind::AND, certain);
}

/// Whether `v` was computed from bf16 or f16 numbers; what a product's rows are
/// does not show in its sums.
static bool isCoarse(Value v, SmallPtrSetImpl<Value> &seen) {
  auto isSmall = [](Type type) {
    Type element = getElementTypeOrSelf(type);
    return element.isBF16() || element.isF16();
  };
  if (!seen.insert(v).second)
    return false;
  if (isSmall(v.getType()))
    return true;
  Operation *op = v.getDefiningOp();
  if (!op || isa<ragged::MatmulOp>(op))
    return false;
  bool rounds = op->walk([&](arith::TruncFOp inner) {
                    return isSmall(inner.getType()) ? WalkResult::interrupt()
                                                    : WalkResult::advance();
                  }).wasInterrupted();
  return rounds || llvm::any_of(op->getOperands(), [&](Value operand) {
           return isCoarse(operand, seen);
         });
}

/// A guess leaves bits for the index only among few candidates, and keys from
/// small floats tie too often for it.
bool Emitter::mayGuess(ChooseOp op) {
  auto key = cast<RankedTensorType>(op.getKeys()[0].getType());
  auto indices = cast<RankedTensorType>(op.getIndices().getType());
  SmallPtrSet<Value, 16> seen;
  return key.getElementType().isF32() && key.getShape().back() <= 1024 &&
         indices.getShape().back() > 1 && !isCoarse(op.getKeys()[0], seen);
}

void Emitter::emitNetwork(ChooseOp op, const RowValue &indices,
                          const RowValue &chosen) {
  ++numNetworks;
  RowValue from = row(op.getKeys()[0]);
  ValueRange batch = ValueRange(from.sizes).drop_back();
  bool guess = mayGuess(op);
  RowValue keys = allocate(
      RankedTensorType::get(from.type.getShape(), b.getI32Type()), from.sizes);
  forEach(batch, [&](ValueRange at) {
    OpBuilder::InsertionGuard guard(b);
    if (guess) {
      Value certain =
          emitGuess(op, at, indices, isNonNegative(op.getKeys()[0]));
      Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
      auto again =
          scf::IfOp::create(b, arith::XOrIOp::create(b, certain, yes), false);
      b.setInsertionPointToStart(&again.getThenRegion().front());
    }
    forEach(from.sizes.back(), [&](ValueRange e) {
      Values place(at);
      place.push_back(e[0]);
      store(keys, place, networkKey(op, place));
    });
    emitExact(op, keys, at, indices);
  });
  release(keys.scratch);
  storeNumber(op, indices, chosen);
}

/// How many a network chose: all k, but for a mask.
void Emitter::storeNumber(ChooseOp op, const RowValue &indices,
                          const RowValue &chosen) {
  int64_t k = indices.type.getShape().back();
  ValueRange batch = ValueRange(indices.sizes).drop_back();
  if (op.getChosen().use_empty() && !op.getCount() && !op.getValues())
    return;
  forEach(batch, [&](ValueRange at) {
    Value n = constant(b.getI32Type(), op.getMask() ? 0 : k);
    if (op.getMask()) {
      for (int64_t r = 0; r < k; ++r) {
        Values place(at);
        place.push_back(index(r));
        Value present = arith::CmpIOp::create(b, arith::CmpIPredicate::sge,
                                              load(indices, place),
                                              constant(b.getI32Type(), 0));
        Value one =
            arith::ExtUIOp::create(b, laneType(b.getI32Type()), present);
        n = arith::AddIOp::create(b, n, one);
      }
    }
    store(chosen, at, n);
  });
}

} // namespace route::row
