// Choice, cases, loops and calls.
// The expressions that begin with a word.
#include "Builder.h"

using namespace route;
using namespace route::ast;

ExprPtr Builder::form(P::FormContext &ctx, Return mayReturn) {
  Depth guard(*this, 1);
  if (tooDeep(&ctx))
    return missing(range(&ctx));
  if (auto *f = ctx.literal())
    return braceLiteral(*f);
  if (auto *f = ctx.ifForm())
    return ifValue(*f);
  if (auto *f = ctx.caseForm())
    return caseValue(*f);
  if (auto *f = ctx.chooseForm())
    return choose(*f);
  if (auto *f = ctx.forForm())
    return loop(*f);
  if (auto *f = ctx.callForm())
    return callOut(*f);
  if (auto *f = ctx.parForm()) {
    auto node = make<ParExpr>(f);
    node->count = arith(f->arith(0));
    node->body = block(f->braces());
    node->need = arith(f->arith(1));
    return node;
  }
  P::ReturnFormContext *f = ctx.returnForm();
  if (mayReturn == Return::Forbidden)
    diags
        .report(diag::unexpectedToken, range(f->getStart()),
                "'return' cannot stand inside an expression")
        .note("it is a statement, or the last resort after 'else' or a double "
              "question mark");
  auto node = make<ReturnExpr>(f);
  node->value = expr(f->expr());
  return node;
}

ExprPtr Builder::ifValue(P::IfFormContext &ctx) {
  if (!ctx.THEN()) {
    diags
        .report(diag::expectedExpression, range(ctx.getStart()),
                "an 'if' with a block is a statement and has no value")
        .note("a value is written 'if c then a else b'");
    return missing(range(&ctx));
  }
  auto node = make<IfExpr>(&ctx);
  node->cond = expr(ctx.expr(0));
  node->thenValue = expr(ctx.expr(1));
  node->elseValue = expr(ctx.expr(2), Return::Allowed);
  return node;
}

ExprPtr Builder::caseValue(P::CaseFormContext &ctx) {
  auto node = make<CaseExpr>(&ctx);
  std::vector<P::ExprContext *> parts = ctx.expr();
  if (P::ArmBracesContext *braces = ctx.armBraces()) {
    node->subject = expr(parts.front());
    for (P::ArmContext *entry : braces->arm())
      node->arms.push_back(arm(*entry));
    for (size_t i = 0; i + 1 < node->arms.size(); ++i)
      if (node->arms[i].form == CaseArm::Form::Otherwise)
        diags
            .report(diag::badCase, node->arms[i + 1].range,
                    "this arm is never reached")
            .label(node->arms[i].range, "'otherwise' always matches");
    if (node->arms.empty())
      diags.report(diag::badCase, node->range, "a case without arms");
    return node;
  }
  // Condition, value, condition, value, …, value of otherwise.
  for (size_t i = 0; i < parts.size(); i += 2) {
    CaseArm entry;
    bool last = i + 1 == parts.size();
    entry.form = last ? CaseArm::Form::Otherwise : CaseArm::Form::Test;
    if (!last)
      entry.test = expr(parts[i]);
    entry.value = expr(parts[last ? i : i + 1], Return::Allowed);
    entry.range = range(parts[i]).to(entry.value->range);
    node->arms.push_back(std::move(entry));
  }
  return node;
}

CaseArm Builder::arm(P::ArmContext &ctx) {
  CaseArm result;
  result.range = range(&ctx);
  if (ctx.OTHERWISE()) {
    result.form = CaseArm::Form::Otherwise;
  } else {
    ExprPtr pattern = expr(ctx.expr());
    auto *call = llvm::dyn_cast<CallExpr>(pattern.get());
    llvm::StringRef word = call ? call->calleeName() : plainName(pattern.get());
    auto form = word == "ok"       ? CaseArm::Form::Ok
                : word == "failed" ? CaseArm::Form::Failed
                : word == "known"  ? CaseArm::Form::Known
                                   : CaseArm::Form::Test;
    result.form = form;
    if (form == CaseArm::Form::Test) {
      result.test = std::move(pattern);
    } else if (call) {
      Expr *inner =
          call->args.size() == 1 && !call->args[0].name && !call->isReduction()
              ? call->args[0].value.get()
              : nullptr;
      // `timeout` is a code, not a name for any.
      auto *plain = llvm::dyn_cast_or_null<NameExpr>(inner);
      if (plain &&
          !(form == CaseArm::Form::Failed && plain->name.text == "timeout"))
        result.binder = plain->name;
      else if (inner && form == CaseArm::Form::Failed)
        result.test = std::move(call->args[0].value);
      else
        diags
            .report(diag::badCase, pattern->range,
                    "'" + word + "' holds one name" +
                        (form == CaseArm::Form::Failed ? " or code" : ""))
            .note("patterns are ok, ok(y), failed, failed(c), "
                  "failed(400..428), failed(timeout), known(g), a value, "
                  "otherwise");
    }
  }
  // A value stands as it is; everything else is a statement.
  P::SimpleContext *plain = ctx.body()->simple();
  P::FormContext *sole =
      plain && !plain->assignOp() ? soleForm(*plain->expr(0)) : nullptr;
  P::LiteralContext *braces = sole ? sole->literal() : nullptr;
  if (braces && !hasCommas(braces->braceItem())) {
    Items items = braces->braceItem();
    if (items.size() == 1 && items.front()->columnName())
      result.value = braceLiteral(*braces);
    else
      result.body = block(braces, items);
  } else if (plain) {
    bool statement = plain->assignOp() ||
                     (sole && (sole->returnForm() ||
                               (sole->ifForm() && !sole->ifForm()->THEN())));
    if (statement)
      result.body = simple(*plain);
    else
      result.value = expr(plain->expr(0));
  } else {
    std::vector<StmtPtr> list;
    addStatement(*ctx.body()->statement(), list);
    auto group = make<BlockStmt>(ctx.body());
    group->stmts = std::move(list);
    result.body = group->stmts.size() == 1 ? std::move(group->stmts.front())
                                           : StmtPtr(std::move(group));
  }
  return result;
}

ExprPtr Builder::choose(P::ChooseFormContext &ctx) {
  auto node = make<ChooseExpr>(&ctx);
  count(*ctx.count(), *node);
  for (P::ChooseClauseContext *clause : ctx.chooseClause())
    chooseClause(*clause, *node);
  if (node->countForm == ChooseExpr::Count::First && node->rules.empty())
    diags
        .report(diag::missingClause, range(ctx.getStart()),
                "'choose first' has no rules")
        .note("write them in braces: { when c -> a  otherwise -> b }");
  node->otherwise = expr(ctx.expr(), Return::Allowed);
  return node;
}

void Builder::count(P::CountContext &ctx, ChooseExpr &node) {
  using Count = ChooseExpr::Count;
  switch (ctx.getStart()->getType()) {
  case P::ALL:
    node.countForm = Count::All;
    return;
  case P::FIRST:
    node.countForm = Count::First;
    return;
  case P::UNTIL:
    node.countForm = Count::Until;
    node.count = cond(ctx.cond());
    return;
  case P::LISTED:
    node.countForm = Count::Listed;
    break;
  case P::PATH:
    node.countForm = Count::Path;
    node.from = arith(ctx.arith(0));
    node.to = arith(ctx.arith(1));
    return;
  default:
    break;
  }
  node.count = arith(ctx.arith(0));
}

void Builder::chooseClause(P::ChooseClauseContext &ctx, ChooseExpr &node) {
  antlr4::tree::ParseTree *keyword = ctx.children.front();
  constexpr llvm::StringLiteral note =
      "a choice takes every clause that follows it; parentheses end it";
  switch (ctx.getStart()->getType()) {
  case P::OF:
    if (once(node.candidates != nullptr, keyword, note))
      node.candidates = cond(ctx.cond());
    break;
  case P::PER:
    if (once(!node.per.empty(), keyword, note))
      node.per = list(ctx.arith());
    break;
  case P::WHERE:
    if (once(node.where != nullptr, keyword))
      node.where = cond(ctx.cond());
    break;
  case P::UNDER:
    if (once(!node.under.empty(), keyword))
      node.under = budgets(ctx.budgets());
    break;
  case P::BY:
    if (once(node.key != nullptr, keyword))
      node.key = ascending(cond(ctx.cond()), ctx.UP());
    break;
  case P::WEIGHT:
    if (once(node.weight != nullptr, keyword)) {
      node.weight = cond(ctx.cond());
      node.weightType = type(ctx.type());
    }
    break;
  default:
    if (once(!node.rules.empty(), keyword))
      for (P::RuleDeclContext *each : ctx.ruleDecl())
        node.rules.push_back(rule(*each));
  }
}

ExprPtr Builder::loop(P::ForFormContext &ctx) {
  auto node = make<ForExpr>(&ctx);
  loopHead(cond(ctx.cond()), *node);
  for (P::ForClauseContext *clause : ctx.forClause()) {
    antlr4::tree::ParseTree *keyword = clause->children.front();
    switch (clause->getStart()->getType()) {
    case P::BY:
      if (once(node->key != nullptr, keyword))
        node->key = ascending(cond(clause->cond()), clause->UP());
      break;
    case P::UNTIL:
      if (once(node->until != nullptr, keyword))
        node->until = cond(clause->cond());
      break;
    default:
      if (once(!node->carry.empty(), keyword))
        for (P::CarriedContext *each : clause->carried())
          node->carry.push_back({name(each->ID()), expr(each->expr())});
    }
  }
  std::vector<Name> bound = node->binders;
  for (const auto &[carried, value] : node->carry)
    bound.push_back(carried);
  checkDistinct(bound);
  node->body = block(ctx.braces());
  return node;
}

void Builder::loopHead(ExprPtr head, ForExpr &node) {
  auto bad = [&](SourceRange where) {
    diags.report(diag::badLoop, where,
                 "a loop's head is 'for x in items', 'for (a, b) in items' or "
                 "'for COUNT'");
  };
  auto *binary = llvm::dyn_cast<BinaryExpr>(head.get());
  if (!binary || binary->op <= BinaryOp::Range) {
    node.domain = std::move(head);
    return;
  }
  if (binary->op != BinaryOp::In) {
    bad(head->range);
    node.domain = std::move(head);
    return;
  }
  auto bind = [&](const Expr *e) {
    if (auto *plain = llvm::dyn_cast<NameExpr>(e))
      node.binders.push_back(plain->name);
    else
      bad(e->range);
  };
  const Expr *pattern = ignoreParens(binary->lhs.get());
  if (auto *tuple = llvm::dyn_cast<TupleExpr>(pattern))
    for (const ExprPtr &element : tuple->elements)
      bind(element.get());
  else
    bind(pattern);
  node.domain = std::move(binary->rhs);
}

ExprPtr Builder::callOut(P::CallFormContext &ctx) {
  auto node = make<CallOutExpr>(&ctx);
  node->timeout = arith(ctx.arith());
  std::vector<P::PostfixContext *> suffixes = ctx.postfix();
  Depth levels(*this, unsigned(suffixes.size()));
  node->call = tooDeep(&ctx) ? missing(range(&ctx))
                             : postfix(atom(*ctx.atom()), suffixes);
  if (!llvm::isa<CallExpr>(node->call.get()) && !reportedDepth)
    diags.report(diag::unexpectedToken, node->call->range,
                 "'call' is followed by a call, as in m.chat(r)");
  return node;
}
