// Budgets as constraints.
// One form for all: what a choice reserves, what an answer is charged, per
// which keys, in which window, up to which limit. What can be proved is proved
// here.
#include "Elaborator.h"
#include "route/Time/TimeZone.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

mlir::FlatSymbolRefAttr Elaborator::budgetSymbol(const Name &name,
                                                 SourceRange call) {
  auto [entry, scope] = cx.scope->lookup(name.text);
  auto *decl =
      entry && entry->pending ? dyn_cast<BudgetDecl>(entry->pending) : nullptr;
  if (!decl) {
    std::vector<std::string> names;
    for (const Scope *at = cx.scope.get(); at; at = at->parent.get())
      for (auto &[known, declared] : at->entries)
        if (dyn_cast_or_null<BudgetDecl>(declared.pending))
          names.push_back(known);
    if (!entry)
      unknownName(name, "budget", names);
    else
      error(diag::wrongKind, name.range, "'" + name.text + "' is no budget");
    return {};
  }
  if (!cx.candidate || cx.candidate->isPlan()) {
    error(diag::badChoice, name.range, "a budget binds a choice from a pool");
    return {};
  }
  auto &symbol = budgets[decl];
  if (symbol && budgetPools[decl] != cx.candidate) {
    auto message = error(diag::badBudget, call ? call : name.range,
                         "budget '" + name.text + "' counts rows of '" +
                             budgetPools[decl]->name + "', and this " +
                             (call ? "call is of" : "choice is from") + " '" +
                             cx.candidate->name + "'");
    if (call)
      message.label(name.range, "the route is under it");
    message.label(decl->name.range, "declared here")
        .note("what a budget reserves is reckoned from the columns of one pool")
        .help("declare a budget for each pool");
    return {};
  }
  if (!symbol && !brokenBudgets.count(decl)) {
    AxisInfo *pool = cx.candidate;
    Context fresh;
    fresh.scope = scope->shared_from_this();
    fresh.candidate = pool;
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    bool silent = diags.setSilent(false); // it happens only once
    bool good = inContext(std::move(fresh),
                          [&] { return elaborateBudget(*decl, pool); });
    diags.setSilent(silent);
    if (!good)
      brokenBudgets.insert(decl);
  }
  return symbol;
}

/// Runs `body` in a fresh region of the budget and ends it with what it yields.
bool Elaborator::budgetRegion(
    mlir::Region &region,
    llvm::function_ref<bool(llvm::SmallVectorImpl<mlir::Value> &)> body) {
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
struct Elaborator::BudgetWindow {
  mlir::StringAttr zone;
  mlir::IntegerAttr length, slots, lease;
  mlir::FloatAttr warn;
};

/// The zone of a day or month; false after an error.
bool Elaborator::budgetZone(const StringExpr &text, BudgetWindow &window) {
  if (!isTimeZone(text.value)) {
    error(diag::badBudget, text.range, "'" + text.value + "' is no time zone")
        .suggest(text.value, timeZoneNames())
        .note("zones are those of the tz database, for example "
              "\"Europe/Berlin\"");
    return false;
  }
  window.zone = e.builder.getStringAttr(text.value);
  return true;
}

/// The length of a window, and of a sliding one how many parts: `60 s / 6`.
bool Elaborator::budgetLength(const Expr &written, BudgetWindow &window) {
  const Expr *time = &written;
  if (auto *parts = dyn_cast<ast::BinaryExpr>(time);
      parts && parts->op == ast::BinaryOp::Div) {
    auto count = constantSize(*parts->rhs, "the number of parts of a window");
    if (!count)
      return false;
    window.slots = e.builder.getI64IntegerAttr(*count);
    time = parts->lhs.get();
  }
  auto ns = nanoseconds(*time);
  if (!ns)
    return false;
  if (*ns < (window.slots ? window.slots.getInt() : 1)) {
    error(diag::badBudget, written.range,
          window.slots ? "the parts of this window are shorter than 1 ns"
                       : "a window is longer than 0 s");
    return false;
  }
  window.length = e.builder.getI64IntegerAttr(*ns);
  return true;
}

/// The share of its limit from which a budget gives alarm.
bool Elaborator::budgetWarning(const Expr &written, BudgetWindow &window) {
  auto share = evalConstant(written);
  if (!share)
    return false;
  if (!(*share > 0 && *share <= 1)) {
    auto message =
        error(diag::badBudget, written.range,
              "'warn' takes a share of the limit, above 0 and at most 100%");
    if (*share > 1 && *share <= 100)
      message.help("write " + sources.text(written.range) + "%");
    return false;
  }
  window.warn = e.builder.getF64FloatAttr(*share);
  return true;
}

bool Elaborator::budgetWindow(const BudgetDecl &decl, BudgetWindow &found) {
  StringRef window = decl.window.text;
  bool needsLength = window == "fixed" || window == "sliding",
       needsZone = window == "day" || window == "month";
  const Expr *written = decl.windowLength.get();
  if (auto *text = dyn_cast_or_null<StringExpr>(written); text && needsZone) {
    if (!budgetZone(*text, found))
      return false;
  } else if (written && needsLength && !budgetLength(*written, found)) {
    return false;
  }
  if ((needsZone && !found.zone) || (needsLength && !found.length) ||
      (!needsZone && !needsLength && written)) {
    error(diag::badBudget, decl.window.range,
          "window '" + window + "' takes " +
              (needsZone     ? "a time zone, for example \"UTC\""
               : needsLength ? "a length, for example 60 s"
                             : "nothing more"));
    return false;
  }
  if (decl.lease) {
    auto ns = nanoseconds(*decl.lease);
    if (!ns)
      return false;
    found.lease = e.builder.getI64IntegerAttr(*ns);
  }
  return !decl.warn || budgetWarning(*decl.warn, found);
}

/// A region that computes what a budget reserves or allows.
bool Elaborator::budgetAmount(const Expr &expr, mlir::Region &region,
                              Value &value) {
  return budgetRegion(region, [&](llvm::SmallVectorImpl<mlir::Value> &yielded) {
    value = eval(expr);
    mlir::Value ir = asArray(value, expr.range, e.f64());
    if (!ir)
      return false;
    if (!isNumber(e.elementOf(ir))) {
      error(diag::typeMismatch, expr.range,
            "a budget counts quantities, found " + describe(value));
      return false;
    }
    yielded.push_back(e.cast(ir, e.f64()));
    return true;
  });
}

/// A caller must not choose the key that it is counted under.
bool Elaborator::isTrusted(const BudgetDecl &decl, const Expr &key) {
  auto *name = dyn_cast<NameExpr>(ignoreParens(&key));
  if (!name)
    return true;
  for (AxisInfo *axis : itemAxes)
    if (const ColumnInfo *column = axis->findColumn(name->name.text);
        column && !column->trusted) {
      error(diag::untrustedKey, key.range,
            "budget '" + decl.name.text + "' keys on '" + column->name +
                "', which is not trusted")
          .label(column->range, "given by the caller")
          .help("declare it 'trusted " + column->name +
                "' if the service vouches for it");
      return false;
    }
  return true;
}

bool Elaborator::budgetKeys(const BudgetDecl &decl, mlir::Region &region) {
  if (decl.per.empty())
    return true;
  return budgetRegion(region, [&](llvm::SmallVectorImpl<mlir::Value> &yielded) {
    for (const ExprPtr &key : decl.per) {
      if (!isTrusted(decl, *key))
        return false;
      mlir::Value ir = evalArray(*key);
      if (!ir)
        return false;
      yielded.push_back(ir);
    }
    return true;
  });
}

/// What constant amounts say by themselves.
bool Elaborator::checkAmounts(const BudgetDecl &decl, const Value &reserve,
                              const Value &limit, const Unit &unit) {
  if (reserve.is(Kind::Number) && reserve.number < 0) {
    error(diag::badBudget, decl.reserve->range,
          "a choice reserves nothing or more, not " +
              quantity(reserve.number, unit));
    return false;
  }
  if (limit.is(Kind::Number) && reserve.is(Kind::Number) &&
      reserve.number > limit.number) {
    error(diag::infeasibleBudget, decl.reserve->range,
          "budget '" + decl.name.text + "' reserves " +
              quantity(reserve.number, unit) + " a choice, but allows " +
              quantity(limit.number, unit))
        .label(decl.limit->range, "the limit");
    return false;
  }
  return true;
}

bool Elaborator::elaborateBudget(const BudgetDecl &decl, AxisInfo *pool) {
  if (!decl.reserve || !decl.limit || !decl.window)
    return false; // the parser has told what it lacks
  StringRef window = decl.window.text;
  std::vector<std::string> windows = {"call",  "batch",   "run", "held",
                                      "fixed", "sliding", "day", "month"};
  if (!llvm::is_contained(windows, window.str())) {
    error(diag::unknownName, decl.window.range,
          "unknown window '" + window + "'")
        .suggest(window, windows)
        .note("windows are " + llvm::join(windows, ", "));
    return false;
  }
  atModuleLevel();
  e.loc = locationOf(decl.name.range);
  auto symbol = freshSymbol(decl.name.text);
  BudgetWindow found;
  if (!budgetWindow(decl, found))
    return false;
  auto op = BudgetOp::create(e.builder, e.loc, symbol, pool->symbol.getValue(),
                             window, found.zone, found.length, found.slots,
                             found.lease, found.warn, mlir::StringAttr(),
                             mlir::ArrayAttr());
  mlir::Operation *saved = topOp;
  topOp = op;
  ScopePtr inner = std::make_shared<Scope>(cx.scope);
  if (!cx.scope->lookup("m").first) // the row at hand, as budgets write it
    inner->bind("m", Value::ofAxis(Kind::Row, pool));
  cx.scope = inner;
  cx.candidate = pool;
  Value reserve, limit;
  bool good = budgetAmount(*decl.reserve, op.getReserve(), reserve) &&
              budgetAmount(*decl.limit, op.getLimit(), limit) &&
              budgetKeys(decl, op.getPer());
  Unit unit = adapts(reserve, limit.unit) ? limit.unit : reserve.unit;
  if (good && decl.charge)
    good = chargeRegion(op, decl, pool, unit);
  topOp = saved;
  if (good && unit != limit.unit && !adapts(limit, unit)) {
    error(diag::unitMismatch, decl.limit->range,
          "budget '" + decl.name.text + "' reserves in " + unit.str() +
              " but its limit is in " + limit.unit.str())
        .label(decl.reserve->range, unit.str());
    good = false;
  }
  if (!good) {
    op.erase();
    return false;
  }
  if (!unit.isNone())
    op.setUnitAttr(e.builder.getStringAttr(unit.baseStr()));
  budgets[&decl] = mlir::FlatSymbolRefAttr::get(&context, symbol);
  budgetPools[&decl] = pool;
  budgetUnits[&decl] = unit;
  return checkAmounts(decl, reserve, limit, unit);
}

/// What was used: the single values that the answers of all bodies have.
std::vector<std::pair<std::string, TypeInfo>>
Elaborator::usageFields(AxisInfo *pool) {
  std::vector<std::pair<const BodyDecl *, ScopePtr>> bodies;
  auto add = [&](const PoolInfo *of) {
    if (of)
      for (const auto &body : of->bodies())
        bodies.push_back({body.get(), of->scope});
  };
  add(pool->pool);
  if (pool->pool)
    for (const PoolInfo::Part &part : pool->pool->parts)
      if (!part.skipped)
        add(part.axis->pool);
  std::vector<std::pair<std::string, TypeInfo>> fields;
  if (bodies.empty())
    return fields;
  auto fieldOf = [&](const std::pair<const BodyDecl *, ScopePtr> &body,
                     StringRef name) -> std::optional<TypeInfo> {
    if (!body.first->result)
      return std::nullopt;
    TypeInfo type = answerType(*body.first->result, body.second, "");
    for (size_t i = 0; i < type.elements.size() && i < type.names.size(); ++i)
      if (type.names[i] == name &&
          type.elements[i].kind == TypeInfo::Kind::Array &&
          type.elements[i].axes.empty())
        return type.elements[i];
    return std::nullopt;
  };
  if (!bodies.front().first->result)
    return fields;
  TypeInfo first =
      answerType(*bodies.front().first->result, bodies.front().second, "");
  for (const std::string &name : first.names) {
    auto field = fieldOf(bodies.front(), name);
    if (field && llvm::all_of(bodies, [&](const auto &body) {
          auto other = fieldOf(body, name);
          return other && other->element == field->element &&
                 other->unit == field->unit;
        }))
      fields.push_back({name, *field});
  }
  return fields;
}

/// What an answer is charged: a function of the row and of what it used.
bool Elaborator::chargeRegion(BudgetOp op, const BudgetDecl &decl,
                              AxisInfo *pool, Unit unit) {
  mlir::Block &block = op.getCharge().emplaceBlock();
  Context next = cx;
  next.scope = std::make_shared<Scope>(cx.scope);
  next.candidate = nullptr;
  mlir::Value row = block.addArgument(
      route::ArrayType::get(RefType::get(&context, pool->symbol)), e.loc);
  for (AxisInfo *item : outermostItems()) {
    mlir::Value position = block.addArgument(
        route::ArrayType::get(RefType::get(&context, item->symbol)), e.loc);
    next.frames.push_back(Frame{item, nullptr, position, 0});
  }
  Value usage = Value::group(Kind::Record, {}, {});
  usage.names = std::make_shared<std::vector<std::string>>();
  for (const auto &[name, field] : usageFields(pool)) {
    usage.parts->push_back(Value::array(
        block.addArgument(route::ArrayType::get(storageType(field)), e.loc),
        field.unit));
    usage.names->push_back(name);
  }
  op.setUsageAttr(
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(*usage.names)));
  Value member = Value::ofAxis(Kind::Row, pool, row);
  next.scope->bind("m", member);
  next.scope->bind("u", usage);
  return budgetRegion(
      op.getCharge(), [&](llvm::SmallVectorImpl<mlir::Value> &yielded) {
        Value value = inContext(next, [&]() -> Value {
          // `charge actual` with `let actual(m, u) = …`, or an expression of
          // both.
          if (auto *name =
                  dyn_cast<NameExpr>(ignoreParens(decl.charge.get()))) {
            Value function = lookup(name->name);
            if (function.is(Kind::Function)) {
              std::vector<Value> args = {member, usage};
              args.resize(std::min<size_t>(
                  args.size(), function.function->decl->params.size()));
              return callFunction(*function.function, args, decl.charge->range);
            }
            return function.isError() ? function
                                      : use(function, decl.charge->range);
          }
          return eval(*decl.charge);
        });
        mlir::Value ir = asArray(value, decl.charge->range, e.f64());
        if (!ir)
          return false;
        if (!isNumber(e.elementOf(ir)) || !e.typeOf(ir).isScalar()) {
          auto message = error(diag::typeMismatch, decl.charge->range,
                               "a charge is one quantity a call, found " +
                                   describe(value));
          message.note("'m' is the row that was called, 'u' what it used");
          auto *column = dyn_cast<MemberExpr>(ignoreParens(decl.charge.get()));
          if (column && plainName(column->base.get()) == pool->name)
            message.help("write 'm." + column->member.text +
                         "' for that of the row");
          return false;
        }
        if (value.unit != unit && !adapts(value, unit)) {
          error(diag::unitMismatch, decl.charge->range,
                "budget '" + decl.name.text + "' reserves in " + unit.str() +
                    " but charges in " + value.unit.str());
          return false;
        }
        yielded.push_back(e.cast(ir, e.f64()));
        return true;
      });
}
