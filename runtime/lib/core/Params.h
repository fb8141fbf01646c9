// Binding checkpoint tensors to parameters.
// Finds, checks, stacks and packs. Parameters that neither stack nor pack are
// read straight from the mapped file, or from the host's own tensor.
#ifndef ROUTE_LIB_CORE_PARAMS_H
#define ROUTE_LIB_CORE_PARAMS_H

#include "Support.h"
#include "route/io/SafeTensors.h"

#include <vector>

namespace route {

/// The part of a parameter or state cell that a checkpoint holds by one name.
struct Slice {
  const char *data;             ///< as MXFP4: the blocks
  uint64_t bytes;               ///< at data
  const char *scales = nullptr; ///< only as MXFP4

  /// Bytes of its elements once bound.
  uint64_t size() const { return scales ? bytes * 4 : bytes; }
  /// Its elements where they lie there as they are, else null.
  const void *plain() const { return scales ? nullptr : data; }
  /// Writes its elements, size() bytes, row-major. `memory` is aligned to an
  /// element.
  void copyTo(char *memory) const;
};

/// A parameter, or the first value of a state cell, that the host has in
/// memory.
struct HostParam {
  const char *data = nullptr;
  uint64_t size = 0;  ///< in bytes
  bool given = false; ///< false: it comes from a file
  bool onGpu = false;
  int32_t gpu = 0;
  const char *copy = nullptr; ///< of one on a GPU, in memory of the CPU
};

/// The files and tensors a context was given, and which of the files' tensors
/// are bound.
class Checkpoint {
public:
  /// Opens every file. Two files of one label are shards of one checkpoint.
  route_status open(std::span<const route_file> files, route_error *error);

  /// Takes the parameters and first values that the host has. Errors: ARGUMENT,
  /// DUPLICATE, PARAM_EXTRA, PARAM_TYPE, PARAM_SHAPE, TENSOR_STRIDES,
  /// TENSOR_DEVICE, TENSOR_ALIGNMENT, TENSOR_MISSING.
  route_status give(const route_module_desc &module,
                    std::span<const route_param> params, bool allowGpu,
                    route_error *error);

  /// By number: parameters, then state cells.
  const HostParam &given(uint64_t number) const { return hostParams[number]; }

  /// Where `collect` is to find the bytes of one on a GPU.
  void setCopy(uint64_t number, const char *copy) {
    hostParams[number].copy = copy;
  }

  /// A parameter or a state cell that takes its value from a file, or from the
  /// host.
  struct Wanted {
    Wanted(const route_module_desc &module, const route_param_desc &param);
    Wanted(const route_module_desc &module, const route_state_desc &cell);

    const char *kind; ///< "parameter" or "state cell", for messages
    const char *name;
    const char *file;
    const char *tensor;
    const route_type_desc &type;
    std::span<const uint32_t> axes;
    uint32_t stored;
    uint64_t number; ///< as for given()
  };

  /// The slices of `wanted` in order of its placeholders' members (one without
  /// placeholders), each of the right type and shape, in memory of the CPU.
  /// Errors: PARAM_MISSING, PARAM_TYPE, PARAM_SHAPE.
  route_status collect(const route_module_desc &module, const Wanted &wanted,
                       std::vector<Slice> &slices, route_error *error);

  /// PARAM_EXTRA where a tensor was never collected.
  route_status checkAllUsed(route_error *error) const;

private:
  struct Shard {
    const char *label; ///< "" for the default; borrowed, valid while binding
    SafeTensors file;
    std::vector<bool> used; ///< by tensor
  };

  route_status find(const Wanted &wanted, const std::string &name,
                    const FileTensor *&tensor, route_error *error);
  route_status take(const route_module_desc &module, const Wanted &wanted,
                    const std::string &name, uint32_t element,
                    const std::vector<int64_t> &expected,
                    const FileTensor *&tensor, route_error *error);

  std::vector<Shard> shards;
  std::vector<HostParam> hostParams; ///< by number
};

/// The tensor name of the slice whose placeholders' members are `indices`, in
/// order of the stacked axes.
std::string sliceName(const route_module_desc &module,
                      const Checkpoint::Wanted &wanted,
                      const std::vector<int64_t> &indices);

class Device;

/// The parameters of a context.
class Params {
public:
  /// Binds what is not on a GPU, and with `copyFrom` copies of what is on that
  /// one. Errors: those of Checkpoint::collect, MEMORY, DEVICE.
  route_status bind(const route_module_desc &module, Checkpoint &checkpoint,
                    const Device *copyFrom, route_error *error);

  /// The name of a parameter that code for the CPU cannot read, or null.
  const char *onGpuAlone() const { return missing; }

  /// By parameter index, as route_invocation wants them.
  const void *const *addresses() const { return pointers.data(); }

private:
  std::vector<const void *> pointers;
  std::vector<AlignedMemory> owned;
  const char *missing = nullptr;
};

} // namespace route

#endif // ROUTE_LIB_CORE_PARAMS_H
