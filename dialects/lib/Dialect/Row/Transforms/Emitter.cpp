// Row values of several items: their memory, access, and shape changes.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace route::row {

Value Emitter::index(int64_t v) { return arith::ConstantIndexOp::create(b, v); }

Type Emitter::storageType(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8)
                              : element;
}

Type Emitter::laneType(Type element) {
  return lanes == 1 ? element : VectorType::get({lanes}, element);
}

Value Emitter::inLanes(Value scalar) {
  if (lanes == 1)
    return scalar;
  return vector::BroadcastOp::create(b, laneType(scalar.getType()), scalar);
}

Value Emitter::constant(Type element, int64_t v) {
  TypedAttr attr = isa<FloatType>(element)
                       ? TypedAttr(b.getFloatAttr(element, double(v)))
                       : TypedAttr(b.getIntegerAttr(element, v));
  if (lanes != 1)
    attr = DenseElementsAttr::get(VectorType::get({lanes}, element),
                                  Attribute(attr));
  return arith::ConstantOp::create(b, attr);
}

RowValue &Emitter::row(Value v) {
  auto it = rows.find(v);
  assert(it != rows.end() && "a value before its definition");
  return it->second;
}

void Emitter::define(Value v, RowValue value) {
  value.type = cast<RankedTensorType>(v.getType());
  rows[v] = std::move(value);
  pending[v] = llvm::range_size(v.getUses());
  if (!pending[v])
    release(rows[v].scratch);
}

void Emitter::release(Scratch *scratch) {
  if (scratch && scratch->users)
    --scratch->users;
}

static unsigned usesWithin(Value v, Operation *op) {
  return llvm::count_if(v.getUses(), [&](OpOperand &use) {
    return op->isAncestor(use.getOwner());
  });
}

bool Emitter::diesAt(Value v, Operation *op) {
  auto it = rows.find(v);
  return it != rows.end() && it->second.scratch &&
         it->second.scratch->users == 1 && pending[v] == usesWithin(v, op);
}

void Emitter::finishOp(Operation *op) {
  SmallPtrSet<Value, 8> seen;
  op->walk([&](Operation *inner) {
    for (Value v : inner->getOperands()) {
      auto it = rows.find(v);
      if (it == rows.end() || !seen.insert(v).second)
        continue;
      unsigned &left = pending[v];
      unsigned here = usesWithin(v, op);
      bool alive = left > 0;
      left -= std::min(left, here);
      if (alive && !left)
        release(it->second.scratch);
    }
  });
}

RowValue Emitter::allocate(RankedTensorType type, ValueRange sizes) {
  RowValue value;
  value.type = type;
  value.sizes.assign(sizes.begin(), sizes.end());
  Type element = storageType(type.getElementType());
  int64_t width = element.getIntOrFloatBitWidth() / 8;
  SmallVector<int64_t> shape(type.getShape());
  if (lanes > 1)
    shape.push_back(lanes);
  OpBuilder::InsertionGuard guard(b);

  if (!type.hasStaticShape()) {
    b.restoreInsertionPoint(allocations);
    Values dynamic;
    for (auto [n, size] : llvm::zip_equal(type.getShape(), value.sizes))
      if (ShapedType::isDynamic(n))
        dynamic.push_back(size);
    value.buffer =
        memref::AllocOp::create(b, MemRefType::get(shape, element), dynamic);
    scratches.push_back(std::make_unique<Scratch>());
    value.scratch = scratches.back().get();
    value.scratch->base = value.buffer;
    value.scratch->users = 1;
    return value;
  }

  int64_t bytes = type.getNumElements() * lanes * width;
  auto *reuse = llvm::find_if(scratches, [&](const auto &s) {
    return s->users == 0 && s->bytes == bytes;
  });
  b.restoreInsertionPoint(allocations);
  if (reuse == scratches.end()) {
    scratches.push_back(std::make_unique<Scratch>());
    reuse = std::prev(scratches.end());
    (*reuse)->bytes = bytes;
    (*reuse)->base = memref::AllocaOp::create(
        b, MemRefType::get({std::max<int64_t>(bytes, 1)}, b.getI8Type()),
        b.getI64IntegerAttr(64));
  }
  value.scratch = reuse->get();
  value.scratch->users = 1;
  value.buffer =
      memref::ViewOp::create(b, MemRefType::get(shape, element),
                             value.scratch->base, index(0), ValueRange());
  return value;
}

/// Truth values live as i8, other elements as themselves.
static Value fromStorage(ImplicitLocOpBuilder &b, Value x, bool truth) {
  if (!truth || getElementTypeOrSelf(x.getType()).isInteger(1))
    return x;
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(x.getType()));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, zero);
}

static Value toStorage(ImplicitLocOpBuilder &b, Value x, Type stored) {
  Type element = getElementTypeOrSelf(x.getType());
  if (element == stored)
    return x;
  Type to = stored;
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    to = VectorType::get(vector.getShape(), stored);
  return arith::ExtUIOp::create(b, to, x);
}

Value Emitter::load(const RowValue &v, ValueRange at) {
  if (v.splat)
    return v.splat;
  bool truth = v.type.getElementType().isInteger(1);
  if (v.uniform || lanes == 1) {
    Value x = memref::LoadOp::create(b, v.buffer, at);
    x = fromStorage(b, x, truth);
    return v.uniform ? inLanes(x) : x;
  }
  Values place(at);
  place.push_back(index(0));
  Type element = cast<MemRefType>(v.buffer.getType()).getElementType();
  Value x = vector::LoadOp::create(b, VectorType::get({lanes}, element),
                                   v.buffer, place);
  return fromStorage(b, x, truth);
}

void Emitter::store(const RowValue &v, ValueRange at, Value x) {
  Type element = cast<MemRefType>(v.buffer.getType()).getElementType();
  x = toStorage(b, x, element);
  if (lanes == 1) {
    memref::StoreOp::create(b, x, v.buffer, at);
    return;
  }
  Values place(at);
  place.push_back(index(0));
  vector::StoreOp::create(b, x, v.buffer, place);
}

Value Emitter::loadLane(const RowValue &v, ValueRange at, Value lane) {
  if (v.splat)
    return lanes == 1 ? v.splat
                      : Value(vector::ExtractOp::create(b, v.splat, lane));
  Values place(at);
  if (!v.uniform && lanes > 1)
    place.push_back(lane);
  Value x = memref::LoadOp::create(b, v.buffer, place);
  return fromStorage(b, x, v.type.getElementType().isInteger(1));
}

void Emitter::storeLane(const RowValue &v, ValueRange at, Value lane, Value x) {
  Values place(at);
  if (lanes > 1)
    place.push_back(lane);
  Type element = cast<MemRefType>(v.buffer.getType()).getElementType();
  memref::StoreOp::create(b, toStorage(b, x, element), v.buffer, place);
}

Value Emitter::gather(const RowValue &v, ValueRange batch, Value at) {
  Type element = v.type.getElementType();
  Value zero = constant(b.getI32Type(), 0);
  Value nothing = constant(element, 0);
  Value valid = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, zero);
  if (v.splat)
    return arith::SelectOp::create(b, valid, v.splat, nothing);
  Value safe = arith::MaxSIOp::create(b, at, zero);
  Values place(batch);
  if (v.type.getRank() == 1)
    place.clear();
  if (lanes == 1) {
    place.push_back(arith::IndexCastOp::create(b, b.getIndexType(), safe));
    Value x = memref::LoadOp::create(b, v.buffer, place);
    x = fromStorage(b, x, element.isInteger(1));
    return arith::SelectOp::create(b, valid, x, nothing);
  }
  place.push_back(index(0));
  Value base = v.buffer;
  if (!v.uniform) {
    // Element e of lane l is at e * lanes + l.
    SmallVector<ReassociationIndices> groups(v.type.getRank());
    for (auto [i, group] : llvm::enumerate(groups))
      group.push_back(i);
    groups.back().push_back(v.type.getRank());
    base = memref::CollapseShapeOp::create(b, base, groups);
    SmallVector<int32_t> lane(lanes);
    std::iota(lane.begin(), lane.end(), 0);
    Value iota = arith::ConstantOp::create(b, b.getI32VectorAttr(lane));
    safe = arith::MulIOp::create(b, safe, constant(b.getI32Type(), lanes));
    safe = arith::AddIOp::create(b, safe, iota);
  }
  Type stored = cast<MemRefType>(base.getType()).getElementType();
  auto type = VectorType::get({lanes}, stored);
  if (isa<FloatType>(stored) && stored.getIntOrFloatBitWidth() == 16) {
    // Processors gather no 16 bits, and LLVM would take such floats through
    // f32 and a library call.
    Type i16 = b.getI16Type();
    Values bits;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      place.back() = arith::IndexCastOp::create(
          b, b.getIndexType(), vector::ExtractOp::create(b, safe, lane));
      bits.push_back(arith::BitcastOp::create(
          b, i16, memref::LoadOp::create(b, base, place)));
    }
    Value x = vector::FromElementsOp::create(b, cast<VectorType>(laneType(i16)),
                                             bits);
    x = arith::SelectOp::create(b, valid, x, constant(i16, 0));
    return arith::BitcastOp::create(b, type, x);
  }
  Value rest = arith::ConstantOp::create(b, b.getZeroAttr(type));
  Value x = vector::GatherOp::create(b, type, base, place, safe, valid, rest);
  return fromStorage(b, x, element.isInteger(1));
}

void Emitter::forEach(ValueRange sizes,
                      llvm::function_ref<void(ValueRange)> body) {
  OpBuilder::InsertionGuard guard(b);
  Values at;
  for (Value size : sizes) {
    auto loop = scf::ForOp::create(b, index(0), size, index(1));
    at.push_back(loop.getInductionVar());
    b.setInsertionPointToStart(loop.getBody());
  }
  body(at);
}

void Emitter::forLanes(Value end, llvm::function_ref<void(Value)> body) {
  if (lanes == 1)
    return body(index(0));
  forEach(end, [&](ValueRange at) { body(at[0]); });
}

LogicalResult Emitter::emitReshape(Operation *op) {
  RowValue from = row(op->getOperand(0)), to = from;
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  bool hasLanes = lanes > 1 && !from.uniform;
  auto defineAlias = [&] {
    if (to.scratch)
      ++to.scratch->users;
    define(op->getResult(0), to);
    return success();
  };
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!type.hasStaticShape() || !from.type.hasStaticShape() ||
        llvm::any_of(slice.getStaticOffsets(), ShapedType::isDynamic))
      return op->emitError("row programs take slices of static place and size "
                           "only");
    to.sizes.clear();
    for (int64_t n : type.getShape())
      to.sizes.push_back(index(n));
    if (from.splat)
      return defineAlias();
    SmallVector<OpFoldResult> offsets = slice.getMixedOffsets(),
                              sizes = slice.getMixedSizes(),
                              strides = slice.getMixedStrides();
    if (hasLanes) {
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(b.getIndexAttr(lanes));
      strides.push_back(b.getIndexAttr(1));
    }
    SmallVector<int64_t> shape(type.getShape());
    if (hasLanes)
      shape.push_back(lanes);
    auto view = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
        shape, cast<MemRefType>(from.buffer.getType()), offsets, sizes,
        strides));
    to.buffer = memref::SubViewOp::create(b, view, from.buffer, offsets, sizes,
                                          strides);
    return defineAlias();
  }
  if (isa<tensor::CastOp>(op)) {
    to.sizes.clear();
    for (unsigned i = 0; i < type.getRank(); ++i)
      to.sizes.push_back(type.isDynamicDim(i) ? from.sizes[i]
                                              : index(type.getDimSize(i)));
    if (from.buffer) {
      SmallVector<int64_t> shape(type.getShape());
      if (hasLanes)
        shape.push_back(lanes);
      auto memory = cast<MemRefType>(from.buffer.getType());
      to.buffer = memref::CastOp::create(
          b,
          MemRefType::get(shape, memory.getElementType(), memory.getLayout()),
          from.buffer);
    }
    return defineAlias();
  }

  // expand_shape and collapse_shape.
  if (!type.hasStaticShape() || !from.type.hasStaticShape())
    return op->emitError("row programs reshape static shapes only");
  to.sizes.clear();
  for (int64_t n : type.getShape())
    to.sizes.push_back(index(n));
  if (from.splat)
    return defineAlias();
  auto memory = cast<MemRefType>(from.buffer.getType());
  if (!memory.getLayout().isIdentity()) {
    // A slice or an input: copy, then reshape the copy.
    RowValue copy = allocate(from.type, from.sizes);
    if (from.uniform)
      return op->emitError("a uniform value of row programs cannot be "
                           "reshaped unless it is contiguous");
    forEach(from.sizes,
            [&](ValueRange at) { store(copy, at, load(from, at)); });
    to.buffer = copy.buffer;
    to.scratch = copy.scratch;
    --to.scratch->users; // defineAlias counts it again
  }
  auto expand = dyn_cast<tensor::ExpandShapeOp>(op);
  SmallVector<ReassociationIndices> groups =
      expand ? expand.getReassociationIndices()
             : cast<tensor::CollapseShapeOp>(op).getReassociationIndices();
  SmallVector<int64_t> shape(type.getShape());
  int64_t wide = std::max(type.getRank(), from.type.getRank());
  if (hasLanes) {
    shape.push_back(lanes);
    if (groups.empty()) {
      // Between rank 0 and ones: they all join the lanes.
      groups.emplace_back();
      for (int64_t i = 0; i <= wide; ++i)
        groups.back().push_back(i);
    } else {
      groups.push_back({wide});
    }
  }
  to.buffer =
      expand
          ? memref::ExpandShapeOp::create(b, shape, to.buffer, groups)
                .getResult()
          : memref::CollapseShapeOp::create(b, to.buffer, groups).getResult();
  return defineAlias();
}

LogicalResult Emitter::emitOp(Operation *op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return emitGeneric(generic);
  if (auto choose = dyn_cast<ChooseOp>(op))
    return emitChoose(choose);
  if (auto take = dyn_cast<TakeOp>(op))
    return emitTake(take);
  if (auto contains = dyn_cast<ContainsOp>(op))
    return emitContains(contains);
  if (auto tally = dyn_cast<TallyOp>(op))
    return emitTally(tally);
  if (auto sum = dyn_cast<SumOp>(op))
    return emitSum(sum);
  if (auto product = dyn_cast<ragged::MatmulOp>(op)) {
    Value memory = products->buffers.lookup(op);
    if (!memory)
      return op->emitError("row programs multiply an input by uniforms only");
    auto type = cast<RankedTensorType>(product.getResult(0).getType());
    RowValue value =
        loadInput(memory, type, products->items, /*prefetch=*/false);
    value.sizes = {index(1), index(type.getDimSize(1))};
    define(product.getResult(0), value);
    return success();
  }
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp,
          tensor::ExtractSliceOp>(op))
    return emitReshape(op);
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    RowValue value;
    auto type = cast<RankedTensorType>(fill.getResult(0).getType());
    Value init = fill.getOutputs()[0];
    for (unsigned i = 0; i < type.getRank(); ++i)
      value.sizes.push_back(sizeOf(init, i));
    value.splat = scalars.lookup(fill.getInputs()[0]);
    if (!value.splat)
      return op->emitError("fills with a value unknown here");
    define(fill.getResult(0), value);
    return success();
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    RowValue value;
    auto type = empty.getType();
    unsigned dynamic = 0;
    for (unsigned i = 0; i < type.getRank(); ++i)
      value.sizes.push_back(
          type.isDynamicDim(i)
              ? scalars.lookup(empty.getDynamicSizes()[dynamic++])
              : index(type.getDimSize(i)));
    // Any value will do for what is never read.
    value.splat = constant(type.getElementType(), 0);
    define(empty, value);
    return success();
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> which = dim.getConstantIndex();
    if (!which)
      return op->emitError("a size at an unknown position");
    scalars[dim] = sizeOf(dim.getSource(), *which);
    return success();
  }
  return emitScalarOp(op);
}

Value Emitter::sizeOf(Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return index(type.getDimSize(dim));
  return row(tensor).sizes[dim];
}

Value Emitter::constantTable(DenseElementsAttr values) {
  auto module = program->getParentOfType<ModuleOp>();
  auto type =
      MemRefType::get(values.getType().getShape(), values.getElementType());
  for (auto global : module.getOps<memref::GlobalOp>())
    if (global.isPrivate() && global.getConstant() &&
        global.getInitialValue() == Attribute(values))
      return memref::GetGlobalOp::create(b, type, global.getSymName());
  std::string name;
  for (unsigned i = 0; name.empty() || module.lookupSymbol(name); ++i)
    name = "row_table_" + std::to_string(i);
  OpBuilder atTop = OpBuilder::atBlockBegin(module.getBody());
  memref::GlobalOp::create(atTop, b.getLoc(), name, b.getStringAttr("private"),
                           type, values, /*constant=*/true,
                           b.getI64IntegerAttr(64));
  return memref::GetGlobalOp::create(b, type, name);
}

LogicalResult Emitter::emit(const Items &items, ValueRange inputs,
                            ValueRange uniforms, ValueRange outputs,
                            ValueRange accumulators, const Products &products) {
  this->products = &products;
  Block &block = program.getBody().front();
  for (auto [i, argument] : llvm::enumerate(block.getArguments())) {
    auto type = cast<RankedTensorType>(argument.getType());
    bool varying = i < inputs.size();
    Value memory = varying ? inputs[i] : uniforms[i - inputs.size()];
    RowValue value;
    {
      OpBuilder::InsertionGuard guard(b);
      if (!type.hasStaticShape())
        b.restoreInsertionPoint(allocations);
      for (unsigned d = 0; d < type.getRank(); ++d)
        value.sizes.push_back(
            type.isDynamicDim(d)
                ? memref::DimOp::create(b, memory, d + varying).getResult()
                : index(type.getDimSize(d)));
    }
    if (varying) {
      Values sizes = value.sizes;
      if (feedsProducts(argument))
        value.splat = constant(type.getElementType(), 0);
      else
        value = loadInput(memory, type, items, /*prefetch=*/true);
      value.sizes = sizes;
    } else {
      value.buffer = memory;
      value.uniform = true;
    }
    define(argument, value);
  }
  YieldOp yield = program.getYield();
  for (Operation &op : block.without_terminator()) {
    if (auto tally = dyn_cast<TallyOp>(&op))
      if (llvm::all_of(tally->getUses(), [&](OpOperand &use) {
            return use.getOwner() == yield &&
                   directTally(program, use.getOperandNumber() -
                                            program.getOutputs().size());
          }))
        continue; // added straight into the counters below
    if (isa<tensor::ExpandShapeOp>(op) && feedsProducts(op.getResult(0)))
      continue;
    if (failed(emitOp(&op)))
      return failure();
    // What a deferred quotient reads stays alive.
    if (op.getNumResults() != 1 || !quotients.contains(op.getResult(0)))
      finishOp(&op);
  }
  for (auto [i, value] : llvm::enumerate(yield.getValues())) {
    if (i < outputs.size()) {
      storeOutput(row(value), outputs[i], items);
      continue;
    }
    unsigned a = i - outputs.size();
    if (TallyOp tally = directTally(program, a))
      accumulateTally(row(tally.getIndices()), accumulators[a], items);
    else
      accumulate(row(value), accumulators[a], items);
  }
  return success();
}

bool Emitter::feedsProducts(Value v) {
  return llvm::all_of(v.getUsers(), [](Operation *user) {
    return isa<ragged::MatmulOp>(user) || (isa<tensor::ExpandShapeOp>(user) &&
                                           feedsProducts(user->getResult(0)));
  });
}

TallyOp Emitter::directTally(ProgramOp program, unsigned i) {
  unsigned operand = program.getOutputs().size() + i;
  if (operand < program.getOutputs().size() ||
      operand >= program.getYield().getValues().size())
    return nullptr;
  auto tally = program.getYield().getValues()[operand].getDefiningOp<TallyOp>();
  if (!tally || !tally.getType().hasStaticShape())
    return nullptr;
  for (OpOperand &use : tally->getUses())
    if (use.getOwner() != program.getYield() ||
        use.getOperandNumber() < program.getOutputs().size())
      return nullptr;
  return tally;
}

} // namespace route::row
