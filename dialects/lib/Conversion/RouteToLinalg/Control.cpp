// Bounded loops and conditionals.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Carried values of any kind but plans, whose rank differs from turn to turn.
static bool carriesPlan(TypeRange types) {
  return llvm::any_of(types, [](Type type) { return !isa<ArrayType>(type); });
}

LogicalResult Lowering::lowerFor(ForOp op) {
  Location loc = op.getLoc();
  if (op.getOrder() || carriesPlan(op.getCarried().getTypes()))
    return unsupported(op, "this loop");
  Value bound;
  if (op.getAxisAttr()) {
    bound = sizeValue(op.getAxisAttr(), loc);
  } else {
    Value count = get(op.getCount());
    if (!count)
      return failure();
    bound = arith::IndexCastOp::create(
        b, loc, b.getIndexType(),
        tensor::ExtractOp::create(b, loc, count, ValueRange{}));
  }
  SmallVector<Value> initial = {
      constantIndex(0, loc),
      arith::ConstantOp::create(b, loc, b.getBoolAttr(false))};
  for (Value carried : op.getCarried()) {
    Value tensor = get(carried);
    if (!tensor)
      return failure();
    initial.push_back(tensor);
  }
  SmallVector<Type> types =
      llvm::map_to_vector(initial, [](Value value) { return value.getType(); });
  auto loop = scf::WhileOp::create(b, loc, types, initial);
  SmallVector<Location> locations(types.size(), loc);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, locations);
  Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                       before->getArgument(0), bound);
  Value stopped = arith::XOrIOp::create(
      b, loc, before->getArgument(1),
      arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
  scf::ConditionOp::create(b, loc,
                           arith::AndIOp::create(b, loc, inside, stopped),
                           before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {}, types, locations);
  Block &body = op.getBody().front();
  auto turnType = cast<ArrayType>(body.getArgument(0).getType());
  Type turn = element(turnType.getElementType());
  Value number =
      arith::IndexCastOp::create(b, loc, turn, after->getArgument(0));
  set(body.getArgument(0),
      tensor::FromElementsOp::create(b, loc, RankedTensorType::get({}, turn),
                                     number));
  for (unsigned i = 1; i < body.getNumArguments(); ++i)
    set(body.getArgument(i), after->getArgument(i + 1));
  // What is sorted by expert inside is not outside.
  llvm::StringMap<Grouping> outer = groupings;
  LogicalResult result = lowerBlock(body);
  groupings = std::move(outer);
  if (failed(result))
    return failure();
  SmallVector<Value> next = {arith::AddIOp::create(
      b, loc, after->getArgument(0), constantIndex(1, loc))};
  for (auto [i, value] :
       llvm::enumerate(cast<YieldOp>(body.getTerminator()).getOperands())) {
    Value tensor = get(value);
    if (!tensor)
      return failure();
    next.push_back(
        i == 0 ? Value(tensor::ExtractOp::create(b, loc, tensor, ValueRange{}))
               : tensor);
  }
  scf::YieldOp::create(b, loc, next);
  b.setInsertionPointAfter(loop);
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    set(result, loop.getResult(i + 2));
  return success();
}

LogicalResult Lowering::lowerIf(IfOp op) {
  Location loc = op.getLoc();
  if (carriesPlan(op.getResultTypes()))
    return unsupported(op, "plans from a conditional");
  Value condition = get(op.getCondition());
  if (!condition)
    return failure();
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    types.push_back(tensorType(cast<ArrayType>(type)));
  auto branch = scf::IfOp::create(
      b, loc, types, tensor::ExtractOp::create(b, loc, condition, ValueRange{}),
      /*withElseRegion=*/true);
  for (auto [from, to] : {std::pair(&op.getThenRegion(), branch.thenBlock()),
                          std::pair(&op.getElseRegion(), branch.elseBlock())}) {
    if (!to->empty() && isa<scf::YieldOp>(to->back()))
      to->back().erase();
    b.setInsertionPointToEnd(to);
    SmallVector<Value> results;
    if (!from->empty()) {
      llvm::StringMap<Grouping> outer = groupings;
      LogicalResult result = lowerBlock(from->front());
      groupings = std::move(outer);
      if (failed(result))
        return failure();
      for (Value value : from->front().getTerminator()->getOperands()) {
        Value tensor = get(value);
        if (!tensor)
          return failure();
        results.push_back(tensor);
      }
    }
    scf::YieldOp::create(b, loc, results);
  }
  b.setInsertionPointAfter(branch);
  for (auto [from, to] : llvm::zip(op.getResults(), branch.getResults()))
    set(from, to);
  return success();
}
