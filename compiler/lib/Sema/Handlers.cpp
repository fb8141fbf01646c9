// Handlers of routers.
// A handler of a router sees the router's plan and lets. They become results of
// the entry point (role `kept`) and arguments of the handler's function, so
// that the handler works on what was decided and not on what would be decided
// now.
#include "Elaborator.h"
#include "Walk.h"
#include "llvm/ADT/SetVector.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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
    std::string router = handler.router->decl->name.text;
    if (ScopePtr own = scopeOf(handler.router->decl->range.file))
      router = symbolIn(*own, router);
    if (router != name)
      name += "." + router;
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
