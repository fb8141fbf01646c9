// Runs a compiled layer of experts against plain loops, over many routings.
// Libraries of several ISA levels are compared with each other too.
//
//   ragged-differential ELEMENT E K H I LEVEL=library.so...
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <random>
#include <string>
#include <vector>

namespace {

struct Sizes {
  bool bf16;
  int64_t E, K, H, I, T = 0;
  int64_t M() const { return T * K; }
};

/// A dense buffer of up to four dimensions, as MLIR's C interface takes it.
struct Buffer {
  std::vector<char> bytes;
  std::vector<int64_t> descriptor;
  bool bf16 = false;

  void shape(std::vector<int64_t> sizes, size_t element) {
    int64_t count = 1;
    std::vector<int64_t> strides(sizes.size());
    for (size_t i = sizes.size(); i-- > 0;) {
      strides[i] = count;
      count *= sizes[i];
    }
    bytes.assign(count * element, char(0xff)); // a NaN, or -1
    auto data = reinterpret_cast<int64_t>(bytes.data());
    descriptor = {data, data, 0};
    descriptor.insert(descriptor.end(), sizes.begin(), sizes.end());
    descriptor.insert(descriptor.end(), strides.begin(), strides.end());
    bf16 = element == 2;
  }
  int32_t &i(int64_t at) {
    return reinterpret_cast<int32_t *>(bytes.data())[at];
  }
  double f(int64_t at) const {
    uint32_t bits = 0;
    if (bf16)
      std::memcpy(reinterpret_cast<char *>(&bits) + 2, &bytes[2 * at], 2);
    else
      std::memcpy(&bits, &bytes[4 * at], 4);
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  /// Stores a value; those given here are representable in bf16.
  void set(int64_t at, float value) {
    const char *from = reinterpret_cast<const char *>(&value);
    if (bf16)
      std::memcpy(&bytes[2 * at], from + 2, 2);
    else
      std::memcpy(&bytes[4 * at], from, 4);
  }
};

struct Layer {
  Sizes s;
  Buffer x, idx, limit, w, slotW, gate, up, down, bias;
  Buffer counts, offsets, perm, inv, a, f, h, y, out;

  void allocate() {
    size_t element = s.bf16 ? 2 : 4;
    x.shape({s.T, s.H}, element), idx.shape({s.T, s.K}, 4),
        limit.shape({s.T}, 4);
    w.shape({s.T, s.K}, 4), slotW.shape({s.M()}, 4);
    gate.shape({s.E, s.I, s.H}, element), up.shape({s.E, s.I, s.H}, element);
    down.shape({s.E, s.I, s.H}, element), bias.shape({s.E, s.I}, 4);
    clear();
  }
  void clear() {
    size_t element = s.bf16 ? 2 : 4;
    counts.shape({s.E}, 4), offsets.shape({s.E + 1}, 4), perm.shape({s.M()}, 4);
    inv.shape({s.T, s.K}, 4), a.shape({s.M(), s.H + 5}, element),
        f.shape({s.M()}, 4);
    h.shape({s.M(), s.I}, element), y.shape({s.M(), s.H}, 4),
        out.shape({s.T, s.H}, element);
  }
  void run(void *library) {
    auto entry = reinterpret_cast<void (*)(
        void *, void *, void *, void *, void *, void *, void *, void *, void *,
        void *, void *, void *, void *, void *, void *, void *, void *,
        void *)>(dlsym(library, "_mlir_ciface_layer"));
    if (!entry) {
      std::fprintf(stderr, "no entry point: %s\n", dlerror());
      std::exit(1);
    }
    auto p = [](Buffer &buffer) { return buffer.descriptor.data(); };
    entry(p(x), p(idx), p(limit), p(w), p(slotW), p(gate), p(up), p(down),
          p(bias), p(counts), p(offsets), p(perm), p(inv), p(a), p(f), p(h),
          p(y), p(out));
  }
};

[[noreturn]] void fail(const Layer &l, const std::string &what) {
  std::fprintf(stderr, "T=%ld E=%ld K=%ld H=%ld I=%ld bf16=%d: %s\n", l.s.T,
               l.s.E, l.s.K, l.s.H, l.s.I, l.s.bf16, what.c_str());
  std::exit(1);
}

void expect(const Layer &l, const char *name, int64_t at, double found,
            double expected, double tolerance) {
  if (std::fabs(found - expected) <= tolerance)
    return;
  fail(l, std::string(name) + "[" + std::to_string(at) + "] is " +
              std::to_string(found) + ", expected " + std::to_string(expected) +
              " within " + std::to_string(tolerance));
}

constexpr double eps = 0x1p-24; // half a unit in the last place of f32

/// A sum of products in f64, and the error that f32 in any order may have.
struct Sum {
  double value = 0, magnitude = 0;
  int64_t terms = 0;
  void add(double x, double y) {
    value += x * y;
    magnitude += std::fabs(x * y);
    ++terms;
  }
  double error() const { return (terms + 1) * eps * magnitude; }
};

/// To nearest, ties to even.
float roundToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000u;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// Every stage from the stage before as the library left it, so that each
/// tolerance follows from that stage's own arithmetic.
void check(Layer &l) {
  const Sizes &s = l.s;
  std::vector<int32_t> counts(s.E), next(s.E), rowOf(s.M(), -1), expertOf;
  auto chosen = [&](int64_t t, int64_t k) {
    int32_t e = l.idx.i(t * s.K + k);
    return k < l.limit.i(t) && e >= 0 && e < s.E ? e : -1;
  };
  for (int64_t t = 0; t < s.T; ++t)
    for (int64_t k = 0; k < s.K; ++k)
      if (int32_t e = chosen(t, k); e >= 0)
        ++counts[e];
  int32_t total = 0;
  for (int64_t e = 0; e < s.E; ++e) {
    expect(l, "counts", e, l.counts.i(e), counts[e], 0);
    expect(l, "offsets", e, l.offsets.i(e), total, 0);
    next[e] = total;
    total += counts[e];
    expertOf.insert(expertOf.end(), counts[e], static_cast<int32_t>(e));
  }
  expect(l, "offsets", s.E, l.offsets.i(s.E), total, 0);
  std::vector<int32_t> perm(s.M(), -1);
  for (int64_t slot = 0; slot < s.M(); ++slot) {
    int32_t e = chosen(slot / s.K, slot % s.K);
    if (e >= 0) {
      rowOf[slot] = next[e]++;
      perm[rowOf[slot]] = static_cast<int32_t>(slot);
    }
    expect(l, "inv", slot, l.inv.i(slot), rowOf[slot], 0);
  }
  for (int64_t m = 0; m < s.M(); ++m)
    expect(l, "perm", m, l.perm.i(m), perm[m], 0);

  for (int64_t m = 0; m < total; ++m) {
    int64_t e = expertOf[m], t = perm[m] / s.K;
    expect(l, "f", m, l.f.f(m), l.slotW.f(perm[m]), 0);
    for (int64_t i = 0; i < s.H; ++i)
      expect(l, "a", m * s.H + i, l.a.f(m * (s.H + 5) + i), l.x.f(t * s.H + i),
             0);
    for (int64_t n = 0; n < s.I; ++n) {
      Sum g, u;
      for (int64_t i = 0; i < s.H; ++i) {
        double row = l.x.f(t * s.H + i);
        g.add(row, l.gate.f((e * s.I + n) * s.H + i));
        u.add(row, l.up.f((e * s.I + n) * s.H + i));
      }
      double factor = l.f.f(m), bias = l.bias.f(e * s.I + n);
      double gated = std::fmax(g.value + bias, 0);
      double expected = gated * u.value * factor;
      double gateError =
          g.error() + eps * (std::fabs(g.value) + std::fabs(bias));
      double error =
          std::fabs(factor) * (gateError * (std::fabs(u.value) + u.error()) +
                               gated * u.error()) +
          4 * eps * std::fabs(expected);
      if (s.bf16)
        error += 0x1p-8 * (std::fabs(expected) + error);
      expect(l, "h", m * s.I + n, l.h.f(m * s.I + n), expected, error + 1e-37);
    }
    for (int64_t i = 0; i < s.H; ++i) {
      Sum y;
      for (int64_t n = 0; n < s.I; ++n)
        y.add(l.h.f(m * s.I + n), l.down.f((e * s.I + n) * s.H + i));
      expect(l, "y", m * s.H + i, l.y.f(m * s.H + i), y.value,
             y.error() + 1e-37);
    }
  }
  // The combination is exact: rank order, f32, rounded once.
  for (int64_t t = 0; t < s.T; ++t)
    for (int64_t i = 0; i < s.H; ++i) {
      float sum = 0;
      bool first = true;
      for (int64_t k = 0; k < s.K; ++k) {
        int32_t m = rowOf[t * s.K + k];
        if (m < 0)
          continue;
        volatile float term = static_cast<float>(l.y.f(m * s.H + i)) *
                              static_cast<float>(l.w.f(t * s.K + k));
        sum = first ? term : sum + term;
        first = false;
      }
      double found = l.out.f(t * s.H + i);
      expect(l, "out", t * s.H + i, found, s.bf16 ? roundToBf16(sum) : sum, 0);
    }
}

enum class Routing { Uniform, OneExpert, Padded, Duplicates, Count };

void fill(Layer &l, Routing routing, std::mt19937 &random) {
  const Sizes &s = l.s;
  // Eight significant bits for bf16, all 24 for f32: products must not be
  // exact.
  auto number = [&](bool bf16) {
    int32_t mantissa = static_cast<int32_t>(random() >> 8) - (1 << 23);
    if (bf16)
      mantissa = mantissa / (1 << 16) * (1 << 16);
    return std::ldexp(static_cast<float>(mantissa), -22 - int(random() % 8));
  };
  for (Buffer *buffer :
       {&l.x, &l.w, &l.slotW, &l.gate, &l.up, &l.down, &l.bias})
    for (size_t i = 0; i < buffer->bytes.size() / (buffer->bf16 ? 2 : 4); ++i)
      buffer->set(i, number(s.bf16));
  int32_t favourite = random() % s.E;
  for (int64_t t = 0; t < s.T; ++t) {
    l.limit.i(t) = static_cast<int32_t>(s.K);
    if (routing == Routing::Padded)
      l.limit.i(t) = random() % (s.K + 1);
    for (int64_t k = 0; k < s.K; ++k) {
      int32_t &e = l.idx.i(t * s.K + k);
      e = random() % s.E;
      if (routing == Routing::OneExpert)
        e = favourite;
      if (routing == Routing::Padded && random() % 4 == 0)
        e = random() % 2 ? -1 : static_cast<int32_t>(s.E + random() % 9);
      if (routing == Routing::Duplicates && k > 0)
        e = l.idx.i(t * s.K);
    }
  }
}

/// Every item by itself gives the bits that it has in the batch.
void checkAlone(Layer &l, void *library) {
  for (int64_t t = 0; t < l.s.T; ++t) {
    Layer one;
    one.s = l.s;
    one.s.T = 1;
    one.allocate();
    one.gate = l.gate, one.up = l.up, one.down = l.down, one.bias = l.bias;
    for (Buffer *buffer : {&one.gate, &one.up, &one.down, &one.bias})
      buffer->descriptor[0] = buffer->descriptor[1] =
          reinterpret_cast<int64_t>(buffer->bytes.data());
    auto slice = [&](Buffer &to, const Buffer &from) {
      std::memcpy(to.bytes.data(), from.bytes.data() + t * to.bytes.size(),
                  to.bytes.size());
    };
    slice(one.x, l.x), slice(one.idx, l.idx), slice(one.limit, l.limit);
    slice(one.w, l.w), slice(one.slotW, l.slotW);
    one.run(library);
    if (std::memcmp(one.out.bytes.data(),
                    l.out.bytes.data() + t * one.out.bytes.size(),
                    one.out.bytes.size()))
      fail(l, "item " + std::to_string(t) + " differs when it is alone");
  }
}

bool supported(const std::string &level) {
  if (level == "v4-bf16")
    return __builtin_cpu_supports("avx512bf16") &&
           __builtin_cpu_supports("x86-64-v4");
  if (level == "v4")
    return __builtin_cpu_supports("x86-64-v4");
  return __builtin_cpu_supports("x86-64-v3");
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 7)
    return std::fprintf(stderr, "usage: ragged-differential ELEMENT E K H I "
                                "LEVEL=library.so...\n"),
           2;
  Layer l;
  l.s = {!std::strcmp(argv[1], "bf16"), std::atol(argv[2]), std::atol(argv[3]),
         std::atol(argv[4]), std::atol(argv[5])};
  std::vector<void *> libraries;
  for (int i = 6; i < argc; ++i) {
    std::string argument = argv[i],
                level = argument.substr(0, argument.find('='));
    if (!supported(level)) {
      std::printf("skipped %s\n", level.c_str());
      continue;
    }
    void *library =
        dlopen(argument.c_str() + level.size() + 1, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      return std::fprintf(stderr, "%s\n", dlerror()), 1;
    libraries.push_back(library);
  }
  unsigned seed = 20261122;
  std::mt19937 random(seed);
  std::printf("seed %u\n", seed);
  for (int64_t items : {0, 1, 2, 3, 5, 7, 8, 11, 13, 17, 29, 40})
    for (int routing = 0; routing < int(Routing::Count); ++routing) {
      l.s.T = items;
      l.allocate();
      fill(l, static_cast<Routing>(routing), random);
      std::vector<char> out;
      for (void *library : libraries) {
        l.clear();
        l.run(library);
        check(l);
        if (library != libraries.front() && out != l.out.bytes)
          fail(l, "libraries differ");
        out = l.out.bytes;
      }
      if (items == 7 || items == 29)
        checkAlone(l, libraries.back());
    }
  std::puts("all agree");
}
