// What kernels of ragged ops share: names, slots, rows of 16 bytes, results.
#include "KernelBody.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace route::ragged {

std::string kernelStem(Operation *op, StringRef what) {
  auto parent = op->getParentOfType<FunctionOpInterface>();
  return ((parent ? parent.getName() : "ragged") + "_" + what).str();
}

Value chosenBy(KernelBody &k, Value idx, Value limit, Value flat,
               Value slotsPerItem, int64_t experts) {
  Value item = k.div(flat, slotsPerItem), rank = k.rem(flat, slotsPerItem);
  Value e = k.load(idx, {item, rank});
  Value valid = k.cmp(arith::CmpIPredicate::ult, e, k.number(experts));
  if (limit)
    valid = k.both(valid, k.cmp(arith::CmpIPredicate::slt, k.toNumber(rank),
                                k.load(limit, item)));
  return k.select(valid, e, k.number(-1));
}

Value slotsOf(KernelBody &k, Value idx) {
  return k.mul(memref::DimOp::create(k.b, idx, 0),
               memref::DimOp::create(k.b, idx, 1));
}

int64_t slotsPerItem(Value idx) {
  return cast<MemRefType>(idx.getType()).getDimSize(1);
}

Value slotsPerItem(KernelBody &k, Value idx) {
  int64_t known = slotsPerItem(idx);
  return ShapedType::isDynamic(known)
             ? memref::DimOp::create(k.b, idx, 1).getResult()
             : k.index(known);
}

bool writesBetween(Operation *first, Operation *last) {
  for (Operation *op = first->getNextNode(); op != last; op = op->getNextNode())
    if (!isMemoryEffectFree(op) && !isa<memref::AllocOp>(op))
      return true;
  return false;
}

bool rowsStartAt16Bytes(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t bits = type.getElementTypeBitWidth(), offset;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)) || strides.empty() ||
      strides.back() != 1)
    return false;
  auto fits = [&](int64_t elements) {
    return !ShapedType::isDynamic(elements) && elements * bits % 128 == 0;
  };
  return fits(offset) && llvm::all_of(ArrayRef(strides).drop_back(), fits);
}

int64_t vectorWidth(ArrayRef<Value> matrices) {
  int64_t width = 16;
  for (Value v : matrices) {
    auto type = cast<MemRefType>(v.getType());
    int64_t bits = type.getElementTypeBitWidth();
    if (type.getRank() != 2 || type.isDynamicDim(1) || bits < 8 ||
        !rowsStartAt16Bytes(v))
      return 1;
    width = std::min(width, 128 / bits);
  }
  for (Value v : matrices)
    if (cast<MemRefType>(v.getType()).getDimSize(1) % width)
      return 1;
  return width;
}

Value unitsOfRow(ImplicitLocOpBuilder &b, Value matrix, int64_t width) {
  return arith::DivUIOp::create(b, memref::DimOp::create(b, matrix, 1),
                                arith::ConstantIndexOp::create(b, width));
}

Value loadWide(KernelBody &k, Value memory, ValueRange at, int64_t width) {
  if (width == 1)
    return k.load(memory, at);
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  auto loaded = vector::LoadOp::create(k.b, VectorType::get({width}, element),
                                       memory, at);
  loaded.setAlignment(width * element.getIntOrFloatBitWidth() / 8);
  return loaded;
}

void storeWide(KernelBody &k, Value x, Value memory, ValueRange at) {
  auto type = dyn_cast<VectorType>(x.getType());
  if (!type)
    return k.store(x, memory, at);
  auto stored = vector::StoreOp::create(k.b, x, memory, at);
  stored.setAlignment(type.getNumElements() * type.getElementTypeBitWidth() /
                      8);
}

Value elementOf(KernelBody &k, Value x, int64_t i) {
  return isa<VectorType>(x.getType())
             ? vector::ExtractOp::create(k.b, x, i).getResult()
             : x;
}

Value epilogue(KernelBody &k, Region &region, ValueRange arguments) {
  Block &body = region.front();
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  for (Operation &each : body.without_terminator())
    k.b.clone(each, mapping);
  return mapping.lookup(body.getTerminator()->getOperand(0));
}

void storeRounded(KernelBody &k, ArrayRef<Value> numbers, Value memory,
                  ValueRange at) {
  Type f32 = k.b.getF32Type(),
       element = cast<MemRefType>(memory.getType()).getElementType();
  auto width = static_cast<int64_t>(numbers.size());
  Value x = numbers.front();
  if (width > 1)
    x = vector::FromElementsOp::create(k.b, VectorType::get({width}, f32),
                                       numbers);
  if (element != f32 && width > 1) // by the hardware, which rounds the same way
    x = LLVM::FPTruncOp::create(k.b, VectorType::get({width}, element), x);
  else if (element != f32)
    x = arith::TruncFOp::create(k.b, element, x);
  storeWide(k, x, memory, at);
}

static constexpr int64_t kWarpsOfSum = 32;

Value memoryOfSums(KernelBody &k) {
  return k.shared({2, kWarpsOfSum}, k.b.getI32Type());
}

BlockSum sumBefore(KernelBody &k, Value own, Value memory, Value round) {
  assert(k.block == 32 * kWarpsOfSum);
  Value thread = k.thread();
  Value lane = k.rem(thread, k.index(32)), warp = k.div(thread, k.index(32));
  Value upTo = k.scan(own, lane), side = k.rem(round, k.index(2));
  k.when(k.cmp(arith::CmpIPredicate::eq, lane, k.index(31)),
         [&] { k.store(upTo, memory, {side, warp}); });
  k.barrier();
  // Every warp scans the sums of all warps for itself.
  Value sums = k.load(memory, {side, lane});
  Value scan = k.scan(sums, lane);
  return {k.add(k.fromLane(k.sub(scan, sums), warp), k.sub(upTo, own)),
          k.shuffle(scan, 31, gpu::ShuffleMode::IDX)};
}

void launchInPlace(Operation *op, KernelBody &k, ValueRange operands,
                   llvm::function_ref<Value(ImplicitLocOpBuilder &)> blocks) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  launchKernel(b, k.kernel, blocks(b), operands);
  op->erase();
}

} // namespace route::ragged
