// One inline test while it is read: what it gives, and what it expects.
#ifndef ROUTE_LIB_SEMA_INLINETEST_H
#define ROUTE_LIB_SEMA_INLINETEST_H

#include "Elaborator.h"

namespace route::sema {

class Elaborator::InlineTest {
public:
  InlineTest(Elaborator &sema, const ast::TestDecl &decl)
      : s(sema), e(sema.e), diags(sema.diags), decl(decl) {}

  /// A test of one of the routers and routes of the file.
  void emit(const std::vector<const ast::RouteDecl *> &routers);
  /// A test with statements: a function with one truth an `expect`.
  void emitExpectations();

private:
  // Tests.cpp: which route, state and rows, what is expected
  bool syntaxFailed() const;
  const ast::RouteDecl *
  routeUnderTest(const std::vector<const ast::RouteDecl *> &routers);
  bool giveCell(const ast::TestDecl::Input &input);
  bool pushedAt(const ast::TestDecl::Input &input, const ColumnInfo &column,
                const AxisInfo &pool, const ast::Expr *&value);
  bool giveElement(const ast::TestDecl::Input &input);
  bool emitSetup();
  bool expect(const ast::RouteDecl &router, route::TestOp::Properties &test);
  bool expectName(const ast::RouteDecl &router, StringRef label,
                  route::TestOp::Properties &test);

  // TestInputs.cpp: columns and signals
  /// How many positions an axis has in a test, each parent's after the other,
  /// and which input said so.
  struct Size {
    llvm::SmallVector<int64_t> counts;
    SourceRange range;
    std::string name;
  };
  struct Given;
  bool give(const Given &given, const ast::Expr &written);
  bool isSignalAt(const ast::Expr &path);
  bool giveStorage(const Storage *storage, const ast::TestDecl::Input &input);
  bool giveColumn(const AxisInfo &axis, const ColumnInfo &column,
                  const ast::Name &written, const ast::Expr &value);
  bool giveColumnAt(const ast::TestDecl::Input &input);
  bool giveInput(const ast::TestDecl::Input &input);
  mlir::Attribute elementOf(const ast::Expr &expr, const TypeInfo &type,
                            bool match, const ColumnInfo *column);
  mlir::Attribute
  arrayOf(const ast::Expr &expr, llvm::ArrayRef<AxisInfo *> axes,
          StringRef name,
          llvm::function_ref<mlir::Attribute(const ast::Expr &)> leaf);

  // StepTests.cpp: what the host answers, and the fields that a run gives
  struct AnsweredCall;
  bool giveAnswers(const ast::TestDecl::Input &input);
  bool answeredBody(const ast::Expr &callee, StringRef base, StringRef name,
                    AnsweredCall &call, std::vector<std::string> &names);
  bool isAskedOfHost(const ast::Name &name);
  TypeInfo answeredType(const AnsweredCall &call, StringRef name);
  bool answeredRow(const ast::CallExpr &written, StringRef name,
                   AnsweredCall &call);
  mlir::Attribute answeredFields(const ast::RecordExpr &record,
                                 const TypeInfo &type);
  mlir::Attribute answeredFailure(const ast::Expr &written);
  mlir::Attribute answerOf(const AnsweredCall &call, const ast::Expr &written,
                           bool any);
  mlir::Attribute constantOf(const ast::Expr &expr, const TypeInfo &type);
  bool expectValues(const ast::RouteDecl &route, route::FuncOp func,
                    const ast::Expr &wanted, mlir::DictionaryAttr &values);

  Elaborator &s;
  irgen::Emitter &e;
  DiagnosticEngine &diags;
  const ast::TestDecl &decl;

  llvm::SmallVector<mlir::NamedAttribute> inputs;
  llvm::SmallVector<mlir::Attribute> answers;
  /// Live and state columns, "pool.column": what rows have, by their labels.
  std::map<std::string, llvm::SmallVector<mlir::NamedAttribute>> cells;
  /// When live columns were pushed, ns, and where the test says so.
  std::map<std::string, std::pair<int64_t, SourceRange>> pushes;
  llvm::MapVector<AxisInfo *, Size> sizes;
  mlir::FlatSymbolRefAttr setup; // writes elements of state
};

} // namespace route::sema

#endif
