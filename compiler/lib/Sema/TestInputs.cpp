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
      if (counts.empty()) // of nothing
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

/// One input of a test as an attribute, with the name that it binds.
bool Elaborator::InlineTest::giveInput(const TestDecl::Input &input) {
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  std::string name;
  bool match = false;
  const ColumnInfo *given = nullptr;
  llvm::SmallVector<AxisInfo *> axes;
  std::vector<std::string> names;
  if (input.isSignal) {
    auto found = s.root->entries.find(input.name.text);
    Value value = found == s.root->entries.end()
                      ? Value()
                      : s.resolve(found->second, *s.root, input.name.range);
    if (input.name.text == "now" && found == s.root->entries.end()) {
      name = "now";
      type.element = e.f64();
      type.unit = Unit::of(Unit::Time);
    }
    bool state =
        value.is(Kind::Storage) && value.storage->kind == Storage::Kind::State;
    if (state && !value.storage->keyTypes.empty()) {
      s.error(diag::wrongKind, input.name.range,
              "state with keys is given for a key")
          .label(value.storage->range, "declared here")
          .help("write the key: " + input.name.text + "[…] = …");
      return false;
    }
    if (state || (value.is(Kind::Storage) &&
                  value.storage->kind == Storage::Kind::Signal)) {
      name = value.storage->symbol.getLeafReference().str();
      type.element = value.storage->type.getElementType();
      type.unit = value.storage->unit;
      type.bound = value.storage->bound;
      match = value.storage->threshold;
      if (!state)
        for (mlir::FlatSymbolRefAttr axis : value.storage->type.getAxes())
          axes.push_back(e.axisOf(axis));
    }
  } else {
    for (AxisInfo *axis : s.itemAxes) {
      for (const ColumnInfo &column : axis->columns)
        names.push_back(column.name);
      if (const ColumnInfo *column = axis->findColumn(input.name.text)) {
        name = axis->symbol.getValue().str() + "." + column->name;
        type.element = column->type.getElementType();
        type.unit = column->unit;
        given = column;
        axes.assign(column->axes.begin(), column->axes.end());
      }
    }
  }
  if (name.empty()) {
    if (auto failed = s.root->entries.find(input.name.text);
        input.isSignal && diags.hasErrors() &&
        failed != s.root->entries.end() && !failed->second.pending &&
        failed->second.value.isError())
      return false; // its declaration has told why
    auto message = s.error(diag::unknownName, input.name.range,
                           llvm::Twine("unknown ") +
                               (input.isSignal ? "signal" : "column") + " '" +
                               input.name.text + "'");
    // The sign says which of the two is meant.
    bool column = llvm::any_of(s.itemAxes, [&](AxisInfo *axis) {
      return axis->findColumn(input.name.text);
    });
    auto other = s.root->entries.find(input.name.text);
    if (input.isSignal) {
      names = {"now"};
      for (auto &[known, entry] : s.root->entries)
        if (isSignalEntry(entry) ||
            (entry.pending && isa<StateDecl>(entry.pending)) ||
            (entry.value.is(Kind::Storage) &&
             entry.value.storage->kind == Storage::Kind::State))
          names.push_back(known);
    }
    if (input.isSignal && column)
      message.note("'" + input.name.text +
                   "' is a column, which is given with ':'");
    else if (!input.isSignal && other != s.root->entries.end() &&
             isSignalEntry(other->second))
      message.note("'" + input.name.text +
                   "' is a signal, which is given with '='");
    else
      message.suggest(input.name.text, names);
    return false;
  }
  mlir::Attribute value = arrayOf(
      *input.value, writtenAxes(axes), input.name.text,
      [&](const Expr &leaf) { return elementOf(leaf, type, match, given); });
  if (!value)
    return false;
  if (auto seconds = dyn_cast<mlir::FloatAttr>(value);
      name == "now" && !(std::fabs(seconds.getValueAsDouble()) <= 9e9)) {
    s.error(diag::badSize, input.value->range,
            "a time lies within 285 years of 0");
    return false;
  }
  if (llvm::any_of(inputs, [&](mlir::NamedAttribute known) {
        return known.getName() == name;
      })) {
    s.error(diag::duplicateName, input.name.range,
            "'" + input.name.text + "' is given twice");
    return false;
  }
  inputs.push_back(e.builder.getNamedAttr(name, value));
  return true;
}
