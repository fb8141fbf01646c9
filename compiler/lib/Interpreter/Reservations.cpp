// Budgets of calls: amounts at one row and item, totals from the ledgers.
#include "Reservations.h"
#include "Budgets.h"
#include "Scalars.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Where a call is on the axis `name`: its row or one of its items; -1
/// elsewhere.
static int64_t placeOf(const CallSite &site, StringAttr name) {
  if (name == site.pool)
    return site.row;
  for (auto [item, place] : site.items)
    if (name == item)
      return place;
  return -1;
}

/// The elements that `region` yields, at the row and items of `site`.
static LogicalResult evaluate(Machine &machine, BudgetOp budget, Region &region,
                              const CallSite &site,
                              SmallVectorImpl<std::pair<Element, Type>> &out) {
  Frame frame(machine);
  SmallVector<RuntimeValue, 1> yielded;
  if (failed(machine.runRegion(region, {}, frame, yielded)))
    return failure();
  for (const RuntimeValue &value : yielded) {
    auto *array = std::get_if<Array>(&value);
    if (!array)
      return budget.emitError("yields a plan");
    SmallVector<int64_t> position;
    for (const AxisRef &axis : array->axes) {
      int64_t at = placeOf(site, axis->name);
      if (at < 0 || at >= axis->size)
        return budget.emitError("is about axis '")
               << axis->label() << "', which a call does not know";
      position.push_back(at);
    }
    out.push_back({array->at(position), array->elementType});
  }
  return success();
}

/// Amounts of a run and of a batch live as long as the run.
static Ledger &ledgerOf(const Window &window, Machine &machine, Ledger &run) {
  return window.lasts() ? machine.ledger : run;
}

FailureOr<bool> Reservations::reserve(Machine &machine, Ledger &run, AskOp op,
                                      ArrayAttr under, const CallSite &site,
                                      std::vector<std::string> &alarms) {
  std::vector<Reservation> wanted;
  for (auto name : under.getAsRange<FlatSymbolRefAttr>()) {
    auto budget = machine.symbols.lookup<BudgetOp>(name.getAttr());
    if (!budget)
      return op.emitError("names ") << name << ", which is no budget";
    Reservation entry;
    entry.budget = budget;
    auto window = windowOf(budget);
    if (failed(window))
      return failure();
    entry.window = std::move(*window);
    SmallVector<std::pair<Element, Type>> reserve, limit, keys;
    if (failed(evaluate(machine, budget, budget.getReserve(), site, reserve)) ||
        failed(evaluate(machine, budget, budget.getLimit(), site, limit)) ||
        (!budget.getPer().empty() &&
         failed(evaluate(machine, budget, budget.getPer(), site, keys))))
      return failure();
    if (reserve.size() != 1 || limit.size() != 1)
      return budget.emitError("yields ")
             << reserve.size() << " amounts and " << limit.size() << " limits";
    for (auto &[element, type] : keys)
      entry.key += keyText(element, type);
    auto amount =
        toAmount(numberOf(reserve.front().first), budget.getUnit() == "p$");
    entry.limit = numberOf(limit.front().first);
    entry.atNs = machine.nowNs;
    llvm::StringRef symbol = budget.getSymName();
    machine.refused = {symbol.str(), std::nullopt};
    if (!amount || entry.limit != entry.limit)
      return false;
    entry.amount = *amount;
    auto usedAt = [&](int64_t ns) {
      return entry.window.kind == Window::Kind::Call
                 ? Amount(0)
                 : ledgerOf(entry.window, machine, run)
                       .total(symbol, entry.key, entry.window, ns);
    };
    Amount used = usedAt(machine.nowNs);
    // A limit beyond all amounts is none.
    auto most = entry.limit < 0 ? std::optional<Amount>(-1)
                                : toAmount(entry.limit, false);
    if (most && used + *amount > *most) {
      machine.refused->resetNs =
          roomAt(entry.window, machine.nowNs, *amount, *most, usedAt);
      return false;
    }
    entry.raises = raisesAlarm(budget, used, used + *amount, most);
    wanted.push_back(std::move(entry));
  }
  for (Reservation &entry : wanted) {
    BudgetOp budget = entry.budget;
    if (entry.raises)
      alarms.push_back(budget.getSymName().str());
    std::optional<int64_t> until;
    if (auto lease = budget.getLeaseNs())
      until = entry.atNs + int64_t(*lease);
    entry.number = ledgerOf(entry.window, machine, run)
                       .hold(budget.getSymName(), entry.key, entry.window,
                             entry.atNs, entry.amount, until);
  }
  all.insert(all.end(), wanted.begin(), wanted.end());
  machine.refused.reset();
  return true;
}

void Reservations::release(Machine &machine, Ledger &run) {
  for (const Reservation &reservation : all)
    ledgerOf(reservation.window, machine, run).release(reservation.number);
  all.clear();
}

LogicalResult Reservations::charge(Machine &machine, Ledger &run,
                                   const CallSite &site,
                                   const llvm::StringMap<Array> &usage,
                                   std::vector<std::string> &alarms,
                                   std::vector<std::string> &overrun) {
  std::vector<Reservation> ended = all;
  release(machine, run);
  for (Reservation &reservation : ended) {
    BudgetOp budget = reservation.budget;
    if (reservation.window.kind == Window::Kind::Held ||
        reservation.window.kind == Window::Kind::Call)
      continue; // the call has ended, and with it what it held
    Amount amount = reservation.amount;
    if (!budget.getCharge().empty()) {
      Region &region = budget.getCharge();
      SmallVector<RuntimeValue> args;
      args.push_back(Array::scalar(
          cast<ArrayType>(region.getArgument(0).getType()).getElementType(),
          site.row));
      size_t first = 1,
             fields = budget.getUsage() ? budget.getUsage()->size() : 0;
      for (; first + fields < region.getNumArguments(); ++first) {
        Type type = cast<ArrayType>(region.getArgument(first).getType())
                        .getElementType();
        auto item = dyn_cast<RefType>(type);
        int64_t at = item ? placeOf(site, item.getAxis().getAttr()) : -1;
        if (at < 0 && !region.getArgument(first).use_empty())
          return budget.emitError("charges by axis '")
                 << (item ? item.getAxis().getValue() : "")
                 << "', which a call does not know";
        args.push_back(Array::scalar(type, at));
      }
      for (size_t i = 0; i < fields; ++i) {
        StringRef name = cast<StringAttr>((*budget.getUsage())[i]).getValue();
        auto found = usage.find(name);
        Type type = cast<ArrayType>(region.getArgument(first + i).getType())
                        .getElementType();
        if (found == usage.end())
          return budget.emitError("charges by '")
                 << name << "', which the answer does not have";
        Element element = found->second.value();
        if (!isRangeType(type))
          element = toRange(element).lo;
        args.push_back(Array::scalar(type, std::move(element)));
      }
      Frame frame(machine);
      SmallVector<RuntimeValue, 1> yielded;
      if (failed(machine.runRegion(region, args, frame, yielded)))
        return failure();
      auto *array =
          yielded.size() == 1 ? std::get_if<Array>(&yielded.front()) : nullptr;
      if (!array || !array->axes.empty())
        return budget.emitError("charges no one amount");
      // What nobody can know costs what was reserved.
      amount = toAmount(numberOf(array->value()), budget.getUnit() == "p$")
                   .value_or(reservation.amount);
    }
    Ledger &ledger = ledgerOf(reservation.window, machine, run);
    ledger.add(budget.getSymName(), reservation.key, reservation.window,
               reservation.atNs, amount);
    auto most = toAmount(reservation.limit, false);
    Amount spent = ledger.total(budget.getSymName(), reservation.key,
                                reservation.window, machine.nowNs);
    if (raisesAlarm(budget, spent - amount + reservation.amount, spent, most))
      alarms.push_back(budget.getSymName().str());
    if (most && spent > *most)
      overrun.push_back(budget.getSymName().str());
  }
  return success();
}
