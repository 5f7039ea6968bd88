/* Reading the whole book out, in the order of book.npy, and its digest; the contract is in book.h. Cold. */
#include "engine/book/book.h"

#include "engine/book/book_index.h"
#include "engine/book/book_levels.h"

/* Called for each order in (symbol, side, price, position) order until it says false. */
typedef bool (*book_visit)(void *context, const struct book_row *row);

static bool visit_level(const struct book *book, const struct book_node *level, book_visit visit, void *context)
{
    uint32_t position = 0;

    for (const struct book_node *node = book_node_at(book, level->next); node != level;
         node = book_node_at(book, node->next)) {
        const struct book_order *order = (const struct book_order *)node;
        struct book_row row = {
            .symbol = (uint16_t)(order->side / 2),
            .side = order->side % 2 == BOOK_BID ? 'B' : 'S',
            .price = order->price,
            .position = position++,
            .reference = order->reference,
            .shares = order->shares,
        };

        if (!visit(context, &row))
            return false;
    }
    return true;
}

static bool visit_block(const struct book *book, const struct book_block *block, unsigned side, book_visit visit,
                        void *context)
{
    uint8_t slots[BOOK_BLOCK_LEVEL_COUNT];
    uint32_t count = book_block_sort(block, side, slots);

    for (uint32_t step = 0; step < count; step++) {
        uint32_t slot = slots[side == BOOK_BID ? count - 1 - step : step];

        if (!visit_level(book, &block->levels[slot], visit, context))
            return false;
    }
    return true;
}

/* Prices ascend: bids from the outermost block inward, asks from the best outward. */
static bool visit_side(const struct book *book, uint32_t first, unsigned side, book_visit visit, void *context)
{
    uint32_t number = first;

    while (side == BOOK_BID && book->blocks[number].outward != 0)
        number = book->blocks[number].outward;
    for (;;) {
        const struct book_block *block = &book->blocks[number];

        if (!visit_block(book, block, side, visit, context))
            return false;
        if (side == BOOK_BID ? number == first : block->outward == 0)
            return true;
        number = side == BOOK_BID ? block->inward : block->outward;
    }
}

static void visit_book(const struct book *book, book_visit visit, void *context)
{
    for (uint32_t symbol = 0; symbol < book->symbol_count && book->order_count != 0; symbol++) {
        for (unsigned side = BOOK_BID; side < BOOK_SIDE_COUNT; side++) {
            if (book->symbols[symbol].best.price[side] != 0 &&
                !visit_side(book, 2 * symbol + side, side, visit, context))
                return;
        }
    }
}

struct rows {
    struct book_row *rows;
    uint32_t count;
    uint32_t capacity;
};

static bool append_row(void *context, const struct book_row *row)
{
    struct rows *rows = context;

    if (rows->count == rows->capacity)
        return false;
    rows->rows[rows->count++] = *row;
    return true;
}

uint32_t book_export(const struct book *book, struct book_row *rows, uint32_t capacity)
{
    struct rows context = {.rows = rows, .count = 0, .capacity = capacity};

    visit_book(book, append_row, &context);
    return context.count;
}

static bool digest_row(void *context, const struct book_row *row)
{
    uint64_t *digest = context;
    const uint8_t *bytes = (const uint8_t *)row;

    for (unsigned index = 0; index < sizeof(*row); index++)
        *digest = (*digest ^ bytes[index]) * UINT64_C(0x100000001b3);
    return true;
}

uint64_t book_digest(const struct book *book)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);

    visit_book(book, digest_row, &digest);
    return digest;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

uint64_t book_patrol(const struct book *book, uint32_t *cursor, uint32_t count, uint64_t hash)
{
    for (; count != 0 && book->order_used != 0; count--) {
        *cursor = *cursor < book->order_used ? *cursor + 1 : 1;
        const struct book_order *order = book_order_at(book, (uint32_t)(*cursor * BOOK_ORDER_WORDS));

        hash = mix(hash, order->reference);
        hash = mix(hash, (uint64_t)order->previous << 32 | order->next);
        hash = mix(hash, (uint64_t)order->shares << 32 | order->price) ^ order->side;
    }
    return hash;
}

const char *book_outcome_name(enum book_outcome outcome)
{
    static const char *const names[BOOK_OUTCOME_COUNT] = {
        [BOOK_IGNORED] = "ignored",
        [BOOK_APPLIED] = "applied",
        [BOOK_UNKNOWN_REFERENCE] = "unknown_reference",
        [BOOK_DUPLICATE_REFERENCE] = "duplicate_reference",
        [BOOK_OVERFILL] = "overfill",
        [BOOK_FULL] = "full",
        [BOOK_BAD_SIDE] = "bad_side",
        [BOOK_BAD_SYMBOL] = "bad_symbol",
        [BOOK_ZERO_SHARES] = "zero_shares",
        [BOOK_ZERO_PRICE] = "zero_price",
    };

    return (unsigned)outcome < BOOK_OUTCOME_COUNT ? names[outcome] : "unknown";
}

uint32_t book_order_price(const struct book *book, uint64_t reference)
{
    const uint32_t name = *book_index_find(book, reference);

    return name != 0 ? book_order_at(book, name)->price : 0;
}
