// The interpreter's insides: frames, symbol cells and op evaluators.
#ifndef ROUTE_INTERPRETER_MACHINE_H
#define ROUTE_INTERPRETER_MACHINE_H

#include "mlir/IR/SymbolTable.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Interpreter.h"
#include "route/Interpreter/Ledger.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <unordered_map>

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
  /// The builtin scalar `value` holds.
  const Element &scalar(mlir::Value value) const {
    return std::get<Element>(values.at(value));
  }
  /// False for what needs a parameter that is not bound.
  bool has(mlir::Value value) const { return values.count(value); }
  void set(mlir::Value value, RuntimeValue runtime) {
    values.insert_or_assign(value, std::move(runtime));
  }

private:
  struct Hash {
    size_t operator()(mlir::Value value) const {
      return mlir::hash_value(value);
    }
  };
  std::unordered_map<mlir::Value, RuntimeValue, Hash> values;
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
  /// An evaluator for every op that `matches`, tried when no name fits.
  void addFor(bool (*matches)(mlir::Operation *), OpFunction function) {
    fallbacks.push_back({matches, std::move(function)});
  }
  /// The evaluator of `op`, or null.
  const OpFunction *find(mlir::Operation *op) const {
    auto found = functions.find(op->getName().getStringRef());
    if (found != functions.end())
      return &found->second;
    for (const auto &[matches, function] : fallbacks)
      if (matches(op))
        return &function;
    return nullptr;
  }

private:
  llvm::StringMap<OpFunction> functions;
  std::vector<std::pair<bool (*)(mlir::Operation *), OpFunction>> fallbacks;
};

/// A host signal that an op has asked for, with the arguments of the call.
struct NeededSignal {
  SignalOp signal;
  std::vector<Array> args;
};

/// State with keys: its cells by the text of the key.
struct KeyedState {
  struct Cell {
    std::vector<Element> key;
    Array value;
    uint64_t written; // when, for the bound
  };
  std::map<std::string, Cell> cells;
  uint64_t clock = 0;
};

/// A part of a key as text, equal for equal parts only. A text goes by its
/// digest, as in the tables of libraries.
std::string keyText(const Element &part, mlir::Type type);

/// Rows of a pool that come and go, in the order of their keys' bytes.
struct PoolRows {
  struct Row {
    std::string key;
    int64_t joinedNs;
    uint64_t used; // when last, for eviction
  };
  std::vector<Row> rows;
  uint64_t clock = 0;
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
  /// What is charged for good, and what the present run has reserved.
  Ledger ledger, pending;
  /// The budget that had no room for what was asked last, until another has.
  std::optional<BudgetRefusal> refused;
  /// Results of the last run by the names they have there, for handlers.
  llvm::StringMap<RuntimeValue> kept;
  /// Positions of the linalg loops under way, innermost last.
  std::vector<std::vector<int64_t>> loops;

  /// Values of params, given signals and input or live columns by full name
  /// (`axis.column`), state cells, and computed signals of the current run.
  llvm::StringMap<Array> params, inputs, cells, computed;
  /// When a live column was pushed, ns.
  llvm::StringMap<int64_t> pushedNs;
  /// In a step run: the item axes with the position that the run is for.
  llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>, 1> items;
  /// In a step run: where a read of a host signal that nobody has answered yet
  /// leaves its question, and fails without a message. Null elsewhere.
  std::optional<NeededSignal> *needed = nullptr;
  /// In a run that may do without parameters: where a read of one that is not
  /// bound leaves it, and fails without a message. Null elsewhere.
  llvm::SmallVector<ParamOp, 1> *unbound = nullptr;
  llvm::StringMap<KeyedState> keyed;
  llvm::StringMap<PoolRows> poolRows;
  /// State as this handler has written it; null outside handlers.
  llvm::StringMap<Array> *writes = nullptr;
  llvm::StringMap<KeyedState> *keyedWrites = nullptr;
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
  /// What a state starts as; of state with keys, what each key starts as.
  mlir::FailureOr<Array> initialState(StateOp op);
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

/// An error: nothing says how many positions the axis has.
mlir::LogicalResult complainOfSize(mlir::StringAttr axis, mlir::Location loc);
/// The instances of `names`: looked for among the axes of `sources` and their
/// ancestors, then among the declared ones.
mlir::FailureOr<llvm::SmallVector<AxisRef>>
resolveAxes(llvm::ArrayRef<mlir::FlatSymbolRefAttr> names,
            llvm::ArrayRef<RuntimeValue> sources, Machine &machine,
            mlir::Location loc);
/// An array of `type` along the axes that resolveAxes finds.
mlir::FailureOr<Array> allocateFor(ArrayType type,
                                   llvm::ArrayRef<RuntimeValue> sources,
                                   Machine &machine, mlir::Location loc);
/// viewOver with its complaint as a diagnostic at `op`.
mlir::FailureOr<Array> viewFor(mlir::Operation *op, const Array &array,
                               llvm::ArrayRef<AxisRef> axes);

/// True for a function that convert-route-to-linalg made: its arguments say
/// what they are by `route.role`.
bool isLowered(mlir::Operation *function);
/// Runs such a function on the bound inputs, params and state, and gives its
/// outputs in the form that the route it came from gives: arrays and plans.
mlir::FailureOr<llvm::SmallVector<RuntimeValue>>
runLowered(Machine &machine, mlir::Operation *function);
/// What host signal `op` reads as: the answer's field "value" as ranges,
/// unknown without an answer.
mlir::FailureOr<Array> signalValue(Machine &machine, SignalOp op,
                                   const llvm::StringMap<Array> *answer);
/// The symbol that `name` or `axis.column` stands for; null when there is none.
mlir::Operation *lookupDotted(Machine &machine, llvm::StringRef name);

// One function a file of evaluators.
void addElementwiseOps(Registry &registry);
void addMovementOps(Registry &registry);
void addReductionOps(Registry &registry);
void addChoiceOps(Registry &registry);
void addPlanOps(Registry &registry);
void addControlOps(Registry &registry);
void addSymbolOps(Registry &registry);
void addCollectionOps(Registry &registry);
void addTextOps(Registry &registry);
// The tensor level.
void addArithOps(Registry &registry);
void addMathOps(Registry &registry);
void addTensorOps(Registry &registry);
void addLinalgOps(Registry &registry);
void addScfOps(Registry &registry);
void addBufferOps(Registry &registry);
void addRowOps(Registry &registry);
void addRaggedOps(Registry &registry);

} // namespace route::interp

#endif
