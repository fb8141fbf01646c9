// Compiles IR text with the compiler's own passes and loads it here.
// So unit tests and benchmarks run what a library would hold.
#ifndef ROUTE_TEST_UNIT_SUPPORT_JIT_H
#define ROUTE_TEST_UNIT_SUPPORT_JIT_H

#include "route/Target/CPU.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace route::test {

/// A strided memref as compiled code passes it.
template <typename T, int Rank> struct MemRef {
  T *base;
  T *data;
  int64_t offset = 0;
  int64_t sizes[Rank];
  int64_t strides[Rank];

  /// Contiguous memory of this shape.
  template <typename... Size>
  explicit MemRef(T *p, Size... shape)
      : base(p), data(p), sizes{int64_t(shape)...} {
    int64_t stride = 1;
    for (int i = Rank; i-- > 0; stride *= sizes[i])
      strides[i] = stride;
  }
};
template <typename T> struct MemRef<T, 0> {
  T *base;
  T *data;
  int64_t offset = 0;
  explicit MemRef(T *p) : base(p), data(p) {}
};

struct JitOptions {
  IsaLevel level = IsaLevel::V3;
  int64_t lanes = 8;
  int64_t lanes64 = 4;

  /// One item at a time, or as wide as the level goes.
  static JitOptions scalar(IsaLevel level) { return {level, 1, 4}; }
  static JitOptions wide(IsaLevel level) {
    return level == IsaLevel::V3 ? JitOptions{level, 8, 4}
                                 : JitOptions{level, 16, 8};
  }
};

/// Loaded code. Public functions of the module are called through their C
/// interface: each memref as a pointer to MemRef.
class Jit {
public:
  /// Null after a diagnostic on stderr.
  static std::unique_ptr<Jit> compile(const std::string &ir,
                                      const JitOptions &options);
  ~Jit();
  /// The C interface of function `name`.
  template <typename F> F *function(const std::string &name) {
    return reinterpret_cast<F *>(address("_mlir_ciface_" + name));
  }

private:
  Jit();
  void *address(const std::string &symbol);
  struct State;
  std::unique_ptr<State> state;
};

} // namespace route::test

#endif // ROUTE_TEST_UNIT_SUPPORT_JIT_H
