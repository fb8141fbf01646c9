// Names, sizes and DLPack types of elements.
// The public face of the element table, for any number.
#include "Elements.h"

using namespace route;

extern "C" const char *route_element_name(uint32_t element) {
  return element < numElements ? elementTable[element].name : nullptr;
}

extern "C" uint64_t route_element_size(uint32_t element) {
  return element < numElements ? elementSize(element) : 0;
}

extern "C" route_dtype route_element_dtype(uint32_t element) {
  if (element >= numElements)
    return {0, 0, 0};
  const ElementInfo &info = elementTable[element];
  return {info.code, info.bits, static_cast<uint16_t>(info.bits ? 1 : 0)};
}
