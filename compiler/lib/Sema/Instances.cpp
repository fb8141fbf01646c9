// Routers and bodies where they are used: each use has storage of its own.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

RouteInstance *Elaborator::makeInstance(const RouteDecl &decl, ScopePtr scope,
                                        StringRef path,
                                        std::vector<AxisInfo *> pools) {
  RouteInstance &instance = instances.emplace_back();
  instance.decl = &decl;
  instance.path = path.str();
  instance.scope = std::move(scope);
  instance.pools = std::move(pools);
  instance.locals = std::make_shared<Scope>(instance.scope);
  instance.locals->owner = &instance;
  instance.locals->path = instance.path;
  if (decl.body)
    for (const StmtPtr &stmt : decl.body->stmts)
      if (auto *local = dyn_cast<DeclStmt>(stmt.get());
          local && !isa<LetDecl>(local->decl.get()))
        declare(*local->decl, *instance.locals);
  return &instance;
}

RouteInstance *Elaborator::instantiate(const Expr &expr, StringRef path,
                                       std::vector<AxisInfo *> pools) {
  const Expr *plain = ignoreParens(&expr);
  const IndexExpr *index = dyn_cast<IndexExpr>(plain);
  const Expr *base = index ? ignoreParens(index->base.get()) : plain;
  Value value;
  if (auto *name = dyn_cast<NameExpr>(base))
    value = lookup(name->name);
  else
    value = eval(*base);
  if (value.isError())
    return nullptr;
  if (value.is(Kind::Builtin) &&
      (value.text == "identity" || value.text == "skip")) {
    RouteInstance &instance = instances.emplace_back();
    instance.builtin = value.text;
    return &instance;
  }
  if (!value.is(Kind::Route) || !value.route->decl) {
    error(diag::wrongKind, expr.range,
          "expected a route as a body, found " + describe(value));
    return nullptr;
  }
  const RouteDecl &decl = *value.route->decl;
  size_t given = index ? index->args.size() : 0;
  if (given != decl.axisParams.size()) {
    error(diag::argumentMismatch, expr.range,
          "route '" + decl.name.text + "' takes " +
              llvm::Twine(decl.axisParams.size()) +
              " axes in brackets, found " + llvm::Twine(given))
        .label(decl.name.range, "declared here");
    return nullptr;
  }
  auto scope = std::make_shared<Scope>(value.route->scope);
  for (size_t i = 0; i < given; ++i) {
    AxisInfo *axis = axisFrom(*index->args[i].value);
    if (!axis)
      return nullptr;
    scope->bind(decl.axisParams[i].text, Value::ofAxis(Kind::Axis, axis),
                decl.axisParams[i].range);
  }
  return makeInstance(decl, scope, path, std::move(pools));
}

Value Elaborator::elaborateUse(const UseDecl &decl, Scope &scope) {
  RouteInstance *instance = instantiate(
      *decl.value, symbolIn(scope, decl.name.text), enclosingPools(scope));
  if (!instance)
    return Value();
  Value value = Value::ofKind(Kind::Route);
  value.route = instance;
  return value;
}
