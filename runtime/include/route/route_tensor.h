/* Borrowed tensors, laid out as DLPack's DLTensor.
 *
 * The runtime takes tensors as DLPack's DLTensor. These definitions follow
 * DLPack's public ABI, so that a host needs no further header; a host that
 * includes <dlpack/dlpack.h> first gets DLPack's own names instead.
 */
#ifndef ROUTE_ROUTE_TENSOR_H
#define ROUTE_ROUTE_TENSOR_H

#include <stdint.h>

#ifdef DLPACK_DLPACK_H_
typedef DLDataType route_dtype;
typedef DLTensor route_tensor;
#else
/* Element type. `code` is one of enum route_dtype_code, `lanes` is 1. */
typedef struct route_dtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} route_dtype;

/* A borrowed tensor; the runtime never frees or keeps it. */
typedef struct route_tensor {
  void *data;
  struct {
    int32_t device_type; /* 1: CPU, 2: CUDA, 3: CUDA host memory */
    int32_t device_id;
  } device;
  int32_t ndim;
  route_dtype dtype;
  int64_t *shape;       /* ndim sizes */
  int64_t *strides;     /* ndim strides in elements; null: row-major */
  uint64_t byte_offset; /* of the first element from data */
} route_tensor;
#endif

/* DLPack's type codes. */
enum route_dtype_code {
  ROUTE_DTYPE_INT = 0,
  ROUTE_DTYPE_UINT = 1,
  ROUTE_DTYPE_FLOAT = 2,
  /* 64 bits: a handle. 128 bits: a route_text (not in DLPack). */
  ROUTE_DTYPE_OPAQUE = 3,
  ROUTE_DTYPE_BFLOAT = 4,
  ROUTE_DTYPE_BOOL = 6
};

#endif /* ROUTE_ROUTE_TENSOR_H */
