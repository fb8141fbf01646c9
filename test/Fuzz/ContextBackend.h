// What back ends that call a library through the runtime share.
// One context, and calls with their sizes told and their outputs allocated.
#ifndef ROUTE_FUZZ_CONTEXTBACKEND_H
#define ROUTE_FUZZ_CONTEXTBACKEND_H

#include "Backend.h"

namespace route::fuzz {

class ContextBackend : public Backend {
public:
  /// `prefix` begins every message.
  ContextBackend(route_module *module, const char *prefix)
      : module(module), desc(*route_module_descriptor(module)), prefix(prefix) {
  }
  ~ContextBackend() override;

  /// Makes the context; `flags` are those of route_context_options.
  bool open(const Checkpoints &checkpoints, uint64_t flags, std::string &why);
  /// Runs it on the CPU.
  bool run(uint32_t entry, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override;
  bool push(uint32_t cell, const Push &values, int64_t now,
            std::string &why) override;
  bool state(uint32_t cell, std::string &bytes, std::string &why) override;

protected:
  /// Makes a call of entry `index` up to its workspace and its outputs, which
  /// are filled so that whatever is not written shows.
  bool prepare(uint32_t index, Values &inputs, Values &outputs, int64_t now,
               route_call &call, std::string &why);
  /// Makes the call.
  bool call(uint32_t index, const route_call &call, std::string &why);
  bool failed(std::string &why, const char *message) {
    why = std::string(prefix) + message;
    return false;
  }

  route_module *module;
  const route_module_desc &desc;
  route_context *context = nullptr;

private:
  const char *prefix;
};

} // namespace route::fuzz

#endif // ROUTE_FUZZ_CONTEXTBACKEND_H
