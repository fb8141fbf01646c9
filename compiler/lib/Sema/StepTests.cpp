// What the host answers in inline tests.
// `chat(small) = { text: 7 }`, `chat(large) = failed(500)`, `host.search() =
// timeout`, or a list of these, one a call; and what a run must give.
#include "InlineTest.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// A constant of a field; a handle is a number.
mlir::Attribute Elaborator::InlineTest::constantOf(const Expr &expr,
                                                   const TypeInfo &type) {
  auto *number = dyn_cast<NumberExpr>(&expr);
  auto ref = type.kind == TypeInfo::Kind::Array
                 ? dyn_cast<RefType>(getValueType(type.element))
                 : RefType();
  if (ref && number && number->integral)
    return e.builder.getI64IntegerAttr(int64_t(number->value()));
  if (type.kind != TypeInfo::Kind::Array || !type.axes.empty()) {
    s.error(diag::wrongKind, expr.range,
            "a test gives single values: this field has axes")
        .note("route-interp --host gives answers of every kind");
    return {};
  }
  return s.constantAttr(expr, type);
}

/// A call of the host that a test answers.
struct Elaborator::InlineTest::AnsweredCall {
  const BodyDecl *body = nullptr; // null: of `host`
  PoolInfo *owner = nullptr;      // whose body it is
  std::string name;               // `models.chat`, `host.search`
  std::string row;                // of the pool; empty: any
  TypeInfo type;                  // of an answer: a record
};

/// Finds the body that `chat(small)` or `models.chat(small)` names; none where
/// no pool has it. False after an error.
bool Elaborator::InlineTest::answeredBody(const Expr &callee, StringRef base,
                                          StringRef name, AnsweredCall &call,
                                          std::vector<std::string> &names) {
  for (PoolInfo &pool : s.pools)
    for (const auto &known : pool.bodies()) {
      names.push_back(known->name.text);
      if (known->name.text != name ||
          (!base.empty() && base != pool.axis->name))
        continue;
      if (call.body) {
        s.error(diag::wrongKind, callee.range,
                "several pools have a body '" + name + "'")
            .help("say which: " + call.owner->axis->name + "." + name + "(…)");
        return false;
      }
      call.body = known.get();
      call.owner = &pool;
    }
  return true;
}

/// Whether a route or a signal asks `host.name`.
bool Elaborator::InlineTest::isAskedOfHost(const Name &name) {
  std::vector<std::string> names;
  s.module->walk([&](AskOp op) {
    if (!op.getPool())
      names.push_back(op.getName().str());
  });
  for (auto signal : s.module->getOps<SignalOp>())
    if (signal.getHost())
      names.push_back(signal.getHost()->str());
  if (llvm::is_contained(names, name.text))
    return true;
  if (!diags
           .hasErrors()) // else the route that asks it may be one that has them
    s.error(diag::unknownName, name.range,
            "nothing here asks 'host." + name.text + "'")
        .suggest(name.text, names);
  return false;
}

/// The type of what a call is answered: that which its body declares or, of
/// `host`, the call in the route says.
TypeInfo Elaborator::InlineTest::answeredType(const AnsweredCall &call,
                                              StringRef name) {
  const TypeExpr *result = call.body ? call.body->result.get() : nullptr;
  if (!call.body)
    for (auto &[written, known] : s.answerTypes)
      if (s.hostTypes[written] == name)
        result = written;
  if (!result) {
    TypeInfo none;
    none.kind = TypeInfo::Kind::Record;
    return none;
  }
  if (!s.answerTypes.count(result)) {
    Context inside = s.cx;
    inside.scope = call.owner ? call.owner->scope : s.cx.scope;
    s.answerTypes[result] = s.inContext(
        std::move(inside), [&] { return s.resolveType(*result, name); });
  }
  return s.answerTypes[result];
}

/// The row of `chat(small)`, by its label or its number.
bool Elaborator::InlineTest::answeredRow(const CallExpr &written,
                                         StringRef name, AnsweredCall &call) {
  if (written.args.empty())
    return true;
  if (!call.body || written.args.size() != 1) {
    s.error(diag::argumentMismatch, written.range,
            "an answer is for one row, or for all: " + name + "(row) or " +
                name + "()");
    return false;
  }
  const Expr &row = *written.args[0].value;
  const std::vector<std::string> &labels = call.owner->axis->labels;
  call.row = plainName(ignoreParens(&row)).str();
  auto *number = dyn_cast<NumberExpr>(&row);
  if (number && number->integral) {
    call.row = std::to_string(int64_t(number->value()));
  } else if (!llvm::is_contained(labels, call.row)) {
    s.error(diag::unknownName, row.range,
            "unknown row '" + call.row + "' of '" + call.owner->axis->name +
                "'")
        .suggest(call.row, labels);
    return false;
  }
  return true;
}

/// `{ text: 7 }`: every field of the answer; null after an error.
mlir::Attribute Elaborator::InlineTest::answeredFields(const RecordExpr &record,
                                                       const TypeInfo &type) {
  for (const Arg &field : record.fields)
    if (!llvm::is_contained(type.names, field.name.text)) {
      s.unknownName(field.name, "field of the answer", type.names);
      return {};
    }
  llvm::SmallVector<mlir::NamedAttribute> fields;
  for (auto [name, element] : llvm::zip(type.names, type.elements)) {
    const Expr *given = nullptr;
    for (const Arg &field : record.fields)
      if (field.name.text == name)
        given = field.value.get();
    if (!given) {
      s.error(diag::missingField, record.range,
              "this answer gives no '" + name + "'");
      return {};
    }
    mlir::Attribute value = constantOf(*given, element);
    if (!value)
      return {};
    fields.push_back(e.builder.getNamedAttr(name, value));
  }
  return e.builder.getDictionaryAttr(fields);
}

/// `failed(500)`: the code; null after an error.
mlir::Attribute Elaborator::InlineTest::answeredFailure(const Expr &written) {
  auto code = s.evalConstant(written);
  if (!code)
    return {};
  if (*code < 1 || *code > 999 || *code != int(*code)) {
    s.error(diag::badSize, written.range,
            "a code of failure is a whole number from 1 to 999");
    return {};
  }
  return e.builder.getI64IntegerAttr(int64_t(*code));
}

/// One answer; null after an error. `any`: to every call there is.
mlir::Attribute Elaborator::InlineTest::answerOf(const AnsweredCall &call,
                                                 const Expr &written,
                                                 bool any) {
  mlir::NamedAttrList entries;
  entries.append("call", e.builder.getStringAttr(call.name));
  if (!call.row.empty())
    entries.append("row", e.builder.getStringAttr(call.row));
  if (any)
    entries.append("any", e.builder.getUnitAttr());
  const Expr *plain = ignoreParens(&written);
  // `{ … } at 20 s`: so long after its call.
  if (auto *at = dyn_cast<ast::BinaryExpr>(plain);
      at && at->op == ast::BinaryOp::At) {
    auto after = s.nanoseconds(*at->rhs);
    if (!after)
      return {};
    entries.append("ms", e.builder.getF64FloatAttr(double(*after) / 1e6));
    plain = ignoreParens(at->lhs.get());
  }
  auto *failed = dyn_cast<CallExpr>(plain);
  auto *record = dyn_cast<RecordExpr>(plain);
  StringRef word = plainName(plain);
  mlir::Attribute value;
  if (word == "timeout" || word == "gone") {
    value = e.builder.getUnitAttr();
  } else if (failed && failed->calleeName() == "failed" &&
             failed->args.size() == 1) {
    word = "fail";
    value = answeredFailure(*failed->args[0].value);
  } else if (record) {
    word = "return";
    value = answeredFields(*record, call.type);
  } else {
    s.error(diag::wrongKind, plain->range,
            "expected what the host answers: { field: value }, failed(code), "
            "timeout, gone, or a list of these");
  }
  if (!value)
    return {};
  entries.append(word, value);
  return entries.getDictionary(&s.context);
}

bool Elaborator::InlineTest::giveAnswers(const TestDecl::Input &input) {
  // `chat(small)`, `models.chat(small)`, `host.search()`.
  const Expr *callee = ignoreParens(input.call->callee.get());
  auto *member = dyn_cast<MemberExpr>(callee);
  StringRef base = member ? plainName(member->base.get()) : StringRef();
  StringRef name = member ? StringRef(member->member.text) : plainName(callee);
  Name written = member ? member->member : Name{name.str(), callee->range};
  AnsweredCall call;
  std::vector<std::string> names;
  if (!answeredBody(*callee, base, name, call, names))
    return false;
  if (!call.body && base != "host") {
    s.unknownName(written, "body of a pool", names);
    return false;
  }
  if (!call.body && !isAskedOfHost(written))
    return false;
  call.type = answeredType(call, name);
  if (!answeredRow(*input.call, name, call))
    return false;
  call.name =
      ((call.body ? call.owner->axis->symbol.getValue() : "host") + "." + name)
          .str();
  const Expr *given = ignoreParens(input.value.get());
  auto add = [&](const Expr &answer, bool any) {
    mlir::Attribute made = answerOf(call, answer, any);
    if (made)
      answers.push_back(made);
    return bool(made);
  };
  auto *list = dyn_cast<ListExpr>(given);
  if (!list)
    return add(*given, true);
  for (const Arg &entry : list->entries)
    if (!add(*entry.value, false))
      return false;
  return true;
}

/// What a run must give: `{ text: 7 }`, or the row whose answer it gives.
bool Elaborator::InlineTest::expectValues(const RouteDecl &decl, FuncOp func,
                                          const Expr &wanted,
                                          mlir::DictionaryAttr &values) {
  llvm::SmallVector<mlir::NamedAttribute> expected;
  auto add = [&](const Name &field, const Expr &value) {
    std::string full = decl.name.text + "." + field.text;
    std::vector<std::string> names;
    for (unsigned i = 0; i < func.getNumResults(); ++i) {
      auto name = func.getResultAttrOfType<mlir::StringAttr>(i, "route.name");
      names.push_back(
          name.getValue().drop_front(decl.name.text.size()).ltrim('.').str());
      if (name.getValue() != full)
        continue;
      TypeInfo type;
      type.kind = TypeInfo::Kind::Array;
      type.element =
          cast<route::ArrayType>(func.getResultTypes()[i]).getElementType();
      if (auto number = dyn_cast<NumberExpr>(ignoreParens(&value)))
        type.unit = s.evalNumber(*number).unit;
      mlir::Attribute attr = constantOf(value, type);
      if (attr)
        expected.push_back(e.builder.getNamedAttr(full, attr));
      return bool(attr);
    }
    s.unknownName(field, "result", names);
    return false;
  };
  if (auto *record = dyn_cast<RecordExpr>(&wanted)) {
    for (const Arg &field : record->fields)
      if (!add(field.name, *field.value))
        return false;
  } else if (!add(Name{"row", wanted.range}, wanted)) {
    return false;
  }
  values = e.builder.getDictionaryAttr(expected);
  return true;
}
