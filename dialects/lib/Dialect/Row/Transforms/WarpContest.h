// A choice in the making, which WarpChoose.cpp and WarpRank.cpp share.
#ifndef ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPCONTEST_H
#define ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPCONTEST_H

#include "WarpEmitter.h"

namespace route::row {

/// One choice for each batch. Their rounds run side by side, so that the warp's
/// reductions for one hide those for another.
struct WarpEmitter::Batch {
  unsigned first; // register of the first candidate
  Values alive;   // first words
  Value limit, threshold;
  unsigned carried; // place of the first word among carried values
  unsigned counted; // place of the count, then the sum, whether it is open
};

/// A choice in the making: its candidates, and what its rounds carry.
struct WarpEmitter::Contest {
  ChooseOp op;
  int64_t n, k, total, slots; // candidates and results: of a batch, of all
  llvm::SmallVector<Values>
      words;               // words[w][r]: word w of register r's candidate
  Values place, slotPlace; // candidates and results by number
  llvm::SmallVector<Batch> batches;
  Values carried;
  unsigned firstResult; // place of the results among carried values
};

} // namespace route::row

#endif // ROUTE_LIB_DIALECT_ROW_TRANSFORMS_WARPCONTEST_H
