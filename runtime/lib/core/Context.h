// Bound parameters, state and chosen variants.
// The handle behind route_context, and what a call looks up in it.
#ifndef ROUTE_LIB_CORE_CONTEXT_H
#define ROUTE_LIB_CORE_CONTEXT_H

#include "../cuda/Device.h"
#include "../cuda/DeviceState.h"
#include "Module.h"
#include "Params.h"
#include "State.h"

namespace route {

/// What does not change from call to call of one entry.
struct EntryInfo {
  /// By axis: the static size, or -1.
  std::vector<int64_t> baseSizes;
  /// Dynamic axes among those of the entry's ports, ascending.
  std::vector<uint32_t> dynamicAxes;
  /// First variant this machine can run; null without one.
  const route_variant_desc *cpu = nullptr;
  const route_variant_desc *cuda = nullptr;
  /// Whether a call on the GPU begins on the host, and so cannot be captured.
  bool beginsOnHost = false;
  /// By port, inputs first: those that `cuda` has in the host's memory.
  std::vector<bool> hostPorts;

  /// Whether a call on the GPU has the port in the host's memory.
  bool isOnHost(uint64_t port) const { return hostPorts[port]; }

  EntryInfo(const route_module_desc &module, const route_entry_desc &entry,
            uint64_t features);
};

/// Fills derived sizes among `axes` and checks that every one is known and
/// within its bound. Errors: AXIS, TENSOR_SHAPE.
route_status deriveSizes(const route_module_desc &module,
                         std::span<const uint32_t> axes, int64_t *sizes,
                         bool allKnown, route_error *error);

/// Fills in, of all axes, the sizes that follow from those that are known.
/// Members that no whole number of parents has become fewer. What follows from
/// one another alone stays -1. No errors.
void followSizes(const route_module_desc &module, int64_t *sizes);

} // namespace route

struct route_context {
  explicit route_context(route_module *module) : module(module) {
    route_module_retain(module);
  }
  ~route_context() { route_module_release(module); }

  const route_module_desc &desc() const { return *module->descriptor; }
  /// Whether the entry runs on the CPU where its tensors are on the GPU.
  bool runsOnCopies(uint32_t entry) const {
    return device && !entries[entry].cuda;
  }

  route_module *module;
  std::atomic<uint64_t> references{1};
  route::Checkpoint checkpoint; // keeps the files mapped
  route::Params params;
  route::State state;
  /// By cell, of a live one: that which says when each value was pushed; -1.
  std::vector<int32_t> pushTimes;
  std::unique_ptr<route::Device> device; ///< null without ROUTE_CONTEXT_CUDA
  /// Null where no entry for GPUs has state, too.
  std::unique_ptr<route::DeviceState> deviceState;
  std::vector<route::EntryInfo> entries;
  route_execute_fn execute = nullptr;
  void *executeUser = nullptr;
};

#endif // ROUTE_LIB_CORE_CONTEXT_H
