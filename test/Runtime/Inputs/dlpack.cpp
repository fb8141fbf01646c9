// route_tensor follows DLPack's ABI; with DLPack's header first it is DLTensor.
#include <route/route.h>

#include <cstddef>
#include <cstdio>
#include <type_traits>

static_assert(std::is_same_v<route_tensor, DLTensor>);

// The runtime's own definition, as a host without DLPack's header sees it.
namespace own {
#undef DLPACK_DLPACK_H_
#undef ROUTE_ROUTE_TENSOR_H
#define route_dtype_code own_route_dtype_code
#include "route/route_tensor.h"
} // namespace own

#define SAME(FIELD)                                                            \
  static_assert(offsetof(DLTensor, FIELD) == offsetof(own::route_tensor, FIELD))
static_assert(sizeof(DLTensor) == sizeof(own::route_tensor));
SAME(data);
SAME(device);
SAME(ndim);
SAME(dtype);
SAME(shape);
SAME(strides);
SAME(byte_offset);
constexpr bool same(int theirs, int ours) { return theirs == ours; }
static_assert(same(kDLCPU, ROUTE_DEVICE_CPU));
static_assert(same(kDLFloat, ROUTE_DTYPE_FLOAT));
static_assert(same(kDLInt, ROUTE_DTYPE_INT));
static_assert(same(kDLUInt, ROUTE_DTYPE_UINT));
static_assert(same(kDLBfloat, ROUTE_DTYPE_BFLOAT));
static_assert(same(kDLOpaqueHandle, ROUTE_DTYPE_OPAQUE));

int main() {
  std::printf("DLTensor is route_tensor: %zu bytes\n", sizeof(DLTensor));
  return route_element_dtype(ROUTE_F32).bits == 32 ? 0 : 1;
}
