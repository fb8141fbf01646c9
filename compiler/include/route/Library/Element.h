// The element type by which a library passes values of a type.
#ifndef ROUTE_LIBRARY_ELEMENT_H
#define ROUTE_LIBRARY_ELEMENT_H

#include "mlir/IR/BuiltinTypes.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/route_module.h"

namespace route {

/// enum route_element of a type, 0 where it has none.
inline uint32_t libraryElement(mlir::Type type) {
  if (llvm::isa<EnumType, RefType>(type))
    return ROUTE_I32;
  if (llvm::isa<TextType>(type))
    return ROUTE_TEXT;
  if (llvm::isa<HandleType>(type))
    return ROUTE_HANDLE;
  if (type.isBF16())
    return ROUTE_BF16;
  if (type.isF16())
    return ROUTE_F16;
  if (type.isF32())
    return ROUTE_F32;
  if (type.isF64())
    return ROUTE_F64;
  auto integer = llvm::dyn_cast<mlir::IntegerType>(type);
  if (!integer)
    return 0;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return ROUTE_BOOL;
  case 8:
    return isUnsigned ? ROUTE_U8 : ROUTE_I8;
  case 16:
    return isUnsigned ? ROUTE_U16 : ROUTE_I16;
  case 32:
    return isUnsigned ? ROUTE_U32 : ROUTE_I32;
  case 64:
    return isUnsigned ? ROUTE_U64 : ROUTE_I64;
  }
  return 0;
}

} // namespace route

#endif
