// The budgets of a file, each counted for the pool that choices draw on.
// They are elaborated at their first use, with what can be proved of them.
#ifndef ROUTE_LIB_SEMA_BUDGETS_H
#define ROUTE_LIB_SEMA_BUDGETS_H

#include "Elaborator.h"

namespace route::sema {

class Elaborator::Budgets {
public:
  explicit Budgets(Elaborator &sema) : s(sema), e(sema.e) {}

  // Budgets.cpp
  /// The budget that `path`, `room` or `fleet.room`, names, for the candidates
  /// at hand, null after an error; `call` is the call that it binds, if it is
  /// one.
  mlir::FlatSymbolRefAttr named(const ast::Expr &path, SourceRange call = {});
  /// Those that an `under` lists, added to `symbols`.
  bool under(const std::vector<ast::ExprPtr> &exprs,
             llvm::SmallVectorImpl<mlir::Attribute> &symbols,
             SourceRange call = {});
  /// Adds those that are not there yet.
  static void add(llvm::SmallVectorImpl<mlir::Attribute> &under,
                  llvm::ArrayRef<mlir::Attribute> more);
  /// Reports what is wrong in a budget that nothing is under.
  void check(const ast::BudgetDecl &decl);

  // BudgetProofs.cpp
  /// Adds what a condition that holds says of signals and columns.
  void addFacts(const ast::Expr &condition, BudgetFacts &facts);
  /// Reports members that a choice can never take under its budgets, given what
  /// conditions say; `rows` are those that it may take.
  bool prove(llvm::ArrayRef<mlir::Attribute> under, AxisInfo *pool,
             llvm::ArrayRef<int64_t> rows, const BudgetFacts &facts,
             SourceRange place);
  /// All rows of a pool that lists its members.
  static std::vector<int64_t> allRows(const AxisInfo &pool);

private:
  using Yielded = llvm::SmallVectorImpl<mlir::Value>;
  struct Window;
  struct Shortage { // a row that a budget can never have room for
    const ast::BudgetDecl *budget;
    double least, most;
    int64_t row = -1;
  };
  std::pair<const ast::BudgetDecl *, Scope *> declared(const ast::Expr &path);
  bool elaborate(const ast::BudgetDecl &decl, AxisInfo *pool);
  bool yieldIn(mlir::Region &region, llvm::function_ref<bool(Yielded &)> body);
  bool readWindow(const ast::BudgetDecl &decl, Window &found);
  bool readZone(const ast::StringExpr &text, Window &window);
  bool readLength(const ast::Expr &written, Window &window);
  bool readWarning(const ast::Expr &written, Window &window);
  bool amount(const ast::Expr &expr, mlir::Region &region, Value &value);
  bool keys(const ast::BudgetDecl &decl, mlir::Region &region);
  bool isTrusted(const ast::BudgetDecl &decl, const ast::Expr &key);
  bool checkAmounts(const ast::BudgetDecl &decl, const Value &reserve,
                    const Value &limit, const Unit &unit);
  bool charge(route::BudgetOp op, const ast::BudgetDecl &decl, AxisInfo *pool,
              Unit unit);
  mlir::SymbolRefAttr itemSymbol(const ast::Expr &expr, Unit &unit);
  std::optional<Shortage> shortageOf(llvm::ArrayRef<mlir::Attribute> under,
                                     AxisInfo *pool, int64_t row,
                                     const BudgetFacts &facts);

  Elaborator &s;
  irgen::Emitter &e;

  struct Known {
    mlir::FlatSymbolRefAttr symbol;
    AxisInfo *pool = nullptr; // whose rows it counts
    Unit unit;
    bool broken = false; // its errors have been told
  };
  std::map<const ast::BudgetDecl *, Known> known;
};

} // namespace route::sema

#endif
