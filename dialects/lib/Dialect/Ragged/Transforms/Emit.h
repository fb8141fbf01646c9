// A thin layer over OpBuilder that keeps emitted loops readable.
// It also outlines work.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_EMIT_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_EMIT_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

namespace route::ragged {

using mlir::Value;
using mlir::ValueRange;

/// A buffer seen as one line of elements, with the distance between rows.
struct FlatBuffer {
  Value line;
  Value rowStride;
};

class Emit {
public:
  Emit(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}

  mlir::OpBuilder &b;
  mlir::Location loc;

  Value index(int64_t value);
  Value i32(int32_t value);
  Value zero(mlir::Type type);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value mul(Value x, int64_t y);
  /// Quotient and remainder of non-negative indices; folds division by one.
  Value div(Value x, int64_t y);
  Value rem(Value x, int64_t y);
  Value cmp(mlir::arith::CmpIPredicate predicate, Value x, Value y);
  Value both(Value x, Value y);
  Value select(Value condition, Value x, Value y);
  /// An i32 as an index, sign-extended; and back.
  Value toIndex(Value x);
  Value toI32(Value x);

  Value load(Value buffer, ValueRange at);
  void store(Value value, Value buffer, ValueRange at);
  Value loadVector(mlir::VectorType type, Value buffer, ValueRange at);
  void storeVector(Value value, Value buffer, ValueRange at);
  Value splat(mlir::VectorType type, Value scalar);
  Value dim(Value buffer, unsigned dim);
  /// `buffer`, contiguous but for its rows, as a line of elements from element
  /// `first` on.
  FlatBuffer flatten(Value buffer, int64_t first = 0);
  /// The first `width` elements of row `at` of a matrix.
  Value row(Value buffer, Value at, Value width);
  /// Stack space at the entry of the function being emitted.
  Value stack(llvm::ArrayRef<int64_t> shape, mlir::Type element);

  using LoopBody = llvm::function_ref<void(Value)>;
  using CarryBody =
      llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)>;
  void loop(Value from, Value to, int64_t step, LoopBody body);
  llvm::SmallVector<Value> loop(Value from, Value to, int64_t step,
                                ValueRange carried, CarryBody body);
  void when(Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise = nullptr);
};

/// A function over a range of work items, being filled in.
struct WorkBody {
  Value begin, end;
  mlir::ValueRange operands;
};

/// Moves `op` out into a function over work items 0..items-1 that `body` emits,
/// and replaces it by a call over all of them. `items` is emitted at the op;
/// operands of the work are the op's and `more`.
void outlineWork(mlir::RewriterBase &rewriter, mlir::Operation *op, Value items,
                 llvm::function_ref<void(Emit &, WorkBody)> body,
                 ValueRange more = {});

/// Whether the processor has bf16 dot products: the last argument of the
/// function around the insertion point, added to it and, in the same way, to
/// all that call it.
Value hasBf16Dot(mlir::RewriterBase &rewriter);

/// The choice of item `item`; `operands` are the op's, as buffers.
void emitChoice(Emit &e, ChooseOp op, ValueRange operands, Value item);

/// What the target's vectors can do.
struct CPUTarget {
  bool bf16Dot = false;
  bool either = false;   ///< with bf16Dot: has it only where a call says so
  int64_t registers = 8; ///< vector registers, counted in 16 f32
};

/// Lowers one op, all of whose operands are memrefs, and erases it.
mlir::LogicalResult convert(ChooseOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(CountOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(OffsetsOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(PermuteOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(GatherOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(CombineOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(CombineAtOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(PackOp op, mlir::RewriterBase &rewriter);
mlir::LogicalResult convert(MatmulOp op, mlir::RewriterBase &rewriter,
                            CPUTarget target);

} // namespace route::ragged

#endif
