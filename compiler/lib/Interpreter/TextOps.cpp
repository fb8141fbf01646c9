// The evaluator of text functions, by the reference in the text library.
#include "Elementwise.h"
#include "Scalars.h"
#include "route/Text/Functions.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The attribute as the text library takes it; nothing for other kinds.
static std::optional<text::TextAttr> toTextAttr(Attribute attr) {
  if (auto truth = dyn_cast<BoolAttr>(attr))
    return text::TextAttr(truth.getValue());
  if (auto integer = dyn_cast<IntegerAttr>(attr))
    return text::TextAttr(integer.getInt());
  if (auto number = dyn_cast<FloatAttr>(attr))
    return text::TextAttr(number.getValueAsDouble());
  if (auto string = dyn_cast<StringAttr>(attr))
    return text::TextAttr(string.getValue().str());
  auto list = dyn_cast<ArrayAttr>(attr);
  if (!list)
    return std::nullopt;
  std::vector<std::string> strings;
  for (Attribute member : list) {
    auto string = dyn_cast<StringAttr>(member);
    if (!string)
      return std::nullopt;
    strings.push_back(string.getValue().str());
  }
  return text::TextAttr(std::move(strings));
}

/// The function's scalar result as an element of type `type`.
static Element toElement(const text::TextValue &value, Type type) {
  MLIRContext *context = type.getContext();
  if (const bool *truth = std::get_if<bool>(&value))
    return applyCast(IntegerType::get(context, 1), type, int64_t(*truth));
  if (const int64_t *count = std::get_if<int64_t>(&value))
    return applyCast(IntegerType::get(context, 64), type, *count);
  if (const float *ratio = std::get_if<float>(&value))
    return applyCast(Float32Type::get(context), type, *ratio);
  return zeroOf(type);
}

static LogicalResult evalTextFn(TextFnOp op, Frame &frame) {
  auto type = cast<ArrayType>(op.getResult().getType());
  text::TextAttrs attrs;
  if (DictionaryAttr options = op.getArgumentsAttr())
    for (NamedAttribute attr : options) {
      std::optional<text::TextAttr> converted = toTextAttr(attr.getValue());
      if (!converted)
        return op.emitError("option ")
               << attr.getName() << " of '" << op.getName()
               << "' has no form a text function takes";
      attrs[attr.getName().str()] = std::move(*converted);
    }
  SmallVector<RuntimeValue> sources;
  for (Value operand : op.getOperands())
    sources.push_back(frame.get(operand));
  auto result = allocateFor(type, sources, frame.machine, op.getLoc());
  if (failed(result))
    return failure();

  // A vector result adds its axis last: the texts lie over the others.
  bool isVector =
      !result->axes.empty() &&
      llvm::none_of(op.getOperands(), [&](Value operand) {
        return frame.array(operand).findAxis(result->axes.back()->name) >= 0;
      });
  ArrayRef<AxisRef> items = ArrayRef(result->axes).drop_back(isVector ? 1 : 0);
  int64_t width = isVector ? result->axes.back()->size : 1;
  std::vector<std::vector<Element>> texts;
  for (Value operand : op.getOperands()) {
    auto view = viewFor(op, frame.array(operand), items);
    if (failed(view))
      return failure();
    texts.push_back(view->elements());
  }
  Type element = type.getElementType(), plain = getValueType(element);
  auto store = [&](int64_t place, Element value) {
    result->buffer->set(
        place, isRangeType(element) ? knownRange(std::move(value)) : value);
  };
  int64_t count = countPositions(items);
  for (int64_t item = 0; item < count; ++item) {
    std::vector<Range> held;
    bool known = true;
    for (const auto &column : texts) {
      held.push_back(toRange(column[item]));
      known &= held.back().known;
    }
    if (!known && isRangeType(element)) {
      for (int64_t i = 0; i < width; ++i)
        result->buffer->set(item * width + i, unknownOf(element));
      continue;
    }
    std::vector<std::string_view> args;
    for (const Range &range : held)
      args.push_back(range.lo.asText());
    std::string error;
    auto value = text::evaluateTextFunction(op.getName(), attrs, args, error);
    if (!value)
      return op.emitError(error);
    const auto *features = std::get_if<std::vector<float>>(&*value);
    if (isVector != (features != nullptr) ||
        (features && static_cast<int64_t>(features->size()) != width))
      return op.emitError("'")
             << op.getName() << "' gives "
             << (features ? static_cast<int64_t>(features->size()) : 1)
             << " values a text, expected " << width;
    for (int64_t i = 0; i < width; ++i)
      store(item * width + i, features
                                  ? applyCast(Float32Type::get(op.getContext()),
                                              plain, (*features)[i])
                                  : toElement(*value, plain));
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

void route::interp::addTextOps(Registry &registry) { registry.add(evalTextFn); }
