// What the fake driver writes down of calls, for it (C) and the tests (C++).
#ifndef ROUTE_TEST_RUNTIME_FAKERECORDS_H
#define ROUTE_TEST_RUNTIME_FAKERECORDS_H

#include <stddef.h>

struct fake_launch {
  const char *kernel;
  unsigned grid, block, shared;
  void *stream;
  long long first_argument;
  unsigned early;
};
/* A tensor map, as it was asked for; what has no axis is 0. */
struct fake_map {
  void *address;
  unsigned long long sizes[5], strides[5];
  unsigned rank, box[5], steps[5];
  int type, interleave, swizzle, promotion, fill;
};
/* What was copied to the GPU on a stream: to where, on which. */
struct fake_upload {
  void *to;
  size_t size;
  void *stream;
};
/* What a stream is asked to do beside launches: "wait" for an event, "record"
 * one, or copy so many bytes "to" the GPU, "back" or "within" it. */
struct fake_step {
  const char *what;
  void *stream, *event;
  size_t size;
};

#endif
