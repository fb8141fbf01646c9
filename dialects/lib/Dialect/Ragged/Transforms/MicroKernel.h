// The register tile of the grouped matmul.
// A few rows by one panel, or two, of each weight.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_MICROKERNEL_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_MICROKERNEL_H

#include "Emit.h"

namespace route::ragged {

/// Sizes of a matmul and of the tile that its registers hold.
struct MatmulShape {
  MatmulShape(MatmulOp op, CPUTarget target);

  int64_t experts, columns, inner; ///< E, N, K
  int64_t weights;                 ///< operands accumulated side by side
  int64_t panels;                  ///< panels of a weight for each expert
  int64_t width;                   ///< panels of a weight in a tile: 1 or 2
  int64_t pair;                    ///< elements of K in a step
  int64_t steps;   ///< steps of a whole sum, the last perhaps half
  int64_t maxRows; ///< rows of the largest tile
  bool dot;        ///< bf16 pairs by one instruction

  int64_t groups() const { return panels / width; }
  int64_t sums() const { return weights * width; }
  int64_t stepElements() const { return panelColumns * pair; }
  int64_t panelElements() const { return steps * stepElements(); }
  int64_t groupElements() const { return width * panelElements(); }
};

/// Where a tile reads, in elements of the flat buffers.
struct TileSource {
  FlatBuffer rows;              ///< the activations
  Value firstRow;               ///< element where the tile's first row starts
  Value lastRow;                ///< from there to where its last row starts
  llvm::ArrayRef<Value> lines;  ///< the panels of each sum
  Value panel;                  ///< element where the tile's panels start
  Value prefetch, prefetchStep; ///< element to fetch ahead, and its advance
};

/// Emits the sums of `rowCount` rows over all of K, each in one accumulator and
/// in ascending order, and stores them to `tile`, [maxRows, sums, 16] f32. The
/// last two rows may be the same.
void emitTile(Emit &e, const MatmulShape &shape, const TileSource &source,
              int64_t rowCount, Value tile);

} // namespace route::ragged

#endif
