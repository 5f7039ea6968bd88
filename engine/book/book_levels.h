/* Inside the book: the price levels of one side, in blocks of twelve.
 *
 * The first block of a side stands at a place of its own (2 * symbol + side) and holds its best prices; most sides
 * have no other. Within a block the levels have no order: a price is found by comparing all twelve at once, a new
 * one takes any free slot, and an emptied one only leaves its slot free; nothing is ever shifted. Further blocks hang
 * outward, each with worse prices only: a block's floor says which prices belong further out.
 *
 * A full block that needs room moves its worse half into a new one just outward. A block left with at most
 * BOOK_BLOCK_SPARSE_COUNT levels is merged with a neighbour that has room for them. Hence two neighbours hold at
 * least four levels together, which bounds the blocks that level_capacity levels can need (book_block_capacity() in
 * book_memory.c): blocks cannot run out first. A moved level takes its queue along by re-tying the ring's two ends.
 * Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_LEVELS_H
#define ENGINE_BOOK_BOOK_LEVELS_H

#include <emmintrin.h>

#include "engine/book/book_nodes.h"

#define BOOK_BLOCK_SPARSE_COUNT 2u
#define BOOK_BLOCK_FULL ((1u << BOOK_BLOCK_LEVEL_COUNT) - 1)

_Static_assert(BOOK_BLOCK_LEVEL_COUNT == 12, "three vectors of four prices below");

/* Grows with the price's quality: the price itself for bids, its negative for asks. 0 for price 0 alone. */
static inline uint32_t book_key(unsigned side, uint32_t price)
{
    return (price ^ -(uint32_t)side) + (uint32_t)side;
}

/* The slot with this price as a bit, or 0. Prices are not 0 and differ, so that there is at most one. */
static inline uint32_t book_block_match(const struct book_block *block, uint32_t price)
{
    const __m128i *prices = (const __m128i *)block->prices;
    const __m128i wanted = _mm_set1_epi32((int)price);
    __m128i first = _mm_packs_epi32(_mm_cmpeq_epi32(prices[0], wanted), _mm_cmpeq_epi32(prices[1], wanted));
    __m128i last = _mm_packs_epi32(_mm_cmpeq_epi32(prices[2], wanted), _mm_setzero_si128());

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, last));
}

/* At most BOOK_BLOCK_SPARSE_COUNT levels are left. */
static inline bool book_block_sparse(uint32_t used)
{
    uint32_t rest = used & (used - 1);

    _Static_assert(BOOK_BLOCK_SPARSE_COUNT == 2, "one bit is taken off, one may be left");
    return (rest & (rest - 1)) == 0;
}

/* Slot of the best price; any slot when the block is empty. */
uint32_t book_block_best(const struct book_block *block, unsigned side);

/* Slots from the best price to the worst; how many there are. */
uint32_t book_block_sort(const struct book_block *block, unsigned side, uint8_t slots[BOOK_BLOCK_LEVEL_COUNT]);

/* Move the worse half of a full block into a new one just outward. */
void book_block_split(struct book *book, struct book_block *block, unsigned side);

/* After a removal that left the block sparse: merge it with a neighbour, if it has one with room. */
void book_block_settle(struct book *book, struct book_block *block);

#endif
