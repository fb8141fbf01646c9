// route-split-host: what only the host can do of an entry becomes a function.
// The entry for the GPU takes what that function gives as inputs that it
// uploads.
#include "HostCrossings.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Library/Passes.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTESPLITHOST
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Whether a GPU gains something by it: products, sums, and row programs.
static bool isWorth(Operation *op) {
  if (isa<row::ProgramOp, ragged::MatmulOp>(op))
    return true;
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  return linalgOp && linalgOp.getNumReductionLoops() > 0;
}

namespace {
/// Takes one entry apart.
class Splitter {
public:
  explicit Splitter(func::FuncOp entry)
      : entry(entry), body(entry.getBody().front()), host(entry) {}

  /// Why the entry stays whole; empty where the GPU's part is left of it, or
  /// the host has none.
  std::string run() {
    simplifySizes(entry);
    if (std::string objection = host.find(); !objection.empty())
      return objection;
    if (host.empty()) {
      ImplicitLocOpBuilder b =
          ImplicitLocOpBuilder::atBlockBegin(entry.getLoc(), &body);
      uploadInputs(b);
      markArguments();
      return "";
    }
    bool worth = llvm::any_of(body, [&](Operation &op) {
      return !host.contains(&op) && isWorth(&op);
    });
    if (!worth)
      return "beside its texts there is nothing to compute";
    if (std::string objection = crossings.layOut(entry, host);
        !objection.empty())
      return objection;
    makeHostPart();
    leaveDevicePart();
    markArguments();
    return "";
  }

  size_t numCrossing() const { return crossings.list.size(); }

private:
  /// Views of the common memory, as both parts see it.
  Value viewOf(ImplicitLocOpBuilder &b, const HostCrossing &each, Value memory,
               function_ref<Value(Value)> mapped) {
    SmallVector<Value> sizes = llvm::map_to_vector(each.sizes, mapped);
    return memref::ViewOp::create(b, each.type, memory, mapped(each.offset),
                                  sizes);
  }

  static MemRefType bytesType(MLIRContext *context) {
    return MemRefType::get({ShapedType::kDynamic},
                           IntegerType::get(context, 8));
  }

  void makeHostPart() {
    IRMapping mapping;
    OpBuilder outside(entry);
    outside.setInsertionPointAfter(entry);
    auto part = cast<func::FuncOp>(outside.clone(*entry, mapping));
    part.setName((entry.getSymName() + ".host").str());
    part.setPrivate();
    part->removeAttr(kEntryAttr);
    part->setAttr(kHostPartOfAttr,
                  FlatSymbolRefAttr::get(entry.getSymNameAttr()));
    auto mapped = [&](Value value) { return mapping.lookupOrDefault(value); };
    ImplicitLocOpBuilder b(entry.getLoc(), mapping.lookup(crossings.end));
    if (!crossings.list.empty()) {
      // Of a type that no pattern improves: it would lose the attribute.
      memref::AllocOp memory =
          crossings.fixed
              ? memref::AllocOp::create(
                    b, MemRefType::get({*crossings.fixed}, b.getI8Type()))
              : memref::AllocOp::create(b, bytesType(b.getContext()),
                                        mapped(crossings.total));
      memory->setAttr(kKeptAttr, b.getUnitAttr());
      for (const HostCrossing &each : crossings.list) {
        Value view = viewOf(b, each, memory, mapped);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(part.getBody().front().getTerminator());
        if (isa<RankedTensorType>(each.value.getType()))
          bufferization::MaterializeInDestinationOp::create(
              b, TypeRange(), mapped(each.value), view, /*restrict=*/true,
              /*writable=*/true);
        else
          memref::StoreOp::create(b, mapped(each.value), view, ValueRange());
      }
    }
    for (Operation &op : llvm::reverse(body)) {
      Operation *copy = mapping.lookup(&op);
      if (!host.contains(&op) && !op.hasTrait<OpTrait::IsTerminator>() &&
          (!HostPart::isShared(&op) || copy->use_empty()))
        copy->erase();
    }
  }

  void leaveDevicePart() {
    ImplicitLocOpBuilder b(entry.getLoc(), crossings.end);
    auto same = [](Value value) { return value; };
    entry->setAttr(kHasHostPartAttr, b.getUnitAttr());
    unsigned last = entry.getNumArguments();
    (void)entry.insertArgument(
        last, bytesType(b.getContext()),
        b.getDictionaryAttr(b.getNamedAttr(kRoleAttr, b.getStringAttr("host"))),
        entry.getLoc());
    Value from = entry.getArgument(last), memory;
    for (HostCrossing &each : crossings.list) {
      Value arrived;
      if (auto type = dyn_cast<RankedTensorType>(each.value.getType())) {
        if (!memory)
          memory = upload(b, bytesType(b.getContext()), from, crossings.total);
        arrived = bufferization::ToTensorOp::create(
            b, type, viewOf(b, each, memory, same), /*restrict=*/true);
      } else {
        arrived = memref::LoadOp::create(b, viewOf(b, each, from, same),
                                         ValueRange());
      }
      each.value.replaceUsesWithIf(arrived, [&](OpOperand &use) {
        return !host.contains(body.findAncestorOpInBlock(*use.getOwner()));
      });
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (host.contains(&op) && (!HostPart::isShared(&op) || op.use_empty()))
        op.erase();
    uploadInputs(b);
  }

  /// A copy in memory of the GPU; `sizes` are of the dimensions that its type
  /// does not know.
  Value upload(ImplicitLocOpBuilder &b, MemRefType type, Value from,
               ValueRange sizes) {
    Value copy = memref::AllocOp::create(b, type, sizes);
    gpu::MemcpyOp::create(b, Type(), ValueRange(), copy, from);
    return copy;
  }

  /// What both parts read comes from the host.
  void uploadInputs(ImplicitLocOpBuilder &b) {
    for (unsigned i = 0; i < numArguments; ++i) {
      BlockArgument argument = entry.getArgument(i);
      auto type = dyn_cast<MemRefType>(argument.getType());
      StringRef role = host.roleOf(i);
      if (!type || !host.isOnHost(i) || isText(type) ||
          (role != "input" && role != "known" && role != "offsets"))
        continue;
      auto reads = [](OpOperand &use) {
        return !isa<memref::DimOp>(use.getOwner());
      };
      if (llvm::none_of(argument.getUses(), reads))
        continue;
      SmallVector<Value> sizes;
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        if (type.isDynamicDim(dim))
          sizes.push_back(memref::DimOp::create(b, argument, dim));
      Value copy = memref::AllocOp::create(b, type, sizes);
      argument.replaceUsesWithIf(copy, reads);
      gpu::MemcpyOp::create(b, Type(), ValueRange(), copy, argument);
    }
  }

  void markArguments() {
    for (unsigned i = 0; i < numArguments; ++i)
      if (host.roleOf(i) != "known" && host.isOnHost(i))
        entry.setArgAttr(i, kOnHostAttr, UnitAttr::get(entry.getContext()));
  }

  func::FuncOp entry;
  Block &body;
  HostPart host;
  HostCrossings crossings;
  unsigned numArguments = entry.getNumArguments(); ///< before there is one more
};

struct SplitHost : route::impl::RouteSplitHostBase<SplitHost> {
  void runOnOperation() override {
    Builder b(&getContext());
    SmallVector<func::FuncOp> entries;
    for (auto entry : getOperation().getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr) && !entry->hasAttr(kNotOnDeviceAttr))
        entries.push_back(entry);
    for (func::FuncOp entry : entries) {
      Splitter splitter(entry);
      std::string objection = splitter.run();
      if (!objection.empty())
        entry->setAttr(kNotOnDeviceAttr, b.getStringAttr(objection));
      numSplit += entry->hasAttr(kHasHostPartAttr);
      numCrossing += splitter.numCrossing();
    }
  }
};
} // namespace
