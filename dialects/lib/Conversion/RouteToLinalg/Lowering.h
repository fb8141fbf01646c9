// The state of one function's conversion from named axes to tensors, shared by
// the files of this folder.
#ifndef ROUTE_LIB_CONVERSION_ROUTETOLINALG_LOWERING_H
#define ROUTE_LIB_CONVERSION_ROUTETOLINALG_LOWERING_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopedHashTable.h"
#include "llvm/ADT/StringMap.h"

namespace route::lowering {
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::SmallVectorImpl;
using mlir::Location;
using mlir::LogicalResult;
using mlir::OpBuilder;
using mlir::Operation;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Axis = mlir::FlatSymbolRefAttr;

/// A plan at the tensor level.
struct Plan {
  /// The axes it was made for, the axis chosen from, the plan's own axis.
  SmallVector<Axis> per;
  Axis candidates, axis;
  /// Most rows an item can have.
  int64_t rank = 0;
  /// i32 positions on the candidates axis [per.., rank], -1 past the count; i32
  /// row counts [per..].
  Value indices, counts;
};

/// A plan's rows sorted by what they chose; see docs of the ragged dialect.
struct Grouping {
  Value offsets, perm, inv;
  /// Number of rows with padding, items x rank.
  Value rows;
  int64_t slots = 0;
};

/// An operand of an elementwise op at the tensor level.
struct Operand {
  Value tensor;
  ArrayType type;
};

using Body = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;

/// `@a::@b` as `a.b`.
std::string nameOf(mlir::SymbolRefAttr symbol);

/// Converts one route.func. Every `lower` reports what it cannot do at the op.
class Lowering {
public:
  /// `planRanks`: the most rows an item has, for each plan axis that an entry
  /// gives; entries add theirs, handlers read them.
  Lowering(mlir::ModuleOp module, FuncOp func,
           llvm::StringMap<int64_t> &planRanks)
      : module(module), func(func), b(func.getContext()), planRanks(planRanks) {
  }

  /// Makes the converted function, named `name`, before `func`.
  LogicalResult run(llvm::StringRef name);

private:
  //===--- Axes and shapes (Shapes.cpp) -----------------------------------===//
  /// The dimensions of an array, as axes: plan axes with those they descend
  /// from in front, the item axis of the row program at hand left out.
  SmallVector<Axis> dimsOf(ArrayType type);
  SmallVector<Axis> dimsOf(ArrayRef<Axis> axes);
  int64_t staticSize(Axis dim);
  mlir::OpFoldResult size(Axis dim, Location loc);
  Value sizeValue(Axis dim, Location loc);
  mlir::RankedTensorType tensorType(ArrayRef<Axis> dims, Type element);
  mlir::RankedTensorType tensorType(ArrayType type);
  Value empty(ArrayRef<Axis> dims, Type element, Location loc);
  /// The element type that stands for a route element at the tensor level.
  Type element(Type type);
  bool descends(Axis axis, Axis ancestor) {
    return descendsFrom(func, axis, ancestor, tables);
  }
  AxisKind kindOf(Axis axis) {
    return lookupAxis(func, axis, tables).getKind();
  }
  /// The plan axis of an array that has other axes besides, or null: such a
  /// value belongs to experts and is computed sorted by expert, on demand.
  Axis expertAxis(Type type);

  //===--- Values
  //----------------------------------------------------------===//
  Value get(Value route);
  void set(Value route, Value tensor) { values[route] = tensor; }
  Plan &plan(Value route) {
    return plans[llvm::cast<PlanType>(route.getType()).getAxis().getValue()];
  }
  Value constantIndex(int64_t value, Location loc);
  /// The integer of a constant, or nothing.
  std::optional<int64_t> constantOf(Value route);
  LogicalResult unsupported(Operation *op, const llvm::Twine &what);

  //===--- Ops
  //--------------------------------------------------------------===//
  LogicalResult lower(Operation *op);
  LogicalResult lowerBlock(mlir::Block &block);
  // Symbols.cpp
  LogicalResult buildSignature(llvm::StringRef name);
  /// The name of argument `i` in the spec.
  std::string argumentName(unsigned i);
  LogicalResult lowerGet(GetOp op);
  LogicalResult lowerBound(BoundOp op);
  LogicalResult lowerKnown(KnownOp op);
  /// The converted arguments that hold an input that may be unknown and whether
  /// it is known; null where `source` is none.
  std::pair<Value, Value> givenOf(Value source);
  Value zeroPastCount(Value tensor, ArrayType type, Location loc);
  LogicalResult lowerReturn(ReturnOp op);
  // Events.cpp
  LogicalResult declarePlan(Axis axis);
  LogicalResult lowerSet(SetOp op);
  void writeState(Location loc);
  Value asStored(Value tensor, Location loc);
  Value snapshot(Value state, llvm::StringRef name, Location loc);
  // Elementwise.cpp
  Value map(ArrayRef<Axis> dims, Type element, ArrayRef<Operand> operands,
            Location loc, Body body);
  LogicalResult lowerConstant(ConstantOp op);
  LogicalResult lowerElementwise(Operation *op);
  /// The scalar meaning of an elementwise op on `args`, or null with a
  /// diagnostic.
  Value scalarOf(OpBuilder &builder, Operation *op, ValueRange args);
  // Movement.cpp
  LogicalResult lowerBroadcast(BroadcastOp op);
  Value giveDown(Value source, ArrayRef<Axis> from, ArrayRef<Axis> to,
                 Location loc);
  LogicalResult lowerReduce(ReduceOp op);
  LogicalResult lowerRename(RenameOp op);
  LogicalResult lowerPick(PickOp op);
  LogicalResult lowerStack(StackOp op);
  LogicalResult lowerIota(IotaOp op);
  LogicalResult lowerSize(SizeOp op);
  Value transposeTo(Value tensor, ArrayRef<Axis> from, ArrayRef<Axis> to,
                    Location loc);
  /// table[.., i] for i32 `indices`, zero where -1: the table has the leading
  /// dimensions of the indices, or one dimension alone.
  Value takeAt(Value table, Value indices, Location loc);
  Value pickConstant(PickOp op, Value source);
  Value floatSum(Value tensor, bool sequential, Location loc);
  // Choice.cpp
  LogicalResult lowerRows(RowsOp op);
  LogicalResult lowerChoose(ChooseOp op);
  LogicalResult lowerMember(MemberOp op);
  LogicalResult lowerRank(RankOp op);
  LogicalResult lowerFirstPlan(FirstPlanOp op);
  Value candidatesLast(Value route, const Plan &plan, Type element,
                       Location loc);
  // ChoiceForms.cpp
  /// Entries without gaps, the places they came from, how many there are.
  struct Compacted {
    Value entries, places, count;
  };
  SmallVector<Value>
  inRowProgram(ValueRange inputs, Location loc,
               llvm::function_ref<SmallVector<Value>(ValueRange)> build);
  Compacted compact(Value table, Value valid, Location loc);
  LogicalResult lowerListed(ChooseOp op, Plan rows);
  LogicalResult lowerConcat(ConcatOp op);
  Value bestPosition(Value tensor, bool least, Location loc);
  // Experts.cpp
  LogicalResult lowerContract(ContractOp op);
  LogicalResult lowerCombine(ReduceOp op);
  Value widen(Value tensor, Location loc);
  Value matrixOf(Value route, Location loc);
  Value fusedMatrix(Value route, Type element, Location loc);
  Value weightsOf(Value route, Axis experts, ArrayRef<Axis> over,
                  SmallVectorImpl<Axis> &columns,
                  std::optional<bool> &transposed, Location loc);
  Grouping &grouping(const Plan &plan, Location loc);
  // Text.cpp
  LogicalResult lowerTextFn(TextFnOp op);
  LogicalResult lowerTextConstant(Operation *op, mlir::Attribute value,
                                  ArrayType type);
  bool isReady(Value operand);
  SmallVector<TextFnOp> textGroup(TextFnOp first);
  // Control.cpp
  LogicalResult lowerFor(ForOp op);
  LogicalResult lowerIf(IfOp op);

  mlir::ModuleOp module;
  FuncOp func;
  mlir::func::FuncOp entry;
  OpBuilder b;
  mlir::SymbolTableCollection tables;
  /// Tensors of arrays already converted.
  llvm::DenseMap<Value, Value> values;
  /// The plan each plan axis stands for at this point of the conversion.
  llvm::StringMap<Plan> plans;
  llvm::StringMap<Grouping> groupings;
  /// Sizes of axes that the call decides.
  llvm::StringMap<Value> sizes;
  /// The converted arguments by role and name.
  llvm::StringMap<Value> arguments;
  llvm::StringMap<int64_t> &planRanks;
  /// State that the handler has set so far: its new value.
  llvm::MapVector<mlir::StringAttr, std::pair<Value, ArrayType>> written;
  /// The item axis of the row program that is being converted.
  Axis item;
};

} // namespace route::lowering

#endif
