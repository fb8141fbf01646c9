// The state of one function's conversion from named axes to tensors.
#ifndef ROUTE_LIB_CONVERSION_ROUTETOLINALG_LOWERING_H
#define ROUTE_LIB_CONVERSION_ROUTETOLINALG_LOWERING_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/Meeting.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Dialect/Route/IR/RowChoice.h"
#include "route/Notice.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopedHashTable.h"
#include "llvm/ADT/SetVector.h"
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
  /// The plan whose slots it has: itself, or the one that it is a part of. A
  /// part has -1 in the slots of the other rows, and its candidates are the
  /// slots.
  Axis base;
  /// Most rows an item can have; where only the call knows it, `rank` is
  /// dynamic and `extent` an index computed from the sizes of axes.
  int64_t rank = 0;
  Value extent;
  /// i32 positions on the candidates axis [per.., rank], -1 past the count; i32
  /// row counts [per..].
  Value indices, counts;
};

/// What a plan's rows are sorted by: the position on `experts` that each
/// descends from, or `position`, given for each row. Without an axis all rows
/// are of one group.
struct GroupKey {
  Axis experts;
  Value position;
  bool operator==(const GroupKey &) const = default;
};

/// What a value of an expert's body is given from: an array, and which of its
/// positions a row takes.
struct Given {
  Value array;
  GroupKey key;
};

/// A plan's rows sorted by expert; see docs of the ragged dialect.
struct Grouping {
  std::string name;
  Value offsets, perm, inv;
};

/// Rows of a plan, one behind the other, in the order of a grouping.
struct Sorted {
  Value matrix;
  std::string group;
};

/// An operand of an elementwise op at the tensor level.
struct Operand {
  Value tensor;
  ArrayType type;
};

using Body = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;

/// The value that changes nothing under `kind`, and one step of it.
mlir::TypedAttr identityOf(OpBuilder &b, ReduceKind kind, Type type);
Value combineOf(OpBuilder &b, Location loc, ReduceKind kind, Value x, Value y);
/// The least i whose condition holds and whose count is not 0; -1 without one.
Value firstThatFires(OpBuilder &b, Location loc, ValueRange whens,
                     ValueRange counts);

/// An entry of `table`, whole numbers or rows, as an i64.
Value wholeEntry(OpBuilder &b, Location loc, Value entry, ArrayType table);

/// `make` where `there` holds, `none` elsewhere; `make` alone without `there`.
SmallVector<Value>
onlyIf(OpBuilder &b, Location loc, Value there, ValueRange none,
       llvm::function_ref<SmallVector<Value>(OpBuilder &)> make);

/// `x` as `to`, exactly where that is wider: a truth is 0 or 1.
Value widenTo(OpBuilder &b, Location loc, Value x, Type to);

/// Folds the dimensions of `tensor` into two: the first `leading` and the rest;
/// null where either has none.
Value asMatrix(OpBuilder &b, Location loc, Value tensor, unsigned leading);

/// Where the values of a rename come from.
Value through(Value value);

/// Whether the kernels move and multiply such elements as they are.
bool isRowElement(Value tensor);

/// `@a::@b` as `a.b`.
std::string nameOf(mlir::SymbolRefAttr symbol);

/// The truths that `condition` is the conjunction of.
SmallVector<Value> conjuncts(Value condition);

/// Words of a key that an element of `type` takes; 0 where it cannot be one.
int64_t keyWords(Type type);

/// Whether what `get` reads changes between it and `user`, of the same block.
bool changesBetween(GetOp get, Operation *user);

/// The cell that holds the state `name` with keys, or of sets over the axes of
/// `type`: words along the axis `NAME.table`.
ArrayType tableType(Operation *state, llvm::StringRef name, ArrayType type);

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
  SmallVector<mlir::OpFoldResult> sizesOf(ArrayRef<Axis> dims, Location loc);
  Value sizeValue(Axis dim, Location loc);
  SmallVector<Axis> madeOf(Axis axis);
  void sizeFromParent(Axis axis, Location loc);
  void deriveSize(llvm::StringRef axis, Value value);
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

  //===--- Values --------------------------------------------------------===//
  Value get(Value route);
  void set(Value route, Value tensor) { values[route] = tensor; }
  Plan &plan(Value route) {
    return plans[llvm::cast<PlanType>(route.getType()).getAxis().getValue()];
  }
  Value constantIndex(int64_t value, Location loc);
  /// The integer of a constant, or nothing.
  std::optional<int64_t> constantOf(Value route);

  //===--- Ops -----------------------------------------------------------===//
  LogicalResult lower(Operation *op);
  /// As `lower`, also where experts' values wait for who uses them.
  LogicalResult lowerNow(Operation *op);
  /// Whether an expert's value is computed from products of the plan's rows.
  bool isProduct(Value value);
  LogicalResult lowerBlock(mlir::Block &block);
  // Signature.cpp
  class Signature;
  LogicalResult buildSignature(llvm::StringRef name);
  /// The name of argument `i` in the spec.
  std::string argumentName(unsigned i);
  // Symbols.cpp
  LogicalResult lowerGet(GetOp op);
  LogicalResult lowerBound(BoundOp op);
  LogicalResult lowerKnown(KnownOp op);
  /// The converted arguments that hold an input that may be unknown and whether
  /// it is known; null where `source` is none.
  std::pair<Value, Value> givenOf(Value source);
  // Results.cpp
  Value zeroPastCount(Value tensor, ArrayType type, Location loc);
  LogicalResult lowerEmit(EmitOp op);
  LogicalResult lowerReturn(ReturnOp op);
  Value indicesInto(const Plan &rows, Axis axis, Location loc);
  // Events.cpp
  LogicalResult declarePlan(Axis axis);
  LogicalResult lowerSet(SetOp op);
  void writeState(Location loc);
  Value asStored(Value tensor, Location loc);
  Value asComputed(Value tensor, ArrayType type, Location loc);
  ArrayType typeOfState(mlir::SymbolRefAttr symbol);
  Value stateNow(mlir::SymbolRefAttr symbol, Location loc);
  Value snapshot(Value state, llvm::StringRef name, Location loc);
  // Tables.cpp
  /// State with keys, or a set of state for each position `over` its axes.
  struct Table {
    SmallVector<Axis> over;
    int64_t capacity = 0, keys = 0, values = 0;
    int64_t words = 0; ///< of one
    bool writes = false;
    ArrayType type;          ///< of the cell that holds it
    mlir::MemRefType memory; ///< all of it
    Value buffer;
  };
  mlir::FailureOr<int64_t> setCapacity(Operation *state, llvm::StringRef name);
  Table *planTable(mlir::SymbolRefAttr symbol, Operation *user);
  LogicalResult countKeyWords(Operation *user, Value key, ArrayType items,
                              int64_t &words);
  LogicalResult planTables();
  Value toWord(Value element, Type type, Location loc);
  Value toKeyWord(Value element, Type type, Location loc);
  Value fromWord(Value word, Type to, Location loc);
  LogicalResult addKey(Operation *op, Value key, ArrayRef<Axis> dims,
                       ValueRange at, SmallVectorImpl<Value> &words);
  Value linear(ArrayRef<Axis> dims, ValueRange at, Location loc);
  Value tableAt(const Table &table, ValueRange at, Location loc);
  LogicalResult lowerLookup(LookupOp op);
  LogicalResult lowerStore(StoreOp op);
  // Sets.cpp
  /// Collections at the tensor level: sets of state, which are tables, or what
  /// the caller gives, members along an axis.
  struct Collection {
    const Table *table = nullptr;
    SmallVector<PickOp> picks; ///< which of the sets
    Value members;
    Axis along;
    Type member; ///< the type of a member
  };
  /// One of them: from the word `begin` of the table, or the members from
  /// `begin` to `end`; nothing where `there` (null: always) is false.
  struct Members {
    const Collection *of;
    Value begin, end, there;
  };
  /// Something that may be a member: an element or, from a table, its words.
  struct Member {
    Value element;
    Type type;
    SmallVector<Value> words;
  };
  bool isOfCollections(Operation *op);
  mlir::FailureOr<Collection> collectionOf(Value value, Operation *user);
  Value elementAt(Operation *op, Value route, ArrayRef<Axis> dims,
                  ValueRange at, Value &there);
  std::optional<Members> membersAt(Operation *op, const Collection &collection,
                                   ArrayRef<Axis> dims, ValueRange at);
  SmallVector<Value> wordsOf(const Member &member, Location loc);
  Value areSame(const Member &x, const Member &y, Location loc);
  Value placeIn(const Members &members, const Member &member, Location loc);
  SmallVector<Value> forEachMember(
      const Members &members, ValueRange carried, Location loc,
      llvm::function_ref<SmallVector<Value>(const Member &, Value, ValueRange)>
          step);
  LogicalResult askCollections(
      Operation *op, ValueRange collections,
      llvm::function_ref<Value(ArrayRef<Axis>, ValueRange, ArrayRef<Members>)>
          answer);
  LogicalResult lowerFind(FindOp op);
  LogicalResult lowerSubset(SubsetOp op);
  LogicalResult lowerIsEmpty(IsEmptyOp op);
  LogicalResult changeSet(SetOp op, Value value, const Table &table,
                          ValueRange position);
  LogicalResult becomes(SetOp op, Value value, const Table &table,
                        ValueRange position);
  bool isRowOf(SetOp op, PickOp pick);
  LogicalResult setOfState(SetOp op);
  // ElementWrites.cpp
  struct ElementWrite;
  std::optional<ElementWrite> elementWrite(SetOp op);
  void planElementWrites();
  Value placeOfElements(Value value);
  bool isInPlace(SetOp op);
  LogicalResult pickInPlace(PickOp op, Value buffer);
  LogicalResult setInPlace(SetOp op, Value buffer);
  // Descent.cpp
  /// A position on some axis; `there` is null where it always is.
  struct Place {
    Value position, there;
  };
  /// The axis, or what it copies.
  AxisOp sourceAxis(Axis axis);
  /// What an axis that is no plan lies in: one axis, or the pools of a product.
  SmallVector<Axis> parentsOf(Axis axis);
  /// The one of these, or null.
  Axis parentOf(Axis axis);
  /// The parent by which a position of `axis` descends from `ancestor`, or
  /// null.
  Axis parentTowards(Axis axis, Axis ancestor);
  /// Whether the descendants of a position of `ancestor` lie side by side.
  bool liesSideBySide(Axis axis, Axis ancestor) {
    return route::liesSideBySide(func, axis, ancestor, tables);
  }
  /// Whether parents differ in the number of their children.
  bool isRagged(Axis axis);
  Value childrenEach(Axis axis, Location loc);
  Value eachOf(Axis axis);
  void prepareDescent(ArrayRef<Axis> used, Location loc);
  /// The parent of a position, and the first child of a parent (of the parent
  /// past the last: the number of children).
  Value parentPosition(OpBuilder &inner, Location loc, Axis axis, Axis parent,
                       Value position);
  Value firstChild(OpBuilder &inner, Location loc, Axis axis, Value parent);
  /// The position on `target` that `at` over `dims` descends from; nothing
  /// where `target` is above none of them.
  std::optional<Place> placeOf(OpBuilder &inner, Location loc, Axis target,
                               ArrayRef<Axis> dims, ValueRange at);
  std::optional<SmallVector<Value>> placesOf(OpBuilder &inner, Location loc,
                                             ArrayRef<Axis> from,
                                             ArrayRef<Axis> dims, ValueRange at,
                                             Value &there);
  /// Whether the rows of the plans among `dims` are there; null without plans.
  Value presentAt(OpBuilder &inner, Location loc, ArrayRef<Axis> dims,
                  ValueRange at);
  Value constantAt(OpBuilder &inner, int64_t value, Location loc);
  Value extentAt(OpBuilder &inner, Axis dim, Location loc);
  SmallVector<Value> unflatten(OpBuilder &inner, Location loc, Value flat,
                               ArrayRef<Axis> dims);
  Value gatherTo(Value source, ArrayRef<Axis> from, ArrayRef<Axis> to,
                 Location loc);
  /// A tensor from its positions.
  Value
  generate(ArrayRef<mlir::OpFoldResult> shape, Type type, Location loc,
           llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> body);
  /// Runs `step(position, carried)` for every position of `dims`, row-major.
  SmallVector<Value> forEachPosition(
      ArrayRef<Axis> dims, ValueRange carried, Location loc,
      llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> step);
  /// The same for the positions at which `meetings` hold, inside loops over
  /// `outer` that are at `outerAt`: a loop along an axis runs over the
  /// descendants of what it meets within.
  SmallVector<Value> forEachMeeting(
      ArrayRef<Meeting> meetings, ArrayRef<Axis> outer, ValueRange outerAt,
      ArrayRef<Axis> dims, ValueRange carried, Location loc,
      llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> step);
  /// The descendants of position `above` of `within` along `axis`: begin and
  /// end; nothing where they do not lie side by side.
  std::optional<std::pair<Value, Value>>
  descendantsOf(Axis axis, Axis within, Value above, Location loc);
  /// What `then` makes where the condition holds, else `otherwise`; without a
  /// condition, what `then` makes.
  SmallVector<Value> when(Value condition, ValueRange otherwise, Location loc,
                          llvm::function_ref<SmallVector<Value>()> then);
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
  bool isWithinBase(ArrayType from, ArrayType to, Value rows);
  Value giveDown(Value source, ArrayRef<Axis> from, ArrayRef<Axis> to,
                 Location loc);
  LogicalResult lowerRename(RenameOp op);
  LogicalResult lowerPick(PickOp op);
  LogicalResult lowerStack(StackOp op);
  LogicalResult lowerJoin(JoinOp op);
  LogicalResult lowerIota(IotaOp op);
  LogicalResult lowerRowNumbers(IotaOp op);
  LogicalResult lowerSize(SizeOp op);
  Value transposeTo(Value tensor, ArrayRef<Axis> from, ArrayRef<Axis> to,
                    Location loc);
  /// table[.., i] for i32 `indices`, zero where -1: the table has the leading
  /// dimensions of the indices, or one dimension alone.
  Value takeAt(Value table, Value indices, Location loc);
  Value pickConstant(PickOp op, Value source);
  LogicalResult pickText(PickOp op, Value source, Value position);
  LogicalResult pickRow(PickOp op, Value source, Value position);
  // Reduction.cpp
  LogicalResult lowerReduce(ReduceOp op);
  LogicalResult countChosen(ReduceOp op, Value source);
  Value maskedRows(ReduceOp op, Value source);
  bool splitParents(Value &source, SmallVector<Axis> &dims, ArrayRef<Axis> kept,
                    Location loc);
  Value reducedLast(Value source, ArrayRef<Axis> dims, ArrayRef<Axis> kept,
                    unsigned &reduced, Location loc);
  Value sumOrMean(ReduceOp op, Value source);
  Value combineLast(ReduceOp op, Value source);
  Value widened(Value tensor, Type type, Location loc);
  Value floatSum(Value tensor, bool sequential, Location loc);
  // ScatterReduction.cpp
  bool isByPlace(ReduceOp op);
  LogicalResult reduceByPlace(ReduceOp op, Value source);
  /// One element of such a reduction: where it goes and what it is.
  using Scattered = llvm::function_ref<SmallVector<Value>(
      ValueRange, ValueRange, Value, ValueRange)>;
  SmallVector<Value> scatter(ReduceOp op, Value source, ValueRange carried,
                             Scattered step);
  using Counted = llvm::function_ref<Value(OpBuilder &, ValueRange)>;
  Value lastOfTree(Value partials, unsigned along, Counted counts,
                   ArrayRef<Axis> kept, Type type, Location loc);
  LogicalResult reduceMode(ReduceOp op, Value source);
  // GroupReduction.cpp
  /// What is reduced to each position of `within`: elements along `axes`, of
  /// which the first lies side by side below it.
  struct Descendants {
    SmallVector<Axis> axes;
    Axis within;
  };
  std::optional<Descendants> reducedBelow(ReduceOp op);
  LogicalResult reduceBelow(ReduceOp op, Value source, Descendants below);
  // RowPrograms.cpp
  LogicalResult lowerRows(RowsOp op);
  struct RowProgram;
  LogicalResult enterRows(RowProgram &program);
  LogicalResult lowerRowBody(RowProgram &program, mlir::Block *body);
  LogicalResult leaveRows(RowProgram &program,
                          const llvm::StringMap<Plan> &before);
  void placeRows(RowProgram &program, ValueRange results,
                 llvm::StringMap<Plan> &inner);
  // Choice.cpp
  LogicalResult lowerChoose(ChooseOp op);
  LogicalResult lowerMember(MemberOp op);
  LogicalResult lowerRank(RankOp op);
  LogicalResult lowerFirstPlan(FirstPlanOp op);
  Value candidatesLast(Value route, const Plan &plan, Type element,
                       Location loc);
  // RowChoice.cpp
  class RowChoice;
  LogicalResult lowerRowChoice(ChooseOp op, Plan rows);
  // FixedRows.cpp
  std::optional<SmallVector<int32_t>> fixedRows(ChooseOp op, int64_t candidates,
                                                int64_t most);
  // ColumnChoice.cpp
  /// The items and candidates of a choice outside row programs.
  struct ChoiceSpace {
    /// Dimensions of the items, and of the candidates as one.
    SmallVector<Axis> batch, slots;
    Value candidates;
  };
  /// A tensor read at (items.., candidate) through a map.
  struct Mapped {
    Value tensor;
    mlir::AffineMap map;
  };
  ChoiceSpace choiceSpace(const Plan &rows, Location loc);
  std::optional<Mapped> overSpace(Value tensor, ArrayRef<Axis> dims,
                                  const ChoiceSpace &space, Location loc);
  std::optional<Mapped> keyOver(Value key, const ChoiceSpace &space);
  struct Relation {
    SmallVector<Mapped> masks;
    Value begin, end;
  };
  Relation relate(const Plan &rows, const ChoiceSpace &space, Location loc);
  /// Whether a candidate is one of the item's; null where all are.
  Value isAllowed(OpBuilder &inner, Location loc, const Relation &relation,
                  ValueRange item, Value candidate);
  Value flattened(Value tensor, unsigned from, Location loc);
  LogicalResult lowerColumnChoice(ChooseOp op, Plan rows);
  LogicalResult makeColumnChoice(ChooseOp op, Plan &rows,
                                 const ChoiceSpace &space, ValueRange keys,
                                 ArrayRef<bool> up, ArrayRef<Mapped> more,
                                 Value limit);
  LogicalResult itemLimits(ChooseOp op, const ChoiceSpace &space, Value &limit);
  Value fromSizes(Value route, Location loc);
  void setCapacity(ChooseOp op, Plan &rows, const ChoiceSpace &space);
  // Budgets.cpp
  /// Something of a budget: a tensor over `dims`; of keys, numbers below
  /// `size`.
  struct Share {
    Value tensor, size;
    SmallVector<Axis> dims;
  };
  /// What one budget has reserved in this call.
  struct Ledger {
    bool whole = false;  ///< amounts are whole numbers
    bool counts = false; ///< reservations of the call add up
    Share reserve, limit;
    SmallVector<Share> keys;
    /// The high and low word of what each key has reserved.
    std::array<Value, 2> reserved;
  };
  /// The budgets of one choice; `reserved` has two words of each that counts.
  struct Admission {
    struct Read {
      Ledger *ledger;
      Mapped reserve, limit;
      SmallVector<Mapped> keys;
    };
    SmallVector<Read> budgets;
    SmallVector<Value> reserved;
  };
  Ledger *ledgerOf(ChooseOp op, Axis name);
  LogicalResult numberKeys(ChooseOp op, ArrayRef<Value> keys,
                           ArrayRef<Axis> dims, Share &numbers);
  LogicalResult numberGroups(ChooseOp op, ArrayRef<Value> keys, Ledger &ledger);
  LogicalResult prepareAdmission(ChooseOp op, const ChoiceSpace &space,
                                 Admission &admission);
  Value admit(const Admission &admission, ValueRange at, Value candidate,
              ValueRange reserved, Location loc, SmallVectorImpl<Value> &places,
              SmallVectorImpl<Value> &words);
  void finishAdmission(const Admission &admission, ValueRange reserved);
  // Paths.cpp
  LogicalResult lowerPath(ChooseOp op, Plan rows);
  SmallVector<Value> extendWay(ChooseOp op, Value candidate, ValueRange before,
                               ValueRange held, Value longest, ValueRange item,
                               const Relation &relation,
                               llvm::function_ref<Value(unsigned)> read);
  // Rounds.cpp
  class RowByRow;
  LogicalResult lowerRounds(ChooseOp op, Plan rows);
  LogicalResult makeOrder(ChooseOp op, Plan &rows, const ChoiceSpace &space,
                          Value limits);
  Value overItems(Value route, const ChoiceSpace &space, Location loc);
  // ColumnForms.cpp
  LogicalResult lowerMemberByPlace(MemberOp op);
  Value joined(ArrayRef<Value> tensors, Value which, Value rank,
               ArrayRef<Axis> dims, unsigned items, mlir::TypedAttr none,
               Location loc);
  LogicalResult joinPlans(Operation *op, Plan rows, ArrayRef<Plan> sources,
                          Value which, Value rank, mlir::OperandRange columns,
                          mlir::ResultRange results);
  mlir::OpFoldResult capacity(const Plan &rows);
  LogicalResult concatColumns(ConcatOp op);
  LogicalResult firstPlanColumns(FirstPlanOp op);
  LogicalResult lowerListedColumns(ChooseOp op, Plan rows);
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
  // Parts.cpp
  bool isPart(ChooseOp op);
  LogicalResult lowerPart(ChooseOp op, Plan rows);
  bool fillsBase(ReduceOp op);
  LogicalResult lowerFill(ReduceOp op);
  bool gathersExperts(Value value);
  // ExpertRows.cpp, CombinedRows.cpp
  Grouping *grouping(const Plan &plan, const GroupKey &key, Location loc);
  Value groupPositions(const Plan &plan, const GroupKey &key, Location loc);
  Value sortRows(Value matrix, const Grouping &group, int64_t slots,
                 Location loc);
  Value unsortRows(Value matrix, const Grouping &group, ArrayType type,
                   Location loc);
  Value sorted(Value route, Grouping *&group, Location loc);
  Value rowsByPlace(Value source, ArrayType from, const Plan &rows,
                    const Grouping &group, Location loc);
  Value inSlots(Value route);
  Value slotMatrix(Value tensor, Location loc);
  Value slotPlaces(const Plan &rows, Location loc);
  Value linesAbove(ArrayRef<Axis> lead, ArrayRef<Axis> slots, Location loc);
  bool combines(ReduceOp op);
  LogicalResult lowerCombine(ReduceOp op);
  LogicalResult combineByPlace(ReduceOp op, Value y, Value scale, Value inv);
  // Experts.cpp
  Value widen(Value tensor, Location loc);
  Value forKernel(Value tensor, Location loc);
  std::optional<Given> givenFrom(Value value, Axis expert);
  std::optional<GroupKey> keyOf(Value route, Axis expert);
  GroupKey sharedKey(const Plan &rows);
  Value matrixOf(Value route, Location loc);
  class Fusion;
  bool fuse(Value route, Location loc);
  Value weightsOf(Value route, Axis experts, ArrayRef<Axis> over,
                  SmallVectorImpl<Axis> &columns,
                  std::optional<bool> &transposed, Location loc);
  // Products.cpp
  LogicalResult lowerContract(ContractOp op);
  LogicalResult contractByPlace(ContractOp op);
  LogicalResult contractExactly(ContractOp op);
  Value batchedProduct(ContractOp op);
  // Text.cpp
  LogicalResult lowerTextFn(TextFnOp op);
  LogicalResult lowerTextConstant(Operation *op, mlir::Attribute value,
                                  ArrayType type);
  bool isReady(Value operand);
  SmallVector<TextFnOp> textGroup(TextFnOp first);
  // Draws.cpp
  LogicalResult lowerDraw(DrawOp op);
  bool addPlaces(OpBuilder &inner, Location loc, Axis axis, ArrayRef<Axis> dims,
                 ValueRange at,
                 SmallVectorImpl<std::pair<Value, Value>> &places);
  // Control.cpp
  /// Converts the ops of a region; what was made there is not known behind it.
  LogicalResult lowerRegion(mlir::Block &block,
                            llvm::function_ref<LogicalResult()> end);
  struct Changes {
    llvm::SetVector<Ledger *> ledgers;
    llvm::SetVector<mlir::Attribute> states;
    bool places = false; ///< what is written where it is
    bool none() const { return ledgers.empty() && states.empty() && !places; }
  };
  LogicalResult changesOf(Operation *op, Changes &changes);
  /// The values at this point of what a region changes, and others in place.
  SmallVector<Value> current(const Changes &changes, Location loc);
  void makeCurrent(const Changes &changes, ValueRange values);
  LogicalResult lowerFor(ForOp op);
  Value loopOrder(ForOp op);
  LogicalResult lowerIf(IfOp op);

  mlir::ModuleOp module;
  FuncOp func;
  mlir::func::FuncOp entry;
  OpBuilder b;
  mlir::SymbolTableCollection tables;
  /// Tensors of arrays already converted.
  llvm::DenseMap<Value, Value> values;
  /// Experts' values as matrices sorted by expert, and those that are no
  /// product with an epilogue.
  llvm::DenseMap<Value, Sorted> matrices;
  llvm::DenseSet<Value> unfused;
  /// Columns of plans that are zero where there is no row.
  llvm::DenseSet<Value> zeroed;
  /// The plan each plan axis stands for at this point of the conversion.
  llvm::StringMap<Plan> plans;
  llvm::StringMap<Grouping> groupings;
  llvm::StringMap<Ledger> ledgers;
  /// Sizes of axes that the call decides.
  llvm::StringMap<Value> sizes;
  /// Of nested axes: how many children each parent has or, where they differ,
  /// the parent of each child.
  llvm::StringMap<Value> childCounts, parentTables;
  /// Sizes that follow from others.
  SmallVector<std::pair<std::string, Value>> derivedSizes;
  /// The converted arguments by role and name.
  llvm::StringMap<Value> arguments;
  llvm::StringMap<int64_t> &planRanks;
  /// What leaves besides the results.
  struct EmittedMetric {
    Value value;
    ArrayType type;
    mlir::StringAttr unit; ///< or null
  };
  llvm::MapVector<mlir::StringAttr, EmittedMetric> emitted;
  /// The tables that the function reads or writes, by the state's name.
  llvm::MapVector<mlir::StringAttr, Table> keyed;
  /// The buffers of state that the handler reads and writes by elements.
  llvm::MapVector<mlir::StringAttr, Value> inPlace;
  /// State that the handler has set so far: its new value.
  llvm::MapVector<mlir::StringAttr, std::pair<Value, ArrayType>> written;
  /// The item axis of the row program that is being converted.
  Axis item;
  /// Axes of which only one position is at hand: dimensions of size 1.
  SmallVector<Axis> single;
};

} // namespace route::lowering

#endif
