// Source text and positions in it.
// Owns the text of every source file of a compilation and turns byte offsets
// into lines and columns. Every position in the compiler is a byte range in one
// of these files.
#ifndef ROUTE_DIAGNOSTICS_SOURCEMANAGER_H
#define ROUTE_DIAGNOSTICS_SOURCEMANAGER_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// Names a file of a SourceManager; 0 is no file.
struct FileId {
  uint32_t index = 0;
  explicit operator bool() const { return index != 0; }
  friend bool operator==(FileId, FileId) = default;
};

/// Half-open byte range [begin, end) in a file.
struct SourceRange {
  FileId file;
  uint32_t begin = 0;
  uint32_t end = 0;

  explicit operator bool() const { return bool(file); }
  friend bool operator==(const SourceRange &, const SourceRange &) = default;
  /// The smallest range that covers both; an invalid range is neutral.
  SourceRange to(SourceRange other) const {
    if (!file)
      return other;
    if (!other.file)
      return *this;
    return {file, begin < other.begin ? begin : other.begin,
            end > other.end ? end : other.end};
  }
};

/// A position for people: both numbers start at 1, columns count code points.
struct LineColumn {
  unsigned line = 1;
  unsigned column = 1;
};

/// The text of every file of a compilation. References to text stay valid for
/// the life of the manager. Not thread-safe.
class SourceManager {
public:
  /// The largest file accepted, in bytes.
  static constexpr size_t maxFileSize = size_t(16) << 20;

  /// Adds text under a display name and returns its id.
  FileId addFile(std::string name, std::string text);

  /// Reads a file ("-" is standard input). On failure returns nothing and sets
  /// `error` to the reason, lower case, without the path.
  std::optional<FileId> openFile(llvm::StringRef path, std::string &error);

  llvm::StringRef name(FileId file) const { return get(file).name; }
  llvm::StringRef text(FileId file) const { return get(file).text; }
  llvm::StringRef text(SourceRange range) const;

  /// Position of a byte offset; offsets past the end name the end.
  LineColumn lineColumn(FileId file, uint32_t offset) const;
  /// Byte offset of the first byte of a line (counted from 1).
  uint32_t lineStart(FileId file, unsigned line) const;
  /// Text of a line (counted from 1) without its line end.
  llvm::StringRef lineText(FileId file, unsigned line) const;
  unsigned numLines(FileId file) const { return get(file).lines.size(); }
  unsigned numFiles() const { return files.size(); }

private:
  struct File {
    std::string name;
    std::string text;
    std::vector<uint32_t> lines; // byte offset of each line's start
  };
  const File &get(FileId file) const { return files[file.index - 1]; }
  std::deque<File> files;
};

} // namespace route

#endif
