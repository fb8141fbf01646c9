// What the host answers in inline tests.
// `chat(small) = { text: 7 }`, `chat(large) = failed(500)`, `host.search() =
// timeout`, or a list of these, one a call; and what a run must give.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// A constant of a field; a handle is a number.
mlir::Attribute Elaborator::testConstant(const Expr &expr,
                                         const TypeInfo &type) {
  auto *number = dyn_cast<NumberExpr>(&expr);
  auto ref = type.kind == TypeInfo::Kind::Array
                 ? dyn_cast<RefType>(getValueType(type.element))
                 : RefType();
  if (ref && number && number->integral)
    return e.builder.getI64IntegerAttr(int64_t(number->value()));
  if (type.kind != TypeInfo::Kind::Array || !type.axes.empty()) {
    error(diag::wrongKind, expr.range,
          "a test gives single values: this field has axes")
        .note("route-interp --host gives answers of every kind");
    return {};
  }
  return constantAttr(expr, type);
}

bool Elaborator::testAnswers(const TestDecl::Input &input,
                             llvm::SmallVectorImpl<mlir::Attribute> &answers) {
  // `chat(small)`, `models.chat(small)`, `host.search()`.
  const CallExpr &call = *input.call;
  const Expr *callee = ignoreParens(call.callee.get());
  auto *member = dyn_cast<MemberExpr>(callee);
  StringRef base = member ? plainName(member->base.get()) : StringRef();
  StringRef name = member ? StringRef(member->member.text) : plainName(callee);
  const BodyDecl *body = nullptr;
  PoolInfo *owner = nullptr;
  std::vector<std::string> names;
  for (PoolInfo &pool : pools)
    for (const auto &known : pool.bodies()) {
      names.push_back(known->name.text);
      if (known->name.text != name ||
          (!base.empty() && base != pool.axis->name))
        continue;
      if (body) {
        error(diag::wrongKind, callee->range,
              "several pools have a body '" + name + "'")
            .help("say which: " + owner->axis->name + "." + name + "(…)");
        return false;
      }
      body = known.get();
      owner = &pool;
    }
  bool host = base == "host";
  Name written = member ? member->member : Name{name.str(), callee->range};
  if (!body && !host) {
    unknownName(written, "body of a pool", names);
    return false;
  }
  if (host) { // what routes and signals ask it
    names.clear();
    module->walk([&](AskOp op) {
      if (!op.getPool())
        names.push_back(op.getName().str());
    });
    for (auto signal : module->getOps<SignalOp>())
      if (signal.getHost())
        names.push_back(signal.getHost()->str());
    if (!llvm::is_contained(names, name)) {
      if (diags.hasErrors())
        return false; // the route that asks it may be one that has them
      auto message = error(diag::unknownName, written.range,
                           "nothing here asks 'host." + name + "'");
      message.suggest(name, names);
      return false;
    }
  }
  TypeInfo type;
  type.kind = TypeInfo::Kind::Record;
  const TypeExpr *result = body ? body->result.get() : nullptr;
  if (host) // the type that the call in the route says
    for (auto &[written, known] : answerTypes)
      if (hostTypes[written] == name)
        result = written;
  if (result && answerTypes.count(result))
    type = answerTypes[result];
  else if (result) {
    Context inside = cx;
    inside.scope = owner ? owner->scope : cx.scope;
    type = answerTypes[result] = inContext(
        std::move(inside), [&] { return resolveType(*result, name); });
  }
  std::string row;
  if (body && call.args.size() == 1) {
    row = plainName(ignoreParens(call.args[0].value.get())).str();
    auto *number = dyn_cast<NumberExpr>(call.args[0].value.get());
    if (number && number->integral)
      row = std::to_string(int64_t(number->value()));
    else if (!llvm::is_contained(owner->axis->labels, row)) {
      error(diag::unknownName, call.args[0].value->range,
            "unknown row '" + row + "' of '" + owner->axis->name + "'")
          .suggest(row, owner->axis->labels);
      return false;
    }
  } else if (!call.args.empty()) {
    error(diag::argumentMismatch, call.range,
          "an answer is for one row, or for all: " + name + "(row) or " + name +
              "()");
    return false;
  }
  auto named = [&](StringRef key, mlir::Attribute value) {
    return e.builder.getNamedAttr(key, value);
  };
  std::string full =
      (body ? owner->axis->symbol.getValue() : StringRef("host")).str() + "." +
      name.str();
  auto add = [&](const Expr &written, bool last) {
    llvm::SmallVector<mlir::NamedAttribute> entries = {
        named("call", e.builder.getStringAttr(full))};
    if (!row.empty())
      entries.push_back(named("row", e.builder.getStringAttr(row)));
    if (last)
      entries.push_back(named("any", e.builder.getUnitAttr()));
    const Expr *plain = ignoreParens(&written);
    auto *failed = dyn_cast<CallExpr>(plain);
    auto *record = dyn_cast<RecordExpr>(plain);
    StringRef word = plainName(plain);
    if (word == "timeout" || word == "gone") {
      entries.push_back(named(word, e.builder.getUnitAttr()));
    } else if (failed && failed->calleeName() == "failed" &&
               failed->args.size() == 1) {
      auto code = evalConstant(*failed->args[0].value);
      if (!code)
        return false;
      if (*code < 1 || *code > 999 || *code != int(*code)) {
        error(diag::badSize, failed->args[0].value->range,
              "a code of failure is a whole number from 1 to 999");
        return false;
      }
      entries.push_back(
          named("fail", e.builder.getI64IntegerAttr(int64_t(*code))));
    } else if (record) {
      for (const Arg &field : record->fields)
        if (!llvm::is_contained(type.names, field.name.text)) {
          unknownName(field.name, "field of the answer", type.names);
          return false;
        }
      llvm::SmallVector<mlir::NamedAttribute> fields;
      for (size_t i = 0; i < type.names.size(); ++i) {
        const Expr *given = nullptr;
        for (const Arg &field : record->fields)
          if (field.name.text == type.names[i])
            given = field.value.get();
        if (!given) {
          error(diag::missingField, record->range,
                "this answer gives no '" + type.names[i] + "'");
          return false;
        }
        mlir::Attribute value = testConstant(*given, type.elements[i]);
        if (!value)
          return false;
        fields.push_back(named(type.names[i], value));
      }
      entries.push_back(named("return", e.builder.getDictionaryAttr(fields)));
    } else {
      error(diag::wrongKind, plain->range,
            "expected what the host answers: { field: value }, failed(code), "
            "timeout, gone, or a list of these");
      return false;
    }
    answers.push_back(e.builder.getDictionaryAttr(entries));
    return true;
  };
  const Expr *given = ignoreParens(input.value.get());
  auto *list = dyn_cast<ListExpr>(given);
  if (!list)
    return add(*given, true);
  for (const Arg &entry : list->entries)
    if (!add(*entry.value, false))
      return false;
  return true;
}

/// What a run must give: `{ text: 7 }`, or the row whose answer it gives.
bool Elaborator::testValues(const RouteDecl &decl, FuncOp func,
                            const Expr &wanted, mlir::DictionaryAttr &values) {
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
        type.unit = evalNumber(*number).unit;
      mlir::Attribute attr = testConstant(value, type);
      if (attr)
        expected.push_back(e.builder.getNamedAttr(full, attr));
      return bool(attr);
    }
    unknownName(field, "result", names);
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
