// Calls of a step run: asked under budgets, answered, and what they settle.
#include "StepMachine.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/LiveRows.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Adds the row of a call: under the pool it was asked for and under its own.
static void noteRow(llvm::SetVector<std::pair<StringAttr, int64_t>> &rows,
                    const HostCall &call) {
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
    auto call = std::make_unique<HostCall>();
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
  if (llvm::all_of(waiting, [](HostCall *call) { return call->ended; }))
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
LogicalResult StepRun::Impl::passOver(HostCall &call) {
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

LogicalResult StepRun::Impl::makeCall(HostCall &call,
                                      ArrayRef<RuntimeValue> args) {
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

void StepRun::Impl::noteBudgets(StringRef what, ArrayRef<std::string> budgets) {
  for (const std::string &budget : budgets) {
    Action action{Action::Kind::Note};
    action.name = what.str();
    action.reason = budget;
    actions.push_back(std::move(action));
  }
}

LogicalResult StepRun::Impl::endCall(HostCall &call, const Event &event) {
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

LogicalResult StepRun::Impl::finishAsk(AskOp op) {
  std::vector<HostCall *> given;
  int64_t code = 499;
  for (HostCall *call : waiting) {
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

/// Whether the answer of `ask` is what the run gives, whatever it is: on the
/// way from it to a return nothing else is asked, nothing depends on its
/// fields, and what is returned is the answer, or one field of it.
bool StepRun::Impl::settles(AskOp ask) {
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
