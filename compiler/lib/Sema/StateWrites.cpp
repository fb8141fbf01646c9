// What handlers write: state, whole or by elements, and rows of state columns.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// How many members a set of state has at most; null for what is none.
static mlir::IntegerAttr boundOf(route::ArrayType type,
                                 std::optional<int64_t> bound) {
  return bound && isa<route::SetType>(type.getElementType())
             ? mlir::IntegerAttr::get(
                   mlir::IntegerType::get(type.getContext(), 64), *bound)
             : mlir::IntegerAttr();
}

DiagnosticBuilder Elaborator::changedDeciding(StringRef state,
                                              SourceRange range) {
  DiagnosticBuilder message =
      error(diag::stateOutsideHandler, range,
            "state '" + state + "' changes only in handlers");
  message.note(
      "deciding reads a snapshot and is pure, so that decisions replay");
  return message;
}

/// `cool = …`, where rows have a state column of that name; false where none
/// has one.
bool Elaborator::writesColumn(const Name &name) {
  for (PoolInfo &pool : pools) {
    const ColumnInfo *column = pool.axis->findColumn(name.text);
    if (!column || column->kind != ColumnKind::state)
      continue;
    std::string help = "write it of a row: m." + name.text + " = …";
    if (cx.handler)
      error(diag::unknownName, name.range,
            "which row's '" + name.text + "' is written is not clear")
          .label(column->range, "a column of '" + pool.axis->name + "'")
          .help(help);
    else
      changedDeciding(name.text, name.range)
          .label(column->range, "declared here")
          .help(help + ", in a handler such as on failure(m, code)");
    return true;
  }
  return false;
}

/// Of the pools among `axes` that the handler stands in: the row whose router
/// it is, as a number; nothing, after an error, where these are several.
std::optional<Elaborator::Positions>
Elaborator::rowsAtHand(const AxisList &axes, SourceRange range) {
  Positions rows;
  for (const Frame &frame : cx.frames) {
    if (!e.has(axes, frame.axis))
      continue;
    if (!frame.position) {
      error(diag::handlerPlace, range,
            "a handler that writes the row of '" + frame.axis->name +
                "' at hand, of a router that runs for the rows of a plan")
          .note("several of these rows may be one of '" + frame.axis->name +
                "', and each would write it")
          .help("move the handler to the router that chose them");
      return std::nullopt;
    }
    mlir::Value row = e.cast(frame.position, e.i64());
    if (frame.offset)
      row =
          e.binary(BinaryKind::add, row, e.constantInt(e.i64(), frame.offset));
    rows.push_back({frame.axis, row});
  }
  return rows;
}

bool Elaborator::writeState(Storage &storage, Value value, SourceRange range) {
  if (!cx.handler) {
    changedDeciding(storage.name, range)
        .help("write on commit { " + storage.name + " = … }");
    return false;
  }
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  type.element = storage.type.getElementType();
  type.unit = storage.unit;
  value = convert(value, type, range);
  if (value.isError())
    return false;
  AxisList axes;
  for (mlir::FlatSymbolRefAttr symbol : storage.type.getAxes())
    axes.push_back(e.axisOf(symbol));
  auto rows = rowsAtHand(axes, range);
  if (!rows)
    return false;
  for (AxisInfo *axis : e.axesOf(value.ir))
    if (!e.has(axes, axis)) {
      error(diag::resultAxes, range,
            "state '" + storage.name + "' has no axis '" + axis->name +
                "': found " + describe(value))
          .help("reduce it first");
      return false;
    }
  // Inside a pool the router's own row is written.
  mlir::Value here = cx.writeMask;
  for (auto [axis, row] : *rows)
    here = andMask(
        here, e.compare(CompareKind::eq, e.iota(axis, /*asRef=*/false), row));
  mlir::Value next = e.broadcastTo(value.ir, axes);
  next = e.cast(next, storage.type.getElementType());
  if (here) // elsewhere the old value stays
    next = e.broadcastTo(
        e.select(here, next, e.get(storage.symbol, storage.type)), axes);
  if (next.getType() != storage.type) {
    error(diag::typeMismatch, range,
          "state '" + storage.name + "' must be known, found " +
              describe(value))
        .help("say what holds otherwise with '\?\?'");
    return false;
  }
  SetOp::create(e.builder, e.loc, storage.symbol, next,
                boundOf(storage.type, storage.bound));
  return true;
}

/// `m.cool = …`: one row of a state column.
bool Elaborator::writeRow(const MemberExpr &target, const Value &given,
                          Value value, SourceRange range) {
  // A ref is the row that it names.
  Value row = given;
  if (row.is(Kind::Array) && e.axesOf(row.ir).empty())
    if (auto ref = dyn_cast<RefType>(e.valueTypeOf(row.ir)))
      row = Value::ofAxis(Kind::Row, e.axisOf(ref.getAxis()), row.ir);
  const ColumnInfo *column =
      row.axis ? row.axis->findColumn(target.member.text) : nullptr;
  bool isRow = row.is(Kind::Row) || row.is(Kind::Member);
  if (isRow && row.axis && !column) {
    std::vector<std::string> names;
    for (const ColumnInfo &other : row.axis->columns)
      if (other.kind == ColumnKind::state)
        names.push_back(other.name);
    unknownName(target.member, "column", names);
    return false;
  }
  if (!isRow || !column) {
    auto message =
        error(diag::notMutable, target.range,
              "expected a state column of a row, found " + describe(row));
    AxisList axes = row.is(Kind::Array) ? e.axesOf(row.ir) : AxisList();
    if (llvm::any_of(axes, [&](AxisInfo *axis) {
          return llvm::is_contained(axis->labels, target.member.text);
        }))
      message.help("an element is written in brackets: " +
                   sources.text(target.base->range) + "[" + target.member.text +
                   "] = …");
    return false;
  }
  if (column->kind != ColumnKind::state) {
    error(diag::notMutable, target.member.range,
          "column '" + column->name + "' is not state")
        .label(column->range, "declared here")
        .help("declare it 'state " + column->name + " : …'");
    return false;
  }
  if (!cx.handler) {
    changedDeciding(column->name, range);
    return false;
  }
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  type.element = column->type.getElementType();
  type.unit = column->unit;
  value = convert(value, type, range);
  mlir::Value position = asArray(row, target.range);
  if (value.isError() || !position)
    return false;
  mlir::Value before = e.get(column->symbol, column->type);
  mlir::Value here =
      e.compare(CompareKind::eq, e.iota(row.axis, /*asRef=*/true), position);
  here = andMask(cx.writeMask, here);
  if (e.isRange(here)) // only what surely is
    here = e.coalesce(here, e.constantInt(e.i1(), 0));
  mlir::Value next =
      e.broadcastTo(e.select(here, value.ir, before), column->axes);
  if (next.getType() != column->type) {
    error(diag::resultAxes, range,
          "column '" + column->name + "' takes one value a row, found " +
              describe(value));
    return false;
  }
  SetOp::create(e.builder, e.loc, column->symbol, next,
                boundOf(column->type, column->bound));
  return true;
}
