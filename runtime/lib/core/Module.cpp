// Loading compiled libraries.
// A module is its checked descriptor plus the library that holds it.
#include "Module.h"
#include "CheckModule.h"

#include <cstring>
#include <dlfcn.h>
#include <new>

using namespace route;

static route_status makeModule(const route_module_desc *descriptor,
                               void *library, route_module **module,
                               route_error *error) {
  if (route_status status = checkModule(descriptor, error))
    return status;
  uint64_t missing = descriptor->features & ~route_cpu_features();
  if (missing)
    return fail(error, ROUTE_ERROR_CPU,
                "module '%.100s' needs processor features %#llx that this "
                "machine lacks",
                descriptor->name, static_cast<unsigned long long>(missing));
  *module = new (std::nothrow) route_module(descriptor, library);
  return *module ? ROUTE_OK : fail(error, ROUTE_ERROR_MEMORY, "out of memory");
}

extern "C" route_status
route_module_load(const char *path, route_module **module, route_error *error) {
  if (!path || !module)
    return fail(error, ROUTE_ERROR_ARGUMENT, "path or module is null");
  *module = nullptr;
  char local[4096];
  if (!strchr(path, '/')) {
    size_t size = strlen(path);
    if (size + 3 > sizeof(local))
      return fail(error, ROUTE_ERROR_FILE, "the path is too long");
    memcpy(local, "./", 2);
    memcpy(local + 2, path, size + 1);
    path = local;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return fail(error, ROUTE_ERROR_FILE, "cannot load library: %.400s",
                reason ? reason : path);
  }
  const void *symbol = dlsym(library, ROUTE_MODULE_SYMBOL);
  route_status status =
      symbol ? makeModule(static_cast<const route_module_desc *>(symbol),
                          library, module, error)
             : fail(error, ROUTE_ERROR_NOT_A_MODULE,
                    "library '%.300s' has no symbol '%s'", path,
                    ROUTE_MODULE_SYMBOL);
  if (status)
    dlclose(library);
  return status;
}

extern "C" route_status route_module_link(const route_module_desc *descriptor,
                                          route_module **module,
                                          route_error *error) {
  if (!module)
    return fail(error, ROUTE_ERROR_ARGUMENT, "module is null");
  *module = nullptr;
  return makeModule(descriptor, nullptr, module, error);
}

extern "C" void route_module_retain(route_module *module) {
  if (module)
    module->references.fetch_add(1, std::memory_order_relaxed);
}

extern "C" void route_module_release(route_module *module) {
  if (!module ||
      module->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (module->library)
    dlclose(module->library);
  delete module;
}

extern "C" const route_module_desc *
route_module_descriptor(const route_module *module) {
  return module->descriptor;
}

extern "C" route_status route_module_entry(const route_module *module,
                                           const char *name, uint32_t *entry,
                                           route_error *error) {
  if (!module || !name || !entry)
    return fail(error, ROUTE_ERROR_ARGUMENT, "module, name or entry is null");
  const route_module_desc &desc = *module->descriptor;
  for (uint64_t i = 0; i < desc.num_entries; ++i)
    if (strcmp(desc.entries[i].name, name) == 0) {
      *entry = static_cast<uint32_t>(i);
      return ROUTE_OK;
    }
  return fail(error, ROUTE_ERROR_NO_ENTRY,
              "module '%.100s' has no entry '%.200s'", desc.name, name);
}
