//===- RunTool.h - The command line that runs a module --------------------===//
//
// route-run without its main: a compiler build adds the interpreter by a hook,
// and everything about files and arguments stays the same.
//
//===----------------------------------------------------------------------===//
#ifndef ROUTE_IO_RUNTOOL_H
#define ROUTE_IO_RUNTOOL_H

#include "route/route.h"

namespace route {

/// A spec to be interpreted. Strings and tables live as long as the call.
struct RunSource {
  struct Size {
    const char *axis;
    int64_t size;
  };
  const char *path;
  const Size *sizes; ///< -D axis=N
  uint64_t num_sizes;
  const char *const *folders; ///< -I folder
  uint64_t num_folders;
};

/// What `--interpret FILE` needs. `load` reads the spec and gives a descriptor
/// that lives until the process ends (its entries need no variants, its
/// parameters no pack functions) and the function that executes its entries.
/// Without it the tool executes `route-run-interpret`, which lies beside it and
/// has it.
struct RunToolHooks {
  struct Interpreted {
    const route_module_desc *descriptor = nullptr;
    route_execute_fn execute = nullptr;
    void *user = nullptr;
  };
  route_status (*load)(const RunSource &source, Interpreted &result,
                       route_error *error) = nullptr;
};

/// Runs the tool; returns the process's exit code: 0, 1 for an error of the
/// user's, 2 for a wrong command line.
int runTool(int argc, const char *const *argv, const RunToolHooks &hooks);

} // namespace route

#endif // ROUTE_IO_RUNTOOL_H
