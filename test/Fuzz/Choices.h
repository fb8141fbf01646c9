// The choices that a generator makes, recorded.
// So a case can be replayed and made smaller.
#ifndef ROUTE_TEST_FUZZ_CHOICES_H
#define ROUTE_TEST_FUZZ_CHOICES_H

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace route::fuzz {

using Recording = std::vector<uint32_t>;

/// A stream of small numbers. Generators draw every decision from it and take
/// the simplest alternative for 0, so that a recording with more zeros, or a
/// shorter one, makes a simpler case.
class Choices {
public:
  /// Fresh choices.
  explicit Choices(uint64_t seed) : random(seed), fresh(true) {}
  /// Recorded choices, then zeros.
  explicit Choices(Recording recorded) : recorded(std::move(recorded)) {}

  /// A number from 0 to `limit` - 1; `limit` is at least 1.
  uint32_t below(uint32_t limit) {
    if (fresh)
      recorded.push_back(random() % limit);
    uint32_t value = next < recorded.size() ? recorded[next] : 0;
    ++next;
    return value % limit;
  }
  uint32_t between(uint32_t least, uint32_t most) {
    return least + below(most - least + 1);
  }
  /// True in `percent` of 100 cases.
  bool chance(uint32_t percent) { return below(100) >= 100 - percent; }
  template <typename T> const T &pick(std::initializer_list<T> options) {
    return options.begin()[below(static_cast<uint32_t>(options.size()))];
  }

  const Recording &recording() const { return recorded; }

private:
  std::mt19937_64 random;
  bool fresh = false;
  Recording recorded;
  size_t next = 0;
};

/// Makes a failing recording smaller for as long as `fails` still holds, with
/// at most `attempts` calls of it.
Recording shrink(Recording recording,
                 const std::function<bool(const Recording &)> &fails,
                 unsigned attempts);

} // namespace route::fuzz

#endif // ROUTE_TEST_FUZZ_CHOICES_H
