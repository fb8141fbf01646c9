// Declarations as written.
// Declarations of modules, pools, routes and rules. A declaration of several
// names (`axis token, hidden = 64`, `param wi, wh : …`) becomes one node a
// name.
#ifndef ROUTE_AST_DECLS_H
#define ROUTE_AST_DECLS_H

#include "route/AST/Stmts.h"

namespace route::ast {

/// `import std.scores`, `import std.scores as s`, `import std.scores { f, g as
/// h }`, `import "file.route" as f`.
class ImportDecl : public NodeOf<ImportDecl, Kind::ImportDecl, Decl> {
public:
  struct Item {
    Name name;
    Name alias; // empty when the name is kept
  };
  std::vector<Name> path;           // the dotted path, or empty
  std::unique_ptr<StringExpr> file; // or a file
  Name alias;
  bool selective = false; // braces were written
  std::vector<Item> items;
};

/// How an attribute of a pool changes.
enum class AttrKind {
  None,  // a column of an axis, a field, a parameter of a body
  Attr,  // fixed by the declaration or the parameters
  Const, // fixed while a row lives
  Live,  // pushed by the host, goes stale
  State, // written by events
};

/// A column of an axis, an attribute of a pool, a field of a record type, a
/// note, or a parameter of a route or function:
/// `trusted cap : money? = $5 stale 10 s else $1`.
class ColumnDecl : public NodeOf<ColumnDecl, Kind::ColumnDecl, Decl> {
public:
  AttrKind attr = AttrKind::None;
  bool trusted = false;
  Name name;
  TypePtr type;                       // null where the type is left out
  ExprPtr init;                       // after '='
  ExprPtr stale;                      // live: how long a pushed value counts
  ExprPtr fallback;                   // live: the value once stale
  std::unique_ptr<StringExpr> source; // from "…"
};
using ColumnPtr = std::unique_ptr<ColumnDecl>;

/// `axis token in image`, `axis hidden = 7168`, `axis half { gate, up }`, `axis
/// request { prompt : text }`.
class AxisDecl : public NodeOf<AxisDecl, Kind::AxisDecl, Decl> {
public:
  Name name;
  ExprPtr size; // null: given by the host, or by the members
  Name parent;  // empty when not nested
  std::vector<ColumnPtr> columns;
  std::vector<Name> members;
};

/// `body chat(request) -> { text : handle, tin : tokens }`: a call to the host.
class BodyDecl : public NodeOf<BodyDecl, Kind::BodyDecl, Decl> {
public:
  Name name;
  std::vector<ColumnPtr> params;
  TypePtr result;
};

/// A row: `small { price_in: $0.15/Mtok }`, `zero[256] = identity`.
class MemberDecl : public NodeOf<MemberDecl, Kind::MemberDecl, Decl> {
public:
  Name name;
  ExprPtr size;  // how many, null is one
  ExprPtr value; // its body
  std::vector<Arg> fields;
};

/// A pool and all that is declared in it.
class PoolDecl : public NodeOf<PoolDecl, Kind::PoolDecl, Decl> {
public:
  enum class Size {
    Members, // no brackets: as many as members are listed, or the host's rows
    Fixed,   // [32]
    Max,     // [max 4k]
    Dynamic, // [dynamic]
  };
  Name name;
  Size sizeForm = Size::Members;
  ExprPtr size;  // Fixed, Max
  Name parent;   // `in group`
  ExprPtr value; // after '=': a body (`swiglu[hidden, inner]`) or pool algebra
                 // (`a + b`)
  std::vector<ColumnPtr> attributes;
  std::vector<std::unique_ptr<BodyDecl>> bodies;
  std::vector<std::unique_ptr<MemberDecl>> members;
  std::vector<ExprPtr> indexes; // `index hnsw(v)`: calls
  ExprPtr expire;
  ExprPtr quota;
  std::vector<ExprPtr> quotaPer;
  Name evict;
  std::vector<DeclPtr> decls; // axes, params, state, lets, routes, routers,
                              // pools, uses, requires, handlers
};

/// `signal e : f32[dim 384] = host.embed(prompt) timeout 5 ms else …`. A
/// threshold is BinaryOp::At in the value.
class SignalDecl : public NodeOf<SignalDecl, Kind::SignalDecl, Decl> {
public:
  Name name;
  TypePtr type;
  ExprPtr value; // null: an input
  ExprPtr timeout;
  ExprPtr fallback;
};

/// `param w : f32[experts, hidden] from "gate.weight"`.
class ParamDecl : public NodeOf<ParamDecl, Kind::ParamDecl, Decl> {
public:
  Name name;
  TypePtr type;
  ExprPtr init;
  std::unique_ptr<StringExpr> source;
};

/// `state N : u32[sig] = 0 max 64k lru`, `state bias : f32[experts] from "…"`.
class StateDecl : public NodeOf<StateDecl, Kind::StateDecl, Decl> {
public:
  Name name;
  TypePtr type;
  ExprPtr init;
  std::unique_ptr<StringExpr> source;
  ExprPtr capacity; // keys kept; given once for all names of a declaration
  Name policy;      // which key leaves: `lru`
};

/// `let s : f32 = …`, `let (u, v) = …`, `let worst(m) = …`, `let exact s = …`.
class LetDecl : public NodeOf<LetDecl, Kind::LetDecl, Decl> {
public:
  std::vector<Name> names; // several for a tuple
  bool exact = false;
  bool isFunction = false;
  std::vector<ColumnPtr> params;
  TypePtr type; // of the value, or of the function's result
  ExprPtr value;
  const Name &name() const { return names.front(); }
};

/// `route layer(x) -> type = …`, `router pick(request) -> models { … }`.
class RouteDecl : public NodeOf<RouteDecl, Kind::RouteDecl, Decl> {
public:
  bool isRouter = false;
  Name name;
  std::vector<Name> axisParams; // `site[out]`
  std::vector<ColumnPtr> params;
  TypePtr result;
  std::vector<ExprPtr> under;
  ExprPtr value; // after '=', or
  std::unique_ptr<BlockStmt> body;
};

/// `use shared = swiglu[hidden, inner]`.
class UseDecl : public NodeOf<UseDecl, Kind::UseDecl, Decl> {
public:
  Name name;
  ExprPtr value;
};

/// `budget day { reserve worst charge actual per key window day "UTC" limit $5
/// lease 10 min warn 80% }`.
class BudgetDecl : public NodeOf<BudgetDecl, Kind::BudgetDecl, Decl> {
public:
  Name name;
  ExprPtr reserve;
  ExprPtr charge;
  std::vector<ExprPtr> per;
  Name window;          // call, batch, run, held, fixed, sliding, day, month
  ExprPtr windowLength; // `sliding 60 s / 12`; a StringExpr for a time zone
  ExprPtr limit;
  ExprPtr lease;
  ExprPtr warn;
};

/// `notes { effort : enum { off, high } = off }`.
class NotesDecl : public NodeOf<NotesDecl, Kind::NotesDecl, Decl> {
public:
  std::vector<ColumnPtr> columns;
};

/// `rule legal (tier: 1) when law -> opus`, `when c -> x`, `otherwise -> x`.
class RuleDecl : public NodeOf<RuleDecl, Kind::RuleDecl, Decl> {
public:
  Name name; // empty for `when` and `otherwise`
  std::vector<Arg> attributes;
  ExprPtr cond; // null: always
  ExprPtr target;
};

/// `require weight >= 0.02 where guard else reject`.
class RequireDecl : public NodeOf<RequireDecl, Kind::RequireDecl, Decl> {
public:
  ExprPtr cond, where, otherwise;
};

/// `on commit { … }`, `on failure(m, code) { … }`, `on tick every 10 s { … }`,
/// `on feedback(took: ref tools, reward) { … }`.
class OnDecl : public NodeOf<OnDecl, Kind::OnDecl, Decl> {
public:
  Name event;
  std::vector<ColumnPtr> params; // a name, and perhaps a type
  ExprPtr every;
  std::unique_ptr<BlockStmt> body;
};

/// `test "short fix" of pick { prompt: "…", jail = unknown } -> coder`, with
/// `chat(small) = failed(500)` where the route calls the host, or a
/// test with statements: `test "sums" { expect sum([1, 2] over n) == 3 }`.
class TestDecl : public NodeOf<TestDecl, Kind::TestDecl, Decl> {
public:
  struct Input {
    Name name;
    bool isSignal = false; // written with '=': sets a signal, not a column
    ExprPtr value;
    std::unique_ptr<CallExpr> call; // `chat(small) = …`: what the host answers
    ExprPtr cell; // in place of a name: `small.cool = …`, a live or state
                  // column of a row; `used[tenant] = …`, an element of state;
                  // `sig.jail = …`, `request.k: …`, by path
  };
  std::unique_ptr<StringExpr> name;
  Name router; // after `of`; may be empty
  std::vector<Input> inputs;
  ExprPtr expected; // after '->', or
  std::unique_ptr<BlockStmt> body;
};

/// A file.
struct Module {
  FileId file;
  std::vector<DeclPtr> decls;
  /// What declarations that could not be read would have declared.
  std::vector<Name> lost;
};

} // namespace route::ast

#endif
