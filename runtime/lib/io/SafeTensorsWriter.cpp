// Writing safetensors files.
// Tensors of larger elements come first and the header is padded to 64 bytes,
// so that every tensor of a mapped file is aligned to its element.
#include "route/io/Files.h"
#include "route/io/SafeTensors.h"

#include <algorithm>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

using namespace route;

void SafeTensorsWriter::add(std::string name, uint32_t element,
                            std::span<const int64_t> shape, const void *data,
                            uint64_t size) {
  items.push_back({std::move(name),
                   element,
                   {shape.begin(), shape.end()},
                   {static_cast<const char *>(data), size}});
}

std::string SafeTensorsWriter::serialise() const {
  std::vector<const Item *> order;
  for (const Item &item : items)
    order.push_back(&item);
  std::stable_sort(
      order.begin(), order.end(), [](const Item *a, const Item *b) {
        return route_element_size(a->element) > route_element_size(b->element);
      });
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  uint64_t offset = 0;
  auto key = [&](const std::string &text) {
    json.Key(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  };
  json.StartObject();
  if (!notes.empty()) {
    key("__metadata__");
    json.StartObject();
    auto sorted = notes; // files of the same tensors are the same
    std::sort(sorted.begin(), sorted.end());
    for (const auto &[name, text] : sorted) {
      key(name);
      json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    }
    json.EndObject();
  }
  for (const Item *item : order) {
    key(item->name);
    json.StartObject();
    key("dtype");
    json.String(safeTensorsType(item->element));
    key("shape");
    json.StartArray();
    for (int64_t size : item->shape)
      json.Int64(size);
    json.EndArray();
    key("data_offsets");
    json.StartArray();
    json.Uint64(offset);
    offset += item->bytes.size();
    json.Uint64(offset);
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();

  std::string header(buffer.GetString(), buffer.GetSize());
  header.append((64 - (8 + header.size()) % 64) % 64, ' ');
  std::string file;
  for (int i = 0; i < 8; ++i)
    file.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  file += header;
  for (const Item *item : order)
    file += item->bytes;
  return file;
}

route_status SafeTensorsWriter::write(const char *path,
                                      route_error *error) const {
  return writeFile(path, serialise(), error);
}
