// Statements and braces.
// The grammar has one kind of braces; where they stand decides whether they are
// a block of statements, a set, a record or the inputs of a test.
#include "Builder.h"
#include "Tokens.h"

using namespace route;
using namespace route::ast;

std::unique_ptr<BlockStmt> Builder::block(antlr4::ParserRuleContext *ctx,
                                          const Items &items) {
  auto node = make<BlockStmt>(ctx);
  Depth guard(*this, 1);
  if (tooDeep(ctx))
    return node;
  for (P::BraceItemContext *item : items) {
    if (item->columnName() || item->columnPath())
      diags
          .report(diag::expectedStatement, range(item->getStart()),
                  "expected a statement, found the field '" +
                      text(item->getStart()) + "'")
          .note("a block holds statements; an assignment is written with '='");
    else if (item->simple())
      node->stmts.push_back(simple(*item->simple()));
    else
      addStatement(*item->statement(), node->stmts);
    if (item->COMMA())
      diags.report(diag::unexpectedToken, range(item->COMMA()->getSymbol()),
                   "statements stand without ',' between them");
  }
  checkUnused(*node);
  return node;
}

void Builder::checkUnused(const BlockStmt &block) {
  // What is recorded after a value does not take its place as the last one.
  size_t last = block.stmts.size();
  while (last > 0 &&
         llvm::isa<KeepStmt, EmitStmt, NoteStmt>(block.stmts[last - 1].get()))
    --last;
  for (size_t i = 0; i + 1 < last; ++i) {
    auto *statement = llvm::dyn_cast<ExprStmt>(block.stmts[i].get());
    if (!statement)
      continue;
    const Expr *value = ignoreParens(statement->value.get());
    auto *binary = llvm::dyn_cast<BinaryExpr>(value);
    bool plain =
        binary
            ? binary->op != BinaryOp::Coalesce
            : llvm::isa<NameExpr, NumberExpr, StringExpr, BoolExpr, MemberExpr,
                        IndexExpr, TupleExpr, ListExpr, SetExpr, UnaryExpr>(
                  value);
    if (!plain)
      continue;
    auto message =
        diags.report(diag::unusedValue, value->range, "this value is not used");
    auto *word = llvm::dyn_cast<NameExpr>(value);
    if (word &&
        llvm::is_contained({"var", "val", "auto", "mut"}, word->name.text))
      message.help("a name is bound by 'let'");
    else if (word)
      message.suggest(word->name.str(), clauseWords());
    else if (binary && binary->op == BinaryOp::Eq)
      message.help("an assignment is written with '='");
    return;
  }
}

Builder::P::FormContext *Builder::soleForm(P::ExprContext &ctx) {
  if (ctx.children.size() != 1 || ctx.cond(0)->children.size() != 1)
    return nullptr;
  P::ArithContext *arith = ctx.cond(0)->arith(0);
  if (arith->children.size() != 1 || arith->operand(0)->children.size() != 1)
    return nullptr;
  return arith->operand(0)->form();
}

bool Builder::hasCommas(const Items &items) {
  return llvm::any_of(items, [](P::BraceItemContext *item) {
    return item->COMMA() != nullptr;
  });
}

void Builder::addStatement(P::StatementContext &ctx,
                           std::vector<StmtPtr> &out) {
  if (P::DeclarationContext *declaration = ctx.declaration()) {
    std::vector<DeclPtr> decls;
    addDeclarations(*declaration, decls);
    for (DeclPtr &decl : decls) {
      auto node = std::make_unique<DeclStmt>();
      node->range = decl->range;
      node->decl = std::move(decl);
      out.push_back(std::move(node));
    }
    return;
  }
  if (ctx.NOTE()) {
    auto node = make<NoteStmt>(&ctx);
    node->name = name(ctx.ID());
    node->args = plainArguments(ctx.arguments());
    out.push_back(std::move(node));
  } else if (ctx.EMIT()) {
    auto node = make<EmitStmt>(&ctx);
    node->name = name(ctx.ID());
    node->value = expr(ctx.expr());
    out.push_back(std::move(node));
  } else if (ctx.KEEP()) {
    auto node = make<KeepStmt>(&ctx);
    node->values = expressions(ctx.expressions());
    out.push_back(std::move(node));
  } else if (ctx.EXPECT()) {
    auto node = make<ExpectStmt>(&ctx);
    node->cond = expr(ctx.expr());
    out.push_back(std::move(node));
  }
}

StmtPtr Builder::simple(P::SimpleContext &ctx) {
  return ctx.assignOp() ? assignment(ctx) : expressionStatement(*ctx.expr(0));
}

StmtPtr Builder::expressionStatement(P::ExprContext &ctx) {
  if (P::FormContext *sole = soleForm(ctx)) {
    if (P::ReturnFormContext *form = sole->returnForm()) {
      auto node = make<ReturnStmt>(&ctx);
      node->value = expr(form->expr());
      return node;
    }
    if (sole->ifForm() && !sole->ifForm()->THEN())
      return ifStatement(*sole->ifForm());
  }
  auto node = make<ExprStmt>(&ctx);
  node->value = expr(&ctx);
  return node;
}

/// `-> TYPE timeout TIME` behind `call f(x)`, or nothing.
void Builder::answer(P::AnswerContext *ctx, Expr *call) {
  if (!ctx)
    return;
  auto *out = llvm::dyn_cast_or_null<CallOutExpr>(call);
  if (!out) {
    diags.report(diag::unexpectedToken, range(ctx->ARROW()->getSymbol()),
                 "only a 'call' is followed by the type of its result");
    return;
  }
  out->result = type(ctx->type());
  if (ctx->TIMEOUT() && once(out->timeout != nullptr, ctx->TIMEOUT()))
    out->timeout = arith(ctx->arith());
}

StmtPtr Builder::assignment(P::SimpleContext &ctx) {
  auto node = make<AssignStmt>(&ctx);
  switch (ctx.assignOp()->getStart()->getType()) {
  case P::ADD_TO:
    node->op = AssignOp::Add;
    break;
  case P::SUB_FROM:
    node->op = AssignOp::Sub;
    break;
  case P::MUL_BY:
    node->op = AssignOp::Mul;
    break;
  case P::DIV_BY:
    node->op = AssignOp::Div;
    break;
  default:
    node->op = AssignOp::Set;
  }
  node->target = expr(ctx.expr(0));
  node->value = expr(ctx.expr(1));
  answer(ctx.answer(), node->value.get());
  auto isPlace = [](const Expr *e) {
    return llvm::isa<NameExpr, MemberExpr, IndexExpr>(e);
  };
  const Expr *target = ignoreParens(node->target.get());
  const auto *tuple = llvm::dyn_cast<TupleExpr>(target);
  bool good =
      tuple ? llvm::all_of(tuple->elements,
                           [&](const ExprPtr &e) { return isPlace(e.get()); })
            : isPlace(target);
  if (!good)
    diags
        .report(diag::notAssignable, node->target->range,
                "this cannot be assigned to")
        .note("the left side is a name, an element or a column; equality is "
              "written '=='");
  else if (tuple && node->op != AssignOp::Set)
    diags.report(diag::notAssignable, range(ctx.assignOp()),
                 "a tuple is assigned with '='");
  return node;
}

StmtPtr Builder::ifStatement(P::IfFormContext &ctx) {
  auto node = make<IfStmt>(&ctx);
  Depth guard(*this, 1);
  if (tooDeep(&ctx))
    return node;
  node->cond = expr(ctx.expr(0));
  node->thenBlock = block(ctx.braces(0));
  if (P::IfFormContext *next = ctx.ifForm()) {
    if (next->THEN())
      diags.report(
          diag::unexpectedToken, range(next),
          "an 'if' with 'then' is a value and cannot follow a block's 'else'");
    else
      node->elseStmt = ifStatement(*next);
  } else if (ctx.braces().size() > 1) {
    node->elseStmt = block(ctx.braces(1));
  }
  return node;
}

ExprPtr Builder::braceLiteral(P::LiteralContext &ctx) {
  std::vector<P::BraceItemContext *> items = ctx.braceItem();
  bool record = !items.empty() && items.front()->columnName();
  if (record) {
    auto node = make<RecordExpr>(&ctx);
    node->fields = fields(items);
    return node;
  }
  auto node = make<SetExpr>(&ctx);
  // Elements are whole expressions with a comma between any two.
  for (size_t i = 0; i < items.size(); ++i) {
    P::SimpleContext *element = items[i]->simple();
    if (!element || element->assignOp()) {
      diags.report(diag::expectedExpression, range(items[i]),
                   "a set holds values, a record holds fields 'name: value'");
      return node;
    }
    node->elements.push_back(expr(element->expr(0)));
    if (i + 1 < items.size() && !items[i]->COMMA()) {
      diags.report(diag::unexpectedToken, range(items[i + 1]->getStart()),
                   "expected ',' or '}' after an element of a set");
      return node;
    }
  }
  return node;
}

std::vector<Arg> Builder::fields(const Items &items) {
  std::vector<Arg> result;
  for (P::BraceItemContext *item : items) {
    if (!item->columnName()) {
      diags.report(diag::unexpectedToken, range(item),
                   "expected a field 'name: value'");
      return result;
    }
    Name field = name(item->columnName());
    for (const Arg &known : result)
      if (known.name.text == field.text)
        diags
            .report(diag::duplicateClause, field.range,
                    "'" + field.text + "' is given twice")
            .label(known.name.range, "the first");
    result.push_back({std::move(field), expr(item->expr())});
  }
  return result;
}

std::vector<TestDecl::Input> Builder::inputs(P::BracesContext &ctx) {
  std::vector<TestDecl::Input> result;
  for (P::BraceItemContext *item : ctx.braceItem()) {
    if (item->columnName()) {
      result.push_back({name(item->columnName()), false, expr(item->expr()),
                        nullptr, nullptr});
      continue;
    }
    if (P::ColumnPathContext *path = item->columnPath()) {
      auto start = make<NameExpr>(path);
      start->name = name(path->ID());
      start->range = start->name.range;
      TestDecl::Input input;
      input.cell = std::move(start);
      for (P::ColumnNameContext *part : path->columnName()) {
        auto member = make<MemberExpr>(path);
        member->member = name(part);
        member->range.end = member->member.range.end;
        member->base = std::move(input.cell);
        input.cell = std::move(member);
      }
      input.value = expr(item->expr());
      result.push_back(std::move(input));
      continue;
    }
    P::SimpleContext *statement = item->simple();
    ExprPtr target =
        statement && statement->assignOp() ? expr(statement->expr(0)) : nullptr;
    auto *plain = llvm::dyn_cast_or_null<NameExpr>(target.get());
    if (llvm::isa_and_nonnull<CallExpr>(target.get()) &&
        statement->assignOp()->getStart()->getType() == P::ASSIGN) {
      TestDecl::Input input;
      input.call.reset(llvm::cast<CallExpr>(target.release()));
      input.value = expr(statement->expr(1));
      result.push_back(std::move(input));
      continue;
    }
    if (llvm::isa_and_nonnull<MemberExpr, IndexExpr>(target.get()) &&
        statement->assignOp()->getStart()->getType() == P::ASSIGN) {
      TestDecl::Input input;
      input.isSignal = true;
      input.cell = std::move(target);
      input.value = expr(statement->expr(1));
      result.push_back(std::move(input));
      continue;
    }
    if (!plain || statement->assignOp()->getStart()->getType() != P::ASSIGN) {
      diags
          .report(diag::unexpectedToken, range(item),
                  "expected an input of the test")
          .note(
              "a column is given as 'name: value', a signal as 'name = value', "
              "a live or state column as 'row.name = value', an element of "
              "state as 'name[position] = value', an answer of the host as "
              "'chat(row) = value'");
      continue;
    }
    result.push_back(
        {plain->name, true, expr(statement->expr(1)), nullptr, nullptr});
  }
  return result;
}
