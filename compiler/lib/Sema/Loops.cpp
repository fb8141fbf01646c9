//===- Loops.cpp - The bounded loop
//----------------------------------------===//
//
// `for N` and `for x in POOL` with carried values. The number of iterations is
// known when the loop starts, so that nothing runs without a bound.
//
//===----------------------------------------------------------------------===//
#include "Elaborator.h"

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

Value Elaborator::evalFor(const ForExpr &expr) {
  if (isKept(*expr.domain))
    return keptLoop(expr);
  if (expr.binders.size() > 1)
    return severalNames(expr);
  if (expr.carry.empty() && !cx.handler)
    return fail(diag::idleValue, expr.range,
                "this loop carries nothing: nothing comes of it");
  mlir::Value count, order, sorted;
  AxisInfo *along = nullptr; // the plan whose rows are `sorted`
  AxisInfo *over = nullptr;
  std::optional<Frame> around;
  int64_t first = 0;
  auto *range = dyn_cast<ast::BinaryExpr>(ignoreParens(expr.domain.get()));
  if (range && range->op == ast::BinaryOp::Range) {
    auto from = evalConstant(*range->lhs), to = evalConstant(*range->rhs);
    if (!from || !to)
      return Value();
    if (*from != int64_t(*from) || *to != int64_t(*to) || *to < *from)
      return fail(diag::badSize, range->range,
                  "a range goes up from a whole number to another");
    first = int64_t(*from);
    count = e.constantInt(e.i64(), int64_t(*to) - first + 1);
  } else {
    Value domain = eval(*expr.domain);
    if (domain.isError())
      return domain;
    if (domain.is(Kind::Axis)) {
      over = domain.axis;
      // `for l in b.layers`: the layers of the row b.
      if (auto *inner = dyn_cast<MemberExpr>(ignoreParens(expr.domain.get()))) {
        Value base = eval(*inner->base);
        if (base.is(Kind::Row) && base.ir)
          around = Frame{base.axis, nullptr, base.ir, 0};
      }
    } else {
      count = asArray(domain, expr.domain->range, e.i64());
      if (!count)
        return Value();
      if (!e.typeOf(count).isScalar() || !isNumber(e.elementOf(count)) ||
          e.isRange(count) || !domain.unit.isNone())
        return fail(diag::typeMismatch, expr.domain->range,
                    "a loop runs a number of times or over a pool, found " +
                        describe(domain));
      count = e.cast(count, e.i64());
    }
  }
  if (expr.key) {
    if (!over)
      return fail(diag::badChoice, expr.key->range,
                  "'by' orders the rows of a pool");
    Context next = cx;
    next.candidate = over;
    llvm::SmallVector<mlir::Value> keys;
    llvm::SmallVector<bool> up;
    if (!inContext(std::move(next),
                   [&] { return evalKeys(*expr.key, keys, up); }))
      return Value();
    if (keys.size() == 1) {
      order = up[0] ? keys[0] : e.unary(UnaryKind::neg, keys[0]);
    } else {
      // Round by round the rows of a choice of all of them.
      along = planAxis({}, over, expr.domain->range);
      irgen::Emitter::Choice choice;
      choice.keys = keys;
      choice.up = up;
      makePlan(along, e.choose(ChoiceKind::all, along, choice).getResult(),
               Value());
      sorted = e.gather(e.iota(over, /*asRef=*/true), along);
      count = SizeOp::create(e.builder, e.loc, route::ArrayType::get(e.i64()),
                             over->symbol);
    }
  }

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
  auto loop = ForOp::create(
      e.builder, e.loc, types, count, order,
      over && !sorted ? over->symbol : mlir::FlatSymbolRefAttr(), initial);
  mlir::Block &block = loop.getBody().emplaceBlock();
  mlir::Type index = over && !sorted
                         ? mlir::Type(RefType::get(&context, over->symbol))
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
    if (around)
      next.frames.push_back(*around);
    if (sorted)
      iteration = e.pick(sorted, along, iteration);
    if (!expr.binders.empty()) {
      Value binder = over ? Value::ofAxis(Kind::Row, over, iteration)
                          : Value::array(iteration);
      if (first != 0)
        binder.ir =
            e.binary(BinaryKind::add, iteration, e.constantInt(e.i64(), first));
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
    good = inContext(std::move(next), [&] {
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
        yielded.push_back(scope->entries[binding.name.text].value.ir);
      for (auto [value, type] : llvm::zip(llvm::drop_begin(yielded), types))
        if (value.getType() != type) {
          error(diag::carryMismatch, expr.range,
                "a carried value that is unknown must start as one");
          return false;
        }
      YieldOp::create(e.builder, e.loc, yielded);
      return true;
    });
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
