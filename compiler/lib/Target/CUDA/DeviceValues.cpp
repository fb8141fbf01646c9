// Follows values of an entry back to elements of buffers.
#include "DeviceValues.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;

/// Whether memory is one of the module's arrays, or what the entry's part for
/// the host has left: the host has both.
static bool isHosts(Value memory) {
  if (memory.getDefiningOp<memref::GetGlobalOp>())
    return true;
  auto view = memory.getDefiningOp<memref::ViewOp>();
  auto argument =
      view ? dyn_cast<BlockArgument>(view.getSource()) : BlockArgument();
  auto entry =
      argument
          ? dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp())
          : FunctionOpInterface();
  auto role = entry ? entry.getArgAttrOfType<StringAttr>(
                          argument.getArgNumber(), kRoleAttr)
                    : StringAttr();
  return role && role.getValue() == "host";
}

/// Whether the operation itself writes to memory of the device.
static bool writes(Operation *op) {
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return !isHosts(store.getMemref());
  return hasEffect<MemoryEffects::Write>(op);
}

/// Adds what a value of an operation with regions comes from; false for
/// operations of other kinds.
static bool addSources(Value value, llvm::SetVector<Value> &from) {
  auto result = dyn_cast<OpResult>(value);
  Operation *op =
      result ? result.getOwner() : value.getParentBlock()->getParentOp();
  unsigned i = result ? result.getResultNumber()
                      : cast<BlockArgument>(value).getArgNumber();
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    from.insert(loop.getLowerBound());
    from.insert(loop.getUpperBound());
    from.insert(loop.getStep());
    if (!result && i == 0)
      return true;
    unsigned carried = result ? i : i - 1;
    from.insert(loop.getInits()[carried]);
    from.insert(loop.getYieldedValues()[carried]);
    return true;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    from.insert(branch.getCondition());
    from.insert(branch.thenYield().getOperand(i));
    from.insert(branch.elseYield().getOperand(i));
    return true;
  }
  if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    from.insert_range(loop.getInits());
    from.insert_range(loop.getConditionOp()->getOperands());
    from.insert_range(loop.getYieldOp()->getOperands());
    return true;
  }
  return false;
}

bool route::isOnDevice(Value value) {
  llvm::SetVector<Value> from;
  from.insert(value);
  for (unsigned next = 0; next < from.size(); ++next) {
    Value v = from[next];
    Operation *op = v.getDefiningOp();
    if (!op) {
      if (isa<FunctionOpInterface>(v.getParentBlock()->getParentOp()))
        continue;
      if (!addSources(v, from))
        return true;
      continue;
    }
    if (auto load = dyn_cast<memref::LoadOp>(op))
      if (isHosts(load.getMemref())) {
        from.insert_range(load.getIndices());
        continue;
      }
    if (isa<tensor::ExtractOp>(op) || hasEffect<MemoryEffects::Read>(op))
      return true;
    if (addSources(v, from))
      continue;
    if (op->getNumRegions())
      return true;
    from.insert_range(op->getOperands());
  }
  return false;
}

bool route::launches(Operation *op) {
  return op->walk([](gpu::LaunchFuncOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

bool route::writesMemory(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        return isa<gpu::LaunchFuncOp>(inner) || writes(inner)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

bool route::isSerial(Operation *op) {
  // The host asks for uploads as it does for launches.
  if (isa<gpu::MemcpyOp>(op) || launches(op))
    return false;
  return op
      ->walk([](Operation *inner) {
        bool serial = writes(inner) ||
                      llvm::any_of(inner->getOperands(), isOnDevice) ||
                      llvm::any_of(inner->getResults(), isOnDevice);
        return serial ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}
