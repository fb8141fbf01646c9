// Between item-major memory and lanes.
// Loads and stores transpose square blocks in registers; what does not fit a
// block goes element by element.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace route::row {

Values Emitter::transpose(Values rows) {
  int64_t n = rows.size();
  for (int64_t s = n / 2; s; s /= 2) {
    SmallVector<int64_t> low(n), high(n);
    for (int64_t l = 0; l < n; ++l) {
      low[l] = l & s ? n + l - s : l;
      high[l] = l & s ? n + l : l + s;
    }
    for (int64_t i = 0; i < n; ++i) {
      if (i & s)
        continue;
      Value x = rows[i], y = rows[i + s];
      rows[i] = vector::ShuffleOp::create(b, x, y, low);
      rows[i + s] = vector::ShuffleOp::create(b, x, y, high);
    }
  }
  return rows;
}

/// The rows of `memory` as one flat dimension, if they are contiguous and long
/// enough to be worth blocks; null otherwise.
static Value flatten(ImplicitLocOpBuilder &b, Value memory) {
  auto type = cast<MemRefType>(memory.getType());
  if (!type.getLayout().isIdentity() || type.getRank() < 2 ||
      type.getElementType().isInteger(1))
    return nullptr;
  int64_t n = 1;
  for (int64_t d : type.getShape().drop_front()) {
    if (ShapedType::isDynamic(d))
      return nullptr;
    n *= d;
  }
  if (n < 4)
    return nullptr;
  if (type.getRank() == 2)
    return memory;
  SmallVector<ReassociationIndices> groups(2);
  groups[0].push_back(0);
  for (int64_t i = 1; i < type.getRank(); ++i)
    groups[1].push_back(i);
  return memref::CollapseShapeOp::create(b, memory, groups);
}

/// A buffer in lanes as [elements, lanes].
static Value flattenLanes(ImplicitLocOpBuilder &b, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getRank() == 2)
    return buffer;
  if (!type.getLayout().isIdentity())
    return nullptr;
  SmallVector<ReassociationIndices> groups(2);
  for (int64_t i = 0; i + 1 < type.getRank(); ++i)
    groups[0].push_back(i);
  groups[1].push_back(type.getRank() - 1);
  return memref::CollapseShapeOp::create(b, buffer, groups);
}

/// Calls `body` with the first element of every block of m among n elements;
/// the last one overlaps where m does not divide n.
static void forBlocks(ImplicitLocOpBuilder &b, int64_t n, int64_t m,
                      llvm::function_ref<void(Value)> body) {
  auto at = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  {
    OpBuilder::InsertionGuard guard(b);
    auto loop = scf::ForOp::create(b, at(0), at(n / m * m), at(m));
    b.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }
  if (n % m)
    body(at(n - m));
}

RowValue Emitter::loadInput(Value memory, RankedTensorType type,
                            const Items &items, bool prefetch) {
  RowValue value;
  if (lanes == 1) {
    auto from = cast<MemRefType>(memory.getType());
    SmallVector<OpFoldResult> offsets(from.getRank(), b.getIndexAttr(0)), sizes,
        strides(from.getRank(), b.getIndexAttr(1));
    offsets[0] = items.item;
    sizes.push_back(b.getIndexAttr(1));
    for (int64_t d = 1; d < from.getRank(); ++d)
      sizes.push_back(
          from.isDynamicDim(d)
              ? OpFoldResult(memref::DimOp::create(b, memory, d).getResult())
              : OpFoldResult(b.getIndexAttr(from.getDimSize(d))));
    auto to = memref::SubViewOp::inferRankReducedResultType(
        type.getShape(), from, offsets, sizes, strides);
    value.buffer =
        memref::SubViewOp::create(b, to, memory, offsets, sizes, strides);
    value.type = type;
    return value;
  }

  Values sizes;
  for (int64_t n : type.getShape())
    sizes.push_back(index(n));
  value = allocate(type, sizes);
  Values item;
  for (int64_t i = 0; i < lanes; ++i)
    item.push_back(arith::MinSIOp::create(
        b, arith::AddIOp::create(b, items.item, index(i)), items.last));

  Value flat = flatten(b, memory);
  if (!flat) {
    forEach(sizes, [&](ValueRange at) {
      Values elements;
      for (Value i : item) {
        Values place{i};
        place.append(at.begin(), at.end());
        elements.push_back(memref::LoadOp::create(b, memory, place));
      }
      Type element = elements[0].getType();
      store(value, at,
            vector::FromElementsOp::create(b, VectorType::get({lanes}, element),
                                           elements));
    });
    return value;
  }
  Value later = arith::AddIOp::create(b, items.item, index(lanes));
  int64_t n = type.getNumElements();
  int64_t m = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(n)));
  Value to = flattenLanes(b, value.buffer);
  auto block = VectorType::get({m}, type.getElementType());
  forBlocks(b, n, m, [&](Value e) {
    Value ahead = arith::MulIOp::create(b, e, index(lanes));
    for (int64_t q = 0; q < lanes; q += m) {
      Values tile;
      for (int64_t i = 0; i < m; ++i) {
        tile.push_back(
            vector::LoadOp::create(b, block, flat, ValueRange{item[q + i], e}));
        // What the next items need arrives while these are computed. They lie
        // behind one another: a line for each row of the block.
        if (prefetch) {
          Value line = arith::AddIOp::create(b, ahead, index((q + i) * m));
          memref::PrefetchOp::create(b, flat, ValueRange{later, line},
                                     /*isWrite=*/false, /*localityHint=*/2,
                                     /*isDataCache=*/true);
        }
      }
      tile = transpose(tile);
      for (int64_t j = 0; j < m; ++j) {
        Value at = arith::AddIOp::create(b, e, index(j));
        vector::StoreOp::create(b, tile[j], to, ValueRange{at, index(q)});
      }
    }
  });
  return value;
}

void Emitter::storeOutput(const RowValue &v, Value memory, const Items &items) {
  auto scalar = [&] {
    forEach(v.sizes, [&](ValueRange at) {
      forLanes(items.valid, [&](Value lane) {
        Values place{arith::AddIOp::create(b, items.item, lane)};
        place.append(at.begin(), at.end());
        memref::StoreOp::create(b, loadLane(v, at, lane), memory, place);
      });
    });
  };
  Value flat =
      lanes > 1 && v.buffer && !v.uniform ? flatten(b, memory) : Value();
  Value from = flat ? flattenLanes(b, v.buffer) : Value();
  auto type = cast<MemRefType>(memory.getType());
  bool column = lanes > 1 && v.type.getRank() == 0 &&
                type.getLayout().isIdentity() &&
                !type.getElementType().isInteger(1);
  if (!from && !column)
    return scalar();

  Value whole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, items.valid,
                                      index(lanes));
  auto choice = scf::IfOp::create(b, whole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&choice.getElseRegion().front());
  scalar();
  b.setInsertionPointToStart(&choice.getThenRegion().front());
  if (column) {
    vector::StoreOp::create(b, load(v, {}), memory, items.item);
    return;
  }
  int64_t n = v.type.getNumElements();
  int64_t m = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(n)));
  auto block = VectorType::get({m}, type.getElementType());
  forBlocks(b, n, m, [&](Value e) {
    for (int64_t q = 0; q < lanes; q += m) {
      Values tile;
      for (int64_t j = 0; j < m; ++j) {
        Value at = arith::AddIOp::create(b, e, index(j));
        tile.push_back(
            vector::LoadOp::create(b, block, from, ValueRange{at, index(q)}));
      }
      tile = transpose(tile);
      for (int64_t i = 0; i < m; ++i) {
        Value item = arith::AddIOp::create(b, items.item, index(q + i));
        vector::StoreOp::create(b, tile[i], flat, ValueRange{item, e});
      }
    }
  });
}

void Emitter::accumulate(const RowValue &v, Value memory, const Items &items) {
  bool isFloat = isa<FloatType>(v.type.getElementType());
  forEach(v.sizes, [&](ValueRange at) {
    forLanes(items.valid, [&](Value lane) {
      Value old = memref::LoadOp::create(b, memory, at);
      Value x = loadLane(v, at, lane);
      Value sum = isFloat ? Value(arith::AddFOp::create(b, old, x))
                          : Value(arith::AddIOp::create(b, old, x));
      memref::StoreOp::create(b, sum, memory, at);
    });
  });
}

void Emitter::accumulateTally(const RowValue &indices, Value counter,
                              const Items &items) {
  // Slot 0 takes the padding: index -1.
  forLanes(items.valid, [&](Value lane) {
    forEach(indices.sizes, [&](ValueRange at) {
      Value i = arith::IndexCastOp::create(b, b.getIndexType(),
                                           loadLane(indices, at, lane));
      Value slot = arith::AddIOp::create(b, i, index(1));
      Value old = memref::LoadOp::create(b, counter, slot);
      Value one = arith::ConstantOp::create(b, b.getI32IntegerAttr(1));
      memref::StoreOp::create(b, arith::AddIOp::create(b, old, one), counter,
                              slot);
    });
  });
}

} // namespace route::row
