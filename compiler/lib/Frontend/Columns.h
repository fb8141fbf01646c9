// Columns that people lined up by hand, kept by the formatter.
#ifndef ROUTE_LIB_FRONTEND_COLUMNS_H
#define ROUTE_LIB_FRONTEND_COLUMNS_H

#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace route {

/// Lines up again what stood in one column of the source. Two pieces on
/// neighbouring lines stand in a column where they are of one kind and begin at
/// the same place, and one of them has more space before it than the layout
/// asks.
class Columns {
public:
  explicit Columns(llvm::StringRef source) : source(source) {}

  /// `source[begin..end]` was printed at `printed`, `gap` spaces behind what
  /// stands before it on its line. Pieces come in order.
  void add(unsigned kind, uint32_t begin, uint32_t end, size_t printed,
           unsigned gap) {
    pieces.push_back({kind, begin, end, printed, gap});
  }

  /// `out`, in which the pieces are printed, with columns as wide as they need.
  std::string align(llvm::StringRef out);

private:
  static constexpr size_t none = -1;

  struct Piece {
    unsigned kind;
    uint32_t begin, end;
    size_t printed;
    unsigned gap;
    /// Where it stands in its source line, in characters, and whether that is
    /// further than the layout asks.
    unsigned column = 0;
    bool pushed = false;
    size_t line = 0, block = none;
  };
  /// A line of the output, of pieces that one line of the source has.
  struct Line {
    size_t first, last; // pieces
    unsigned sourceLine, indent;
    /// Whether it lies right below the line before, equally deep.
    bool follows = false;
  };

  void findLines(llvm::StringRef out);
  void findBlocks();

  llvm::StringRef source;
  std::vector<Piece> pieces;
  std::vector<Line> lines;
  std::vector<std::vector<size_t>> blocks; // pieces of each column
};

} // namespace route

#endif
