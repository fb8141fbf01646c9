// Arrays of the interpreter: typed buffers under lazy views over named axes.
#ifndef ROUTE_INTERPRETER_ARRAY_H
#define ROUTE_INTERPRETER_ARRAY_H

#include "mlir/Support/LLVM.h"
#include "route/Interpreter/Axis.h"
#include "route/Interpreter/Element.h"
#include <array>
#include <atomic>

namespace route::interp {

/// Live bytes of all buffers of one interpreter against its limit.
struct MemoryMeter {
  int64_t limit = int64_t(8) << 30;
  std::atomic<int64_t> used = 0;
};

/// Elements in one flat run. Floats up to 32 bits are stored as f32 values,
/// integers and index-like elements as int64, the rest as Element.
class Buffer {
public:
  /// `size` zero elements; fails where that exceeds the meter's limit.
  static mlir::FailureOr<std::shared_ptr<Buffer>>
  create(mlir::Type elementType, int64_t size,
         std::shared_ptr<MemoryMeter> meter = nullptr);
  ~Buffer();

  int64_t size() const { return count; }
  Element get(int64_t index) const;
  void set(int64_t index, Element element);

  /// Takes over the elements of a buffer of the same type and size.
  void assign(const Buffer &other) { data = other.data; }

  /// Direct access; null when stored otherwise.
  float *floats() {
    return std::get_if<1>(&data) ? std::get_if<1>(&data)->data() : nullptr;
  }
  const float *floats() const { return const_cast<Buffer *>(this)->floats(); }
  int64_t *ints() {
    return std::get_if<0>(&data) ? std::get_if<0>(&data)->data() : nullptr;
  }
  const int64_t *ints() const { return const_cast<Buffer *>(this)->ints(); }

private:
  std::variant<std::vector<int64_t>, std::vector<float>, std::vector<double>,
               std::vector<Element>>
      data;
  int64_t count = 0, bytes = 0;
  std::shared_ptr<MemoryMeter> meter;
};

/// A value over named axes. The element at a position is
/// `buffer[base + sum over dims of stride * map[position[axis]]]`, so that
/// broadcasting, renaming and descending to a plan's rows copy nothing.
class Array {
public:
  /// One term of the offset; without a map the position itself counts.
  struct Dim {
    int64_t stride;
    unsigned axis;
    IndexMap map;
  };

  Array() = default;
  /// A row-major array over `axes` of zero elements.
  static mlir::FailureOr<Array>
  create(mlir::Type elementType, llvm::ArrayRef<AxisRef> axes,
         std::shared_ptr<MemoryMeter> meter = nullptr);
  /// An array of no axes.
  static Array scalar(mlir::Type elementType, Element value);

  mlir::Type elementType;
  llvm::SmallVector<AxisRef, 4> axes;
  std::shared_ptr<Buffer> buffer;
  int64_t base = 0;
  llvm::SmallVector<Dim, 2> dims;

  int64_t size() const { return countPositions(axes); }
  /// The place of axis `name`, or -1.
  int findAxis(mlir::StringAttr name) const;
  /// For each axis and each position along it what it adds to the offset.
  std::vector<std::vector<int64_t>> offsets() const;
  /// The element at a position given by one index an axis.
  Element at(llvm::ArrayRef<int64_t> position) const;
  /// The element of a scalar.
  Element value() const { return at({}); }
  /// All elements in row-major order of `axes`.
  std::vector<Element> elements() const;
  /// True when the elements lie in row-major order from `base` on.
  bool isContiguous() const;
};

/// `array` seen over exactly `axes`: own axes stay, others repeat the value,
/// and an axis missing in `axes` is reached from the one that descends from it.
/// Fails with a message in `why` where an axis is out of reach or is another
/// instance.
mlir::FailureOr<Array> viewOver(const Array &array,
                                llvm::ArrayRef<AxisRef> axes, std::string &why);

/// Calls `fn(index, offsets)` for all positions in row-major order, where
/// `offsets[i]` is the place in operand i's buffer. All operands lie over the
/// same axes (see viewOver).
template <size_t N, typename Fn>
void walk(llvm::ArrayRef<AxisRef> axes,
          const std::array<const Array *, N> &operands, Fn fn) {
  std::array<std::vector<std::vector<int64_t>>, N> along;
  std::array<int64_t, N> offsets;
  for (size_t i = 0; i < N; ++i) {
    along[i] = operands[i]->offsets();
    offsets[i] = operands[i]->base;
  }
  int64_t index = 0;
  auto descend = [&](auto &self, size_t depth,
                     std::array<int64_t, N> at) -> void {
    if (depth == axes.size())
      return fn(index++, at);
    for (int64_t p = 0; p < axes[depth]->size; ++p) {
      std::array<int64_t, N> next = at;
      for (size_t i = 0; i < N; ++i)
        next[i] += along[i][depth][p];
      if (depth + 1 == axes.size())
        fn(index++, next);
      else
        self(self, depth + 1, next);
    }
  };
  descend(descend, 0, offsets);
}

} // namespace route::interp

#endif
