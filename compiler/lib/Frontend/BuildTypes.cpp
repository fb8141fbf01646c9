// Types of the syntax tree.
// From the parse tree of a type to its node.
#include "Builder.h"
#include "Units.h"

using namespace route;
using namespace route::ast;

TypePtr Builder::type(P::TypeContext *ctx) {
  if (!ctx)
    return nullptr;
  TypePtr base = baseType(*ctx->baseType());
  if (!ctx->QUESTION())
    return base;
  auto optional = make<OptionalType>(ctx);
  optional->element = std::move(base);
  return optional;
}

TypePtr Builder::baseType(P::BaseTypeContext &ctx) {
  if (ctx.DOLLAR() || ctx.path())
    return namedType(ctx);
  if (ctx.ENUM()) {
    auto result = make<EnumType>(&ctx);
    if (ctx.ID())
      result->name = name(ctx.ID());
    for (P::ColumnNameContext *member : ctx.columnName())
      result->members.push_back(name(member));
    return result;
  }
  if (ctx.REF()) {
    auto result = make<RefType>(&ctx);
    result->target = baseType(*ctx.baseType());
    return result;
  }
  if (ctx.SET()) {
    auto result = make<SetType>(&ctx);
    result->element = baseType(*ctx.baseType());
    if (ctx.arith())
      result->capacity = arith(ctx.arith());
    if (ctx.POLICY())
      result->policy = name(ctx.POLICY());
    return result;
  }
  if (ctx.openBracket()) {
    auto result = make<ListType>(&ctx);
    result->element = type(ctx.type(0));
    return result;
  }
  if (ctx.columnBraces()) {
    auto result = make<RecordType>(&ctx);
    result->fields = columns(ctx.columnBraces());
    checkDistinct(result->fields);
    for (const ColumnPtr &field : result->fields)
      if (!field->type)
        diags.report(diag::expectedType, field->name.range,
                     "the field '" + field->name.str() + "' has no type");
    return result;
  }
  // One type in parentheses is that type.
  std::vector<P::TypeContext *> elements = ctx.type();
  if (elements.size() == 1)
    return type(elements.front());
  auto result = make<TupleType>(&ctx);
  for (P::TypeContext *element : elements)
    result->elements.push_back(type(element));
  return result;
}

TypePtr Builder::namedType(P::BaseTypeContext &ctx) {
  TypePtr base;
  if (ctx.DOLLAR()) {
    auto unit = make<UnitType>(&ctx);
    unit->numerator = name(ctx.DOLLAR());
    if (ctx.ID())
      unit->denominator = name(ctx.ID());
    base = std::move(unit);
  } else if (ctx.ID()) {
    auto unit = make<UnitType>(&ctx);
    std::vector<antlr4::tree::TerminalNode *> parts = ctx.path()->ID();
    unit->numerator = name(parts.back());
    if (parts.size() > 1)
      diags.report(diag::expectedType, range(ctx.path()),
                   "a ratio is made of two units, such as tok/s");
    unit->denominator = name(ctx.ID());
    base = std::move(unit);
  } else {
    auto named = make<NamedType>(ctx.path());
    named->path = names(ctx.path()->ID());
    base = std::move(named);
  }
  if (!ctx.dims())
    return base;
  auto array = make<ArrayType>(&ctx);
  array->element = std::move(base);
  for (P::DimContext *entry : ctx.dims()->dim())
    array->dims.push_back(dim(*entry));
  return array;
}

Dim Builder::dim(P::DimContext &ctx) {
  Dim result;
  result.range = range(&ctx);
  auto number = [&](antlr4::tree::TerminalNode *node) {
    auto value = std::make_unique<NumberExpr>();
    value->range = range(node->getSymbol());
    std::string reason;
    if (!parseNumber(text(node->getSymbol()), *value, reason))
      diags
          .report(diag::badNumber, value->range,
                  "'" + text(node->getSymbol()) + "' is not a number")
          .note(reason);
    return value;
  };
  if (ctx.DIM()) {
    result.form = Dim::Form::Inline;
    if (ctx.ID())
      result.path.push_back(name(ctx.ID()));
    if (ctx.NUMBER())
      result.size = number(ctx.NUMBER());
    else if (ctx.arith())
      result.size = arith(ctx.arith());
  } else if (ctx.NUMBER()) {
    result.form = Dim::Form::Size;
    result.size = number(ctx.NUMBER());
  } else if (ctx.path()) {
    result.path = names(ctx.path()->ID());
  } else {
    result.form = Dim::Form::Group;
    for (P::DimContext *entry : ctx.dim())
      result.group.push_back(dim(*entry));
  }
  return result;
}
