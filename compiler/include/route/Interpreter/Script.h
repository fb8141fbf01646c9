// Scripts of the interpreter: what to bind, run and print.
// They are attributes of the module under test.
#ifndef ROUTE_INTERPRETER_SCRIPT_H
#define ROUTE_INTERPRETER_SCRIPT_H

#include "route/Interpreter/Interpreter.h"
#include "llvm/Support/raw_ostream.h"

namespace route::interp {

/// An array with anonymous axes from a dense attribute, a list of strings (one
/// axis) or a single value.
mlir::FailureOr<Array> arrayFromAttribute(mlir::Attribute value,
                                          mlir::Location loc);

/// Runs `module` as its attributes say and prints what comes out:
///
///   interp.axes   = {token = 4, item = [2, 0, 1]}   sizes, or counts per
///   parent interp.inputs = {x = dense<...>, "request.prompt" = ["a", "b"]}
///   interp.params = {"gate.w" = dense<...>}
///   interp.host   = {topic = [dense<...>, 504, "timeout"]}   answers in turn
///   interp.script = ["run gate", "emit commit gate", "state gate.bias",
///                    "now 1000", "unknown e", "push models.queue",
///                    "metrics"]
///
/// `emit EVENT ROUTER` passes the results of the last run; `emit EVENT m=1
/// reward=0.5` gives a handler's arguments by name. The attributes may also
/// come as a dictionary in a file (route-interp --script).
///
/// "join models KEY" adds the row of that key with the columns that
/// interp.rows = {KEY = {price = 1.0}} gives, "leave models KEY" takes it away.
///
///   interp.pushes = {"models.queue" = dense<...>}   what push binds
///   interp.answers = ["{…}"]   for `steps ENTRY`: a host script by lines
///   interp.seed, interp.max_bytes, interp.max_steps  as in Options
///
/// Without a script every route and router is run in order. Each result is one
/// line `NAME: value`.
mlir::LogicalResult runScript(mlir::ModuleOp module, Options options,
                              llvm::raw_ostream &os);

} // namespace route::interp

#endif
