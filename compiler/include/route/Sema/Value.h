// What an expression means.
// The result of elaborating an expression: an array in the IR, rows of a plan,
// a number not yet typed, or a thing that is not a value by itself (an axis, a
// function, a route). Cheap to copy.
#ifndef ROUTE_SEMA_VALUE_H
#define ROUTE_SEMA_VALUE_H

#include "route/AST/AST.h"
#include "route/Sema/Axis.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <memory>
#include <optional>

namespace route::sema {

class Scope;
using ScopePtr = std::shared_ptr<Scope>;
struct RouteInstance;
struct Value;

/// How reads of an axis are narrowed where a body runs on rows of it.
struct Frame {
  AxisInfo *axis = nullptr;
  AxisInfo *plan = nullptr; // gathered to the rows of this plan,
  mlir::Value position;     // or read at one position,
  int64_t offset = 0;       // counted from here; or neither: all of the axis
  std::shared_ptr<Value> record =
      nullptr; // of an item: its columns, as a step left them
  /// Axes inside the pool, and for each the plan of its positions in the rows
  /// at hand.
  std::vector<std::pair<AxisInfo *, AxisInfo *>> inner = {};
};

/// A parameter, signal, state cell or column: something `route.get` reads.
struct Storage {
  enum class Kind { Param, Signal, State, Column };
  Kind kind = Kind::Param;
  std::string name;
  mlir::SymbolRefAttr symbol;
  ArrayType type;
  Unit unit;
  bool optional = false;
  const ast::Expr *threshold = nullptr; // of a signal written `… at t`
  const ast::Expr *fallback = nullptr;  // of a signal written `… else e`
  mlir::SymbolRefAttr confidence; // of a signal made by `bands` with a slope
  ArrayType confidenceType;
  std::string inputName; // a signal the caller gives: arguments match by name
  // Of state with keys: for each dimension how many parts its key has, or 0
  // for an axis; their element types; axes that belong to a key.
  std::vector<int64_t> keyed;
  std::vector<mlir::Type> keyTypes;
  std::vector<AxisInfo *> keyAxes;
  std::optional<int64_t> bound; // of sets: the most members
  SourceRange range;
};

/// `let f(x) = …` with the scope it was written in.
struct FunctionInfo {
  const ast::LetDecl *decl = nullptr;
  ScopePtr scope;
};

/// An expression over rows of a pool that waits for the plan to run along.
struct LazyExpr {
  const ast::Expr *expr = nullptr;
  ScopePtr scope;
  std::vector<Frame> frames;
  unsigned drawPath = 0;
};

struct Value {
  enum class Kind {
    Error,    // reported already
    Number,   // a literal or a folded one: adapts to its surroundings
    Text,     // a string literal
    Array,    // `ir`
    Match,    // truth and confidence: parts[0] and parts[1]
    Plan,     // rows of `axis`; columns in parts
    Row,      // a row of `axis`: at `ir`, or any (each position)
    Axis,     // an axis or pool by name
    Enum,     // an enumeration type
    Tuple,    // parts
    Record,   // parts with names
    Storage,  // something to read
    Function, // of `function`
    Builtin,  // a function of the language, by `text`
    Route,    // of `route`
    Module,   // of `scope`
    Lazy,     // of `lazy`
    Member,   // one row of a pool by its label: `number` is its position
    Unknown,  // the literal
    None,     // the literal: no row
    Result,   // what a call of the host gave: code, row and fields in parts
    RunSet,   // `run.failed` or `run.chosen`, by `text`
    Subset,   // some rows of `axis` (null: none), with "mask" and "order"
    Skipped,  // the rows of parts[0] as skipped ones, in a pool of pools
    Refusal,  // reject(code): code in `number`, reason in `text`
  };
  Kind kind = Kind::Error;
  mlir::Value ir;
  Unit unit;
  double number = 0;
  bool integral = false;
  /// Of a whole number: its size, where 64 bits hold it. A double lacks digits
  /// beyond 2^53; the sign is that of `number`.
  uint64_t magnitude = 0;
  std::string text;
  AxisInfo *axis = nullptr;
  std::shared_ptr<std::vector<Value>> parts;
  std::shared_ptr<std::vector<std::string>> names;
  std::shared_ptr<LazyExpr> lazy;
  std::shared_ptr<FunctionInfo> function;
  ScopePtr scope;
  Storage *storage = nullptr;
  RouteInstance *route = nullptr;
  /// Of a result: set once its failure has been looked at.
  std::shared_ptr<bool> handled;
  /// Of a label: how sure it is.
  std::shared_ptr<Value> confidence;
  /// Of a row: the budgets of the choice that it is from.
  llvm::SmallVector<mlir::Attribute> under;

  bool isError() const { return kind == Kind::Error; }
  bool is(Kind k) const { return kind == k; }
  /// The part called `name`, or null.
  const Value *part(llvm::StringRef name) const {
    if (names)
      for (size_t i = 0; i < names->size(); ++i)
        if ((*names)[i] == name)
          return &(*parts)[i];
    return nullptr;
  }

  static Value array(mlir::Value ir, Unit unit = {}) {
    Value v;
    v.kind = Kind::Array, v.ir = ir, v.unit = unit;
    return v;
  }
  static Value literal(double number, bool integral, Unit unit = {}) {
    Value v;
    v.kind = Kind::Number, v.number = number, v.integral = integral,
    v.unit = unit;
    if (integral && number > -0x1p64 && number < 0x1p64)
      v.magnitude = uint64_t(number < 0 ? -number : number);
    return v;
  }
  static Value ofKind(Kind kind) {
    Value v;
    v.kind = kind;
    return v;
  }
  static Value ofAxis(Kind kind, AxisInfo *axis, mlir::Value ir = {}) {
    Value v;
    v.kind = kind, v.axis = axis, v.ir = ir;
    return v;
  }
  static Value group(Kind kind, std::vector<Value> parts,
                     std::vector<std::string> names = {}) {
    Value v;
    v.kind = kind;
    v.parts = std::make_shared<std::vector<Value>>(std::move(parts));
    if (!names.empty())
      v.names = std::make_shared<std::vector<std::string>>(std::move(names));
    return v;
  }
};

/// Names of a block, a route, a pool or a module. A declaration is elaborated
/// when its name is first looked up, so that order does not matter.
class Scope : public std::enable_shared_from_this<Scope> {
public:
  struct Entry {
    Value value;
    const ast::Decl *pending = nullptr; // not elaborated yet
    SourceRange range;
    bool busy = false;      // being elaborated: a second look-up is a cycle
    std::string variable{}; // of a step route: what it is known by; may change
    bool used = false;      // of a let: elaborated somewhere
  };
  explicit Scope(ScopePtr parent = nullptr) : parent(std::move(parent)) {}
  ScopePtr parent;
  std::map<std::string, Entry> entries;
  RouteInstance *owner = nullptr; // the route whose declarations these are
  PoolInfo *pool = nullptr;       // the pool whose declarations these are
  std::string path; // prefix of symbols declared here: "layers.experts"

  /// The entry of the innermost scope that has the name, with its scope.
  std::pair<Entry *, Scope *> lookup(llvm::StringRef name);
  void bind(llvm::StringRef name, Value value, SourceRange range = {}) {
    entries[name.str()] = Entry{std::move(value), nullptr, range, false};
  }
  /// All names that can be seen, for suggestions.
  std::vector<std::string> visibleNames() const;
};

/// A written type with its axes resolved.
struct TypeInfo {
  enum class Kind { None, Array, Row, Record, Tuple, Route };
  Kind kind = Kind::None;
  mlir::Type element;
  Unit unit;
  double scale = 1; // of a bare number read as this unit
  std::vector<AxisInfo *> axes;
  std::vector<int64_t> groups; // how many axes each stored dimension has
  bool optional = false;
  std::optional<int64_t> bound; // of a set: the most members
  AxisInfo *rowOf = nullptr;
  std::vector<TypeInfo> elements;
  std::vector<std::string> names;
  RouteInstance *route = nullptr; // `mlp`
};

/// A route with its own parameters: the declaration, or a `use` or body of it.
struct RouteInstance {
  const ast::RouteDecl *decl = nullptr;
  std::string builtin; // `identity`, `skip`: no declaration
  std::string path;
  ScopePtr scope;  // where it was declared, with its axis parameters bound
  ScopePtr locals; // its own params, state, pools
  std::vector<AxisInfo *> pools; // that its parameters have rows for
  bool busy = false;             // being inlined
};

/// The members of a pool that share a body.
struct MemberGroup {
  std::string name;
  int64_t first = 0, count = 1;
  AxisInfo *axis = nullptr; // of its parameters when there are several
  RouteInstance *body = nullptr;
  SourceRange range;
};

struct PoolInfo {
  AxisInfo *axis = nullptr;
  const ast::PoolDecl *decl = nullptr;
  ScopePtr scope; // what is declared inside
  RouteInstance *body = nullptr;
  std::vector<MemberGroup> groups; // when bodies differ
  /// Of a pool of pools: those it is made of, end to end. A skipped part has a
  /// row for each row of `axis` that stands for passing it over.
  struct Part {
    AxisInfo *axis;
    bool skipped;
  };
  std::vector<Part> parts;
  std::vector<const ast::RequireDecl *> requirements;
  std::vector<AxisInfo *> enclosing; // pools that this one is declared in

  /// The bodies it declares; none for a pool that an expression makes.
  llvm::ArrayRef<std::unique_ptr<ast::BodyDecl>> bodies() const;
};

} // namespace route::sema

#endif
