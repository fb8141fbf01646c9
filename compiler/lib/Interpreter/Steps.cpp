// The step machine: runs the blocks of a step route from one ask to the next.
#include "route/Interpreter/Steps.h"
#include "Reservations.h"
#include "Scalars.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/LiveRows.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The unit of the value `name`, by an attribute that lists those that have
/// one.
static std::string unitIn(Operation *op, StringRef list, StringRef name) {
  auto units = op->getAttrOfType<DictionaryAttr>(list);
  auto unit = units ? units.getAs<StringAttr>(name) : StringAttr();
  return unit ? unit.str() : "";
}

namespace {

/// One call that the host was asked for.
struct Call {
  int64_t id = -1;
  AskOp ask;       // null for a signal
  SignalOp signal; // null for an ask
  CallSite site;
  bool ended = false, answered = false, cancelled = false, committed = false;
  int64_t deadlineNs = -1, code = 0;
  llvm::StringMap<Array> values;
  /// The arguments, by name.
  std::vector<NamedValue> given;
  /// The row whose body is asked: of a pool of pools, the row of a part.
  StringAttr pool;
  int64_t row = -1;
  bool passed = false; // it stands for skipping: nobody was asked
  Reservations reservations;
};

} // namespace

/// The state of one run: its frame, where it stands, and its calls.
struct StepRun::Impl {
  Impl(Interpreter &interpreter, StringRef entry, int64_t item)
      : interpreter(interpreter), machine(interpreter.machine()),
        frame(machine), item(item) {
    func = machine.symbols.lookup<FuncOp>(entry);
    this->entry = entry.str();
  }

  Interpreter &interpreter;
  Machine &machine;
  std::string entry;
  FuncOp func;
  Frame frame;
  int64_t item;
  Block *block = nullptr;
  Block::iterator at;
  bool ended = false;
  std::vector<std::unique_ptr<Call>> calls;
  /// Calls that the ask at `at` waits for, or the signal that is needed.
  std::vector<Call *> waiting;
  /// What this run has reserved and spent in windows that end with it.
  Ledger ledger;
  llvm::StringMap<Array> computed;
  SmallVector<std::pair<StringAttr, int64_t>, 1> items;
  llvm::SetVector<std::pair<StringAttr, int64_t>> chosen, failedRows;
  int64_t steps = 0; // of the whole run so far
  std::vector<std::vector<RuntimeValue>> ticket;
  std::vector<Action> actions;

  LogicalResult begin();
  LogicalResult advance();
  LogicalResult ask(AskOp op);
  LogicalResult readAhead(AskOp op);
  LogicalResult makeCall(Call &call, ArrayRef<RuntimeValue> args);
  LogicalResult needSignal(const NeededSignal &needed);
  Array ofItem(Array value) const;
  ArrayType typeOfItem(ArrayType type) const;
  LogicalResult finishAsk(AskOp op);
  void noteBudgets(StringRef what, ArrayRef<std::string> budgets);
  LogicalResult endCall(Call &call, const Event &event);
  LogicalResult passOver(Call &call);
  LogicalResult runHandlers(StringRef event, const Call *call, float reward);
  FailureOr<Array> keptAlong(ArrayType type, size_t place, Location loc);
  LogicalResult placeItems(const Call &call, llvm::StringMap<Array> &saved);
  void enter(Block *target, ArrayRef<RuntimeValue> args);
  void refuse(int64_t code, StringRef reason);
  void finish(route::ReturnOp op);
  void wait();
  /// Runs `body` with this run's part of the machine in place.
  template <typename Body> FailureOr<std::vector<Action>> inRun(Body body);
};

/// Whether the answer of `ask` is what the run gives, whatever it is: on the
/// way from it to a return nothing else is asked, nothing depends on its
/// fields, and what is returned is the answer, or one field of it.
static bool settles(Machine &machine, FuncOp func, AskOp ask) {
  if (ask.getCopies())
    return false;
  // What arguments of blocks on the way are.
  llvm::DenseMap<Value, Value> given;
  auto source = [&](Value value) {
    while (true) {
      if (auto found = given.find(value); found != given.end())
        value = found->second;
      else if (auto cast = value.getDefiningOp<CastOp>())
        value = cast.getOperand();
      else if (auto known = value.getDefiningOp<CoalesceOp>())
        value = known.getLhs();
      else
        return value;
    }
  };
  auto asks = [&](Operation *op) {
    return op
        ->walk([&](GetOp get) {
          auto signal = machine.symbols.lookup<SignalOp>(
              get.getSymbol().getRootReference());
          bool open = signal && signal.getHost() &&
                      !machine.computed.contains(signal.getSymName()) &&
                      !machine.inputs.contains(signal.getSymName());
          return open ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  };
  auto gives = [&](route::ReturnOp op) {
    size_t fields = 0;
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      Value value = source(operand);
      auto found = llvm::find(ask.getValues(), value);
      if (found == ask.getValues().end())
        continue;
      auto name = func.getResultAttrOfType<StringAttr>(i, "route.name");
      if (op.getNumOperands() == 1)
        return true;
      StringRef field =
          cast<StringAttr>(ask.getFields()[found - ask.getValues().begin()])
              .getValue();
      fields += name && name.getValue().rsplit('.').second == field;
    }
    return fields > 0 && fields == ask.getValues().size();
  };
  Operation *op = ask->getNextNode();
  for (int steps = 0; op && steps < 10'000; ++steps) {
    if (auto end = dyn_cast<route::ReturnOp>(op))
      return gives(end);
    if (isa<AskOp, RepeatOp, NextOp, RefuseOp>(op) || asks(op))
      return false;
    Block *next = nullptr;
    OperandRange arguments(op->operand_begin(), op->operand_begin());
    if (auto jump = dyn_cast<cf::BranchOp>(op)) {
      next = jump.getDest();
      arguments = jump.getDestOperands();
    } else if (auto branch = dyn_cast<CondBranchOp>(op)) {
      auto test = branch.getCondition().getDefiningOp<CompareOp>();
      auto zero =
          test ? test.getRhs().getDefiningOp<ConstantOp>() : ConstantOp();
      auto value =
          zero ? dyn_cast<IntegerAttr>(zero.getValue()) : IntegerAttr();
      if (!test || test.getKind() != CompareKind::eq || !value ||
          value.getInt() != 0 || source(test.getLhs()) != ask.getCode())
        return false;
      next = branch.getTrueDest();
      arguments = branch.getTrueOperands();
    }
    if (!next) {
      op = op->getNextNode();
      continue;
    }
    for (auto [argument, value] : llvm::zip(next->getArguments(), arguments))
      given[argument] = source(value);
    op = &next->front();
  }
  return false;
}

template <typename Body>
FailureOr<std::vector<Action>> StepRun::Impl::inRun(Body body) {
  actions.clear();
  machine.steps = steps;
  std::swap(machine.computed, computed);
  llvm::SaveAndRestore<Ledger> pending(machine.pending, Ledger());
  llvm::SaveAndRestore<decltype(machine.items)> place(machine.items, items);
  std::optional<NeededSignal> needed;
  llvm::SaveAndRestore<std::optional<NeededSignal> *> need(machine.needed,
                                                           &needed);
  LogicalResult done = body();
  std::swap(machine.computed, computed);
  steps = machine.steps;
  if (failed(done)) {
    ended = true;
    return failure();
  }
  return std::move(actions);
}

StepRun::StepRun(Interpreter &interpreter, StringRef entry, int64_t item)
    : impl(std::make_unique<Impl>(interpreter, entry, item)) {}
StepRun::~StepRun() = default;
bool StepRun::ended() const { return impl->ended; }

LogicalResult StepRun::Impl::begin() {
  if (!func || func.getKind() != FuncKind::steps)
    return emitError(machine.module.getLoc(), "'")
           << entry << "' is no step route";
  SmallVector<RuntimeValue> args;
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
    auto array = dyn_cast<ArrayType>(type);
    auto ref = array ? dyn_cast<RefType>(array.getElementType()) : RefType();
    auto role = func.getArgAttrOfType<StringAttr>(i, "route.role");
    if (ref && role && role.getValue() == "item") {
      auto axis = machine.axis(ref.getAxis().getAttr(), func.getLoc());
      if (failed(axis))
        return failure();
      if (item < 0 || item >= (*axis)->size)
        return func.emitError("item ")
               << item << " is none of the " << (*axis)->size << " given";
      items.push_back({ref.getAxis().getAttr(), item});
      machine.items = items;
      args.push_back(Array::scalar(ref, item));
      continue;
    }
    auto name = func.getArgAttrOfType<StringAttr>(i, "route.name");
    auto found =
        name ? machine.inputs.find(name.getValue()) : machine.inputs.end();
    if (found == machine.inputs.end())
      return func.emitError("argument ")
             << i << " of '" << entry << "' is not given";
    args.push_back(found->second);
  }
  enter(&func.getBody().front(), args);
  return advance();
}

FailureOr<std::vector<Action>> StepRun::start() {
  return impl->inRun([&] { return impl->begin(); });
}

void StepRun::Impl::enter(Block *target, ArrayRef<RuntimeValue> args) {
  for (auto [argument, value] : llvm::zip(target->getArguments(), args))
    frame.set(argument, value);
  block = target;
  at = target->begin();
}

/// True where a scalar truth is surely true.
static bool surely(const Array &truth) {
  Range range = toRange(truth.value());
  return range.known && range.lo.asTruth();
}

static int64_t integerOf(const Array &array) {
  Range range = toRange(array.value());
  return range.known ? range.lo.asInt() : 0;
}

LogicalResult StepRun::Impl::advance() {
  auto valuesOf = [&](OperandRange operands) {
    SmallVector<RuntimeValue> values;
    for (Value operand : operands)
      values.push_back(frame.get(operand));
    return values;
  };
  while (!ended) {
    Operation *op = &*at;
    if (++machine.steps > machine.options.maxSteps)
      return op->emitError("the step limit of ")
             << machine.options.maxSteps << " is reached";
    if (auto jump = dyn_cast<cf::BranchOp>(op)) {
      enter(jump.getDest(), valuesOf(jump.getDestOperands()));
    } else if (auto branch = dyn_cast<CondBranchOp>(op)) {
      bool holds = surely(frame.array(branch.getCondition()));
      enter(holds ? branch.getTrueDest() : branch.getFalseDest(),
            valuesOf(holds ? branch.getTrueOperands()
                           : branch.getFalseOperands()));
    } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
      int64_t count = integerOf(frame.array(block->getArgument(0)));
      bool more = count < integerOf(frame.array(repeat.getBound()));
      enter(more ? repeat.getBody() : repeat.getExit(), {});
    } else if (auto next = dyn_cast<NextOp>(op)) {
      Value counter = next.getHead()->getArgument(0);
      SmallVector<RuntimeValue> args = {
          Array::scalar(IntegerType::get(func.getContext(), 64),
                        integerOf(frame.array(counter)) + 1)};
      llvm::append_range(args, valuesOf(next.getOperands()));
      enter(next.getHead(), args);
    } else if (auto asks = dyn_cast<AskOp>(op)) {
      if (failed(ask(asks))) {
        if (!*machine.needed)
          return failure();
        NeededSignal needed = std::move(**machine.needed);
        machine.needed->reset();
        return needSignal(needed);
      }
      if (!waiting.empty())
        return wait(), success();
    } else if (auto done = dyn_cast<route::ReturnOp>(op)) {
      finish(done);
    } else if (auto refusal = dyn_cast<RefuseOp>(op)) {
      refuse(integerOf(frame.array(refusal.getCode())),
             refusal.getReason().value_or(""));
    } else if (auto note = dyn_cast<NoteOp>(op)) {
      Action action{Action::Kind::Note};
      action.name = note.getName().str();
      for (auto [i, value] : llvm::enumerate(note.getValues()))
        action.values.push_back(
            {std::to_string(i), frame.get(value),
             unitIn(note, "route.units", std::to_string(i))});
      actions.push_back(std::move(action));
      ++at;
    } else if (auto keep = dyn_cast<KeepOp>(op)) {
      SmallVector<RuntimeValue> entry = valuesOf(keep.getValues());
      ticket.emplace_back(entry.begin(), entry.end());
      ++at;
    } else if (auto rows = dyn_cast<RunSetOp>(op)) {
      std::vector<Element> members;
      for (auto [pool, row] : rows.getWhich() == "failed" ? failedRows : chosen)
        if (pool == rows.getPoolAttr().getAttr())
          members.push_back(row);
      Type set = cast<ArrayType>(rows.getResult().getType()).getElementType();
      frame.set(rows.getResult(),
                Array::scalar(set, std::make_shared<const std::vector<Element>>(
                                       std::move(members))));
      ++at;
    } else {
      const OpFunction *evaluate = machine.registry.find(op);
      if (!evaluate)
        return op->emitError("the interpreter does not know '")
               << op->getName() << "'";
      // A choice sees what the run has spent; only the call will reserve.
      if (isa<ChooseOp>(op))
        machine.pending = ledger;
      if (failed((*evaluate)(op, frame))) {
        if (!*machine.needed)
          return failure();
        // The op is run again once the signal is there.
        NeededSignal needed = std::move(**machine.needed);
        machine.needed->reset();
        return needSignal(needed);
      }
      ++at;
    }
  }
  return success();
}

void StepRun::Impl::wait() {
  Action action{Action::Kind::Wait};
  for (Call *call : waiting)
    if (!call->ended && call->deadlineNs >= 0 &&
        (action.timeNs < 0 || call->deadlineNs < action.timeNs))
      action.timeNs = call->deadlineNs;
  actions.push_back(std::move(action));
}

void StepRun::Impl::refuse(int64_t code, StringRef reason) {
  Action action{Action::Kind::Reject};
  action.code = code;
  action.reason = reason.str();
  if (code == 429)
    action.refused = machine.refused;
  actions.push_back(std::move(action));
  ended = true;
}

void StepRun::Impl::finish(route::ReturnOp op) {
  Action action{Action::Kind::Done};
  for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
    auto name = func.getResultAttrOfType<StringAttr>(i, "route.name");
    auto unit = func.getResultAttrOfType<StringAttr>(i, "route.unit");
    action.values.push_back({name ? name.getValue().str() : std::to_string(i),
                             frame.get(operand), unit ? unit.str() : ""});
  }
  actions.push_back(std::move(action));
  ended = true;
}

/// The value at the run's item.
Array StepRun::Impl::ofItem(Array value) const {
  for (auto [axis, position] : items) {
    int along = value.findAxis(axis);
    if (along < 0)
      continue;
    value.base += value.offsets()[along][position];
    value.axes.erase(value.axes.begin() + along);
    llvm::erase_if(value.dims, [&](const Array::Dim &dim) {
      return dim.axis == unsigned(along);
    });
    for (Array::Dim &dim : value.dims)
      dim.axis -= dim.axis > unsigned(along);
  }
  return value;
}

/// What the host is asked for: the signal of the run's item.
ArrayType StepRun::Impl::typeOfItem(ArrayType type) const {
  auto axes = llvm::to_vector(type.getAxes());
  for (auto [axis, position] : items)
    llvm::erase_if(axes, [&, axis = axis](FlatSymbolRefAttr name) {
      return name.getAttr() == axis;
    });
  return type.withAxes(axes);
}

LogicalResult StepRun::Impl::needSignal(const NeededSignal &needed) {
  auto call = std::make_unique<Call>();
  call->id = calls.size();
  call->signal = needed.signal;
  Action action{Action::Kind::Need};
  action.call = call->id;
  action.name = call->signal.getSymName().str();
  for (auto [i, value] : llvm::enumerate(needed.args))
    action.values.push_back({std::to_string(i), ofItem(value)});
  if (auto timeout = call->signal.getTimeoutNs())
    action.timeNs = call->deadlineNs = machine.nowNs + int64_t(*timeout);
  actions.push_back(std::move(action));
  waiting = {call.get()};
  calls.push_back(std::move(call));
  wait();
  return success();
}

/// Adds the row of a call: under the pool it was asked for and under its own.
static void noteRow(llvm::SetVector<std::pair<StringAttr, int64_t>> &rows,
                    const Call &call) {
  rows.insert({call.site.pool, call.site.row});
  if (call.pool != call.site.pool)
    rows.insert({call.pool, call.row});
}

/// The label of a row, or its number.
static std::string labelOf(Machine &machine, StringAttr pool, int64_t row) {
  auto axis = machine.symbols.lookup<AxisOp>(pool);
  if (auto labels = axis ? axis.getLabels() : std::nullopt;
      labels && row >= 0 && row < int64_t(labels->size()))
    return cast<StringAttr>((*labels)[row]).getValue().str();
  return std::to_string(row);
}

/// The row that a handler is about, by its arguments; null for none.
static StringAttr rowOf(FuncOp handler) {
  for (auto [i, type] : llvm::enumerate(handler.getArgumentTypes())) {
    auto role = handler.getArgAttrOfType<StringAttr>(i, "route.role");
    auto array = dyn_cast<ArrayType>(type);
    auto ref = array ? dyn_cast<RefType>(array.getElementType()) : RefType();
    if (ref && role && role.getValue() == "row")
      return ref.getAxis().getAttr();
  }
  return {};
}

/// Reads the signals that budgets and handlers of the call read, so that the
/// host is asked before the call is made and not while an event is handled.
LogicalResult StepRun::Impl::readAhead(AskOp op) {
  LogicalResult good = success();
  auto readIn = [&](Operation *user) {
    user->walk([&](GetOp get) {
      if (machine.symbols.lookup<SignalOp>(get.getSymbol().getRootReference()))
        good = machine.read(get.getSymbol(), get.getLoc());
      return failed(good) ? WalkResult::interrupt() : WalkResult::advance();
    });
    return good;
  };
  if (auto under = op.getUnderAttr())
    for (auto name : under.getAsRange<FlatSymbolRefAttr>())
      if (auto budget = machine.symbols.lookup<BudgetOp>(name.getAttr());
          budget && failed(readIn(budget)))
        return failure();
  for (auto handler : machine.module.getOps<FuncOp>()) {
    if (handler.getKind() != FuncKind::handler ||
        !llvm::is_contained({"dispatch", "usage", "failure"},
                            handler.getEvent().value_or("")))
      continue;
    StringAttr row = rowOf(handler);
    bool concerned =
        !row || (op.getPool() && row == op.getPoolAttr().getAttr());
    if (concerned && failed(readIn(handler)))
      return failure();
  }
  return success();
}

LogicalResult StepRun::Impl::ask(AskOp op) {
  if (failed(readAhead(op)))
    return failure();
  int64_t copies = op.getCopies() ? int64_t(*op.getCopies()) : 1;
  if (copies > machine.options.maxSteps)
    return op.emitError("asks ") << copies << " times, above the step limit";
  SmallVector<RuntimeValue> args;
  for (Value argument : op.getArguments())
    args.push_back(frame.get(argument));
  waiting.clear();
  for (int64_t copy = 0; copy < copies; ++copy) {
    // A call is kept and logged: it counts for many ops.
    constexpr int64_t stepsOfACall = 1000;
    if ((machine.steps += stepsOfACall) > machine.options.maxSteps)
      return op.emitError("the step limit of ")
             << machine.options.maxSteps << " is reached: call " << calls.size()
             << " of this run";
    auto call = std::make_unique<Call>();
    call->id = calls.size();
    call->ask = op;
    call->site.items = items;
    if (op.getPool()) {
      call->site.pool = op.getPoolAttr().getAttr();
      Range row = toRange(frame.array(op.getRow()).value());
      call->site.row = row.known ? row.lo.asInt() : -1;
    }
    waiting.push_back(call.get());
    calls.push_back(std::move(call));
    if (failed(makeCall(*waiting.back(), args)))
      return failure();
  }
  if (llvm::all_of(waiting, [](Call *call) { return call->ended; }))
    return finishAsk(op);
  return success();
}

/// The part of a pool of pools that `row` lies in, and its row there. Of
/// others the row itself.
static LogicalResult partOf(Machine &machine, AskOp op, StringAttr &pool,
                            int64_t &row, bool &skipped) {
  auto axis = machine.symbols.lookup<AxisOp>(pool);
  ArrayAttr parts = axis ? getParts(axis) : ArrayAttr();
  if (!parts)
    return success();
  ArrayRef<bool> marks = getSkipped(axis);
  for (auto [i, part] :
       llvm::enumerate(parts.getAsRange<FlatSymbolRefAttr>())) {
    auto instance = machine.axis(part.getAttr(), op.getLoc());
    if (failed(instance))
      return failure();
    if (row >= (*instance)->size) {
      row -= (*instance)->size;
      continue;
    }
    pool = part.getAttr();
    skipped = !marks.empty() && marks[i];
    return success();
  }
  return op.emitError("asks row ") << row << ", which is in no part";
}

/// Answers for a row that stands for skipping another: each field of the answer
/// is the argument of its name, and unknown where there is none.
LogicalResult StepRun::Impl::passOver(Call &call) {
  call.ended = call.answered = call.passed = true;
  for (auto &[name, value, unit] : call.given) {
    auto *array = std::get_if<Array>(&value);
    auto ref = array ? dyn_cast<RefType>(array->elementType) : RefType();
    auto axis = ref ? machine.symbols.lookup<AxisOp>(ref.getAxis().getAttr())
                    : AxisOp();
    if (array)
      call.values[name] = *array;
    if (!axis || axis.getKind() != AxisKind::index || !array->axes.empty())
      continue;
    // The item as it came: its columns are the fields.
    int64_t place = integerOf(*array);
    for (auto column : axis.getOps<ColumnOp>()) {
      auto symbol =
          SymbolRefAttr::get(axis.getSymNameAttr(),
                             {FlatSymbolRefAttr::get(column.getSymNameAttr())});
      if (column.getKind() != ColumnKind::input)
        continue;
      FailureOr<Array> all = machine.read(symbol, call.ask.getLoc());
      if (failed(all))
        return failure();
      auto own =
          machine.allocate(all->elementType, ArrayRef(all->axes).drop_front(),
                           call.ask.getLoc());
      if (failed(own))
        return failure();
      std::vector<Element> elements = all->elements();
      for (int64_t i = 0, each = own->size(); i < each; ++i)
        own->buffer->set(i, elements[place * each + i]);
      call.values[(name + "." + column.getSymName()).str()] = *own;
    }
  }
  return success();
}

LogicalResult StepRun::Impl::makeCall(Call &call, ArrayRef<RuntimeValue> args) {
  AskOp op = call.ask;
  if (op.getPool() && call.site.row < 0) {
    call.ended = true;
    call.code = 404; // nobody was chosen
    return success();
  }
  for (auto [name, value] : llvm::zip(op.getNames(), args))
    call.given.push_back(
        {cast<StringAttr>(name).getValue().str(), value,
         unitIn(op, "route.units", cast<StringAttr>(name).getValue())});
  if (op.getPool()) {
    call.pool = call.site.pool;
    call.row = call.site.row;
    bool skipped = false;
    if (failed(partOf(machine, op, call.pool, call.row, skipped)))
      return failure();
    if (skipped) {
      chosen.insert({call.site.pool, call.site.row});
      return passOver(call);
    }
  }
  if (auto under = op.getUnderAttr()) {
    std::vector<std::string> alarms;
    auto room = call.reservations.reserve(machine, ledger, op, under, call.site,
                                          alarms);
    if (failed(room))
      return failure();
    noteBudgets("warn", alarms);
    if (!*room) {
      call.ended = true;
      call.code = 429;
      Action action{Action::Kind::Note};
      action.name = "exhausted";
      action.reason = machine.refused->budget;
      action.refused = machine.refused;
      actions.push_back(std::move(action));
      return success();
    }
  }
  Action action{Action::Kind::Call};
  action.call = call.id;
  action.name = ((call.pool ? call.pool.getValue() : StringRef("host")) + "." +
                 op.getName())
                    .str();
  if (call.pool) {
    noteRow(chosen, call);
    useRow(interpreter, call.pool.getValue(), call.row);
    action.row = labelOf(machine, call.pool, call.row);
  }
  action.values = call.given;
  if (auto timeout = op.getTimeoutNs())
    action.timeNs = call.deadlineNs = machine.nowNs + int64_t(*timeout);
  actions.push_back(std::move(action));
  return runHandlers("dispatch", &call, 0);
}

/// Lets handlers read the item as the call was given it, where it was given
/// with its columns; `saved` is what they are otherwise.
LogicalResult StepRun::Impl::placeItems(const Call &call,
                                        llvm::StringMap<Array> &saved) {
  for (auto &[name, value, unit] : call.given)
    for (auto [axis, place] : items) {
      auto *array = std::get_if<Array>(&value);
      auto found = machine.inputs.find(name);
      if (!array || found == machine.inputs.end() ||
          !StringRef(name).starts_with((axis.getValue() + ".").str()))
        continue;
      const Array &before = found->second;
      auto after =
          machine.allocate(before.elementType, before.axes, func.getLoc());
      if (failed(after))
        return failure();
      std::vector<Element> elements = before.elements(),
                           given = array->elements();
      for (auto [i, element] : llvm::enumerate(given))
        elements[place * given.size() + i] =
            isRangeType(before.elementType) || !isRangeType(array->elementType)
                ? element
                : Element(toRange(element).lo);
      for (auto [i, element] : llvm::enumerate(elements))
        after->buffer->set(i, element);
      saved[name] = before;
      machine.inputs[name] = *after;
    }
  return success();
}

/// What every entry of the ticket holds at `place`, along the axis of entries.
FailureOr<Array> StepRun::Impl::keptAlong(ArrayType type, size_t place,
                                          Location loc) {
  StringAttr name = type.getAxes().front().getAttr();
  auto axis = machine.symbols.lookup<AxisOp>(name);
  auto found = machine.axes.find(name.getValue());
  if ((found == machine.axes.end() ||
       found->second->size != int64_t(ticket.size())) &&
      failed(machine.bindAxis(axis, ticket.size())))
    return failure();
  auto axes = resolveAxes(type.getAxes(), {}, machine, loc);
  if (failed(axes))
    return failure();
  auto result = machine.allocate(type.getElementType(), *axes, loc);
  if (failed(result))
    return failure();
  int64_t next = 0;
  for (const std::vector<RuntimeValue> &entry : ticket)
    for (const Element &element : std::get<Array>(entry[place]).elements())
      result->buffer->set(next++, element);
  return result;
}

LogicalResult StepRun::Impl::runHandlers(StringRef event, const Call *call,
                                         float reward) {
  llvm::StringMap<Array> writes, saved;
  llvm::StringMap<KeyedState> keyedWrites;
  llvm::SaveAndRestore<llvm::StringMap<Array> *> visible(machine.writes,
                                                         &writes);
  llvm::SaveAndRestore<llvm::StringMap<KeyedState> *> keyedVisible(
      machine.keyedWrites, &keyedWrites);
  auto restore = llvm::make_scope_exit([&] {
    for (auto &entry : saved)
      machine.inputs[entry.getKey()] = std::move(entry.second);
  });
  if (call && failed(placeItems(*call, saved)))
    return failure();
  for (auto handler : machine.module.getOps<FuncOp>()) {
    if (handler.getKind() != FuncKind::handler || handler.getEvent() != event)
      continue;
    SmallVector<RuntimeValue> args;
    bool concerned = true;
    size_t kept = 0;
    for (auto [i, type] : llvm::enumerate(handler.getArgumentTypes())) {
      auto attr = handler.getArgAttrOfType<StringAttr>(i, "route.role");
      StringRef role = attr ? attr.getValue() : StringRef();
      auto array = dyn_cast<ArrayType>(type);
      Type element = array ? array.getElementType() : Type();
      auto ref = element ? dyn_cast<RefType>(element) : RefType();
      if (role == "row" && ref) {
        StringAttr pool = ref.getAxis().getAttr();
        concerned = call && (pool == call->site.pool || pool == call->pool);
        if (concerned)
          args.push_back(Array::scalar(
              ref, pool == call->site.pool ? call->site.row : call->row));
      } else if (role == "kept") {
        auto along = keptAlong(array, kept++, handler.getLoc());
        if (failed(along))
          return failure();
        args.push_back(*along);
      } else if (role == "code" && call) {
        args.push_back(Array::scalar(element, call->code));
      } else if (role == "reward") {
        args.push_back(Array::scalar(element, reward));
      } else if (role == "item" && ref) {
        for (auto [axis, place] : items)
          if (axis == ref.getAxis().getAttr())
            args.push_back(Array::scalar(ref, place));
      } else if (role.consume_front("usage.") && call) {
        auto found = call->values.find(role);
        concerned = concerned && found != call->values.end();
        if (found == call->values.end())
          break;
        Element value = found->second.value();
        args.push_back(Array::scalar(
            element, isRangeType(element) ? value : toRange(value).lo));
      }
      if (!concerned)
        break;
    }
    if (!concerned)
      continue;
    if (args.size() != handler.getNumArguments() && event == "feedback")
      return handler.emitError("feedback about a run tells the reward alone")
             << ": what the run chose is in 'run.kept'";
    if (args.size() != handler.getNumArguments())
      return handler.emitError("takes what '") << event << "' does not tell";
    if (failed(machine.call(handler, args)))
      return failure();
  }
  for (auto &entry : writes)
    machine.cells[entry.getKey()] = entry.getValue();
  for (auto &entry : keyedWrites)
    machine.keyed[entry.getKey()] = std::move(entry.second);
  return success();
}

void StepRun::Impl::noteBudgets(StringRef what, ArrayRef<std::string> budgets) {
  for (const std::string &budget : budgets) {
    Action action{Action::Kind::Note};
    action.name = what.str();
    action.reason = budget;
    actions.push_back(std::move(action));
  }
}

LogicalResult StepRun::Impl::endCall(Call &call, const Event &event) {
  call.ended = true;
  call.answered = event.kind == Event::Kind::Return;
  call.code = event.kind == Event::Kind::Return    ? 0
              : event.kind == Event::Kind::Fail    ? event.code
              : event.kind == Event::Kind::Timeout ? 408
                                                   : 499;
  if (call.answered)
    call.values = event.values;
  if (!call.ask)
    return success();
  if (call.answered) {
    std::vector<std::string> alarms, overrun;
    if (failed(call.reservations.charge(machine, ledger, call.site, call.values,
                                        alarms, overrun)))
      return failure();
    noteBudgets("warn", alarms);
    noteBudgets("overrun", overrun);
    return runHandlers("usage", &call, 0);
  }
  call.reservations.release(machine, ledger);
  if (event.kind == Event::Kind::Gone)
    return success(); // nobody's failure
  if (call.site.pool)
    noteRow(failedRows, call);
  return runHandlers("failure", &call, 0);
}

FailureOr<std::vector<Action>> StepRun::step(const Event &event) {
  Impl &run = *impl;
  return run.inRun([&]() -> LogicalResult {
    if (event.call < 0 || event.call >= int64_t(run.calls.size()) ||
        run.calls[event.call]->ended) {
      Action action{Action::Kind::Stale};
      action.call = event.call;
      run.actions.push_back(std::move(action));
      return success();
    }
    Call &call = *run.calls[event.call];
    bool current = llvm::is_contained(run.waiting, &call) && !call.cancelled;
    if (event.kind == Event::Kind::FirstByte) {
      if (current && call.ask && !call.committed &&
          settles(run.machine, run.func, call.ask)) {
        call.committed = true;
        Action action{Action::Kind::Commit};
        action.call = call.id;
        run.actions.push_back(std::move(action));
      }
      if (!run.ended)
        run.wait();
      return success();
    }
    if (failed(run.endCall(call, event)))
      return failure();
    if (!current || run.ended) {
      if (!run.ended)
        run.wait();
      return success();
    }
    if (call.committed && !call.answered) {
      run.refuse(call.code, "committed"); // part of the answer is out
      return success();
    }
    if (call.signal) {
      // The run reads it at its own item alone: the others may be the same.
      if (auto answer = call.values.find("value");
          answer != call.values.end()) {
        std::string why;
        auto axes =
            resolveAxes(cast<ArrayType>(call.signal.getType()).getAxes(), {},
                        run.machine, call.signal.getLoc());
        FailureOr<Array> all = failure();
        if (failed(axes) || failed(all = viewOver(answer->second, *axes, why)))
          return call.signal.emitError("the answer does not fit: ") << why;
        answer->second = std::move(*all);
      }
      auto value = signalValue(run.machine, call.signal,
                               call.answered ? &call.values : nullptr);
      if (failed(value))
        return failure();
      run.machine.computed[call.signal.getSymName()] = *value;
      run.waiting.clear();
      return run.advance();
    }
    int64_t answered =
        llvm::count_if(run.waiting, [](Call *call) { return call->answered; });
    bool open =
        llvm::any_of(run.waiting, [](Call *call) { return !call->ended; });
    int64_t need = 1;
    if (auto name = call.ask.getAxisAttr())
      if (AxisOp axis = run.machine.symbols.lookup<AxisOp>(name.getAttr()))
        need = axis.getStaticSize();
    if (open && answered < need)
      return run.wait(), success();
    if (failed(run.finishAsk(call.ask)))
      return failure();
    return run.advance();
  });
}

LogicalResult StepRun::Impl::finishAsk(AskOp op) {
  std::vector<Call *> given;
  int64_t code = 499;
  for (Call *call : waiting) {
    if (!call->ended) {
      call->cancelled = true;
      Action action{Action::Kind::Cancel};
      action.call = call->id;
      actions.push_back(std::move(action));
    } else if (call->answered) {
      given.push_back(call);
    } else if (code == 499) {
      code = call->code;
    }
  }
  waiting.clear();
  SmallVector<AxisRef> axes;
  int64_t size = 1;
  if (auto name = op.getAxisAttr()) {
    auto axis = machine.axis(name.getAttr(), op.getLoc());
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
    size = (*axis)->size;
  }
  auto codes = machine.allocate(IntegerType::get(op.getContext(), 64), axes,
                                op.getLoc());
  if (failed(codes))
    return failure();
  for (int64_t i = 0; i < size; ++i)
    codes->buffer->set(i, i < int64_t(given.size()) ? int64_t(0) : code);
  frame.set(op.getCode(), std::move(*codes));
  for (auto [field, value] : llvm::zip(op.getFields(), op.getValues())) {
    StringRef name = cast<StringAttr>(field).getValue();
    auto type = cast<ArrayType>(value.getType());
    SmallVector<AxisRef> all = axes;
    auto own = resolveAxes(type.getAxes().drop_front(axes.size()), {}, machine,
                           op.getLoc());
    if (failed(own))
      return failure();
    all.append(own->begin(), own->end());
    auto result = machine.allocate(type.getElementType(), all, op.getLoc());
    if (failed(result))
      return failure();
    int64_t each = size ? result->size() / size : 0;
    for (int64_t i = 0; i < size; ++i) {
      std::vector<Element> elements;
      if (i < int64_t(given.size())) {
        auto found = given[i]->values.find(name);
        bool there = found != given[i]->values.end();
        if (!there && !given[i]->passed)
          return op.emitError("the answer of call ")
                 << given[i]->id << " has no field '" << name << "'";
        if (there)
          elements = found->second.elements();
        if (there && int64_t(elements.size()) != each)
          return op.emitError("field '")
                 << name << "' of call " << given[i]->id << " has "
                 << elements.size() << " elements, expected " << each;
      }
      for (int64_t k = 0; k < each; ++k)
        result->buffer->set(
            i * each + k,
            elements.empty()
                ? unknownOf(type.getElementType())
                : Element(std::make_shared<const Range>(toRange(elements[k]))));
    }
    frame.set(value, std::move(*result));
  }
  ++at;
  return success();
}

LogicalResult StepRun::feedback(float reward) {
  return impl->inRun([&] {
    // The run is over: signals that it has not read are unanswered.
    impl->machine.needed = nullptr;
    return impl->runHandlers("feedback", nullptr, reward);
  });
}

std::vector<AnswerField> StepRun::fieldsOf(int64_t id) const {
  std::vector<AnswerField> fields;
  if (id < 0 || id >= int64_t(impl->calls.size()) || impl->calls[id]->ended)
    return fields;
  Call &call = *impl->calls[id];
  if (call.signal) {
    fields.push_back({"value",
                      impl->typeOfItem(cast<ArrayType>(call.signal.getType())),
                      call.signal.getUnit().value_or("").str()});
    return fields;
  }
  size_t own = call.ask.getAxis() ? 1 : 0;
  for (auto [name, value] :
       llvm::zip(call.ask.getFields(), call.ask.getValues())) {
    auto type = cast<ArrayType>(value.getType());
    fields.push_back({cast<StringAttr>(name).getValue().str(),
                      type.withAxes(type.getAxes().drop_front(own)),
                      unitIn(call.ask, "route.field_units",
                             cast<StringAttr>(name).getValue())});
  }
  return fields;
}
