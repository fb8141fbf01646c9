// Checking tensors before generated code sees them.
// Two passes: types, shapes and placement first, so that every axis has one
// size; then what is absent is made up and values are looked at.
#include "Arguments.h"
#include "Elements.h"

#include <cstring>

using namespace route;

namespace {

/// A port and its place, for messages: "input 'x'".
struct Named {
  const route_port_desc &port;
  const char *side;
  bool onHost; ///< in calls on a GPU too
};

constexpr int32_t deviceCpu = 1, deviceCuda = 2, deviceCudaHost = 3;

/// Where the tensors of a call are: all on the CPU, or all on one GPU but for
/// ports that are the host's.
struct Place {
  int gpu;            ///< that of the context, or -1: it has none
  bool each;          ///< tensors on that GPU may be beside others on the CPU
  int32_t device = 0; ///< that of the first tensor, or of any on a GPU where
                      ///< `each`; 0 before it
};

} // namespace

#define FAIL(CODE, FORMAT, ...)                                                \
  fail(error, CODE, "%s '%.100s' " FORMAT, named.side,                         \
       named.port.name __VA_OPT__(, ) __VA_ARGS__)

bool route::fitsType(const route_tensor &tensor, uint32_t element) {
  const ElementInfo &expected = elementTable[element];
  auto is = [&](uint8_t code, uint8_t bits) {
    return tensor.dtype.code == code && tensor.dtype.bits == bits &&
           tensor.dtype.lanes == 1;
  };
  if (is(expected.code, expected.bits))
    return true;
  // NumPy and older DLPack have no bool, bf16 and handle of their own.
  return (element == ROUTE_BOOL && is(ROUTE_DTYPE_UINT, 8)) ||
         (element == ROUTE_BF16 && is(ROUTE_DTYPE_UINT, 16)) ||
         (element == ROUTE_HANDLE && is(ROUTE_DTYPE_UINT, 64));
}

const char *route::tensorTypeName(const route_tensor &tensor) {
  for (uint32_t element = ROUTE_BOOL; element <= ROUTE_HANDLE; ++element) {
    route_dtype type = route_element_dtype(element);
    if (type.code == tensor.dtype.code && type.bits == tensor.dtype.bits &&
        tensor.dtype.lanes == 1)
      return route_element_name(element);
  }
  return "another type";
}

int64_t route::contiguousElements(const route_tensor &tensor,
                                  uint64_t elementSize) {
  uint64_t count = 1, bytes;
  bool rowMajor = true;
  for (int32_t i = tensor.ndim; i-- > 0;) {
    uint64_t size = static_cast<uint64_t>(tensor.shape[i]);
    if (tensor.strides && size > 1)
      rowMajor &= tensor.strides[i] == static_cast<int64_t>(count);
    if (size == 0)
      return 0;
    if (!multiply(count, size, count))
      return -1;
  }
  if (!rowMajor || !multiply(count, elementSize, bytes))
    return -1;
  return static_cast<int64_t>(count);
}

/// Checks what every tensor must be, and gives its first element.
static route_status checkPlacement(Named named, const route_tensor &tensor,
                                   uint64_t elementSize, Place &place,
                                   void *&data, route_error *error) {
  int64_t count = contiguousElements(tensor, elementSize);
  if (count < 0)
    return FAIL(ROUTE_ERROR_TENSOR_STRIDES, "is not contiguous and row-major");
  int32_t kind = tensor.device.device_type;
  if (kind == deviceCudaHost)
    kind = deviceCpu;
  if (place.device == 0 || (place.each && kind == deviceCuda))
    place.device = kind;
  int32_t expected =
      named.onHost || place.device != deviceCuda ? deviceCpu : deviceCuda;
  if (kind != expected && !(place.each && kind == deviceCpu))
    return FAIL(ROUTE_ERROR_TENSOR_DEVICE,
                "is on device type %d, expected %d%s",
                tensor.device.device_type, expected,
                named.onHost && place.device == deviceCuda
                    ? ": it stays in the host's memory"
                    : "");
  if (kind == deviceCuda && place.gpu >= 0 &&
      tensor.device.device_id != place.gpu)
    return FAIL(ROUTE_ERROR_TENSOR_DEVICE,
                "is on GPU %d, the context on GPU %d", tensor.device.device_id,
                place.gpu);
  if (count && !tensor.data)
    return FAIL(ROUTE_ERROR_TENSOR_MISSING, "has elements but no data");
  data = static_cast<char *>(tensor.data) + tensor.byte_offset;
  uint64_t alignment = elementSize > 8 ? 8 : elementSize;
  if (kind == deviceCuda && count && (reinterpret_cast<uintptr_t>(data) & 15))
    return FAIL(ROUTE_ERROR_TENSOR_ALIGNMENT,
                "is on a GPU and not aligned to 16 bytes");
  if (count && (reinterpret_cast<uintptr_t>(data) & (alignment - 1)))
    return FAIL(ROUTE_ERROR_TENSOR_ALIGNMENT,
                "is not aligned to its element of %llu bytes",
                static_cast<unsigned long long>(elementSize));
  return ROUTE_OK;
}

static route_status checkTensor(const route_module_desc &module, Named named,
                                const route_tensor &tensor, int64_t *sizes,
                                Place &place, void *&data, route_error *error) {
  const route_port_desc &port = named.port;
  if (!fitsType(tensor, port.type.element))
    return FAIL(ROUTE_ERROR_TENSOR_TYPE,
                "has element type %s (code %u, %u bits, %u lanes), expected %s",
                tensorTypeName(tensor), tensor.dtype.code, tensor.dtype.bits,
                tensor.dtype.lanes, route_element_name(port.type.element));
  if (tensor.ndim < 0 || static_cast<uint64_t>(tensor.ndim) != port.num_axes)
    return FAIL(ROUTE_ERROR_TENSOR_RANK, "has rank %d, expected %llu: %s",
                tensor.ndim, static_cast<unsigned long long>(port.num_axes),
                ShapeText(module, port.axes, port.num_axes).text);
  if (tensor.ndim && !tensor.shape)
    return FAIL(ROUTE_ERROR_TENSOR_RANK, "has rank %d and no shape",
                tensor.ndim);
  int64_t extra = port.role == ROUTE_ROLE_OFFSETS ? 1 : 0;
  for (uint64_t i = 0; i < port.num_axes; ++i) {
    int64_t size = tensor.shape[i] < extra ? -1 : tensor.shape[i] - extra;
    int64_t &expected = sizes[port.axes[i]];
    if (size < 0 || (expected >= 0 && expected != size))
      return FAIL(ROUTE_ERROR_TENSOR_SHAPE,
                  "has shape %s: axis '%.100s' has size %lld, expected %lld%s",
                  ShapeText(tensor.shape, port.num_axes).text,
                  module.axes[port.axes[i]].name,
                  static_cast<long long>(tensor.shape[i]),
                  static_cast<long long>(expected < 0 ? 0 : expected) + extra,
                  expected < 0 ? " or more" : "");
    expected = size;
  }
  return checkPlacement(named, tensor, elementSize(port.type.element), place,
                        data, error);
}

/// Checks the known bytes that came with a tensor.
static route_status checkKnown(Named named, const route_tensor &known,
                               const int64_t *sizes, Place &place,
                               uint8_t *&data, route_error *error) {
  const route_port_desc &port = named.port;
  if (!mayBeUnknown(port))
    return FAIL(ROUTE_ERROR_KNOWN, "cannot be unknown, yet has known bytes");
  bool fits = fitsType(known, ROUTE_BOOL) &&
              known.ndim == static_cast<int32_t>(port.known_axes) &&
              (!known.ndim || known.shape);
  for (uint32_t i = 0; fits && i < port.known_axes; ++i)
    fits = known.shape[i] == sizes[port.axes[i]];
  if (!fits)
    return FAIL(ROUTE_ERROR_KNOWN,
                "has known bytes that are not bool over its %u leading axes",
                port.known_axes);
  void *first = nullptr;
  if (route_status status =
          checkPlacement(named, known, 1, place, first, error))
    return status;
  data = static_cast<uint8_t *>(first);
  return ROUTE_OK;
}

static bool mayBeAbsent(const route_port_desc &port) {
  return port.initial || mayBeUnknown(port) || port.role == ROUTE_ROLE_ID;
}

/// Calls `visit` with the place of each part of the lists that the input at
/// `place` says where there are: itself, their members, and where those begin.
template <typename Visit>
static void visitLists(const route_entry_desc &entry, uint64_t place,
                       Visit visit) {
  visit(place);
  int32_t members = entry.inputs[place].subject;
  if (members < 0)
    return; // the entry asks only whether there are any
  visit(static_cast<uint64_t>(members));
  if (!entry.inputs[members].num_axes)
    return;
  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    if (entry.inputs[i].role == ROUTE_ROLE_OFFSETS &&
        entry.inputs[i].subject ==
            static_cast<int32_t>(entry.inputs[members].axes[0]))
      visit(i);
}

/// Whether the input at `place` is a part of lists that the call leaves out
/// altogether, where there may be none. Then there is none: they have no
/// members.
static bool isOfListsLeftOut(const route_entry_desc &entry,
                             const route_call &call, uint64_t place,
                             int64_t *sizes) {
  for (uint64_t i = 0; i < entry.num_inputs; ++i) {
    if (entry.inputs[i].role != ROUTE_ROLE_KNOWN || call.inputs[i].tensor)
      continue;
    bool isPart = false, leftOut = true;
    visitLists(entry, i, [&](uint64_t part) {
      isPart |= part == place;
      leftOut &= !call.inputs[part].tensor;
    });
    if (!isPart || !leftOut)
      continue;
    int32_t members = entry.inputs[i].subject;
    if (members >= 0 && entry.inputs[members].num_axes) {
      int64_t &size = sizes[entry.inputs[members].axes[0]];
      size = size < 0 ? 0 : size;
    }
    return true;
  }
  return false;
}

/// The device of a call of an entry that has ports of the host's on a GPU: that
/// of the first other tensor.
static int32_t findDevice(const route_entry_desc &entry, const EntryInfo &info,
                          const route_call &call) {
  for (uint64_t i = 0; i < call.num_inputs + call.num_outputs; ++i) {
    const route_argument &argument = i < call.num_inputs
                                         ? call.inputs[i]
                                         : call.outputs[i - call.num_inputs];
    uint64_t port =
        i < call.num_inputs ? i : entry.num_inputs + i - call.num_inputs;
    if (argument.tensor && !info.isOnHost(port))
      return argument.tensor->device.device_type == deviceCuda ? deviceCuda
                                                               : deviceCpu;
  }
  return deviceCpu;
}

route_status route::checkArguments(const route_context &context, uint32_t index,
                                   const route_call &call, bool partial,
                                   Arguments &arguments, route_error *error) {
  const route_module_desc &module = context.desc();
  const route_entry_desc &entry = module.entries[index];
  const EntryInfo &info = context.entries[index];
  bool outputsGiven = !partial || call.num_outputs;
  if (call.num_inputs != entry.num_inputs ||
      (outputsGiven && call.num_outputs != entry.num_outputs))
    return fail(
        error, ROUTE_ERROR_ARGUMENT_COUNT,
        "entry '%.100s' has %llu inputs and %llu outputs, the call %llu "
        "and %llu",
        entry.name, static_cast<unsigned long long>(entry.num_inputs),
        static_cast<unsigned long long>(entry.num_outputs),
        static_cast<unsigned long long>(call.num_inputs),
        static_cast<unsigned long long>(call.num_outputs));
  if ((call.num_inputs && !call.inputs) || (call.num_outputs && !call.outputs))
    return fail(error, ROUTE_ERROR_ARGUMENT, "the arguments are null");

  memcpy(arguments.sizes, info.baseSizes.data(),
         info.baseSizes.size() * sizeof(int64_t));
  Place place = {context.device ? context.device->gpu() : -1,
                 context.runsOnCopies(index)};
  if (info.beginsOnHost)
    place.device = findDevice(entry, info, call);
  auto isOnHost = [&](uint64_t port) {
    return info.isOnHost(port) ||
           (place.each && portOf(entry, port).type.element == ROUTE_TEXT);
  };
  auto check = [&](Named named, const route_argument &argument, uint64_t i,
                   route_buffer &buffer) {
    buffer = {nullptr, nullptr};
    if (argument.tensor)
      return checkTensor(module, named, *argument.tensor, arguments.sizes,
                         place, buffer.data, error);
    if (named.side[0] == 'o'
            ? partial
            : mayBeAbsent(named.port) ||
                  isOfListsLeftOut(entry, call, i, arguments.sizes))
      return ROUTE_OK;
    return FAIL(ROUTE_ERROR_TENSOR_MISSING, "%s",
                named.side[0] == 'o'
                    ? "has no tensor"
                    : "is missing: it has no default and cannot be unknown");
  };
  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    if (route_status status = check({entry.inputs[i], "input", isOnHost(i)},
                                    call.inputs[i], i, arguments.buffers[i]))
      return status;
  if (route_status status =
          deriveSizes(module, info.dynamicAxes, arguments.sizes, false, error))
    return status;
  route_buffer *outputs = arguments.buffers + entry.num_inputs;
  for (uint64_t i = 0; outputsGiven && i < entry.num_outputs; ++i)
    if (route_status status =
            check({entry.outputs[i], "output", isOnHost(entry.num_inputs + i)},
                  call.outputs[i], i, outputs[i]))
      return status;
  if (route_status status =
          deriveSizes(module, info.dynamicAxes, arguments.sizes, true, error))
    return status;

  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    if (const route_tensor *known = call.inputs[i].known)
      if (route_status status = checkKnown(
              {entry.inputs[i], "input", isOnHost(i)}, *known, arguments.sizes,
              place, arguments.buffers[i].known, error))
        return status;
  for (uint64_t i = 0; outputsGiven && i < entry.num_outputs; ++i)
    if (const route_tensor *known = call.outputs[i].known)
      if (route_status status = checkKnown(
              {entry.outputs[i], "output", isOnHost(entry.num_inputs + i)},
              *known, arguments.sizes, place, outputs[i].known, error))
        return status;
  arguments.onDevice = place.device == deviceCuda;
  return ROUTE_OK;
}

/// The scratch that an array of `size` bytes takes: an empty one some too,
/// since null says that it is not there.
static uint64_t scratchOf(uint64_t size) { return alignUp(size ? size : 1); }

/// Adds what an array takes to `bytes`, and what its known bytes do; false
/// where that overflows.
static bool addPort(const route_port_desc &port, const int64_t *sizes,
                    bool withData, uint64_t &bytes) {
  uint64_t count = 1, known = 1;
  for (uint64_t i = 0; i < port.num_axes; ++i) {
    uint64_t size = static_cast<uint64_t>(sizes[port.axes[i]]);
    if (!multiply(count, size, count))
      return false;
    if (i < port.known_axes)
      known *= size;
  }
  if (port.role == ROUTE_ROLE_OFFSETS && !add(count, 1, count))
    return false;
  if (!multiply(count, route_element_size(port.type.element), count) ||
      count > INT64_MAX - 64 || known > INT64_MAX - 64)
    return false;
  if (withData && !add(bytes, scratchOf(count), bytes))
    return false;
  return !mayBeUnknown(port) || add(bytes, scratchOf(known), bytes);
}

bool route::copyBytes(const route_entry_desc &entry, const int64_t *sizes,
                      uint64_t &bytes) {
  bytes = 0;
  for (uint64_t i = 0; i < entry.num_inputs + entry.num_outputs; ++i)
    if (!addPort(portOf(entry, i), sizes, /*withData=*/true, bytes))
      return false;
  return true;
}

bool route::scratchBytes(const route_entry_desc &entry, const int64_t *sizes,
                         const std::vector<bool> &which, uint64_t &bytes) {
  bytes = 0;
  auto counts = [&](uint64_t port) { return which.empty() || which[port]; };
  auto addPort = [&](const route_port_desc &port, bool mayLack) {
    return ::addPort(port, sizes, mayLack, bytes);
  };
  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    if (counts(i) && !addPort(entry.inputs[i], mayBeAbsent(entry.inputs[i])))
      return false;
  for (uint64_t i = 0; i < entry.num_outputs; ++i)
    if (counts(entry.num_inputs + i) && !addPort(entry.outputs[i], false))
      return false;
  bool fits = true;
  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    if (entry.inputs[i].role == ROUTE_ROLE_KNOWN)
      visitLists(entry, i, [&](uint64_t part) {
        fits = fits && (!counts(part) || addPort(entry.inputs[part], true));
      });
  return fits;
}

namespace {

/// Makes up what a call leaves out.
class Completer {
public:
  Completer(const route_call &call, Scratch scratch, const int64_t *sizes)
      : call(call), scratch(scratch), sizes(sizes) {}

  /// False where the scratch is too small.
  bool input(const route_port_desc &port, route_buffer &buffer, bool given) {
    bool known = true;
    if (!given) {
      uint64_t count = countElements(port, sizes);
      uint64_t elementSize = route_element_size(port.type.element);
      char *data = take(count * elementSize);
      if (!data)
        return false;
      if (port.role == ROUTE_ROLE_ID) {
        for (uint64_t i = 0; i < count; ++i)
          reinterpret_cast<uint64_t *>(data)[i] = call.id + i;
      } else if (port.initial) {
        for (uint64_t i = 0; i < count; ++i)
          memcpy(data + i * elementSize, port.initial, elementSize);
      } else {
        memset(data, 0, count * elementSize);
        known = false;
      }
      buffer.data = data;
    }
    return knownBytes(port, buffer, known);
  }

  bool knownBytes(const route_port_desc &port, route_buffer &buffer,
                  bool known) {
    if (!mayBeUnknown(port) || buffer.known)
      return true;
    uint64_t count = countKnown(port, sizes);
    char *bytes = take(count);
    if (!bytes)
      return false;
    memset(bytes, known, count);
    buffer.known = reinterpret_cast<uint8_t *>(bytes);
    return true;
  }

private:
  char *take(uint64_t size) {
    size = scratchOf(size);
    if (size > scratch.left)
      return nullptr;
    char *result = scratch.cursor;
    scratch.cursor += size;
    scratch.left -= size;
    return result;
  }

  const route_call &call;
  Scratch scratch;
  const int64_t *sizes;
};

} // namespace

route_status route::completeArguments(const route_context &context,
                                      uint32_t index, const route_call &call,
                                      Scratch scratch, Arguments &arguments,
                                      route_error *error) {
  const route_module_desc &module = context.desc();
  const route_entry_desc &entry = module.entries[index];
  const EntryInfo &info = context.entries[index];
  // On a GPU nothing can be made up.
  Completer onCpu(call, scratch, arguments.sizes),
      onGpu(call, {nullptr, 0}, arguments.sizes);
  auto isThere = [&](uint64_t port) {
    return arguments.onDevice && !info.isOnHost(port);
  };
  auto tooSmall = [&](uint64_t port) {
    if (isThere(port))
      return fail(error, ROUTE_ERROR_TENSOR_MISSING,
                  "a call of '%.100s' on the GPU leaves out an input or known "
                  "bytes; only calls on the CPU may",
                  entry.name);
    uint64_t bytes = 0;
    scratchBytes(entry, arguments.sizes,
                 arguments.onDevice ? info.hostPorts : std::vector<bool>(),
                 bytes);
    return fail(error, ROUTE_ERROR_WORKSPACE,
                "the %sworkspace of %llu bytes is too small for what the call "
                "of '%.100s' leaves out: %llu bytes more than the entry's own",
                arguments.onDevice ? "host " : "",
                static_cast<unsigned long long>(arguments.onDevice
                                                    ? call.host_workspace_size
                                                    : call.workspace_size),
                entry.name, static_cast<unsigned long long>(bytes));
  };
  for (uint64_t i = 0; i < entry.num_inputs; ++i) {
    const route_port_desc &port = entry.inputs[i];
    route_buffer &buffer = arguments.buffers[i];
    if (!(isThere(i) ? onGpu : onCpu)
             .input(port, buffer, call.inputs[i].tensor != nullptr))
      return tooSmall(i);
    if (isThere(i))
      continue;
    if (route_status status =
            checkValues(module, entry, port, buffer, arguments.sizes, error))
      return status;
  }
  for (uint64_t i = 0; i < entry.num_outputs; ++i) {
    uint64_t port = entry.num_inputs + i;
    if (!(isThere(port) ? onGpu : onCpu)
             .knownBytes(entry.outputs[i], arguments.buffers[port], false))
      return tooSmall(port);
  }
  return ROUTE_OK;
}
