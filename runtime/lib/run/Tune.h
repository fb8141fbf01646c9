// What `route-run --tune` does with a library of `routec --tunable`.
#ifndef ROUTE_LIB_RUN_TUNE_H
#define ROUTE_LIB_RUN_TUNE_H

#include "../core/Support.h"
#include "Options.h"

namespace route {

/// Measures `entry` and writes the findings. Parameters come from
/// options.params, or are random numbers where that is empty; inputs are
/// random. Errors: ENTRY_KIND (nothing to tune), AXIS, DRIVER, DEVICE, FILE,
/// MEMORY, those of contexts and calls.
route_status tuneEntry(const RunOptions &options, route_module *module,
                       uint32_t entry, route_error *error);

} // namespace route

#endif // ROUTE_LIB_RUN_TUNE_H
