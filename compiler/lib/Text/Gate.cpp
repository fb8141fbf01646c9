// Expressions that are looked for on demand.
// A policy's secrets and addresses, [A-Za-z0-9]{20,} and the like, are alive in
// every word and multiply with the keywords there. They get a pass of their own
// that runs when something rare that they need, '@' or "sk-", has been seen.
#include "route/Text/Gate.h"

#include <string_view>

namespace route::text {

static uint64_t sizeOf(const CodepointSet &set) {
  uint64_t size = 0;
  for (auto [low, high] : set.ranges())
    size += high - low + 1;
  return size;
}

static bool readsWideSet(const Regex &regex) {
  if (regex.kind == Regex::Set)
    return sizeOf(regex.set) > 16;
  for (const RegexPtr &child : regex.children)
    if (readsWideSet(*child))
      return true;
  return false;
}

bool isSticky(const Regex &regex) {
  if (regex.kind == Regex::Repeat &&
      (regex.max == Regex::unbounded || regex.max > 3) &&
      readsWideSet(*regex.children[0]))
    return true;
  for (const RegexPtr &child : regex.children)
    if (isSticky(*child))
      return true;
  return false;
}

namespace {
/// Collects the runs of small sets, and the assertions between them, that stand
/// side by side in every match.
class Factors {
public:
  using Run = std::vector<const Regex *>;

  void visit(const Regex &regex) {
    switch (regex.kind) {
    case Regex::Empty:
      break;
    case Regex::Assert:
      run.push_back(&regex);
      break;
    case Regex::Set:
      if (sizeOf(regex.set) <= 8)
        run.push_back(&regex);
      else
        close();
      break;
    case Regex::Concat:
      for (const RegexPtr &child : regex.children)
        visit(*child);
      break;
    case Regex::Alternate:
      close();
      break;
    case Regex::Repeat:
      // Of one set read at least once, the first stands behind what is before
      // and the last in front of what follows.
      if (regex.min > 0 && regex.children[0]->kind == Regex::Set) {
        visit(*regex.children[0]);
        close();
        visit(*regex.children[0]);
        break;
      }
      close();
      if (regex.min > 0)
        visit(*regex.children[0]);
      close();
      break;
    }
  }

  void close() {
    if (weigh(run) > weigh(best))
      best = run;
    run.clear();
  }

  /// How much a run tells: letters, digits and common punctuation a little, the
  /// rest more.
  static unsigned weigh(const Run &run) {
    constexpr std::string_view common = " -.,'\"\n";
    unsigned weight = 0;
    for (const Regex *node : run) {
      if (node->kind == Regex::Assert)
        continue;
      char32_t c = node->set.empty() ? 0 : node->set.ranges()[0].first;
      bool rare = c < 0x80 && !(c >= '0' && c <= '9') &&
                  !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
                  common.find(static_cast<char>(c)) == std::string_view::npos;
      weight += rare ? 3 : c >= 0x80 ? 2 : 1;
    }
    return weight;
  }

  Run run, best;
};
} // namespace

RegexPtr requiredFactor(const Regex &regex) {
  Factors factors;
  factors.visit(regex);
  factors.close();
  if (Factors::weigh(factors.best) < 3)
    return nullptr;
  auto result = std::make_unique<Regex>(Regex::Concat);
  for (const Regex *node : factors.best)
    result->children.push_back(node->kind == Regex::Set
                                   ? makeSet(node->set)
                                   : makeAssert(node->assertion));
  return result;
}

} // namespace route::text
