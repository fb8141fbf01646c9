// Which tile of a grouped matmul comes when.
// Written once over the operations of `Ops`: the kernel's, which emit, and
// numbers, which a test counts with.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H

#include <cstdint>

namespace route::ragged {

/// Tiles are numbered expert by expert. Tiles of an expert's rows come in
/// groups, within a group column by column, and for each the group's tiles.
/// Numbers are unsigned words.
template <typename Ops> struct WgmmaSchedule {
  using Value = typename Ops::Value;
  struct Tile {
    Value row, rows, expert, column;
  };

  Ops &k;
  int64_t tokens;      ///< rows of an expert's last tile at most
  int64_t step;        ///< rows of the others
  int64_t experts;     ///< at least one
  int64_t columnTiles; ///< tiles side by side

  static constexpr int64_t kGroup = 16; ///< tiles of rows in a group at most

  Value ceilDiv(Value x, int64_t n) {
    return k.div(k.add(x, k.num(n - 1)), k.num(n));
  }

  /// Tiles of the rows of an expert, side by side as one: what is left for the
  /// last may be more than a step, rather than a tile of a few rows.
  Value rowTiles(Value rows) {
    Value whole = k.sub(rows, k.least(rows, k.num(tokens - step)));
    Value some = k.select(k.isLess(k.num(0), rows), k.num(1), k.num(0));
    return k.most(ceilDiv(whole, step), some);
  }

  /// All tiles of an expert with that many rows.
  Value tiles(Value rows) { return k.mul(rowTiles(rows), k.num(columnTiles)); }

  /// Tile t. `startOf` gives the number of an expert's first tile, `offsetOf`
  /// its first row; both know `experts` too. Beyond the last tile, some tile.
  template <typename StartOf, typename OffsetOf>
  Tile at(Value t, StartOf startOf, OffsetOf offsetOf) {
    // The last expert that starts at t or before: one without rows starts where
    // the next does.
    int64_t reach = 1;
    while (2 * reach <= experts)
      reach *= 2;
    Value e = k.num(0);
    for (int64_t s = reach; s; s /= 2) {
      Value probe = k.add(e, k.num(s));
      Value inside = k.isLess(probe, k.num(experts));
      Value start = startOf(k.select(inside, probe, k.num(0)));
      e = k.select(k.both(inside, k.isAtMost(start, t)), probe, e);
    }
    Value begin = offsetOf(e);
    Value rows = k.sub(offsetOf(k.add(e, k.num(1))), begin);
    Value r = k.sub(t, startOf(e));
    Value count = k.most(rowTiles(rows), k.num(1));
    Value groups = ceilDiv(count, kGroup);
    Value size = k.div(k.sub(k.add(count, groups), k.num(1)), groups);
    Value group = k.div(r, k.mul(size, k.num(columnTiles)));
    Value before = k.mul(group, size);
    Value here = k.most(k.least(size, k.sub(count, before)), k.num(1));
    r = k.sub(r, k.mul(before, k.num(columnTiles)));
    Value column = k.div(r, here);
    Value m = k.add(before, k.rem(r, here));
    Value first = k.mul(m, k.num(step));
    Value last = k.isEqual(k.add(m, k.num(1)), count);
    Value own = k.select(last, k.sub(rows, first), k.num(step));
    return {k.add(begin, first), own, e, column};
  }
};

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H
