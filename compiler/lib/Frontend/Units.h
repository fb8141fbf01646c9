// Unit words and numbers.
// The units that may follow a number and the reading of number tokens. Private
// to the front end.
#ifndef ROUTE_LIB_FRONTEND_UNITS_H
#define ROUTE_LIB_FRONTEND_UNITS_H

#include "route/AST/Exprs.h"

namespace route {

/// Whether a word such as `ms` or `Mtok` is a unit.
bool isUnitWord(llvm::StringRef word);

/// Whether a number's spelling ends in a unit or begins with a currency, so
/// that
/// `/unit` may follow.
bool endsInUnit(llvm::StringRef number);

/// Reads a number token into `result`. On failure returns false and says why.
bool parseNumber(llvm::StringRef spelling, ast::NumberExpr &result,
                 std::string &reason);

} // namespace route

#endif
