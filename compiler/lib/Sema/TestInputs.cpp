// The columns and signals that an inline test gives.
// A list gives one value a position, of the axes below the item, of which a
// test has one; a single value is that of every position.
#include "InlineTest.h"
#include "route/Dialect/Route/IR/Spelling.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

static bool isSignalEntry(const Scope::Entry &entry) {
  if (entry.pending)
    return isa<SignalDecl>(entry.pending);
  return entry.value.is(Value::Kind::Storage) &&
         entry.value.storage->kind == Storage::Kind::Signal;
}

/// The axes that lists in a test are over, outermost first: those of a value
/// and what they lie in, but for that of the item.
static llvm::SmallVector<AxisInfo *>
writtenAxes(llvm::ArrayRef<AxisInfo *> axes) {
  llvm::SmallVector<AxisInfo *> written;
  for (AxisInfo *axis : axes) {
    llvm::SmallVector<AxisInfo *> chain;
    for (AxisInfo *at = axis; at && !llvm::is_contained(written, at);
         at = at->parents.empty() ? nullptr : at->parents.front())
      chain.push_back(at);
    written.append(chain.rbegin(), chain.rend());
  }
  if (!written.empty() && written.front()->size < 0 &&
      written.front()->parents.empty() && !written.front()->pool)
    written.erase(written.begin());
  return written;
}

/// Of an axis whose size is known: how many positions each of its parent has.
static std::optional<int64_t> knownCount(mlir::ModuleOp module,
                                         const AxisInfo &axis) {
  auto op = module.lookupSymbol<AxisOp>(axis.symbol);
  if (auto each = op->getAttrOfType<mlir::IntegerAttr>("per_parent"))
    return each.getInt();
  if (axis.size < 0 || op->hasAttr("counts"))
    return std::nullopt;
  if (axis.parents.empty())
    return axis.size;
  int64_t above = axis.parents.front()->size;
  return above > 0 ? std::optional(axis.size / above) : std::nullopt;
}

/// One element: a list or set where it is one, or a constant.
mlir::Attribute Elaborator::InlineTest::elementOf(const Expr &expr,
                                                  const TypeInfo &type,
                                                  bool match,
                                                  const ColumnInfo *column) {
  const Expr &plain = *ignoreParens(&expr);
  if (isa<UnknownExpr>(plain) && column && !isa<RangeType>(type.element)) {
    s.error(diag::typeMismatch, plain.range,
            "column '" + column->name + "' is always known")
        .label(column->range, "declared here");
    return {};
  }
  auto *truth = dyn_cast<BoolExpr>(&plain);
  if (match && truth) // a match that holds or not: the surest score
    return e.builder.getFloatAttr(getValueType(type.element),
                                  truth->value ? 1.0 : 0.0);
  auto *list = dyn_cast<ListExpr>(&plain);
  mlir::Type member = memberTypeOf(getValueType(type.element));
  if (list && !member) {
    s.error(diag::typeMismatch, plain.range,
            "expected a constant of type " + spellElement(type.element) +
                ", found a list");
    return {};
  }
  if (!list)
    return s.constantAttr(plain, type);
  TypeInfo each = type;
  each.element = member;
  each.bound.reset();
  llvm::SmallVector<mlir::Attribute> members;
  for (const Arg &entry : list->entries) {
    mlir::Attribute value = isa<UnknownExpr>(ignoreParens(entry.value.get()))
                                ? mlir::Attribute()
                                : elementOf(*entry.value, each, false, nullptr);
    if (!value) {
      if (isa<UnknownExpr>(ignoreParens(entry.value.get())))
        s.error(diag::typeMismatch, entry.value->range,
                "members of a list are always known");
      return {};
    }
    if (!isa<route::SetType>(getValueType(type.element)) ||
        !llvm::is_contained(members, value))
      members.push_back(value);
  }
  if (type.bound && int64_t(members.size()) > *type.bound) {
    s.error(diag::badSize, plain.range,
            "a set of at most " + llvm::Twine(*type.bound) +
                " members, found " + llvm::Twine(members.size()));
    return {};
  }
  return e.builder.getArrayAttr(members);
}

/// A value over `axes`: a single one for all positions, or the values of all in
/// row-major order as an array. What lists say of sizes goes to `sizes` and
/// must agree with what is there.
mlir::Attribute Elaborator::InlineTest::arrayOf(
    const Expr &expr, llvm::ArrayRef<AxisInfo *> axes, StringRef name,
    llvm::function_ref<mlir::Attribute(const Expr &)> leaf) {
  const Expr *plain = ignoreParens(&expr);
  if (axes.empty() || !isa<ListExpr>(plain)) {
    mlir::Attribute one = leaf(*plain);
    // So that an array is always one of positions.
    return isa_and_nonnull<mlir::ArrayAttr>(one) ? e.builder.getArrayAttr(one)
                                                 : one;
  }
  // Level by level: what is at hand, and how many each part of it has.
  llvm::SmallVector<const Expr *> parts = {plain};
  for (auto [level, axis] : llvm::enumerate(axes)) {
    llvm::SmallVector<const Expr *> below;
    llvm::SmallVector<int64_t> counts;
    std::optional<int64_t> known = knownCount(*s.module, *axis);
    for (const Expr *part : parts) {
      auto *list = dyn_cast<ListExpr>(part);
      if (!list) {
        s.error(diag::typeMismatch, part->range,
                "expected a list: '" + name + "' is over '" + axis->name + "'")
            .label(axis->range, "declared here");
        return {};
      }
      int64_t count = list->entries.size();
      if (!known && axis->parents.empty() && !counts.empty())
        known = counts.front();
      if (known && count != *known) {
        s.error(diag::badSize, part->range,
                "a list of " + llvm::Twine(count) + " for '" + name +
                    "', where '" + axis->name + "' has " + llvm::Twine(*known))
            .label(axis->range, "declared here");
        return {};
      }
      counts.push_back(count);
      for (const Arg &entry : list->entries)
        below.push_back(ignoreParens(entry.value.get()));
    }
    if (axis->size < 0) {
      if (axis->parents.empty())
        counts.resize(std::min<size_t>(counts.size(), 1));
      // Of nothing: no count where each position of the axis before has one.
      bool lies =
          level > 0 && llvm::is_contained(axis->parents, axes[level - 1]);
      if (counts.empty() && !lies)
        counts.push_back(0);
      auto [said, fresh] = sizes.try_emplace(
          axis, Size{counts, SourceRange(expr.range), name.str()});
      if (!fresh && said->second.counts != counts) {
        for (auto [i, count] : llvm::enumerate(counts))
          if (i >= said->second.counts.size() ||
              count != said->second.counts[i]) {
            auto message = s.error(
                diag::badSize, parts[i]->range,
                "'" + name + "' has " + llvm::Twine(count) + " of '" +
                    axis->name + "' here, and '" + said->second.name + "' " +
                    (i < said->second.counts.size()
                         ? std::to_string(said->second.counts[i])
                         : std::string("none")));
            message.label(said->second.range, "given here");
            return {};
          }
        s.error(diag::badSize, expr.range,
                "'" + name + "' has other lists over '" + axis->name +
                    "' than '" + said->second.name + "'")
            .label(said->second.range, "given here");
        return {};
      }
    }
    parts = std::move(below);
  }
  llvm::SmallVector<mlir::Attribute> values;
  for (const Expr *part : parts) {
    mlir::Attribute value = leaf(*part);
    if (!value)
      return {};
    values.push_back(value);
  }
  return e.builder.getArrayAttr(values);
}

/// What an input of a test is called, in the test and in the module.
struct Elaborator::InlineTest::Given {
  Name written;
  std::string symbol;
  TypeInfo type;
  llvm::SmallVector<AxisInfo *> axes; // that lists may be over
  const ColumnInfo *column = nullptr;
  bool match = false; // a signal that holds or not
};

/// Notes a value that the test gives.
bool Elaborator::InlineTest::give(const Given &given, const Expr &written) {
  mlir::Attribute value =
      arrayOf(written, writtenAxes(given.axes), given.written.text,
              [&](const Expr &leaf) {
                return elementOf(leaf, given.type, given.match, given.column);
              });
  if (!value)
    return false;
  if (auto seconds = dyn_cast<mlir::FloatAttr>(value);
      given.symbol == "now" &&
      !(std::fabs(seconds.getValueAsDouble()) <= 9e9)) {
    s.error(diag::badSize, written.range, "a time lies within 285 years of 0");
    return false;
  }
  if (llvm::any_of(inputs, [&](mlir::NamedAttribute known) {
        return known.getName() == given.symbol;
      })) {
    s.error(diag::duplicateName, given.written.range,
            "'" + given.written.text + "' is given twice");
    return false;
  }
  inputs.push_back(e.builder.getNamedAttr(given.symbol, value));
  return true;
}

/// `jail = 0.9`, `sig.jail = 0.9`: a signal or state, whole.
bool Elaborator::InlineTest::giveStorage(const Storage *storage,
                                         const TestDecl::Input &input) {
  Given given;
  given.written = input.name;
  if (input.cell)
    given.written = {s.sources.text(input.cell->range).str(),
                     input.cell->range};
  if (!storage->keyTypes.empty()) {
    s.error(diag::wrongKind, given.written.range,
            "state with keys is given for a key")
        .label(storage->range, "declared here")
        .help("write the key: " + given.written.text + "[…] = …");
    return false;
  }
  given.symbol = storage->symbol.getLeafReference().str();
  given.type.kind = TypeInfo::Kind::Array;
  given.type.element = storage->type.getElementType();
  given.type.unit = storage->unit;
  given.type.bound = storage->bound;
  given.match = storage->threshold;
  if (storage->kind == Storage::Kind::Signal)
    for (mlir::FlatSymbolRefAttr axis : storage->type.getAxes())
      given.axes.push_back(e.axisOf(axis));
  return give(given, *input.value);
}

bool Elaborator::InlineTest::giveColumn(const AxisInfo &axis,
                                        const ColumnInfo &column,
                                        const Name &written,
                                        const Expr &value) {
  Given given;
  given.written = written;
  given.symbol = axis.symbol.getValue().str() + "." + column.name;
  given.type.kind = TypeInfo::Kind::Array;
  given.type.element = column.type.getElementType();
  given.type.unit = column.unit;
  given.type.bound = column.bound;
  given.column = &column;
  given.axes.assign(column.axes.begin(), column.axes.end());
  return give(given, value);
}

bool Elaborator::InlineTest::isSignalAt(const Expr &path) {
  Value value = s.declaredAt(path);
  return value.is(Kind::Storage) &&
         value.storage->kind == Storage::Kind::Signal;
}

/// `request.k: 5`: a column by the path of its axis.
bool Elaborator::InlineTest::giveColumnAt(const TestDecl::Input &input) {
  const auto &path = cast<MemberExpr>(*input.cell);
  std::string written = s.sources.text(path.range).str();
  if (s.stateAt(path) || isSignalAt(path)) {
    s.error(diag::wrongKind, path.range,
            "'" + written + "' is no column of items")
        .help("it is given with '=': " + written + " = …");
    return false;
  }
  Value axis = s.declaredAt(*path.base);
  if (!axis.is(Kind::Axis)) {
    std::vector<std::string> names;
    for (AxisInfo *item : s.itemAxes)
      names.push_back(item->name);
    if (auto *name = dyn_cast<NameExpr>(path.base.get());
        !name || s.lookup(name->name, /*quiet=*/true).isError())
      s.error(diag::unknownName, path.base->range,
              "unknown axis '" + s.sources.text(path.base->range) + "'")
          .suggest(s.sources.text(path.base->range), names);
    else
      s.error(diag::wrongKind, path.base->range,
              "expected an axis with columns, found " + s.describe(axis));
    return false;
  }
  const ColumnInfo *column = axis.axis->findColumn(path.member.text);
  if (!column) {
    std::vector<std::string> names;
    s.columnNames(*axis.axis, names);
    s.unknownName(path.member, "column", names);
    return false;
  }
  if (axis.axis->pool) {
    s.error(diag::wrongKind, path.range,
            "'" + written + "' is no column of items")
        .label(column->range, "a column of the pool '" + axis.axis->name + "'")
        .help("live and state columns are given with '=': " + written + " = …");
    return false;
  }
  return giveColumn(*axis.axis, *column, {written, path.range}, *input.value);
}

/// A column, signal or state by its name alone.
bool Elaborator::InlineTest::giveInput(const TestDecl::Input &input) {
  const Name &name = input.name;
  auto entry = s.root->entries.find(name.text);
  bool declared = entry != s.root->entries.end();
  std::vector<std::string> names;
  if (input.isSignal) {
    Value value =
        declared ? s.resolve(entry->second, *s.root, name.range) : Value();
    if (value.is(Kind::Storage) &&
        (value.storage->kind == Storage::Kind::State ||
         value.storage->kind == Storage::Kind::Signal))
      return giveStorage(value.storage, input);
    if (name.text == "now" && !declared) {
      Given now;
      now.written = name;
      now.symbol = "now";
      now.type.kind = TypeInfo::Kind::Array;
      now.type.element = e.f64();
      now.type.unit = Unit::of(Unit::Time);
      return give(now, *input.value);
    }
  } else if (auto found = s.itemColumn(name)) {
    if (found.twins.size() > 1)
      return !s.ambiguousColumn(name, found).isError();
    return giveColumn(*found.axis, *found.column, name, *input.value);
  }
  if (diags.hasErrors() && declared && !entry->second.pending &&
      entry->second.value.isError())
    return false; // its declaration has told why
  auto message =
      s.error(diag::unknownName, name.range,
              llvm::Twine("unknown ") + (input.isSignal ? "signal" : "column") +
                  " '" + name.text + "'");
  if (input.isSignal) {
    names = {"now"};
    for (auto &[known, other] : s.root->entries)
      if (isSignalEntry(other) ||
          llvm::isa_and_nonnull<StateDecl>(other.pending) ||
          (other.value.is(Kind::Storage) &&
           other.value.storage->kind == Storage::Kind::State))
        names.push_back(known);
  } else {
    for (AxisInfo *axis : s.itemAxes)
      for (const ColumnInfo &column : axis->columns)
        names.push_back(column.name);
  }
  // The sign says which of the two is meant.
  if (input.isSignal && s.itemColumn(name))
    message.note("'" + name.text + "' is a column, which is given with ':'");
  else if (!input.isSignal && declared && isSignalEntry(entry->second))
    message.note("'" + name.text + "' is a signal, which is given with '='");
  else if (!s.explainName(name, message))
    message.suggest(name.text, names);
  return false;
}
