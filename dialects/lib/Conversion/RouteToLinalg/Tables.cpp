// State with keys and sets of state: tables in one cell of words, read and
// written in place.
#include "route/Text/Tables.h"
#include "Lowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Of 8 bytes, what one state may take: 4 GiB.
constexpr int64_t mostWords = int64_t(1) << 29;

static bool isSet(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array && isa<SetType>(array.getElementType());
}

int64_t lowering::keyWords(Type type) {
  if (isa<TextType>(type))
    return 2;
  return isa<IntegerType, EnumType, RefType, HandleType, FloatType>(type);
}

/// Positions of all `axes`, or more than `mostWords`.
static int64_t positions(ArrayRef<Axis> axes,
                         llvm::function_ref<int64_t(Axis)> sizeOf) {
  int64_t count = 1;
  for (Axis axis : axes)
    if (llvm::MulOverflow(count, sizeOf(axis), count) || count > mostWords)
      return mostWords + 1;
  return count;
}

static std::string tableAxis(StringRef state) {
  return (state + ".table").str();
}

ArrayType lowering::tableType(Operation *state, StringRef name,
                              ArrayType type) {
  SmallVector<Axis> axes;
  if (isSet(type))
    llvm::append_range(axes, type.getAxes());
  axes.push_back(FlatSymbolRefAttr::get(state->getContext(), tableAxis(name)));
  return ArrayType::get(IntegerType::get(state->getContext(), 64), axes);
}

bool Lowering::isOfSets(Operation *op) {
  return isa<GetOp, InsertOp, RemoveOp, SelectOp, PickOp, BroadcastOp>(op) &&
         isSet(op->getResult(0).getType());
}

/// The most members that a set of state has: what handlers put into it says.
FailureOr<int64_t> Lowering::setCapacity(StringRef name) {
  int64_t capacity = 1; // nothing is put into it
  WalkResult result = module.walk([&](SetOp set) {
    if (nameOf(set.getSymbol()) != name)
      return WalkResult::advance();
    SmallVector<Value> left = {set.getValue()};
    while (!left.empty()) {
      Operation *op = left.pop_back_val().getDefiningOp();
      if (auto insert = dyn_cast_or_null<InsertOp>(op)) {
        if (!insert.getBound()) {
          (void)unsupported(insert, "a set of state without a bound");
          return WalkResult::interrupt();
        }
        capacity = std::max<int64_t>(capacity, *insert.getBound());
      }
      if (op)
        for (Value operand : op->getOperands())
          if (isSet(operand.getType()))
            left.push_back(operand);
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  return capacity;
}

/// The table of the state that `symbol` names, planned where it is met first.
Lowering::Table *Lowering::planTable(SymbolRefAttr symbol, Operation *user) {
  StringAttr name = b.getStringAttr(nameOf(symbol));
  if (auto known = keyed.find(name); known != keyed.end())
    return &known->second;
  Operation *target = tables.lookupSymbolIn(module, symbol);
  Table table;
  ArrayType type;
  if (auto state = dyn_cast<StateOp>(target))
    type = cast<ArrayType>(state.getType());
  else
    type = cast<ArrayType>(cast<ColumnOp>(target).getType());
  for (Axis axis : type.getAxes())
    if (ShapedType::isDynamic(staticSize(axis))) {
      (void)unsupported(target, "parameters and state over an axis whose size "
                                "the call decides");
      return nullptr;
    }
  auto sizeOf = [&](Axis axis) { return staticSize(axis); };
  if (isSet(type)) {
    FailureOr<int64_t> capacity = setCapacity(name.getValue());
    if (failed(capacity))
      return nullptr;
    table.capacity = *capacity;
    table.keys = keyWords(memberTypeOf(type.getElementType()));
    table.over = dimsOf(type);
  } else {
    auto state = cast<StateOp>(target);
    if (!state.getBound()) {
      (void)unsupported(target, "state with keys without a bound");
      return nullptr;
    }
    table.capacity = *state.getBound();
    table.values = positions(dimsOf(type), sizeOf);
    auto lookup = dyn_cast<LookupOp>(user);
    for (Value key : lookup ? lookup.getKeys() : cast<StoreOp>(user).getKeys())
      if (failed(countKeyWords(user, key,
                               lookup ? cast<ArrayType>(lookup.getType())
                                      : ArrayType(),
                               table.keys)))
        return nullptr;
  }
  if (table.keys == 0) {
    (void)unsupported(target, "keys of this type");
    return nullptr;
  }
  // Two factors of at most 2^29 fit beside what a table adds to them.
  int64_t count = positions(table.over, sizeOf), all = 0;
  bool fits = std::max(table.capacity, table.values) <= mostWords;
  if (fits)
    table.words = route_table_words(table.capacity, table.keys, table.values);
  if (!fits || llvm::MulOverflow(table.words, count, all) || all > mostWords) {
    (void)unsupported(target, "state of more than 4 GiB");
    return nullptr;
  }
  if (!module.lookupSymbol(tableAxis(name.getValue()))) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto axis = AxisOp::create(b, target->getLoc(), tableAxis(name.getValue()),
                               AxisKind::index,
                               b.getI64IntegerAttr(table.words), IntegerAttr(),
                               ArrayAttr(), FlatSymbolRefAttr(), ArrayAttr());
    axis.getColumns().emplaceBlock();
    tables.invalidateSymbolTable(module);
  }
  table.type = tableType(target, name.getValue(), type);
  table.memory = MemRefType::get({all}, b.getI64Type());
  return &keyed.insert({name, table}).first->second;
}

/// Adds the words of one part of a key: axes that `items` lacks are in it.
LogicalResult Lowering::countKeyWords(Operation *user, Value key,
                                      ArrayType items, int64_t &words) {
  auto type = cast<ArrayType>(key.getType());
  int64_t count = keyWords(type.getElementType());
  if (count == 0)
    return unsupported(user, "keys of this type, or that may be unknown,");
  for (Axis axis : type.getAxes()) {
    if (items && items.hasAxis(axis))
      continue;
    for (Axis dim : dimsOf(ArrayRef<Axis>(axis)))
      count *= ShapedType::isDynamic(staticSize(dim)) ? 0 : staticSize(dim);
  }
  if (count <= 0 || count > 1024)
    return unsupported(user, "keys of so many parts");
  words += count;
  return success();
}

/// Plans the tables that the function reads and writes.
LogicalResult Lowering::planTables() {
  WalkResult result = func.walk([&](Operation *op) {
    Table *table = nullptr;
    bool writes = false;
    if (auto lookup = dyn_cast<LookupOp>(op)) {
      table = planTable(lookup.getStateAttr(), op);
    } else if (auto store = dyn_cast<StoreOp>(op)) {
      table = planTable(store.getStateAttr(), op);
      writes = true;
    } else if (auto set = dyn_cast<SetOp>(op)) {
      if (!isSet(set.getValue().getType()))
        return WalkResult::advance();
      table = planTable(set.getSymbol(), op);
      writes = true;
    } else if (auto get = dyn_cast<GetOp>(op)) {
      Operation *target = tables.lookupSymbolIn(module, get.getSymbol());
      auto column = dyn_cast<ColumnOp>(target);
      if (!isSet(get.getType()) ||
          !(isa<StateOp>(target) ||
            (column && column.getKind() == ColumnKind::state)))
        return WalkResult::advance();
      table = planTable(get.getSymbol(), op);
    } else {
      return WalkResult::advance();
    }
    if (!table)
      return WalkResult::interrupt();
    table->writes |= writes;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// An element as a word of a table, equal for equal elements only: of floats
/// their bits, one NaN for all.
Value Lowering::toWord(Value element, Type type, Location loc) {
  Type i64 = b.getI64Type();
  if (auto number = dyn_cast<FloatType>(element.getType())) {
    Value nan = arith::ConstantOp::create(
        b, loc,
        b.getFloatAttr(number, APFloat::getNaN(number.getFloatSemantics())));
    Value isNan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO,
                                        element, element);
    element = arith::SelectOp::create(b, loc, isNan, nan, element);
    Type bits = b.getIntegerType(number.getWidth());
    element = arith::BitcastOp::create(b, loc, bits, element);
    return number.getWidth() == 64
               ? element
               : Value(arith::ExtUIOp::create(b, loc, i64, element));
  }
  if (element.getType().isInteger(64))
    return element;
  if (element.getType().isInteger(1) || type.isUnsignedInteger())
    return arith::ExtUIOp::create(b, loc, i64, element);
  return arith::ExtSIOp::create(b, loc, i64, element);
}

Value Lowering::fromWord(Value word, Type to, Location loc) {
  unsigned width = to.getIntOrFloatBitWidth();
  if (width < 64)
    word = arith::TruncIOp::create(b, loc, b.getIntegerType(width), word);
  return isa<FloatType>(to) ? Value(arith::BitcastOp::create(b, loc, to, word))
                            : word;
}

/// The words of a key's part at the position `at` on `dims`.
LogicalResult Lowering::addKey(Operation *op, Value key, ArrayRef<Axis> dims,
                               ValueRange at, SmallVectorImpl<Value> &words) {
  Location loc = op->getLoc();
  auto type = cast<ArrayType>(key.getType());
  Value tensor = get(key);
  if (!tensor)
    return failure();
  SmallVector<Axis> own = dimsOf(type);
  int64_t count = 1;
  for (Axis dim : own)
    if (!llvm::is_contained(dims, dim))
      count *= staticSize(dim);
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Value> place(own.size());
    int64_t rest = i;
    for (size_t d = own.size(); d-- > 0;) {
      auto item = llvm::find(dims, own[d]);
      if (item != dims.end()) {
        place[d] = at[item - dims.begin()];
        continue;
      }
      place[d] = constantIndex(rest % staticSize(own[d]), loc);
      rest /= staticSize(own[d]);
    }
    Value element = tensor::ExtractOp::create(b, loc, tensor, place);
    if (isa<TextType>(type.getElementType())) {
      auto digest = signal::DigestOp::create(b, loc, element);
      words.append({digest.getLow(), digest.getHigh()});
    } else {
      words.push_back(toWord(element, type.getElementType(), loc));
    }
  }
  return success();
}

/// The number of a position on `dims`, row-major.
Value Lowering::linear(ArrayRef<Axis> dims, ValueRange at, Location loc) {
  Value number = constantIndex(0, loc);
  for (auto [dim, place] : llvm::zip(dims, at))
    number = arith::AddIOp::create(
        b, loc, arith::MulIOp::create(b, loc, number, sizeValue(dim, loc)),
        place);
  return number;
}

/// Where the table at the position `at` of the state's axes begins.
Value Lowering::tableAt(const Table &table, ValueRange at, Location loc) {
  return arith::MulIOp::create(b, loc, linear(table.over, at, loc),
                               constantIndex(table.words, loc));
}

/// The cell of each item's key; what the state starts as where there is none.
LogicalResult Lowering::lowerLookup(LookupOp op) {
  Location loc = op.getLoc();
  Table &table = *planTable(op.getStateAttr(), op);
  auto state = tables.lookupSymbolIn<StateOp>(module, op.getStateAttr());
  auto cell = cast<ArrayType>(state.getType()),
       type = cast<ArrayType>(op.getType());
  Type made = element(type.getElementType());
  if (!isa<IntegerType, FloatType>(made))
    return unsupported(op, "cells of this type");
  Value initial;
  if (!state.getInit().empty()) {
    Block &body = state.getInit().front();
    if (failed(lowerBlock(body)) ||
        !(initial = get(cast<YieldOp>(body.getTerminator()).getOperand(0))))
      return failure();
  }
  SmallVector<Axis> items;
  for (Axis axis : type.getAxes())
    if (!cell.hasAxis(axis))
      items.push_back(axis);
  SmallVector<Axis> dims = dimsOf(type), itemDims = dimsOf(items),
                    cellDims = dimsOf(cell);
  bool good = true;
  set(op.getResult(),
      forEachPosition(
          itemDims, empty(dims, type.getElementType(), loc), loc,
          [&](ValueRange item, ValueRange made_) -> SmallVector<Value> {
            SmallVector<Value> key;
            for (Value part : op.getKeys())
              good &= succeeded(addKey(op, part, itemDims, item, key));
            if (!good)
              return llvm::to_vector(made_);
            Value start = signal::TableFindOp::create(
                b, loc, b.getIndexType(), table.buffer, constantIndex(0, loc),
                key, table.capacity, table.values);
            Value there = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::ne, start, constantIndex(0, loc));
            return forEachPosition(
                cellDims, made_, loc,
                [&](ValueRange place, ValueRange held) -> SmallVector<Value> {
                  Value none = initial ? Value(tensor::ExtractOp::create(
                                             b, loc, initial, place))
                                       : Value(arith::ConstantOp::create(
                                             b, loc,
                                             isa<RefType>(type.getElementType())
                                                 ? b.getIntegerAttr(made, -1)
                                                 : b.getZeroAttr(made)));
                  // Word 0 is always there to be read.
                  Value at = arith::SelectOp::create(
                      b, loc, there,
                      arith::AddIOp::create(b, loc, start,
                                            linear(cellDims, place, loc)),
                      constantIndex(0, loc));
                  Value word = memref::LoadOp::create(b, loc, table.buffer, at);
                  Value value = arith::SelectOp::create(
                      b, loc, there, fromWord(word, made, loc), none);
                  SmallVector<Value> target;
                  for (Axis dim : dims) {
                    auto own = llvm::find(itemDims, dim);
                    target.push_back(own != itemDims.end()
                                         ? item[own - itemDims.begin()]
                                         : place[llvm::find(cellDims, dim) -
                                                 cellDims.begin()]);
                  }
                  return {tensor::InsertOp::create(b, loc, value, held.front(),
                                                   target)};
                });
          })
          .front());
  return success(good);
}

LogicalResult Lowering::lowerStore(StoreOp op) {
  Location loc = op.getLoc();
  Table &table = *planTable(op.getStateAttr(), op);
  auto type = cast<ArrayType>(op.getValue().getType());
  Value value = get(op.getValue());
  if (!value)
    return failure();
  SmallVector<Value> key;
  for (Value part : op.getKeys())
    if (failed(addKey(op, part, {}, {}, key)))
      return failure();
  Value start = signal::TablePutOp::create(
      b, loc, b.getIndexType(), table.buffer, constantIndex(0, loc), key,
      table.capacity, table.values, arguments.lookup("changes"));
  SmallVector<Axis> dims = dimsOf(type);
  forEachPosition(
      dims, {}, loc, [&](ValueRange place, ValueRange) -> SmallVector<Value> {
        Value element = tensor::ExtractOp::create(b, loc, value, place);
        memref::StoreOp::create(
            b, loc, toWord(element, type.getElementType(), loc), table.buffer,
            ValueRange(arith::AddIOp::create(b, loc, start,
                                             linear(dims, place, loc))));
        return {};
      });
  return success();
}

/// The get of a set of state that `value` reads at the positions `at` on
/// `dims`, and which of the sets it is; null where it is made otherwise.
static GetOp setRead(Value value, SmallVectorImpl<PickOp> &picks) {
  while (true) {
    if (auto get = value.getDefiningOp<GetOp>())
      return get;
    if (auto pick = value.getDefiningOp<PickOp>()) {
      picks.push_back(pick);
      value = pick.getOperand();
    } else if (auto broadcast = value.getDefiningOp<BroadcastOp>();
               broadcast && !broadcast.getPlan()) {
      value = broadcast.getOperand();
    } else {
      return {};
    }
  }
}

/// Whether something is in a set of state. Its place in the order of the set is
/// not compiled: 0 where it is there.
LogicalResult Lowering::lowerFind(FindOp op) {
  Location loc = op.getLoc();
  SmallVector<PickOp> picks;
  GetOp read = setRead(op.getCollection(), picks);
  if (!read || !isSet(read.getType()))
    return unsupported(op, "members of lists and sets that are computed");
  auto found = keyed.find(b.getStringAttr(nameOf(read.getSymbol())));
  if (found == keyed.end())
    return unsupported(op, "members of lists and sets from here");
  Table &table = found->second;
  for (Operation *user : op.getResult().getUsers()) {
    auto compare = dyn_cast<CompareOp>(user);
    std::optional<int64_t> with =
        compare ? constantOf(compare.getRhs()) : std::nullopt;
    if (!compare || compare.getKind() != CompareKind::ge || with != 0)
      return unsupported(op, "the order of a set");
  }
  bool changes = func.walk([&](SetOp set) {
                       return set.getSymbol() == read.getSymbol()
                                  ? WalkResult::interrupt()
                                  : WalkResult::advance();
                     })
                     .wasInterrupted();
  if (changes &&
      (read->getBlock() != op->getBlock() || changesBetween(read, op)))
    return unsupported(op, "a set as it was before it changed");
  auto type = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(type);
  bool good = true;
  auto at = [&](Value route, ValueRange position) -> Value {
    Value tensor = get(route);
    if (!tensor) {
      good = false;
      return {};
    }
    SmallVector<Value> place;
    for (Axis dim : dimsOf(cast<ArrayType>(route.getType())))
      place.push_back(position[llvm::find(dims, dim) - dims.begin()]);
    return tensor::ExtractOp::create(b, loc, tensor, place);
  };
  set(op.getResult(),
      forEachPosition(
          dims, empty(dims, type.getElementType(), loc), loc,
          [&](ValueRange position, ValueRange made) -> SmallVector<Value> {
            SmallVector<Value> key, which;
            good &= succeeded(addKey(op, op.getElement(), dims, position, key));
            Value inside;
            for (Axis dim : table.over) {
              PickOp pick;
              for (PickOp each : picks)
                if (each.getAlongAttr() == dim)
                  pick = each;
              if (!pick) {
                which.push_back(position[llvm::find(dims, dim) - dims.begin()]);
                continue;
              }
              Value chosen = at(pick.getPosition(), position);
              if (!good)
                return llvm::to_vector(made);
              chosen =
                  arith::IndexCastOp::create(b, loc, b.getIndexType(), chosen);
              Value here =
                  arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult,
                                        chosen, sizeValue(dim, loc));
              which.push_back(arith::SelectOp::create(b, loc, here, chosen,
                                                      constantIndex(0, loc)));
              inside = inside
                           ? Value(arith::AndIOp::create(b, loc, inside, here))
                           : here;
            }
            if (!good)
              return llvm::to_vector(made);
            Value start = signal::TableFindOp::create(
                b, loc, b.getIndexType(), table.buffer,
                tableAt(table, which, loc), key, table.capacity, table.values);
            Value there = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::ne, start, constantIndex(0, loc));
            if (inside)
              there = arith::AndIOp::create(b, loc, there, inside);
            Value place = arith::SelectOp::create(
                b, loc, there,
                arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0)),
                arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(-1)));
            return {tensor::InsertOp::create(b, loc, place, made.front(),
                                             position)};
          })
          .front());
  return success(good);
}

/// Makes the set of `table` at `position` what `value` says, from what it was.
LogicalResult Lowering::changeSet(SetOp op, Value value, const Table &table,
                                  ValueRange position) {
  Location loc = op.getLoc();
  auto at = [&](Value route) -> Value {
    Value tensor = get(route);
    if (!tensor)
      return {};
    SmallVector<Value> place;
    for (Axis dim : dimsOf(cast<ArrayType>(route.getType()))) {
      auto own = llvm::find(table.over, dim);
      if (own == table.over.end())
        return {};
      place.push_back(position[own - table.over.begin()]);
    }
    return tensor::ExtractOp::create(b, loc, tensor, place);
  };
  if (auto select = value.getDefiningOp<SelectOp>()) {
    Value condition = at(select.getCondition());
    if (!condition)
      return unsupported(op, "this change of a set");
    auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
    for (auto [side, block] :
         {std::pair(select.getIfTrue(), branch.thenBlock()),
          std::pair(select.getIfFalse(), branch.elseBlock())}) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(block->getTerminator());
      if (failed(changeSet(op, side, table, position)))
        return failure();
    }
    return success();
  }
  auto insert = value.getDefiningOp<InsertOp>();
  auto remove = value.getDefiningOp<RemoveOp>();
  if (insert || remove) {
    Value before = insert ? insert.getCollection() : remove.getCollection(),
          member = insert ? insert.getElement() : remove.getElement();
    SmallVector<Value> key;
    SmallVector<Axis> dims(table.over);
    if (failed(changeSet(op, before, table, position)) ||
        failed(addKey(op, member, dims, position, key)))
      return failure();
    if (static_cast<int64_t>(key.size()) != table.keys)
      return unsupported(op, "a set that takes several members at once");
    Value start = tableAt(table, position, loc),
          changes = arguments.lookup("changes");
    if (insert)
      signal::TablePutOp::create(b, loc, b.getIndexType(), table.buffer, start,
                                 key, table.capacity, table.values, changes);
    else
      signal::TableDropOp::create(b, loc, table.buffer, start, key,
                                  table.capacity, table.values, changes);
    return success();
  }
  // What is left must be the set itself: one that is picked is that of the row
  // at hand.
  SmallVector<PickOp> picks;
  GetOp read = setRead(value, picks);
  if (!read || read.getSymbol() != op.getSymbol() ||
      llvm::any_of(picks, [&](PickOp pick) { return !isRowOf(op, pick); }))
    return unsupported(op, "a set that becomes another");
  return success();
}

/// Whether the value that is set hangs on `pick` only at the position that it
/// picks: a select compares the positions with it.
bool Lowering::isRowOf(SetOp op, PickOp pick) {
  auto select = op.getValue().getDefiningOp<SelectOp>();
  if (!select)
    return false;
  auto source = [](Value value) {
    while (auto cast = value.getDefiningOp<CastOp>())
      value = cast.getOperand();
    return value;
  };
  for (Value condition : conjuncts(select.getCondition())) {
    auto compare = condition.getDefiningOp<CompareOp>();
    if (!compare || compare.getKind() != CompareKind::eq)
      continue;
    auto iota = compare.getLhs().getDefiningOp<IotaOp>();
    if (iota && cast<ArrayType>(iota.getType()).hasAxis(pick.getAlongAttr()) &&
        source(compare.getRhs()) == source(pick.getPosition()))
      return true;
  }
  return false;
}

LogicalResult Lowering::setOfState(SetOp op) {
  const Table table = *planTable(op.getSymbol(), op);
  bool good = true;
  forEachPosition(
      table.over, {}, op.getLoc(),
      [&](ValueRange position, ValueRange) -> SmallVector<Value> {
        good = good && succeeded(changeSet(op, op.getValue(), table, position));
        return {};
      });
  return success(good);
}
