// Evaluators of calls, bounded loops, conditionals and metrics.
#include "Scalars.h"
#include "route/Interpreter/Machine.h"
#include "llvm/Support/SaveAndRestore.h"
#include <numeric>

using namespace mlir;
using namespace route;
using namespace route::interp;

static LogicalResult evalCall(CallOp op, Frame &frame) {
  auto callee = frame.machine.symbols.lookup<FuncOp>(op.getCallee());
  if (!callee)
    return op.emitError("'") << op.getCallee() << "' is no function";
  SmallVector<RuntimeValue> args;
  for (Value operand : op.getOperands())
    args.push_back(frame.get(operand));
  auto results = frame.machine.call(callee, args);
  if (failed(results))
    return failure();
  for (auto [result, value] : llvm::zip(op.getResults(), *results))
    frame.set(result, std::move(value));
  return success();
}

/// True where a scalar truth is surely true.
static bool surely(const Array &truth) {
  Range range = toRange(truth.value());
  return range.known && range.lo.asTruth();
}

/// Positions of the loop: 0 .. count, or those of the axis by ascending order.
static FailureOr<std::vector<int64_t>> iterations(ForOp op, Frame &frame) {
  std::vector<int64_t> positions;
  if (op.getCount()) {
    Range count = toRange(frame.array(op.getCount()).value());
    int64_t n = count.known ? std::max<int64_t>(count.lo.asInt(), 0) : 0;
    if (n > frame.machine.options.maxSteps)
      return op.emitError("runs ") << n << " times, above the step limit of "
                                   << frame.machine.options.maxSteps;
    positions.resize(n);
    std::iota(positions.begin(), positions.end(), 0);
    return positions;
  }
  SmallVector<RuntimeValue> sources;
  if (op.getOrder())
    sources.push_back(frame.get(op.getOrder()));
  auto axis =
      resolveAxes({op.getAxisAttr()}, sources, frame.machine, op.getLoc());
  if (failed(axis))
    return failure();
  positions.resize(axis->front()->size);
  std::iota(positions.begin(), positions.end(), 0);
  if (!op.getOrder())
    return positions;
  // Ascending; unknown and NaN last, ties by position.
  auto view = viewFor(op, frame.array(op.getOrder()), *axis);
  if (failed(view))
    return failure();
  std::vector<Element> keys = view->elements();
  auto last = [](const Element &key) {
    Range range = toRange(key);
    return !range.known || range.lo.asFloat() != range.lo.asFloat() ||
           range.lo.asDouble() != range.lo.asDouble();
  };
  llvm::sort(positions, [&](int64_t a, int64_t b) {
    if (last(keys[a]) != last(keys[b]))
      return last(keys[b]);
    int order = last(keys[a])
                    ? 0
                    : compareElements(toRange(keys[a]).lo, toRange(keys[b]).lo);
    return order < 0 || (order == 0 && a < b);
  });
  return positions;
}

static LogicalResult evalFor(ForOp op, Frame &frame) {
  auto positions = iterations(op, frame);
  if (failed(positions))
    return failure();
  SmallVector<RuntimeValue> carried;
  for (Value value : op.getCarried())
    carried.push_back(frame.get(value));
  Type iteration =
      cast<ArrayType>(op.getBody().getArgument(0).getType()).getElementType();
  for (int64_t position : *positions) {
    SmallVector<RuntimeValue> args = {Array::scalar(iteration, position)};
    args.append(carried.begin(), carried.end());
    SmallVector<RuntimeValue> yielded;
    if (failed(frame.machine.runRegion(op.getBody(), args, frame, yielded)))
      return failure();
    bool stop = surely(std::get<Array>(yielded.front()));
    carried.assign(yielded.begin() + 1, yielded.end());
    if (stop)
      break;
  }
  for (auto [result, value] : llvm::zip(op.getResults(), carried))
    frame.set(result, value);
  return success();
}

static LogicalResult evalIf(IfOp op, Frame &frame) {
  Region &region = surely(frame.array(op.getCondition())) ? op.getThenRegion()
                                                          : op.getElseRegion();
  if (region.empty())
    return success();
  SmallVector<RuntimeValue> yielded;
  if (failed(frame.machine.runRegion(region, {}, frame, yielded)))
    return failure();
  for (auto [result, value] : llvm::zip(op.getResults(), yielded))
    frame.set(result, std::move(value));
  return success();
}

static LogicalResult evalCommit(CommitOp op, Frame &frame) {
  Machine &machine = frame.machine;
  llvm::StringMap<Array> writes;
  llvm::StringMap<KeyedState> keyedWrites;
  {
    llvm::SaveAndRestore visible(machine.writes, &writes);
    llvm::SaveAndRestore keyedVisible(machine.keyedWrites, &keyedWrites);
    SmallVector<RuntimeValue> none;
    if (failed(machine.runRegion(op.getBody(), {}, frame, none)))
      return failure();
  }
  for (auto &entry : writes)
    machine.cells[entry.getKey()] = std::move(entry.second);
  for (auto &entry : keyedWrites)
    machine.keyed[entry.getKey()] = std::move(entry.second);
  return success();
}

static LogicalResult evalEmit(EmitOp op, Frame &frame) {
  frame.machine.metrics.push_back({op.getName().str(), frame.get(op.getValue()),
                                   op.getUnit().value_or("").str()});
  return success();
}

void route::interp::addControlOps(Registry &registry) {
  registry.add(evalCall);
  registry.add(evalFor);
  registry.add(evalIf);
  registry.add(evalEmit);
  registry.add(evalCommit);
}
