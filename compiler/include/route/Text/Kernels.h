/* The loops of text functions in compiled code. */
/* Declares the freestanding loops that read automaton tables. They are built
   twice: natively, for the tests and benchmarks here, and to LLVM IR, which the
   lowering of the `signal` dialect embeds in the modules it generates.
   None allocates, none calls anything outside this file. */
#ifndef ROUTE_TEXT_KERNELS_H
#define ROUTE_TEXT_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The arrays of a ByteTable (ByteTable.h says what they hold) and of WordTables
   (Unicode.h), which may be null where ByteTable::readsWords is false. */
#define ROUTE_TEXT_TABLE                                                       \
  const uint32_t *bytes, const uint32_t *rows, const uint32_t *comb,           \
      uint32_t classCount, const uint16_t *outcomes,                           \
      const uint64_t *forkMasks, const uint32_t *forkSides,                    \
      const uint8_t *wordBlocks, const uint8_t *wordBits

/* Sets in found[0 .. words) the rows of `masks`, `words` words each, that the
   outcomes on the text name. `found` has 4 * words elements, all used as
   scratch. Row 1 of `masks` holds every bit: the scan stops once all are set.
 */
void route_text_scan(const uint8_t *text, int64_t size, ROUTE_TEXT_TABLE,
                     const uint64_t *masks, uint32_t start, uint32_t middle,
                     int64_t words, uint64_t *found);

/* The number of matches, one after the other from the left. `resume` has the
   state behind each outcome; `lengths`, the characters of its match, makes
   *covered the bytes inside matches (null: not computed). */
int64_t route_text_find(const uint8_t *text, int64_t size, ROUTE_TEXT_TABLE,
                        uint32_t start, const uint32_t *resume,
                        const uint32_t *lengths, int64_t *covered);

/* Counts over the characters and lines of a text; Functions.h says which. */
int64_t route_text_chars(const uint8_t *text, int64_t size);
int64_t route_text_lines(const uint8_t *text, int64_t size);
int64_t route_text_digits(const uint8_t *text, int64_t size);
int64_t route_text_uppers(const uint8_t *text, int64_t size);
int64_t route_text_puncts(const uint8_t *text, int64_t size);
int64_t route_text_spaces(const uint8_t *text, int64_t size);
int64_t route_text_wide(const uint8_t *text, int64_t size);
int64_t route_text_fences(const uint8_t *text, int64_t size);
int64_t route_text_fenced(const uint8_t *text, int64_t size);
int64_t route_text_equal(const uint8_t *a, int64_t asize, const uint8_t *b,
                         int64_t bsize);
/// FNV-1a over the bytes, as draws take a text.
int64_t route_text_hash(const uint8_t *text, int64_t size);

/* Hashed n-gram features into out[0 .. dim); Functions.h has the definition,
   and of hash, weighting and norm the numbers. */
void route_text_byte_ngrams(const uint8_t *text, int64_t size, int64_t lo,
                            int64_t hi, int64_t dim, int32_t hash,
                            uint64_t seed, int32_t weighting, int32_t norm,
                            float *out);
void route_text_word_ngrams(const uint8_t *text, int64_t size,
                            const uint8_t *wordBlocks, const uint8_t *wordBits,
                            int64_t lo, int64_t hi, int64_t dim, int32_t hash,
                            uint64_t seed, int32_t weighting, int32_t norm,
                            float *out);

#ifdef __cplusplus
}
#endif

#endif /* ROUTE_TEXT_KERNELS_H */
