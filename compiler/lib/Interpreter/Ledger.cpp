// Windows and totals of budgets.
#include "route/Interpreter/Ledger.h"
#include "route/Time/TimeZone.h"
#include "llvm/ADT/StringSwitch.h"
#include <chrono>
#include <cmath>

using namespace route::interp;

std::optional<Window::Kind> Window::parse(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Kind>>(name)
      .Case("call", Kind::Call)
      .Case("batch", Kind::Batch)
      .Case("run", Kind::Run)
      .Case("held", Kind::Held)
      .Case("fixed", Kind::Fixed)
      .Case("sliding", Kind::Sliding)
      .Case("day", Kind::Day)
      .Case("month", Kind::Month)
      .Default(std::nullopt);
}

static int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static constexpr int64_t dayNs = int64_t(86400) * 1'000'000'000;

int64_t Window::indexAt(int64_t nowNs) const {
  if (kind == Kind::Day || kind == Kind::Month)
    nowNs += route::timeZoneOffsetNs(zone, nowNs).value_or(0);
  switch (kind) {
  case Kind::Fixed:
    return lengthNs > 0 ? floorDivide(nowNs, lengthNs) : 0;
  case Kind::Sliding: {
    int64_t part = lengthNs / std::max<int64_t>(slots, 1);
    return part > 0 ? floorDivide(nowNs, part) : 0;
  }
  case Kind::Day:
    return floorDivide(nowNs, dayNs);
  case Kind::Month: {
    using namespace std::chrono;
    year_month_day date{sys_days{days{floorDivide(nowNs, dayNs)}}};
    return int64_t(int(date.year())) * 12 + unsigned(date.month()) - 1;
  }
  default:
    return 0;
  }
}

std::optional<int64_t> Window::nextAt(int64_t nowNs) const {
  int64_t index = indexAt(nowNs);
  switch (kind) {
  case Kind::Fixed:
    return (index + 1) * lengthNs;
  case Kind::Sliding:
    return (index + 1) * (lengthNs / std::max<int64_t>(slots, 1));
  case Kind::Day:
  case Kind::Month: {
    // Clocks change by whole quarters of an hour.
    constexpr int64_t quarter = dayNs / 96;
    int64_t low = floorDivide(nowNs, quarter), high = low + 32 * 96;
    while (high - low > 1) {
      int64_t middle = low + (high - low) / 2;
      (indexAt(middle * quarter) > index ? high : low) = middle;
    }
    return high * quarter;
  }
  default:
    return std::nullopt;
  }
}

std::optional<Amount> route::interp::toAmount(double value, bool whole) {
  if (std::isnan(value) || value > 0x1p90)
    return std::nullopt;
  if (value <= 0)
    return Amount(0);
  if (whole)
    value = std::ceil(value);
  double units = std::ceil(std::ldexp(value, 32));
  return static_cast<Amount>(units);
}

double route::interp::fromAmount(Amount amount) {
  return std::ldexp(static_cast<double>(amount), -32);
}

Amount Ledger::total(llvm::StringRef budget, llvm::StringRef key,
                     const Window &window, int64_t nowNs) const {
  int64_t now = window.indexAt(nowNs);
  // A sliding window is its last parts, the present one among them.
  int64_t from =
      window.kind == Window::Kind::Sliding ? now - window.slots + 1 : now;
  Amount sum = 0;
  auto cell = cells.lower_bound({budget.str(), key.str(), from});
  for (; cell != cells.end() && cell->first.budget == budget &&
         cell->first.key == key && cell->first.index <= now;
       ++cell)
    sum += cell->second;
  for (const auto &[number, entry] : held)
    if (entry.cell.budget == budget && entry.cell.key == key &&
        entry.cell.index >= from && entry.cell.index <= now &&
        (!entry.untilNs || nowNs <= *entry.untilNs))
      sum += entry.amount;
  return sum;
}

uint64_t Ledger::hold(llvm::StringRef budget, llvm::StringRef key,
                      const Window &window, int64_t nowNs, Amount amount,
                      std::optional<int64_t> untilNs) {
  Cell cell{budget.str(), key.str(), window.indexAt(nowNs)};
  held[nextNumber] = {std::move(cell), amount, untilNs};
  return nextNumber++;
}

void Ledger::add(llvm::StringRef budget, llvm::StringRef key,
                 const Window &window, int64_t nowNs, Amount amount) {
  cells[{budget.str(), key.str(), window.indexAt(nowNs)}] += amount;
}

void Ledger::merge(const Ledger &other) {
  for (const auto &[cell, amount] : other.cells)
    cells[cell] += amount;
}
