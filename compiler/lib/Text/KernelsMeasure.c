/* Counts over bytes and lines. */
/* The loops behind signal.measure; those without a branch on the data are left
   to the vectoriser. */
#include "route/Text/Kernels.h"

#define COUNT_BYTES(name, condition)                                           \
  int64_t name(const uint8_t *text, int64_t size) {                            \
    int64_t count = 0;                                                         \
    for (int64_t i = 0; i < size; ++i) {                                       \
      uint8_t c = text[i];                                                     \
      count += (condition);                                                    \
    }                                                                          \
    return count;                                                              \
  }

COUNT_BYTES(route_text_digits, (uint8_t)(c - '0') < 10)
COUNT_BYTES(route_text_uppers, (uint8_t)(c - 'A') < 26)
COUNT_BYTES(route_text_puncts,
            ((uint8_t)(c - '!') < 15) | ((uint8_t)(c - ':') < 7) |
                ((uint8_t)(c - '[') < 6) | ((uint8_t)(c - '{') < 4))
COUNT_BYTES(route_text_spaces, (c == ' ') | ((uint8_t)(c - '\t') < 5))
COUNT_BYTES(route_text_wide, c >= 0x80)
static COUNT_BYTES(newlines, c == '\n')

    int64_t route_text_lines(const uint8_t *text, int64_t size) {
  return newlines(text, size) + (size > 0 && text[size - 1] != '\n');
}

int64_t route_text_chars(const uint8_t *text, int64_t size) {
  int64_t count = 0;
  for (int64_t i = 0; i < size;) {
    uint8_t lead = text[i];
    int64_t length = 1;
    if (lead >= 0xC2 && lead <= 0xF4) {
      int64_t want = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      int64_t have = 1;
      while (have < want && i + have < size && (text[i + have] & 0xC0) == 0x80)
        ++have;
      uint8_t second = have > 1 ? text[i + 1] : 0;
      int bad =
          (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
          (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
      if (have == want && !bad)
        length = want;
    }
    i += length;
    ++count;
  }
  return count;
}

/* Walks lines: the number of fence lines, and into *inside the bytes between.
 */
static inline __attribute__((always_inline)) int64_t
walkFences(const uint8_t *text, int64_t size, int64_t *inside) {
  int64_t fences = 0, bytes = 0;
  for (int64_t begin = 0; begin < size;) {
    int64_t end = begin;
    while (end < size && text[end] != '\n')
      ++end;
    end += end < size;
    int64_t at = begin;
    while (at < end && at < begin + 3 && text[at] == ' ')
      ++at;
    int fence = end - at >= 3 && (text[at] == '`' || text[at] == '~') &&
                text[at + 1] == text[at] && text[at + 2] == text[at];
    if (fence)
      ++fences;
    else if (fences & 1)
      bytes += end - begin;
    begin = end;
  }
  *inside = bytes;
  return fences;
}

int64_t route_text_fences(const uint8_t *text, int64_t size) {
  int64_t inside;
  return walkFences(text, size, &inside);
}

int64_t route_text_fenced(const uint8_t *text, int64_t size) {
  int64_t inside;
  walkFences(text, size, &inside);
  return inside;
}

int64_t route_text_equal(const uint8_t *a, int64_t asize, const uint8_t *b,
                         int64_t bsize) {
  if (asize != bsize)
    return 0;
  uint8_t different = 0;
  for (int64_t i = 0; i < asize; ++i)
    different |= a[i] ^ b[i];
  return different == 0;
}

int64_t route_text_hash(const uint8_t *text, int64_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < size; ++i)
    hash = (hash ^ text[i]) * 0x100000001b3u;
  return (int64_t)hash;
}
