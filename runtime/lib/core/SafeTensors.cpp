// Reading safetensors files.
// The header is parsed by RapidJSON's iterative parser, event by event: its
// depth is bounded here, numbers are whole, and nothing is built from parts of
// a header that are refused.
#include "route/io/SafeTensors.h"
#include "Support.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace route;

namespace {
struct FileType {
  const char *name;
  uint32_t element;
  uint32_t size;
};
} // namespace

static constexpr FileType fileTypes[] = {
    {"BOOL", ROUTE_BOOL, 1}, {"I8", ROUTE_I8, 1},     {"I16", ROUTE_I16, 2},
    {"I32", ROUTE_I32, 4},   {"I64", ROUTE_I64, 8},   {"U8", ROUTE_U8, 1},
    {"U16", ROUTE_U16, 2},   {"U32", ROUTE_U32, 4},   {"U64", ROUTE_U64, 8},
    {"F16", ROUTE_F16, 2},   {"BF16", ROUTE_BF16, 2}, {"F32", ROUTE_F32, 4},
    {"F64", ROUTE_F64, 8},   {"F8_E4M3", 0, 1},       {"F8_E5M2", 0, 1},
    {"F8_E8M0", 0, 1},
};

const char *route::safeTensorsType(uint32_t element) {
  for (const FileType &type : fileTypes)
    if (element && type.element == element)
      return type.name;
  return element == ROUTE_HANDLE ? "U64" : nullptr;
}

namespace {

/// A tensor as the header states it, before its extent is checked.
struct RawTensor {
  FileTensor tensor;
  uint64_t begin = 0, end = 0;
};

/// Takes the parser's events; an event out of place ends the parse.
class HeaderHandler
    : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, HeaderHandler> {
public:
  std::vector<RawTensor> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  const char *problem = nullptr;

  bool StartObject() {
    switch (state) {
    case State::Start:
      return to(State::Tensors);
    case State::Tensor:
      seen = 0;
      return to(State::Fields);
    case State::Metadata:
      return to(State::MetadataKeys);
    default:
      return wrong("an object where none belongs");
    }
  }
  bool Key(const char *text, rapidjson::SizeType size, bool) {
    std::string_view key(text, size);
    switch (state) {
    case State::Tensors:
      if (key == "__metadata__")
        return to(State::Metadata);
      tensors.emplace_back().tensor.name = key;
      return to(State::Tensor);
    case State::MetadataKeys:
      metadata.emplace_back(key, std::string());
      return to(State::MetadataValue);
    case State::Fields:
      if (key == "dtype")
        return field(1, State::Type);
      if (key == "shape")
        return field(2, State::Shape);
      if (key == "data_offsets")
        return field(4, State::Offsets);
      return wrong("a tensor has a field besides dtype, shape, data_offsets");
    default:
      return wrong("a key where none belongs");
    }
  }
  bool String(const char *text, rapidjson::SizeType size, bool) {
    if (state == State::MetadataValue) {
      metadata.back().second.assign(text, size);
      return to(State::MetadataKeys);
    }
    if (state != State::Type)
      return wrong("a string where none belongs");
    tensors.back().tensor.type.assign(text, size);
    return to(State::Fields);
  }
  bool StartArray() {
    if (state == State::Shape)
      return to(State::Sizes);
    if (state == State::Offsets)
      return to(State::Begin);
    return wrong("a list where none belongs");
  }
  bool EndArray(rapidjson::SizeType) {
    if (state != State::Sizes && state != State::OffsetsEnd)
      return wrong("data_offsets are not two numbers");
    return to(State::Fields);
  }
  bool Uint(unsigned value) { return Uint64(value); }
  bool Uint64(uint64_t value) {
    RawTensor *raw = tensors.empty() ? nullptr : &tensors.back();
    if (value > INT64_MAX)
      return wrong("a number is too large");
    switch (state) {
    case State::Sizes:
      if (raw->tensor.shape.size() == 64)
        return wrong("a tensor has more than 64 dimensions");
      raw->tensor.shape.push_back(static_cast<int64_t>(value));
      return true;
    case State::Begin:
      raw->begin = value;
      return to(State::End);
    case State::End:
      raw->end = value;
      return to(State::OffsetsEnd);
    default:
      return wrong("a number where none belongs");
    }
  }
  bool EndObject(rapidjson::SizeType) {
    if (state == State::Fields && seen != 7)
      return wrong("a tensor lacks dtype, shape or data_offsets");
    return to(state == State::Tensors ? State::Done : State::Tensors);
  }
  /// Null, true, false, negative and fractional numbers.
  bool Default() { return wrong("a value of a kind that does not belong"); }

private:
  enum class State {
    Start,
    Tensors,
    Tensor,
    Fields,
    Type,
    Shape,
    Sizes,
    Offsets,
    Begin,
    End,
    OffsetsEnd,
    Metadata,
    MetadataKeys,
    MetadataValue,
    Done
  };

  bool to(State next) {
    state = next;
    return true;
  }
  bool wrong(const char *what) {
    problem = what;
    return false;
  }
  bool field(unsigned bit, State next) {
    if (seen & bit)
      return wrong("a tensor has a field twice");
    seen |= bit;
    return to(next);
  }

  State state = State::Start;
  unsigned seen = 0; // fields of the tensor at hand
};

/// Completes a tensor from its header entry: element, bytes, address.
route_status place(RawTensor &raw, const char *data, uint64_t dataSize,
                   const char *label, route_error *error) {
  FileTensor &tensor = raw.tensor;
  const char *name = tensor.name.c_str();
  const FileType *type =
      std::find_if(std::begin(fileTypes), std::end(fileTypes),
                   [&](const FileType &t) { return tensor.type == t.name; });
  if (type == std::end(fileTypes))
    return fail(error, ROUTE_ERROR_HEADER,
                "%s: tensor '%.100s' has unknown type '%.20s'", label, name,
                tensor.type.c_str());
  uint64_t size = type->size;
  for (int64_t dimension : tensor.shape)
    if (!multiply(size, static_cast<uint64_t>(dimension), size))
      return fail(error, ROUTE_ERROR_HEADER,
                  "%s: the size of tensor '%.100s' overflows: %s", label, name,
                  ShapeText(tensor.shape.data(), tensor.shape.size()).text);
  if (raw.begin > raw.end || raw.end - raw.begin != size)
    return fail(error, ROUTE_ERROR_HEADER,
                "%s: tensor '%.100s' spans bytes %llu to %llu, its type and "
                "shape need %llu",
                label, name, static_cast<unsigned long long>(raw.begin),
                static_cast<unsigned long long>(raw.end),
                static_cast<unsigned long long>(size));
  if (raw.end > dataSize)
    return fail(error, ROUTE_ERROR_TRUNCATED,
                "%s: tensor '%.100s' ends at byte %llu, the data at %llu",
                label, name, static_cast<unsigned long long>(raw.end),
                static_cast<unsigned long long>(dataSize));
  tensor.element = type->element;
  tensor.size = size;
  tensor.data = data + raw.begin;
  return ROUTE_OK;
}

} // namespace

route_status SafeTensors::parse(const void *bytes, uint64_t size,
                                std::string_view labelView,
                                route_error *error) {
  entries.clear();
  notes.clear();
  std::string labelText("file '");
  labelText.append(labelView.substr(0, 200)).append("'");
  const char *label = labelText.c_str();
  const char *data = static_cast<const char *>(bytes);
  if (!data || size < 8)
    return fail(error, ROUTE_ERROR_TRUNCATED,
                "%s has %llu bytes, a safetensors file at least 8", label,
                static_cast<unsigned long long>(size));
  uint64_t headerSize = 0;
  for (int i = 7; i >= 0; --i)
    headerSize = headerSize << 8 | static_cast<unsigned char>(data[i]);
  if (headerSize > maxSafeTensorsHeader)
    return fail(error, ROUTE_ERROR_HEADER,
                "%s: the header claims %llu bytes, at most %llu are allowed",
                label, static_cast<unsigned long long>(headerSize),
                static_cast<unsigned long long>(maxSafeTensorsHeader));
  if (headerSize > size - 8)
    return fail(error, ROUTE_ERROR_TRUNCATED,
                "%s: the header claims %llu bytes, the file has %llu after its "
                "length",
                label, static_cast<unsigned long long>(headerSize),
                static_cast<unsigned long long>(size - 8));

  HeaderHandler handler;
  rapidjson::MemoryStream memory(data + 8, headerSize);
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream>
      stream(memory);
  rapidjson::Reader reader;
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::ParseResult result = reader.Parse<flags>(stream, handler);
  if (!result)
    return fail(error, ROUTE_ERROR_HEADER, "%s: header byte %zu: %s", label,
                result.Offset(),
                handler.problem ? handler.problem
                                : rapidjson::GetParseError_En(result.Code()));

  std::vector<RawTensor> &raws = handler.tensors;
  uint64_t dataSize = size - 8 - headerSize;
  for (RawTensor &raw : raws)
    if (route_status status =
            place(raw, data + 8 + headerSize, dataSize, label, error))
      return status;
  std::sort(raws.begin(), raws.end(),
            [](const RawTensor &a, const RawTensor &b) {
              return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
            });
  uint64_t covered = 0;
  for (const RawTensor &raw : raws) {
    if (raw.begin != covered)
      return fail(error, ROUTE_ERROR_OVERLAP,
                  "%s: tensor '%.100s' begins at byte %llu, the one before it "
                  "ends at %llu",
                  label, raw.tensor.name.c_str(),
                  static_cast<unsigned long long>(raw.begin),
                  static_cast<unsigned long long>(covered));
    covered = raw.end;
  }
  if (covered != dataSize)
    return fail(error, ROUTE_ERROR_OVERLAP,
                "%s: the tensors end at byte %llu, the data at %llu", label,
                static_cast<unsigned long long>(covered),
                static_cast<unsigned long long>(dataSize));
  notes = std::move(handler.metadata);
  for (RawTensor &raw : raws)
    entries.push_back(std::move(raw.tensor));
  std::sort(
      entries.begin(), entries.end(),
      [](const FileTensor &a, const FileTensor &b) { return a.name < b.name; });
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i].name == entries[i - 1].name) {
      fail(error, ROUTE_ERROR_DUPLICATE, "%s has two tensors named '%.100s'",
           label, entries[i].name.c_str());
      entries.clear();
      return ROUTE_ERROR_DUPLICATE;
    }
  return ROUTE_OK;
}

route_status SafeTensors::open(const char *path, route_error *error) {
  auto unreadable = [&](const char *what) {
    return fail(error, ROUTE_ERROR_FILE, "cannot %s '%.300s': %s", what, path,
                strerror(errno));
  };
  int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return unreadable("open");
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(file);
    return fail(error, ROUTE_ERROR_FILE, "'%.300s' is not a file", path);
  }
  uint64_t size = static_cast<uint64_t>(info.st_size);
  void *address = nullptr;
  if (size) {
    address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED) {
      close(file);
      return unreadable("map");
    }
  }
  close(file);
  *this = SafeTensors();
  mapping = address;
  mappedSize = size;
  return parse(address, size, path, error);
}

const FileTensor *SafeTensors::find(std::string_view name) const {
  auto it =
      std::lower_bound(entries.begin(), entries.end(), name,
                       [](const FileTensor &tensor, std::string_view key) {
                         return tensor.name < key;
                       });
  return it != entries.end() && it->name == name ? &*it : nullptr;
}

const std::string *SafeTensors::metadata(std::string_view name) const {
  for (const auto &[key, text] : notes)
    if (key == name)
      return &text;
  return nullptr;
}

SafeTensors &SafeTensors::operator=(SafeTensors &&other) noexcept {
  if (this == &other)
    return *this;
  if (mapping)
    munmap(mapping, mappedSize);
  mapping = other.mapping;
  mappedSize = other.mappedSize;
  entries = std::move(other.entries);
  notes = std::move(other.notes);
  other.mapping = nullptr;
  other.mappedSize = 0;
  return *this;
}

SafeTensors::~SafeTensors() {
  if (mapping)
    munmap(mapping, mappedSize);
}
