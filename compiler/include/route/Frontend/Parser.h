// From text to syntax tree.
// The entry to the front end. Nothing of the parser generator shows here and
// nothing is thrown.
#ifndef ROUTE_FRONTEND_PARSER_H
#define ROUTE_FRONTEND_PARSER_H

#include "route/AST/AST.h"
#include "route/Diagnostics/Diagnostic.h"

namespace route {

/// How deep brackets, operator chains and statements may nest.
constexpr unsigned maxNesting = 256;
/// How many words and signs a file may have.
constexpr unsigned maxTokens = 1'000'000;

/// Parses a file. Always returns a module with the declarations that could be
/// read; whether all could be is `diags.hasErrors()`.
std::unique_ptr<ast::Module> parseModule(const SourceManager &sources,
                                         FileId file, DiagnosticEngine &diags);

} // namespace route

#endif
