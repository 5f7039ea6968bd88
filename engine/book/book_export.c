/* Reading the whole book out, in the order of book.npy, and its digest; the contract is in book.h. Cold. */
#include "engine/book/book.h"

/* Called for each order in (symbol, side, price, position) order until it says false. */
typedef bool (*book_visit)(void *context, const struct book_row *row);

static bool visit_level(const struct book *book, uint32_t level_index, book_visit visit, void *context)
{
    uint32_t position = 0;

    for (uint32_t index = book->levels[level_index].first; index != 0; index = book->orders[index].next) {
        const struct book_order *order = &book->orders[index];
        struct book_row row = {
            .symbol = order->symbol,
            .side = order->side == BOOK_BID ? 'B' : 'S',
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

/* Prices ascend: bids from the outermost level inward, asks from the best outward. */
static bool visit_side(const struct book *book, uint32_t block_index, unsigned side, book_visit visit, void *context)
{
    if (side == BOOK_BID) {
        while (block_index != 0 && book->blocks[block_index].outward != 0)
            block_index = book->blocks[block_index].outward;
    }
    while (block_index != 0) {
        const struct book_block *block = &book->blocks[block_index];

        for (uint32_t step = 0; step < block->count; step++) {
            uint32_t slot = side == BOOK_BID ? step : block->count - 1 - step;

            if (!visit_level(book, block->levels[slot], visit, context))
                return false;
        }
        block_index = side == BOOK_BID ? block->inward : block->outward;
    }
    return true;
}

static void visit_book(const struct book *book, book_visit visit, void *context)
{
    for (uint32_t symbol = 0; symbol < book->symbol_count; symbol++) {
        for (unsigned side = BOOK_BID; side < BOOK_SIDE_COUNT; side++) {
            if (!visit_side(book, book->symbols[symbol].block[side], side, visit, context))
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
