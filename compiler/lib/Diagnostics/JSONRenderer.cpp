// Diagnostics for tools.
// One JSON object a line; the members are listed in Render.h.
#include "route/Diagnostics/Render.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;
using llvm::json::Object;

static Object position(const SourceManager &sources, FileId file,
                       uint32_t offset) {
  LineColumn at = sources.lineColumn(file, offset);
  return Object{{"line", at.line}, {"column", at.column}, {"offset", offset}};
}

/// Adds where a range lies; nothing for an invalid one.
static Object withRange(Object object, const SourceManager &sources,
                        SourceRange range) {
  if (range) {
    object["file"] = llvm::json::fixUTF8(sources.name(range.file));
    object["start"] = position(sources, range.file, range.begin);
    object["end"] = position(sources, range.file, range.end);
  }
  return object;
}

void route::renderJSON(const Diagnostic &d, const SourceManager &sources,
                       llvm::raw_ostream &os) {
  using llvm::json::fixUTF8;
  Object object{{"code", codeName(d.code)},
                {"severity", severityName(d.severity)},
                {"message", fixUTF8(d.message)}};
  object = withRange(std::move(object), sources, d.range);
  if (!d.rangeText.empty())
    object["label"] = fixUTF8(d.rangeText);
  llvm::json::Array labels, notes, help, fixes;
  for (const Diagnostic::Label &label : d.labels)
    labels.push_back(
        withRange(Object{{"text", fixUTF8(label.text)}}, sources, label.range));
  for (const Diagnostic::Note &note : d.notes)
    notes.push_back(
        withRange(Object{{"text", fixUTF8(note.text)}}, sources, note.range));
  for (const std::string &text : d.help)
    help.push_back(fixUTF8(text));
  for (const Diagnostic::Fix &fix : d.fixes)
    fixes.push_back(withRange(Object{{"replacement", fixUTF8(fix.replacement)}},
                              sources, fix.range));
  object["labels"] = std::move(labels);
  object["notes"] = std::move(notes);
  object["help"] = std::move(help);
  object["fixes"] = std::move(fixes);
  os << llvm::json::Value(std::move(object)) << '\n';
}
