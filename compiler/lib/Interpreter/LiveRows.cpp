// Rows of dynamic pools: values over a pool are rebuilt when they change.
#include "route/Interpreter/LiveRows.h"
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Machine.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Where the rows of an axis come from: old positions, or -1 for new rows.
using Moves = std::vector<int64_t>;

/// `array` with the positions of axis `place` taken from `moves`.
static FailureOr<Array> moved(Machine &machine, const Array &array, int place,
                              const AxisRef &axis, const Moves &moves,
                              const Element &fill, Location loc) {
  SmallVector<AxisRef> axes(array.axes.begin(), array.axes.end());
  axes[place] = axis;
  FailureOr<Array> result = machine.allocate(array.elementType, axes, loc);
  if (failed(result))
    return failure();
  int64_t count = result->size();
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<int64_t> position(axes.size());
    int64_t rest = i;
    for (size_t a = axes.size(); a-- > 0; rest /= axes[a]->size)
      position[a] = rest % axes[a]->size;
    int64_t from = moves[position[place]];
    position[place] = from;
    result->buffer->set(i, from < 0 ? fill : array.at(position));
  }
  return result;
}

/// What a new row reads as in the column or state of that name.
static FailureOr<Element> fillOf(Machine &machine, StringRef name, Type type) {
  Operation *target = lookupDotted(machine, name);
  if (auto column = dyn_cast_or_null<ColumnOp>(target);
      column && column.getFallback()) {
    auto value =
        machine.materialize(*column.getFallback(), type, {}, column.getLoc());
    if (failed(value))
      return failure();
    return value->value();
  }
  if (auto state = dyn_cast_or_null<StateOp>(target);
      state && !state.getFrom()) {
    FailureOr<Array> initial = machine.initialState(state);
    if (succeeded(initial) && initial->size() > 0)
      return initial->elements().front();
  }
  return isRangeType(type) ? unknownOf(type) : zeroOf(type);
}

namespace {
/// One change of the rows of a pool.
class Change {
public:
  Change(Interpreter &interpreter, AxisOp pool)
      : machine(interpreter.machine()), pool(pool) {}
  /// Gives the pool the rows that `moves` says, and moves every value.
  LogicalResult apply(const Moves &moves);

private:
  LogicalResult moveAlong(AxisOp axis, const Moves &moves);
  LogicalResult moveAll(llvm::StringMap<Array> &values, StringAttr axis,
                        const AxisRef &instance, const Moves &moves);
  Machine &machine;
  AxisOp pool;
};
} // namespace

LogicalResult Change::moveAll(llvm::StringMap<Array> &values, StringAttr axis,
                              const AxisRef &instance, const Moves &moves) {
  for (auto &entry : values) {
    int place = entry.second.findAxis(axis);
    if (place < 0)
      continue;
    FailureOr<Element> fill =
        fillOf(machine, entry.getKey(), entry.second.elementType);
    if (failed(fill))
      return failure();
    FailureOr<Array> next = moved(machine, entry.second, place, instance, moves,
                                  *fill, pool.getLoc());
    if (failed(next))
      return failure();
    entry.second = std::move(*next);
  }
  return success();
}

LogicalResult Change::moveAlong(AxisOp axis, const Moves &moves) {
  FailureOr<AxisRef> instance =
      machine.axis(axis.getSymNameAttr(), pool.getLoc());
  if (failed(instance))
    return failure();
  for (llvm::StringMap<Array> *values :
       {&machine.inputs, &machine.cells, &machine.params})
    if (failed(moveAll(*values, axis.getSymNameAttr(), *instance, moves)))
      return failure();
  for (auto &entry : machine.keyed)
    for (auto &[key, cell] : entry.second.cells) {
      int place = cell.value.findAxis(axis.getSymNameAttr());
      if (place < 0)
        continue;
      FailureOr<Element> fill =
          fillOf(machine, entry.getKey(), cell.value.elementType);
      FailureOr<Array> next = failure();
      if (succeeded(fill))
        next = moved(machine, cell.value, place, *instance, moves, *fill,
                     pool.getLoc());
      if (failed(next))
        return failure();
      cell.value = std::move(*next);
    }
  return success();
}

LogicalResult Change::apply(const Moves &moves) {
  // Sizes before, of the pool and of pools made of it.
  std::map<Operation *, std::vector<int64_t>> before;
  for (auto axis : machine.module.getOps<AxisOp>())
    if (getParts(axis))
      for (auto part : getParts(axis).getAsRange<FlatSymbolRefAttr>()) {
        auto known = machine.axes.find(part.getValue());
        before[axis].push_back(
            known == machine.axes.end() ? 0 : known->second->size);
      }
  // What follows from the pool's size is made again when it is next wanted.
  for (const std::string &name : machine.openAxes)
    if (auto axis = machine.symbols.lookup<AxisOp>(name);
        axis && axis != pool &&
        (getParts(axis) || axis.getOriginal() ||
         axis.getParentAxes().size() > 1))
      machine.axes.erase(name);
  machine.axes.erase(pool.getSymName());
  machine.computed.clear();
  if (failed(machine.bindAxis(pool, moves.size())) ||
      failed(moveAlong(pool, moves)))
    return failure();
  for (auto axis : machine.module.getOps<AxisOp>()) {
    if (!getParts(axis))
      continue;
    Moves whole;
    bool concerned = false;
    int64_t offset = 0;
    for (auto [part, size] : llvm::zip(
             getParts(axis).getAsRange<FlatSymbolRefAttr>(), before[axis])) {
      bool own = part.getValue() == pool.getSymName();
      concerned |= own;
      if (own)
        for (int64_t from : moves)
          whole.push_back(from < 0 ? -1 : offset + from);
      else
        for (int64_t p = 0; p < size; ++p)
          whole.push_back(offset + p);
      offset += size;
    }
    if (concerned && failed(moveAlong(axis, whole)))
      return failure();
  }
  return success();
}

/// The pool of that name whose rows may change.
static AxisOp openPool(Machine &machine, StringRef name) {
  auto op = machine.symbols.lookup<AxisOp>(name);
  if (!op || op.getKind() != AxisKind::pool || op.getStaticSize() >= 0 ||
      getParts(op) || op.getLabels()) {
    emitError(machine.module.getLoc(), "'")
        << name << "' is no pool whose rows come and go";
    return nullptr;
  }
  return op;
}

static size_t placeOf(const PoolRows &rows, StringRef key) {
  return llvm::partition_point(rows.rows,
                               [&](const PoolRows::Row &row) {
                                 return StringRef(row.key) < key;
                               }) -
         rows.rows.begin();
}

/// Runs the handlers of an event about one row.
static LogicalResult tell(Interpreter &interpreter, StringRef event,
                          AxisOp pool, int64_t row) {
  Machine &machine = interpreter.machine();
  Type element = RefType::get(pool.getContext(),
                              FlatSymbolRefAttr::get(pool.getSymNameAttr()));
  for (auto func : machine.module.getOps<FuncOp>())
    if (func.getKind() == FuncKind::handler && func.getEvent() == event)
      for (unsigned i = 0; i < func.getNumArguments(); ++i)
        if (cast<ArrayType>(func.getArgumentTypes()[i]).getElementType() ==
            element)
          if (auto name = func.getArgAttrOfType<StringAttr>(i, "route.name"))
            machine.inputs[name.getValue()] = Array::scalar(element, row);
  return interpreter.emit(event, "", {});
}

/// The value of a computed column of the pool, row by row.
static FailureOr<std::vector<Element>> columnOf(Machine &machine, AxisOp pool,
                                                FlatSymbolRefAttr symbol) {
  machine.computed.clear();
  FailureOr<Array> value = machine.read(symbol, pool.getLoc());
  if (failed(value))
    return failure();
  return value->elements();
}

static LogicalResult removeAt(Interpreter &interpreter, AxisOp pool,
                              size_t place) {
  Machine &machine = interpreter.machine();
  PoolRows &rows = machine.poolRows[pool.getSymName()];
  if (failed(tell(interpreter, "leave", pool, place)))
    return failure();
  Moves moves;
  for (size_t p = 0; p < rows.rows.size(); ++p)
    if (p != place)
      moves.push_back(p);
  rows.rows.erase(rows.rows.begin() + place);
  return Change(interpreter, pool).apply(moves);
}

LogicalResult route::interp::leaveRow(Interpreter &interpreter, StringRef name,
                                      StringRef key) {
  AxisOp pool = openPool(interpreter.machine(), name);
  if (!pool)
    return failure();
  PoolRows &rows = interpreter.machine().poolRows[name];
  size_t place = placeOf(rows, key);
  if (place == rows.rows.size() || rows.rows[place].key != key)
    return pool.emitError("pool '") << name << "' has no row '" << key << "'";
  return removeAt(interpreter, pool, place);
}

/// Which of `group` leaves first; the row that just came is the last choice.
static size_t victimOf(const PoolRows &rows, ArrayRef<size_t> group,
                       StringRef policy) {
  return *llvm::min_element(group, [&](size_t a, size_t b) {
    const PoolRows::Row &x = rows.rows[a], &y = rows.rows[b];
    if (policy == "fifo" && x.joinedNs != y.joinedNs)
      return x.joinedNs < y.joinedNs;
    return x.used < y.used;
  });
}

/// Makes room where the row of `key` is one too many.
static LogicalResult makeRoom(Interpreter &interpreter, AxisOp pool,
                              StringRef key) {
  Machine &machine = interpreter.machine();
  PoolRows &rows = machine.poolRows[pool.getSymName()];
  auto policy = pool->getAttrOfType<StringAttr>("evict");
  auto evict = [&](ArrayRef<size_t> group, int64_t most,
                   StringRef what) -> LogicalResult {
    if (static_cast<int64_t>(group.size()) <= most)
      return success();
    if (!policy)
      return pool.emitError("row '")
             << key << "' is above the " << what << " of " << most
             << " of pool '" << pool.getSymName() << "'";
    return removeAt(interpreter, pool,
                    victimOf(rows, group, policy.getValue()));
  };
  if (auto quota = pool->getAttrOfType<IntegerAttr>("quota")) {
    std::vector<std::string> keys(rows.rows.size());
    for (auto symbol : pool->getAttrOfType<ArrayAttr>("quota_per")
                           .getAsRange<FlatSymbolRefAttr>()) {
      auto values = columnOf(machine, pool, symbol);
      if (failed(values))
        return failure();
      Type type =
          cast<ArrayType>(
              machine.symbols.lookup<SignalOp>(symbol.getAttr()).getType())
              .getElementType();
      for (auto [text, value] : llvm::zip(keys, *values))
        text += printElement(value, type) + ";";
    }
    size_t place = placeOf(rows, key);
    SmallVector<size_t> group;
    for (size_t p = 0; p < keys.size(); ++p)
      if (keys[p] == keys[place])
        group.push_back(p);
    if (failed(evict(group, quota.getInt(), "quota")))
      return failure();
  }
  return success();
}

LogicalResult
route::interp::joinRow(Interpreter &interpreter, StringRef name, StringRef key,
                       const std::map<std::string, Array> &values) {
  Machine &machine = interpreter.machine();
  AxisOp pool = openPool(machine, name);
  if (!pool)
    return failure();
  PoolRows &rows = machine.poolRows[name];
  size_t place = placeOf(rows, key);
  bool known = place < rows.rows.size() && rows.rows[place].key == key;
  if (known && failed(removeAt(interpreter, pool, place)))
    return failure();
  // The bound is kept before the row comes, as there is no room for it.
  if (auto bound = pool.getBound();
      bound && rows.rows.size() >= static_cast<size_t>(*bound)) {
    auto policy = pool->getAttrOfType<StringAttr>("evict");
    if (!policy)
      return pool.emitError("pool '")
             << name << "' holds at most " << *bound << " rows";
    SmallVector<size_t> all;
    for (size_t p = 0; p < rows.rows.size(); ++p)
      all.push_back(p);
    if (failed(removeAt(interpreter, pool,
                        victimOf(rows, all, policy.getValue()))))
      return failure();
    place = placeOf(rows, key);
  }
  Moves moves;
  for (size_t p = 0; p <= rows.rows.size(); ++p)
    moves.push_back(static_cast<int64_t>(p) - (p > place));
  moves[place] = -1;
  rows.rows.insert(rows.rows.begin() + place,
                   PoolRows::Row{key.str(), machine.nowNs, ++rows.clock});
  if (failed(Change(interpreter, pool).apply(moves)))
    return failure();
  for (const auto &[column, value] : values) {
    auto op =
        dyn_cast_or_null<ColumnOp>(SymbolTable::lookupSymbolIn(pool, column));
    if (!op || op.getKind() == ColumnKind::state ||
        op.getKind() == ColumnKind::constant)
      return pool.emitError("pool '")
             << name << "' takes no column '" << column << "' from its rows";
  }
  for (auto op : pool.getColumns().getOps<ColumnOp>()) {
    if (op.getKind() != ColumnKind::live && op.getKind() != ColumnKind::input)
      continue;
    std::string full = (name + "." + op.getSymName()).str();
    auto given = values.find(op.getSymName().str());
    auto type = cast<ArrayType>(op.getType());
    auto stored = machine.inputs.find(full);
    if (given == values.end()) {
      if (!op.getFallback() && !isRangeType(type.getElementType()))
        return pool.emitError("row '")
               << key << "' gives no '" << op.getSymName() << "'";
      continue; // the fallback, or unknown
    }
    // One row on its own, through the checks of any input.
    Array single = given->second;
    auto one = makeAxis(nullptr, 1);
    single.axes.insert(single.axes.begin(), one);
    for (Array::Dim &dim : single.dims)
      ++dim.axis;
    if (stored == machine.inputs.end()) {
      auto axes = resolveAxes(type.getAxes(), {}, machine, op.getLoc());
      if (failed(axes))
        return failure();
      auto empty = machine.allocate(type.getElementType(), *axes, op.getLoc());
      if (failed(empty))
        return failure();
      auto fill = fillOf(machine, full, type.getElementType());
      if (failed(fill))
        return failure();
      for (int64_t i = 0, n = empty->size(); i < n; ++i)
        empty->buffer->set(i, *fill);
      machine.inputs[full] = *empty;
      stored = machine.inputs.find(full);
    }
    Array &all = stored->second;
    int64_t width = all.size() / static_cast<int64_t>(rows.rows.size());
    std::vector<Element> elements = single.elements();
    if (static_cast<int64_t>(elements.size()) != width)
      return pool.emitError("row '")
             << key << "' gives " << elements.size() << " values of '"
             << op.getSymName() << "', expected " << width;
    Type to = getValueType(type.getElementType()), from = single.elementType;
    bool numbers =
        isa<FloatType, IntegerType>(to) && isa<FloatType, IntegerType>(from);
    for (int64_t i = 0; i < width; ++i) {
      Element element =
          numbers ? applyCast(from, to, elements[i]) : elements[i];
      all.buffer->set(place * width + i, isRangeType(type.getElementType())
                                             ? knownRange(element)
                                             : element);
    }
    machine.pushedNs[full] = machine.nowNs;
  }
  if (failed(tell(interpreter, "join", pool, place)))
    return failure();
  return makeRoom(interpreter, pool, key);
}

LogicalResult route::interp::expireRows(Interpreter &interpreter) {
  Machine &machine = interpreter.machine();
  for (auto pool : machine.module.getOps<AxisOp>()) {
    auto symbol = pool->getAttrOfType<FlatSymbolRefAttr>("expire");
    auto found = machine.poolRows.find(pool.getSymName());
    if (!symbol || found == machine.poolRows.end())
      continue;
    PoolRows &rows = found->second;
    auto lives = columnOf(machine, pool, symbol);
    if (failed(lives))
      return failure();
    for (size_t p = rows.rows.size(); p-- > 0;) {
      Range life = toRange((*lives)[p]);
      double age = double(machine.nowNs - rows.rows[p].joinedNs) / 1e9;
      if (life.known && age > life.lo.asDouble() &&
          failed(removeAt(interpreter, pool, p)))
        return failure();
    }
  }
  return success();
}

void route::interp::useRow(Interpreter &interpreter, StringRef pool,
                           int64_t row) {
  auto found = interpreter.machine().poolRows.find(pool);
  if (found == interpreter.machine().poolRows.end())
    return;
  PoolRows &rows = found->second;
  if (row >= 0 && row < static_cast<int64_t>(rows.rows.size()))
    rows.rows[row].used = ++rows.clock;
}
