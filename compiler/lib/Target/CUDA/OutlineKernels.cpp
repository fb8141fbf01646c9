// route-outline-kernels: linalg and copies on buffers become kernels.
// There is a thread for each element of the result, or a block where many
// inputs meet in one and their order does not matter.
#include "KernelArguments.h"
#include "mlir/Analysis/SliceAnalysis.h"
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
#include "route/Notice.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEOUTLINEKERNELS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Threads of a block.
static constexpr int64_t kBlock = 256;
/// Inputs of one result from which on they are worth a block.
static constexpr int64_t kManyInputs = kBlock;
/// Inputs of one result from which on a thread's taking them in turn is told
/// of.
static constexpr int64_t kInputsOfOneThread = 1024;
/// Results that are too few to fill the device with a block each, and the
/// blocks that they get together.
static constexpr int64_t kFewResults = 64, kBlocksForFew = 1024;

/// Whether a reduction by this operation gives the same bits in any order.
static bool isExact(Operation *combiner) {
  return isa<arith::AddIOp, arith::MulIOp, arith::AndIOp, arith::OrIOp,
             arith::XOrIOp, arith::MaxSIOp, arith::MinSIOp, arith::MaxUIOp,
             arith::MinUIOp, arith::MaximumFOp, arith::MinimumFOp>(combiner);
}

namespace {
/// Emits the kernel of one operation, or two where parts of a reduction meet.
class Outliner {
public:
  Outliner(ModuleOp module, linalg::GenericOp op)
      : module(module), op(op), combiners(findCombiners()),
        parts(countParts()) {}

  LogicalResult run() {
    tellOfOneThread();
    ImplicitLocOpBuilder host(op.getLoc(), op);
    if (parts > 1)
      for (Value init : op.getDpsInits())
        partials.push_back(makePartials(host, init));
    // Buffers and scalars that the kernel needs; constants come along.
    llvm::SetVector<Value> captured(llvm::from_range, op->getOperands());
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    captured.insert_range(partials);
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
    gpu::GPUFuncOp kernel = createKernel(
        module, op.getLoc(), stem, ValueRange(operands).getTypes(), kBlock);
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

    IRMapping same;
    Value count = countOf(host, same);
    Value grid =
        combiners.empty()
            ? gridFor(host, kernel, count)
            : Value(arith::MulIOp::create(host, count, index(host, parts)));
    launchKernel(host, kernel, grid, operands);
    LogicalResult done = joinParts(host);
    op.erase();
    return done;
  }

private:
  static Value index(ImplicitLocOpBuilder &b, int64_t v) {
    return arith::ConstantIndexOp::create(b, v);
  }

  /// How many rounds the loops of a kind have together, if that is known.
  std::optional<int64_t> countOf(utils::IteratorType kind) {
    int64_t count = 1;
    for (auto [size, each] : llvm::zip_equal(op.getStaticLoopRanges(),
                                             op.getIteratorTypesArray())) {
      if (each != kind)
        continue;
      if (ShapedType::isDynamic(size) || llvm::MulOverflow(count, size, count))
        return std::nullopt;
    }
    return count;
  }

  /// Tells of results whose many inputs one thread goes through.
  void tellOfOneThread() {
    std::optional<int64_t> inputs = countOf(utils::IteratorType::reduction);
    if (combiners.empty() && (!inputs || *inputs >= kInputsOfOneThread))
      emitNotice(op.getLoc(), Notice::oneThread)
          << "one thread of a GPU goes through all inputs of a result";
  }

  /// For each result what takes in another element; none where a thread goes
  /// through them in their order.
  SmallVector<Operation *> findCombiners() {
    std::optional<int64_t> inputs = countOf(utils::IteratorType::reduction);
    if (inputs && *inputs < kManyInputs)
      return {};
    SmallVector<Operation *> result;
    for (unsigned i = 0; i < op.getNumDpsInits(); ++i) {
      SmallVector<Operation *> chain;
      if (!matchReduction(op.getRegionOutputArgs(), i, chain) ||
          chain.size() != 1 || !isExact(chain.front()))
        return {};
      result.push_back(chain.front());
    }
    return result;
  }

  /// Into how many parts, a block each, the inputs of a result are cut.
  int64_t countParts() {
    std::optional<int64_t> results = countOf(utils::IteratorType::parallel),
                           inputs = countOf(utils::IteratorType::reduction);
    bool few = results && *results > 0 && *results <= kFewResults,
         many = !inputs || *inputs > kBlock * kBlocksForFew;
    bool places = llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
      return cast<MemRefType>(init.get().getType()).hasStaticShape() &&
             op.getMatchingIndexingMap(&init).isProjectedPermutation();
    });
    return !combiners.empty() && few && many && places
               ? kBlocksForFew / llvm::bit_ceil<uint64_t>(*results)
               : 1;
  }

  /// What the parts of each element of a result give, the parts innermost.
  Value makePartials(ImplicitLocOpBuilder &b, Value init) {
    auto type = cast<MemRefType>(init.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.push_back(parts);
    return memref::AllocOp::create(
        b, MemRefType::get(shape, type.getElementType()),
        b.getI64IntegerAttr(64));
  }

  /// Reduces the partial results to the results.
  LogicalResult joinParts(ImplicitLocOpBuilder &b) {
    for (auto [init, from, combiner] :
         llvm::zip(op.getDpsInits(), partials, combiners)) {
      int64_t rank = cast<MemRefType>(init.getType()).getRank();
      SmallVector<utils::IteratorType> kinds(rank,
                                             utils::IteratorType::parallel);
      kinds.push_back(utils::IteratorType::reduction);
      AffineMap all = b.getMultiDimIdentityMap(rank + 1);
      auto join = linalg::GenericOp::create(
          b, TypeRange(), ValueRange(from), ValueRange(init),
          ArrayRef<AffineMap>{all, all.dropResult(rank)}, kinds,
          [&](OpBuilder &inner, Location loc, ValueRange each) {
            ImplicitLocOpBuilder in(loc, inner);
            linalg::YieldOp::create(in,
                                    combine(in, combiner, each[1], each[0]));
          });
      if (failed(Outliner(module, join).run()))
        return failure();
    }
    return success();
  }

  static Value combine(ImplicitLocOpBuilder &b, Operation *combiner, Value x,
                       Value y) {
    IRMapping mapping;
    mapping.map(combiner->getOperands(), ValueRange{x, y});
    return b.clone(*combiner, mapping)->getResult(0);
  }

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
    if (!combiners.empty()) {
      emitBlocks(b, kernel, Element{b, mapping, sizes});
      return success();
    }
    Value count = countOf(b, mapping);
    forEachThread(b, kernel, count, [&](Value flat) {
      Element element{b, mapping, sizes};
      findPlace(element, flat, utils::IteratorType::parallel);
      SmallVector<Value> results = reduce(element, 0, startOf(element));
      for (auto [init, x] : llvm::zip_equal(op.getDpsInitsMutable(), results))
        memref::StoreOp::create(b, x, mapping.lookupOrDefault(init.get()),
                                place(element, init));
    });
    return success();
  }

  /// Blocks take parts of results in turn. The threads of a block take inputs
  /// of a part in turn, and what they have is joined.
  void emitBlocks(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                  Element element) {
    kernel->setAttr(kAnyGridAttr, b.getUnitAttr());
    Value count =
        arith::MulIOp::create(b, countOf(b, element.mapping), index(b, parts));
    auto turns =
        scf::ForOp::create(b, gpu::BlockIdOp::create(b, gpu::Dimension::x),
                           count, gpu::GridDimOp::create(b, gpu::Dimension::x));
    b.setInsertionPointToStart(turns.getBody());
    Value result = turns.getInductionVar(), part;
    if (parts > 1) {
      part = arith::RemUIOp::create(b, result, index(b, parts));
      result = arith::DivUIOp::create(b, result, index(b, parts));
    }
    findPlace(element, result, utils::IteratorType::parallel);
    Value thread = gpu::ThreadIdOp::create(b, gpu::Dimension::x);
    SmallVector<Value> memories =
        joinThreads(b, kernel, thread, reducePart(element, part, thread));
    Value one =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, index(b, 0));
    b.setInsertionPointToStart(
        scf::IfOp::create(b, one, /*withElseRegion=*/false).thenBlock());
    for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
      SmallVector<Value> to = place(element, init);
      Type type = cast<MemRefType>(init.get().getType()).getElementType();
      Value memory = init.get(), x = loadShared(b, memories[i], thread, type);
      if (part) {
        memory = partials[i];
        to.push_back(part);
      } else {
        x = combine(b, combiners[i], read(element, init), x);
      }
      memref::StoreOp::create(b, x, element.mapping.lookupOrDefault(memory),
                              to);
    }
  }

  /// What a thread's inputs of a part give; without one, those of the whole.
  SmallVector<Value> reducePart(Element &element, Value part, Value thread) {
    ImplicitLocOpBuilder &b = element.b;
    Value first = index(b, 0), end = index(b, 1);
    for (unsigned d : loops(utils::IteratorType::reduction))
      end = arith::MulIOp::create(b, end, element.sizes[d]);
    if (part) {
      Value each = arith::CeilDivUIOp::create(b, end, index(b, parts));
      first = arith::MulIOp::create(b, part, each);
      end =
          arith::MinUIOp::create(b, end, arith::AddIOp::create(b, first, each));
    }
    SmallVector<Value> neutral;
    for (Operation *combiner : combiners)
      neutral.push_back(
          arith::ConstantOp::create(b, *arith::getNeutralElement(combiner)));
    auto loop = scf::ForOp::create(b, arith::AddIOp::create(b, first, thread),
                                   end, index(b, kBlock), neutral);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    findPlace(element, loop.getInductionVar(), utils::IteratorType::reduction);
    scf::YieldOp::create(
        b, payload(element, SmallVector<Value>(loop.getRegionIterArgs())));
    return SmallVector<Value>(loop.getResults());
  }

  /// Truths have a byte each in shared memory.
  static Value loadShared(ImplicitLocOpBuilder &b, Value memory, Value at,
                          Type type) {
    Value x = memref::LoadOp::create(b, memory, at);
    return type.isInteger(1) ? arith::TruncIOp::create(b, type, x) : x;
  }

  /// What all threads of the block have: the first element of shared memory,
  /// for each result, which the first thread may read.
  SmallVector<Value> joinThreads(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                                 Value thread, ValueRange own) {
    auto space = gpu::AddressSpaceAttr::get(b.getContext(),
                                            gpu::AddressSpace::Workgroup);
    auto store = [&](Value x, Value memory) {
      if (x.getType().isInteger(1))
        x = arith::ExtUIOp::create(b, b.getI8Type(), x);
      memref::StoreOp::create(b, x, memory, thread);
    };
    SmallVector<Value> memories;
    for (Value x : own) {
      Type type = x.getType().isInteger(1) ? Type(b.getI8Type()) : x.getType();
      memories.push_back(kernel.addWorkgroupAttribution(
          MemRefType::get({kBlock}, type, MemRefLayoutAttrInterface(), space),
          b.getLoc()));
      store(x, memories.back());
    }
    gpu::BarrierOp::create(b);
    for (int64_t s = kBlock / 2; s; s /= 2) {
      Value low = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, thread,
                                        index(b, s));
      auto takes = scf::IfOp::create(b, low, /*withElseRegion=*/false);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(takes.thenBlock());
        Value other = arith::AddIOp::create(b, thread, index(b, s));
        for (auto [x, memory, combiner] : llvm::zip(own, memories, combiners))
          store(combine(b, combiner, loadShared(b, memory, thread, x.getType()),
                        loadShared(b, memory, other, x.getType())),
                memory);
      }
      gpu::BarrierOp::create(b);
    }
    return memories;
  }

  /// Takes apart a number of loops of one kind, the last the fastest.
  void findPlace(Element &element, Value flat, utils::IteratorType kind) {
    ImplicitLocOpBuilder &b = element.b;
    element.at.resize(op.getNumLoops());
    SmallVector<unsigned> outer = loops(kind);
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
  SmallVector<Operation *> combiners;
  int64_t parts;
  SmallVector<Value> partials; ///< of each result, where there are parts
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
