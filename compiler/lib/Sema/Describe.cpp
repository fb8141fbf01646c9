// Values in the words of the language.
// How messages name types, axes and things; nothing of the IR may show.
#include "Elaborator.h"
#include "route/Dialect/Route/IR/Spelling.h"

using namespace route;
using namespace route::sema;

std::string Elaborator::describeAxes(llvm::ArrayRef<AxisInfo *> axes) {
  std::string text;
  for (const AxisInfo *axis : axes)
    text += (text.empty() ? "" : ", ") + axis->name;
  return text;
}

std::string Elaborator::describe(const Value &value) {
  switch (value.kind) {
  case Kind::Error:
    return "an error";
  case Kind::Number:
    return value.unit.isNone() ? "a number"
                               : "a quantity in " + value.unit.str();
  case Kind::Text:
    return "text";
  case Kind::Array: {
    std::string text = spellElement(e.elementOf(value.ir));
    if (!value.unit.isNone())
      text = value.unit.str() + (e.isRange(value.ir) ? "?" : "");
    AxisList axes = e.axesOf(value.ir);
    return axes.empty() ? text : text + "[" + describeAxes(axes) + "]";
  }
  case Kind::Match:
    return "a match";
  case Kind::Plan:
    return "a plan of '" + value.axis->candidates()->name + "'";
  case Kind::Row:
    return "a row of '" + value.axis->name + "'";
  case Kind::Axis:
    return (value.axis->pool ? "pool '" : "axis '") + value.axis->name + "'";
  case Kind::Enum:
    return "an enumeration";
  case Kind::Tuple:
    return std::to_string(value.parts->size()) + " values";
  case Kind::Record:
    return "a record";
  case Kind::Storage:
    return "'" + value.storage->name + "'";
  case Kind::Function:
  case Kind::Builtin:
    return "a function";
  case Kind::Route:
    return value.route->decl && value.route->decl->isRouter ? "a router"
                                                            : "a route";
  case Kind::Module:
    return "a module";
  case Kind::Lazy:
    return "a call of a pool";
  case Kind::Member:
    return "'" + value.text + "', a row of '" + value.axis->name + "'";
  case Kind::Unknown:
    return "unknown";
  case Kind::None:
    return "none";
  case Kind::Subset:
    return value.axis ? "rows of '" + value.axis->name + "'" : "no rows";
  case Kind::Skipped:
    return "skipped rows";
  case Kind::Refusal:
    return "a refusal";
  case Kind::Result:
    return "what a call gave";
  case Kind::RunSet:
    return "rows of the run";
  }
  return "";
}
