// Draws that are fewer than the decisions made of them.
// A draw has the axes of its brackets and its keys. Broadcast to items that
// none of these is about, it decides alike for a whole batch.
#include "Elaborator.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;

/// The draws that `value` is computed from, but for those that chose a plan.
static llvm::SmallVector<DrawOp> drawsBehind(mlir::Value value) {
  llvm::SmallVector<DrawOp> draws;
  llvm::SetVector<mlir::Operation *> behind;
  auto add = [&](mlir::Value from) {
    if (mlir::Operation *op = from.getDefiningOp();
        op && !mlir::isa<PlanType>(from.getType()))
      behind.insert(op);
  };
  add(value);
  for (unsigned i = 0; i < behind.size(); ++i)
    behind[i]->walk([&](mlir::Operation *op) { // loops and conditions too
      if (auto draw = mlir::dyn_cast<DrawOp>(op);
          draw && !llvm::is_contained(draws, draw))
        draws.push_back(draw);
      for (mlir::Value operand : op->getOperands())
        add(operand);
    });
  return draws;
}

static llvm::StringRef nameOf(DrawKind kind) {
  switch (kind) {
  case DrawKind::gumbel:
    return "gumbel";
  case DrawKind::normal:
    return "normal";
  case DrawKind::uniform:
  case DrawKind::bits:
    break;
  }
  return "random";
}

/// Warns where `decided`, a condition or a key of what is decided for each of
/// `items`, hangs on a draw that is the same for all of them.
void Elaborator::lintDraws(mlir::Value decided,
                           llvm::ArrayRef<AxisInfo *> items,
                           SourceRange range) {
  if (items.empty() || !draws)
    return;
  auto join = [](auto &&axes) {
    return llvm::join(
        llvm::map_range(axes, [](AxisInfo *axis) { return axis->name; }), ", ");
  };
  for (DrawOp draw : drawsBehind(decided)) {
    AxisList axes = e.axesOf(draw.getResult());
    bool own = llvm::any_of(axes, [&](AxisInfo *axis) {
      return llvm::any_of(items, [&](AxisInfo *item) {
        return item->descendsFrom(axis) || axis->descendsFrom(item);
      });
    });
    if (own)
      continue;
    AxisList wanted(items.begin(), items.end());
    wanted.append(axes.begin(), axes.end());
    std::string call =
        (nameOf(draw.getKind()) + (draw.getKeys().empty() ? "()" : "(…)"))
            .str();
    error(diag::sharedDraw, range,
          "'" + call + "' is one draw for every '" + join(items) +
              "' of a call, which are decided alike by it")
        .help("write " + call + "[" + join(wanted) + "]");
    return;
  }
}
