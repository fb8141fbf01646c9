// The state of a run of a step route, shared by the files of its machine.
#ifndef ROUTE_LIB_INTERPRETER_STEPMACHINE_H
#define ROUTE_LIB_INTERPRETER_STEPMACHINE_H

#include "Reservations.h"
#include "Scalars.h"
#include "route/Interpreter/Steps.h"
#include "llvm/ADT/SetVector.h"

namespace route::interp {

/// One call that the host was asked for.
struct HostCall {
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
  mlir::StringAttr pool;
  int64_t row = -1;
  bool passed = false; // it stands for skipping: nobody was asked
  Reservations reservations;
};

/// The state of one run: its frame, where it stands, and its calls.
struct StepRun::Impl {
  Impl(Interpreter &interpreter, llvm::StringRef entry, int64_t item)
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
  mlir::Block *block = nullptr;
  mlir::Block::iterator at;
  bool ended = false;
  std::vector<std::unique_ptr<HostCall>> calls;
  /// Calls that the ask at `at` waits for, or the signal that is needed.
  std::vector<HostCall *> waiting;
  /// What this run has reserved and spent in windows that end with it.
  Ledger ledger;
  llvm::StringMap<Array> computed;
  llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>, 1> items;
  llvm::SetVector<std::pair<mlir::StringAttr, int64_t>> chosen, failedRows;
  int64_t steps = 0; // of the whole run so far
  std::vector<std::vector<RuntimeValue>> ticket;
  std::vector<Action> actions;

  // Steps.cpp
  mlir::LogicalResult begin();
  mlir::LogicalResult advance();
  void enter(mlir::Block *target, llvm::ArrayRef<RuntimeValue> args);
  void refuse(int64_t code, llvm::StringRef reason);
  void finish(route::ReturnOp op);
  void wait();
  Array ofItem(Array value) const;
  ArrayType typeOfItem(ArrayType type) const;
  mlir::LogicalResult needOrFail();
  mlir::LogicalResult needSignal(const NeededSignal &needed);
  mlir::LogicalResult answerSignal(HostCall &call);
  // StepCalls.cpp
  mlir::LogicalResult ask(AskOp op);
  mlir::LogicalResult readAhead(AskOp op);
  mlir::LogicalResult makeCall(HostCall &call,
                               llvm::ArrayRef<RuntimeValue> args);
  mlir::LogicalResult passOver(HostCall &call);
  void noteBudgets(llvm::StringRef what, llvm::ArrayRef<std::string> budgets);
  mlir::LogicalResult endCall(HostCall &call, const Event &event);
  mlir::LogicalResult finishAsk(AskOp op);
  bool settles(AskOp ask);
  // StepHandlers.cpp
  mlir::LogicalResult runHandlers(llvm::StringRef event, const HostCall *call,
                                  float reward);
  mlir::FailureOr<Array> keptAlong(ArrayType type, size_t place,
                                   mlir::Location loc);
  mlir::LogicalResult placeItems(const HostCall &call,
                                 llvm::StringMap<Array> &saved);
  /// Runs `body` with this run's part of the machine in place.
  template <typename Body>
  mlir::FailureOr<std::vector<Action>> inRun(Body body);
};

/// The unit of the value `name`, by an attribute that lists those that have
/// one.
inline std::string unitIn(mlir::Operation *op, llvm::StringRef list,
                          llvm::StringRef name) {
  auto units = op->getAttrOfType<mlir::DictionaryAttr>(list);
  auto unit = units ? units.getAs<mlir::StringAttr>(name) : mlir::StringAttr();
  return unit ? unit.str() : "";
}

/// A whole number; 0 where it is not known.
inline int64_t integerOf(const Array &array) {
  Range range = toRange(array.value());
  return range.known ? range.lo.asInt() : 0;
}

} // namespace route::interp

#endif
