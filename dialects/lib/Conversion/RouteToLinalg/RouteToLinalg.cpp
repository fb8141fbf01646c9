// convert-route-to-linalg: named axes become dimensions, function by function.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/ADT/TypeSwitch.h"

namespace route {
#define GEN_PASS_DEF_CONVERTROUTETOLINALG
#include "route/Conversion/RouteToLinalg/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;
using namespace route::lowering;

LogicalResult Lowering::run(StringRef name) {
  if (!func.getBody().hasOneBlock())
    return func.emitOpError("has no single block");
  if (failed(buildSignature(name)) ||
      failed(lowerBlock(func.getBody().front())))
    return failure();
  return lowerReturn(cast<ReturnOp>(func.getBody().front().getTerminator()));
}

LogicalResult Lowering::lowerBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(lower(&op)))
      return failure();
  return success();
}

LogicalResult Lowering::lower(Operation *op) {
  // Experts' values are computed sorted by expert, where they are used.
  if (isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, BroadcastOp, PickOp,
          ContractOp>(op) &&
      expertAxis(op->getResult(0).getType()))
    return success();
  return lowerNow(op);
}

LogicalResult Lowering::lowerNow(Operation *op) {
  if (isOfCollections(op))
    return success(); // they are asked and changed where they are
  if (isa<GetOp>(op) && placeOfElements(op->getResult(0)))
    return success(); // what is picked from it is read
  if (auto select = dyn_cast<SelectOp>(op);
      select && select.getIfFalse().getDefiningOp<GetOp>() &&
      placeOfElements(select.getIfFalse()))
    return success(); // the write itself
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](GetOp op) { return lowerGet(op); })
      .Case([&](SetOp op) { return lowerSet(op); })
      .Case([&](ConcatOp op) { return lowerConcat(op); })
      .Case([&](BoundOp op) { return lowerBound(op); })
      .Case([&](KnownOp op) { return lowerKnown(op); })
      .Case([&](TextFnOp op) { return lowerTextFn(op); })
      .Case([&](ConstantOp op) { return lowerConstant(op); })
      .Case<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp>(
          [&](Operation *op) { return lowerElementwise(op); })
      .Case([&](BroadcastOp op) { return lowerBroadcast(op); })
      .Case([&](ReduceOp op) { return lowerReduce(op); })
      .Case([&](ContractOp op) { return lowerContract(op); })
      .Case([&](RenameOp op) { return lowerRename(op); })
      .Case([&](PickOp op) { return lowerPick(op); })
      .Case([&](StackOp op) { return lowerStack(op); })
      .Case([&](IotaOp op) { return lowerIota(op); })
      .Case([&](NowOp op) {
        set(op.getResult(),
            tensor::FromElementsOp::create(
                b, op.getLoc(), RankedTensorType::get({}, b.getF64Type()),
                arguments.lookup("now")));
        return success();
      })
      .Case([&](EmitOp op) { return lowerEmit(op); })
      .Case([&](DrawOp op) { return lowerDraw(op); })
      .Case([&](SizeOp op) { return lowerSize(op); })
      .Case([&](RowsOp op) { return lowerRows(op); })
      .Case([&](ChooseOp op) { return lowerChoose(op); })
      .Case([&](MemberOp op) { return lowerMember(op); })
      .Case([&](RankOp op) { return lowerRank(op); })
      .Case([&](FirstPlanOp op) { return lowerFirstPlan(op); })
      .Case([&](ForOp op) { return lowerFor(op); })
      .Case([&](IfOp op) { return lowerIf(op); })
      .Case([&](LookupOp op) { return lowerLookup(op); })
      .Case([&](StoreOp op) { return lowerStore(op); })
      .Case([&](FindOp op) { return lowerFind(op); })
      .Case([&](RingOp op) { return notCovered(op, "a hash ring"); })
      .Case([&](JoinOp op) { return lowerJoin(op); })
      .Case([&](SubsetOp op) { return lowerSubset(op); })
      .Case([&](IsEmptyOp op) { return lowerIsEmpty(op); })
      .Default(
          [&](Operation *op) { return op->emitOpError("has no tensor form"); });
}

/// What the words of a table mean hangs on the types of its keys and values,
/// and on the names of the rows and members that are in them: a hash of these.
static int32_t meaningOf(Operation *declared) {
  auto module = declared->getParentOfType<ModuleOp>();
  auto type =
      cast<ArrayType>(declared->getAttrOfType<TypeAttr>("type").getValue());
  std::string text;
  llvm::raw_string_ostream out(text);
  auto add = [&](Type part) {
    out << part << ';';
    part.walk([&](FlatSymbolRefAttr name) {
      Operation *named = module.lookupSymbol(name.getAttr());
      if (auto axis = dyn_cast_or_null<AxisOp>(named)) {
        out << axis.getStaticSize() << ' ';
        if (axis.getLabels())
          out << *axis.getLabels();
      } else if (auto coded = dyn_cast_or_null<EnumOp>(named)) {
        out << coded.getLabels();
      }
    });
  };
  if (isa<SetType>(type.getElementType())) // its axes are axes of the cell
    add(type.getElementType());
  else
    add(type);
  if (auto state = dyn_cast<StateOp>(declared))
    if (auto keys = getKeys(state))
      for (Attribute key : keys)
        add(cast<TypeAttr>(key).getValue());
  uint32_t hash = 2166136261u; // FNV-1a
  for (unsigned char byte : text)
    hash = (hash ^ byte) * 16777619u;
  return static_cast<int32_t>(hash ? hash : 1);
}

namespace {
struct ConvertRouteToLinalg
    : route::impl::ConvertRouteToLinalgBase<ConvertRouteToLinalg> {
  void runOnOperation() override {
    llvm::StringMap<int64_t> planRanks;
    for (FuncOp func :
         llvm::make_early_inc_range(getOperation().getOps<FuncOp>())) {
      std::string name = func.getSymName().str();
      // The converted function takes the name over.
      if (failed(SymbolTable(getOperation())
                     .rename(func, StringAttr::get(&getContext(),
                                                   "route." + name))) ||
          failed(Lowering(getOperation(), func, planRanks).run(name)))
        return signalPassFailure();
    }
    // What is kept in tables is words to whoever reads the descriptor.
    getOperation().walk([](Operation *op) {
      auto state = dyn_cast<StateOp>(op);
      auto column = dyn_cast<ColumnOp>(op);
      if (!state && !column)
        return;
      auto type = cast<ArrayType>(state ? state.getType() : column.getType());
      if (!isa<SetType>(type.getElementType()) && !(state && getKeys(state)))
        return;
      std::string name;
      if (column)
        name = (cast<AxisOp>(op->getParentOp()).getSymName() + ".").str();
      name += SymbolTable::getSymbolName(op).getValue();
      type = tableType(op, name, type);
      if (!SymbolTable::lookupNearestSymbolFrom(op->getParentOfType<ModuleOp>(),
                                                type.getAxes().back())) {
        op->erase(); // nothing asks for it
        return;
      }
      op->setAttr("route.meaning",
                  Builder(op).getI32IntegerAttr(meaningOf(op)));
      op->setAttr("type", TypeAttr::get(type));
      op->removeAttr("keys");
      if (state)
        state.getInit().getBlocks().clear();
    });
    // The route functions have served; symbols stay, for the descriptor.
    for (FuncOp func :
         llvm::make_early_inc_range(getOperation().getOps<FuncOp>()))
      func.erase();
  }
};
} // namespace
