// The state of one call that the interpreter answers, shared by its files.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_CALL_H
#define ROUTE_TOOLS_RUN_INTERPRET_CALL_H

#include "Execute.h"
#include "Tables.h"

namespace route {

/// The bytes of an element, by its kind in a schema.
inline constexpr uint64_t elementBytes[] = {0, 1, 1, 2, 4, 8, 1,  2,
                                            4, 8, 2, 2, 4, 8, 16, 8};

/// One call under way.
class Executor::Call {
public:
  Call(Executor &executor, const EntrySchema &entry,
       const route_invocation &call)
      : executor(executor), module(executor.module),
        schema(executor.descriptor.schema()), entry(entry), call(call),
        interpreter(module, settings(call)), machine(interpreter.machine()) {
    interpreter.setNow(call.env->now);
  }

  mlir::LogicalResult run();

private:
  static interp::Options settings(const route_invocation &call) {
    interp::Options options;
    options.seed = call.env->seed;
    // Loops are bounded and the call is the user's own: let it take its time.
    options.maxSteps = INT64_MAX / 2;
    return options;
  }

  llvm::SmallVector<int64_t> shapeOf(llvm::ArrayRef<uint32_t> axes) const {
    return llvm::map_to_vector(
        axes, [&](uint32_t axis) { return call.axis_sizes[axis]; });
  }

  mlir::LogicalResult bindAxes();
  mlir::LogicalResult bindParams();
  mlir::LogicalResult bindStates();
  mlir::FailureOr<interp::Array>
  fresh(ColumnOp column, const interp::Array &values, const double *pushed);
  mlir::LogicalResult bindWhetherKnown(size_t port);
  mlir::LogicalResult bindSymbols(size_t firstPort);
  mlir::FailureOr<interp::Array> allocate(ArrayType type);
  mlir::LogicalResult bindUnread();
  mlir::FailureOr<interp::Array> decode(const TypeSchema &port,
                                        mlir::Type element,
                                        llvm::ArrayRef<interp::AxisRef> axes,
                                        llvm::ArrayRef<int64_t> shape,
                                        route_buffer buffer, size_t knownAxes);
  mlir::FailureOr<interp::Array> decodeLists(size_t port, ArrayType type);
  mlir::FailureOr<llvm::SmallVector<interp::RuntimeValue>>
  arguments(FuncOp func, size_t &port);
  mlir::FailureOr<interp::AxisRef> decodePlan(mlir::StringAttr axis,
                                              const PortSchema &index,
                                              route_buffer indices,
                                              route_buffer counts);
  /// What one port takes of a value that may be unknown, which leaves by two.
  enum class End { Lower, Upper, Known };
  mlir::LogicalResult encode(size_t output, const interp::RuntimeValue &value,
                             End end = End::Lower);
  mlir::LogicalResult encodeArray(const PortSchema &port, route_buffer buffer,
                                  const interp::Array &array, End end);
  mlir::LogicalResult
  encodeResults(FuncOp func, llvm::ArrayRef<interp::RuntimeValue> results);
  mlir::LogicalResult bindTable(uint32_t index, mlir::Operation *target,
                                llvm::ArrayRef<interp::AxisRef> axes);
  mlir::LogicalResult
  storeState(uint32_t index, const llvm::StringMap<interp::Array> &writes,
             llvm::StringMap<interp::KeyedState> &keyedWrites);
  mlir::LogicalResult writeState(uint32_t index, const interp::Array &value);

  Executor &executor;
  mlir::ModuleOp module;
  const Schema &schema;
  const EntrySchema &entry;
  const route_invocation &call;
  interp::Interpreter interpreter;
  interp::Machine &machine;
  /// Plans that this call takes, by axis.
  llvm::StringMap<interp::AxisRef> plans;
};

} // namespace route

#endif
