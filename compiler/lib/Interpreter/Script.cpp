// Scripts of the interpreter, with a host that answers from a list.
#include "route/Interpreter/Script.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/LiveRows.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// A host whose answers are attributes: an array, a code of failure, "timeout".
namespace {
class ScriptedHost : public HostInterface {
public:
  ScriptedHost(DictionaryAttr answers) : answers(answers) {}

  HostResult call(StringRef name, ArrayRef<Array> args,
                  int64_t timeoutNs) override {
    HostResult result;
    auto list = answers ? answers.getAs<ArrayAttr>(name) : nullptr;
    size_t &turn = turns[name];
    if (!list || turn >= list.size())
      return result;
    Attribute answer = list[turn++];
    if (auto text = dyn_cast<StringAttr>(answer); text && text == "timeout") {
      result.outcome = HostResult::Outcome::Timeout;
      result.code = 408;
      result.tookNs = timeoutNs;
      return result;
    }
    if (auto code = dyn_cast<IntegerAttr>(answer)) {
      result.code = code.getInt();
      return result;
    }
    SmallVector<Attribute> values = {answer};
    if (auto several = dyn_cast<ArrayAttr>(answer))
      values.assign(several.begin(), several.end());
    result.outcome = HostResult::Outcome::Ok;
    for (Attribute value : values) {
      FailureOr<Array> array =
          arrayFromAttribute(value, UnknownLoc::get(answer.getContext()));
      if (failed(array))
        return HostResult();
      result.values.push_back(std::move(*array));
    }
    return result;
  }

private:
  DictionaryAttr answers;
  llvm::StringMap<size_t> turns;
};
} // namespace

FailureOr<Array> route::interp::arrayFromAttribute(Attribute value,
                                                   Location loc) {
  MLIRContext *context = value.getContext();
  SmallVector<AxisRef> axes;
  Type element;
  if (auto dense = dyn_cast<ElementsAttr>(value)) {
    for (int64_t size : dense.getShapedType().getShape())
      axes.push_back(makeAxis(nullptr, size));
    element = dense.getElementType();
    if (isa<DenseStringElementsAttr>(value))
      element = TextType::get(context);
  } else if (auto list = dyn_cast<ArrayAttr>(value)) {
    axes.push_back(makeAxis(nullptr, list.size()));
    element = TextType::get(context);
    if (!list.empty() && isa<ArrayAttr>(list[0])) { // lists of any length
      Type member = TextType::get(context);
      for (Attribute inner : list)
        if (auto members = dyn_cast<ArrayAttr>(inner);
            members && !members.empty())
          if (auto typed = dyn_cast<TypedAttr>(members[0]);
              typed && !isa<StringAttr>(members[0]))
            member = typed.getType();
      element = ListType::get(context, member);
      Machine machine(ModuleOp::create(loc), {});
      FailureOr<Array> array = Array::create(element, axes);
      for (size_t i = 0; succeeded(array) && i < list.size(); ++i) {
        auto entry = machine.materialize(list[i], element, {}, loc);
        if (failed(entry))
          array = failure();
        else
          array->buffer->set(i, entry->value());
      }
      machine.module.erase();
      return array;
    }
    if (!list.empty())
      if (auto typed = dyn_cast<TypedAttr>(list[0]);
          typed && !isa<StringAttr>(list[0]))
        element = typed.getType();
  } else if (isa<StringAttr>(value)) {
    element = TextType::get(context);
  } else if (auto typed = dyn_cast<TypedAttr>(value)) {
    element = typed.getType();
  } else {
    return emitError(loc, "no array can be made from ") << value;
  }
  Machine machine(ModuleOp::create(loc), {});
  FailureOr<Array> array = machine.materialize(value, element, axes, loc);
  machine.module.erase();
  return array;
}

static LogicalResult bindAll(Interpreter &interpreter, ModuleOp module) {
  if (auto axes = module->getAttrOfType<DictionaryAttr>("interp.axes"))
    for (NamedAttribute axis : axes) {
      if (auto size = dyn_cast<IntegerAttr>(axis.getValue())) {
        if (failed(interpreter.bindAxis(axis.getName(), size.getInt())))
          return failure();
        continue;
      }
      auto list = dyn_cast<ArrayAttr>(axis.getValue());
      if (!list)
        return module.emitError("axis ")
               << axis.getName() << " takes a size or counts";
      SmallVector<int64_t> counts;
      for (auto count : list.getAsRange<IntegerAttr>())
        counts.push_back(count.getInt());
      if (failed(interpreter.bindAxisPerParent(axis.getName(), counts)))
        return failure();
    }
  for (bool params : {true, false})
    if (auto values = module->getAttrOfType<DictionaryAttr>(
            params ? "interp.params" : "interp.inputs"))
      for (NamedAttribute value : values) {
        auto array = arrayFromAttribute(value.getValue(), module.getLoc());
        if (failed(array) ||
            failed(params ? interpreter.bindParam(value.getName(), *array)
                          : interpreter.bindInput(value.getName(), *array)))
          return failure();
      }
  return success();
}

LogicalResult route::interp::runScript(ModuleOp module, Options options,
                                       llvm::raw_ostream &os) {
  ScriptedHost host(module->getAttrOfType<DictionaryAttr>("interp.host"));
  options.host = &host;
  if (auto seed = module->getAttrOfType<IntegerAttr>("interp.seed"))
    options.seed = seed.getInt();
  if (auto bytes = module->getAttrOfType<IntegerAttr>("interp.max_bytes"))
    options.maxBytes = bytes.getInt();
  if (auto steps = module->getAttrOfType<IntegerAttr>("interp.max_steps"))
    options.maxSteps = steps.getInt();
  Interpreter interpreter(module, options);
  if (failed(bindAll(interpreter, module)))
    return failure();

  SmallVector<std::string> script;
  if (auto lines = module->getAttrOfType<ArrayAttr>("interp.script")) {
    for (auto line : lines.getAsRange<StringAttr>())
      script.push_back(line.getValue().str());
  } else {
    for (auto func : module.getOps<FunctionOpInterface>())
      if (auto route = dyn_cast<FuncOp>(*func);
          SymbolTable::getSymbolVisibility(func) !=
              SymbolTable::Visibility::Private &&
          (!route || (route.getKind() != FuncKind::handler &&
                      route.getKind() != FuncKind::steps)))
        script.push_back("run " + func.getName().str());
  }
  SmallVector<RuntimeValue> last;
  for (const std::string &line : script) {
    SmallVector<StringRef> words;
    StringRef(line).split(words, ' ', -1, /*KeepEmpty=*/false);
    StringRef verb = words.empty() ? StringRef() : words[0];
    StringRef subject = words.size() > 1 ? words[1] : StringRef();
    if (verb == "run") {
      if (failed(expireRows(interpreter)))
        return failure();
      auto results = interpreter.run(subject);
      if (failed(results))
        return failure();
      last = *results;
      for (const RuntimeValue &result : last)
        os << subject << ": " << printValue(result) << '\n';
    } else if (verb ==
               "steps") { // steps ENTRY: with the answers of interp.answers
      StepScript steps;
      if (auto lines = module->getAttrOfType<ArrayAttr>("interp.answers"))
        for (auto line : lines.getAsRange<StringAttr>())
          steps.host += line.getValue().str() + "\n";
      if (failed(runSteps(interpreter, module, subject, steps, os)))
        return failure();
    } else if (verb == "emit") {
      StringRef router;
      ArrayRef<RuntimeValue> given = last;
      for (StringRef word : ArrayRef(words).drop_front(2)) {
        auto [name, value] = word.split('=');
        if (value.empty()) {
          router = word;
          continue;
        }
        MLIRContext *context = module.getContext();
        int64_t whole = 0;
        double number = 0;
        Array array;
        if (!value.getAsInteger(10, whole))
          array = Array::scalar(IntegerType::get(context, 64), whole);
        else if (!value.getAsDouble(number))
          array = Array::scalar(Float32Type::get(context), float(number));
        else
          return module.emitError("'") << value << "' is no number";
        if (failed(interpreter.bindInput(name, array)))
          return failure();
        given = {}; // arguments are found by name
      }
      if (failed(interpreter.emit(subject, router, given)))
        return failure();
    } else if (verb == "state") {
      auto state = interpreter.state(subject);
      if (failed(state))
        return failure();
      os << subject << ": " << printValue(*state) << '\n';
    } else if (verb == "unknown") {
      if (failed(interpreter.bindUnknown(subject)))
        return failure();
    } else if (verb == "now") {
      int64_t ns = 0;
      if (subject.getAsInteger(10, ns))
        return module.emitError("now takes nanoseconds, found '")
               << subject << "'";
      interpreter.setNow(ns);
    } else if (verb == "push") { // push NAME [FROM]: bind the input again, now
      auto values = module->getAttrOfType<DictionaryAttr>("interp.pushes");
      StringRef from = words.size() > 2 ? words[2] : subject;
      Attribute value = values ? values.get(from) : nullptr;
      if (!value)
        return module.emitError("no value to push for '") << subject << "'";
      auto array = arrayFromAttribute(value, module.getLoc());
      if (failed(array) || failed(interpreter.bindInput(subject, *array)))
        return failure();
    } else if (verb == "join") { // join POOL KEY: with the columns of rows[KEY]
      StringRef key = words.size() > 2 ? words[2] : StringRef();
      auto rows = module->getAttrOfType<DictionaryAttr>("interp.rows");
      auto columns = rows ? rows.getAs<DictionaryAttr>(key) : nullptr;
      if (!columns)
        return module.emitError("no row '") << key << "' to join";
      std::map<std::string, Array> values;
      for (NamedAttribute column : columns) {
        auto value = arrayFromAttribute(column.getValue(), module.getLoc());
        if (failed(value))
          return failure();
        values[column.getName().str()] = std::move(*value);
      }
      if (failed(joinRow(interpreter, subject, key, values)))
        return failure();
    } else if (verb == "leave") {
      StringRef key = words.size() > 2 ? words[2] : StringRef();
      if (failed(leaveRow(interpreter, subject, key)))
        return failure();
    } else if (verb == "metrics") {
      for (const Metric &metric : interpreter.takeMetrics())
        os << "metric " << metric.name << ": " << printValue(metric.value)
           << '\n';
    } else {
      return module.emitError("script line '") << line << "' is not understood";
    }
  }
  return success();
}
