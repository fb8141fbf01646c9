// State with keys: tables in one cell of words, read and written in place.
// Sets of state are tables too; Sets.cpp asks and changes them.
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

static LogicalResult unbounded(Operation *state, StringRef name,
                               StringRef example) {
  return emitNotice(state->getLoc(), Notice::needsBound)
         << "a library keeps '" << name
         << "' in a piece of memory of fixed size, so it needs a bound: '"
         << example << "'";
}

/// The most members that a set of state has: what handlers make it says.
FailureOr<int64_t> Lowering::setCapacity(Operation *state, StringRef name) {
  int64_t capacity = 1; // nothing is put into it
  WalkResult result = module.walk([&](SetOp set) {
    if (nameOf(set.getSymbol()) != name)
      return WalkResult::advance();
    if (set.getBound()) {
      capacity = std::max<int64_t>(capacity, *set.getBound());
      return WalkResult::advance();
    }
    SmallVector<Value> left = {set.getValue()};
    while (!left.empty()) {
      Operation *op = left.pop_back_val().getDefiningOp();
      auto insert = dyn_cast_or_null<InsertOp>(op);
      if (isa_and_nonnull<CollectOp>(op) || (insert && !insert.getBound())) {
        (void)unbounded(state, name, "set … max 64k");
        return WalkResult::interrupt();
      }
      if (insert)
        capacity = std::max<int64_t>(capacity, *insert.getBound());
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
      (void)notCovered(target, "parameters and state over an axis whose size "
                               "the call decides");
      return nullptr;
    }
  auto sizeOf = [&](Axis axis) { return staticSize(axis); };
  if (isSet(type)) {
    FailureOr<int64_t> capacity = setCapacity(target, name.getValue());
    if (failed(capacity))
      return nullptr;
    table.capacity = *capacity;
    table.keys = keyWords(memberTypeOf(type.getElementType()));
    table.over = dimsOf(type);
  } else {
    auto state = cast<StateOp>(target);
    if (!state.getBound()) {
      (void)unbounded(target, name.getValue(), "max 64k");
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
    (void)notCovered(target, "keys of this type");
    return nullptr;
  }
  // Two factors of at most 2^29 fit beside what a table adds to them.
  int64_t count = positions(table.over, sizeOf), all = 0;
  bool fits = std::max(table.capacity, table.values) <= mostWords;
  if (fits)
    table.words = route_table_words(table.capacity, table.keys, table.values);
  if (!fits || llvm::MulOverflow(table.words, count, all) || all > mostWords) {
    (void)notCovered(target, "state of more than 4 GiB");
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
    return notCovered(user, "keys of this type");
  for (Axis axis : type.getAxes()) {
    if (items && items.hasAxis(axis))
      continue;
    for (Axis dim : dimsOf(ArrayRef<Axis>(axis)))
      count *= ShapedType::isDynamic(staticSize(dim)) ? 0 : staticSize(dim);
  }
  if (count <= 0 || count > 1024)
    return notCovered(user, "keys of so many parts");
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

/// The word of an element in a key: +0 for -0, which is equal to it.
Value Lowering::toKeyWord(Value element, Type type, Location loc) {
  if (isa<FloatType>(element.getType())) {
    Value zero =
        arith::ConstantOp::create(b, loc, b.getZeroAttr(element.getType()));
    Value isZero =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, element, zero);
    element = arith::SelectOp::create(b, loc, isZero, zero, element);
  }
  return toWord(element, type, loc);
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
      words.push_back(toKeyWord(element, type.getElementType(), loc));
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
    return notCovered(op, "cells of this type");
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
