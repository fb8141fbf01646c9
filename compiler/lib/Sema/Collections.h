// What is asked of collections as they are written.
#ifndef ROUTE_LIB_SEMA_COLLECTIONS_H
#define ROUTE_LIB_SEMA_COLLECTIONS_H

#include "route/Sema/Value.h"

namespace route::sema {

/// `= []` of a set of state, which is what it starts as without it.
bool startsEmpty(const ast::Expr &written, const TypeInfo &type);

} // namespace route::sema

#endif
