// Source text and positions in it.
// Line tables are made once a file; columns are counted on demand.
#include "route/Diagnostics/SourceManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>

using namespace route;

FileId SourceManager::addFile(std::string name, std::string text) {
  File file{std::move(name), std::move(text), {0}};
  for (size_t at = file.text.find('\n'); at != std::string::npos;
       at = file.text.find('\n', at + 1))
    file.lines.push_back(uint32_t(at + 1));
  files.push_back(std::move(file));
  return {uint32_t(files.size())};
}

std::optional<FileId> SourceManager::openFile(llvm::StringRef path,
                                              std::string &error) {
  auto fail = [&](llvm::StringRef reason) {
    // The system's reasons begin with a capital; ours do not.
    error = reason.take_front().lower() + reason.drop_front().str();
    return std::nullopt;
  };
  if (path != "-") {
    llvm::sys::fs::file_status status;
    if (std::error_code code = llvm::sys::fs::status(path, status))
      return fail(code.message());
    if (llvm::sys::fs::is_directory(status))
      return fail("it is a folder");
    if (status.getSize() > maxFileSize)
      return fail("it is larger than 16 MiB");
  }
  auto buffer = path == "-" ? llvm::MemoryBuffer::getSTDIN()
                            : llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fail(buffer.getError().message());
  if ((*buffer)->getBufferSize() > maxFileSize)
    return fail("it is larger than 16 MiB");
  return addFile(path == "-" ? "<stdin>" : path.str(),
                 (*buffer)->getBuffer().str());
}

llvm::StringRef SourceManager::text(SourceRange range) const {
  return range.file ? text(range.file).slice(range.begin, range.end)
                    : llvm::StringRef();
}

LineColumn SourceManager::lineColumn(FileId id, uint32_t offset) const {
  const File &file = get(id);
  offset = std::min<uint32_t>(offset, file.text.size());
  auto next = std::upper_bound(file.lines.begin(), file.lines.end(), offset);
  LineColumn result;
  result.line = unsigned(next - file.lines.begin());
  for (uint32_t at = *(next - 1); at < offset; ++at)
    result.column +=
        (uint8_t(file.text[at]) & 0xC0) != 0x80; // not a continuation byte
  return result;
}

uint32_t SourceManager::lineStart(FileId id, unsigned line) const {
  const File &file = get(id);
  return line == 0                  ? 0
         : line > file.lines.size() ? uint32_t(file.text.size())
                                    : file.lines[line - 1];
}

llvm::StringRef SourceManager::lineText(FileId id, unsigned line) const {
  llvm::StringRef rest = text(id).substr(lineStart(id, line));
  return rest.take_until([](char c) { return c == '\n'; }).rtrim('\r');
}
