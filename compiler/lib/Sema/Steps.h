// What the checker knows of a step route.
// A step route is elaborated twice: once to learn what its variables and
// results hold, which only their assignments say, and once to emit its blocks.
#ifndef ROUTE_LIB_SEMA_STEPS_H
#define ROUTE_LIB_SEMA_STEPS_H

#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Sema/Value.h"
#include <optional>

namespace route::sema {

/// What a variable may hold, whatever its value is at the moment. It says which
/// IR values a block takes for the variable, and how they make a Value again.
struct Shape {
  enum class Kind {
    None,   // nothing but `none` was assigned
    Array,  // `type`, in `unit`
    Row,    // a ref of `axis`; none is -1
    Result, // a code, and parts
    Record, // parts by name
    Item,   // the item that the route runs for, as it came
  };
  Kind kind = Kind::None;
  mlir::Type type;
  Unit unit;
  bool literal = false; // a number in the text, which adapts
  AxisInfo *axis = nullptr;
  llvm::SmallVector<mlir::Attribute> under; // of a row
  std::vector<Shape> parts;
  std::vector<std::string> names;
  std::shared_ptr<bool> handled; // of a result
};

/// One call of the host whose failure somebody must look at.
struct PendingResult {
  std::shared_ptr<bool> handled;
  SourceRange range;
};

/// The step route being emitted.
struct StepRoute {
  route::FuncOp func;
  bool learning = false; // the first of the two passes
  /// By the key of a variable, or of the route whose results they are.
  std::map<std::string, Shape> variables, results;
  std::map<std::string, SourceRange> returned; // where a result is given first
  std::vector<PendingResult> pending;
  std::vector<route::AxisOp> scratch; // axes that the first pass made
};

/// Where `return` goes in a step route that is expanded into another.
struct StepReturn {
  std::string key;
  mlir::Block *after = nullptr; // null at the entry point: it ends the run
};

} // namespace route::sema

#endif
