// Inline tests run by the interpreter.
// Binds what a test gives, runs its function and compares the first row of the
// plan, the refusal or the rule with what is expected.
#include "route/Driver/Tests.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Interpreter/Interpreter.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace mlir;
using namespace route;
using namespace route::interp;

/// A constant of the IR as an element of `type`.
static Element elementOf(Attribute attr, Type type) {
  if (isa<UnitAttr>(attr))
    return unknownOf(type);
  Element element;
  Type plain = stripRange(type);
  if (auto list = dyn_cast<ArrayAttr>(attr)) {
    std::vector<Element> members;
    for (Attribute member : list) {
      Element value = elementOf(member, memberTypeOf(plain));
      if (!isa<SetType>(plain) ||
          llvm::none_of(members, [&](const Element &known) {
            return equalElements(known, value);
          }))
        members.push_back(value);
    }
    element = std::make_shared<const std::vector<Element>>(std::move(members));
  } else if (auto text = dyn_cast<StringAttr>(attr)) {
    element = text.str();
  } else if (auto number = dyn_cast<FloatAttr>(attr)) {
    if (plain.isF64())
      element = number.getValueAsDouble();
    else
      element = float(number.getValueAsDouble());
  } else if (auto integer = dyn_cast<IntegerAttr>(attr)) {
    int64_t value = integer.getType().isInteger(1)
                        ? int64_t(integer.getValue().getZExtValue())
                        : integer.getValue().getSExtValue();
    if (plain.isF64())
      element = double(value);
    else if (isa<FloatType>(plain))
      element = float(value);
    else
      element = value;
  }
  return isRangeType(type) ? knownRange(element) : element;
}

/// The type of a signal, or of a column written `axis.column`.
static route::ArrayType typeOfInput(ModuleOp module, StringRef name) {
  if (auto signal = module.lookupSymbol<SignalOp>(name))
    return cast<route::ArrayType>(signal.getType());
  auto [axis, column] = name.rsplit('.');
  if (auto op = module.lookupSymbol<AxisOp>(axis))
    for (auto entry : op.getColumns().getOps<ColumnOp>())
      if (entry.getSymName() == column)
        return cast<route::ArrayType>(entry.getType());
  return {};
}

/// A live or state column of a pool, given for some of its rows; the others
/// are as they would be without.
static LogicalResult bindCells(Interpreter &interpreter, TestOp test,
                               StringRef name, DictionaryAttr rows) {
  ModuleOp module = test->getParentOfType<ModuleOp>();
  auto pool = module.lookupSymbol<AxisOp>(name.rsplit('.').first);
  route::ArrayType type = typeOfInput(module, name);
  SmallVector<AxisRef> axes;
  for (FlatSymbolRefAttr axis : type.getAxes()) {
    auto known = interpreter.axis(axis.getValue());
    if (failed(known))
      return failure();
    axes.push_back(*known);
  }
  FailureOr<Array> array = Array::create(type.getElementType(), axes);
  if (failed(array))
    return failure();
  ArrayRef<Attribute> labels = pool.getLabels()->getValue();
  int64_t width = array->buffer->size() / std::max<int64_t>(labels.size(), 1);
  bool whole = rows.size() == labels.size();
  FailureOr<Array> present = failure();
  if (!whole && failed(present = interpreter.state(name)))
    return failure();
  std::vector<Element> elements =
      whole ? std::vector<Element>() : present->elements();
  for (int64_t i = 0; i < array->buffer->size(); ++i) {
    Attribute given = rows.get(cast<StringAttr>(labels[i / width]).getValue());
    array->buffer->set(i, given ? elementOf(given, type.getElementType())
                                : elements[i]);
  }
  if (failed(interpreter.bindInput(name, *array)))
    return failure();
  if (auto pushed =
          test.getInputs().getAs<IntegerAttr>((name + "@pushed").str()))
    interpreter.machine().pushedNs[name] = pushed.getInt();
  return success();
}

/// State outside pools: the value everywhere. A list is the array of the one
/// value that it is.
static LogicalResult bindState(Interpreter &interpreter, StateOp state,
                               Attribute value) {
  auto type = cast<route::ArrayType>(state.getType());
  FailureOr<Array> array = interpreter.state(state.getSymName());
  if (failed(array) ||
      failed(array = Array::create(type.getElementType(), array->axes)))
    return failure();
  if (auto one = dyn_cast<ArrayAttr>(value))
    value = one[0];
  for (int64_t i = 0; i < array->buffer->size(); ++i)
    array->buffer->set(i, elementOf(value, type.getElementType()));
  return interpreter.bindInput(state.getSymName(), *array);
}

static LogicalResult bindValue(Interpreter &interpreter, TestOp test,
                               StringRef name, Attribute value) {
  ModuleOp module = test->getParentOfType<ModuleOp>();
  if (auto rows = dyn_cast<DictionaryAttr>(value))
    return bindCells(interpreter, test, name, rows);
  if (auto state = module.lookupSymbol<StateOp>(name))
    return bindState(interpreter, state, value);
  if (name == "now" || name.ends_with("@pushed")) // with the columns
    return success();
  route::ArrayType type = typeOfInput(module, name);
  if (!type)
    return failure();
  if (isa<UnitAttr>(value) && module.lookupSymbol<SignalOp>(name))
    return interpreter.bindUnknown(name);
  // What no list says the size of has one position.
  SmallVector<AxisRef> axes;
  for (FlatSymbolRefAttr axis : type.getAxes()) {
    auto op = module.lookupSymbol<AxisOp>(axis.getAttr());
    bool open = op.getStaticSize() < 0 && !op->hasAttr("per_parent");
    FailureOr<AxisRef> known = makeAxis(axis.getAttr(), 1);
    if (!open || interpreter.machine().axes.contains(axis.getValue()))
      known = interpreter.axis(axis.getValue());
    if (failed(known))
      return failure();
    axes.push_back(*known);
  }
  FailureOr<Array> array = Array::create(type.getElementType(), axes);
  if (failed(array))
    return failure();
  auto values = dyn_cast<ArrayAttr>(value);
  int64_t size = array->buffer->size();
  if (values && values.size() != 1 && int64_t(values.size()) != size)
    return test.emitError("'")
           << name << "' has " << values.size() << " values, expected " << size;
  for (int64_t i = 0; i < size; ++i)
    array->buffer->set(i, elementOf(!values              ? value
                                    : values.size() == 1 ? values[0]
                                                         : values[i],
                                    type.getElementType()));
  return interpreter.bindInput(name, *array);
}

/// Whether a test has no position of that axis.
static bool hasNone(Interpreter &interpreter, StringRef axis) {
  auto known = interpreter.machine().axes.find(axis);
  return known != interpreter.machine().axes.end() && !known->second->size;
}

/// The sizes that the lists of a test say, parents first; in what has no
/// positions nothing lies, said or not.
static LogicalResult bindSizes(Interpreter &interpreter, TestOp test) {
  for (auto axis : test->getParentOfType<ModuleOp>().getOps<AxisOp>()) {
    auto counts = test.getInputs().getAs<DenseI64ArrayAttr>(axis.getSymName());
    bool items = !axis.getColumns().getOps<ColumnOp>().empty() &&
                 axis.getParentAxes().size() == 1 && axis.getStaticSize() < 0 &&
                 !axis.getLabels() && !axis.getOriginal();
    if (!counts && items &&
        hasNone(interpreter, axis.getParentAxes()[0].getValue()) &&
        failed(interpreter.bindAxisPerParent(axis.getSymName(), {})))
      return failure();
    if (!counts)
      continue;
    if (failed(axis.getParentAxes().empty()
                   ? interpreter.bindAxis(axis.getSymName(), counts[0])
                   : interpreter.bindAxisPerParent(axis.getSymName(),
                                                   counts.asArrayRef())))
      return failure();
  }
  return success();
}

/// Writes the elements of state that the test gives.
static LogicalResult setUp(Interpreter &interpreter, TestOp test) {
  if (!test.getSetup())
    return success();
  auto handler =
      test->getParentOfType<ModuleOp>().lookupSymbol<FuncOp>(*test.getSetup());
  SmallVector<RuntimeValue> items; // a test has one of each
  for (Type type : handler.getArgumentTypes())
    items.push_back(Array::scalar(cast<route::ArrayType>(type).getElementType(),
                                  int64_t(0)));
  return interpreter.emit(*test.getSetup(), "", items);
}

/// Columns that the caller may leave out read as their default, lists and sets
/// that must be known as empty ones; of an axis without members there is
/// nothing to give.
static LogicalResult bindDefaults(Interpreter &interpreter, TestOp test) {
  ModuleOp module = test->getParentOfType<ModuleOp>();
  DictionaryAttr given = test.getInputs();
  for (auto axis : module.getOps<AxisOp>()) {
    bool none = hasNone(interpreter, axis.getSymName());
    for (auto column : axis.getColumns().getOps<ColumnOp>()) {
      std::string name = (axis.getSymName() + "." + column.getSymName()).str();
      if (given.contains(name) || column.getKind() != ColumnKind::input)
        continue;
      auto type = cast<route::ArrayType>(column.getType());
      auto empty = ArrayAttr::get(module.getContext(), {});
      Attribute value = none ? empty : column.getFallbackAttr();
      if (!value && memberTypeOf(type.getElementType()) &&
          !isRangeType(type.getElementType()))
        value = ArrayAttr::get(module.getContext(), {empty}); // one of none
      if (value && failed(bindValue(interpreter, test, name, value)))
        return failure();
    }
  }
  return success();
}

/// The result of a function with a role, or null.
static const RuntimeValue *resultOf(FuncOp func, ArrayRef<RuntimeValue> results,
                                    StringRef role) {
  for (unsigned i = 0; i < results.size(); ++i)
    if (auto attr = func.getResultAttrOfType<StringAttr>(i, "route.role"))
      if (attr.getValue() == role)
        return &results[i];
  return nullptr;
}

/// The label of a member of an enumeration, or its number.
static std::string labelOf(ModuleOp module, Type type, int64_t place) {
  auto coded = dyn_cast<route::EnumType>(stripRange(type));
  auto op = coded ? module.lookupSymbol<EnumOp>(coded.getSymbol().getAttr())
                  : EnumOp();
  if (op && place >= 0 && place < int64_t(op.getLabels().size()))
    return cast<StringAttr>(op.getLabels()[place]).str();
  return std::to_string(place);
}

/// A value in the words of the source: rows and members by their names.
static std::string inWords(ModuleOp module, const Element &element, Type type) {
  auto ref = dyn_cast<RefType>(stripRange(type));
  auto place = std::get_if<int64_t>(&element);
  auto axis =
      ref ? module.lookupSymbol<AxisOp>(ref.getAxis().getAttr()) : AxisOp();
  if (axis && axis.getLabels() && place && *place >= 0 &&
      *place < int64_t(axis.getLabels()->size()))
    return cast<StringAttr>((*axis.getLabels())[*place]).str();
  if (isa<route::EnumType>(stripRange(type)) && place)
    return labelOf(module, type, *place);
  return printElement(element, type);
}

/// Of a test with statements: the first truth that does not hold, where it
/// stands, and what it compares; empty where all hold.
static std::string brokenTruth(ModuleOp module, FuncOp func,
                               ArrayRef<RuntimeValue> results) {
  auto said = [&](unsigned i, StringRef what) {
    auto text = func.getResultAttrOfType<StringAttr>(i, what);
    return text ? text.getValue() : StringRef();
  };
  for (unsigned i = 0; i < results.size(); ++i) {
    if (said(i, "route.role") == "side")
      continue;
    bool holds = true;
    for (const Element &element : std::get<Array>(results[i]).elements())
      holds &= std::holds_alternative<std::shared_ptr<const Range>>(element)
                   ? element.asRange().lo.asTruth()
                   : element.asTruth();
    if (holds)
      continue;
    auto line = func.getResultAttrOfType<IntegerAttr>(i, "route.line");
    std::string text =
        (line ? "line " + std::to_string(line.getInt()) + ": " : "") +
        said(i, "route.name").str() + " is false";
    for (unsigned side = i + 1;
         side < results.size() && said(side, "route.role") == "side"; ++side) {
      const Array &value = std::get<Array>(results[side]);
      std::vector<Element> elements = value.elements();
      if (elements.size() == 1)
        text += ", " + said(side, "route.name").str() + " is " +
                inWords(module, elements.front(), value.elementType);
    }
    return text;
  }
  return "";
}

/// A constant as JSON, for a host script.
static llvm::json::Value toJson(Attribute attr) {
  if (auto text = dyn_cast<StringAttr>(attr))
    return text.getValue();
  if (auto number = dyn_cast<FloatAttr>(attr))
    return number.getValueAsDouble();
  if (auto integer = dyn_cast<IntegerAttr>(attr)) {
    if (integer.getType().isInteger(1))
      return integer.getValue().getBoolValue();
    if (integer.getType().isUnsignedInteger())
      return integer.getValue().getZExtValue();
    return integer.getValue().getSExtValue();
  }
  if (auto fields = dyn_cast<DictionaryAttr>(attr)) {
    llvm::json::Object object;
    for (NamedAttribute field : fields)
      object[field.getName().getValue()] = toJson(field.getValue());
    return object;
  }
  return isa<UnitAttr>(attr) ? llvm::json::Value(nullptr) : true;
}

/// What a test wants of a result of that type, in the words of the source.
static std::string wantedInWords(ModuleOp module, Attribute value, Type type) {
  if (isa<UnitAttr>(value))
    return "unknown";
  if (!type)
    return "another value";
  return inWords(module, elementOf(value, stripRange(type)), stripRange(type));
}

/// The element type of the result of that name; null where there is none.
static Type typeOfResult(ModuleOp module, TestOp test, StringRef name) {
  auto func = module.lookupSymbol<FuncOp>(test.getFunction());
  for (unsigned i = 0; func && i < func.getNumResults(); ++i)
    if (auto known = func.getResultAttrOfType<StringAttr>(i, "route.name"))
      if (known.getValue() == name)
        return cast<route::ArrayType>(func.getResultTypes()[i])
            .getElementType();
  return {};
}

static std::string refusalInWords(int64_t code) {
  return "reject " + std::to_string(code);
}

/// A field of what a step route gives, added to a list of such; named without
/// the route, which the test names.
static void addField(std::string &text, TestOp test, StringRef name,
                     const std::string &value) {
  name.consume_front((test.getFunction() + ".").str());
  text += (text.empty() ? "" : ", ") + name.str() + " = " + value;
}

/// What a test expects, in the words of the source.
static std::string wantedOf(ModuleOp module, TestOp test, FuncOp func) {
  if (test.getTruths())
    return "";
  if (test.getNone())
    return "none";
  if (auto row = test.getRow())
    return row->str();
  if (auto code = test.getReject())
    return refusalInWords(*code);
  if (auto rule = test.getRule()) {
    Type type;
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      if (auto role = func.getResultAttrOfType<StringAttr>(i, "route.role");
          role && role.getValue() == "which")
        type =
            cast<route::ArrayType>(func.getResultTypes()[i]).getElementType();
    return "rule " +
           (type ? labelOf(module, type, *rule) : std::to_string(*rule));
  }
  std::string fields;
  DictionaryAttr values = *test.getValues();
  for (NamedAttribute value : values)
    addField(fields, test, value.getName(),
             wantedInWords(module, value.getValue(),
                           typeOfResult(module, test, value.getName())));
  return fields;
}

/// Whether a test of a router holds, and what it wants and found in words.
struct Outcome {
  bool holds = false;
  std::string wanted, found;
};

/// What a router did, beside what a test of it expects.
static Outcome outcomeOf(ModuleOp module, TestOp test, FuncOp func,
                         ArrayRef<RuntimeValue> results) {
  // The one element that the result with a role has; null where there is none.
  auto single = [&](StringRef role) -> const Array * {
    const RuntimeValue *value = resultOf(func, results, role);
    auto *array = value ? std::get_if<Array>(value) : nullptr;
    return array && array->buffer->size() > 0 ? array : nullptr;
  };
  Outcome outcome;
  outcome.wanted = wantedOf(module, test, func);
  if (auto rule = test.getRule()) {
    const Array *which = single("which");
    Type type = which ? which->elementType : Type();
    int64_t found = which ? which->elements().front().asInt() : -1;
    outcome.holds = found == int64_t(*rule);
    outcome.found =
        found < 0 ? "no rule" : "rule " + labelOf(module, type, found);
    return outcome;
  }
  const RuntimeValue *value = resultOf(func, results, "plan");
  auto *plan = value ? std::get_if<Plan>(value) : nullptr;
  if (!plan) {
    outcome.found = "no choice";
    return outcome;
  }
  if (plan->axis->size == 0) {
    const Array *status = single("status");
    int64_t code = status ? status->elements().front().asInt() : 0;
    outcome.holds = code
                        ? test.getReject() && int64_t(*test.getReject()) == code
                        : test.getNone();
    outcome.found = code ? refusalInWords(code) : "none";
  } else {
    const Axis::Parent &chosen = plan->axis->chosen();
    int64_t row = (*chosen.index)[0];
    auto axis = module.lookupSymbol<AxisOp>(chosen.axis->label());
    auto labels = axis ? axis.getLabels() : std::nullopt;
    outcome.found = std::to_string(row);
    if (labels && row < int64_t(labels->size())) {
      StringRef label = cast<StringAttr>((*labels)[row]).getValue();
      outcome.holds = test.getRow() == label;
      outcome.found = label;
    }
  }
  // A row may be called what the end without one is called.
  if (!outcome.holds && outcome.found == outcome.wanted)
    (test.getRow() ? outcome.wanted : outcome.found).insert(0, "row ");
  return outcome;
}

/// The answers of a test as a host script.
static std::string hostScript(ArrayAttr answers) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (auto answer : answers.getAsRange<DictionaryAttr>()) {
    llvm::json::Object object;
    for (NamedAttribute entry : answer) {
      StringRef name = entry.getName().getValue();
      if (name == "any")
        object["times"] = "any";
      else if (isa<UnitAttr>(entry.getValue())) // timeout, gone
        object[name] = true;
      else
        object[name] = toJson(entry.getValue());
    }
    os << llvm::json::Value(std::move(object)) << '\n';
  }
  return text;
}

/// What a step route did, beside what a test of it expects; nothing where it
/// could not run.
static std::optional<Outcome> stepOutcome(Interpreter &interpreter,
                                          ModuleOp module, TestOp test) {
  StepScript script;
  script.host = hostScript(*test.getHost());
  script.place = test.getLoc();
  script.line = "answer ";
  script.picodollars = true; // as the constants of the test are
  std::vector<Action> ends;
  std::string log;
  llvm::raw_string_ostream os(log);
  if (failed(runSteps(interpreter, module, test.getFunction(), script, os,
                      &ends)) ||
      ends.size() != 1)
    return std::nullopt;
  const Action &end = ends.front();
  bool refused = end.kind == Action::Kind::Reject;
  Outcome outcome;
  if (refused) {
    outcome.found = refusalInWords(end.code);
    if (end.refused && !end.refused->budget.empty())
      outcome.found += " of budget '" + end.refused->budget + "'";
  }
  if (auto code = test.getReject()) {
    outcome.holds = refused && end.code == int64_t(*code);
    if (!refused)
      outcome.found = "a result";
  }
  if (test.getReject() || refused) {
    outcome.wanted =
        wantedOf(module, test, module.lookupSymbol<FuncOp>(test.getFunction()));
    return outcome;
  }
  outcome.holds = true;
  DictionaryAttr values = *test.getValues();
  for (NamedAttribute given : values) {
    StringRef name = given.getName().getValue();
    for (const auto &[known, value, unit] : end.values) {
      if (known != name)
        continue;
      const Array &array = std::get<Array>(value);
      Element wanted = isa<UnitAttr>(given.getValue())
                           ? unknownOf(array.elementType)
                           : elementOf(given.getValue(), array.elementType);
      // NaN and unknown are what the test may want, and equal to nothing.
      if (equalElements(array.value(), wanted) ||
          printElement(array.value(), array.elementType) ==
              printElement(wanted, array.elementType))
        continue;
      outcome.holds = false;
      addField(outcome.found, test, name,
               inWords(module, array.value(), array.elementType));
      addField(outcome.wanted, test, name,
               wantedInWords(module, given.getValue(), array.elementType));
    }
  }
  return outcome;
}

/// A test is about one item: the axes of items have one position.
static LogicalResult bindItems(Interpreter &interpreter, ModuleOp module) {
  for (auto axis : module.getOps<AxisOp>()) {
    bool items =
        llvm::any_of(axis.getColumns().getOps<ColumnOp>(), [](ColumnOp column) {
          return column.getKind() == ColumnKind::input;
        });
    if (items && axis.getParentAxes().empty() && axis.getStaticSize() < 0 &&
        failed(interpreter.bindAxis(axis.getSymName(), 1)))
      return failure();
  }
  return success();
}

/// How a test gives what the interpreter says is not bound; else nothing.
static std::string howToGive(StringRef cause) {
  if (!cause.ends_with("' is not bound"))
    return "";
  auto [kind, name] =
      cause.drop_back(StringRef("' is not bound").size()).split(" '");
  if (kind == "parameter")
    return "; --params names a file that gives it";
  if (kind == "signal")
    return ("; give it in the braces of the test: " + name + " = …").str();
  return ("; give it in the braces of the test: " +
          name.take_back(name.size() - (name.rfind('.') + 1)) + ": …")
      .str();
}

unsigned route::runInlineTests(ModuleOp module, const SafeTensors *params,
                               llvm::raw_ostream &out) {
  unsigned failures = 0;
  // What is wrong with the spec is wrong in every test of it: its place is told
  // once, and the cause with each test that fails of it.
  std::set<std::pair<const void *, std::string>> told;
  std::string cause;
  ScopedDiagnosticHandler once(
      module.getContext(), [&](mlir::Diagnostic &diagnostic) {
        mlir::Location at = diagnostic.getLocation();
        if (cause.empty() &&
            diagnostic.getSeverity() == DiagnosticSeverity::Error)
          cause = ": " + diagnostic.str() + howToGive(diagnostic.str());
        return success(
            !told.insert({at.getAsOpaquePointer(), diagnostic.str()}).second);
      });
  for (auto test : module.getOps<TestOp>()) {
    cause.clear();
    interp::Options options;
    options.needParams = false;
    Interpreter interpreter(module, options);
    auto func = module.lookupSymbol<FuncOp>(test.getFunction());
    if (auto now = test.getInputs().getAs<FloatAttr>("now"))
      interpreter.setNow(int64_t(now.getValueAsDouble() * 1e9));
    bool bound =
        succeeded(bindItems(interpreter, module)) &&
        succeeded(bindSizes(interpreter, test)) &&
        succeeded(bindDefaults(interpreter, test)) &&
        (!params || succeeded(bindCheckpoint(interpreter, module, *params,
                                             /*exactly=*/true)));
    // What is unknown comes last: it has the axes of what is given.
    for (bool unknown : {false, true})
      for (NamedAttribute input : test.getInputs())
        if (isa<UnitAttr>(input.getValue()) == unknown &&
            !isa<DenseI64ArrayAttr>(input.getValue()))
          bound =
              bound && succeeded(bindValue(interpreter, test, input.getName(),
                                           input.getValue()));
    bound = bound && succeeded(setUp(interpreter, test));
    std::optional<Outcome> outcome;
    if (bound && test.getHost()) {
      outcome = stepOutcome(interpreter, module, test);
    } else if (bound) {
      FailureOr<SmallVector<RuntimeValue>> results =
          interpreter.run(test.getFunction());
      if (succeeded(results) && test.getTruths()) {
        outcome.emplace();
        outcome->found = brokenTruth(module, func, *results);
        outcome->holds = outcome->found.empty();
      } else if (succeeded(results)) {
        outcome = outcomeOf(module, test, func, *results);
      }
    }
    if (outcome && outcome->holds) {
      out << "ok " << test.getName() << '\n';
      continue;
    }
    ++failures;
    if (!outcome)
      outcome =
          Outcome{false, wantedOf(module, test, func), "an error" + cause};
    out << "FAILED " << test.getName() << ": ";
    if (!outcome->wanted.empty())
      out << "expected " << outcome->wanted << ", found ";
    out << outcome->found << '\n';
  }
  return failures;
}

void route::dropInlineTests(ModuleOp module) {
  for (auto test : llvm::make_early_inc_range(module.getOps<TestOp>())) {
    if (test.getTruths())
      module.lookupSymbol(test.getFunctionAttr())->erase();
    if (test.getSetup())
      module.lookupSymbol(*test.getSetup())->erase();
    test.erase();
  }
}
