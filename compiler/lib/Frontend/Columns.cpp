// Finds columns of the source and pads the output to keep them.
#include "Columns.h"
#include "llvm/ADT/STLExtras.h"

using namespace route;

/// How many characters UTF-8 text has.
static unsigned width(llvm::StringRef text) {
  return llvm::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

/// Where the line of `at` begins.
static size_t lineStart(llvm::StringRef text, size_t at) {
  return text.take_front(at).rfind('\n') + 1; // npos + 1 is 0
}

void Columns::findLines(llvm::StringRef out) {
  unsigned sourceLine = 0, outLine = 0, lastOutLine = 0;
  size_t sourceAt = 0, outAt = 0;
  bool broken = false; // the piece before has several lines
  for (size_t i = 0; i < pieces.size(); ++i) {
    Piece &piece = pieces[i];
    sourceLine += source.slice(sourceAt, piece.begin).count('\n');
    outLine += out.slice(outAt, piece.printed).count('\n');
    sourceAt = piece.begin;
    outAt = piece.printed;
    piece.column = width(source.slice(lineStart(source, sourceAt), sourceAt));
    if (i == 0 || outLine != lastOutLine) {
      unsigned indent = width(out.slice(lineStart(out, outAt), outAt));
      bool follows = i > 0 && !broken && outLine == lastOutLine + 1 &&
                     sourceLine == lines.back().sourceLine + 1 &&
                     indent == lines.back().indent;
      lines.push_back({i, i, sourceLine, indent, follows});
    } else {
      uint32_t end = pieces[i - 1].end;
      piece.pushed = !broken && width(source.slice(end, sourceAt)) > piece.gap;
    }
    lines.back().last = i;
    piece.line = lines.size() - 1;
    lastOutLine = outLine;
    broken = source.slice(piece.begin, piece.end).contains('\n');
  }
}

void Columns::findBlocks() {
  for (size_t at = 1; at < lines.size(); ++at) {
    const Line &above = lines[at - 1], &line = lines[at];
    if (!line.follows)
      continue;
    size_t j = above.first + 1;
    for (size_t i = line.first + 1; i <= line.last; ++i) {
      while (j <= above.last && pieces[j].column < pieces[i].column)
        ++j;
      if (j > above.last || pieces[j].column != pieces[i].column ||
          pieces[j].kind != pieces[i].kind || pieces[i].gap == 0 ||
          pieces[j].gap != pieces[i].gap ||
          !(pieces[i].pushed || pieces[j].pushed))
        continue;
      if (pieces[j].block == none) {
        pieces[j].block = blocks.size();
        blocks.push_back({j});
      }
      pieces[i].block = pieces[j].block;
      blocks[pieces[i].block].push_back(i);
    }
  }
}

std::string Columns::align(llvm::StringRef out) {
  findLines(out);
  findBlocks();
  // From the left, since each column moves what stands behind it.
  llvm::sort(blocks, [&](const auto &a, const auto &b) {
    return pieces[a.front()].column < pieces[b.front()].column;
  });
  std::vector<unsigned> moved(lines.size()), padding(pieces.size());
  for (const std::vector<size_t> &block : blocks) {
    unsigned column = 0;
    auto place = [&](size_t i) {
      size_t at = pieces[i].printed;
      return width(out.slice(lineStart(out, at), at)) + moved[pieces[i].line];
    };
    for (size_t i : block)
      column = std::max(column, place(i));
    for (size_t i : block) {
      padding[i] = column - place(i);
      moved[pieces[i].line] += padding[i];
    }
  }
  std::string aligned;
  size_t done = 0;
  for (auto [piece, spaces] : llvm::zip(pieces, padding)) {
    aligned += out.slice(done, piece.printed);
    aligned.append(spaces, ' ');
    done = piece.printed;
  }
  aligned += out.substr(done);
  return aligned;
}
