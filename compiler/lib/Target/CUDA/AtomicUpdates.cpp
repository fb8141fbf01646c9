// Makes updates of memory atomic where their order does not matter.
#include "AtomicUpdates.h"
#include "DeviceValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Kernels/Atomics.h"
#include "route/Kernels/Buffers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;

/// The atomic operation that does what `op` does, in memory.
static std::optional<LLVM::AtomicBinOp> atomicOf(Operation *op) {
  using Result = std::optional<LLVM::AtomicBinOp>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::AddIOp) { return LLVM::AtomicBinOp::add; })
      .Case([](arith::AndIOp) { return LLVM::AtomicBinOp::_and; })
      .Case([](arith::OrIOp) { return LLVM::AtomicBinOp::_or; })
      .Case([](arith::MaxSIOp) { return LLVM::AtomicBinOp::max; })
      .Case([](arith::MinSIOp) { return LLVM::AtomicBinOp::min; })
      .Case([](arith::MaxUIOp) { return LLVM::AtomicBinOp::umax; })
      .Case([](arith::MinUIOp) { return LLVM::AtomicBinOp::umin; })
      .Default([](Operation *) { return Result(); });
}

namespace {
/// `a[i] = a[i] op x`.
struct Update {
  memref::StoreOp store;
  Operation *op;
  memref::LoadOp load;
  LLVM::AtomicBinOp kind;

  Value value() {
    return op->getOperand(op->getOperand(0) == load.getResult());
  }
};
} // namespace

/// Whether nothing writes memory from `first` to `last`, of one block.
static bool nothingWritesBetween(Operation *first, Operation *last) {
  return llvm::all_of(
      llvm::make_range(std::next(first->getIterator()), last->getIterator()),
      [](Operation &op) {
        return isPure(&op) || hasSingleEffect<MemoryEffects::Read>(&op);
      });
}

/// The update that ends with this store.
static std::optional<Update> updateOf(memref::StoreOp store) {
  Operation *op = store.getValueToStore().getDefiningOp();
  auto kind = op ? atomicOf(op) : std::nullopt;
  if (!kind || !op->hasOneUse() || op->getBlock() != store->getBlock())
    return std::nullopt;
  Type type = store.getValueToStore().getType();
  bool fits = type.isInteger(32) || type.isInteger(64) ||
              (type.isInteger(1) && isa<arith::AndIOp, arith::OrIOp>(op));
  if (!fits || !store.getMemRefType().getLayout().isIdentity())
    return std::nullopt;
  for (Value operand : op->getOperands()) {
    auto load = operand.getDefiningOp<memref::LoadOp>();
    if (load && load->hasOneUse() && load->getBlock() == store->getBlock() &&
        load.getMemref() == store.getMemref() &&
        llvm::equal(load.getIndices(), store.getIndices()) &&
        nothingWritesBetween(load, store))
      return Update{store, op, load, *kind};
  }
  return std::nullopt;
}

/// All updates that the loop makes; none where it does anything else.
static SmallVector<Update> updatesOf(scf::ForOp loop) {
  SmallVector<Update> updates;
  llvm::SmallMapVector<Value, LLVM::AtomicBinOp, 4> written;
  SmallVector<memref::LoadOp> loads;
  WalkResult all = loop.getBody()->walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      loads.push_back(load);
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      std::optional<Update> update = updateOf(store);
      if (!update)
        return WalkResult::interrupt();
      // Of different kinds the order would matter.
      auto known =
          written.try_emplace(bufferOf(store.getMemref()), update->kind);
      if (known.first->second != update->kind)
        return WalkResult::interrupt();
      updates.push_back(*update);
    } else if (!isa<scf::ForOp, scf::IfOp>(op) &&
               !op->hasTrait<OpTrait::IsTerminator>() && !isPure(op)) {
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  bool others = llvm::any_of(loads, [&](memref::LoadOp load) {
    return written.contains(bufferOf(load.getMemref())) &&
           llvm::none_of(updates,
                         [&](const Update &each) { return each.load == load; });
  });
  return all.wasInterrupted() || others ? SmallVector<Update>() : updates;
}

static void makeAtomic(Update update) {
  memref::StoreOp store = update.store;
  ImplicitLocOpBuilder b(store.getLoc(), store);
  Value x = update.value();
  if (x.getType().isInteger(1)) {
    // Who has something to say writes the same as all others.
    bool says = isa<arith::OrIOp>(update.op);
    Value truth = arith::ConstantOp::create(b, b.getBoolAttr(true));
    Value writes = says ? x : Value(arith::XOrIOp::create(b, x, truth));
    Value written = arith::ConstantOp::create(b, b.getBoolAttr(says));
    auto when = scf::IfOp::create(b, writes, /*withElseRegion=*/false);
    b.setInsertionPointToStart(when.thenBlock());
    memref::StoreOp::create(b, written, store.getMemref(), store.getIndices());
  } else {
    updateAtomically(b, update.kind, x, store.getMemref(), store.getIndices());
  }
  store.erase();
  update.op->erase();
  update.load.erase();
}

/// The loops of the nest that begins with `loop`: each is all that is in the
/// one around it, and the host knows how many rounds it has.
static SmallVector<scf::ForOp> nestOf(scf::ForOp loop) {
  SmallVector<scf::ForOp> nest{loop};
  auto known = [&](Value bound) {
    return !loop->isAncestor(bound.getParentBlock()->getParentOp()) &&
           !isOnDevice(bound);
  };
  while (true) {
    Block *body = nest.back().getBody();
    auto inner = dyn_cast<scf::ForOp>(body->front());
    if (!inner || !llvm::hasNItems(*body, 2) || inner.getNumResults() ||
        !llvm::all_of(ValueRange{inner.getLowerBound(), inner.getUpperBound(),
                                 inner.getStep()},
                      known))
      return nest;
    nest.push_back(inner);
  }
}

/// One loop that has the rounds of all loops of the nest.
static scf::ForOp flatten(ArrayRef<scf::ForOp> nest) {
  scf::ForOp outermost = nest.front(), innermost = nest.back();
  ImplicitLocOpBuilder b(outermost.getLoc(), outermost);
  Value zero = arith::ConstantIndexOp::create(b, 0),
        one = arith::ConstantIndexOp::create(b, 1), all = one;
  SmallVector<Value> counts;
  for (scf::ForOp each : nest) {
    Value span =
        arith::SubIOp::create(b, each.getUpperBound(), each.getLowerBound());
    Value rounds = arith::CeilDivSIOp::create(b, span, each.getStep());
    counts.push_back(arith::MaxSIOp::create(b, rounds, zero));
    all = arith::MulIOp::create(b, all, counts.back());
  }
  auto flat = scf::ForOp::create(b, zero, all, one);
  b.setInsertionPointToStart(flat.getBody());
  Value left = flat.getInductionVar();
  for (unsigned i = nest.size(); i-- > 0;) {
    scf::ForOp each = nest[i];
    Value count = counts[i];
    Value round = each == outermost
                      ? left
                      : Value(arith::RemUIOp::create(b, left, count));
    if (each != outermost)
      left = arith::DivUIOp::create(b, left, count);
    Value place =
        arith::AddIOp::create(b, each.getLowerBound(),
                              arith::MulIOp::create(b, round, each.getStep()));
    each.getInductionVar().replaceAllUsesWith(place);
  }
  innermost.getBody()->getTerminator()->erase();
  flat.getBody()->getOperations().splice(
      flat.getBody()->getTerminator()->getIterator(),
      innermost.getBody()->getOperations());
  outermost.erase();
  return flat;
}

scf::ForOp route::makeAtomic(scf::ForOp loop) {
  if (loop.getNumResults())
    return {};
  SmallVector<Update> updates = updatesOf(loop);
  if (updates.empty())
    return {};
  for (const Update &each : updates)
    ::makeAtomic(each);
  SmallVector<scf::ForOp> nest = nestOf(loop);
  return nest.size() > 1 ? flatten(nest) : loop;
}
