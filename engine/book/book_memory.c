/* Size and layout of the book's one memory block; the contract is in book.h.
 *
 * Only the first buckets and the symbols are cleared at start: the rest is written when first used, so that a book
 * touches no more memory than it needs.
 */
#include <errno.h>
#include <string.h>

#include "engine/book/book.h"
#include "engine/book/book_index.h"
#include "engine/book/book_levels.h"

struct layout {
    size_t buckets_offset, symbols_offset, orders_offset, chains_offset, levels_offset, blocks_offset, size; /* bytes */
    uint32_t bucket_capacity, block_capacity, symbol_count;
};

void book_options_default(struct book_options *options)
{
    *options = (struct book_options){.order_capacity = 1u << 20, .level_capacity = 1u << 18, .symbol_count = 0};
}

/* Neighbouring blocks hold more than BOOK_BLOCK_MERGE_COUNT levels together, so a side of n levels has at most
 * 1 + 2 * n / (BOOK_BLOCK_MERGE_COUNT + 1) blocks; the one is paid by every side that has a level at all. */
static uint32_t book_block_capacity(uint32_t level_capacity, uint32_t symbol_count)
{
    uint32_t sides = 2 * symbol_count < level_capacity ? 2 * symbol_count : level_capacity;

    return sides + 2 * (level_capacity / (BOOK_BLOCK_MERGE_COUNT + 1)) + 1;
}

static size_t take_bytes(size_t *offset, size_t count, size_t entry_size)
{
    size_t start = *offset;
    size_t bytes = count * entry_size;

    *offset = start + (bytes + BOOK_MEMORY_ALIGNMENT - 1) / BOOK_MEMORY_ALIGNMENT * BOOK_MEMORY_ALIGNMENT;
    return start;
}

static int plan(const struct book_options *options, struct layout *layout)
{
    if (options->order_capacity == 0 || options->order_capacity > BOOK_ORDER_CAPACITY_MAX ||
        options->level_capacity == 0 || options->level_capacity > BOOK_LEVEL_CAPACITY_MAX ||
        options->symbol_count > BOOK_SYMBOL_COUNT_MAX)
        return -EINVAL;

    layout->symbol_count = options->symbol_count != 0 ? options->symbol_count : BOOK_SYMBOL_COUNT_MAX;
    layout->block_capacity = book_block_capacity(options->level_capacity, layout->symbol_count);
    layout->bucket_capacity = options->order_capacity / BOOK_BUCKET_ORDERS_TARGET + 1;
    if (layout->bucket_capacity < BOOK_BUCKET_COUNT_START)
        layout->bucket_capacity = BOOK_BUCKET_COUNT_START;

    size_t offset = 0;

    /* entry 0 of each slab stands for "none" */
    layout->buckets_offset = take_bytes(&offset, layout->bucket_capacity, sizeof(struct book_bucket));
    layout->symbols_offset = take_bytes(&offset, layout->symbol_count, sizeof(struct book_symbol));
    layout->orders_offset = take_bytes(&offset, (size_t)options->order_capacity + 1, sizeof(struct book_order));
    layout->chains_offset = take_bytes(&offset, (size_t)options->order_capacity + 1, sizeof(uint32_t));
    layout->levels_offset = take_bytes(&offset, (size_t)options->level_capacity + 1, sizeof(struct book_level));
    layout->blocks_offset = take_bytes(&offset, (size_t)layout->block_capacity + 1, sizeof(struct book_block));
    layout->size = offset;
    return 0;
}

size_t book_memory_size(const struct book_options *options)
{
    struct layout layout;

    return plan(options, &layout) == 0 ? layout.size : 0;
}

int book_init(struct book *book, const struct book_options *options, void *memory, size_t size)
{
    struct layout layout;

    if (plan(options, &layout) != 0 || memory == NULL || size < layout.size ||
        (uintptr_t)memory % BOOK_MEMORY_ALIGNMENT != 0)
        return -EINVAL;

    char *base = memory;

    memset(book, 0, sizeof(*book));
    book->buckets = (struct book_bucket *)(base + layout.buckets_offset);
    book->symbols = (struct book_symbol *)(base + layout.symbols_offset);
    book->orders = (struct book_order *)(base + layout.orders_offset);
    book->chains = (uint32_t *)(base + layout.chains_offset);
    book->levels = (struct book_level *)(base + layout.levels_offset);
    book->blocks = (struct book_block *)(base + layout.blocks_offset);
    book->bucket_capacity = layout.bucket_capacity;
    book->order_capacity = options->order_capacity;
    book->level_capacity = options->level_capacity;
    book->block_capacity = layout.block_capacity;
    book->symbol_count = layout.symbol_count;
    book_reset(book);
    return 0;
}

void book_reset(struct book *book)
{
    book->bucket_mask = BOOK_BUCKET_COUNT_START - 1;
    book->bucket_split = 0;
    book->bucket_count = BOOK_BUCKET_COUNT_START;
    book->order_free = book->level_free = book->block_free = 0;
    book->order_used = book->level_used = book->block_used = 0;
    book->order_count = book->level_count = book->block_count = 0;
    book->complete = true;
    memset(book->buckets, 0, BOOK_BUCKET_COUNT_START * sizeof(book->buckets[0]));
    memset(book->orders, 0, sizeof(book->orders[0]));
    memset(book->symbols, 0, book->symbol_count * sizeof(book->symbols[0]));
}
