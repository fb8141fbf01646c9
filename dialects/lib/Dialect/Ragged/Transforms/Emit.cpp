// Emits loops and accesses for the CPU lowering, and outlines bodies of work.
#include "Emit.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace route::ragged {

Value Emit::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value Emit::i32(int32_t value) {
  return arith::ConstantIntOp::create(b, loc, value, 32);
}
Value Emit::zero(Type type) {
  return arith::ConstantOp::create(b, loc,
                                   cast<TypedAttr>(b.getZeroAttr(type)));
}
Value Emit::add(Value x, Value y) {
  return b.createOrFold<arith::AddIOp>(loc, x, y);
}
Value Emit::add(Value x, int64_t y) { return y ? add(x, index(y)) : x; }
Value Emit::sub(Value x, Value y) {
  return b.createOrFold<arith::SubIOp>(loc, x, y);
}
Value Emit::mul(Value x, Value y) {
  return b.createOrFold<arith::MulIOp>(loc, x, y);
}
Value Emit::mul(Value x, int64_t y) { return y == 1 ? x : mul(x, index(y)); }
Value Emit::div(Value x, int64_t y) {
  return y == 1 ? x : b.createOrFold<arith::DivUIOp>(loc, x, index(y));
}
Value Emit::rem(Value x, int64_t y) {
  return y == 1 ? index(0) : b.createOrFold<arith::RemUIOp>(loc, x, index(y));
}
Value Emit::cmp(arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}
Value Emit::both(Value x, Value y) {
  return arith::AndIOp::create(b, loc, x, y);
}
Value Emit::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, loc, condition, x, y);
}
Value Emit::toIndex(Value x) {
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
}
Value Emit::toI32(Value x) {
  return arith::IndexCastOp::create(b, loc, b.getI32Type(), x);
}
Value Emit::load(Value buffer, ValueRange at) {
  return memref::LoadOp::create(b, loc, buffer, at);
}
void Emit::store(Value value, Value buffer, ValueRange at) {
  memref::StoreOp::create(b, loc, value, buffer, at);
}
Value Emit::loadVector(VectorType type, Value buffer, ValueRange at) {
  return vector::LoadOp::create(b, loc, type, buffer, at);
}
void Emit::storeVector(Value value, Value buffer, ValueRange at) {
  vector::StoreOp::create(b, loc, value, buffer, at);
}
Value Emit::splat(VectorType type, Value scalar) {
  return vector::BroadcastOp::create(b, loc, type, scalar);
}
Value Emit::dim(Value buffer, unsigned dim) {
  return b.createOrFold<memref::DimOp>(loc, buffer, dim);
}

FlatBuffer Emit::flatten(Value buffer, int64_t first) {
  auto type = cast<MemRefType>(buffer.getType());
  auto parts = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
  auto flat = MemRefType::get(
      {ShapedType::kDynamic}, type.getElementType(),
      StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {1}));
  // The size is not used: every access is within the buffer by construction.
  OpFoldResult offset = parts.getOffset(), one = b.getIndexAttr(1),
               size = index(std::numeric_limits<int32_t>::max());
  if (first)
    offset = add(parts.getOffset(), first);
  Value line = memref::ReinterpretCastOp::create(
      b, loc, flat, parts.getBaseBuffer(), offset, ArrayRef<OpFoldResult>{size},
      ArrayRef<OpFoldResult>{one});
  auto [strides, ignored] = type.getStridesAndOffset();
  Value rowStride = ShapedType::isDynamic(strides.front())
                        ? Value(parts.getStrides().front())
                        : index(strides.front());
  return {line, rowStride};
}

Value Emit::row(Value buffer, Value at, Value width) {
  auto type = cast<MemRefType>(buffer.getType());
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets = {at, zero}, strides = {one, one};
  SmallVector<OpFoldResult> sizes = {one, getAsOpFoldResult(width)};
  MemRefType line = memref::SubViewOp::inferRankReducedResultType(
      ArrayRef(isa<Attribute>(sizes[1]) ? *getConstantIntValue(width)
                                        : ShapedType::kDynamic),
      type, offsets, sizes, strides);
  return memref::SubViewOp::create(b, loc, line, buffer, offsets, sizes,
                                   strides);
}

Value Emit::stack(ArrayRef<int64_t> shape, Type element) {
  OpBuilder::InsertionGuard guard(b);
  Operation *parent = b.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<FunctionOpInterface>(parent);
  if (!function)
    function = parent->getParentOfType<FunctionOpInterface>();
  b.setInsertionPointToStart(&function.getFunctionBody().front());
  return memref::AllocaOp::create(b, loc, MemRefType::get(shape, element),
                                  ValueRange(), b.getI64IntegerAttr(64));
}

void Emit::loop(Value from, Value to, int64_t step, LoopBody body) {
  auto op = scf::ForOp::create(b, loc, from, to, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

SmallVector<Value> Emit::loop(Value from, Value to, int64_t step,
                              ValueRange carried, CarryBody body) {
  auto op = scf::ForOp::create(b, loc, from, to, index(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return llvm::to_vector(ValueRange(op.getResults()));
}

void Emit::when(Value condition, llvm::function_ref<void()> then,
                llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, loc, condition,
                              /*withElseRegion=*/static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
  if (otherwise) {
    b.setInsertionPointToStart(op.elseBlock());
    otherwise();
  }
}

Value hasBf16Dot(RewriterBase &rewriter) {
  Operation *at = rewriter.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<func::FuncOp>(at);
  if (!function)
    function = at->getParentOfType<func::FuncOp>();
  unsigned count = function.getNumArguments();
  if (count && function.getArgAttr(count - 1, "ragged.has_bf16_dot"))
    return function.getArgument(count - 1);
  NamedAttribute mark =
      rewriter.getNamedAttr("ragged.has_bf16_dot", rewriter.getUnitAttr());
  (void)function.insertArgument(count, rewriter.getI1Type(),
                                rewriter.getDictionaryAttr(mark),
                                function.getLoc());
  auto module = function->getParentOfType<ModuleOp>();
  SmallVector<func::CallOp> calls;
  module.walk([&](func::CallOp call) {
    if (call.getCallee() == function.getName())
      calls.push_back(call);
  });
  OpBuilder::InsertionGuard guard(rewriter);
  for (func::CallOp call : calls) {
    rewriter.setInsertionPoint(call);
    call.getOperandsMutable().append(hasBf16Dot(rewriter));
  }
  return function.getArgument(count);
}

void outlineWork(RewriterBase &rewriter, Operation *op, Value items,
                 llvm::function_ref<void(Emit &, WorkBody)> body,
                 ValueRange more) {
  Location loc = op->getLoc();
  auto parent = op->getParentOfType<FunctionOpInterface>();
  auto module = parent->getParentOfType<ModuleOp>();
  OpBuilder::InsertionGuard guard(rewriter);

  Type index = rewriter.getIndexType();
  SmallVector<Type> inputs = {index, index};
  SmallVector<Value> operands(op->getOperands());
  llvm::append_range(operands, more);
  llvm::append_range(inputs, ValueRange(operands).getTypes());
  rewriter.setInsertionPoint(parent);
  std::string name =
      (parent.getName() + "_" + op->getName().stripDialect()).str();
  auto function = func::FuncOp::create(
      rewriter, loc, name, rewriter.getFunctionType(inputs, TypeRange()));
  function.setPrivate();
  function->setAttr("ragged.work", rewriter.getUnitAttr());
  // Renames when the name is taken.
  SymbolTable(module).insert(function);

  Block *entry = function.addEntryBlock();
  rewriter.setInsertionPointToEnd(entry);
  func::ReturnOp::create(rewriter, loc);
  rewriter.setInsertionPointToStart(entry);
  Emit emit(rewriter, loc);
  body(emit, {entry->getArgument(0), entry->getArgument(1),
              ValueRange(entry->getArguments()).drop_front(2)});

  rewriter.setInsertionPoint(op);
  SmallVector<Value> arguments = {
      arith::ConstantIndexOp::create(rewriter, loc, 0), items};
  llvm::append_range(arguments, operands);
  auto call = func::CallOp::create(rewriter, loc, function, arguments);
  call->setAttr("ragged.parallel", rewriter.getUnitAttr());
  rewriter.eraseOp(op);
}

} // namespace route::ragged
