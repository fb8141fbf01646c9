// Budgets of a choice: what they allow and what is reserved.
// Amounts, limits and keys come from their regions, totals from the ledger.
#include "Budgets.h"
#include "Scalars.h"
#include "route/Time/TimeZone.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// `array` at the items that a step run is for, without their axes.
static Array atItems(Array array, Machine &machine) {
  for (auto [axis, position] : machine.items) {
    int place = array.findAxis(axis);
    if (place < 0 || position >= array.axes[place]->size)
      continue;
    SmallVector<Array::Dim, 2> dims;
    for (Array::Dim dim : array.dims) {
      if (dim.axis == unsigned(place)) {
        array.base += dim.stride * (dim.map ? (*dim.map)[position] : position);
        continue;
      }
      dim.axis -= dim.axis > unsigned(place);
      dims.push_back(dim);
    }
    array.dims = std::move(dims);
    array.axes.erase(array.axes.begin() + place);
  }
  return array;
}

/// What a budget's region yields, as views over the items and candidates.
static LogicalResult evaluate(Operation *op, Region &region,
                              const ChoiceSpace &space, Frame &frame,
                              SmallVectorImpl<Array> &views) {
  Frame own(frame.machine);
  SmallVector<RuntimeValue, 1> yielded;
  if (failed(frame.machine.runRegion(region, {}, own, yielded)))
    return failure();
  for (const RuntimeValue &value : yielded) {
    auto *array = std::get_if<Array>(&value);
    if (!array)
      return op->emitError("a budget yields a plan");
    auto view = viewInSpace(op, atItems(*array, frame.machine), space);
    if (failed(view))
      return failure();
    views.push_back(std::move(*view));
  }
  return success();
}

FailureOr<Window> route::interp::windowOf(BudgetOp budget) {
  auto kind = Window::parse(budget.getWindow());
  if (!kind)
    return budget.emitError("window '")
           << budget.getWindow() << "' is not known";
  if (budget.getZone() && !isTimeZone(*budget.getZone()))
    return budget.emitError("zone '") << *budget.getZone() << "' is not known";
  Window window{*kind};
  if (budget.getZone())
    window.zone = budget.getZone()->str();
  if (budget.getLengthNs())
    window.lengthNs = *budget.getLengthNs();
  if (budget.getSlots())
    window.slots = *budget.getSlots();
  return window;
}

LogicalResult Admission::prepare(Operation *op, ArrayAttr names,
                                 const ChoiceSpace &over, Frame &frame) {
  machine = &frame.machine;
  space = &over;
  for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
    auto budget = machine->symbols.lookup<BudgetOp>(name.getAttr());
    if (!budget)
      return op->emitError("names ") << name << ", which is no budget";
    auto window = windowOf(budget);
    if (failed(window))
      return failure();
    Budget entry{budget, std::move(*window), budget.getUnit() == "p$", {}, {},
                 {}};
    SmallVector<Array, 1> reserve, limit;
    if (failed(evaluate(op, budget.getReserve(), over, frame, reserve)) ||
        failed(evaluate(op, budget.getLimit(), over, frame, limit)))
      return failure();
    if (reserve.size() != 1 || limit.size() != 1)
      return budget.emitError("yields ")
             << reserve.size() << " amounts and " << limit.size()
             << " limits, expected one of each";
    entry.reserve = std::move(reserve.front());
    entry.limit = std::move(limit.front());
    if (!budget.getPer().empty() &&
        failed(evaluate(op, budget.getPer(), over, frame, entry.keys)))
      return failure();
    budgets.push_back(std::move(entry));
  }
  return success();
}

std::string Admission::keyOf(const Budget &budget,
                             ArrayRef<int64_t> position) const {
  std::string key;
  for (const Array &part : budget.keys)
    key += keyText(part.at(position), part.elementType);
  return key;
}

double route::interp::numberOf(const Element &element) {
  Range range = toRange(element);
  return range.known ? range.lo.asDouble() : __builtin_nan("");
}

bool route::interp::raisesAlarm(BudgetOp op, Amount before, Amount after,
                                std::optional<Amount> most) {
  if (!op.getWarn() || !most || *most <= 0)
    return false;
  double share = op.getWarn()->convertToDouble() * fromAmount(*most);
  return fromAmount(before) < share && fromAmount(after) >= share;
}

std::optional<int64_t>
route::interp::roomAt(const Window &window, int64_t nowNs, Amount amount,
                      Amount most, llvm::function_ref<Amount(int64_t)> usedAt) {
  if (amount > most)
    return std::nullopt;
  if (window.kind != Window::Kind::Sliding)
    return window.nextAt(nowNs);
  // Parts leave one by one, and what is used falls: after all of them there is
  // room, the first time that there is lies between.
  int64_t part = window.lengthNs / std::max<int64_t>(window.slots, 1);
  int64_t now = window.indexAt(nowNs), low = 0, high = window.slots;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    (usedAt((now + middle) * part) + amount <= most ? high : low) = middle;
  }
  return (now + high) * part;
}

/// An alarm, as a metric.
void Admission::warn(BudgetOp op, Amount before, Amount amount,
                     std::optional<Amount> most) {
  if (raisesAlarm(op, before, before + amount, most))
    machine->metrics.push_back(
        {("budget." + op.getSymName() + ".warn").str(),
         Array::scalar(Float64Type::get(op.getContext()),
                       fromAmount(before + amount) / fromAmount(*most))});
}

bool Admission::admit(int64_t item, int64_t candidate) {
  if (budgets.empty())
    return true;
  SmallVector<int64_t> position = space->positionsOf(item);
  position.push_back(candidate);
  struct Reservation {
    const Budget *budget;
    std::string key;
    Amount amount, used;
    std::optional<Amount> most;
  };
  SmallVector<Reservation, 2> reservations;
  for (const Budget &budget : budgets) {
    StringRef name = BudgetOp(budget.op).getSymName();
    auto amount = toAmount(numberOf(budget.reserve.at(position)), budget.whole);
    double limit = numberOf(budget.limit.at(position));
    if (!amount || limit != limit) {
      machine->refused = {name.str(), std::nullopt};
      return false;
    }
    std::string key = keyOf(budget, position);
    auto usedAt = [&](int64_t ns) {
      Amount used = 0;
      if (budget.window.kind != Window::Kind::Call)
        used = machine->pending.total(name, key, budget.window, ns);
      if (budget.window.lasts())
        used += machine->ledger.total(name, key, budget.window, ns);
      return used;
    };
    Amount used = usedAt(machine->nowNs);
    // A limit beyond all amounts is none.
    auto most = limit < 0 ? std::optional<Amount>(-1) : toAmount(limit, false);
    if (most && used + *amount > *most) {
      machine->refused = {name.str(), roomAt(budget.window, machine->nowNs,
                                             *amount, *most, usedAt)};
      return false;
    }
    reservations.push_back({&budget, std::move(key), *amount, used, most});
  }
  machine->refused.reset();
  for (const Reservation &reservation : reservations) {
    warn(reservation.budget->op, reservation.used, reservation.amount,
         reservation.most);
    machine->pending.add(BudgetOp(reservation.budget->op).getSymName(),
                         reservation.key, reservation.budget->window,
                         machine->nowNs, reservation.amount);
  }
  return true;
}
