// What Support/FakeDriver.c writes down of the calls that it gets.
#ifndef ROUTE_TEST_RUNTIME_FAKEDRIVER_H
#define ROUTE_TEST_RUNTIME_FAKEDRIVER_H

#include "Check.h"
#include "FakeRecords.h"

#include <atomic>
#include <dlfcn.h>

namespace fake {

using Launch = fake_launch;
using Map = fake_map;
using Upload = fake_upload;
using Step = fake_step;

inline Launch *launches;
inline Map *lastMap;
inline Upload *uploads;
inline Step *steps;
inline std::atomic<int> *numSteps;
inline int *numLaunches, *numUploads;
inline int *broken; ///< times that a graph of another stream would have been
inline void **captured; ///< the stream that a graph is captured of
inline int *spared;     ///< calls that succeed before one fails
inline int *allocations, *contexts, *pushed, *modules, *copies, *events,
    *streams;

/// Finds all of it; false, and a test has failed, where there is no such
/// driver.
inline bool open() {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  auto find = [&](const char *name, auto *&where) {
    where = driver ? reinterpret_cast<std::remove_reference_t<decltype(where)>>(
                         dlsym(driver, name))
                   : nullptr;
    return where != nullptr;
  };
  bool found = find("fake_launches", launches) && find("fake_map", lastMap) &&
               find("fake_uploads", uploads) && find("fake_steps", steps) &&
               find("fake_num_steps", numSteps) &&
               find("fake_num_launches", numLaunches) &&
               find("fake_num_uploads", numUploads) &&
               find("fake_broken", broken) && find("fake_captured", captured) &&
               find("fake_spared", spared) &&
               find("fake_allocations", allocations) &&
               find("fake_contexts", contexts) && find("fake_pushed", pushed) &&
               find("fake_modules", modules) && find("fake_copies", copies) &&
               find("fake_events", events) && find("fake_streams", streams);
  CHECK(found);
  return found;
}

/// Whatever the driver gave has gone back.
inline void checkNothingHeld() {
  CHECK_EQUAL(*allocations, 0);
  CHECK_EQUAL(*contexts, 0);
  CHECK_EQUAL(*pushed, 0);
  CHECK_EQUAL(*modules, 0);
}

} // namespace fake

#endif
