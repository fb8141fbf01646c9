// Registration of the row dialect.
#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "route/Dialect/Row/IR/RowDialect.cpp.inc"
#include "route/Dialect/Row/IR/RowEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Row/IR/RowAttributes.cpp.inc"

void route::row::RowDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "route/Dialect/Row/IR/RowAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "route/Dialect/Row/IR/RowOps.cpp.inc"
      >();
}
