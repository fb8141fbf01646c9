// What a trace's bytes mean.
// Layout: TraceHeader; axis sizes (i64 each); inputs; cells of `reads`; cells
// of `writes` as they were; outputs; cells of `writes` as they became. A port
// is its known bytes (if it may be unknown), then its elements; a text element
// is its size (i64) and its bytes. Every piece is padded with zeros to 8 bytes.
#ifndef ROUTE_LIB_CORE_TRACE_H
#define ROUTE_LIB_CORE_TRACE_H

#include "Call.h"

namespace route {

inline constexpr char traceMagic[8] = {'R', 'O', 'U', 'T', 'E', 'T', 'R', '1'};

struct TraceHeader {
  TraceHeader() = default;
  TraceHeader(const route_module_desc &module, uint32_t entry,
              const route_call &call, uint64_t epoch);

  char magic[8];
  char sourceHash[64];
  uint32_t entry, numAxes;
  uint64_t epoch, seed, id;
  int64_t now;
};
static_assert(sizeof(TraceHeader) == 112);

} // namespace route

#endif // ROUTE_LIB_CORE_TRACE_H
