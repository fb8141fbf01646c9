// Arguments from and to safetensors files.
// Tensors are copied so that they are aligned; their types and shapes are the
// call's to judge.
#include "../core/Support.h"
#include "route/io/Records.h"
#include "route/io/Spelling.h"

#include <algorithm>
#include <cstring>

using namespace route;

/// The tensor that says where the texts of port `name` begin: NAME.offsets, or
/// NAME.bytes.offsets where that is a port of its own, as beside the texts of
/// lists.
static std::string textOffsetsName(const Values &values,
                                   const std::string &name) {
  for (size_t i = 0; i < values.values.size(); ++i)
    if (values.ports[i].name == name + ".offsets")
      return name + ".bytes.offsets";
  return name + ".offsets";
}

namespace {

class TensorReader {
public:
  TensorReader(const SafeTensors &file, const ReadOptions &options,
               Values &inputs, route_error *error)
      : file(file), options(options), inputs(inputs), error(error) {}

  route_status read(const route_port_desc &port, Value &value);
  route_status checkAllUsed() const;

private:
  const FileTensor *take(const std::string &name) {
    const FileTensor *tensor = file.find(name);
    if (tensor)
      used.push_back(tensor);
    return tensor;
  }
  route_status readText(const route_port_desc &port, Value &value);

  const SafeTensors &file;
  const ReadOptions &options;
  Values &inputs;
  route_error *error;
  std::vector<const FileTensor *> used;
};

} // namespace

route_status TensorReader::readText(const route_port_desc &port, Value &value) {
  std::string name = port.name;
  std::string offsetsName = textOffsetsName(inputs, name);
  const FileTensor *offsets = take(offsetsName);
  const FileTensor *bytes = take(name + ".bytes");
  if (!offsets && !bytes)
    return ROUTE_OK;
  auto wrong = [&](const char *what) {
    return fail(error, ROUTE_ERROR_RECORD, "%.100s: text '%.100s' %s",
                options.label, port.name, what);
  };
  if (!offsets || !bytes || offsets->element != ROUTE_I64 ||
      offsets->shape.size() != 1 || offsets->size < 8 ||
      bytes->element != ROUTE_U8)
    return fail(error, ROUTE_ERROR_RECORD,
                "%.100s: text '%.100s' needs '%.120s' of type I64, one more "
                "than there are texts, and '%.100s.bytes' of type U8",
                options.label, port.name, offsetsName.c_str(), port.name);
  if (port.num_axes > 1)
    return wrong("is over more than one axis, which no file says");
  int64_t count = offsets->shape[0] - 1;
  value = Value();
  value.given = true;
  if (port.num_axes)
    value.shape = {count};
  else if (count != 1)
    return wrong("is one text, the file has another number of them");
  std::string &all = inputs.texts.emplace_back(bytes->data, bytes->size);
  int64_t begin;
  memcpy(&begin, offsets->data, sizeof(begin));
  for (int64_t i = 0; i < count; ++i) {
    int64_t end;
    memcpy(&end, offsets->data + (i + 1) * 8, sizeof(end));
    if (begin < 0 || end < begin || end > static_cast<int64_t>(all.size()))
      return wrong("has offsets that decrease or pass the end of its bytes");
    route_text text = {all.data() + begin, end - begin};
    memcpy(value.grow(sizeof(text)), &text, sizeof(text));
    begin = end;
  }
  return ROUTE_OK;
}

route_status TensorReader::read(const route_port_desc &port, Value &value) {
  if (port.type.element == ROUTE_TEXT) {
    if (route_status status = readText(port, value))
      return status;
  } else if (const FileTensor *tensor = take(port.name)) {
    bool fits =
        tensor->element == port.type.element ||
        (tensor->element == ROUTE_U64 && port.type.element == ROUTE_HANDLE);
    if (!fits)
      return fail(error, ROUTE_ERROR_RECORD,
                  "%.100s: tensor '%.100s' has type %s, expected %s",
                  options.label, port.name, tensor->type.c_str(),
                  safeTensorsType(port.type.element));
    value = Value(); // a file of records may have left it out
    value.given = true;
    value.shape = tensor->shape;
    char *copy = value.grow(tensor->size);
    if (tensor->size)
      memcpy(copy, tensor->data, tensor->size);
  }
  if (!value.given || !(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
    return ROUTE_OK;
  if (value.shape.size() != port.num_axes)
    return ROUTE_OK; // the call says so
  // A shape without elements may claim any number of positions.
  uint64_t positions = 1, most = std::max(value.size, uint64_t(1) << 20);
  for (size_t i = 0; i < port.known_axes; ++i)
    if (!multiply(positions, static_cast<uint64_t>(value.shape[i]),
                  positions) ||
        positions > most)
      return fail(error, ROUTE_ERROR_RECORD,
                  "%.100s: tensor '%.100s' has shape %s: there are too many "
                  "positions that may be unknown",
                  options.label, port.name,
                  ShapeText(value.shape.data(), value.shape.size()).text);
  value.known.assign(positions, 1);
  const FileTensor *known = take(std::string(port.name) + ".known");
  if (!known)
    return ROUTE_OK;
  if (known->element != ROUTE_BOOL || known->size != positions)
    return fail(error, ROUTE_ERROR_RECORD,
                "%.100s: tensor '%.100s.known' is not BOOL with %llu elements",
                options.label, port.name,
                static_cast<unsigned long long>(positions));
  if (positions)
    memcpy(value.known.data(), known->data, positions);
  return ROUTE_OK;
}

route_status TensorReader::checkAllUsed() const {
  if (options.allowExtra || used.size() == file.tensors().size())
    return ROUTE_OK;
  for (const FileTensor &tensor : file.tensors()) {
    bool found = false;
    for (const FileTensor *one : used)
      found |= one == &tensor;
    if (found)
      continue;
    std::vector<const char *> names;
    for (size_t i = 0; i < inputs.values.size(); ++i)
      names.push_back(inputs.ports[i].name);
    return fail(error, ROUTE_ERROR_RECORD,
                "%.100s: no input reads tensor '%.100s'%.140s", options.label,
                tensor.name.c_str(), namesLike(tensor.name, names).c_str());
  }
  return ROUTE_OK;
}

route_status route::readTensors(const route_module_desc &module,
                                const route_entry_desc &entry,
                                const SafeTensors &file,
                                const ReadOptions &options, Values &inputs,
                                route_error *error) {
  TensorReader reader(file, options, inputs, error);
  for (size_t i = 0; i < entry.num_inputs; ++i)
    if (route_status status = reader.read(entry.inputs[i], inputs.values[i]))
      return status;
  return reader.checkAllUsed();
}

void route::writeTensors(const Values &outputs, SafeTensorsWriter &writer) {
  for (size_t i = 0; i < outputs.values.size(); ++i) {
    const route_port_desc &port = outputs.ports[i];
    const Value &value = outputs.values[i];
    std::string name = port.name;
    if (port.type.element != ROUTE_TEXT) {
      writer.add(name, port.type.element, value.shape, value.bytes(),
                 value.size);
    } else {
      std::vector<int64_t> offsets = {0};
      std::string bytes;
      for (uint64_t at = 0; at < value.size; at += sizeof(route_text)) {
        route_text text;
        memcpy(&text, value.bytes() + at, sizeof(text));
        if (text.size > 0)
          bytes.append(text.data, static_cast<size_t>(text.size));
        offsets.push_back(static_cast<int64_t>(bytes.size()));
      }
      const int64_t numOffsets[] = {static_cast<int64_t>(offsets.size())};
      const int64_t numBytes[] = {static_cast<int64_t>(bytes.size())};
      writer.add(textOffsetsName(outputs, name), ROUTE_I64, numOffsets,
                 offsets.data(), offsets.size() * 8);
      writer.add(name + ".bytes", ROUTE_U8, numBytes, bytes.data(),
                 bytes.size());
    }
    if (port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)
      writer.add(name + ".known", ROUTE_BOOL,
                 std::span(value.shape).first(port.known_axes),
                 value.known.data(), value.known.size());
  }
}
