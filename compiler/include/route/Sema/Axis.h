// Axes as the checker knows them.
// Descent between axes decides broadcasting, reduction and choice, so that the
// checker keeps its own graph of axes beside their symbols in the module.
#ifndef ROUTE_SEMA_AXIS_H
#define ROUTE_SEMA_AXIS_H

#include "route/Diagnostics/SourceManager.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Sema/Units.h"
#include <optional>
#include <string>
#include <vector>

namespace route::sema {

struct PoolInfo;
struct AxisInfo;

/// A column of an axis or attribute of a pool.
struct ColumnInfo {
  std::string name;
  mlir::SymbolRefAttr symbol;
  ArrayType type; // the axis itself first
  std::vector<AxisInfo *> axes;
  Unit unit;
  ColumnKind kind = ColumnKind::input;
  bool trusted = false;
  std::optional<int64_t> bound; // of sets: the most members
  SourceRange range;
};

/// One axis of the program.
struct AxisInfo {
  std::string name; // as written
  mlir::FlatSymbolRefAttr symbol;
  AxisKind kind = AxisKind::index;
  int64_t size = -1; // total positions, or -1
  std::vector<AxisInfo *>
      parents;                  // of a plan: its per axes, then the candidates
  AxisInfo *original = nullptr; // of a copy
  std::vector<std::string> labels;
  std::vector<ColumnInfo> columns;
  PoolInfo *pool = nullptr;
  mlir::Value plan;   // of a plan: its rows, where they are in scope
  mlir::Value weight; // of a plan: the weights of its rows, if it has any
  llvm::SmallVector<mlir::Attribute> under; // of a plan: its budgets
  /// Declared inside a pool without a size: each row has its own positions.
  /// Also of the plan that stands for such an axis where a body runs.
  bool inner = false;
  SourceRange range;

  bool isPlan() const { return kind == AxisKind::plan; }
  /// Of a plan: the axis that was chosen from.
  AxisInfo *candidates() const { return parents.back(); }
  /// Of a plan: the axes of its items.
  llvm::ArrayRef<AxisInfo *> items() const {
    return llvm::ArrayRef(parents).drop_back();
  }
  /// Of a plan: the axis whose rows a caller gets. One that was chosen from the
  /// rows that a plan has for the same items gives what these are rows of, so
  /// that nothing is lost; others give places in that plan.
  AxisInfo *rowsForCaller() const {
    AxisInfo *from = candidates();
    bool sameItems = from->isPlan() &&
                     llvm::all_of(from->items(), [&](const AxisInfo *item) {
                       return from->candidates()->descendsFrom(item) ||
                              llvm::any_of(items(), [&](const AxisInfo *own) {
                                return own->descendsFrom(item);
                              });
                     });
    return sameItems ? from->rowsForCaller() : from;
  }

  /// True when this is `other` or descends from it.
  bool descendsFrom(const AxisInfo *other) const {
    if (this == other)
      return true;
    for (const AxisInfo *parent : parents)
      if (parent->descendsFrom(other))
        return true;
    return false;
  }
  const ColumnInfo *findColumn(llvm::StringRef column) const {
    for (const ColumnInfo &info : columns)
      if (info.name == column)
        return &info;
    return nullptr;
  }
};

} // namespace route::sema

#endif
