// Routes that ask the host while they run.
// A step route runs for one item. Its function has blocks and branches, and
// waits where it asks the host; see docs/ir.md.
#include "Elaborator.h"
#include "Walk.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Whether the route, or one that it runs, calls the host.
bool Elaborator::isStepRoute(const RouteDecl &decl, const Scope &scope) {
  // While it is being looked at the answer is no: a circle is reported where
  // the route is expanded.
  auto [known, fresh] = stepRoutes.try_emplace(&decl, false);
  if (!fresh)
    return known->second;
  if (stepIn(decl))
    return stepRoutes[&decl] = true;
  std::vector<std::string> names;
  if (decl.value)
    names = namesCalled(*decl.value);
  if (decl.body)
    names = namesCalled(*decl.body);
  for (const std::string &name : names) {
    auto found = scope.entries.find(name);
    if (found == scope.entries.end())
      continue;
    const RouteDecl *other = dyn_cast_or_null<RouteDecl>(found->second.pending);
    if (!other && found->second.value.is(Kind::Route))
      other = found->second.value.route->decl;
    if (other && isStepRoute(*other, scope))
      return stepRoutes[&decl] = true;
  }
  return false;
}

/// The axes of items that lie within no other: requests, not their messages.
llvm::SmallVector<AxisInfo *> Elaborator::outermostItems() const {
  return llvm::to_vector(llvm::make_filter_range(itemAxes, [&](AxisInfo *item) {
    return llvm::none_of(itemAxes, [&](const AxisInfo *other) {
      return other != item && item->descendsFrom(other);
    });
  }));
}

/// The item that an untyped parameter of a step route stands for: the axis of
/// that name, or the one that there is.
AxisInfo *Elaborator::itemOfSteps(const Name &name) {
  auto [entry, scope] = cx.scope->lookup(name.text);
  if (entry) {
    Value value = resolve(*entry, *scope, name.range);
    if (value.is(Kind::Axis) && !value.axis->columns.empty() &&
        !value.axis->pool)
      return value.axis;
  }
  auto outermost = outermostItems();
  return outermost.size() == 1 ? outermost.front() : nullptr;
}

bool Elaborator::bindStepParams(RouteInstance &route, std::vector<Value> &args,
                                std::vector<mlir::Attribute> &argAttrs) {
  mlir::Block &block = cx.steps->func.getBody().front();
  auto addArgument = [&](mlir::Type type, const Name &name, StringRef role,
                         const Unit &unit = {}) {
    argAttrs.push_back(portAttrs(name.text, role, unit));
    return block.addArgument(type, locationOf(name.range));
  };
  for (const ColumnPtr &param : route.decl->params) {
    TypeInfo type;
    if (param->type) {
      type = resolveType(*param->type, param->name.text);
      if (type.kind == TypeInfo::Kind::None)
        return false;
    }
    AxisInfo *item = param->type ? nullptr : itemOfSteps(param->name);
    if (type.kind == TypeInfo::Kind::Row &&
        llvm::is_contained(itemAxes, type.rowOf))
      item = type.rowOf;
    if (!item && !param->type) {
      error(diag::stepParameter, param->name.range,
            "what '" + param->name.text + "' is, is not clear")
          .note(itemAxes.empty()
                    ? "a route runs for one item: declare an axis with "
                      "columns, such as axis request { prompt: text }"
                    : "there are several axes with columns: name it after "
                      "one of them, or give it a type");
      return false;
    }
    if (item) {
      args.push_back(itemParam(*route.decl, item, args));
      if (args.back().isError())
        return false;
      mlir::Value position =
          addArgument(e.arrayType(RefType::get(&context, item->symbol), {}),
                      param->name, "item");
      cx.frames.push_back(Frame{item, nullptr, position, 0});
      continue;
    }
    mlir::Type element =
        type.kind == TypeInfo::Kind::Row
            ? mlir::Type(RefType::get(&context, type.rowOf->symbol))
        : type.kind == TypeInfo::Kind::Array ? storageType(type)
                                             : mlir::Type();
    if (!element) {
      error(diag::stepParameter, param->type->range,
            "a route that runs for a host takes single values");
      return false;
    }
    mlir::Value argument = addArgument(e.arrayType(element, type.axes),
                                       param->name, "value", type.unit);
    args.push_back(type.kind == TypeInfo::Kind::Row
                       ? Value::ofAxis(Kind::Row, type.rowOf, argument)
                       : Value::array(argument, type.unit));
  }
  return true;
}

/// One pass over the route's body; false after an error.
bool Elaborator::emitStepBody(RouteInstance &route, StepRoute &steps) {
  const RouteDecl &decl = *route.decl;
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(module->getBody());
  e.loc = locationOf(decl.name.range);
  steps.func = FuncOp::create(e.builder, e.loc, decl.name.text, FuncKind::steps,
                              e.builder.getFunctionType({}, {}));
  mlir::Block &block = steps.func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = steps.func;
  handlers.clear();
  steps.pending.clear();
  std::vector<mlir::Attribute> argAttrs;
  Context next = cx;
  next.steps = &steps;
  next.stepPath = decl.name.text;
  next.drawPath = drawPlace(0, decl.name.range, route.path);
  bool good = inContext(std::move(next), [&] {
    std::vector<Value> args;
    if (!bindStepParams(route, args, argAttrs))
      return false;
    StepReturn target;
    target.key = cx.stepPath;
    cx.stepReturn = &target;
    cx.scope = std::make_shared<Scope>(route.locals);
    cx.route = &route;
    cx.stepRoutes.push_back(&route);
    for (size_t i = 0; i < args.size(); ++i) {
      const Name &name = decl.params[i]->name;
      cx.scope->bind(name.text, args[i], name.range);
      if (!declareVariable(name))
        return false;
    }
    route.busy = true;
    bool done = runSteps(route, target);
    route.busy = false;
    return done;
  });
  topOp = nullptr;
  mlir::Block &entry = steps.func.getBody().front();
  llvm::SmallVector<mlir::Type> results;
  if (auto found = steps.results.find(decl.name.text);
      found != steps.results.end())
    shapeTypes(found->second, results);
  steps.func.setFunctionType(
      e.builder.getFunctionType(entry.getArgumentTypes(), results));
  if (!argAttrs.empty())
    steps.func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
  return good;
}

/// The statements or value of the route; where they do not return the last
/// value is what it gives.
bool Elaborator::runSteps(RouteInstance &route, StepReturn &target) {
  const RouteDecl &decl = *route.decl;
  if (decl.value)
    return stepReturn(decl.value.get(), decl.value->range);
  llvm::ArrayRef<StmtPtr> stmts = decl.body->stmts;
  const Expr *last = nullptr;
  if (!stmts.empty())
    if (auto *value = dyn_cast<ExprStmt>(stmts.back().get())) {
      const Expr *plain = ignoreParens(value->value.get());
      auto *call = dyn_cast<CallExpr>(plain);
      if (!isa<ForExpr, CaseExpr>(plain) &&
          !(call && call->calleeName() == "reject")) {
        last = value->value.get();
        stmts = stmts.drop_back();
      }
    }
  bool good = executeSteps(stmts);
  if (!good && !cx.steps->learning)
    return false;
  if (isClosed())
    return good;
  if (last)
    return stepReturn(last, last->range) && good;
  error(diag::stepEnd, decl.name.range,
        "'" + decl.name.text + "' may come to its end without returning")
      .help("return a value, or end it with reject(503)");
  return false;
}

/// `return value`: ends the run, or goes on after the route's expansion.
bool Elaborator::stepReturn(const Expr *written, SourceRange range) {
  if (!written) {
    error(diag::argumentMismatch, range, "a route returns a value");
    return false;
  }
  Value value = evalStep(*written);
  if (value.isError())
    return false;
  if (value.is(Kind::Refusal))
    return stepRefuse(value);
  if (value.handled)
    *value.handled = true; // whoever gets it sees the code
  return endSteps(value, written->range);
}

bool Elaborator::endSteps(const Value &given, SourceRange range) {
  Value value = given;
  if (value.is(Kind::Plan))
    value = rowOfPlan(value, range);
  const RouteDecl &decl = *cx.route->decl;
  if (decl.result && !value.isError()) {
    TypeInfo type = resolveType(*decl.result, cx.route->path);
    if (type.kind == TypeInfo::Kind::Row) {
      if (!value.axis || value.axis != type.rowOf) {
        error(diag::typeMismatch, range,
              "expected a row of '" + type.rowOf->name + "', found " +
                  describe(value));
        return false;
      }
    } else if (!value.is(Kind::Result)) {
      value = convert(value, type, range);
    }
  }
  if (value.isError())
    return false;
  // The item as it is now: its columns.
  if (value.is(Kind::Row) && !value.ir && !value.axis->pool)
    value = itemRecord(value.axis);
  auto shape = shapeOf(value, range);
  if (!shape)
    return false;
  auto &known = cx.steps->results;
  auto found = known.find(cx.stepReturn->key);
  if (cx.steps->learning) {
    auto joined =
        found == known.end() ? shape : joinShapes(found->second, *shape);
    if (joined)
      known[cx.stepReturn->key] = *joined;
    cx.steps->returned.try_emplace(cx.stepReturn->key, range);
    route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
    return bool(joined);
  }
  if (found == known.end() || !joinShapes(found->second, *shape)) {
    auto message = error(diag::typeMismatch, range,
                         "this route returns other things elsewhere: found " +
                             describe(value));
    if (auto first = cx.steps->returned.find(cx.stepReturn->key);
        first != cx.steps->returned.end() && !(first->second == range))
      message.label(first->second, "returned here");
    using K = Shape::Kind;
    if (found != known.end() &&
        (shape->kind == K::Result || found->second.kind == K::Result) &&
        (shape->kind == K::Record || found->second.kind == K::Record))
      message
          .note("the answer of a call carries its code, and a record has "
                "none")
          .help("return the answer's fields, as in { text: a.text }, or add to "
                "it: a with { … }");
    return false;
  }
  llvm::SmallVector<mlir::Value> values;
  if (!storeAs(value, found->second, range, values))
    return false;
  if (cx.stepReturn->after)
    jumpTo(cx.stepReturn->after, values);
  else
    route::ReturnOp::create(e.builder, e.loc, values);
  return true;
}

/// A step route run by another: expanded in place, with a block to go on in.
Value Elaborator::inlineSteps(RouteInstance &route,
                              const std::vector<Value> &args,
                              SourceRange range) {
  const RouteDecl &decl = *route.decl;
  Context next = cx;
  next.scope = std::make_shared<Scope>(route.locals);
  next.candidate = nullptr;
  next.route = &route;
  next.stepRoutes.push_back(&route);
  next.stepPath =
      cx.stepPath + "/" + std::to_string(range.begin) + decl.name.text;
  next.drawPath = drawPlace(cx.drawPath, range, route.path);
  StepReturn target;
  target.key = next.stepPath;
  next.stepReturn = &target;
  route.busy = true;
  Value result = inContext(std::move(next), [&]() -> Value {
    for (size_t i = 0; i < args.size(); ++i) {
      const ColumnDecl &param = *decl.params[i];
      Value arg = args[i];
      if (param.type && !arg.axis)
        arg = convert(arg, resolveType(*param.type), range);
      if (arg.isError())
        return Value();
      cx.scope->bind(param.name.text, arg, param.name.range);
      if (!declareVariable(param.name))
        return Value();
    }
    auto shape = cx.steps->results.find(target.key);
    llvm::SmallVector<mlir::Type> types;
    if (!cx.steps->learning) {
      if (shape == cx.steps->results.end() && diags.hasErrors())
        return Value();                     // reported where it is declared
      if (shape == cx.steps->results.end()) // it always refuses
        return fail(diag::stepEnd, range,
                    "'" + decl.name.text + "' never returns");
      shapeTypes(shape->second, types);
      target.after = newStepBlock(types);
    }
    bool good = runSteps(route, target);
    if (!good && !cx.steps->learning)
      return Value();
    shape = cx.steps->results.find(target.key);
    if (shape == cx.steps->results.end())
      return Value();
    if (!target.after) { // learning: what it gives is known by now
      shapeTypes(shape->second, types);
      target.after = newStepBlock(types);
    }
    e.builder.setInsertionPointToEnd(target.after);
    mlir::ValueRange values = target.after->getArguments();
    Value value = loadAs(shape->second, values);
    if (value.is(Kind::Result)) {
      value.handled = std::make_shared<bool>(false);
      cx.steps->pending.push_back({value.handled, range});
    }
    return value;
  });
  route.busy = false;
  return result;
}

/// After the first pass: the axes that only it made, and their names.
void Elaborator::forgetLearning(StepRoute &steps,
                                const std::map<std::string, unsigned> &before) {
  for (AxisOp axis : steps.scratch)
    axis.erase();
  steps.scratch.clear();
  for (auto entry = usedSymbols.begin(); entry != usedSymbols.end();) {
    auto known = before.find(entry->first);
    bool gone = known == before.end() &&
                !mlir::SymbolTable::lookupSymbolIn(*module, entry->first);
    if (known != before.end())
      entry->second = known->second;
    entry = gone ? usedSymbols.erase(entry) : std::next(entry);
  }
}

static bool sameShape(const Shape &a, const Shape &b) {
  return a.kind == b.kind && a.type == b.type && a.unit == b.unit &&
         a.literal == b.literal && a.axis == b.axis && a.under == b.under &&
         a.names == b.names && llvm::equal(a.parts, b.parts, sameShape);
}

static bool sameShapes(const std::map<std::string, Shape> &a,
                       const std::map<std::string, Shape> &b) {
  return llvm::equal(a, b, [](const auto &x, const auto &y) {
    return x.first == y.first && sameShape(x.second, y.second);
  });
}

void Elaborator::emitStepEntry(RouteInstance &route, SourceRange range) {
  const RouteDecl &decl = *route.decl;
  if (decl.isRouter) {
    error(diag::callMisplaced, range,
          "router '" + decl.name.text + "' calls the host")
        .note("a router decides at once; a route may run it, and call what it "
              "chose");
    return;
  }
  freshSymbol(decl.name.text);
  StepRoute steps;
  steps.learning = true;
  // Variables may hold what other variables hold, in a loop what these are
  // given later: until nothing new is learnt. Shapes only grow, a step a pass.
  constexpr int mostPasses = 100;
  for (int pass = 0; pass < mostPasses; ++pass) {
    auto before = usedSymbols;
    auto variables = steps.variables, results = steps.results;
    bool silent = diags.setSilent(true);
    emitStepBody(route, steps);
    diags.setSilent(silent);
    steps.func.erase();
    forgetLearning(steps, before);
    if (sameShapes(variables, steps.variables) &&
        sameShapes(results, steps.results))
      break;
  }
  steps.learning = false;
  handlers.clear();
  unsigned errors = diags.errorCount();
  bool good = emitStepBody(route, steps);
  if (good)
    checkHandled(steps);
  for (PendingHandler &handler : handlers)
    if (handler.decl->event.text != "commit")
      onlyCommit(*handler.decl);
    else
      error(diag::handlerPlace, handler.decl->event.range,
            "this router decides within a key, an end or a budget of a run")
          .note(
              "what it decides there is computed again and again, and commits "
              "nothing");
  handlers.clear();
  // What failed elsewhere, such as a pool, is an error already.
  if (!good && !diags.hasErrors())
    error(diag::internal, range, "this route could not be elaborated");
  if (!good || diags.errorCount() != errors) {
    steps.func.erase();
    return;
  }
  // Results by name, as those of other routes.
  llvm::SmallVector<mlir::Attribute> attrs;
  std::function<void(const Shape &, const std::string &)> name =
      [&](const Shape &shape, const std::string &prefix) {
        if (shape.kind == Shape::Kind::None || shape.kind == Shape::Kind::Item)
          return;
        if (shape.kind == Shape::Kind::Array ||
            shape.kind == Shape::Kind::Row) {
          attrs.push_back(portAttrs(prefix, "value", shape.unit));
          return;
        }
        for (size_t i = 0; i < shape.parts.size(); ++i)
          name(shape.parts[i], prefix + "." + shape.names[i]);
      };
  if (auto found = steps.results.find(decl.name.text);
      found != steps.results.end())
    name(found->second, decl.name.text);
  if (!attrs.empty())
    steps.func.setResAttrsAttr(e.builder.getArrayAttr(attrs));
}
