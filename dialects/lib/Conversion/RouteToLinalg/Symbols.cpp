// The signature of a converted entry, and reading symbols through it.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Route/IR/Meeting.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

std::string route::lowering::nameOf(SymbolRefAttr symbol) {
  std::string name = symbol.getRootReference().str();
  for (FlatSymbolRefAttr nested : symbol.getNestedReferences())
    name += "." + nested.getValue().str();
  return name;
}

namespace {
/// One argument of the converted function.
struct Argument {
  StringRef role;
  std::string name;
  Type type;
  SmallVector<Axis> axes;
  SmallVector<NamedAttribute> extra;
};
} // namespace

std::string Lowering::argumentName(unsigned i) {
  auto given = func.getArgAttrOfType<StringAttr>(i, "route.name");
  return given ? given.getValue().str() : "arg" + std::to_string(i);
}

/// The order in which a spec declares what its entries take, whichever
/// expression mentions it first: columns, then all else, each by the place of
/// its declaration, the spec's own file before those that it imports.
namespace {
class DeclaredOrder {
public:
  DeclaredOrder(ModuleOp module) {
    if (auto at = dyn_cast<FileLineColLoc>(module.getLoc()))
      own = at.getFilename().getValue();
    module.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<AxisOp, ColumnOp>(op) || op->getParentOp() == module)
        places[op] = places.size();
    });
  }

  bool operator()(Operation *a, Operation *b) const { return key(a) < key(b); }

private:
  using Key = std::tuple<bool, bool, StringRef, unsigned, unsigned, unsigned>;
  Key key(Operation *op) const {
    bool column = isa<ColumnOp>(op);
    unsigned place = places.lookup(op);
    auto at = dyn_cast<FileLineColLoc>(op->getLoc());
    if (!at)
      return {!column, false, StringRef(), 0, 0, place};
    StringRef file = at.getFilename().getValue();
    return {!column, file != own, file, at.getLine(), at.getColumn(), place};
  }

  StringRef own;
  llvm::DenseMap<Operation *, unsigned> places;
};

/// What an entry reads, with the symbol's op.
struct Read {
  Operation *target;
  SymbolRefAttr symbol;
  ArrayType type;
};
} // namespace

LogicalResult Lowering::buildSignature(StringRef name) {
  SmallVector<Argument> all;
  SmallVector<Axis> used;
  auto isNew = [&](Axis axis) {
    if (llvm::is_contained(used, axis))
      return false;
    used.push_back(axis);
    return true;
  };
  auto useNew = [&](auto &&self, ArrayRef<Axis> axes) -> void {
    for (Axis axis : axes) {
      AxisOp op = sourceAxis(axis);
      Axis own = FlatSymbolRefAttr::get(op.getSymNameAttr());
      if (op.getKind() == AxisKind::plan || !isNew(own))
        continue;
      // Where parents have equally many children, either gives the other.
      while (sourceAxis(own)->hasAttr("per_parent"))
        isNew(own = parentOf(own));
      self(self, madeOf(own));
    }
  };
  auto useAxes = [&](ArrayRef<Axis> axes) { useNew(useNew, axes); };
  // Budgets are computed where they are first used.
  SmallVector<BudgetOp> budgets;
  func.walk([&](ChooseOp choose) {
    if (!choose.getUnder())
      return;
    for (auto name : choose.getUnder()->getAsRange<Axis>())
      if (auto budget = tables.lookupSymbolIn<BudgetOp>(module, name);
          budget && !llvm::is_contained(budgets, budget))
        budgets.push_back(budget);
  });
  auto useOp = [&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto array = dyn_cast<ArrayType>(type))
        useAxes(array.getAxes());
    // A choice that reads nothing of its items still has one a choice.
    if (auto choose = dyn_cast<ChooseOp>(op)) {
      useAxes(choose.getCandidatesAttr());
      for (auto axis : choose.getPer().getAsRange<Axis>()) {
        useAxes(axis);
        // What both descend from ties them.
        SmallVector<Axis> above = parentsOf(choose.getCandidatesAttr());
        for (unsigned i = 0; i < above.size(); ++i) {
          llvm::append_range(above, parentsOf(above[i]));
          if (descends(axis, above[i]))
            useAxes(above[i]);
        }
      }
    }
    // Where axes meet, what both descend from says which positions do.
    auto useMeetings = [&](ArrayRef<Meeting> meetings) {
      for (const Meeting &meeting : meetings)
        useAxes(meeting.within);
    };
    if (auto reduce = dyn_cast<ReduceOp>(op))
      useMeetings(meetingsOf(reduce, tables));
    if (auto contract = dyn_cast<ContractOp>(op))
      useMeetings(meetingsOf(contract, tables));
    if (auto size = dyn_cast<SizeOp>(op))
      useAxes(size.getAxisAttr());
  };
  func.walk(useOp);
  for (BudgetOp budget : budgets) {
    budget.getReserve().walk(useOp);
    budget.getLimit().walk(useOp);
    budget.getPer().walk(useOp);
  }
  auto bufferOf = [&](ArrayType type) -> Type {
    RankedTensorType tensor = tensorType(type);
    Type element = tensor.getElementType();
    return MemRefType::get(tensor.getShape(),
                           element.isInteger(1) ? b.getI8Type() : element);
  };
  auto add = [&](StringRef role, Twine what, ArrayType type) {
    useAxes(type.getAxes());
    bool ranged = isa<RangeType>(type.getElementType());
    ArrayType plain = type.withElement(getValueType(type.getElementType()));
    all.push_back({role,
                   what.str(),
                   bufferOf(plain),
                   llvm::to_vector(type.getAxes()),
                   {}});
    all.back().extra.push_back(
        b.getNamedAttr("route.type", TypeAttr::get(type)));
    if (ranged) {
      all.push_back({"known",
                     what.str(),
                     bufferOf(plain.withElement(b.getI8Type())),
                     llvm::to_vector(type.getAxes()),
                     {}});
      all.back().extra.push_back(
          b.getNamedAttr("route.type", TypeAttr::get(type)));
    }
  };
  // Plans that are handed back: positions and counts.
  llvm::StringMap<int64_t> planNumber;
  for (BlockArgument argument : func.getArguments())
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      planNumber.try_emplace(type.getAxis().getValue(), planNumber.size());
      if (failed(declarePlan(type.getAxis())))
        return failure();
      useAxes(plans[type.getAxis().getValue()].per);
    }
  auto planAttrs = [&](Argument &argument, Axis axis, StringRef part) {
    argument.extra.push_back(b.getNamedAttr(
        kPlanAttr, b.getI64IntegerAttr(planNumber.lookup(axis.getValue()))));
    argument.extra.push_back(b.getNamedAttr(kPartAttr, b.getStringAttr(part)));
  };
  for (auto [i, argument] : llvm::enumerate(func.getArguments())) {
    std::string name = argumentName(i);
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      Axis axis = type.getAxis();
      SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(axis));
      for (StringRef part : {"index", "count"}) {
        bool counts = part == "count";
        RankedTensorType tensor =
            tensorType(counts ? ArrayRef(dims).drop_back() : ArrayRef(dims),
                       b.getI32Type());
        all.push_back({"input",
                       counts ? name + ".count" : name,
                       MemRefType::get(tensor.getShape(), b.getI32Type()),
                       {axis},
                       {}});
        planAttrs(all.back(), axis, part);
      }
      continue;
    }
    auto type = dyn_cast<ArrayType>(argument.getType());
    if (!type)
      return func.emitError("argument ") << i << " of @" << func.getSymName()
                                         << " is neither array nor plan";
    size_t first = all.size();
    add("input", name, type);
    if (auto unit = func.getArgAttr(i, kUnitAttr))
      all[first].extra.push_back(b.getNamedAttr(kUnitAttr, unit));
    for (Axis axis : type.getAxes())
      if (planNumber.contains(axis.getValue()))
        planAttrs(all.back(), axis, "column");
  }
  if (failed(planTables()))
    return failure();
  planElementWrites();
  llvm::MapVector<Attribute, ArrayType> reads;
  auto read = [&](GetOp get) {
    reads.insert({get.getSymbol(), cast<ArrayType>(get.getType())});
  };
  func.walk(read);
  // What a loop or a condition may set is its old value otherwise.
  func.walk([&](SetOp set) {
    if (set->getParentOp() != func)
      reads.insert({set.getSymbol(), typeOfState(set.getSymbol())});
  });
  for (BudgetOp budget : budgets) {
    budget.getReserve().walk(read);
    budget.getLimit().walk(read);
    budget.getPer().walk(read);
  }
  DeclaredOrder declared(module);
  SmallVector<Read> ordered;
  for (auto &[name, type] : reads) {
    auto symbol = cast<SymbolRefAttr>(name);
    ordered.push_back({tables.lookupSymbolIn(module, symbol), symbol, type});
  }
  llvm::sort(ordered, [&](const Read &a, const Read &b) {
    return declared(a.target, b.target);
  });
  for (auto &[target, symbol, type] : ordered) {
    // A signal that is a parameter too is one input.
    if (isa<SignalOp>(target) &&
        llvm::any_of(all, [&](const Argument &argument) {
          return argument.role == "input" && argument.name == nameOf(symbol);
        }))
      continue;
    auto column = dyn_cast<ColumnOp>(target);
    if (keyed.contains(b.getStringAttr(nameOf(symbol))))
      continue; // a table
    if (inPlace.contains(b.getStringAttr(nameOf(symbol)))) {
      add("write", nameOf(symbol), type);
      all.back().extra.push_back(b.getNamedAttr(kReadsAttr, b.getUnitAttr()));
      continue;
    }
    // What is bound once has one size for all calls.
    bool bound = isa<ParamOp, StateOp>(target) ||
                 (column && (column.getKind() == ColumnKind::state ||
                             column.getKind() == ColumnKind::live));
    if (bound && llvm::any_of(type.getAxes(), [&](Axis axis) {
          return ShapedType::isDynamic(staticSize(axis));
        }))
      return unsupported(
          target, column ? "columns of a pool whose size the call decides"
                         : "parameters and state over an axis whose size "
                           "the call decides");
    if (isa<ParamOp>(target))
      add("param", nameOf(symbol), type);
    else if (bound)
      add("state", nameOf(symbol), type);
    else if (!column || column.getKind() == ColumnKind::input)
      add("input", nameOf(symbol), type);
  }
  bool writes = !inPlace.empty();
  for (auto &[name, table] : keyed) {
    all.push_back({table.writes ? "write" : "state",
                   name.str(),
                   table.memory,
                   llvm::to_vector(table.type.getAxes()),
                   {b.getNamedAttr("route.type", TypeAttr::get(table.type))}});
    if (table.writes)
      all.back().extra.push_back(b.getNamedAttr(kReadsAttr, b.getUnitAttr()));
    writes |= table.writes;
  }
  if (writes)
    all.push_back({"changes",
                   "changes",
                   MemRefType::get({ShapedType::kDynamic}, b.getI64Type()),
                   {},
                   {}});
  // What lies between two axes is needed to descend from one to the other.
  for (Axis axis : SmallVector<Axis>(used)) {
    SmallVector<Axis> above = parentsOf(axis);
    for (unsigned i = 0; i < above.size(); ++i)
      llvm::append_range(above, parentsOf(above[i]));
    for (Axis between : above)
      if (llvm::any_of(above, [&](Axis end) {
            return llvm::is_contained(used, end) && descends(between, end);
          }))
        useAxes(between);
  }
  // Of axes nested in others that are used: where each parent's children lie.
  SmallVector<Axis> nested, carried;
  for (Axis axis : used)
    if (isRagged(axis) && llvm::any_of(used, [&](Axis above) {
          return above != axis && descends(axis, above);
        })) {
      nested.push_back(axis);
      carried.push_back(parentOf(axis));
    }
  llvm::sort(nested, [&](Axis a, Axis b) {
    return declared(sourceAxis(a), sourceAxis(b));
  });
  // Sizes that inputs do not tell follow from those that they do.
  for (const Argument &argument : all)
    if (argument.role == "input")
      for (Axis axis : argument.axes)
        if (kindOf(axis) != AxisKind::plan)
          carried.push_back(
              FlatSymbolRefAttr::get(sourceAxis(axis).getSymNameAttr()));
  auto isCarried = [&](Axis axis) { return llvm::is_contained(carried, axis); };
  auto follows = [&](Axis axis) {
    if (!madeOf(axis).empty())
      return true;
    if (sourceAxis(axis)->hasAttr("per_parent"))
      return !isCarried(axis) || isCarried(parentOf(axis));
    return !isCarried(axis) && llvm::any_of(used, [&](Axis below) {
      if (!isCarried(below))
        return false;
      while (below != axis && sourceAxis(below)->hasAttr("per_parent"))
        below = parentOf(below);
      return below == axis;
    });
  };
  SmallVector<Argument> signature;
  for (Axis axis : used)
    if (!sourceAxis(axis).getSize() && !follows(axis))
      signature.push_back(
          {"size", axis.getValue().str(), b.getIndexType(), {axis}, {}});
  // The call's time, in seconds.
  if (func.walk([](NowOp) { return WalkResult::interrupt(); }).wasInterrupted())
    signature.push_back({"now", "now", b.getF64Type(), {}, {}});
  // The seed of its draws.
  if (func.walk([](DrawOp) { return WalkResult::interrupt(); })
          .wasInterrupted())
    signature.push_back({"seed", "seed", b.getI64Type(), {}, {}});
  llvm::append_range(signature, all);
  for (Axis axis : nested) {
    int64_t parents = staticSize(parentOf(axis));
    signature.push_back(
        {"offsets",
         (axis.getValue() + ".offsets").str(),
         MemRefType::get(ShapedType::isDynamic(parents) ? parents : parents + 1,
                         b.getI32Type()),
         {parentOf(axis)},
         {b.getNamedAttr(kOfAttr, axis)}});
  }

  // Output types depend on plans' ranks, known once the body is converted; the
  // arguments are added by lowerReturn.
  SmallVector<Type> types;
  for (const Argument &argument : signature)
    types.push_back(argument.type);
  b.setInsertionPoint(func);
  entry = func::FuncOp::create(b, func.getLoc(), name,
                               b.getFunctionType(types, {}));
  entry->setAttr(kEntryAttr, FlatSymbolRefAttr::get(func.getSymNameAttr()));
  Block *body = entry.addEntryBlock();
  b.setInsertionPointToStart(body);
  for (auto [i, argument] : llvm::enumerate(signature)) {
    entry.setArgAttr(i, kRoleAttr, b.getStringAttr(argument.role));
    entry.setArgAttr(i, kNameAttr, b.getStringAttr(argument.name));
    bool buffer = isa<MemRefType>(argument.type);
    if (buffer) {
      entry.setArgAttr(
          i, kAxesAttr,
          b.getArrayAttr(llvm::map_to_vector(
              argument.axes, [](Axis axis) -> Attribute { return axis; })));
      for (NamedAttribute extra : argument.extra)
        entry.setArgAttr(i, extra.getName(), extra.getValue());
    }
    Value value = body->getArgument(i);
    if (argument.role == "size") {
      sizes[argument.name] = value;
      continue;
    }
    if (!buffer) {
      arguments[argument.role] = value;
      continue;
    }
    auto memref = cast<MemRefType>(argument.type);
    if (argument.role == "changes") {
      arguments["changes"] = value;
      signal::ListChangesOp::create(b, func.getLoc(), value);
      continue;
    }
    if (auto table = keyed.find(b.getStringAttr(argument.name));
        table != keyed.end() &&
        (argument.role == "state" || argument.role == "write")) {
      table->second.buffer = value;
      continue;
    }
    if (auto place = inPlace.find(b.getStringAttr(argument.name));
        place != inPlace.end() && argument.role == "write") {
      place->second = value;
      continue;
    }
    if (argument.role == "offsets") {
      StringRef of = StringRef(argument.name).drop_back(strlen(".offsets"));
      arguments[("offsets:" + of).str()] = bufferization::ToTensorOp::create(
          b, func.getLoc(),
          RankedTensorType::get(memref.getShape(), memref.getElementType()),
          value, /*restrict=*/true);
      continue;
    }
    Value tensor = bufferization::ToTensorOp::create(
        b, func.getLoc(),
        RankedTensorType::get(memref.getShape(), memref.getElementType()),
        value, /*restrict=*/true);
    if (argument.role == "state")
      tensor = snapshot(tensor, argument.name, func.getLoc());
    arguments[(argument.role + ":" + argument.name).str()] = tensor;
  }
  prepareDescent(used, func.getLoc());
  if (func.getEventAttr())
    entry->setAttr(kEventAttr, func.getEventAttr());
  // What the function takes by position.
  for (auto [i, argument] : llvm::enumerate(func.getArguments())) {
    std::string what = argumentName(i);
    Value tensor = arguments.lookup("input:" + what);
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      Plan &rows = plans[type.getAxis().getValue()];
      rows.indices = tensor;
      rows.counts = arguments.lookup("input:" + what + ".count");
      continue;
    }
    auto type = cast<ArrayType>(argument.getType());
    if (!isa<RangeType>(type.getElementType()))
      set(argument, type.getElementType().isInteger(1)
                        ? map(dimsOf(type), type.getElementType(),
                              Operand{tensor, type}, func.getLoc(),
                              [](OpBuilder &inner, Location at,
                                 ValueRange args) -> Value {
                                return arith::TruncIOp::create(
                                    inner, at, inner.getI1Type(), args[0]);
                              })
                        : tensor);
  }
  return success();
}

LogicalResult Lowering::lowerGet(GetOp op) {
  auto type = cast<ArrayType>(op.getType());
  if (isa<RangeType>(type.getElementType()))
    return success(); // read through route.bound
  Operation *target = tables.lookupSymbolIn(module, op.getSymbol());
  if (auto column = dyn_cast<ColumnOp>(target);
      column && column.getKind() == ColumnKind::constant) {
    if (isa<TextType>(type.getElementType()))
      return lowerTextConstant(op, *column.getValue(), type);
    RankedTensorType tensor = tensorType(type);
    auto dense = dyn_cast<DenseElementsAttr>(*column.getValue());
    if (!dense)
      return unsupported(op, "constant columns of this type");
    if (auto integers = dyn_cast<DenseIntElementsAttr>(dense);
        integers && integers.getElementType() != tensor.getElementType())
      dense = integers.mapValues(
          tensor.getElementType(), [&](const APInt &element) {
            return element.sextOrTrunc(tensor.getElementTypeBitWidth());
          });
    if (dense.getType() != tensor)
      return unsupported(op, "constant columns of this shape");
    set(op.getResult(), arith::ConstantOp::create(b, op.getLoc(), dense));
    return success();
  }
  std::string name = nameOf(op.getSymbol());
  if (auto it = written.find(b.getStringAttr(name)); it != written.end()) {
    set(op.getResult(), it->second.first);
    return success();
  }
  for (StringRef role : {"input", "param", "state"})
    if (Value tensor = arguments.lookup((role + ":" + name).str())) {
      set(op.getResult(), asComputed(tensor, type, op.getLoc()));
      return success();
    }
  return op.emitOpError("reads ")
         << op.getSymbol() << ", which is no argument of the entry";
}

std::pair<Value, Value> Lowering::givenOf(Value source) {
  std::string name;
  if (auto read = source.getDefiningOp<GetOp>()) {
    name = nameOf(read.getSymbol());
  } else if (auto argument = dyn_cast<BlockArgument>(source);
             argument && argument.getOwner() == &func.getBody().front()) {
    name = argumentName(argument.getArgNumber());
  }
  for (StringRef role : {"input:", "state:"})
    if (Value value = arguments.lookup((role + name).str()))
      return {value, arguments.lookup("known:" + name)};
  return {};
}

/// Whether an input that may be unknown is known.
LogicalResult Lowering::lowerKnown(KnownOp op) {
  Value known = givenOf(op.getOperand()).second;
  if (!known)
    return unsupported(op, "unknown values from here");
  auto type = cast<ArrayType>(op.getType());
  set(op.getResult(),
      map(dimsOf(type), type.getElementType(), Operand{known, type},
          op.getLoc(),
          [](OpBuilder &inner, Location at, ValueRange args) -> Value {
            return arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::ne, args[0],
                arith::ConstantOp::create(inner, at,
                                          inner.getI8IntegerAttr(0)));
          }));
  return success();
}

/// An end of the interval of an input that may be unknown.
LogicalResult Lowering::lowerBound(BoundOp op) {
  auto [value, known] = givenOf(op.getOperand());
  if (!value || !known)
    return unsupported(op, "unknown values from here");
  auto type = cast<ArrayType>(op.getType());
  Type to = element(type.getElementType());
  if (isa<signal::TextType>(to)) {
    // Callers give an empty text where they know none.
    set(op.getResult(), value);
    return success();
  }
  bool coded = isa<EnumType, RefType, HandleType>(type.getElementType());
  bool noRow = isa<RefType>(type.getElementType());
  bool isUnsigned = getValueType(type.getElementType()).isUnsignedInteger();
  bool upper = op.getUpper();
  set(op.getResult(),
      map(dimsOf(type), type.getElementType(),
          {Operand{value, type}, Operand{known, type}}, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value zero =
                arith::ConstantOp::create(inner, at, inner.getI8IntegerAttr(0));
            Value isKnown = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::ne, args[1], zero);
            Value given = args[0];
            TypedAttr edge;
            if (to.isInteger(1)) {
              given = arith::CmpIOp::create(inner, at, arith::CmpIPredicate::ne,
                                            given, zero);
              edge = inner.getBoolAttr(upper);
            } else if (coded) {
              edge = inner.getIntegerAttr(to, noRow ? -1 : 0);
            } else if (auto floating = dyn_cast<FloatType>(to)) {
              edge = inner.getFloatAttr(
                  to, APFloat::getInf(floating.getFloatSemantics(), !upper));
            } else {
              unsigned width = to.getIntOrFloatBitWidth();
              edge = inner.getIntegerAttr(
                  to, upper ? APSInt::getMaxValue(width, isUnsigned)
                            : APSInt::getMinValue(width, isUnsigned));
            }
            return arith::SelectOp::create(
                inner, at, isKnown, given,
                arith::ConstantOp::create(inner, at, edge));
          }));
  return success();
}

/// A plan's column as it leaves: zero where there is no row.
Value Lowering::zeroPastCount(Value tensor, ArrayType type, Location loc) {
  Type to = cast<RankedTensorType>(tensor.getType()).getElementType();
  if (!isa<IntegerType, FloatType>(to))
    return tensor;
  Plan &rows = plans[type.getAxes().front().getValue()];
  auto rowType = ArrayType::get(b.getI32Type(), ArrayRef(rows.axis));
  return map(dimsOf(type), type.getElementType(),
             {Operand{tensor, type}, Operand{rows.indices, rowType}}, loc,
             [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
               Value none = arith::ConstantOp::create(
                   inner, at, inner.getI32IntegerAttr(0));
               Value there = arith::CmpIOp::create(
                   inner, at, arith::CmpIPredicate::sge, args[1], none);
               Value zero =
                   arith::ConstantOp::create(inner, at, inner.getZeroAttr(to));
               return arith::SelectOp::create(inner, at, there, args[0], zero);
             });
}

/// A metric is an output of its name. An entry has one set of outputs a call,
/// so it is given once.
LogicalResult Lowering::lowerEmit(EmitOp op) {
  auto type = dyn_cast<ArrayType>(op.getValue().getType());
  if (!type)
    return unsupported(op, "an emitted plan");
  if (op->getBlock() != &func.getBody().front())
    return unsupported(op, "emitting from a loop or a condition");
  Value value = get(op.getValue());
  if (!value)
    return failure();
  if (!emitted.insert({op.getNameAttr(), {value, type, op.getUnitAttr()}})
           .second)
    return unsupported(op, "emitting '" + op.getName() + "' twice");
  return success();
}

/// What the rows are along `axis`: where they were chosen from a plan, what the
/// rows of that are.
Value Lowering::indicesInto(const Plan &rows, Axis axis, Location loc) {
  Value indices = rows.indices;
  auto type = ArrayType::get(b.getI32Type(), ArrayRef(rows.axis));
  for (Axis from = rows.candidates; from != axis;) {
    Plan &above = plans[from.getValue()];
    Value flat = flattened(above.indices, 0, loc);
    indices =
        map(dimsOf(type), b.getI32Type(), Operand{indices, type}, loc,
            [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
              Value zero = arith::ConstantOp::create(
                  inner, at, inner.getI32IntegerAttr(0));
              Value there = arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::sge, args[0], zero);
              Value place = arith::IndexCastOp::create(
                  inner, at, inner.getIndexType(),
                  arith::MaxSIOp::create(inner, at, args[0], zero));
              return arith::SelectOp::create(
                  inner, at, there,
                  tensor::ExtractOp::create(inner, at, flat, place), args[0]);
            });
    from = above.candidates;
  }
  return indices;
}

LogicalResult Lowering::lowerReturn(ReturnOp op) {
  Location loc = op.getLoc();
  // A plan may leave twice: as rows for the caller, and for handlers as places
  // in the plan that it was chosen from.
  llvm::StringMap<int64_t> planNumber, placesNumber;
  int64_t numPlans = 0;
  for (auto [i, value] : llvm::enumerate(op.getOperands()))
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      StringRef axis = type.getAxis().getValue();
      bool places =
          planNumber.contains(axis) && !func.getResultAttr(i, kRowsAttr);
      if ((places ? placesNumber : planNumber)
              .try_emplace(axis, numPlans)
              .second)
        ++numPlans;
    }
  auto output = [&](Value tensor, StringRef name, ArrayRef<Axis> axes,
                    SmallVector<NamedAttribute> extra) {
    tensor = asStored(tensor, loc);
    auto type = cast<RankedTensorType>(tensor.getType());
    unsigned index = entry.getNumArguments();
    SmallVector<NamedAttribute> attrs = {
        b.getNamedAttr(kRoleAttr, b.getStringAttr("output")),
        b.getNamedAttr(kNameAttr, b.getStringAttr(name)),
        b.getNamedAttr(kAxesAttr, b.getArrayAttr(llvm::map_to_vector(
                                      axes, [](Axis axis) -> Attribute {
                                        return axis;
                                      })))};
    llvm::append_range(attrs, extra);
    (void)entry.insertArgument(
        index, MemRefType::get(type.getShape(), type.getElementType()),
        b.getDictionaryAttr(attrs), loc);
    bufferization::MaterializeInDestinationOp::create(
        b, loc, TypeRange(), tensor, entry.getArgument(index),
        /*restrict=*/true, /*writable=*/true);
  };
  auto planAttrs = [&](Axis axis,
                       StringRef part) -> SmallVector<NamedAttribute> {
    return {b.getNamedAttr(kPlanAttr, b.getI64IntegerAttr(
                                          planNumber.lookup(axis.getValue()))),
            b.getNamedAttr(kPartAttr, b.getStringAttr(part))};
  };
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto given = func.getResultAttrOfType<StringAttr>(i, "route.name");
    std::string name =
        given ? given.getValue().str() : "result" + std::to_string(i);
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      Plan &rows = plan(value);
      planRanks[type.getAxis().getValue()] = rows.rank;
      if (rows.extent)
        deriveSize((type.getAxis().getValue() + ".rank").str(), rows.extent);
      if (plans.contains(rows.candidates.getValue()) &&
          !func.getResultAttr(i, kRowsAttr)) {
        // How many places the index has that these rows were chosen from.
        Value places = constantIndex(1, loc);
        for (Axis dim : dimsOf(ArrayRef<Axis>(rows.candidates)))
          places = arith::MulIOp::create(b, loc, places, sizeValue(dim, loc));
        deriveSize(rows.candidates.getValue(), places);
      }
      auto given = func.getResultAttrOfType<FlatSymbolRefAttr>(i, kRowsAttr);
      auto index = planAttrs(type.getAxis(), "index"),
           count = planAttrs(type.getAxis(), "count");
      if (given)
        index.push_back(b.getNamedAttr(kRowsAttr, given));
      else if (auto found = placesNumber.find(type.getAxis().getValue());
               found != placesNumber.end())
        index.front() = count.front() =
            b.getNamedAttr(kPlanAttr, b.getI64IntegerAttr(found->second));
      output(given ? indicesInto(rows, given, loc) : rows.indices, name,
             type.getAxis(), index);
      output(rows.counts, name + ".count", type.getAxis(), count);
      continue;
    }
    auto type = cast<ArrayType>(value.getType());
    Value tensor = get(value);
    if (!tensor)
      return failure();
    if (!type.isScalar() && plans.contains(type.getAxes().front().getValue()))
      tensor = zeroPastCount(tensor, type, loc);
    SmallVector<NamedAttribute> extra = {
        b.getNamedAttr("route.type", TypeAttr::get(type))};
    for (Axis axis : type.getAxes())
      if (planNumber.contains(axis.getValue()))
        llvm::append_range(extra, planAttrs(axis, "column"));
    if (auto unit = func.getResultAttr(i, kUnitAttr))
      extra.push_back(b.getNamedAttr(kUnitAttr, unit));
    output(tensor, name, type.getAxes(), extra);
  }
  for (auto &[name, value] : derivedSizes)
    deriveSize(name, value);
  for (auto &[name, metric] : emitted) {
    SmallVector<NamedAttribute> extra = {
        b.getNamedAttr("route.type", TypeAttr::get(metric.type))};
    if (metric.unit)
      extra.push_back(b.getNamedAttr(kUnitAttr, metric.unit));
    output(metric.value, name, metric.type.getAxes(), extra);
  }
  writeState(loc);
  func::ReturnOp::create(b, loc);
  return success();
}
