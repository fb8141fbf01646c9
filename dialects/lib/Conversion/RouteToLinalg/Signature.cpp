// The signature of a converted entry: what it reads, in the order of the spec.
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

std::string Lowering::argumentName(unsigned i) {
  auto given = func.getArgAttrOfType<StringAttr>(i, "route.name");
  return given ? given.getValue().str() : "arg" + std::to_string(i);
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

/// What an entry reads, with the symbol's op.
struct Read {
  Operation *target;
  SymbolRefAttr symbol;
  ArrayType type;
};

/// The order in which a spec declares what its entries take, whichever
/// expression mentions it first: columns, then all else, each by the place of
/// its declaration, the spec's own file before those that it imports.
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

template <typename OpTy> bool contains(FuncOp func) {
  return func.walk([](OpTy) { return WalkResult::interrupt(); })
      .wasInterrupted();
}
} // namespace

/// Finds what an entry takes, makes the entry, and binds what it was given.
class Lowering::Signature {
public:
  explicit Signature(Lowering &in)
      : in(in), b(in.b), func(in.func), declared(in.module) {}

  LogicalResult collect();
  void makeEntry(StringRef name);
  /// Binds what the function takes by position.
  void bindGiven();

private:
  void findBudgets();
  template <typename Visit> void walkAll(Visit visit);

  // Which axes the entry computes over.
  bool isNew(Axis axis);
  void useAxes(ArrayRef<Axis> axes);
  void useAxesOf(Operation *op);
  void useMeetings(ArrayRef<Meeting> meetings);
  void useAxesBetween();

  // What it reads.
  Argument &add(StringRef role, StringRef name, Type type, ArrayRef<Axis> axes,
                std::optional<NamedAttribute> extra = std::nullopt);
  void addArray(StringRef role, StringRef name, ArrayType type);
  LogicalResult numberPlans();
  LogicalResult addGiven(unsigned i, Type type);
  void addPlan(StringRef name, Axis axis);
  void markPlan(Argument &argument, Axis axis, StringRef part);
  SmallVector<Read> reads();
  LogicalResult addRead(const Read &read);
  void addTables();

  // What follows from the axes.
  void addSizes();
  void addOffsets();
  void findNested();
  bool isCarried(Axis axis) { return llvm::is_contained(carried, axis); }
  bool follows(Axis axis);

  void bind(const Argument &argument, Value value);

  Type bufferOf(ArrayType type);
  NamedAttribute routeType(ArrayType type) {
    return b.getNamedAttr("route.type", TypeAttr::get(type));
  }

  Lowering &in;
  OpBuilder &b;
  FuncOp func;
  DeclaredOrder declared;
  /// Budgets are computed where they are first used.
  SmallVector<BudgetOp> budgets;
  /// The axes in use, and those of them nested in others.
  SmallVector<Axis> used, nested;
  /// Axes whose sizes inputs or offsets tell.
  SmallVector<Axis> carried;
  llvm::StringMap<int64_t> planNumber;
  /// Sizes and scalars, what is read, and offsets: the arguments in order.
  SmallVector<Argument> scalars, arrays, offsets;
};

void Lowering::Signature::findBudgets() {
  func.walk([&](ChooseOp choose) {
    if (!choose.getUnder())
      return;
    for (auto name : choose.getUnder()->getAsRange<Axis>())
      if (auto budget = in.tables.lookupSymbolIn<BudgetOp>(in.module, name);
          budget && !llvm::is_contained(budgets, budget))
        budgets.push_back(budget);
  });
}

/// Visits the ops of the function and those of its budgets.
template <typename Visit> void Lowering::Signature::walkAll(Visit visit) {
  func.walk(visit);
  for (BudgetOp budget : budgets) {
    budget.getReserve().walk(visit);
    budget.getLimit().walk(visit);
    budget.getPer().walk(visit);
  }
}

//===--- Axes -----------------------------------------------------------===//

bool Lowering::Signature::isNew(Axis axis) {
  if (llvm::is_contained(used, axis))
    return false;
  used.push_back(axis);
  return true;
}

void Lowering::Signature::useAxes(ArrayRef<Axis> axes) {
  for (Axis axis : axes) {
    AxisOp op = in.sourceAxis(axis);
    Axis own = FlatSymbolRefAttr::get(op.getSymNameAttr());
    if (op.getKind() == AxisKind::plan || !isNew(own))
      continue;
    // Where parents have equally many children, either gives the other.
    while (in.sourceAxis(own)->hasAttr("per_parent"))
      isNew(own = in.parentOf(own));
    useAxes(in.madeOf(own));
  }
}

void Lowering::Signature::useMeetings(ArrayRef<Meeting> meetings) {
  for (const Meeting &meeting : meetings)
    useAxes(meeting.within);
}

void Lowering::Signature::useAxesOf(Operation *op) {
  for (Type type : op->getResultTypes())
    if (auto array = dyn_cast<ArrayType>(type))
      useAxes(array.getAxes());
  // A choice that reads nothing of its items still has one a choice.
  if (auto choose = dyn_cast<ChooseOp>(op)) {
    useAxes(choose.getCandidatesAttr());
    for (auto axis : choose.getPer().getAsRange<Axis>()) {
      useAxes(axis);
      // What both descend from ties them.
      SmallVector<Axis> above = in.parentsOf(choose.getCandidatesAttr());
      for (unsigned i = 0; i < above.size(); ++i) {
        llvm::append_range(above, in.parentsOf(above[i]));
        if (in.descends(axis, above[i]))
          useAxes(above[i]);
      }
    }
  }
  // Where axes meet, what both descend from says which positions do.
  if (auto reduce = dyn_cast<ReduceOp>(op))
    useMeetings(meetingsOf(reduce, in.tables));
  if (auto contract = dyn_cast<ContractOp>(op))
    useMeetings(meetingsOf(contract, in.tables));
  if (auto size = dyn_cast<SizeOp>(op))
    useAxes(size.getAxisAttr());
}

/// What lies between two axes is needed to descend from one to the other.
void Lowering::Signature::useAxesBetween() {
  for (Axis axis : SmallVector<Axis>(used)) {
    SmallVector<Axis> above = in.parentsOf(axis);
    for (unsigned i = 0; i < above.size(); ++i)
      llvm::append_range(above, in.parentsOf(above[i]));
    for (Axis between : above)
      if (llvm::any_of(above, [&](Axis end) {
            return llvm::is_contained(used, end) && in.descends(between, end);
          }))
        useAxes(between);
  }
}

//===--- What is read ---------------------------------------------------===//

Type Lowering::Signature::bufferOf(ArrayType type) {
  RankedTensorType tensor = in.tensorType(type);
  Type element = tensor.getElementType();
  return MemRefType::get(tensor.getShape(),
                         element.isInteger(1) ? b.getI8Type() : element);
}

Argument &Lowering::Signature::add(StringRef role, StringRef name, Type type,
                                   ArrayRef<Axis> axes,
                                   std::optional<NamedAttribute> extra) {
  arrays.push_back({role, name.str(), type, llvm::to_vector(axes), {}});
  if (extra)
    arrays.back().extra.push_back(*extra);
  return arrays.back();
}

/// An array; of one that may be unknown, whether it is known behind it.
void Lowering::Signature::addArray(StringRef role, StringRef name,
                                   ArrayType type) {
  useAxes(type.getAxes());
  ArrayType plain = type.withElement(getValueType(type.getElementType()));
  add(role, name, bufferOf(plain), type.getAxes(), routeType(type));
  if (isa<RangeType>(type.getElementType()))
    add("known", name, bufferOf(plain.withElement(b.getI8Type())),
        type.getAxes(), routeType(type));
}

/// Numbers the plans that are handed back.
LogicalResult Lowering::Signature::numberPlans() {
  for (BlockArgument argument : func.getArguments())
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      planNumber.try_emplace(type.getAxis().getValue(), planNumber.size());
      if (failed(in.declarePlan(type.getAxis())))
        return failure();
      useAxes(in.plans[type.getAxis().getValue()].per);
    }
  return success();
}

void Lowering::Signature::markPlan(Argument &argument, Axis axis,
                                   StringRef part) {
  argument.extra.push_back(b.getNamedAttr(
      kPlanAttr, b.getI64IntegerAttr(planNumber.lookup(axis.getValue()))));
  argument.extra.push_back(b.getNamedAttr(kPartAttr, b.getStringAttr(part)));
}

/// A plan that is handed back: positions and counts.
void Lowering::Signature::addPlan(StringRef name, Axis axis) {
  SmallVector<Axis> dims = in.dimsOf(ArrayRef<Axis>(axis));
  auto bufferOver = [&](ArrayRef<Axis> dims) {
    return MemRefType::get(in.tensorType(dims, b.getI32Type()).getShape(),
                           b.getI32Type());
  };
  markPlan(add("input", name, bufferOver(dims), axis), axis, "index");
  markPlan(add("input", (name + ".count").str(),
               bufferOver(ArrayRef(dims).drop_back()), axis),
           axis, "count");
}

/// What the function takes by position.
LogicalResult Lowering::Signature::addGiven(unsigned i, Type given) {
  std::string name = in.argumentName(i);
  if (auto type = dyn_cast<PlanType>(given)) {
    addPlan(name, type.getAxis());
    return success();
  }
  auto type = dyn_cast<ArrayType>(given);
  if (!type)
    return func.emitError("argument ")
           << i << " of @" << func.getSymName() << " is neither array nor plan";
  size_t first = arrays.size();
  addArray("input", name, type);
  if (auto unit = func.getArgAttr(i, kUnitAttr))
    arrays[first].extra.push_back(b.getNamedAttr(kUnitAttr, unit));
  if (auto lists = func.getArgAttr(i, kListsAttr))
    arrays[first].extra.push_back(b.getNamedAttr(kListsAttr, lists));
  for (Axis axis : type.getAxes())
    if (planNumber.contains(axis.getValue()))
      markPlan(arrays.back(), axis, "column");
  return success();
}

/// The symbols that are read, in the order of their declarations.
SmallVector<Read> Lowering::Signature::reads() {
  llvm::MapVector<Attribute, ArrayType> types;
  walkAll([&](GetOp get) {
    types.insert({get.getSymbol(), cast<ArrayType>(get.getType())});
  });
  // What a loop or a condition may set is its old value otherwise.
  func.walk([&](SetOp set) {
    if (set->getParentOp() != func)
      types.insert({set.getSymbol(), in.typeOfState(set.getSymbol())});
  });
  SmallVector<Read> ordered;
  for (auto &[name, type] : types) {
    auto symbol = cast<SymbolRefAttr>(name);
    ordered.push_back(
        {in.tables.lookupSymbolIn(in.module, symbol), symbol, type});
  }
  llvm::sort(ordered, [&](const Read &a, const Read &b) {
    return declared(a.target, b.target);
  });
  return ordered;
}

LogicalResult Lowering::Signature::addRead(const Read &read) {
  auto &[target, symbol, type] = read;
  std::string name = nameOf(symbol);
  // A signal that is a parameter too is one input.
  if (isa<SignalOp>(target) &&
      llvm::any_of(arrays, [&](const Argument &argument) {
        return argument.role == "input" && argument.name == name;
      }))
    return success();
  if (in.keyed.contains(b.getStringAttr(name)))
    return success(); // a table
  if (in.inPlace.contains(b.getStringAttr(name))) {
    addArray("write", name, type);
    arrays.back().extra.push_back(b.getNamedAttr(kReadsAttr, b.getUnitAttr()));
    return success();
  }
  // What is bound once has one size for all calls.
  auto column = dyn_cast<ColumnOp>(target);
  bool bound = isa<ParamOp, StateOp>(target) ||
               (column && (column.getKind() == ColumnKind::state ||
                           column.getKind() == ColumnKind::live));
  if (bound && llvm::any_of(type.getAxes(), [&](Axis axis) {
        return ShapedType::isDynamic(in.staticSize(axis));
      }))
    return notCovered(target,
                      column ? "columns of a pool whose size the call decides"
                             : "parameters and state over an axis whose size "
                               "the call decides");
  if (isa<ParamOp>(target))
    addArray("param", name, type);
  else if (bound)
    addArray("state", name, type);
  else if (!column || column.getKind() == ColumnKind::input) {
    addArray("input", name, type);
    if (auto lists = target->getAttr(kListsAttr))
      arrays.back().extra.push_back(b.getNamedAttr(kListsAttr, lists));
  }
  return success();
}

/// Tables, and the list of what is written where it is.
void Lowering::Signature::addTables() {
  bool writes = !in.inPlace.empty();
  for (auto &[name, table] : in.keyed) {
    Argument &argument =
        add(table.writes ? "write" : "state", name, table.memory,
            table.type.getAxes(), routeType(table.type));
    if (table.writes)
      argument.extra.push_back(b.getNamedAttr(kReadsAttr, b.getUnitAttr()));
    writes |= table.writes;
  }
  if (writes)
    add("changes", "changes",
        MemRefType::get({ShapedType::kDynamic}, b.getI64Type()), {});
}

LogicalResult Lowering::Signature::collect() {
  findBudgets();
  walkAll([&](Operation *op) { useAxesOf(op); });
  if (failed(numberPlans()))
    return failure();
  for (BlockArgument argument : func.getArguments())
    if (failed(addGiven(argument.getArgNumber(), argument.getType())))
      return failure();
  if (failed(in.planTables()))
    return failure();
  in.planElementWrites();
  for (const Read &read : reads())
    if (failed(addRead(read)))
      return failure();
  addTables();
  useAxesBetween();
  findNested();
  addSizes();
  addOffsets();
  return success();
}

//===--- Sizes and offsets ----------------------------------------------===//

/// Finds axes nested in others that are used, where parents differ, and whose
/// sizes what is given tells.
void Lowering::Signature::findNested() {
  for (Axis axis : used)
    if (in.isRagged(axis) && llvm::any_of(used, [&](Axis above) {
          return above != axis && in.descends(axis, above);
        })) {
      nested.push_back(axis);
      carried.push_back(in.parentOf(axis));
    }
  llvm::sort(nested, [&](Axis a, Axis b) {
    return declared(in.sourceAxis(a), in.sourceAxis(b));
  });
  for (const Argument &argument : arrays)
    if (argument.role == "input")
      for (Axis axis : argument.axes)
        if (in.kindOf(axis) != AxisKind::plan)
          carried.push_back(
              FlatSymbolRefAttr::get(in.sourceAxis(axis).getSymNameAttr()));
}

/// Whether the size of an axis that inputs do not tell follows from those that
/// they do.
bool Lowering::Signature::follows(Axis axis) {
  if (!in.madeOf(axis).empty())
    return true;
  if (in.sourceAxis(axis)->hasAttr("per_parent"))
    return !isCarried(axis) || isCarried(in.parentOf(axis));
  return !isCarried(axis) && llvm::any_of(used, [&](Axis below) {
    if (!isCarried(below))
      return false;
    while (below != axis && in.sourceAxis(below)->hasAttr("per_parent"))
      below = in.parentOf(below);
    return below == axis;
  });
}

void Lowering::Signature::addSizes() {
  for (Axis axis : used)
    if (!in.sourceAxis(axis).getSize() && !follows(axis))
      scalars.push_back(
          {"size", axis.getValue().str(), b.getIndexType(), {axis}, {}});
  // The call's time, in seconds, and the seed of its draws.
  if (contains<NowOp>(func))
    scalars.push_back({"now", "now", b.getF64Type(), {}, {}});
  if (contains<DrawOp>(func))
    scalars.push_back({"seed", "seed", b.getI64Type(), {}, {}});
}

/// Where each parent's children lie.
void Lowering::Signature::addOffsets() {
  for (Axis axis : nested) {
    int64_t parents = in.staticSize(in.parentOf(axis));
    offsets.push_back(
        {"offsets",
         (axis.getValue() + ".offsets").str(),
         MemRefType::get(ShapedType::isDynamic(parents) ? parents : parents + 1,
                         b.getI32Type()),
         {in.parentOf(axis)},
         {b.getNamedAttr(kOfAttr, axis)}});
  }
}

//===--- The entry ------------------------------------------------------===//

void Lowering::Signature::makeEntry(StringRef name) {
  SmallVector<const Argument *> all;
  for (ArrayRef<Argument> part :
       {ArrayRef<Argument>(scalars), ArrayRef<Argument>(arrays),
        ArrayRef<Argument>(offsets)})
    for (const Argument &argument : part)
      all.push_back(&argument);
  // Output types depend on plans' ranks, known once the body is converted; the
  // arguments are added by lowerReturn.
  SmallVector<Type> types;
  for (const Argument *argument : all)
    types.push_back(argument->type);
  b.setInsertionPoint(func);
  func::FuncOp entry = in.entry = func::FuncOp::create(
      b, func.getLoc(), name, b.getFunctionType(types, {}));
  entry->setAttr(kEntryAttr, FlatSymbolRefAttr::get(func.getSymNameAttr()));
  if (func.getEventAttr())
    entry->setAttr(kEventAttr, func.getEventAttr());
  Block *body = entry.addEntryBlock();
  b.setInsertionPointToStart(body);
  for (auto [i, argument] : llvm::enumerate(all)) {
    entry.setArgAttr(i, kRoleAttr, b.getStringAttr(argument->role));
    entry.setArgAttr(i, kNameAttr, b.getStringAttr(argument->name));
    if (isa<MemRefType>(argument->type)) {
      entry.setArgAttr(
          i, kAxesAttr,
          b.getArrayAttr(llvm::map_to_vector(
              argument->axes, [](Axis axis) -> Attribute { return axis; })));
      for (NamedAttribute extra : argument->extra)
        entry.setArgAttr(i, extra.getName(), extra.getValue());
    }
    bind(*argument, body->getArgument(i));
  }
  in.prepareDescent(used, func.getLoc());
}

/// Puts an argument of the entry where the conversion looks for it.
void Lowering::Signature::bind(const Argument &argument, Value value) {
  StringRef role = argument.role;
  auto name = b.getStringAttr(argument.name);
  if (role == "size") {
    in.sizes[name.getValue()] = value;
    return;
  }
  if (role == "changes")
    signal::ListChangesOp::create(b, func.getLoc(), value);
  auto memref = dyn_cast<MemRefType>(argument.type);
  if (!memref || role == "changes") {
    in.arguments[role] = value;
    return;
  }
  if (auto table = in.keyed.find(name);
      table != in.keyed.end() && (role == "state" || role == "write")) {
    table->second.buffer = value;
    return;
  }
  if (auto place = in.inPlace.find(name);
      place != in.inPlace.end() && role == "write") {
    place->second = value;
    return;
  }
  Value tensor = bufferization::ToTensorOp::create(
      b, func.getLoc(),
      RankedTensorType::get(memref.getShape(), memref.getElementType()), value,
      /*restrict=*/true);
  if (role == "state")
    tensor = in.snapshot(tensor, argument.name, func.getLoc());
  StringRef key = argument.name;
  if (role == "offsets")
    key.consume_back(".offsets");
  in.arguments[(role + ":" + key).str()] = tensor;
}

void Lowering::Signature::bindGiven() {
  for (auto [i, argument] : llvm::enumerate(func.getArguments())) {
    std::string what = in.argumentName(i);
    Value tensor = in.arguments.lookup("input:" + what);
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      Plan &rows = in.plans[type.getAxis().getValue()];
      rows.indices = tensor;
      rows.counts = in.arguments.lookup("input:" + what + ".count");
      if (ShapedType::isDynamic(rows.rank)) // as wide as what is handed back
        rows.extent = tensor::DimOp::create(
            b, func.getLoc(), tensor,
            cast<RankedTensorType>(tensor.getType()).getRank() - 1);
      continue;
    }
    auto type = cast<ArrayType>(argument.getType());
    if (isa<RangeType>(type.getElementType()))
      continue; // read through route.bound
    if (type.getElementType().isInteger(1))
      tensor =
          in.map(in.dimsOf(type), type.getElementType(), Operand{tensor, type},
                 func.getLoc(),
                 [](OpBuilder &inner, Location at, ValueRange args) -> Value {
                   return arith::TruncIOp::create(inner, at, inner.getI1Type(),
                                                  args[0]);
                 });
    in.set(argument, tensor);
  }
}

LogicalResult Lowering::buildSignature(StringRef name) {
  Signature signature(*this);
  if (failed(signature.collect()))
    return failure();
  signature.makeEntry(name);
  signature.bindGiven();
  return success();
}
