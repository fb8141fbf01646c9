// route-plan-workspace: temporary buffers become views of the caller's memory.
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Library/Passes.h"
#include "route/Library/Sizes.h"
#include "route/Notice.h"

namespace route {
#define GEN_PASS_DEF_ROUTEPLANWORKSPACE
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
constexpr int64_t kAlignment = 64;

/// A buffer, the operations of the entry's block between which it is live, and
/// the slot it gets.
struct Buffer {
  memref::AllocOp op;
  unsigned begin, end;
  unsigned slot;
  Value bytes;
};

class Planner {
public:
  Planner(func::FuncOp entry) : entry(entry), b(entry.getContext()) {}

  LogicalResult run(int64_t &numBuffers, int64_t &numSlots) {
    entry.walk(
        [&](memref::AllocOp op) { buffers.push_back({op, 0, 0, 0, {}}); });
    entry.walk([](memref::DeallocOp op) { op.erase(); });
    unsigned argument = entry.getNumArguments();
    auto bytes = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    if (failed(
            entry.insertArgument(argument, bytes,
                                 b.getDictionaryAttr(b.getNamedAttr(
                                     kRoleAttr, b.getStringAttr("workspace"))),
                                 entry.getLoc())))
      return failure();
    assignSlots();
    b.setInsertionPointToStart(&entry.getBody().front());
    IRMapping none;
    SmallVector<Value> sizes;
    if (failed(emitSizes(entry.getBody().front(), none, sizes)))
      return failure();
    Value offset = arith::ConstantIndexOp::create(b, entry.getLoc(), 0);
    SmallVector<Value> offsets;
    for (Value size : sizes) {
      offsets.push_back(offset);
      offset = arith::AddIOp::create(b, entry.getLoc(), offset, size);
    }
    emitWorkspaceFunction();
    for (Buffer &buffer : buffers) {
      MemRefType type = buffer.op.getType();
      b.setInsertionPoint(buffer.op);
      Value view = memref::ViewOp::create(
          b, buffer.op.getLoc(),
          MemRefType::get(type.getShape(), type.getElementType()),
          entry.getArgument(argument), offsets[buffer.slot],
          buffer.op.getDynamicSizes());
      buffer.op.getResult().replaceAllUsesWith(view);
      buffer.op.erase();
    }
    numBuffers += buffers.size();
    numSlots += slots;
    return success();
  }

private:
  /// First fit over live ranges. Operations are numbered as they are written;
  /// an operation with regions spans those inside it. In the innermost block
  /// that holds both a buffer and a reader, the buffer lives from its operation
  /// to the end of the reader's: a buffer made in a turn of a loop and read
  /// there alone is free for the rest of the turn, one made before the loop
  /// lives through it.
  void assignSlots() {
    BufferViewFlowAnalysis aliases(entry);
    llvm::DenseMap<Operation *, unsigned> first, last;
    unsigned number = 0;
    auto visit = [&](auto &&self, Operation *op) -> void {
      first[op] = number++;
      for (Region &region : op->getRegions())
        for (Operation &inner : region.getOps())
          self(self, &inner);
      last[op] = number - 1;
    };
    for (Operation &op : entry.getBody().front())
      visit(visit, &op);
    SmallVector<unsigned> freeFrom;
    for (Buffer &buffer : buffers) {
      Operation *made = buffer.op;
      buffer.begin = buffer.end = first[made];
      for (Value alias : aliases.resolve(buffer.op.getResult()))
        for (Operation *user : alias.getUsers()) {
          Operation *reader = nullptr;
          while (!(reader = made->getBlock()->findAncestorOpInBlock(*user)))
            made = made->getParentOp();
          buffer.begin = std::min(buffer.begin, first[made]);
          buffer.end = std::max(buffer.end, last[reader]);
        }
    }
    for (Buffer &buffer : buffers)
      if (buffer.op->hasAttr(kKeptAttr)) {
        buffer.begin = 0;
        buffer.end = number;
      }
    llvm::sort(buffers, [](const Buffer &x, const Buffer &y) {
      bool keptX = x.op->hasAttr(kKeptAttr), keptY = y.op->hasAttr(kKeptAttr);
      return keptX != keptY ? keptX : x.begin < y.begin;
    });
    for (Buffer &buffer : buffers) {
      unsigned slot = 0;
      // A buffer may start where another's last reader ends, not within it.
      while (slot < freeFrom.size() &&
             (freeFrom[slot] >= buffer.begin || !sameShape(slot, buffer)))
        ++slot;
      if (slot == freeFrom.size())
        freeFrom.push_back(0);
      freeFrom[slot] = buffer.end;
      buffer.slot = slot;
    }
    slots = freeFrom.size();
  }

  /// Static and dynamic sizes do not share: one would not bound the other.
  bool sameShape(unsigned slot, Buffer &buffer) {
    for (Buffer &other : buffers)
      if (other.slot == slot && other.begin < buffer.begin)
        return other.op.getDynamicSizes().empty() ==
               buffer.op.getDynamicSizes().empty();
    return true;
  }

  /// Emits at the builder's place the bytes of each slot; what the sizes are
  /// computed from is cloned there, under `mapping`.
  LogicalResult emitSizes(Block &where, IRMapping &mapping,
                          SmallVector<Value> &sizes) {
    sizes.resize(slots);
    for (Buffer &buffer : buffers) {
      Location loc = buffer.op.getLoc();
      MemRefType type = buffer.op.getType();
      int64_t fixed = elementBytes(type.getElementType());
      for (int64_t extent : type.getShape())
        if (!ShapedType::isDynamic(extent))
          fixed *= extent;
      Value bytes = arith::ConstantIndexOp::create(b, loc, fixed);
      for (Value extent : buffer.op.getDynamicSizes()) {
        FailureOr<Value> copy = cloneAt(extent, mapping, buffer.op);
        if (failed(copy))
          return failure();
        bytes = multiply(loc, bytes, *copy);
      }
      if (saturates && type.getRank() == 1 &&
          type.getElementType().isInteger(32))
        bytes = countable(loc, bytes);
      Value up = add(loc, bytes,
                     arith::ConstantIndexOp::create(b, loc, kAlignment - 1));
      Value units = arith::DivUIOp::create(
          b, loc, up, arith::ConstantIndexOp::create(b, loc, kAlignment));
      bytes = arith::MulIOp::create(
          b, loc, units, arith::ConstantIndexOp::create(b, loc, kAlignment));
      Value &size = sizes[buffer.slot];
      size = size ? Value(arith::MaxUIOp::create(b, loc, size, bytes)) : bytes;
    }
    return success();
  }

  /// Products and sums of sizes, none negative. The workspace function is asked
  /// about any sizes and tells what no memory has by the largest number; an
  /// entry is called with sizes of which it told less.
  Value multiply(Location loc, Value left, Value right) {
    if (!saturates)
      return arith::MulIOp::create(b, loc, left, right);
    auto whole = arith::MulUIExtendedOp::create(b, loc, left, right);
    Value most = arith::ConstantIndexOp::create(b, loc, INT64_MAX);
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, whole.getHigh(),
                              arith::ConstantIndexOp::create(b, loc, 0));
    Value low = arith::MinUIOp::create(b, loc, whole.getLow(), most);
    return arith::SelectOp::create(b, loc, fits, low, most);
  }
  Value add(Location loc, Value left, Value right) {
    Value sum = arith::AddIOp::create(b, loc, left, right);
    return saturates ? arith::MinUIOp::create(
                           b, loc, sum,
                           arith::ConstantIndexOp::create(b, loc, INT64_MAX))
                     : sum;
  }

  /// The bytes of a list of 32-bit numbers, or what no memory has where those
  /// could not count it: such lists hold places of items and slots.
  Value countable(Location loc, Value bytes) {
    Value most = arith::ConstantIndexOp::create(b, loc, 4 * int64_t(INT32_MAX));
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule, bytes, most);
    return arith::SelectOp::create(
        b, loc, fits, bytes, arith::ConstantIndexOp::create(b, loc, INT64_MAX));
  }

  static int64_t elementBytes(Type type) {
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.getNumElements() * elementBytes(vector.getElementType());
    if (type.isIndex())
      return 8;
    return type.isIntOrFloat()
               ? llvm::divideCeil(type.getIntOrFloatBitWidth(), 8)
               : 16;
  }

  FailureOr<Value> cloneAt(Value value, IRMapping &mapping, Operation *user) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == &entry.getBody().front() &&
          argument.getType().isIndex())
        return value;
      return notCovered(user, "a buffer whose size depends on data");
    }
    Operation *op = value.getDefiningOp();
    if (auto dim = dyn_cast<memref::DimOp>(op))
      if (std::optional<int64_t> index = dim.getConstantIndex())
        return sizeOf(dim.getSource(), *index, mapping, user);
    if (!isPure(op) || op->getNumRegions() != 0 ||
        !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
      return notCovered(user, "a buffer whose size depends on data");
    for (Value operand : op->getOperands()) {
      FailureOr<Value> copy = cloneAt(operand, mapping, user);
      if (failed(copy))
        return failure();
      mapping.map(operand, *copy);
    }
    if (isa<arith::MulIOp>(op) && value.getType().isIndex())
      return multiply(op->getLoc(), mapping.lookup(op->getOperand(0)),
                      mapping.lookup(op->getOperand(1)));
    if (isa<arith::AddIOp>(op) && value.getType().isIndex())
      return add(op->getLoc(), mapping.lookup(op->getOperand(0)),
                 mapping.lookup(op->getOperand(1)));
    return b.clone(*op, mapping)
        ->getResult(cast<OpResult>(value).getResultNumber());
  }

  /// A buffer that has the sizes of one that a loop carries, on the way to what
  /// the loop began with; null for others.
  static Value sameSizeAs(Value buffer) {
    auto result = dyn_cast<OpResult>(buffer);
    Operation *op =
        result ? result.getOwner() : buffer.getParentRegion()->getParentOp();
    unsigned i = result ? result.getResultNumber()
                        : cast<BlockArgument>(buffer).getArgNumber();
    if (auto cast = dyn_cast<memref::CastOp>(op))
      return cast.getSource();
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return loop.getInits()[result ? i : i - loop.getNumInductionVars()];
    if (auto loop = dyn_cast<scf::WhileOp>(op))
      return !result && buffer.getParentRegion() == &loop.getBefore()
                 ? loop.getInits()[i]
                 : loop.getConditionOp().getArgs()[i];
    return {};
  }

  /// Dimension `index` of a buffer, from the sizes of the entry's axes.
  FailureOr<Value> sizeOf(Value buffer, int64_t index, IRMapping &mapping,
                          Operation *user) {
    auto type = cast<MemRefType>(buffer.getType());
    if (!type.isDynamicDim(index))
      return Value(arith::ConstantIndexOp::create(b, user->getLoc(),
                                                  type.getDimSize(index)));
    unsigned dynamic = type.getDynamicDimIndex(index);
    if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
      return cloneAt(alloc.getDynamicSizes()[dynamic], mapping, user);
    if (Value before = sameSizeAs(buffer))
      return sizeOf(before, index, mapping, user);
    if (auto branch = buffer.getDefiningOp<scf::IfOp>()) {
      unsigned i = cast<OpResult>(buffer).getResultNumber();
      FailureOr<Value> size =
          sizeOf(branch.thenYield().getOperand(i), index, mapping, user);
      if (failed(size))
        return failure();
      FailureOr<Value> other =
          sizeOf(branch.elseYield().getOperand(i), index, mapping, user);
      if (failed(other))
        return failure();
      if (isSameSize(*size, *other))
        return size;
      return notCovered(user, "a buffer whose size depends on data");
    }
    auto given = [&](OpFoldResult size) -> FailureOr<Value> {
      if (auto value = dyn_cast<Value>(size))
        return cloneAt(value, mapping, user);
      return Value(arith::ConstantIndexOp::create(b, user->getLoc(),
                                                  *getConstantIntValue(size)));
    };
    if (auto expand = buffer.getDefiningOp<memref::ExpandShapeOp>())
      return given(expand.getMixedOutputShape()[index]);
    if (auto slice = buffer.getDefiningOp<memref::SubViewOp>()) {
      llvm::SmallBitVector dropped = slice.getDroppedDims();
      for (auto [i, size] : llvm::enumerate(slice.getMixedSizes()))
        if (!dropped.test(i) && index-- == 0)
          return given(size);
    }
    if (auto collapse = buffer.getDefiningOp<memref::CollapseShapeOp>()) {
      Value product;
      for (int64_t i : collapse.getReassociationIndices()[index]) {
        FailureOr<Value> size = sizeOf(collapse.getSrc(), i, mapping, user);
        if (failed(size))
          return failure();
        product = product ? multiply(user->getLoc(), product, *size) : *size;
      }
      return product;
    }
    if (auto argument = dyn_cast<BlockArgument>(buffer);
        argument && argument.getOwner() == &entry.getBody().front())
      if (Value size = sizeArgument(argument, index))
        return mapping.lookupOrDefault(size);
    return notCovered(user, "a buffer whose size depends on data");
  }

  void emitWorkspaceFunction() {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(entry);
    SmallVector<unsigned> arguments;
    SmallVector<Type> types;
    SmallVector<Attribute> names;
    for (unsigned i = 0; i < entry.getNumArguments(); ++i)
      if (entry.getArgument(i).getType().isIndex()) {
        arguments.push_back(i);
        types.push_back(b.getIndexType());
        names.push_back(entry.getArgAttrOfType<StringAttr>(i, kNameAttr));
      }
    auto function = func::FuncOp::create(
        b, entry.getLoc(), ("workspace." + entry.getSymName()).str(),
        b.getFunctionType(types, b.getIndexType()));
    function->setAttr("route.workspace",
                      FlatSymbolRefAttr::get(entry.getSymNameAttr()));
    function->setAttr("route.sizes", b.getArrayAttr(names));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    for (auto [i, argument] : llvm::enumerate(arguments))
      mapping.map(entry.getArgument(argument), body->getArgument(i));
    SmallVector<Value> sizes;
    saturates = true;
    (void)emitSizes(*body, mapping, sizes);
    Value total = arith::ConstantIndexOp::create(b, entry.getLoc(), 0);
    for (Value size : sizes)
      total = add(entry.getLoc(), total, size);
    func::ReturnOp::create(b, entry.getLoc(), total);
  }

  func::FuncOp entry;
  OpBuilder b;
  SmallVector<Buffer> buffers;
  unsigned slots = 0;
  bool saturates = false; ///< whether sizes are those of the workspace function
};

struct PlanWorkspace : route::impl::RoutePlanWorkspaceBase<PlanWorkspace> {
  void runOnOperation() override {
    int64_t planned = 0, shared = 0;
    for (auto entry :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if ((entry->hasAttr(kEntryAttr) || entry->hasAttr(kPreparedBytesAttr)) &&
          failed(Planner(entry).run(planned, shared)))
        return signalPassFailure();
    // Binding may take memory for a while; nothing else may.
    getOperation().walk([&](memref::AllocOp op) {
      auto function = op->getParentOfType<func::FuncOp>();
      if (function && function->hasAttr("route.pack")) {
        OpBuilder b(op->getBlock()->getTerminator());
        memref::DeallocOp::create(b, op.getLoc(), op);
        return;
      }
      op.emitError("compiled code allocates here");
      signalPassFailure();
    });
    // Copies of what lies apart are loops: there is no runtime to call.
    getOperation().walk([&](memref::CopyOp op) {
      if (cast<MemRefType>(op.getSource().getType()).getLayout().isIdentity() &&
          cast<MemRefType>(op.getTarget().getType()).getLayout().isIdentity())
        return;
      OpBuilder b(op);
      linalg::makeMemRefCopyOp(b, op.getLoc(), op.getSource(), op.getTarget());
      op.erase();
    });
    numBuffers += planned;
    numSlots += shared;
  }
};
} // namespace
