// Expressions as written.
// Expressions, among them the one form of choice and the bounded loop.
#ifndef ROUTE_AST_EXPRS_H
#define ROUTE_AST_EXPRS_H

#include "route/AST/Types.h"
#include <optional>

namespace route::ast {

class BlockStmt;
class RuleDecl;

/// `name: value`, or a plain value with an empty name. Also an entry of a
/// record or list literal.
struct Arg {
  Name name;
  ExprPtr value;
};

/// A number with its scale and unit: `2.5`, `24k`, `80%`, `5 ms`, `100k tok`,
/// `20k tok/s`, `$0.15/Mtok`. Its value in base units (s, tok, B, $; a ratio
/// for %) is exactly digits * mulNum / mulDen.
class NumberExpr : public NodeOf<NumberExpr, Kind::NumberExpr, Expr> {
public:
  std::string digits;  // plain decimal, e.g. "2.5", "1e-20"; hexadecimal "0x1f"
  uint64_t mulNum = 1; // 24k: 1000; 5 min: 60
  uint64_t mulDen = 1; // 5 ms: 1000; $/Mtok: 1000000
  std::string unit;    // base unit: "", "s", "tok", "B", "$", "%" (a ratio)
  std::string per; // base unit below the line: "tok" in $/Mtok, "s" in tok/s
  bool integral = false; // written without point, exponent or division

  bool hasUnit() const { return !unit.empty(); }
  /// In base units, rounded to nearest.
  double value() const;
};

class StringExpr : public NodeOf<StringExpr, Kind::StringExpr, Expr> {
public:
  std::string value; // escapes resolved
  bool raw = false;  // r"..."
};

class BoolExpr : public NodeOf<BoolExpr, Kind::BoolExpr, Expr> {
public:
  bool value = false;
};
class UnknownExpr : public NodeOf<UnknownExpr, Kind::UnknownExpr, Expr> {};
class NoneExpr : public NodeOf<NoneExpr, Kind::NoneExpr, Expr> {};

class NameExpr : public NodeOf<NameExpr, Kind::NameExpr, Expr> {
public:
  Name name;
};

/// `a.b`: a column, a field, an axis member (`h.gate`) or a module's name.
class MemberExpr : public NodeOf<MemberExpr, Kind::MemberExpr, Expr> {
public:
  ExprPtr base;
  Name member;
};

/// `f(x, n: 2)`, and reductions `sum(x over (a, b) of p per c)`.
class CallExpr : public NodeOf<CallExpr, Kind::CallExpr, Expr> {
public:
  ExprPtr callee;
  std::vector<Arg> args;
  std::vector<ExprPtr> over; // what is reduced away: axes, a plan, `chosen`
  ExprPtr of;                // the plan that restricts it
  std::vector<ExprPtr> per;  // what is kept
  bool isReduction() const { return !over.empty() || of || !per.empty(); }
  /// The name called when the callee is a plain name, otherwise empty.
  llvm::StringRef calleeName() const;
};

/// An entry between brackets: `i`, `token as token'`, `depth: 3`.
struct IndexArg {
  Name name; // `depth`
  ExprPtr value;
  Name rename; // the new axis of `value as rename`
};

/// `x[i]`, `x[token as token']`, `1.0[token]` (spread), `swiglu[hidden,
/// inner]`.
class IndexExpr : public NodeOf<IndexExpr, Kind::IndexExpr, Expr> {
public:
  ExprPtr base;
  std::vector<IndexArg> args;
};

enum class UnaryOp { Neg, Plus, Not, Old, Up /* postfix: lowest first */ };
class UnaryExpr : public NodeOf<UnaryExpr, Kind::UnaryExpr, Expr> {
public:
  UnaryOp op = UnaryOp::Neg;
  ExprPtr operand;
};

enum class BinaryOp {
  Pow,
  Mul,
  Div,
  MatMul,
  Add,
  Sub,
  Concat,
  Coalesce,
  Range,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  In,
  Subset,
  At,
  And,
  Or,
  Where,
};
class BinaryExpr : public NodeOf<BinaryExpr, Kind::BinaryExpr, Expr> {
public:
  BinaryOp op = BinaryOp::Add;
  SourceRange opRange;
  ExprPtr lhs, rhs;
};

/// The operators as written: "+", "and", "up".
llvm::StringRef spelling(UnaryOp op);
llvm::StringRef spelling(BinaryOp op);

/// A comparison without its left side, in a list of bands: `[low: < 0.5]`.
class PartialExpr : public NodeOf<PartialExpr, Kind::PartialExpr, Expr> {
public:
  BinaryOp op = BinaryOp::Lt;
  ExprPtr rhs;
};

/// `(e)`. Kept: a group is one node for confidence.
class ParenExpr : public NodeOf<ParenExpr, Kind::ParenExpr, Expr> {
public:
  ExprPtr inner;
};
/// `(a, b)`; also a key of several parts.
class TupleExpr : public NodeOf<TupleExpr, Kind::TupleExpr, Expr> {
public:
  std::vector<ExprPtr> elements;
};
/// `[a, b]`, `[standard: < 0.35]`.
class ListExpr : public NodeOf<ListExpr, Kind::ListExpr, Expr> {
public:
  std::vector<Arg> entries;
};
/// `{ a, b }`: a pool by its members; `{}` is empty.
class SetExpr : public NodeOf<SetExpr, Kind::SetExpr, Expr> {
public:
  std::vector<ExprPtr> elements;
};
/// `{ effort: high }`.
class RecordExpr : public NodeOf<RecordExpr, Kind::RecordExpr, Expr> {
public:
  std::vector<Arg> fields;
};

/// `if c then a else b`.
class IfExpr : public NodeOf<IfExpr, Kind::IfExpr, Expr> {
public:
  ExprPtr cond, thenValue, elseValue;
};

/// One arm of a case. Without a subject every arm is a Test or Otherwise; with
/// one, a Test compares with it. Exactly one of `value` and `body` is set.
struct CaseArm {
  enum class Form {
    Test,   // `prefix in m.seen`, `legal`, `1..3`
    Ok,     // `ok`, `ok(y)`
    Failed, // `failed`, `failed(c)` binds the code, `failed(400..428)` tests it
    Known,  // `known(g)`
    Otherwise, // `otherwise`
  };
  Form form = Form::Test;
  ExprPtr test; // Test, and Failed with a code
  Name binder;  // Ok, Failed, Known
  ExprPtr value;
  StmtPtr body;
  SourceRange range;
};

/// `case c -> a  otherwise -> b` and `case subject { pattern -> … }`.
class CaseExpr : public NodeOf<CaseExpr, Kind::CaseExpr, Expr> {
public:
  ExprPtr subject;
  std::vector<CaseArm> arms;
};

/// `choose COUNT of CANDIDATES per AXES where MASK under BUDGETS by KEY weight
/// EXPR [: TYPE] [{ rules }] else …`.
class ChooseExpr : public NodeOf<ChooseExpr, Kind::ChooseExpr, Expr> {
public:
  ChooseExpr();
  ~ChooseExpr() override;
  enum class Count {
    Number, // `count`
    All,
    Until,  // `until count`: the row that makes it true is kept
    Listed, // `listed count`: a table of expert numbers
    Path,   // `path from -> to`
    First,  // rules in order
  };
  Count countForm = Count::Number;
  ExprPtr count;
  ExprPtr from, to; // Path
  ExprPtr candidates;
  std::vector<ExprPtr> per;
  ExprPtr where;
  std::vector<ExprPtr> under;
  ExprPtr key; // a TupleExpr has several parts; `x up` is UnaryOp::Up
  ExprPtr weight;
  TypePtr weightType;
  std::vector<std::unique_ptr<RuleDecl>> rules;
  ExprPtr otherwise; // after `else`: another choose, a call of reject, a value
};

/// `a = x`: a name and its value, e.g. in `carry (u = 1.0[token])`.
struct Binding {
  Name name;
  ExprPtr value;
};

/// `for m in pool by key carry (a = x) until c { … }` and `for 50 …`. As an
/// expression it yields its carried values.
class ForExpr : public NodeOf<ForExpr, Kind::ForExpr, Expr> {
public:
  ForExpr();
  ~ForExpr() override;
  std::vector<Name> binders; // empty for a bare count; several for `(g, a)`
  ExprPtr domain;            // the count, range or pool
  ExprPtr key;
  std::vector<Binding> carry;
  ExprPtr until;
  std::unique_ptr<BlockStmt> body;
};

/// `call m.chat(r) timeout 30 s -> { goal: ref tools }`.
class CallOutExpr : public NodeOf<CallOutExpr, Kind::CallOutExpr, Expr> {
public:
  ExprPtr call; // a CallExpr
  ExprPtr timeout;
  TypePtr result;
};

/// `par 8 { call … } need 5`.
class ParExpr : public NodeOf<ParExpr, Kind::ParExpr, Expr> {
public:
  ParExpr();
  ~ParExpr() override;
  ExprPtr count;
  std::unique_ptr<BlockStmt> body; // its last expression is each run's value
  ExprPtr need;
};

/// `value with { effort: high }`.
class WithExpr : public NodeOf<WithExpr, Kind::WithExpr, Expr> {
public:
  ExprPtr value;
  std::vector<Arg> notes;
};

/// `return x` after `??` or `else`.
class ReturnExpr : public NodeOf<ReturnExpr, Kind::ReturnExpr, Expr> {
public:
  ExprPtr value;
};

/// `e` without parentheses around it.
const Expr *ignoreParens(const Expr *e);
/// The name when `e` is a plain name, otherwise empty.
llvm::StringRef plainName(const Expr *e);

} // namespace route::ast

#endif
