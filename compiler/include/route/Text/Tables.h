/* State with keys in compiled code. */
/* Declares what compiled code calls on a table: cells by key in a fixed piece
   of memory, the least recently written key leaving first. Built as Kernels.h
   says. A table is an array of 64-bit words that starts as zeros and holds no
   addresses, so that it can be copied and stored:

     word 0        entries ever used     word 1   the oldest entry
     word 2        the newest entry      word 3   the first free entry
     then          buckets: the first entry of each, 32 bits
     then          entries: links of 32 bits (older, newer, next of the bucket,
                   nothing), the words of the key, the words of the value

   Entries count from 1; 0 is none. */
#ifndef ROUTE_TEXT_TABLES_H
#define ROUTE_TEXT_TABLES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many entries a table has at most, and the words of a key and a value. */
#define ROUTE_TABLE_SHAPE int64_t capacity, int64_t keys, int64_t values

/* Words of a table. */
int64_t route_table_words(ROUTE_TABLE_SHAPE);

/* Where in `table` the value of the key begins; 0 where the key is not there.
 */
int64_t route_table_find(const int64_t *table, ROUTE_TABLE_SHAPE,
                         const int64_t *key);

/* The entries, oldest first: the one after `entry`, the first after 0; 0 behind
   the last. Its key begins at word `*key`, behind it its value. */
int64_t route_table_next(const int64_t *table, ROUTE_TABLE_SHAPE, int64_t entry,
                         int64_t *key);

/* Makes the key the newest entry, a new one where it was not there, in place of
   the oldest where the table is full. Where its value begins, to be written by
   the caller. Notes in `changes` what it writes, the value too. */
int64_t route_table_put(int64_t *table, ROUTE_TABLE_SHAPE, const int64_t *key,
                        int64_t *changes);

/* Removes the key, where it is there. */
void route_table_drop(int64_t *table, ROUTE_TABLE_SHAPE, const int64_t *key,
                      int64_t *changes);

/* Removes all keys. */
void route_table_clear(int64_t *table, ROUTE_TABLE_SHAPE, int64_t *changes);

/* Begins the list: it says all from here on. */
void route_changes_list(int64_t *changes);

/* Notes that `size` bytes at `start` change. `changes` is a route_changes of
   route_module.h, or null: then nobody asks. */
void route_changes_note(int64_t *changes, const void *start, int64_t size);

/* 128 bits that stand for a text as a key: BLAKE2s (RFC 7693) of 16 bytes. */
void route_text_digest(const uint8_t *text, int64_t size, int64_t digest[2]);

#ifdef __cplusplus
}
#endif

#endif /* ROUTE_TEXT_TABLES_H */
