// Statements of step routes.
// Here statements happen one after the other and branches are branches, since
// what is called cannot be called off. Variables that a branch or a round may
// change become arguments of the block where the ways meet.
#include "Elaborator.h"
#include "Walk.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::inStepBlock() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  return cx.steps && block && block->getParentOp() == cx.steps->func;
}

/// Whether what stands here happens in a run: in a block of it, or in the
/// loops and conditions of a value there.
bool Elaborator::inRun() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  mlir::Operation *around = block ? block->getParentOp() : nullptr;
  while (isa_and_nonnull<route::ForOp, route::IfOp>(around))
    around = around->getParentOp();
  return cx.steps && around && around == cx.steps->func;
}

bool Elaborator::stepping() const { return !cx.returns && inStepBlock(); }

/// Whether the block at hand has ended: what follows is never run.
bool Elaborator::isClosed() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  return !block->empty() &&
         block->back().hasTrait<mlir::OpTrait::IsTerminator>();
}

mlir::Block *Elaborator::newStepBlock(mlir::TypeRange types) {
  mlir::Block *block = new mlir::Block;
  cx.steps->func.getBody().push_back(block);
  for (mlir::Type type : types)
    block->addArgument(type, e.loc);
  return block;
}

void Elaborator::jumpTo(mlir::Block *block, mlir::ValueRange values) {
  mlir::cf::BranchOp::create(e.builder, e.loc, block, values);
}

/// The variables in sight that the code below may assign, with what a block
/// takes for them.
Elaborator::Joined Elaborator::assignedIn(llvm::ArrayRef<const Node *> nodes) {
  Joined joined;
  if (cx.steps->learning)
    return joined;
  for (const Node *node : nodes)
    for (const std::string &name : namesAssigned(*node)) {
      Scope::Entry *entry = cx.scope->lookup(name).first;
      if (!entry || entry->variable.empty() ||
          llvm::is_contained(joined.entries, entry))
        continue;
      auto shape = cx.steps->variables.find(entry->variable);
      if (shape == cx.steps->variables.end())
        continue;
      joined.entries.push_back(entry);
      shapeTypes(shape->second, joined.types);
    }
  return joined;
}

llvm::SmallVector<mlir::Value> Elaborator::valuesOf(const Joined &joined) {
  llvm::SmallVector<mlir::Value> values;
  for (Scope::Entry *entry : joined.entries)
    storeAs(entry->value, cx.steps->variables[entry->variable], entry->range,
            values);
  return values;
}

void Elaborator::bindJoined(const Joined &joined, mlir::ValueRange values) {
  for (Scope::Entry *entry : joined.entries)
    entry->value = loadAs(cx.steps->variables[entry->variable], values);
}

bool Elaborator::executeSteps(llvm::ArrayRef<StmtPtr> stmts) {
  bool good = true;
  for (size_t i = 0; i < stmts.size(); ++i) {
    if (isClosed()) {
      error(diag::unreachable, stmts[i]->range,
            "nothing after this is ever run")
          .label(stmts[i - 1]->range, "the route has ended here");
      return false;
    }
    // The first pass goes on after errors: what follows may say what a variable
    // holds. The second one shows one error a block.
    if (!executeStmt(*stmts[i])) {
      good = false;
      if (!cx.steps->learning)
        return false;
    }
  }
  return good;
}

bool Elaborator::executeStep(const Stmt &stmt) {
  switch (stmt.kind()) {
  case ast::Kind::ReturnStmt: {
    auto &ret = cast<ReturnStmt>(stmt);
    return stepReturn(ret.value.get(), stmt.range);
  }
  case ast::Kind::IfStmt:
    return stepIf(cast<IfStmt>(stmt));
  case ast::Kind::NoteStmt:
    return stepNote(cast<NoteStmt>(stmt));
  case ast::Kind::KeepStmt:
    return stepKeep(cast<KeepStmt>(stmt));
  case ast::Kind::BlockStmt: {
    Context next = cx;
    next.scope = std::make_shared<Scope>(cx.scope);
    return inContext(std::move(next),
                     [&] { return executeSteps(cast<BlockStmt>(stmt).stmts); });
  }
  default:
    break;
  }
  const Expr *value = ignoreParens(cast<ExprStmt>(stmt).value.get());
  if (auto *loop = dyn_cast<ForExpr>(value); loop && loop->carry.empty())
    return stepFor(*loop);
  if (auto *arms = dyn_cast<CaseExpr>(value); arms && arms->subject)
    return stepCase(*arms);
  Value result = evalStep(*value);
  if (result.isError())
    return false;
  if (result.is(Kind::Refusal))
    return stepRefuse(result);
  if (result.is(Kind::Result))
    return true; // its failure is missed later
  if (isa<ForExpr>(value))
    return true;
  error(diag::idleValue, stmt.range, "this value is not used")
      .help("bind it with 'let' or return it");
  return false;
}

bool Elaborator::stepRefuse(const Value &refusal) {
  RefuseOp::create(
      e.builder, e.loc, e.constantInt(e.i64(), int64_t(refusal.number)),
      refusal.text.empty() ? mlir::StringAttr()
                           : e.builder.getStringAttr(refusal.text));
  return true;
}

bool Elaborator::stepIf(const IfStmt &stmt) {
  mlir::Value condition = evalTruth(*stmt.cond);
  if (condition && !e.typeOf(condition).isScalar()) {
    error(diag::typeMismatch, stmt.cond->range,
          "a route branches on one truth, found " +
              describe(Value::array(condition)))
        .help("reduce it with 'any' or 'all'");
    condition = {};
  }
  if (!condition && !cx.steps->learning)
    return false;
  if (!condition)
    condition = e.constantInt(e.i1(), 0);
  std::vector<const Node *> inside = {stmt.thenBlock.get()};
  if (stmt.elseStmt)
    inside.push_back(stmt.elseStmt.get());
  Joined joined = assignedIn(inside);
  std::vector<Value> before;
  for (Scope::Entry *entry : joined.entries)
    before.push_back(entry->value);
  mlir::Block *yes = newStepBlock(), *no = newStepBlock(), *after = nullptr;
  CondBranchOp::create(e.builder, e.loc, condition, mlir::ValueRange(),
                       mlir::ValueRange(), yes, no);
  bool good = true;
  auto branch = [&](mlir::Block *block, const Stmt *body) {
    e.builder.setInsertionPointToEnd(block);
    for (auto [entry, value] : llvm::zip(joined.entries, before))
      entry->value = value;
    if (body)
      good &= executeStep(*body);
    if (!good && !cx.steps->learning)
      return;
    if (isClosed())
      return;
    if (!after)
      after = newStepBlock(joined.types);
    jumpTo(after, valuesOf(joined));
  };
  branch(yes, stmt.thenBlock.get());
  if (good || cx.steps->learning)
    branch(no, stmt.elseStmt.get());
  if (!good && !cx.steps->learning)
    return false;
  if (!after) // both ways have ended the route
    return good;
  e.builder.setInsertionPointToEnd(after);
  bindJoined(joined, after->getArguments());
  return good;
}

/// Whether something below `node` calls the host, itself or by a route.
bool Elaborator::asksHost(const Node &node) {
  if (callsIn(node))
    return true;
  for (const std::string &name : namesIn(node)) {
    auto [entry, scope] = cx.scope->lookup(name);
    const RouteDecl *route =
        !entry                         ? nullptr
        : entry->pending               ? dyn_cast<RouteDecl>(entry->pending)
        : entry->value.is(Kind::Route) ? entry->value.route->decl
                                       : nullptr;
    if (route && isStepRoute(*route, *scope))
      return true;
  }
  return false;
}

bool Elaborator::stepNote(const NoteStmt &stmt) {
  llvm::SmallVector<mlir::Value> values;
  mlir::NamedAttrList units;
  for (const Arg &arg : stmt.args) {
    Value value = eval(*arg.value);
    mlir::Value ir =
        value.isError() ? mlir::Value() : asArray(value, arg.value->range);
    if (!ir)
      return false;
    if (mlir::StringAttr unit = unitAttr(value.unit))
      units.set(std::to_string(values.size()), unit);
    values.push_back(ir);
  }
  auto op = NoteOp::create(e.builder, e.loc, stmt.name.text, values);
  if (!units.empty())
    op->setAttr("route.units", units.getDictionary(&context));
  return true;
}

bool Elaborator::stepKeep(const KeepStmt &stmt) {
  std::vector<Value> values;
  for (const ExprPtr &written : stmt.values)
    if (values.emplace_back(eval(*written)).isError())
      return false;
  return keep(values, stmt.range);
}
