// Inline tests.
// A test of a router becomes its inputs and what is expected; a test with
// statements becomes a function that yields a truth for each `expect`.
#include "Elaborator.h"
#include "Parts.h"

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
bool Elaborator::syntaxFailed() const {
  return llvm::any_of(diags.diagnostics(), [](const Diagnostic &told) {
    return told.severity == Severity::Error &&
           unsigned(told.code) < unsigned(diag::unknownName);
  });
}

/// `small.cool = …`, `models.small.cool = …`, or `models.cool = …` for all
/// rows: what a test gives for a live or state column.
bool Elaborator::testCell(const TestDecl::Input &input, TestCells &cells) {
  const auto &member = cast<MemberExpr>(*input.cell);
  const Name &wanted = member.member;
  auto *path = dyn_cast<MemberExpr>(member.base.get());
  StringRef base = plainName(member.base.get());
  StringRef poolName = path ? plainName(path->base.get()) : StringRef();
  Name row = path ? path->member : Name{base.str(), member.base->range};
  std::vector<AxisInfo *> owners;
  std::vector<std::string> names;
  bool all = false;
  for (PoolInfo &pool : pools) {
    AxisInfo &axis = *pool.axis;
    bool whole = poolName.empty() && axis.name == base;
    if (!poolName.empty() && axis.name != poolName)
      continue;
    if (!whole && !llvm::is_contained(axis.labels, row.text)) {
      names.insert(names.end(), axis.labels.begin(), axis.labels.end());
      names.push_back(axis.name);
      continue;
    }
    all |= whole;
    owners.push_back(&axis);
  }
  if (owners.empty()) {
    if (!syntaxFailed()) // or its pool may be one that could not be read
      unknownName(row, "row", names);
    return false;
  }
  if (owners.size() > 1) // the one that has such a column
    llvm::erase_if(
        owners, [&](AxisInfo *axis) { return !axis->findColumn(wanted.text); });
  if (owners.size() > 1) {
    error(diag::wrongKind, input.cell->range,
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
      columnNames(*owners[0], names);
    // What a pool with errors has cannot be said.
    auto pool = owners.empty() ? root->entries.end()
                               : root->entries.find(owners[0]->name);
    if (pool == root->entries.end() || pool->second.pending ||
        !pool->second.value.isError())
      unknownName(wanted, "column", names);
    return false;
  }
  if (column->kind != ColumnKind::live && column->kind != ColumnKind::state) {
    error(diag::wrongKind, wanted.range,
          "column '" + column->name + "' is constant")
        .label(column->range, "declared here")
        .note("a test gives live and state columns");
    return false;
  }
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  type.element = column->type.getElementType();
  type.unit = column->unit;
  if (isa<UnknownExpr>(ignoreParens(input.value.get())) &&
      !isa<RangeType>(type.element)) {
    error(diag::typeMismatch, input.value->range,
          "column '" + column->name + "' is always known")
        .label(column->range, "declared here");
    return false;
  }
  mlir::Attribute value = constantAttr(*input.value, type);
  if (!value)
    return false;
  auto &given = cells[owners[0]->symbol.getValue().str() + "." + column->name];
  for (const std::string &label : owners[0]->labels) {
    if (!all && label != row.text)
      continue;
    if (llvm::any_of(given, [&](mlir::NamedAttribute known) {
          return known.getName() == label;
        })) {
      error(diag::duplicateName, input.cell->range,
            "'" + column->name + "' of '" + label + "' is given twice");
      return false;
    }
    given.push_back(e.builder.getNamedAttr(label, value));
  }
  return true;
}

/// `used[tenant] = 9`: written as a handler would.
bool Elaborator::testElement(const TestDecl::Input &input) {
  const auto &index = cast<IndexExpr>(*input.cell);
  Value value = eval(*input.value);
  if (value.isError())
    return false;
  if (Storage *storage = keyedNamed(*index.base))
    return writeKeyed(*storage, index, value, input.value->range);
  Value base;
  if (auto *name = dyn_cast<NameExpr>(ignoreParens(index.base.get()))) {
    base = lookup(name->name);
    if (base.isError())
      return false;
  }
  if (base.is(Kind::Storage) && base.storage->kind == Storage::Kind::State)
    return writeElement(*base.storage, index, value, input.value->range);
  error(diag::wrongKind, input.cell->range,
        "a test gives elements of state that is declared outside pools")
      .help("columns of rows are given as 'row.column = value'");
  return false;
}

/// The handler that writes the elements of state which a test gives, where it
/// gives any: it knows the test's item.
bool Elaborator::testSetup(const TestDecl &decl,
                           mlir::FlatSymbolRefAttr &setup) {
  auto gives = [](const TestDecl::Input &input) {
    return llvm::isa_and_nonnull<IndexExpr>(input.cell.get());
  };
  if (llvm::none_of(decl.inputs, gives))
    return true;
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  auto func =
      FuncOp::create(e.builder, e.loc, freshSymbol("test.given"),
                     FuncKind::handler, e.builder.getFunctionType({}, {}));
  func.setEventAttr(e.builder.getStringAttr("test"));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  planLets.clear();
  Context next;
  next.scope = std::make_shared<Scope>(root);
  next.handler = true;
  llvm::SmallVector<mlir::Attribute> argAttrs;
  for (AxisInfo *item : itemAxes) {
    argAttrs.push_back(portAttrs(item->name, "item"));
    next.frames.push_back(Frame{
        item, nullptr,
        block.addArgument(
            route::ArrayType::get(RefType::get(&context, item->symbol)), e.loc),
        0});
  }
  bool good = inContext(std::move(next), [&] {
    bool all = true;
    for (const TestDecl::Input &input : decl.inputs)
      if (gives(input))
        all &= testElement(input);
    return all;
  });
  route::ReturnOp::create(e.builder, e.loc, mlir::ValueRange());
  func.setFunctionType(e.builder.getFunctionType(block.getArgumentTypes(), {}));
  if (!argAttrs.empty())
    func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
  topOp = nullptr;
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
  if (decl.body)
    return emitExpectations(decl);
  const RouteDecl *router = nullptr;
  for (const RouteDecl *known : routers)
    if (decl.router ? known->name.text == decl.router.text
                    : routers.size() == 1)
      router = known;
  if (!router) {
    // A router with errors of its own has told them.
    std::vector<std::string> names;
    for (const auto &tree : parsed)
      for (const DeclPtr &each : tree->decls)
        if (auto *known = dyn_cast<RouteDecl>(each.get());
            known && known->isRouter)
          names.push_back(known->name.text);
    bool failed = decl.router ? llvm::is_contained(names, decl.router.text)
                              : names.size() != routers.size();
    // So has one that does not parse, and may not be there.
    failed |= syntaxFailed();
    if (failed && diags.hasErrors())
      return;
    if (!decl.router)
      error(diag::argumentMismatch, decl.range,
            "which router this tests is not clear")
          .help("name it: test \"…\" of pick { … }");
    else
      unknownName(decl.router, "router", names);
    return;
  }
  llvm::SmallVector<mlir::NamedAttribute> inputs;
  llvm::SmallVector<mlir::Attribute> answers;
  TestCells cells;
  TestSizes sizes;
  bool good = true;
  for (const TestDecl::Input &input : decl.inputs)
    if (!llvm::isa_and_nonnull<IndexExpr>(input.cell.get()))
      good &= input.call   ? testAnswers(input, answers)
              : input.cell ? testCell(input, cells)
                           : testInput(input, inputs, sizes);
  mlir::FlatSymbolRefAttr setup;
  if (!testSetup(decl, setup) || !good)
    return;
  for (auto &[name, rows] : cells)
    inputs.push_back(
        e.builder.getNamedAttr(name, e.builder.getDictionaryAttr(rows)));
  for (auto &[axis, said] : sizes)
    inputs.push_back(e.builder.getNamedAttr(
        axis->symbol.getValue(), e.builder.getDenseI64ArrayAttr(said.counts)));
  const Expr *wanted = ignoreParens(decl.expected.get());
  auto steps = module->lookupSymbol<FuncOp>(router->name.text);
  if (!steps && diags.hasErrors() && isStepRoute(*router, *root))
    return; // a route with errors of its own
  bool isSteps = steps && steps.getKind() == FuncKind::steps;
  TestOp::Properties test;
  std::string label = rowSpelling(*wanted);
  if (isSteps && (isa<RecordExpr>(wanted) || !label.empty())) {
    mlir::DictionaryAttr values;
    if (!testValues(*router, steps, *wanted, values))
      return;
    test.setValues(values);
  } else if (isa<NoneExpr>(wanted) && !isSteps) {
    test.setNone(e.builder.getUnitAttr());
  } else if (auto *call = dyn_cast<CallExpr>(wanted);
             call && call->calleeName() == "reject") {
    Value refusal = eval(*call);
    if (refusal.isError())
      return;
    test.setReject(e.builder.getI64IntegerAttr(int64_t(refusal.number)));
  } else if (!label.empty()) {
    bool known = false;
    std::vector<std::string> names;
    if (const ChooseExpr *rules = rulesOf(*router))
      for (size_t i = 0; i < rules->rules.size(); ++i) {
        if (rules->rules[i]->name)
          names.push_back(rules->rules[i]->name.text);
        if (rules->rules[i]->name.text == label) {
          test.setRule(e.builder.getI64IntegerAttr(int64_t(i)));
          known = true;
        }
      }
    auto pool = router->result ? resolveType(*router->result) : TypeInfo();
    if (router->result && pool.kind == TypeInfo::Kind::None &&
        diags.hasErrors())
      return; // a pool with errors of its own
    if (pool.kind == TypeInfo::Kind::Row) {
      names.insert(names.end(), pool.rowOf->labels.begin(),
                   pool.rowOf->labels.end());
      if (!known && llvm::is_contained(pool.rowOf->labels, label)) {
        test.setRow(e.builder.getStringAttr(label));
        known = true;
      }
    }
    if (!known) {
      unknownName({label, wanted->range}, "row or rule", names);
      return;
    }
  } else {
    error(diag::wrongKind, decl.expected->range,
          isSteps ? "a test of a route that calls the host expects the fields "
                    "that it returns, or reject(code)"
                  : "a test expects a row, a rule, 'none' or reject(code)");
    return;
  }
  test.setName(e.builder.getStringAttr(decl.name ? decl.name->value : ""));
  test.setFunction(mlir::FlatSymbolRefAttr::get(&context, router->name.text));
  test.setInputs(e.builder.getDictionaryAttr(inputs));
  test.setSetup(setup);
  if (isSteps)
    test.setHost(e.builder.getArrayAttr(answers));
  createTest(e.builder, e.loc, test);
}

/// A test with statements: a function with one truth an `expect`.
void Elaborator::emitExpectations(const TestDecl &decl) {
  std::string symbol = freshSymbol("test");
  auto func = FuncOp::create(e.builder, e.loc, symbol, FuncKind::route,
                             e.builder.getFunctionType({}, {}));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  planLets.clear();
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
  Context next = cx;
  next.scope = std::make_shared<Scope>(root);
  bool good = inContext(std::move(next), [&] {
    for (const StmtPtr &stmt : decl.body->stmts) {
      auto *expect = dyn_cast<ExpectStmt>(stmt.get());
      if (!expect) {
        if (!executeStmt(*stmt))
          return false;
        continue;
      }
      mlir::Value truth = evalTruth(*expect->cond);
      if (!truth)
        return false;
      std::string text = sources.text(expect->cond->range).str();
      truths.push_back(truth);
      said.push_back(
          described("expect", text, locationOf(expect->cond->range)));
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
        Value value = eval(*side);
        mlir::Value ir = value.is(Kind::Array) ? value.ir : mlir::Value();
        diags.setSilent(silent);
        if (!ir)
          continue;
        truths.push_back(ir);
        said.push_back(described("side", sources.text(side->range).str(),
                                 locationOf(side->range)));
      }
    }
    return true;
  });
  topOp = nullptr;
  if (good && truths.empty()) {
    error(diag::argumentMismatch, decl.range, "this test expects nothing");
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
  e.builder.setInsertionPointToEnd(module->getBody());
  TestOp::Properties test;
  test.setName(e.builder.getStringAttr(decl.name ? decl.name->value : ""));
  test.setFunction(mlir::FlatSymbolRefAttr::get(func.getSymNameAttr()));
  test.setInputs(e.builder.getDictionaryAttr({}));
  test.setTruths(e.builder.getUnitAttr());
  createTest(e.builder, e.loc, test);
}
