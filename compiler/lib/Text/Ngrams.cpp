// Hashed n-gram features, the plain way.
// The meaning of ngrams(): list the units, list the n-grams, hash each. Hashing
// is the xxhash library's; the kernel is tested against this.
#include "route/Text/Functions.h"
#include "route/numerics.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace route::text {

std::string checkNgrams(const NgramOptions &options) {
  if (options.lo < 1 || options.hi > 16 || options.lo > options.hi)
    return "n-gram lengths " + std::to_string(options.lo) + ".." +
           std::to_string(options.hi) + " are not within 1..16";
  if (options.dim < 1 || options.dim > (1 << 24))
    return "dim " + std::to_string(options.dim) + " is not within 1..16777216";
  return "";
}

static uint64_t fnv1a(std::string_view bytes, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325u ^ seed;
  for (unsigned char byte : bytes)
    hash = (hash ^ byte) * 0x100000001B3u;
  return hash;
}

/// The byte ranges of the units of a text.
static std::vector<std::pair<size_t, size_t>> units(std::string_view text,
                                                    Unit unit) {
  std::vector<std::pair<size_t, size_t>> result;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    if (unit == Unit::Bytes) {
      result.push_back({at, at + 1});
      ++at;
      continue;
    }
    Decoded next = decode(text, at);
    bool word = wordCharacters().contains(next.codepoint);
    if (word && inside)
      result.back().second = at + next.size;
    else if (word || cjkCharacters().contains(next.codepoint))
      result.push_back({at, at + next.size});
    inside = word;
    at += next.size;
  }
  return result;
}

std::vector<float> ngrams(std::string_view text, const NgramOptions &options) {
  std::vector<float> out(options.dim, 0.0f);
  auto ranges = units(text, options.unit);
  for (int64_t n = options.lo; n <= options.hi; ++n)
    for (size_t i = 0; i + n <= ranges.size(); ++i) {
      size_t begin = ranges[i].first, end = ranges[i + n - 1].second;
      std::string_view gram = text.substr(begin, end - begin);
      uint64_t hash =
          options.hash == Hash::Xxh3
              ? XXH3_64bits_withSeed(gram.data(), gram.size(), options.seed)
              : fnv1a(gram, options.seed);
      out[hash % options.dim] += 1.0f;
    }
  for (float &x : out) {
    if (options.weighting == Weighting::Binary)
      x = x > 0.0f ? 1.0f : 0.0f;
    else if (options.weighting == Weighting::Log)
      x = num::log(1.0f + x);
  }
  if (options.norm == Norm::L2) {
    float squares =
        num::sum(out.size(), [&](size_t i) { return out[i] * out[i]; });
    if (squares > 0.0f) {
      float length = num::sqrt(squares);
      for (float &x : out)
        x = x / length;
    }
  }
  return out;
}

} // namespace route::text
