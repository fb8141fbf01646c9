// Which tile of a grouped matmul comes when.
// Written once over the operations of `Ops`: the kernel's, which emit, and
// numbers, which a test counts with.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H

#include <cstdint>

namespace route::ragged {

/// Tiles are numbered expert by expert. Tiles of an expert's rows come in
/// groups, within a group column by column, and for each the group's tiles.
/// There are as few tiles of rows as can be, the first of them with `tokens`
/// rows, as many as it takes, then some of `step` rows, and the last with what
/// is left: fewer only where the expert has few rows. Of pairs each has two
/// tiles of a group's rows with the same columns; where a group's tiles are odd
/// the last have the same rows, and columns side by side. Numbers are unsigned
/// words.
template <typename Ops> struct WgmmaSchedule {
  using Value = typename Ops::Value;
  struct Tile {
    Value row, rows, expert, column;
    Value sharesRows = {}; ///< of a pair: it has two tiles side by side
  };

  Ops &k;
  int64_t tokens;      ///< rows of a tile at most
  int64_t step;        ///< rows of a tile where others follow, at least
  int64_t experts;     ///< at least one
  int64_t columnTiles; ///< tiles side by side; of pairs an even number
  bool pairs = false;  ///< whether t counts pairs of tiles
  Value rank = {};     ///< which one of a pair

  /// Tiles of rows in a group at most: their rows, and the columns of weights
  /// that run beside them, are to stay in the second-level cache.
  static constexpr int64_t kGroup = 8;

  Value ceilDiv(Value x, int64_t n) {
    return k.div(k.add(x, k.num(n - 1)), k.num(n));
  }

  /// Tiles of the rows of an expert, side by side as one.
  Value rowTiles(Value rows) { return ceilDiv(rows, tokens); }

  /// All tiles of an expert with that many rows.
  Value tiles(Value rows) { return k.mul(rowTiles(rows), k.num(across())); }

  /// Tiles side by side, or pairs of them.
  int64_t across() const { return pairs ? columnTiles / 2 : columnTiles; }

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
    Value group = k.div(r, k.mul(size, k.num(across())));
    Value before = k.mul(group, size);
    Value here = k.most(k.least(size, k.sub(count, before)), k.num(1));
    r = k.sub(r, k.mul(before, k.num(across())));
    Value column = k.div(r, here), m = k.rem(r, here), sharesRows = {};
    if (pairs) {
      Value one = k.num(1), odd = k.rem(m, k.num(2));
      sharesRows =
          k.both(k.isEqual(k.add(m, one), here), k.isEqual(odd, k.num(0)));
      column = k.add(k.mul(column, k.num(2)), k.select(sharesRows, rank, odd));
      m = k.select(sharesRows, m, k.add(k.sub(m, odd), rank));
    }
    m = k.add(before, m);
    // Rows beyond what all but the last hold in steps.
    Value large = k.num(0), spare = k.num(tokens - step);
    if (tokens > step) {
      Value held =
          k.add(k.mul(k.sub(count, k.num(1)), k.num(step)), k.num(tokens));
      large = ceilDiv(k.sub(k.most(rows, held), held), tokens - step);
    }
    Value first = k.add(k.mul(m, k.num(step)), k.mul(k.least(m, large), spare));
    Value last = k.isEqual(k.add(m, k.num(1)), count);
    Value own =
        k.add(k.num(step), k.select(k.isLess(m, large), spare, k.num(0)));
    own = k.select(last, k.sub(rows, first), own);
    return {k.add(begin, first), own, e, column, sharesRows};
  }
};

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMASCHEDULE_H
