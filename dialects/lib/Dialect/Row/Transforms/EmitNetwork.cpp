// Choices by one 32-bit key on sorting networks. A candidate is one signed
// 64-bit number, key above ~index, so that a larger number is chosen first and
// the lower index wins a tie; a comparator is a max and a min.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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
RowValue Emitter::networkKeys(ChooseOp op) {
  RowValue from = row(op.getKeys()[0]);
  auto type = RankedTensorType::get(from.type.getShape(), b.getI32Type());
  RowValue keys = allocate(type, from.sizes);
  bool up = op.isUp(0), isFloat = from.type.getElementType().isF32();
  forEach(from.sizes, [&](ValueRange at) {
    Value x = load(from, at);
    Value ones = constant(b.getI32Type(), -1);
    Value k = x;
    if (isFloat) {
      IROps ops(b, x.getType());
      k = num::orderedKey(ops, x);
    }
    if (up) {
      k = arith::XOrIOp::create(b, k, ones);
      if (isFloat) {
        Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
        k = arith::SelectOp::create(b, nan, constant(b.getI32Type(), INT32_MIN),
                                    k);
      }
    }
    if (op.getMask()) {
      Value least = constant(b.getI32Type(), INT32_MIN);
      k = arith::MaxSIOp::create(b, k, constant(b.getI32Type(), INT32_MIN + 1));
      k = arith::SelectOp::create(b, load(row(op.getMask()), at), k, least);
    }
    store(keys, at, k);
  });
  return keys;
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

Values Emitter::networkTop(const RowValue &keys, ValueRange batch, Value half,
                           int64_t width, int64_t k) {
  auto type = VectorType::get({width}, b.getI64Type());
  auto narrow = VectorType::get({width}, b.getI32Type());
  auto splat64 = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, b.getI64IntegerAttr(v)));
  };
  int64_t n = keys.type.getShape().back();
  Value low = lowHalves(n);
  auto candidate = [&](Value e) -> Value {
    Values at(batch);
    at.push_back(e);
    at.push_back(half);
    Value key = vector::LoadOp::create(b, narrow, keys.buffer, at);
    Value wide = arith::ExtUIOp::create(b, type, key);
    Value high = arith::ShLIOp::create(b, wide, splat64(32));
    Value i =
        vector::BroadcastOp::create(b, type, memref::LoadOp::create(b, low, e));
    return arith::OrIOp::create(b, high, i);
  };

  // Few: each candidate passes down the list. More: blocks are sorted, then
  // merged with the best so far.
  bool insertion = k <= 2;
  int64_t list = insertion ? k : int64_t(llvm::PowerOf2Ceil(k));
  int64_t block = insertion ? 4 : list;
  auto join = [&](Values best, Values next) {
    if (insertion) {
      if (k == 1) {
        while (next.size() > 1) {
          Value last = next.pop_back_val();
          next[0] = arith::MaxSIOp::create(b, next[0], last);
        }
      }
      for (Value x : next) {
        for (int64_t i = 0; i < k; ++i) {
          Value high = arith::MaxSIOp::create(b, best[i], x);
          if (i + 1 < k)
            x = arith::MinSIOp::create(b, best[i], x);
          best[i] = high;
        }
      }
      return best;
    }
    Network sorter{b, std::move(next)};
    sorter.sort();
    Network merge{b, std::move(best)};
    for (int64_t i = 0; i < list; ++i)
      merge.v[i] =
          arith::MaxSIOp::create(b, merge.v[i], sorter.v[list - 1 - i]);
    merge.mergeBitonic();
    return merge.v;
  };

  Values best(list, splat64(INT64_MIN));
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
      next.append(block - (n - whole), splat64(INT64_MIN));
    best = join(std::move(best), std::move(next));
  }
  best.truncate(k);
  return best;
}

void Emitter::emitNetwork(ChooseOp op, const RowValue &indices,
                          const RowValue &chosen) {
  ++numNetworks;
  RowValue keys = networkKeys(op);
  int64_t k = indices.type.getShape().back();
  int64_t width = std::min(lanes64, lanes);
  ValueRange batch = ValueRange(keys.sizes).drop_back();
  auto wide = VectorType::get({width}, b.getI64Type());
  auto narrow = VectorType::get({width}, b.getI32Type());
  auto ones = [&]() -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(narrow, b.getI32IntegerAttr(-1)));
  };
  forEach(batch, [&](ValueRange at) {
    OpBuilder::InsertionGuard guard(b);
    Value half = index(0);
    if (width < lanes) {
      auto loop = scf::ForOp::create(b, half, index(lanes), index(width));
      half = loop.getInductionVar();
      b.setInsertionPointToStart(loop.getBody());
    }
    Values best = networkTop(keys, at, half, width, k);
    for (int64_t r = 0; r < k; ++r) {
      Value i = arith::TruncIOp::create(b, narrow, best[r]);
      i = arith::XOrIOp::create(b, i, ones());
      if (op.getMask()) {
        Value least = arith::ConstantOp::create(
            b, DenseElementsAttr::get(
                   wide,
                   b.getI64IntegerAttr(int64_t(INT32_MIN + 1) * (1ll << 32))));
        Value absent =
            arith::CmpIOp::create(b, arith::CmpIPredicate::slt, best[r], least);
        i = arith::SelectOp::create(b, absent, ones(), i);
      }
      Values place(at);
      place.push_back(index(r));
      place.push_back(half);
      vector::StoreOp::create(b, i, indices.buffer, place);
    }
  });
  release(keys.scratch);

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
