// The operation set of numerics_functions.h and numerics_wide.h, emitting IR.
// So generated code runs the very sequences that the headers run.
#ifndef ROUTE_DIALECT_ROW_TRANSFORMS_IROPS_H
#define ROUTE_DIALECT_ROW_TRANSFORMS_IROPS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace route {

/// Emits f32 and i32 operations on scalars, or on vectors of the shape of
/// `like`; f64 and i64 operations where that is what `like` holds.
class IROps {
public:
  using Value = mlir::Value;
  using F = Value;
  using I = Value;
  using M = Value;

  /// With `avx512`, scaling by a power of two is the hardware's VSCALEF, which
  /// rounds as the two products of the general sequence do.
  IROps(mlir::ImplicitLocOpBuilder &b, mlir::Type like, bool avx512 = false)
      : b(b), avx512(avx512) {
    if (auto shaped = mlir::dyn_cast<mlir::VectorType>(like))
      vector = shaped;
    wide = mlir::getElementTypeOrSelf(like).isF64();
    number = typed(wide ? mlir::Type(b.getF64Type()) : b.getF32Type());
    integer = typed(wide ? b.getI64Type() : b.getI32Type());
  }

  F f(double v) {
    return splat(number, b.getFloatAttr(mlir::getElementTypeOrSelf(number), v));
  }
  I i(int64_t v) {
    return splat(integer,
                 b.getIntegerAttr(mlir::getElementTypeOrSelf(integer), v));
  }
  F add(F x, F y) { return mlir::arith::AddFOp::create(b, x, y); }
  F sub(F x, F y) { return mlir::arith::SubFOp::create(b, x, y); }
  F mul(F x, F y) { return mlir::arith::MulFOp::create(b, x, y); }
  F div(F x, F y) { return mlir::arith::DivFOp::create(b, x, y); }
  F fma(F x, F y, F z) { return mlir::math::FmaOp::create(b, x, y, z); }
  F sqrt(F x) { return mlir::math::SqrtOp::create(b, x); }
  I bits(F x) { return mlir::arith::BitcastOp::create(b, integer, x); }
  F fromBits(I x) { return mlir::arith::BitcastOp::create(b, number, x); }
  I iadd(I x, I y) { return mlir::arith::AddIOp::create(b, x, y); }
  I isub(I x, I y) { return mlir::arith::SubIOp::create(b, x, y); }
  I bitAnd(I x, I y) { return mlir::arith::AndIOp::create(b, x, y); }
  I bitOr(I x, I y) { return mlir::arith::OrIOp::create(b, x, y); }
  I bitXor(I x, I y) { return mlir::arith::XOrIOp::create(b, x, y); }
  I shl(I x, int n) { return mlir::arith::ShLIOp::create(b, x, i(n)); }
  I shrS(I x, int n) { return mlir::arith::ShRSIOp::create(b, x, i(n)); }
  I shrU(I x, int n) { return mlir::arith::ShRUIOp::create(b, x, i(n)); }
  F scaled(F ms, F s2, F m, F n) {
    if (!avx512 || !vector || vector.getRank() != 1 || vector.isScalable() ||
        vector.getNumElements() != 16)
      return mul(ms, s2);
    Value all = mlir::arith::ConstantOp::create(b, b.getI16IntegerAttr(-1));
    Value current = mlir::arith::ConstantOp::create(b, b.getI32IntegerAttr(4));
    return mlir::LLVM::CallIntrinsicOp::create(
               b, number, b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
               mlir::ValueRange{m, n, m, all, current})
        .getResult(0);
  }
  F toFloat(I x) { return mlir::arith::SIToFPOp::create(b, number, x); }
  M lt(F x, F y) {
    return mlir::arith::CmpFOp::create(b, mlir::arith::CmpFPredicate::OLT, x,
                                       y);
  }
  M eq(F x, F y) {
    return mlir::arith::CmpFOp::create(b, mlir::arith::CmpFPredicate::OEQ, x,
                                       y);
  }
  M logicAnd(M x, M y) { return mlir::arith::AndIOp::create(b, x, y); }
  M logicOr(M x, M y) { return mlir::arith::OrIOp::create(b, x, y); }
  M logicNot(M x) {
    Value all = splat(typed(b.getI1Type()), b.getBoolAttr(true));
    return mlir::arith::XOrIOp::create(b, x, all);
  }
  F select(M c, F x, F y) { return mlir::arith::SelectOp::create(b, c, x, y); }
  I selectInt(M c, I x, I y) {
    return mlir::arith::SelectOp::create(b, c, x, y);
  }

  /// `element` in the shape of the values.
  mlir::Type typed(mlir::Type element) {
    return vector ? mlir::Type(mlir::VectorType::get(vector.getShape(), element,
                                                     vector.getScalableDims()))
                  : element;
  }

private:
  Value splat(mlir::Type type, mlir::TypedAttr value) {
    if (auto shaped = mlir::dyn_cast<mlir::VectorType>(type))
      value = mlir::DenseElementsAttr::get(shaped, mlir::Attribute(value));
    return mlir::arith::ConstantOp::create(b, value);
  }

  mlir::ImplicitLocOpBuilder &b;
  bool avx512, wide = false;
  mlir::VectorType vector;
  mlir::Type number, integer;
};

} // namespace route

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_IROPS_H
