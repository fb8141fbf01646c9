// route-move-bf16: what moves or widens bf16 values works on 16-bit integers.
//
// Where the processor has no registers for bf16, LLVM widens and narrows such
// values around selects, gathers and element accesses, by a function of a
// support library that ours does not link.
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "route/Target/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEMOVEBF16
#include "route/Target/Passes.h.inc"
} // namespace route

using namespace mlir;

/// The integer type that holds the bits of bf16 values of `type`, or null.
static Type bitsOf(Type type) {
  if (type.isBF16())
    return IntegerType::get(type.getContext(), 16);
  auto vector = dyn_cast<VectorType>(type);
  if (vector && vector.getElementType().isBF16())
    return VectorType::get(vector.getShape(),
                           IntegerType::get(type.getContext(), 16));
  return {};
}

/// `value`'s bits, without a detour if it was made from them.
static Value bitsFrom(OpBuilder &b, Location loc, Value value) {
  Type bits = bitsOf(value.getType());
  if (auto cast = value.getDefiningOp<LLVM::BitcastOp>();
      cast && cast.getArg().getType() == bits)
    return cast.getArg();
  return LLVM::BitcastOp::create(b, loc, bits, value);
}

/// The bits of a bf16 are the upper half of those of the f32.
static void widenBits(LLVM::FPExtOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Type wide = op.getType(), integers = b.getI32Type();
  Attribute sixteen = b.getI32IntegerAttr(16);
  if (auto vector = dyn_cast<VectorType>(wide)) {
    integers = vector.clone(integers);
    sixteen = DenseElementsAttr::get(cast<ShapedType>(integers), sixteen);
  }
  Value bits = bitsFrom(b, loc, op.getArg());
  Value upper =
      LLVM::ShlOp::create(b, loc, LLVM::ZExtOp::create(b, loc, integers, bits),
                          LLVM::ConstantOp::create(b, loc, integers, sixteen));
  op.replaceAllUsesWith(
      LLVM::BitcastOp::create(b, loc, wide, upper).getResult());
  op.erase();
}

namespace {
struct MoveBf16 : route::impl::RouteMoveBf16Base<MoveBf16> {
  void runOnOperation() override {
    SmallVector<Operation *> moves;
    SmallVector<LLVM::FPExtOp> widenings;
    getOperation()->walk([&](Operation *op) {
      if (auto widen = dyn_cast<LLVM::FPExtOp>(op);
          widen && bitsOf(widen.getArg().getType()) &&
          getElementTypeOrSelf(widen.getType()).isF32())
        widenings.push_back(widen);
      if (isa<LLVM::BitcastOp, LLVM::SelectOp, LLVM::masked_gather,
              LLVM::masked_scatter, LLVM::MaskedLoadOp, LLVM::MaskedStoreOp,
              LLVM::InsertElementOp, LLVM::ExtractElementOp,
              LLVM::ShuffleVectorOp, LLVM::LoadOp, LLVM::StoreOp>(op) &&
          (llvm::any_of(op->getOperandTypes(), bitsOf) ||
           llvm::any_of(op->getResultTypes(), bitsOf)))
        moves.push_back(op);
    });
    for (Operation *op : moves) {
      OpBuilder b(op);
      for (OpOperand &operand : op->getOpOperands())
        if (bitsOf(operand.get().getType()))
          operand.set(bitsFrom(b, op->getLoc(), operand.get()));
      b.setInsertionPointAfter(op);
      if (isa<LLVM::BitcastOp>(op))
        continue;
      for (OpResult result : op->getResults())
        if (Type type = result.getType(), bits = bitsOf(type); bits) {
          result.setType(bits);
          auto back = LLVM::BitcastOp::create(b, op->getLoc(), type, result);
          result.replaceAllUsesExcept(back, back);
        }
    }
    for (LLVM::FPExtOp widening : widenings)
      widenBits(widening);
    // Nothing holds a bf16 any longer but what calls and blocks hand on.
    getOperation()->walk([](LLVM::BitcastOp op) {
      if (op.use_empty() && bitsOf(op.getType()))
        op.erase();
    });
  }
};
} // namespace
