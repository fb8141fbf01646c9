// convert-ragged-to-wgmma: grouped matmuls on Hopper's tensor cores.
#include "KernelBody.h"
#include "TilePlan.h"
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Notice.h"

// Some of these are for the pass's dependentDialects.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_CONVERTRAGGEDTOWGMMA
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
struct ConvertRaggedToWgmma
    : impl::ConvertRaggedToWgmmaBase<ConvertRaggedToWgmma> {
  using ConvertRaggedToWgmmaBase::ConvertRaggedToWgmmaBase;

  void runOnOperation() override {
    if (tokens && (tokens < 16 || tokens > 256 || tokens % 16)) {
      getOperation().emitError("tokens is to be a multiple of 16 up to 256");
      return signalPassFailure();
    }
    if (!llvm::is_contained({1, 2, 4, 8}, splits)) {
      getOperation().emitError("splits is to be 1, 2, 4 or 8");
      return signalPassFailure();
    }
    SmallVector<MatmulOp> ops;
    for (Operation &function : *getOperation().getBody())
      if (!isa<gpu::GPUModuleOp>(function))
        function.walk([&](MatmulOp op) {
          if (isa<MemRefType>(op.getOut().getType()))
            ops.push_back(op);
        });
    told.clear();
    for (MatmulOp op : ops)
      lower(op);
  }

private:
  static std::string reasonOf(MatmulOp op) {
    std::string reason = WgmmaTiles::objectionTo(op);
    return reason.empty() ? "its tiles do not fit shared memory and registers"
                          : reason;
  }
  void lower(MatmulOp op) {
    PlanOptions options;
    options.tokens = tokens;
    options.splits = splits;
    options.fewRows = fewRows;
    std::string problem;
    FailureOr<TilePlan> plan = planTiles(getOperation(), op, options, problem);
    if (failed(plan)) {
      if (!problem.empty()) {
        emitNotice(op.getLoc(), Notice::badTuning) << problem;
        return signalPassFailure();
      }
      if (WgmmaTiles::isCandidate(op, splits) &&
          told.insert(op.getLoc()).second)
        emitNotice(op.getLoc(), Notice::notOnTensorCores)
            << "this product does not run on tensor cores: " << reasonOf(op);
      return;
    }
    ++numMatmuls;

    ImplicitLocOpBuilder b(op.getLoc(), op);
    Value rows = memref::DimOp::create(b, op.getOut(), 0);
    SmallVector<ProductForm> forms = std::move(plan->forms);
    llvm::append_range(forms, plan->others);
    SmallVector<FormLimit> limits;
    for (const ProductForm &form : forms)
      limits.push_back({form.name(), form.rows});
    bool allHaveTiles = llvm::all_of(
        forms, [](const ProductForm &form) { return form.tiles.has_value(); });
    GatherOp gather =
        op->hasAttr(kGathersAttr) && allHaveTiles ? gatherOf(op) : GatherOp();
    Choice choice(b, shapeOf(op.weightType(), op), limits, rows);
    bool keeps = false;
    for (auto [i, form] : llvm::enumerate(forms)) {
      if (i + 1 < forms.size()) {
        auto either =
            scf::IfOp::create(b, choice.takes(b, i), /*withElse=*/true);
        b.setInsertionPoint(either.thenBlock()->getTerminator());
        emit(b, op, gather, form, rows, keeps);
        b.setInsertionPoint(either.elseBlock()->getTerminator());
      } else {
        emit(b, op, gather, form, rows, keeps);
      }
    }
    if (keeps)
      return;
    op->erase();
    if (gather)
      gather->erase();
  }

  /// Emits one form at the builder's place.
  void emit(ImplicitLocOpBuilder &b, MatmulOp op, GatherOp gather,
            const ProductForm &form, Value rows, bool &keeps) {
    if (form.tiles)
      return launch(b, op, gather, *form.tiles, rows);
    op->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
    keeps = true;
  }

  void launch(ImplicitLocOpBuilder &b, MatmulOp op, GatherOp gather,
              const WgmmaTiles &tiles, Value rows) {
    auto parent = op->getParentOfType<FunctionOpInterface>();
    std::string stem =
        ((parent ? parent.getName() : "ragged") + "_wgmma").str();
    LLVM::LLVMFuncOp kernel =
        emitWgmmaKernel(getOperation(), op, tiles, stem, gather);
    LLVM::LLVMFuncOp clustered;
    WgmmaTiles inCluster = tiles.inCluster();
    if (tiles.splits > 1)
      clustered = emitWgmmaKernel(getOperation(), op, inCluster, stem);

    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantIndexOp::create(b, v);
    };
    // What lies beyond K in wider rows is not to be multiplied by zero.
    Value matrix = op.getRows();
    if (!gather &&
        cast<MemRefType>(matrix.getType()).getDimSize(1) != op.getInner())
      matrix = memref::SubViewOp::create(
          b, matrix,
          ArrayRef<OpFoldResult>{b.getIndexAttr(0), b.getIndexAttr(0)},
          ArrayRef<OpFoldResult>{rows, b.getIndexAttr(op.getInner())},
          ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
    SmallVector<Value> operands(op.getWeights());
    if (gather)
      operands.append({gather.getX(), gather.getPerm()});
    else
      operands.append(2, matrix);
    if (op.getOffsets())
      operands.push_back(op.getOffsets());
    llvm::append_range(operands, op.getPerExpert());
    llvm::append_range(operands, op.getPerRow());
    operands.push_back(op.getOut());

    // No more tiles than this; the blocks that fit the device share them out.
    int64_t across = llvm::divideCeil(op.getOutputs(), tiles.outputs());
    auto tilesOf = [&](int64_t step, int64_t each) -> Value {
      Value tilesOfRows = arith::AddIOp::create(
          b, arith::CeilDivUIOp::create(b, rows, constant(step)),
          constant(tiles.experts));
      return arith::MulIOp::create(b, tilesOfRows, constant(each));
    };
    if (clustered) {
      // A block for each share, as long as that is sooner done: starting a
      // cluster and adding up cost about as much as 20 steps along K.
      constexpr int64_t start = 20;
      int64_t steps = llvm::divideCeil(op.getInner(), tiles.depth);
      int64_t rounds =
          std::max<int64_t>(1, steps / (tiles.depthOf(op.getInner()) + start));
      int64_t most = rounds * kProcessors / (tiles.splits * across);
      Value few = arith::CmpIOp::create(
          b, arith::CmpIPredicate::ule, rows,
          constant(std::max<int64_t>(1, most) * inCluster.step()));
      auto forms = scf::IfOp::create(b, few, /*withElse=*/true);
      b.setInsertionPointToStart(forms.thenBlock());
      int64_t blocks = across * tiles.splits;
      Value isSmall =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ule, rows,
                                constant(inCluster.fewRows(blocks)));
      launchKernel(b, clustered,
                   arith::SelectOp::create(b, isSmall,
                                           tilesOf(inCluster.fewStep(), blocks),
                                           tilesOf(inCluster.step(), blocks)),
                   operands);
      b.setInsertionPointToStart(forms.elseBlock());
    }
    launchKernel(b, kernel, tilesOf(tiles.step(), across), operands);
  }

  llvm::DenseSet<Location> told; ///< places of warnings
};
} // namespace
} // namespace route::ragged
