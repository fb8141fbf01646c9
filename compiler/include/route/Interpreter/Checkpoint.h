// Tensors of safetensors files as arrays.
// Parameters are bound from a checkpoint by their names.
#ifndef ROUTE_INTERPRETER_CHECKPOINT_H
#define ROUTE_INTERPRETER_CHECKPOINT_H

#include "route/Interpreter/Interpreter.h"
#include "route/io/SafeTensors.h"

namespace route::interp {

/// A copy of the tensor, with anonymous axes. Fails at `loc` for element types
/// that the interpreter does not compute.
mlir::FailureOr<Array> arrayFromTensor(const FileTensor &tensor,
                                       mlir::Location loc);

/// Binds every parameter of `module` that something reads, and every state that
/// starts from a tensor. `{axis}` in a tensor name stands for the position
/// along one of the leading axes and `{axis.name}` for its label: one tensor a
/// position. A missing tensor, or one of another shape, is an error that names
/// both. `exactly` does as the runtime does, and wants the element types of the
/// parameters and no other tensors.
mlir::LogicalResult bindCheckpoint(Interpreter &interpreter,
                                   mlir::ModuleOp module,
                                   const SafeTensors &file,
                                   bool exactly = false);

} // namespace route::interp

#endif
