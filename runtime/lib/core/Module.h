// A loaded library.
// The handle behind route_module: immutable but for its reference count.
#ifndef ROUTE_LIB_CORE_MODULE_H
#define ROUTE_LIB_CORE_MODULE_H

#include "Support.h"

#include <atomic>

struct route_module {
  route_module(const route_module_desc *descriptor, void *library)
      : descriptor(descriptor), library(library) {}

  const route_module_desc *descriptor;
  void *library; // from dlopen; null for a linked module
  std::atomic<uint64_t> references{1};
};

#endif // ROUTE_LIB_CORE_MODULE_H
