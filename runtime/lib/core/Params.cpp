// Binding checkpoint tensors to parameters.
// Every mistake in a checkpoint is found here, before the first call.
#include "Params.h"
#include "../cuda/Device.h"
#include "Arguments.h"
#include "CheckModule.h"
#include "Elements.h"
#include "route/mxfp4.h"

#include <algorithm>
#include <cstring>

using namespace route;

static const char *labelOf(const char *label) { return label ? label : ""; }

void Slice::copyTo(char *memory) const {
  if (!scales)
    memcpy(memory, data, bytes);
  else
    num::unpackMxfp4(reinterpret_cast<const uint8_t *>(data),
                     reinterpret_cast<const uint8_t *>(scales), bytes * 2,
                     reinterpret_cast<uint16_t *>(memory));
}

Checkpoint::Wanted::Wanted(const route_module_desc &module,
                           const route_param_desc &param)
    : kind("parameter"), name(param.name), file(param.file),
      tensor(param.tensor), type(param.type),
      axes(table(param.axes, param.num_axes)), stored(param.stored),
      number(static_cast<uint64_t>(&param - module.params)) {}

Checkpoint::Wanted::Wanted(const route_module_desc &module,
                           const route_state_desc &cell)
    : kind("state cell"), name(cell.name), file(cell.file), tensor(cell.tensor),
      type(cell.type), axes(table(cell.axes, cell.num_axes)),
      stored(ROUTE_STORED_PLAIN),
      number(module.num_params + static_cast<uint64_t>(&cell - module.states)) {
}

route_status Checkpoint::open(std::span<const route_file> files,
                              route_error *error) {
  for (const route_file &file : files) {
    if (!file.path && !file.data)
      return fail(error, ROUTE_ERROR_ARGUMENT,
                  "a parameter file has neither path nor data");
    Shard &shard = shards.emplace_back();
    shard.label = labelOf(file.label);
    route_status status =
        file.path ? shard.file.open(file.path, error)
                  : shard.file.parse(file.data, file.size, "memory", error);
    if (status)
      return status;
    shard.used.resize(shard.file.tensors().size());
  }
  return ROUTE_OK;
}

/// Checks that a tensor is all of a parameter, or of a first value.
static route_status checkHostParam(const route_module_desc &module,
                                   const Checkpoint::Wanted &param,
                                   const route_tensor &tensor, bool allowGpu,
                                   HostParam &host, route_error *error) {
  constexpr int32_t cpu = 1, cuda = 2, cudaHost = 3;
  auto refuse = [&](route_status code, const char *what) {
    return fail(error, code, "the tensor of %s '%.100s' %s", param.kind,
                param.name, what);
  };
  if (!fitsType(tensor, param.type.element))
    return fail(error, ROUTE_ERROR_PARAM_TYPE,
                "the tensor of %s '%.100s' has type %s, expected %s",
                param.kind, param.name, tensorTypeName(tensor),
                route_element_name(param.type.element));
  bool fits = tensor.ndim >= 0 &&
              static_cast<uint64_t>(tensor.ndim) == param.axes.size() &&
              (!tensor.ndim || tensor.shape);
  for (uint64_t i = 0; fits && i < param.axes.size(); ++i)
    fits = tensor.shape[i] == extent(module.axes[param.axes[i]]);
  if (!fits)
    return fail(error, ROUTE_ERROR_PARAM_SHAPE,
                "the tensor of %s '%.100s' has shape %s, expected %s",
                param.kind, param.name,
                ShapeText(tensor.shape, tensor.shape && tensor.ndim > 0
                                            ? static_cast<uint64_t>(tensor.ndim)
                                            : 0)
                    .text,
                ShapeText(module, param.axes.data(), param.axes.size()).text);
  uint64_t size = elementSize(param.type.element);
  int64_t count = contiguousElements(tensor, size);
  if (count < 0)
    return refuse(ROUTE_ERROR_TENSOR_STRIDES,
                  "is not contiguous and row-major");
  int32_t kind = tensor.device.device_type;
  if (kind != cpu && kind != cudaHost && kind != cuda)
    return refuse(ROUTE_ERROR_TENSOR_DEVICE, "is on no CPU and no NVIDIA GPU");
  host.onGpu = kind == cuda;
  if (host.onGpu && !allowGpu)
    return refuse(ROUTE_ERROR_TENSOR_DEVICE,
                  "is on a GPU, and the context is made without "
                  "ROUTE_CONTEXT_CUDA");
  if (count && !tensor.data)
    return refuse(ROUTE_ERROR_TENSOR_MISSING, "has elements but no data");
  host.given = true;
  host.gpu = tensor.device.device_id;
  host.data = static_cast<const char *>(tensor.data) + tensor.byte_offset;
  host.size = static_cast<uint64_t>(count) * size;
  if (count &&
      reinterpret_cast<uintptr_t>(host.data) % (host.onGpu ? 16 : size))
    return refuse(ROUTE_ERROR_TENSOR_ALIGNMENT,
                  host.onGpu ? "is on a GPU and not aligned to 16 bytes"
                             : "is not aligned to its element");
  return ROUTE_OK;
}

route_status Checkpoint::give(const route_module_desc &module,
                              std::span<const route_param> params,
                              bool allowGpu, route_error *error) {
  hostParams.assign(module.num_params + module.num_states, {});
  std::vector<Wanted> all;
  for (const route_param_desc &param : table(module.params, module.num_params))
    all.emplace_back(module, param);
  for (const route_state_desc &cell : table(module.states, module.num_states))
    if (cell.tensor)
      all.emplace_back(module, cell);
  for (const route_param &param : params) {
    if (!param.name || !param.tensor)
      return fail(error, ROUTE_ERROR_ARGUMENT,
                  "a parameter has no name or no tensor");
    auto found =
        std::find_if(all.begin(), all.end(), [&](const Wanted &wanted) {
          return strcmp(wanted.name, param.name) == 0;
        });
    if (found == all.end())
      return fail(error, ROUTE_ERROR_PARAM_EXTRA,
                  "module '%.100s' has no parameter '%.200s', and no state "
                  "of that name that begins as a checkpoint has it",
                  module.name, param.name);
    HostParam &host = hostParams[found->number];
    if (host.given)
      return fail(error, ROUTE_ERROR_DUPLICATE, "%s '%.200s' is given twice",
                  found->kind, param.name);
    if (route_status status = checkHostParam(module, *found, *param.tensor,
                                             allowGpu, host, error))
      return status;
  }
  return ROUTE_OK;
}

/// How many letters turn one name into the other, or `most` where that is no
/// fewer.
static size_t editDistance(std::string_view a, std::string_view b,
                           size_t most) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= most)
    return most;
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = i - 1;
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t changed = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return std::min(row.back(), most);
}

route_status Checkpoint::find(const Wanted &wanted, const std::string &name,
                              const FileTensor *&tensor, route_error *error) {
  const char *label = labelOf(wanted.file);
  tensor = nullptr;
  bool haveFile = false;
  for (Shard &shard : shards) {
    if (strcmp(shard.label, label) != 0)
      continue;
    haveFile = true;
    const FileTensor *found = shard.file.find(name);
    if (found && tensor)
      return fail(error, ROUTE_ERROR_DUPLICATE,
                  "two files of one checkpoint have a tensor named '%.200s'",
                  name.c_str());
    if (!found)
      continue;
    tensor = found;
    shard.used[static_cast<size_t>(found - shard.file.tensors().data())] = true;
  }
  if (tensor)
    return ROUTE_OK;
  if (!haveFile && *label)
    return fail(error, ROUTE_ERROR_PARAM_MISSING,
                "%s '%.100s' is in file '%.200s', which was not given",
                wanted.kind, wanted.name, label);
  if (!haveFile)
    return fail(error, ROUTE_ERROR_PARAM_MISSING,
                "%s '%.100s' needs a parameter file, and none was given",
                wanted.kind, wanted.name);
  // A name nearly as wanted is a mistake in one of the two.
  std::string_view nearest;
  size_t best = name.size() / 4 + 2;
  for (Shard &shard : shards)
    if (strcmp(shard.label, label) == 0)
      for (const FileTensor &tensor : shard.file.tensors())
        if (size_t distance = editDistance(name, tensor.name, best);
            distance < best) {
          best = distance;
          nearest = tensor.name;
        }
  return fail(error, ROUTE_ERROR_PARAM_MISSING,
              "%s '%.100s' is missing: the checkpoint has no tensor "
              "'%.200s'%s%.*s%s",
              wanted.kind, wanted.name, name.c_str(),
              nearest.empty() ? "" : "; it has '",
              static_cast<int>(std::min<size_t>(nearest.size(), 200)),
              nearest.data() ? nearest.data() : "", nearest.empty() ? "" : "'");
}

std::string route::sliceName(const route_module_desc &module,
                             const Checkpoint::Wanted &wanted,
                             const std::vector<int64_t> &indices) {
  std::string name;
  NamePiece piece;
  for (const char *cursor = wanted.tensor; nextPiece(module, cursor, piece);) {
    if (piece.axis < 0) {
      name.append(piece.text, piece.size);
      continue;
    }
    size_t position = 0;
    while (wanted.axes[position] != static_cast<uint32_t>(piece.axis))
      ++position;
    if (piece.byName)
      name += module.axes[piece.axis].members[indices[position]];
    else
      name += std::to_string(indices[position]);
  }
  return name;
}

/// Finds the tensor of a name, of the type and shape that it must have.
route_status Checkpoint::take(const route_module_desc &module,
                              const Wanted &wanted, const std::string &name,
                              uint32_t element,
                              const std::vector<int64_t> &expected,
                              const FileTensor *&tensor, route_error *error) {
  if (route_status status = find(wanted, name, tensor, error))
    return status;
  if (tensor->element != element &&
      !(element == ROUTE_HANDLE && tensor->element == ROUTE_U64))
    return fail(error, ROUTE_ERROR_PARAM_TYPE,
                "%s '%.100s': tensor '%.150s' has type %s, expected %s",
                wanted.kind, wanted.name, name.c_str(), tensor->type.c_str(),
                safeTensorsType(element));
  if (tensor->shape != expected) {
    size_t stacked = wanted.axes.size() - expected.size();
    return fail(
        error, ROUTE_ERROR_PARAM_SHAPE,
        "%s '%.80s': tensor '%.120s' has shape %s, expected %s", wanted.kind,
        wanted.name, name.c_str(),
        ShapeText(tensor->shape.data(), tensor->shape.size()).text,
        wanted.stored == ROUTE_STORED_PLAIN
            ? ShapeText(module, wanted.axes.data() + stacked, expected.size())
                  .text
            : ShapeText(expected.data(), expected.size()).text);
  }
  return ROUTE_OK;
}

route_status Checkpoint::collect(const route_module_desc &module,
                                 const Wanted &wanted,
                                 std::vector<Slice> &slices,
                                 route_error *error) {
  slices.clear();
  size_t stacked = static_cast<size_t>(countPlaceholders(
      module, wanted.tensor, wanted.axes.data(), wanted.axes.size()));
  std::vector<int64_t> expected;
  for (uint32_t axis : wanted.axes.subspan(stacked))
    expected.push_back(extent(module.axes[axis]));
  int64_t parts = 1;
  for (uint32_t axis : wanted.axes.first(stacked))
    parts *= extent(module.axes[axis]);
  if (parts == 0)
    return ROUTE_OK;
  if (const HostParam &host = given(wanted.number); host.given) {
    const char *data = host.onGpu ? host.copy : host.data;
    uint64_t size = host.size / static_cast<uint64_t>(parts);
    for (int64_t i = 0; i < parts; ++i)
      slices.push_back({data + static_cast<uint64_t>(i) * size, size});
    return ROUTE_OK;
  }
  std::vector<int64_t> blocks, scales;
  if (wanted.stored == ROUTE_STORED_MXFP4) {
    scales = expected;
    scales.back() /= num::mxfp4Block;
    blocks = scales;
    blocks.push_back(num::mxfp4Block / 2);
  }

  std::vector<int64_t> indices(stacked, 0);
  for (bool more = true; more;) {
    std::string name = sliceName(module, wanted, indices);
    const FileTensor *tensor = nullptr, *scale = nullptr;
    route_status status = wanted.stored == ROUTE_STORED_PLAIN
                              ? take(module, wanted, name, wanted.type.element,
                                     expected, tensor, error)
                              : take(module, wanted, name + "_blocks", ROUTE_U8,
                                     blocks, tensor, error);
    if (!status && wanted.stored == ROUTE_STORED_MXFP4)
      status = take(module, wanted, name + "_scales", ROUTE_U8, scales, scale,
                    error);
    if (status)
      return status;
    slices.push_back(
        {tensor->data, tensor->size, scale ? scale->data : nullptr});
    more = false;
    for (size_t i = stacked; i-- > 0 && !more;) {
      more = ++indices[i] < extent(module.axes[wanted.axes[i]]);
      if (!more)
        indices[i] = 0;
    }
  }
  return ROUTE_OK;
}

route_status Checkpoint::checkAllUsed(route_error *error) const {
  for (const Shard &shard : shards)
    for (size_t i = 0; i < shard.used.size(); ++i)
      if (!shard.used[i])
        return fail(error, ROUTE_ERROR_PARAM_EXTRA,
                    "nothing binds tensor '%.200s'%s%.200s",
                    shard.file.tensors()[i].name.c_str(),
                    *shard.label ? " of file " : "", shard.label);
  return ROUTE_OK;
}

route_status Params::bind(const route_module_desc &module,
                          Checkpoint &checkpoint, const Device *copyFrom,
                          route_error *error) {
  pointers.assign(module.num_params + 1, nullptr);
  std::vector<Slice> slices;
  for (uint64_t i = 0; i < module.num_params; ++i) {
    const route_param_desc &param = module.params[i];
    AlignedMemory copied; // from a GPU, to be packed
    if (const HostParam &host = checkpoint.given(i); host.given) {
      if (host.onGpu && !copyFrom) {
        missing = param.name;
        continue;
      }
      if (host.onGpu) {
        if (!copied.allocate(host.size))
          return fail(error, ROUTE_ERROR_MEMORY,
                      "out of memory for parameter '%.100s': %llu bytes",
                      param.name, static_cast<unsigned long long>(host.size));
        if (route_status status = copyFrom->readBack(host, copied.get(), error))
          return status;
        checkpoint.setCopy(i, copied.get());
      }
      if (!param.pack) {
        pointers[i] = host.onGpu ? host.copy : host.data;
        if (host.onGpu)
          owned.push_back(std::move(copied));
        continue;
      }
    }
    if (route_status status = checkpoint.collect(
            module, Checkpoint::Wanted(module, param), slices, error))
      return status;
    uint64_t elementSize = route_element_size(param.type.element);
    // Offsets in a file are any: packing and plain reads want whole elements.
    auto inFile = [&](const Slice &slice) -> const void * {
      const void *data = slice.plain();
      return reinterpret_cast<uintptr_t>(data) % elementSize ? nullptr : data;
    };
    if (!param.pack && slices.size() == 1 && inFile(slices[0])) {
      pointers[i] = inFile(slices[0]);
      continue;
    }
    uint64_t size = 0;
    for (const Slice &slice : slices)
      size += slice.size(); // at most what the module check allowed
    AlignedMemory &memory = owned.emplace_back();
    if (!memory.allocate(param.pack ? param.packed_size : size))
      return fail(error, ROUTE_ERROR_MEMORY,
                  "out of memory for parameter '%.100s': %llu bytes",
                  param.name,
                  static_cast<unsigned long long>(param.pack ? param.packed_size
                                                             : size));
    pointers[i] = memory.get();
    char *cursor = memory.get();
    for (size_t number = 0; number < slices.size(); ++number) {
      const Slice &slice = slices[number];
      if (!param.pack) {
        slice.copyTo(cursor);
        cursor += slice.size();
        continue;
      }
      AlignedMemory copy;
      const void *source = inFile(slice);
      if (!source) {
        if (!copy.allocate(slice.size()))
          return fail(error, ROUTE_ERROR_MEMORY,
                      "out of memory for parameter '%.100s'", param.name);
        slice.copyTo(copy.get());
        source = copy.get();
      }
      param.pack(source, memory.get(), static_cast<int64_t>(number));
    }
    if (copied.get())
      checkpoint.setCopy(i, nullptr);
  }
  return ROUTE_OK;
}
