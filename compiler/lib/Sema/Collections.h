// What is asked of collections as they are written.
#ifndef ROUTE_LIB_SEMA_COLLECTIONS_H
#define ROUTE_LIB_SEMA_COLLECTIONS_H

#include "route/IRGen/Emitter.h"
#include "route/Sema/Value.h"

namespace route::sema {

/// `[]`: what it would hold is not said.
bool isEmptyList(const ast::Expr &expr);

/// The empty list or set that can stand where `other` can; an error, which is
/// not told, where that is neither.
Value emptyListLike(irgen::Emitter &e, const Value &other);

/// `= []` of a set of state, which is what it starts as without it.
bool startsEmpty(const ast::Expr &written, const TypeInfo &type);

/// Whether a member or a key of number type `to` may be any number of type
/// `from`: whole numbers round to floats, as where they are compared.
bool isMemberType(mlir::Type from, mlir::Type to);

} // namespace route::sema

#endif
