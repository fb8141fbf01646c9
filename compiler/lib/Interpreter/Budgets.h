// Admission of rows under budgets.
#ifndef ROUTE_LIB_INTERPRETER_BUDGETS_H
#define ROUTE_LIB_INTERPRETER_BUDGETS_H

#include "Choice.h"

namespace route::interp {

/// The window of `budget`; fails with a message where it is not known.
mlir::FailureOr<Window> windowOf(BudgetOp budget);

/// The number an element of f64 holds, or NaN where it is unknown.
double numberOf(const Element &element);

/// Whether an amount brings what is spent and reserved from `before` to
/// `after`, and so to the share of the limit at which the budget raises an
/// alarm.
bool raisesAlarm(BudgetOp op, Amount before, Amount after,
                 std::optional<Amount> most);

/// When time alone makes room for an amount that has none, with `usedAt` what
/// counts against the limit at a time from now on. Nothing where it never does:
/// the amount is above the limit, or the window ends with what it is about.
std::optional<int64_t> roomAt(const Window &window, int64_t nowNs,
                              Amount amount, Amount most,
                              llvm::function_ref<Amount(int64_t)> usedAt);

/// The budgets of one choice. What it admits counts as reserved for the rest of
/// the run; whether that lasts is decided by the event `dispatch` or `commit`.
class Admission {
public:
  /// Evaluates reserve, limit and per of all budgets `names`.
  mlir::LogicalResult prepare(mlir::Operation *op, mlir::ArrayAttr names,
                              const ChoiceSpace &space, Frame &frame);
  /// Reserves all budgets for the row, or none where one has no room.
  bool admit(int64_t item, int64_t candidate);
  bool any() const { return !budgets.empty(); }

private:
  struct Budget {
    BudgetOp op;
    Window window;
    bool whole;
    Array reserve, limit;
    llvm::SmallVector<Array, 2> keys;
  };
  void warn(BudgetOp op, Amount before, Amount amount,
            std::optional<Amount> most);
  /// The ledger's key of the row: its values, or the item where the window is
  /// the call.
  std::string keyOf(const Budget &budget,
                    llvm::ArrayRef<int64_t> position) const;

  Machine *machine = nullptr;
  const ChoiceSpace *space = nullptr;
  std::vector<Budget> budgets;
};

} // namespace route::interp

#endif
