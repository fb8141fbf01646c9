// The names of the language's own functions, for suggestions.
#ifndef ROUTE_LIB_SEMA_BUILTINNAMES_H
#define ROUTE_LIB_SEMA_BUILTINNAMES_H

#include <string>
#include <vector>

namespace route::sema {

/// Every function of the language that an expression may call.
std::vector<std::string> builtinNames();

} // namespace route::sema

#endif
