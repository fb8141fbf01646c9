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
#include "mlir/Dialect/Linalg/IR/Linalg.h"
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
    // Dense products last: they may share kernels of products over experts.
    std::vector<Planned> planned(ops.size());
    for (bool dense : {false, true}) {
      for (auto [i, op] : llvm::enumerate(ops))
        if (!op.getOffsets() == dense && failed(plan(op, planned, planned[i])))
          return signalPassFailure();
      if (!dense)
        for (Planned &product : planned)
          if (product.op && product.op->hasAttr(kAwaitsAttr))
            overlap(product, planned);
    }
    for (Planned &product : planned)
      if (product.op)
        lower(product);
  }

private:
  struct Planned {
    MatmulOp op; ///< null where it is not for tensor cores
    GatherOp gather;
    TilePlan plan;
    Value taken; ///< tiles of experts; null where it is yet to be made
    Value told;  ///< rows of experts, told of or awaited; null where none are
    Value countsOfRow;         ///< how often each row is told of; an index
    Planned *reader = nullptr; ///< which awaits this one's
  };

  static std::string reasonOf(MatmulOp op) {
    std::string reason = WgmmaTiles::objectionTo(op);
    return reason.empty() ? "its tiles do not fit shared memory and registers"
                          : reason;
  }
  /// Which forms `op` gets, beside products that have theirs already.
  LogicalResult plan(MatmulOp op, MutableArrayRef<Planned> others,
                     Planned &result) {
    PlanOptions options;
    options.tokens = tokens;
    options.splits = splits;
    options.fewRows = fewRows;
    auto share = [&](llvm::function_ref<void(WgmmaTiles &)> use) {
      if (!getOperation()->hasAttr(kTunableAttr))
        for (Planned &other : others)
          if (other.op && !other.gather && canShareKernel(other.op, op))
            for (ProductForm &form : other.plan.forms)
              if (form.tiles)
                use(*form.tiles);
    };
    share([&](WgmmaTiles &tiles) { options.offered.push_back(tiles); });
    std::string problem;
    FailureOr<TilePlan> plan = planTiles(getOperation(), op, options, problem);
    if (failed(plan)) {
      if (!problem.empty()) {
        emitNotice(op.getLoc(), Notice::badTuning) << problem;
        return failure();
      }
      if (WgmmaTiles::isCandidate(op, splits) &&
          told.insert(op.getLoc()).second)
        emitNotice(op.getLoc(), Notice::notOnTensorCores)
            << "this product does not run on tensor cores: " << reasonOf(op);
      return success();
    }
    result.op = op;
    result.plan = std::move(*plan);
    bool allHaveTiles = llvm::all_of(
        llvm::concat<ProductForm>(result.plan.forms, result.plan.others),
        [](const ProductForm &form) { return form.tiles.has_value(); });
    if (op->hasAttr(kGathersAttr) && allHaveTiles)
      result.gather = gatherOf(op);
    // Two blocks cannot share copies of rows, and wait for each other's.
    if (result.gather)
      for (ProductForm &form :
           llvm::concat<ProductForm>(result.plan.forms, result.plan.others))
        form.tiles->pairs = false;
    for (const ProductForm &form : result.plan.forms)
      if (form.tiles && form.tiles->alsoDense)
        share([&](WgmmaTiles &tiles) {
          tiles.alsoDense |= tiles.experts == form.tiles->experts &&
                             tiles.tokens == form.tiles->tokens &&
                             tiles.columns() == form.tiles->columns();
        });
    return success();
  }

  /// Lets `product` await experts of the product that makes its rows.
  void overlap(Planned &product, MutableArrayRef<Planned> all) {
    MatmulOp ahead = awaitedBy(product.op);
    auto *maker = llvm::find_if(
        all, [&](Planned &each) { return each.op && each.op == ahead; });
    if (maker == all.end() || maker->told || product.gather)
      return;
    for (ProductForm &form :
         llvm::concat<ProductForm>(maker->plan.forms, maker->plan.others))
      if (form.tiles)
        form.tiles->tells = true;
    for (ProductForm &form :
         llvm::concat<ProductForm>(product.plan.forms, product.plan.others))
      if (form.tiles)
        form.tiles->awaits = true;
    // Nothing runs between the two, nor what clears counters.
    ImplicitLocOpBuilder b(ahead.getLoc(), ahead);
    product.taken = zeros(b, 1);
    maker->told = product.told = zeros(b, ahead.getExperts());
    maker->reader = &product;
    ++numOverlapped;
  }

  /// How often the form of `op` that is chosen counts each row for `reader`; 0
  /// where it does not, or where an expert has, on the mean, too many.
  static Value countsOfRow(ImplicitLocOpBuilder &b, MatmulOp op,
                           MatmulOp reader, ArrayRef<ProductForm> forms,
                           Choice &choice, Value rows) {
    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantIndexOp::create(b, v);
    };
    auto countsOf = [&](const ProductForm &form) {
      return constant(form.tiles ? form.tiles->tellings(op.getOutputs()) : 0);
    };
    Value counts = countsOf(forms.back());
    for (size_t i = forms.size() - 1; i-- > 0;)
      counts = arith::SelectOp::create(b, choice.takes(b, i),
                                       countsOf(forms[i]), counts);
    int64_t bytes = reader.weightType().getElementTypeBitWidth() / 8;
    int64_t most =
        std::min(kOverlapRows, kOverlapBytes / (bytes * reader.getInner()));
    Value few = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, rows,
                                      constant(most * op.getExperts()));
    return arith::SelectOp::create(b, few, counts, constant(0));
  }

  void lower(Planned &planned) {
    MatmulOp op = planned.op;
    ++numMatmuls;

    ImplicitLocOpBuilder b(op.getLoc(), op);
    Value rows = memref::DimOp::create(b, op.getOut(), 0);
    SmallVector<ProductForm> forms = std::move(planned.plan.forms);
    llvm::append_range(forms, planned.plan.others);
    SmallVector<FormLimit> limits;
    for (const ProductForm &form : forms)
      limits.push_back({form.name(), form.rows});
    // Tiles of experts take longer or shorter; those of one matrix do not.
    if (op.getOffsets() && !planned.taken)
      planned.taken = zeros(b, 1);
    Choice choice(b, shapeOf(op.weightType(), op), limits, rows);
    if (planned.reader)
      planned.countsOfRow = planned.reader->countsOfRow =
          countsOfRow(b, op, planned.reader->op, forms, choice, rows);
    bool keeps = false;
    for (auto [i, form] : llvm::enumerate(forms)) {
      if (i + 1 < forms.size()) {
        auto either =
            scf::IfOp::create(b, choice.takes(b, i), /*withElse=*/true);
        b.setInsertionPoint(either.thenBlock()->getTerminator());
        emit(b, planned, form, rows, keeps);
        b.setInsertionPoint(either.elseBlock()->getTerminator());
      } else {
        emit(b, planned, form, rows, keeps);
      }
    }
    if (keeps)
      return;
    op->erase();
    if (planned.gather)
      planned.gather->erase();
  }

  /// Counters from zero. ragged-fuse-order has them cleared by a kernel that
  /// there is anyway.
  static Value zeros(ImplicitLocOpBuilder &b, int64_t size) {
    Value buffer = memref::AllocOp::create(
        b, MemRefType::get({size}, b.getI32Type()), b.getI64IntegerAttr(64));
    Value none = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
    linalg::FillOp::create(b, none, buffer);
    return buffer;
  }

  /// Emits one form at the builder's place.
  void emit(ImplicitLocOpBuilder &b, const Planned &planned,
            const ProductForm &form, Value rows, bool &keeps) {
    if (form.tiles)
      return launch(b, planned, *form.tiles, rows);
    Operation *op = planned.op;
    op->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
    op->setAttr(kFewAttr, b.getUnitAttr());
    keeps = true;
  }

  void launch(ImplicitLocOpBuilder &b, const Planned &planned,
              const WgmmaTiles &tiles, Value rows) {
    MatmulOp op = planned.op;
    GatherOp gather = planned.gather;
    auto parent = op->getParentOfType<FunctionOpInterface>();
    std::string stem =
        ((parent ? parent.getName() : "ragged") + "_wgmma").str();
    LLVM::LLVMFuncOp kernel =
        emitWgmmaKernel(getOperation(), op, tiles, stem, gather);

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
    if (op.getOffsets()) {
      operands.append({op.getOffsets(), planned.taken});
      if (tiles.countsRows())
        operands.push_back(planned.told);
    } else if (tiles.alsoDense) {
      Value none =
          memref::AllocOp::create(b, MemRefType::get({0}, b.getI32Type()));
      operands.append(tiles.countsRows() ? 3 : 2, none);
    }
    llvm::append_range(operands, op.getPerExpert());
    llvm::append_range(operands, op.getPerRow());
    operands.push_back(op.getOut());
    if (tiles.countsRows())
      operands.push_back(planned.countsOfRow ? planned.countsOfRow
                                             : constant(0));

    if (tiles.splits > 1)
      launchShares(b, op, tiles, stem, rows, operands);
    // No more tiles than this; the blocks that fit the device share them out.
    Value tilesOfRows = arith::AddIOp::create(
        b, arith::CeilDivUIOp::create(b, rows, constant(tiles.step())),
        constant(op.getOffsets() ? tiles.experts : 1));
    int64_t across = llvm::divideCeil(op.getOutputs(), tiles.outputs());
    launchKernel(b, kernel,
                 arith::MulIOp::create(b, tilesOfRows, constant(across)),
                 operands);
  }

  /// Launches the kernel whose blocks have a share of K each, for few rows; `b`
  /// then stands where it is for others.
  void launchShares(ImplicitLocOpBuilder &b, MatmulOp op,
                    const WgmmaTiles &whole, StringRef stem, Value rows,
                    ArrayRef<Value> operands) {
    WgmmaTiles tiles =
        whole.areMany ? whole.spreadOut(op.getInner()) : whole.inCluster();
    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantIndexOp::create(b, v);
    };
    // A block for each share, as long as that is sooner done than all shares by
    // one: what else it takes is worth so many steps along K.
    int64_t start = tiles.spread ? 7 : 20, own = tiles.depthOf(op.getInner());
    int64_t steps = llvm::divideCeil(op.getInner(), tiles.depth);
    int64_t rounds = std::max<int64_t>(1, steps / (own + start));
    int64_t blocks =
        tiles.splits * llvm::divideCeil(op.getOutputs(), tiles.outputs());
    int64_t most =
        std::max<int64_t>(1, rounds * kProcessors / blocks) * tiles.step();
    int64_t sumsOfRow = tiles.splits * tiles.weights * op.getOutputs();
    if (tiles.spread)
      most = std::min(most, kSumsBytes / (4 * sumsOfRow));
    Value few = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, rows,
                                      constant(most));
    Value sums;
    if (tiles.spread)
      sums = memref::AllocOp::create(
          b, MemRefType::get({ShapedType::kDynamic, sumsOfRow}, b.getF32Type()),
          arith::MinUIOp::create(b, rows, constant(most)).getResult(),
          b.getI64IntegerAttr(64));
    LLVM::LLVMFuncOp kernel =
        emitWgmmaKernel(getOperation(), op, tiles, stem, GatherOp(), sums);
    auto forms = scf::IfOp::create(b, few, /*withElse=*/true);
    b.setInsertionPointToStart(forms.thenBlock());
    Value isSmall = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, rows,
                                          constant(tiles.fewRows(blocks)));
    Value step = arith::SelectOp::create(b, isSmall, constant(tiles.fewStep()),
                                         constant(tiles.step()));
    Value tilesOfRows = arith::CeilDivUIOp::create(b, rows, step);
    if (tiles.pairedShares)
      tilesOfRows = arith::MulIOp::create(
          b, arith::CeilDivUIOp::create(b, tilesOfRows, constant(2)),
          constant(2));
    Value grid = arith::MulIOp::create(b, tilesOfRows, constant(blocks));
    if (tiles.spread) {
      // The weights and the rows, which have two maps; then what is left.
      SmallVector<Value> first(operands.take_front(op.getWeights().size() + 2)),
          second{sums};
      first.push_back(sums);
      llvm::append_range(second, op.getPerExpert());
      llvm::append_range(second, op.getPerRow());
      second.push_back(op.getOut());
      launchKernel(b, kernel, grid, first);
      LLVM::LLVMFuncOp addition =
          emitAdditionKernel(getOperation(), op, tiles, stem, sums);
      launchKernel(b, addition, rows, second);
    } else {
      launchKernel(b, kernel, grid, operands);
    }
    b.setInsertionPointToStart(forms.elseBlock());
  }

  /// Memory for the sums of shares, at most: they are to stay in the
  /// second-level cache.
  static constexpr int64_t kSumsBytes = 40 << 20;

  /// Rows of an expert up to which products overlap: what is gained is part of
  /// a round of tiles, and blocks that come one by one fall out of step, so
  /// that the rows, all along K, had better stay in the second-level cache.
  static constexpr int64_t kOverlapRows = 512, kOverlapBytes = 4 << 20;

  llvm::DenseSet<Location> told; ///< places of warnings
};
} // namespace
} // namespace route::ragged
