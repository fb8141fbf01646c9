// What a name means.
// Look-up: columns of the candidates first, then blocks, routes, pools and the
// module outwards, then columns of the items, then functions of the language.
#include "BuiltinNames.h"
#include "Elaborator.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::unknownName(const Name &name, StringRef what,
                              llvm::ArrayRef<std::string> candidates) {
  error(diag::unknownName, name.range,
        "unknown " + what + " '" + name.text + "'")
      .suggest(name.text, candidates);
  return Value();
}

Value Elaborator::unknownLabel(const Name &name,
                               llvm::ArrayRef<std::string> labels) {
  error(diag::unknownName, name.range, "unknown label '" + name.text + "'")
      .suggest(name.text, labels)
      .note("the labels are " + llvm::join(labels, ", "));
  return Value();
}

mlir::Location Elaborator::locationOf(SourceRange range) {
  if (!range)
    return mlir::UnknownLoc::get(&context);
  LineColumn at = sources.lineColumn(range.file, range.begin);
  return mlir::FileLineColLoc::get(&context, sources.name(range.file), at.line,
                                   at.column);
}

std::string Elaborator::freshSymbol(StringRef wanted) {
  unsigned &count = usedSymbols[wanted.str()];
  ++count;
  if (count == 1)
    return wanted.str();
  return freshSymbol((wanted + "_" + llvm::Twine(count - 1)).str());
}

Value Elaborator::resolve(Scope::Entry &entry, Scope &scope, SourceRange use) {
  if (!entry.pending) {
    if (entry.value.is(Kind::Module) && !entry.value.text.empty()) {
      Scope &target = *entry.value.scope;
      return resolve(target.entries[entry.value.text], target, use);
    }
    return entry.value;
  }
  const Decl &decl = *entry.pending;
  if (entry.busy) {
    error(diag::recursion, use, "this is defined by itself")
        .label(entry.range, "while this is being defined")
        .note("definitions are expanded where they are used, so that a circle "
              "would never end");
    return Value();
  }
  // A value is elaborated where it is used, everything else once.
  auto *let = dyn_cast<LetDecl>(&decl);
  auto *named = dyn_cast<PoolDecl>(&decl);
  // `pool fast = models where …` names candidates, as a let does.
  bool narrowed = named && named->value &&
                  isa<ast::BinaryExpr>(ignoreParens(named->value.get())) &&
                  cast<ast::BinaryExpr>(*ignoreParens(named->value.get())).op ==
                      ast::BinaryOp::Where;
  bool inPlace = (let && !let->isFunction) || narrowed;
  if (auto known = planLets.find(&decl);
      inPlace && known != planLets.end() && cx.frames.empty())
    for (mlir::Block *block = e.builder.getInsertionBlock(); block;
         block = block->getParentOp() ? block->getParentOp()->getBlock()
                                      : nullptr)
      if (block == known->second.block)
        return known->second.value;
  entry.busy = true;
  Value value;
  if (inPlace) {
    // A let of two uses each of a let of two uses ... ends here.
    if (++expansions > 200'000) {
      entry.busy = false;
      return fail(diag::recursion, use,
                  "the definitions used here expand to too much");
    }
    unsigned errors = diags.errorCount();
    Context next = cx;
    next.scope = scope.shared_from_this();
    next.candidate = nullptr;
    next.drawPath = drawPathOf(scope);
    value = inContext(std::move(next), [&] {
      return narrowed ? eval(*named->value) : elaborateLet(*let, scope);
    });
    if (let && let->names.size() > 1 && value.is(Kind::Tuple))
      for (size_t i = 0; i < let->names.size() && i < value.parts->size(); ++i)
        if (let->names[i].range == entry.range) {
          Value part = (*value.parts)[i];
          value = part;
          break;
        }
    entry.busy = false;
    // What failed fails wherever it is used: once is enough.
    if (value.isError() && diags.errorCount() > errors) {
      entry.value = value;
      entry.pending = nullptr;
    }
    entry.used = true;
    if (value.is(Kind::Plan) && cx.frames.empty() && !cx.along)
      planLets[&decl] = {value, e.builder.getInsertionBlock()};
    return value;
  }
  Context fresh;
  fresh.scope = scope.shared_from_this();
  fresh.drawPath = drawPathOf(scope);
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  bool silent = diags.setSilent(false); // it happens only once
  value = inContext(std::move(fresh), [&] { return elaborate(decl, scope); });
  diags.setSilent(silent);
  entry.busy = false;
  entry.value = value;
  entry.pending = nullptr;
  return value;
}

/// Tells how the language writes `x.contains("a")`, `len(x)` and the like;
/// false where it has nothing of the kind.
bool Elaborator::explainFunction(const Name &name, StringRef argument,
                                 DiagnosticBuilder &message) {
  std::string of = argument.size() > 40 ? "x" : argument.str();
  static const struct {
    std::vector<StringRef> names;
    const char *help;
  } others[] = {
      // What others call a choice.
      {{"topk", "top_k", "argmax", "argmin"},
       "rows are chosen: choose 2 of models by score, the largest first; 'by "
       "score up' takes the smallest first"},
      {{"len", "length", "size", "strlen"},
       "the length of a text is bytes(x), chars(x), words(x) or lines(x); of "
       "rows it is count(x)"},
      {{"avg", "average"}, "it is called 'mean'"},
      {{"matmul", "mm", "dot", "einsum", "linear"},
       "x @ w multiplies and sums over the axis that both have"},
      {{"T", "transpose", "reshape", "view", "permute", "shape"},
       "axes go by their names: nothing is transposed or reshaped"},
      {{"match", "matches", "like", "search"},
       "a text is searched by regex(x, r\"…\") and contains(x, \"…\")"},
      {{"null", "nil", "None", "undefined"},
       "no row is 'none'; a value that is not known is 'unknown', and known(x) "
       "asks"}};
  for (const auto &[names, help] : others)
    if (llvm::is_contained(names, name.text)) {
      message.help(help);
      return true;
    }
  if (of.empty() || !isBuiltin(name.text))
    return false;
  message.help("'" + name.text + "' is a function: " + name.text + "(" + of +
               (isReductionName(name.text) ? " over …)" : " …)"));
  return true;
}

/// Tells of a name that means something elsewhere; false where it does not.
bool Elaborator::explainName(const Name &name, DiagnosticBuilder &message) {
  bool known = false;
  for (PoolInfo &pool : pools) {
    AxisInfo &axis = *pool.axis;
    bool row = llvm::is_contained(axis.labels, name.text);
    if (!row && !axis.findColumn(name.text))
      continue;
    message.help("'" + name.text + "' is a " +
                 (row ? "row" : "column, a value for each row,") + " of '" +
                 axis.name + "': " + axis.name + "." + name.text);
    known = true;
  }
  for (auto &[module, entry] : root ? root->entries : prelude->entries)
    if (entry.value.is(Kind::Module) && entry.value.text.empty() &&
        entry.value.scope->entries.count(name.text)) {
      message.help("module '" + module + "' declares it: " + module + "." +
                   name.text);
      known = true;
    }
  for (auto &[type, labels] : enumLabels)
    if (!known && llvm::is_contained(labels, name.text)) {
      message.note("the label '" + name.text +
                   "' is a name only beside a value of its type");
      known = true;
    }
  if (llvm::is_contained({"now", "inf", "nan"}, name.text)) {
    message.help("'" + name.text + "' is a value, written without brackets");
    known = true;
  }
  return known || explainFunction(name, "", message);
}

/// Axes of the parameters of the route that the name stands in come first, then
/// those of its file, then those of modules. An axis that nothing has named yet
/// is elaborated for its column.
Elaborator::ItemColumn Elaborator::itemColumn(const Name &name) {
  for (const auto &tree : parsed)
    for (const DeclPtr &decl : tree->decls) {
      auto *axis = dyn_cast<AxisDecl>(decl.get());
      if (!axis || llvm::none_of(axis->columns, [&](const ColumnPtr &column) {
            return column->name.text == name.text;
          }))
        continue;
      ScopePtr scope = scopeOf(tree->file);
      auto found = scope->entries.find(axis->name.text);
      if (found != scope->entries.end() && found->second.pending == axis &&
          !found->second.busy)
        resolve(found->second, *scope, name.range);
    }
  AxisList params;
  if (const RouteDecl *route = cx.route ? cx.route->decl : nullptr;
      route && route->range.file == name.range.file &&
      route->range.begin <= name.range.begin &&
      name.range.end <= route->range.end)
    for (const ColumnPtr &param : route->params)
      if (auto [entry, scope] = cx.route->locals->lookup(param->name.text);
          entry && (!entry->pending || isa<AxisDecl>(entry->pending)))
        if (Value value = resolve(*entry, *scope, param->name.range);
            value.is(Kind::Axis))
          params.push_back(value.axis);
  auto rank = [&](AxisInfo *axis) {
    return e.has(params, axis)                   ? 0
           : axis->range.file == name.range.file ? 1
                                                 : 2;
  };
  ItemColumn best;
  for (AxisInfo *axis : itemAxes) {
    const ColumnInfo *column = axis->findColumn(name.text);
    if (!column || (best && rank(best.axis) < rank(axis)))
      continue;
    if (!best || rank(axis) < rank(best.axis))
      best = {axis, column, {}};
    best.twins.push_back(axis);
  }
  return best;
}

/// An error that names the paths by which each of the columns can be read.
Value Elaborator::ambiguousColumn(const Name &name, const ItemColumn &found) {
  auto message = error(diag::missingAxis, name.range,
                       llvm::Twine(found.twins.size()) +
                           " axes have a column '" + name.text + "'");
  std::vector<std::string> paths;
  ScopePtr scope = scopeOf(name.range.file);
  for (AxisInfo *axis : found.twins) {
    message.label(axis->findColumn(name.text)->range,
                  "of '" + axis->name + "'");
    std::string path = axis->name;
    for (auto &[text, entry] : scope->entries) {
      bool module = entry.value.is(Kind::Module);
      Value value = entry.value;
      if (module) {
        auto &declared = value.scope->entries;
        auto linked =
            declared.find(value.text.empty() ? axis->name : value.text);
        if (linked == declared.end())
          continue;
        module = value.text.empty();
        value = linked->second.value;
      }
      if (value.is(Kind::Axis) && value.axis == axis)
        path = module ? text + "." + axis->name : text;
    }
    paths.push_back(path + "." + name.text);
  }
  llvm::sort(paths); // in whatever order modules were read
  message.help("say which: " + llvm::join(paths, ", "));
  return Value();
}

/// `request.org`, or `fleet.request.org`: null where it is no column of items.
Elaborator::ItemColumn Elaborator::columnOfPath(llvm::ArrayRef<Name> path) {
  Value value = lookup(path.front(), /*quiet=*/true);
  for (const Name &part : path.drop_front()) {
    if (value.is(Kind::Axis) && !value.axis->pool &&
        part.range == path.back().range)
      if (const ColumnInfo *column = value.axis->findColumn(part.text))
        return {value.axis, column, {value.axis}};
    if (!value.is(Kind::Module))
      return {};
    auto found = value.scope->entries.find(part.text);
    if (found == value.scope->entries.end())
      return {};
    Scope &scope = *value.scope;
    value = resolve(found->second, scope, part.range);
  }
  return {};
}

/// What a plain name may mean here, for suggestions.
std::vector<std::string> Elaborator::namesInSight() {
  std::vector<std::string> names = cx.scope->visibleNames();
  for (AxisInfo *axis : itemAxes)
    for (const ColumnInfo &column : axis->columns)
      names.push_back(column.name);
  if (cx.candidate)
    columnNames(*cx.candidate, names);
  llvm::append_range(names, builtinNames());
  llvm::append_range(names, std::vector<std::string>{"now", "inf", "nan"});
  return names;
}

std::pair<Scope::Entry *, Scope *> Elaborator::entryAt(const Expr &path) {
  const Expr *plain = ignoreParens(&path);
  std::pair<Scope::Entry *, Scope *> found;
  auto in = [](Scope &scope,
               const std::string &name) -> std::pair<Scope::Entry *, Scope *> {
    auto entry = scope.entries.find(name);
    if (entry == scope.entries.end())
      return {};
    return {&entry->second, &scope};
  };
  auto *member = dyn_cast<MemberExpr>(plain);
  if (auto *name = dyn_cast<NameExpr>(plain))
    found = cx.scope->lookup(name->name.text);
  else if (Value base = member ? declaredAt(*member->base) : Value();
           base.is(Kind::Module))
    found = in(*base.scope, member->member.text);
  // Names that an import lists are links.
  while (found.first && !found.first->pending &&
         found.first->value.is(Kind::Module) &&
         !found.first->value.text.empty())
    found = in(*found.first->value.scope, found.first->value.text);
  return found;
}

Value Elaborator::declaredAt(const Expr &path) {
  auto [entry, scope] = entryAt(path);
  if (!entry ||
      llvm::isa_and_nonnull<LetDecl, RouteDecl, BudgetDecl>(entry->pending))
    return Value();
  return resolve(*entry, *scope, path.range);
}

/// State that the rows of a pool around have, where nothing nearer has its
/// name; or null. It is that of the row at hand.
Storage *Elaborator::stateOfPool(StringRef name) {
  for (Scope *scope = cx.scope.get(); scope; scope = scope->parent.get()) {
    if (scope->entries.count(name.str()))
      return nullptr;
    const ColumnInfo *column =
        scope->pool ? scope->pool->axis->findColumn(name) : nullptr;
    if (!column || column->kind != ColumnKind::state)
      continue;
    readColumns.insert(scope->pool->axis->symbol.getValue().str() + "." +
                       column->name);
    for (Storage &known : storages)
      if (known.kind == Storage::Kind::Column && known.symbol == column->symbol)
        return &known;
    Storage &storage = storages.emplace_back();
    storage.kind = Storage::Kind::Column;
    storage.name = column->name;
    storage.symbol = column->symbol;
    storage.type = column->type;
    storage.unit = column->unit;
    storage.bound = column->bound;
    storage.range = column->range;
    return &storage;
  }
  return nullptr;
}

/// The state that a path names, or null.
Storage *Elaborator::stateAt(const Expr &path) {
  if (auto *name = dyn_cast<NameExpr>(ignoreParens(&path)))
    if (Storage *state = stateOfPool(name->name.text))
      return state;
  Value value = declaredAt(path);
  return value.is(Kind::Storage) && value.storage->kind == Storage::Kind::State
             ? value.storage
             : nullptr;
}

Value Elaborator::lookup(const Name &name, bool quiet) {
  if (cx.candidate)
    if (auto column = columnOf(*cx.candidate, name.text))
      return *column;
  if (Storage *state = stateOfPool(name.text)) {
    Value value = Value::ofKind(Kind::Storage);
    value.storage = state;
    return value;
  }
  auto [entry, scope] = cx.scope->lookup(name.text);
  // Only 'under' means a budget, so that a column may have its name.
  auto *budget = entry ? dyn_cast_or_null<BudgetDecl>(entry->pending) : nullptr;
  if (entry && !budget)
    return resolve(*entry, *scope, name.range);
  if (unsigned primes = name.primes()) {
    auto [base, owner] = cx.scope->lookup(name.base());
    if (base) {
      Value value = resolve(*base, *owner, name.range);
      if (value.is(Kind::Axis))
        return Value::ofAxis(Kind::Axis, copyOf(value.axis, primes));
      if (value.isError())
        return value;
    }
  }
  if (ItemColumn found = itemColumn(name))
    return found.twins.size() > 1 && !quiet
               ? ambiguousColumn(name, found)
               : loadColumn(*found.axis, *found.column);
  if (isBuiltin(name.text)) {
    Value value = Value::ofKind(Kind::Builtin);
    value.text = name.text;
    return value;
  }
  if (quiet)
    return Value();
  if (budget) {
    error(diag::wrongKind, name.range,
          "'" + name.text + "' is a budget, which has no value")
        .label(budget->name.range, "declared here")
        .help("a choice is bound by it with 'under " + name.text + "'");
    return Value();
  }
  std::vector<std::string> names = namesInSight();
  auto message =
      error(diag::unknownName, name.range, "unknown name '" + name.text + "'");
  if (!explainName(name, message))
    message.suggest(name.text, names);
  // What an event brings has the names that the handler gives it.
  if (cx.handler)
    for (StringRef event : {"failure(m, code)", "usage(m, used)",
                            "feedback(reward)", "dispatch(m)"})
      if (event.contains(("(" + name.text + ")")) ||
          event.contains((" " + name.text + ")")) ||
          event.contains(("(" + name.text + ",")))
        message.note("what an event brings is named behind it: on " + event);
  return Value();
}

AxisInfo *Elaborator::axisNamed(const Name &name, bool report) {
  if (name.text == "chosen" && cx.chosen)
    return cx.chosen;
  Value value = lookup(name, /*quiet=*/!report);
  if ((value.is(Kind::Axis) || value.is(Kind::Plan) || value.is(Kind::Row)) &&
      value.axis)
    return value.axis;
  if (!value.isError() && report)
    error(diag::wrongKind, name.range,
          "expected an axis, a pool or a plan, found " + describe(value));
  return nullptr;
}

AxisInfo *Elaborator::axisOfPath(llvm::ArrayRef<Name> path) {
  if (path.size() == 1)
    return axisNamed(path.front());
  Value value = lookup(path.front());
  for (const Name &part : path.drop_front()) {
    Scope *scope = value.is(Kind::Module) ? value.scope.get()
                   : value.is(Kind::Axis) && value.axis->pool
                       ? value.axis->pool->scope.get()
                       : nullptr;
    if (!scope) {
      if (!value.isError())
        error(diag::wrongKind, part.range,
              "nothing is declared inside " + describe(value));
      return nullptr;
    }
    auto found = scope->entries.find(part.text);
    if (found == scope->entries.end()) {
      unknownName(part, "axis", scope->visibleNames());
      return nullptr;
    }
    value = resolve(found->second, *scope, part.range);
  }
  if (value.is(Kind::Axis))
    return value.axis;
  if (!value.isError())
    error(diag::wrongKind, path.back().range,
          "expected an axis, found " + describe(value));
  return nullptr;
}

AxisInfo *Elaborator::axisFrom(const Expr &expr) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *name = dyn_cast<NameExpr>(plain))
    return axisNamed(name->name);
  std::vector<Name> path;
  for (const Expr *at = plain;;) {
    if (auto *member = dyn_cast<MemberExpr>(at)) {
      path.insert(path.begin(), member->member);
      at = member->base.get();
    } else if (auto *name = dyn_cast<NameExpr>(at)) {
      path.insert(path.begin(), name->name);
      return axisOfPath(path);
    } else {
      break;
    }
  }
  auto message = error(diag::wrongKind, expr.range,
                       "expected the name of an axis, a pool or a plan");
  if (auto *size = dyn_cast<NumberExpr>(plain); size && size->integral)
    message.help("declare the axis: axis inner = " +
                 sources.text(plain->range));
  else if (isa<CallExpr, ChooseExpr>(plain))
    message.help("name it first: let p = …");
  return nullptr;
}

bool Elaborator::axesFrom(const std::vector<ExprPtr> &exprs, AxisList &axes) {
  bool good = true;
  auto add = [&](const Expr &expr) {
    AxisInfo *axis = axisFrom(expr);
    if (axis && e.has(axes, axis))
      error(diag::duplicateName, expr.range,
            "axis '" + axis->name + "' stands here twice");
    else if (axis)
      axes.push_back(axis);
    good &= axis != nullptr;
  };
  for (const ExprPtr &expr : exprs) {
    if (auto *tuple = dyn_cast<TupleExpr>(expr.get()))
      for (const ExprPtr &element : tuple->elements)
        add(*element);
    else
      add(*expr);
  }
  return good;
}
