// route-prepare-parameters: what hangs on parameters alone is computed once.
// Tables of constants, which hang on nothing, come to the device the same way.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Library/Passes.h"
#include "route/Target/CUDA/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTEPREPAREPARAMETERS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// Where a prepared value starts; tensor maps and vectors ask for less.
constexpr int64_t kAlignment = 256;

/// Whether `op` gives the elements of a tensor another shape, or some of them,
/// in the same memory.
bool isView(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(op);
}

/// What of an entry hangs on parameters alone, or on nothing: tables.
class Prepared {
public:
  explicit Prepared(func::FuncOp entry) : entry(entry) {
    for (Operation &op : entry.getBody().front())
      if (hangsOnParameters(&op))
        ops.insert(&op);
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (isa<arith::ConstantOp>(op)
                ? isa<TensorType>(result.getType()) && isTaken(result)
                : isa<linalg::LinalgOp>(op) && reads.contains(op) &&
                      leaves(result))
          values.push_back(result);
    // Of the rest nothing comes along.
    llvm::SetVector<Operation *> needed;
    for (Operation *op : llvm::reverse(ops))
      if (llvm::any_of(
              op->getResults(),
              [&](Value v) { return llvm::is_contained(values, v); }) ||
          llvm::any_of(op->getUsers(), [&](Operation *user) {
            return needed.contains(inEntry(user));
          }))
        needed.insert(op);
    ops = {needed.rbegin(), needed.rend()};
  }

  func::FuncOp entry;
  SmallVector<Value> values; ///< those that others of the entry use

  /// Copies what `values` are computed by; `mapping` then has them.
  void cloneInto(OpBuilder &b, IRMapping &mapping,
                 function_ref<Value(BlockArgument)> parameter) {
    for (Operation *op : ops) {
      auto read = dyn_cast<bufferization::ToTensorOp>(op);
      if (read)
        mapping.map(read.getBuffer(),
                    parameter(cast<BlockArgument>(read.getBuffer())));
      b.clone(*op, mapping);
    }
  }

  /// Erases what nothing uses any more, readers before what they read.
  void eraseUnused() {
    for (Operation *op : llvm::reverse(ops))
      if (op->use_empty())
        op->erase();
  }

private:
  /// The operation of the entry's block that is `op` or has it inside.
  Operation *inEntry(Operation *op) {
    return entry.getBody().front().findAncestorOpInBlock(*op);
  }

  bool hangsOnParameters(Operation *op) {
    auto isStatic = [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor ? tensor.hasStaticShape() : type.isIntOrIndexOrFloat();
    };
    if (!llvm::all_of(op->getResultTypes(), isStatic))
      return false;
    if (auto read = dyn_cast<bufferization::ToTensorOp>(op)) {
      auto from = dyn_cast<BlockArgument>(read.getBuffer());
      auto role = from ? entry.getArgAttrOfType<StringAttr>(from.getArgNumber(),
                                                            kRoleAttr)
                       : StringAttr();
      if (!role || role.getValue() != "param")
        return false;
      reads.insert(op);
      return true;
    }
    if (!isView(op) &&
        !isa<arith::ConstantOp, tensor::EmptyOp, linalg::LinalgOp>(op))
      return false;
    llvm::SetVector<Value> used(llvm::from_range, op->getOperands());
    getUsedValuesDefinedAbove(op->getRegions(), used);
    for (Value v : used) {
      Operation *made = v.getDefiningOp();
      if (!made || !ops.contains(made))
        return false;
      if (reads.contains(made))
        reads.insert(op);
    }
    return true;
  }

  /// Whether what is no part of `ops` uses the value, or a view of it.
  bool leaves(Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      Operation *own = inEntry(user);
      if (!ops.contains(own))
        return true;
      return isView(own) && leaves(own->getResult(0));
    });
  }

  /// Whether a kernel takes the table, or a view of it. Work on elements has
  /// tables of its own.
  bool isTaken(Value table) {
    return llvm::any_of(table.getUsers(), [&](Operation *user) {
      return isa<bufferization::ToBufferOp>(user) ||
             isa<ragged::RaggedDialect>(user->getDialect()) ||
             (ops.contains(user) && isView(user) &&
              isTaken(user->getResult(0)));
    });
  }

  llvm::SetVector<Operation *> ops;  ///< in their order
  llvm::DenseSet<Operation *> reads; ///< those of `ops` that need a parameter
};

struct PrepareParameters
    : route::impl::RoutePrepareParametersBase<PrepareParameters> {
  void runOnOperation() override {
    SmallVector<Prepared> all;
    for (auto entry : getOperation().getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr) && !entry->hasAttr(kNotOnDeviceAttr))
        if (Prepared made(entry); !made.values.empty())
          all.push_back(std::move(made));
    if (all.empty())
      return;
    func::FuncOp prepare = compute(all);
    auto results = cast<func::ReturnOp>(prepare.front().getTerminator());
    SmallVector<Value> values(results.getOperands());
    llvm::MapVector<Value, int64_t> offsets = place(values);
    store(prepare, results, offsets);
    unsigned next = 0;
    for (Prepared &each : all)
      next = use(each, ArrayRef(values).drop_front(next), offsets) + next;
    numPrepared += offsets.size();
  }

private:
  /// A function that returns the values of all entries, equal ones as one.
  func::FuncOp compute(MutableArrayRef<Prepared> all) {
    OpBuilder b(&getContext());
    b.setInsertionPointToEnd(getOperation().getBody());
    auto prepare = func::FuncOp::create(
        b, getOperation().getLoc(), kPrepareName, b.getFunctionType({}, {}));
    b.setInsertionPointToStart(prepare.addEntryBlock());
    llvm::DenseMap<Attribute, Value> parameters; // by name
    SmallVector<Value> values;
    for (Prepared &each : all) {
      IRMapping mapping;
      each.cloneInto(b, mapping, [&](BlockArgument given) {
        DictionaryAttr attributes =
            each.entry.getArgAttrDict(given.getArgNumber());
        Value &parameter = parameters[attributes.get(kNameAttr)];
        if (!parameter) {
          unsigned i = prepare.getNumArguments();
          (void)prepare.insertArgument(i, given.getType(), attributes,
                                       given.getLoc());
          parameter = prepare.getArgument(i);
        }
        return parameter;
      });
      for (Value v : each.values)
        values.push_back(mapping.lookup(v));
    }
    func::ReturnOp::create(b, prepare.getLoc(), values);
    IRRewriter rewriter(&getContext());
    DominanceInfo dominance(prepare);
    eliminateCommonSubExpressions(rewriter, dominance, prepare);
    return prepare;
  }

  /// Where each value starts in the memory of all.
  static llvm::MapVector<Value, int64_t> place(ArrayRef<Value> values) {
    llvm::MapVector<Value, int64_t> offsets;
    int64_t next = 0;
    for (Value v : values) {
      if (!offsets.try_emplace(v, next).second)
        continue;
      auto type = cast<RankedTensorType>(v.getType());
      int64_t bytes = type.getNumElements() *
                      llvm::divideCeil(type.getElementTypeBitWidth(), 8);
      next += llvm::alignTo(bytes, kAlignment);
    }
    return offsets;
  }

  /// An argument of `function` that is a prepared value.
  static BlockArgument add(func::FuncOp function, Value value, int64_t offset) {
    Builder b(function.getContext());
    auto type = cast<RankedTensorType>(value.getType());
    unsigned i = function.getNumArguments();
    (void)function.insertArgument(
        i, MemRefType::get(type.getShape(), type.getElementType()),
        b.getDictionaryAttr(
            {b.getNamedAttr(kRoleAttr, b.getStringAttr("prepared")),
             b.getNamedAttr("route.offset", b.getI64IntegerAttr(offset))}),
        value.getLoc());
    return function.getArgument(i);
  }

  /// Lets the function write its values instead of returning them.
  static void store(func::FuncOp prepare, func::ReturnOp results,
                    const llvm::MapVector<Value, int64_t> &offsets) {
    OpBuilder b(results);
    int64_t end = 0;
    for (auto [value, offset] : offsets) {
      BlockArgument memory = add(prepare, value, offset);
      bufferization::MaterializeInDestinationOp::create(
          b, value.getLoc(), TypeRange(), value, memory, /*restrict=*/true,
          /*writable=*/true);
      auto type = cast<MemRefType>(memory.getType());
      end = offset + type.getNumElements() *
                         llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    }
    results.getOperandsMutable().clear();
    prepare->setAttr(kPreparedBytesAttr, b.getI64IntegerAttr(end));
  }

  /// The entry reads what was prepared: the first of `prepared`, one for each
  /// of its values, whose number is given back.
  static unsigned use(Prepared &each, ArrayRef<Value> prepared,
                      const llvm::MapVector<Value, int64_t> &offsets) {
    OpBuilder b = OpBuilder::atBlockBegin(&each.entry.getBody().front());
    llvm::DenseMap<Value, Value> read;
    for (auto [value, from] :
         llvm::zip(each.values, prepared.take_front(each.values.size()))) {
      Value &tensor = read[from];
      if (!tensor)
        tensor = bufferization::ToTensorOp::create(
            b, value.getLoc(), value.getType(),
            add(each.entry, value, offsets.lookup(from)), /*restrict=*/true);
      bool isTable = bool(value.getDefiningOp<arith::ConstantOp>());
      value.replaceUsesWithIf(tensor, [&](OpOperand &use) {
        return !isTable || !isa<linalg::LinalgOp>(use.getOwner());
      });
    }
    each.eraseUnused();
    return each.values.size();
  }
};
} // namespace
