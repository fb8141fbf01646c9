// Executes entries of a spec by interpreting its route level.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_EXECUTE_H
#define ROUTE_TOOLS_RUN_INTERPRET_EXECUTE_H

#include "Descriptor.h"
#include "route/Interpreter/Machine.h"
#include "llvm/ADT/StringSet.h"

namespace route {

/// The bytes that each state of the schema starts as by the spec's own word,
/// not by what the compiler made of it; empty where a checkpoint says. `module`
/// is at the route level. Fails after a message.
mlir::FailureOr<std::vector<std::vector<char>>>
initialStates(mlir::ModuleOp module, const Schema &schema);

/// Stands where a library's compiled entries would: takes the buffers that the
/// runtime has checked, runs the interpreter, fills the outputs and the state
/// that an event writes. One call at a time.
class Executor {
public:
  /// `module` is at the route level; `descriptor` describes what it lowers to.
  Executor(mlir::ModuleOp module, const Descriptor &descriptor)
      : module(module), descriptor(descriptor) {}

  /// Fails after a message at its place in the .route file.
  mlir::LogicalResult run(uint32_t entry, const route_invocation &call);

private:
  class Call;

  mlir::ModuleOp module;
  const Descriptor &descriptor;
  /// Parameters as arrays; they are the same in every call.
  std::vector<interp::Array> params;
  /// What the tables of the state hold, as the interpreter has it.
  llvm::StringMap<interp::KeyedState> keyed;
  llvm::StringMap<interp::Array> sets;
  /// Texts that outputs point to.
  llvm::StringSet<> texts;
};

} // namespace route

#endif
