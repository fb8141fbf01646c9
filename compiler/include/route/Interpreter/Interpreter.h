// The interpreter: executes the route dialect as written.
// One plain function an op. It is the oracle of every lowering.
#ifndef ROUTE_INTERPRETER_INTERPRETER_H
#define ROUTE_INTERPRETER_INTERPRETER_H

#include "mlir/IR/BuiltinOps.h"
#include "route/Interpreter/Array.h"
#include "route/Interpreter/Host.h"
#include <map>
#include <memory>

namespace route::interp {

/// The rows of a choice; see Axis for how they are laid out.
struct Plan {
  AxisRef axis;
};

/// A value of the program: an array (tensors and memrefs have anonymous axes,
/// and memrefs share their buffer), a plan, or a builtin scalar.
using RuntimeValue = std::variant<Array, Plan, Element>;

/// Bounds that turn runaway programs into errors, and the inputs `now` and
/// seed.
struct Options {
  /// Most bytes that live arrays may take.
  int64_t maxBytes = int64_t(8) << 30;
  /// Most ops that one run may execute.
  int64_t maxSteps = 100'000'000;
  /// Most nested calls.
  int maxDepth = 200;
  /// The context's seed for `route.draw`.
  uint64_t seed = 0;
  /// Without it a run fails for a parameter that is not bound only where what
  /// needs it decides: not where a rule before does.
  bool needParams = true;
  /// Answers call-outs; without one every call fails with code 503.
  HostInterface *host = nullptr;
};

/// A metric that `route.emit` gave.
struct Metric {
  std::string name;
  RuntimeValue value;
  std::string unit = ""; // "p$", "tok"
};

class Machine;

/// Runs functions of one verified module. Not thread-safe. Errors come back as
/// failure, reported through the context's diagnostic handlers at the op's
/// location in the .route file.
class Interpreter {
public:
  explicit Interpreter(mlir::ModuleOp module, Options options = {});
  ~Interpreter();

  /// Fixes the size of an axis that the caller decides.
  mlir::LogicalResult bindAxis(llvm::StringRef axis, int64_t size);
  /// Fixes, for each position of the parent, how many positions descend from
  /// it.
  mlir::LogicalResult bindAxisPerParent(llvm::StringRef axis,
                                        llvm::ArrayRef<int64_t> counts);

  /// Binds parameter `name`. The array's axes count by place and not by name;
  /// sizes must agree with the parameter's axes.
  mlir::LogicalResult bindParam(llvm::StringRef name, const Array &value);
  /// Binds a signal or a column (`axis.column`) that the caller or the host
  /// gives, or sets a state. Axes count by place; an axis of open size takes
  /// its size from the first input over it.
  mlir::LogicalResult bindInput(llvm::StringRef name, const Array &value);
  /// Makes a signal unknown; its element type is a range.
  mlir::LogicalResult bindUnknown(llvm::StringRef name);
  /// Forgets inputs and the sizes of axes that the caller decides; parameters
  /// and state stay.
  void clearInputs();

  /// Calls a function. Without `args` each argument is the input, parameter or
  /// column of the same name.
  mlir::FailureOr<llvm::SmallVector<RuntimeValue>>
  run(llvm::StringRef entry, llvm::ArrayRef<RuntimeValue> args);
  mlir::FailureOr<llvm::SmallVector<RuntimeValue>> run(llvm::StringRef entry);

  /// Runs the handlers of `event`, or the one of that symbol; `of` is the
  /// router for commit and empty otherwise. Handlers whose arguments have names
  /// take what the last run returned under those names; others take `args` by
  /// place. All writes become visible together, or none where a handler fails.
  /// `commit` and `dispatch` charge what the last run reserved under budgets,
  /// once.
  mlir::LogicalResult emit(llvm::StringRef event, llvm::StringRef of,
                           llvm::ArrayRef<RuntimeValue> args);

  /// The value of a state cell or state column (`axis.column`).
  mlir::FailureOr<Array> state(llvm::StringRef name);
  /// Metrics since the last call of this function.
  std::vector<Metric> takeMetrics();
  /// The time of the next runs in nanoseconds; it never goes back.
  void setNow(int64_t nanoseconds);

  /// The instance of an axis, made from its declaration where that is enough.
  mlir::FailureOr<AxisRef> axis(llvm::StringRef name);
  /// The parts behind this class, for tools and step programs.
  Machine &machine() { return *impl; }

private:
  std::unique_ptr<Machine> impl;
};

/// The value as text: axes with sizes, then elements, rows of plans with their
/// item, choice and rank. For tools and tests.
std::string printValue(const RuntimeValue &value);

} // namespace route::interp

#endif
