// A module's code and parameters on a GPU.
// Everything that may fail, allocate or wait happens when the context is made;
// a call only launches kernels.
#ifndef ROUTE_LIB_CUDA_DEVICE_H
#define ROUTE_LIB_CUDA_DEVICE_H

#include "../core/Params.h"
#include "DeviceState.h"
#include "Driver.h"

#include <memory>
#include <optional>
#include <vector>

namespace route {

class Device {
public:
  /// Loads the module's code, unless another context has it there already,
  /// copies its parameters and prepares what hangs on them, on the device of
  /// the thread's current CUDA context or else the first. Errors: DRIVER,
  /// DEVICE, MEMORY, TENSOR_DEVICE, those of Checkpoint::collect.
  static route_status open(const route_module_desc &module,
                           Checkpoint &checkpoint,
                           std::unique_ptr<Device> &device, route_error *error);
  /// A copy of the state that the module's entries for GPUs have, joined to
  /// `host`; null where they have none. It must not outlive the device. Errors:
  /// MEMORY, DEVICE.
  route_status copyState(const route_module_desc &module, State &host,
                         std::unique_ptr<DeviceState> &copy,
                         route_error *error);
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device();

  /// Addresses in the device's memory, by parameter; then of what is prepared.
  const void *const *params() const { return parameters.data(); }

  /// The GPU's number, as tensors name it.
  int gpu() const;

  /// Copies the bytes of a parameter that the host has on the device to
  /// `memory`. Errors: DEVICE.
  route_status readBack(const HostParam &param, void *memory,
                        route_error *error) const;

private:
  friend class DeviceCall;
  class Code;
  explicit Device(const cuda::Driver &driver) : driver(driver) {}

  route_status copyParams(const route_module_desc &module,
                          Checkpoint &checkpoint, route_error *error);
  /// Computes what hangs on parameters alone, behind them.
  route_status prepare(const route_device_code_desc &code, route_error *error);

  const cuda::Driver &driver;
  int ordinal = -1; ///< whose primary context is held; -1: none is
  void *context = nullptr;
  std::shared_ptr<const Code> code;     ///< of all devices with this context
  std::vector<const void *> parameters; ///< the host's own, or owned
  std::vector<unsigned long long> owned;
  bool isGiven = false; ///< a parameter, on the GPU
};

/// One call of an entry for a device: what generated code launches through.
class DeviceCall : public route_launcher {
public:
  /// Makes the device's context current for the thread. Without a device it
  /// does nothing.
  DeviceCall(const Device *device, void *stream);
  DeviceCall(const DeviceCall &) = delete;
  DeviceCall &operator=(const DeviceCall &) = delete;

  /// Copies to the host's memory when the stream gets there.
  void download(void *to, const void *from, uint64_t size);
  /// Waits for the stream.
  void wait();

  /// Refuses a call whose stream is being captured: what the host does of it
  /// would not be in the graph. Errors: DEVICE.
  route_status refuseCapture(const char *entry, route_error *error);

  /// What went wrong in the launches. Errors: DEVICE.
  route_status finish(const char *entry, route_error *error);

private:
  friend class Device;
  /// Keeps what a step of a call in which nothing has failed came to, unless
  /// that is success: in words, and the driver's for it.
  void note(cuda::Result result, const char *format, ...)
      __attribute__((format(printf, 3, 4)));
  /// Keeps why the driver is not asked.
  void refuse(const char *format, ...) __attribute__((format(printf, 2, 3)));
  bool hasFailed() const { return *problem; }
  static void launchOn(route_launcher *launcher, uint32_t kernel, int64_t grid,
                       uint32_t block, void **arguments);
  static void makeMap(route_launcher *launcher,
                      const route_tensor_map_request *request, void *map);
  static void uploadTo(route_launcher *launcher, void *to, const void *from,
                       uint64_t size);

  const Device *device;
  void *stream;
  std::optional<cuda::Current> current;
  char problem[320] = ""; ///< the first; empty without one
};

} // namespace route

#endif // ROUTE_LIB_CUDA_DEVICE_H
