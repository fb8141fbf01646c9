// Differential test of row.choose and its uses.
// Compiled for every lane count and ISA level of this machine against a plain
// oracle on numerics.h. Keys come from few values, special ones among them, so
// that ties are everywhere.
//
//   choose-test [seed [all]]
//
// By default each case runs on two of the variants, in turn; "all" runs all.
#include "Jit.h"
#include "Programs.h"
#include "route/numerics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

using namespace route;
using namespace route::test;

namespace {

struct Case {
  std::vector<std::string> keys; ///< element types
  std::vector<bool> up;
  bool mask = false, count = false, until = false;
  int batch = 0; ///< 0: none
  int experts = 0, k = 0;
};

std::string shape(const Case &c, int last, const char *element,
                  bool items = false) {
  std::string s = items ? "memref<?x" : "tensor<";
  if (c.batch)
    s += std::to_string(c.batch) + "x";
  if (last)
    s += std::to_string(last) + "x";
  return s + element + ">";
}

/// One program that chooses and uses the choice in every way.
///   run(keys..., mask: i8, count: i32 [T], goal: f32 [T], value: f32,
///       idx, chosen, taken, in: i8, tally: [E])
std::string program(const Case &c) {
  std::string ins, types, arguments, signature, keys, keyTypes, ups;
  auto input = [&](const std::string &name, const std::string &memory,
                   const std::string &row) {
    ins += (ins.empty() ? "%" : ", %") + name;
    types += (types.empty() ? "" : ", ") + memory;
    arguments += (arguments.empty() ? "%r" : ", %r") + name + ": " + row;
    signature += (signature.empty() ? "%" : ", %") + name + ": " + memory;
  };
  for (size_t j = 0; j < c.keys.size(); ++j) {
    std::string name = "k" + std::to_string(j);
    const char *e = c.keys[j].c_str();
    input(name, shape(c, c.experts, e, true), shape(c, c.experts, e));
    keys += (j ? ", %r" : "%r") + name;
    keyTypes += (j ? ", " : "") + shape(c, c.experts, e);
    ups += std::string(j ? ", " : "") + (c.up[j] ? "true" : "false");
  }
  input("m", shape(c, c.experts, "i8", true), shape(c, c.experts, "i8"));
  input("c", "memref<?xi32>", "tensor<i32>");
  input("g", "memref<?xf32>", "tensor<f32>");
  input("v", shape(c, c.experts, "f32", true), shape(c, c.experts, "f32"));
  std::string options;
  if (!keys.empty())
    options += "by(" + keys + " : " + keyTypes + ") up [" + ups + "] ";
  if (c.mask)
    options += "where(%mask : ${MASK}) ";
  if (c.count)
    options += "count(%rc : tensor<i32>) ";
  if (c.until)
    options += "until(%rv, %rg : ${V}, tensor<f32>) ";
  return fill(R"(
func.func @run(${SIGNATURE}, %idx: ${MIDX}, %chosen: ${MN}, %taken: ${MTAKEN}, %in: ${MIN}, %tally: memref<${E}xi32>) {
  row.program ins(${INS} : ${TYPES}) outs(%idx, %chosen, %taken, %in : ${MIDX}, ${MN}, ${MTAKEN}, ${MIN})
      acc(%tally : memref<${E}xi32>) {
  ^bb0(${ARGUMENTS}):
    %zero = arith.constant dense<0> : ${MASK8}
    %mask = arith.cmpi ne, %rm, %zero : ${MASK8}
    %i, %n = row.choose ${OPTIONS}: ${IDX}, ${N}
    %t = row.take %rv[%i] : ${V}, ${IDX} -> ${TAKEN}
    %b = row.contains %i : ${IDX} -> ${MASK}
    %b8 = arith.extui %b : ${MASK} to ${MASK8}
    %a = row.tally %i : ${IDX} -> tensor<${E}xi32>
    row.yield %i, %n, %t, %b8, %a : ${IDX}, ${N}, ${TAKEN}, ${MASK8}, tensor<${E}xi32>
  }
  return
}
)",
              {{"OPTIONS", options},
               {"SIGNATURE", signature},
               {"INS", ins},
               {"TYPES", types},
               {"ARGUMENTS", arguments},
               {"MASK8", shape(c, c.experts, "i8")},
               {"MASK", shape(c, c.experts, "i1")},
               {"MIDX", shape(c, c.k, "i32", true)},
               {"IDX", shape(c, c.k, "i32")},
               {"MN", shape(c, 0, "i32", true)},
               {"N", shape(c, 0, "i32")},
               {"MTAKEN", shape(c, c.k, "f32", true)},
               {"TAKEN", shape(c, c.k, "f32")},
               {"MIN", shape(c, c.experts, "i8", true)},
               {"V", shape(c, c.experts, "f32")},
               {"E", std::to_string(c.experts)}});
}

/// Untyped rank-polymorphic argument: descriptors differ in rank only.
struct Argument {
  void *base, *data;
  int64_t offset = 0, rest[6];
  Argument(void *p, std::vector<int64_t> sizes) : base(p), data(p), rest{} {
    size_t rank = sizes.size();
    int64_t stride = 1;
    for (size_t i = rank; i-- > 0; stride *= sizes[i]) {
      rest[i] = sizes[i];
      rest[rank + i] = stride;
    }
  }
};

void call(void *f, const std::vector<Argument> &a) {
  auto p = [&](size_t i) { return (void *)(i < a.size() ? &a[i] : nullptr); };
  using F = void (*)(void *, void *, void *, void *, void *, void *, void *,
                     void *, void *, void *, void *, void *);
  reinterpret_cast<F>(f)(p(0), p(1), p(2), p(3), p(4), p(5), p(6), p(7), p(8),
                         p(9), p(10), p(11));
}

size_t width(const std::string &type) {
  return type == "i64" || type == "f64" ? 8 : 4;
}

uint64_t keyOf(const std::string &type, const void *data, size_t i, bool up) {
  if (type == "f32")
    return num::key(static_cast<const float *>(data)[i], up);
  if (type == "f64")
    return num::key(static_cast<const double *>(data)[i], up);
  if (type == "i64")
    return num::key(static_cast<const int64_t *>(data)[i], up);
  return num::key(static_cast<const int32_t *>(data)[i], up);
}

int failures = 0;

void check(const Case &c, const JitOptions &options, unsigned seed) {
  std::mt19937 random(seed);
  std::string ir = program(c);
  auto jit = Jit::compile(ir, options);
  if (!jit) {
    std::printf("does not compile:\n%s", ir.c_str());
    ++failures;
    return;
  }
  void *run = reinterpret_cast<void *>(jit->function<void()>("run"));
  int batch = std::max(c.batch, 1);
  const float specials[] = {
      0.0f,     -0.0f,   1.0f,     std::nextafter(1.0f, 2.0f),
      NAN,      -NAN,    INFINITY, -INFINITY,
      1e-45f,   -1e-45f, -1.0f,    3.5f,
      -3.4e38f, 3.4e38f, 0.25f,    -0.25f};
  for (int items : {0, 1, 7, 8, 9, 17, 100}) {
    size_t cells = size_t(items) * batch * c.experts;
    std::vector<std::vector<char>> keys;
    for (const std::string &type : c.keys) {
      std::vector<char> data(cells * width(type) + 64);
      bool wild = random() % 2;
      for (size_t i = 0; i < cells; ++i) {
        float f = wild ? std::ldexp(float(random()), -20) - 2048
                       : specials[random() % 16];
        const int32_t ints[] = {0, 1, -1, INT32_MIN, INT32_MAX, 7, 7, 8};
        if (type == "f32")
          reinterpret_cast<float *>(data.data())[i] = f;
        else if (type == "f64")
          reinterpret_cast<double *>(data.data())[i] = f;
        else if (type == "i32")
          reinterpret_cast<int32_t *>(data.data())[i] = ints[random() % 8];
        else
          reinterpret_cast<int64_t *>(data.data())[i] =
              random() % 4 ? ints[random() % 8] : INT64_MIN;
      }
      keys.push_back(std::move(data));
    }
    std::vector<int8_t> mask(cells), in(cells + 8, 77);
    std::vector<float> value(cells), goal(items);
    std::vector<int> count(items), tally(c.experts, 5), counts(c.experts, 5);
    int density = 1 + random() % 8;
    for (auto &m : mask)
      m = int(random() % 8) < density;
    for (auto &v : value)
      v = random() % 50 ? float(random() % 1000) / 1000 : NAN;
    for (auto &g : goal)
      g = float(random() % 3000) / 1000;
    for (auto &n : count)
      n = int(random() % (c.k + 3)) - 1;
    size_t rows = size_t(items) * batch;
    std::vector<int> idx(rows * c.k + 8, 77), chosen(rows + 8, 77);
    std::vector<float> taken(rows * c.k + 8, 77);

    auto dims = [&](int last) {
      std::vector<int64_t> d{items};
      if (c.batch)
        d.push_back(c.batch);
      if (last)
        d.push_back(last);
      return d;
    };
    std::vector<Argument> a;
    for (auto &k : keys)
      a.emplace_back(k.data(), dims(c.experts));
    a.emplace_back(mask.data(), dims(c.experts));
    a.emplace_back(count.data(), std::vector<int64_t>{items});
    a.emplace_back(goal.data(), std::vector<int64_t>{items});
    a.emplace_back(value.data(), dims(c.experts));
    a.emplace_back(idx.data(), dims(c.k));
    a.emplace_back(chosen.data(), dims(0));
    a.emplace_back(taken.data(), dims(c.k));
    a.emplace_back(in.data(), dims(c.experts));
    a.emplace_back(tally.data(), std::vector<int64_t>{c.experts});
    call(run, a);

    bool same = true;
    for (size_t r = 0; r < rows; ++r) {
      size_t first = r * c.experts, item = r / batch;
      std::vector<int> order;
      for (int e = 0; e < c.experts; ++e)
        if (!c.mask || mask[first + e])
          order.push_back(e);
      std::sort(order.begin(), order.end(), [&](int x, int y) {
        for (size_t j = 0; j < c.keys.size(); ++j) {
          uint64_t a = keyOf(c.keys[j], keys[j].data(), first + x, c.up[j]);
          uint64_t b = keyOf(c.keys[j], keys[j].data(), first + y, c.up[j]);
          if (a != b)
            return a > b;
        }
        return x < y;
      });
      size_t n = std::min<size_t>(order.size(), c.k);
      if (c.count)
        n = std::min<size_t>(n, std::max(count[item], 0));
      if (c.until) {
        float sum = 0;
        size_t kept = 0;
        while (kept < n) {
          sum += value[first + order[kept++]];
          if (sum >= goal[item])
            break;
        }
        n = kept;
      }
      order.resize(n);
      order.resize(c.k, -1);
      same &= chosen[r] == int(n);
      std::vector<int8_t> member(c.experts);
      for (int i = 0; i < c.k; ++i) {
        int e = order[i];
        same &= idx[r * c.k + i] == e;
        float want = e < 0 ? 0.0f : value[first + e];
        float got = taken[r * c.k + i];
        same &= want == got || (want != want && got != got);
        if (e >= 0)
          member[e] = 1, ++counts[e];
      }
      same &= std::equal(member.begin(), member.end(), in.begin() + first);
    }
    same &= tally == counts;
    same &= idx[rows * c.k] == 77 && chosen[rows] == 77 && in[cells] == 77 &&
            taken[rows * c.k] == 77.0f;
    if (!same) {
      ++failures;
      std::printf("differs: %d items, lanes %d/%d, level %s, seed %u\n%s",
                  items, int(options.lanes), int(options.lanes64),
                  stringifyIsaLevel(options.level).str().c_str(), seed,
                  ir.c_str());
      return;
    }
  }
}

} // namespace

int main(int argc, char **argv) {
  unsigned seed = argc > 1 ? std::atoi(argv[1]) : 1;
  std::printf("seed %u\n", seed);
  std::optional<IsaLevel> host = hostIsaLevel();
  if (!host) {
    std::printf("no AVX2 here: nothing to compare\n");
    return 0;
  }
  std::vector<JitOptions> all = {
      {IsaLevel::V3, 1, 4}, {IsaLevel::V3, 8, 4}, {IsaLevel::V3, 4, 4}};
  if (*host != IsaLevel::V3) {
    all.push_back({IsaLevel::V4, 16, 8});
    all.push_back({IsaLevel::V4, 8, 8});
  }
  const Case cases[] = {
      {{"f32"}, {false}, false, false, false, 0, 128, 8},
      {{"f32"}, {true}, false, false, false, 0, 13, 3},
      {{"f32"}, {false}, true, false, false, 0, 64, 1},
      {{"f32"}, {true}, true, true, false, 0, 33, 6},
      {{"f32"}, {false}, false, false, false, 8, 32, 2},
      {{"f32"}, {false}, true, false, true, 0, 40, 16},
      {{"f32"}, {false}, false, false, true, 0, 24, 24},
      {{"i32"}, {false}, false, false, false, 0, 20, 4},
      {{"i32"}, {true}, true, false, false, 2, 10, 4},
      {{"i64"}, {true}, true, true, false, 0, 17, 5},
      {{"f64", "i32", "f32"},
       {false, true, false},
       true,
       false,
       false,
       3,
       9,
       4},
      {{}, {}, true, false, false, 0, 21, 21},
      {{}, {}, true, true, true, 0, 12, 7},
      {{"f32"}, {false}, true, false, false, 0, 1, 1},
  };
  size_t next = 0;
  for (const Case &c : cases) {
    size_t some = argc > 2 ? all.size() : 2;
    for (size_t i = 0; i < some; ++i)
      check(c, all[next++ % all.size()], seed++);
  }
  std::printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures != 0;
}
