//===- Tests.cpp - Inline tests run by the interpreter --------------------===//
//
// Binds what a test gives, runs its function and compares the first row of the
// plan, the refusal or the rule with what is expected.
//
//===----------------------------------------------------------------------===//
#include "route/Driver/Tests.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Interpreter/Interpreter.h"
#include "route/Interpreter/Steps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace mlir;
using namespace route;
using namespace route::interp;

/// A constant of the IR as an element of `type`.
static Element elementOf(Attribute attr, Type type) {
  Element element;
  Type plain = stripRange(type);
  if (auto text = dyn_cast<StringAttr>(attr)) {
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
    array->buffer->set(i, !given ? elements[i]
                          : isa<UnitAttr>(given)
                              ? unknownOf(type.getElementType())
                              : elementOf(given, type.getElementType()));
  }
  return interpreter.bindInput(name, *array);
}

/// State outside pools: the value everywhere.
static LogicalResult bindState(Interpreter &interpreter, StateOp state,
                               Attribute value) {
  auto type = cast<route::ArrayType>(state.getType());
  FailureOr<Array> array = interpreter.state(state.getSymName());
  if (failed(array) ||
      failed(array = Array::create(type.getElementType(), array->axes)))
    return failure();
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
  if (name == "now") // done before
    return success();
  route::ArrayType type = typeOfInput(module, name);
  if (!type)
    return failure();
  bool unknown = isa<UnitAttr>(value);
  if (unknown && module.lookupSymbol<SignalOp>(name))
    return interpreter.bindUnknown(name);
  if (unknown && !isRangeType(type.getElementType()))
    return test.emitError("column '") << name << "' is always known";
  SmallVector<AxisRef> axes;
  for (FlatSymbolRefAttr axis : type.getAxes())
    axes.push_back(makeAxis(axis.getAttr(), 1));
  FailureOr<Array> array = Array::create(type.getElementType(), axes);
  if (failed(array))
    return failure();
  for (int64_t i = 0; i < array->buffer->size(); ++i)
    array->buffer->set(i, unknown ? unknownOf(type.getElementType())
                                  : elementOf(value, type.getElementType()));
  return interpreter.bindInput(name, *array);
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

/// Columns that the caller may leave out read as their default.
static LogicalResult bindDefaults(Interpreter &interpreter, TestOp test) {
  ModuleOp module = test->getParentOfType<ModuleOp>();
  DictionaryAttr given = test.getInputs();
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>()) {
      std::string name = (axis.getSymName() + "." + column.getSymName()).str();
      if (given.contains(name) || column.getKind() != ColumnKind::input)
        continue;
      if (column.getFallbackAttr() &&
          failed(bindValue(interpreter, test, name, column.getFallbackAttr())))
        return failure();
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

/// What the function did, in the words of `expected`; with `rule` which rule.
static std::string outcome(ModuleOp module, FuncOp func,
                           ArrayRef<RuntimeValue> results, bool rule) {
  auto integer = [&](StringRef role) -> int64_t {
    const RuntimeValue *value = resultOf(func, results, role);
    auto *array = value ? std::get_if<Array>(value) : nullptr;
    std::vector<Element> elements =
        array ? array->elements() : std::vector<Element>();
    return elements.empty() ? 0 : elements.front().asInt();
  };
  if (rule) {
    int64_t which = integer("which");
    const RuntimeValue *value = resultOf(func, results, "which");
    return which < 0 || !value
               ? "no rule"
               : "rule " + labelOf(module, std::get<Array>(*value).elementType,
                                   which);
  }
  const RuntimeValue *value = resultOf(func, results, "plan");
  auto *plan = value ? std::get_if<Plan>(value) : nullptr;
  if (!plan) { // truths of a test with statements
    for (const RuntimeValue &result : results)
      for (const Element &element : std::get<Array>(result).elements()) {
        bool known =
            !std::holds_alternative<std::shared_ptr<const Range>>(element);
        const bool truth =
            known ? element.asTruth() : element.asRange().lo.asTruth();
        if (!truth)
          return "false";
      }
    return "true";
  }
  if (plan->axis->size == 0) {
    int64_t code = integer("status");
    return code ? "reject " + std::to_string(code) : "none";
  }
  const Axis::Parent &chosen = plan->axis->chosen();
  int64_t row = (*chosen.index)[0];
  if (auto axis = module.lookupSymbol<AxisOp>(chosen.axis->label()))
    if (auto labels = axis.getLabels(); labels && row < int64_t(labels->size()))
      return cast<StringAttr>((*labels)[row]).str();
  return std::to_string(row);
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

/// What a step route did, in the words of a test; empty where it gave the
/// `values`.
static std::string stepOutcome(Interpreter &interpreter, ModuleOp module,
                               TestOp test) {
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
    return "an error";
  const Action &end = ends.front();
  if (end.kind == Action::Kind::Reject)
    return "reject " + std::to_string(end.code);
  if (!test.getValues())
    return "a result";
  std::string found;
  DictionaryAttr values = *test.getValues();
  for (NamedAttribute wanted : values)
    for (const auto &[name, value, unit] : end.values) {
      if (name != wanted.getName().getValue())
        continue;
      const Array &array = std::get<Array>(value);
      Element expected = isa<UnitAttr>(wanted.getValue())
                             ? unknownOf(array.elementType)
                             : elementOf(wanted.getValue(), array.elementType);
      std::string is = printElement(array.value(), array.elementType);
      if (is != printElement(expected, array.elementType))
        found += (found.empty() ? "" : ", ") + name + " = " + is;
    }
  return found;
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
          cause = ": " + diagnostic.str();
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
        succeeded(bindDefaults(interpreter, test)) &&
        (!params || succeeded(bindCheckpoint(interpreter, module, *params)));
    // What is unknown comes last: it has the axes of what is given.
    for (bool unknown : {false, true})
      for (NamedAttribute input : test.getInputs())
        if (isa<UnitAttr>(input.getValue()) == unknown)
          bound =
              bound && succeeded(bindValue(interpreter, test, input.getName(),
                                           input.getValue()));
    bound = bound && succeeded(setUp(interpreter, test));
    if (test.getHost() && bound) {
      std::string found = stepOutcome(interpreter, module, test);
      std::string wanted = test.getExpected().str();
      if (found == wanted) {
        out << "ok " << test.getName() << '\n';
        continue;
      }
      ++failures;
      out << "FAILED " << test.getName() << ": expected "
          << (wanted.empty() ? "other values" : wanted) << ", found " << found
          << (found == "an error" ? cause : "") << '\n';
      continue;
    }
    FailureOr<SmallVector<RuntimeValue>> results = failure();
    if (bound)
      results = interpreter.run(test.getFunction());
    std::string wanted = test.getExpected().str();
    bool rule = test.getRule().has_value();
    std::string found =
        failed(results) ? "an error" : outcome(module, func, *results, rule);
    if (rule)
      wanted = "rule " + wanted;
    if (found == wanted) {
      out << "ok " << test.getName() << '\n';
      continue;
    }
    ++failures;
    out << "FAILED " << test.getName() << ": expected " << wanted << ", found "
        << found << (failed(results) ? cause : "") << '\n';
  }
  return failures;
}

void route::dropInlineTests(ModuleOp module) {
  for (auto test : llvm::make_early_inc_range(module.getOps<TestOp>())) {
    if (test.getExpected() == "true")
      module.lookupSymbol(test.getFunctionAttr())->erase();
    if (test.getSetup())
      module.lookupSymbol(*test.getSetup())->erase();
    test.erase();
  }
}
