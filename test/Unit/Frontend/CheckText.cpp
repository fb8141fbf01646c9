// Parses and formats one text and checks what must hold of both.
#include "CheckText.h"
#include "route/Diagnostics/Render.h"
#include "route/Frontend/Format.h"
#include "route/Frontend/Parser.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

static std::string dump(const ast::Module &module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  ast::dumpAST(module, os);
  return text;
}

std::string route::checkText(const std::string &text, bool mustParse) {
  SourceManager sources;
  DiagnosticEngine diags(sources);
  FileId file = sources.addFile("input.route", text);
  std::string tree = dump(*parseModule(sources, file, diags));
  if (diags.hasErrors()) {
    std::string shown;
    llvm::raw_string_ostream os(shown);
    TextRenderer renderer(sources, os);
    for (const Diagnostic &d : diags.diagnostics()) {
      renderer.render(d);
      renderJSON(d, sources, os);
      if (d.code != diag::tooManyErrors &&
          (!d.range || d.range.end > text.size() ||
           d.range.begin > d.range.end))
        return "a message without a place: " + d.message;
      for (const char *internal : {"<EOF>", "GROUP_", "PREFIX_", "LIST_COMMA",
                                   "no viable", "mismatched", "extraneous"})
        if (llvm::StringRef(d.message).contains(internal) &&
            !llvm::StringRef(text).contains(internal))
          return "a message in the parser's words: " + d.message;
    }
    return mustParse ? "does not parse:\n" + shown : "";
  }
  std::optional<std::string> once = formatSource(sources, file, diags);
  if (!once)
    return "parses but is not formatted";
  FileId formatted = sources.addFile("formatted.route", *once);
  std::string treeOnce = dump(*parseModule(sources, formatted, diags));
  if (diags.hasErrors())
    return "does not parse once formatted: " +
           diags.diagnostics().front().message + "\n" + *once;
  if (treeOnce != tree)
    return "formatting changes the syntax tree:\n" + *once;
  std::optional<std::string> twice = formatSource(sources, formatted, diags);
  if (!twice || *twice != *once)
    return "formatting is not stable:\n" + *once;
  return "";
}
