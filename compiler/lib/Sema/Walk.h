// Names that a piece of syntax mentions.
// For handlers: which names of the router around they read.
#ifndef ROUTE_LIB_SEMA_WALK_H
#define ROUTE_LIB_SEMA_WALK_H

#include "route/AST/AST.h"

namespace route::sema {

/// Every plain name below `node`, in order of appearance, and "name.member"
/// for members of them.
std::vector<std::string> namesIn(const ast::Node &node);

/// Names that are called below `node`, in order, perhaps repeated.
std::vector<std::string> namesCalled(const ast::Node &node);

/// Names that assignments below `node` change, in order, perhaps repeated.
std::vector<std::string> namesAssigned(const ast::Node &node);

/// Whether a call of the host stands below `node`.
bool callsIn(const ast::Node &node);

/// Where a route calls the host, runs in parallel, or loops over carried steps;
/// invalid when it only decides.
SourceRange stepIn(const ast::RouteDecl &route);

} // namespace route::sema

#endif
