// Counts what is allocated: stands before malloc and its kin in a test.
// Include it in one file of a program.
#ifndef ROUTE_TEST_RUNTIME_SUPPORT_COUNTALLOCATIONS_H
#define ROUTE_TEST_RUNTIME_SUPPORT_COUNTALLOCATIONS_H

#include <atomic>
#include <cstddef>

static std::atomic<long> allocations{0};

// The thread sanitizer brings its own.
#ifndef ROUTE_THREAD_SANITIZER
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  ++allocations;
  return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}
#endif

#endif // ROUTE_TEST_RUNTIME_SUPPORT_COUNTALLOCATIONS_H
