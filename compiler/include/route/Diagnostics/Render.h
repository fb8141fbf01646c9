// Diagnostics as text and as JSON.
// Text with source lines and carets for people; a JSON object a line for tools.
#ifndef ROUTE_DIAGNOSTICS_RENDER_H
#define ROUTE_DIAGNOSTICS_RENDER_H

#include "route/Diagnostics/Diagnostic.h"
#include <set>

namespace route {

/// Writes diagnostics as text. Keeps which codes were seen, so that the pointer
/// to `--explain` stands once a code.
class TextRenderer {
public:
  TextRenderer(const SourceManager &sources, llvm::raw_ostream &os,
               bool color = false)
      : sources(sources), os(os), color(color) {}
  void render(const Diagnostic &diagnostic);

private:
  const SourceManager &sources;
  llvm::raw_ostream &os;
  bool color;
  std::set<diag::Code> explained;
};

/// Writes one JSON object and a line end:
///   {"code", "severity", "message", "file", "start": {"line", "column",
///    "offset"}, "end", "label", "labels": [], "notes": [], "help": [],
///    "fixes": []}
/// Lines and columns start at 1 (columns in code points), offsets in bytes at
/// 0.
void renderJSON(const Diagnostic &diagnostic, const SourceManager &sources,
                llvm::raw_ostream &os);

} // namespace route

#endif
