/* Cold half of the price levels: blocks split, merge and are read in order; the contract is in book_levels.h. */
#include "engine/book/book_levels.h"

#include <string.h>
#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

static uint32_t block_number(const struct book *book, const struct book_block *block)
{
    return (uint32_t)(block - book->blocks);
}

static bool is_first(const struct book *book, const struct book_block *block)
{
    return block_number(book, block) < 2 * book->symbol_count;
}

static uint32_t count_levels(const struct book_block *block)
{
    return (uint32_t)__builtin_popcount(block->used);
}

uint32_t book_block_best(const struct book_block *block, unsigned side)
{
#ifdef __SSE4_1__
    const __m128i *prices = (const __m128i *)block->prices;
    const __m128i sign = _mm_set1_epi32(-(int)side);
    __m128i best = _mm_sub_epi32(_mm_xor_si128(prices[0], sign), sign); /* book_key() of four */

    best = _mm_max_epu32(best, _mm_sub_epi32(_mm_xor_si128(prices[1], sign), sign));
    best = _mm_max_epu32(best, _mm_sub_epi32(_mm_xor_si128(prices[2], sign), sign));
    best = _mm_max_epu32(best, _mm_shuffle_epi32(best, 0x4E));
    best = _mm_max_epu32(best, _mm_shuffle_epi32(best, 0xB1));

    uint32_t price = book_key(side, (uint32_t)_mm_cvtsi128_si32(best)); /* its own inverse */

    return (uint32_t)__builtin_ctz(book_block_match(block, price));
#else
    uint32_t best_key = 0, best_slot = 0;

    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++) {
        uint32_t key = book_key(side, block->prices[slot]);
        uint32_t better = book_opaque(key > best_key);

        best_key = better ? key : best_key;
        best_slot = better ? slot : best_slot;
    }
    return best_slot;
#endif
}

uint32_t book_block_sort(const struct book_block *block, unsigned side, uint8_t slots[BOOK_BLOCK_LEVEL_COUNT])
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++) {
        uint32_t key = book_key(side, block->prices[slot]), place;

        if (key == 0)
            continue;
        for (place = count++; place > 0 && book_key(side, block->prices[slots[place - 1]]) < key; place--)
            slots[place] = slots[place - 1];
        slots[place] = (uint8_t)slot;
    }
    return count;
}

/* There is always one: see book_levels.h. */
static struct book_block *allocate_block(struct book *book)
{
    uint32_t number = book->block_free;

    if (number != 0)
        book->block_free = book->blocks[number].outward;
    else
        number = 2 * book->symbol_count + book->block_used++;
    if (++book->block_count > book->statistics.block_count_max)
        book->statistics.block_count_max = book->block_count;
    memset(&book->blocks[number], 0, sizeof(book->blocks[0]));
    return &book->blocks[number];
}

/* To a free slot of another block: the level's node gets a new name, which the two ends of its queue must know. */
static void move_level(struct book *book, struct book_block *from, uint32_t slot, struct book_block *to)
{
    uint32_t target = (uint32_t)__builtin_ctz(~to->used);
    struct book_node *level = &to->levels[target];

    *level = from->levels[slot];
    book_node_at(book, level->next)->previous = book_node_name(book, level);
    book_node_at(book, level->previous)->next = book_node_name(book, level);
    to->prices[target] = from->prices[slot];
    to->used |= 1u << target;
    from->prices[slot] = 0;
    from->used &= ~(1u << slot);
}

void book_block_split(struct book *book, struct book_block *inner, unsigned side)
{
    struct book_block *outer = allocate_block(book);
    uint8_t slots[BOOK_BLOCK_LEVEL_COUNT];
    const uint32_t kept = BOOK_BLOCK_LEVEL_COUNT / 2;

    outer->inward = block_number(book, inner);
    outer->outward = inner->outward;
    if (outer->outward != 0)
        book->blocks[outer->outward].inward = block_number(book, outer);
    inner->outward = block_number(book, outer);

    book_block_sort(inner, side, slots);
    outer->floor = inner->floor;
    inner->floor = book_key(side, inner->prices[slots[kept - 1]]);
    for (uint32_t place = kept; place < BOOK_BLOCK_LEVEL_COUNT; place++)
        move_level(book, inner, slots[place], outer);
}

/* Take in the levels of the block just outward, which has to fit, and give that block back. */
static void merge_outward(struct book *book, struct book_block *inner)
{
    uint32_t number = inner->outward;
    struct book_block *outer = &book->blocks[number];

    for (uint32_t left = outer->used; left != 0; left &= left - 1)
        move_level(book, outer, (uint32_t)__builtin_ctz(left), inner);
    inner->floor = outer->floor;
    inner->outward = outer->outward;
    if (inner->outward != 0)
        book->blocks[inner->outward].inward = block_number(book, inner);
    outer->outward = book->block_free;
    book->block_free = number;
    book->block_count--;
}

void book_block_settle(struct book *book, struct book_block *block)
{
    uint32_t count = count_levels(block);

    if (block->outward != 0 && count + count_levels(&book->blocks[block->outward]) <= BOOK_BLOCK_LEVEL_COUNT)
        merge_outward(book, block);
    else if (!is_first(book, block) && count + count_levels(&book->blocks[block->inward]) <= BOOK_BLOCK_LEVEL_COUNT)
        merge_outward(book, &book->blocks[block->inward]);
}
