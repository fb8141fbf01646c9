// Row values in the lanes of a warp: their elements, access, shape changes.
#include "WarpEmitter.h"
#include "Emitter.h"
#include "route/Kernels/Atomics.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::row {

Value WarpEmitter::index(int64_t v) {
  return arith::ConstantIndexOp::create(b, v);
}

Value WarpEmitter::number(int32_t v) {
  return arith::ConstantOp::create(b, b.getI32IntegerAttr(v));
}

Value WarpEmitter::truth(bool v) {
  return arith::ConstantOp::create(b, b.getBoolAttr(v));
}

Value WarpEmitter::constant(Type element, int64_t v) {
  if (isa<FloatType>(element))
    return arith::ConstantOp::create(b, b.getFloatAttr(element, double(v)));
  return arith::ConstantOp::create(b, b.getIntegerAttr(element, v));
}

Value WarpEmitter::element(int64_t elements, int64_t r) {
  Value e = r ? arith::AddIOp::create(b, lane, index(r * lanes)) : lane;
  if ((r + 1) * lanes <= elements)
    return e;
  return arith::MinUIOp::create(b, e, index(elements - 1));
}

Value WarpEmitter::owns(int64_t elements, int64_t r) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, lane,
                               index(std::min(lanes, elements - r * lanes)));
}

WarpEmitter::Values WarpEmitter::delinearize(Value flat,
                                             ArrayRef<int64_t> shape) {
  Values place(shape.size());
  for (int64_t d = shape.size(); d-- > 0;) {
    if (d == 0) {
      place[d] = flat;
    } else {
      place[d] = arith::RemUIOp::create(b, flat, index(shape[d]));
      flat = arith::DivUIOp::create(b, flat, index(shape[d]));
    }
  }
  return place;
}

Value WarpEmitter::linearize(ValueRange place, ArrayRef<int64_t> shape) {
  Value flat = index(0);
  for (auto [i, n] : llvm::zip_equal(place, shape))
    flat =
        arith::AddIOp::create(b, arith::MulIOp::create(b, flat, index(n)), i);
  return flat;
}

Value WarpEmitter::firstLane() {
  if (lanes == kLanes)
    return {};
  Value place = arith::RemUIOp::create(b, segment, index(kLanes / lanes));
  return arith::IndexCastUIOp::create(
      b, b.getI32Type(), arith::MulIOp::create(b, place, index(lanes)));
}

Value WarpEmitter::shuffle(Value x, Value offset, gpu::ShuffleMode mode) {
  if (mode == gpu::ShuffleMode::IDX)
    if (Value first = firstLane())
      offset = arith::AddIOp::create(b, first, offset);
  Type type = x.getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  // 32 and 64 bits travel as they are.
  bool narrow = bits < 32;
  if (narrow) {
    if (type != integer)
      x = arith::BitcastOp::create(b, integer, x);
    x = arith::ExtUIOp::create(b, b.getI32Type(), x);
  }
  x = gpu::ShuffleOp::create(b, x, offset, number(kLanes), mode)
          .getShuffleResult();
  if (narrow) {
    x = arith::TruncIOp::create(b, integer, x);
    if (type != integer)
      x = arith::BitcastOp::create(b, type, x);
  }
  return x;
}

void WarpEmitter::syncWarp() { NVVM::SyncWarpOp::create(b, number(-1)); }

WarpValue WarpEmitter::make(Type type) {
  WarpValue value;
  value.type = cast<RankedTensorType>(type);
  value.uniform = value.type.getNumElements() == 1;
  return value;
}

void WarpEmitter::define(Value v, WarpValue value) {
  value.type = cast<RankedTensorType>(v.getType());
  rows[v] = std::move(value);
}

/// Truth values are bytes in shared memory.
static Type storageType(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8)
                              : element;
}

void WarpEmitter::load(WarpValue &v) {
  if (!v.own.empty())
    return;
  int64_t n = v.type.getNumElements();
  for (int64_t r = 0; r < (v.uniform ? 1 : registersOf(n)); ++r)
    v.own.push_back(at(v, delinearize(v.uniform ? index(0) : element(n, r),
                                      v.type.getShape())));
}

void WarpEmitter::share(WarpValue &v) {
  if (v.memory || v.uniform)
    return;
  // A buffer for each segment of the block.
  auto space =
      gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
  Type stored = storageType(v.type.getElementType());
  SmallVector<int64_t> shape{kernel.getKnownBlockSize()->front() / lanes};
  llvm::append_range(shape, v.type.getShape());
  sharedBytes += v.type.getNumElements() * stored.getIntOrFloatBitWidth() / 8;
  v.memory = kernel.addWorkgroupAttribution(
      MemRefType::get(shape, stored, MemRefLayoutAttrInterface(), space),
      b.getLoc());
  v.lead = {segment};
  int64_t n = v.type.getNumElements();
  for (auto [r, x] : llvm::enumerate(v.own)) {
    Values place = v.lead;
    llvm::append_range(place, delinearize(element(n, r), v.type.getShape()));
    Value bits = x;
    if (stored != x.getType())
      bits = arith::ExtUIOp::create(b, stored, x);
    memref::StoreOp::create(b, bits, v.memory, place);
  }
  syncWarp();
}

Value WarpEmitter::at(const WarpValue &v, ValueRange place) {
  if (v.uniform && !v.own.empty())
    return v.own[0];
  Values all = v.lead;
  llvm::append_range(all, place);
  Value x = memref::LoadOp::create(b, v.memory, all);
  if (x.getType() != v.type.getElementType())
    x = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x,
                              constant(x.getType(), 0));
  return x;
}

Value WarpEmitter::broadcast(const WarpValue &v, int64_t flat) {
  if (v.uniform)
    return v.own[0];
  return shuffle(v.own[flat / lanes], number(flat % lanes),
                 gpu::ShuffleMode::IDX);
}

Operation *WarpEmitter::clone(Operation *op,
                              llvm::function_ref<Value(Value)> find) {
  if (op->getNumResults() != 1 || op->getNumRegions() ||
      isa<ShapedType>(op->getResult(0).getType()) ||
      !(isa<arith::ConstantOp>(op) ||
        OpTrait::hasElementwiseMappableTraits(op)))
    return nullptr;
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    Value v = find(operand);
    if (!v)
      return nullptr;
    mapping.map(operand, v);
  }
  return b.clone(*op, mapping);
}

LogicalResult WarpEmitter::emitConstant(Operation *op,
                                        DenseElementsAttr dense) {
  WarpValue value = make(op->getResult(0).getType());
  if (dense.isSplat()) {
    value.uniform = true;
    value.own.push_back(arith::ConstantOp::create(
        b, cast<TypedAttr>(dense.getSplatValue<Attribute>())));
  } else {
    // A private table of the module of kernels.
    auto module = kernel->getParentOfType<gpu::GPUModuleOp>();
    auto type =
        MemRefType::get(value.type.getShape(), value.type.getElementType());
    std::string name;
    for (auto global : module.getOps<memref::GlobalOp>())
      if (global.getInitialValue() == Attribute(dense))
        name = global.getSymName().str();
    if (name.empty()) {
      for (unsigned i = 0; name.empty() || module.lookupSymbol(name); ++i)
        name = "row_table_" + std::to_string(i);
      OpBuilder atTop = OpBuilder::atBlockBegin(module.getBody());
      memref::GlobalOp::create(atTop, b.getLoc(), name,
                               b.getStringAttr("private"), type, dense,
                               /*constant=*/true, b.getI64IntegerAttr(64));
    }
    value.memory = memref::GetGlobalOp::create(b, type, name);
  }
  define(op->getResult(0), value);
  return success();
}

LogicalResult WarpEmitter::emitReshape(Operation *op) {
  WarpValue &from = row(op->getOperand(0));
  WarpValue to = make(op->getResult(0).getType());
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  if (from.uniform || !slice) {
    // The same elements in the same order.
    load(from);
    to.own = from.own;
    to.uniform = from.uniform;
    define(op->getResult(0), to);
    return success();
  }
  if (llvm::any_of(slice.getStaticOffsets(), ShapedType::isDynamic) ||
      llvm::any_of(slice.getStaticStrides(), ShapedType::isDynamic))
    return op->emitError("row programs take slices of static place and size");
  share(from);
  int64_t n = to.type.getNumElements();
  SmallVector<int64_t> sizes(slice.getStaticSizes());
  for (int64_t r = 0; r < (to.uniform ? 1 : registersOf(n)); ++r) {
    Values place = delinearize(to.uniform ? index(0) : element(n, r), sizes);
    for (auto [d, offset, stride] :
         llvm::enumerate(slice.getStaticOffsets(), slice.getStaticStrides()))
      place[d] = arith::AddIOp::create(
          b, arith::MulIOp::create(b, place[d], index(stride)), index(offset));
    to.own.push_back(at(from, place));
  }
  define(op->getResult(0), to);
  return success();
}

LogicalResult WarpEmitter::emitScalarOp(Operation *op) {
  auto find = [&](Value v) { return scalars.lookup(v); };
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op))
    if (auto dense = dyn_cast<DenseElementsAttr>(constantOp.getValue()))
      return emitConstant(op, dense);
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Values place;
    for (Value v : extract.getIndices())
      place.push_back(find(v));
    if (!llvm::is_contained(place, Value())) {
      WarpValue &from = row(extract.getTensor());
      share(from);
      scalars[extract] = at(from, place);
      return success();
    }
  }
  if (auto elements = dyn_cast<tensor::FromElementsOp>(op)) {
    WarpValue value = make(elements.getType());
    int64_t n = value.type.getNumElements();
    for (int64_t r = 0; r < (value.uniform ? 1 : registersOf(n)); ++r) {
      Value own;
      for (auto [i, x] : llvm::enumerate(elements.getElements())) {
        Value known = find(x);
        if (!known)
          return op->emitError("an element unknown here");
        Value mine = own ? arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                 element(n, r), index(i))
                               .getResult()
                         : Value();
        own = own ? arith::SelectOp::create(b, mine, known, own) : known;
      }
      value.own.push_back(own);
    }
    define(elements, value);
    return success();
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    WarpValue value = make(splat.getType());
    value.uniform = true;
    value.own.push_back(find(splat.getInput()));
    if (value.own[0]) {
      define(splat, value);
      return success();
    }
  }
  if (Operation *copy = clone(op, find)) {
    scalars[op->getResult(0)] = copy->getResult(0);
    return success();
  }
  return op->emitError("row programs do not lower '") << op->getName() << "'";
}

LogicalResult WarpEmitter::emitOp(Operation *op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return generic.getNumReductionLoops() ? emitReduction(generic)
                                          : emitGeneric(generic);
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
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp,
          tensor::ExtractSliceOp>(op))
    return emitReshape(op);
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    WarpValue value = make(fill.getResult(0).getType());
    value.uniform = true;
    value.own.push_back(scalars.lookup(fill.getInputs()[0]));
    if (!value.own[0])
      return op->emitError("fills with a value unknown here");
    define(fill.getResult(0), value);
    return success();
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    WarpValue value = make(empty.getType());
    value.uniform = true;
    value.own.push_back(constant(value.type.getElementType(), 0));
    define(empty, value);
    return success();
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> which = dim.getConstantIndex();
    if (!which)
      return op->emitError("a size at an unknown position");
    scalars[dim] = index(
        cast<RankedTensorType>(dim.getSource().getType()).getDimSize(*which));
    return success();
  }
  return emitScalarOp(op);
}

LogicalResult WarpEmitter::store(const WarpValue &v, Value memory, Value item) {
  int64_t n = v.type.getNumElements();
  // Lanes without an element of their own write the last one once more.
  for (int64_t r = 0; r < registersOf(n); ++r) {
    Values place{item};
    llvm::append_range(place, delinearize(n == 1 ? index(0) : element(n, r),
                                          v.type.getShape()));
    memref::StoreOp::create(b, v.uniform ? v.own[0] : v.own[r], memory, place);
  }
  return success();
}

void WarpEmitter::add(Value x, Value memory, ValueRange at, bool atomic) {
  if (!atomic) {
    Value old = memref::LoadOp::create(b, memory, at);
    Value sum = isa<FloatType>(x.getType())
                    ? Value(arith::AddFOp::create(b, old, x))
                    : Value(arith::AddIOp::create(b, old, x));
    memref::StoreOp::create(b, sum, memory, at);
    return;
  }
  // Integers only, so no order needs to be kept between additions.
  updateAtomically(b, LLVM::AtomicBinOp::add, x, memory, at);
}

void WarpEmitter::accumulate(const WarpValue &v, Value memory, bool atomic) {
  int64_t n = v.type.getNumElements();
  for (int64_t r = 0; r < registersOf(n); ++r) {
    Value counts = owns(n, r);
    if (isNew)
      counts = arith::AndIOp::create(b, counts, isNew);
    auto mine = scf::IfOp::create(b, counts, false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&mine.getThenRegion().front());
    add(v.uniform ? v.own[0] : v.own[r], memory,
        delinearize(n == 1 ? index(0) : element(n, r), v.type.getShape()),
        atomic);
  }
}

void WarpEmitter::accumulateTally(const WarpValue &indices, Value counts,
                                  bool atomic) {
  int64_t n = indices.type.getNumElements();
  for (int64_t r = 0; r < registersOf(n); ++r) {
    Value i = indices.uniform ? indices.own[0] : indices.own[r];
    Value counted = arith::AndIOp::create(
        b, owns(n, r),
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i, number(0)));
    if (isNew)
      counted = arith::AndIOp::create(b, counted, isNew);
    auto mine = scf::IfOp::create(b, counted, false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&mine.getThenRegion().front());
    add(number(1), counts,
        arith::IndexCastOp::create(b, b.getIndexType(), i).getResult(), atomic);
  }
}

int64_t WarpEmitter::lanesFor(ProgramOp program) {
  int64_t most = 1;
  auto see = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      most = std::max(most, tensor.getNumElements());
  };
  for (Value input :
       program.getBody().getArguments().take_front(program.getInputs().size()))
    see(input.getType());
  program.getBody().walk([&](Operation *op) {
    llvm::for_each(op->getResultTypes(), see);
    // What all items share may have any size where it is read element by
    // element.
    if (isa<SumOp, ChooseOp>(op))
      llvm::for_each(op->getOperandTypes(), see);
  });
  return std::min<int64_t>(llvm::PowerOf2Ceil(most), kLanes);
}

LogicalResult WarpEmitter::emit(Value item, ValueRange inputs,
                                ValueRange uniforms, ValueRange outputs,
                                ValueRange accumulators, bool atomic,
                                Value isNew) {
  this->isNew = isNew;
  Block &block = program.getBody().front();
  for (auto [i, argument] : llvm::enumerate(block.getArguments())) {
    WarpValue value = make(argument.getType());
    bool varying = i < inputs.size();
    value.memory = varying ? inputs[i] : uniforms[i - inputs.size()];
    if (varying)
      value.lead = {item};
    define(argument, value);
  }
  YieldOp yield = program.getYield();
  // A tally that is only added to counts needs no value of its own. Several
  // lanes may add to one count, so the additions are atomic.
  auto direct = [&](unsigned i) -> TallyOp {
    return atomic ? Emitter::directTally(program, i) : TallyOp();
  };
  for (Operation &op : block.without_terminator()) {
    if (isa<TallyOp>(op) && llvm::all_of(op.getUses(), [&](OpOperand &use) {
          return use.getOwner() == yield &&
                 direct(use.getOperandNumber() - outputs.size());
        }))
      continue;
    if (failed(emitOp(&op)))
      return failure();
  }
  for (auto [i, yielded] : llvm::enumerate(yield.getValues())) {
    if (i < outputs.size()) {
      WarpValue &value = row(yielded);
      load(value);
      if (failed(store(value, outputs[i], item)))
        return failure();
      continue;
    }
    unsigned a = i - outputs.size();
    if (TallyOp tally = direct(a)) {
      load(row(tally.getIndices()));
      accumulateTally(row(tally.getIndices()), accumulators[a], atomic);
      continue;
    }
    load(row(yielded));
    accumulate(row(yielded), accumulators[a], atomic);
  }
  // The next item's elements go where this one's were read.
  if (sharedBytes)
    syncWarp();
  return success();
}

} // namespace route::row
