// State with keys.
// `state n: u32[user, models]` where `user` is a value and no axis: one cell
// over the axes for each key. `n[user, m]` reads the cell of the key at hand,
// handlers write it.
#include "Elaborator.h"
#include "Parts.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// The parts of a key: a value, or each of a tuple.
static llvm::SmallVector<Value, 4> partsOf(const Value &value) {
  if (value.is(Value::Kind::Tuple))
    return llvm::SmallVector<Value, 4>(value.parts->begin(),
                                       value.parts->end());
  return {value};
}

bool Elaborator::keyParts(const Value &key, SourceRange range,
                          llvm::SmallVectorImpl<mlir::Value> &parts) {
  for (const Value &part : partsOf(key)) {
    mlir::Value ir = asArray(part, range);
    if (!ir)
      return false;
    mlir::Type element = e.valueTypeOf(ir);
    if (memberTypeOf(element)) {
      error(diag::typeMismatch, range,
            "a key is made of numbers, truths, texts, labels and refs, found " +
                describe(part));
      return false;
    }
    parts.push_back(ir);
  }
  return true;
}

/// Divides the dimensions of a state's type into keys and axes.
bool Elaborator::splitKeys(const ast::ArrayType &written, Storage &storage,
                           std::vector<const Dim *> &axes) {
  bool good = true;
  for (const Dim &dim : written.dims) {
    ItemColumn column = dim.form == Dim::Form::Axis && dim.path.size() > 1
                            ? columnOfPath(dim.path)
                            : ItemColumn();
    if (dim.form != Dim::Form::Axis || (dim.path.size() != 1 && !column)) {
      storage.keyed.push_back(0);
      axes.push_back(&dim);
      continue;
    }
    // Only the types matter here; the key is evaluated again at each use.
    mlir::Block scratch;
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToEnd(&scratch);
    Value value = column ? loadColumn(*column.axis, *column.column)
                         : lookup(dim.path.front());
    if (value.is(Kind::Axis)) {
      storage.keyed.push_back(0);
      axes.push_back(&dim);
      continue;
    }
    if (value.is(Kind::Storage))
      value = use(value, dim.range);
    llvm::SmallVector<mlir::Value> parts;
    if (value.isError() || !keyParts(value, dim.range, parts)) {
      good = false;
      scratch.dropAllReferences();
      continue;
    }
    storage.keyed.push_back(int64_t(parts.size()));
    for (mlir::Value part : parts) {
      storage.keyTypes.push_back(
          irgen::Emitter::computingType(e.valueTypeOf(part)));
      for (AxisInfo *axis : e.axesOf(part))
        if (axis->kind == AxisKind::index && axis->columns.empty() &&
            !e.has(storage.keyAxes, axis))
          storage.keyAxes.push_back(axis);
    }
    scratch.dropAllReferences();
  }
  return good;
}

/// The storage of state with keys that `expr` names, or null.
Storage *Elaborator::keyedNamed(const Expr &expr) {
  auto [entry, scope] = entryAt(expr);
  if (!entry || (entry->pending && !isa<StateDecl>(entry->pending)))
    return nullptr;
  Value value = resolve(*entry, *scope, expr.range);
  return value.is(Kind::Storage) && !value.storage->keyTypes.empty()
             ? value.storage
             : nullptr;
}

/// Makes the parts of a key plain; where all of them are known, or null where
/// they always are. Axes that belong to the key are known as one.
mlir::Value Elaborator::knownKey(const Storage &storage,
                                 llvm::MutableArrayRef<mlir::Value> parts) {
  mlir::Value known;
  for (mlir::Value &part : parts) {
    if (!e.isRange(part))
      continue;
    route::ArrayType type = e.typeOf(part);
    mlir::Value here =
        KnownOp::create(e.builder, e.loc, type.withElement(e.i1()), part);
    AxisList items;
    for (AxisInfo *axis : e.axesOf(part))
      if (!e.has(storage.keyAxes, axis))
        items.push_back(axis);
    if (items.size() != type.getAxes().size())
      here = e.reduce(ReduceKind::all, here, items);
    known = known ? e.binary(BinaryKind::logical_and, known, here) : here;
    part =
        BoundOp::create(e.builder, e.loc, type.withElement(e.valueTypeOf(part)),
                        /*upper=*/false, part);
  }
  return known;
}

/// A key as it is written: labels by their names, where these mean nothing
/// else.
Value Elaborator::keyAt(const Expr &expr, mlir::Type type, bool tuple) {
  if (tuple || !isa<route::EnumType, RefType>(type))
    return eval(expr);
  Value like = Value::array(e.constantInt(type, 0));
  if (auto ref = dyn_cast<RefType>(type))
    like = Value::ofAxis(Kind::Row, e.axisOf(ref.getAxis()));
  if (rowSpelling(expr).empty() ? isa<StringExpr>(ignoreParens(&expr))
                                : spelledFreely(expr))
    return comparand(expr, like);
  return eval(expr);
}

/// Sorts the subscripts of `n[sig, a]` into keys and positions along axes.
bool Elaborator::keysOf(const Storage &storage, const IndexExpr &expr,
                        llvm::SmallVectorImpl<mlir::Value> &keys,
                        std::vector<std::pair<AxisInfo *, mlir::Value>> &at) {
  if (expr.args.size() > storage.keyed.size()) {
    error(diag::argumentMismatch, expr.range,
          "'" + storage.name + "' takes " + llvm::Twine(storage.keyed.size()) +
              " subscripts, found " + llvm::Twine(expr.args.size()));
    return false;
  }
  size_t axis = 0, key = 0;
  AxisList left; // axes without a subscript
  for (mlir::FlatSymbolRefAttr symbol : storage.type.getAxes())
    left.push_back(e.axisOf(symbol));
  for (auto [i, size] : llvm::enumerate(storage.keyed)) {
    const IndexArg *arg = i < expr.args.size() ? &expr.args[i] : nullptr;
    if (size > 0) {
      if (!arg || arg->rename || arg->name) {
        error(diag::argumentMismatch, expr.range,
              "'" + storage.name + "' needs its key here");
        return false;
      }
      Value value = keyAt(*arg->value, storage.keyTypes[key], size > 1);
      if (value.isError())
        return false;
      size_t before = keys.size();
      llvm::SmallVector<Value, 4> written = partsOf(value);
      bool fits = written.size() == size_t(size);
      for (size_t k = 0; fits && k < written.size(); ++k) {
        mlir::Type wanted = storage.keyTypes[key + k];
        if (!written[k].is(Kind::Number) || !isNumber(wanted))
          continue;
        // A number in the text has all its digits.
        mlir::TypedAttr attr =
            heldNumber(written[k], wanted, arg->value->range);
        if (!attr)
          return false;
        written[k] = Value::array(ConstantOp::create(
            e.builder, e.loc, route::ArrayType::get(wanted), attr));
      }
      if (!keyParts(Value::group(Kind::Tuple, {written.begin(), written.end()}),
                    arg->value->range, keys))
        return false;
      std::string what = "a key of '" + storage.name + "'";
      for (size_t k = before; fits && k < keys.size(); ++k) {
        mlir::Type wanted = storage.keyTypes[key + k - before];
        keys[k] = asMember(keys[k], wanted, arg->value->range, what);
        if (!keys[k])
          return false;
        fits = e.valueTypeOf(keys[k]) == wanted;
      }
      if (!fits) {
        error(diag::typeMismatch, arg->value->range,
              "this is no key of '" + storage.name + "': found " +
                  describe(value))
            .label(storage.range, "declared here");
        return false;
      }
      key += size;
      continue;
    }
    AxisInfo *along = e.axisOf(storage.type.getAxes()[axis++]);
    if (!arg)
      continue;
    auto found = subscript(*arg, left, along, "'" + storage.name + "'");
    if (!found)
      return false;
    llvm::erase(left, found->axis);
    if (!found->all)
      at.push_back({found->axis, found->position});
  }
  return true;
}

/// The cell of a key; unknown where the key is, but for what is `written` back
/// to it, as that is written only where the key is known.
Value Elaborator::readKeyed(Storage &storage, const IndexExpr &expr,
                            bool written) {
  llvm::SmallVector<mlir::Value> keys;
  std::vector<std::pair<AxisInfo *, mlir::Value>> at;
  if (!keysOf(storage, expr, keys, at))
    return Value();
  mlir::Value known = knownKey(storage, keys);
  // Items of the keys first, then the axes of the cell.
  AxisList axes;
  for (mlir::Value key : keys)
    for (AxisInfo *axis : e.axesOf(key))
      if (!e.has(storage.keyAxes, axis) && !e.has(axes, axis))
        axes.push_back(axis);
  for (mlir::FlatSymbolRefAttr symbol : storage.type.getAxes())
    if (!e.has(axes, e.axisOf(symbol)))
      axes.push_back(e.axisOf(symbol));
  mlir::Value value = LookupOp::create(
      e.builder, e.loc, e.arrayType(storage.type.getElementType(), axes),
      mlir::cast<mlir::FlatSymbolRefAttr>(storage.symbol), keys);
  for (auto [axis, position] : at)
    value = e.pick(value, axis, position);
  value = e.computing(value);
  if (known && !written)
    value = e.select(known, value, e.unknown(e.valueTypeOf(value)));
  return gatherIfAlong(Value::array(value, storage.unit));
}

bool Elaborator::writeKeyed(Storage &storage, const IndexExpr &target,
                            Value value, SourceRange range) {
  if (!cx.handler) {
    changedDeciding(storage.name, range);
    return false;
  }
  llvm::SmallVector<mlir::Value> keys;
  std::vector<std::pair<AxisInfo *, mlir::Value>> at;
  if (!keysOf(storage, target, keys, at))
    return false;
  for (mlir::Value key : keys)
    for (AxisInfo *axis : e.axesOf(key))
      if (!e.has(storage.keyAxes, axis)) {
        error(diag::resultAxes, target.range,
              "a handler writes one key, and this has one for each '" +
                  axis->name + "'");
        return false;
      }
  // A key that is not written is not used either, nor is one that is unknown.
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  mlir::Value before = cx.writeMask, mask = before;
  if (mlir::Value known = knownKey(storage, keys))
    cx.writeMask = mask = andMask(mask, known);
  bool branches = mask && e.axesOf(mask).empty();
  if (branches) {
    if (e.isRange(mask))
      mask = e.coalesce(mask, e.constantInt(e.i1(), 0));
    auto branch = IfOp::create(e.builder, e.loc, mlir::TypeRange(), mask);
    e.builder.setInsertionPointToStart(&branch.getThenRegion().emplaceBlock());
    YieldOp::create(e.builder, e.loc, mlir::ValueRange());
    e.builder.setInsertionPointToStart(&branch.getThenRegion().front());
    cx.writeMask = {};
  }
  auto state = mlir::cast<mlir::FlatSymbolRefAttr>(storage.symbol);
  mlir::Value cell =
      LookupOp::create(e.builder, e.loc, storage.type, state, keys);
  mlir::Value next =
      placed(storage.type, storage.unit, cell, at, value, range, storage.name);
  if (next)
    StoreOp::create(e.builder, e.loc, state, keys, next);
  cx.writeMask = before;
  if (!next)
    return false;
  return true;
}

/// `before` with `value` at the positions `at`, where the write mask holds.
mlir::Value
Elaborator::placed(route::ArrayType type, Unit unit, mlir::Value before,
                   llvm::ArrayRef<std::pair<AxisInfo *, mlir::Value>> at,
                   Value value, SourceRange range, StringRef name) {
  TypeInfo wanted;
  wanted.kind = TypeInfo::Kind::Array;
  wanted.element = type.getElementType();
  wanted.unit = unit;
  value = convert(value, wanted, range);
  if (value.isError())
    return {};
  mlir::Value mask = cx.writeMask;
  for (auto [axis, position] : at) {
    bool ref = isa<route::RefType>(e.valueTypeOf(position));
    mlir::Value here = e.iota(axis, ref);
    if (!ref)
      position = e.cast(position, e.i64());
    mask = andMask(mask, e.compare(CompareKind::eq, here, position));
  }
  mlir::Value next = value.ir;
  if (mask) {
    if (e.isRange(mask))
      mask = e.coalesce(mask, e.constantInt(e.i1(), 0));
    next = e.select(mask, next, before);
  }
  AxisList axes;
  for (mlir::FlatSymbolRefAttr symbol : type.getAxes())
    axes.push_back(e.axisOf(symbol));
  for (AxisInfo *axis : e.axesOf(next))
    if (!e.has(axes, axis)) {
      error(diag::resultAxes, range,
            "state '" + name + "' has no axis '" + axis->name + "': found " +
                describe(value))
          .help("reduce it first");
      return {};
    }
  next = e.cast(e.broadcastTo(next, axes), type.getElementType());
  if (next.getType() != type) {
    error(diag::typeMismatch, range,
          "state '" + name + "' must be known, found " + describe(value))
        .help("say what holds otherwise with '\?\?'");
    return {};
  }
  return next;
}

/// `total[m] = v`: one position of state over axes.
bool Elaborator::writeElement(Storage &storage, const IndexExpr &target,
                              Value value, SourceRange range) {
  if (!cx.handler) {
    changedDeciding(storage.name, range);
    return false;
  }
  std::vector<std::pair<AxisInfo *, mlir::Value>> at;
  AxisList axes, left; // those without a subscript
  for (mlir::FlatSymbolRefAttr symbol : storage.type.getAxes())
    axes.push_back(e.axisOf(symbol));
  // Inside a pool it is an element of the router's own row.
  AxisList pools;
  llvm::copy_if(axes, std::back_inserter(pools),
                [](AxisInfo *axis) { return axis->pool != nullptr; });
  auto rows = rowsAtHand(pools, range);
  if (!rows)
    return false;
  for (auto &row : *rows) {
    llvm::erase(axes, row.first);
    at.push_back(row);
  }
  left = axes;
  if (target.args.size() > axes.size()) {
    error(diag::argumentMismatch, target.range,
          "'" + storage.name + "' takes " + llvm::Twine(axes.size()) +
              " subscripts, found " + llvm::Twine(target.args.size()));
    return false;
  }
  for (auto [i, arg] : llvm::enumerate(target.args)) {
    if (arg.rename) {
      error(diag::wrongKind, arg.value->range,
            "an element is written at positions, not under another name");
      return false;
    }
    auto found = subscript(
        arg, left, target.args.size() == axes.size() ? axes[i] : nullptr,
        "'" + storage.name + "'");
    if (!found)
      return false;
    llvm::erase(left, found->axis);
    if (!found->all)
      at.push_back({found->axis, found->position});
  }
  mlir::Value next =
      placed(storage.type, storage.unit, e.get(storage.symbol, storage.type),
             at, value, range, storage.name);
  if (!next)
    return false;
  SetOp::create(e.builder, e.loc, storage.symbol, next);
  return true;
}
