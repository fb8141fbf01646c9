//===- Elements.cpp - Names, sizes and DLPack types of elements -----------===//
//
// One table, so that no two parts of the runtime disagree on an element.
//
//===----------------------------------------------------------------------===//
#include "Support.h"

namespace {
struct Element {
  const char *name;
  uint8_t code;
  uint8_t bits;
};
} // namespace

static constexpr Element elements[] = {
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
static constexpr uint32_t numElements = sizeof(elements) / sizeof(Element);
static_assert(numElements == ROUTE_HANDLE + 1);

extern "C" const char *route_element_name(uint32_t element) {
  return element < numElements ? elements[element].name : nullptr;
}

extern "C" uint64_t route_element_size(uint32_t element) {
  return element < numElements ? elements[element].bits / 8 : 0;
}

extern "C" route_dtype route_element_dtype(uint32_t element) {
  if (element >= numElements)
    return {0, 0, 0};
  return {elements[element].code, elements[element].bits,
          static_cast<uint16_t>(elements[element].bits ? 1 : 0)};
}
