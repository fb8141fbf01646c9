// Diagnostics as text, with source lines and carets.
//
// Lays out the marked lines of a diagnostic. Columns are those of a terminal:
// wide characters count two, tabs become spaces, what cannot be shown becomes a
// replacement character, and very long lines are cut to a window.
#include "route/Diagnostics/Render.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Unicode.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <tuple>

using namespace route;
using llvm::raw_ostream;
using llvm::StringRef;

namespace {

struct Mark {
  SourceRange range;
  StringRef text;
  bool primary;
};

/// A source line ready to print, with the column where each of its bytes shows.
class ShownLine {
public:
  ShownLine(StringRef line, size_t focus) {
    constexpr size_t window = 160, lead = 60, tab = 4;
    size_t begin = 0, end = line.size();
    if (end > window) {
      begin = focus > lead ? focus - lead : 0;
      while (begin > 0 && isContinuation(line[begin]))
        --begin;
      end = std::min(line.size(), begin + window);
      while (end < line.size() && isContinuation(line[end]))
        ++end;
    }
    first = begin;
    if (begin)
      text = "...", column = 3;
    for (size_t at = begin; at < end;) {
      size_t length = sequence(line.substr(at));
      StringRef character = line.substr(at, length);
      std::string shown = character.str();
      int width = llvm::sys::unicode::columnWidthUTF8(character);
      if (character == "\t") {
        width = int(tab - column % tab);
        shown.assign(width, ' ');
      } else if (width < 0) {
        shown = "\xEF\xBF\xBD";
        width = 1;
      }
      columns.append(length, column);
      text += shown;
      column += width;
      at += length;
    }
    if (end < line.size())
      text += "...";
  }

  /// Column of a byte of the line; past the shown part, the nearest column.
  size_t columnOf(size_t byte) const {
    if (byte < first)
      return 0;
    return byte - first < columns.size() ? columns[byte - first] : column;
  }
  std::string text;

private:
  static bool isContinuation(char c) { return (uint8_t(c) & 0xC0) == 0x80; }
  /// Length of the character at the start of `rest`, 1 for a stray byte.
  static size_t sequence(StringRef rest) {
    uint8_t lead = rest[0];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length > rest.size())
      return 1;
    for (size_t i = 1; i < length; ++i)
      if (!isContinuation(rest[i]))
        return 1;
    return length;
  }
  llvm::SmallVector<size_t> columns;
  size_t first = 0;
  size_t column = 0;
};

class Layout {
public:
  Layout(const SourceManager &sources, raw_ostream &os, bool color)
      : sources(sources), os(os), color(color) {}

  void paint(raw_ostream::Colors c, bool bold, StringRef text) {
    if (color)
      os.changeColor(c, bold);
    os << text;
    if (color)
      os.resetColor();
  }

  void place(StringRef arrow, FileId file, uint32_t offset, size_t width) {
    LineColumn at = sources.lineColumn(file, offset);
    os.indent(width);
    paint(raw_ostream::BLUE, true, arrow);
    os << ' ' << sources.name(file) << ':' << at.line << ':' << at.column
       << '\n';
  }

  /// Prints the lines that marks of one file lie on; marks are in any order.
  void lines(FileId file, std::vector<Mark> marks, size_t width) {
    llvm::sort(marks, [](const Mark &a, const Mark &b) {
      return std::tuple(a.range.begin, !a.primary, a.text) <
             std::tuple(b.range.begin, !b.primary, b.text);
    });
    unsigned previous = 0;
    for (size_t i = 0; i < marks.size();) {
      unsigned line = sources.lineColumn(file, marks[i].range.begin).line;
      size_t next = i;
      while (next < marks.size() &&
             sources.lineColumn(file, marks[next].range.begin).line == line)
        ++next;
      if (previous && line > previous + 1)
        os << "...\n";
      uint32_t start = sources.lineStart(file, line);
      size_t focus = marks[i].range.begin - start;
      for (size_t k = i; k < next; ++k)
        if (marks[k].primary)
          focus = marks[k].range.begin - start;
      StringRef source = sources.lineText(file, line);
      ShownLine shown(source, focus);
      gutter(std::to_string(line), width);
      os << shown.text << '\n';
      for (; i < next; ++i)
        mark(marks[i], shown, source.size(), start, width);
      previous = line;
    }
  }

private:
  void gutter(StringRef number, size_t width) {
    os.indent(width - number.size());
    paint(raw_ostream::BLUE, true, (number + " |").str());
    os << ' ';
  }
  void mark(const Mark &m, const ShownLine &shown, size_t lineSize,
            uint32_t start, size_t width) {
    size_t begin = shown.columnOf(m.range.begin - start);
    // A range over several lines is marked to the end of its first one.
    size_t end =
        shown.columnOf(std::min<size_t>(m.range.end - start, lineSize));
    gutter("", width);
    os.indent(begin);
    std::string carets(end > begin ? end - begin : 1, m.primary ? '^' : '-');
    paint(m.primary ? raw_ostream::RED : raw_ostream::BLUE, true,
          m.text.empty() ? carets : (carets + " " + m.text).str());
    os << '\n';
  }

  const SourceManager &sources;
  raw_ostream &os;
  bool color;
};

} // namespace

void TextRenderer::render(const Diagnostic &d) {
  Layout layout(sources, os, color);
  layout.paint(d.severity == Severity::Error     ? raw_ostream::RED
               : d.severity == Severity::Warning ? raw_ostream::YELLOW
                                                 : raw_ostream::BLUE,
               true,
               (severityName(d.severity) + "[" + codeName(d.code) + "]").str());
  os << ": " << d.message << '\n';

  // Marks grouped by file, the primary file first.
  std::vector<FileId> files;
  std::vector<Mark> marks;
  auto add = [&](SourceRange range, StringRef text, bool primary) {
    if (!range)
      return;
    marks.push_back({range, text, primary});
    if (!llvm::is_contained(files, range.file))
      files.push_back(range.file);
  };
  add(d.range, d.rangeText, true);
  for (const Diagnostic::Label &label : d.labels)
    add(label.range, label.text, false);
  unsigned lastLine = 1;
  for (const Mark &m : marks)
    lastLine = std::max(lastLine,
                        sources.lineColumn(m.range.file, m.range.begin).line);
  for (const Diagnostic::Note &note : d.notes)
    if (note.range)
      lastLine = std::max(
          lastLine, sources.lineColumn(note.range.file, note.range.begin).line);
  size_t width = std::max<size_t>(2, std::to_string(lastLine).size());
  for (FileId file : files) {
    std::vector<Mark> inFile;
    for (const Mark &m : marks)
      if (m.range.file == file)
        inFile.push_back(m);
    layout.place(file == files.front() ? "-->" : ":::", file,
                 inFile.front().range.begin, width);
    layout.lines(file, std::move(inFile), width);
  }

  for (const std::string &text : d.help) {
    layout.paint(raw_ostream::GREEN, true, "help");
    os << ": " << text << '\n';
  }
  for (const Diagnostic::Note &note : d.notes) {
    layout.paint(raw_ostream::CYAN, true, "note");
    os << ": " << note.text << '\n';
    if (!note.range)
      continue;
    layout.place("-->", note.range.file, note.range.begin, width);
    layout.lines(note.range.file, {{note.range, "", false}}, width);
  }
  if (explained.insert(d.code).second) {
    layout.paint(raw_ostream::CYAN, true, "note");
    os << ": run `routec --explain " << codeName(d.code) << "`\n";
  }
}
