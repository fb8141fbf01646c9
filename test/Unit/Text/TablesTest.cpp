// Tables of state with keys against a plain list.
// Also the list of changes against what changed, digests against known ones,
// and tables of any bytes.
#include "route/Text/Tables.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <random>
#include <string>
#include <vector>

static void check(bool good, const char *what) {
  if (!good) {
    printf("failed: %s\n", what);
    exit(1);
  }
}

static constexpr int64_t capacity = 13, keys = 2, values = 3;
static constexpr int64_t maxChanges = 64;

namespace {
struct Entry {
  int64_t key[keys], value[values];
};

/// What a table means: entries, the oldest first.
struct Model {
  std::list<Entry> entries;
  auto find(const int64_t *key) {
    return std::find_if(entries.begin(), entries.end(), [&](const Entry &e) {
      return memcmp(e.key, key, sizeof(e.key)) == 0;
    });
  }
};
} // namespace

/// Copies what the list says from one table to the other.
static void follow(const std::vector<int64_t> &from, std::vector<int64_t> &to,
                   const std::vector<int64_t> &changes) {
  check(changes[0] <= maxChanges, "few changes a step");
  for (int64_t i = 0; i < changes[0]; ++i) {
    auto *start = reinterpret_cast<const char *>(changes[2 + 2 * i]);
    auto offset = start - reinterpret_cast<const char *>(from.data());
    memcpy(reinterpret_cast<char *>(to.data()) + offset, start,
           changes[3 + 2 * i]);
  }
}

static void againstModel() {
  std::mt19937 random(7);
  int64_t words = route_table_words(capacity, keys, values);
  std::vector<int64_t> table(words), copy(words), changes(2 + 2 * maxChanges);
  changes[1] = maxChanges;
  Model model;
  for (int step = 0; step < 20000; ++step) {
    int64_t key[keys] = {int64_t(random() % 5) - 2, int64_t(random() % 5)};
    auto known = model.find(key);
    int64_t at = route_table_find(table.data(), capacity, keys, values, key);
    check((at != 0) == (known != model.entries.end()), "found as it is there");
    if (at)
      check(memcmp(&table[at], known->value, sizeof(known->value)) == 0,
            "the value that was put");
    route_changes_list(changes.data());
    if (random() % 100 == 0) {
      route_table_clear(table.data(), capacity, keys, values, changes.data());
      model.entries.clear();
    } else if (random() % 4 == 0) {
      route_table_drop(table.data(), capacity, keys, values, key,
                       changes.data());
      if (known != model.entries.end())
        model.entries.erase(known);
    } else {
      Entry entry = {{key[0], key[1]}, {}};
      at = route_table_put(table.data(), capacity, keys, values, key,
                           changes.data());
      for (int64_t i = 0; i < values; ++i)
        table[at + i] = entry.value[i] = random();
      if (known != model.entries.end())
        model.entries.erase(known);
      model.entries.push_back(entry);
      if (model.entries.size() > capacity)
        model.entries.pop_front();
    }
    follow(table, copy, changes);
    check(table == copy, "all that changed was listed");
    auto expected = model.entries.begin();
    int64_t entry = 0;
    while ((entry = route_table_next(table.data(), capacity, keys, values,
                                     entry, &at))) {
      check(expected != model.entries.end() &&
                memcmp(&table[at], expected->key, sizeof(expected->key)) == 0,
            "in the order of writing");
      ++expected;
    }
    check(expected == model.entries.end(), "all of them");
  }
}

/// A host may restore any bytes: nothing is read or written outside, and every
/// call ends.
static void anyBytes() {
  std::mt19937 random(11);
  int64_t words = route_table_words(capacity, keys, values);
  for (int round = 0; round < 3000; ++round) {
    // Exactly as long as it may be, for the address sanitizer.
    std::vector<int64_t> table(words);
    bool small = random() % 2;
    for (int64_t &word : table)
      word = small ? int64_t(random() % 20) | int64_t(random() % 20) << 32
                   : int64_t(random()) << 32 | random();
    for (int step = 0; step < 20; ++step) {
      int64_t key[keys] = {int64_t(random() % 3), int64_t(random() % 3)};
      int64_t at =
          route_table_put(table.data(), capacity, keys, values, key, nullptr);
      check(at > 0 && at + values <= words, "a value inside");
      at = route_table_find(table.data(), capacity, keys, values, key);
      check(at >= 0 && at + values <= words, "a value inside");
      key[0] = random() % 3;
      route_table_drop(table.data(), capacity, keys, values, key, nullptr);
      // Whoever walks counts: it may go in a circle.
      int64_t entry = 0;
      for (int64_t left = capacity; left; --left) {
        entry =
            route_table_next(table.data(), capacity, keys, values, entry, &at);
        if (!entry)
          break;
        check(at > 0 && at + keys <= words, "a key inside");
      }
    }
  }
}

/// Of RFC 7693's function with a result of 16 bytes, by Python's hashlib.
static void digests() {
  auto digest = [](const std::string &text) {
    int64_t words[2];
    route_text_digest(reinterpret_cast<const uint8_t *>(text.data()),
                      int64_t(text.size()), words);
    std::string hex;
    for (size_t i = 0; i < sizeof(words); ++i) {
      char two[3];
      snprintf(two, sizeof(two), "%02x",
               reinterpret_cast<unsigned char *>(words)[i]);
      hex += two;
    }
    return hex;
  };
  std::string letters;
  for (int i = 0; i < 200; ++i)
    letters += char('a' + i % 26);
  check(digest("") == "64550d6ffe2c0a01a14aba1eade0200c", "an empty text");
  check(digest("abc") == "aa4938119b1dc7b87cbad0ffd200d0ae", "a short text");
  check(digest(letters.substr(0, 64)) == "982252d15ece39b52e1d7acf9e601480",
        "one block");
  check(digest(letters) == "0bab9f0cba1d5c8b09131fd89d840b7f", "four blocks");
}

int main() {
  againstModel();
  anyBytes();
  digests();
  puts("tables hold");
}
