// Declarations of the syntax tree.
// From the parse tree of a declaration to its nodes, one a declared name.
#include "Builder.h"

using namespace route;
using namespace route::ast;

void Builder::addDeclarations(P::DeclarationContext &ctx,
                              std::vector<DeclPtr> &out) {
  Depth guard(*this, 1);
  if (tooDeep(&ctx))
    return;
  if (auto *d = ctx.importDecl())
    out.push_back(import(*d));
  else if (auto *d = ctx.axisDecl())
    axes(*d, out);
  else if (auto *d = ctx.signalDecl())
    signals(*d, out);
  else if (auto *d = ctx.poolDecl())
    out.push_back(pool(*d));
  else if (auto *d = ctx.paramDecl())
    params(*d, out);
  else if (auto *d = ctx.stateDecl())
    states(*d, out);
  else if (auto *d = ctx.letDecl())
    lets(*d, out);
  else if (auto *d = ctx.routeDecl())
    out.push_back(route(*d));
  else if (auto *d = ctx.useDecl()) {
    auto use = make<UseDecl>(d);
    use->name = name(d->ID());
    use->value = expr(d->expr());
    out.push_back(std::move(use));
  } else if (auto *d = ctx.budgetDecl())
    out.push_back(budget(*d));
  else if (auto *d = ctx.notesDecl()) {
    auto notes = make<NotesDecl>(d);
    notes->columns = columns(d->columnBraces());
    checkDistinct(notes->columns);
    out.push_back(std::move(notes));
  } else if (auto *d = ctx.requireDecl())
    out.push_back(require(*d));
  else if (auto *d = ctx.onDecl())
    out.push_back(handler(*d));
  else if (auto *d = ctx.testDecl())
    out.push_back(test(*d));
}

DeclPtr Builder::import(P::ImportDeclContext &ctx) {
  auto node = make<ImportDecl>(&ctx);
  if (ctx.path())
    node->path = names(ctx.path()->ID());
  node->file = string(ctx.STRING());
  node->alias = name(ctx.ID());
  if (P::ImportItemsContext *items = ctx.importItems()) {
    node->selective = true;
    for (P::ImportItemContext *item : items->importItem())
      node->items.push_back(
          {name(item->ID(0)), item->AS() ? name(item->ID(1)) : Name()});
  }
  return node;
}

void Builder::axes(P::AxisDeclContext &ctx, std::vector<DeclPtr> &out) {
  for (P::AxisItemContext *item : ctx.axisItem()) {
    auto axis = make<AxisDecl>(item);
    axis->name = name(item->ID(0));
    axis->size = arith(item->arith());
    if (item->IN())
      axis->parent = name(item->ID(1));
    if (axis->name.primes())
      diags
          .report(diag::badName, axis->name.range,
                  "an axis is declared without a prime")
          .note("'" + axis->name.str() + "' names a second copy of the axis '" +
                axis->name.base() + "'");
    axis->columns = columns(item->columnBraces());
    // Braces hold members or columns; a column has a type.
    bool members = llvm::none_of(axis->columns, [](const ColumnPtr &c) {
      return c->type || c->trusted;
    });
    for (const ColumnPtr &column : axis->columns) {
      if (members)
        axis->members.push_back(column->name);
      else if (!column->type)
        diags
            .report(diag::expectedType, column->name.range,
                    "the column '" + column->name.str() + "' has no type")
            .note("braces of an axis hold members, as in half { gate, up }, or "
                  "columns, each with a type");
      if (members && column->init)
        diags.report(diag::unexpectedToken, column->init->range,
                     "the member '" + column->name.str() +
                         "' cannot have a value");
    }
    if (members)
      axis->columns.clear();
    out.push_back(std::move(axis));
  }
}

void Builder::signals(P::SignalDeclContext &ctx, std::vector<DeclPtr> &out) {
  std::vector<Name> all = names(ctx.ID());
  bool hasValue = ctx.ASSIGN() != nullptr;
  if (hasValue && all.size() > 1)
    diags.report(diag::unexpectedToken, all[1].range,
                 "a signal with a value is declared alone");
  for (Name &each : all) {
    auto node = make<SignalDecl>(&ctx);
    node->name = std::move(each);
    node->type = type(ctx.type());
    antlr4::tree::ParseTree *last = nullptr;
    for (antlr4::tree::ParseTree *child : ctx.children) {
      if (auto *value = dynamic_cast<P::ExprContext *>(child)) {
        bool fallback = static_cast<antlr4::tree::TerminalNode *>(last)
                            ->getSymbol()
                            ->getType() == P::ELSE;
        (fallback ? node->fallback : node->value) = expr(value);
      }
      last = child;
    }
    node->timeout = arith(ctx.arith());
    if (!node->type && !node->value)
      diags
          .report(diag::expectedType, node->name.range,
                  "the signal '" + node->name.str() +
                      "' has neither a type nor a value")
          .note("an input has a type, as in signal x : bf16[token, hidden]; a "
                "computed signal has a value");
    out.push_back(std::move(node));
  }
}

template <typename NodeT>
std::vector<std::unique_ptr<NodeT>>
Builder::valueDecls(const std::vector<ColumnPtr> &columns) {
  std::vector<std::unique_ptr<NodeT>> result;
  for (const ColumnPtr &column : columns) {
    auto node = std::make_unique<NodeT>();
    node->range = column->range;
    node->name = column->name;
    node->type = std::move(column->type);
    node->init = std::move(column->init);
    node->source = std::move(column->source);
    if (!node->type)
      diags.report(diag::expectedType, node->name.range,
                   "'" + node->name.str() + "' has no type");
    checkColumn(*column, /*live=*/false, /*stored=*/true);
    result.push_back(std::move(node));
  }
  return result;
}

void Builder::params(P::ParamDeclContext &ctx, std::vector<DeclPtr> &out) {
  for (auto &node :
       valueDecls<ParamDecl>(columns(ctx.columns(), /*shareTypes=*/true)))
    out.push_back(std::move(node));
}

void Builder::states(P::StateDeclContext &ctx, std::vector<DeclPtr> &out) {
  for (auto &node :
       valueDecls<StateDecl>(columns(ctx.columns(), /*shareTypes=*/true))) {
    node->capacity = arith(ctx.arith());
    node->policy = name(ctx.POLICY());
    out.push_back(std::move(node));
  }
}

void Builder::lets(P::LetDeclContext &ctx, std::vector<DeclPtr> &out) {
  for (P::LetItemContext *item : ctx.letItem()) {
    auto node = make<LetDecl>(item);
    node->exact = ctx.EXACT() != nullptr;
    P::LetTargetContext *target = item->letTarget();
    node->names = names(target->ID());
    if (P::ParametersContext *list = target->parameters()) {
      node->isFunction = true;
      node->params = parameters(list);
    }
    // `let x : T = call …  -> U`: U belongs to the call, T to x.
    node->value = expr(item->expr());
    node->type = type(item->type());
    answer(item->answer(), node->value.get());
    out.push_back(std::move(node));
  }
}

DeclPtr Builder::route(P::RouteDeclContext &ctx) {
  auto node = make<RouteDecl>(&ctx);
  node->isRouter = ctx.ROUTER() != nullptr;
  node->name = name(ctx.ID());
  if (P::AxisParametersContext *list = ctx.axisParameters())
    node->axisParams = names(list->ID());
  node->params = parameters(ctx.parameters(), node->axisParams);
  node->result = type(ctx.type());
  node->under = budgets(ctx.budgets());
  if (ctx.braces())
    node->body = block(ctx.braces());
  else
    node->value = expr(ctx.expr());
  return node;
}

DeclPtr Builder::budget(P::BudgetDeclContext &ctx) {
  auto node = make<BudgetDecl>(&ctx);
  node->name = name(ctx.ID());
  for (P::BudgetClauseContext *clause : ctx.budgetClause()) {
    antlr4::tree::ParseTree *keyword = clause->children.front();
    auto take = [&](ExprPtr &slot, auto build) {
      if (once(slot != nullptr, keyword))
        slot = build();
    };
    auto value = [&] { return expr(clause->expr()); };
    auto simple = [&] { return arith(clause->arith()); };
    switch (clause->getStart()->getType()) {
    case P::RESERVE:
      take(node->reserve, value);
      break;
    case P::CHARGE:
      take(node->charge, value);
      break;
    case P::LIMIT:
      take(node->limit, value);
      break;
    case P::LEASE:
      take(node->lease, simple);
      break;
    case P::WARN:
      take(node->warn, simple);
      break;
    case P::PER:
      if (once(!node->per.empty(), keyword))
        node->per = list(clause->arith());
      break;
    case P::WINDOW:
      if (once(bool(node->window), keyword)) {
        node->window = name(clause->ID());
        node->windowLength = simple();
      }
      break;
    }
  }
  std::string missing;
  if (!node->reserve)
    missing += "'reserve'";
  if (!node->window)
    missing += missing.empty() ? "'window'" : ", 'window'";
  if (!node->limit)
    missing += missing.empty() ? "'limit'" : ", 'limit'";
  if (!missing.empty())
    diags
        .report(diag::missingClause, node->name.range,
                "the budget '" + node->name.str() + "' lacks " + missing)
        .note("a budget says what a call reserves, over which window, and the "
              "limit");
  return node;
}

DeclPtr Builder::require(P::RequireDeclContext &ctx) {
  auto node = make<RequireDecl>(&ctx);
  node->cond = cond(ctx.cond(0));
  node->where = cond(ctx.cond(1));
  node->otherwise = expr(ctx.expr(), Return::Allowed);
  return node;
}

DeclPtr Builder::handler(P::OnDeclContext &ctx) {
  auto node = make<OnDecl>(&ctx);
  node->event = name(ctx.ID());
  for (P::EventValueContext *value : ctx.eventValue()) {
    auto param = make<ColumnDecl>(value);
    param->name = name(value->ID());
    param->type = type(value->type());
    node->params.push_back(std::move(param));
  }
  checkDistinct(node->params);
  node->every = arith(ctx.arith());
  node->body = block(ctx.braces());
  return node;
}

DeclPtr Builder::test(P::TestDeclContext &ctx) {
  auto node = make<TestDecl>(&ctx);
  node->name = string(ctx.STRING());
  node->router = name(ctx.ID());
  bool given =
      llvm::any_of(ctx.braces()->braceItem(), [](P::BraceItemContext *item) {
        return item->columnName() || item->columnPath();
      });
  if (ctx.ARROW()) {
    node->inputs = inputs(*ctx.braces());
    node->expected = expr(ctx.expr());
  } else if (given) {
    diags
        .report(diag::unexpectedToken, range(&ctx),
                "this test does not say what it expects")
        .help("write it behind the braces: { … } -> row");
    node->body = make<BlockStmt>(ctx.braces());
  } else {
    node->body = block(ctx.braces());
  }
  return node;
}

std::unique_ptr<RuleDecl> Builder::rule(P::RuleDeclContext &ctx) {
  auto node = make<RuleDecl>(&ctx);
  node->name = name(ctx.ID());
  node->attributes = plainArguments(ctx.arguments());
  std::vector<P::ExprContext *> parts = ctx.expr();
  if (ctx.WHEN())
    node->cond = expr(parts.front());
  node->target = expr(parts.back());
  return node;
}

ColumnPtr Builder::column(P::ColumnContext &ctx) {
  auto node = make<ColumnDecl>(&ctx);
  node->trusted = ctx.TRUSTED() != nullptr;
  node->name = name(ctx.columnName());
  node->type = type(ctx.type());
  antlr4::tree::ParseTree *last = nullptr;
  for (antlr4::tree::ParseTree *child : ctx.children) {
    if (auto *value = dynamic_cast<P::ExprContext *>(child)) {
      bool fallback = static_cast<antlr4::tree::TerminalNode *>(last)
                          ->getSymbol()
                          ->getType() == P::ELSE;
      (fallback ? node->fallback : node->init) = expr(value);
    }
    last = child;
  }
  node->stale = arith(ctx.arith());
  node->source = string(ctx.STRING());
  return node;
}

void Builder::checkColumn(const ColumnDecl &column, bool live, bool stored) {
  if (column.stale && !live)
    diags.report(diag::unexpectedToken, column.stale->range,
                 "only live attributes go stale");
  if (column.source && !stored)
    diags
        .report(diag::unexpectedToken, column.source->range,
                "only parameters and state outside of pools start 'from' a "
                "tensor")
        .note("over the rows of a pool: param b: f32[experts] from \"b\"");
}

std::vector<ColumnPtr> Builder::columns(P::ColumnsContext *ctx,
                                        bool shareTypes) {
  std::vector<ColumnPtr> result;
  if (!ctx)
    return result;
  std::vector<P::ColumnContext *> list = ctx->column();
  for (P::ColumnContext *item : list)
    result.push_back(column(*item));
  if (shareTypes) {
    P::TypeContext *shared = nullptr;
    for (size_t i = list.size(); i-- > 0;) {
      if (list[i]->type())
        shared = list[i]->type();
      else
        result[i]->type = type(shared);
    }
  }
  return result;
}

std::vector<ColumnPtr> Builder::columns(P::ColumnBracesContext *ctx) {
  std::vector<ColumnPtr> result;
  if (ctx)
    for (P::ColumnContext *item : ctx->column())
      checkColumn(*result.emplace_back(column(*item)), /*live=*/false,
                  /*stored=*/false);
  return result;
}

std::vector<ColumnPtr> Builder::parameters(P::ParametersContext *ctx,
                                           const std::vector<Name> &before) {
  std::vector<ColumnPtr> result = columns(ctx->columns(), /*shareTypes=*/false);
  for (const ColumnPtr &column : result)
    checkColumn(*column, /*live=*/false, /*stored=*/false);
  checkDistinct(result, before);
  return result;
}
