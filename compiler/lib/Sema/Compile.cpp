// The whole of a file.
// Loads the prelude and the file, elaborates every declaration so that one run
// shows all errors, emits the entry points and verifies the module.
#include "Budgets.h"
#include "Elaborator.h"
#include "Walk.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Transforms/CSE.h"
#include "route/Refusals.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Elaborator::Elaborator(SourceManager &sources, DiagnosticEngine &diags,
                       mlir::MLIRContext &context,
                       const CompileOptions &options)
    : sources(sources), diags(diags), context(context), options(options),
      e(context), budgets(std::make_unique<Budgets>(*this)) {}

Elaborator::~Elaborator() = default;

/// The library's `prelude.route`, whose names need no import.
ScopePtr Elaborator::loadPrelude() {
  for (const std::string &folder : options.importPaths) {
    llvm::SmallString<256> path(folder);
    llvm::sys::path::append(path, "prelude.route");
    if (!llvm::sys::fs::exists(path))
      continue;
    std::string why;
    if (auto file = sources.openFile(path, why))
      return loaded[sources.name(*file).str()] = loadModule(*file);
  }
  return std::make_shared<Scope>();
}

/// Erases what nothing depends on, whole chains: what only they read is then
/// not asked of callers or checkpoints.
static void eraseDead(mlir::ModuleOp module) {
  llvm::SmallVector<mlir::Operation *> ops;
  module.walk<mlir::WalkOrder::PreOrder>(
      [&](mlir::Operation *op) { ops.push_back(op); });
  for (mlir::Operation *op : llvm::reverse(ops))
    if (mlir::isOpTriviallyDead(op))
      op->erase();
}

/// Names given by -D must be those of axes or pools.
static void checkSizes(const CompileOptions &options, mlir::ModuleOp module,
                       DiagnosticEngine &diags) {
  std::vector<std::string> names;
  for (auto axis : module.getOps<AxisOp>())
    if (axis.getKind() == AxisKind::index || axis.getKind() == AxisKind::pool)
      names.push_back(axis.getSymName().rsplit('.').second.empty()
                          ? axis.getSymName().str()
                          : axis.getSymName().rsplit('.').second.str());
  for (const auto &[name, size] : options.axisSizes)
    if (!llvm::is_contained(names, name))
      diags
          .report(diag::unknownName, {},
                  "'-D " + name + "=" + std::to_string(size) +
                      "' names no axis and no pool")
          .suggest(name, names);
}

/// What nothing uses is checked as well, on a copy that is thrown away: lets of
/// the module, and routes with axes in brackets, on axes of their own.
void Elaborator::checkUnused(const ast::Module &tree) {
  mlir::OwningOpRef<mlir::ModuleOp> checked(
      mlir::cast<mlir::ModuleOp>(module->getOperation()->clone()));
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(module->getBody());
  auto func =
      FuncOp::create(e.builder, module->getLoc(), freshSymbol("unused"),
                     FuncKind::route, e.builder.getFunctionType({}, {}));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  cx = Context();
  planLets.clear();
  cx.scope = root;
  for (const DeclPtr &decl : tree.decls) {
    if (auto *let = dyn_cast<LetDecl>(decl.get()); let && !let->isFunction) {
      for (const Name &name : let->names)
        if (auto found = root->entries.find(name.text);
            found != root->entries.end() && !found->second.used)
          resolve(found->second, *root, name.range);
    } else if (auto *route = dyn_cast<RouteDecl>(decl.get());
               route && !route->axisParams.empty()) {
      checkGeneric(*route, block);
    } else if (route && !expanded.count(route)) {
      // What its parameters are nobody says; the other names are known.
      auto found = root->entries.find(route->name.text);
      if (found != root->entries.end() &&
          found->second.range == route->name.range)
        if (Value value = found->second.value; value.is(Kind::Route))
          inlineRoute(*value.route, std::vector<Value>(route->params.size()),
                      route->name.range);
    } else if (auto *budget = dyn_cast<BudgetDecl>(decl.get())) {
      budgets->check(*budget);
    }
  }
  topOp = nullptr;
  handlers.clear();
  module = std::move(checked);
}

/// Columns of items that nothing reads are no inputs of a library: said where
/// no body of a pool, which gets the whole item, has a use for them.
void Elaborator::checkUnread() {
  bool entries = false;
  for (auto func : module->getOps<FuncOp>()) {
    entries |= func.getKind() != FuncKind::handler;
    if (func.getKind() == FuncKind::steps)
      return;
  }
  for (const PoolInfo &pool : pools)
    if (!pool.bodies().empty())
      return;
  for (AxisInfo *axis : itemAxes)
    for (const ColumnInfo &column : axis->columns) {
      std::string name = axis->symbol.getValue().str() + "." + column.name;
      if (!entries || column.kind != ColumnKind::input || !column.range ||
          readColumns.count(name))
        continue;
      error(diag::unreadColumn, column.range,
            "nothing reads column '" + column.name + "'")
          .note("it is no input of the compiled library");
    }
}

/// A route with axes in brackets, where its parameters say what they are.
void Elaborator::checkGeneric(const RouteDecl &decl, mlir::Block &block) {
  auto scope = std::make_shared<Scope>(root);
  for (const Name &name : decl.axisParams) {
    // The module's own axis of that name, which its parameters may have.
    AxisInfo *axis = axisNamed(name, /*report=*/false);
    if (!axis) {
      axis = makeAxis(name.text, name.text, AxisKind::index, name.range);
      emitAxis(*axis);
    }
    scope->bind(name.text, Value::ofAxis(Kind::Axis, axis), name.range);
  }
  RouteInstance *instance = makeInstance(decl, scope, decl.name.text, {});
  for (const ColumnPtr &param : decl.params)
    if (!param->type && !root->lookup(param->name.text).first)
      return; // its axes are those of its callers
  std::vector<Value> args;
  std::vector<NamedUnit> names;
  Context next = cx;
  next.scope = scope;
  inContext(std::move(next), [&] {
    if (bindEntryParams(*instance, args, block, names))
      inlineRoute(*instance, args, decl.name.range);
    return true;
  });
}

/// A route is an entry where every parameter names an axis with columns or a
/// signal, or has a type. One that is none, and that nothing calls, is not in
/// the library, which a misspelt parameter must not bring about in silence.
void Elaborator::checkUncalled(const ast::Module &tree) {
  std::vector<std::string> inputs;
  for (AxisInfo *axis : itemAxes)
    inputs.push_back(axis->name);
  for (const DeclPtr &decl : tree.decls)
    if (auto *signal = dyn_cast<SignalDecl>(decl.get()))
      inputs.push_back(signal->name.text);
  for (const DeclPtr &decl : tree.decls) {
    auto *route = dyn_cast<RouteDecl>(decl.get());
    if (!route || expanded.count(route) || !route->axisParams.empty())
      continue;
    for (const ColumnPtr &param : route->params) {
      const Name &name = param->name;
      if (param->type || llvm::is_contained(inputs, name.text))
        continue;
      Scope::Entry *entry = root->lookup(name.text).first;
      bool declared = entry;
      if (declared && !entry->pending && entry->value.isError())
        break; // its declaration has told why
      if (!declared && nearestName(name.text, inputs)) {
        unknownName(name, "axis or signal", inputs);
        break;
      }
      auto message = error(diag::uncalledRoute, route->name.range,
                           "the library has no '" + route->name.text +
                               "', and nothing calls it");
      message
          .label(name.range, declared ? "no signal and no axis with columns"
                                      : "nothing of this name is declared")
          .note("the parameters of an entry are signals, axes with columns, "
                "or have types");
      for (auto &[module, entry] : root->entries)
        if (!declared && entry.value.is(Kind::Module) &&
            entry.value.text.empty() &&
            entry.value.scope->entries.count(name.text))
          message.help("module '" + module +
                       "' declares it: list it in an import, { " + name.text +
                       " }");
      break;
    }
  }
}

mlir::OwningOpRef<mlir::ModuleOp> Elaborator::run(FileId file) {
  module = mlir::ModuleOp::create(
      mlir::FileLineColLoc::get(&context, sources.name(file), 1, 1));
  prelude = loadPrelude();
  size_t own = parsed.size(); // imports come behind it
  mainFile = file;
  root = loaded[sources.name(file).str()] = loadModule(file);
  cx.scope = root;
  nameModules();
  const ast::Module &tree = *parsed[own];
  auto namesItems = [&](const Name &name) {
    auto found = root->entries.find(name.text);
    if (found == root->entries.end() || !found->second.value.scope)
      return false;
    auto &declared = found->second.value.scope->entries;
    auto linked = declared.find(found->second.value.text);
    auto *axis = linked == declared.end()
                     ? nullptr
                     : dyn_cast_or_null<AxisDecl>(linked->second.pending);
    return axis && !axis->columns.empty();
  };
  auto force = [&](const Name &name) {
    if (auto found = root->entries.find(name.text);
        found != root->entries.end())
      resolve(found->second, *root, name.range);
  };
  // Axes first, also those that the file imports by name: columns of items are
  // names everywhere, and routes may take the items that there are.
  for (const DeclPtr &decl : tree.decls)
    if (auto *axis = dyn_cast<AxisDecl>(decl.get()))
      force(axis->name);
    else if (auto *import = dyn_cast<ImportDecl>(decl.get()))
      for (const ImportDecl::Item &item : import->items)
        if (const Name &name = item.alias ? item.alias : item.name;
            namesItems(name))
          force(name);
  for (const DeclPtr &decl : tree.decls)
    if (auto *notes = dyn_cast<NotesDecl>(decl.get()))
      for (const ColumnPtr &column : notes->columns) {
        if (!column->type) {
          error(diag::missingType, column->name.range,
                "note '" + column->name.text + "' needs a type");
          continue;
        }
        noteColumns.push_back(column.get());
        noteTypes[column->name.text] =
            resolveType(*column->type, "note." + column->name.text);
      }
  for (const DeclPtr &decl : tree.decls)
    switch (decl->kind()) {
    case ast::Kind::PoolDecl:
      force(cast<PoolDecl>(*decl).name);
      break;
    case ast::Kind::SignalDecl:
      force(cast<SignalDecl>(*decl).name);
      break;
    case ast::Kind::ParamDecl:
      force(cast<ParamDecl>(*decl).name);
      break;
    case ast::Kind::StateDecl:
      force(cast<StateDecl>(*decl).name);
      break;
    case ast::Kind::UseDecl:
      force(cast<UseDecl>(*decl).name);
      break;
    default:
      break;
    }
  std::vector<const RouteDecl *> routers;
  for (const DeclPtr &decl : tree.decls) {
    auto *route = dyn_cast<RouteDecl>(decl.get());
    if (!route || diags.reachedErrorLimit())
      continue;
    auto found = root->entries.find(route->name.text);
    if (found == root->entries.end() ||
        found->second.range != route->name.range)
      continue;
    Value value = resolve(found->second, *root, route->name.range);
    if (!value.is(Kind::Route))
      continue;
    if (isStepRoute(*route, *root)) {
      expanded.insert(route);
      emitStepEntry(*value.route, route->name.range);
      routers.push_back(route);
    } else if (isEntry(*value.route)) {
      expanded.insert(route);
      emitEntry(*value.route, route->name.range);
      if (route->isRouter)
        routers.push_back(route);
    }
  }
  checkUncalled(tree);
  for (const DeclPtr &decl : tree.decls)
    if (auto *on = dyn_cast<OnDecl>(decl.get()))
      emitModuleHandler(*on);
  emitImportedHandlers(tree);
  for (const DeclPtr &decl : tree.decls)
    if (auto *test = dyn_cast<TestDecl>(decl.get()))
      emitTest(*test, routers);
  checkSizes(options, *module, diags);
  if (!diags.hasErrors())
    checkUnused(tree);
  if (diags.hasErrors())
    return nullptr;
  checkUnread();
  numberDraws();
  keepSoleReasons(*module);
  // What the checker lets through must verify; a user never sees the reason.
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        std::string text = diagnostic.str();
        error(diag::internal, rangeOf(sources, diagnostic.getLocation()),
              "the compiler made a module that is wrong: " + text)
            .note("this is a defect of the compiler; please report it with "
                  "this file");
        return mlir::success();
      });
  if (mlir::failed(mlir::verify(*module)))
    return nullptr;
  // Reads are emitted at each use, and names that nobody asks for too.
  mlir::IRRewriter rewriter(&context);
  mlir::DominanceInfo dominance(*module);
  mlir::eliminateCommonSubExpressions(rewriter, dominance, *module);
  eraseDead(*module);
  reportFallbacks();
  // What is left of reads says which parameters are of no use.
  llvm::DenseSet<mlir::StringAttr> read;
  module->walk(
      [&](GetOp get) { read.insert(get.getSymbol().getRootReference()); });
  mlir::SymbolTable symbols(*module);
  bool entries = llvm::any_of(module->getOps<FuncOp>(), [](FuncOp func) {
    return func.getKind() != FuncKind::handler;
  });
  for (const Storage &storage : storages)
    if (auto name = storage.symbol ? storage.symbol.getRootReference()
                                   : mlir::StringAttr();
        name && entries && storage.kind == Storage::Kind::Param &&
        storage.range && !read.contains(name) && symbols.lookup<ParamOp>(name))
      error(diag::unreadColumn, storage.range,
            "nothing reads parameter '" + storage.name + "'")
          .note("the compiled library takes no tensor for it");
    else if (name && entries && storage.kind == Storage::Kind::State &&
             storage.range && symbols.lookup<StateOp>(name) &&
             mlir::SymbolTable::symbolKnownUseEmpty(name, *module))
      error(diag::unreadColumn, storage.range,
            "nothing reads or writes state '" + storage.name + "'")
          .note("it is no cell of the compiled library");
  // A pool of pools has its state from those.
  llvm::DenseSet<mlir::Attribute> used;
  auto uses = mlir::SymbolTable::getSymbolUses(&module->getBodyRegion());
  for (const mlir::SymbolTable::SymbolUse &use : *uses)
    used.insert(use.getSymbolRef());
  for (const PoolInfo &pool : pools)
    for (const ColumnInfo &column : pool.axis->columns)
      if (entries && pool.parts.empty() && column.kind == ColumnKind::state &&
          column.range && !used.contains(column.symbol))
        error(diag::unreadColumn, column.range,
              "nothing reads or writes state '" + column.name + "' of '" +
                  pool.axis->name + "'")
            .note("it is no cell of the compiled library");
  return std::move(module);
}

SourceRange route::rangeOf(const SourceManager &sources,
                           mlir::Location location) {
  if (auto at = dyn_cast<mlir::FileLineColLoc>(location))
    for (unsigned index = 1; index <= sources.numFiles(); ++index) {
      FileId file{index};
      if (sources.name(file) != at.getFilename().getValue() ||
          at.getLine() > sources.numLines(file))
        continue;
      uint32_t begin = sources.lineStart(file, at.getLine());
      return {file, begin,
              uint32_t(begin + sources.lineText(file, at.getLine()).size())};
    }
  return {};
}

/// The standard library's folder: share/routec/stdlib beside the folder of the
/// executable, where an installation has it, and a build a link to the sources.
static std::string standardLibrary() {
  static int here;
  std::string program = llvm::sys::fs::getMainExecutable(nullptr, &here);
  llvm::SmallString<256> path(
      llvm::sys::path::parent_path(llvm::sys::path::parent_path(program)));
  llvm::sys::path::append(path, "share", "routec", "stdlib");
  return path.str().str();
}

mlir::OwningOpRef<mlir::ModuleOp>
route::compileToRouteIR(SourceManager &sources, FileId file,
                        const CompileOptions &options, DiagnosticEngine &diags,
                        mlir::MLIRContext &context) {
  context.getOrLoadDialect<RouteDialect>();
  CompileOptions complete = options;
  complete.importPaths.push_back(standardLibrary());
  return Elaborator(sources, diags, context, complete).run(file);
}

mlir::OwningOpRef<mlir::ModuleOp>
route::compileToRouteIR(llvm::StringRef path, SourceManager &sources,
                        const CompileOptions &options, DiagnosticEngine &diags,
                        mlir::MLIRContext &context) {
  std::string why;
  auto file = sources.openFile(path, why);
  if (!file) {
    diags.report(diag::cannotRead, {}, "cannot read '" + path + "': " + why);
    return nullptr;
  }
  return compileToRouteIR(sources, *file, options, diags, context);
}
