// Types as written.
// Type expressions: what stands after ':' and '->'. Sema gives them meaning.
#ifndef ROUTE_AST_TYPES_H
#define ROUTE_AST_TYPES_H

#include "route/AST/Node.h"

namespace route::ast {

class ColumnDecl;

/// A name: an element type (`bf16`), a unit (`tokens`, `s`), a named type
/// (`handle`, `mlp`, `text`) or a pool (`models`, result of a router).
/// `path` holds the parts of a dotted name.
class NamedType : public NodeOf<NamedType, Kind::NamedType, TypeExpr> {
public:
  std::vector<Name> path;
  Name &name() { return path.back(); }
  const Name &name() const { return path.back(); }
};

/// A unit that is not one word: `$`, `$/tok`, `tok/s`.
class UnitType : public NodeOf<UnitType, Kind::UnitType, TypeExpr> {
public:
  Name numerator;   // "$" or a unit word
  Name denominator; // empty when there is none
};

/// One entry between the brackets of an array type.
struct Dim {
  enum class Form {
    Axis,   // `token`, `code'`, a dotted axis in `path`
    Size,   // `4`: an axis without a name
    Inline, // `dim 384`, `dim bin = 9`: an axis declared here; `path` may be
            // empty
    Group,  // `(inner, half)`: several axes stored as one, the first outermost
  };
  Form form = Form::Axis;
  std::vector<Name> path; // Axis: the name's parts; Inline: zero or one name
  ExprPtr size;           // Size, Inline
  std::vector<Dim> group; // Group
  SourceRange range;
};

/// `bf16[token, hidden]`.
class ArrayType : public NodeOf<ArrayType, Kind::ArrayType, TypeExpr> {
public:
  TypePtr element;
  std::vector<Dim> dims;
};

/// `enum { free, pro }`, or `enum C` with only `name` set.
class EnumType : public NodeOf<EnumType, Kind::EnumType, TypeExpr> {
public:
  Name name;
  std::vector<Name> members;
};

/// `[text]`.
class ListType : public NodeOf<ListType, Kind::ListType, TypeExpr> {
public:
  TypePtr element;
};

/// `ref tools`.
class RefType : public NodeOf<RefType, Kind::RefType, TypeExpr> {
public:
  TypePtr target;
};

/// `set u64 max 64k lru`; capacity and policy may be absent.
class SetType : public NodeOf<SetType, Kind::SetType, TypeExpr> {
public:
  TypePtr element;
  ExprPtr capacity;
  Name policy;
};

/// `money?`.
class OptionalType : public NodeOf<OptionalType, Kind::OptionalType, TypeExpr> {
public:
  TypePtr element;
};

/// `{ text : handle, tin : tokens }`.
class RecordType : public NodeOf<RecordType, Kind::RecordType, TypeExpr> {
public:
  RecordType();
  ~RecordType() override;
  std::vector<std::unique_ptr<ColumnDecl>> fields;
};

/// `(bf16[token, hidden], f32[token, code])`.
class TupleType : public NodeOf<TupleType, Kind::TupleType, TypeExpr> {
public:
  std::vector<TypePtr> elements;
};

} // namespace route::ast

#endif
