// Budgets as constraints.
// One form for all: what a choice reserves, what an answer is charged, per
// which keys, in which window, up to which limit. What can be proved is proved
// here.
#include "Budgets.h"
#include "route/Time/TimeZone.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// What a choice is under, `room` or `fleet.room`, and where it is declared.
std::pair<const BudgetDecl *, Scope *>
Elaborator::Budgets::declared(const Expr &path) {
  auto [entry, scope] = s.entryAt(path);
  auto *decl = entry ? dyn_cast_or_null<BudgetDecl>(entry->pending) : nullptr;
  if (decl)
    return {decl, scope};
  auto *member = dyn_cast<MemberExpr>(&path);
  const Name &name = member ? member->member : cast<NameExpr>(path).name;
  if (entry) {
    if (entry->pending || !entry->value.isError()) // else it was told
      s.error(diag::wrongKind, name.range, "'" + name.text + "' is no budget");
    return {};
  }
  std::vector<std::string> names;
  const Scope *at = s.cx.scope.get();
  if (member)
    at = s.declaredAt(*member->base).scope.get();
  for (; at; at = member ? nullptr : at->parent.get())
    for (auto &[known, other] : at->entries)
      if (dyn_cast_or_null<BudgetDecl>(other.pending))
        names.push_back(known);
  s.unknownName(name, "budget", names);
  return {};
}

mlir::FlatSymbolRefAttr Elaborator::Budgets::named(const Expr &path,
                                                   SourceRange call) {
  auto [decl, scope] = declared(path);
  if (!decl)
    return {};
  auto *member = dyn_cast<MemberExpr>(&path);
  const Name &name = member ? member->member : cast<NameExpr>(path).name;
  if (!s.cx.candidate || s.cx.candidate->isPlan()) {
    s.error(diag::badChoice, name.range, "a budget binds a choice from a pool");
    return {};
  }
  Known &budget = known[decl];
  if (budget.symbol && budget.pool != s.cx.candidate) {
    auto message = s.error(diag::badBudget, call ? call : name.range,
                           "budget '" + name.text + "' counts rows of '" +
                               budget.pool->name + "', and this " +
                               (call ? "call is of" : "choice is from") + " '" +
                               s.cx.candidate->name + "'");
    if (call)
      message.label(name.range, "the route is under it");
    message.label(decl->name.range, "declared here")
        .note("what a budget reserves is reckoned from the columns of one pool")
        .help("declare a budget for each pool");
    return {};
  }
  if (!budget.symbol && !budget.broken) {
    AxisInfo *pool = s.cx.candidate;
    Context fresh;
    fresh.scope = scope->shared_from_this();
    fresh.candidate = pool;
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    bool silent = s.diags.setSilent(false); // it happens only once
    bool good =
        s.inContext(std::move(fresh), [&] { return elaborate(*decl, pool); });
    s.diags.setSilent(silent);
    budget.broken = !good;
  }
  return budget.symbol;
}

/// A budget that binds a choice in several ways is one budget.
void Elaborator::Budgets::add(llvm::SmallVectorImpl<mlir::Attribute> &under,
                              llvm::ArrayRef<mlir::Attribute> more) {
  for (mlir::Attribute budget : more)
    if (!llvm::is_contained(under, budget))
      under.push_back(budget);
}

bool Elaborator::Budgets::under(const std::vector<ExprPtr> &exprs,
                                llvm::SmallVectorImpl<mlir::Attribute> &symbols,
                                SourceRange call) {
  for (const ExprPtr &expr : exprs) {
    const Expr &path = *ignoreParens(expr.get());
    if (!isa<NameExpr, MemberExpr>(path)) {
      s.error(diag::wrongKind, expr->range, "expected the name of a budget");
      return false;
    }
    auto symbol = named(path, call);
    if (!symbol)
      return false;
    if (llvm::is_contained(symbols, symbol)) {
      s.error(diag::duplicateName, expr->range,
              "budget '" + s.sources.text(path.range) +
                  "' stands twice behind 'under'")
          .note("it would be reserved twice for one choice");
      return false;
    }
    symbols.push_back(symbol);
  }
  return true;
}

/// Runs `body` in a fresh region of the budget and ends it with what it yields.
bool Elaborator::Budgets::yieldIn(mlir::Region &region,
                                  llvm::function_ref<bool(Yielded &)> body) {
  if (region.empty())
    region.emplaceBlock();
  e.builder.setInsertionPointToEnd(&region.front());
  llvm::SmallVector<mlir::Value> yielded;
  if (!body(yielded))
    return false;
  YieldOp::create(e.builder, e.loc, yielded);
  return true;
}

/// Whether a number takes the unit: a bare one that of tokens and bytes, zero
/// any.
static bool adapts(const Value &value, const Unit &unit) {
  return value.is(Value::Kind::Number) && value.unit.isNone() &&
         (unit.counts() || value.number == 0);
}

/// How long what a budget counts stays counted, as written.
struct Elaborator::Budgets::Window {
  mlir::StringAttr zone;
  mlir::IntegerAttr length, slots, lease;
  mlir::FloatAttr warn;
};

/// The zone of a day or month; false after an error.
bool Elaborator::Budgets::readZone(const StringExpr &text, Window &window) {
  if (!isTimeZone(text.value)) {
    s.error(diag::badBudget, text.range, "'" + text.value + "' is no time zone")
        .suggest(text.value, timeZoneNames())
        .note("zones are those of the tz database, for example "
              "\"Europe/Berlin\"");
    return false;
  }
  window.zone = e.builder.getStringAttr(text.value);
  return true;
}

/// The length of a window, and of a sliding one how many parts: `60 s / 6`.
bool Elaborator::Budgets::readLength(const Expr &written, Window &window) {
  const Expr *time = &written;
  if (auto *parts = dyn_cast<ast::BinaryExpr>(time);
      parts && parts->op == ast::BinaryOp::Div) {
    auto count = s.constantSize(*parts->rhs, "the number of parts of a window");
    if (!count)
      return false;
    window.slots = e.builder.getI64IntegerAttr(*count);
    time = parts->lhs.get();
  }
  auto ns = s.nanoseconds(*time);
  if (!ns)
    return false;
  if (*ns < (window.slots ? window.slots.getInt() : 1)) {
    s.error(diag::badBudget, written.range,
            window.slots ? "the parts of this window are shorter than 1 ns"
                         : "a window is longer than 0 s");
    return false;
  }
  window.length = e.builder.getI64IntegerAttr(*ns);
  return true;
}

/// The share of its limit from which a budget gives alarm.
bool Elaborator::Budgets::readWarning(const Expr &written, Window &window) {
  auto share = s.evalConstant(written);
  if (!share)
    return false;
  if (!(*share > 0 && *share <= 1)) {
    auto message =
        s.error(diag::badBudget, written.range,
                "'warn' takes a share of the limit, above 0 and at most 100%");
    if (*share > 1 && *share <= 100)
      message.help("write " + s.sources.text(written.range) + "%");
    return false;
  }
  window.warn = e.builder.getF64FloatAttr(*share);
  return true;
}

bool Elaborator::Budgets::readWindow(const BudgetDecl &decl, Window &found) {
  StringRef window = decl.window.text;
  bool needsLength = window == "fixed" || window == "sliding",
       needsZone = window == "day" || window == "month";
  const Expr *written = decl.windowLength.get();
  if (auto *text = dyn_cast_or_null<StringExpr>(written); text && needsZone) {
    if (!readZone(*text, found))
      return false;
  } else if (written && needsLength && !readLength(*written, found)) {
    return false;
  }
  if ((needsZone && !found.zone) || (needsLength && !found.length) ||
      (!needsZone && !needsLength && written)) {
    s.error(diag::badBudget, decl.window.range,
            "window '" + window + "' takes " +
                (needsZone     ? "a time zone, for example \"UTC\""
                 : needsLength ? "a length, for example 60 s"
                               : "nothing more"));
    return false;
  }
  if (decl.lease) {
    auto ns = s.nanoseconds(*decl.lease);
    if (!ns)
      return false;
    found.lease = e.builder.getI64IntegerAttr(*ns);
  }
  return !decl.warn || readWarning(*decl.warn, found);
}

/// A region that computes what a budget reserves or allows.
bool Elaborator::Budgets::amount(const Expr &expr, mlir::Region &region,
                                 Value &value) {
  return yieldIn(region, [&](Yielded &yielded) {
    value = s.eval(expr);
    mlir::Value ir = s.asArray(value, expr.range, e.f64());
    if (!ir)
      return false;
    if (!isNumber(e.elementOf(ir))) {
      s.error(diag::typeMismatch, expr.range,
              "a budget counts quantities, found " + s.describe(value));
      return false;
    }
    yielded.push_back(e.cast(ir, e.f64()));
    return true;
  });
}

/// A caller must not choose the key that it is counted under.
bool Elaborator::Budgets::isTrusted(const BudgetDecl &decl, const Expr &key) {
  auto *name = dyn_cast<NameExpr>(ignoreParens(&key));
  if (!name)
    return true;
  const ColumnInfo *column = s.itemColumn(name->name).column;
  if (!column || column->trusted)
    return true;
  s.error(diag::untrustedKey, key.range,
          "budget '" + decl.name.text + "' keys on '" + column->name +
              "', which is not trusted")
      .label(column->range, "given by the caller")
      .help("declare it 'trusted " + column->name +
            "' if the service vouches for it");
  return false;
}

bool Elaborator::Budgets::keys(const BudgetDecl &decl, mlir::Region &region) {
  if (decl.per.empty())
    return true;
  return yieldIn(region, [&](Yielded &yielded) {
    for (const ExprPtr &key : decl.per) {
      if (!isTrusted(decl, *key))
        return false;
      mlir::Value ir = s.evalArray(*key);
      if (!ir)
        return false;
      yielded.push_back(ir);
    }
    return true;
  });
}

/// What constant amounts say by themselves.
bool Elaborator::Budgets::checkAmounts(const BudgetDecl &decl,
                                       const Value &reserve, const Value &limit,
                                       const Unit &unit) {
  if (reserve.is(Kind::Number) && reserve.number < 0) {
    s.error(diag::badBudget, decl.reserve->range,
            "a choice reserves nothing or more, not " +
                quantity(reserve.number, unit));
    return false;
  }
  if (limit.is(Kind::Number) && reserve.is(Kind::Number) &&
      reserve.number > limit.number) {
    s.error(diag::infeasibleBudget, decl.reserve->range,
            "budget '" + decl.name.text + "' reserves " +
                quantity(reserve.number, unit) + " a choice, but allows " +
                quantity(limit.number, unit))
        .label(decl.limit->range, "the limit");
    return false;
  }
  return true;
}

bool Elaborator::Budgets::elaborate(const BudgetDecl &decl, AxisInfo *pool) {
  if (!decl.reserve || !decl.limit || !decl.window)
    return false; // the parser has told what it lacks
  StringRef window = decl.window.text;
  std::vector<std::string> windows = {"call",  "batch",   "run", "held",
                                      "fixed", "sliding", "day", "month"};
  if (!llvm::is_contained(windows, window.str())) {
    s.error(diag::unknownName, decl.window.range,
            "unknown window '" + window + "'")
        .suggest(window, windows)
        .note("windows are " + llvm::join(windows, ", "));
    return false;
  }
  s.atModuleLevel();
  e.loc = s.locationOf(decl.name.range);
  ScopePtr own = s.scopeOf(decl.range.file);
  std::string symbol =
      s.freshSymbol(own ? s.symbolIn(*own, decl.name.text) : decl.name.text);
  Window found;
  if (!readWindow(decl, found))
    return false;
  auto op = BudgetOp::create(e.builder, e.loc, symbol, pool->symbol.getValue(),
                             window, found.zone, found.length, found.slots,
                             found.lease, found.warn, mlir::StringAttr(),
                             mlir::ArrayAttr());
  mlir::Operation *saved = s.topOp;
  s.topOp = op;
  ScopePtr inner = std::make_shared<Scope>(s.cx.scope);
  if (!s.cx.scope->lookup("m").first) // the row at hand, as budgets write it
    inner->bind("m", Value::ofAxis(Kind::Row, pool));
  s.cx.scope = inner;
  s.cx.candidate = pool;
  Value reserve, limit;
  bool good = amount(*decl.reserve, op.getReserve(), reserve) &&
              amount(*decl.limit, op.getLimit(), limit) &&
              keys(decl, op.getPer());
  Unit unit = adapts(reserve, limit.unit) ? limit.unit : reserve.unit;
  if (good && decl.charge)
    good = charge(op, decl, pool, unit);
  s.topOp = saved;
  if (good && unit != limit.unit && !adapts(limit, unit)) {
    auto message =
        s.error(diag::unitMismatch, decl.limit->range,
                "budget '" + decl.name.text + "' reserves in " + unit.str() +
                    " but its limit is in " + limit.unit.str());
    message.label(decl.reserve->range, unit.str());
    if (std::string help = s.missingUnit(limit, decl.limit->range, unit);
        !help.empty())
      message.help(help);
    good = false;
  }
  if (!good) {
    op.erase();
    return false;
  }
  if (!unit.isNone())
    op.setUnitAttr(e.builder.getStringAttr(unit.baseStr()));
  Known &budget = known[&decl];
  budget.symbol = mlir::FlatSymbolRefAttr::get(&s.context, symbol);
  budget.pool = pool;
  budget.unit = unit;
  return checkAmounts(decl, reserve, limit, unit);
}

/// What an answer is charged: a function of the row and of what it used.
bool Elaborator::Budgets::charge(BudgetOp op, const BudgetDecl &decl,
                                 AxisInfo *pool, Unit unit) {
  mlir::Block &block = op.getCharge().emplaceBlock();
  Context next = s.cx;
  next.scope = std::make_shared<Scope>(s.cx.scope);
  next.candidate = nullptr;
  mlir::Value row = block.addArgument(
      route::ArrayType::get(RefType::get(&s.context, pool->symbol)), e.loc);
  for (AxisInfo *item : s.outermostItems()) {
    mlir::Value position = block.addArgument(
        route::ArrayType::get(RefType::get(&s.context, item->symbol)), e.loc);
    next.frames.push_back(Frame{item, nullptr, position, 0});
  }
  Value usage = Value::group(Kind::Record, {}, {});
  usage.names = std::make_shared<std::vector<std::string>>();
  for (const auto &[name, field] : s.usageFields(pool)) {
    usage.parts->push_back(Value::array(
        block.addArgument(route::ArrayType::get(s.storageType(field)), e.loc),
        field.unit));
    usage.names->push_back(name);
  }
  op.setUsageAttr(
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(*usage.names)));
  Value member = Value::ofAxis(Kind::Row, pool, row);
  next.scope->bind("m", member);
  next.scope->bind("u", usage);
  return yieldIn(op.getCharge(), [&](Yielded &yielded) {
    Value value = s.inContext(next, [&]() -> Value {
      // `charge actual` with `let actual(m, u) = …`, or an expression of
      // both.
      if (auto *name = dyn_cast<NameExpr>(ignoreParens(decl.charge.get()))) {
        Value function = s.lookup(name->name);
        if (function.is(Kind::Function)) {
          std::vector<Value> args = {member, usage};
          args.resize(std::min<size_t>(args.size(),
                                       function.function->decl->params.size()));
          return s.callFunction(*function.function, args, decl.charge->range);
        }
        return function.isError() ? function
                                  : s.use(function, decl.charge->range);
      }
      return s.eval(*decl.charge);
    });
    mlir::Value ir = s.asArray(value, decl.charge->range, e.f64());
    if (!ir)
      return false;
    if (!isNumber(e.elementOf(ir)) || !e.typeOf(ir).isScalar()) {
      auto message = s.error(diag::typeMismatch, decl.charge->range,
                             "a charge is one quantity a call, found " +
                                 s.describe(value));
      message.note("'m' is the row that was called, 'u' what it used");
      auto *column = dyn_cast<MemberExpr>(ignoreParens(decl.charge.get()));
      if (column && plainName(column->base.get()) == pool->name)
        message.help("write 'm." + column->member.text +
                     "' for that of the row");
      return false;
    }
    if (value.unit != unit && !adapts(value, unit)) {
      s.error(diag::unitMismatch, decl.charge->range,
              "budget '" + decl.name.text + "' reserves in " + unit.str() +
                  " but charges in " + value.unit.str());
      return false;
    }
    yielded.push_back(e.cast(ir, e.f64()));
    return true;
  });
}

/// A budget that no choice is under counts rows of no pool yet. It is right
/// where it would be for one of them.
void Elaborator::Budgets::check(const BudgetDecl &decl) {
  if (known.count(&decl))
    return;
  std::vector<AxisInfo *> all;
  for (PoolInfo &pool : s.pools)
    all.push_back(pool.axis);
  if (all.empty())
    return;
  auto fits = [&](AxisInfo *pool, bool quiet) {
    Context fresh;
    fresh.scope = s.root;
    fresh.candidate = pool;
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    bool silent = s.diags.setSilent(quiet);
    bool good =
        s.inContext(std::move(fresh), [&] { return elaborate(decl, pool); });
    s.diags.setSilent(silent);
    return good;
  };
  if (llvm::any_of(all, [&](AxisInfo *pool) { return fits(pool, true); }))
    return;
  AxisInfo *likely = s.poolOfEvents();
  fits(likely ? likely : all.front(), false);
}
