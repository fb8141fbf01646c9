// Declarations that stand where nothing would ever look at them.
// The grammar takes every declaration in every body, so that recovery is one
// thing; what has no meaning in a pool, a route or a file is refused here.
#include "Elaborator.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

namespace {
enum class Place { File, Pool, Route };
} // namespace

/// What is said of a declaration that has no meaning there; null where it has.
static const char *wrongFor(ast::Kind kind, Place place) {
  switch (kind) {
  case ast::Kind::ImportDecl:
  case ast::Kind::NotesDecl:
  case ast::Kind::TestDecl:
    return place == Place::File ? nullptr : "belongs at the top of the file";
  case ast::Kind::OnDecl:
    // A router has `on commit`; it tells of the others itself.
    return place == Place::Pool ? "belongs at the top of the file" : nullptr;
  case ast::Kind::RequireDecl:
    return place == Place::Pool ? nullptr
                                : "belongs in a pool, whose rows it holds back";
  default:
    return nullptr;
  }
}

void Elaborator::misplaced(const Decl &decl, StringRef why, StringRef note) {
  SourceRange at = decl.range;
  StringRef word =
      sources.text(at).take_while([](char c) { return llvm::isAlpha(c); });
  at.end = at.begin + word.size();
  if (auto *on = dyn_cast<OnDecl>(&decl))
    at.end = on->event.range.end;
  error(diag::misplacedDeclaration, at, "'" + sources.text(at) + "' " + why)
      .note(note);
}

void Elaborator::checkPlaces(const ast::Module &module) {
  struct Walk {
    Elaborator &s;

    void look(const Decl &decl, Place place) {
      if (const char *why = wrongFor(decl.kind(), place))
        s.misplaced(decl, why, "here nothing would ever run it");
      if (auto *pool = dyn_cast<PoolDecl>(&decl))
        for (const DeclPtr &inner : pool->decls)
          look(*inner, Place::Pool);
      if (auto *route = dyn_cast<RouteDecl>(&decl); route && route->body)
        for (const StmtPtr &stmt : route->body->stmts)
          if (auto *local = dyn_cast<DeclStmt>(stmt.get()))
            look(*local->decl, Place::Route);
    }
  };
  Walk walk{*this};
  for (const DeclPtr &decl : module.decls)
    walk.look(*decl, Place::File);
}
