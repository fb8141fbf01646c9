// ragged-fuse-slots: experts slot by slot, in no order, for few items.
#include "KernelBody.h"
#include "TilePlan.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDFUSESLOTS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
/// More slots of an item than this keep their order: a block has a warp each.
constexpr int64_t kMaxRanks = 16;

/// What lies between an item's row and its result.
struct Chain {
  PermuteOp order;
  GatherOp gather;
  SmallVector<MatmulOp> products; ///< in their order
  CombineOp combine;

  /// The chain that ends in `combine`; failure where it is no such chain.
  static FailureOr<Chain> endingIn(CombineOp combine) {
    Chain chain;
    chain.combine = combine;
    auto inv = dyn_cast<OpResult>(combine.getInv());
    chain.order = inv ? dyn_cast<PermuteOp>(inv.getOwner()) : PermuteOp();
    if (!chain.order || inv.getResultNumber() != 1)
      return failure();
    Value rows = combine.getY();
    while (auto product = rows.getDefiningOp<MatmulOp>()) {
      if (!rows.hasOneUse() || product.isPacked() ||
          !product.getPerRow().empty() || kSlotColumns % product.getParts() ||
          product.getOffsets() != chain.order.getOffsets())
        return failure();
      chain.products.insert(chain.products.begin(), product);
      rows = product.getRows();
    }
    chain.gather = rows.getDefiningOp<GatherOp>();
    int64_t ranks = cast<ShapedType>(combine.getInv().getType()).getDimSize(1);
    if (chain.products.empty() || !chain.gather || !rows.hasOneUse() ||
        chain.gather.getPerm() != chain.order->getResult(0) ||
        cast<ShapedType>(rows.getType()).getRank() != 2 ||
        ShapedType::isDynamic(ranks) || ranks > kMaxRanks ||
        static_cast<int64_t>(chain.gather.getSlots()) != ranks)
      return failure();
    Block *block = combine->getBlock();
    if (chain.gather->getBlock() != block || chain.order->getBlock() != block ||
        llvm::any_of(chain.products,
                     [&](MatmulOp op) { return op->getBlock() != block; }))
      return failure();
    return chain;
  }

  /// The chain's ops and what else nobody but they need, in their order.
  SmallVector<Operation *> ops() {
    llvm::SetVector<Operation *> all;
    all.insert(gather);
    for (MatmulOp product : products)
      all.insert(product);
    all.insert(combine);
    auto add = [&](Operation *op) {
      if (op && op->getBlock() == combine->getBlock() &&
          llvm::all_of(op->getUsers(),
                       [&](Operation *user) { return all.contains(user); }))
        all.insert(op);
    };
    add(order);
    auto offsets = order.getOffsets().getDefiningOp<OffsetsOp>();
    add(offsets);
    if (auto count = offsets ? offsets.getCounts().getDefiningOp<CountOp>()
                             : CountOp()) {
      add(count);
      add(count.getCounts().getDefiningOp<linalg::FillOp>());
    }
    SmallVector<Operation *> sorted(all.getArrayRef());
    llvm::sort(sorted, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
    return sorted;
  }
};

struct FuseSlots : impl::RaggedFuseSlotsBase<FuseSlots> {
  using RaggedFuseSlotsBase::RaggedFuseSlotsBase;

  void runOnOperation() override {
    if (fewRows == 0)
      return;
    SmallVector<CombineOp> ends;
    getOperation()->walk([&](CombineOp op) {
      if (op->getNumResults() == 1)
        ends.push_back(op);
    });
    for (CombineOp op : ends)
      if (FailureOr<Chain> chain = Chain::endingIn(op); succeeded(chain))
        fuse(*chain);
  }

  /// What findings of tuning name a chain by.
  static std::string shapeOf(Chain &chain, int64_t ranks) {
    std::string shape = std::to_string(ranks) + " slots of";
    for (MatmulOp product : chain.products)
      shape += (product == chain.products.front() ? " " : ", ") +
               ragged::shapeOf(product.weightType(), product);
    return shape;
  }

  /// The most items for which slot by slot is the better form.
  int64_t mostItems(Chain &chain, int64_t ranks, StringRef shape) {
    // Whoever sets a limit wants that one.
    if (fewRows >= 0)
      return fewRows / ranks;
    if (auto findings =
            findTuning(chain.combine->getParentOfType<ModuleOp>(), shape))
      return findings->front().form == "slots" ? findings->front().rows : 0;
    double expertBytes = 0;
    for (MatmulOp product : chain.products)
      expertBytes += product.weightType().getElementTypeBitWidth() / 8.0 *
                     double(product.getWeights().size()) *
                     double(product.getParts() * product.getOutputs()) *
                     double(product.getInner());
    return itemsWithoutOrder(Device(),
                             double(chain.products.back().getExperts()),
                             double(ranks), expertBytes);
  }

  /// Where the result only goes to a buffer of the caller's, what writes it
  /// there: each form does.
  static Operation *targetOf(CombineOp combine) {
    auto end = combine->hasOneUse()
                   ? dyn_cast<bufferization::MaterializeInDestinationOp>(
                         *combine->user_begin())
                   : bufferization::MaterializeInDestinationOp();
    bool only = end && end->getNumResults() == 0 &&
                end->getBlock() == combine->getBlock() &&
                combine.getOut().getDefiningOp<tensor::EmptyOp>();
    return only ? end.getOperation() : nullptr;
  }

  void fuse(Chain chain) {
    CombineOp combine = chain.combine;
    MatmulOp last = chain.products.back();
    int64_t ranks = cast<ShapedType>(combine.getInv().getType()).getDimSize(1);
    std::string shape = shapeOf(chain, ranks);
    int64_t most = mostItems(chain, ranks, shape);
    if (most == 0 &&
        !combine->getParentOfType<ModuleOp>()->hasAttr(kTunableAttr))
      return;
    ++numFused;
    ImplicitLocOpBuilder b(combine.getLoc(), combine);
    Value idx = chain.order.getIdx();
    Value items = tensor::DimOp::create(b, idx, 0);
    Choice choice(b, shape, {{"slots", most}, {"order", FormLimit::kAll}},
                  items);
    Value isFew = choice.takes(b, 0);
    Operation *target = targetOf(combine);
    auto forms = scf::IfOp::create(
        b, target ? TypeRange() : TypeRange(combine->getResultTypes()), isFew,
        /*addThenBlock=*/true, /*addElseBlock=*/true);
    if (target)
      forms->moveBefore(target);
    else
      combine->getResult(0).replaceAllUsesWith(forms.getResult(0));
    auto finish = [&](Value result) -> Operation * {
      if (!target)
        return scf::YieldOp::create(b, result);
      IRMapping mapping;
      mapping.map(combine->getResult(0), result);
      Operation *end = b.clone(*target, mapping);
      scf::YieldOp::create(b);
      return end;
    };
    auto ownOut = [&]() -> Value {
      return target ? b.clone(*combine.getOut().getDefiningOp())->getResult(0)
                    : combine.getOut();
    };

    b.setInsertionPointToStart(&forms.getThenRegion().front());
    Value rows = chain.gather.getX();
    for (MatmulOp product : chain.products) {
      bool isFirst = product == chain.products.front(),
           isLast = product == last;
      Value out = isLast ? ownOut() : product.getOut();
      auto slots = b.getI64IntegerAttr(isFirst ? ranks : 1);
      auto made = SlotMatmulOp::create(
          b, out.getType(), rows, slots, idx, chain.order.getLimit(),
          product.getWeights(), product.getPerExpert(),
          isLast ? combine.getScale() : Value(), out,
          product.getTransposedAttr(), product.getInterleavedAttr(),
          isLast ? b.getUnitAttr() : UnitAttr());
      IRMapping mapping;
      product.getEpilogue().cloneInto(&made.getEpilogue(), mapping);
      rows = made->getResult(0);
    }
    finish(rows);

    // The order and all behind it are for more.
    b.setInsertionPointToStart(&forms.getElseRegion().front());
    Operation *end = finish(combine->getResult(0));
    for (Operation *op : chain.ops())
      op->moveBefore(end);
    for (MatmulOp product : chain.products)
      product->setAttr(kManyAttr, b.getUnitAttr());
    b.setInsertionPoint(combine);
    combine.getOutMutable().assign(ownOut());
    if (target)
      target->erase();
  }
};
} // namespace
} // namespace route::ragged
