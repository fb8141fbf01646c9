// The shared state of row-distribute-gpu: row values of one item.
// They are spread over the lanes of a warp; Emitter.h has the same for vectors
// of items. What both clone alike is in GenericBody.h.
#ifndef ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPEMITTER_H
#define ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPEMITTER_H

#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace route::row {

/// A row value of the item that a warp works on. Element e, counted row-major,
/// belongs to lane e % 32; `own[r]` is the lane's element 32 * r + lane. Where
/// there is no such element, it is the last one once more. A value of one
/// element, or whose elements are all equal, is `uniform`: own[0] in every
/// lane. `memory[lead..., ...]` holds all elements, for lanes that read others'
/// elements; it is made when that happens first.
struct WarpValue {
  mlir::RankedTensorType type;
  llvm::SmallVector<mlir::Value> own;
  bool uniform = false;
  mlir::Value memory;
  llvm::SmallVector<mlir::Value> lead;
};

/// Emits the body of one program for the item of a warp.
class WarpEmitter {
public:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<mlir::Value>;

  /// `b` stands in the kernel, in the loop over items; `warp` counts the warps
  /// of the block.
  WarpEmitter(ProgramOp program, mlir::gpu::GPUFuncOp kernel, Value warp,
              Value lane, mlir::ImplicitLocOpBuilder &b)
      : program(program), kernel(kernel), warp(warp), lane(lane), b(b) {}

  /// Emits the body for `item`. With `atomic`, other warps add to the
  /// accumulators at the same time.
  mlir::LogicalResult emit(Value item, ValueRange inputs, ValueRange uniforms,
                           ValueRange outputs, ValueRange accumulators,
                           bool atomic);

  /// Bytes of shared memory in use for each warp.
  int64_t sharedBytes = 0;

  static constexpr int64_t kLanes = 32;
  /// Elements of a row value, at most: each lane keeps its share in registers.
  static constexpr int64_t kMaxElements = 4096;

private:
  // WarpEmitter.cpp: values and operations.
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitScalarOp(mlir::Operation *op);
  mlir::LogicalResult emitReshape(mlir::Operation *op);
  mlir::LogicalResult emitConstant(mlir::Operation *op,
                                   mlir::DenseElementsAttr dense);
  mlir::LogicalResult store(const WarpValue &v, Value memory, Value item);
  void accumulate(const WarpValue &v, Value memory, bool atomic);
  void accumulateTally(const WarpValue &indices, Value counts, bool atomic);
  void add(Value x, Value memory, ValueRange at, bool atomic);
  WarpValue &row(Value v) { return rows.find(v)->second; }
  void define(Value v, WarpValue value);
  /// A value of `type` without elements yet.
  WarpValue make(mlir::Type type);
  /// Makes the lane's own elements known, at the present place.
  void load(WarpValue &v);
  /// Makes all elements readable by all lanes, at the present place.
  void share(WarpValue &v);
  /// Any element; `v` is shared or uniform.
  Value at(const WarpValue &v, ValueRange place);
  /// Element `flat`, a constant, of a loaded value, in every lane.
  Value broadcast(const WarpValue &v, int64_t flat);

  static int64_t registersOf(int64_t elements) {
    return (elements + kLanes - 1) / kLanes;
  }
  Value index(int64_t v);
  Value number(int32_t v);
  Value constant(mlir::Type element, int64_t v);
  Value truth(bool v);
  /// The element of register r that the lane owns, as an index.
  Value element(int64_t elements, int64_t r);
  /// Whether register r of the lane is an element of its own.
  Value owns(int64_t elements, int64_t r);
  Values delinearize(Value flat, llvm::ArrayRef<int64_t> shape);
  Value linearize(ValueRange place, llvm::ArrayRef<int64_t> shape);
  Value shuffle(Value x, Value offset, mlir::gpu::ShuffleMode mode);
  void syncWarp();
  mlir::Operation *clone(mlir::Operation *op,
                         llvm::function_ref<Value(Value)> find);

  // WarpGeneric.cpp: linalg.generic.
  mlir::LogicalResult emitGeneric(mlir::linalg::GenericOp op);
  mlir::LogicalResult emitReduction(mlir::linalg::GenericOp op);
  mlir::FailureOr<Values> emitBody(mlir::linalg::GenericOp op,
                                   ValueRange arguments, ValueRange at);

  // WarpChoose.cpp: choices.
  mlir::LogicalResult emitChoose(ChooseOp op);
  Values keyWords(Value key, bool up);
  struct Contest;
  struct Batch;
  Value numberOf(int64_t elements, unsigned r);
  void enterCandidates(Contest &contest);
  void enterBatch(Contest &contest, int64_t batch);
  Value findWinner(Contest &contest, const Batch &batch, ValueRange now,
                   Value &keep);
  void emitRound(Contest &contest, size_t batch, Value round, ValueRange now,
                 Values &next);

  // WarpChosen.cpp: uses of what was chosen, and sums.
  mlir::LogicalResult emitTake(TakeOp op);
  mlir::LogicalResult emitContains(ContainsOp op);
  mlir::LogicalResult emitTally(TallyOp op);
  mlir::LogicalResult emitSum(SumOp op);
  Value butterfly(Value x, llvm::function_ref<Value(Value, Value)> join);

  ProgramOp program;
  mlir::gpu::GPUFuncOp kernel;
  Value warp, lane;
  mlir::ImplicitLocOpBuilder &b;
  llvm::DenseMap<Value, WarpValue> rows;
  llvm::DenseMap<Value, Value> scalars;
};

} // namespace route::row

#endif // ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPEMITTER_H
