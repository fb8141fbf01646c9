// A call with tensors on a GPU, of an entry that runs on the CPU.
// What it is given is copied to the caller's host workspace, in the order of
// the call's stream and with a wait; what comes out is copied back on the
// stream. In between it is a call on the CPU as any other.
#ifndef ROUTE_LIB_CORE_HOSTCOPIES_H
#define ROUTE_LIB_CORE_HOSTCOPIES_H

#include "Arguments.h"

namespace route {

class HostCopies {
public:
  /// `arguments` are those of the call, checked. The context has a device.
  HostCopies(const route_context &context, uint32_t entry,
             const route_call &call, Arguments &arguments)
      : context(context), entry(entry), given(call), onCpu(call),
        arguments(arguments), device(context.device.get(), call.stream) {}

  /// Makes the arguments those of a call on the CPU. Errors: ARGUMENT,
  /// WORKSPACE, DEVICE.
  route_status bring(route_error *error);
  /// That call: its workspace is what copies leave of the host's.
  const route_call &call() const { return onCpu; }
  /// Copies the results to where the caller wants them. Errors: DEVICE.
  route_status giveBack(route_error *error);

private:
  const route_context &context;
  uint32_t entry;
  const route_call &given;
  route_call onCpu;
  Arguments &arguments;
  DeviceCall device;
};

} // namespace route

#endif // ROUTE_LIB_CORE_HOSTCOPIES_H
