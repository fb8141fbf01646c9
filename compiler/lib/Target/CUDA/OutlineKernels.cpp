// route-outline-kernels: linalg and copies on buffers become kernels.
// There is a thread for each element of the result.
#include "KernelArguments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Kernels/Kernels.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEOUTLINEKERNELS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// Emits the kernel of one operation.
class Outliner {
public:
  Outliner(ModuleOp module, linalg::GenericOp op) : module(module), op(op) {}

  LogicalResult run() {
    // Buffers and scalars that the kernel needs; constants come along.
    llvm::SetVector<Value> captured(llvm::from_range, op->getOperands());
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    SmallVector<Value> constants;
    SmallVector<Value> operands;
    for (Value v : captured)
      (isa_and_nonnull<arith::ConstantOp, memref::GetGlobalOp>(
           v.getDefiningOp())
           ? constants
           : operands)
          .push_back(v);
    std::string stem = "elements";
    if (auto parent = op->getParentOfType<func::FuncOp>())
      stem = parent.getSymName().str();
    gpu::GPUFuncOp kernel = createKernel(module, op.getLoc(), stem,
                                         ValueRange(operands).getTypes(), 256);
    IRMapping mapping;
    mapping.map(operands, kernel.getBody().front().getArguments());
    ImplicitLocOpBuilder b(op.getLoc(),
                           kernel.getBody().front().getTerminator());
    for (Value v : constants) {
      if (auto table = v.getDefiningOp<memref::GetGlobalOp>())
        copyTable(module, table);
      b.clone(*v.getDefiningOp(), mapping);
    }
    if (failed(emit(b, kernel, mapping)))
      return failure();

    ImplicitLocOpBuilder host(op.getLoc(), op);
    IRMapping same;
    Value count = countOf(host, same);
    launchKernel(host, kernel, gridFor(host, kernel, count), operands);
    op.erase();
    return success();
  }

private:
  /// The sizes of the loops.
  SmallVector<Value> bounds(ImplicitLocOpBuilder &b, IRMapping &mapping) {
    SmallVector<Value> result(op.getNumLoops());
    SmallVector<int64_t> known = op.getStaticLoopRanges();
    for (OpOperand &operand : op->getOpOperands()) {
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [i, e] : llvm::enumerate(map.getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(e);
        if (!dim || result[dim.getPosition()])
          continue;
        int64_t size = known[dim.getPosition()];
        result[dim.getPosition()] =
            ShapedType::isDynamic(size)
                ? b.createOrFold<memref::DimOp>(
                      mapping.lookupOrDefault(operand.get()), i)
                : arith::ConstantIndexOp::create(b, size).getResult();
      }
    }
    return result;
  }

  SmallVector<unsigned> loops(utils::IteratorType kind) {
    SmallVector<unsigned> result;
    for (auto [d, each] : llvm::enumerate(op.getIteratorTypesArray()))
      if (each == kind)
        result.push_back(d);
    return result;
  }

  /// How many elements the result has.
  Value countOf(ImplicitLocOpBuilder &b, IRMapping &mapping) {
    SmallVector<Value> sizes = bounds(b, mapping);
    Value count = arith::ConstantIndexOp::create(b, 1);
    for (unsigned d : loops(utils::IteratorType::parallel))
      count = arith::MulIOp::create(b, count, sizes[d]);
    return count;
  }

  /// One element of the result, being emitted.
  struct Element {
    ImplicitLocOpBuilder &b;
    IRMapping &mapping;      ///< from the host's values to the kernel's
    ArrayRef<Value> sizes;   ///< of the loops
    SmallVector<Value> at{}; ///< where in the loops
  };

  LogicalResult emit(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                     IRMapping &mapping) {
    for (AffineMap map : op.getIndexingMapsArray())
      for (AffineExpr e : map.getResults())
        if (!isa<AffineDimExpr, AffineConstantExpr>(e))
          return op.emitError("kernels index by dimensions and constants only");
    SmallVector<Value> sizes = bounds(b, mapping);
    if (llvm::is_contained(sizes, Value()))
      return op.emitError("a loop whose bound no operand gives");
    Value count = countOf(b, mapping);
    forEachThread(b, kernel, count, [&](Value flat) {
      Element element{b, mapping, sizes};
      findPlace(element, flat);
      SmallVector<Value> results = reduce(element, 0, startOf(element));
      for (auto [init, x] : llvm::zip_equal(op.getDpsInitsMutable(), results))
        memref::StoreOp::create(b, x, mapping.lookupOrDefault(init.get()),
                                place(element, init));
    });
    return success();
  }

  void findPlace(Element &element, Value flat) {
    ImplicitLocOpBuilder &b = element.b;
    element.at.resize(op.getNumLoops());
    SmallVector<unsigned> outer = loops(utils::IteratorType::parallel);
    for (unsigned i = outer.size(); i-- > 0;) {
      if (i == 0) {
        element.at[outer[i]] = flat;
        continue;
      }
      Value size = element.sizes[outer[i]];
      element.at[outer[i]] = arith::RemUIOp::create(b, flat, size);
      flat = arith::DivUIOp::create(b, flat, size);
    }
  }

  /// Where an operand is read or written.
  SmallVector<Value> place(Element &element, OpOperand &operand) {
    SmallVector<Value> result;
    for (AffineExpr e : op.getMatchingIndexingMap(&operand).getResults()) {
      if (auto dim = dyn_cast<AffineDimExpr>(e))
        result.push_back(element.at[dim.getPosition()]);
      else
        result.push_back(arith::ConstantIndexOp::create(
            element.b, cast<AffineConstantExpr>(e).getValue()));
    }
    return result;
  }

  Value read(Element &element, OpOperand &operand) {
    Value v = element.mapping.lookupOrDefault(operand.get());
    if (!isa<MemRefType>(v.getType()))
      return v;
    return memref::LoadOp::create(element.b, v, place(element, operand));
  }

  /// What reductions start from. Results that are not read need no load.
  SmallVector<Value> startOf(Element &element) {
    SmallVector<Value> accumulators;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      Type type = cast<MemRefType>(init.get().getType()).getElementType();
      accumulators.push_back(op.payloadUsesValueFromOperand(&init)
                                 ? read(element, init)
                                 : arith::ConstantOp::create(
                                       element.b, element.b.getZeroAttr(type))
                                       .getResult());
    }
    return accumulators;
  }

  /// The reductions from that of number `level` on, one within the other.
  SmallVector<Value> reduce(Element &element, unsigned level,
                            ArrayRef<Value> accumulators) {
    SmallVector<unsigned> inner = loops(utils::IteratorType::reduction);
    if (level == inner.size())
      return payload(element, accumulators);
    ImplicitLocOpBuilder &b = element.b;
    auto loop = scf::ForOp::create(
        b, arith::ConstantIndexOp::create(b, 0), element.sizes[inner[level]],
        arith::ConstantIndexOp::create(b, 1), accumulators);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    element.at[inner[level]] = loop.getInductionVar();
    scf::YieldOp::create(b,
                         reduce(element, level + 1,
                                SmallVector<Value>(loop.getRegionIterArgs())));
    return SmallVector<Value>(loop.getResults());
  }

  SmallVector<Value> payload(Element &element, ArrayRef<Value> accumulators) {
    IRMapping body = element.mapping;
    for (OpOperand *input : op.getDpsInputOperands())
      body.map(op.getMatchingBlockArgument(input), read(element, *input));
    body.map(op.getRegionOutputArgs(), accumulators);
    for (Operation &each : op.getBody()->without_terminator()) {
      if (auto position = dyn_cast<linalg::IndexOp>(&each))
        body.map(position.getResult(), element.at[position.getDim()]);
      else
        element.b.clone(each, body);
    }
    return llvm::map_to_vector(
        op.getBody()->getTerminator()->getOperands(),
        [&](Value v) { return body.lookupOrDefault(v); });
  }

  ModuleOp module;
  linalg::GenericOp op;
};

struct OutlineKernels : route::impl::RouteOutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      copyTables(function);
      SmallVector<Operation *> found;
      function.walk([&](Operation *op) {
        if (isa<linalg::LinalgOp, memref::CopyOp>(op))
          found.push_back(op);
      });
      for (Operation *op : found) {
        rewriter.setInsertionPoint(op);
        linalg::GenericOp generic;
        if (auto copy = dyn_cast<memref::CopyOp>(op)) {
          generic = linalg::makeMemRefCopyOp(
              rewriter, copy.getLoc(), copy.getSource(), copy.getTarget());
          rewriter.eraseOp(copy);
        } else if (!(generic = dyn_cast<linalg::GenericOp>(op))) {
          auto made =
              linalg::generalizeNamedOp(rewriter, cast<linalg::LinalgOp>(op));
          if (failed(made)) {
            op->emitError("has no kernel");
            return signalPassFailure();
          }
          generic = *made;
        }
        if (failed(Outliner(getOperation(), generic).run()))
          return signalPassFailure();
        ++numKernels;
      }
    }
  }

private:
  /// Kernels made before read tables of constants in the memory of the device.
  static void copyTables(func::FuncOp function) {
    SmallVector<memref::GetGlobalOp> tables;
    function.walk([&](memref::GetGlobalOp op) {
      if (llvm::any_of(op->getUsers(), [](Operation *user) {
            return isa<gpu::LaunchFuncOp>(user);
          }))
        tables.push_back(op);
    });
    for (memref::GetGlobalOp table : tables) {
      OpBuilder b(table->getContext());
      b.setInsertionPointAfter(table);
      Value copy = memref::AllocOp::create(b, table.getLoc(), table.getType(),
                                           b.getI64IntegerAttr(64));
      table.getResult().replaceUsesWithIf(copy, [](OpOperand &use) {
        return isa<gpu::LaunchFuncOp>(use.getOwner());
      });
      memref::CopyOp::create(b, table.getLoc(), table, copy);
    }
  }
};
} // namespace
