// Edit distance between a misspelt name and those that there are.
#include "route/io/Spelling.h"

#include <algorithm>

using namespace route;

static constexpr size_t longest = 64;

/// Insertions, deletions and replacements that turn one name into the other.
static size_t editDistance(std::string_view name, std::string_view other) {
  size_t row[longest + 1];
  for (size_t j = 0; j <= other.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= name.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= other.size(); ++j) {
      size_t cost = diagonal + (name[i - 1] != other[j - 1]);
      diagonal = row[j];
      row[j] = std::min(cost, std::min(row[j], row[j - 1]) + 1);
    }
  }
  return row[other.size()];
}

const char *route::nearestName(std::string_view name,
                               std::span<const char *const> candidates) {
  const char *best = nullptr;
  size_t bestDistance = name.size() / 3 + 2;
  for (const char *candidate : candidates) {
    if (!candidate || name.size() > longest ||
        std::string_view(candidate).size() > longest)
      continue;
    size_t distance = editDistance(name, candidate);
    // Replacing all of a short name is no spelling mistake.
    if (distance < bestDistance &&
        distance < std::max(name.size(), std::string_view(candidate).size())) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string route::didYouMean(std::string_view name,
                              std::span<const char *const> candidates) {
  const char *near = nearestName(name, candidates);
  return near ? std::string("; did you mean '") + near + "'?" : "";
}

std::string route::namesLike(std::string_view name,
                             std::span<const char *const> candidates) {
  if (std::string near = didYouMean(name, candidates); !near.empty())
    return near;
  constexpr size_t mostBytes = 100;
  std::string list;
  for (const char *candidate : candidates) {
    if (!candidate)
      continue;
    if (list.size() + std::string_view(candidate).size() > mostBytes)
      return "; there are " + list + (list.empty() ? "..." : ", ...");
    list += (list.empty() ? "" : ", ") + std::string(candidate);
  }
  return list.empty() ? "" : "; there are " + list;
}
