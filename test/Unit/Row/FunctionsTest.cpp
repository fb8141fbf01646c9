// The functions of numerics.h, host against compiled code.
// The same bits for every input (any NaN equals any NaN), on scalars and on
// vectors.
//
//   functions-test               a strided subset with every exponent
//   functions-test --all [NAME…] all 2^32 inputs, of these functions alone
//   functions-test --step N      every Nth input
//   functions-test --error [N]   errors against libm in double, as a table
#include "Jit.h"
#include "Programs.h"
#include "route/numerics.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

using namespace route;
using namespace route::test;

namespace {

struct Function {
  const char *name;
  const char *ir; ///< from %a : f32
  float (*host)(float);
  double (*exact)(double);
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const Function functions[] = {
    {"exp", "math.exp %a", num::exp, std::exp},
    {"exp2", "math.exp2 %a", num::exp2, std::exp2},
    {"log", "math.log %a", num::log, std::log},
    {"log2", "math.log2 %a", num::log2, std::log2},
    {"tanh", "math.tanh %a", num::tanh, std::tanh},
    {"erf", "math.erf %a", num::erf, std::erf},
    {"rsqrt", "math.rsqrt %a", num::rsqrt,
     [](double x) { return 1 / std::sqrt(x); }},
    {"sqrt", "math.sqrt %a", num::sqrt, std::sqrt},
    {"floor", "math.floor %a", num::floor, std::floor},
    {"ceil", "math.ceil %a", num::ceil, std::ceil},
    {"roundeven", "math.roundeven %a", num::roundEven, std::nearbyint},
    {"sigmoid", "row.unary sigmoid %a", num::sigmoid, sigmoid},
    {"silu", "row.unary silu %a", num::silu,
     [](double x) { return x == -INFINITY ? -0.0 : x * sigmoid(x); }},
    {"gelu_tanh", "row.unary gelu_tanh %a", num::geluTanh,
     [](double x) {
       double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
       return x == -INFINITY ? -0.0 : x * sigmoid(2 * u);
     }},
    {"gelu_erf", "row.unary gelu_erf %a", num::geluErf,
     [](double x) {
       return x == -INFINITY ? -0.0 : x * 0.5 * std::erfc(-x / std::sqrt(2.0));
     }},
    {"softplus", "row.unary softplus %a", num::softplus,
     [](double x) { return x > 40 ? x : std::log1p(std::exp(x)); }},
};

float fromBits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}
uint32_t toBits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}

constexpr int kRow = 64;

/// Every function applied to rows of 64 values.
std::string program() {
  std::string ir = "#id = affine_map<(d0) -> (d0)>\n";
  auto add = [&](const std::string &name, const std::string &body,
                 const std::string &to) {
    ir += fill(R"(
func.func @${NAME}(%x: memref<?x64xf32>, %y: memref<?x64x${TO}>) {
  row.program ins(%x : memref<?x64xf32>) outs(%y : memref<?x64x${TO}>) {
  ^bb0(%r: tensor<64xf32>):
    %e = tensor.empty() : tensor<64x${TO}>
    %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%r : tensor<64xf32>) outs(%e : tensor<64x${TO}>) {
    ^bb0(%a: f32, %o: ${TO}):
      %c = ${BODY}
      linalg.yield %c : ${TO}
    } -> tensor<64x${TO}>
    row.yield %s : tensor<64x${TO}>
  }
  return
}
)",
               {{"NAME", name}, {"BODY", body}, {"TO", to}});
  };
  for (const Function &f : functions)
    add(f.name, f.ir + std::string(" : f32"), "f32");
  add("bf16", "arith.truncf %a : f32 to bf16", "bf16");
  add("f16", "arith.truncf %a : f32 to f16", "f16");
  ir += R"(
func.func @pow(%x: memref<?x64xf32>, %z: memref<?x64xf32>, %y: memref<?x64xf32>) {
  row.program ins(%x, %z : memref<?x64xf32>, memref<?x64xf32>) outs(%y : memref<?x64xf32>) {
  ^bb0(%r: tensor<64xf32>, %q: tensor<64xf32>):
    %s = math.powf %r, %q : tensor<64xf32>
    row.yield %s : tensor<64xf32>
  }
  return
}
)";
  return ir;
}

std::atomic<int> failures = 0;

/// Threads worth starting.
unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

void mismatch(const char *name, const JitOptions &options, float x,
              uint32_t got, uint32_t want) {
  ++failures;
  std::printf("%s(%a): compiled %08x, host %08x (lanes %d, level %s)\n", name,
              x, got, want, int(options.lanes),
              stringifyIsaLevel(options.level).str().c_str());
}

/// Arrays of one thread.
struct Buffers {
  static constexpr int64_t rows = 256, n = rows * kRow;
  std::vector<float> x = std::vector<float>(n), y = x, z = x;
  std::vector<uint16_t> h = std::vector<uint16_t>(n);
  MemRef<float, 2> in{x.data(), rows, kRow}, out{y.data(), rows, kRow},
      second{z.data(), rows, kRow};
  MemRef<uint16_t, 2> half{h.data(), rows, kRow};
};

/// Runs body(buffers, number of the piece) over all inputs, `step` apart, in
/// pieces of Buffers::n of them, on all processors, until one returns false.
template <typename Body> void forInputs(uint64_t step, Body body) {
  const uint64_t piece = Buffers::n * step,
                 pieces = ((1ull << 32) + piece - 1) / piece;
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> good = true;
  auto work = [&] {
    Buffers buffers;
    for (uint64_t number; good && (number = next++) < pieces;) {
      for (int64_t i = 0; i < Buffers::n; ++i)
        buffers.x[i] = fromBits(uint32_t(number * piece + i * step));
      if (!body(buffers, number))
        good = false;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<uint64_t>(pieces, cores()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
}

/// The functions compiled one way.
struct Compiled {
  JitOptions options;
  std::unique_ptr<Jit> jit;
};

/// Compares what every way to compile makes of all inputs with the host's,
/// which is computed once.
void compare(const std::vector<Compiled> &ways, uint64_t step,
             const std::vector<std::string> &only) {
  constexpr int64_t n = Buffers::n;
  auto start = std::chrono::steady_clock::now();
  auto progress = [&](const char *name) {
    std::chrono::duration<double> passed =
        std::chrono::steady_clock::now() - start;
    if (step == 1)
      std::fprintf(stderr, "%s after %.0f s\n", name, passed.count());
  };
  using Runs = std::vector<void (*)(void *, void *)>;
  auto runsOf = [&](const char *name) {
    Runs runs;
    for (const Compiled &way : ways)
      runs.push_back(way.jit->function<void(void *, void *)>(name));
    return runs;
  };
  auto wanted = [&](const char *name) {
    return only.empty() || llvm::is_contained(only, name);
  };
  for (const Function &f : functions) {
    if (!wanted(f.name))
      continue;
    Runs runs = runsOf(f.name);
    forInputs(step, [&](Buffers &b, uint64_t) {
      for (int64_t i = 0; i < n; ++i)
        b.z[i] = f.host(b.x[i]);
      for (size_t way = 0; way < runs.size(); ++way) {
        runs[way](&b.in, &b.out);
        for (int64_t i = 0; i < n; ++i)
          if (toBits(b.z[i]) != toBits(b.y[i]) &&
              (b.z[i] == b.z[i] || b.y[i] == b.y[i])) {
            mismatch(f.name, ways[way].options, b.x[i], toBits(b.y[i]),
                     toBits(b.z[i]));
            return false;
          }
      }
      return true;
    });
    progress(f.name);
  }
  for (bool isBf16 : {true, false}) {
    const char *name = isBf16 ? "bf16" : "f16";
    if (!wanted(name))
      continue;
    Runs runs = runsOf(name);
    forInputs(step, [&](Buffers &b, uint64_t) {
      for (size_t way = 0; way < runs.size(); ++way) {
        runs[way](&b.in, &b.half);
        for (int64_t i = 0; i < n; ++i) {
          uint16_t want = isBf16 ? num::toBf16(b.x[i]) : num::toF16(b.x[i]);
          float back = isBf16 ? num::fromBf16(b.h[i]) : num::fromF16(b.h[i]);
          if (want != b.h[i] && (b.x[i] == b.x[i] || back == back)) {
            mismatch(name, ways[way].options, b.x[i], b.h[i], want);
            return false;
          }
        }
      }
      return true;
    });
    progress(name);
  }
  if (!wanted("pow"))
    return;
  std::vector<void (*)(void *, void *, void *)> powers;
  for (const Compiled &way : ways)
    powers.push_back(way.jit->function<void(void *, void *, void *)>("pow"));
  const float specials[] = {0.0f,  -0.0f,    1.0f,      -1.0f, 2.0f, 0.5f,
                            3.0f,  -3.0f,    INFINITY,  NAN,   7.5f, 1e-40f,
                            -2.5f, 16777216, -INFINITY, 88.0f};
  forInputs(step, [&](Buffers &b, uint64_t round) {
    std::vector<float> want(n);
    for (int64_t i = 0; i < n; ++i) {
      b.z[i] = specials[(i + round) % 16] *
               (round % 2 ? 1.0f : 1.0f + float(i) / float(n));
      want[i] = num::pow(b.x[i], b.z[i]);
    }
    for (size_t way = 0; way < powers.size(); ++way) {
      powers[way](&b.in, &b.second, &b.out);
      for (int64_t i = 0; i < n; ++i)
        if (toBits(want[i]) != toBits(b.y[i]) &&
            (want[i] == want[i] || b.y[i] == b.y[i])) {
          mismatch("pow", ways[way].options, b.x[i], toBits(b.y[i]),
                   toBits(want[i]));
          return false;
        }
    }
    return true;
  });
  progress("pow");
}

/// One unit in the last place of an f32 near `exact`.
double unit(double exact) {
  int e;
  std::frexp(exact, &e);
  return std::ldexp(1.0, std::max(e, -125) - 24);
}

/// The largest error of a function over every `step`th input.
struct Worst {
  double error = 0;
  float at = 0;
};

Worst worstOf(const Function &f, uint64_t from, uint64_t to, uint64_t step) {
  Worst worst;
  for (uint64_t u = from; u < to; u += step) {
    float x = fromBits(uint32_t(u)), y = f.host(x);
    double exact = f.exact(x);
    if (y != y || exact != exact || std::isinf(y) ||
        std::fabs(exact) > 0x1.fffffep127) {
      bool alike = (y != y) == (exact != exact) &&
                   (y != y || std::fabs(y) >= 0x1.fffffep127);
      if (!alike)
        std::printf("%s(%a) is %a, not %a\n", f.name, x, y, exact);
      continue;
    }
    double error = std::fabs(y - exact) / unit(exact);
    if (error > worst.error)
      worst = {error, x};
  }
  return worst;
}

void errors(uint64_t step) {
  std::printf("| function | largest error, ulp | at |\n|---|---|---|\n");
  for (const Function &f : functions) {
    uint64_t parts = cores(), each = ((1ull << 32) / step / parts + 1) * step;
    std::vector<Worst> worst(parts);
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < parts; ++i)
      threads.emplace_back([&, i] {
        worst[i] = worstOf(f, i * each,
                           std::min((i + 1) * each, uint64_t(1) << 32), step);
      });
    for (std::thread &thread : threads)
      thread.join();
    // Equal errors: the first input of all.
    Worst most = *std::max_element(
        worst.begin(), worst.end(),
        [](const Worst &a, const Worst &b) { return a.error < b.error; });
    std::printf("| %s | %.3f | %a |\n", f.name, most.error, most.at);
  }
}

} // namespace

int main(int argc, char **argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  std::optional<IsaLevel> host = hostIsaLevel();
  if (!host) {
    std::printf("no AVX2 here: nothing to compare\n");
    return 0;
  }
  if (mode == "--error") {
    errors(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    return 0;
  }
  uint64_t step = 16411;
  std::vector<std::string> only;
  if (mode == "--all") {
    step = 1;
    only.assign(argv + 2, argv + argc);
  }
  if (mode == "--step" && argc > 2)
    step = std::max<uint64_t>(1, std::strtoull(argv[2], nullptr, 10));
  std::vector<JitOptions> all = {JitOptions::scalar(IsaLevel::V3),
                                 JitOptions::wide(IsaLevel::V3)};
  if (*host != IsaLevel::V3)
    all.push_back(JitOptions::wide(*host));
  std::vector<Compiled> ways;
  for (const JitOptions &options : all) {
    ways.push_back({options, Jit::compile(program(), options)});
    if (!ways.back().jit)
      return 1;
  }
  compare(ways, step, only);
  if (failures)
    std::printf("%d functions differ\n", failures.load());
  else
    std::printf("ok\n");
  return failures != 0;
}
