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
  checkPlaces(module);
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

/// The names of a file that has been read, or null.
ScopePtr Elaborator::scopeOf(FileId file) const {
  auto found = loaded.find(sources.name(file).str());
  return found == loaded.end() ? nullptr : found->second;
}

/// The parts of a module's path below the folder where it was looked for,
/// `lib` and `fleet`.
static std::vector<std::string>
partsOfModule(StringRef file, llvm::ArrayRef<std::string> folders) {
  for (StringRef folder : folders) {
    llvm::SmallString<256> plain(folder);
    llvm::sys::path::remove_dots(plain, /*remove_dot_dot=*/true);
    StringRef below = file;
    if (!plain.empty() && below.consume_front(plain) &&
        below.consume_front("/")) {
      file = below;
      break;
    }
  }
  std::vector<std::string> parts;
  for (StringRef folder : llvm::make_range(
           llvm::sys::path::begin(llvm::sys::path::parent_path(file)),
           llvm::sys::path::end(llvm::sys::path::parent_path(file))))
    parts.push_back(folder.str());
  parts.push_back(llvm::sys::path::stem(file).str());
  return parts;
}

/// What a module declares goes by the module's name in the library,
/// `fleet.total`, so that no name hangs on the order of imports and of uses.
/// That name is its file's, `fleet`, or as much of the path as tells it from
/// other modules and from what any file declares: `lib.fleet`.
void Elaborator::nameModules() {
  struct Named {
    Scope &scope;
    std::vector<std::string> parts;
    size_t taken = 1;
    std::string name() const {
      return llvm::join(llvm::ArrayRef(parts).take_back(taken), ".");
    }
  };
  std::vector<std::string> folders = {
      llvm::sys::path::parent_path(sources.name(mainFile)).str()};
  llvm::append_range(folders, options.importPaths);
  std::vector<Named> modules;
  for (auto &[file, scope] : loaded)
    if (scope != root && scope != prelude)
      modules.push_back({*scope, partsOfModule(file, folders)});
  // Below its name stand a pool's columns: `fleet.models` is taken where the
  // main file has a pool `fleet`, or a module `fleet` has a pool `models`.
  auto declares = [](const Scope &scope, StringRef path) {
    auto found = scope.entries.find(path.split('.').first.str());
    return found != scope.entries.end() && found->second.pending;
  };
  auto isDeclared = [&](StringRef name) {
    return declares(*root, name) ||
           llvm::any_of(modules, [&](const Named &other) {
             StringRef below = name;
             return below.consume_front(other.name() + ".") &&
                    declares(other.scope, below);
           });
  };
  for (bool longer = true; longer;) {
    longer = false;
    std::map<std::string, unsigned> known;
    for (const Named &module : modules)
      ++known[module.name()];
    for (Named &module : modules)
      if ((known[module.name()] > 1 || isDeclared(module.name())) &&
          module.taken < module.parts.size()) {
        ++module.taken;
        longer = true;
      }
  }
  std::set<std::string> known; // of one path below several folders
  for (const Named &module : modules) {
    std::string name = module.name();
    for (unsigned i = 1; isDeclared(name) || !known.insert(name).second; ++i)
      name = module.name() + "_" + std::to_string(i);
    module.scope.path = name;
  }
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
