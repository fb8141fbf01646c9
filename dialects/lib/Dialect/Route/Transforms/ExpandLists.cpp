// route-expand-lists: lists and sets that the caller gives become axes.
// Each is nested in the axis of what the list belongs to. Whether something is
// in one is a reduction then; what else is asked collects the members again.
// Beside the members of lists that there may be none of, `NAME.known` says of
// which there is one.
#include "AskBranches.h"
#include "mlir/IR/SymbolTable.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "route/Notice.h"

namespace route {
#define GEN_PASS_DEF_ROUTEEXPANDLISTS
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

static bool isCollection(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array && isa<ListType, SetType>(getValueType(array.getElementType()));
}

/// Whether there may be none.
static bool mayBeUnknown(Type type) {
  return isa<RangeType>(cast<ArrayType>(type).getElementType());
}

static std::string knownName(StringRef list) { return (list + ".known").str(); }

/// On `NAME.known`: the name of the input that has the members.
static constexpr StringLiteral kListsAttr = "route.lists";

namespace {
/// What takes the place of a list: its members, and whether there is one, which
/// is null where there always is.
struct Parts {
  Value members, known;
};

class Expander {
public:
  Expander(ModuleOp module) : module(module), b(module.getContext()) {}

  LogicalResult run() {
    SmallVector<ColumnOp> columns;
    module.walk([&](ColumnOp column) {
      if (column.getKind() == ColumnKind::input &&
          isCollection(column.getType()))
        columns.push_back(column);
    });
    // From the last on: each axis goes right behind the one it is in.
    for (ColumnOp column : llvm::reverse(columns))
      if (failed(expandColumn(column)))
        return failure();
    for (auto signal : llvm::to_vector(module.getOps<SignalOp>()))
      if (isCollection(signal.getType()) && !signal.getHost() &&
          signal.getBody().empty() && failed(expandSignal(signal)))
        return failure();
    for (auto func : module.getOps<FuncOp>())
      if (func.getBody().hasOneBlock() && failed(expandArguments(func)))
        return failure();
    return success();
  }

private:
  /// An axis for the members of collections of `type`, by a name that is free.
  AxisOp makeAxis(Operation *before, StringRef name, ArrayType type) {
    std::string symbol = name.str();
    for (unsigned i = 1; module.lookupSymbol(symbol); ++i)
      symbol = (name + "_" + Twine(i)).str();
    b.setInsertionPointAfter(before);
    SmallVector<Attribute> parents(type.getAxes().begin(),
                                   type.getAxes().end());
    auto axis = AxisOp::create(
        b, before->getLoc(), symbol, AxisKind::index, IntegerAttr(),
        IntegerAttr(), parents.empty() ? ArrayAttr() : b.getArrayAttr(parents),
        FlatSymbolRefAttr(), ArrayAttr());
    axis.getColumns().emplaceBlock();
    tables.invalidateSymbolTable(module);
    return axis;
  }

  LogicalResult expandColumn(ColumnOp column) {
    auto owner = cast<AxisOp>(column->getParentOp());
    auto type = cast<ArrayType>(column.getType());
    auto old =
        SymbolRefAttr::get(owner.getSymNameAttr(),
                           {FlatSymbolRefAttr::get(column.getSymNameAttr())});
    SmallVector<GetOp> reads;
    module.walk([&](GetOp get) {
      if (get.getSymbol() == old)
        reads.push_back(get);
    });
    if (!reads.empty()) {
      if (type.getAxes().size() != 1 || column.getFallback())
        return notCovered(column, "lists with axes or defaults");
      AxisOp axis = makeAxis(owner, column.getSymName(), type);
      auto along = FlatSymbolRefAttr::get(axis.getSymNameAttr());
      auto flat = ArrayType::get(memberTypeOf(type.getElementType()), {along});
      b.setInsertionPointToStart(&axis.getColumns().front());
      SymbolRefAttr members =
          addColumn(axis, column, column.getSymName(), flat);
      ArrayType truths = type.withElement(b.getI1Type());
      SymbolRefAttr known;
      b.setInsertionPoint(column);
      if (mayBeUnknown(type)) {
        known =
            addColumn(owner, column, knownName(column.getSymName()), truths);
        column->getPrevNode()->setAttr(
            kListsAttr,
            b.getStringAttr(axis.getSymName() + "." + column.getSymName()));
      }
      for (GetOp read : reads)
        replaceRead(read, members, flat, known, truths);
    }
    column.erase();
    return success();
  }

  /// A column like `column` where the builder stands, in `axis`.
  SymbolRefAttr addColumn(AxisOp axis, ColumnOp column, StringRef name,
                          ArrayType type) {
    ColumnOp::create(b, column.getLoc(), name, ColumnKind::input, type,
                     Attribute(), Attribute(), IntegerAttr(),
                     isTruth(type.getElementType()) ? StringAttr()
                                                    : column.getUnitAttr(),
                     column.getTrusted());
    return SymbolRefAttr::get(axis.getSymNameAttr(),
                              {FlatSymbolRefAttr::get(b.getContext(), name)});
  }

  /// Reads the parts where `read` reads the list.
  void replaceRead(GetOp read, SymbolRefAttr members, ArrayType flat,
                   SymbolRefAttr known, ArrayType truths) {
    b.setInsertionPoint(read);
    Parts parts = {GetOp::create(b, read.getLoc(), flat, members), Value()};
    if (known)
      parts.known = GetOp::create(b, read.getLoc(), truths, known);
    replaceUses(read, parts);
    read.erase();
  }

  LogicalResult expandSignal(SignalOp signal) {
    auto type = cast<ArrayType>(signal.getType());
    if (type.getAxes().size() > 1)
      return notCovered(signal, "lists with axes");
    AxisOp axis = makeAxis(lastAxis(), signal.getSymName(), type);
    auto flat = ArrayType::get(memberTypeOf(type.getElementType()),
                               {FlatSymbolRefAttr::get(axis.getSymNameAttr())});
    signal.setType(flat);
    auto symbol = FlatSymbolRefAttr::get(signal.getSymNameAttr());
    SmallVector<GetOp> reads;
    module.walk([&](GetOp get) {
      if (get.getSymbol() == symbol)
        reads.push_back(get);
    });
    ArrayType truths = type.withElement(b.getI1Type());
    SymbolRefAttr known;
    if (mayBeUnknown(type)) {
      b.setInsertionPoint(signal);
      auto flag = cast<SignalOp>(b.clone(*signal));
      flag.setSymName(knownName(signal.getSymName()));
      flag.setType(truths);
      flag->setAttr(kListsAttr, signal.getSymNameAttr());
      known = FlatSymbolRefAttr::get(flag.getSymNameAttr());
      tables.invalidateSymbolTable(module);
    }
    for (GetOp read : reads)
      replaceRead(read, symbol, flat, known, truths);
    return success();
  }

  LogicalResult expandArguments(FuncOp func) {
    bool any = false;
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      BlockArgument argument = func.getArgument(i);
      if (!isCollection(argument.getType()))
        continue;
      auto type = cast<ArrayType>(argument.getType());
      if (type.getAxes().size() > 1)
        return notCovered(func, "lists with axes");
      auto given = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                     "route.name");
      std::string name = given ? given.str() : "list" + std::to_string(i);
      AxisOp axis = makeAxis(lastAxis(), name, type);
      auto flat =
          ArrayType::get(memberTypeOf(type.getElementType()),
                         {FlatSymbolRefAttr::get(axis.getSymNameAttr())});
      Parts parts;
      if (mayBeUnknown(type)) {
        (void)func.insertArgument(
            i, type.withElement(b.getI1Type()),
            b.getDictionaryAttr(
                {b.getNamedAttr("route.name", b.getStringAttr(knownName(name))),
                 b.getNamedAttr(kListsAttr, b.getStringAttr(name))}),
            argument.getLoc());
        parts.known = func.getArgument(i++);
      }
      // The members take the argument's place in one that is put before it.
      Block &body = func.getBody().front();
      parts.members = body.insertArgument(i, flat, argument.getLoc());
      replaceUses(argument, parts);
      body.eraseArgument(i + 1);
      any = true;
    }
    if (any)
      func.setFunctionType(
          b.getFunctionType(func.getBody().front().getArgumentTypes(),
                            func.getFunctionType().getResults()));
    return success();
  }

  /// Axes stand before what uses them.
  Operation *lastAxis() {
    Operation *last = nullptr;
    for (auto axis : module.getOps<AxisOp>())
      last = axis;
    return last;
  }

  /// `value` where `known` holds, unknown elsewhere, as `type`.
  Value orUnknown(Value known, Value value, ArrayType type, Location loc) {
    if (!known)
      return value;
    auto unknown =
        UnknownOp::create(b, loc, ArrayType::get(type.getElementType()));
    Value found = SelectOp::create(b, loc, known, value, unknown);
    return found.getType() == type
               ? found
               : Value(BroadcastOp::create(b, loc, type, found, Value()));
  }

  /// Puts `parts` in the place of `collection`.
  void replaceUses(Value collection, Parts parts) {
    Value collected;
    auto type = cast<ArrayType>(collection.getType());
    for (OpOperand &use : llvm::make_early_inc_range(collection.getUses())) {
      Operation *user = use.getOwner();
      auto find = dyn_cast<FindOp>(user);
      if (find && use.getOperandNumber() == 1 &&
          asksMembers(find, parts.members)) {
        for (Operation *asked :
             llvm::make_early_inc_range(find.getResult().getUsers()))
          askMembers(find, cast<CompareOp>(asked), parts);
        find.erase();
        continue;
      }
      if (!collected) {
        if (auto argument = dyn_cast<BlockArgument>(parts.members))
          b.setInsertionPointToStart(argument.getOwner());
        else
          b.setInsertionPoint(collection.getDefiningOp());
        Location loc = collection.getLoc();
        collected = CollectOp::create(
            b, loc, type.withElement(getValueType(type.getElementType())),
            parts.members);
        collected = orUnknown(parts.known, collected, type, loc);
      }
      use.set(collected);
    }
  }

  /// Whether `find` only asks whether an element is there that is known, and
  /// whose axes allow to compare it with all `members` at once.
  bool asksMembers(FindOp find, Value members) {
    for (Operation *asked : find.getResult().getUsers()) {
      auto compare = dyn_cast<CompareOp>(asked);
      auto zero =
          compare ? compare.getRhs().getDefiningOp<ConstantOp>() : ConstantOp();
      auto number =
          zero ? dyn_cast<IntegerAttr>(zero.getValue()) : IntegerAttr();
      if (!compare || compare.getKind() != CompareKind::ge || !number ||
          !number.getValue().isZero())
        return false;
    }
    auto element = cast<ArrayType>(find.getElement().getType());
    if (isa<RangeType>(element.getElementType()))
      return false;
    FlatSymbolRefAttr along =
        cast<ArrayType>(members.getType()).getAxes().front();
    for (FlatSymbolRefAttr axis : element.getAxes()) {
      if (descendsFrom(find, along, axis, tables))
        continue;
      if (lookupAxis(find, axis, tables).getKind() == AxisKind::plan)
        return false;
      for (FlatSymbolRefAttr item :
           lookupAxis(find, along, tables).getParentAxes())
        if (descendsFrom(find, axis, item, tables))
          return false;
    }
    return true;
  }

  /// `find(..) >= 0`: whether any member is the element.
  void askMembers(FindOp find, CompareOp compare, Parts parts) {
    auto type = cast<ArrayType>(compare.getType()),
         element = cast<ArrayType>(find.getElement().getType());
    FlatSymbolRefAttr along =
        cast<ArrayType>(parts.members.getType()).getAxes().front();
    // The element for each member: what belongs to the item goes to its list.
    SmallVector<FlatSymbolRefAttr> axes;
    bool moved = false;
    for (FlatSymbolRefAttr axis : element.getAxes()) {
      bool above = descendsFrom(find, along, axis, tables);
      moved |= above;
      if (!above)
        axes.push_back(axis);
    }
    b.setInsertionPoint(compare);
    Location loc = find.getLoc();
    Value wanted = find.getElement();
    if (moved) {
      axes.insert(axes.begin(), along);
      wanted = BroadcastOp::create(
          b, loc, ArrayType::get(element.getElementType(), axes), wanted,
          Value());
    }
    Value same =
        CompareOp::create(b, loc, CompareKind::eq, parts.members, wanted);
    Value any = ReduceOp::create(b, loc, type.withElement(b.getI1Type()),
                                 ReduceKind::any, same, Value());
    compare.replaceAllUsesWith(orUnknown(parts.known, any, type, loc));
    compare.erase();
  }

  ModuleOp module;
  OpBuilder b;
  SymbolTableCollection tables;
};

struct ExpandLists : route::impl::RouteExpandListsBase<ExpandLists> {
  void runOnOperation() override {
    // This pass is the first on the way down; none knows of waiting.
    for (auto func : getOperation().getOps<FuncOp>())
      if (func.getKind() == FuncKind::steps) {
        (void)notCovered(func, "a route that calls the host: '" +
                                   func.getSymName() + "'");
        return signalPassFailure();
      }
    if (failed(askBranches(getOperation())) ||
        failed(Expander(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace
