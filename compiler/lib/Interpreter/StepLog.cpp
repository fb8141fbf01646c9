// Actions and events of step runs as lines of JSON.
#include "Scalars.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "route/Library/Element.h"
#include "route/io/Scalars.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

llvm::StringRef route::interp::nameOf(Action::Kind kind) {
  switch (kind) {
  case Action::Kind::Need:
    return "need";
  case Action::Kind::Call:
    return "call";
  case Action::Kind::Cancel:
    return "cancel";
  case Action::Kind::Wait:
    return "wait";
  case Action::Kind::Commit:
    return "commit";
  case Action::Kind::Note:
    return "note";
  case Action::Kind::Done:
    return "done";
  case Action::Kind::Reject:
    return "reject";
  case Action::Kind::Stale:
    return "stale";
  }
  return "";
}

llvm::StringRef route::interp::nameOf(Event::Kind kind) {
  switch (kind) {
  case Event::Kind::Return:
    return "return";
  case Event::Kind::Fail:
    return "fail";
  case Event::Kind::Timeout:
    return "timeout";
  case Event::Kind::FirstByte:
    return "first_byte";
  case Event::Kind::Gone:
    return "gone";
  }
  return "";
}

std::optional<Event::Kind> route::interp::eventNamed(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Event::Kind>>(name)
      .Case("return", Event::Kind::Return)
      .Case("fail", Event::Kind::Fail)
      .Case("timeout", Event::Kind::Timeout)
      .Case("first_byte", Event::Kind::FirstByte)
      .Case("gone", Event::Kind::Gone)
      .Default(std::nullopt);
}

static std::string quoted(llvm::StringRef text) {
  std::string out;
  llvm::raw_string_ostream(out) << llvm::json::Value(llvm::json::fixUTF8(text));
  return out;
}

/// The labels of an enumeration or a pool, or null.
static ArrayAttr labelsOf(Machine &machine, Type type) {
  if (auto coded = dyn_cast<route::EnumType>(type))
    if (auto op = machine.symbols.lookup<EnumOp>(coded.getSymbol().getAttr()))
      return op.getLabels();
  if (auto ref = dyn_cast<RefType>(type))
    if (auto op = machine.symbols.lookup<AxisOp>(ref.getAxis().getAttr()))
      return op.getLabelsAttr();
  return {};
}

/// Money in dollars, as records of libraries have it; false for other units.
static bool printMoney(llvm::raw_ostream &os, const Element &element, Type type,
                       llvm::StringRef unit) {
  route_type_desc desc = {};
  desc.element = libraryElement(type);
  desc.unit = unit.data();
  desc.enumeration = desc.rows_of = -1;
  if (unit.empty() || !isMoney(desc))
    return false;
  double wide = element.asDouble();
  float narrow = element.asFloat();
  bool isWide = desc.element == ROUTE_F64;
  std::string text;
  writeElement({}, desc,
               isWide ? reinterpret_cast<const char *>(&wide)
                      : reinterpret_cast<const char *>(&narrow),
               text);
  os << text;
  return true;
}

void route::interp::printJson(llvm::raw_ostream &os, Machine &machine,
                              const Element &element, Type type,
                              llvm::StringRef unit) {
  if (isRangeType(type)) {
    const Range &range = element.asRange();
    if (range.known)
      return printJson(os, machine, range.lo, stripRange(type), unit);
    os << "null";
    return;
  }
  if (std::holds_alternative<std::string>(element)) {
    os << quoted(element.asText());
    return;
  }
  Type inner;
  if (auto list = dyn_cast<ListType>(type))
    inner = list.getValueType();
  if (auto set = dyn_cast<SetType>(type))
    inner = set.getValueType();
  if (inner) {
    os << '[';
    llvm::interleave(
        element.asList(), os,
        [&](const Element &member) {
          printJson(os, machine, member, inner, unit);
        },
        ", ");
    os << ']';
    return;
  }
  if (ArrayAttr labels = labelsOf(machine, type)) {
    int64_t place = element.asInt();
    if (place < 0) { // no rule, no row
      os << "null";
      return;
    }
    if (place >= 0 && place < int64_t(labels.size())) {
      auto coded = dyn_cast<route::EnumType>(type);
      auto op =
          coded ? machine.symbols.lookup<EnumOp>(coded.getSymbol().getAttr())
                : EnumOp();
      if (op && op->hasAttr("json")) { // a list, as it is
        os << cast<StringAttr>(labels[place]).getValue();
        return;
      }
      os << quoted(cast<StringAttr>(labels[place]).getValue());
      return;
    }
  }
  if (printMoney(os, element, type, unit))
    return;
  std::string text = printElement(element, type);
  bool number = !text.empty() &&
                llvm::StringRef("-0123456789tf").contains(text[0]) &&
                text != "-inf";
  os << (number ? text : quoted(text));
}

/// One pair of brackets an axis.
static void print(llvm::raw_ostream &os, Machine &machine, const Array &array,
                  llvm::StringRef unit, SmallVectorImpl<int64_t> &position) {
  if (position.size() == array.axes.size())
    return printJson(os, machine, array.at(position), array.elementType, unit);
  os << '[';
  for (int64_t p = 0; p < array.axes[position.size()]->size; ++p) {
    os << (p ? ", " : "");
    position.push_back(p);
    print(os, machine, array, unit, position);
    position.pop_back();
  }
  os << ']';
}

static void print(llvm::raw_ostream &os, Machine &machine,
                  const RuntimeValue &value, llvm::StringRef unit) {
  if (auto *array = std::get_if<Array>(&value)) {
    SmallVector<int64_t> position;
    return print(os, machine, *array, unit, position);
  }
  os << '[';
  if (auto *plan = std::get_if<Plan>(&value)) {
    const Axis::Parent &chosen = plan->axis->chosen();
    Type ref = RefType::get(machine.module.getContext(),
                            FlatSymbolRefAttr::get(chosen.axis->name));
    for (int64_t row = 0; row < plan->axis->size; ++row) {
      os << (row ? ", " : "");
      printJson(os, machine, Element((*chosen.index)[row]), ref);
    }
  }
  os << ']';
}

static void begin(llvm::raw_ostream &os, Moment moment, llvm::StringRef what,
                  llvm::StringRef name) {
  os << "{\"ns\": " << moment.ns << ", \"run\": " << moment.run << ", \""
     << what << "\": \"" << name << '"';
}

void route::interp::logAction(llvm::raw_ostream &os, Machine &machine,
                              Moment moment, const Action &action) {
  begin(os, moment, "action", nameOf(action.kind));
  if (action.call >= 0)
    os << ", \"call\": " << action.call;
  if (!action.name.empty())
    os << ", \"name\": " << quoted(action.name);
  if (!action.row.empty())
    os << ", \"row\": " << quoted(action.row);
  if (!action.values.empty()) {
    os << ", \"values\": {";
    llvm::interleave(
        action.values, os,
        [&](const auto &value) {
          os << quoted(value.name) << ": ";
          print(os, machine, value.value, value.unit);
        },
        ", ");
    os << '}';
  }
  if (action.timeNs >= 0)
    os << ", \"until\": " << action.timeNs;
  if (action.kind == Action::Kind::Reject)
    os << ", \"code\": " << action.code;
  if (!action.reason.empty())
    os << ", \"reason\": " << quoted(action.reason);
  if (action.refused) {
    if (action.reason != action.refused->budget)
      os << ", \"budget\": " << quoted(action.refused->budget);
    if (action.refused->resetNs)
      os << ", \"resets\": " << *action.refused->resetNs;
  }
  os << "}\n";
}

void route::interp::logEvent(llvm::raw_ostream &os, Machine &machine,
                             Moment moment, const Event &event,
                             llvm::ArrayRef<AnswerField> fields) {
  begin(os, moment, "event", nameOf(event.kind));
  os << ", \"call\": " << event.call;
  if (event.kind == Event::Kind::Fail)
    os << ", \"code\": " << event.code;
  if (event.kind == Event::Kind::Return) {
    os << ", \"values\": {";
    bool first = true;
    for (const auto &[name, type, unit] : fields) {
      auto found = event.values.find(name);
      if (found == event.values.end())
        continue;
      os << (first ? "" : ", ") << quoted(name) << ": ";
      first = false;
      print(os, machine, found->second, unit);
    }
    os << '}';
  }
  os << "}\n";
}
