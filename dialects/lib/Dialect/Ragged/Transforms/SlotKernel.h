// A kernel of a product slot by slot: its threads, and what they work on.
// SlotSums.cpp has how they multiply, SlotResults.cpp what becomes of the sums.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_SLOTKERNEL_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_SLOTKERNEL_H

#include "KernelBody.h"

namespace route::ragged {

/// How the sums of a slot are shared out among warps.
struct SlotShares {
  int64_t columns; ///< of the result, for a warp
  int64_t splits;  ///< warps that share the columns' sums
  int64_t ranks;   ///< slots of a block
  int64_t groups;  ///< of columns in a block
  int64_t ofLane;  ///< columns of transposed weights for a lane: 1 or 2
  int64_t threads() const { return 32 * splits * ranks * groups; }
  /// Blocks that a slot's columns take.
  int64_t tiles(int64_t outputs) const {
    return llvm::divideCeil(outputs, columns * groups);
  }
};

class SlotKernel {
public:
  SlotKernel(mlir::ModuleOp module, SlotMatmulOp op, bool early,
             const SlotShares &shares);

  void emit();
  mlir::gpu::GPUFuncOp kernel() { return k.kernel; }

private:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = mlir::SmallVector<Value>;
  class AlongRows;
  class OfColumns;

  Value weightAt(unsigned sum, Value column) {
    return k.add(k.mul(column, k.index(parts)), k.index(sum % parts));
  }
  Value chosenOf(Value slot) {
    return chosenBy(k, idx, limit, slot, k.index(op.getRanks()),
                    op.getExperts());
  }
  /// The slot of the item's rank r.
  Value slotOf(int64_t r) {
    return k.add(k.mul(which, k.index(op.getRanks())), k.index(r));
  }
  /// Not before this may what earlier kernels left be read, but for the slots'
  /// experts and the weights where `early` is set.
  void waitForRows();

  /// The sums of a warp's columns from `first` on, in every lane.
  Values sumsAlongRows(Value row, Value first);
  /// The sums of a lane's columns, over the split's share of K.
  Values sumsOfColumns(Value row, Value first, Value split);

  void writeAlongRows(Value first, llvm::ArrayRef<Value> totals);
  void writeColumns(Value first, llvm::ArrayRef<Value> totals);
  Value result(llvm::ArrayRef<Value> totals, Value column);
  void writeSum(Value column,
                llvm::function_ref<std::pair<Value, Value>(int64_t)> term);
  Value scaled(Value y, Value rank);

  SlotMatmulOp op;
  SlotShares shares;
  bool early;
  KernelBody k;
  mlir::Type f32, element;
  int64_t inner, parts;
  unsigned sums;
  Value rows, idx, limit, scale, out;
  Values weights, perExpert;
  Value thread, lane, group;
  Value which;       ///< the block's item, or slot
  Value rankInBlock; ///< of the warp
  Value slot;        ///< of the warp
  Value has;         ///< whether it has an expert
  Value expert;      ///< which
};

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_SLOTKERNEL_H
