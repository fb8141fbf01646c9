// Names, sizes and DLPack types of elements.
// One table, so that no two parts of the runtime disagree on an element;
// inline, because calls look at it for every tensor.
#ifndef ROUTE_LIB_CORE_ELEMENTS_H
#define ROUTE_LIB_CORE_ELEMENTS_H

#include "route/route.h"

#include <cstring>

namespace route {

struct ElementInfo {
  const char *name;
  uint8_t code; ///< enum route_dtype_code
  uint8_t bits;
};

inline constexpr ElementInfo elementTable[] = {
    {nullptr, 0, 0},
    {"bool", ROUTE_DTYPE_BOOL, 8},
    {"i8", ROUTE_DTYPE_INT, 8},
    {"i16", ROUTE_DTYPE_INT, 16},
    {"i32", ROUTE_DTYPE_INT, 32},
    {"i64", ROUTE_DTYPE_INT, 64},
    {"u8", ROUTE_DTYPE_UINT, 8},
    {"u16", ROUTE_DTYPE_UINT, 16},
    {"u32", ROUTE_DTYPE_UINT, 32},
    {"u64", ROUTE_DTYPE_UINT, 64},
    {"f16", ROUTE_DTYPE_FLOAT, 16},
    {"bf16", ROUTE_DTYPE_BFLOAT, 16},
    {"f32", ROUTE_DTYPE_FLOAT, 32},
    {"f64", ROUTE_DTYPE_FLOAT, 64},
    {"text", ROUTE_DTYPE_OPAQUE, 128},
    {"handle", ROUTE_DTYPE_OPAQUE, 64},
};
inline constexpr uint32_t numElements =
    sizeof(elementTable) / sizeof(ElementInfo);
static_assert(numElements == ROUTE_HANDLE + 1);

/// Bytes of an element that the module check has seen.
inline uint64_t elementSize(uint32_t element) {
  return elementTable[element].bits / 8;
}

/// True for tokens and bytes, which are never below zero.
inline bool isCount(const route_type_desc &type) {
  return type.unit && (!strcmp(type.unit, "tok") || !strcmp(type.unit, "B"));
}

} // namespace route

#endif // ROUTE_LIB_CORE_ELEMENTS_H
