// The command line that runs a module.
// route-run without its main: a compiler build adds the interpreter by a hook,
// and everything about files and arguments stays the same.
#ifndef ROUTE_IO_RUNTOOL_H
#define ROUTE_IO_RUNTOOL_H

#include "route/route.h"

#include <string>

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
  const char *entry; ///< what is to run, or null
};

/// A run of an entry by the names of its inputs, where there is no descriptor.
struct RunRequest {
  struct Param {
    const char *label, *file; ///< label: null for the file's own name
  };
  struct Event {
    const char *name, *file; ///< file: what it brings, or null
  };
  const char *entry;         ///< null: only describe, or emit
  const char *const *inputs; ///< .jsonl and .safetensors
  uint64_t num_inputs;
  const Param *params;
  uint64_t num_params;
  const char *outputs; ///< "-" for standard output
  const char *host;    ///< answers to calls of the host, or null
  const char *replay;  ///< a log whose events are taken again, or null
  int64_t gap_ns;      ///< from one run to the next; -1: one after the other
  int64_t now;
  uint64_t seed;
  const Event *emits; ///< after the entry, in order
  uint64_t num_emits;
  const char *state_in, *state_out; ///< safetensors, or null
  bool describe, json, bench, allow_extra;
};

/// What `--interpret FILE` needs. `load` reads the spec and gives a descriptor
/// that lives until the process ends (its entries need no variants, its
/// parameters no pack functions) and the function that executes its entries;
/// or, of a spec or entry that has no library, `run` and why there is none.
/// Without it the tool executes `route-run-interpret`, which lies beside it and
/// has it.
struct RunToolHooks {
  struct Interpreted {
    const route_module_desc *descriptor = nullptr;
    route_execute_fn execute = nullptr;
    void *user = nullptr;
    route_status (*run)(void *user, const RunRequest &request,
                        route_error *error) = nullptr;
    const char *reason = nullptr;
  };
  route_status (*load)(const RunSource &source, Interpreted &result,
                       route_error *error) = nullptr;
};

/// Says on stderr what of a cell of a state file does not go over, if anything:
/// a spec may have changed since.
void noteState(const std::string &cell, const std::string &what);

/// Runs the tool; returns the process's exit code: 0, 1 for an error of the
/// user's, 2 for a wrong command line.
int runTool(int argc, const char *const *argv, const RunToolHooks &hooks);

} // namespace route

#endif // ROUTE_IO_RUNTOOL_H
