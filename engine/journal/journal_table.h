/* A table of limits in few bytes: the words in which it differs from an empty sealed table of its generation.
 *
 * A table is 590 KB, nearly all of it checksums of symbols that nobody has limited. What is packed here gives the same
 * table again, bit for bit, whatever it holds.
 *
 * Packed: u32 first word, u32 words, then the words, again and again, in order. Cold, about 1 ms.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_TABLE_H
#define ENGINE_JOURNAL_JOURNAL_TABLE_H

#include "engine/risk/limits.h"

enum { JOURNAL_TABLE_BYTES_MAX = 2 * sizeof(struct risk_table) + 64 };

/* Bytes written, at most JOURNAL_TABLE_BYTES_MAX. `work` is overwritten. */
uint32_t journal_table_pack(const struct risk_table *table, struct risk_table *work, uint8_t *bytes);

/* False: the bytes are not what journal_table_pack() writes. */
bool journal_table_unpack(const uint8_t *bytes, uint32_t length, uint32_t generation, struct risk_table *table);

#endif
