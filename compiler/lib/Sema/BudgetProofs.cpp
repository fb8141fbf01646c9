// Budgets that a row can never meet.
// The least that a row reserves, from its constants and from what conditions
// say of the items, against the most that the limit may be. Tokens and bytes
// that a caller gives are never below zero: calls are checked for it.
#include "Budgets.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <limits>

using namespace route;
using namespace route::sema;
using namespace route::ast;

static constexpr double inf = std::numeric_limits<double>::infinity();

std::string route::sema::quantity(double value, const Unit &unit) {
  bool money = unit == Unit::of(Unit::Money);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (double cents = value / picodollars * 100;
      money && std::fmod(std::round(cents), 100) != 0 &&
      std::fabs(cents - std::round(cents)) < 1e-9 * std::fabs(cents))
    os << '$' << llvm::format("%.2f", cents / 100); // $0.10
  else
    os << (money ? "$" : "")
       << llvm::format("%g", money ? value / picodollars : value);
  if (!money && !unit.isNone())
    os << ' ' << unit.str();
  return text;
}

namespace {
/// The values that a number may take.
struct Interval {
  double lo = -inf, hi = inf;
  static Interval of(double value) { return {value, value}; }
};

/// What an expression over items and one row of a pool may be.
class Bounds {
public:
  Bounds(mlir::ModuleOp module, AxisInfo *pool, int64_t row,
         const BudgetFacts &facts)
      : module(module), pool(pool), row(row), facts(facts) {}

  Interval of(mlir::Value value) {
    auto found = known.find(value);
    if (found != known.end())
      return found->second;
    if (++depth > 200)
      return {};
    Interval result = evaluate(value);
    --depth;
    if (std::isnan(result.lo) || std::isnan(result.hi))
      result = {};
    return known[value] = result;
  }

private:
  Interval evaluate(mlir::Value value);
  Interval read(mlir::SymbolRefAttr symbol);
  Interval constant(ConstantOp op);
  Interval binary(route::BinaryOp op);

  mlir::ModuleOp module;
  AxisInfo *pool;
  int64_t row;
  const BudgetFacts &facts;
  llvm::DenseMap<mlir::Value, Interval> known;
  unsigned depth = 0;
};
} // namespace

static std::optional<double> numberIn(mlir::Attribute attr) {
  if (auto number = dyn_cast<mlir::FloatAttr>(attr))
    return number.getValueAsDouble();
  if (auto number = dyn_cast<mlir::IntegerAttr>(attr))
    return double(number.getValue().getSExtValue());
  return std::nullopt;
}

/// Element `index` of a dense constant along one axis.
static std::optional<double> elementAt(mlir::Attribute value, int64_t index) {
  auto dense = dyn_cast_or_null<mlir::DenseElementsAttr>(value);
  if (!dense || index < 0 || index >= dense.getNumElements())
    return std::nullopt;
  return numberIn(dense.getValues<mlir::Attribute>()[index]);
}

Interval Bounds::constant(ConstantOp op) {
  if (auto number = numberIn(op.getValue()))
    return Interval::of(*number);
  auto type = mlir::cast<route::ArrayType>(op.getType());
  if (type.getAxes().size() == 1 && type.hasAxis(pool->symbol))
    if (auto number = elementAt(op.getValue(), row))
      return Interval::of(*number);
  return {};
}

/// True for units of things that are counted.
static bool neverNegative(std::optional<llvm::StringRef> unit) {
  return unit && (*unit == "tok" || *unit == "B");
}

Interval Bounds::read(mlir::SymbolRefAttr symbol) {
  Interval result;
  mlir::Operation *target = mlir::SymbolTable::lookupSymbolIn(module, symbol);
  if (auto column = llvm::dyn_cast_or_null<ColumnOp>(target)) {
    auto axis = mlir::cast<AxisOp>(column->getParentOp());
    if (column.getKind() == ColumnKind::constant) {
      if (axis.getSymName() == pool->symbol.getValue() && column.getValue())
        if (auto number = elementAt(*column.getValue(), row))
          return Interval::of(*number);
      return {};
    }
    if (column.getKind() == ColumnKind::input &&
        neverNegative(column.getUnit()))
      result.lo = 0;
  } else if (auto signal = llvm::dyn_cast_or_null<SignalOp>(target)) {
    if (!signal.getBody().empty() && !signal.getHost())
      result = of(signal.getBody().front().getTerminator()->getOperand(0));
    else if (!signal.getHost() && neverNegative(signal.getUnit()))
      result.lo = 0;
  }
  if (auto fact = facts.find(symbol); fact != facts.end()) {
    result.lo = std::max(result.lo, fact->second.lo);
    result.hi = std::min(result.hi, fact->second.hi);
  }
  return result;
}

Interval Bounds::binary(route::BinaryOp op) {
  Interval a = of(op.getLhs()), b = of(op.getRhs());
  auto corners = [&](auto fn) {
    Interval result{inf, -inf};
    for (double x : {a.lo, a.hi})
      for (double y : {b.lo, b.hi}) {
        double c = fn(x, y);
        result.lo = std::min(result.lo, c);
        result.hi = std::max(result.hi, c);
        if (std::isnan(c))
          return Interval();
      }
    return result;
  };
  switch (op.getKind()) {
  case BinaryKind::add:
    return {a.lo + b.lo, a.hi + b.hi};
  case BinaryKind::sub:
    return {a.lo - b.hi, a.hi - b.lo};
  case BinaryKind::mul: // an end at infinity stands for finite values
    return corners(
        [](double x, double y) { return x == 0 || y == 0 ? 0.0 : x * y; });
  case BinaryKind::div:
    if (b.lo <= 0 && b.hi >= 0)
      return {};
    return corners([](double x, double y) {
      return x == 0 || std::isinf(y) ? (std::isinf(x) ? NAN : 0.0) : x / y;
    });
  case BinaryKind::min:
    return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
  case BinaryKind::max:
    return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  default:
    return {};
  }
}

Interval Bounds::evaluate(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  auto hull = [&](mlir::Value x, mlir::Value y) {
    Interval a = of(x), b = of(y);
    return Interval{std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
  };
  if (auto constantOp = dyn_cast<ConstantOp>(op))
    return constant(constantOp);
  if (auto get = dyn_cast<GetOp>(op))
    return read(get.getSymbol());
  if (auto binaryOp = dyn_cast<route::BinaryOp>(op))
    return binary(binaryOp);
  if (auto select = dyn_cast<SelectOp>(op))
    return hull(select.getIfTrue(), select.getIfFalse());
  if (auto coalesce = dyn_cast<CoalesceOp>(op))
    return hull(coalesce.getLhs(), coalesce.getRhs());
  if (isa<CastOp, BroadcastOp>(op)) {
    mlir::Type from =
        getValueType(mlir::cast<route::ArrayType>(op->getOperand(0).getType())
                         .getElementType());
    bool number = isNumber(from) || from.isInteger(1);
    return number ? of(op->getOperand(0)) : Interval();
  }
  if (auto text = dyn_cast<TextFnOp>(op)) {
    bool truth = mlir::cast<route::ArrayType>(text.getType())
                     .getElementType()
                     .isInteger(1);
    return {0, truth ? 1 : inf}; // counts, shares and truths
  }
  if (auto unary = dyn_cast<route::UnaryOp>(op)) {
    Interval a = of(unary.getOperand());
    switch (unary.getKind()) {
    case UnaryKind::neg:
      return {-a.hi, -a.lo};
    case UnaryKind::relu:
      return {std::max(a.lo, 0.0), std::max(a.hi, 0.0)};
    case UnaryKind::floor:
      return {std::floor(a.lo), std::floor(a.hi)};
    case UnaryKind::ceil:
      return {std::ceil(a.lo), std::ceil(a.hi)};
    case UnaryKind::abs:
      return {a.lo > 0   ? a.lo
              : a.hi < 0 ? -a.hi
                         : 0,
              std::max(std::fabs(a.lo), std::fabs(a.hi))};
    default:
      return {};
    }
  }
  return {};
}

/// The signal or column of the items that a plain name is, or null.
mlir::SymbolRefAttr Elaborator::Budgets::itemSymbol(const Expr &expr,
                                                    Unit &unit) {
  auto *name = dyn_cast<NameExpr>(ignoreParens(&expr));
  if (!name || (s.cx.candidate && s.cx.candidate->findColumn(name->name.text)))
    return {};
  auto [entry, scope] = s.cx.scope->lookup(name->name.text);
  if (entry) {
    if (entry->pending && !isa<SignalDecl>(entry->pending))
      return {};
    Value value = s.resolve(*entry, *scope, name->name.range);
    bool plain = value.is(Kind::Storage) && !value.storage->threshold &&
                 value.storage->kind == Storage::Kind::Signal;
    if (plain)
      unit = value.storage->unit;
    return plain ? value.storage->symbol : mlir::SymbolRefAttr();
  }
  const ColumnInfo *column = s.itemColumn(name->name).column;
  if (!column)
    return {};
  unit = column->unit;
  return column->symbol;
}

/// Adds what a condition that holds says of signals and columns: comparisons
/// with constants, joined by `and`.
void Elaborator::Budgets::addFacts(const Expr &condition, BudgetFacts &facts) {
  auto *binary = dyn_cast<ast::BinaryExpr>(ignoreParens(&condition));
  if (!binary)
    return;
  if (binary->op == ast::BinaryOp::And) {
    addFacts(*binary->lhs, facts);
    addFacts(*binary->rhs, facts);
    return;
  }
  using Op = ast::BinaryOp;
  bool less = binary->op == Op::Lt || binary->op == Op::Le,
       more = binary->op == Op::Gt || binary->op == Op::Ge;
  if (!less && !more && binary->op != Op::Eq)
    return;
  for (bool swapped : {false, true}) {
    const Expr &side = swapped ? *binary->rhs : *binary->lhs;
    const Expr &other = swapped ? *binary->lhs : *binary->rhs;
    Unit unit;
    mlir::SymbolRefAttr symbol = itemSymbol(side, unit);
    if (!symbol || !isa<NumberExpr>(ignoreParens(&other)))
      continue;
    Value bound = s.eval(other);
    if (!bound.is(Kind::Number) ||
        (bound.unit != unit && !(bound.unit.isNone() && unit.counts())))
      continue;
    BudgetFact &fact = facts[symbol];
    bool below = swapped ? less : more; // the constant is a lower bound
    if (binary->op == Op::Eq || below)
      if (bound.number > fact.lo) {
        fact.lo = bound.number;
        fact.range = binary->range;
        fact.name = plainName(ignoreParens(&side)).str();
        fact.unit = unit;
      }
    if (binary->op == Op::Eq || !below)
      fact.hi = std::min(fact.hi, bound.number);
  }
}

/// The most that every budget of `under` leaves below the least that the row
/// reserves; nothing where all may have room.
std::optional<Elaborator::Budgets::Shortage>
Elaborator::Budgets::shortageOf(llvm::ArrayRef<mlir::Attribute> under,
                                AxisInfo *pool, int64_t row,
                                const BudgetFacts &facts) {
  for (mlir::Attribute name : under) {
    auto op = s.module->lookupSymbol<BudgetOp>(
        mlir::cast<mlir::FlatSymbolRefAttr>(name).getAttr());
    const BudgetDecl *decl = nullptr;
    for (auto &[each, budget] : known)
      if (budget.symbol == name)
        decl = each;
    if (!op || !decl || op.getPool() != pool->symbol.getValue())
      continue;
    Bounds bounds(*s.module, pool, row, facts);
    auto yielded = [](mlir::Region &region) {
      return region.front().getTerminator()->getOperand(0);
    };
    double least = bounds.of(yielded(op.getReserve())).lo;
    double most = bounds.of(yielded(op.getLimit())).hi;
    if (least > most)
      return Shortage{decl, least, most};
  }
  return std::nullopt;
}

/// Reports members that a choice can never take under its budgets, given what
/// conditions say; `rows` are those that it may take.
bool Elaborator::Budgets::prove(llvm::ArrayRef<mlir::Attribute> under,
                                AxisInfo *pool, llvm::ArrayRef<int64_t> rows,
                                const BudgetFacts &facts, SourceRange place) {
  if (under.empty() || rows.empty() || !pool->pool || !pool->pool->decl)
    return true;
  const PoolDecl &decl = *pool->pool->decl;
  std::optional<Shortage> first;
  for (int64_t row : rows) {
    auto shortage = shortageOf(under, pool, row, facts);
    if (!shortage) // one of them may be taken
      return true;
    if (!first || shortage->least < first->least)
      first = shortage, first->row = row;
  }
  if (first->row >= int64_t(decl.members.size()) ||
      pool->labels.size() != decl.members.size())
    return true;
  const Unit unit = known[first->budget].unit;
  const Name &name = decl.members[first->row]->name;
  const Name &budget = first->budget->name;
  auto message = s.error(
      diag::infeasibleBudget, name.range,
      "'" + name.text + "' " +
          (unit == Unit::of(Unit::Money) ? "costs" : "takes") + " at least " +
          quantity(first->least, unit) + " a call, but budget '" + budget.text +
          "' allows " + quantity(first->most, unit));
  std::string why;
  for (auto &[symbol, fact] : facts) {
    if (fact.lo == -inf || !fact.range)
      continue;
    why += (why.empty() ? "at least " : ", at least ") +
           quantity(fact.lo, fact.unit) + " of '" + fact.name + "', by '" +
           s.sources.text(fact.range.file)
               .substr(fact.range.begin, fact.range.end - fact.range.begin)
               .str() +
           "'";
  }
  if (!why.empty())
    message.here(why);
  message.label(first->budget->limit->range, "the limit")
      .label(place, "chosen here");
  for (int64_t other = 0; other < int64_t(decl.members.size()); ++other)
    if (!shortageOf(under, pool, other, facts)) {
      message.help("did you mean '" + decl.members[other]->name.text + "'?");
      break;
    }
  return false;
}

/// All rows of a pool that lists its members.
std::vector<int64_t> Elaborator::Budgets::allRows(const AxisInfo &pool) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < int64_t(pool.labels.size()); ++row)
    rows.push_back(row);
  return rows;
}
