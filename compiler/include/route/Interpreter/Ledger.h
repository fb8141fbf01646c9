// The ledger of budgets: what is reserved and charged.
// It has cells, by key, and windows, by time.
#ifndef ROUTE_INTERPRETER_LEDGER_H
#define ROUTE_INTERPRETER_LEDGER_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace route::interp {

/// How the time of a budget is cut into windows.
struct Window {
  enum class Kind { Call, Batch, Run, Held, Fixed, Sliding, Day, Month };
  Kind kind = Kind::Call;
  /// Fixed and sliding: length in ns; sliding: its number of parts.
  int64_t lengthNs = 0, slots = 1;
  /// Day and month: the zone whose days and months these are.
  std::string zone = "UTC";

  /// The kind of that name; nothing for other names.
  static std::optional<Kind> parse(llvm::StringRef name);
  /// True where amounts outlive the run: held, fixed, sliding, day, month.
  bool lasts() const { return kind >= Kind::Held; }
  /// The number of the window (for sliding: of its part) at `nowNs` since 1970,
  /// UTC; days and months are those of the zone.
  int64_t indexAt(int64_t nowNs) const;
  /// When amounts of now begin to leave it by time alone; nothing for windows
  /// that end with what they are about.
  std::optional<int64_t> nextAt(int64_t nowNs) const;
};

/// A budget without room, and when time alone makes some.
struct BudgetRefusal {
  std::string budget;
  std::optional<int64_t> resetNs;
};

/// Amounts are counted in units of 2^-32, rounded up, so that sums are exact
/// and independent of order. Money comes in whole picodollars.
using Amount = __int128;
/// Nothing for NaN and for what does not fit; negative amounts are zero.
std::optional<Amount> toAmount(double value, bool whole);
double fromAmount(Amount amount);

/// Totals by budget, key and window. Time does not go back.
class Ledger {
public:
  /// What counts against a limit at `nowNs`.
  Amount total(llvm::StringRef budget, llvm::StringRef key,
               const Window &window, int64_t nowNs) const;
  void add(llvm::StringRef budget, llvm::StringRef key, const Window &window,
           int64_t nowNs, Amount amount);
  void clear() { *this = Ledger(); }
  /// Counts a reservation until it is released, or until the time `untilNs`
  /// has passed. Its number.
  uint64_t hold(llvm::StringRef budget, llvm::StringRef key,
                const Window &window, int64_t nowNs, Amount amount,
                std::optional<int64_t> untilNs);
  void release(uint64_t number) { held.erase(number); }
  /// Adds what has been added to `other`.
  void merge(const Ledger &other);

private:
  struct Cell {
    std::string budget, key;
    int64_t index;
    auto operator<=>(const Cell &) const = default;
  };
  struct Held {
    Cell cell;
    Amount amount;
    std::optional<int64_t> untilNs;
  };
  std::map<Cell, Amount> cells;
  std::map<uint64_t, Held> held;
  uint64_t nextNumber = 0;
};

} // namespace route::interp

#endif
