// Handlers of routers that loops run.
// What a loop decides in one round is gone behind it. So the loop carries what
// handlers need out, along an axis of its rounds: values as they are, the rows
// of a plan as a table. The handler runs round by round on what it reads there.
#include "Elaborator.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// More rows an item would make more ops than a handler is worth.
static constexpr int64_t mostKeptRows = 64;

/// How many rounds a loop has at most, or -1 where only the call knows.
static int64_t roundsOf(irgen::Emitter &e, ForOp loop) {
  if (auto axis = loop.getAxisAttr())
    return e.axisOf(axis)->size;
  auto count = loop.getCount().getDefiningOp<ConstantOp>();
  auto number = count ? dyn_cast<mlir::IntegerAttr>(count.getValue())
                      : mlir::IntegerAttr();
  return number ? std::max<int64_t>(number.getInt(), 0) : -1;
}

/// How many rows an item has at most, or -1 where only the call knows.
static int64_t rowsOf(irgen::Emitter &e, mlir::Value plan) {
  mlir::Operation *op = plan.getDefiningOp();
  if (!op)
    return -1;
  int64_t rows = 0;
  if (isa<FirstPlanOp, route::ConcatOp>(op)) {
    for (mlir::Value part : op->getOperands()) {
      if (!isa<PlanType>(part.getType()))
        continue;
      int64_t own = rowsOf(e, part);
      if (own < 0)
        return -1;
      rows = isa<FirstPlanOp>(op) ? std::max(rows, own) : rows + own;
    }
    return rows;
  }
  auto choose = dyn_cast<ChooseOp>(op);
  if (!choose || choose.getKind() == ChoiceKind::listed)
    return -1;
  rows = e.axisOf(choose.getCandidatesAttr())->size;
  if (!choose.getCount())
    return rows;
  auto count = choose.getCount().getDefiningOp<ConstantOp>();
  auto number = count ? dyn_cast<mlir::IntegerAttr>(count.getValue())
                      : mlir::IntegerAttr();
  if (!number)
    return rows;
  int64_t most = std::max<int64_t>(number.getInt(), 0);
  return rows < 0 ? most : std::min(rows, most);
}

bool Elaborator::cannotKeep(const PendingHandler &handler, StringRef why) {
  error(diag::handlerPlace, handler.decl->event.range,
        "this router decides in a loop, where its handler cannot be told of it")
      .note(why);
  return false;
}

/// A value along the rows of `plan` as a table of the items and places; false,
/// zero or no number that is less, where an item has fewer rows.
mlir::Value Elaborator::tableOf(mlir::Value value, AxisInfo *plan,
                                AxisInfo *place) {
  mlir::Type element = e.elementOf(value);
  bool truth = isTruth(element), floating = isa<mlir::FloatType>(element);
  // A sum would make +0 of -0.
  ReduceKind kind = truth      ? ReduceKind::any
                    : floating ? ReduceKind::max
                               : ReduceKind::sum;
  mlir::Value rank = RankOp::create(e.builder, e.loc,
                                    e.arrayType(e.i64(), {plan}), plan->plan);
  mlir::Value none =
      floating ? e.constant(element, -HUGE_VAL) : e.constantInt(element, 0);
  llvm::SmallVector<mlir::Value> places;
  for (int64_t i = 0; i < place->size; ++i) {
    mlir::Value here =
        e.compare(CompareKind::eq, rank, e.constantInt(e.i64(), i));
    places.push_back(e.broadcastTo(
        e.reduce(kind, e.select(here, value, none), plan->items()),
        plan->items()));
  }
  AxisList axes(plan->items());
  axes.push_back(place);
  return StackOp::create(e.builder, e.loc,
                         e.arrayType(e.elementOf(places.front()), axes), places,
                         place->symbol);
}

/// The rows of a table that `tableOf` made.
mlir::Value Elaborator::rowsOfTable(mlir::Value table, AxisInfo *plan,
                                    AxisInfo *place) {
  mlir::Value rank = RankOp::create(e.builder, e.loc,
                                    e.arrayType(e.i64(), {plan}), plan->plan);
  mlir::Value value;
  for (int64_t i = 0; i < place->size; ++i) {
    mlir::Value own =
        e.broadcastTo(e.pick(table, place, e.constantInt(e.i64(), i)), plan);
    value = value ? e.select(e.compare(CompareKind::eq, rank,
                                       e.constantInt(e.i64(), i)),
                             own, value)
                  : own;
  }
  return value;
}

/// Makes `loop` anew with `inside`, values of its body, carried out: each along
/// `rounds`. What was known by the old loop's results is renamed in `moved`.
void Elaborator::carryOut(ForOp loop, AxisInfo *rounds,
                          llvm::MutableArrayRef<mlir::Value> inside,
                          llvm::DenseMap<mlir::Value, mlir::Value> &moved) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPoint(loop);
  llvm::SmallVector<mlir::Value> carried(loop.getCarried());
  size_t own = carried.size();
  carried.push_back(e.constantInt(e.i64(), 0)); // the round
  std::vector<AxisList> axes;
  for (mlir::Value value : inside) {
    AxisList along = {rounds};
    llvm::append_range(along, e.axesOf(value));
    mlir::Type element = e.elementOf(value);
    mlir::Value zero = isa<mlir::FloatType>(element)
                           ? e.constant(element, 0)
                           : e.constantInt(element, 0);
    carried.push_back(e.broadcastTo(zero, along));
    axes.push_back(std::move(along));
  }
  auto fresh = ForOp::create(
      e.builder, loop.getLoc(), mlir::ValueRange(carried).getTypes(),
      loop.getCount(), loop.getOrder(), loop.getAxisAttr(), carried);
  fresh.getBody().takeBody(loop.getBody());
  mlir::Block &body = fresh.getBody().front();
  mlir::Operation *yield = body.getTerminator();
  e.builder.setInsertionPoint(yield);
  mlir::Value round = body.addArgument(carried[own].getType(), loop.getLoc());
  llvm::SmallVector<mlir::Value> next(yield->getOperands());
  next.push_back(e.binary(BinaryKind::add, round, e.constantInt(e.i64(), 1)));
  mlir::Value here =
      e.compare(CompareKind::eq, e.iota(rounds, /*asRef=*/false), round);
  for (auto [i, value] : llvm::enumerate(inside)) {
    mlir::Value before =
        body.addArgument(carried[own + 1 + i].getType(), loop.getLoc());
    next.push_back(e.broadcastTo(e.select(here, value, before), axes[i]));
  }
  yield->setOperands(next);
  for (size_t i = 0; i < own; ++i) {
    moved[loop.getResult(i)] = fresh.getResult(i);
    loop.getResult(i).replaceAllUsesWith(fresh.getResult(i));
  }
  for (auto [i, value] : llvm::enumerate(inside))
    value = fresh.getResult(own + 1 + i);
  loop.erase();
}

/// What a handler needs of the loops around its router.
struct Elaborator::KeptRounds {
  llvm::SmallVector<ForOp> loops; // the innermost first
  std::vector<mlir::Value *> values;
  std::vector<std::pair<mlir::Value *, AxisInfo *>> alongRows;
};

/// Finds the loops, and gives the handler an axis for the rounds of each.
bool Elaborator::findRounds(PendingHandler &handler, KeptRounds &kept) {
  for (mlir::Operation *op = handler.block->getParentOp(); op != topOp;
       op = op->getParentOp()) {
    auto loop = dyn_cast<ForOp>(op);
    if (!loop)
      return cannotKeep(handler, "it is part of a key, an end or a condition");
    int64_t rounds = roundsOf(e, loop);
    if (rounds < 0)
      return cannotKeep(handler, "the number of rounds is not a constant");
    AxisInfo *axis =
        makeAxis("round", handler.router->decl->name.text + ".round",
                 AxisKind::index, handler.decl->event.range);
    axis->size = rounds;
    emitAxis(*axis);
    handler.rounds.insert(handler.rounds.begin(), axis);
    kept.loops.push_back(loop);
  }
  return true;
}

/// The rows of a plan as a table; null after an error.
PendingHandler::Rows *Elaborator::keepRows(PendingHandler &handler,
                                           AxisInfo *plan) {
  for (PendingHandler::Rows &rows : handler.rows)
    if (rows.plan == plan)
      return &rows;
  int64_t most = rowsOf(e, plan->plan);
  bool nested = plan->candidates()->isPlan() ||
                llvm::any_of(plan->items(),
                             [](AxisInfo *item) { return item->isPlan(); });
  if (most < 0 || most > mostKeptRows || nested) {
    cannotKeep(handler, nested ? "it decides on the rows of a plan"
                               : "it may choose more than " +
                                     std::to_string(mostKeptRows) +
                                     " rows an item");
    return nullptr;
  }
  AxisInfo *place =
      makeAxis("place", handler.router->decl->name.text + ".place",
               AxisKind::index, handler.decl->event.range);
  place->size = std::max<int64_t>(most, 1);
  emitAxis(*place);
  // Rows from 1, so that nothing is none.
  mlir::Value position =
      e.gather(e.iota(plan->candidates(), /*asRef=*/false), plan);
  mlir::Value rows =
      tableOf(e.binary(BinaryKind::add, position, e.constantInt(e.i64(), 1)),
              plan, place);
  handler.rows.push_back({plan, place, rows});
  return &handler.rows.back();
}

/// Keeps one value; what lies along the rows of a plan becomes a table too.
bool Elaborator::keepValue(PendingHandler &handler, mlir::Value &value,
                           KeptRounds &kept) {
  AxisInfo *along = nullptr;
  for (AxisInfo *axis : e.axesOf(value))
    if (axis->isPlan())
      along = axis;
  if (along) {
    PendingHandler::Rows *rows = keepRows(handler, along);
    if (!rows)
      return false;
    if (e.axesOf(value).size() != 1 || e.isRange(value) ||
        !(isTruth(e.elementOf(value)) || isNumber(e.elementOf(value))))
      return cannotKeep(handler, "it needs what is no plain number of a row");
    value = tableOf(e.computing(value), along, rows->place);
    kept.alongRows.push_back({&value, along});
  }
  // What was there before the loops is known behind them.
  ForOp outermost = kept.loops.back();
  mlir::Operation *by = value.getDefiningOp();
  if (by ? outermost->isProperAncestor(by)
         : value.getParentBlock() != outermost->getBlock())
    kept.values.push_back(&value);
  return true;
}

/// Carries what the handler needs out of the loops around its router. `moved`
/// has the values that are known by another name since.
bool Elaborator::keepRounds(PendingHandler &handler,
                            llvm::DenseMap<mlir::Value, mlir::Value> &moved) {
  KeptRounds kept;
  if (!findRounds(handler, kept))
    return false;
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPoint(handler.block->getTerminator());
  handler.ran = e.constantInt(e.i1(), 1);
  kept.values.push_back(&handler.ran);
  for (Frame &frame : handler.frames)
    if (frame.position && !frame.position.getDefiningOp<ConstantOp>())
      kept.values.push_back(&frame.position);
  for (auto &[name, value] : handler.kept) {
    if (!value.is(Kind::Plan)) {
      if (!keepValue(handler, value.ir, kept))
        return false;
      continue;
    }
    if (!keepRows(handler, value.axis))
      return false;
    for (Value &part : *value.parts)
      if (!keepValue(handler, part.ir, kept))
        return false;
  }
  for (PendingHandler::Rows &rows : handler.rows)
    kept.values.push_back(&rows.table);
  llvm::SmallVector<mlir::Value> values;
  for (mlir::Value *value : kept.values)
    values.push_back(*value);
  for (auto [loop, rounds] :
       llvm::zip(kept.loops, llvm::reverse(handler.rounds)))
    carryOut(loop, rounds, values, moved);
  for (auto [place, value] : llvm::zip(kept.values, values)) {
    *place = value;
    handler.carried.insert(value);
  }
  for (auto [place, plan] : kept.alongRows)
    handler.along[*place] = plan;
  return true;
}

/// Enters the loops over the rounds of a handler: what it reads is that of the
/// round, and it writes only where the round was run.
void Elaborator::openRounds(
    PendingHandler &handler, Context &next,
    llvm::function_ref<mlir::Value(mlir::Value)> argumentFor,
    std::vector<std::pair<AxisInfo *, mlir::Value>> &saved) {
  llvm::SmallVector<mlir::Value> numbers;
  llvm::DenseMap<mlir::Value, mlir::Value> arguments;
  // Arguments are taken before the loops begin.
  auto take = [&](mlir::Value value) { arguments[value] = argumentFor(value); };
  take(handler.ran);
  for (Frame &frame : next.frames)
    if (frame.position && !frame.position.getDefiningOp<ConstantOp>())
      take(frame.position);
  for (auto &[name, value] : handler.kept) {
    if (!value.is(Kind::Plan)) {
      take(value.ir);
      continue;
    }
    for (Value &part : *value.parts)
      take(part.ir);
  }
  for (PendingHandler::Rows &rows : handler.rows)
    take(rows.table);
  for (AxisInfo *rounds : handler.rounds) {
    auto loop =
        ForOp::create(e.builder, e.loc, mlir::TypeRange(),
                      e.constantInt(e.i64(), rounds->size), mlir::Value(),
                      mlir::FlatSymbolRefAttr(), mlir::ValueRange());
    mlir::Block &body = loop.getBody().emplaceBlock();
    numbers.push_back(body.addArgument(route::ArrayType::get(e.i64()), e.loc));
    e.builder.setInsertionPointToStart(&body);
    mlir::Value never = e.constantInt(e.i1(), 0);
    YieldOp::create(e.builder, e.loc, never);
    e.builder.setInsertionPoint(body.getTerminator());
  }
  auto read = [&](mlir::Value value) {
    bool carried = handler.carried.contains(value);
    value = arguments.lookup(value);
    if (!carried)
      return value;
    for (auto [rounds, number] : llvm::zip(handler.rounds, numbers))
      value = e.pick(value, rounds, number);
    return value;
  };
  next.writeMask = read(handler.ran);
  for (Frame &frame : next.frames)
    if (frame.position)
      frame.position =
          arguments.count(frame.position)
              ? read(frame.position)
              : e.builder.clone(*frame.position.getDefiningOp())->getResult(0);
  for (PendingHandler::Rows &rows : handler.rows) {
    irgen::Emitter::Choice choice;
    choice.table = {
        e.binary(BinaryKind::sub, read(rows.table), e.constantInt(e.i64(), 1))};
    saved.push_back({rows.plan, rows.plan->plan});
    rows.plan->plan =
        e.choose(ChoiceKind::listed, rows.plan, choice).getResult();
  }
  auto restored = [&](const Value &value) {
    Value copy = value;
    copy.ir = read(value.ir);
    for (PendingHandler::Rows &rows : handler.rows)
      if (rows.plan == handler.along.lookup(value.ir))
        copy.ir = rowsOfTable(copy.ir, rows.plan, rows.place);
    return copy;
  };
  for (auto &[name, value] : handler.kept) {
    Value copy = value;
    if (value.is(Kind::Plan)) {
      copy.ir = value.axis->plan;
      copy.parts = std::make_shared<std::vector<Value>>();
      for (const Value &part : *value.parts)
        copy.parts->push_back(restored(part));
    } else {
      copy = restored(value);
    }
    next.scope->bind(name, copy);
  }
}
