// The schedule of tiles on numbers.
// Every row of every expert, in every tile of columns, is in exactly one tile,
// and only an expert's last tile may have few. Tiles of a pair share columns,
// or rows.
#include "WgmmaSchedule.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

namespace {
struct Numbers {
  using Value = uint32_t;
  Value num(int64_t v) { return static_cast<Value>(v); }
  Value add(Value x, Value y) { return x + y; }
  Value sub(Value x, Value y) { return x - y; }
  Value mul(Value x, Value y) { return x * y; }
  Value div(Value x, Value y) { return x / y; }
  Value rem(Value x, Value y) { return x % y; }
  Value both(Value x, Value y) { return x & y; }
  Value isLess(Value x, Value y) { return x < y; }
  Value isAtMost(Value x, Value y) { return x <= y; }
  Value isEqual(Value x, Value y) { return x == y; }
  Value select(Value c, Value x, Value y) { return c ? x : y; }
  Value least(Value x, Value y) { return std::min(x, y); }
  Value most(Value x, Value y) { return std::max(x, y); }
};

int failures = 0;
long schedules = 0;

/// Goes through all tiles of experts with these rows; says what is wrong.
void check(int64_t tokens, int64_t step, int64_t columnTiles,
           const std::vector<uint32_t> &rows, bool pairs) {
  Numbers numbers;
  auto experts = static_cast<int64_t>(rows.size());
  using Schedule = route::ragged::WgmmaSchedule<Numbers>;
  Schedule schedule{numbers, tokens, step, experts, columnTiles, pairs, 0};
  Schedule second{numbers, tokens, step, experts, columnTiles, pairs, 1};
  std::vector<uint32_t> starts{0}, offsets{0};
  for (uint32_t r : rows) {
    starts.push_back(starts.back() + schedule.tiles(r));
    offsets.push_back(offsets.back() + r);
  }
  ++schedules;
  auto wrong = [&](const char *what, uint32_t t) {
    if (++failures > 10)
      return;
    std::printf("%s: %s %u, tokens %ld, step %ld, columns %ld, rows", what,
                pairs ? "pair" : "tile", t, static_cast<long>(tokens),
                static_cast<long>(step), static_cast<long>(columnTiles));
    for (uint32_t r : rows)
      std::printf(" %u", r);
    std::printf("\n");
  };
  auto startOf = [&](uint32_t e) { return starts.at(e); };
  auto offsetOf = [&](uint32_t e) { return offsets.at(e); };
  // The launch asks for blocks by this bound.
  uint32_t all = starts.back();
  int64_t across = schedule.across();
  if (all > (offsets.back() + step - 1) / step * across + experts * across)
    wrong("more tiles than the launch counts on", all);
  std::vector<uint8_t> seen(offsets.back() * columnTiles);
  auto take = [&](const Schedule::Tile &tile) -> const char * {
    if (tile.expert >= experts || tile.column >= columnTiles)
      return "outside";
    if (tile.rows == 0 || tile.rows > tokens)
      return "rows of a tile";
    if (tile.row < offsets[tile.expert] ||
        tile.row + tile.rows > offsets[tile.expert + 1])
      return "rows of another expert";
    if (tile.rows < step && tile.row + tile.rows != offsets[tile.expert + 1])
      return "few rows though others follow";
    for (uint32_t r = tile.row; r < tile.row + tile.rows; ++r)
      if (seen[r * columnTiles + tile.column]++)
        return "a row twice";
    return nullptr;
  };
  for (uint32_t t = 0; t < all; ++t) {
    Schedule::Tile tile = schedule.at(t, startOf, offsetOf);
    if (const char *what = take(tile))
      return wrong(what, t);
    if (!pairs)
      continue;
    Schedule::Tile other = second.at(t, startOf, offsetOf);
    if (const char *what = take(other))
      return wrong(what, t);
    bool sameRows = tile.row == other.row && tile.rows == other.rows &&
                    tile.column + 1 == other.column;
    bool sameColumns = tile.row + tile.rows == other.row &&
                       tile.expert == other.expert &&
                       tile.column == other.column;
    if (tile.sharesRows ? !sameRows : !sameColumns)
      return wrong("a pair that shares nothing", t);
  }
  if (std::count(seen.begin(), seen.end(), 0))
    wrong("a row in no tile", all);
  // Blocks look one tile ahead, beyond the last too: tables are not left.
  for (uint32_t t = all; t < all + 300; ++t)
    schedule.at(t, startOf, offsetOf);
}

void check(int64_t tokens, int64_t step, int64_t columnTiles,
           const std::vector<uint32_t> &rows) {
  check(tokens, step, columnTiles, rows, false);
  if (columnTiles % 2 == 0)
    check(tokens, step, columnTiles, rows, true);
}
} // namespace

int main() {
  struct Shape {
    int64_t tokens, step;
  };
  for (Shape shape : {Shape{160, 128}, {128, 128}, {16, 16}, {256, 224}})
    for (int64_t columnTiles : {1, 2, 3, 6, 7}) {
      // One expert: sizes around those where tiles and groups begin.
      for (uint32_t rows = 0; rows < 700; ++rows)
        check(shape.tokens, shape.step, columnTiles, {rows});
      for (int64_t steps : {7, 8, 9, 15, 16, 17, 24, 25, 100})
        for (int64_t size : {shape.tokens, shape.step})
          for (int64_t more = -1; more <= shape.tokens - shape.step + 1; ++more)
            check(shape.tokens, shape.step, columnTiles,
                  {static_cast<uint32_t>(steps * size + more)});
      // Few experts, each empty or around a tile.
      auto edge = static_cast<uint32_t>(shape.tokens);
      const uint32_t some[] = {0, 1, edge - 1, edge, edge + 1, 2 * edge};
      for (uint32_t a : some)
        for (uint32_t b : some)
          for (uint32_t c : some)
            check(shape.tokens, shape.step, columnTiles, {a, b, c});
      // Numbers of experts around powers of two; none, one or the last used.
      for (size_t experts : {1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 128, 257}) {
        std::vector<uint32_t> rows(experts, 0);
        check(shape.tokens, shape.step, columnTiles, rows);
        for (size_t e = 0; e < experts; ++e) {
          rows[e] = edge + 1;
          check(shape.tokens, shape.step, columnTiles, rows);
          rows[e] = 0;
        }
        std::mt19937 random(static_cast<uint32_t>(experts));
        for (int round = 0; round < 20; ++round) {
          for (uint32_t &r : rows)
            r = random() % 3 ? random() % (2 * edge) : 0;
          check(shape.tokens, shape.step, columnTiles, rows);
        }
      }
    }
  if (!failures)
    std::printf("%ld schedules hold every row once\n", schedules);
  return failures != 0;
}
