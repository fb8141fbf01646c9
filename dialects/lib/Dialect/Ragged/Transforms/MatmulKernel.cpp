// The kernel of grouped products of any size and type.
//
// A warp has a tile of rows and columns; its lanes go along K, and join. What
// is loaded for a row serves all columns of the tile, and the other way round.
// Tiles of any size add up in the same order: an item's results do not hang on
// how many others there are.
#include "KernelBody.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// What a warp has: rows, and columns of the result.
struct WarpTile {
  int64_t rows, columns;
};

constexpr int64_t kLanes = 32, kThreads = 256, kWarps = kThreads / kLanes;

/// The largest power of two, `most` at most, that divides `n`.
int64_t powerOf2Dividing(int64_t n, int64_t most) {
  while (n % most)
    most /= 2;
  return most;
}

/// Threads of a block. Of one matrix few rows are few warps, each of which has
/// a block, and so a multiprocessor, of its own; ptxas also gives threads of a
/// small block more registers for loads under way. Otherwise warps of a block
/// share what they load of a row.
int32_t blockOf(MatmulOp op, WarpTile tile) {
  return tile.rows == 1 && op.getExperts() == 1 ? kLanes : kThreads;
}

class MatmulKernel {
public:
  MatmulKernel(MatmulOp op, WarpTile tile)
      : op(op), tile(tile),
        k(op->getParentOfType<ModuleOp>(), op,
          kernelStem(op, tile.rows == 1 ? "matmul" : "matmul_many"),
          op->getOperands(), blockOf(op, tile)),
        experts(op.getExperts()), across(op.getOutputs() / tile.columns) {
    ArgumentsInOrder arguments(k);
    rows = arguments.take();
    offsets = arguments.takeIf(op.getOffsets());
    weights = arguments.take(op.getWeights().size());
    perExpert = arguments.take(op.getPerExpert().size());
    perRow = arguments.take(op.getPerRow().size());
    out = arguments.take();
    // 16 bytes a lane where rows start at multiples of that.
    width = 128 / op.weightType().getElementType().getIntOrFloatBitWidth();
    bool wide = !op.getTransposed() && op.getInner() % (kLanes * width) == 0 &&
                rowsStartAt16Bytes(op.getRows()) &&
                llvm::all_of(op.getWeights(), rowsStartAt16Bytes);
    if (!wide)
      width = 1;
    // Steps along K whose loads are under way at once: wide tiles have loads
    // enough.
    unroll = 1;
    if (tile.rows == 1 && op.getInner() % (kLanes * width) == 0)
      unroll = powerOf2Dividing(op.getInner() / (kLanes * width), 4);
    // Warps of a block share rows and columns.
    blockAcross = tile.rows == 1 ? across : powerOf2Dividing(across, 4);
    blockDown = tile.rows == 1 ? 1 : kWarps / blockAcross;
  }

  void emit() {
    forEachThread(k.b, k.kernel, threads(k.b, out), [&](Value flat) {
      Value lane = k.rem(flat, k.index(kLanes)),
            warp = k.div(flat, k.index(kLanes));
      auto split = [&](Value x, int64_t by) {
        return std::pair(k.div(x, k.index(by)), k.rem(x, k.index(by)));
      };
      auto [place, member] = split(warp, blockAcross * blockDown);
      auto [placeDown, placeAcross] = split(place, across / blockAcross);
      auto [memberDown, memberAcross] = split(member, blockAcross);
      Value down = k.add(k.mul(placeDown, k.index(blockDown)), memberDown);
      Value column =
          k.add(k.mul(placeAcross, k.index(blockAcross)), memberAcross);
      ofTile(k.mul(down, k.index(tile.rows)),
             k.mul(column, k.index(tile.columns)), lane);
    });
  }

  /// Tiles that all columns take.
  int64_t tilesAcross() const { return across; }

  /// Launches it for the op's operands where `applies`.
  void launch(ImplicitLocOpBuilder &b, Value applies) {
    Value grid = gridFor(b, k.kernel, threads(b, op.getOut()));
    if (applies)
      grid = arith::SelectOp::create(b, applies, grid,
                                     arith::ConstantIndexOp::create(b, 0));
    launchKernel(b, k.kernel, grid, op->getOperands());
  }

private:
  /// Threads for all tiles, and for those that fill a block's share of rows.
  Value threads(ImplicitLocOpBuilder &b, Value out) const {
    Value down = arith::CeilDivUIOp::create(
        b, memref::DimOp::create(b, out, 0),
        arith::ConstantIndexOp::create(b, tile.rows * blockDown));
    return arith::MulIOp::create(
        b, down,
        arith::ConstantIndexOp::create(b, kLanes * blockDown * across));
  }

  /// The tile whose first row is `first`: its rows of one expert after another.
  void ofTile(Value first, Value column, Value lane) {
    Value end = k.least(k.add(first, k.index(tile.rows)),
                        memref::DimOp::create(k.b, out, 0));
    if (offsets)
      end = k.least(end, begins(k.index(experts)));
    k.when(k.cmp(Predicate::ult, first, end), [&] {
      if (!offsets)
        return ofExpert(k.index(0), first, first, end, column, lane);
      Value expert = expertOf(first);
      if (tile.rows == 1)
        return ofExpert(expert, first, first, end, column, lane);
      Value last = expertOf(k.sub(end, k.index(1)));
      k.loop(expert, k.add(last, k.index(1)), k.index(1), {},
             [&](Value each, ValueRange) -> Values {
               Value from = begins(each), to = begins(k.add(each, k.index(1)));
               from = k.select(k.cmp(Predicate::ugt, from, first), from, first);
               to = k.least(to, end);
               k.when(k.cmp(Predicate::ult, from, to),
                      [&] { ofExpert(each, first, from, to, column, lane); });
               return {};
             });
    });
  }

  /// Rows `from` to `to` of the tile, which are all the expert's.
  void ofExpert(Value expert, Value first, Value from, Value to, Value column,
                Value lane) {
    Values totals = sums(first, to, expert, column, lane);
    Value mine = k.index(0), owner = k.truth(true);
    // A lane keeps half of what it has and gets what its neighbour has of that,
    // as long as there is something to share; then both add up the same.
    int64_t results = tile.rows * tile.columns;
    for (int32_t s = kLanes / 2; s; s /= 2) {
      Value side = k.rem(k.div(lane, k.index(s)), k.index(2));
      if (results == 1) {
        for (Value &total : totals)
          total = plus(total, k.shuffle(total, s, gpu::ShuffleMode::XOR));
        owner = k.both(owner, k.cmp(Predicate::eq, side, k.index(0)));
        continue;
      }
      Value upper = k.cmp(Predicate::ne, side, k.index(0));
      results /= 2;
      size_t half = totals.size() / 2;
      for (size_t i = 0; i < half; ++i) {
        Value keeps = k.select(upper, totals[i + half], totals[i]),
              gives = k.select(upper, totals[i], totals[i + half]);
        totals[i] = plus(keeps, k.shuffle(gives, s, gpu::ShuffleMode::XOR));
      }
      totals.truncate(half);
      mine = k.add(mine, k.select(upper, k.index(results), k.index(0)));
    }
    k.when(owner, [&] {
      for (int64_t i = 0; i < results; ++i)
        write(ArrayRef(totals).slice(i * op.getNumSums(), op.getNumSums()),
              k.add(mine, k.index(i)), expert, first, from, to, column);
    });
  }

  Value plus(Value x, Value y) { return arith::AddFOp::create(k.b, x, y); }

  Value begins(Value expert) { return k.toIndex(k.load(offsets, expert)); }

  /// The expert that a row before the end belongs to.
  Value expertOf(Value row) {
    // The last expert whose rows begin at or before this one.
    Value low = k.index(0), high = k.index(experts);
    for (int64_t n = experts; n > 1; n = (n + 1) / 2) {
      Value middle = k.div(k.add(low, high), k.index(2));
      Value left = k.cmp(Predicate::ugt, begins(middle), row);
      // Once low + 1 == high, middle is low, which begins before the row.
      high = k.select(left, middle, high);
      low = k.select(left, low, middle);
    }
    return low;
  }

  /// Numbers side by side, as f32.
  Values fetch(Value memory, ValueRange at, int64_t width) {
    Values result;
    Value loaded = loadWide(k, memory, at, width);
    for (int64_t i = 0; i < width; ++i)
      result.push_back(k.widen(elementOf(k, loaded, i)));
    return result;
  }

  /// What a lane has of the weights in a step: of each column of the tile, each
  /// sum and each of its places along K.
  Values fetchWeights(Value expert, Value column, Value at) {
    int64_t parts = op.getParts(), all = tile.columns * parts;
    Value first = k.mul(column, k.index(parts));
    Values result(tile.columns * op.getNumSums() * width);
    for (auto [w, memory] : llvm::enumerate(weights)) {
      // Of a row of columns as many at once as 16 bytes hold.
      int64_t side = 1;
      int64_t bits = op.weightType().getElementTypeBitWidth();
      if (op.getTransposed() && all * bits % 128 == 0 &&
          rowsStartAt16Bytes(op.getWeights()[w]))
        side = 128 / bits;
      for (int64_t j = 0; j < all; j += side) {
        Value n = k.add(first, k.index(j));
        Values loaded = op.getTransposed()
                            ? fetch(memory, {expert, at, n}, side)
                            : fetch(memory, {expert, n, at}, width);
        for (auto [i, x] : llvm::enumerate(loaded)) {
          int64_t c = (j + (side > 1 ? i : 0)) / parts,
                  s = w * parts + (j + (side > 1 ? i : 0)) % parts;
          result[(c * op.getNumSums() + s) * width + (side > 1 ? 0 : i)] = x;
        }
      }
    }
    return result;
  }

  /// A lane's part of the sums: of each row and column of the tile that of each
  /// weight. Rows behind `to` are the last one again.
  Values sums(Value first, Value to, Value expert, Value column, Value lane) {
    int64_t sums = op.getNumSums(), ofRow = tile.columns * sums;
    Values row;
    Value last = k.sub(to, k.index(1));
    for (int64_t r = 0; r < tile.rows; ++r)
      row.push_back(tile.rows == 1 ? first
                                   : k.least(k.add(first, k.index(r)), last));
    Values start(tile.rows * ofRow, k.real(0));
    return k.loop(k.mul(lane, k.index(width)), k.index(op.getInner()),
                  k.index(kLanes * width * unroll), start,
                  [&](Value step, ValueRange acc) -> Values {
                    Values result(acc);
                    SmallVector<Values> xs, ys;
                    for (int64_t u = 0; u < unroll; ++u) {
                      Value at = k.add(step, k.index(u * kLanes * width));
                      Values x;
                      for (Value each : row)
                        llvm::append_range(x, fetch(rows, {each, at}, width));
                      xs.push_back(std::move(x));
                      ys.push_back(fetchWeights(expert, column, at));
                    }
                    for (auto [x, y] : llvm::zip_equal(xs, ys))
                      for (auto [i, sum] : llvm::enumerate(result))
                        for (int64_t p = 0; p < width; ++p)
                          sum = math::FmaOp::create(
                              k.b, x[i / ofRow * width + p],
                              y[i % ofRow * width + p], sum);
                    return result;
                  });
  }

  /// Writes the tile's result number `number`, if it is of these rows.
  void write(ArrayRef<Value> totals, Value number, Value expert, Value first,
             Value from, Value to, Value column) {
    Value row = k.add(first, k.div(number, k.index(tile.columns))),
          n = k.add(column, k.rem(number, k.index(tile.columns)));
    auto store = [&] {
      Values arguments(totals);
      for (Value v : perExpert)
        arguments.push_back(k.load(v, {expert, n}));
      for (Value v : perRow)
        arguments.push_back(k.load(v, row));
      k.store(epilogue(k, op.getEpilogue(), arguments), out, {row, n});
    };
    if (tile.rows == 1)
      return store();
    k.when(k.both(k.cmp(Predicate::uge, row, from),
                  k.cmp(Predicate::ult, row, to)),
           store);
  }

  MatmulOp op;
  WarpTile tile;
  KernelBody k;
  int64_t experts;
  int64_t across;
  int64_t blockAcross, blockDown; ///< tiles of a block's warps
  Value rows, offsets, out;
  Values weights, perExpert, perRow;
  int64_t width;  ///< numbers of a load
  int64_t unroll; ///< steps along K at once
};
} // namespace

LogicalResult lowerToKernels(MatmulOp op) {
  if (op.isPacked())
    return op.emitOpError("has panels, which kernels do not read");
  ImplicitLocOpBuilder host(op.getLoc(), op);
  MatmulKernel narrow(op, {1, powerOf2Dividing(op.getOutputs(), 4)});
  narrow.emit();
  // As many rows, and sums of them, as a thread has registers for.
  constexpr uint64_t rows = 8, sums = 16;
  if (op->hasAttr(kFewAttr) || op.getNumSums() > sums) {
    narrow.launch(host, Value());
    op->erase();
    return success();
  }
  MatmulKernel wide(
      op, {rows, powerOf2Dividing(op.getOutputs(),
                                  llvm::bit_floor(sums / op.getNumSums()))});
  wide.emit();
  // Wide tiles from half of their rows an expert on, and where there are three
  // for two multiprocessors: a warp takes as long for any number of its rows.
  int64_t least =
      rows * llvm::divideCeil(3 * kProcessors / 2, wide.tilesAcross());
  Value many = arith::CmpIOp::create(
      host, Predicate::ugt, memref::DimOp::create(host, op.getOut(), 0),
      arith::ConstantIndexOp::create(
          host, std::max<int64_t>(least, rows / 2 * op.getExperts())));
  Value few = arith::XOrIOp::create(
      host, many, arith::ConstantOp::create(host, host.getBoolAttr(true)));
  narrow.launch(host, few);
  wide.launch(host, many);
  op->erase();
  return success();
}

} // namespace route::ragged
