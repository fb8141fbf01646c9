// Evaluators of linalg: every structured op as a plain loop nest.
#include "Tensors.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The sizes of the loops, from the shapes of the operands.
static FailureOr<SmallVector<int64_t>> loopSizes(linalg::LinalgOp op,
                                                 Frame &frame) {
  SmallVector<int64_t> sizes(op.getNumLoops(), -1);
  for (OpOperand &operand : op->getOpOperands()) {
    const auto *array = std::get_if<Array>(&frame.get(operand.get()));
    if (!array)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [i, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        continue;
      int64_t size = array->axes[i]->size, &known = sizes[dim.getPosition()];
      if (known >= 0 && known != size)
        return op->emitError("operands disagree on loop ")
               << dim.getPosition() << ": " << known << " and " << size;
      known = size;
    }
  }
  if (llvm::is_contained(sizes, -1))
    return op->emitError("the size of a loop follows from no operand");
  return sizes;
}

/// The place in `shape` that `map` names at `position`; failure when outside.
static FailureOr<int64_t> placeAt(Operation *op, AffineMap map,
                                  ArrayRef<int64_t> shape,
                                  ArrayRef<int64_t> position) {
  SmallVector<int64_t, 4> at;
  for (auto [expr, size] : llvm::zip(map.getResults(), shape)) {
    int64_t place;
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      place = position[dim.getPosition()];
    else if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      place = constant.getValue();
    else {
      SmallVector<Attribute> dims, results;
      Builder builder(op->getContext());
      for (int64_t p : position)
        dims.push_back(builder.getIndexAttr(p));
      if (failed(AffineMap::get(map.getNumDims(), 0, expr)
                     .constantFold(dims, results)))
        return op->emitError("an indexing map cannot be evaluated");
      place = cast<IntegerAttr>(results.front()).getInt();
    }
    if (place < 0 || place >= size)
      return op->emitError("index ")
             << place << " outside a dimension of size " << size;
    at.push_back(place);
  }
  return linearIndex(shape, at);
}

static LogicalResult evalStructured(Operation *operation, Frame &frame) {
  auto op = cast<linalg::LinalgOp>(operation);
  auto sizes = loopSizes(op, frame);
  if (failed(sizes))
    return failure();
  // Outputs: tensors get a buffer of their own, memrefs are written in place.
  SmallVector<Array> outputs;
  for (Value init : op.getDpsInits()) {
    const Array &held = frame.array(init);
    if (isa<MemRefType>(init.getType())) {
      outputs.push_back(held);
      continue;
    }
    auto copy = copyTensor(op, frame, held);
    if (failed(copy))
      return failure();
    outputs.push_back(std::move(*copy));
  }
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<const Array *> arrays;
  SmallVector<SmallVector<int64_t>> shapes;
  for (OpOperand &operand : op->getOpOperands()) {
    bool isInit = op.isDpsInit(&operand);
    const Array *array =
        isInit ? &outputs[operand.getOperandNumber() - op.getNumDpsInputs()]
               : std::get_if<Array>(&frame.get(operand.get()));
    arrays.push_back(array);
    shapes.push_back(array ? shapeOf(*array) : SmallVector<int64_t>());
  }

  LogicalResult done = success();
  frame.machine.loops.push_back({});
  forEachPosition(*sizes, [&](ArrayRef<int64_t> position) {
    if (failed(done))
      return;
    frame.machine.loops.back().assign(position.begin(), position.end());
    SmallVector<RuntimeValue, 4> args, yielded;
    SmallVector<int64_t, 4> places;
    for (auto [i, array] : llvm::enumerate(arrays)) {
      if (!array) {
        args.push_back(frame.get(op->getOperand(i)));
        places.push_back(0);
        continue;
      }
      auto place = placeAt(op, maps[i], shapes[i], position);
      if (failed(place)) {
        done = failure();
        return;
      }
      places.push_back(*place);
      args.push_back(array->buffer->get(*place));
    }
    done = frame.machine.runRegion(op->getRegion(0), args, frame, yielded);
    for (size_t k = 0; succeeded(done) && k < outputs.size(); ++k)
      outputs[k].buffer->set(places[op.getNumDpsInputs() + k],
                             std::get<Element>(yielded[k]));
  });
  frame.machine.loops.pop_back();
  size_t result = 0;
  for (auto [k, init] : llvm::enumerate(op.getDpsInits()))
    if (!isa<MemRefType>(init.getType()))
      frame.set(op->getResult(result++), outputs[k]);
  return done;
}

static LogicalResult evalIndex(linalg::IndexOp op, Frame &frame) {
  if (frame.machine.loops.empty() ||
      op.getDim() >= frame.machine.loops.back().size())
    return op.emitError("loop ") << op.getDim() << " is not around the op";
  frame.set(op, Element(frame.machine.loops.back()[op.getDim()]));
  return success();
}

void route::interp::addLinalgOps(Registry &registry) {
  registry.add(evalIndex);
  registry.addFor([](Operation *op) { return isa<linalg::LinalgOp>(op); },
                  evalStructured);
}
