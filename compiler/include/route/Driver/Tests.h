// Inline tests run by the interpreter.
// `routec --test`: each route.test of a module, on a batch of one item.
#ifndef ROUTE_DRIVER_TESTS_H
#define ROUTE_DRIVER_TESTS_H

#include "mlir/IR/BuiltinOps.h"

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace route {

class SafeTensors;

/// Runs the tests, with parameters from `params` unless it is null, and prints
/// a line each: `ok NAME`, or `FAILED NAME` with what was expected and found,
/// and the cause of an error. Returns how many failed.
unsigned runInlineTests(mlir::ModuleOp module, const SafeTensors *params,
                        llvm::raw_ostream &out);

/// Takes the tests out of a module that is to be compiled.
void dropInlineTests(mlir::ModuleOp module);

} // namespace route

#endif
