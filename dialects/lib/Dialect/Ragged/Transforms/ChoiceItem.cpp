// Reads what a block's item chooses among.
#include "ChoiceItem.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;

ChoiceItem::ChoiceItem(KernelBody &k, ChooseOp op) : k(k), b(k.b), op(op) {
  unsigned next = 1;
  for (unsigned i = 0, n = op.getMaps().size(); i < n; ++i)
    mapped.push_back(k.argument(next++));
  indices = k.argument(next++);
  counts = k.argument(next);
  for (auto [j, key] : llvm::enumerate(op.getKeys())) {
    unsigned bits = cast<ShapedType>(key.getType()).getElementTypeBitWidth();
    for (unsigned part = 0; part < (bits > 32 ? 2 : 1); ++part)
      words.push_back({unsigned(j), part});
  }
}

void ChoiceItem::find() {
  unsigned items = cast<MemRefType>(indices.getType()).getRank() - 1;
  place.assign(items, Value());
  Value item = k.blockId();
  for (unsigned i = items; i-- > 0;) {
    if (i == 0) {
      place[i] = item;
      break;
    }
    Value extent = memref::DimOp::create(b, indices, i);
    place[i] = k.rem(item, extent);
    item = k.div(item, extent);
  }
  Value zero = k.index(0);
  capacity = rows = memref::DimOp::create(b, indices, items);
  begin = zero;
  Value end = k.argument(0);
  unsigned next = op.getKeys().size() + op.getMasks().size();
  if (!op.getRange().empty()) {
    begin = k.toIndex(read(next++, {}));
    end = k.toIndex(read(next++, {}));
  }
  if (op.getLimit()) {
    Value limit = k.toIndex(read(next, {}));
    rows =
        arith::MinSIOp::create(b, arith::MaxSIOp::create(b, limit, zero), rows);
  }
  // Nothing is looked at for an item without room.
  Value some = k.both(k.cmp(Predicate::sgt, end, begin),
                      k.cmp(Predicate::ne, rows, zero));
  span = k.select(some, k.sub(end, begin), zero);
}

Value ChoiceItem::read(unsigned i, Value candidate) {
  AffineMap map = cast<AffineMapAttr>(op.getMaps()[i]).getValue();
  Values at;
  for (unsigned r = 0; r < map.getNumResults(); ++r) {
    unsigned dim = map.getDimPosition(r);
    at.push_back(dim < place.size() ? place[dim] : candidate);
  }
  return k.load(mapped[i], at);
}

Value ChoiceItem::flip(Value x, int64_t mask) {
  return arith::XOrIOp::create(
      b, x, arith::ConstantOp::create(b, b.getIntegerAttr(x.getType(), mask)));
}

Value ChoiceItem::wordOf(unsigned w, Value x) {
  auto [j, part] = words[w];
  Type type = x.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  bool up = op.getUp()[j];
  if (isa<FloatType>(type)) {
    // Signed order but for the sign's own bits; -0 is +0, NaN is below all.
    Type whole = type.isF64() ? i64 : i32;
    unsigned width = type.getIntOrFloatBitWidth();
    int64_t most = type.isF64() ? INT64_MAX : INT32_MAX;
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(type, 0.0));
    Value bits =
        arith::BitcastOp::create(b, whole, arith::AddFOp::create(b, x, zero));
    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantOp::create(b, b.getIntegerAttr(whole, v));
    };
    Value sign = arith::ShRSIOp::create(b, bits, constant(width - 1));
    Value key = arith::XOrIOp::create(
        b, bits, arith::AndIOp::create(b, sign, constant(most)));
    key = flip(key, up ? most : -most - 1);
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    x = k.select(nan, constant(0), key);
  } else if (type.isInteger(64)) {
    x = flip(x, up ? INT64_MAX : INT64_MIN);
  } else {
    if (type.isInteger(1))
      x = arith::ExtUIOp::create(b, i32, x);
    else if (!type.isInteger(32))
      x = arith::ExtSIOp::create(b, i32, x);
    x = flip(x, up ? INT32_MAX : INT32_MIN);
  }
  if (x.getType() == i32)
    return x;
  if (part == 0)
    x = k.shiftRight(x, arith::ConstantOp::create(b, b.getI64IntegerAttr(32)));
  return arith::TruncIOp::create(b, i32, x);
}

Value ChoiceItem::masksAllow(Value candidate) {
  Value allowed = k.truth(true);
  for (unsigned m = 0; m < op.getMasks().size(); ++m)
    allowed = k.both(allowed, read(op.getKeys().size() + m, candidate));
  return allowed;
}

ChoiceItem::Values ChoiceItem::placeOf(Value rank) {
  Values full(place);
  full.push_back(rank);
  return full;
}

} // namespace route::ragged
