// A module, a context and the files around them.
// The steps of route-run: load, bind, read, call, write. Each reports what went
// wrong in its own words.
#ifndef ROUTE_LIB_RUN_SESSION_H
#define ROUTE_LIB_RUN_SESSION_H

#include "../core/Support.h"
#include "Options.h"
#include "route/io/Records.h"
#include "route/io/RunTool.h"

#include <memory>

namespace route {

/// One call of an entry with everything it needs, ready to be made again.
struct PreparedCall {
  PreparedCall(const route_entry_desc &entry)
      : inputs(entry.inputs, entry.num_inputs),
        outputs(entry.outputs, entry.num_outputs) {}

  Values inputs, outputs;
  std::vector<int64_t> sizes;
  AlignedMemory workspace;
  route_call call = {};
};

class Session {
public:
  Session(const RunOptions &options, const RunToolHooks &hooks)
      : options(options), hooks(hooks) {}
  ~Session();
  Session(const Session &) = delete;

  /// Loads the module; with `bind`, its parameters and state too.
  bool open(bool bind);
  const route_module_desc &desc() const {
    return *route_module_descriptor(module);
  }

  /// True after open where there is no module: runByNames is all there is.
  bool hasModule() const { return module; }
  bool runByNames();
  bool runEntry();
  bool tune();
  bool emit(const RunOptions::Named &event);
  bool replay();
  bool saveState();

  /// What went wrong, after a step returned false.
  route_error error = {};

private:
  bool check(route_status status) { return status == ROUTE_OK; }
  bool loadState();
  bool findEntry(const std::string &name, uint32_t &entry);
  /// Reads the inputs of as many calls as the files hold.
  bool readCalls(uint32_t entry, const std::vector<std::string> &files,
                 std::vector<std::unique_ptr<PreparedCall>> &calls);
  bool prepare(uint32_t entry, PreparedCall &call);
  bool handBack(uint32_t entry, PreparedCall &call);
  bool make(uint32_t entry, PreparedCall &call);
  bool recordTrace(uint32_t entry, PreparedCall &call);
  bool writeOutputs(uint32_t entry);
  bool bench(uint32_t entry, PreparedCall &call);

  const RunOptions &options;
  const RunToolHooks &hooks;
  route_module *module = nullptr;
  route_context *context = nullptr;
  route_threads *threads = nullptr;
  RunToolHooks::Interpreted loaded;
  std::vector<std::unique_ptr<PreparedCall>> made; ///< of the entry
  uint32_t madeEntry = 0;
};

} // namespace route

#endif // ROUTE_LIB_RUN_SESSION_H
