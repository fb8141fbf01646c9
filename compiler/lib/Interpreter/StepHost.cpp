// Drives step runs: by a script of answers, or by the events of a log.
// Time is that of the script; nothing waits.
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <queue>

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {

/// One line of a host script.
struct Answer {
  std::string call, row;
  int64_t afterNs = 0, firstByteNs = -1;
  Event::Kind kind = Event::Kind::Return;
  int64_t code = 503;
  llvm::json::Object values;
  int64_t left = 1; // calls that it still answers; -1: any number
  size_t line = 0;
};

/// A line that says what somebody thinks of a run when it is over.
struct Feedback {
  int64_t run = -1; // -1: every run
  int64_t afterNs = 0;
  double reward = 0;
  size_t line = 0;
};

/// Something that will happen.
struct Happening {
  int64_t ns = 0;
  int64_t order = 0; // of two at one time the one planned first
  enum class What { Start, Event, Feedback } what = What::Event;
  int64_t run = 0;
  Event event;
  double reward = 0;
  bool operator>(const Happening &other) const {
    return std::tie(ns, order) > std::tie(other.ns, other.order);
  }
};

/// The parts of a line, and what each is.
using Parts = ArrayRef<std::pair<StringRef, StringRef>>;

class Stage {
public:
  Stage(Interpreter &interpreter, ModuleOp module, StringRef entry,
        const StepScript &script, llvm::raw_ostream &os,
        std::vector<Action> *ends)
      : interpreter(interpreter), machine(interpreter.machine()),
        module(module), entry(entry), script(script), os(os), ends(ends) {}

  LogicalResult play();
  LogicalResult replay();

private:
  LogicalResult readHost();
  LogicalResult checkNames();
  FailureOr<Answer> readAnswer(const llvm::json::Object &object, size_t line);
  LogicalResult readFeedback(const llvm::json::Object &object, size_t line);
  LogicalResult misread(size_t line, StringRef what, Parts parts,
                        StringRef name);
  LogicalResult feedback(int64_t run, double reward);
  FailureOr<int64_t> countRuns();
  LogicalResult start(int64_t run);
  LogicalResult handle(int64_t run, const Event &event);
  LogicalResult follow(int64_t run, const std::vector<Action> &actions);
  LogicalResult answer(int64_t run, const Action &action);
  FailureOr<Event> readEvent(StepRun &run, int64_t call, Event::Kind kind,
                             const llvm::json::Object &values, size_t line);
  void plan(int64_t ns, Happening::What what, int64_t run, Event event = {},
            double reward = 0);
  InFlightDiagnostic complain(size_t line) {
    return emitError(place(), script.line) << line << ": ";
  }
  Location place() { return script.place ? *script.place : module.getLoc(); }

  Interpreter &interpreter;
  Machine &machine;
  ModuleOp module;
  StringRef entry;
  const StepScript &script;
  llvm::raw_ostream &os;
  std::vector<Action> *ends;
  std::vector<Answer> answers;
  std::vector<Feedback> feedbacks;
  std::vector<std::unique_ptr<StepRun>> runs;
  std::priority_queue<Happening, std::vector<Happening>, std::greater<>> queue;
  int64_t planned = 0;
};

} // namespace

/// Calls `each` with every line of JSON.
static LogicalResult
forLines(StringRef text, Location loc, StringRef prefix,
         llvm::function_ref<LogicalResult(llvm::json::Object &, size_t)> each) {
  for (size_t number = 1; !text.empty(); ++number) {
    auto [line, rest] = text.split('\n');
    text = rest;
    if (line.trim().empty())
      continue;
    llvm::Expected<llvm::json::Value> value = llvm::json::parse(line);
    if (!value)
      return emitError(loc, prefix)
             << number << ": " << llvm::toString(value.takeError());
    auto *object = value->getAsObject();
    if (!object)
      return emitError(loc, prefix) << number << ": expected an object";
    if (failed(each(*object, number)))
      return failure();
  }
  return success();
}

static constexpr std::pair<StringRef, StringRef> answerParts[] = {
    {"call", "a text, pool.body or host.function"},
    {"row", "a label, or a position"},
    {"ms", "a number of milliseconds from 0"},
    {"first_byte_ms", "a number of milliseconds from 0"},
    {"times", "a whole number from 1, or \"any\""},
    {"return", "an object, the fields of the answer"},
    {"fail", "a code from 1 to 999"},
    {"timeout", "true"},
    {"gone", "true"}};
static constexpr std::pair<StringRef, StringRef> feedbackParts[] = {
    {"feedback", "a number"},
    {"run", "a whole number from 0"},
    {"ms", "a number of milliseconds from 0"}};

LogicalResult Stage::misread(size_t line, StringRef what, Parts parts,
                             StringRef name) {
  for (auto [part, form] : parts)
    if (part == name)
      return complain(line) << "'" << name << "' is " << form;
  InFlightDiagnostic wrong = complain(line) << "'" << name << "' is no part of "
                                            << what << "; its parts are ";
  llvm::interleave(
      parts, [&](const auto &part) { wrong << part.first; },
      [&] { wrong << ", "; });
  return wrong;
}

FailureOr<Answer> Stage::readAnswer(const llvm::json::Object &object,
                                    size_t line) {
  Answer answer;
  answer.line = line;
  int outcomes = 0;
  for (const auto &[key, value] : object) {
    StringRef name = key;
    auto text = value.getAsString();
    auto number = value.getAsInteger();
    auto share = value.getAsNumber();
    bool good = true;
    if (name == "call" && text)
      answer.call = text->str();
    else if (name == "row" && text)
      answer.row = text->str();
    else if (name == "row" && number)
      answer.row = std::to_string(*number);
    else if (name == "ms" && share && *share >= 0 && *share < 1e12)
      answer.afterNs = int64_t(*share * 1e6);
    else if (name == "first_byte_ms" && share && *share >= 0 && *share < 1e12)
      answer.firstByteNs = int64_t(*share * 1e6);
    else if (name == "times" && number && *number > 0)
      answer.left = *number;
    else if (name == "times" && text && *text == "any")
      answer.left = -1;
    else if (name == "return" && value.getAsObject())
      answer.values = *value.getAsObject(), ++outcomes;
    else if (name == "fail" && number && *number > 0 && *number < 1000)
      answer.kind = Event::Kind::Fail, answer.code = *number, ++outcomes;
    else if (name == "timeout" && value.getAsBoolean() == true)
      answer.kind = Event::Kind::Timeout, ++outcomes;
    else if (name == "gone" && value.getAsBoolean() == true)
      answer.kind = Event::Kind::Gone, ++outcomes;
    else
      good = false;
    if (!good)
      return misread(line, "an answer", answerParts, name);
  }
  if (answer.call.empty() || outcomes != 1)
    return complain(line) << "an answer has a 'call' and one of 'return', "
                             "'fail', 'timeout' and 'gone'";
  return answer;
}

LogicalResult Stage::readFeedback(const llvm::json::Object &object,
                                  size_t line) {
  Feedback feedback;
  feedback.line = line;
  for (const auto &[key, value] : object) {
    StringRef name = key;
    auto number = value.getAsNumber();
    auto whole = value.getAsInteger();
    if (name == "feedback" && number)
      feedback.reward = *number;
    else if (name == "run" && whole && *whole >= 0)
      feedback.run = *whole;
    else if (name == "ms" && number && *number >= 0 && *number < 1e12)
      feedback.afterNs = int64_t(*number * 1e6);
    else
      return misread(line, "feedback", feedbackParts, name);
  }
  feedbacks.push_back(feedback);
  return success();
}

LogicalResult Stage::readHost() {
  auto read = forLines(script.host, place(), script.line,
                       [&](llvm::json::Object &object, size_t line) {
                         if (object.get("feedback"))
                           return readFeedback(object, line);
                         auto answer = readAnswer(object, line);
                         if (failed(answer))
                           return failure();
                         answers.push_back(std::move(*answer));
                         return success();
                       });
  return failed(read) ? failure() : checkNames();
}

/// An answer to what nobody calls would never be missed. What the module calls
/// is known, and so are rows that have labels.
LogicalResult Stage::checkNames() {
  std::map<std::string, AxisOp> called;
  std::function<void(StringAttr, StringRef)> addPool = [&](StringAttr pool,
                                                           StringRef body) {
    auto axis = machine.symbols.lookup<AxisOp>(pool);
    called[(pool.getValue() + "." + body).str()] = axis;
    if (ArrayAttr parts = axis ? getParts(axis) : ArrayAttr())
      for (auto part : parts.getAsRange<FlatSymbolRefAttr>())
        addPool(part.getAttr(), body);
  };
  module.walk([&](Operation *op) {
    if (auto ask = dyn_cast<AskOp>(op)) {
      if (FlatSymbolRefAttr pool = ask.getPoolAttr())
        addPool(pool.getAttr(), ask.getName());
      else
        called[("host." + ask.getName()).str()] = {};
    } else if (auto signal = dyn_cast<SignalOp>(op)) {
      if (signal.getHost())
        called[("host." + *signal.getHost()).str()] = {};
    }
  });
  for (const Answer &answer : answers) {
    auto found = called.find(answer.call);
    if (found == called.end()) {
      InFlightDiagnostic wrong = complain(answer.line)
                                 << "nothing calls '" << answer.call
                                 << (called.empty() ? "'" : "'; called are ");
      llvm::interleave(
          called, [&](const auto &entry) { wrong << entry.first; },
          [&] { wrong << ", "; });
      return wrong;
    }
    auto labels = found->second ? found->second.getLabels() : std::nullopt;
    if (answer.row.empty() || !labels ||
        llvm::is_contained(labels->getAsValueRange<StringAttr>(), answer.row))
      continue;
    InFlightDiagnostic wrong = complain(answer.line)
                               << "'" << found->second.getSymName()
                               << "' has no row '" << answer.row
                               << "'; its rows are ";
    llvm::interleave(
        labels->getAsValueRange<StringAttr>(),
        [&](StringRef label) { wrong << label; }, [&] { wrong << ", "; });
    return wrong;
  }
  for (const Feedback &said : feedbacks)
    if (said.run >= int64_t(runs.size()))
      return complain(said.line) << "there is no run " << said.run
                                 << ": there are " << runs.size() << ", from 0";
  return success();
}

/// As many runs as the item axis has positions; one where there is no item.
FailureOr<int64_t> Stage::countRuns() {
  auto func = module.lookupSymbol<FuncOp>(entry);
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
    if (auto role = func.getArgAttrOfType<StringAttr>(i, "route.role");
        role && role.getValue() == "item") {
      auto ref = cast<RefType>(cast<ArrayType>(type).getElementType());
      auto axis = machine.axis(ref.getAxis().getAttr(), func.getLoc());
      if (failed(axis))
        return failure();
      return (*axis)->size;
    }
  return int64_t(1);
}

void Stage::plan(int64_t ns, Happening::What what, int64_t run, Event event,
                 double reward) {
  queue.push({ns, planned++, what, run, std::move(event), reward});
}

LogicalResult Stage::start(int64_t run) {
  os << "{\"ns\": " << machine.nowNs << ", \"run\": " << run
     << ", \"event\": \"start\"}\n";
  runs[run] = std::make_unique<StepRun>(interpreter, entry, run);
  auto actions = runs[run]->start();
  return failed(actions) ? failure() : follow(run, *actions);
}

LogicalResult Stage::handle(int64_t run, const Event &event) {
  auto fields = runs[run]->fieldsOf(event.call);
  logEvent(os, machine, {machine.nowNs, run}, event, fields);
  auto actions = runs[run]->step(event);
  return failed(actions) ? failure() : follow(run, *actions);
}

LogicalResult Stage::follow(int64_t run, const std::vector<Action> &actions) {
  for (const Action &action : actions) {
    logAction(os, machine, {machine.nowNs, run}, action);
    if (ends && (action.kind == Action::Kind::Done ||
                 action.kind == Action::Kind::Reject))
      ends->push_back(action);
    if (!script.replay.empty())
      continue;
    if (action.kind == Action::Kind::Done ||
        action.kind == Action::Kind::Reject)
      for (const Feedback &said : feedbacks)
        if (said.run < 0 || said.run == run)
          plan(machine.nowNs + said.afterNs, Happening::What::Feedback, run, {},
               said.reward);
    if (action.kind == Action::Kind::Call ||
        action.kind == Action::Kind::Need) {
      if (failed(answer(run, action)))
        return failure();
    } else if (action.kind == Action::Kind::Cancel) {
      Event gone;
      gone.kind = Event::Kind::Gone;
      gone.call = action.call;
      plan(machine.nowNs, Happening::What::Event, run, gone);
    } else if ((action.kind == Action::Kind::Done ||
                action.kind == Action::Kind::Reject) &&
               script.gapNs < 0 && run + 1 < int64_t(runs.size())) {
      plan(machine.nowNs, Happening::What::Start, run + 1);
    }
  }
  return success();
}

LogicalResult Stage::feedback(int64_t run, double reward) {
  os << "{\"ns\": " << machine.nowNs << ", \"run\": " << run
     << ", \"event\": \"feedback\", \"reward\": " << llvm::json::Value(reward)
     << "}\n";
  return runs[run]->feedback(reward);
}

FailureOr<Event> Stage::readEvent(StepRun &run, int64_t call, Event::Kind kind,
                                  const llvm::json::Object &values,
                                  size_t line) {
  Event event;
  event.kind = kind;
  event.call = call;
  if (kind != Event::Kind::Return)
    return event;
  auto fields = run.fieldsOf(call);
  for (const auto &[name, type, unit] : fields) {
    const llvm::json::Value *value = values.get(name);
    if (!value)
      return complain(line) << "the answer has no '" << name << "'";
    auto array = readJson(machine, *value, type,
                          script.picodollars ? "" : StringRef(unit), name, line,
                          place(), script.line);
    if (failed(array))
      return failure();
    if (unit == "tok" || unit == "B")
      for (const Element &element : array->elements()) {
        Range range = toRange(element);
        auto *number = std::get_if<double>(&range.lo);
        if (number && range.known && *number < 0)
          return complain(line)
                 << "'" << name << "' has "
                 << printElement(range.lo, stripRange(array->elementType))
                 << ": tokens and bytes are never below zero";
      }
    event.values[name] = std::move(*array);
  }
  for (const auto &[key, value] : values)
    if (llvm::none_of(fields, [&](const auto &field) {
          return field.name == StringRef(key);
        }))
      return complain(line)
             << "the answer has no field '" << StringRef(key) << "'";
  return event;
}

LogicalResult Stage::answer(int64_t run, const Action &action) {
  std::string name = action.name;
  if (action.kind == Action::Kind::Need)
    if (auto signal = module.lookupSymbol<SignalOp>(name); signal)
      name = "host." + signal.getHost()->str();
  for (Answer &answer : answers) {
    if (answer.left == 0 || answer.call != name ||
        (!answer.row.empty() && answer.row != action.row))
      continue;
    answer.left -= answer.left > 0;
    auto event = readEvent(*runs[run], action.call, answer.kind, answer.values,
                           answer.line);
    if (failed(event))
      return failure();
    event->code = answer.code;
    int64_t ns = machine.nowNs + answer.afterNs;
    bool late = action.timeNs >= 0 && ns > action.timeNs;
    if (answer.kind == Event::Kind::Timeout || late) {
      if (action.timeNs < 0)
        return complain(answer.line)
               << "call " << action.call << " has no timeout";
      ns = action.timeNs;
      event->kind = Event::Kind::Timeout;
      event->values.clear();
    }
    if (answer.firstByteNs >= 0 && machine.nowNs + answer.firstByteNs < ns) {
      Event first;
      first.kind = Event::Kind::FirstByte;
      first.call = action.call;
      plan(machine.nowNs + answer.firstByteNs, Happening::What::Event, run,
           first);
    }
    plan(ns, Happening::What::Event, run, std::move(*event));
    return success();
  }
  return emitError(place(), script.place
                                ? "the test answers no more calls of "
                                : "the host script answers no more calls of ")
         << name
         << (action.row.empty() ? std::string() : " of '" + action.row + "'");
}

LogicalResult Stage::play() {
  auto count = countRuns();
  if (failed(count))
    return failure();
  runs.resize(*count);
  if (failed(readHost()))
    return failure();
  for (int64_t run = 0; run < *count && (run == 0 || script.gapNs >= 0); ++run)
    plan(machine.nowNs + run * std::max<int64_t>(script.gapNs, 0),
         Happening::What::Start, run);
  while (!queue.empty()) {
    Happening next = queue.top();
    queue.pop();
    interpreter.setNow(next.ns);
    if (failed(next.what == Happening::What::Start ? start(next.run)
               : next.what == Happening::What::Feedback
                   ? feedback(next.run, next.reward)
                   : handle(next.run, next.event)))
      return failure();
  }
  return success();
}

LogicalResult Stage::replay() {
  auto count = countRuns();
  if (failed(count))
    return failure();
  runs.resize(*count);
  return forLines(
      script.replay, module.getLoc(), script.line,
      [&](llvm::json::Object &object, size_t line) -> LogicalResult {
        auto name = object.getString("event");
        if (!name)
          return success();
        auto ns = object.getInteger("ns"), run = object.getInteger("run");
        if (!ns || !run || *run < 0 || *run >= *count)
          return complain(line)
                 << "an event has a time 'ns' and a 'run' below " << *count;
        interpreter.setNow(*ns);
        if (*name == "start") {
          if (runs[*run])
            return complain(line) << "run " << *run << " has begun already";
          return start(*run);
        }
        if (*name == "feedback") {
          auto reward = object.getNumber("reward");
          if (!reward || !runs[*run] || !runs[*run]->ended())
            return complain(line) << "feedback has a 'reward' and is about a "
                                     "run that has ended";
          return feedback(*run, *reward);
        }
        auto kind = eventNamed(*name);
        auto call = object.getInteger("call");
        if (!kind || !call || !runs[*run])
          return complain(line)
                 << "'" << *name << "' is no event of a run that has begun";
        const llvm::json::Object none, *values = object.getObject("values");
        bool open = !runs[*run]->fieldsOf(*call).empty();
        auto event = readEvent(*runs[*run], *call, *kind,
                               values && open ? *values : none, line);
        if (failed(event))
          return failure();
        event->code = object.getInteger("code").value_or(503);
        return handle(*run, *event);
      });
}

LogicalResult route::interp::runSteps(Interpreter &interpreter, ModuleOp module,
                                      StringRef entry, const StepScript &script,
                                      llvm::raw_ostream &os,
                                      std::vector<Action> *ends) {
  auto func = module.lookupSymbol<FuncOp>(entry);
  if (!func || func.getKind() != FuncKind::steps)
    return emitError(module.getLoc(), "'") << entry << "' is no step route";
  Stage stage(interpreter, module, entry, script, os, ends);
  return script.replay.empty() ? stage.play() : stage.replay();
}
