// Handlers of a file, beside its routes: `on failure(m, code) { … }`.
#include "Elaborator.h"
#include "Walk.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Whether `on tick every …` is due: that is state of its own, so that it does
/// not start anew with every context. Seconds as f64 are exact to a quarter of
/// a microsecond, which must not make a tick that comes on time wait for the
/// next.
mlir::Value Elaborator::isDue(StringRef handler, int64_t every) {
  auto type = route::ArrayType::get(e.f64());
  auto seconds = [&](double value) { return e.constant(e.f64(), value); };
  std::string symbol = freshSymbol((handler + ".last").str());
  {
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    atModuleLevel();
    auto state =
        StateOp::create(e.builder, e.loc, symbol, type, mlir::StringAttr(),
                        mlir::IntegerAttr(), mlir::StringAttr());
    e.builder.setInsertionPointToStart(&state.getInit().emplaceBlock());
    YieldOp::create(e.builder, e.loc,
                    seconds(-std::numeric_limits<double>::infinity()));
  }
  auto name = mlir::FlatSymbolRefAttr::get(&context, symbol);
  mlir::Value now = NowOp::create(e.builder, e.loc, type);
  mlir::Value last = e.get(name, type);
  double interval = every * 1e-9;
  // Either way: a clock set back by more than the interval is due as well.
  mlir::Value apart =
      e.unary(UnaryKind::abs, e.binary(BinaryKind::sub, now, last));
  mlir::Value due = e.compare(CompareKind::ge, apart,
                              seconds(std::max(interval - 5e-7, interval / 2)));
  SetOp::create(e.builder, e.loc, name, e.select(due, now, last));
  return due;
}

/// The pool whose rows an event is about: the one whose columns the handler
/// names (`m.cool`), the one with state, what the routers of the file choose
/// from, or the only one.
AxisInfo *Elaborator::poolOfEvents(const OnDecl *decl) {
  // Those of an imported module first: who imports it must not change what it
  // means.
  std::vector<AxisInfo *> all;
  for (PoolInfo &pool : pools)
    if (decl && decl->range.file != mainFile &&
        pool.axis->range.file == decl->range.file)
      all.push_back(pool.axis);
  if (all.empty())
    for (PoolInfo &pool : pools)
      all.push_back(pool.axis);
  auto hasState = [](const AxisInfo *pool) {
    return llvm::any_of(pool->columns, [](const ColumnInfo &column) {
      return column.kind == ColumnKind::state;
    });
  };
  AxisInfo *found = nullptr;
  if (decl && !decl->params.empty() && all.size() > 1) {
    std::string row = decl->params.front()->name.text + ".";
    std::vector<StringRef> columns;
    std::vector<std::string> names = namesIn(*decl->body);
    for (StringRef name : names)
      if (name.consume_front(row))
        columns.push_back(name);
    for (bool own : {true, false}) { // those of the handler's file first
      for (AxisInfo *pool : all) {
        if ((own && pool->range.file != decl->range.file) || columns.empty() ||
            llvm::any_of(columns, [&](StringRef column) {
              return !pool->findColumn(column);
            }))
          continue;
        if (found)
          return nullptr;
        found = pool;
      }
      if (found)
        return found;
    }
  }
  if (all.size() > 1 && llvm::none_of(all, hasState)) {
    for (const RouteInstance &route : instances) {
      auto *result = route.decl && route.decl->isRouter
                         ? dyn_cast_or_null<NamedType>(route.decl->result.get())
                         : nullptr;
      if (!result || result->path.size() != 1)
        continue;
      const Name &name = result->name();
      auto [entry, scope] = route.scope->lookup(name.text);
      Value known = entry ? resolve(*entry, *scope, name.range) : Value();
      if (!known.is(Kind::Axis))
        continue;
      if (found && found != known.axis)
        return nullptr;
      found = known.axis;
    }
    return found;
  }
  for (AxisInfo *pool : all)
    if (hasState(pool) || all.size() == 1) {
      if (found)
        return nullptr;
      found = pool;
    }
  return found;
}

/// The pool of the row that an event is about: that of the type which is
/// written, or the one that poolOfEvents finds; null after an error.
AxisInfo *Elaborator::rowOfEvent(const OnDecl &decl, const ColumnDecl &param) {
  if (param.type) {
    TypeInfo type = resolveType(*param.type);
    auto ref = type.kind == TypeInfo::Kind::Array
                   ? dyn_cast<RefType>(type.element)
                   : RefType();
    AxisInfo *pool = type.kind == TypeInfo::Kind::Row ? type.rowOf
                     : ref                            ? e.axisOf(ref.getAxis())
                                                      : nullptr;
    if (pool && pool->pool)
      return pool;
    if (type.kind != TypeInfo::Kind::None)
      error(diag::typeMismatch, param.type->range,
            "'on " + decl.event.text + "' is about a row of a pool")
          .help("write its pool: " + param.name.text + ": ref …");
    return nullptr;
  }
  AxisInfo *pool = poolOfEvents(&decl);
  if (!pool)
    error(diag::wrongKind, param.range,
          "which pool this event is about is not clear")
        .note("it is the pool that has the columns which the handler names, "
              "such as m.cool, the one pool with state columns, or the one "
              "that all routers choose from")
        .help("say which: " + param.name.text + ": ref …");
  return pool;
}

/// The handlers of the modules that the file imports, directly or not, belong
/// to its library, and so do the pools and the state that they change.
void Elaborator::emitImportedHandlers(const ast::Module &own) {
  for (const auto &tree : parsed) {
    auto first = llvm::find_if(tree->decls, [](const DeclPtr &decl) {
      return isa<OnDecl>(decl.get());
    });
    if (tree.get() == &own || first == tree->decls.end())
      continue;
    ScopePtr scope = scopeOf((*first)->range.file);
    if (!scope)
      continue; // an error, which has been told
    for (const DeclPtr &decl : tree->decls) {
      auto *pool = dyn_cast<PoolDecl>(decl.get());
      auto *state = dyn_cast<StateDecl>(decl.get());
      if (!pool && !state)
        continue;
      const Name &name = pool ? pool->name : state->name;
      if (auto found = scope->entries.find(name.text);
          found != scope->entries.end())
        resolve(found->second, *scope, name.range);
    }
    Context inside; // what a handler names is of its own file
    inside.scope = scope;
    inContext(std::move(inside), [&] {
      for (const DeclPtr &decl : tree->decls)
        if (auto *on = dyn_cast<OnDecl>(decl.get()))
          emitModuleHandler(*on);
      return true;
    });
  }
}

namespace {
/// An event that the host tells of.
struct Event {
  const char *name;
  std::vector<const char *> params; // in order; fewer may be written
  bool item;                        // it concerns one request
};
} // namespace

static const std::vector<Event> events = {
    {"dispatch", {"row"}, true},        {"usage", {"row", "usage"}, true},
    {"failure", {"row", "code"}, true}, {"feedback", {"reward"}, true},
    {"push", {"row"}, false},           {"join", {"row"}, false},
    {"leave", {"row"}, false},          {"tick", {}, false},
};

/// A handler of the file being emitted.
struct Elaborator::ModuleHandler {
  const OnDecl &decl;
  mlir::Block &block;
  llvm::SmallVector<mlir::Attribute> argAttrs;
  const ColumnDecl *reward = nullptr; // the name that stands for it
  AxisInfo *pool = nullptr;           // of the row that the event is about
};

static const Event *eventNamed(StringRef name) {
  auto found =
      llvm::find_if(events, [&](const Event &e) { return name == e.name; });
  return found == events.end() ? nullptr : &*found;
}

/// Whether a handler of the file may be written so.
bool Elaborator::checkEvent(const OnDecl &decl) {
  const Event *event = eventNamed(decl.event.text);
  if (!event && decl.event.text == "commit") {
    error(diag::wrongKind, decl.event.range,
          "'on commit' stands inside the router whose plan it sees");
    return false;
  }
  if (!event) {
    std::vector<std::string> names;
    for (const Event &known : events)
      names.push_back(known.name);
    error(diag::unknownName, decl.event.range,
          "unknown event '" + decl.event.text + "'")
        .suggest(decl.event.text, names)
        .note("the events are " + llvm::join(names, ", ") +
              ", and commit inside a router");
    return false;
  }
  // Feedback brings what the handler asks for, by name.
  if (decl.event.text != "feedback" &&
      decl.params.size() > event->params.size()) {
    error(diag::argumentMismatch, decl.event.range,
          "'on " + decl.event.text + "' takes at most " +
              llvm::Twine(event->params.size()) + " names, found " +
              llvm::Twine(decl.params.size()));
    return false;
  }
  return true;
}

/// What a pool with errors has cannot be said, and need not be said again.
bool Elaborator::hasBrokenPool() {
  if (!diags.hasErrors())
    return false;
  for (const auto &tree : parsed)
    for (const DeclPtr &each : tree->decls) {
      auto *pool = dyn_cast<PoolDecl>(each.get());
      ScopePtr scope = pool ? scopeOf(pool->range.file) : nullptr;
      if (!scope)
        continue;
      if (auto found = scope->entries.find(pool->name.text);
          found != scope->entries.end() && !found->second.pending &&
          found->second.value.isError())
        return true;
    }
  return false;
}

mlir::Value Elaborator::handlerArgument(ModuleHandler &handler,
                                        mlir::Type element, StringRef name,
                                        StringRef role, const Unit &unit) {
  handler.argAttrs.push_back(portAttrs(name, role, unit));
  return handler.block.addArgument(route::ArrayType::get(element), e.loc);
}

/// What feedback brings besides the reward: a single value or a row.
Value Elaborator::feedbackValue(ModuleHandler &handler,
                                const ColumnDecl &param) {
  StringRef name = param.name.text;
  TypeInfo type = resolveType(*param.type, name);
  if (type.kind == TypeInfo::Kind::None)
    return Value();
  bool row = type.kind == TypeInfo::Kind::Row;
  bool single =
      row || (type.kind == TypeInfo::Kind::Array && type.axes.empty());
  mlir::Type element;
  if (row)
    element = RefType::get(&context, type.rowOf->symbol);
  else if (single)
    element = storageType(type);
  if (!single || memberTypeOf(getValueType(element)))
    return fail(diag::wrongKind, param.type->range,
                "feedback brings single values and refs of rows");
  mlir::Value given =
      handlerArgument(handler, element, name, "value", type.unit);
  return row ? Value::ofAxis(Kind::Row, type.rowOf, given)
             : Value::array(given, type.unit);
}

/// The reward of feedback: one of the names, and only one, has no type.
Value Elaborator::rewardValue(ModuleHandler &handler, const ColumnDecl &param) {
  StringRef name = param.name.text;
  if (handler.reward) {
    error(diag::argumentMismatch, param.range,
          "'" + name + "' has no type, and the reward is '" +
              handler.reward->name.text + "'")
        .label(handler.reward->range, "this is the reward")
        .help("write what it is: " + name + ": ref …, or " + name + ": f32");
    return Value();
  }
  handler.reward = &param;
  return Value::array(handlerArgument(handler, e.f32(), name, "reward"));
}

/// What was used: the single values that the answers of all bodies have.
std::vector<std::pair<std::string, TypeInfo>>
Elaborator::usageFields(AxisInfo *pool) {
  std::vector<std::pair<const BodyDecl *, ScopePtr>> bodies;
  auto add = [&](const PoolInfo *of) {
    if (of)
      for (const auto &body : of->bodies())
        bodies.push_back({body.get(), of->scope});
  };
  add(pool->pool);
  if (pool->pool)
    for (const PoolInfo::Part &part : pool->pool->parts)
      if (!part.skipped)
        add(part.axis->pool);
  std::vector<std::pair<std::string, TypeInfo>> fields;
  if (bodies.empty())
    return fields;
  auto fieldOf = [&](const std::pair<const BodyDecl *, ScopePtr> &body,
                     StringRef name) -> std::optional<TypeInfo> {
    if (!body.first->result)
      return std::nullopt;
    TypeInfo type = answerType(*body.first->result, body.second, "");
    for (size_t i = 0; i < type.elements.size() && i < type.names.size(); ++i)
      if (type.names[i] == name &&
          type.elements[i].kind == TypeInfo::Kind::Array &&
          type.elements[i].axes.empty())
        return type.elements[i];
    return std::nullopt;
  };
  if (!bodies.front().first->result)
    return fields;
  TypeInfo first =
      answerType(*bodies.front().first->result, bodies.front().second, "");
  for (const std::string &name : first.names) {
    auto field = fieldOf(bodies.front(), name);
    if (field && llvm::all_of(bodies, [&](const auto &body) {
          auto other = fieldOf(body, name);
          return other && other->element == field->element &&
                 other->unit == field->unit;
        }))
      fields.push_back({name, *field});
  }
  return fields;
}

/// What was used, field by field: the name behind that of the row.
Value Elaborator::usageValue(ModuleHandler &handler, StringRef name) {
  Value value = Value::group(Kind::Record, {}, {});
  value.names = std::make_shared<std::vector<std::string>>();
  for (const auto &[field, type] : usageFields(handler.pool)) {
    value.parts->push_back(Value::array(
        handlerArgument(handler, storageType(type), (name + "." + field).str(),
                        "usage." + field, type.unit),
        type.unit));
    value.names->push_back(field);
  }
  return value;
}

/// Binds a name of the handler to what `role` says that it is; false after an
/// error.
bool Elaborator::bindEventParam(ModuleHandler &handler, const ColumnDecl &param,
                                StringRef role, Scope &scope) {
  StringRef name = param.name.text;
  if (param.type && role != "value" && role != "row") {
    error(diag::wrongKind, param.type->range,
          "the type of '" + name + "' is known: it is the " + role);
    return false;
  }
  Value value;
  if (role == "value") {
    value = feedbackValue(handler, param);
  } else if (role == "row") {
    if ((handler.pool = rowOfEvent(handler.decl, param)))
      value = Value::ofAxis(
          Kind::Row, handler.pool,
          handlerArgument(handler, RefType::get(&context, handler.pool->symbol),
                          name, role));
  } else if (role == "code") {
    value = Value::array(handlerArgument(handler, e.i64(), name, role));
  } else if (role == "reward") {
    value = rewardValue(handler, param);
  } else {
    value = usageValue(handler, name);
  }
  if (value.isError())
    return false;
  scope.bind(name, value, param.range);
  return true;
}

/// `on failure(m, code) { … }` beside the routes of a policy, of the file whose
/// names are at hand.
void Elaborator::emitModuleHandler(const OnDecl &decl) {
  if (!checkEvent(decl) || (!decl.params.empty() && hasBrokenPool()))
    return;
  const Event *event = eventNamed(decl.event.text);
  std::optional<int64_t> every;
  if (decl.every) {
    if (decl.event.text != "tick") {
      error(diag::wrongKind, decl.every->range,
            "'every' stands with 'on tick': other events come when they come");
      return;
    }
    if (!(every = nanoseconds(*decl.every)))
      return;
  }
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(module->getBody());
  e.loc = locationOf(decl.range);
  std::string symbol =
      freshSymbol(symbolIn(*cx.scope, "on." + decl.event.text));
  auto func = FuncOp::create(e.builder, e.loc, symbol, FuncKind::handler,
                             e.builder.getFunctionType({}, {}));
  func.setEventAttr(e.builder.getStringAttr(decl.event.text));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  planLets.clear();
  ModuleHandler handler{decl, block, {}};
  Context next;
  next.scope = std::make_shared<Scope>(cx.scope);
  next.handler = true;
  if (every)
    next.writeMask = isDue(symbol, *every);
  bool good = true;
  for (auto [i, param] : llvm::enumerate(decl.params)) {
    StringRef role = decl.event.text != "feedback" ? event->params[i]
                     : param->type                 ? "value"
                                                   : "reward";
    good = good && bindEventParam(handler, *param, role, *next.scope);
  }
  if (event->item && good)
    for (AxisInfo *item : outermostItems())
      next.frames.push_back(
          Frame{item, nullptr,
                handlerArgument(handler, RefType::get(&context, item->symbol),
                                item->name, "item"),
                0});
  good = good && inContext(std::move(next), [&] {
           for (const StmtPtr &stmt : decl.body->stmts)
             if (!executeStmt(*stmt))
               return false;
           return true;
         });
  for (size_t i = 0; i < keptArgs.size(); ++i)
    handler.argAttrs.push_back(portAttrs("kept." + std::to_string(i), "kept"));
  keptArgs.clear();
  route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
  func.setFunctionType(e.builder.getFunctionType(block.getArgumentTypes(), {}));
  if (!handler.argAttrs.empty())
    func.setArgAttrsAttr(e.builder.getArrayAttr(handler.argAttrs));
  topOp = nullptr;
  if (!good)
    func.erase();
}
