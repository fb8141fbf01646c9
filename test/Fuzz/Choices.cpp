// Shrinking: drops runs of choices, then lowers single ones.
#include "Choices.h"

using namespace route::fuzz;

Recording
route::fuzz::shrink(Recording recording,
                    const std::function<bool(const Recording &)> &fails,
                    unsigned attempts) {
  auto better = [&](Recording candidate) {
    if (attempts == 0 || candidate == recording)
      return false;
    --attempts;
    if (!fails(candidate))
      return false;
    recording = std::move(candidate);
    return true;
  };
  for (bool progress = true; progress && attempts > 0;) {
    progress = false;
    for (size_t length = 32; length > 0; length /= 2)
      for (size_t at = 0; at + length <= recording.size() && attempts > 0;) {
        Recording shorter = recording;
        shorter.erase(shorter.begin() + at, shorter.begin() + at + length);
        // A run of zeros in place keeps the meaning of what follows.
        Recording zeroed = recording;
        std::fill_n(zeroed.begin() + at, length, 0);
        bool done = better(std::move(shorter));
        progress |= done;
        if (!done) {
          progress |= better(std::move(zeroed));
          at += length;
        }
      }
    for (size_t at = 0; at < recording.size(); ++at)
      while (recording[at] > 1) {
        Recording lower = recording;
        lower[at] /= 2;
        if (!better(std::move(lower)))
          break;
        progress = true;
      }
    while (!recording.empty() && recording.back() == 0)
      recording.pop_back();
  }
  return recording;
}
