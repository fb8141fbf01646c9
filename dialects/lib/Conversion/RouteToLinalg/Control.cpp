// Bounded loops and conditionals.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Row/IR/RowDialect.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Carried values of any kind but plans, whose rank differs from turn to turn.
static bool carriesPlan(TypeRange types) {
  return llvm::any_of(types, [](Type type) { return !isa<ArrayType>(type); });
}

LogicalResult Lowering::lowerRegion(Block &block,
                                    llvm::function_ref<LogicalResult()> end) {
  auto outerValues = values;
  auto outerMatrices = matrices;
  llvm::StringMap<Grouping> outerGroupings = groupings;
  LogicalResult result = lowerBlock(block);
  if (succeeded(result))
    result = end();
  values = std::move(outerValues);
  matrices = std::move(outerMatrices);
  groupings = std::move(outerGroupings);
  return result;
}

/// The positions of the loop's axis by ascending key, as the interpreter sorts
/// them: equal keys by position, NaN last.
Value Lowering::loopOrder(ForOp op) {
  Value key = get(op.getOrder());
  if (!key)
    return {};
  auto type = cast<RankedTensorType>(key.getType());
  Location loc = op.getLoc();
  if (type.getRank() != 1 || !type.hasStaticShape()) {
    (void)notCovered(op, "a loop by a key over these axes");
    return {};
  }
  if (type.getElementType().isBF16() || type.getElementType().isF16())
    key = widen(key, loc);
  return inRowProgram(
             key, loc,
             [&](ValueRange in) -> SmallVector<Value> {
               auto choose = row::ChooseOp::create(
                   b, loc,
                   RankedTensorType::get(type.getShape(), b.getI32Type()),
                   RankedTensorType::get({}, b.getI32Type()), in[0], Value(),
                   Value(), Value(), Value(), b.getDenseBoolArrayAttr({true}));
               return {choose.getIndices()};
             })
      .front();
}

/// `next` written over `carried`: what a turn leaves is where the next finds
/// it, in one buffer for all turns. What is not made anew this turn may lie in
/// another carried buffer, which is written over too: it is copied first.
static Value carryOver(OpBuilder &b, Location loc, Value next, Value carried) {
  if (next == carried)
    return next;
  return bufferization::MaterializeInDestinationOp::create(b, loc, next,
                                                           carried)
      .getResult();
}

static Value copyOf(OpBuilder &b, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return bufferization::AllocTensorOp::create(b, loc, type, ValueRange(),
                                              value);
}

static Value ownCopy(OpBuilder &b, Location loc, Value value) {
  Operation *def = value.getDefiningOp();
  return def && isa<DestinationStyleOpInterface, tensor::FromElementsOp>(def)
             ? value
             : copyOf(b, loc, value);
}

/// What the ops of `op` change besides its results: what their choices reserve
/// in this call, and state that they set.
LogicalResult Lowering::changesOf(Operation *op, Changes &changes) {
  auto walked = op->walk([&](Operation *inner) {
    if (auto set = dyn_cast<SetOp>(inner)) {
      if (isInPlace(set))
        changes.places = true;
      else
        changes.states.insert(set.getSymbol());
    }
    changes.places |= isa<StoreOp>(inner);
    auto choose = dyn_cast<ChooseOp>(inner);
    if (!choose || !choose.getUnder())
      return WalkResult::advance();
    // What a ledger is made of is known around the loop or condition.
    for (auto name : choose.getUnder()->getAsRange<Axis>()) {
      Ledger *ledger = ledgerOf(choose, name);
      if (!ledger)
        return WalkResult::interrupt();
      if (ledger->counts)
        changes.ledgers.insert(ledger);
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

SmallVector<Value> Lowering::current(const Changes &changes, Location loc) {
  SmallVector<Value> values;
  for (Ledger *ledger : changes.ledgers)
    llvm::append_range(values, ledger->reserved);
  for (Attribute state : changes.states)
    values.push_back(stateNow(cast<SymbolRefAttr>(state), loc));
  return values;
}

void Lowering::makeCurrent(const Changes &changes, ValueRange values) {
  for (Ledger *ledger : changes.ledgers) {
    llvm::copy(values.take_front(2), ledger->reserved.begin());
    values = values.drop_front(2);
  }
  for (auto [state, value] : llvm::zip(changes.states, values)) {
    auto symbol = cast<SymbolRefAttr>(state);
    written[b.getStringAttr(nameOf(symbol))] = {value, typeOfState(symbol)};
  }
}

/// Whether a loop is known to have one turn.
static bool hasOneTurn(ForOp op, llvm::function_ref<int64_t(Axis)> sizeOf) {
  if (op.getAxisAttr())
    return sizeOf(op.getAxisAttr()) == 1;
  auto count = op.getCount().getDefiningOp<ConstantOp>();
  auto number = count ? dyn_cast<IntegerAttr>(count.getValue()) : IntegerAttr();
  return number && number.getValue().isOne();
}

/// A loop is an scf.for; with `until` the turns after its end are empty.
LogicalResult Lowering::lowerFor(ForOp op) {
  Location loc = op.getLoc();
  if (carriesPlan(op.getCarried().getTypes()))
    return notCovered(op, "plans carried by a loop");
  Changes changes;
  if (failed(changesOf(op, changes)))
    return failure();
  if (op.getNumResults() == 0 && changes.none())
    return success(); // it does nothing that is seen
  Value bound, order;
  if (op.getAxisAttr()) {
    bound = sizeValue(op.getAxisAttr(), loc);
    if (op.getOrder() && !(order = loopOrder(op)))
      return failure();
  } else {
    Value count = get(op.getCount());
    if (!count)
      return failure();
    bound = arith::IndexCastOp::create(
        b, loc, b.getIndexType(),
        tensor::ExtractOp::create(b, loc, count, ValueRange{}));
  }
  bool single = hasOneTurn(op, [&](Axis axis) { return staticSize(axis); });
  SmallVector<Value> initial;
  for (auto [carried, argument] : llvm::zip(
           op.getCarried(), op.getBody().front().getArguments().drop_front())) {
    Value tensor = get(carried);
    if (!tensor)
      return failure();
    // A single turn is no loop any more: what it writes over is its own, though
    // others may read what it began as later. No more does the analysis of
    // buffers copy what no turn reads.
    initial.push_back(single || argument.use_empty() ? copyOf(b, loc, tensor)
                                                     : ownCopy(b, loc, tensor));
  }
  llvm::append_range(initial, current(changes, loc));
  unsigned results = op.getNumResults();
  Block &body = op.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  auto never = yield.getOperand(0).getDefiningOp<ConstantOp>();
  auto truth = never ? dyn_cast<IntegerAttr>(never.getValue()) : IntegerAttr();
  bool stops = !truth || !truth.getValue().isZero();

  // One turn: the body with its number and carried tensors; what is carried on
  // and, where the loop `stops`, whether it does.
  auto turn = [&](Value index, ValueRange carried,
                  Value &stop) -> FailureOr<SmallVector<Value>> {
    Type type = element(
        cast<ArrayType>(body.getArgument(0).getType()).getElementType());
    Value number = order
                       ? Value(tensor::ExtractOp::create(b, loc, order, index))
                       : Value(arith::IndexCastOp::create(b, loc, type, index));
    set(body.getArgument(0),
        tensor::FromElementsOp::create(b, loc, RankedTensorType::get({}, type),
                                       number));
    for (auto [argument, value] :
         llvm::zip(body.getArguments().drop_front(), carried))
      set(argument, value);
    makeCurrent(changes, carried.drop_front(results));
    SmallVector<Value> next;
    LogicalResult result = lowerRegion(body, [&]() -> LogicalResult {
      if (stops) {
        Value tensor = get(yield.getOperand(0));
        if (!tensor)
          return failure();
        stop = tensor::ExtractOp::create(b, loc, tensor, ValueRange{});
      }
      for (Value value : yield.getOperands().drop_front()) {
        next.push_back(get(value));
        if (!next.back())
          return failure();
      }
      llvm::append_range(next, current(changes, loc));
      for (auto [value, into] : llvm::zip(next, carried))
        if (value != into)
          value = ownCopy(b, loc, value);
      for (auto [value, into] : llvm::zip(next, carried))
        value = carryOver(b, loc, value, into);
      return success();
    });
    if (failed(result))
      return failure();
    return next;
  };

  SmallVector<Value> start;
  if (stops)
    start.push_back(arith::ConstantOp::create(b, loc, b.getBoolAttr(false)));
  llvm::append_range(start, initial);
  auto loop = scf::ForOp::create(b, loc, constantIndex(0, loc), bound,
                                 constantIndex(1, loc), start);
  if (start.empty()) // then it comes with an end
    loop.getBody()->getTerminator()->erase();
  b.setInsertionPointToStart(loop.getBody());
  ValueRange arguments = loop.getRegionIterArgs();
  ValueRange carried = arguments.drop_front(stops);
  if (!stops) {
    Value stop;
    auto next = turn(loop.getInductionVar(), carried, stop);
    if (failed(next))
      return failure();
    scf::YieldOp::create(b, loc, *next);
  } else {
    Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
    Value on = arith::XOrIOp::create(b, loc, arguments.front(), yes);
    auto branch = scf::IfOp::create(b, loc, ValueRange(start).getTypes(), on,
                                    /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, loc, arguments);
    b.setInsertionPointToStart(branch.thenBlock());
    Value stop;
    auto next = turn(loop.getInductionVar(), carried, stop);
    if (failed(next))
      return failure();
    SmallVector<Value> yielded = {stop};
    llvm::append_range(yielded, *next);
    scf::YieldOp::create(b, loc, yielded);
    b.setInsertionPointAfter(branch);
    scf::YieldOp::create(b, loc, branch.getResults());
  }
  b.setInsertionPointAfter(loop);
  ValueRange after = loop.getResults().drop_front(stops);
  for (auto [result, value] : llvm::zip(op.getResults(), after))
    set(result, value);
  makeCurrent(changes, after.drop_front(results));
  return success();
}

LogicalResult Lowering::lowerIf(IfOp op) {
  Location loc = op.getLoc();
  if (carriesPlan(op.getResultTypes()))
    return notCovered(op, "plans from a conditional");
  Value condition = get(op.getCondition());
  if (!condition)
    return failure();
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    types.push_back(tensorType(cast<ArrayType>(type)));
  Changes changes;
  if (failed(changesOf(op, changes)))
    return failure();
  SmallVector<Value> before = current(changes, loc);
  llvm::append_range(types, ValueRange(before).getTypes());
  auto branch = scf::IfOp::create(
      b, loc, types, tensor::ExtractOp::create(b, loc, condition, ValueRange{}),
      /*withElseRegion=*/true);
  for (auto [from, to] : {std::pair(&op.getThenRegion(), branch.thenBlock()),
                          std::pair(&op.getElseRegion(), branch.elseBlock())}) {
    if (!to->empty() && isa<scf::YieldOp>(to->back()))
      to->back().erase();
    b.setInsertionPointToEnd(to);
    makeCurrent(changes, before);
    SmallVector<Value> results;
    if (!from->empty()) {
      LogicalResult result = lowerRegion(from->front(), [&] {
        for (Value value : from->front().getTerminator()->getOperands()) {
          results.push_back(get(value));
          if (!results.back())
            return failure();
        }
        return success();
      });
      if (failed(result))
        return failure();
    }
    llvm::append_range(results, current(changes, loc));
    scf::YieldOp::create(b, loc, results);
  }
  b.setInsertionPointAfter(branch);
  for (auto [from, to] : llvm::zip(op.getResults(), branch.getResults()))
    set(from, to);
  makeCurrent(changes, branch.getResults().drop_front(op.getNumResults()));
  return success();
}
