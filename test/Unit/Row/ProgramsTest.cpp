// Whole routers, compiled in every shape, against numerics.h.
// The same bits for indices, weights and counts, on inputs with ties, NaN,
// infinities, denormals and every kind of tail.
//
//   programs-test [seed]
#include "Programs.h"
#include "Jit.h"
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

int failures = 0;

bool same(float a, float b) { return a == b || (a != a && b != b); }

std::vector<int> best(const float *key, int n, int k,
                      const bool *mask = nullptr) {
  std::vector<int> order;
  for (int e = 0; e < n; ++e)
    if (!mask || mask[e])
      order.push_back(e);
  std::sort(order.begin(), order.end(), [&](int x, int y) {
    return num::rank(key[x], x) > num::rank(key[y], y);
  });
  order.resize(std::min<size_t>(k, order.size()));
  order.resize(k, -1);
  return order;
}

/// Logits in one of several tempers: spread, tied, tiny, special.
std::vector<float> logits(std::mt19937 &random, size_t items, size_t experts) {
  std::vector<float> x(items * experts);
  std::normal_distribution<float> normal(0, 2);
  const float specials[] = {NAN,     -NAN, INFINITY, -INFINITY, 1e-42f,
                            -1e-42f, 0.0f, -0.0f,    88.0f,     -104.0f};
  for (size_t t = 0; t < items; ++t) {
    int temper = random() % 4;
    for (size_t e = 0; e < experts; ++e) {
      float v = normal(random);
      if (temper == 1)
        v = std::round(v);
      if (temper == 2 && random() % 16 == 0)
        v = specials[random() % 10];
      if (temper == 3)
        v = specials[4 + random() % 4];
      x[t * experts + e] = v;
    }
  }
  return x;
}

void report(const char *what, size_t items, const JitOptions &options) {
  ++failures;
  std::printf("%s differs: %zu items, lanes %d/%d, level %s\n", what, items,
              int(options.lanes), int(options.lanes64),
              stringifyIsaLevel(options.level).str().c_str());
}

void checkSoftmax(int experts, int k, bool bf16, const JitOptions &options,
                  std::mt19937 &random) {
  auto jit =
      Jit::compile(softmaxTop(experts, k, bf16 ? "bf16" : "f32"), options);
  if (!jit) {
    ++failures;
    return;
  }
  for (size_t items : {0, 1, 7, 8, 9, 31, 1000}) {
    std::vector<float> x = logits(random, items, experts);
    std::vector<uint16_t> half(x.size());
    for (size_t i = 0; bf16 && i < x.size(); ++i)
      x[i] = num::fromBf16(half[i] = num::toBf16(x[i]));
    std::vector<int> idx(items * k + 8, 77), counts(experts, 3);
    std::vector<int> wantCounts = counts;
    std::vector<float> w(items * k + 8, 77);
    MemRef<float, 2> in(x.data(), items, experts), weights(w.data(), items, k);
    MemRef<uint16_t, 2> inHalf(half.data(), items, experts);
    MemRef<int, 2> indices(idx.data(), items, k);
    MemRef<int, 1> tally(counts.data(), experts);
    jit->function<void(void *, void *, void *, void *)>("softmax")(
        bf16 ? (void *)&inHalf : &in, &indices, &weights, &tally);

    bool ok = idx[items * k] == 77 && w[items * k] == 77;
    std::vector<float> p(experts);
    for (size_t t = 0; t < items; ++t) {
      const float *l = x.data() + t * experts;
      float m = -INFINITY;
      for (int e = 0; e < experts; ++e)
        m = num::maximum(l[e], m);
      for (int e = 0; e < experts; ++e)
        p[e] = num::exp(l[e] - m);
      float sum = num::sum(p.data(), experts);
      for (float &v : p)
        v /= sum;
      std::vector<int> want = best(p.data(), experts, k);
      for (int r = 0; r < k; ++r) {
        ok &= idx[t * k + r] == want[r] && same(w[t * k + r], p[want[r]]);
        ++wantCounts[want[r]];
      }
    }
    if (!ok || counts != wantCounts)
      return report("softmax", items, options);
  }
}

void checkGrouped(const JitOptions &options, std::mt19937 &random) {
  auto jit = Jit::compile(groupedSigmoid(), options);
  if (!jit) {
    ++failures;
    return;
  }
  const int n = 256, k = 8;
  std::vector<float> bias(n);
  for (float &b : bias)
    b = float(int(random() % 9) - 4) / 64;
  for (size_t items : {0, 1, 7, 8, 9, 31, 500}) {
    std::vector<float> x = logits(random, items, n);
    std::vector<int> idx(items * k + 8, 77);
    std::vector<float> w(items * k + 8, 77);
    MemRef<float, 2> in(x.data(), items, n), weights(w.data(), items, k);
    MemRef<float, 1> b(bias.data(), n);
    MemRef<int, 2> indices(idx.data(), items, k);
    jit->function<void(void *, void *, void *, void *)>("grouped")(
        &in, &b, &indices, &weights);
    bool ok = idx[items * k] == 77 && w[items * k] == 77;
    for (size_t t = 0; t < items; ++t) {
      float s[n], key[n], score[8];
      bool mask[n] = {};
      for (int e = 0; e < n; ++e) {
        s[e] = num::sigmoid(x[t * n + e]);
        key[e] = s[e] + bias[e];
      }
      for (int g = 0; g < 8; ++g) {
        std::vector<int> two = best(key + 32 * g, 32, 2);
        score[g] =
            num::sumInOrder(2, [&](size_t i) { return key[32 * g + two[i]]; });
      }
      for (int g : best(score, 8, 4))
        std::fill(mask + 32 * g, mask + 32 * g + 32, true);
      std::vector<int> want = best(key, n, k, mask);
      float sum = num::sumInOrder(k, [&](size_t i) { return s[want[i]]; });
      for (int r = 0; r < k; ++r)
        ok &= idx[t * k + r] == want[r] &&
              same(w[t * k + r], s[want[r]] / (sum + 1.0e-20f) * 2.5f);
    }
    if (!ok)
      return report("grouped sigmoid", items, options);
  }
}

/// A pool of unknown size: one item at a time, with sizes from the inputs.
///   dynamic(x: [T,n], w: [n], idx: [T,3], sum: [T])
const char *dynamicPool = R"(
#id = affine_map<(d0) -> (d0)>
func.func @dynamic(%x: memref<?x?xf32>, %w: memref<?xf32>, %idx: memref<?x3xi32>, %s: memref<?xf32>) {
  row.program ins(%x : memref<?x?xf32>) uniform(%w : memref<?xf32>) outs(%idx, %s : memref<?x3xi32>, memref<?xf32>) {
  ^bb0(%r: tensor<?xf32>, %u: tensor<?xf32>):
    %c0 = arith.constant 0 : index
    %n = tensor.dim %r, %c0 : tensor<?xf32>
    %e = tensor.empty(%n) : tensor<?xf32>
    %k = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%r, %u : tensor<?xf32>, tensor<?xf32>) outs(%e : tensor<?xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %c = arith.mulf %a, %b : f32
      linalg.yield %c : f32
    } -> tensor<?xf32>
    %i, %m = row.choose by(%k : tensor<?xf32>) : tensor<3xi32>, tensor<i32>
    %sum = row.sum butterfly %k : tensor<?xf32> -> tensor<f32>
    row.yield %i, %sum : tensor<3xi32>, tensor<f32>
  }
  return
}
)";

void checkDynamic(const JitOptions &options, std::mt19937 &random) {
  auto jit = Jit::compile(dynamicPool, options);
  if (!jit) {
    ++failures;
    return;
  }
  for (size_t items : {0, 1, 9})
    for (int n : {1, 2, 31, 32, 33, 100}) {
      std::vector<float> x = logits(random, items, n), w(n, 1.5f);
      std::vector<int> idx(items * 3 + 1, 77);
      std::vector<float> s(items + 1, 77);
      MemRef<float, 2> in(x.data(), items, n);
      MemRef<float, 1> weights(w.data(), n), sums(s.data(), items);
      MemRef<int, 2> indices(idx.data(), items, 3);
      jit->function<void(void *, void *, void *, void *)>("dynamic")(
          &in, &weights, &indices, &sums);
      bool ok = idx[items * 3] == 77 && s[items] == 77;
      for (size_t t = 0; t < items; ++t) {
        std::vector<float> key(n);
        for (int e = 0; e < n; ++e)
          key[e] = x[t * n + e] * w[e];
        std::vector<int> want = best(key.data(), n, 3);
        for (int r = 0; r < 3; ++r)
          ok &= idx[t * 3 + r] == want[r];
        ok &= same(s[t], num::sum(key.data(), n));
      }
      if (!ok)
        return report("dynamic pool", items, options);
    }
}

} // namespace

int main(int argc, char **argv) {
  unsigned seed = argc > 1 ? std::atoi(argv[1]) : 1;
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::optional<IsaLevel> host = hostIsaLevel();
  if (!host) {
    std::printf("no AVX2 here: nothing to compare\n");
    return 0;
  }
  std::vector<JitOptions> all = {JitOptions::scalar(IsaLevel::V3),
                                 JitOptions::wide(IsaLevel::V3)};
  if (*host != IsaLevel::V3)
    all.push_back(JitOptions::wide(*host));
  for (const JitOptions &options : all) {
    checkSoftmax(128, 8, false, options, random);
    checkSoftmax(45, 3, false, options, random);
    checkSoftmax(64, 4, true, options, random);
    checkGrouped(options, random);
  }
  checkDynamic(all.back(), random);
  std::printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures != 0;
}
