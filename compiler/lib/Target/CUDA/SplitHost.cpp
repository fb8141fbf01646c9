// route-split-host: what only the host can do of an entry becomes a function.
// The entry for the GPU takes what that function gives as inputs that it
// uploads.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Library/Passes.h"
#include "route/Target/CUDA/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTESPLITHOST
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

static bool isText(Type type) {
  return isa<signal::TextType>(getElementTypeOrSelf(type));
}

/// Whether the operation, or one within it, deals with texts.
static bool touchesText(Operation *op) {
  return op
      ->walk([](Operation *each) {
        bool found = llvm::any_of(each->getOperandTypes(), isText) ||
                     llvm::any_of(each->getResultTypes(), isText);
        return found ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Whether it goes through elements one by one, outside of what can become a
/// kernel.
static bool goesByElement(Operation *op) {
  return op
      ->walk<WalkOrder::PreOrder>([](Operation *each) {
        if (isa<row::ProgramOp, linalg::LinalgOp>(each) ||
            isa<ragged::RaggedDialect>(each->getDialect()))
          return WalkResult::skip();
        return isa<tensor::ExtractOp, tensor::InsertOp>(each)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Whether a GPU gains something by it: products, sums, and row programs.
static bool isWorth(Operation *op) {
  if (isa<row::ProgramOp, ragged::MatmulOp>(op))
    return true;
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  return linalgOp && linalgOp.getNumReductionLoops() > 0;
}

/// A dimension of a tensor, from what it was begun with; null where only the
/// data say it.
static OpFoldResult sizeOf(Value value, int64_t dim) {
  auto type = cast<ShapedType>(value.getType());
  if (!type.isDynamicDim(dim))
    return Builder(value.getContext()).getIndexAttr(type.getDimSize(dim));
  auto result = dyn_cast<OpResult>(value);
  if (!result) {
    auto argument = cast<BlockArgument>(value);
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop ? sizeOf(loop.getTiedLoopInit(argument)->get(), dim)
                : OpFoldResult();
  }
  Operation *op = result.getOwner();
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getMixedSizes()[dim];
  if (auto writer = dyn_cast<DestinationStyleOpInterface>(op))
    return sizeOf(writer.getTiedOpOperand(result)->get(), dim);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return sizeOf(loop.getTiedLoopInit(result)->get(), dim);
  if (auto either = dyn_cast<scf::IfOp>(op))
    return sizeOf(either.thenYield().getOperand(result.getResultNumber()), dim);
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return sizeOf(cast.getSource(), dim);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape()[dim];
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    ReassociationIndices from = collapse.getReassociationIndices()[dim];
    return from.size() == 1 ? sizeOf(collapse.getSrc(), from[0])
                            : OpFoldResult();
  }
  if (auto tensor = dyn_cast<bufferization::ToTensorOp>(op)) {
    OpBuilder b(op);
    return memref::DimOp::create(b, op->getLoc(), tensor.getBuffer(), dim)
        .getResult();
  }
  return {};
}

static constexpr llvm::StringLiteral kSizeFromData =
    "how much its texts give is known only from data";

namespace {
/// Takes one entry apart.
class Splitter {
public:
  explicit Splitter(func::FuncOp entry)
      : entry(entry), body(entry.getBody().front()),
        onHost(entry.getNumArguments()) {}

  /// Why the entry stays whole; empty where the GPU's part is left of it, or
  /// the host has none.
  std::string run() {
    simplifySizes();
    markTexts();
    SmallVector<Operation *> texts;
    for (Operation &op : body)
      if (touchesText(&op))
        texts.push_back(&op);
    for (Operation *op : texts)
      if (std::string objection = require(op, host, /*firm=*/true);
          !objection.empty())
        return objection;
    if (texts.empty()) {
      ImplicitLocOpBuilder b =
          ImplicitLocOpBuilder::atBlockBegin(entry.getLoc(), &body);
      uploadInputs(b);
      markArguments();
      return "";
    }
    takeWhatIsThere();
    bool worth = llvm::any_of(body, [&](Operation &op) {
      return !host.contains(&op) && isWorth(&op);
    });
    if (!worth)
      return "beside its texts there is nothing to compute";
    if (std::string objection = layOut(); !objection.empty())
      return objection;
    makeHostPart();
    leaveDevicePart();
    markArguments();
    return "";
  }

  size_t numCrossing() const { return crossing.size(); }

private:
  /// A value that the host gives the GPU, and where in their common memory.
  struct Crossing {
    Value value;
    MemRefType type;
    SmallVector<Value> sizes;
    Value offset;
  };

  StringRef roleOf(unsigned argument) {
    auto role = entry.getArgAttrOfType<StringAttr>(argument, kRoleAttr);
    return role ? role.getValue() : StringRef();
  }

  /// Sizes of tensors become the sizes that these were made with.
  void simplifySizes() {
    entry.walk([&](tensor::DimOp op) {
      std::optional<int64_t> dim = op.getConstantIndex();
      if (!dim)
        return;
      OpFoldResult size = sizeOf(op.getSource(), *dim);
      auto value = dyn_cast_or_null<Value>(size);
      if (value && value.getParentBlock() == &body)
        op.replaceAllUsesWith(value);
    });
  }

  /// Texts are the host's, and so is where lists of texts begin.
  void markTexts() {
    llvm::DenseSet<Attribute> axes;
    auto mark = [&](unsigned i) {
      onHost.set(i);
      if (auto own = entry.getArgAttrOfType<ArrayAttr>(i, kAxesAttr))
        for (Attribute axis : own)
          axes.insert(axis);
    };
    unsigned count = entry.getNumArguments();
    for (unsigned i = 0; i < count; ++i)
      if (isText(entry.getArgument(i).getType()))
        mark(i);
    for (unsigned turn = 0; turn < count; ++turn)
      for (unsigned i = 0; i < count; ++i)
        if (roleOf(i) == "offsets" && !onHost.test(i) &&
            axes.contains(entry.getArgAttr(i, kOfAttr)))
          mark(i);
  }

  /// The argument that stands for the port of argument `i`: known bytes follow
  /// those of their input.
  unsigned portOf(unsigned i) {
    while (roleOf(i) == "known")
      --i;
    return i;
  }

  /// Adds what `op` is computed from to `needed`; says why not where the host
  /// lacks some of it. What is `firm` brings inputs to the host.
  std::string require(Operation *op, llvm::SetVector<Operation *> &needed,
                      bool firm) {
    SmallVector<Operation *> open = {op};
    while (!open.empty()) {
      Operation *next = open.pop_back_val();
      if (host.contains(next) || !needed.insert(next))
        continue;
      if (isa<ragged::MatmulOp>(next))
        return "its texts hang on a product";
      if (isa<ragged::RaggedDialect>(next->getDialect()))
        return "its texts hang on a choice";
      llvm::SetVector<Value> used(llvm::from_range, next->getOperands());
      getUsedValuesDefinedAbove(next->getRegions(), used);
      for (Value value : used) {
        if (Operation *from = value.getDefiningOp()) {
          open.push_back(from);
          continue;
        }
        auto argument = cast<BlockArgument>(value);
        if (argument.getOwner() != &body ||
            !isa<MemRefType>(argument.getType()) || isa<memref::DimOp>(next))
          continue;
        unsigned i = argument.getArgNumber();
        StringRef role = roleOf(i);
        if (role == "param")
          return "its texts hang on a parameter";
        if (role == "state" || role == "write" || role == "changes")
          return "its texts meet state";
        if (!onHost.test(portOf(i)) && !firm)
          return "an input is on the GPU";
        onHost.set(portOf(i));
      }
    }
    return "";
  }

  /// Loops over elements of what the host has anyway are its too.
  void takeWhatIsThere() {
    for (Operation &op : body) {
      llvm::SetVector<Operation *> needed;
      if (!host.contains(&op) && goesByElement(&op) &&
          require(&op, needed, /*firm=*/false).empty())
        host.insert_range(needed);
    }
  }

  /// Whether both parts compute the operation: sizes, constants, empty tensors.
  bool isShared(Operation *op) {
    if (isa<arith::ConstantOp, memref::DimOp, bufferization::ToTensorOp>(op))
      return true;
    bool cheap =
        isa<tensor::EmptyOp, linalg::FillOp>(op) ||
        (isa<arith::ArithDialect>(op->getDialect()) &&
         llvm::none_of(op->getResultTypes(), llvm::IsaPred<ShapedType>));
    return cheap && llvm::all_of(op->getOperands(), [&](Value operand) {
             Operation *from = operand.getDefiningOp();
             return !from ||
                    (!isa<bufferization::ToTensorOp>(from) && isShared(from));
           });
  }

  /// Moves what `value` is computed from to the start of the entry, where
  /// `front` is.
  void bringForward(Value value, Operation *front) {
    Operation *op = value.getDefiningOp();
    if (!op || op->isBeforeInBlock(front))
      return;
    for (Value operand : op->getOperands())
      bringForward(operand, front);
    op->moveBefore(front);
  }

  /// Finds what crosses, and gives each its place.
  std::string layOut() {
    llvm::SetVector<Value> values;
    for (Operation &op : body) {
      if (host.contains(&op))
        continue;
      llvm::SetVector<Value> used(llvm::from_range, op.getOperands());
      getUsedValuesDefinedAbove(op.getRegions(), used);
      for (Value value : used)
        if (Operation *from = value.getDefiningOp();
            from && host.contains(from) && !isShared(from))
          values.insert(value);
    }
    // All that the offsets are made of stands before `front`.
    ImplicitLocOpBuilder b =
        ImplicitLocOpBuilder::atBlockBegin(entry.getLoc(), &body);
    Operation *front = arith::ConstantIndexOp::create(b, 0);
    auto constant = [&](int64_t n) -> Value {
      return arith::ConstantIndexOp::create(b, n);
    };
    b.setInsertionPoint(front);
    total = constant(0);
    for (Value value : values) {
      Crossing each;
      each.value = value;
      Type element = getElementTypeOrSelf(value.getType());
      if (!element.isIntOrIndexOrFloat() || isa<MemRefType>(value.getType()))
        return "what its texts give is no tensor of numbers";
      if (value.getDefiningOp<tensor::DimOp>())
        return kSizeFromData.str();
      auto shaped = dyn_cast<RankedTensorType>(value.getType());
      each.type = MemRefType::get(
          shaped ? shaped.getShape() : ArrayRef<int64_t>(), element);
      Value bytes =
          constant(element.isIndex()
                       ? 8
                       : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8));
      for (int64_t dim = 0; dim < each.type.getRank(); ++dim) {
        OpFoldResult size = sizeOf(value, dim);
        auto known = dyn_cast_or_null<Value>(size);
        if (!size || (known && !isKnownBefore(known)))
          return kSizeFromData.str();
        if (known) {
          bringForward(known, front);
          each.sizes.push_back(known);
        } else {
          known = constant(*getConstantIntValue(size));
        }
        bytes = arith::MulIOp::create(b, bytes, known);
      }
      each.offset = total;
      if (!each.sizes.empty())
        fixed = std::nullopt;
      else if (fixed)
        *fixed += llvm::alignTo(
            each.type.getNumElements() *
                llvm::divideCeil(
                    element.isIndex() ? 64 : element.getIntOrFloatBitWidth(),
                    8),
            64);
      Value up = arith::AddIOp::create(b, bytes, constant(63));
      Value whole = arith::MulIOp::create(
          b, arith::DivUIOp::create(b, up, constant(64)), constant(64));
      total = arith::AddIOp::create(b, total, whole);
      crossing.push_back(std::move(each));
    }
    end = front;
    return "";
  }

  /// Whether a size is made of the sizes of axes.
  bool isKnownBefore(Value size) {
    Operation *op = size.getDefiningOp();
    if (!op)
      return cast<BlockArgument>(size).getOwner() == &body;
    return op->getBlock() == &body && isShared(op);
  }

  /// Views of the common memory, as both parts see it.
  Value viewOf(ImplicitLocOpBuilder &b, const Crossing &each, Value memory,
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
    ImplicitLocOpBuilder b(entry.getLoc(), mapping.lookup(end));
    if (!crossing.empty()) {
      // Of a type that no pattern improves: it would lose the attribute.
      memref::AllocOp memory =
          fixed ? memref::AllocOp::create(
                      b, MemRefType::get({*fixed}, b.getI8Type()))
                : memref::AllocOp::create(b, bytesType(b.getContext()),
                                          mapped(total));
      memory->setAttr(kKeptAttr, b.getUnitAttr());
      for (const Crossing &each : crossing) {
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
          (!isShared(&op) || copy->use_empty()))
        copy->erase();
    }
  }

  void leaveDevicePart() {
    ImplicitLocOpBuilder b(entry.getLoc(), end);
    auto same = [](Value value) { return value; };
    entry->setAttr(kHasHostPartAttr, b.getUnitAttr());
    unsigned last = entry.getNumArguments();
    (void)entry.insertArgument(
        last, bytesType(b.getContext()),
        b.getDictionaryAttr(b.getNamedAttr(kRoleAttr, b.getStringAttr("host"))),
        entry.getLoc());
    Value from = entry.getArgument(last), memory;
    for (Crossing &each : crossing) {
      Value arrived;
      if (auto type = dyn_cast<RankedTensorType>(each.value.getType())) {
        if (!memory)
          memory = upload(b, bytesType(b.getContext()), from, total);
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
      if (host.contains(&op) && (!isShared(&op) || op.use_empty()))
        op.erase();
    uploadInputs(b);
  }

  /// A copy in memory of the GPU; `size` is its one dimension where that is not
  /// known.
  Value upload(ImplicitLocOpBuilder &b, MemRefType type, Value from,
               ValueRange sizes) {
    Value copy = memref::AllocOp::create(b, type, sizes);
    gpu::MemcpyOp::create(b, Type(), ValueRange(), copy, from);
    return copy;
  }

  /// What both parts read comes from the host.
  void uploadInputs(ImplicitLocOpBuilder &b) {
    for (unsigned i = 0; i < onHost.size(); ++i) {
      BlockArgument argument = entry.getArgument(i);
      auto type = dyn_cast<MemRefType>(argument.getType());
      StringRef role = roleOf(i);
      if (!type || !onHost.test(portOf(i)) || isText(type) ||
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
    for (unsigned i = 0; i < onHost.size(); ++i)
      if (onHost.test(i) && roleOf(i) != "known")
        entry.setArgAttr(i, kOnHostAttr, UnitAttr::get(entry.getContext()));
  }

  func::FuncOp entry;
  Block &body;
  llvm::BitVector onHost;            ///< by argument
  llvm::SetVector<Operation *> host; ///< of the body, what the host computes
  SmallVector<Crossing> crossing;
  Value total;                      ///< bytes of what crosses
  std::optional<int64_t> fixed = 0; ///< the same where no call decides it
  Operation *end = nullptr; ///< before it stands what offsets are made of
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
