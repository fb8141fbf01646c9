// The ragged dialect: registration, the panel layout, and shared checks.
#include "VerifyShapes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

#include "route/Dialect/Ragged/IR/RaggedDialect.cpp.inc"

#define GET_OP_CLASSES
#include "route/Dialect/Ragged/IR/RaggedOps.cpp.inc"

namespace route::ragged {

void RaggedDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "route/Dialect/Ragged/IR/RaggedOps.cpp.inc"
      >();
}

int64_t getPanelPair(Type element) { return element.isBF16() ? 2 : 1; }

SmallVector<int64_t> getPanelShape(int64_t experts, int64_t columns,
                                   int64_t inner, Type element) {
  auto panels = llvm::divideCeilSigned(columns, panelColumns);
  int64_t pair = getPanelPair(element);
  SmallVector<int64_t> shape = {
      experts, panels, llvm::divideCeilSigned(inner, pair), panelColumns};
  if (pair > 1)
    shape.push_back(pair);
  return shape;
}

LogicalResult verifyForm(Operation *op, ValueRange strided) {
  bool anyTensor = false, anyMemref = false;
  for (Value operand : op->getOperands()) {
    Type type = operand.getType();
    auto memref = dyn_cast<MemRefType>(type);
    anyMemref |= static_cast<bool>(memref);
    anyTensor |= isa<RankedTensorType>(type);
    if (memref && !memref.isLastDimUnitStride() &&
        !llvm::is_contained(strided, operand))
      return op->emitOpError("needs memrefs whose innermost dimension is "
                             "contiguous, found ")
             << type;
  }
  if (anyTensor && anyMemref)
    return op->emitOpError("mixes tensors and memrefs");
  return success();
}

int64_t dimOf(Value value, unsigned dim) {
  return cast<ShapedType>(value.getType()).getDimSize(dim);
}

Type elementOf(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

LogicalResult verifyDim(Operation *op, Value value, StringRef name,
                        unsigned dim, int64_t expected, StringRef meaning) {
  int64_t found = dimOf(value, dim);
  if (ShapedType::isDynamic(found) || ShapedType::isDynamic(expected) ||
      found == expected)
    return success();
  return op->emitOpError("dimension ")
         << dim << " of '" << name << "' is " << found << ", expected "
         << expected << " (" << meaning << ")";
}

void addEffects(
    Operation *op,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  auto dps = cast<DestinationStyleOpInterface>(op);
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (dps.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

} // namespace route::ragged
