// The bounded loop.
// `for N` and `for x in POOL` with carried values. The number of iterations is
// known when the loop starts, so that nothing runs without a bound.
#include "Elaborator.h"
#include "Unsigned.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::isKept(const Expr &domain) const {
  auto *member = dyn_cast<MemberExpr>(ignoreParens(&domain));
  return member && member->member.text == "kept" &&
         plainName(member->base.get()) == "run" &&
         !cx.scope->lookup("run").first;
}

Value Elaborator::severalNames(const ForExpr &expr) {
  error(diag::argumentMismatch, expr.binders[1].range,
        "a loop names one thing, its round or row")
      .note("only an entry of 'run.kept' has several values");
  return Value();
}

/// What a loop goes through.
struct Elaborator::LoopRounds {
  mlir::Value count;           // how many, where it is no pool
  AxisInfo *over = nullptr;    // the pool
  mlir::Value order;           // its key, the least first
  AxisInfo *along = nullptr;   // the plan of all its rows in order, and
  mlir::Value sorted;          // these rows, where there are several keys
  std::optional<Frame> around; // the row that the pool lies in
  int64_t first = 0;           // where the numbers begin
};

/// A loop runs as often as an axis may be long. False after an error.
bool Elaborator::mayRun(double rounds, SourceRange range) {
  if (rounds <= double(int64_t(1) << 40))
    return true;
  error(diag::badSize, range, "a loop runs at most 2^40 times");
  return false;
}

/// The domain: a range, a number, a pool, or the pool in a row.
bool Elaborator::loopDomain(const ForExpr &expr, LoopRounds &rounds) {
  auto *range = dyn_cast<ast::BinaryExpr>(ignoreParens(expr.domain.get()));
  if (range && range->op == ast::BinaryOp::Range) {
    auto from = evalConstant(*range->lhs), to = evalConstant(*range->rhs);
    if (!from || !to)
      return false;
    auto whole = [](double end) { // exact, as constants fold in f64
      return std::fabs(end) <= double(int64_t(1) << 53) &&
             end == std::trunc(end);
    };
    if (!whole(*from) || !whole(*to) || *to < *from) {
      error(diag::badSize, range->range,
            "a range goes up from a whole number to another")
          .note("neither end is beyond 2^53");
      return false;
    }
    if (!mayRun(*to - *from + 1, range->range))
      return false;
    rounds.first = int64_t(*from);
    rounds.count = e.constantInt(e.i64(), int64_t(*to) - rounds.first + 1);
    return true;
  }
  Value domain = eval(*expr.domain);
  if (domain.isError())
    return false;
  if (domain.is(Kind::Axis)) {
    rounds.over = domain.axis;
    // `for l in b.layers`: the layers of the row b.
    if (auto *inner = dyn_cast<MemberExpr>(ignoreParens(expr.domain.get()))) {
      Value base = eval(*inner->base);
      if (base.is(Kind::Row) && base.ir)
        rounds.around = Frame{base.axis, nullptr, base.ir, 0};
    }
    return true;
  }
  if (domain.is(Kind::Plan)) {
    auto message =
        error(diag::wrongKind, expr.domain->range,
              "a loop runs a number of times or over a pool, found " +
                  describe(domain));
    std::string rows = domain.axis->candidates()->name;
    if (cx.handler)
      message
          .note("a handler is about all items at once, and each has rows of "
                "its own")
          .help("write sums over the plan, as in n += count(" +
                sources.text(expr.domain->range) + " per " + rows + ")");
    else
      message.help("loop over the pool, and ask inside: row in " +
                   sources.text(expr.domain->range));
    return false;
  }
  if (domain.is(Kind::Number) && !mayRun(domain.number, expr.domain->range))
    return false;
  mlir::Value count = asArray(domain, expr.domain->range, e.i64());
  if (!count)
    return false;
  if (!e.typeOf(count).isScalar() || !isNumber(e.elementOf(count)) ||
      e.isRange(count) || !domain.unit.isNone()) {
    error(diag::typeMismatch, expr.domain->range,
          "a loop runs a number of times or over a pool, found " +
              describe(domain));
    return false;
  }
  rounds.count = e.cast(count, e.i64());
  return true;
}

/// `by KEY`: the order in which the rows of the pool come.
bool Elaborator::loopOrder(const ForExpr &expr, LoopRounds &rounds) {
  if (!rounds.over) {
    error(diag::badChoice, expr.key->range, "'by' orders the rows of a pool");
    return false;
  }
  Context next = cx;
  next.candidate = rounds.over;
  llvm::SmallVector<mlir::Value> keys;
  llvm::SmallVector<bool> up;
  if (!inContext(std::move(next),
                 [&] { return evalKeys(*expr.key, keys, up); }))
    return false;
  if (keys.size() == 1 && !e.isRange(keys[0])) {
    rounds.order = up[0] ? keys[0] : reversed(e, keys[0]);
    return true;
  }
  // Round by round the rows of a choice of all of them, unknown keys last.
  rounds.along = planAxis({}, rounds.over, expr.domain->range);
  irgen::Emitter::Choice choice;
  choice.keys = keys;
  choice.up = up;
  makePlan(rounds.along,
           e.choose(ChoiceKind::all, rounds.along, choice).getResult(),
           Value());
  rounds.sorted = e.gather(e.iota(rounds.over, /*asRef=*/true), rounds.along);
  rounds.count = SizeOp::create(
      e.builder, e.loc, route::ArrayType::get(e.i64()), rounds.over->symbol);
  return true;
}

/// The statements of a round and what it hands on: whether it is the last, and
/// the carried values, whose types must stay.
bool Elaborator::emitRound(const ForExpr &expr, const Scope &scope,
                           llvm::ArrayRef<mlir::Type> types) {
  for (const StmtPtr &stmt : expr.body->stmts)
    if (!executeStmt(*stmt))
      return false;
  llvm::SmallVector<mlir::Value> yielded;
  mlir::Value stop =
      expr.until ? evalTruth(*expr.until) : e.constantInt(e.i1(), 0);
  if (!stop)
    return false;
  if (!e.typeOf(stop).isScalar()) {
    error(diag::typeMismatch, expr.until->range,
          "the condition after 'until' is one truth, found " +
              describe(Value::array(stop)))
        .help("reduce it with 'any' or 'all'");
    return false;
  }
  if (e.isRange(stop)) // an unknown does not stop the loop
    stop = e.coalesce(stop, e.constantInt(e.i1(), 0));
  yielded.push_back(stop);
  for (const Binding &binding : expr.carry)
    yielded.push_back(scope.entries.find(binding.name.text)->second.value.ir);
  for (auto [value, type] : llvm::zip(llvm::drop_begin(yielded), types))
    if (value.getType() != type) {
      error(diag::carryMismatch, expr.range,
            "a carried value that is unknown must start as one");
      return false;
    }
  YieldOp::create(e.builder, e.loc, yielded);
  return true;
}

Value Elaborator::evalFor(const ForExpr &expr) {
  if (isKept(*expr.domain))
    return keptLoop(expr);
  if (expr.binders.size() > 1)
    return severalNames(expr);
  if (expr.carry.empty() && !cx.handler) {
    error(diag::idleValue, expr.range,
          "this loop carries nothing: nothing comes of it")
        .help("say what its rounds change: for … carry (y = x) { y = … }");
    return Value();
  }
  LoopRounds rounds;
  if (!loopDomain(expr, rounds) || (expr.key && !loopOrder(expr, rounds)))
    return Value();
  llvm::SmallVector<mlir::Value> initial;
  std::vector<Value> starts;
  for (const Binding &binding : expr.carry) {
    Value value = eval(*binding.value);
    mlir::Value ir = asArray(value, binding.value->range, e.f32());
    if (!ir)
      return Value();
    // Written types round, carrying does not.
    ir = e.computing(ir);
    starts.push_back(Value::array(ir, value.unit));
    initial.push_back(ir);
  }
  llvm::SmallVector<mlir::Type> types(mlir::ValueRange(initial).getTypes());
  auto loop =
      ForOp::create(e.builder, e.loc, types, rounds.count, rounds.order,
                    rounds.over && !rounds.sorted ? rounds.over->symbol
                                                  : mlir::FlatSymbolRefAttr(),
                    initial);
  mlir::Block &block = loop.getBody().emplaceBlock();
  mlir::Type index =
      rounds.over && !rounds.sorted
          ? mlir::Type(RefType::get(&context, rounds.over->symbol))
          : mlir::Type(e.i64());
  mlir::Value iteration =
      block.addArgument(route::ArrayType::get(index), e.loc);
  llvm::StringMap<Value> old;
  bool good = false;
  {
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToStart(&block);
    Context next = cx;
    next.scope = std::make_shared<Scope>(cx.scope);
    next.returns = nullptr;
    if (rounds.around)
      next.frames.push_back(*rounds.around);
    if (rounds.sorted)
      iteration = e.pick(rounds.sorted, rounds.along, iteration);
    if (!expr.binders.empty()) {
      Value binder = rounds.over
                         ? Value::ofAxis(Kind::Row, rounds.over, iteration)
                         : Value::array(iteration);
      if (rounds.first != 0)
        binder.ir = e.binary(BinaryKind::add, iteration,
                             e.constantInt(e.i64(), rounds.first));
      next.scope->bind(expr.binders[0].text, binder, expr.binders[0].range);
    }
    for (size_t i = 0; i < expr.carry.size(); ++i) {
      Value value =
          Value::array(block.addArgument(types[i], e.loc), starts[i].unit);
      old[expr.carry[i].name.text] = value;
      next.scope->bind(expr.carry[i].name.text, value,
                       expr.carry[i].name.range);
    }
    next.old = &old;
    next.carried = &old;
    ScopePtr scope = next.scope;
    good = inContext(std::move(next),
                     [&] { return emitRound(expr, *scope, types); });
  }
  if (!good) {
    loop.erase();
    return Value();
  }
  std::vector<Value> results;
  for (size_t i = 0; i < starts.size(); ++i)
    results.push_back(Value::array(loop.getResult(i), starts[i].unit));
  return results.size() == 1 ? results.front()
                             : Value::group(Kind::Tuple, std::move(results));
}
