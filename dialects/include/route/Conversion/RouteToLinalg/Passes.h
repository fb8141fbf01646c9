// Declaration of the conversion from named axes to tensors.
#ifndef ROUTE_CONVERSION_ROUTETOLINALG_PASSES_H
#define ROUTE_CONVERSION_ROUTETOLINALG_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "route/EntryAttributes.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Conversion/RouteToLinalg/Passes.h.inc"
} // namespace route

#endif
