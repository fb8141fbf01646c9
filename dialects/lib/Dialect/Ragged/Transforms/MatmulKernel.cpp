// The kernel of grouped products of any size and type.
// A warp has a few columns of a row; its lanes go along K, and join.
#include "KernelBody.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

class MatmulKernel {
public:
  explicit MatmulKernel(MatmulOp op)
      : op(op), operands(op->getOperands()),
        k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "matmul"),
          operands, 256),
        experts(op.getExperts()) {
    ArgumentsInOrder arguments(k);
    rows = arguments.take();
    offsets = arguments.takeIf(op.getOffsets());
    weights = arguments.take(op.getWeights().size());
    perExpert = arguments.take(op.getPerExpert().size());
    perRow = arguments.take(op.getPerRow().size());
    out = arguments.take();
    int64_t columns = op.getOutputs();
    share = columns % 4 == 0 ? 4 : 1;
    groups = columns / share;
    // 16 bytes a lane where rows start at multiples of that.
    width = 128 / op.weightType().getElementType().getIntOrFloatBitWidth();
    bool wide = !op.getTransposed() && op.getInner() % (32 * width) == 0 &&
                rowsStartAt16Bytes(op.getRows()) &&
                llvm::all_of(op.getWeights(), rowsStartAt16Bytes);
    if (!wide)
      width = 1;
  }

  void lower() {
    forEachThread(k.b, k.kernel, threads(k.b, out), [&](Value flat) {
      Value lane = k.rem(flat, k.index(32)), warp = k.div(flat, k.index(32));
      Value row = k.div(warp, k.index(groups)),
            first = k.mul(k.rem(warp, k.index(groups)), k.index(share));
      auto [expert, valid] = expertOf(row);
      k.when(valid, [&] {
        Values totals = sums(row, expert, first, lane);
        for (Value &total : totals)
          total = k.addLanes(total);
        write(totals, row, expert, first, lane);
      });
    });
    launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) {
      return gridFor(b, k.kernel, threads(b, operands.back()));
    });
  }

private:
  Value threads(ImplicitLocOpBuilder &b, Value out) {
    return arith::MulIOp::create(
        b, memref::DimOp::create(b, out, 0),
        arith::ConstantIndexOp::create(b, 32 * groups));
  }

  /// The expert that the row belongs to, and whether there is one.
  std::pair<Value, Value> expertOf(Value row) {
    Value low = k.index(0);
    if (!offsets)
      return {low, k.truth(true)};
    // The last expert whose rows begin at or before this one.
    Value high = k.index(experts);
    for (int64_t n = experts; n > 1; n = (n + 1) / 2) {
      Value middle = k.div(k.add(low, high), k.index(2));
      Value begins = k.toIndex(k.load(offsets, middle));
      Value left = k.cmp(Predicate::ugt, begins, row);
      // Once low + 1 == high, middle is low, which begins before the row.
      high = k.select(left, middle, high);
      low = k.select(left, low, middle);
    }
    return {low, k.cmp(Predicate::ult, row,
                       k.toIndex(k.load(offsets, k.index(experts))))};
  }

  /// Numbers side by side, as f32.
  Values fetch(Value memory, ValueRange at) {
    Values result;
    Value loaded = loadWide(k, memory, at, width);
    for (int64_t i = 0; i < width; ++i)
      result.push_back(k.widen(elementOf(k, loaded, i)));
    return result;
  }

  /// A lane's part of the sums: of each weight those of the warp's columns.
  Values sums(Value row, Value expert, Value first, Value lane) {
    int64_t parts = op.getParts();
    Values start(op.getNumSums() * share, k.real(0));
    return k.loop(
        k.mul(lane, k.index(width)), k.index(op.getInner()),
        k.index(32 * width), start, [&](Value at, ValueRange acc) -> Values {
          Values x = fetch(rows, {row, at}), result(acc);
          for (unsigned s = 0; s < op.getNumSums(); ++s)
            for (int64_t c = 0; c < share; ++c) {
              Value n = k.add(k.mul(k.add(first, k.index(c)), k.index(parts)),
                              k.index(s % parts));
              Values y = fetch(weights[s / parts], op.getTransposed()
                                                       ? Values{expert, at, n}
                                                       : Values{expert, n, at});
              Value &sum = result[s * share + c];
              for (auto [p, q] : llvm::zip_equal(x, y))
                sum = math::FmaOp::create(k.b, p, q, sum);
            }
          return result;
        });
  }

  /// Lane c writes column c.
  void write(ArrayRef<Value> totals, Value row, Value expert, Value first,
             Value lane) {
    for (int64_t c = 0; c < share; ++c)
      k.when(k.cmp(Predicate::eq, lane, k.index(c)), [&] {
        Value n = k.add(first, k.index(c));
        Values arguments;
        for (unsigned s = 0; s < op.getNumSums(); ++s)
          arguments.push_back(totals[s * share + c]);
        for (Value v : perExpert)
          arguments.push_back(k.load(v, {expert, n}));
        for (Value v : perRow)
          arguments.push_back(k.load(v, row));
        k.store(epilogue(k, op.getEpilogue(), arguments), out, {row, n});
      });
  }

  MatmulOp op;
  Values operands;
  KernelBody k;
  int64_t experts;
  Value rows, offsets, out;
  Values weights, perExpert, perRow;
  int64_t share;  ///< columns of a warp, which share the loads of a row
  int64_t groups; ///< of columns
  int64_t width;  ///< numbers of a load
};
} // namespace

LogicalResult lowerToKernels(MatmulOp op) {
  if (op.isPacked())
    return op.emitOpError("has panels, which kernels do not read");
  MatmulKernel(op).lower();
  return success();
}

} // namespace route::ragged
