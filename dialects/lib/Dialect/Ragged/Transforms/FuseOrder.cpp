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

/// A kernel of an order: a block for each chunk of slots, a warp for each share
/// of one.
class OrderKernel {
public:
  /// Arguments: the slots' experts, counts of each chunk, the slots of a chunk,
  /// and how many slots an item has where there is a limit.
  OrderKernel(PermuteOp op, StringRef what, ValueRange operands,
              int64_t experts)
      : k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, what), operands,
          kThreads),
        experts(experts), idx(k.argument(0)), partial(k.argument(1)),
        chunk(k.argument(2)), limit(op.getLimit() ? k.argument(3) : Value()),
        others(op.getLimit() ? 4 : 3) {}

  gpu::GPUFuncOp emitCount();
  /// Further arguments: counts, offsets, the order, where slots are in it, and
  /// numbers to clear.
  gpu::GPUFuncOp emitOrder();

private:
  /// The slots of this thread's warp: calls `body` with a slot for each lane,
  /// in rounds, and whether there is one.
  void forShare(llvm::function_ref<void(Value, Value)> body) {
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
  Value chosen(Value flat, Value inside) {
    Value safe = k.select(inside, flat, k.index(0));
    return chosenBy(k, idx, limit, safe, slotsPerItem(k, idx), experts);
  }
  /// Calls `body` with the experts of this thread.
  void forExperts(llvm::function_ref<void(Value)> body) {
    k.loop(k.thread(), k.index(experts), k.index(kThreads), {},
           [&](Value e, ValueRange) -> Values {
             body(e);
             return {};
           });
  }
  /// Counts the share's slots of each expert, where `place` says.
  void countShare(Value counts, llvm::function_ref<Values(Value)> place) {
    forShare([&](Value flat, Value inside) {
      Value e = chosen(flat, inside);
      k.when(k.both(inside, k.cmp(Predicate::sge, e, k.number(0))), [&] {
        Values at = place(k.toIndex(e));
        memref::AtomicRMWOp::create(k.b, arith::AtomicRMWKind::addi,
                                    k.number(1), counts, at);
      });
    });
  }

  /// Counts of the warps become where the slots of each go, for kThreads
  /// experts from `first` on, a thread each; `before` them come so many rows.
  /// Returns how many come before the experts behind.
  Value findPlaces(int64_t first, Value before);
  /// Writes the slots of this thread's warp to their places.
  void writeShare();

  KernelBody k;
  int64_t experts;
  Value idx, partial, chunk, limit;
  unsigned others; ///< the first of the further arguments
  // Of the order alone.
  Value counts, starts, perm, inv;
  Value places; ///< in shared memory, of each warp and expert
  Value sums;   ///< in shared memory, of each warp
  Value warp, lane;
  Value one; ///< whether there is one block
};

gpu::GPUFuncOp OrderKernel::emitCount() {
  Value counts = k.shared({experts}, k.b.getI32Type());
  forExperts([&](Value e) { k.store(k.number(0), counts, e); });
  k.barrier();
  countShare(counts, [](Value e) { return Values{e}; });
  k.barrier();
  forExperts(
      [&](Value e) { k.store(k.load(counts, e), partial, {k.blockId(), e}); });
  return k.kernel;
}

gpu::GPUFuncOp OrderKernel::emitOrder() {
  counts = k.argument(others);
  starts = k.argument(others + 1);
  perm = k.argument(others + 2);
  inv = k.argument(others + 3);
  Type i32 = k.b.getI32Type();
  places = k.shared({kWarps, experts}, i32);
  sums = k.shared({kWarps}, i32);
  warp = k.div(k.thread(), k.index(32));
  lane = k.rem(k.thread(), k.index(32));
  one = k.cmp(Predicate::eq, k.blocks(), k.index(1));

  forExperts([&](Value e) {
    for (int64_t w = 0; w < kWarps; ++w)
      k.store(k.number(0), places, {k.index(w), e});
  });
  k.barrier();
  countShare(places, [&](Value e) { return Values{warp, e}; });
  k.barrier();
  Value all = k.number(0);
  for (int64_t first = 0; first < experts; first += kThreads)
    all = findPlaces(first, all);
  k.when(k.cmp(Predicate::eq, k.blockId(), k.index(0)), [&] {
    k.when(k.cmp(Predicate::eq, k.thread(), k.index(0)),
           [&] { k.store(all, starts, k.index(experts)); });
    for (unsigned i = others + 4; i < k.kernel.getNumArguments(); ++i) {
      Value zeros = k.argument(i);
      int64_t size = cast<MemRefType>(zeros.getType()).getDimSize(0);
      k.loop(k.thread(), k.index(size), k.index(kThreads), {},
             [&](Value at, ValueRange) -> Values {
               k.store(k.number(0), zeros, at);
               return {};
             });
    }
  });
  writeShare();
  // Rows behind the last expert's belong to nobody.
  Value first = k.add(k.toIndex(all),
                      k.add(k.mul(k.blockId(), k.index(kThreads)), k.thread()));
  k.loop(first, slotsOf(k, idx), k.mul(k.blocks(), k.index(kThreads)), {},
         [&](Value row, ValueRange) -> Values {
           k.store(k.number(-1), perm, row);
           return {};
         });
  return k.kernel;
}

Value OrderKernel::findPlaces(int64_t first, Value before) {
  Value e = k.add(k.thread(), k.index(first));
  Value valid = k.cmp(Predicate::ult, e, k.index(experts));
  Value safe = k.select(valid, e, k.index(0));
  // An expert's slots in all chunks, and in those before this one.
  Value own = k.number(0);
  for (int64_t w = 0; w < kWarps; ++w)
    own = k.add(own, k.load(places, {k.index(w), safe}));
  Value chunks = k.select(one, k.index(0), k.blocks());
  Values found =
      k.loop(k.index(0), chunks, k.index(1), {k.number(0), k.number(0)},
             [&](Value c, ValueRange acc) -> Values {
               Value x = k.load(partial, {c, safe});
               Value isBefore = k.cmp(Predicate::ult, c, k.blockId());
               return {k.add(acc[0], x),
                       k.add(acc[1], k.select(isBefore, x, k.number(0)))};
             });
  Value total = k.select(valid, k.select(one, own, found[0]), k.number(0));
  Value sum = k.scan(total, lane);
  k.when(k.cmp(Predicate::eq, lane, k.index(31)),
         [&] { k.store(sum, sums, warp); });
  k.barrier();
  Value all = before;
  for (int64_t w = 0; w < kWarps; ++w) {
    Value x = k.load(sums, k.index(w));
    before = k.add(before, k.select(k.cmp(Predicate::ugt, warp, k.index(w)), x,
                                    k.number(0)));
    all = k.add(all, x);
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
  return all;
}

void OrderKernel::writeShare() {
  // Lanes with the same expert take places in their order.
  Value bit = k.shiftLeft(k.number(1), k.toNumber(lane));
  Value below = k.sub(bit, k.number(1));
  forShare([&](Value flat, Value inside) {
    Value e = k.select(inside, chosen(flat, inside), k.number(-1));
    Value some = k.cmp(Predicate::sge, e, k.number(0));
    Value same = NVVM::MatchSyncOp::create(
        k.b, k.b.getI32Type(), k.number(-1), e,
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
}

/// An order, with the counts and offsets that it is made of.
struct Order {
  PermuteOp permute;
  OffsetsOp offsets;
  CountOp count;
  SmallVector<linalg::FillOp> fills; ///< zeros that the counts begin with
  Values zeros; ///< lists of numbers that are to be 0 after the order
};

void lower(const Order &order) {
  auto [permute, offsets, count, fills, zeros] = order;
  ImplicitLocOpBuilder b(permute.getLoc(), permute);
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  auto up = [&](Value x, int64_t multiple) -> Value {
    return arith::MulIOp::create(
        b, arith::CeilDivUIOp::create(b, x, constant(multiple)),
        constant(multiple));
  };
  int64_t experts = cast<MemRefType>(count.getCounts().getType()).getDimSize(0);
  Value idx = permute.getIdx();
  Value slots = arith::MulIOp::create(b, memref::DimOp::create(b, idx, 0),
                                      memref::DimOp::create(b, idx, 1));
  Value chunk = arith::MaxUIOp::create(
      b, constant(kLeastChunk),
      up(arith::CeilDivUIOp::create(b, slots, constant(kMostChunks)),
         kThreads));
  Value chunks = arith::MaxUIOp::create(
      b, constant(1), arith::CeilDivUIOp::create(b, slots, chunk));
  Value several = arith::CmpIOp::create(b, Predicate::ugt, chunks, constant(1));
  Value partial = memref::AllocOp::create(
      b, MemRefType::get({kMostChunks, experts}, b.getI32Type()),
      b.getI64IntegerAttr(64));

  Values operands{idx, partial, chunk};
  if (permute.getLimit())
    operands.push_back(permute.getLimit());
  gpu::GPUFuncOp counting =
      OrderKernel(permute, "count", operands, experts).emitCount();
  launchKernel(b, counting,
               arith::SelectOp::create(b, several, chunks, constant(0)),
               operands);
  operands.append({count.getCounts(), offsets.getOffsets(), permute.getPerm(),
                   permute.getInv()});
  llvm::append_range(operands, zeros);
  gpu::GPUFuncOp ordering =
      OrderKernel(permute, "order", operands, experts).emitOrder();
  launchKernel(b, ordering, chunks, operands);

  // Counts begin with zeros by themselves.
  for (linalg::FillOp fill : fills)
    fill->erase();
  permute.erase();
  offsets.erase();
  count.erase();
}

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

bool isShortList(MemRefType type) {
  return type.getElementType().isInteger(32) && type.getRank() == 1 &&
         type.hasStaticShape() && type.getDimSize(0) <= kMostExperts &&
         type.getLayout().isIdentity();
}

/// Clears that the order's kernel can do: of at most kMostExperts numbers of 32
/// bits, in the block after it, before whatever else has to do with them. They
/// go, and the buffers are made before `op`.
Values takeClears(PermuteOp op) {
  Values zeros;
  for (Operation &each : llvm::make_early_inc_range(*op->getBlock())) {
    auto fill = dyn_cast<linalg::FillOp>(&each);
    if (!fill || !op->isBeforeInBlock(fill))
      continue;
    auto buffer = fill.getOutputs().front().getDefiningOp<memref::AllocOp>();
    if (!buffer || buffer->getBlock() != op->getBlock() ||
        !isShortList(buffer.getType()) ||
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

/// An order with the counts and offsets that it needs, and the clears that it
/// takes along; failure, with nothing changed, where they do not belong
/// together.
FailureOr<Order> orderOf(PermuteOp op) {
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
  return Order{op, offsets, count, fills, takeClears(op)};
}

struct FuseOrder : impl::RaggedFuseOrderBase<FuseOrder> {
  void runOnOperation() override {
    SmallVector<PermuteOp> orders;
    getOperation().walk([&](PermuteOp op) {
      if (isa<MemRefType>(op.getIdx().getType()))
        orders.push_back(op);
    });
    for (PermuteOp op : orders)
      if (FailureOr<Order> order = orderOf(op); succeeded(order)) {
        lower(*order);
        ++numFused;
      }
  }
};
} // namespace
} // namespace route::ragged
