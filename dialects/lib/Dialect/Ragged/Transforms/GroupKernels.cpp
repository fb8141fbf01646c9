// ragged-fuse-order: counts, offsets and orders of slots together.
// Few slots take one kernel, many take two.
// Slots are cut into chunks, a block for each, and a chunk into shares, a warp
// for each. The first kernel counts for each chunk; the second adds up the
// counts of the chunks before, and within a chunk of the shares before, so that
// every warp knows where its first slot of each expert goes. With one chunk the
// second counts for itself.
#include "KernelBody.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDFUSEORDER
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

constexpr int32_t kThreads = 512;
constexpr int64_t kWarps = kThreads / 32;
constexpr int64_t kLeastChunk = 2048; ///< slots; a multiple of kThreads
constexpr int64_t kMostChunks = 64;
constexpr int64_t kMostExperts = 640; ///< counts of all warps fit in 48 KB

class Groups {
public:
  /// `fills` write zeros that the counts begin with; `zeros` are numbers of 32
  /// bits that are to be 0 after the order.
  Groups(PermuteOp permute, OffsetsOp offsets, CountOp count,
         ArrayRef<linalg::FillOp> fills, ValueRange zeros)
      : permute(permute), offsets(offsets), count(count), fills(fills),
        zeros(zeros), module(permute->getParentOfType<ModuleOp>()),
        experts(cast<MemRefType>(count.getCounts().getType()).getDimSize(0)) {}

  void lower() {
    ImplicitLocOpBuilder b(permute.getLoc(), permute);
    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantIndexOp::create(b, v);
    };
    auto up = [&](Value x, int64_t multiple) -> Value {
      return arith::MulIOp::create(
          b, arith::CeilDivUIOp::create(b, x, constant(multiple)),
          constant(multiple));
    };
    Value idx = permute.getIdx();
    Value slots = arith::MulIOp::create(b, memref::DimOp::create(b, idx, 0),
                                        memref::DimOp::create(b, idx, 1));
    Value chunk = arith::MaxUIOp::create(
        b, constant(kLeastChunk),
        up(arith::CeilDivUIOp::create(b, slots, constant(kMostChunks)),
           kThreads));
    Value chunks = arith::MaxUIOp::create(
        b, constant(1), arith::CeilDivUIOp::create(b, slots, chunk));
    Value several =
        arith::CmpIOp::create(b, Predicate::ugt, chunks, constant(1));
    Value partial = memref::AllocOp::create(
        b, MemRefType::get({kMostChunks, experts}, b.getI32Type()),
        b.getI64IntegerAttr(64));

    Values operands{idx, partial, chunk};
    if (permute.getLimit())
      operands.push_back(permute.getLimit());
    gpu::GPUFuncOp counting = emitCount(operands);
    launchKernel(b, counting,
                 arith::SelectOp::create(b, several, chunks, constant(0)),
                 operands);
    operands.append({count.getCounts(), offsets.getOffsets(), permute.getPerm(),
                     permute.getInv()});
    llvm::append_range(operands, zeros);
    gpu::GPUFuncOp ordering = emitOrder(operands);
    launchKernel(b, ordering, chunks, operands);

    // Counts begin with zeros by themselves.
    for (linalg::FillOp fill : fills)
      fill->erase();
    permute.erase();
    offsets.erase();
    count.erase();
  }

private:
  /// The slots of this thread's warp: calls `body` with a slot for each lane,
  /// in rounds, and whether there is one.
  void forShare(KernelBody &k, Value idx, Value chunk,
                llvm::function_ref<void(Value, Value)> body) {
    Value warp = k.div(k.thread(), k.index(32)),
          lane = k.rem(k.thread(), k.index(32));
    Value share = k.div(chunk, k.index(kWarps));
    Value begin = k.add(k.mul(k.blockId(), chunk), k.mul(warp, share));
    Value end = k.least(k.add(begin, share), slotsOf(k, idx));
    k.loop(begin, end, k.index(32), {}, [&](Value first, ValueRange) -> Values {
      Value flat = k.add(first, lane);
      body(flat, k.cmp(Predicate::ult, flat, end));
      return {};
    });
  }
  Value chosen(KernelBody &k, Value idx, Value limit, Value flat,
               Value inside) {
    Value safe = k.select(inside, flat, k.index(0));
    return chosenBy(k, idx, limit, safe, slotsPerItem(k, idx), experts);
  }
  /// Adds one to a count in shared memory.
  void increment(KernelBody &k, Value counts, ValueRange at) {
    memref::AtomicRMWOp::create(k.b, arith::AtomicRMWKind::addi, k.number(1),
                                counts, at);
  }
  /// Calls `body` with the experts of this thread.
  void forExperts(KernelBody &k, llvm::function_ref<void(Value)> body) {
    k.loop(k.thread(), k.index(experts), k.index(kThreads), {},
           [&](Value e, ValueRange) -> Values {
             body(e);
             return {};
           });
  }

  gpu::GPUFuncOp emitCount(ValueRange operands) {
    KernelBody k(module, permute, kernelStem(permute, "count"), operands,
                 kThreads);
    Value idx = k.argument(0), partial = k.argument(1), chunk = k.argument(2);
    Value limit = permute.getLimit() ? k.argument(3) : Value();
    Value counts = k.shared({experts}, k.b.getI32Type());
    forExperts(k, [&](Value e) { k.store(k.number(0), counts, e); });
    k.barrier();
    forShare(k, idx, chunk, [&](Value flat, Value inside) {
      Value e = chosen(k, idx, limit, flat, inside);
      k.when(k.both(inside, k.cmp(Predicate::sge, e, k.number(0))),
             [&] { increment(k, counts, k.toIndex(e)); });
    });
    k.barrier();
    forExperts(k, [&](Value e) {
      k.store(k.load(counts, e), partial, {k.blockId(), e});
    });
    return k.kernel;
  }

  gpu::GPUFuncOp emitOrder(ValueRange operands) {
    KernelBody k(module, permute, kernelStem(permute, "order"), operands,
                 kThreads);
    Value idx = k.argument(0), partial = k.argument(1), chunk = k.argument(2);
    Value limit = permute.getLimit() ? k.argument(3) : Value();
    unsigned next = permute.getLimit() ? 4 : 3;
    Value counts = k.argument(next), starts = k.argument(next + 1),
          perm = k.argument(next + 2), inv = k.argument(next + 3);
    Type i32 = k.b.getI32Type();
    Value places = k.shared({kWarps, experts}, i32);
    Value sums = k.shared({kWarps}, i32);
    Value warp = k.div(k.thread(), k.index(32)),
          lane = k.rem(k.thread(), k.index(32));
    Value one = k.cmp(Predicate::eq, k.blocks(), k.index(1));

    forExperts(k, [&](Value e) {
      for (int64_t w = 0; w < kWarps; ++w)
        k.store(k.number(0), places, {k.index(w), e});
    });
    k.barrier();
    forShare(k, idx, chunk, [&](Value flat, Value inside) {
      Value e = chosen(k, idx, limit, flat, inside);
      k.when(k.both(inside, k.cmp(Predicate::sge, e, k.number(0))),
             [&] { increment(k, places, {warp, k.toIndex(e)}); });
    });
    k.barrier();

    // An expert's slots in all chunks, in those before this one; then where the
    // slots of each of this chunk's warps go.
    Value carried = k.number(0);
    for (int64_t first = 0; first < experts; first += kThreads) {
      Value e = k.add(k.thread(), k.index(first));
      Value valid = k.cmp(Predicate::ult, e, k.index(experts));
      Value safe = k.select(valid, e, k.index(0));
      Value own = k.number(0);
      for (int64_t w = 0; w < kWarps; ++w)
        own = k.add(own, k.load(places, {k.index(w), safe}));
      Value chunks = k.select(one, k.index(0), k.blocks());
      Values found =
          k.loop(k.index(0), chunks, k.index(1), {k.number(0), k.number(0)},
                 [&](Value c, ValueRange acc) -> Values {
                   Value x = k.load(partial, {c, safe});
                   Value before = k.cmp(Predicate::ult, c, k.blockId());
                   return {k.add(acc[0], x),
                           k.add(acc[1], k.select(before, x, k.number(0)))};
                 });
      Value total = k.select(valid, k.select(one, own, found[0]), k.number(0));
      Value sum = k.scan(total, lane);
      k.when(k.cmp(Predicate::eq, lane, k.index(31)),
             [&] { k.store(sum, sums, warp); });
      k.barrier();
      Value before = carried;
      for (int64_t w = 0; w < kWarps; ++w) {
        Value x = k.load(sums, k.index(w));
        before = k.add(before, k.select(k.cmp(Predicate::ugt, warp, k.index(w)),
                                        x, k.number(0)));
        carried = k.add(carried, x);
      }
      Value start = k.add(before, k.sub(sum, total));
      k.when(valid, [&] {
        Value place = k.add(start, found[1]);
        for (int64_t w = 0; w < kWarps; ++w) {
          Value x = k.load(places, {k.index(w), e});
          k.store(place, places, {k.index(w), e});
          place = k.add(place, x);
        }
        k.when(k.cmp(Predicate::eq, k.blockId(), k.index(0)), [&] {
          k.store(total, counts, e);
          k.store(start, starts, e);
        });
      });
      k.barrier();
    }
    k.when(k.both(k.cmp(Predicate::eq, k.blockId(), k.index(0)),
                  k.cmp(Predicate::eq, k.thread(), k.index(0))),
           [&] {
             k.store(carried, starts, k.index(experts));
             for (unsigned i = 0; i < zeros.size(); ++i)
               k.store(k.number(0), k.argument(next + 4 + i), k.index(0));
           });

    // Lanes with the same expert take places in their order.
    Value bit = arith::ShLIOp::create(k.b, k.number(1), k.toNumber(lane));
    Value below = k.sub(bit, k.number(1));
    forShare(k, idx, chunk, [&](Value flat, Value inside) {
      Value e =
          k.select(inside, chosen(k, idx, limit, flat, inside), k.number(-1));
      Value some = k.cmp(Predicate::sge, e, k.number(0));
      Value same = NVVM::MatchSyncOp::create(
          k.b, i32, k.number(-1), e,
          NVVM::MatchSyncKindAttr::get(k.b.getContext(),
                                       NVVM::MatchSyncKind::any));
      Value rank = math::CtPopOp::create(k.b, k.both(same, below));
      Value safe = k.toIndex(k.select(some, e, k.number(0)));
      Value place = k.load(places, {warp, safe});
      NVVM::SyncWarpOp::create(k.b, k.number(-1));
      k.when(k.both(some, k.cmp(Predicate::eq, rank, k.number(0))), [&] {
        k.store(k.add(place, math::CtPopOp::create(k.b, same)), places,
                {warp, safe});
      });
      NVVM::SyncWarpOp::create(k.b, k.number(-1));
      Value row = k.add(place, rank);
      k.when(inside, [&] {
        Value ranks = slotsPerItem(k, idx);
        k.store(k.select(some, row, k.number(-1)), inv,
                {k.div(flat, ranks), k.rem(flat, ranks)});
      });
      k.when(some, [&] { k.store(k.toNumber(flat), perm, k.toIndex(row)); });
    });
    // Rows behind the last expert's belong to nobody.
    Value first =
        k.add(k.toIndex(carried),
              k.add(k.mul(k.blockId(), k.index(kThreads)), k.thread()));
    k.loop(first, slotsOf(k, idx), k.mul(k.blocks(), k.index(kThreads)), {},
           [&](Value row, ValueRange) -> Values {
             k.store(k.number(-1), perm, row);
             return {};
           });
    return k.kernel;
  }

  PermuteOp permute;
  OffsetsOp offsets;
  CountOp count;
  ArrayRef<linalg::FillOp> fills;
  ValueRange zeros;
  ModuleOp module;
  int64_t experts;
};

/// The op of that kind in the block of `user`, before it, that fills the
/// buffer.
template <typename Op> Op writerOf(Value buffer, Operation *user) {
  Op result;
  for (Operation *other : buffer.getUsers())
    if (auto op = dyn_cast<Op>(other))
      if (op->getBlock() == user->getBlock() && op->isBeforeInBlock(user) &&
          op.getDpsInits().front() == buffer) {
        if (result)
          return {};
        result = op;
      }
  return result;
}

/// Clears that the order's kernel can do: of single numbers, in the block after
/// it, before whatever else has to do with them. They go, and the buffers are
/// made before `op`.
Values takeClears(PermuteOp op) {
  Values zeros;
  for (Operation &each : llvm::make_early_inc_range(*op->getBlock())) {
    auto fill = dyn_cast<linalg::FillOp>(&each);
    if (!fill || !op->isBeforeInBlock(fill))
      continue;
    auto buffer = fill.getOutputs().front().getDefiningOp<memref::AllocOp>();
    if (!buffer || buffer->getBlock() != op->getBlock() ||
        buffer.getType() !=
            MemRefType::get({1}, IntegerType::get(op.getContext(), 32)) ||
        !matchPattern(fill.getInputs().front(), m_Zero()) ||
        !llvm::all_of(buffer->getUsers(), [&](Operation *user) {
          Operation *above = op->getBlock()->findAncestorOpInBlock(*user);
          return user == fill || (above && fill->isBeforeInBlock(above));
        }))
      continue;
    fill->erase();
    buffer->moveBefore(op);
    zeros.push_back(buffer);
  }
  return zeros;
}

/// An order with the counts and offsets that it needs; failure, with nothing
/// changed, where they do not belong together.
LogicalResult lowerGroups(PermuteOp op) {
  auto offsets = writerOf<OffsetsOp>(op.getOffsets(), op);
  if (!offsets)
    return failure();
  auto count = writerOf<CountOp>(offsets.getCounts(), offsets);
  if (!count || count.getIdx() != op.getIdx() ||
      count.getLimit() != op.getLimit())
    return failure();
  int64_t experts = cast<MemRefType>(count.getCounts().getType()).getDimSize(0);
  if (ShapedType::isDynamic(experts) || experts > kMostExperts)
    return failure();
  // What reads counts or offsets comes after the order, or it comes too late.
  SmallVector<linalg::FillOp> fills;
  for (Value buffer : {count.getCounts(), offsets.getOffsets()})
    for (Operation *user : buffer.getUsers()) {
      if (user == count || user == offsets || user == op)
        continue;
      if (auto fill = dyn_cast<linalg::FillOp>(user);
          fill && buffer == count.getCounts() &&
          fill->getBlock() == count->getBlock() &&
          fill->isBeforeInBlock(count)) {
        fills.push_back(fill);
        continue;
      }
      Operation *above = op->getBlock()->findAncestorOpInBlock(*user);
      if (!above || !op->isBeforeInBlock(above))
        return failure();
    }
  Groups(op, offsets, count, fills, takeClears(op)).lower();
  return success();
}

struct FuseOrder : impl::RaggedFuseOrderBase<FuseOrder> {
  void runOnOperation() override {
    SmallVector<PermuteOp> orders;
    getOperation().walk([&](PermuteOp op) {
      if (isa<MemRefType>(op.getIdx().getType()))
        orders.push_back(op);
    });
    for (PermuteOp op : orders)
      if (succeeded(lowerGroups(op)))
        ++numFused;
  }
};
} // namespace
} // namespace route::ragged
