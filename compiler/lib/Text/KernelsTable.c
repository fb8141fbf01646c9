/* Tables of state with keys, and texts as keys; Tables.h has the layout. */
#include "route/Text/Tables.h"

/* Even what is static goes by a name that no spec has: it may stand in a module
   of a user's. */
enum { usedWord, oldestWord, newestWord, freeWord, headerWords };

/* What stands before an entry's key. */
typedef struct {
  uint32_t older, newer, next, none;
} KeyLinks;

typedef struct {
  int64_t *words;
  uint32_t *buckets;
  uint32_t numBuckets; /* a power of two */
  int64_t capacity, keys, stride;
  int64_t *changes;
} KeyTable;

static uint32_t route_table_buckets(int64_t capacity) {
  uint32_t buckets = 2;
  while (buckets < capacity)
    buckets *= 2;
  return buckets;
}

int64_t route_table_words(ROUTE_TABLE_SHAPE) {
  return headerWords + route_table_buckets(capacity) / 2 +
         capacity * ((int64_t)(sizeof(KeyLinks) / 8) + keys + values);
}

static KeyTable route_table_at(const int64_t *words, ROUTE_TABLE_SHAPE,
                               int64_t *changes) {
  KeyTable table;
  table.words = (int64_t *)words;
  table.buckets = (uint32_t *)(table.words + headerWords);
  table.numBuckets = route_table_buckets(capacity);
  table.capacity = capacity;
  table.keys = keys;
  table.stride = sizeof(KeyLinks) / 8 + keys + values;
  table.changes = changes;
  return table;
}

static KeyLinks *route_table_links(const KeyTable *table, uint32_t entry) {
  return (KeyLinks *)(table->words + headerWords + table->numBuckets / 2 +
                      (entry - 1) * table->stride);
}

static int64_t *route_table_key(const KeyTable *table, uint32_t entry) {
  return (int64_t *)(route_table_links(table, entry) + 1);
}

static uint32_t *route_table_bucket(const KeyTable *table, const int64_t *key) {
  uint64_t hash = 0;
  for (int64_t i = 0; i < table->keys; ++i) {
    hash = (hash ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  hash *= 0xbf58476d1ce4e5b9u;
  return table->buckets + ((hash >> 32) & (table->numBuckets - 1));
}

/* Whether there is such an entry: what a host restores may be anything. */
static int route_table_is_entry(const KeyTable *table, int64_t entry) {
  return entry >= 1 && entry <= table->capacity;
}

static uint32_t route_table_entry(const KeyTable *table, const int64_t *key) {
  uint32_t entry = *route_table_bucket(table, key);
  for (int64_t left = table->capacity;
       left && route_table_is_entry(table, entry); --left) {
    const int64_t *own = route_table_key(table, entry);
    int64_t i = 0;
    while (i < table->keys && own[i] == key[i])
      ++i;
    if (i == table->keys)
      return entry;
    entry = route_table_links(table, entry)->next;
  }
  return 0;
}

static int64_t route_table_value(const KeyTable *table, uint32_t entry) {
  return route_table_key(table, entry) + table->keys - table->words;
}

void route_changes_list(int64_t *changes) {
  if (changes)
    changes[0] = 0;
}

void route_changes_note(int64_t *changes, const void *start, int64_t size) {
  if (!changes)
    return;
  int64_t count = changes[0]++;
  if (count >= changes[1])
    return;
  changes[2 + 2 * count] = (int64_t)start;
  changes[3 + 2 * count] = size;
}

static void route_table_note_links(const KeyTable *table, uint32_t entry) {
  route_changes_note(table->changes, route_table_links(table, entry),
                     sizeof(KeyLinks));
}

/* Takes an entry out of the order of writing. */
static void route_table_leave_order(KeyTable *table, uint32_t entry) {
  KeyLinks *links = route_table_links(table, entry);
  if (route_table_is_entry(table, links->older)) {
    route_table_links(table, links->older)->newer = links->newer;
    route_table_note_links(table, links->older);
  } else {
    table->words[oldestWord] = links->newer;
  }
  if (route_table_is_entry(table, links->newer)) {
    route_table_links(table, links->newer)->older = links->older;
    route_table_note_links(table, links->newer);
  } else {
    table->words[newestWord] = links->older;
  }
}

static void route_table_leave_bucket(KeyTable *table, uint32_t entry) {
  uint32_t *place = route_table_bucket(table, route_table_key(table, entry));
  for (int64_t left = table->capacity; *place != entry; --left) {
    if (!left || !route_table_is_entry(table, *place))
      return;
    place = &route_table_links(table, *place)->next;
  }
  *place = route_table_links(table, entry)->next;
  route_changes_note(table->changes, place, sizeof(*place));
}

static void route_table_note_header(const KeyTable *table) {
  route_changes_note(table->changes, table->words, 8 * headerWords);
}

int64_t route_table_find(const int64_t *words, ROUTE_TABLE_SHAPE,
                         const int64_t *key) {
  KeyTable table = route_table_at(words, capacity, keys, values, 0);
  uint32_t entry = route_table_entry(&table, key);
  return entry ? route_table_value(&table, entry) : 0;
}

int64_t route_table_next(const int64_t *words, ROUTE_TABLE_SHAPE, int64_t entry,
                         int64_t *key) {
  KeyTable table = route_table_at(words, capacity, keys, values, 0);
  int64_t next = entry ? route_table_links(&table, (uint32_t)entry)->newer
                       : words[oldestWord];
  if (!route_table_is_entry(&table, next))
    return 0;
  *key = route_table_key(&table, (uint32_t)next) - table.words;
  return next;
}

int64_t route_table_put(int64_t *words, ROUTE_TABLE_SHAPE, const int64_t *key,
                        int64_t *changes) {
  KeyTable table = route_table_at(words, capacity, keys, values, changes);
  uint32_t entry = route_table_entry(&table, key);
  int found = entry != 0;
  if (found) {
    route_table_leave_order(&table, entry);
  } else if (route_table_is_entry(&table, words[freeWord])) {
    entry = (uint32_t)words[freeWord];
    words[freeWord] = route_table_links(&table, entry)->next;
  } else if (words[usedWord] >= 0 && words[usedWord] < capacity) {
    entry = (uint32_t)++words[usedWord];
  } else {
    entry = route_table_is_entry(&table, words[oldestWord])
                ? (uint32_t)words[oldestWord]
                : 1;
    route_table_leave_bucket(&table, entry);
    route_table_leave_order(&table, entry);
  }
  KeyLinks *links = route_table_links(&table, entry);
  if (!found) {
    int64_t *own = route_table_key(&table, entry);
    for (int64_t i = 0; i < keys; ++i)
      own[i] = key[i];
    uint32_t *bucket = route_table_bucket(&table, key);
    links->next = *bucket;
    *bucket = entry;
    route_changes_note(changes, bucket, sizeof(*bucket));
  }
  links->older = (uint32_t)words[newestWord];
  links->newer = 0;
  if (route_table_is_entry(&table, links->older)) {
    route_table_links(&table, links->older)->newer = entry;
    route_table_note_links(&table, links->older);
  } else {
    words[oldestWord] = entry;
  }
  words[newestWord] = entry;
  route_table_note_header(&table);
  route_changes_note(changes, links, 8 * table.stride);
  return route_table_value(&table, entry);
}

void route_table_drop(int64_t *words, ROUTE_TABLE_SHAPE, const int64_t *key,
                      int64_t *changes) {
  KeyTable table = route_table_at(words, capacity, keys, values, changes);
  uint32_t entry = route_table_entry(&table, key);
  if (!entry)
    return;
  route_table_leave_bucket(&table, entry);
  route_table_leave_order(&table, entry);
  route_table_links(&table, entry)->next = (uint32_t)words[freeWord];
  words[freeWord] = entry;
  route_table_note_links(&table, entry);
  route_table_note_header(&table);
}

void route_table_clear(int64_t *words, ROUTE_TABLE_SHAPE, int64_t *changes) {
  KeyTable table = route_table_at(words, capacity, keys, values, changes);
  int64_t size = headerWords + table.numBuckets / 2;
  for (int64_t i = 0; i < size; ++i)
    words[i] = 0;
  route_changes_note(changes, words, 8 * size);
}

/* BLAKE2s, RFC 7693, without a key. */

static const uint32_t route_digest_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t route_digest_order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint32_t route_digest_turn(uint32_t word, int by) {
  return word >> by | word << (32 - by);
}

static void route_digest_mix(uint32_t *v, int a, int b, int c, int d,
                             uint32_t x, uint32_t y) {
  v[a] += v[b] + x;
  v[d] = route_digest_turn(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = route_digest_turn(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = route_digest_turn(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = route_digest_turn(v[b] ^ v[c], 7);
}

static void route_digest_block(uint32_t *state, const uint32_t *block,
                               uint64_t count, uint32_t last) {
  uint32_t v[16];
  for (int i = 0; i < 8; ++i) {
    v[i] = state[i];
    v[8 + i] = route_digest_start[i];
  }
  v[12] ^= (uint32_t)count;
  v[13] ^= (uint32_t)(count >> 32);
  v[14] ^= last;
  for (int round = 0; round < 10; ++round) {
    const uint8_t *s = route_digest_order[round];
    for (int i = 0; i < 4; ++i)
      route_digest_mix(v, i, 4 + i, 8 + i, 12 + i, block[s[2 * i]],
                       block[s[2 * i + 1]]);
    for (int i = 0; i < 4; ++i)
      route_digest_mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4,
                       block[s[8 + 2 * i]], block[s[9 + 2 * i]]);
  }
  for (int i = 0; i < 8; ++i)
    state[i] ^= v[i] ^ v[8 + i];
}

void route_text_digest(const uint8_t *text, int64_t size, int64_t digest[2]) {
  uint32_t state[8], block[16];
  for (int i = 0; i < 8; ++i)
    state[i] = route_digest_start[i];
  state[0] ^= 0x01010000 ^ 16; /* no key, 16 bytes */
  int64_t at = 0;
  /* The last block, which may be empty or whole, is marked. */
  for (; size - at > 64; at += 64) {
    for (int i = 0; i < 64; ++i)
      ((uint8_t *)block)[i] = text[at + i];
    route_digest_block(state, block, (uint64_t)at + 64, 0);
  }
  for (int i = 0; i < 64; ++i)
    ((uint8_t *)block)[i] = at + i < size ? text[at + i] : 0;
  route_digest_block(state, block, (uint64_t)size, ~0u);
  digest[0] = (int64_t)(state[0] | (uint64_t)state[1] << 32);
  digest[1] = (int64_t)(state[2] | (uint64_t)state[3] << 32);
}
