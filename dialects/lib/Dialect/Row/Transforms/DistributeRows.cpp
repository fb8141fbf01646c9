// row-distribute: row programs become functions over ranges of items.
// Several items stand side by side in vector lanes.
#include "Emitter.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWDISTRIBUTE
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

bool isStatic(ProgramOp program) {
  bool result = true;
  program.getBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        result &= tensor.hasStaticShape();
  });
  for (BlockArgument argument : program.getBody().getArguments())
    result &= cast<RankedTensorType>(argument.getType()).hasStaticShape();
  return result;
}

/// The elements of the largest row value that is kept in lanes; shapes are
/// static.
int64_t largestRow(ProgramOp program) {
  int64_t most = 1;
  auto see = [&](Value v) {
    if (auto tensor = dyn_cast<RankedTensorType>(v.getType());
        tensor && !Emitter::feedsProducts(v))
      most = std::max(most, tensor.getNumElements());
  };
  for (Value v :
       program.getBody().getArguments().take_front(program.getInputs().size()))
    see(v);
  program.getBody().walk([&](Operation *op) {
    for (Value v : op->getResults())
      see(v);
  });
  return most;
}

struct DistributePass : impl::RowDistributeBase<DistributePass> {
  using RowDistributeBase::RowDistributeBase;

  void runOnOperation() override {
    if (!llvm::is_contained({1, 4, 8, 16}, int64_t(lanes)) ||
        !llvm::is_contained({4, 8}, int64_t(lanes64))) {
      getOperation().emitError("row-distribute takes 1, 4, 8 or 16 lanes, and "
                               "4 or 8 lanes of 64 bits");
      return signalPassFailure();
    }
    SmallVector<ProgramOp> programs;
    getOperation().walk([&](ProgramOp op) { programs.push_back(op); });
    for (ProgramOp program : programs)
      if (failed(lower(program)))
        return signalPassFailure();
  }

  /// With `inPlace` as a loop where the program stands, else as a function
  /// where shapes are static.
  LogicalResult lower(ProgramOp program, bool inPlace = false);

private:
  /// Buffers for the program's operands; accumulators hold their initial value.
  Values makeBuffers(ProgramOp program, ImplicitLocOpBuilder &b);
  /// How many items' products are computed at a time; 0 without products.
  int64_t blockOf(ProgramOp program, int64_t width);
  LogicalResult emitProducts(ProgramOp program, ImplicitLocOpBuilder &b,
                             Value from, Value count, ValueRange buffers,
                             Emitter::Products &products);
  func::FuncOp outline(ProgramOp program, TypeRange types);
  LogicalResult emitLoop(ProgramOp program, ImplicitLocOpBuilder &b,
                         int64_t width, Value begin, Value end,
                         ValueRange buffers);
};

Values DistributePass::makeBuffers(ProgramOp program, ImplicitLocOpBuilder &b) {
  Values buffers;
  unsigned firstInit =
      program.getInputs().size() + program.getUniforms().size();
  unsigned firstAcc = firstInit + program.getOutputs().size();
  for (auto [i, value] : llvm::enumerate(program->getOperands())) {
    auto tensor = dyn_cast<RankedTensorType>(value.getType());
    if (!tensor) {
      buffers.push_back(value);
      continue;
    }
    auto type = MemRefType::get(tensor.getShape(), tensor.getElementType());
    Value buffer;
    if (i < firstInit || i >= firstAcc)
      buffer = bufferization::ToBufferOp::create(b, type, value,
                                                 /*read_only=*/true);
    if (i >= firstInit) {
      Values dynamic;
      for (int64_t d = 0; d < tensor.getRank(); ++d)
        if (tensor.isDynamicDim(d))
          dynamic.push_back(tensor::DimOp::create(b, value, d));
      Value fresh =
          memref::AllocOp::create(b, type, dynamic, b.getI64IntegerAttr(64));
      if (i >= firstAcc)
        memref::CopyOp::create(b, buffer, fresh);
      buffer = fresh;
    }
    buffers.push_back(buffer);
  }
  return buffers;
}

/// Accumulators that ranges of items may add to at the same time: integers,
/// counted apart first.
bool isCounted(ProgramOp program, unsigned i) {
  auto type = cast<ShapedType>(program.getAccumulators()[i].getType());
  return type.getElementType().isInteger() && type.hasStaticShape();
}

int64_t DistributePass::blockOf(ProgramOp program, int64_t width) {
  int64_t bytes = 0;
  program.getBody().walk([&](ragged::MatmulOp product) {
    auto type = cast<RankedTensorType>(product.getOut().getType());
    bytes += type.getNumElements() *
             type.getElementType().getIntOrFloatBitWidth() / 8;
  });
  if (!bytes)
    return 0;
  // Up to 64 items: enough to use what was fetched of the weights well.
  int64_t fit = std::min<int64_t>(blockBytes / bytes, 64);
  return std::max(fit / width * width, width);
}

LogicalResult DistributePass::emitProducts(ProgramOp program,
                                           ImplicitLocOpBuilder &b, Value from,
                                           Value count, ValueRange buffers,
                                           Emitter::Products &products) {
  unsigned inputs = program.getInputs().size();
  auto rowsOf = [&](Value memory, Value first) -> Value {
    auto type = cast<MemRefType>(memory.getType());
    SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
        strides(type.getRank(), b.getIndexAttr(1)), sizes;
    offsets[0] = first ? OpFoldResult(first) : b.getIndexAttr(0);
    sizes.push_back(count);
    for (int64_t n : type.getShape().drop_front())
      sizes.push_back(b.getIndexAttr(n));
    return memref::SubViewOp::create(b, memory, offsets, sizes, strides);
  };
  // Where an operand of a product comes from: an input's rows or a uniform.
  auto source = [&](Value v) -> Value {
    Operation *op = v.getDefiningOp();
    bool row = isa_and_nonnull<tensor::ExpandShapeOp>(op);
    auto argument = dyn_cast<BlockArgument>(row ? op->getOperand(0) : v);
    if (!argument || (argument.getArgNumber() < inputs) != row)
      return nullptr;
    Value memory = buffers[argument.getArgNumber()];
    auto type = cast<MemRefType>(memory.getType());
    if (row &&
        llvm::is_contained(type.getShape().drop_front(), ShapedType::kDynamic))
      return nullptr;
    return row ? rowsOf(memory, from) : memory;
  };
  WalkResult walked = program.getBody().walk([&](ragged::MatmulOp product) {
    IRMapping map;
    for (Value v : product->getOperands()) {
      if (v == product.getOut())
        continue;
      Value memory = source(v);
      if (!memory) {
        product.emitError("row programs multiply an input of static width by "
                          "uniforms only");
        return WalkResult::interrupt();
      }
      map.map(v, memory);
    }
    Value out = rowsOf(products.buffers.lookup(product), nullptr);
    map.map(product.getOut(),
            memref::CollapseShapeOp::create(
                b, out, ArrayRef<ReassociationIndices>{{0}, {1, 2}}));
    OperationState state(product.getLoc(), product->getName());
    for (Value v : product->getOperands())
      state.addOperands(map.lookup(v));
    state.propertiesAttr = product->getPropertiesAsAttribute();
    product.getEpilogue().cloneInto(state.addRegion(), map);
    b.create(state);
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

LogicalResult DistributePass::emitLoop(ProgramOp program,
                                       ImplicitLocOpBuilder &b, int64_t width,
                                       Value begin, Value end,
                                       ValueRange buffers) {
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  unsigned inputs = program.getInputs().size(),
           uniforms = program.getUniforms().size(),
           outputs = program.getOutputs().size();
  Values accumulators(buffers.drop_front(inputs + uniforms + outputs));

  // Own counters, so that items need no atomic additions.
  Values shared = accumulators;
  for (unsigned i = 0; i < accumulators.size(); ++i) {
    if (!isCounted(program, i))
      continue;
    auto type = cast<MemRefType>(accumulators[i].getType());
    SmallVector<int64_t> shape(type.getShape());
    if (Emitter::directTally(program, i))
      ++shape[0]; // padding is counted in front
    Value own = memref::AllocaOp::create(
        b, MemRefType::get(shape, type.getElementType()),
        b.getI64IntegerAttr(64));
    linalg::FillOp::create(b,
                           ValueRange{arith::ConstantOp::create(
                               b, b.getIntegerAttr(type.getElementType(), 0))},
                           ValueRange{own});
    accumulators[i] = own;
  }

  // In front of all loops.
  Value last = arith::SubIOp::create(b, end, index(1));
  OpBuilder::InsertPoint front(b.getBlock(),
                               Block::iterator(last.getDefiningOp()));
  Emitter::Products products;
  LogicalResult result = success();
  auto emitItems = [&](Value from, Value to) {
    auto loop = scf::ForOp::create(b, from, to, index(width));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value item = loop.getInductionVar();
    Value left = arith::SubIOp::create(b, to, item);
    Value valid = arith::MinSIOp::create(b, left, index(width));
    if (!products.buffers.empty()) {
      Value at = arith::SubIOp::create(b, item, from);
      Value size = arith::SubIOp::create(b, to, from);
      products.items = {at, valid, arith::SubIOp::create(b, size, index(1))};
    }
    Emitter emitter(program, width, lanes64, b, front);
    result = emitter.emit({item, valid, last}, buffers.take_front(inputs),
                          buffers.slice(inputs, uniforms),
                          buffers.slice(inputs + uniforms, outputs),
                          accumulators, products);
    numNetworks += emitter.numNetworks;
  };
  if (int64_t block = blockOf(program, width)) {
    program.getBody().walk([&](ragged::MatmulOp product) {
      auto type = cast<RankedTensorType>(product.getOut().getType());
      products.buffers[product] = memref::AllocaOp::create(
          b,
          MemRefType::get({block, 1, type.getDimSize(1)},
                          type.getElementType()),
          b.getI64IntegerAttr(64));
    });
    auto loop = scf::ForOp::create(b, begin, end, index(block));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value from = loop.getInductionVar();
    Value to = arith::MinSIOp::create(
        b, arith::AddIOp::create(b, from, index(block)), end);
    if (failed(emitProducts(program, b, from,
                            arith::SubIOp::create(b, to, from), buffers,
                            products)))
      return failure();
    emitItems(from, to);
  } else {
    emitItems(begin, end);
  }
  if (failed(result))
    return failure();

  for (unsigned i = 0; i < accumulators.size(); ++i) {
    if (!isCounted(program, i))
      continue;
    bool padded = bool(Emitter::directTally(program, i));
    auto type = cast<MemRefType>(shared[i].getType());
    OpBuilder::InsertionGuard guard(b);
    Values at;
    for (int64_t n : type.getShape()) {
      auto each = scf::ForOp::create(b, index(0), index(n), index(1));
      at.push_back(each.getInductionVar());
      b.setInsertionPointToStart(each.getBody());
    }
    Values from = at;
    if (padded)
      from[0] = arith::AddIOp::create(b, from[0], index(1));
    Value count = memref::LoadOp::create(b, accumulators[i], from);
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(count.getType()));
    Value some =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, count, zero);
    auto add = scf::IfOp::create(b, some, false);
    b.setInsertionPointToStart(&add.getThenRegion().front());
    memref::AtomicRMWOp::create(b, count.getType(), arith::AtomicRMWKind::addi,
                                count, shared[i], at);
  }
  return success();
}

func::FuncOp DistributePass::outline(ProgramOp program, TypeRange types) {
  ModuleOp module = getOperation();
  std::string stem = "program";
  if (auto parent = program->getParentOfType<FunctionOpInterface>())
    stem = parent.getName().str();
  std::string name;
  for (unsigned i = 0; name.empty() || module.lookupSymbol(name); ++i)
    name = stem + "_rows" + std::to_string(i);
  // Right behind the function it comes from.
  Operation *caller = program;
  while (caller->getParentOp() != module)
    caller = caller->getParentOp();
  OpBuilder b(module.getContext());
  b.setInsertionPointAfter(caller);
  SmallVector<Type> arguments(2, b.getIndexType());
  arguments.append(types.begin(), types.end());
  auto function = func::FuncOp::create(b, program.getLoc(), name,
                                       b.getFunctionType(arguments, {}));
  function.setPrivate();
  function->setAttr("row.body", b.getUnitAttr());
  bool parallel = true;
  for (unsigned i = 0; i < program.getAccumulators().size(); ++i)
    parallel &= isCounted(program, i);
  if (parallel)
    function->setAttr("row.parallel", b.getUnitAttr());
  function.addEntryBlock();
  return function;
}

LogicalResult DistributePass::lower(ProgramOp program, bool inPlace) {
  normalizeBody(program);
  ImplicitLocOpBuilder b(program.getLoc(), program);
  Values buffers = makeBuffers(program, b);
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  unsigned any =
      program.getOutputs().empty()
          ? 0
          : program.getInputs().size() + program.getUniforms().size();
  Value items = memref::DimOp::create(b, buffers[any], 0);
  if (!inPlace && isStatic(program)) {
    func::FuncOp function = outline(program, ValueRange(buffers).getTypes());
    Values arguments{index(0), items};
    arguments.append(buffers);
    func::CallOp::create(b, function, arguments);
    Block &entry = function.getBody().front();
    auto inner = ImplicitLocOpBuilder::atBlockEnd(program.getLoc(), &entry);
    // Scratch is on the stack: very long rows go one item at a time.
    const int64_t most = 1 << 16;
    int64_t width = largestRow(program) * lanes > most ? 1 : int64_t(lanes);
    // Items with products are worth sharing out in small ranges.
    if (blockOf(program, width))
      function->setAttr("route.grain", b.getI64IntegerAttr(16));
    if (failed(emitLoop(program, inner, width, entry.getArgument(0),
                        entry.getArgument(1),
                        ValueRange(entry.getArguments()).drop_front(2))))
      return failure();
    func::ReturnOp::create(inner);
  } else if (failed(emitLoop(program, b, 1, index(0), items, buffers))) {
    return failure();
  }

  Values results;
  b.setInsertionPoint(program);
  unsigned firstInit =
      program.getInputs().size() + program.getUniforms().size();
  for (auto [i, init] : llvm::enumerate(program.getDpsInits()))
    if (isa<RankedTensorType>(init.getType()))
      results.push_back(bufferization::ToTensorOp::create(
          b, init.getType(), buffers[firstInit + i], /*restrict=*/true,
          /*writable=*/true));
  program->replaceAllUsesWith(results);
  program->erase();
  ++numPrograms;
  return success();
}

} // namespace

LogicalResult distributeInPlace(ProgramOp program) {
  bool alone = program.getAccumulators().empty();
  Block *block = program->getBlock();
  llvm::SmallPtrSet<Operation *, 32> before;
  for (Operation &op : *block)
    before.insert(&op);
  DistributePass pass;
  if (failed(pass.lower(program, /*inPlace=*/true)))
    return failure();
  // What was made, up to the loop: the last.
  Operation *loop = nullptr;
  for (Operation &op : *block)
    if (isa<scf::ForOp>(op) && !before.contains(&op))
      loop = &op;
  if (!loop)
    return success();
  SmallVector<memref::PrefetchOp> hints;
  loop->walk([&](memref::PrefetchOp op) { hints.push_back(op); });
  for (memref::PrefetchOp op : hints)
    op.erase();
  if (alone)
    loop->setAttr(kItemsAttr, UnitAttr::get(loop->getContext()));
  return success();
}

} // namespace route::row
