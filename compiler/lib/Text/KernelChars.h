/* Characters as the kernels read them. */
/* Decoding with replacement and the context of a character, shared by the
   kernels, which are C and C++. */
#ifndef ROUTE_TEXT_KERNELCHARS_H
#define ROUTE_TEXT_KERNELCHARS_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Reads one character of at most `left` >= 1 bytes; ill-formed bytes are
   U+FFFD, one at a time, with *formed 0. */
INLINE uint32_t readChar(const uint8_t *p, int64_t left, int64_t *size,
                         int *formed) {
  uint32_t lead = p[0];
  *size = 1;
  *formed = 1;
  if (lead < 0x80)
    return lead;
  *formed = 0;
  int64_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                   : lead >= 0xE0 && lead <= 0xEF ? 3
                   : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                  : 0;
  if (length == 0 || left < length)
    return 0xFFFD;
  uint32_t value = lead & (0x7Fu >> length);
  for (int64_t i = 1; i < length; ++i) {
    if ((p[i] & 0xC0) != 0x80)
      return 0xFFFD;
    value = value << 6 | (p[i] & 0x3Fu);
  }
  if ((length == 3 && value < 0x800) || (length == 4 && value < 0x10000) ||
      (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF)
    return 0xFFFD;
  *size = length;
  *formed = 1;
  return value;
}

/* 0 no word, 1 part of a word, 2 a word alone. */
INLINE uint32_t wordKind(uint32_t c, const uint8_t *wordBlocks,
                         const uint8_t *wordBits) {
  return wordBits[wordBlocks[c >> 8] * 64 + (c & 255) / 4] >> (c % 4 * 2) & 3;
}

/* The place in contextValues (Dfa.h) of what follows at p. */
INLINE uint32_t contextAt(const uint8_t *p, const uint8_t *end,
                          const uint8_t *wordBlocks, const uint8_t *wordBits) {
  if (p == end)
    return 1;
  uint32_t c = *p;
  if (c < 0x80) {
    if (c - '0' < 10 || (c | 0x20) - 'a' < 26)
      return 5;
    return c == '\n' ? 2 : c == '_' ? 3 : 0;
  }
  if (!wordBlocks)
    return 0;
  int64_t size;
  int formed;
  c = readChar(p, end - p, &size, &formed);
  return wordKind(c, wordBlocks, wordBits) == 1 ? 4 : 0;
}

#endif /* ROUTE_TEXT_KERNELCHARS_H */
