// What calls hold of budgets.
// It is reserved when a call is made, charged when it is answered, and released
// when it fails.
#ifndef ROUTE_LIB_INTERPRETER_RESERVATIONS_H
#define ROUTE_LIB_INTERPRETER_RESERVATIONS_H

#include "route/Interpreter/Machine.h"
#include "llvm/ADT/MapVector.h"

namespace route::interp {

/// A row of a pool, and the positions of the items that it is asked for.
struct CallSite {
  mlir::StringAttr pool;
  int64_t row = -1;
  llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>, 1> items;
};

/// One budget's part of a call.
struct Reservation {
  BudgetOp budget;
  Window window;
  std::string key;
  Amount amount = 0;
  double limit = 0;
  int64_t atNs = 0;
  uint64_t number = 0; // in the ledger
  bool raises = false; // an alarm
};

/// The reservations of one call. `run` is the ledger of the run around it.
class Reservations {
public:
  /// Reserves under all budgets or none. True where there was room in each,
  /// else the machine's `refused` is the first without. Budgets that it brings
  /// to where they raise an alarm are named in `alarms`.
  mlir::FailureOr<bool> reserve(Machine &machine, Ledger &run, AskOp op,
                                mlir::ArrayAttr under, const CallSite &site,
                                std::vector<std::string> &alarms);
  /// Replaces the reservations by what was used. Budgets that are above their
  /// limit then are named in `overrun`, those that it brings to where they
  /// raise an alarm in `alarms`.
  mlir::LogicalResult charge(Machine &machine, Ledger &run,
                             const CallSite &site,
                             const llvm::StringMap<Array> &usage,
                             std::vector<std::string> &alarms,
                             std::vector<std::string> &overrun);
  /// Gives all back.
  void release(Machine &machine, Ledger &run);

private:
  std::vector<Reservation> all;
};

} // namespace route::interp

#endif
