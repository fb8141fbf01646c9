// The one layout of a .route file.
// What route-fmt does. The formatter keeps line breaks and comments, and
// decides spaces, indentation and blank lines.
#ifndef ROUTE_FRONTEND_FORMAT_H
#define ROUTE_FRONTEND_FORMAT_H

#include "route/Diagnostics/Diagnostic.h"

namespace route {

/// The text of a file in its layout. Formatting a formatted text changes
/// nothing, and the syntax tree stays the same. A file with syntax errors is
/// reported and not formatted.
std::optional<std::string> formatSource(const SourceManager &sources,
                                        FileId file, DiagnosticEngine &diags);

} // namespace route

#endif
