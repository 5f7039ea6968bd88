/* Size and layout of the book's one memory block, and emptying it; the contract is in book.h.
 *
 * What has to be zero at the start is the index and, of each symbol, the top and the first block's line of prices.
 * Orders, levels and further blocks are written when first used.
 */
#include <errno.h>
#include <string.h>

#include "engine/book/book.h"
#include "engine/book/book_index.h"
#include "engine/book/book_levels.h"

struct layout {
    size_t buckets_offset, symbols_offset, nodes_offset, blocks_offset, size; /* bytes */
    uint32_t bucket_count, block_capacity, symbol_count;
};

void book_options_default(struct book_options *options)
{
    *options = (struct book_options){.order_capacity = 1u << 20, .level_capacity = 1u << 18};
}

/* Blocks beyond the first of a side. Two neighbours hold four levels or more together (book_levels.h), so that a side
 * of n levels has at most 1 + n / 2 blocks. */
static uint32_t book_block_capacity(uint32_t level_capacity)
{
    return level_capacity / 2 + 1;
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
    layout->block_capacity = book_block_capacity(options->level_capacity);
    layout->bucket_count = BOOK_BUCKET_COUNT_MIN;
    while (layout->bucket_count < options->order_capacity * BOOK_BUCKETS_PER_ORDER)
        layout->bucket_count *= 2;

    const size_t side_count = (size_t)BOOK_SIDE_COUNT * layout->symbol_count;
    size_t offset = 0;

    /* order 0 stands for "none"; blocks follow the orders, since a level's name is a place in the same slab */
    layout->buckets_offset = take_bytes(&offset, layout->bucket_count, sizeof(uint32_t));
    layout->symbols_offset = take_bytes(&offset, layout->symbol_count, sizeof(struct book_symbol));
    layout->nodes_offset = take_bytes(&offset, (size_t)options->order_capacity + 1, sizeof(struct book_order));
    layout->blocks_offset = take_bytes(&offset, side_count + layout->block_capacity, sizeof(struct book_block));
    layout->size = offset;
    return 0;
}

/* Any seed, 1 or 2 too, gives bits all over (splitmix64). */
static uint64_t multiplier_of(uint64_t seed)
{
    uint64_t bits = seed + UINT64_C(0x9E3779B97F4A7C15);

    if (seed == 0)
        return bits;
    bits = (bits ^ bits >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94D049BB133111EB);
    return (bits ^ bits >> 31) | 1;
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
    book->buckets = (uint32_t *)(base + layout.buckets_offset);
    book->symbols = (struct book_symbol *)(base + layout.symbols_offset);
    book->nodes = (uint64_t *)(base + layout.nodes_offset);
    book->blocks = (struct book_block *)(base + layout.blocks_offset);
    book->multiplier = multiplier_of(options->seed);
    book->bucket_mask = layout.bucket_count - 1;
    book->run_shift = 64 - (uint32_t)__builtin_ctz(layout.bucket_count);
    book->order_capacity = options->order_capacity;
    book->level_capacity = options->level_capacity;
    book->block_capacity = layout.block_capacity;
    book->symbol_count = layout.symbol_count;
    book->complete = true;
    memset(book->nodes, 0, sizeof(struct book_order));
    memset(book->buckets, 0, layout.bucket_count * sizeof(book->buckets[0]));
    memset(book->symbols, 0, layout.symbol_count * sizeof(book->symbols[0]));
    for (uint32_t side = 0; side < BOOK_SIDE_COUNT * layout.symbol_count; side++)
        memset(&book->blocks[side], 0, offsetof(struct book_block, levels));
    return 0;
}

/* Every bucket in use is that of an order in the slab, alive or not. */
static void clear_buckets(struct book *book)
{
    if (book->order_used > book->bucket_mask / 64) {
        memset(book->buckets, 0, ((size_t)book->bucket_mask + 1) * sizeof(book->buckets[0]));
        return;
    }
    for (uint32_t number = 1; number <= book->order_used; number++) {
        const struct book_order *order = book_order_at(book, (uint32_t)(number * BOOK_ORDER_WORDS));

        *book_index_bucket(book, order->reference) = 0;
    }
}

void book_reset(struct book *book)
{
    clear_buckets(book);
    for (uint32_t side = 0; side < BOOK_SIDE_COUNT * book->symbol_count; side++) {
        if (book->symbols[side / 2].best.price[side % 2] != 0) /* the block of an empty side is clear */
            memset(&book->blocks[side], 0, offsetof(struct book_block, levels));
    }
    memset(book->symbols, 0, book->symbol_count * sizeof(book->symbols[0]));
    book->order_free = book->block_free = 0;
    book->order_used = book->block_used = book->level_high = 0;
    book->order_count = book->level_count = book->block_count = 0;
    book->complete = true;
}
