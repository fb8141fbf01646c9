// Refuses descriptors that contradict themselves.
// A library may come from another compiler version or be damaged. Everything
// the runtime later relies on without looking is checked once, here.
#ifndef ROUTE_LIB_CORE_CHECKMODULE_H
#define ROUTE_LIB_CORE_CHECKMODULE_H

#include "Support.h"
#include "route/route_limits.h"

namespace route {

/// ROUTE_OK, or what is wrong with the descriptor: NOT_A_MODULE, ABI_VERSION or
/// DESCRIPTOR.
route_status checkModule(const route_module_desc *module, route_error *error);

/// Number of leading axes of `param` that its tensor name has placeholders for,
/// or -1 where the placeholders do not fit the axes.
int64_t countPlaceholders(const route_module_desc &module, const char *tensor,
                          const uint32_t *axes, uint64_t numAxes);

/// One piece of a tensor name: literal text, or a placeholder of an axis.
struct NamePiece {
  const char *text;
  uint64_t size;
  int64_t axis; // axis index, or -1 for literal text
  bool byName;  // "{axis.name}"
};
/// Reads the piece at `cursor` and moves it on; false at the end of the name.
/// A brace that names no axis is literal text.
bool nextPiece(const route_module_desc &module, const char *&cursor,
               NamePiece &piece);

/// The member count of an axis where a fixed one is needed: its size, or the
/// bound of a dynamic one; -1 where it has neither.
inline int64_t extent(const route_axis_desc &axis) {
  return axis.size >= 0 ? axis.size : axis.max_size;
}

/// Elements of an array over `axes` by extent(); false where an axis has none
/// or the bytes exceed INT64_MAX.
bool arrayBytes(const route_module_desc &module, const route_type_desc &type,
                const uint32_t *axes, uint64_t numAxes, uint64_t &bytes);

} // namespace route

#endif // ROUTE_LIB_CORE_CHECKMODULE_H
