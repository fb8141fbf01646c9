// The step machine: runs the blocks of a step route from one ask to the next.
#include "StepMachine.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

template <typename Body>
FailureOr<std::vector<Action>> StepRun::Impl::inRun(Body body) {
  actions.clear();
  machine.steps = steps;
  std::swap(machine.computed, computed);
  llvm::SaveAndRestore<Ledger> pending(machine.pending, Ledger());
  llvm::SaveAndRestore<decltype(machine.items)> place(machine.items, items);
  // Each run draws numbers of its own.
  uint64_t seed = machine.options.seed + uint64_t(item);
  llvm::SaveAndRestore<uint64_t> seeded(machine.options.seed, seed);
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
      if (failed(ask(asks)))
        return needOrFail();
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
      if (failed((*evaluate)(op, frame)))
        return needOrFail();
      ++at;
    }
  }
  return success();
}

void StepRun::Impl::wait() {
  Action action{Action::Kind::Wait};
  for (HostCall *call : waiting)
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

/// After an op that failed: asks for the signal that it needs, if that is why.
/// The op is run again once the signal is there.
LogicalResult StepRun::Impl::needOrFail() {
  if (!*machine.needed)
    return failure();
  NeededSignal needed = std::move(**machine.needed);
  machine.needed->reset();
  return needSignal(needed);
}

LogicalResult StepRun::Impl::needSignal(const NeededSignal &needed) {
  auto call = std::make_unique<HostCall>();
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

/// Binds what a signal was answered, or what it is without an answer.
LogicalResult StepRun::Impl::answerSignal(HostCall &call) {
  // The run reads it at its own item alone: the others may be the same.
  if (auto answer = call.values.find("value"); answer != call.values.end()) {
    std::string why;
    auto axes = resolveAxes(cast<ArrayType>(call.signal.getType()).getAxes(),
                            {}, machine, call.signal.getLoc());
    FailureOr<Array> all = failure();
    if (failed(axes) || failed(all = viewOver(answer->second, *axes, why)))
      return call.signal.emitError("the answer does not fit: ") << why;
    answer->second = std::move(*all);
  }
  auto value =
      signalValue(machine, call.signal, call.answered ? &call.values : nullptr);
  if (failed(value))
    return failure();
  machine.computed[call.signal.getSymName()] = *value;
  waiting.clear();
  return success();
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
    HostCall &call = *run.calls[event.call];
    bool current = llvm::is_contained(run.waiting, &call) && !call.cancelled;
    if (event.kind == Event::Kind::FirstByte) {
      if (current && call.ask && !call.committed && run.settles(call.ask)) {
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
      if (failed(run.answerSignal(call)))
        return failure();
      return run.advance();
    }
    int64_t answered = llvm::count_if(
        run.waiting, [](HostCall *call) { return call->answered; });
    bool open =
        llvm::any_of(run.waiting, [](HostCall *call) { return !call->ended; });
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
  HostCall &call = *impl->calls[id];
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
