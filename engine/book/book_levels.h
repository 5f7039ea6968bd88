/* Inside the book: the price levels of one side, sorted, in a chain of small blocks that begins at the best price.
 *
 * Keys ascend within a block and blocks get worse outward, so the touch is the last key of the first block and a
 * new best price is an append. A full block is split; a block that fits with its neighbour into half a block is
 * merged. Hence any two neighbours hold more than half a block together, which bounds the blocks that
 * level_capacity levels can ever need (book_block_capacity() in book_memory.c): blocks cannot run out first.
 *
 * Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_LEVELS_H
#define ENGINE_BOOK_BOOK_LEVELS_H

#include <string.h>

#include "engine/book/book.h"

#define BOOK_BLOCK_MERGE_COUNT (BOOK_BLOCK_LEVEL_COUNT / 2)

static inline uint32_t book_key(unsigned side, uint32_t price)
{
    return side == BOOK_BID ? price : ~price;
}

/* How many keys of the block are worse. No branch: unused keys are UINT32_MAX, never worse. */
static inline uint32_t book_block_position(const struct book_block *block, uint32_t key)
{
    uint32_t position = 0;

    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++)
        position += block->keys[slot] < key;
    return position;
}

/* Make room at a position of a block that is not full. All slots move or stay by selection: a loop over those behind
 * the position would end with a mispredicted branch. */
static inline void book_block_open(struct book_block *block, uint32_t position, uint32_t key, uint32_t level)
{
    uint32_t keys[BOOK_BLOCK_LEVEL_COUNT], levels[BOOK_BLOCK_LEVEL_COUNT];

    memcpy(keys, block->keys, sizeof(keys));
    memcpy(levels, block->levels, sizeof(levels));
    for (uint32_t slot = 1; slot < BOOK_BLOCK_LEVEL_COUNT; slot++) {
        block->keys[slot] = slot > position ? keys[slot - 1] : keys[slot];
        block->levels[slot] = slot > position ? levels[slot - 1] : levels[slot];
    }
    block->keys[position] = key;
    block->levels[position] = level;
}

/* Take a position out, likewise. */
static inline void book_block_close(struct book_block *block, uint32_t position)
{
    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT - 1; slot++) {
        block->keys[slot] = slot < position ? block->keys[slot] : block->keys[slot + 1];
        block->levels[slot] = slot < position ? block->levels[slot] : block->levels[slot + 1];
    }
    block->keys[BOOK_BLOCK_LEVEL_COUNT - 1] = UINT32_MAX;
}

/* The block where a key is or belongs; the side must not be empty. A step per block passed. */
static inline uint32_t book_block_find(const struct book *book, uint32_t index, uint32_t key)
{
    const struct book_block *block = &book->blocks[index];

    while (key < block->keys[0] && block->outward != 0) {
        index = block->outward;
        block = &book->blocks[index];
    }
    return index;
}

static inline uint32_t book_block_allocate(struct book *book)
{
    uint32_t index = book->block_free;

    if (index != 0)
        book->block_free = book->blocks[index].outward;
    else
        index = ++book->block_used;
    if (++book->block_count > book->statistics.block_count_max)
        book->statistics.block_count_max = book->block_count;

    struct book_block *block = &book->blocks[index];

    block->outward = block->inward = block->count = 0;
    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++)
        block->keys[slot] = UINT32_MAX;
    return index;
}

/* Unlink an empty block and give it back. */
static inline void book_block_release(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t index)
{
    struct book_block *block = &book->blocks[index];

    if (block->inward != 0)
        book->blocks[block->inward].outward = block->outward;
    else
        symbol->block[side] = block->outward;
    if (block->outward != 0)
        book->blocks[block->outward].inward = block->inward;
    block->outward = book->block_free;
    book->block_free = index;
    book->block_count--;
}

/* Move the worse half of a full block into a new one just outward. */
void book_block_split(struct book *book, uint32_t index);

/* After a removal: drop an empty block, or merge with a neighbour when both fit into half a block. */
void book_block_settle(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t index);

/* The caller has checked that level_count is below level_capacity. */
static inline uint32_t book_level_allocate(struct book *book, uint32_t price)
{
    uint32_t index = book->level_free;

    if (index != 0)
        book->level_free = book->levels[index].next_free;
    else
        index = ++book->level_used;
    if (++book->level_count > book->statistics.level_count_max)
        book->statistics.level_count_max = book->level_count;
    book->levels[index] = (struct book_level){.price = price};
    return index;
}

/* Level of a price, created if need be; 0 = level_capacity reached. */
static inline uint32_t book_level_obtain(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t price)
{
    uint32_t key = book_key(side, price);
    uint32_t index = symbol->block[side];
    uint32_t position = 0;

    if (index != 0) {
        index = book_block_find(book, index, key);
        const struct book_block *block = &book->blocks[index];

        position = book_block_position(block, key);
        if (position < block->count && block->keys[position] == key)
            return block->levels[position];
    }
    if (book->level_count == book->level_capacity)
        return 0;
    if (index == 0) {
        index = symbol->block[side] = book_block_allocate(book);
    } else if (book->blocks[index].count == BOOK_BLOCK_LEVEL_COUNT) {
        book_block_split(book, index);
        index = book_block_find(book, index, key);
        position = book_block_position(&book->blocks[index], key);
    }

    struct book_block *block = &book->blocks[index];

    book_block_open(block, position, key, book_level_allocate(book, price));
    block->count++;
    symbol->level_count[side]++;
    return block->levels[position];
}

/* Remove an empty level. */
static inline void book_level_remove(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t level)
{
    uint32_t key = book_key(side, book->levels[level].price);
    uint32_t index = book_block_find(book, symbol->block[side], key);
    struct book_block *block = &book->blocks[index];
    uint32_t count = --block->count;

    book_block_close(block, book_block_position(block, key));
    if (count <= BOOK_BLOCK_MERGE_COUNT)
        book_block_settle(book, symbol, side, index);

    book->levels[level].next_free = book->level_free;
    book->level_free = level;
    book->level_count--;
    symbol->level_count[side]--;
}

#endif
