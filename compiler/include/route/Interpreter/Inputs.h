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
/// is unknown where it may be. Errors name the line. `items` says which axis
/// the records are of, where there are several; with `allowExtra` keys that
/// mean nothing are passed over.
mlir::LogicalResult bindRecords(Interpreter &interpreter, mlir::ModuleOp module,
                                llvm::StringRef text,
                                llvm::StringRef items = "",
                                bool allowExtra = false);

/// One value of `type` from JSON, in the forms of bindRecords: lists for axes,
/// outermost first; money, by its `unit`, in dollars. Messages give
/// `line` behind `lines`.
mlir::FailureOr<Array> readJson(Machine &machine,
                                const llvm::json::Value &value, ArrayType type,
                                llvm::StringRef unit, llvm::StringRef name,
                                size_t line, mlir::Location loc,
                                llvm::StringRef lines = "line ");

/// One element in the forms of bindRecords: null for unknown, labels for rows
/// and members that have one, money in dollars.
void printJson(llvm::raw_ostream &os, Machine &machine, const Element &element,
               mlir::Type type, llvm::StringRef unit = "");

/// A value that a run gave, by its name.
struct NamedValue {
  std::string name;
  RuntimeValue value;
  std::string unit = "";
};

/// Named values as lines of JSON, as route-run writes those of a library: an
/// object for each position of axis `items`, and {"all": …} for what does not
/// lie over it first, such as values over other items.
void printRecords(llvm::raw_ostream &os, Machine &machine,
                  llvm::ArrayRef<NamedValue> values, llvm::StringRef items);

} // namespace route::interp

#endif
