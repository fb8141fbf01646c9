// Notes: what decisions say beside the rows that they choose.
#include "Elaborator.h"
#include "llvm/Support/JSON.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// A note that is a list: one of those that the file writes for it. They are
/// the members of an enumeration, as JSON.
mlir::Value Elaborator::listNote(const ColumnDecl &note, const TypeInfo &type,
                                 const Expr &source) {
  auto *list = dyn_cast<ListExpr>(ignoreParens(&source));
  bool texts =
      isa<TextType>(cast<ListType>(getValueType(type.element)).getValueType());
  llvm::json::Array members;
  if (list)
    for (const Arg &entry : list->entries) {
      auto *text = dyn_cast<StringExpr>(ignoreParens(entry.value.get()));
      texts &= text && !entry.name;
      if (text)
        members.push_back(text->value);
    }
  if (!list || !texts) {
    error(diag::typeMismatch, source.range,
          "note '" + note.name.text + "' is a list of text, such as [\"a\"]");
    return {};
  }
  std::string label;
  llvm::raw_string_ostream(label) << llvm::json::Value(std::move(members));
  mlir::Type &element = listNotes[note.name.text];
  if (!element) {
    element = makeEnum({}, "note." + note.name.text, note.range);
    symbolOf(element)->setAttr("json", e.builder.getUnitAttr());
  }
  std::vector<std::string> &labels = enumLabels[mlir::TypeAttr::get(element)];
  auto found = llvm::find(labels, label);
  if (found == labels.end()) {
    labels.push_back(label);
    cast<EnumOp>(symbolOf(element))
        .setLabelsAttr(
            e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(labels)));
    found = std::prev(labels.end());
  }
  return e.constantInt(element, found - labels.begin());
}

mlir::Operation *Elaborator::symbolOf(mlir::Type coded) {
  return mlir::SymbolTable::lookupSymbolIn(
      *module, cast<route::EnumType>(coded).getSymbol().getAttr());
}

/// The value of a note for a rule, as an element of the note's type.
mlir::Value Elaborator::noteValue(const ColumnDecl &note, const TypeInfo &type,
                                  const Expr *written) {
  const Expr *source = written ? written : note.init.get();
  if (!source) {
    error(diag::argumentMismatch, note.range,
          "note '" + note.name.text + "' needs a default");
    return {};
  }
  if (isa<ListType>(getValueType(type.element)))
    return listNote(note, type, *source);
  mlir::Attribute attr = constantAttr(*source, type);
  if (!attr)
    return {};
  return ConstantOp::create(e.builder, e.loc,
                            route::ArrayType::get(type.element), attr);
}

const ColumnDecl *Elaborator::noteNamed(StringRef name) {
  for (const ColumnDecl *note : noteColumns)
    if (note->name.text == name)
      return note;
  return nullptr;
}

Value Elaborator::unknownNote(const ast::Name &name) {
  std::vector<std::string> names;
  for (const ColumnDecl *note : noteColumns)
    names.push_back(note->name.text);
  return unknownName(name, "note", names);
}

/// Adds a part `note.x` an item for each declared note.
bool Elaborator::addNotes(Value &plan, llvm::ArrayRef<const WithExpr *> notes) {
  for (const WithExpr *with : notes)
    if (with)
      for (const Arg &arg : with->notes)
        if (!noteNamed(arg.name.text)) {
          unknownNote(arg.name);
          return false;
        }
  const Value which = *plan.part("which");
  for (const ColumnDecl *note : noteColumns) {
    const TypeInfo &type = noteTypes[note->name.text];
    if (type.kind != TypeInfo::Kind::Array)
      return false;
    mlir::Value value = noteValue(*note, type, nullptr);
    for (size_t i = notes.size(); value && i-- > 0;)
      if (notes[i])
        for (const Arg &arg : notes[i]->notes)
          if (arg.name.text == note->name.text) {
            mlir::Value given = noteValue(*note, type, arg.value.get());
            if (!given)
              return false;
            value = e.select(e.compare(CompareKind::eq, which.ir,
                                       e.constantInt(e.i64(), int64_t(i))),
                             given, value);
          }
    if (!value)
      return false;
    plan.parts->push_back(
        Value::array(e.broadcastTo(value, plan.axis->items())));
    plan.names->push_back("note." + note->name.text);
  }
  return true;
}

/// `choose … with { effort: high }`: notes of a choice hold wherever it has a
/// row, whatever the rules inside it say.
Value Elaborator::evalNoted(const WithExpr &expr) {
  Value plan = eval(*expr.value);
  if (plan.isError())
    return plan;
  plan = asPlan(plan, expr.value->range);
  if (plan.isError())
    return plan;
  if (!plan.part("which")) { // as if one rule had made it
    plan.parts = std::make_shared<std::vector<Value>>(*plan.parts);
    plan.names = std::make_shared<std::vector<std::string>>(*plan.names);
    Value one = plan;
    one.parts->push_back(Value::array(e.select(
        hasRows(plan.axis), e.constantInt(e.i64(), 0),
        e.broadcastTo(e.constantInt(e.i64(), -1), plan.axis->items()))));
    one.names->push_back("which");
    if (!addNotes(one, {&expr}))
      return Value();
    size_t which = llvm::find(*one.names, "which") - one.names->begin();
    one.parts->erase(one.parts->begin() + which);
    one.names->erase(one.names->begin() + which);
    return one;
  }
  Value noted = plan;
  noted.parts = std::make_shared<std::vector<Value>>(*plan.parts);
  noted.names = std::make_shared<std::vector<std::string>>(*plan.names);
  for (const Arg &arg : expr.notes) {
    const ColumnDecl *note = noteNamed(arg.name.text);
    auto found = llvm::find(*noted.names, "note." + arg.name.text);
    if (!note || found == noted.names->end())
      return unknownNote(arg.name);
    mlir::Value given =
        noteValue(*note, noteTypes[note->name.text], arg.value.get());
    if (!given)
      return Value();
    Value &part = (*noted.parts)[found - noted.names->begin()];
    part = Value::array(e.select(hasRows(plan.axis), given, part.ir));
  }
  return noted;
}
