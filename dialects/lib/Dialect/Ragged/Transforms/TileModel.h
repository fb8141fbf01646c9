// What a grouped product on tensor cores costs by its tiles.
// From a few figures of the device: plain numbers, so that tests can count with
// them.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEMODEL_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEMODEL_H

#include <array>
#include <cstdint>

namespace route::ragged {

/// Rows that a kernel with tiles of more has code of their own for; the tile's
/// own rows are one more width. What the kernel multiplies and what the model
/// counts with. A tile of fewer rows than 64 waits for its weights anyway, and
/// each width is a fifth of the time that a kernel compiles.
inline constexpr std::array<int64_t, 4> kTileWidths{64, 96, 128, 192};

/// Multiprocessors that forms are chosen for: those of an H100 or H200. On
/// others they are as right, and may not be the best.
inline constexpr int64_t kProcessors = 132;

/// A device. The figures of an H100 (SXM): docs/gpu.md has where they are from.
struct Device {
  double processors = kProcessors;
  double bandwidth = 3.0e6; ///< bytes a microsecond, of memory
  double cache = 5.5e6;     ///< bytes a microsecond, second level to all
  double clock = 1480;      ///< cycles a microsecond, sustained
  double launch = 4; ///< microseconds of any kernel: its start, the way to the
                     ///< first bytes, its end
  double copies = 0.14; ///< of a product's time that copies by threads add
  double order = 15;    ///< microseconds that an order of slots takes
};

/// A product: rows of experts by the columns of their weights.
struct Product {
  double experts;     ///< 1: dense
  double inner;       ///< K
  double outputs;     ///< columns of the result
  double weights;     ///< matrices multiplied together
  double parts;       ///< columns of a matrix for one of the result
  double bytes;       ///< of an element of rows and weights
  double outputBytes; ///< of an element of the result
};

/// Tiles of it: up to `tokens` rows by `columns` columns of each weight, and
/// where others follow at least `step` rows.
struct TileShape {
  double tokens, step, columns;
};

/// Microseconds that the product's kernel takes with `rows` rows in all, spread
/// over the experts as independent draws would.
double estimate(const Device &device, const Product &product,
                const TileShape &tiles, double rows);

/// Up to how many items their slots had better go one by one, without an order:
/// weights of an expert are then read for each of its slots, but kernels that
/// make the order and move rows are saved. `expertBytes` are an expert's
/// weights.
int64_t itemsWithoutOrder(const Device &device, double experts, double ranks,
                          double expertBytes);

/// Whether a product of that many columns, of all its weights, had better copy
/// its rows from where a gather would have them: it is slower where operations
/// are the limit, and no row is written and read again. `bytes` are an
/// element's.
bool gathersItself(const Device &device, double columns, double bytes);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEMODEL_H
