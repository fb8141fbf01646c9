// State of which a handler reads and writes single elements, in place.
// So an event costs what it writes and not what there is.
#include "Lowering.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

static bool isScalar(Value value) {
  return cast<ArrayType>(value.getType()).isScalar();
}

/// A write of one element: `select(here and .., value, before)`.
struct Lowering::ElementWrite {
  /// By the state's axes.
  SmallVector<Value> positions;
  /// Scalar truths besides.
  SmallVector<Value> conditions;
  Value value;
};

SmallVector<Value> lowering::conjuncts(Value condition) {
  SmallVector<Value> left = {condition}, terms;
  while (!left.empty()) {
    Value term = left.pop_back_val();
    auto both = term.getDefiningOp<BinaryOp>();
    if (both && both.getKind() == BinaryKind::logical_and)
      left.append({both.getLhs(), both.getRhs()});
    else
      terms.push_back(term);
  }
  return terms;
}

std::optional<Lowering::ElementWrite> Lowering::elementWrite(SetOp op) {
  auto select = op.getValue().getDefiningOp<SelectOp>();
  auto before = select ? select.getIfFalse().getDefiningOp<GetOp>() : GetOp();
  if (!before || before.getSymbol() != op.getSymbol() ||
      !isScalar(select.getIfTrue()))
    return std::nullopt;
  auto type = cast<ArrayType>(op.getValue().getType());
  ElementWrite write;
  write.positions.resize(type.getAxes().size());
  write.value = select.getIfTrue();
  for (Value condition : conjuncts(select.getCondition())) {
    if (isScalar(condition)) {
      write.conditions.push_back(condition);
      continue;
    }
    auto compare = condition.getDefiningOp<CompareOp>();
    auto iota = compare ? compare.getLhs().getDefiningOp<IotaOp>() : IotaOp();
    if (!iota || iota.getPlan() || compare.getKind() != CompareKind::eq ||
        !isScalar(compare.getRhs()))
      return std::nullopt;
    auto axis = llvm::find(type.getAxes(),
                           cast<ArrayType>(iota.getType()).getAxes().front());
    if (axis == type.getAxes().end())
      return std::nullopt;
    Value &position = write.positions[axis - type.getAxes().begin()];
    if (position)
      return std::nullopt;
    position = compare.getRhs();
  }
  if (llvm::is_contained(write.positions, Value()))
    return std::nullopt;
  return write;
}

bool lowering::changesBetween(GetOp get, Operation *user) {
  for (Operation *op = get; op && op != user; op = op->getNextNode())
    if (op->walk([&](SetOp set) {
            return set.getSymbol() == get.getSymbol() ? WalkResult::interrupt()
                                                      : WalkResult::advance();
          }).wasInterrupted())
      return true;
  return false;
}

/// Whether `value`, the state or picked from it, is picked on to single
/// elements alone before the state changes, but for the writes themselves.
static bool readsElements(Value value, GetOp get) {
  for (Operation *user : value.getUsers()) {
    if (user->getBlock() != get->getBlock())
      return false;
    if (auto select = dyn_cast<SelectOp>(user)) {
      if (value != get.getResult() || select.getIfFalse() != value ||
          !llvm::all_of(select->getUsers(), [&](Operation *op) {
            auto set = dyn_cast<SetOp>(op);
            return set && set.getSymbol() == get.getSymbol();
          }))
        return false;
    } else if (auto pick = dyn_cast<PickOp>(user)) {
      if (pick.getOperand() != value || !isScalar(pick.getPosition()) ||
          (!isScalar(pick.getResult()) && !readsElements(pick, get)))
        return false;
    } else {
      return false;
    }
    if (changesBetween(get, user))
      return false;
  }
  return true;
}

/// Finds the state that the function may write element by element.
void Lowering::planElementWrites() {
  llvm::MapVector<Attribute, bool> good;
  func.walk([&](SetOp set) {
    auto type = cast<ArrayType>(set.getValue().getType());
    bool fits = !type.isScalar() && !type.getElementType().isInteger(1) &&
                isa<IntegerType, FloatType>(element(type.getElementType())) &&
                llvm::none_of(dimsOf(type), [&](Axis dim) {
                  return ShapedType::isDynamic(staticSize(dim));
                });
    bool &all = good.try_emplace(set.getSymbol(), true).first->second;
    all = all && fits && elementWrite(set).has_value();
  });
  func.walk([&](GetOp get) {
    auto found = good.find(get.getSymbol());
    if (found == good.end())
      return;
    found->second = found->second && readsElements(get, get);
  });
  for (auto &[symbol, all] : good)
    if (all)
      inPlace[b.getStringAttr(nameOf(cast<SymbolRefAttr>(symbol)))] = Value();
}

/// The buffer of a state that is read and written element by element; null
/// where `value` is none of it.
Value Lowering::placeOfElements(Value value) {
  while (auto pick = value.getDefiningOp<PickOp>())
    value = pick.getOperand();
  auto get = value.getDefiningOp<GetOp>();
  return get ? inPlace.lookup(b.getStringAttr(nameOf(get.getSymbol())))
             : Value();
}

/// Whether the write changes elements of the state, or a set, where it is.
bool Lowering::isInPlace(SetOp op) {
  return isa<SetType>(
             cast<ArrayType>(op.getValue().getType()).getElementType()) ||
         inPlace.contains(b.getStringAttr(nameOf(op.getSymbol())));
}

/// `position` as an index, and whether it is one of the axis.
static std::pair<Value, Value> indexOn(OpBuilder &b, Location loc,
                                       Value position, Value extent) {
  Value at = tensor::ExtractOp::create(b, loc, position, ValueRange());
  at = arith::IndexCastOp::create(b, loc, b.getIndexType(), at);
  Value inside =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, at, extent);
  return {at, inside};
}

/// An element of such a state; zero outside of its axes.
LogicalResult Lowering::pickInPlace(PickOp op, Value buffer) {
  if (!isScalar(op.getResult()))
    return success(); // picked on
  Location loc = op.getLoc();
  SmallVector<std::pair<Axis, Value>> picked;
  Value source = op.getResult();
  for (PickOp pick; (pick = source.getDefiningOp<PickOp>());
       source = pick.getOperand())
    picked.push_back({pick.getAlongAttr(), pick.getPosition()});
  auto type = cast<ArrayType>(source.getType());
  Value zero = constantIndex(0, loc), there;
  SmallVector<Value> place;
  for (Axis axis : type.getAxes()) {
    auto own = llvm::find_if(picked, [&](auto &p) { return p.first == axis; });
    Value position = get(own->second);
    if (!position)
      return failure();
    auto [at, inside] = indexOn(b, loc, position, sizeValue(axis, loc));
    place.push_back(arith::SelectOp::create(b, loc, inside, at, zero));
    there =
        there ? Value(arith::AndIOp::create(b, loc, there, inside)) : inside;
  }
  Value element = memref::LoadOp::create(b, loc, buffer, place);
  Type made = element.getType();
  Value none = arith::ConstantOp::create(b, loc,
                                         isa<RefType>(type.getElementType())
                                             ? b.getIntegerAttr(made, -1)
                                             : b.getZeroAttr(made));
  element = arith::SelectOp::create(b, loc, there, element, none);
  set(op.getResult(), tensor::FromElementsOp::create(
                          b, loc, RankedTensorType::get({}, made), element));
  return success();
}

LogicalResult Lowering::setInPlace(SetOp op, Value buffer) {
  Location loc = op.getLoc();
  std::optional<ElementWrite> write = elementWrite(op);
  auto type = cast<ArrayType>(op.getValue().getType());
  Value value = get(write->value), writes;
  if (!value)
    return failure();
  auto also = [&](Value condition) {
    writes = writes ? Value(arith::AndIOp::create(b, loc, writes, condition))
                    : condition;
  };
  SmallVector<Value> place;
  for (auto [axis, position] : llvm::zip(type.getAxes(), write->positions)) {
    Value tensor = get(position);
    if (!tensor)
      return failure();
    auto [at, inside] = indexOn(b, loc, tensor, sizeValue(axis, loc));
    place.push_back(at);
    also(inside);
  }
  for (Value condition : write->conditions) {
    Value tensor = get(condition);
    if (!tensor)
      return failure();
    also(tensor::ExtractOp::create(b, loc, tensor, ValueRange()));
  }
  Value element = tensor::ExtractOp::create(b, loc, value, ValueRange());
  auto branch = scf::IfOp::create(b, loc, writes, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  memref::StoreOp::create(b, loc, element, buffer, place);
  signal::NoteChangeOp::create(b, loc, buffer, linear(dimsOf(type), place, loc),
                               arguments.lookup("changes"));
  return success();
}
