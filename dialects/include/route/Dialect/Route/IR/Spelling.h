// How messages name types.
#ifndef ROUTE_DIALECT_ROUTE_IR_SPELLING_H
#define ROUTE_DIALECT_ROUTE_IR_SPELLING_H

#include "mlir/IR/Types.h"
#include <string>

namespace route {

/// An element type as a spec writes it: `u64`, `ref models`, `set text`,
/// `f32?`.
std::string spellElement(mlir::Type element);

} // namespace route

#endif // ROUTE_DIALECT_ROUTE_IR_SPELLING_H
