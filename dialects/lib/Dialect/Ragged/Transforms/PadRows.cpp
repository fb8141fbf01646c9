// Makes buffers of rows wider where rows would share the sets of a cache.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDPADROWS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {

/// Distances that are a multiple of this fall into one set.
constexpr int64_t aliasingBytes = 4096;
/// One cache line.
constexpr int64_t padBytes = 64;

struct RaggedPadRows : impl::RaggedPadRowsBase<RaggedPadRows> {
  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      if (auto gather = dyn_cast<GatherOp>(op))
        pad(op, gather.getOutMutable());
      if (auto matmul = dyn_cast<MatmulOp>(op))
        if (std::optional<int64_t> columns = pad(op, matmul.getOutMutable()))
          if (matmul.isPacked() && !matmul.getColumns())
            matmul.setColumns(*columns);
    });
  }

  /// Widens `out` and op's result; the width before, or nothing.
  std::optional<int64_t> pad(Operation *op, OpOperand &out) {
    auto empty = out.get().getDefiningOp<tensor::EmptyOp>();
    if (!empty || empty.getType().getRank() != 2 ||
        empty.getType().isDynamicDim(1))
      return std::nullopt;
    RankedTensorType type = empty.getType();
    int64_t width = type.getDimSize(1);
    int64_t bytes = type.getElementTypeBitWidth() / 8;
    auto readsRows = [](OpOperand &use) {
      auto matmul = dyn_cast<MatmulOp>(use.getOwner());
      return matmul && matmul.getRowsMutable().getOperandNumber() ==
                           use.getOperandNumber();
    };
    if (width == 0 || width * bytes % aliasingBytes != 0 ||
        !llvm::all_of(op->getResult(0).getUses(), readsRows))
      return std::nullopt;
    auto wider = RankedTensorType::get(
        {type.getDimSize(0), width + padBytes / bytes}, type.getElementType());
    OpBuilder builder(op);
    out.set(tensor::EmptyOp::create(builder, empty.getLoc(), wider.getShape(),
                                    wider.getElementType(),
                                    empty.getDynamicSizes()));
    op->getResult(0).setType(wider);
    ++numPadded;
    return width;
  }
};

} // namespace
} // namespace route::ragged
