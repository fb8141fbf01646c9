// The shared state of row-distribute: row values of several items.
// Where they live, and how single operations of a body become loops.
#ifndef ROUTE_LIB_DIALECT_ROW_TRANSFORMS_EMITTER_H
#define ROUTE_LIB_DIALECT_ROW_TRANSFORMS_EMITTER_H

#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <memory>

namespace route::row {

/// Memory that holds row values; counted, so that it is used again.
struct Scratch {
  mlir::Value base;  ///< memref<?xi8> or memref<Nxi8>
  int64_t bytes = 0; ///< 0: dynamic, never used again
  unsigned users = 0;
};

/// A row value of several items: `buffer` has its shape and, if it varies and
/// there are several lanes, a last dimension of lanes. Truth values are stored
/// as i8. A splat has no buffer.
struct RowValue {
  mlir::Value buffer;
  mlir::Value splat; ///< in lanes
  Scratch *scratch = nullptr;
  bool uniform = false;
  mlir::RankedTensorType type;
  llvm::SmallVector<mlir::Value> sizes; ///< index values
};

using Values = llvm::SmallVector<mlir::Value>;

/// Leaves linalg.generic as the only linalg operation besides fills, with
/// elementwise producers fused into their only user.
void normalizeBody(ProgramOp program);

/// Emits the body of one program for a block of `lanes` items. `b` stands in
/// the loop over blocks; allocations go to `allocations`, in front of that
/// loop.
class Emitter {
public:
  Emitter(ProgramOp program, int64_t lanes, int64_t lanes64,
          mlir::ImplicitLocOpBuilder &b,
          mlir::OpBuilder::InsertPoint allocations)
      : program(program), lanes(lanes), lanes64(lanes64), b(b),
        allocations(allocations) {}

  /// Items [item, item + valid) of the buffers that stand for the program's
  /// operands; `last` is the last item that may be read.
  struct Items {
    mlir::Value item, valid, last;
  };
  /// Products of the program that are in memory, for the items of a block;
  /// `items` are those of emit() as seen from the block's begin.
  struct Products {
    llvm::DenseMap<mlir::Operation *, mlir::Value> buffers;
    Items items;
  };
  mlir::LogicalResult emit(const Items &items, mlir::ValueRange inputs,
                           mlir::ValueRange uniforms, mlir::ValueRange outputs,
                           mlir::ValueRange accumulators,
                           const Products &products);

  /// Whether value `i` added to an accumulator is a tally, so that `emit` takes
  /// a counter with one more element in front, for padding.
  static TallyOp directTally(ProgramOp program, unsigned i);

  /// Whether nothing but rows of products come from `v`, an argument of the
  /// body or an operation on one.
  static bool feedsProducts(mlir::Value v);

  unsigned numNetworks = 0;

private:
  // Emitter.cpp: values and operations.
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitReshape(mlir::Operation *op);
  void finishOp(mlir::Operation *op);
  bool diesAt(mlir::Value v, mlir::Operation *op);
  RowValue &row(mlir::Value v);
  void define(mlir::Value v, RowValue value);
  RowValue allocate(mlir::RankedTensorType type, mlir::ValueRange sizes);
  void release(Scratch *scratch);
  mlir::Value load(const RowValue &v, mlir::ValueRange at);
  void store(const RowValue &v, mlir::ValueRange at, mlir::Value x);
  mlir::Value loadLane(const RowValue &v, mlir::ValueRange at,
                       mlir::Value lane);
  void storeLane(const RowValue &v, mlir::ValueRange at, mlir::Value lane,
                 mlir::Value x);
  /// values[batch, index] for lane indices (i32), zero where negative.
  mlir::Value gather(const RowValue &v, mlir::ValueRange batch,
                     mlir::Value index);
  mlir::Type laneType(mlir::Type element);
  mlir::Value inLanes(mlir::Value scalar);
  mlir::Value constant(mlir::Type element, int64_t v);
  mlir::Value index(int64_t v);
  mlir::Value sizeOf(mlir::Value tensor, unsigned dim);
  /// A private constant global of the module, as a memref.
  mlir::Value constantTable(mlir::DenseElementsAttr values);
  static mlir::Type storageType(mlir::Type element);
  /// Calls `body` for every index below `sizes`.
  void forEach(mlir::ValueRange sizes,
               llvm::function_ref<void(mlir::ValueRange)> body);
  void forLanes(mlir::Value end, llvm::function_ref<void(mlir::Value)> body);

  // EmitItems.cpp: between item-major memory and lanes.
  RowValue loadInput(mlir::Value memory, mlir::RankedTensorType type,
                     const Items &items, bool prefetch);
  void storeOutput(const RowValue &v, mlir::Value memory, const Items &items);
  void accumulate(const RowValue &v, mlir::Value memory, const Items &items);
  void accumulateTally(const RowValue &indices, mlir::Value counter,
                       const Items &items);
  Values transpose(Values rows);

  // EmitGeneric.cpp: linalg.generic and elementwise operations.
  mlir::LogicalResult emitGeneric(mlir::linalg::GenericOp op);
  mlir::LogicalResult emitScalarOp(mlir::Operation *op);
  mlir::FailureOr<Values> emitBody(mlir::linalg::GenericOp op,
                                   mlir::ValueRange arguments,
                                   mlir::ValueRange at);
  mlir::Value
  reduceInChains(mlir::Operation *join, int64_t n, mlir::Value init,
                 llvm::function_ref<mlir::Value(mlir::Value)> element);
  mlir::Value cloneInLanes(mlir::Operation *op,
                           llvm::function_ref<mlir::Value(mlir::Value)> find);

  // EmitNetwork.cpp: choices on sorting networks.
  bool fitsNetwork(ChooseOp op);
  void emitNetwork(ChooseOp op, const RowValue &indices,
                   const RowValue &chosen);
  mlir::Value networkKey(ChooseOp op, mlir::ValueRange at);
  bool mayGuess(ChooseOp op);
  mlir::Value guessedKey(ChooseOp op, mlir::ValueRange at, bool nonNegative);
  static bool isNonNegative(mlir::Value v);
  /// With `next`, gives an upper bound of the best key that was not chosen.
  mlir::Value emitGuess(ChooseOp op, mlir::ValueRange batch,
                        const RowValue &indices, bool nonNegative,
                        mlir::Value *next = nullptr);
  void emitExact(ChooseOp op, const RowValue &keys, mlir::ValueRange batch,
                 const RowValue &indices);
  /// The best k (and the next) of n candidates, vectors of `type`, best first.
  Values networkTop(int64_t n, int64_t k, bool withNext, mlir::VectorType type,
                    llvm::function_ref<mlir::Value(mlir::Value)> candidate);
  mlir::Value lowHalves(int64_t n);
  void storeNumber(ChooseOp op, const RowValue &indices,
                   const RowValue &chosen);

  // EmitQuotient.cpp: keys e / s with one divisor s for all candidates, divided
  // for the chosen only.
  struct Quotient {
    mlir::linalg::GenericOp op;
    mlir::Value numerator, divisor;
    RowValue taken; ///< quotients of the chosen
  };
  bool deferQuotient(mlir::linalg::GenericOp op);
  void emitQuotientChoice(ChooseOp op, Quotient &quotient,
                          const RowValue &indices, const RowValue &chosen);
  void emitQuotients(const Quotient &quotient, const RowValue &to);

  // EmitChoose.cpp: any other choice, and what all have in common.
  mlir::LogicalResult emitChoose(ChooseOp op);
  void emitInsertion(ChooseOp op, const RowValue &indices,
                     const RowValue &chosen);
  void limitChoice(ChooseOp op, const RowValue &indices,
                   const RowValue &chosen);
  mlir::Value orderedKey(mlir::Value x, bool up);

  // EmitChosen.cpp: uses of what was chosen, and sums.
  mlir::LogicalResult emitTake(TakeOp op);
  mlir::LogicalResult emitContains(ContainsOp op);
  mlir::LogicalResult emitTally(TallyOp op);
  mlir::LogicalResult emitSum(SumOp op);

  ProgramOp program;
  const Products *products = nullptr;
  int64_t lanes, lanes64;
  mlir::ImplicitLocOpBuilder &b;
  mlir::OpBuilder::InsertPoint allocations;
  llvm::DenseMap<mlir::Value, RowValue> rows;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<mlir::Value, Quotient> quotients;
  llvm::DenseMap<mlir::Value, unsigned> pending; ///< uses not yet emitted
  llvm::SmallVector<std::unique_ptr<Scratch>> scratches;
};

} // namespace route::row

#endif // ROUTE_LIB_DIALECT_ROW_TRANSFORMS_EMITTER_H
