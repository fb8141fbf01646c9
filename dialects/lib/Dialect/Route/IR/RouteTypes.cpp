// The route dialect: types, their syntax and the questions asked of them.
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;

#define GET_TYPEDEF_CLASSES
#include "route/Dialect/Route/IR/RouteTypes.cpp.inc"

void RouteDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "route/Dialect/Route/IR/RouteTypes.cpp.inc"
      >();
}

Type route::getValueType(Type element) {
  if (auto range = dyn_cast<RangeType>(element))
    return range.getValueType();
  return element;
}

bool route::isTruth(Type element) { return getValueType(element).isInteger(1); }

bool route::isNumber(Type element) {
  Type value = getValueType(element);
  return isa<FloatType>(value) ||
         (isa<IntegerType>(value) && !value.isInteger(1));
}

bool ArrayType::hasAxis(FlatSymbolRefAttr axis) const {
  return llvm::is_contained(getAxes(), axis);
}

/// `<` element (`[` @axis (`,` @axis)* `]`)? `>`
Type ArrayType::parse(AsmParser &parser) {
  Type element;
  SmallVector<FlatSymbolRefAttr> axes;
  SMLoc loc = parser.getCurrentLocation();
  auto parseAxis = [&]() -> ParseResult {
    StringAttr name;
    if (parser.parseSymbolName(name))
      return failure();
    axes.push_back(FlatSymbolRefAttr::get(name));
    return success();
  };
  if (parser.parseLess() || parser.parseType(element))
    return {};
  if (succeeded(parser.parseOptionalLSquare()))
    if (parser.parseCommaSeparatedList(parseAxis) || parser.parseRSquare())
      return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<ArrayType>(loc, parser.getContext(), element, axes);
}

void ArrayType::print(AsmPrinter &printer) const {
  printer << '<' << getElementType();
  if (!isScalar()) {
    printer << " [";
    llvm::interleaveComma(getAxes(), printer);
    printer << ']';
  }
  printer << '>';
}

LogicalResult ArrayType::verify(function_ref<InFlightDiagnostic()> emitError,
                                Type elementType,
                                ArrayRef<FlatSymbolRefAttr> axes) {
  if (isa<ArrayType, PlanType, ShapedType>(elementType))
    return emitError() << "elements cannot be " << elementType;
  llvm::SmallPtrSet<Attribute, 8> seen;
  for (FlatSymbolRefAttr axis : axes)
    if (!seen.insert(axis).second)
      return emitError() << "axis " << axis
                         << " appears twice; a second copy of "
                         << "an axis has a name of its own";
  return success();
}
