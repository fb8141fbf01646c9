// Loops over buffers whose rounds may run in any order.
// Others are made such where that gives the same bits.
#include "ParallelLoops.h"
#include "AtomicUpdates.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Kernels/Buffers.h"

using namespace mlir;
using namespace route;

static bool isOutside(Value value, Operation *op) {
  return !op->isProperAncestor(value.getParentBlock()->getParentOp()) &&
         value.getParentBlock()->getParentOp() != op;
}

namespace {
/// A dimension of a buffer, or of a view of one.
using Dim = std::pair<Value, unsigned>;

/// A load or a store.
struct Access {
  Operation *op;
  Value view;
  bool writes;
  /// Values that the access has as an index, and where.
  SmallVector<std::pair<Value, Dim>> indices;
};

/// What the rounds of a loop touch.
class Rounds {
public:
  explicit Rounds(scf::ForOp loop) : loop(loop) {}

  /// Collects the accesses; false where something else has effects.
  bool collect() {
    bool known = true;
    loop.getBody()->walk([&](Operation *op) {
      if (auto load = dyn_cast<memref::LoadOp>(op))
        known &= add(op, load.getMemref(), load.getIndices(), false);
      else if (auto store = dyn_cast<memref::StoreOp>(op))
        known &= add(op, store.getMemref(), store.getIndices(), true);
      else if (!isa<scf::ForOp, scf::IfOp, scf::WhileOp, memref::AllocOp,
                    memref::AllocaOp>(op) &&
               !op->hasTrait<OpTrait::IsTerminator>())
        known &= isPure(op);
    });
    return known;
  }

  /// Whether the rounds write elements of their own.
  bool independent() {
    return llvm::all_of(written, [&](Value buffer) {
      return common(buffer).contains(loop.getInductionVar()) ||
             fillsBetweenOffsets(buffer);
    });
  }

  /// The values by one of which every written element is known.
  SmallVector<Value> owners() {
    SmallVector<Value> result;
    if (written.empty())
      return result;
    SmallVector<llvm::SmallMapVector<Value, Dim, 4>> all;
    for (Value buffer : written)
      all.push_back(common(buffer));
    for (auto &[value, dim] : all.front())
      if (llvm::all_of(all, [&](auto &each) { return each.contains(value); }))
        result.push_back(value);
    return result;
  }

  /// Of each written buffer the dimension that `owner` is an index of.
  SmallVector<Dim> dimsOf(Value owner) {
    return llvm::map_to_vector(
        written, [&](Value buffer) { return common(buffer).lookup(owner); });
  }

  bool writes(Value buffer) { return written.contains(buffer); }

private:
  bool add(Operation *op, Value view, ValueRange indices, bool writes) {
    Value buffer = bufferOf(view);
    if (Operation *made = buffer.getDefiningOp()) {
      if (loop->isAncestor(made))
        return isa<memref::AllocOp, memref::AllocaOp>(made);
    } else if (loop->isAncestor(buffer.getParentBlock()->getParentOp())) {
      return false; // a buffer that a loop carries
    }
    Access access{op, view, writes, {}};
    if (isFixed(view))
      for (auto [d, index] : llvm::enumerate(indices))
        access.indices.push_back({index, {view, d}});
    // Element 0 of a view that starts at an index.
    if (auto slice = view.getDefiningOp<memref::SubViewOp>();
        slice && isFixed(slice.getSource()))
      for (auto [d, offset] : llvm::enumerate(slice.getMixedOffsets()))
        if (auto index = dyn_cast<Value>(offset);
            index && slice.getStaticSizes()[d] == 1)
          access.indices.push_back({index, {slice.getSource(), d}});
    accesses[buffer].push_back(access);
    if (writes)
      written.insert(buffer);
    return true;
  }

  /// Whether an index of the view means the same in all rounds: the view starts
  /// at the same place, but along dimensions of which it has one element.
  bool isFixed(Value view) {
    if (isOutside(view, loop))
      return true;
    Operation *made = view.getDefiningOp();
    if (auto slice = dyn_cast_or_null<memref::SubViewOp>(made)) {
      auto same = [&](OpFoldResult place) {
        auto value = dyn_cast<Value>(place);
        return !value || isOutside(value, loop) ||
               value.getDefiningOp<arith::ConstantOp>();
      };
      for (auto [offset, size, stride] :
           llvm::zip_equal(slice.getMixedOffsets(), slice.getStaticSizes(),
                           slice.getMixedStrides()))
        if (size != 1 && !(same(offset) && same(stride)))
          return false;
      return isFixed(slice.getSource());
    }
    if (isa_and_nonnull<memref::CastOp, memref::ExpandShapeOp,
                        memref::CollapseShapeOp>(made))
      return isFixed(cast<ViewLikeOpInterface>(made).getViewSource());
    return false;
  }

  /// Values that all accesses to the buffer have as the same index.
  llvm::SmallMapVector<Value, Dim, 4> common(Value buffer) {
    llvm::SmallMapVector<Value, Dim, 4> result;
    ArrayRef<Access> list = accesses[buffer];
    for (auto &[index, dim] : list.front().indices)
      if (llvm::all_of(list, [&](const Access &each) {
            return llvm::is_contained(each.indices, std::pair(index, dim));
          }))
        result[index] = dim;
    return result;
  }

  /// `offsets[round]` as an index, and the buffer of offsets.
  Value offsetsAt(Value bound, bool next) {
    auto cast = bound.getDefiningOp<arith::IndexCastOp>();
    auto load =
        cast ? cast.getIn().getDefiningOp<memref::LoadOp>() : memref::LoadOp();
    if (!load || load.getIndices().size() != 1 ||
        written.contains(bufferOf(load.getMemref())))
      return {};
    Value at = load.getIndices().front();
    if (next) {
      auto sum = at.getDefiningOp<arith::AddIOp>();
      if (!sum || getConstantIntValue(sum.getRhs()) != 1)
        return {};
      at = sum.getLhs();
    }
    return at == loop.getInductionVar() ? load.getMemref() : Value();
  }

  /// Whether the loop only writes to the buffer, and round r from the r-th
  /// offset to the next.
  bool fillsBetweenOffsets(Value buffer) {
    if (llvm::any_of(accesses[buffer],
                     [](const Access &each) { return !each.writes; }))
      return false;
    return llvm::any_of(common(buffer), [&](auto &each) {
      auto position = dyn_cast<BlockArgument>(each.first);
      auto inner =
          position
              ? dyn_cast<scf::ForOp>(position.getParentBlock()->getParentOp())
              : scf::ForOp();
      if (!inner || position != inner.getInductionVar())
        return false;
      Value offsets = offsetsAt(inner.getLowerBound(), false);
      return offsets && offsets == offsetsAt(inner.getUpperBound(), true);
    });
  }

  scf::ForOp loop;
  llvm::MapVector<Value, SmallVector<Access>> accesses;
  llvm::SmallSetVector<Value, 4> written;
};
} // namespace

/// The loop whose rounds the value counts; null for other values.
static scf::ForOp loopOf(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return {};
  auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
  return loop && loop.getInductionVar() == value ? loop : scf::ForOp();
}

/// Makes `inner`, whose rounds touch elements of their own in all rounds of
/// `loop`, the outer loop.
static scf::ForOp hoist(scf::ForOp loop, scf::ForOp inner) {
  OpBuilder b(loop);
  auto outside = [&](Value bound) {
    return isOutside(bound, loop)
               ? bound
               : b.clone(*bound.getDefiningOp())->getResult(0);
  };
  auto outer = scf::ForOp::create(
      b, loop.getLoc(), outside(inner.getLowerBound()),
      outside(inner.getUpperBound()), outside(inner.getStep()));
  loop->moveBefore(outer.getBody()->getTerminator());
  inner.getInductionVar().replaceAllUsesWith(outer.getInductionVar());
  inner.getBody()->getTerminator()->erase();
  inner->getBlock()->getOperations().splice(inner->getIterator(),
                                            inner.getBody()->getOperations());
  inner->erase();
  return outer;
}

/// Makes a loop over all destinations of dimensions `dims`, which does what
/// `loop` does where `owner` is its destination.
static scf::ForOp perDestination(scf::ForOp loop, Value owner,
                                 ArrayRef<Dim> dims) {
  OpBuilder b(loop);
  Location loc = loop.getLoc();
  Value zero = arith::ConstantIndexOp::create(b, loc, 0),
        one = arith::ConstantIndexOp::create(b, loc, 1), count;
  // Where buffers differ, the largest has a place for each destination.
  for (auto [buffer, d] : dims) {
    Value size = b.createOrFold<memref::DimOp>(loc, buffer, d);
    count = count ? b.createOrFold<arith::MaxUIOp>(loc, count, size) : size;
  }
  auto outer = scf::ForOp::create(b, loc, zero, count, one);
  loop->moveBefore(outer.getBody()->getTerminator());
  Operation *made = owner.getDefiningOp();
  b.setInsertionPointAfter(made);
  Value own = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, owner,
                                    outer.getInductionVar());
  auto mine = scf::IfOp::create(b, loc, own, /*withElseRegion=*/false);
  Block *block = made->getBlock();
  auto &operations = mine.thenBlock()->getOperations();
  operations.splice(operations.begin(), block->getOperations(),
                    std::next(mine->getIterator()),
                    block->getTerminator()->getIterator());
  return outer;
}

scf::ForOp route::makeParallel(scf::ForOp loop) {
  if (loop->hasAttr(row::kItemsAttr))
    return loop;
  if (loop.getNumResults())
    return {};
  Rounds rounds(loop);
  if (!rounds.collect())
    return {};
  if (rounds.independent())
    return loop;
  if (scf::ForOp updates = makeAtomic(loop))
    return updates;
  scf::ForOp best;
  int64_t most = 0;
  Value destination;
  for (Value owner : rounds.owners()) {
    if (scf::ForOp inner = loopOf(owner)) {
      bool bounded =
          llvm::all_of(ValueRange{inner.getLowerBound(), inner.getUpperBound(),
                                  inner.getStep()},
                       [&](Value bound) {
                         return isOutside(bound, loop) ||
                                bound.getDefiningOp<arith::ConstantOp>();
                       });
      if (inner == loop || inner.getNumResults() || !bounded)
        continue;
      std::optional<APInt> trips = inner.getStaticTripCount();
      int64_t size = trips ? trips->getSExtValue() : 1 << 20;
      if (size > most)
        best = inner, most = size;
      continue;
    }
    Operation *made = owner.getDefiningOp();
    if (made && loop->isProperAncestor(made) && isPure(made) &&
        made->getBlock()->getTerminator()->getNumOperands() == 0 &&
        isa<scf::ForOp, scf::IfOp>(made->getBlock()->getParentOp()))
      destination = owner;
  }
  // Destinations are counted by the caller, columns are few or many.
  if (destination && most < 64) {
    SmallVector<Dim> dims = rounds.dimsOf(destination);
    // The dimensions must be there in front of the loop.
    if (llvm::all_of(dims,
                     [&](Dim dim) { return isOutside(dim.first, loop); }) &&
        llvm::any_of(dims, [](Dim dim) {
          return cast<MemRefType>(dim.first.getType()).getDimSize(dim.second) !=
                 1;
        }))
      return perDestination(loop, destination, dims);
  }
  if (best && most > 1)
    return hoist(loop, best);
  return {};
}
