// Reading and writing safetensors files.
// Checkpoints, fixtures and bulk inputs and outputs come in this format. The
// reader trusts nothing in the file.
// Format: https://github.com/huggingface/safetensors (README, "Format").
#ifndef ROUTE_IO_SAFETENSORS_H
#define ROUTE_IO_SAFETENSORS_H

#include "route/route.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace route {

/// A tensor in a file: row-major bytes borrowed from the file.
struct FileTensor {
  std::string name;
  std::string type;           ///< the file's own name: "F32", "BF16", ...
  uint32_t element = 0;       ///< enum route_element; 0: one we do not compute
  std::vector<int64_t> shape; ///< each at least 0
  const char *data = nullptr; ///< any alignment
  uint64_t size = 0;          ///< bytes
};

/// A safetensors file, memory-mapped or borrowed. Movable; tensors stay valid
/// with it. The file must not be changed while it is mapped.
class SafeTensors {
public:
  SafeTensors() = default;
  SafeTensors(SafeTensors &&other) noexcept { *this = std::move(other); }
  SafeTensors &operator=(SafeTensors &&other) noexcept;
  ~SafeTensors();

  /// Maps and reads the file at `path`. Errors: FILE, and those of parse().
  route_status open(const char *path, route_error *error);

  /// Reads `size` bytes at `data`, which must outlive this object. `label`
  /// names the file in messages. Errors: TRUNCATED, HEADER, OVERLAP, DUPLICATE.
  route_status parse(const void *data, uint64_t size, std::string_view label,
                     route_error *error);

  /// In order of name.
  const std::vector<FileTensor> &tensors() const { return entries; }
  /// Null where there is none.
  const FileTensor *find(std::string_view name) const;
  /// What the file's metadata says under that name; null: nothing.
  const std::string *metadata(std::string_view name) const;

private:
  void *mapping = nullptr;
  uint64_t mappedSize = 0;
  std::vector<FileTensor> entries;
  std::vector<std::pair<std::string, std::string>> notes; // name, text
};

/// Header bytes a file may have; the format's own limit.
inline constexpr uint64_t maxSafeTensorsHeader = 100'000'000;

/// The file's name for an element, or null where the format has none.
const char *safeTensorsType(uint32_t element);

/// Collects tensors and writes them as one file, aligned so that a mapped file
/// can be read in place.
class SafeTensorsWriter {
public:
  /// Copies `size` bytes. `element` must have a safeTensorsType.
  void add(std::string name, uint32_t element, std::span<const int64_t> shape,
           const void *data, uint64_t size);
  /// Puts text under a name into the file's metadata.
  void note(std::string name, std::string text) {
    notes.emplace_back(std::move(name), std::move(text));
  }
  /// The file's bytes.
  std::string serialise() const;
  /// Errors: FILE.
  route_status write(const char *path, route_error *error) const;

private:
  struct Item {
    std::string name;
    uint32_t element;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  std::vector<Item> items;
  std::vector<std::pair<std::string, std::string>> notes;
};

} // namespace route

#endif // ROUTE_IO_SAFETENSORS_H
