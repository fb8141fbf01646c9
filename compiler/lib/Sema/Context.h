// What surrounds an expression while it is elaborated.
#ifndef ROUTE_LIB_SEMA_CONTEXT_H
#define ROUTE_LIB_SEMA_CONTEXT_H

#include "Steps.h"
#include "route/Diagnostics/Diagnostic.h"
#include "route/IRGen/Emitter.h"
#include "route/Sema/Value.h"
#include "llvm/ADT/StringMap.h"
#include <limits>
#include <map>

namespace route::sema {

using irgen::AxisList;

/// What conditions say of a signal or a column of the items.
struct BudgetFact {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  SourceRange range; // of the condition that gives `lo`
  std::string name;
  Unit unit;
};
struct SymbolOrder { // by spelling, so that messages do not vary
  bool operator()(mlir::SymbolRefAttr a, mlir::SymbolRefAttr b) const {
    auto key = [](mlir::SymbolRefAttr s) {
      return std::pair(s.getRootReference().getValue(),
                       s.getLeafReference().getValue());
    };
    return key(a) < key(b);
  }
};
using BudgetFacts = std::map<mlir::SymbolRefAttr, BudgetFact, SymbolOrder>;

/// A handler of a router that was inlined into the entry being emitted.
struct PendingHandler {
  const ast::OnDecl *decl = nullptr;
  RouteInstance *router = nullptr;
  ScopePtr scope; // the router's locals, with its lets and plan
  Value plan;     // what the router returned
  std::vector<Frame> frames;
  AxisList items;
  mlir::Block *block = nullptr; // where the router was expanded
  std::vector<std::pair<std::string, Value>>
      kept; // names of the router it reads
  /// Of a router that loops run: an axis for the rounds of each, the outermost
  /// first; whether a round was run; the plans of a round, as tables.
  struct Rows {
    AxisInfo *plan, *place;
    mlir::Value table;
  };
  llvm::SmallVector<AxisInfo *, 2> rounds;
  mlir::Value ran;
  std::vector<Rows> rows;
  llvm::DenseSet<mlir::Value> carried;           // values along the rounds
  llvm::DenseMap<mlir::Value, AxisInfo *> along; // tables of rows' values
};

/// A return inside the body being inlined.
struct ReturnSlot {
  bool done = false;
  Value value;
};

/// What surrounds the expression being elaborated.
struct Context {
  ScopePtr scope;
  std::vector<Frame> frames;
  AxisInfo *along = nullptr;  // leaves are gathered to the rows of this plan
  AxisInfo *chosen = nullptr; // what `chosen` means
  AxisList items;             // `per` where it is left out
  AxisInfo *candidate =
      nullptr; // the axis being chosen from; its columns are in scope
  PoolInfo *resultPool =
      nullptr; // of the router's result: rules name its members
  ReturnSlot *returns = nullptr;
  RouteInstance *route = nullptr;            // whose body this is
  llvm::StringMap<Value> *carried = nullptr; // what the loop around may change
  mlir::Value writeMask;                     // of the `if` around, in a handler
  bool exact = false;                        // of the `let` around
  llvm::StringMap<Value> *old = nullptr; // values at the start of the iteration
  bool handler = false;
  mlir::Value ruleMask; // of the rules around, and their budgets
  std::optional<SourceRange> ruleWhere; // what is written of that mask
  llvm::SmallVector<mlir::Attribute, 2> ruleUnder;
  std::string planName;             // of the `let` whose value this is
  bool forceDense = false;          // a pool without a plan runs on all rows
  StepRoute *steps = nullptr;       // the step route around
  StepReturn *stepReturn = nullptr; // what its `return` does
  std::string stepPath;             // the calls that led here, for keys
  unsigned drawPath = 0;            // and for the sites of draws: of drawPlaces
  llvm::SmallVector<RouteInstance *, 2> stepRoutes; // with their budgets
  BudgetFacts facts; // what the rules around say of the items
  /// A router that is replayed: its choice lists the recorded rows.
  RouteInstance *recordedRoute = nullptr;
  const ast::ChooseExpr *recordedChoice = nullptr;
  mlir::Value recorded;
  mlir::Value candidateOrder; // what `order` means of the candidates
  mlir::Value keptMask;       // what `of kept` means in a key
};

} // namespace route::sema

#endif
