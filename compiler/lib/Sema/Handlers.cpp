// What events change.
// A handler of a router sees the router's plan and lets. They become results of
// the entry point (role `kept`) and arguments of the handler's function, so
// that the handler works on what was decided and not on what would be decided
// now.
#include "Elaborator.h"
#include "Walk.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

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

bool Elaborator::writeState(Storage &storage, Value value, SourceRange range) {
  if (!cx.handler) {
    error(diag::stateOutsideHandler, range,
          "state '" + storage.name + "' changes only in handlers")
        .note("deciding reads a snapshot and is pure, so that decisions replay")
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
  for (const Frame &frame : cx.frames)
    if (e.has(axes, frame.axis) && !frame.position) {
      error(diag::handlerPlace, range,
            "a handler that writes the row of '" + frame.axis->name +
                "' at hand, of a router that runs for the rows of a plan")
          .note("several of these rows may be one of '" + frame.axis->name +
                "', and each would write it")
          .help("move the handler to the router that chose them");
      return false;
    }
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
  for (const Frame &frame : cx.frames)
    if (e.has(axes, frame.axis)) {
      mlir::Value row = e.cast(frame.position, e.i64());
      if (frame.offset)
        row = e.binary(BinaryKind::add, row,
                       e.constantInt(e.i64(), frame.offset));
      here = andMask(here, e.compare(CompareKind::eq,
                                     e.iota(frame.axis, /*asRef=*/false), row));
    }
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

/// What a handler reads of its router: the names that its body mentions.
void Elaborator::collectKept(PendingHandler &handler) {
  std::vector<std::string> names = namesIn(*handler.decl->body);
  for (const std::string &name : names) {
    auto found = handler.scope->entries.find(name);
    if (found == handler.scope->entries.end() || found->second.pending)
      continue;
    const Value &value = found->second.value;
    if (value.is(Kind::Array)) {
      handler.kept.push_back({name, value});
    } else if (value.is(Kind::Plan)) {
      Value plan = Value::ofAxis(Kind::Plan, value.axis);
      plan.parts = std::make_shared<std::vector<Value>>();
      plan.names = std::make_shared<std::vector<std::string>>();
      for (size_t i = 0; i < value.parts->size(); ++i)
        if (llvm::is_contained(names, name + "." + (*value.names)[i])) {
          plan.parts->push_back((*value.parts)[i]);
          plan.names->push_back((*value.names)[i]);
        }
      handler.kept.push_back({name, plan});
    }
  }
}

/// Adds to the results what the handlers of inlined routers will need.
void Elaborator::keepForHandlers(std::vector<Result> &results) {
  for (PendingHandler &handler : handlers)
    collectKept(handler);
  // Loops are made anew with what they carry out.
  llvm::DenseMap<mlir::Value, mlir::Value> moved;
  llvm::erase_if(handlers, [&](PendingHandler &handler) {
    return handler.block != e.builder.getInsertionBlock() &&
           !keepRounds(handler, moved);
  });
  auto follow = [&](mlir::Value &value) {
    for (mlir::Value next; value && (next = moved.lookup(value));)
      value = next;
  };
  for (Result &result : results)
    follow(result.value);
  llvm::SetVector<AxisInfo *> planAxes;
  auto add = [&](mlir::Value value, const std::string &name) {
    for (const Result &result : results)
      if (result.value == value && !givesRows(result))
        return;
    // Handlers find what they need by name.
    std::string free = "keep." + name;
    for (unsigned i = 2; llvm::any_of(results, [&](const Result &result) {
           return result.name == free;
         });)
      free = "keep." + name + "_" + std::to_string(i++);
    results.push_back({value, free, "kept"});
  };
  auto addArray = [&](mlir::Value &value, const std::string &name) {
    follow(value);
    for (AxisInfo *axis : e.axesOf(value))
      if (axis->isPlan())
        planAxes.insert(axis);
    add(value, name);
  };
  for (PendingHandler &handler : handlers) {
    bool loops = !handler.rounds.empty();
    std::string router = loops ? handler.router->decl->name.text + "." : "";
    for (Frame &frame : handler.frames)
      if (frame.position && !frame.position.getDefiningOp<ConstantOp>())
        addArray(frame.position, router + frame.axis->name);
    for (auto &[name, value] : handler.kept) {
      if (!value.is(Kind::Plan)) {
        addArray(value.ir, router + name);
        continue;
      }
      if (!loops)
        planAxes.insert(value.axis);
      for (size_t i = 0; i < value.parts->size(); ++i)
        addArray((*value.parts)[i].ir, router + name + "." + (*value.names)[i]);
    }
    if (!loops)
      continue;
    addArray(handler.ran, router + "ran");
    for (PendingHandler::Rows &rows : handler.rows)
      addArray(rows.table, router + rows.plan->name + ".rows");
  }
  // Rows of a plan made from a plan need both.
  for (size_t i = 0; i < planAxes.size(); ++i)
    for (AxisInfo *parent : planAxes[i]->parents)
      if (parent->isPlan())
        planAxes.insert(parent);
  for (AxisInfo *axis : planAxes)
    add(axis->plan, axis->name);
}

/// `on commit` of a router that a run has just asked.
void Elaborator::commitNow(const OnDecl &decl) {
  if (!commitTakesNothing(decl))
    return;
  auto op = CommitOp::create(e.builder, locationOf(decl.range));
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToStart(&op.getBody().emplaceBlock());
  Context next = cx;
  next.scope = std::make_shared<Scope>(cx.scope);
  next.handler = true;
  next.returns = nullptr;
  bool good = inContext(std::move(next), [&] {
    return llvm::all_of(decl.body->stmts, [&](const StmtPtr &stmt) {
      return executeStmt(*stmt);
    });
  });
  YieldOp::create(e.builder, op.getLoc(), mlir::ValueRange());
  if (!good)
    op.erase();
}

/// `on dispatch` and the like inside a router.
void Elaborator::onlyCommit(const OnDecl &decl) {
  if (!llvm::is_contained({"dispatch", "usage", "failure", "feedback", "push",
                           "join", "leave", "tick"},
                          decl.event.text)) {
    error(diag::unknownName, decl.event.range,
          "unknown event '" + decl.event.text + "'")
        .suggest(decl.event.text, {"commit"})
        .note("inside a router there is 'on commit', which sees its plan and "
              "lets");
    return;
  }
  error(diag::wrongKind, decl.event.range,
        "'on " + decl.event.text + "' stands beside the routes")
      .note(
          "inside a router there is 'on commit', which sees its plan and lets");
}

bool Elaborator::commitTakesNothing(const OnDecl &decl) {
  if (decl.params.empty())
    return true;
  error(diag::argumentMismatch, decl.params.front()->range,
        "'on commit' takes nothing: it sees the router's names");
  return false;
}

void Elaborator::emitHandlers(FuncOp entry,
                              const std::vector<Result> &results) {
  for (PendingHandler &handler : handlers) {
    const OnDecl &decl = *handler.decl;
    if (decl.event.text != "commit") {
      onlyCommit(decl);
      continue;
    }
    if (!commitTakesNothing(decl))
      continue;
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToEnd(module->getBody());
    e.loc = locationOf(decl.range);
    std::string name = entry.getSymName().str();
    if (handler.router->decl->name.text != name)
      name += "." + handler.router->decl->name.text;
    auto func =
        FuncOp::create(e.builder, e.loc, freshSymbol(name + ".commit"),
                       FuncKind::handler, e.builder.getFunctionType({}, {}));
    func.setEventAttr(e.builder.getStringAttr("commit"));
    func.setOfAttr(mlir::FlatSymbolRefAttr::get(entry.getSymNameAttr()));
    mlir::Block &block = func.getBody().emplaceBlock();
    e.builder.setInsertionPointToStart(&block);
    topOp = func;
    planLets.clear();
    llvm::SmallVector<mlir::Attribute> argAttrs;
    llvm::DenseMap<mlir::Value, mlir::Value> moved;
    auto argumentFor = [&](mlir::Value value) -> mlir::Value {
      mlir::Value &argument = moved[value];
      if (argument)
        return argument;
      argument = block.addArgument(value.getType(), e.loc);
      // What was computed may be below zero, also in tokens.
      for (const Result &result : results)
        if (result.value == value && !givesRows(result))
          argAttrs.push_back(portAttrs(
              result.name, {}, result.unit.counts() ? Unit() : result.unit));
      return argument;
    };
    std::vector<std::pair<AxisInfo *, mlir::Value>> saved;
    auto movePlan = [&](AxisInfo *axis, auto &&self) -> void {
      if (llvm::any_of(saved, [&](auto &entry) { return entry.first == axis; }))
        return;
      saved.push_back({axis, axis->plan});
      axis->plan = argumentFor(axis->plan);
      for (AxisInfo *parent : axis->parents)
        if (parent->isPlan())
          self(parent, self);
    };
    Context next;
    next.scope = std::make_shared<Scope>(handler.router->locals);
    next.frames = handler.frames;
    next.items = handler.items;
    next.route = handler.router;
    next.handler = true;
    if (!handler.rounds.empty()) {
      openRounds(handler, next, argumentFor, saved);
    } else {
      for (Frame &frame : next.frames)
        if (frame.position) {
          auto constant = frame.position.getDefiningOp<ConstantOp>();
          frame.position = constant ? e.builder.clone(*constant)->getResult(0)
                                    : argumentFor(frame.position);
        }
      for (auto &[keptName, value] : handler.kept) {
        Value copy = value;
        if (value.is(Kind::Plan)) {
          movePlan(value.axis, movePlan);
          copy.parts = std::make_shared<std::vector<Value>>(*value.parts);
          for (Value &part : *copy.parts)
            part.ir = argumentFor(part.ir);
        } else {
          for (AxisInfo *axis : e.axesOf(value.ir))
            if (axis->isPlan())
              movePlan(axis, movePlan);
          copy.ir = argumentFor(value.ir);
        }
        next.scope->bind(keptName, copy);
      }
    }
    bool good = inContext(std::move(next), [&] {
      for (const StmtPtr &stmt : decl.body->stmts)
        if (!executeStmt(*stmt))
          return false;
      return true;
    });
    e.builder.setInsertionPointToEnd(&block);
    route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
    func.setFunctionType(
        e.builder.getFunctionType(block.getArgumentTypes(), {}));
    if (!argAttrs.empty())
      func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
    for (auto [axis, plan] : saved)
      axis->plan = plan;
    topOp = nullptr;
    if (!good)
      func.erase();
  }
  handlers.clear();
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
    error(diag::notMutable, target.range,
          "expected a state column of a row, found " + describe(row));
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
    error(diag::stateOutsideHandler, range,
          "state '" + column->name + "' changes only in handlers")
        .note(
            "deciding reads a snapshot and is pure, so that decisions replay");
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
  mlir::Value due =
      e.compare(CompareKind::ge, e.binary(BinaryKind::sub, now, last),
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
      auto known = root->entries.find(result->name().text);
      if (known == root->entries.end() || !known->second.value.is(Kind::Axis))
        continue;
      if (found && found != known->second.value.axis)
        return nullptr;
      found = known->second.value.axis;
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
/// to its library, and so do the pools and the state that they change. They go
/// by the name of their file: `fleet.on.failure`.
void Elaborator::emitImportedHandlers(const ast::Module &own) {
  for (const auto &tree : parsed) {
    auto first = llvm::find_if(tree->decls, [](const DeclPtr &decl) {
      return isa<OnDecl>(decl.get());
    });
    if (tree.get() == &own || first == tree->decls.end())
      continue;
    StringRef file = sources.name((*first)->range.file);
    ScopePtr scope = loaded[file.str()];
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
    std::string module = llvm::sys::path::stem(file).str();
    for (const DeclPtr &decl : tree->decls)
      if (auto *on = dyn_cast<OnDecl>(decl.get()))
        emitModuleHandler(*on, scope, module);
  }
}

/// `on failure(m, code) { … }` beside the routes of a policy.
void Elaborator::emitModuleHandler(const OnDecl &decl, const ScopePtr &scope,
                                   StringRef owner) {
  struct Event {
    const char *name;
    std::vector<const char *> params; // in order; fewer may be written
    bool item;                        // it concerns one request
  };
  static const std::vector<Event> events = {
      {"dispatch", {"row"}, true},        {"usage", {"row", "usage"}, true},
      {"failure", {"row", "code"}, true}, {"feedback", {"reward"}, true},
      {"push", {"row"}, false},           {"join", {"row"}, false},
      {"leave", {"row"}, false},          {"tick", {}, false},
  };
  auto event = llvm::find_if(events, [&](const Event &known) {
    return decl.event.text == known.name;
  });
  if (event == events.end()) {
    if (decl.event.text == "commit") {
      error(diag::wrongKind, decl.event.range,
            "'on commit' stands inside the router whose plan it sees");
      return;
    }
    std::vector<std::string> names;
    for (const Event &known : events)
      names.push_back(known.name);
    error(diag::unknownName, decl.event.range,
          "unknown event '" + decl.event.text + "'")
        .suggest(decl.event.text, names)
        .note("the events are " + llvm::join(names, ", ") +
              ", and commit inside a router");
    return;
  }
  // Feedback brings what the handler asks for, by name.
  bool feedback = decl.event.text == "feedback";
  if (!feedback && decl.params.size() > event->params.size()) {
    error(diag::argumentMismatch, decl.event.range,
          "'on " + decl.event.text + "' takes at most " +
              llvm::Twine(event->params.size()) + " names, found " +
              llvm::Twine(decl.params.size()));
    return;
  }
  // What a pool with errors has cannot be said, and need not be said again.
  if (!decl.params.empty() && diags.hasErrors())
    for (const auto &tree : parsed)
      for (const DeclPtr &each : tree->decls)
        if (auto *pool = dyn_cast<PoolDecl>(each.get()))
          if (auto found = root->entries.find(pool->name.text);
              found != root->entries.end() && !found->second.pending &&
              found->second.value.isError())
            return;
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
  std::string symbol = freshSymbol(
      (owner + (owner.empty() ? "" : ".") + "on." + decl.event.text).str());
  auto func = FuncOp::create(e.builder, e.loc, symbol, FuncKind::handler,
                             e.builder.getFunctionType({}, {}));
  func.setEventAttr(e.builder.getStringAttr(decl.event.text));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  planLets.clear();
  llvm::SmallVector<mlir::Attribute> argAttrs;
  auto argument = [&](mlir::Type element, StringRef name, StringRef role,
                      const Unit &unit = {}) {
    argAttrs.push_back(portAttrs(name, role, unit));
    return block.addArgument(route::ArrayType::get(element), e.loc);
  };
  Context next;
  next.scope = std::make_shared<Scope>(scope);
  next.handler = true;
  if (every)
    next.writeMask = isDue(symbol, *every);
  bool good = true;
  const ColumnDecl *reward = nullptr;
  for (size_t i = 0; i < decl.params.size() && good; ++i) {
    const ColumnDecl &param = *decl.params[i];
    StringRef role =
                  feedback ? param.type ? "value" : "reward" : event->params[i],
              name = param.name.text;
    Value value;
    if (param.type && !feedback && role != "row") {
      error(diag::wrongKind, param.type->range,
            "the type of '" + name + "' is known: it is the " + role);
      good = false;
      break;
    }
    if (next.scope->entries.count(name.str())) {
      error(diag::duplicateName, param.range,
            "'" + name + "' is declared twice");
      good = false;
      break;
    }
    if (role == "value") {
      TypeInfo type = resolveType(*param.type, name);
      bool row = type.kind == TypeInfo::Kind::Row;
      if (type.kind == TypeInfo::Kind::None ||
          (!row &&
           (type.kind != TypeInfo::Kind::Array || !type.axes.empty()))) {
        if (type.kind != TypeInfo::Kind::None)
          error(diag::wrongKind, param.type->range,
                "feedback brings single values and refs of rows");
        good = false;
        break;
      }
      mlir::Type element =
          row ? mlir::Type(RefType::get(&context, type.rowOf->symbol))
              : storageType(type);
      if (memberTypeOf(getValueType(element))) {
        error(diag::wrongKind, param.type->range,
              "feedback brings single values and refs of rows");
        good = false;
        break;
      }
      mlir::Value given = argument(element, name, role, type.unit);
      value = row ? Value::ofAxis(Kind::Row, type.rowOf, given)
                  : Value::array(given, type.unit);
    } else if (role == "row") {
      AxisInfo *pool = rowOfEvent(decl, param);
      if (!pool) {
        good = false;
        break;
      }
      value = Value::ofAxis(
          Kind::Row, pool,
          argument(RefType::get(&context, pool->symbol), name, role));
    } else if (role == "code") {
      value = Value::array(argument(e.i64(), name, role));
    } else if (role == "reward") {
      if (reward) {
        error(diag::argumentMismatch, param.range,
              "'" + name + "' has no type, and the reward is '" +
                  reward->name.text + "'")
            .label(reward->range, "this is the reward")
            .help("write what it is: " + name + ": ref …, or " + name +
                  ": f32");
        good = false;
        break;
      }
      reward = &param;
      value = Value::array(argument(e.f32(), name, role));
    } else { // what was used, field by field
      value = Value::group(Kind::Record, {}, {});
      value.names = std::make_shared<std::vector<std::string>>();
      for (const auto &[field, type] : usageFields(poolOfEvents(&decl))) {
        value.parts->push_back(
            Value::array(argument(storageType(type), (name + "." + field).str(),
                                  "usage." + field, type.unit),
                         type.unit));
        value.names->push_back(field);
      }
    }
    next.scope->bind(name, value, param.range);
  }
  if (event->item && good)
    for (AxisInfo *item : outermostItems())
      next.frames.push_back(Frame{
          item, nullptr,
          argument(RefType::get(&context, item->symbol), item->name, "item"),
          0});
  good = good && inContext(std::move(next), [&] {
           for (const StmtPtr &stmt : decl.body->stmts)
             if (!executeStmt(*stmt))
               return false;
           return true;
         });
  for (size_t i = 0; i < keptArgs.size(); ++i)
    argAttrs.push_back(portAttrs("kept." + std::to_string(i), "kept"));
  keptArgs.clear();
  route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
  func.setFunctionType(e.builder.getFunctionType(block.getArgumentTypes(), {}));
  if (!argAttrs.empty())
    func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
  topOp = nullptr;
  if (!good)
    func.erase();
}
