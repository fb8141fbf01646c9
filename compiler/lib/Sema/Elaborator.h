// From syntax tree to route IR in one typed walk over a module.
// Names are resolved, axes and units checked and ops emitted together. Each
// concern has a file of its own beside this header.
#ifndef ROUTE_LIB_SEMA_ELABORATOR_H
#define ROUTE_LIB_SEMA_ELABORATOR_H

#include "Context.h"
#include "mlir/IR/BuiltinOps.h"
#include "route/Diagnostics/Diagnostic.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/IRGen/Emitter.h"
#include "route/Sema/Compile.h"
#include "route/Sema/Value.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/ProgramStack.h"
#include <deque>
#include <functional>
#include <set>

namespace route::sema {

using llvm::cast;
using llvm::dyn_cast;
using llvm::dyn_cast_or_null;
using llvm::isa;
using llvm::StringRef;

/// A quantity in the unit people write: "$0.12", "24000 tok".
std::string quantity(double value, const Unit &unit);

/// The declaration of an index of a pool, such as ring(url, vnodes: 128), or
/// null.
const ast::CallExpr *indexNamed(const PoolInfo &pool, StringRef name);
/// What decisions call the rules of a choice: by name, or by place.
llvm::SmallVector<std::string> ruleLabels(const ast::ChooseExpr &expr);

class Elaborator {
public:
  Elaborator(SourceManager &sources, DiagnosticEngine &diags,
             mlir::MLIRContext &context, const CompileOptions &options);
  ~Elaborator();

  mlir::OwningOpRef<mlir::ModuleOp> run(FileId file);

private:
  using Kind = Value::Kind;

  // Diagnostics.cpp
  DiagnosticBuilder error(diag::Code code, SourceRange range,
                          const llvm::Twine &message) {
    return diags.report(code, range, message);
  }
  Value fail(diag::Code code, SourceRange range, const llvm::Twine &message) {
    error(code, range, message);
    return Value();
  }
  void needsCall(const ast::LetDecl &function, SourceRange range);
  Value unknownLabel(const ast::Name &name, llvm::ArrayRef<std::string> labels);
  Value unknownName(const ast::Name &name, StringRef what,
                    llvm::ArrayRef<std::string> candidates);
  mlir::Location locationOf(SourceRange range);
  /// Describes a value for messages: "f32[token, experts]", "a plan".
  std::string describe(const Value &value);
  static std::string describeAxes(llvm::ArrayRef<AxisInfo *> axes);

  // Compile.cpp
  ScopePtr loadPrelude();
  void checkUnused(const ast::Module &tree);
  void checkUnread();
  void checkGeneric(const ast::RouteDecl &decl, mlir::Block &block);
  void checkUncalled(const ast::Module &tree);

  // Modules.cpp
  ScopePtr loadModule(FileId file);
  ScopePtr scopeOf(FileId file) const;
  void nameModules();
  // Placement.cpp
  void checkPlaces(const ast::Module &module);
  void misplaced(const ast::Decl &decl, llvm::StringRef why,
                 llvm::StringRef note);
  void declareAll(const ast::Module &module, Scope &scope);
  void declare(const ast::Decl &decl, Scope &scope);
  bool bindName(Scope &scope, const ast::Name &name, Scope::Entry entry);
  ScopePtr importModule(const ast::ImportDecl &decl);
  void declareImport(const ast::ImportDecl &decl, Scope &scope);
  std::optional<FileId> findModule(const ast::ImportDecl &decl);

  // Names.cpp
  Value resolve(Scope::Entry &entry, Scope &scope, SourceRange use);
  /// The value of a name, or an error. `quiet` gives an error value unreported.
  bool explainName(const ast::Name &name, DiagnosticBuilder &message);
  static bool explainFunction(const ast::Name &name, StringRef argument,
                              DiagnosticBuilder &message);
  std::vector<std::string> namesInSight();
  Value lookup(const ast::Name &name, bool quiet = false);
  /// A column of items by its name alone, with its axis; null where there is
  /// none. `twins` are the axes that have an equal claim to the name, where
  /// there are several.
  struct ItemColumn {
    AxisInfo *axis = nullptr;
    const ColumnInfo *column = nullptr;
    AxisList twins = {};
    explicit operator bool() const { return column; }
  };
  ItemColumn columnOfPath(llvm::ArrayRef<ast::Name> path);
  Value ambiguousColumn(const ast::Name &name, const ItemColumn &found);
  ItemColumn itemColumn(const ast::Name &name);
  /// What `jail` or `sig.jail`, a path through modules, declares; null where it
  /// is no such path.
  std::pair<Scope::Entry *, Scope *> entryAt(const ast::Expr &path);
  /// The same as a value; an error value, unreported, for what is none before
  /// it is used, such as a let.
  Value declaredAt(const ast::Expr &path);
  Storage *stateAt(const ast::Expr &path);
  Storage *stateOfPool(StringRef name);
  AxisInfo *axisNamed(const ast::Name &name, bool report = true);
  AxisInfo *axisOfPath(llvm::ArrayRef<ast::Name> path);
  AxisInfo *axisFrom(const ast::Expr &expr);
  bool axesFrom(const std::vector<ast::ExprPtr> &exprs, AxisList &axes);
  AxisInfo *copyOf(AxisInfo *axis, unsigned primes);
  std::string freshSymbol(StringRef wanted);

  // Declarations: Axes.cpp, Pools.cpp, Storage.cpp, Instances.cpp
  Value elaborate(const ast::Decl &decl, Scope &scope);
  Value elaborateAxis(const ast::AxisDecl &decl, Scope &scope);
  Value elaboratePool(const ast::PoolDecl &decl, Scope &scope);
  Value elaborateParam(const ast::ParamDecl &decl, Scope &scope);
  bool checkTensorName(const ast::StringExpr &name, const TypeInfo &type);
  bool checkTensorShape(ParamOp param, SourceRange written);
  Value elaborateSignal(const ast::SignalDecl &decl, Scope &scope);
  Value thresholdLabel(const Value &label, const Value &score,
                       Storage &storage);
  Value elaborateState(const ast::StateDecl &decl, Scope &scope);
  Value elaborateUse(const ast::UseDecl &decl, Scope &scope);
  Value elaborateLet(const ast::LetDecl &decl, Scope &scope);
  AxisInfo *makeAxis(StringRef name, StringRef symbol, AxisKind kind,
                     SourceRange range);
  route::AxisOp emitAxis(AxisInfo &axis, int64_t bound = -1);
  bool countsPerParent(const ast::IndexExpr &expr, const AxisInfo &parent,
                       std::vector<int64_t> &counts);
  AxisInfo *sizedAxis(int64_t size, SourceRange range);
  void addColumn(AxisInfo &axis, const ast::ColumnDecl &decl, ColumnKind kind,
                 mlir::Attribute value);
  void addConstantColumn(AxisInfo &axis, const ast::Name &name,
                         const TypeInfo &type, mlir::Attribute value);
  std::optional<int64_t> constantSize(const ast::Expr &expr, StringRef what);
  void overridden(const ast::Name &name, const ast::Expr *written,
                  int64_t given);
  mlir::Attribute constantAttr(const ast::Expr &expr, const TypeInfo &type);
  mlir::Attribute refConstant(const ast::Expr &expr, RefType type);
  std::optional<int64_t> nanoseconds(const ast::Expr &expr);
  mlir::Type enumFrom(const ast::EnumType &type, StringRef hint);
  mlir::Type makeEnum(const std::vector<std::string> &labels, StringRef hint,
                      SourceRange range);
  std::vector<AxisInfo *> enclosingPools(const Scope &scope);
  std::string pathOf(const Scope &scope);
  /// What the library calls a name that is declared in `scope`.
  std::string symbolIn(const Scope &scope, StringRef name);
  RouteInstance *instantiate(const ast::Expr &expr, StringRef path,
                             std::vector<AxisInfo *> pools);
  RouteInstance *makeInstance(const ast::RouteDecl &decl, ScopePtr scope,
                              StringRef path, std::vector<AxisInfo *> pools);
  mlir::Value initialValue(const ast::Expr &written, const TypeInfo &type,
                           StringRef name);
  Value load(Storage &storage);
  Value loadColumn(AxisInfo &axis, const ColumnInfo &column);
  mlir::Value applyFrames(mlir::Value value);

  // Types.cpp
  TypeInfo resolveType(const ast::TypeExpr &type, StringRef hint = "");
  mlir::Type elementNamed(StringRef name, Unit &unit, double &scale);
  TypeInfo resolveNamed(const ast::NamedType &named);
  TypeInfo resolveUnit(const ast::UnitType &written);
  TypeInfo resolveEnum(const ast::EnumType &coded, StringRef hint);
  TypeInfo resolveRef(const ast::RefType &ref);
  TypeInfo resolveCollection(const ast::TypeExpr &written,
                             const ast::TypeExpr &of,
                             const ast::Expr *capacity);
  /// Says that a type is none of elements over axes, unless that is reported.
  Value notElements(const ast::TypeExpr &written, const TypeInfo &type,
                    StringRef what);
  bool resolveDims(const std::vector<ast::Dim> &dims, TypeInfo &type);
  bool resolveDim(const ast::Dim &dim, TypeInfo &type);
  mlir::Type storageType(const TypeInfo &type) {
    return irgen::Emitter::ranged(type.optional, type.element);
  }
  /// Converts a value to a written type: the one place that rounds.
  Value convert(Value value, const TypeInfo &type, SourceRange range);

  // Expressions.cpp
  Value eval(const ast::Expr &expr);
  Value evalList(const ast::ListExpr &expr);
  Value evalNumber(const ast::NumberExpr &expr);
  Value evalName(const ast::NameExpr &expr);
  Value evalMember(const ast::MemberExpr &expr);
  Value memberOfRun(const ast::Name &member, SourceRange range);
  Value memberOfPlan(const Value &plan, const ast::Name &member);
  Value memberOfRow(const Value &row, const ast::MemberExpr &expr);
  Value memberOfArray(const Value &array, const ast::MemberExpr &expr);
  // Indexing.cpp
  Value evalIndex(const ast::IndexExpr &expr);
  Value rowAt(AxisInfo *plan, const ast::Expr &which);
  bool isDrawCall(const ast::Expr &expr);
  Value spread(const Value &base, const ast::IndexExpr &expr);
  Value renameAxis(const Value &array, const ast::IndexArg &arg);
  struct Subscript {
    AxisInfo *axis = nullptr;
    mlir::Value position; // a number or a ref
    bool all = false;     // every position of the axis: nothing is picked
  };
  bool spelledFreely(const ast::Expr &expr);
  std::optional<Value> labelAmong(const ast::Expr &expr,
                                  llvm::ArrayRef<AxisInfo *> axes,
                                  AxisInfo *byOrder);
  std::optional<Subscript>
  subscript(const ast::IndexArg &arg, llvm::ArrayRef<AxisInfo *> axes,
            AxisInfo *byOrder, const llvm::Twine &where, bool inOrder = true);
  mlir::Value isPosition(mlir::Value position, const AxisInfo &axis);
  bool mayLieIn(mlir::Value position, const AxisInfo &axis, SourceRange range);
  // Expressions.cpp
  Value evalIf(const ast::IfExpr &expr);
  Value evalCase(const ast::CaseExpr &expr);
  /// Reads storage, gathers to the rows at hand: what a use of `value` means.
  Value use(Value value, SourceRange range);
  /// The value as an array, or null after an error. `like` is the element type
  /// that a number adapts to.
  mlir::Value asArray(const Value &value, SourceRange range,
                      mlir::Type like = {});
  mlir::Value evalArray(const ast::Expr &expr, mlir::Type like = {});
  mlir::Value evalTruth(const ast::Expr &expr);
  std::optional<Value> constantValue(const ast::Expr &expr);
  std::optional<double> evalConstant(const ast::Expr &expr,
                                     Unit *unit = nullptr);
  Value lazily(const ast::Expr &expr);
  Value returnInside(SourceRange range);
  Value force(const Value &value);
  Value gatherIfAlong(Value value);
  Value selectValues(mlir::Value condition, const Value &a, const Value &b,
                     SourceRange range);

  // Operators.cpp
  std::string missingUnit(const Value &value, SourceRange number,
                          const Unit &wanted);
  Value evalUnary(const ast::UnaryExpr &expr);
  Value evalBinary(const ast::BinaryExpr &expr);
  Value arithmetic(ast::BinaryOp op, const Value &lhs, const Value &rhs,
                   SourceRange range, SourceRange left, SourceRange right);
  Value compareValues(ast::BinaryOp op, Value lhs, Value rhs, SourceRange range,
                      SourceRange left, SourceRange right);
  Value evalComparison(const ast::BinaryExpr &expr);
  bool isFree(const ast::Expr &side);
  Value comparand(const ast::Expr &written, const Value &a);
  Value logic(ast::BinaryOp op, const Value &lhs, const Value &rhs,
              SourceRange range) {
    return logic(op, {lhs, rhs}, range);
  }
  Value logic(ast::BinaryOp op, const std::vector<Value> &operands,
              SourceRange range);
  Value contract(const ast::BinaryExpr &expr, bool exact);
  Value evalLogic(const ast::BinaryExpr &expr);
  Value evalAt(const ast::BinaryExpr &expr);
  Value coalesceValues(const ast::BinaryExpr &expr);
  void reportFallbacks();
  /// What stands before '??' outside functions, and whether it was ever one
  /// that may be unknown.
  llvm::MapVector<const ast::BinaryExpr *, bool> fallbacks;
  Value labelOf(const ast::Expr &expr, const Value &like);
  bool prepare(const Value &lhs, const Value &rhs, SourceRange left,
               SourceRange right, mlir::Value &a, mlir::Value &b, Unit *unit,
               bool sameUnit, SourceRange range, StringRef what);
  bool chooseType(const Value &lhs, const Value &rhs, SourceRange left,
                  SourceRange right, mlir::Value &a, mlir::Value &b,
                  SourceRange range, StringRef what);

  // Numbers.cpp
  /// The two in one type, but for a u64 beside an i64: that takes what is done
  /// with them. False where there is none.
  bool meet(mlir::Value &lhs, mlir::Value &rhs);
  /// The two in one type: u64 beside an i64, whose negative ones are zero.
  bool unify(mlir::Value &lhs, mlir::Value &rhs);
  /// A constant without unit as an element; an error where it cannot be one.
  mlir::TypedAttr heldNumber(const Value &number, mlir::Type element,
                             SourceRange range);
  /// What is written for a declared type, as one; numbers of a list as such.
  Value evalAs(const ast::Expr &expr, const TypeInfo &type);
  mlir::Type listElement; // of the list that is evaluated next
  /// A constant in the type of what stands beside it, or its own.
  mlir::Value numberArray(const Value &number, SourceRange range,
                          mlir::Type like,
                          llvm::ArrayRef<AxisInfo *> axes = {});

  // Calls.cpp, Builtins.cpp, Reductions.cpp
  Value evalCall(const ast::CallExpr &expr);
  Value callFunction(const FunctionInfo &function,
                     const std::vector<Value> &args, SourceRange range);
  Value callBuiltin(StringRef name, const ast::CallExpr &expr);
  Value callUnary(StringRef name, UnaryKind kind, const Value &arg,
                  SourceRange range);
  Value evalReject(const ast::CallExpr &expr);
  Value evalDraw(StringRef name, const ast::CallExpr &expr,
                 const std::vector<Value> &args);
  // DrawSites.cpp
  /// A call or a draw in the text: the place of the call around it (0 at the
  /// top), and what tells instances apart that one call runs.
  struct DrawPlace {
    unsigned around = 0;
    SourceRange range;
    std::string instance;
    bool operator<(const DrawPlace &other) const;
  };
  /// Sites below are those that the text numbers itself.
  static constexpr int64_t firstFreeSite = int64_t(1) << 32;
  unsigned drawPlace(unsigned around, SourceRange range,
                     StringRef instance = "");
  unsigned drawPathOf(const Scope &scope);
  void numberDraws();
  // Signals.cpp
  Value evalBands(const ast::CallExpr &expr);
  Value bandConfidence(const ast::CallExpr &expr);
  void emitConfidence(Storage &storage, const ast::Expr &source, StringRef name,
                      mlir::Location location);
  Value evalNearest(const ast::CallExpr &expr);
  Value nearestRow(const ast::CallExpr &expr);
  Value withoutFar(const Value &label, mlir::Value near);
  Value evalCosine(const ast::CallExpr &expr);
  mlir::Value cosine(mlir::Value a, mlir::Value b,
                     llvm::ArrayRef<AxisInfo *> over);
  std::optional<std::vector<std::string>> wordsOf(const ast::StringExpr &file);
  Value textFunction(StringRef name, const ast::CallExpr &expr);
  struct TextCall;
  bool textArgument(StringRef name, const ast::Arg &arg, TextCall &call);
  bool featureAxis(StringRef name, const ast::CallExpr &expr, TextCall &text,
                   AxisInfo *&feature);
  mlir::Type textResult(StringRef name, mlir::DictionaryAttr arguments,
                        size_t texts, const ast::CallExpr &expr);
  Value evalReduction(StringRef name, const ast::CallExpr &expr);
  struct Reduction;
  std::optional<Value> countedRows(Reduction &r);
  bool evalOperands(Reduction &r);
  bool checkOperands(Reduction &r);
  bool keptAxes(Reduction &r);
  bool restrictReduction(Reduction &r);
  mlir::Value reduceAs(const Reduction &r);
  Value countRows(const Value &rows);
  mlir::Value restrictionOf(const ast::Expr &expr, const AxisList &over);
  mlir::Value restrictToRows(const AxisInfo &plan, const AxisList &over);
  mlir::Value restrictToMask(mlir::Value mask, AxisInfo *axis,
                             const AxisList &over);
  mlir::Value keptRows();
  mlir::Value ofChosen(mlir::Value value, mlir::Value mask,
                       const AxisList &over, const AxisList &kept,
                       const ast::CallExpr &expr);
  Value evalCombine(const ast::CallExpr &expr);
  bool evalArgs(const ast::CallExpr &expr, std::vector<Value> &args);
  static bool isReductionName(StringRef name);
  static bool isBuiltin(StringRef name);
  mlir::Value softmax(mlir::Value value, llvm::ArrayRef<AxisInfo *> kept);

  // Candidates.cpp
  struct Candidates {         // what is chosen from
    AxisInfo *axis = nullptr; // null: nothing at all
    Value source;             // a plan that is chosen from
    mlir::Value mask;         // null: every row
    mlir::Value order;        // where the rows have one of their own:
    unsigned orderBits = 0;   // numbers from 0 of so many bits
    bool skipped = false;     // the rows of a skipped part
  };
  bool evalCandidates(const ast::Expr &expr, Candidates &out);
  bool candidatesFrom(const Value &value, SourceRange range, Candidates &out);
  bool choosable(Candidates &from, SourceRange range);
  Value subsetOf(const Candidates &from);
  Value selectSubsets(mlir::Value condition, const Value &a, const Value &b,
                      SourceRange range);
  bool tooManyOrders(SourceRange range);
  /// `into`: the pool that they are parts of, where it is not theirs to say.
  bool unite(std::vector<Candidates> operands, bool singles, SourceRange range,
             Candidates &out, PoolInfo *into = nullptr);
  bool multiply(const Candidates &a, const Candidates &b, SourceRange range,
                Candidates &out);
  /// True for what makes candidates: braces, `where`, `skip`, sums of pools.
  /// Looks through a few lets by name.
  bool isAlgebra(const ast::Expr &expr, unsigned lets = 0);
  bool isPoolName(const ast::Expr &expr);
  PoolInfo *poolOfParts(llvm::ArrayRef<Candidates> operands);

  // PoolAlgebra.cpp
  Value elaborateAlgebra(const ast::PoolDecl &decl, Scope &scope,
                         StringRef path);
  void nameRows(AxisInfo &axis);
  AxisInfo *productOf(llvm::ArrayRef<AxisInfo *> factors, StringRef name,
                      SourceRange range);
  static const PoolInfo::Part *partOf(const PoolInfo &pool,
                                      const AxisInfo *axis, bool skipped);
  mlir::Value joinParts(AxisInfo *along, llvm::SmallVector<mlir::Value> values);
  /// A column of an axis, of the parts or factors of a pool, or of what a plan
  /// chose.
  std::optional<Value> columnOf(AxisInfo &axis, StringRef name);
  static void columnNames(const AxisInfo &axis,
                          std::vector<std::string> &names);
  mlir::Value refInto(const Value &value, AxisInfo *target, SourceRange range);

  // Indexes.cpp
  Value evalRing(const ast::CallExpr &expr);
  bool checkIndexes(PoolInfo &pool);

  // Collections.cpp
  Value evalIn(const ast::BinaryExpr &expr);
  Value inList(const ast::BinaryExpr &expr, const ast::ListExpr &list);
  Value inPlan(const ast::BinaryExpr &expr, const Value &plan);
  Value evalSubset(const ast::BinaryExpr &expr);
  mlir::Value memberFrom(const ast::Expr &expr, mlir::Type member);
  mlir::Value asMember(mlir::Value given, mlir::Type member, SourceRange range,
                       StringRef what);
  Value changedSet(const Value &before, const ast::AssignStmt &stmt,
                   std::optional<int64_t> bound);

  // KeyedState.cpp
  bool splitKeys(const ast::ArrayType &written, Storage &storage,
                 std::vector<const ast::Dim *> &axes);
  bool keyParts(const Value &key, SourceRange range,
                llvm::SmallVectorImpl<mlir::Value> &parts);
  Storage *keyedNamed(const ast::Expr &expr);
  Value keyAt(const ast::Expr &expr, mlir::Type type, bool tuple);
  bool keysOf(const Storage &storage, const ast::IndexExpr &expr,
              llvm::SmallVectorImpl<mlir::Value> &keys,
              std::vector<std::pair<AxisInfo *, mlir::Value>> &at);
  mlir::Value knownKey(const Storage &storage,
                       llvm::MutableArrayRef<mlir::Value> parts);
  Value readKeyed(Storage &storage, const ast::IndexExpr &expr,
                  bool written = false);
  bool writeKeyed(Storage &storage, const ast::IndexExpr &target, Value value,
                  SourceRange range);
  bool writeElement(Storage &storage, const ast::IndexExpr &target, Value value,
                    SourceRange range);
  mlir::Value placed(route::ArrayType type, Unit unit, mlir::Value before,
                     llvm::ArrayRef<std::pair<AxisInfo *, mlir::Value>> at,
                     Value value, SourceRange range, StringRef name);

  // Choose.cpp
  Value evalChoose(const ast::ChooseExpr &expr);
  bool itemsOfChoice(const ast::ChooseExpr &expr, const Candidates &from,
                     AxisList &per);
  mlir::Value countOfChoice(const ast::ChooseExpr &expr, const AxisList &per,
                            const Candidates &from);
  mlir::Value listedRows(const ast::Expr &expr, StringRef what);
  bool checkChoiceAxes(const ast::ChooseExpr &expr, const AxisInfo &plan,
                       const irgen::Emitter::Choice &choice);
  bool emitChoiceRegion(const ast::ChooseExpr &expr, ChooseOp op,
                        AxisInfo *axis, Context region);
  Value finishPlan(AxisInfo *axis, mlir::Value plan,
                   const ast::ChooseExpr &expr);
  void lintCount(const ast::Expr &count, double number, const AxisList &per,
                 const Candidates &from);

  // Keys.cpp
  bool evalKeys(const ast::Expr &expr, llvm::SmallVectorImpl<mlir::Value> &keys,
                llvm::SmallVectorImpl<bool> &up);
  bool evalKeyArms(const ast::CaseExpr &expr,
                   llvm::SmallVectorImpl<mlir::Value> &keys);
  bool writtenKeys(const ast::Expr &expr,
                   llvm::SmallVectorImpl<mlir::Value> &keys,
                   llvm::SmallVectorImpl<bool> &up);
  bool checkedKey(mlir::Value &key, SourceRange range);

  // ChoiceForms.cpp
  Value evalPath(const ast::ChooseExpr &expr);
  Value evalRecorded(const ast::BinaryExpr &expr, RouteInstance &route);

  // Plans.cpp
  AxisInfo *planAxis(AxisList per, AxisInfo *candidates, SourceRange range);
  Value makePlan(AxisInfo *axis, mlir::Value plan, Value weight);
  mlir::Value andMask(mlir::Value a, mlir::Value b);
  Value planOfMember(AxisInfo *pool, const Value &member, SourceRange range);
  Value asPlan(const Value &value, SourceRange range);
  mlir::Value hasRows(AxisInfo *plan);
  bool sameChoice(const AxisInfo *model, const AxisInfo *plan,
                  SourceRange range);
  Value firstPlan(llvm::ArrayRef<mlir::Value> whens,
                  llvm::ArrayRef<Value> plans, SourceRange range);
  Value evalConcat(const ast::BinaryExpr &expr);

  // Rules.cpp
  /// What is asked in a turn: a rule, or several in the order of confidence.
  using RuleTurn = llvm::SmallVector<size_t, 1>;
  /// What a rule takes when it fires: rows, or none with the code of a refusal.
  struct RuleTaking {
    mlir::Value when;
    Value plan;
    int64_t refusal = 0;
    mlir::Value rule;  // which it is, of the items if that differs
    mlir::Value taken; // under budgets: whether it decides an item
  };
  /// One choice by rules while it is elaborated.
  struct RuleChoice {
    const ast::ChooseExpr &expr;
    Context around; // of what the rules choose
    bool first;     // in the order written; otherwise by a key
    bool budgets = false;

    // A rule each, as they are written: when it holds, and how surely.
    llvm::SmallVector<mlir::Value> holds, confidences;
    /// Rules as they are asked.
    llvm::SmallVector<RuleTurn> turns;
    bool fixed = false; // whether the text fixes their order
    std::vector<RuleTaking> takings;
    mlir::Value open; // under budgets: items that no rule has decided yet
    // For which items a rule refuses, and how; null where none can.
    mlir::Value refused, code;

    RuleChoice(const ast::ChooseExpr &expr, Context around)
        : expr(expr), around(std::move(around)),
          first(expr.countForm == ast::ChooseExpr::Count::First) {}
    /// Whether each is asked in its turn: budgets are reserved from rule to
    /// rule.
    bool isChain() const { return first || fixed || budgets; }
    bool reserves(const ast::RuleDecl &rule) const;
  };
  Value evalRules(const ast::ChooseExpr &expr);
  bool checkRules(const ast::ChooseExpr &expr);
  bool surroundRules(RuleChoice &rules);
  bool holdRules(RuleChoice &rules);
  bool surelyHasRow(mlir::Value plan);
  bool fireRules(RuleChoice &rules);
  std::optional<RuleTaking> askRule(RuleChoice &rules, size_t place,
                                    mlir::Value here);
  void refuseByRules(RuleChoice &rules);
  Value decideByRules(const RuleChoice &rules);
  Value elseOfRules(const RuleChoice &rules, Value plan);
  Value withRefusals(const RuleChoice &rules, Value result);
  bool overItems(mlir::Value value, AxisInfo *pool, SourceRange range,
                 StringRef what);
  Value ruleTarget(const ast::Expr &target);
  bool boundByRules(const AxisInfo &plan, SourceRange range);
  Value elseChain(Value plan, const ast::Expr &otherwise, SourceRange range,
                  mlir::Value unless = {});
  void lintRule(const ast::RuleDecl &rule, mlir::Value when, bool first);

  // RuleOrder.cpp
  struct RankedRules {
    AxisInfo *axis = nullptr;
    llvm::SmallVector<mlir::Value> keys;
    llvm::SmallVector<bool> up;
  };
  bool rankRules(const ast::ChooseExpr &expr, llvm::ArrayRef<size_t> rules,
                 llvm::ArrayRef<mlir::Value> confidences, RankedRules &ranked);
  mlir::Value stackRules(AxisInfo *axis, llvm::ArrayRef<mlir::Value> values,
                         mlir::Type element);
  mlir::Value bestRule(const RankedRules &ranked, mlir::Value fires,
                       SourceRange range);
  bool takeTurns(RuleChoice &rules);

  // RuleRounds.cpp
  bool askInRounds(RuleChoice &rules, llvm::ArrayRef<size_t> tier);
  mlir::Value ofCandidates(mlir::Value value, const Value &plan);
  bool orderRules(RuleChoice &rules);

  // Notes.cpp
  const ast::ColumnDecl *noteNamed(StringRef name);
  Value unknownNote(const ast::Name &name);
  mlir::Value listNote(const ast::ColumnDecl &note, const TypeInfo &type,
                       const ast::Expr &source);
  mlir::Operation *symbolOf(mlir::Type coded);
  mlir::Value noteValue(const ast::ColumnDecl &note, const TypeInfo &type,
                        const ast::Expr *written);
  bool addNotes(Value &plan, llvm::ArrayRef<const ast::WithExpr *> notes);
  Value evalNoted(const ast::WithExpr &expr);

  // Routes.cpp
  void orderMetrics(mlir::Block &block);
  void checkOutputNames(FuncOp func, StringRef entry);
  struct Result {
    mlir::Value value;
    std::string name, role; // plan, weight, status, which, note, value, kept
    Unit unit{};
  };
  /// The attributes of an argument or result of a function; parts that are
  /// empty are left out.
  mlir::StringAttr unitAttr(const Unit &unit) {
    return unit.isNone() ? mlir::StringAttr()
                         : e.builder.getStringAttr(unit.baseStr());
  }
  mlir::DictionaryAttr portAttrs(StringRef name, StringRef role = {},
                                 const Unit &unit = {});
  Value callRoute(RouteInstance &route, std::vector<Value> args,
                  SourceRange range);
  Value inlineRoute(RouteInstance &route, const std::vector<Value> &args,
                    SourceRange range);
  bool checkResultAxes(const Value &value, const TypeInfo &type, bool exactly,
                       SourceRange range);
  Value execute(const ast::BlockStmt &block, ReturnSlot &slot);
  void emitEntry(RouteInstance &route, SourceRange range);
  using NamedUnit = std::pair<std::string, Unit>;
  Value itemParam(const ast::RouteDecl &decl, AxisInfo *item,
                  llvm::ArrayRef<Value> before);
  bool bindEntryParams(RouteInstance &route, std::vector<Value> &args,
                       mlir::Block &block, std::vector<NamedUnit> &names);
  bool givesRows(const Result &result);
  void flattenResult(const Value &value, StringRef name,
                     std::vector<Result> &results, SourceRange range);
  bool isEntry(const RouteInstance &route);

  // PoolCalls.cpp, Pools.cpp
  Value callPool(PoolInfo &pool, const std::vector<ast::Arg> &args,
                 AxisInfo *plan, SourceRange range);
  Value callPoolRow(PoolInfo &pool, mlir::Value position,
                    const std::vector<Value> &args, SourceRange range);
  Value runBody(RouteInstance &body, const std::vector<Frame> &frames,
                AxisInfo *along, const std::vector<Value> &args,
                SourceRange range);
  void addInnerAxes(PoolInfo &pool, Frame &frame);
  Value runPool(PoolInfo &pool, AxisInfo *plan, const std::vector<Value> &args,
                SourceRange range);
  Value runOnAll(
      PoolInfo &pool, const std::vector<Value> &args, SourceRange range,
      llvm::function_ref<Value(AxisInfo *, const std::vector<Value> &)> run);
  Value runGuarded(PoolInfo &pool, AxisInfo *plan,
                   const std::vector<Value> &args, SourceRange range);
  mlir::Value requirement(PoolInfo &pool, const ast::RequireDecl &decl,
                          AxisInfo *plan);
  Value backTo(const Value &value, AxisInfo *rows, AxisInfo *axis,
               SourceRange range);
  Value runGroups(PoolInfo &pool, AxisInfo *plan,
                  const std::vector<Value> &args, SourceRange range);
  bool elaborateLifetime(PoolInfo &pool);
  mlir::FlatSymbolRefAttr computedColumn(PoolInfo &pool, const ast::Expr &expr,
                                         StringRef what,
                                         std::optional<Unit> unit);
  bool elaborateColumns(PoolInfo &pool);
  bool elaborateBodies(PoolInfo &pool);
  bool constantList(const ast::Expr &expr, const TypeInfo &type,
                    llvm::ArrayRef<AxisInfo *> axes,
                    llvm::SmallVectorImpl<mlir::Attribute> &values);
  mlir::Attribute constantColumn(llvm::ArrayRef<const ast::Expr *> values,
                                 const TypeInfo &type);
  /// Moves the builder to where symbols of the module go.
  void atModuleLevel();

  // Tests.cpp, TestInputs.cpp, StepTests.cpp
  class InlineTest;
  void emitTest(const ast::TestDecl &decl,
                const std::vector<const ast::RouteDecl *> &routers);

  class Budgets; // what is declared by 'budget'

  // Statements.cpp, Loops.cpp
  bool executeStmt(const ast::Stmt &stmt);
  bool executeAssign(const ast::AssignStmt &stmt);
  Value beforeWrite(const ast::Expr &target);
  std::optional<bool> assignSet(const ast::Expr &target,
                                const ast::AssignStmt &stmt);
  bool executeIf(const ast::IfStmt &stmt);
  bool executeEmit(const ast::EmitStmt &stmt);
  bool assignName(const ast::Name &name, Value value, SourceRange range);
  bool bindLet(const ast::LetDecl &decl);
  Value evalFor(const ast::ForExpr &expr);
  struct LoopRounds;
  bool loopDomain(const ast::ForExpr &expr, LoopRounds &rounds);
  bool mayRun(double rounds, SourceRange range);
  bool loopOrder(const ast::ForExpr &expr, LoopRounds &rounds);
  bool emitRound(const ast::ForExpr &expr, const Scope &scope,
                 llvm::ArrayRef<mlir::Type> types);
  bool isKept(const ast::Expr &domain) const;
  Value severalNames(const ast::ForExpr &expr);

  // StepRoutes.cpp: routes that ask the host while they run
  bool isStepRoute(const ast::RouteDecl &decl, const Scope &scope);
  void emitStepEntry(RouteInstance &route, SourceRange range);
  bool bindStepParams(RouteInstance &route, std::vector<Value> &args,
                      std::vector<mlir::Attribute> &argAttrs);
  bool emitStepBody(RouteInstance &route, StepRoute &steps);
  Value inlineSteps(RouteInstance &route, const std::vector<Value> &args,
                    SourceRange range);
  bool runSteps(RouteInstance &route, StepReturn &target);
  bool stepReturn(const ast::Expr *value, SourceRange range);
  bool endSteps(const Value &value, SourceRange range);
  llvm::SmallVector<AxisInfo *> outermostItems() const;
  AxisInfo *itemOfSteps(const ast::Name &name);
  void forgetLearning(StepRoute &steps,
                      const std::map<std::string, unsigned> &before);

  // StepStatements.cpp
  /// Statements are blocks and branches here, not selections.
  bool stepping() const;
  bool inStepBlock() const;
  bool inRun() const;
  bool isClosed() const;
  bool executeSteps(llvm::ArrayRef<ast::StmtPtr> stmts);
  bool executeStep(const ast::Stmt &stmt);
  bool stepIf(const ast::IfStmt &stmt);
  bool asksHost(const ast::Node &node);
  bool stepNote(const ast::NoteStmt &stmt);
  bool stepKeep(const ast::KeepStmt &stmt);
  bool stepRefuse(const Value &refusal);
  struct Joined { // variables that blocks take as arguments
    std::vector<Scope::Entry *> entries;
    llvm::SmallVector<mlir::Type> types;
  };
  Joined assignedIn(llvm::ArrayRef<const ast::Node *> nodes);
  llvm::SmallVector<mlir::Value> valuesOf(const Joined &joined);
  void bindJoined(const Joined &joined, mlir::ValueRange values);
  mlir::Block *newStepBlock(mlir::TypeRange types = {});
  void jumpTo(mlir::Block *block, mlir::ValueRange values = {});

  // StepLoops.cpp
  struct StepRounds;
  bool stepFor(const ast::ForExpr &expr);
  Value stepCarry(const ast::ForExpr &expr);
  bool stepDomain(const ast::ForExpr &expr, StepRounds &rounds);
  mlir::Value roundNumber(const ast::Expr &written);
  Value rowsInOrder(const ast::ForExpr &expr, AxisInfo *pool);
  Value roundBinder(const StepRounds &rounds);
  bool stepRound(const ast::ForExpr &expr, StepRounds &rounds);

  // StepCases.cpp
  bool stepCase(const ast::CaseExpr &expr);
  bool checkHandledBy(const ast::CaseExpr &expr, const Value &subject);
  bool branchToArm(const ast::CaseArm &arm, const Value &subject,
                   mlir::Block *&next);
  void bindArm(const ast::CaseArm &arm, const ast::Expr &written,
               const Value &subject, Scope &scope);
  bool stepArm(const ast::CaseArm &arm);
  mlir::Value armCondition(const ast::CaseArm &arm, const Value &subject);
  mlir::Value failedCondition(const ast::CaseArm &arm, const Value &result);
  mlir::Value knownCondition(const ast::CaseArm &arm, const Value &subject);
  mlir::Value testCondition(const ast::CaseArm &arm, const Value &subject);

  // StepValues.cpp
  std::optional<Shape> shapeOf(const Value &value, SourceRange range);
  std::optional<Shape> joinShapes(const Shape &a, const Shape &b);
  void shapeTypes(const Shape &shape, llvm::SmallVectorImpl<mlir::Type> &types);
  bool storeAs(const Value &value, const Shape &shape, SourceRange range,
               llvm::SmallVectorImpl<mlir::Value> &out);
  Value itemRecord(AxisInfo *item);
  Value loadAs(const Shape &shape, mlir::ValueRange &values);
  Value reshape(const Value &value, const Shape &shape, SourceRange range);
  bool declareVariable(const ast::Name &name);
  bool assignVariable(Scope::Entry &entry, const ast::Name &name, Value value,
                      SourceRange range);

  // StepCalls.cpp
  /// A value that a statement of a step route is made of: a call of the host
  /// may stand here and nowhere deeper.
  Value evalStep(const ast::Expr &expr);
  Value evalAsk(const ast::CallOutExpr &expr, AxisInfo *lanes = nullptr,
                int64_t copies = 1);
  Value evalPar(const ast::ParExpr &expr);
  Value withFields(const ast::WithExpr &expr);
  Value rowOfPlan(const Value &plan, SourceRange range);
  Value runRows(StringRef which, AxisInfo *pool, SourceRange range);
  AxisInfo *poolOfRun(SourceRange range);
  bool askArguments(const ast::CallExpr &call, const ast::BodyDecl *body,
                    ScopePtr scope, llvm::SmallVectorImpl<mlir::Value> &values,
                    llvm::SmallVectorImpl<mlir::Attribute> &names,
                    mlir::NamedAttrList &units);
  void checkHandled(const StepRoute &steps);
  const ast::BodyDecl *bodyNamed(const PoolInfo &pool, const ast::Name &name);
  TypeInfo answerType(const ast::TypeExpr &written, ScopePtr scope,
                      StringRef hint);

  // StepAnswers.cpp
  bool answerFields(const TypeInfo &type, const std::string &prefix,
                    llvm::ArrayRef<AxisInfo *> lanes,
                    std::vector<std::string> &names,
                    llvm::SmallVectorImpl<mlir::Type> &types,
                    SourceRange range);
  Value answerValue(const TypeInfo &type, mlir::ValueRange &values);
  Value knownResult(const Value &result);
  mlir::Value knownValue(mlir::Value value);
  mlir::Value hasAnswer(const Value &result);
  void fieldHandled(const ast::Expr &written, const Value &field);
  Value stepCoalesce(const ast::BinaryExpr &expr);

  // Tickets.cpp: what runs keep for late events
  bool keep(const std::vector<Value> &values, SourceRange range);
  bool keepRow(RouteInstance &route, const Value &plan);
  Value keptLoop(const ast::ForExpr &expr);

  // StateWrites.cpp
  DiagnosticBuilder changedDeciding(StringRef state, SourceRange range);
  bool writesColumn(const ast::Name &name);
  using Positions = llvm::SmallVector<std::pair<AxisInfo *, mlir::Value>>;
  std::optional<Positions> rowsAtHand(const AxisList &axes, SourceRange range);
  bool writeState(Storage &storage, Value value, SourceRange range);
  bool writeRow(const ast::MemberExpr &target, const Value &row, Value value,
                SourceRange range);
  // ModuleHandlers.cpp
  struct ModuleHandler;
  void emitModuleHandler(const ast::OnDecl &decl);
  void emitImportedHandlers(const ast::Module &own);
  bool checkEvent(const ast::OnDecl &decl);
  bool hasBrokenPool();
  mlir::Value handlerArgument(ModuleHandler &handler, mlir::Type element,
                              StringRef name, StringRef role,
                              const Unit &unit = {});
  bool bindEventParam(ModuleHandler &handler, const ast::ColumnDecl &param,
                      StringRef role, Scope &scope);
  Value feedbackValue(ModuleHandler &handler, const ast::ColumnDecl &param);
  Value rewardValue(ModuleHandler &handler, const ast::ColumnDecl &param);
  std::vector<std::pair<std::string, TypeInfo>> usageFields(AxisInfo *pool);
  Value usageValue(ModuleHandler &handler, StringRef name);
  mlir::Value isDue(StringRef handler, int64_t every);
  AxisInfo *poolOfEvents(const ast::OnDecl *decl = nullptr);
  AxisInfo *rowOfEvent(const ast::OnDecl &decl, const ast::ColumnDecl &param);
  // Handlers.cpp
  void noteHandlers(RouteInstance &route, const Value &plan);
  void onlyCommit(const ast::OnDecl &decl);
  void commitNow(const ast::OnDecl &decl);
  bool commitTakesNothing(const ast::OnDecl &decl);
  void keepForHandlers(std::vector<Result> &results);
  void collectKept(PendingHandler &handler);
  void emitHandlers(route::FuncOp entry, const std::vector<Result> &results);
  // LoopHandlers.cpp
  bool cannotKeep(const PendingHandler &handler, StringRef why);
  mlir::Value tableOf(mlir::Value value, AxisInfo *plan, AxisInfo *place);
  mlir::Value rowsOfTable(mlir::Value table, AxisInfo *plan, AxisInfo *place);
  void carryOut(ForOp loop, AxisInfo *rounds,
                llvm::MutableArrayRef<mlir::Value> inside,
                llvm::DenseMap<mlir::Value, mlir::Value> &moved);
  struct KeptRounds;
  bool findRounds(PendingHandler &handler, KeptRounds &kept);
  PendingHandler::Rows *keepRows(PendingHandler &handler, AxisInfo *plan);
  bool keepValue(PendingHandler &handler, mlir::Value &value, KeptRounds &kept);
  bool keepRounds(PendingHandler &handler,
                  llvm::DenseMap<mlir::Value, mlir::Value> &moved);
  void openRounds(PendingHandler &handler, Context &next,
                  llvm::function_ref<mlir::Value(mlir::Value)> argumentFor,
                  std::vector<std::pair<AxisInfo *, mlir::Value>> &saved);

  /// Runs `body` in another context and insertion point, and restores both.
  template <typename Body> auto inContext(Context next, Body &&body) {
    std::swap(cx, next);
    auto saved = e.loc;
    auto result = body();
    e.loc = saved;
    std::swap(cx, next);
    return result;
  }

  SourceManager &sources;
  DiagnosticEngine &diags;
  mlir::MLIRContext &context;
  const CompileOptions &options;
  irgen::Emitter e;
  std::unique_ptr<Budgets> budgets;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Context cx;
  unsigned depth = 0;
  /// Where the stack was when elaboration began, and how far it may grow.
  uintptr_t stackBase = llvm::getStackPointer();
  uintptr_t stackLimit = llvm::getDefaultStackSize() / 8 * 7;
  unsigned expansions = 0; // of lets, where they are used

  std::deque<AxisInfo> axes;
  std::deque<PoolInfo> pools;
  std::deque<Storage> storages;
  std::deque<RouteInstance> instances;
  std::map<int64_t, AxisInfo *> sizedAxes;
  std::map<std::pair<AxisInfo *, unsigned>, AxisInfo *> copies;
  std::map<std::string, unsigned> usedSymbols;
  std::vector<std::unique_ptr<ast::Module>> parsed;
  std::map<std::string, ScopePtr> loaded; // by file name, in that order
  std::vector<std::string> loading;       // for cycles
  ScopePtr prelude, root;
  FileId mainFile; // the one that is compiled, whose scope is `root`
  std::vector<PendingHandler> handlers;
  std::vector<AxisInfo *> itemAxes;  // index axes with columns
  std::set<std::string> readColumns; // "axis.column" of those that are read
  llvm::DenseMap<mlir::Attribute, std::vector<std::string>> enumLabels;
  std::map<std::string, mlir::Type> listNotes;  // by the note's name
  std::map<AxisInfo *, mlir::Type> memberEnums; // `enum C` of axes
  AxisList wantedAxes; // of the type declared for the value being evaluated
  mlir::Operation *topOp =
      nullptr; // the symbol being filled: others go before it
  /// Rows of a file of prototypes, and which tensor of it each is of.
  struct Prototypes {
    mlir::Value rows;
    mlir::DenseElementsAttr owner;
    std::vector<std::string> labels;
    AxisInfo *axis = nullptr;
  };
  std::optional<Prototypes> readPrototypes(const ast::CallExpr &expr,
                                           AxisInfo *dimension);
  std::map<std::string, AxisInfo *> prototypeAxes;
  std::vector<const ast::ColumnDecl *> noteColumns;
  std::map<std::string, TypeInfo> noteTypes;
  /// What one `keep` of the file stores, and where: its shape, without arrays,
  /// and the types of its arrays.
  std::optional<Value> keptLike;
  llvm::SmallVector<mlir::Type> keptTypes;
  SourceRange keptRange;
  AxisInfo *keptAxis = nullptr;
  /// Of the handler being emitted: what its run has kept, along keptAxis.
  llvm::SmallVector<mlir::Value> keptArgs;
  /// Lets of modules that are plans: two mentions in one function mean the same
  /// rows.
  struct PlanLet {
    Value value;
    mlir::Block *block;
  };
  std::map<const ast::Decl *, PlanLet> planLets;
  /// Where the metrics of the entry at hand are written, by their ops.
  llvm::DenseMap<mlir::Operation *, SourceRange> emits;
  bool draws = false; // whether the file draws at all
  void lintDraws(mlir::Value decided, llvm::ArrayRef<AxisInfo *> items,
                 SourceRange range);           // Draws.cpp
  std::map<DrawPlace, unsigned> drawPlaces;    // numbered from 1
  std::vector<const ast::LetDecl *> expanding; // functions being expanded
  std::map<const ast::TypeExpr *, TypeInfo> answerTypes;  // of bodies, by text
  std::map<const ast::TypeExpr *, std::string> hostTypes; // who answers so
  std::map<const ast::RouteDecl *, bool> stepRoutes;      // as far as asked
  std::set<const ast::RouteDecl *> expanded; // as entries or by their callers
};

} // namespace route::sema

#endif
