// Random draws: what philox.h defines, as arithmetic on one element.
#include "Lowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

namespace {
/// Emits the functions of philox.h; the names are the same.
class DrawEmitter {
public:
  DrawEmitter(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  Value i64(uint64_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getI64IntegerAttr(static_cast<int64_t>(value)));
  }
  Value i32(uint32_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value f32(float value) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }
  Value shifted(Value x, uint64_t bits) {
    Value by =
        arith::ConstantOp::create(b, loc, b.getIntegerAttr(x.getType(), bits));
    return arith::ShRUIOp::create(b, loc, x, by);
  }
  Value narrow(Value x) {
    return arith::TruncIOp::create(b, loc, b.getI32Type(), x);
  }
  Value mixed(Value x, Value y) { return arith::XOrIOp::create(b, loc, x, y); }

  Value mix(Value z) {
    z = arith::AddIOp::create(b, loc, z, i64(0x9E3779B97F4A7C15ull));
    z = arith::MulIOp::create(b, loc, mixed(z, shifted(z, 30)),
                              i64(0xBF58476D1CE4E5B9ull));
    z = arith::MulIOp::create(b, loc, mixed(z, shifted(z, 27)),
                              i64(0x94D049BB133111EBull));
    return mixed(z, shifted(z, 31));
  }

  /// A key value as the 64 bits that enter; null where it has none here.
  Value keyBits(Value key, bool isUnsigned) {
    Type type = key.getType();
    if (isa<signal::TextType>(type))
      return signal::HashOp::create(b, loc, b.getI64Type(), key);
    if (auto integer = dyn_cast<IntegerType>(type)) {
      if (integer.getWidth() == 64)
        return key;
      if (integer.getWidth() == 1 || isUnsigned)
        return arith::ExtUIOp::create(b, loc, b.getI64Type(), key);
      return arith::ExtSIOp::create(b, loc, b.getI64Type(), key);
    }
    if (type.isBF16() || type.isF16())
      key = arith::ExtFOp::create(b, loc, b.getF32Type(), key);
    else if (!type.isF32() && !type.isF64())
      return {};
    // -0 enters as +0.
    key = arith::AddFOp::create(
        b, loc, key,
        arith::ConstantOp::create(b, loc, b.getFloatAttr(key.getType(), 0.0)));
    // So do all NaN as one, whose bits differ between devices.
    Value none =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, key, key);
    auto bitsOf = [&](IntegerType bits, int64_t nan) -> Value {
      Value plain = arith::BitcastOp::create(b, loc, bits, key);
      return arith::SelectOp::create(
          b, loc, none,
          arith::ConstantOp::create(b, loc, b.getIntegerAttr(bits, nan)),
          plain);
    };
    if (key.getType().isF64())
      return bitsOf(b.getI64Type(), 0x7ff8000000000000);
    return arith::ExtUIOp::create(b, loc, b.getI64Type(),
                                  bitsOf(b.getI32Type(), 0x7fc00000));
  }

  /// The low and the high half of a product of 32-bit numbers.
  std::pair<Value, Value> product(uint32_t x, Value y) {
    Value wide = arith::MulIOp::create(
        b, loc, i64(x), arith::ExtUIOp::create(b, loc, b.getI64Type(), y));
    return {narrow(wide), narrow(shifted(wide, 32))};
  }

  /// The low and the high 32 bits of the draw at `position`.
  std::pair<Value, Value> bits(Value state, Value position) {
    Value counter[4] = {narrow(position), narrow(shifted(position, 32)), i32(0),
                        i32(0)};
    Value k0 = narrow(state), k1 = narrow(shifted(state, 32));
    for (int round = 0; round < 10; ++round) {
      auto [low, high] = product(0xD2511F53u, counter[0]);
      auto [lowToo, highToo] = product(0xCD9E8D57u, counter[2]);
      Value next[4] = {mixed(mixed(highToo, counter[1]), k0), lowToo,
                       mixed(mixed(high, counter[3]), k1), low};
      std::copy(next, next + 4, counter);
      k0 = arith::AddIOp::create(b, loc, k0, i32(0x9E3779B9u));
      k1 = arith::AddIOp::create(b, loc, k1, i32(0xBB67AE85u));
    }
    return {counter[0], counter[1]};
  }

  Value scaled(Value low, unsigned drop, float half, float scale) {
    Value number =
        arith::UIToFPOp::create(b, loc, b.getF32Type(), shifted(low, drop));
    if (half != 0)
      number = arith::AddFOp::create(b, loc, number, f32(half));
    return arith::MulFOp::create(b, loc, number, f32(scale));
  }
  Value uniform(Value low) { return scaled(low, 8, 0, 0x1p-24f); }
  Value open(Value low) { return scaled(low, 9, 0.5f, 0x1p-23f); }

  Value gumbel(Value low) {
    Value once =
        arith::NegFOp::create(b, loc, math::LogOp::create(b, loc, open(low)));
    return arith::NegFOp::create(b, loc, math::LogOp::create(b, loc, once));
  }

  Value horner(Value x, ArrayRef<float> c) {
    Value r = f32(c.front());
    for (float next : c.drop_front())
      r = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, r, x),
                                f32(next));
    return r;
  }

  /// Both branches of normalQuantile are computed, one is taken.
  Value normal(Value low) {
    constexpr float a[] = {-39.69683028665376f, 220.9460984245205f,
                           -275.9285104469687f, 138.3577518672690f,
                           -30.66479806614716f, 2.506628277459239f};
    constexpr float bs[] = {-54.47609879822406f, 161.5858368580409f,
                            -155.6989798598866f, 66.80131188771972f,
                            -13.28068155288572f, 1.0f};
    constexpr float c[] = {-0.007784894002430293f, -0.3223964580411365f,
                           -2.400758277161838f,    -2.549732539343734f,
                           4.374664141464968f,     2.938163982698783f};
    constexpr float d[] = {0.007784695709041462f, 0.3224671290700398f,
                           2.445134137142996f, 3.754408661907416f, 1.0f};
    constexpr float edge = 0.02425f;
    Value u = open(low);
    Value below =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, u, f32(edge));
    Value above = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, u,
                                        f32(1.0f - edge));
    Value tail = arith::SelectOp::create(
        b, loc, below, u, arith::SubFOp::create(b, loc, f32(1.0f), u));
    Value q = math::SqrtOp::create(
        b, loc,
        arith::MulFOp::create(b, loc, f32(-2.0f),
                              math::LogOp::create(b, loc, tail)));
    Value x = arith::DivFOp::create(b, loc, horner(q, c), horner(q, d));
    Value outer = arith::SelectOp::create(b, loc, below, x,
                                          arith::NegFOp::create(b, loc, x));
    q = arith::SubFOp::create(b, loc, u, f32(0.5f));
    Value r = arith::MulFOp::create(b, loc, q, q);
    Value inner = arith::DivFOp::create(
        b, loc, arith::MulFOp::create(b, loc, horner(r, a), q), horner(r, bs));
    return arith::SelectOp::create(
        b, loc, arith::OrIOp::create(b, loc, below, above), outer, inner);
  }

private:
  OpBuilder &b;
  Location loc;
};
} // namespace

/// Adds what a draw along `axis` is told apart by, positions and extents: of a
/// row of a plan those of its items and of what was chosen, so that it hangs on
/// no other row.
bool Lowering::addPlaces(OpBuilder &inner, Location loc, Axis axis,
                         ArrayRef<Axis> dims, ValueRange at,
                         SmallVectorImpl<std::pair<Value, Value>> &places) {
  auto plan = plans.find(axis.getValue());
  if (plan == plans.end()) {
    auto *dim = llvm::find(dims, axis);
    if (dim != dims.end())
      places.push_back({at[dim - dims.begin()], extentAt(inner, axis, loc)});
    return dim != dims.end();
  }
  Plan &rows = plan->second;
  SmallVector<Axis> rowDims = dimsOf(axis);
  SmallVector<Value> row;
  for (Axis own : rowDims) {
    auto *dim = llvm::find(dims, own);
    if (dim == dims.end())
      return false;
    row.push_back(at[dim - dims.begin()]);
  }
  for (Axis item : rows.per)
    if (!addPlaces(inner, loc, item, rowDims, row, places))
      return false;
  Value chosen = tensor::ExtractOp::create(inner, loc, rows.indices, row);
  Value none =
      arith::ConstantOp::create(inner, loc, inner.getI32IntegerAttr(0));
  Value position = arith::IndexCastOp::create(
      inner, loc, inner.getIndexType(),
      arith::MaxSIOp::create(inner, loc, chosen, none));
  SmallVector<Axis> slots = dimsOf(rows.candidates);
  return addPlaces(inner, loc, rows.candidates, slots,
                   unflatten(inner, loc, position, slots), places);
}

LogicalResult Lowering::lowerDraw(DrawOp op) {
  auto type = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(type);
  if (item)
    return notCovered(op, "draws for the rows of a plan");
  Type made = op.getKind() == DrawKind::bits ? Type(b.getI64Type())
                                             : Type(b.getF32Type());
  if (element(type.getElementType()) != made)
    return notCovered(op, "draws of these elements");
  SmallVector<Operand> operands;
  SmallVector<bool> isUnsigned;
  for (Value key : op.getKeys()) {
    Value tensor = get(key);
    if (!tensor)
      return failure();
    auto array = cast<ArrayType>(key.getType());
    if (!isa<IntegerType, FloatType, signal::TextType>(
            element(array.getElementType())))
      return notCovered(op, "draws by such keys");
    operands.push_back({tensor, array});
    isUnsigned.push_back(array.getElementType().isUnsignedInteger());
  }
  Value seed = arguments.lookup("seed");
  bool told = true;
  set(op.getResult(),
      map(dims, type.getElementType(), operands, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            DrawEmitter emit(inner, at);
            Value state = emit.mix(seed);
            state = emit.mix(emit.mixed(
                state, emit.i64(static_cast<uint64_t>(op.getSite()))));
            for (auto [key, wide] : llvm::zip(args, isUnsigned))
              state = emit.mix(emit.mixed(state, emit.keyBits(key, wide)));
            Value position = arith::ConstantIndexOp::create(inner, at, 0);
            SmallVector<Value> here;
            for (unsigned i = 0; i < dims.size(); ++i)
              here.push_back(linalg::IndexOp::create(inner, at, i));
            SmallVector<std::pair<Value, Value>> places;
            for (Axis axis : type.getAxes())
              told &= addPlaces(inner, at, axis, dims, here, places);
            for (auto [place, extent] : places)
              position = arith::AddIOp::create(
                  inner, at, arith::MulIOp::create(inner, at, position, extent),
                  place);
            auto [low, high] =
                emit.bits(state, arith::IndexCastOp::create(
                                     inner, at, inner.getI64Type(), position));
            switch (op.getKind()) {
            case DrawKind::uniform:
              return emit.uniform(low);
            case DrawKind::gumbel:
              return emit.gumbel(low);
            case DrawKind::normal:
              return emit.normal(low);
            case DrawKind::bits:
              break;
            }
            auto wide = [&](Value x) -> Value {
              return arith::ExtUIOp::create(inner, at, inner.getI64Type(), x);
            };
            return arith::OrIOp::create(
                inner, at,
                arith::ShLIOp::create(inner, at, wide(high), emit.i64(32)),
                wide(low));
          }));
  return told ? success() : notCovered(op, "draws for the rows of a plan");
}
