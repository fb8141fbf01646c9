// ragged-gate-precision: products of f32 by what tensor cores multiply.
// Only of products that choices hang on.
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Notice.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDGATEPRECISION
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
bool chooses(Operation *op) {
  auto program = dyn_cast<row::ProgramOp>(op);
  return isa<ChooseOp>(op) || (program && program.getBody()
                                              .walk([](row::ChooseOp) {
                                                return WalkResult::interrupt();
                                              })
                                              .wasInterrupted());
}

/// Whether a row program that chooses reads the result.
bool decides(MatmulOp op) {
  return llvm::any_of(op->getUsers(), [](Operation *user) {
    return isa<row::ProgramOp>(user) && chooses(user);
  });
}

/// Whether a choice hangs on the result with no other product in between.
bool reachesChoice(MatmulOp op) {
  llvm::SetVector<Operation *> behind(op->user_begin(), op->user_end());
  for (size_t i = 0; i < behind.size(); ++i) {
    if (chooses(behind[i]))
      return true;
    if (!isa<MatmulOp>(behind[i]))
      behind.insert(behind[i]->user_begin(), behind[i]->user_end());
  }
  return false;
}

/// Why a product of f32 is not taken apart; empty where it is.
StringRef objectionTo(MatmulOp op) {
  if (op.getOffsets())
    return "its matrices are those of experts";
  if (op.isPacked())
    return "its matrix is packed";
  if (op.getNumSums() != 1)
    return "it is several products in one";
  if (op.getTransposed())
    return "its matrix has a row for each input, and the tensor cores want one "
           "for each result";
  if (op.getInner() % 8 != 0)
    return "its inner size is no multiple of 8";
  if (!decides(op))
    return "no choice that is made item by item reads it directly";
  return "";
}

/// The bf16 tensor that a tensor of f32 holds the numbers of; null without one.
Value narrowOf(Value wide) {
  auto op = wide.getDefiningOp<linalg::GenericOp>();
  if (!op || op.getNumDpsInputs() != 1 || op->getNumResults() != 1 ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return {};
  auto widened = op.getBody()
                     ->getTerminator()
                     ->getOperand(0)
                     .getDefiningOp<arith::ExtFOp>();
  Value narrow = op.getDpsInputs()[0];
  return widened && widened.getIn() == op.getBody()->getArgument(0) &&
                 cast<ShapedType>(narrow.getType()).getElementType().isBF16()
             ? narrow
             : Value();
}

struct GatePrecision : impl::RaggedGatePrecisionBase<GatePrecision> {
  using RaggedGatePrecisionBase::RaggedGatePrecisionBase;

  void runOnOperation() override {
    if (!llvm::is_contained({"f32", "bf16", "split-bf16", "tf32x3"},
                            precision)) {
      getOperation()->emitError(
          "precision is to be f32, bf16, split-bf16 or tf32x3");
      return signalPassFailure();
    }
    if (precision == "f32")
      return;
    SmallVector<MatmulOp> ops;
    llvm::SetVector<Location> told;
    getOperation()->walk([&](MatmulOp op) {
      if (!isa<TensorType>(op.getOut().getType()) ||
          !op.weightType().getElementType().isF32() ||
          !cast<ShapedType>(op.getRows().getType()).getElementType().isF32() ||
          !reachesChoice(op))
        return;
      StringRef why = objectionTo(op);
      if (why.empty())
        ops.push_back(op);
      else if (told.insert(op.getLoc()))
        emitNotice(op.getLoc(), Notice::notOnTensorCores)
            << "this product keeps f32, and is not made in " << precision
            << ": " << why;
    });
    for (MatmulOp op : ops)
      rewrite(op);
    numRewritten += ops.size();
  }

private:
  /// The number next to `x` that has the few bits of the narrow type.
  Value nearest(OpBuilder &b, Location loc, Value x) const {
    if (precision != "tf32x3") {
      Value narrow = arith::TruncFOp::create(b, loc, b.getBF16Type(), x);
      return arith::ExtFOp::create(b, loc, b.getF32Type(), narrow);
    }
    Value bits = arith::BitcastOp::create(b, loc, b.getI32Type(), x);
    Value mask =
        arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(~0x1fff));
    bits = arith::AndIOp::create(b, loc, bits, mask);
    return arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
  }
  /// What is left of `x`; nothing of an infinity, but minus infinity where x
  /// itself is none and its narrow neighbour is.
  Value rest(OpBuilder &b, Location loc, Value x) const {
    Value high = nearest(b, loc, x);
    Value same =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, high, x);
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    return arith::SelectOp::create(b, loc, same, zero,
                                   arith::SubFOp::create(b, loc, x, high));
  }
  Type narrowType(OpBuilder &b) const {
    return precision == "tf32x3" ? Type(b.getF32Type()) : b.getBF16Type();
  }
  enum class Part { High, Low, Both };

  /// The high or low parts of all numbers; of rows [n, K] both, side by side,
  /// as [n, 2K]. With `twice`, each part comes twice in such a row.
  Value partOf(ImplicitLocOpBuilder &b, Value from, Part part, bool twice) {
    auto type = cast<RankedTensorType>(from.getType());
    int64_t rank = type.getRank();
    bool doubled = twice || part == Part::Both;
    SmallVector<int64_t> shape(type.getShape());
    SmallVector<AffineExpr> in;
    int64_t loops = rank + doubled;
    for (int64_t d = 0; d < rank; ++d)
      in.push_back(b.getAffineDimExpr(d + 1 == rank ? loops - 1 : d));
    if (doubled)
      shape.insert(shape.end() - 1, 2);
    SmallVector<Value> dynamic;
    for (int64_t d = 0; d < rank; ++d)
      if (type.isDynamicDim(d))
        dynamic.push_back(tensor::DimOp::create(b, from, d));
    Type narrow = narrowType(b);
    Value empty = tensor::EmptyOp::create(b, shape, narrow, dynamic);
    SmallVector<AffineMap> maps{AffineMap::get(loops, 0, in, b.getContext()),
                                b.getMultiDimIdentityMap(loops)};
    SmallVector<utils::IteratorType> kinds(loops,
                                           utils::IteratorType::parallel);
    Value made =
        linalg::GenericOp::create(
            b, empty.getType(), from, empty, maps, kinds,
            [&](OpBuilder &inside, Location loc, ValueRange arguments) {
              Value x = arguments[0], y;
              if (part == Part::Both) {
                Value which = linalg::IndexOp::create(inside, loc, loops - 2);
                Value first = arith::CmpIOp::create(
                    inside, loc, arith::CmpIPredicate::eq, which,
                    arith::ConstantIndexOp::create(inside, loc, 0));
                y = arith::SelectOp::create(inside, loc, first,
                                            nearest(inside, loc, x),
                                            rest(inside, loc, x));
              } else {
                y = part == Part::High ? nearest(inside, loc, x)
                                       : rest(inside, loc, x);
              }
              if (narrow != x.getType())
                y = arith::TruncFOp::create(inside, loc, narrow, y);
              linalg::YieldOp::create(inside, loc, y);
            })
            .getResult(0);
    if (!doubled)
      return made;
    SmallVector<ReassociationIndices> groups;
    for (int64_t d = 0; d < rank; ++d)
      groups.push_back({d});
    groups.back().push_back(rank);
    return tensor::CollapseShapeOp::create(b, made, groups);
  }

  void rewrite(MatmulOp op) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    Value rows = op.getRows(), weight = op.getWeights().front();
    // Rows that were bf16 have no low parts.
    Value narrow = narrowOf(rows);
    bool split = precision != "bf16", twice = split && !narrow;
    if (twice)
      rows = partOf(b, rows, Part::Both, false);
    else if (!narrow || precision == "bf16")
      rows = narrow ? narrow : partOf(b, rows, Part::High, false);
    else if (precision == "split-bf16")
      rows = narrow;
    SmallVector<Value> weights{partOf(b, weight, Part::High, twice)};
    if (split)
      weights.push_back(partOf(b, weight, Part::Low, twice));
    op.getRowsMutable().assign(rows);
    op.getWeightsMutable().assign(weights);
    if (precision == "tf32x3")
      op->setAttr(kTf32Attr, b.getUnitAttr());
    if (!split)
      return;
    // Large terms first.
    Block &body = op.getEpilogue().front();
    BlockArgument high = body.getArgument(0);
    BlockArgument low = body.insertArgument(1, b.getF32Type(), op.getLoc());
    b.setInsertionPointToStart(&body);
    auto sum = arith::AddFOp::create(b, high, low);
    high.replaceAllUsesExcept(sum, sum);
  }
};
} // namespace
} // namespace route::ragged
