// Pools of the syntax tree.
// From the parse tree of a pool to its node: attributes, bodies, rows, clauses
// and what is declared inside.
#include "Builder.h"

using namespace route;
using namespace route::ast;

DeclPtr Builder::pool(P::PoolDeclContext &ctx) {
  auto node = make<PoolDecl>(&ctx);
  node->name = name(ctx.ID(0));
  if (P::PoolSizeContext *size = ctx.poolSize()) {
    node->size = arith(size->arith());
    node->sizeForm = size->MAX() ? PoolDecl::Size::Max : PoolDecl::Size::Fixed;
    if (!size->MAX() && plainName(node->size.get()) == "dynamic") {
      node->sizeForm = PoolDecl::Size::Dynamic;
      node->size = nullptr;
    }
  }
  if (ctx.IN())
    node->parent = name(ctx.ID(1));
  node->value = expr(ctx.expr());
  if (P::PoolBracesContext *braces = ctx.poolBraces())
    for (P::PoolItemContext *item : braces->poolItem())
      poolItem(*item, *node);
  return node;
}

void Builder::poolItem(P::PoolItemContext &ctx, PoolDecl &pool) {
  auto attributes = [&](AttrKind kind, P::ColumnsContext *list) {
    for (ColumnPtr &column : columns(list, /*shareTypes=*/true)) {
      column->attr = kind;
      if (!column->type)
        diags.report(diag::expectedType, column->name.range,
                     "the attribute '" + column->name.str() + "' has no type");
      checkColumn(*column, kind == AttrKind::Live, /*stored=*/false);
      pool.attributes.push_back(std::move(column));
    }
  };
  if (P::AttributesContext *list = ctx.attributes()) {
    attributes(list->LIVE()    ? AttrKind::Live
               : list->CONST() ? AttrKind::Const
                               : AttrKind::Attr,
               list->columns());
  } else if (P::BodyDeclContext *body = ctx.bodyDecl()) {
    auto node = make<BodyDecl>(body);
    node->name = name(body->ID());
    node->params = parameters(body->parameters());
    node->result = type(body->type());
    pool.bodies.push_back(std::move(node));
  } else if (P::PoolClauseContext *clause = ctx.poolClause()) {
    poolClause(*clause, pool);
  } else if (P::MemberContext *member = ctx.member()) {
    auto node = make<MemberDecl>(member);
    node->name = name(member->ID());
    node->size = arith(member->arith());
    node->value = expr(member->expr());
    if (member->braces())
      node->fields = fields(member->braces()->braceItem());
    pool.members.push_back(std::move(node));
  } else if (P::DeclarationContext *declaration = ctx.declaration()) {
    // State of a pool's rows is an attribute; with a capacity it is a table.
    P::StateDeclContext *state = declaration->stateDecl();
    if (state && !state->MAX())
      attributes(AttrKind::State, state->columns());
    else
      addDeclarations(*declaration, pool.decls);
  }
}

void Builder::poolClause(P::PoolClauseContext &ctx, PoolDecl &pool) {
  antlr4::tree::ParseTree *keyword = ctx.children.front();
  switch (ctx.getStart()->getType()) {
  case P::INDEX:
    pool.indexes.push_back(arith(ctx.arith(0)));
    break;
  case P::EXPIRE:
    if (once(pool.expire != nullptr, keyword))
      pool.expire = arith(ctx.arith(0));
    break;
  case P::QUOTA:
    if (once(pool.quota != nullptr, keyword)) {
      pool.quota = arith(ctx.arith(0));
      if (ctx.PER())
        pool.quotaPer = list(ctx.arith(1));
    }
    break;
  case P::EVICT:
    if (once(bool(pool.evict), keyword))
      pool.evict = name(ctx.ID());
    break;
  }
}
