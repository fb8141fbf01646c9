// Inline tests.
// A test of a router becomes its inputs and what is expected; a test with
// statements becomes a function that yields a truth for each `expect`.
#include "InlineTest.h"
#include "Parts.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// The rules of a router, where its body ends in them.
static const ChooseExpr *rulesOf(const RouteDecl &route) {
  const Expr *value = route.value.get();
  if (!value && route.body)
    for (const StmtPtr &stmt : route.body->stmts) {
      if (auto *last = dyn_cast<ExprStmt>(stmt.get()))
        value = last->value.get();
      else if (auto *last = dyn_cast<ReturnStmt>(stmt.get()))
        value = last->value.get();
    }
  auto *choose = dyn_cast_or_null<ChooseExpr>(ignoreParens(value));
  return choose && !choose->rules.empty() ? choose : nullptr;
}

static bool isComparison(ast::BinaryOp op) {
  using Op = ast::BinaryOp;
  return op == Op::Eq || op == Op::Ne || op == Op::Lt || op == Op::Le ||
         op == Op::Gt || op == Op::Ge;
}

/// Whether a declaration could not be read.
bool Elaborator::InlineTest::syntaxFailed() const {
  return llvm::any_of(diags.diagnostics(), [](const Diagnostic &told) {
    return told.severity == Severity::Error &&
           unsigned(told.code) < unsigned(diag::unknownName);
  });
}

/// `p95 = 2 s at 5 s`: notes when a live column was pushed, which all of its
/// rows are at once, and leaves the value. Without a time it is the test's.
bool Elaborator::InlineTest::pushedAt(const TestDecl::Input &input,
                                      const ColumnInfo &column,
                                      const AxisInfo &pool,
                                      const Expr *&value) {
  auto *at = dyn_cast<ast::BinaryExpr>(value);
  if (!at || at->op != ast::BinaryOp::At)
    return true;
  if (column.kind != ColumnKind::live) {
    s.error(diag::wrongKind, at->rhs->range,
            "column '" + column.name + "' is no live one, which has a time")
        .label(column.range, "declared here");
    return false;
  }
  auto time = s.nanoseconds(*at->rhs);
  if (!time)
    return false;
  auto [known, fresh] = pushes.try_emplace(
      pool.symbol.getValue().str() + "." + column.name, *time, at->rhs->range);
  if (!fresh && known->second.first != *time) {
    s.error(diag::duplicateName, at->rhs->range,
            "'" + column.name + "' is pushed at another time")
        .label(known->second.second, "first here")
        .note("a push is of all rows of a column");
    return false;
  }
  value = ignoreParens(at->lhs.get());
  return true;
}

/// `small.cool = …`, `models.small.cool = …`, or `models.cool = …` for all
/// rows: what a test gives for a live or state column.
bool Elaborator::InlineTest::giveCell(const TestDecl::Input &input) {
  const auto &member = cast<MemberExpr>(*input.cell);
  const Name &wanted = member.member;
  const Expr &base = *ignoreParens(member.base.get());
  auto *path = dyn_cast<MemberExpr>(&base);
  Name row = path ? path->member
                  : Name{plainName(member.base.get()).str(), base.range};
  // A pool by its name or path; then a row of such a one, or a row alone, of
  // the module that stands before it.
  Value whole = s.declaredAt(base);
  Value before = path ? s.declaredAt(*path->base) : Value();
  std::vector<AxisInfo *> owners;
  std::vector<std::string> names;
  bool all = whole.is(Kind::Axis) && whole.axis->pool;
  if (before.is(Kind::Module))
    for (auto &[name, entry] : before.scope->entries)
      if (llvm::isa_and_nonnull<PoolDecl>(entry.pending))
        s.resolve(entry, *before.scope, row.range); // for its rows
  if (all)
    owners.push_back(whole.axis);
  for (PoolInfo &pool : s.pools) {
    AxisInfo &axis = *pool.axis;
    if (all || (before.is(Kind::Axis) && before.axis != &axis) ||
        (before.is(Kind::Module) && s.scopeOf(axis.range.file) != before.scope))
      continue;
    if (before.isError() && path && axis.name != plainName(path->base.get()))
      continue;
    if (llvm::is_contained(axis.labels, row.text)) {
      owners.push_back(&axis);
    } else if (!path && axis.name == row.text) { // declared in a route or pool
      owners.push_back(&axis);
      all = true;
    } else {
      llvm::append_range(names, axis.labels);
      names.push_back(axis.name);
    }
  }
  if (owners.empty()) {
    if (!syntaxFailed()) // or its pool may be one that could not be read
      s.unknownName(row, "row", names);
    return false;
  }
  if (owners.size() > 1) // the one that has such a column
    llvm::erase_if(
        owners, [&](AxisInfo *axis) { return !axis->findColumn(wanted.text); });
  if (owners.size() > 1) {
    s.error(diag::wrongKind, input.cell->range,
            "several pools have a row '" + row.text + "' and a column '" +
                wanted.text + "'")
        .help("say which: " + owners[0]->name + "." + row.text + "." +
              wanted.text);
    return false;
  }
  const ColumnInfo *column =
      owners.empty() ? nullptr : owners[0]->findColumn(wanted.text);
  if (!column) {
    names.clear();
    if (!owners.empty())
      s.columnNames(*owners[0], names);
    // What a pool with errors has cannot be said.
    auto pool = owners.empty() ? s.root->entries.end()
                               : s.root->entries.find(owners[0]->name);
    if (pool == s.root->entries.end() || pool->second.pending ||
        !pool->second.value.isError())
      s.unknownName(wanted, "column", names);
    return false;
  }
  if (column->kind != ColumnKind::live && column->kind != ColumnKind::state) {
    s.error(diag::wrongKind, wanted.range,
            "column '" + column->name + "' is constant")
        .label(column->range, "declared here")
        .note("a test gives live and state columns");
    return false;
  }
  const Expr *given = ignoreParens(input.value.get());
  if (!pushedAt(input, *column, *owners[0], given))
    return false;
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  type.element = column->type.getElementType();
  type.unit = column->unit;
  if (isa<UnknownExpr>(given) && !isa<RangeType>(type.element)) {
    s.error(diag::typeMismatch, given->range,
            "column '" + column->name + "' is always known")
        .label(column->range, "declared here");
    return false;
  }
  mlir::Attribute value = s.constantAttr(*given, type);
  if (!value)
    return false;
  auto &rows = cells[owners[0]->symbol.getValue().str() + "." + column->name];
  for (const std::string &label : owners[0]->labels) {
    if (!all && label != row.text)
      continue;
    if (llvm::any_of(rows, [&](mlir::NamedAttribute known) {
          return known.getName() == label;
        })) {
      s.error(diag::duplicateName, input.cell->range,
              "'" + column->name + "' of '" + label + "' is given twice");
      return false;
    }
    rows.push_back(e.builder.getNamedAttr(label, value));
  }
  return true;
}

/// `used[tenant] = 9`: written as a handler would.
bool Elaborator::InlineTest::giveElement(const TestDecl::Input &input) {
  const auto &index = cast<IndexExpr>(*input.cell);
  Value value = s.eval(*input.value);
  if (value.isError())
    return false;
  if (Storage *storage = s.keyedNamed(*index.base))
    return s.writeKeyed(*storage, index, value, input.value->range);
  if (Storage *state = s.stateAt(*index.base))
    return s.writeElement(*state, index, value, input.value->range);
  auto *name = dyn_cast<NameExpr>(ignoreParens(index.base.get()));
  if (name && s.lookup(name->name).isError())
    return false;
  s.error(diag::wrongKind, input.cell->range,
          "a test gives elements of state that is declared outside pools")
      .help("columns of rows are given as 'row.column = value'");
  return false;
}

/// The handler that writes the elements of state which a test gives, where it
/// gives any: it knows the test's item.
bool Elaborator::InlineTest::emitSetup() {
  auto gives = [](const TestDecl::Input &input) {
    return llvm::isa_and_nonnull<IndexExpr>(input.cell.get());
  };
  if (llvm::none_of(decl.inputs, gives))
    return true;
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  auto func =
      FuncOp::create(e.builder, e.loc, s.freshSymbol("test.given"),
                     FuncKind::handler, e.builder.getFunctionType({}, {}));
  func.setEventAttr(e.builder.getStringAttr("test"));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  s.topOp = func;
  s.planLets.clear();
  Context next;
  next.scope = std::make_shared<Scope>(s.root);
  next.handler = true;
  llvm::SmallVector<mlir::Attribute> argAttrs;
  for (AxisInfo *item : s.itemAxes) {
    argAttrs.push_back(s.portAttrs(item->name, "item"));
    next.frames.push_back(
        Frame{item, nullptr,
              block.addArgument(
                  route::ArrayType::get(RefType::get(&s.context, item->symbol)),
                  e.loc),
              0});
  }
  bool good = s.inContext(std::move(next), [&] {
    bool all = true;
    for (const TestDecl::Input &input : decl.inputs)
      if (gives(input))
        all &= giveElement(input);
    return all;
  });
  route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
  func.setFunctionType(e.builder.getFunctionType(block.getArgumentTypes(), {}));
  if (!argAttrs.empty())
    func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
  s.topOp = nullptr;
  if (good)
    setup = mlir::FlatSymbolRefAttr::get(func.getSymNameAttr());
  else
    func.erase();
  return good;
}

static void createTest(mlir::OpBuilder &builder, mlir::Location loc,
                       const TestOp::Properties &test) {
  TestOp::create(builder, loc, test.name, test.function, test.inputs,
                 test.setup, test.row, test.rule, test.reject, test.none,
                 test.truths, test.values, test.host);
}

void Elaborator::emitTest(const TestDecl &decl,
                          const std::vector<const RouteDecl *> &routers) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(module->getBody());
  e.loc = locationOf(decl.range);
  InlineTest test(*this, decl);
  if (decl.body)
    test.emitExpectations();
  else
    test.emit(routers);
}

/// The router or step route that the test names, or the one that there is; null
/// after an error.
const RouteDecl *Elaborator::InlineTest::routeUnderTest(
    const std::vector<const RouteDecl *> &routers) {
  for (const RouteDecl *known : routers)
    if (decl.router ? known->name.text == decl.router.text
                    : routers.size() == 1)
      return known;
  // A router with errors of its own has told them.
  std::vector<std::string> names;
  for (const auto &tree : s.parsed)
    for (const DeclPtr &each : tree->decls)
      if (auto *known = dyn_cast<RouteDecl>(each.get());
          known && known->isRouter)
        names.push_back(known->name.text);
  bool failed = decl.router ? llvm::is_contained(names, decl.router.text)
                            : names.size() != routers.size();
  // So has one that does not parse, and may not be there.
  failed |= syntaxFailed();
  if (failed && diags.hasErrors())
    return nullptr;
  if (!decl.router)
    s.error(diag::argumentMismatch, decl.range,
            "which router this tests is not clear")
        .help("name it: test \"…\" of pick { … }");
  else
    s.unknownName(decl.router, "router", names);
  return nullptr;
}

/// A row of the router's result, or one of its rules.
bool Elaborator::InlineTest::expectName(const RouteDecl &router,
                                        StringRef label,
                                        TestOp::Properties &test) {
  bool known = false;
  std::vector<std::string> names;
  if (const ChooseExpr *rules = rulesOf(router))
    for (auto [i, rule] : llvm::enumerate(rules->rules)) {
      if (rule->name)
        names.push_back(rule->name.text);
      if (rule->name.text == label) {
        test.setRule(e.builder.getI64IntegerAttr(int64_t(i)));
        known = true;
      }
    }
  auto pool = router.result ? s.resolveType(*router.result) : TypeInfo();
  if (router.result && pool.kind == TypeInfo::Kind::None && diags.hasErrors())
    return false; // a pool with errors of its own
  if (pool.kind == TypeInfo::Kind::Row) {
    llvm::append_range(names, pool.rowOf->labels);
    if (!known && llvm::is_contained(pool.rowOf->labels, label)) {
      test.setRow(e.builder.getStringAttr(label));
      known = true;
    }
  }
  if (known)
    return true;
  auto message =
      s.error(diag::unknownName, ignoreParens(decl.expected.get())->range,
              "unknown row or rule '" + label + "'");
  message.suggest(label, names);
  constexpr size_t few = 12;
  if (!nearestName(label, names) && !names.empty() && names.size() <= few)
    message.note("'" + router.name.text + "' gives " + llvm::join(names, ", ") +
                 ", or none");
  return false;
}

/// What stands behind `->`; false after an error.
bool Elaborator::InlineTest::expect(const RouteDecl &router,
                                    TestOp::Properties &test) {
  const Expr *wanted = ignoreParens(decl.expected.get());
  auto steps = s.module->lookupSymbol<FuncOp>(router.name.text);
  if (!steps && diags.hasErrors() && s.isStepRoute(router, *s.root))
    return false; // a route with errors of its own
  bool isSteps = steps && steps.getKind() == FuncKind::steps;
  if (isSteps)
    test.setHost(e.builder.getArrayAttr(answers));
  std::string label = rowSpelling(*wanted);
  if (isSteps && (isa<RecordExpr>(wanted) || !label.empty())) {
    mlir::DictionaryAttr values;
    if (!expectValues(router, steps, *wanted, values))
      return false;
    test.setValues(values);
    return true;
  }
  if (isa<NoneExpr>(wanted) && !isSteps) {
    test.setNone(e.builder.getUnitAttr());
    return true;
  }
  if (auto *call = dyn_cast<CallExpr>(wanted);
      call && call->calleeName() == "reject") {
    Value refusal = s.eval(*call);
    test.setReject(e.builder.getI64IntegerAttr(int64_t(refusal.number)));
    return !refusal.isError();
  }
  if (!label.empty())
    return expectName(router, label, test);
  s.error(diag::wrongKind, decl.expected->range,
          isSteps ? "a test of a route that calls the host expects the fields "
                    "that it returns, or reject(code)"
                  : "a test expects a row, a rule, 'none' or reject(code)");
  return false;
}

void Elaborator::InlineTest::emit(
    const std::vector<const RouteDecl *> &routers) {
  const RouteDecl *router = routeUnderTest(routers);
  if (!router)
    return;
  bool good = true;
  for (const TestDecl::Input &input : decl.inputs)
    if (!llvm::isa_and_nonnull<IndexExpr>(input.cell.get()))
      good &= input.call        ? giveAnswers(input)
              : !input.cell     ? giveInput(input)
              : !input.isSignal ? giveColumnAt(input)
              : s.stateAt(*input.cell) || isSignalAt(*input.cell)
                  ? giveStorage(s.declaredAt(*input.cell).storage, input)
                  : giveCell(input);
  if (!emitSetup() || !good)
    return;
  for (auto &[name, rows] : cells)
    inputs.push_back(
        e.builder.getNamedAttr(name, e.builder.getDictionaryAttr(rows)));
  for (auto &[name, time] : pushes)
    inputs.push_back(e.builder.getNamedAttr(
        name + "@pushed", e.builder.getI64IntegerAttr(time.first)));
  for (auto &[axis, said] : sizes)
    inputs.push_back(e.builder.getNamedAttr(
        axis->symbol.getValue(), e.builder.getDenseI64ArrayAttr(said.counts)));
  TestOp::Properties test;
  if (!expect(*router, test))
    return;
  test.setName(e.builder.getStringAttr(decl.name ? decl.name->value : ""));
  test.setFunction(mlir::FlatSymbolRefAttr::get(&s.context, router->name.text));
  test.setInputs(e.builder.getDictionaryAttr(inputs));
  test.setSetup(setup);
  createTest(e.builder, e.loc, test);
}

void Elaborator::InlineTest::emitExpectations() {
  std::string symbol = s.freshSymbol("test");
  auto func = FuncOp::create(e.builder, e.loc, symbol, FuncKind::route,
                             e.builder.getFunctionType({}, {}));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  s.topOp = func;
  s.planLets.clear();
  // What is expected, each followed by the values that it compares.
  llvm::SmallVector<mlir::Value> truths;
  llvm::SmallVector<mlir::Attribute> said;
  auto described = [&](StringRef role, StringRef text, mlir::Location at) {
    auto place = cast<mlir::FileLineColLoc>(at);
    return e.builder.getDictionaryAttr(
        {e.builder.getNamedAttr("route.name", e.builder.getStringAttr(text)),
         e.builder.getNamedAttr("route.role", e.builder.getStringAttr(role)),
         e.builder.getNamedAttr("route.line",
                                e.builder.getI64IntegerAttr(place.getLine()))});
  };
  Context next = s.cx;
  next.scope = std::make_shared<Scope>(s.root);
  bool good = s.inContext(std::move(next), [&] {
    for (const StmtPtr &stmt : decl.body->stmts) {
      auto *expect = dyn_cast<ExpectStmt>(stmt.get());
      if (!expect) {
        if (!s.executeStmt(*stmt))
          return false;
        continue;
      }
      mlir::Value truth = s.evalTruth(*expect->cond);
      if (!truth)
        return false;
      std::string text = s.sources.text(expect->cond->range).str();
      truths.push_back(truth);
      said.push_back(
          described("expect", text, s.locationOf(expect->cond->range)));
      // What it compares, for when it fails.
      auto *compared =
          dyn_cast<ast::BinaryExpr>(ignoreParens(expect->cond.get()));
      if (!compared || !isComparison(compared->op))
        continue;
      for (const Expr *side : {compared->lhs.get(), compared->rhs.get()}) {
        if (!isa<NameExpr, MemberExpr, CallExpr, ast::BinaryExpr, IndexExpr>(
                ignoreParens(side)))
          continue;                          // says itself what it is
        bool silent = diags.setSilent(true); // a label is no value alone
        Value value = s.eval(*side);
        mlir::Value ir = value.is(Kind::Array) ? value.ir : mlir::Value();
        diags.setSilent(silent);
        if (!ir)
          continue;
        truths.push_back(ir);
        said.push_back(described("side", s.sources.text(side->range).str(),
                                 s.locationOf(side->range)));
      }
    }
    return true;
  });
  s.topOp = nullptr;
  if (good && truths.empty()) {
    if (!syntaxFailed())
      s.error(diag::argumentMismatch, decl.range, "this test expects nothing");
    good = false;
  }
  if (!good) {
    func.erase();
    return;
  }
  route::ReturnOp::create(e.builder, e.loc, truths);
  func.setFunctionType(
      e.builder.getFunctionType({}, mlir::ValueRange(truths).getTypes()));
  func.setResAttrsAttr(e.builder.getArrayAttr(said));
  e.builder.setInsertionPointToEnd(s.module->getBody());
  TestOp::Properties test;
  test.setName(e.builder.getStringAttr(decl.name ? decl.name->value : ""));
  test.setFunction(mlir::FlatSymbolRefAttr::get(func.getSymNameAttr()));
  test.setInputs(e.builder.getDictionaryAttr({}));
  test.setTruths(e.builder.getUnitAttr());
  createTest(e.builder, e.loc, test);
}
