// The route dialect: registration and constants.
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;

#include "route/Dialect/Route/IR/RouteDialect.cpp.inc"
#include "route/Dialect/Route/IR/RouteEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Route/IR/RouteAttributes.cpp.inc"

#define GET_OP_CLASSES
#include "route/Dialect/Route/IR/RouteOps.cpp.inc"

void RouteDialect::initialize() {
  registerTypes();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "route/Dialect/Route/IR/RouteAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "route/Dialect/Route/IR/RouteOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "route/Dialect/Route/IR/RouteCollectionOps.cpp.inc"
      >();
}

Operation *RouteDialect::materializeConstant(OpBuilder &builder,
                                             Attribute value, Type type,
                                             Location loc) {
  if (!isa<ArrayType>(type))
    return nullptr;
  return ConstantOp::create(builder, loc, cast<ArrayType>(type), value);
}
