// Times compiled row programs on one core against two other routers.
// A plain C++ router and a hand-written network (Network.h), both compiled by
// clang -O3 for this machine, from item-major logits in memory.
//
//   build/bin/bench-rows [v3
// v4
// v4-bf16]
//
// Prints ns an item (medians and the least), the floor (bytes moved over the
// measured read bandwidth), the network's ns with and without the softmax, and
// how many times longer ours takes than each. Inputs rotate through 64 MB.
#include "Jit.h"
#include "Network.h"
#include "Programs.h"
#include "route/numerics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>
#include <vector>

using namespace route;
using namespace route::test;

/// Seconds of this thread: others' work on the machine does not count.
static double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

/// The median over `rounds` of the seconds that f(round) takes, and the least:
/// on a machine shared with others only the least says what the code does.
struct Seconds {
  double median, least;
};
template <typename F> static Seconds measure(int rounds, F f) {
  std::vector<double> times;
  f(0);
  for (int i = 0; i < rounds; ++i) {
    double start = now();
    f(i);
    times.push_back(now() - start);
  }
  std::sort(times.begin(), times.end());
  return {times[rounds / 2], times[0]};
}

/// The peer: one item at a time, repeated argmax, libm's expf. Its inner loops
/// are plain enough for the compiler's vectoriser.
__attribute__((noinline)) static void peerSoftmax(const float *x, int *idx,
                                                  float *w, int *counts,
                                                  int64_t items, int experts,
                                                  int k) {
  std::vector<float> p(experts);
  for (int64_t t = 0; t < items; ++t, x += experts) {
    float best = x[0], sum = 0;
    for (int e = 1; e < experts; ++e)
      best = x[e] > best ? x[e] : best;
    for (int e = 0; e < experts; ++e)
      sum += p[e] = std::exp(x[e] - best);
    for (int r = 0; r < k; ++r) {
      int at = 0;
      float top = p[0];
      for (int e = 1; e < experts; ++e)
        if (p[e] > top)
          top = p[e], at = e;
      idx[t * k + r] = at;
      w[t * k + r] = top / sum;
      p[at] = -1;
      ++counts[at];
    }
  }
}

static double readBandwidth(const std::vector<float> &data) {
  volatile double sink = 0;
  Seconds seconds = measure(9, [&](int) {
    double sums[8] = {};
    for (size_t i = 0; i + 8 <= data.size(); i += 8)
      for (int j = 0; j < 8; ++j)
        sums[j] += data[i + j];
    sink = sink + sums[0];
  });
  return double(data.size()) * sizeof(float) / seconds.least;
}

/// Seconds an item; 0 is unknown.
struct Peers {
  double plain = 0, network = 0, choice = 0;
};

static void printRow(const char *name, int experts, int64_t items, Seconds ours,
                     Peers peers, double floor) {
  const double ns = 1e9;
  std::printf("%-28s %5d %6lld %9.1f %9.1f %9.1f", name, experts,
              (long long)items, ours.median * ns, ours.least * ns, floor * ns);
  for (double peer : {peers.plain, peers.network, peers.choice})
    if (peer > 0)
      std::printf(" %9.1f %6.2f", peer * ns, ours.least / peer);
    else
      std::printf(" %9s %6s", "-", "-");
  std::printf("\n");
}

int main(int argc, char **argv) {
  std::optional<IsaLevel> level =
      argc > 1 ? parseIsaLevel(argv[1]) : hostIsaLevel();
  if (!level) {
    std::fprintf(stderr, "usage: bench-rows [v3|v4|v4-bf16]\n");
    return 1;
  }
  JitOptions options = JitOptions::wide(*level);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> data(size_t(16) << 20);
  for (float &x : data)
    x = normal(random);
  double bandwidth = readBandwidth(data);
  std::printf("%s, %lld lanes; read %.1f GB/s\n",
              stringifyIsaLevel(*level).str().c_str(), (long long)options.lanes,
              bandwidth / 1e9);
  std::printf("%-28s %5s %6s %9s %9s %9s %9s %6s %9s %6s %9s %6s\n",
              "ns an item", "E", "T", "median", "least", "floor", "plain", "x",
              "network", "x", "choice", "x");

  const int k = 8;
  for (int experts : {128, 144, 256, 384}) {
    auto jit = Jit::compile(softmaxTop(experts, k), options);
    if (!jit)
      return 1;
    auto *run = jit->function<void(void *, void *, void *, void *)>("softmax");
    for (int64_t items : {512, 16, 1}) {
      std::vector<int> idx(items * k), counts(experts), other(items * k);
      std::vector<float> w(items * k), v(items * k);
      int64_t sets = int64_t(data.size()) / (items * experts);
      int64_t inner = std::max<int64_t>(1, 256 / items);
      auto at = [&](int64_t i) {
        return data.data() + (i * 7919 % sets) * items * experts;
      };
      auto ours = [&](int round) {
        for (int64_t j = 0; j < inner; ++j) {
          MemRef<float, 2> x(at(round * inner + j), items, experts),
              y(w.data(), items, k);
          MemRef<int, 2> i(idx.data(), items, k);
          MemRef<int, 1> c(counts.data(), experts);
          run(&x, &i, &y, &c);
        }
      };
      auto peer = [&](int round) {
        for (int64_t j = 0; j < inner; ++j)
          peerSoftmax(at(round * inner + j), other.data(), v.data(),
                      counts.data(), items, experts, k);
      };
      ours(3), peer(3);
      if (idx != other) // exact ties do not occur in these inputs
        std::printf("results differ from the peer's\n");
      const double each = 1.0 / double(inner * items);
      Seconds a, p = measure(9, peer);
      Peers peers{p.least * each};
#ifdef ROUTE_HAVE_NETWORK
      auto network = [&]<bool softmax>(int round) {
        for (int64_t j = 0; j < inner; ++j)
          networkTop8<softmax>(at(round * inner + j), other.data(), v.data(),
                               counts.data(), items, experts);
      };
      auto whole = [&](int round) { network.operator()<true>(round); };
      auto choice = [&](int round) { network.operator()<false>(round); };
      whole(3);
      bool same = idx == other;
      for (size_t i = 0; i < w.size(); ++i)
        same &= std::abs(w[i] - v[i]) <= 1e-5f * w[i];
      if (!same)
        std::printf("results differ from the network's\n");
      // In turns, so that what others do to the machine hits all alike.
      a = {1, 1};
      peers.network = peers.choice = 1;
      for (int turn = 0; turn < 10; ++turn) {
        Seconds one = measure(31, ours);
        a = {std::min(a.median, one.median), std::min(a.least, one.least)};
        peers.network =
            std::min(peers.network, measure(31, whole).least * each);
        peers.choice = std::min(peers.choice, measure(31, choice).least * each);
      }
#else
      a = measure(301, ours);
#endif
      printRow("softmax top-8", experts, items,
               {a.median * each, a.least * each}, peers,
               (experts * 4 + k * 8) / bandwidth);
    }
  }

  auto jit = Jit::compile(groupedSigmoid(), options);
  if (!jit)
    return 1;
  auto *run = jit->function<void(void *, void *, void *, void *)>("grouped");
  for (int64_t items : {512, 16, 1}) {
    std::vector<int> idx(items * k);
    std::vector<float> w(items * k), bias(256);
    for (float &x : bias)
      x = 0.01f * normal(random);
    int64_t sets = int64_t(data.size()) / (items * 256);
    int64_t inner = std::max<int64_t>(1, 256 / items);
    Seconds a = measure(301, [&](int round) {
      for (int64_t j = 0; j < inner; ++j) {
        float *in =
            data.data() + ((round * inner + j) * 7919 % sets) * items * 256;
        MemRef<float, 2> x(in, items, 256), y(w.data(), items, k);
        MemRef<float, 1> c(bias.data(), 256);
        MemRef<int, 2> i(idx.data(), items, k);
        run(&x, &c, &i, &y);
      }
    });
    const double each = 1.0 / double(inner * items);
    printRow("grouped sigmoid 4/8, 8/256", 256, items,
             {a.median * each, a.least * each}, Peers(),
             (256 * 4 + k * 8) / bandwidth);
  }
  return 0;
}
