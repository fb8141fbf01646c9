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

/// A row value of the item that L lanes work on. Element e, counted row-major,
/// belongs to lane e % L; `own[r]` is the lane's element L * r + lane. Where
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

/// Emits the body of one program for the item of a warp, or for the items of a
/// warp's segments of 1, 2, 4, 8 or 16 lanes, if no row value has more
/// elements. All lanes of a warp run the same operations, so that they may
/// exchange values.
class WarpEmitter {
public:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<mlir::Value>;

  /// `b` stands in the kernel, in the loop over items; `segment` counts the
  /// segments of `lanes` lanes of the block, `lane` the lanes of a segment.
  WarpEmitter(ProgramOp program, mlir::gpu::GPUFuncOp kernel, int64_t lanes,
              Value segment, Value lane, mlir::ImplicitLocOpBuilder &b)
      : program(program), kernel(kernel), lanes(lanes), segment(segment),
        lane(lane), b(b) {}

  /// Emits the body for `item`. With `atomic`, others add to the accumulators
  /// at the same time. `isNew`, null for true: whether the item is this
  /// segment's alone, else it only repeats what another segment does.
  mlir::LogicalResult emit(Value item, ValueRange inputs, ValueRange uniforms,
                           ValueRange outputs, ValueRange accumulators,
                           bool atomic, Value isNew);

  /// The lanes that an item of the program needs: a power of two up to 32.
  static int64_t lanesFor(ProgramOp program);

  /// Bytes of shared memory in use for each segment.
  int64_t sharedBytes = 0;

  static constexpr int64_t kLanes = 32; ///< of a warp
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

  int64_t registersOf(int64_t elements) const {
    return (elements + lanes - 1) / lanes;
  }
  Value index(int64_t v);
  Value number(int32_t v);
  Value constant(mlir::Type element, int64_t v);
  Value truth(bool v);
  /// The element of register r that the lane owns, as an index.
  Value element(int64_t elements, int64_t r);
  /// The first lane of the segment in its warp, as i32; null for whole warps.
  Value firstLane();
  /// Whether register r of the lane is an element of its own.
  Value owns(int64_t elements, int64_t r);
  Values delinearize(Value flat, llvm::ArrayRef<int64_t> shape);
  Value linearize(ValueRange place, llvm::ArrayRef<int64_t> shape);
  /// What another lane of the segment has.
  Value shuffle(Value x, Value offset, mlir::gpu::ShuffleMode mode);
  void syncWarp();
  mlir::Operation *clone(mlir::Operation *op,
                         llvm::function_ref<Value(Value)> find);

  // WarpGeneric.cpp: linalg.generic.
  mlir::LogicalResult emitGeneric(mlir::linalg::GenericOp op);
  mlir::LogicalResult emitReduction(mlir::linalg::GenericOp op);
  mlir::FailureOr<Values> reductionArguments(mlir::linalg::GenericOp op,
                                             ValueRange at, int64_t r,
                                             ValueRange accumulators);
  mlir::FailureOr<Value> reduceWhole(mlir::linalg::GenericOp op,
                                     mlir::Operation *join);
  mlir::FailureOr<Values> reduceInOrder(mlir::linalg::GenericOp op, int64_t r,
                                        mlir::RankedTensorType type);
  mlir::FailureOr<Values> emitBody(mlir::linalg::GenericOp op,
                                   ValueRange arguments, ValueRange at);

  // WarpChoose.cpp: choices.
  mlir::LogicalResult emitChoose(ChooseOp op);
  Values keyWords(Value key, bool up);
  struct Batch;
  struct Contest;
  Value numberOf(int64_t elements, unsigned r);
  void enterCandidates(Contest &contest);
  Batch boundsOf(Contest &contest, int64_t batch);
  void enterBatch(Contest &contest, int64_t batch);
  Value findWinner(Contest &contest, const Batch &batch, ValueRange now,
                   Value &keep);
  void emitRound(Contest &contest, size_t batch, Value round, ValueRange now,
                 Values &next);

  void emitRounds(Contest &contest, Values &results, Values &counts);

  // WarpRank.cpp: choices within a segment.
  Value rankOf(Contest &contest);
  Value ballot(Value condition);
  void emitRanks(Contest &contest, Values &results, Values &counts);

  // WarpChosen.cpp: uses of what was chosen, and sums.
  mlir::LogicalResult emitTake(TakeOp op);
  mlir::LogicalResult emitContains(ContainsOp op);
  mlir::LogicalResult emitTally(TallyOp op);
  mlir::LogicalResult emitSum(SumOp op);
  void sumInSequence(WarpValue &values, WarpValue &result);
  void sumInPartials(WarpValue &values, WarpValue &result);
  Value sumOfLane(const WarpValue &values,
                  llvm::function_ref<Value(int64_t)> own);
  Value butterfly(Value x, llvm::function_ref<Value(Value, Value)> join);

  ProgramOp program;
  mlir::gpu::GPUFuncOp kernel;
  const int64_t lanes;
  Value segment, lane;
  Value isNew;
  mlir::ImplicitLocOpBuilder &b;
  llvm::DenseMap<Value, WarpValue> rows;
  llvm::DenseMap<Value, Value> scalars;
};

} // namespace route::row

#endif // ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPEMITTER_H
