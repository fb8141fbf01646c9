// What instructions compute of registers, lane by lane.
// Results are the GPU's to the bit, but for those named approx, which are
// rounded from what doubles give; NVIDIA's are off by up to two units in the
// last place. NaN that arithmetic makes is the one that the GPU makes.
#include "Machine.h"

#include <bit>
#include <cmath>
#include <limits>

using namespace emulator;

namespace {

using Half = _Float16;

/// The upper half of a float. Sums and products of two, rounded to float first,
/// round to the same as if at once.
struct Brain {
  uint16_t bits;
  Brain() = default;
  Brain(float value) {
    auto all = std::bit_cast<uint32_t>(value);
    bits = value != value ? 0x7fff : (all + 0x7fff + (all >> 16 & 1)) >> 16;
  }
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

/// What an operation reads: a register of T, or a mask.
template <typename T> struct Lanes {
  Lanes(Warp &warp, Operand operand) : lanes(warp.lanes<T>(operand)) {}
  T operator[](unsigned lane) const { return lanes[lane]; }
  const T *lanes;
};
template <> struct Lanes<bool> {
  Lanes(Warp &warp, Operand operand) : mask(warp.predicate(operand)) {}
  bool operator[](unsigned lane) const { return mask >> lane & 1; }
  Mask mask;
};

/// Computes all lanes, since nothing here can fail, and keeps those of a mask.
template <typename F, typename D, typename... S> struct Each {
  static void step(Warp &warp, const Instruction &what, Mask lanes) {
    run(warp, what, lanes, std::index_sequence_for<S...>());
  }
  template <size_t... I>
  static void run(Warp &warp, const Instruction &what, Mask lanes,
                  std::index_sequence<I...>) {
    std::tuple<Lanes<S>...> sources(Lanes<S>(warp, what.operands[I + 1])...);
    if constexpr (std::is_same_v<D, bool>) {
      Mask made = 0;
      for (unsigned lane = 0; lane < kLanes; ++lane)
        made |= Mask(F{}(std::get<I>(sources)[lane]...)) << lane;
      Mask &to = warp.predicate(what.operands[0]);
      to = (to & ~lanes) | (made & lanes);
    } else {
      D made[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane)
        made[lane] = F{}(std::get<I>(sources)[lane]...);
      D *to = warp.lanes<D>(what.operands[0]);
      for (unsigned lane = 0; lane < kLanes; ++lane)
        to[lane] = lanes >> lane & 1 ? made[lane] : to[lane];
    }
  }
};

template <typename T>
constexpr uint8_t widthOf = std::is_same_v<T, bool> ? 0 : sizeof(T);

using Table = std::map<std::string, Operation>;

/// An operation that makes a D of each S.
template <typename D, typename... S, typename F>
void add(Table &table, const std::string &name, F) {
  table[name] = {Each<F, D, S...>::step, {widthOf<D>, widthOf<S>...}};
}

/// A NaN that was computed is always the same one.
template <typename T> T settle(T value) {
  if constexpr (sizeof(T) == 8)
    return value; // not of doubles
  else if constexpr (sizeof(T) == 4)
    return value != value ? std::bit_cast<T>(0x7fffffffu) : value;
  else
    return value != value ? std::bit_cast<T>(uint16_t(0x7fff)) : value;
}

float flush(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min()
             ? std::copysign(0.0f, value)
             : value;
}

template <typename T> bool signOf(T value) {
  return std::signbit(double(value));
}

/// -0 is less than +0; NaN gives way, or wins.
template <typename T, bool least, bool nan> T extreme(T a, T b) {
  if (a != a || b != b)
    return settle<T>(a != a && b != b ? a
                     : nan            ? (a != a ? a : b)
                                      : (a != a ? b : a));
  bool first = a == b ? signOf(a) : a < b;
  return first == least ? a : b;
}

template <typename T> void addFloats(Table &table, const std::string &type) {
  add<T, T, T>(table, "add." + type, [](T a, T b) { return settle<T>(a + b); });
  add<T, T, T>(table, "sub." + type, [](T a, T b) { return settle<T>(a - b); });
  add<T, T, T>(table, "mul." + type, [](T a, T b) { return settle<T>(a * b); });
  add<T, T>(table, "neg." + type, [](T a) { return T(-a); });
  add<T, T>(table, "abs." + type, [](T a) { return signOf(a) ? T(-a) : a; });
  add<T, T, T>(table, "min." + type,
               [](T a, T b) { return extreme<T, true, false>(a, b); });
  add<T, T, T>(table, "max." + type,
               [](T a, T b) { return extreme<T, false, false>(a, b); });
  add<T, T, T>(table, "min.NaN." + type,
               [](T a, T b) { return extreme<T, true, true>(a, b); });
  add<T, T, T>(table, "max.NaN." + type,
               [](T a, T b) { return extreme<T, false, true>(a, b); });
  add<bool, T, T>(table, "setp.eq." + type, [](T a, T b) { return a == b; });
  add<bool, T, T>(table, "setp.ne." + type,
                  [](T a, T b) { return a < b || a > b; });
  add<bool, T, T>(table, "setp.lt." + type, [](T a, T b) { return a < b; });
  add<bool, T, T>(table, "setp.le." + type, [](T a, T b) { return a <= b; });
  add<bool, T, T>(table, "setp.gt." + type, [](T a, T b) { return a > b; });
  add<bool, T, T>(table, "setp.ge." + type, [](T a, T b) { return a >= b; });
  add<bool, T, T>(table, "setp.equ." + type,
                  [](T a, T b) { return !(a < b || a > b); });
  add<bool, T, T>(table, "setp.neu." + type, [](T a, T b) { return a != b; });
  add<bool, T, T>(table, "setp.ltu." + type,
                  [](T a, T b) { return !(a >= b); });
  add<bool, T, T>(table, "setp.leu." + type, [](T a, T b) { return !(a > b); });
  add<bool, T, T>(table, "setp.gtu." + type,
                  [](T a, T b) { return !(a <= b); });
  add<bool, T, T>(table, "setp.geu." + type, [](T a, T b) { return !(a < b); });
  add<bool, T, T>(table, "setp.num." + type,
                  [](T a, T b) { return a == a && b == b; });
  add<bool, T, T>(table, "setp.nan." + type,
                  [](T a, T b) { return a != a || b != b; });
}

/// A product and a sum of halves are rounded once: a double has all digits of
/// the product, and its last bit tells whether the sum had more.
template <typename T> T fuse(T a, T b, T c) {
  double product = double(a) * double(b), sum = product + double(c);
  double back = sum - product,
         lost = (product - (sum - back)) + (double(c) - back);
  auto bits = std::bit_cast<uint64_t>(sum);
  if (std::isfinite(sum) && lost != 0 && !(bits & 1))
    bits += (lost > 0) == (sum > 0) ? 1 : -1;
  sum = std::bit_cast<double>(bits);
  if constexpr (std::is_same_v<T, Half>)
    return settle<T>(static_cast<T>(sum));
  auto narrow = static_cast<float>(sum); // to odd, too
  if (std::isfinite(narrow) && double(narrow) != sum) {
    bool larger = std::fabs(double(narrow)) > std::fabs(sum);
    auto word = std::bit_cast<uint32_t>(narrow);
    if (!(word & 1))
      word += larger ? -1 : 1;
    narrow = std::bit_cast<float>(word);
  }
  return settle<T>(static_cast<T>(narrow));
}

/// Those of float and double.
template <typename T>
void addWideFloats(Table &table, const std::string &type) {
  addFloats<T>(table, type);
  add<T, T, T>(table, "div." + type, [](T a, T b) { return settle<T>(a / b); });
  add<T, T, T, T>(table, "fma." + type,
                  [](T a, T b, T c) { return settle<T>(std::fma(a, b, c)); });
  add<T, T>(table, "rcp." + type, [](T a) { return settle<T>(1 / a); });
  add<T, T>(table, "sqrt." + type, [](T a) { return settle<T>(std::sqrt(a)); });
  add<T, T, T>(table, "copysign." + type,
               [](T a, T b) { return std::copysign(b, a); });
}

void addApproximations(Table &table) {
  auto both = [&](const std::string &name, auto exact) {
    using F = decltype(exact);
    add<float, float>(table, name + ".approx.f32", [](float a) {
      return settle<float>(static_cast<float>(F{}(double(a))));
    });
    add<float, float>(table, name + ".approx.ftz.f32", [](float a) {
      return flush(settle<float>(static_cast<float>(F{}(double(flush(a))))));
    });
  };
  both("ex2", [](double a) { return std::exp2(a); });
  both("lg2", [](double a) { return std::log2(a); });
  both("rcp", [](double a) { return 1 / a; });
  both("sqrt", [](double a) { return std::sqrt(a); });
  both("rsqrt", [](double a) { return 1 / std::sqrt(a); });
  both("sin", [](double a) { return std::sin(a); });
  both("cos", [](double a) { return std::cos(a); });
  add<float, float>(table, "tanh.approx.f32",
                    [](float a) { return settle<float>(std::tanh(a)); });
  for (const char *name : {"div.approx.f32", "div.full.f32"})
    add<float, float, float>(
        table, name, [](float a, float b) { return settle<float>(a / b); });
}

/// The high half of a product, by the type twice as wide.
template <typename T> struct Wider;
template <> struct Wider<int16_t> {
  using type = int32_t;
};
template <> struct Wider<uint16_t> {
  using type = uint32_t;
};
template <> struct Wider<int32_t> {
  using type = int64_t;
};
template <> struct Wider<uint32_t> {
  using type = uint64_t;
};
template <> struct Wider<int64_t> {
  using type = __int128;
};
template <> struct Wider<uint64_t> {
  using type = unsigned __int128;
};

/// By zero a GPU divides to all ones.
template <typename T> T quotient(T a, T b) {
  if (!b)
    return T(-1);
  if constexpr (std::is_signed_v<T>)
    if (b == -1)
      return T(std::make_unsigned_t<T>(0) - std::make_unsigned_t<T>(a));
  return T(a / b);
}

/// Those that know a sign.
template <typename T> void addIntegers(Table &table, const std::string &type) {
  using U = std::make_unsigned_t<T>;
  using W = typename Wider<T>::type;
  constexpr unsigned bits = 8 * sizeof(T);
  add<T, T, T>(table, "add." + type, [](T a, T b) { return T(U(a) + U(b)); });
  add<T, T, T>(table, "sub." + type, [](T a, T b) { return T(U(a) - U(b)); });
  add<T, T, T>(table, "mul.lo." + type,
               [](T a, T b) { return T(W(a) * W(b)); });
  add<T, T, T>(table, "mul.hi." + type,
               [](T a, T b) { return T(W(a) * W(b) >> bits); });
  add<T, T, T, T>(table, "mad.lo." + type,
                  [](T a, T b, T c) { return T(U(W(a) * W(b)) + U(c)); });
  add<T, T, T, T>(table, "mad.hi." + type, [](T a, T b, T c) {
    return T(U(W(a) * W(b) >> bits) + U(c));
  });
  if constexpr (sizeof(T) < 8) {
    add<W, T, T>(table, "mul.wide." + type,
                 [](T a, T b) { return W(a) * W(b); });
    add<W, T, T, W>(table, "mad.wide." + type, [](T a, T b, W c) {
      using UW = std::make_unsigned_t<W>;
      return W(UW(W(a) * W(b)) + UW(c));
    });
  }
  add<T, T, T>(table, "div." + type,
               [](T a, T b) { return quotient<T>(a, b); });
  add<T, T, T>(table, "rem." + type, [](T a, T b) {
    return b ? T(U(a) - U(W(quotient<T>(a, b)) * W(b))) : a;
  });
  add<T, T, T>(table, "min." + type, [](T a, T b) { return a < b ? a : b; });
  add<T, T, T>(table, "max." + type, [](T a, T b) { return a < b ? b : a; });
  add<T, T, uint32_t>(table, "shr." + type, [](T a, uint32_t by) {
    return by < bits ? T(a >> by) : T(a < 0 ? -1 : 0);
  });
  // Orders of unsigned numbers have names of their own, too.
  const bool isSigned = std::is_signed_v<T>;
  auto compare = [&](const char *name, const char *other, auto less) {
    using F = decltype(less);
    for (const char *each : {name, other})
      if (*each)
        add<bool, T, T>(table, "setp." + std::string(each) + "." + type,
                        [](T a, T b) { return F{}(a, b); });
  };
  compare("eq", "", [](T a, T b) { return a == b; });
  compare("ne", "", [](T a, T b) { return a != b; });
  compare("lt", isSigned ? "" : "lo", [](T a, T b) { return a < b; });
  compare("le", isSigned ? "" : "ls", [](T a, T b) { return a <= b; });
  compare("gt", isSigned ? "" : "hi", [](T a, T b) { return a > b; });
  compare("ge", isSigned ? "" : "hs", [](T a, T b) { return a >= b; });
  if constexpr (std::is_signed_v<T>) {
    add<T, T>(table, "neg." + type, [](T a) { return T(U(0) - U(a)); });
    add<T, T>(table, "abs." + type,
              [](T a) { return a < 0 ? T(U(0) - U(a)) : a; });
  }
  if constexpr (sizeof(T) >= 4) {
    add<T, T, uint32_t, uint32_t>(
        table, "bfe." + type, [](T a, uint32_t from, uint32_t count) {
          from &= 255, count &= 255;
          if (!count)
            return T(0);
          unsigned last = std::min(from + count - 1, bits - 1);
          bool fill = std::is_signed_v<T> && (U(a) >> last & 1);
          U field = from < bits ? U(a) >> from : 0;
          if (count < bits)
            field &= (U(1) << count) - 1;
          unsigned have = from <= last ? last - from + 1 : 0;
          if (fill && have < bits)
            field |= ~U(0) << have;
          return T(field);
        });
    add<uint32_t, T>(table, "bfind." + type, [](T a) {
      U bitsOf = std::is_signed_v<T> && a < 0 ? U(~a) : U(a);
      return bitsOf ? uint32_t(bits - 1 - std::countl_zero(bitsOf)) : ~0u;
    });
  }
}

/// Those of bits.
template <typename U> void addBits(Table &table, const std::string &type) {
  constexpr unsigned bits = 8 * sizeof(U);
  add<U, U>(table, "mov." + type, [](U a) { return a; });
  add<U, U, U>(table, "and." + type, [](U a, U b) { return U(a & b); });
  add<U, U, U>(table, "or." + type, [](U a, U b) { return U(a | b); });
  add<U, U, U>(table, "xor." + type, [](U a, U b) { return U(a ^ b); });
  add<U, U>(table, "not." + type, [](U a) { return U(~a); });
  add<U, U>(table, "cnot." + type, [](U a) { return U(!a); });
  add<U, U, uint32_t>(table, "shl." + type, [](U a, uint32_t by) {
    return by < bits ? U(a << by) : U(0);
  });
  add<U, U, uint32_t>(table, "shr." + type, [](U a, uint32_t by) {
    return by < bits ? U(a >> by) : U(0);
  });
  add<U, U, U, bool>(table, "selp." + type,
                     [](U a, U b, bool first) { return first ? a : b; });
  add<bool, U, U>(table, "setp.eq." + type, [](U a, U b) { return a == b; });
  add<bool, U, U>(table, "setp.ne." + type, [](U a, U b) { return a != b; });
  if constexpr (sizeof(U) >= 4) {
    add<uint32_t, U>(table, "popc." + type,
                     [](U a) { return uint32_t(std::popcount(a)); });
    add<uint32_t, U>(table, "clz." + type,
                     [](U a) { return uint32_t(std::countl_zero(a)); });
    add<U, U>(table, "brev." + type, [](U a) {
      U made = 0;
      for (unsigned i = 0; i < bits; ++i)
        made |= (a >> i & 1) << (bits - 1 - i);
      return made;
    });
    add<U, U, U, uint32_t, uint32_t>(
        table, "bfi." + type, [](U from, U into, uint32_t at, uint32_t count) {
          at &= 255, count &= 255;
          if (at >= bits || !count)
            return into;
          U field = count < bits ? (U(1) << count) - 1 : ~U(0);
          return (into & ~(field << at)) | (from & field) << at;
        });
  }
}

void addPredicates(Table &table) {
  add<bool, bool>(table, "mov.pred", [](bool a) { return a; });
  add<bool, bool>(table, "not.pred", [](bool a) { return !a; });
  add<bool, bool, bool>(table, "and.pred",
                        [](bool a, bool b) { return a && b; });
  add<bool, bool, bool>(table, "or.pred",
                        [](bool a, bool b) { return a || b; });
  add<bool, bool, bool>(table, "xor.pred",
                        [](bool a, bool b) { return a != b; });
}

/// Those of 32 bits alone, and addresses.
void addOthers(Table &table) {
  using U = uint32_t;
  add<U, U, U, U>(table, "prmt.b32", [](U a, U b, U select) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    U made = 0;
    for (unsigned i = 0; i < 4; ++i) {
      unsigned which = select >> 4 * i;
      U byte = bytes >> 8 * (which & 7) & 255;
      made |= (which & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
    }
    return made;
  });
  add<U, U, U, U>(table, "shf.l.wrap.b32", [](U low, U high, U by) {
    return U((uint64_t(high) << 32 | low) << (by & 31) >> 32);
  });
  add<U, U, U, U>(table, "shf.r.wrap.b32", [](U low, U high, U by) {
    return U((uint64_t(high) << 32 | low) >> (by & 31));
  });
  add<U, U, U, U, U>(table, "lop3.b32", [](U a, U b, U c, U rows) {
    U made = 0;
    for (unsigned row = 0; row < 8; ++row)
      if (rows >> row & 1)
        made |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
    return made;
  });
  using A = uint64_t;
  for (const char *same : {"cvta.global.u64", "cvta.to.global.u64",
                           "cvta.const.u64", "cvta.to.const.u64"})
    add<A, A>(table, same, [](A a) { return a; });
  add<A, A>(table, "cvta.shared.u64", [](A a) { return a + kWindow; });
  add<A, A>(table, "cvta.local.u64", [](A a) { return a + 2 * kWindow; });
  add<A, A>(table, "cvta.param.u64", [](A a) { return a + 3 * kWindow; });
  for (const char *back : {"cvta.to.shared.u64", "cvta.to.shared::cluster.u64",
                           "cvta.to.local.u64"})
    add<A, A>(table, back, [](A a) { return a % kWindow; });
}

Table makeOperations() {
  Table table;
  for (const char *type : {"u16", "s16", "b16", "f16", "bf16"})
    addBits<uint16_t>(table, type);
  for (const char *type : {"u32", "s32", "b32", "f32"})
    addBits<uint32_t>(table, type);
  for (const char *type : {"u64", "s64", "b64", "f64"})
    addBits<uint64_t>(table, type);
  addIntegers<int16_t>(table, "s16");
  addIntegers<uint16_t>(table, "u16");
  addIntegers<int32_t>(table, "s32");
  addIntegers<uint32_t>(table, "u32");
  addIntegers<int64_t>(table, "s64");
  addIntegers<uint64_t>(table, "u64");
  addFloats<Half>(table, "f16");
  addFloats<Brain>(table, "bf16");
  add<Half, Half, Half, Half>(
      table, "fma.f16", [](Half a, Half b, Half c) { return fuse(a, b, c); });
  add<Brain, Brain, Brain, Brain>(
      table, "fma.bf16",
      [](Brain a, Brain b, Brain c) { return fuse(a, b, c); });
  addWideFloats<float>(table, "f32");
  addWideFloats<double>(table, "f64");
  addApproximations(table);
  addPredicates(table);
  addOthers(table);
  return table;
}

} // namespace

const Table &emulator::operations() {
  static const Table table = makeOperations();
  return table;
}
