/* Walking automaton tables over a text. */
/* The loops behind signal.scan, signal.count and signal.density. A step is two
   loads that depend on the state, so one walk is bound by latency: the scan
   keeps four walks through four quarters of a block in flight. A quarter begins
   in the state that a short run in front of it ends in; automata forget fast,
   so this is nearly always right, and when it is not the quarter is walked
   again. */
#include "KernelChars.h"
#include "route/Text/Kernels.h"

enum { longestQuarter = 2048, shortestQuarter = 24, longestWarm = 48 };

typedef struct {
  const uint32_t *bytes, *rows, *comb;
  uint32_t classCount;
  const uint16_t *outcomes;
  const uint64_t *forkMasks;
  const uint32_t *forkSides;
  const uint8_t *wordBlocks, *wordBits;
  const uint8_t *end; /* of the text */
  const uint64_t *masks;
  int64_t words;
} Table;

INLINE uint32_t step(const Table *t, uint32_t state, uint8_t byte) {
  uint32_t word = t->bytes[byte], sum = state + word;
  uint32_t own = t->comb[sum & 0xFFFF], common = t->rows[sum >> 16];
  return __builtin_unpredictable((uint8_t)own == (uint8_t)word) ? own >> 8
                                                                : common;
}

/* What a state that reports something, an odd one, reports. */
INLINE uint32_t reportOf(const Table *t, uint32_t state) {
  return t->comb[(state & 0xFFFF) + t->classCount] >> 8;
}

/* Whether a character has begun that has not ended, or what came is no UTF-8:
   then a byte of ASCII is none either. */
INLINE int isInside(const Table *t, uint32_t state) {
  return (step(t, state, ' ') & 0xFFFF) == 0;
}

/* What `state`, entered in front of p, has to say about what follows there. */
INLINE uint16_t outcome(const Table *t, uint32_t report, const uint8_t *p) {
  uint32_t ctx = contextAt(p, t->end, t->wordBlocks, t->wordBits);
  return t->outcomes[report * 6 + ctx];
}

INLINE int isFork(uint32_t report) { return report >> 23; }

/* The state for which a fork stands in front of `next`. */
INLINE uint32_t sideOf(const Table *t, uint32_t report, uint8_t next) {
  uint64_t mask = t->forkMasks[report & 0xFFF];
  return t->forkSides[2 * (report >> 12 & 0x7FF) + (mask >> (next & 63) & 1)];
}

/* A state in front of `next`, forks resolved. */
INLINE uint32_t resolve(const Table *t, uint32_t state, uint8_t next) {
  if (UNLIKELY(state & 1) && isFork(reportOf(t, state)))
    return sideOf(t, reportOf(t, state), next);
  return state;
}

/* Enters an odd state in front of p: says what it reports, or which state it
   stands for. */
static __attribute__((noinline)) uint32_t route_text_report(const Table *t,
                                                            uint32_t state,
                                                            const uint8_t *p,
                                                            uint64_t *found) {
  uint32_t report = reportOf(t, state);
  if (isFork(report))
    return sideOf(t, report, p == t->end ? 0 : *p);
  const uint64_t *mask = t->masks + (int64_t)outcome(t, report, p) * t->words;
  for (int64_t w = 0; w < t->words; ++w)
    found[w] |= mask[w];
  return state;
}

INLINE uint32_t walk(const Table *t, const uint8_t *p, const uint8_t *end,
                     uint32_t state, uint64_t *found) {
  while (p != end) {
    state = step(t, state, *p++);
    if (UNLIKELY(state & 1))
      state = route_text_report(t, state, p, found);
  }
  return state;
}

/* Where a run of at most `warm` bytes in front of p begins: at a character. */
INLINE const uint8_t *runUp(const uint8_t *p, int64_t warm) {
  const uint8_t *from = p - warm;
  for (int i = 0; i < 3 && (*from & 0xC0) == 0x80; ++i)
    ++from;
  return from;
}

INLINE void merge(const Table *t, uint64_t *found, const uint64_t *other) {
  for (int64_t w = 0; w < t->words; ++w)
    found[w] |= other[w];
}

INLINE int allFound(const Table *t, const uint64_t *found) {
  uint64_t missing = 0;
  for (int64_t w = 0; w < t->words; ++w)
    missing |= t->masks[t->words + w] & ~found[w];
  return missing == 0;
}

/* Walks p[0 .. 4 * length) and adds the quarters that were guessed wrong to
 *misses. */
INLINE uint32_t walkBlock(const Table *t, const uint8_t *p, int64_t length,
                          uint32_t state, uint32_t middle, uint64_t *found,
                          int *misses) {
  const int64_t words = t->words;
  uint64_t *found1 = found + words, *found2 = found + 2 * words,
           *found3 = found + 3 * words;
  for (int64_t w = words; w < 4 * words; ++w)
    found[w] = 0;
  const uint8_t *p1 = p + length, *p2 = p1 + length, *p3 = p2 + length;
  /* The runs in front differ by what is cut off a character at their begin. */
  int64_t warm = length < 2 * longestWarm ? length / 2 : longestWarm;
  const uint8_t *r1 = runUp(p1, warm), *r2 = runUp(p2, warm),
                *r3 = runUp(p3, warm);
  uint32_t s0 = state, s1 = middle, s2 = middle, s3 = middle;
  for (int64_t i = -warm; i < 0; ++i) {
    s1 = p1 + i < r1 ? s1 : step(t, s1, p1[i]);
    s2 = p2 + i < r2 ? s2 : step(t, s2, p2[i]);
    s3 = p3 + i < r3 ? s3 : step(t, s3, p3[i]);
  }
  s1 = resolve(t, s1, *p1);
  s2 = resolve(t, s2, *p2);
  s3 = resolve(t, s3, *p3);
  uint32_t guess1 = s1, guess2 = s2, guess3 = s3;
  for (const uint8_t *q = p; q != p1; ++q) {
    s0 = step(t, s0, q[0]);
    s1 = step(t, s1, q[length]);
    s2 = step(t, s2, q[2 * length]);
    s3 = step(t, s3, q[3 * length]);
    if (UNLIKELY((s0 | s1 | s2 | s3) & 1)) {
      if (s0 & 1)
        s0 = route_text_report(t, s0, q + 1, found);
      if (s1 & 1)
        s1 = route_text_report(t, s1, q + length + 1, found1);
      if (s2 & 1)
        s2 = route_text_report(t, s2, q + 2 * length + 1, found2);
      if (s3 & 1)
        s3 = route_text_report(t, s3, q + 3 * length + 1, found3);
    }
  }
  if (UNLIKELY(s0 != guess1)) {
    ++*misses;
    s1 = walk(t, p1, p2, s0, found);
  } else {
    merge(t, found, found1);
  }
  if (UNLIKELY(s1 != guess2)) {
    ++*misses;
    s2 = walk(t, p2, p3, s1, found);
  } else {
    merge(t, found, found2);
  }
  if (UNLIKELY(s2 != guess3)) {
    ++*misses;
    s3 = walk(t, p3, p3 + length, s2, found);
  } else {
    merge(t, found, found3);
  }
  return s3;
}

/* One character from the state; *size becomes its bytes. */
INLINE uint32_t stepChar(const Table *t, uint32_t state, const uint8_t *p,
                         int64_t left, int64_t *size) {
  int formed;
  readChar(p, left, size, &formed);
  int64_t bytes = formed ? *size : 3;
  for (int64_t i = 0; i < bytes; ++i) {
    uint8_t byte = formed ? p[i] : (uint8_t)(0xBDBFEF >> 8 * i); /* U+FFFD */
    state = step(t, resolve(t, state, byte), byte);
  }
  return state;
}

void route_text_scan(const uint8_t *text, int64_t size, ROUTE_TEXT_TABLE,
                     const uint64_t *masks, uint32_t start, uint32_t middle,
                     int64_t words, uint64_t *found) {
  const uint8_t *p = text, *end = text + size;
  const Table table = {bytes,    rows,      comb,      classCount,
                       outcomes, forkMasks, forkSides, wordBlocks,
                       wordBits, end,       masks,     words};
  const Table *t = &table;
  for (int64_t w = 0; w < words; ++w)
    found[w] = 0;
  uint32_t state = start;
  if (start & 1)
    route_text_report(t, start, p, found);
  int misses = 0;
  while (end - p >= 4 * shortestQuarter && misses < 6) {
    int64_t length = (end - p) / 4;
    if (length > longestQuarter)
      length = longestQuarter;
    state = walkBlock(t, p, length, state, middle, found, &misses);
    p += 4 * length;
    if (allFound(t, found) && (state & 0xFFFF) != 0)
      return;
  }
  state = walk(t, p, end, state, found);
  if (!UNLIKELY(isInside(t, state)))
    return;
  /* Not UTF-8: once more, a character at a time. */
  for (int64_t w = 0; w < words; ++w)
    found[w] = 0;
  state = start;
  if (start & 1)
    route_text_report(t, start, text, found);
  for (p = text; p != end;) {
    int64_t length;
    state = stepChar(t, state, p, end - p, &length);
    p += length;
    if (state & 1)
      route_text_report(t, state, p, found);
  }
}

/* Where the `count` characters before text[end] begin. */
INLINE int64_t back(const uint8_t *text, int64_t end, uint32_t count) {
  for (; count > 0 && end > 0; --count) {
    int64_t size = 1;
    if (text[end - 1] >= 0x80)
      for (int64_t k = 2; k <= 4 && k <= end; ++k) {
        int64_t length;
        int formed;
        readChar(text + end - k, k, &length, &formed);
        if (formed && length == k)
          size = k;
      }
    end -= size;
  }
  return end;
}

int64_t route_text_find(const uint8_t *text, int64_t size, ROUTE_TEXT_TABLE,
                        uint32_t start, const uint32_t *resume,
                        const uint32_t *lengths, int64_t *covered) {
  const uint8_t *end = text + size;
  const Table table = {bytes,    rows,      comb,      classCount,
                       outcomes, forkMasks, forkSides, wordBlocks,
                       wordBits, end,       0,         0};
  const Table *t = &table;
  int64_t count = 0, inside = 0, matchEnd = 0;
  uint32_t state = start, match = 0;
  for (int64_t at = 0; at < size;) {
    int64_t length;
    state = stepChar(t, state, text + at, size - at, &length);
    at += length;
    int final = 0;
    if (UNLIKELY(state & 1)) {
      uint32_t report = reportOf(t, state);
      final = report >> 15;
      uint32_t now = outcome(t, report & 0x7FFF, text + at);
      if (now) {
        match = now & 0x7FFF;
        matchEnd = at;
        final |= now >> 15;
      }
    }
    if (match && (final || at == size)) {
      ++count;
      if (lengths)
        inside += matchEnd - back(text, matchEnd, lengths[match]);
      at = matchEnd;
      state = resume[match];
      match = 0;
    }
  }
  if (covered)
    *covered = inside;
  return count;
}
