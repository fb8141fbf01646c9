// What state starts as, as constants: the interpreter works it out.
#include "Initial.h"
#include "mlir/IR/Diagnostics.h"
#include "route/Interpreter/Machine.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;

/// The integer that holds an element which is no float; null where none does.
static IntegerType wordOf(Type element) {
  MLIRContext *context = element.getContext();
  if (isa<EnumType, RefType>(element))
    return IntegerType::get(context, 32);
  if (isa<HandleType>(element))
    return IntegerType::get(context, 64);
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(context, integer.getWidth());
  return nullptr;
}

/// An element as it is stored; null for what is no number.
static Attribute storedAs(Type type, const interp::Element &element) {
  if (auto to = dyn_cast<FloatType>(type)) {
    APFloat value(to.isF64() ? element.asDouble() : 0.0);
    bool inexact;
    if (!to.isF64()) {
      value = APFloat(element.asFloat());
      value.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &inexact);
    }
    return FloatAttr::get(to, value);
  }
  IntegerType word = wordOf(type);
  if (!word)
    return {};
  return IntegerAttr::get(
      word, APInt(64, element.asInt(), true).sextOrTrunc(word.getWidth()));
}

/// The one element that all positions have, or all elements.
static Attribute constantOf(Type type, const interp::Array &array) {
  if (array.dims.empty() && array.size() > 0)
    return storedAs(type, array.buffer->get(array.base));
  SmallVector<Attribute> elements;
  for (const interp::Element &element : array.elements())
    if (!elements.emplace_back(storedAs(type, element)))
      return {};
  if (elements.empty())
    return {};
  if (llvm::all_equal(elements))
    return elements.front();
  auto numbers = dyn_cast<FloatType>(type);
  return DenseElementsAttr::get(
      RankedTensorType::get({static_cast<int64_t>(elements.size())},
                            numbers ? Type(numbers) : Type(wordOf(type))),
      elements);
}

/// Zeros, but that a reference is to no row.
static Attribute zerosOf(Type element) {
  return isa<RefType>(element) ? IntegerAttr::get(wordOf(element), -1)
                               : Attribute();
}

/// What `evaluate` gives in an interpreter that knows the module alone.
static FailureOr<Attribute> evaluated(
    Operation *op, ArrayType type, StringRef what,
    llvm::function_ref<FailureOr<interp::Array>(interp::Machine &)> evaluate) {
  Attribute initial;
  std::string why;
  std::optional<Location> tooLarge;
  {
    // It fails where something is read that only a context has.
    ScopedDiagnosticHandler quiet(op->getContext(), [&](Diagnostic &error) {
      if (why.empty()) {
        why = error.str();
        if (noticeOf(error) == Notice::outOfMemory)
          tooLarge = error.getLocation();
      }
      return success();
    });
    interp::Machine machine(op->getParentOfType<ModuleOp>(), {});
    FailureOr<interp::Array> value = evaluate(machine);
    if (succeeded(value))
      initial = constantOf(type.getElementType(), *value);
  }
  if (initial)
    return initial;
  if (tooLarge)
    return emitNotice(*tooLarge, Notice::outOfMemory) << why;
  if (!why.empty())
    why = " (" + why + ")";
  return notCovered(op, what + " that starts as no constant" + why);
}

FailureOr<Attribute> route::initialOf(StateOp state) {
  auto type = cast<ArrayType>(state.getType());
  if (state.getInit().empty())
    return state.getFrom() ? Attribute() : zerosOf(type.getElementType());
  return evaluated(state, type, "state", [&](interp::Machine &machine) {
    return machine.initialState(state);
  });
}

FailureOr<Attribute> route::initialOf(ColumnOp column) {
  auto type = cast<ArrayType>(column.getType());
  if (!column.getFallback())
    return zerosOf(type.getElementType());
  return evaluated(column, type, "a column",
                   [&](interp::Machine &machine) -> FailureOr<interp::Array> {
                     auto axes = interp::resolveAxes(type.getAxes(), {},
                                                     machine, column.getLoc());
                     if (failed(axes))
                       return failure();
                     return machine.materialize(*column.getFallback(),
                                                type.getElementType(), *axes,
                                                column.getLoc());
                   });
}
