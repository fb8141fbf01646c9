// Runs of step routes: actions out, events in.
// A run is a machine that a host drives; it never waits by itself and reads no
// clock.
#ifndef ROUTE_INTERPRETER_STEPS_H
#define ROUTE_INTERPRETER_STEPS_H

#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Interpreter.h"
#include "route/Interpreter/Ledger.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>

namespace route::interp {

/// What a run tells its host. Times are ns since 1970.
struct Action {
  enum class Kind {
    Need,   // ask the host for signal `name`; answered as a call is
    Call,   // ask body `name` ("pool.body") of row `row`, or "host.function"
    Cancel, // call `call` is of no use any more; it still has to end
    Wait,   // nothing to do until an event; `timeNs` is the next deadline
    Commit, // what call `call` gives is what the run gives: it may be shown
    Note,   // a line of the trace
    Done,   // the run has ended and gives `values`
    Reject, // the run has ended with refusal `code`
    Stale,  // the event was about a call that has ended: nothing happened
  };
  Action(Kind kind = Kind::Wait) : kind(kind) {}
  Kind kind;
  int64_t call = -1;
  std::string name;
  /// Call: the row's label, or its position.
  std::string row;
  /// Call: the arguments. Note: what it tells. Done: the results.
  std::vector<NamedValue> values;
  /// Call: the deadline; Wait: the first of those. -1 for none.
  int64_t timeNs = -1;
  int64_t code = 0;
  std::string reason;
  /// Reject with 429, and the note `exhausted`: the budget that had no room.
  std::optional<BudgetRefusal> refused;
};

/// What happened to a call. Each ends in exactly one of Return, Fail, Timeout
/// and Gone.
struct Event {
  enum class Kind { Return, Fail, Timeout, FirstByte, Gone };
  Kind kind = Kind::Return;
  int64_t call = -1;
  /// Fail: why.
  int64_t code = 503;
  /// Return: the answer's fields by name; a signal's is "value".
  llvm::StringMap<Array> values;
};

/// What the answer of a call holds.
struct AnswerField {
  std::string name;
  ArrayType type;
  std::string unit = ""; // "p$", "tok": tokens and bytes are never below zero
};

/// The name of a kind in logs: "call", "first_byte".
llvm::StringRef nameOf(Action::Kind kind);
llvm::StringRef nameOf(Event::Kind kind);
std::optional<Event::Kind> eventNamed(llvm::StringRef name);

/// One run of step route `entry` for position `item` of the bound inputs. Runs
/// of one interpreter may alternate; the interpreter outlives them and its time
/// (setNow) is that of the events. State and budgets are shared.
class StepRun {
public:
  StepRun(Interpreter &interpreter, llvm::StringRef entry, int64_t item);
  ~StepRun();

  /// Begins the run; the actions end with Wait, Done or Reject.
  mlir::FailureOr<std::vector<Action>> start();
  /// Goes on after an event. Handlers of the spec that it concerns run first.
  mlir::FailureOr<std::vector<Action>> step(const Event &event);
  /// Late feedback about a run that has ended: handlers of `feedback`.
  mlir::LogicalResult feedback(float reward);
  /// True after Done or Reject. Cancelled calls may still have to end.
  bool ended() const;
  /// What the answer of an open call holds; empty for others.
  std::vector<AnswerField> fieldsOf(int64_t call) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// When something happens in which run, for logs.
struct Moment {
  int64_t ns = 0;
  int64_t run = 0;
};
/// One line of JSON, with its end of line.
void logAction(llvm::raw_ostream &os, Machine &machine, Moment moment,
               const Action &action);
/// The same; `fields` are those of the call, in order.
void logEvent(llvm::raw_ostream &os, Machine &machine, Moment moment,
              const Event &event, llvm::ArrayRef<AnswerField> fields);

/// Where the events of runs come from.
struct StepScript {
  /// Lines of JSON, an answer each; see docs/interpreter.md.
  std::string host;
  /// A log of runs whose events are taken again; then `host` is not asked.
  std::string replay;
  /// Time from the start of one run to that of the next, ns; -1: each begins
  /// when the one before has ended.
  int64_t gapNs = -1;
  /// Where what is wrong in it is told, and what its lines are called.
  std::optional<mlir::Location> place;
  std::string line = "line ";
  /// Whether money in `host` is in picodollars and not in dollars.
  bool picodollars = false;
};

/// Runs step route `entry` for every position of its item and writes the log.
/// `ends` receives the last action of each run.
mlir::LogicalResult runSteps(Interpreter &interpreter, mlir::ModuleOp module,
                             llvm::StringRef entry, const StepScript &script,
                             llvm::raw_ostream &os,
                             std::vector<Action> *ends = nullptr);

} // namespace route::interp

#endif
