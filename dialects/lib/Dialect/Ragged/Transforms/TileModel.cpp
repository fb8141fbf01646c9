// What memory or what the multiprocessors need, whichever is more.
// A multiprocessor needs, for each tile, the steps along K, of which each takes
// as long as its products or its loads, and an epilogue that nothing hides.
#include "TileModel.h"

#include <algorithm>
#include <cmath>

using namespace route::ragged;

namespace {
constexpr double kRowBytes = 128;   // of a row or column in a step along K
constexpr double kInstructions = 4; // of a step for each block of columns

/// Tiles of one expert's rows, and what a step along K of all of them takes.
struct Rows {
  double tiles = 0, cycles = 0, loaded = 0, width = 0;
};
} // namespace

/// Cycles of a step of K of one tile of `width` rows. Four tensor cores
/// multiply 64 columns by 8 rows and 32 bytes of K in 4 cycles together, but
/// the columns come from shared memory each time, in 16, and the rows in a
/// quarter of theirs.
static double productCycles(double blocks, double width) {
  return blocks * kInstructions * std::max(width / 2, 16 + width / 4);
}

/// The tiles of an expert with n rows.
static Rows rowsOf(const TileShape &tiles, double blocks, double weightBytes,
                   double n) {
  Rows result;
  double left = n;
  double more = std::ceil(n / tiles.tokens) - 1; // tiles behind this one
  for (; left > 0; --more) {
    double own = left;
    if (more > 0)
      own = left > more * tiles.step + tiles.tokens ? tiles.tokens : tiles.step;
    const auto *path =
        std::lower_bound(kTileWidths.begin(), kTileWidths.end(), own);
    double width = tiles.tokens;
    if (path != kTileWidths.end())
      width = std::min(width, double(*path));
    result.tiles += 1;
    result.width += width;
    result.cycles += productCycles(blocks, width);
    result.loaded += weightBytes + std::ceil(own / 16) * 16 * kRowBytes;
    left -= own;
  }
  return result;
}

double route::ragged::estimate(const Device &device, const Product &product,
                               const TileShape &tiles, double rows) {
  double blocks = product.weights * tiles.columns / 64;
  double weightBytes = product.weights * tiles.columns * kRowBytes;
  double across = std::ceil(product.outputs * product.parts / tiles.columns);
  double steps = std::ceil(product.inner * product.bytes / kRowBytes);

  // An expert's rows are a binomial number; a normal one with its mean and
  // spread, in steps of about a row, is near enough.
  Rows mean;
  double used = 0;
  if (product.experts <= 1) {
    mean = rowsOf(tiles, blocks, weightBytes, rows);
    used = rows > 0;
  } else {
    double share = 1 / product.experts, m = rows * share;
    double spread = std::sqrt(m * (1 - share));
    used = 1 - std::pow(1 - share, rows);
    double low = std::max(1.0, std::floor(m - 4 * spread));
    double high = std::max(low, std::ceil(m + 4 * spread));
    double step = std::max(1.0, std::floor((high - low) / 64));
    double total = 0;
    for (double n = low; n <= high; n += step) {
      // Few rows: Poisson's law, which a normal one is far from.
      double p = m < 32 ? std::exp(n * std::log(m) - m - std::lgamma(n + 1))
                        : std::exp(-(n - m) * (n - m) / (2 * spread * spread));
      Rows one = rowsOf(tiles, blocks, weightBytes, n);
      total += p;
      mean.tiles += p * one.tiles;
      mean.cycles += p * one.cycles;
      mean.loaded += p * one.loaded;
      mean.width += p * one.width;
    }
    double scale = total > 0 ? used / total : 0;
    for (double *each : {&mean.tiles, &mean.cycles, &mean.loaded, &mean.width})
      *each *= scale;
  }
  double count = product.experts * mean.tiles * across;
  if (count <= 0)
    return device.launch;

  double perTile = 1 / mean.tiles;
  double width = mean.width * perTile;
  double multiply = steps * mean.cycles * perTile / device.clock;
  // What a multiprocessor can take of the cache, and of memory where most of a
  // tile is weights that nobody else reads.
  double load =
      steps * mean.loaded * perTile * device.processors / device.cache;
  // A tile's last products, and its results, are not hidden: about a nanosecond
  // and a half for 16 sums of a block, more with an activation.
  double sums = blocks * 64 * width;
  double epilogue =
      1 + sums * (product.weights * product.parts > 1 ? 1.5e-4 : 0.8e-4);
  double tile = std::max(multiply, load) + epilogue;
  // Tiles are dealt out one by one: the last round is as long as the others.
  double rounds = std::ceil(count / device.processors);
  double even = count / device.processors;
  double processors = tile * (even < 1 ? 1 : 0.5 * (rounds + even));

  double weights = product.experts * used * product.weights * product.parts *
                   product.outputs * product.inner * product.bytes;
  double bytes = weights + rows * product.inner * product.bytes +
                 rows * product.outputs * product.outputBytes;
  return device.launch + std::max(processors, bytes / device.bandwidth);
}

int64_t route::ragged::itemsWithoutOrder(const Device &device, double experts,
                                         double ranks, double expertBytes) {
  int64_t items = 0;
  // More than a quarter of the experts' number of slots has other limits.
  while (double(items + 1) * ranks <= experts / 4) {
    double n = double(items + 1);
    double used = experts * (1 - std::pow(1 - ranks / experts, n));
    if ((n * ranks - used) * expertBytes / device.bandwidth > device.order)
      break;
    ++items;
  }
  return items;
}

bool route::ragged::gathersItself(const Device &device, double columns,
                                  double bytes) {
  // For each number of a row, which the gather writes and the product reads; a
  // multiprocessor does 4096 operations on 16 bits in a cycle.
  double rate = device.processors * device.clock * 8192 / bytes;
  return 2 * bytes / device.bandwidth > device.copies * 2 * columns / rate;
}
