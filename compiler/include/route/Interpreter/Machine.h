// The interpreter's insides: frames, symbol cells, and the registry of op
// evaluators.
#ifndef ROUTE_INTERPRETER_MACHINE_H
#define ROUTE_INTERPRETER_MACHINE_H

#include "mlir/IR/SymbolTable.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Interpreter.h"
#include "llvm/ADT/StringMap.h"

namespace route::interp {

class Machine;

/// Values of one function activation; nested regions share it.
class Frame {
public:
  Frame(Machine &machine) : machine(machine) {}
  Machine &machine;

  const RuntimeValue &get(mlir::Value value) const { return values.at(value); }
  /// The array `value` holds; verified IR puts no plan there.
  const Array &array(mlir::Value value) const {
    return std::get<Array>(values.at(value));
  }
  /// The instance behind a plan.
  const AxisRef &plan(mlir::Value value) const {
    return std::get<Plan>(values.at(value)).axis;
  }
  void set(mlir::Value value, RuntimeValue runtime) {
    values[value] = std::move(runtime);
  }

private:
  std::map<mlir::Value, RuntimeValue, bool (*)(mlir::Value, mlir::Value)>
      values{[](mlir::Value a, mlir::Value b) {
        return a.getAsOpaquePointer() < b.getAsOpaquePointer();
      }};
};

/// Evaluates one op: reads operands from the frame and sets its results there.
using OpFunction =
    std::function<mlir::LogicalResult(mlir::Operation *, Frame &)>;

/// Evaluators by op name.
class Registry {
public:
  template <typename OpT>
  void add(mlir::LogicalResult (*function)(OpT, Frame &)) {
    functions[OpT::getOperationName()] = [function](mlir::Operation *op,
                                                    Frame &frame) {
      return function(mlir::cast<OpT>(op), frame);
    };
  }
  const OpFunction *find(llvm::StringRef name) const {
    auto found = functions.find(name);
    return found == functions.end() ? nullptr : &found->second;
  }

private:
  llvm::StringMap<OpFunction> functions;
};

/// Everything one interpreter holds.
class Machine {
public:
  Machine(mlir::ModuleOp module, Options options);

  mlir::ModuleOp module;
  Options options;
  mlir::SymbolTable symbols;
  Registry registry;
  std::shared_ptr<MemoryMeter> meter;
  int64_t steps = 0;
  int depth = 0;
  int64_t nowNs = 0;
  std::vector<Metric> metrics;

  /// Values of params, given signals and input or live columns by full name
  /// (`axis.column`), state cells, and computed signals of the current run.
  llvm::StringMap<Array> params, inputs, cells, computed;
  /// When a live column was pushed, ns.
  llvm::StringMap<int64_t> pushedNs;
  /// State as this handler has written it; null outside handlers.
  llvm::StringMap<Array> *writes = nullptr;
  llvm::StringMap<AxisRef> axes;
  /// Axes whose sizes came from inputs.
  std::vector<std::string> openAxes;

  /// Runs `region`'s one block; the terminator's operands become `results`.
  mlir::LogicalResult runRegion(mlir::Region &region,
                                llvm::ArrayRef<RuntimeValue> args, Frame &frame,
                                llvm::SmallVectorImpl<RuntimeValue> &results);
  mlir::FailureOr<llvm::SmallVector<RuntimeValue>>
  call(mlir::Operation *function, llvm::ArrayRef<RuntimeValue> args);

  /// Counts the work of touching `elements` elements against the step limit and
  /// checks that as many offsets fit in memory.
  mlir::LogicalResult charge(int64_t elements, mlir::Location loc);

  /// The instance of a declared axis; errors at `loc` when its size is open.
  mlir::FailureOr<AxisRef> axis(mlir::StringAttr name, mlir::Location loc);
  mlir::LogicalResult bindAxis(AxisOp op, int64_t size);
  mlir::LogicalResult bindAxisPerParent(AxisOp op,
                                        llvm::ArrayRef<int64_t> counts);
  /// `value` with the declared axes of `type` in place of its own, by place.
  mlir::FailureOr<Array> conform(const Array &value, ArrayType type,
                                 llvm::StringRef name, mlir::Location loc);

  /// The value of a signal, column, param or state; `symbol` as in route.get.
  mlir::FailureOr<Array> read(mlir::SymbolRefAttr symbol, mlir::Location loc);
  mlir::FailureOr<Array> readState(StateOp op);
  /// An array of zeros over `axes`; errors at `loc` where memory runs out.
  mlir::FailureOr<Array> allocate(mlir::Type elementType,
                                  llvm::ArrayRef<AxisRef> axes,
                                  mlir::Location loc);
  /// An array from a constant attribute over `axes`.
  mlir::FailureOr<Array> materialize(mlir::Attribute value,
                                     mlir::Type elementType,
                                     llvm::ArrayRef<AxisRef> axes,
                                     mlir::Location loc);
};

/// The instances of `names`: looked for among the axes of `sources` and their
/// ancestors, then among the declared ones.
mlir::FailureOr<llvm::SmallVector<AxisRef>>
resolveAxes(llvm::ArrayRef<mlir::FlatSymbolRefAttr> names,
            llvm::ArrayRef<RuntimeValue> sources, Machine &machine,
            mlir::Location loc);
/// viewOver with its complaint as a diagnostic at `op`.
mlir::FailureOr<Array> viewFor(mlir::Operation *op, const Array &array,
                               llvm::ArrayRef<AxisRef> axes);

// One function a file of evaluators.
void addElementwiseOps(Registry &registry);
void addMovementOps(Registry &registry);
void addReductionOps(Registry &registry);
void addChoiceOps(Registry &registry);
void addPlanOps(Registry &registry);
void addControlOps(Registry &registry);
void addSymbolOps(Registry &registry);
void addTextOps(Registry &registry);

} // namespace route::interp

#endif
