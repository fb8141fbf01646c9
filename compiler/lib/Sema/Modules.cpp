// Files, imports and what they declare.
// A module is a file. Its names are declared all at once and elaborated on
// first use; imports bind another module, or names of it. Cycles are errors.
#include "Elaborator.h"
#include "route/Frontend/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

std::pair<Scope::Entry *, Scope *> Scope::lookup(llvm::StringRef name) {
  for (Scope *scope = this; scope; scope = scope->parent.get()) {
    auto found = scope->entries.find(name.str());
    if (found != scope->entries.end())
      return {&found->second, scope};
  }
  return {nullptr, nullptr};
}

std::vector<std::string> Scope::visibleNames() const {
  std::vector<std::string> names;
  for (const Scope *scope = this; scope; scope = scope->parent.get())
    for (auto &[name, entry] : scope->entries)
      names.push_back(name);
  return names;
}

bool Elaborator::bindName(Scope &scope, const Name &name, Scope::Entry entry) {
  auto [it, inserted] = scope.entries.try_emplace(name.text, entry);
  if (inserted)
    return true;
  error(diag::duplicateName, name.range,
        "'" + name.text + "' is declared twice")
      .label(it->second.range, "the first one")
      .note("names of axes, pools, signals, parameters, functions and routes "
            "share one space");
  return false;
}

void Elaborator::declare(const Decl &decl, Scope &scope) {
  auto pending = [&](const Name &name) {
    bindName(scope, name, {Value(), &decl, name.range, false});
  };
  switch (decl.kind()) {
  case ast::Kind::AxisDecl:
    return pending(cast<AxisDecl>(decl).name);
  case ast::Kind::PoolDecl:
    return pending(cast<PoolDecl>(decl).name);
  case ast::Kind::SignalDecl:
    return pending(cast<SignalDecl>(decl).name);
  case ast::Kind::ParamDecl:
    return pending(cast<ParamDecl>(decl).name);
  case ast::Kind::StateDecl:
    return pending(cast<StateDecl>(decl).name);
  case ast::Kind::RouteDecl:
    return pending(cast<RouteDecl>(decl).name);
  case ast::Kind::UseDecl:
    return pending(cast<UseDecl>(decl).name);
  case ast::Kind::BudgetDecl:
    return pending(cast<BudgetDecl>(decl).name);
  case ast::Kind::LetDecl:
    for (const Name &name : cast<LetDecl>(decl).names)
      pending(name);
    return;
  case ast::Kind::ImportDecl:
    return declareImport(cast<ImportDecl>(decl), scope);
  default:
    return; // notes, handlers and tests have no name of their own
  }
}

void Elaborator::declareAll(const ast::Module &module, Scope &scope) {
  for (const DeclPtr &decl : module.decls)
    declare(*decl, scope);
  // What could not be read has been told; its uses are no news.
  for (const Name &name : module.lost)
    scope.entries.try_emplace(
        name.text, Scope::Entry{Value(), nullptr, name.range, false});
}

ScopePtr Elaborator::loadModule(FileId file) {
  auto scope = std::make_shared<Scope>(prelude);
  auto tree = parseModule(sources, file, diags);
  parsed.push_back(std::move(tree));
  loading.push_back(sources.name(file).str());
  declareAll(*parsed.back(), *scope);
  loading.pop_back();
  return scope;
}

std::optional<FileId> Elaborator::findModule(const ImportDecl &decl) {
  std::string relative;
  if (decl.file) {
    relative = decl.file->value;
  } else {
    auto path = llvm::ArrayRef(decl.path);
    if (!path.empty() && path.front().text == "std")
      path = path.drop_front();
    for (const Name &part : path)
      relative += (relative.empty() ? "" : "/") + part.text;
    relative += ".route";
  }
  llvm::SmallVector<std::string> tried;
  auto attempt = [&](llvm::StringRef folder) -> std::optional<FileId> {
    llvm::SmallString<256> path(folder);
    llvm::sys::path::append(path, relative);
    llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
    tried.push_back(std::string(path));
    if (!llvm::sys::fs::exists(path) || llvm::sys::fs::is_directory(path))
      return std::nullopt;
    std::string why;
    auto file = sources.openFile(path, why);
    if (!file)
      error(diag::importNotFound, decl.range,
            "cannot read '" + llvm::Twine(path) + "': " + why);
    return file;
  };
  llvm::StringRef own = sources.name(decl.range.file);
  bool fromStd =
      !decl.file && !decl.path.empty() && decl.path.front().text == "std";
  if (!fromStd)
    if (auto file = attempt(llvm::sys::path::parent_path(own)))
      return file;
  if (!decl.file)
    for (const std::string &folder : options.importPaths)
      if (auto file = attempt(folder))
        return file;
  auto message =
      error(diag::importNotFound, decl.range, "no module '" + relative + "'");
  std::vector<std::string> names;
  for (const std::string &path : tried) {
    message.note("looked for '" + path + "'");
    std::error_code error;
    for (llvm::sys::fs::directory_iterator
             file(llvm::sys::path::parent_path(path), error),
         end;
         file != end && !error; file.increment(error))
      if (llvm::sys::path::extension(file->path()) == ".route")
        names.push_back(llvm::sys::path::stem(file->path()).str());
  }
  message.suggest(llvm::sys::path::stem(relative), names);
  return std::nullopt;
}

ScopePtr Elaborator::importModule(const ImportDecl &decl) {
  auto file = findModule(decl);
  if (!file)
    return nullptr;
  std::string name = sources.name(*file).str();
  if (auto found = loaded.find(name); found != loaded.end())
    return found->second;
  if (llvm::is_contained(loading, name)) {
    std::string cycle;
    for (const std::string &step : loading)
      cycle += "'" + step + "' imports ";
    error(diag::importCycle, decl.range,
          "modules import each other in a circle")
        .note(cycle + "'" + name + "'");
    return nullptr;
  }
  if (loading.size() > 64) {
    error(diag::importCycle, decl.range, "imports nest deeper than 64");
    return nullptr;
  }
  return loaded[name] = loadModule(*file);
}

void Elaborator::declareImport(const ImportDecl &decl, Scope &scope) {
  ScopePtr imported = importModule(decl);
  if (!imported)
    return;
  if (decl.selective) {
    for (const ImportDecl::Item &item : decl.items) {
      auto found = imported->entries.find(item.name.text);
      if (found == imported->entries.end()) {
        std::vector<std::string> names;
        for (auto &[name, entry] : imported->entries)
          names.push_back(name);
        unknownName(item.name, "name in this module", names);
        continue;
      }
      // A link, so that the declaration is elaborated once, where it stands.
      Value link = Value::ofKind(Value::Kind::Module);
      link.scope = imported;
      link.text = item.name.text;
      bindName(scope, item.alias ? item.alias : item.name,
               {link, nullptr, item.name.range, false});
    }
    return;
  }
  Value value = Value::ofKind(Value::Kind::Module);
  value.scope = imported;
  Name name = decl.alias;
  if (!name && !decl.path.empty())
    name = decl.path.back();
  if (!name) {
    name.text = llvm::sys::path::stem(decl.file->value).str();
    name.range = decl.file->range;
  }
  bindName(scope, name, {value, nullptr, name.range, false});
}
