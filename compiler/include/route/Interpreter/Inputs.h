// Inputs of a run from files: tensors by name, and records as lines of JSON.
#ifndef ROUTE_INTERPRETER_INPUTS_H
#define ROUTE_INTERPRETER_INPUTS_H

#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Interpreter/Checkpoint.h"
#include "llvm/Support/JSON.h"

namespace route::interp {

/// Binds every signal, column (`axis.column`) and argument that the file has a
/// tensor for; other tensors are left alone.
mlir::LogicalResult bindTensors(Interpreter &interpreter, mlir::ModuleOp module,
                                const SafeTensors &file);

/// Binds items from lines of JSON objects, one an item: the key is a column's
/// name, or a signal's that lies over the item axis first. Numbers, truths,
/// strings (text, labels of enums and refs, "inf", "-inf", "nan"), nested lists
/// for further axes, null for unknown. The item axis is the one with input
/// columns, or the first axis of the signals that the records name. Money is
/// given in dollars. A column that a line leaves out has its default there, or
/// is unknown where it may be. Errors name the line.
mlir::LogicalResult bindRecords(Interpreter &interpreter, mlir::ModuleOp module,
                                llvm::StringRef text);

/// One value of `type` from JSON, in the forms of bindRecords: lists for axes,
/// outermost first. `line` is for messages.
mlir::FailureOr<Array> readJson(Machine &machine,
                                const llvm::json::Value &value, ArrayType type,
                                llvm::StringRef name, size_t line,
                                mlir::Location loc);

/// One element in the forms of bindRecords: null for unknown, labels for rows
/// and members that have one.
void printJson(llvm::raw_ostream &os, Machine &machine, const Element &element,
               mlir::Type type);

/// Named values as lines of JSON, as route-run writes those of a library: an
/// object for each item, and {"all": …} for what is over no items.
void printRecords(llvm::raw_ostream &os, Machine &machine,
                  llvm::ArrayRef<std::pair<std::string, RuntimeValue>> values);

} // namespace route::interp

#endif
