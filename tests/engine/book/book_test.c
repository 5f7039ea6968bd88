/* The book's rules one by one, then long random streams against the slow book of shadow_book.h. */
#include "engine/book/book.h"

#include <errno.h>
#include <string.h>

#include "engine/book/book_levels.h"
#include "tests/engine/book/shadow_book.h"
#include "tests/engine/check.h"

enum { MEMORY_BYTES = 1 << 18, SYMBOL = 3 };

static _Alignas(BOOK_MEMORY_ALIGNMENT) uint8_t memory[MEMORY_BYTES];
static struct book book;
static struct book_row rows[SHADOW_ORDER_COUNT_MAX], expected_rows[SHADOW_ORDER_COUNT_MAX];

static void start(uint32_t orders, uint32_t levels)
{
    const struct book_options options = {.order_capacity = orders, .level_capacity = levels, .symbol_count = 8};

    CHECK(book_memory_size(&options) != 0 && book_memory_size(&options) <= sizeof(memory));
    CHECK_EQUAL(book_init(&book, &options, memory, sizeof(memory)), 0);
}

static enum book_outcome add(uint64_t reference, char side, uint32_t price, uint32_t shares)
{
    return book_apply(&book, &(struct event){.kind = EVENT_ADD, .symbol = SYMBOL, .order_reference = reference,
                                             .side = side, .price = price, .shares = shares});
}

static enum book_outcome change(enum event_kind kind, uint64_t reference, uint32_t shares)
{
    return book_apply(&book, &(struct event){.kind = (uint8_t)kind, .symbol = SYMBOL, .order_reference = reference,
                                             .shares = shares});
}

static enum book_outcome replace(uint64_t reference, uint64_t new_reference, uint32_t price, uint32_t shares)
{
    return book_apply(&book, &(struct event){.kind = EVENT_REPLACE, .symbol = SYMBOL, .order_reference = reference,
                                             .new_order_reference = new_reference, .price = price, .shares = shares});
}

static void check_top(uint32_t bid_price, uint32_t bid_shares, uint32_t ask_price, uint32_t ask_shares)
{
    const struct book_top *top = book_top(&book, SYMBOL);

    CHECK_EQUAL(top->bid_price, bid_price);
    CHECK_EQUAL(top->bid_shares, bid_shares);
    CHECK_EQUAL(top->ask_price, ask_price);
    CHECK_EQUAL(top->ask_shares, ask_shares);
}

static void top_follows_every_kind_of_change(void)
{
    start(16, 16);
    check_top(0, 0, 0, 0);
    CHECK_EQUAL(add(1, 'B', 100, 10), BOOK_APPLIED);
    CHECK_EQUAL(add(2, 'B', 100, 20), BOOK_APPLIED);
    CHECK_EQUAL(add(3, 'B', 99, 5), BOOK_APPLIED);
    CHECK_EQUAL(add(4, 'S', 105, 7), BOOK_APPLIED);
    check_top(100, 30, 105, 7);
    CHECK_EQUAL(change(EVENT_EXECUTE, 1, 4), BOOK_APPLIED);
    check_top(100, 26, 105, 7);
    CHECK_EQUAL(change(EVENT_EXECUTE_PRICE, 1, 6), BOOK_APPLIED);
    check_top(100, 20, 105, 7);
    CHECK_EQUAL(change(EVENT_REDUCE, 2, 1), BOOK_APPLIED);
    check_top(100, 19, 105, 7);
    CHECK_EQUAL(replace(4, 5, 104, 8), BOOK_APPLIED);
    check_top(100, 19, 104, 8);
    CHECK_EQUAL(change(EVENT_DELETE, 2, 0), BOOK_APPLIED);
    check_top(99, 5, 104, 8);
    CHECK_EQUAL(change(EVENT_DELETE, 5, 0), BOOK_APPLIED);
    check_top(99, 5, 0, 0);
    CHECK(book.complete);
}

static void queue_keeps_entry_order_and_a_replace_goes_to_its_tail(void)
{
    start(16, 16);
    add(1, 'S', 100, 10), add(2, 'S', 100, 20), add(3, 'S', 100, 30);
    change(EVENT_REDUCE, 1, 5); /* keeps its place */
    replace(2, 2, 100, 20);     /* same reference, price and shares: last all the same */
    CHECK_EQUAL(book_export(&book, rows, SHADOW_ORDER_COUNT_MAX), 3);
    CHECK_EQUAL(rows[0].reference, 1);
    CHECK_EQUAL(rows[1].reference, 3);
    CHECK_EQUAL(rows[2].reference, 2);
    CHECK_EQUAL(rows[2].position, 2);
    CHECK_EQUAL(book_export(&book, rows, 2), 2); /* at most capacity */
    CHECK(book.complete);
}

static void replace_onto_a_standing_reference_is_ignored_as_a_whole(void)
{
    start(16, 16);
    add(1, 'B', 100, 10), add(2, 'B', 90, 20);
    CHECK_EQUAL(replace(1, 2, 95, 5), BOOK_DUPLICATE_REFERENCE);
    check_top(100, 10, 0, 0);
    CHECK_EQUAL(book.order_count, 2);
    CHECK_EQUAL(book_find(&book, 2)->price, 90);
    CHECK_EQUAL(book.statistics.outcomes[BOOK_DUPLICATE_REFERENCE], 1);
    CHECK(!book.complete);
}

static void add_of_a_standing_reference_leaves_the_order_that_is_there(void)
{
    start(16, 16);
    add(1, 'B', 100, 10);
    CHECK_EQUAL(add(1, 'S', 200, 1), BOOK_DUPLICATE_REFERENCE);
    check_top(100, 10, 0, 0);
    CHECK(!book.complete);
}

static void unknown_references_are_counted_and_invent_nothing(void)
{
    start(16, 16);
    for (int kind = EVENT_EXECUTE; kind <= EVENT_REPLACE; kind++)
        CHECK_EQUAL(change(kind, 77, 1), BOOK_UNKNOWN_REFERENCE);
    CHECK_EQUAL(book.statistics.outcomes[BOOK_UNKNOWN_REFERENCE], 5);
    CHECK_EQUAL(book.order_count, 0);
    CHECK(book.complete);
    CHECK_EQUAL(change(EVENT_TRADE, 77, 1), BOOK_IGNORED);
}

static void overfill_removes_the_order_and_fails_closed(void)
{
    start(16, 16);
    add(1, 'B', 100, 10);
    CHECK_EQUAL(change(EVENT_EXECUTE, 1, 11), BOOK_OVERFILL);
    CHECK_EQUAL(book.order_count, 0);
    CHECK_EQUAL(book.level_count, 0);
    check_top(0, 0, 0, 0);
    CHECK(!book.complete);
}

static void what_cannot_be_entered_is_named(void)
{
    start(2, 2);
    CHECK_EQUAL(add(1, 'X', 100, 1), BOOK_BAD_SIDE);
    CHECK_EQUAL(add(1, 'B', 0, 1), BOOK_ZERO_PRICE);
    CHECK_EQUAL(add(1, 'B', 100, 0), BOOK_ZERO_SHARES);
    for (uint16_t symbol = 0; symbol < 16; symbol += 8) {
        const struct event event = {.kind = EVENT_ADD, .symbol = symbol, .side = 'B', .price = 1, .shares = 1};

        CHECK_EQUAL(book_apply(&book, &event), BOOK_BAD_SYMBOL);
    }
    CHECK_EQUAL(book.order_count, 0);
    CHECK_EQUAL(add(1, 'B', 100, 1), BOOK_APPLIED);
    CHECK_EQUAL(add(2, 'B', 101, 1), BOOK_APPLIED);
    CHECK_EQUAL(add(3, 'B', 101, 1), BOOK_FULL);
    CHECK_EQUAL(replace(2, 3, 102, 1), BOOK_APPLIED); /* its own room is enough */
    check_top(102, 1, 0, 0);
    start(4, 1);
    add(1, 'B', 100, 1);
    CHECK_EQUAL(add(2, 'B', 101, 1), BOOK_FULL);
    CHECK_EQUAL(add(2, 'B', 100, 1), BOOK_APPLIED);
    CHECK(!book.complete);
}

static void zero_shares_alone_leave_the_book_complete(void)
{
    start(4, 4);
    add(1, 'B', 100, 1);
    CHECK_EQUAL(add(2, 'B', 100, 0), BOOK_ZERO_SHARES);
    CHECK_EQUAL(change(EVENT_EXECUTE, 1, 0), BOOK_APPLIED);
    CHECK_EQUAL(replace(1, 2, 100, 0), BOOK_ZERO_SHARES);
    CHECK_EQUAL(book.order_count, 0);
    CHECK(book.complete);
}

static void best_shares_saturate_and_come_back(void)
{
    start(4, 4);
    add(1, 'B', 100, UINT32_MAX), add(2, 'B', 100, 2);
    check_top(100, UINT32_MAX, 0, 0);
    change(EVENT_REDUCE, 1, UINT32_MAX - 1);
    check_top(100, 3, 0, 0);
}

static void a_wrong_symbol_is_counted_and_the_orders_own_symbol_changes(void)
{
    start(4, 4);
    add(1, 'B', 100, 5);
    CHECK_EQUAL(book_apply(&book, &(struct event){.kind = EVENT_REDUCE, .symbol = 2, .order_reference = 1, .shares = 1}),
                BOOK_APPLIED);
    check_top(100, 4, 0, 0);
    CHECK_EQUAL(book.statistics.symbol_mismatches, 1);
    CHECK(!book.complete);
}

static void bad_options_and_bad_memory_are_refused(void)
{
    struct book_options options = {.order_capacity = 4, .level_capacity = 4, .symbol_count = 4};

    CHECK_EQUAL(book_init(&book, &options, memory, book_memory_size(&options) - 1), -EINVAL);
    CHECK_EQUAL(book_init(&book, &options, memory + 8, sizeof(memory) - 8), -EINVAL);
    options.order_capacity = BOOK_ORDER_CAPACITY_MAX + 1;
    CHECK_EQUAL(book_memory_size(&options), 0);
    options = (struct book_options){.order_capacity = 4, .level_capacity = 0, .symbol_count = 4};
    CHECK_EQUAL(book_init(&book, &options, memory, sizeof(memory)), -EINVAL);
    book_options_default(&options);
    CHECK(book_memory_size(&options) != 0);
    for (int outcome = 0; outcome < BOOK_OUTCOME_COUNT; outcome++)
        CHECK(strcmp(book_outcome_name(outcome), "unknown") != 0);
    CHECK(strcmp(book_outcome_name(BOOK_OUTCOME_COUNT), "unknown") == 0);
}

/* ---- random streams ---- */

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % bound);
}

/* References from a small set so that they meet, spread so that the index probes and wraps. */
static uint64_t random_reference(uint32_t stride)
{
    return UINT64_MAX - (uint64_t)random_below(3 * SHADOW_ORDER_COUNT_MAX / 2) * stride;
}

static struct event random_event(uint32_t prices, uint32_t stride)
{
    static const uint8_t kinds[] = {EVENT_ADD, EVENT_ADD, EVENT_ADD, EVENT_ADD, EVENT_EXECUTE, EVENT_EXECUTE_PRICE,
                                    EVENT_REDUCE, EVENT_DELETE, EVENT_REPLACE, EVENT_REPLACE};
    const bool odd = random_below(50) == 0;

    return (struct event){.kind = kinds[random_below(sizeof(kinds))],
                          .symbol = (uint16_t)(odd ? random_below(10) : SYMBOL),
                          .side = random_below(100) == 0 ? '?' : random_below(2) ? 'B' : 'S',
                          .price = odd ? random_below(2) * UINT32_MAX : 1000 + random_below(prices),
                          .shares = odd ? UINT32_MAX : random_below(20),
                          .order_reference = random_reference(stride),
                          .new_order_reference = random_reference(stride)};
}

/* What book_levels.h says of the blocks of one side; how many there are beyond the first. */
static uint32_t check_blocks(uint32_t side)
{
    const struct book_block *block = &book.blocks[side], *inward = NULL;
    uint32_t ceiling = UINT32_MAX, count = 0;

    for (;; count++, inward = block, block = &book.blocks[block->outward]) {
        uint32_t used = 0;

        CHECK_EQUAL(block->inward, inward == NULL ? 0 : inward - book.blocks);
        for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++) {
            uint32_t key = book_key(side % 2, block->prices[slot]);

            if (key == 0)
                continue;
            used |= 1u << slot;
            CHECK(key >= block->floor && (inward == NULL || key < ceiling));
            CHECK(block->levels[slot].value != 0);
        }
        CHECK_EQUAL(used, block->used);
        CHECK(inward == NULL || __builtin_popcount(used) + __builtin_popcount(inward->used) >= 4);
        CHECK((block->floor == 0) == (block->outward == 0));
        ceiling = block->floor;
        if (block->outward == 0)
            return count;
    }
}

static void check_same_book(const struct shadow_book *shadow)
{
    uint32_t block_count = 0;

    for (uint32_t side = 0; side < BOOK_SIDE_COUNT * book.symbol_count; side++)
        block_count += check_blocks(side);
    CHECK_EQUAL(book.block_count, block_count);


    const uint32_t count = shadow_export(shadow, expected_rows);

    CHECK_EQUAL(book_export(&book, rows, SHADOW_ORDER_COUNT_MAX), count);
    CHECK(memcmp(rows, expected_rows, count * sizeof(rows[0])) == 0);
    CHECK_EQUAL(book.order_count, count);
    CHECK_EQUAL(book.level_count, shadow_level_count(shadow));
    CHECK(book.block_count <= book.block_capacity);
    CHECK_EQUAL(book.complete, shadow_complete(shadow));
    CHECK_EQUAL(book.statistics.symbol_mismatches, shadow->symbol_mismatches);
}

static void random_stream(uint32_t orders, uint32_t levels, uint32_t prices, uint32_t stride)
{
    static struct shadow_book shadow;

    start(orders, levels);
    memset(&shadow, 0, sizeof(shadow));
    shadow.order_capacity = orders;
    shadow.level_capacity = levels;
    shadow.symbol_count = 8;
    for (uint32_t step = 0; step < 20000; step++) {
        const struct event event = random_event(prices, stride);

        CHECK_EQUAL(book_apply(&book, &event), shadow_apply(&shadow, &event));
        const struct book_top top = shadow_top(&shadow, SYMBOL);

        CHECK(memcmp(&top, book_top(&book, SYMBOL), sizeof(top)) == 0);
        if (step % 50 == 0)
            check_same_book(&shadow);
    }
    check_same_book(&shadow);
    CHECK(memcmp(shadow.outcomes, book.statistics.outcomes, sizeof(shadow.outcomes)) == 0);
}

/* As after a gap, in the middle of a stream: what follows is the book of the rest alone. */
static void a_reset_book_goes_on_like_a_new_one(void)
{
    static struct shadow_book shadow;

    start(SHADOW_ORDER_COUNT_MAX, SHADOW_ORDER_COUNT_MAX);
    for (uint32_t round = 0; round < 40; round++) {
        memset(&shadow, 0, sizeof(shadow));
        shadow.order_capacity = shadow.level_capacity = SHADOW_ORDER_COUNT_MAX;
        shadow.symbol_count = 8;
        book_reset(&book);
        CHECK_EQUAL(book_export(&book, rows, SHADOW_ORDER_COUNT_MAX), 0);
        CHECK(book.complete);
        for (uint32_t step = 0; step < 1000; step++) {
            struct event event = random_event(round % 2 == 0 ? 200 : 3, 1);

            event.symbol = event.symbol % 7 + 1;
            CHECK_EQUAL(book_apply(&book, &event), shadow_apply(&shadow, &event));
        }
        const uint32_t count = shadow_export(&shadow, expected_rows);

        CHECK_EQUAL(book_export(&book, rows, SHADOW_ORDER_COUNT_MAX), count);
        CHECK(memcmp(rows, expected_rows, count * sizeof(rows[0])) == 0);
        for (uint16_t symbol = 0; symbol < 8; symbol++) {
            const struct book_top top = shadow_top(&shadow, symbol);

            CHECK(memcmp(&top, book_top(&book, symbol), sizeof(top)) == 0);
        }
    }
}

static void random_streams_give_the_slow_books_outcomes_tops_and_rows(void)
{
    random_stream(SHADOW_ORDER_COUNT_MAX, SHADOW_ORDER_COUNT_MAX, 200, 1); /* many levels: blocks split and merge */
    random_stream(SHADOW_ORDER_COUNT_MAX, 40, 60, 8);                      /* level capacity reached */
    random_stream(60, 60, 5, 1u << 20);                                    /* long queues, order capacity reached */
    random_stream(1, 1, 3, 1);
}

static void equal_books_have_equal_digests_whatever_their_history(void)
{
    start(16, 16);
    add(1, 'B', 100, 10), add(2, 'S', 101, 5);
    const uint64_t digest = book_digest(&book);

    start(16, 16);
    add(9, 'S', 101, 5), add(1, 'B', 100, 30), change(EVENT_REDUCE, 1, 20), replace(9, 2, 101, 5);
    CHECK_EQUAL(book_digest(&book), digest);
    change(EVENT_REDUCE, 1, 1);
    CHECK(book_digest(&book) != digest);
}

int main(void)
{
    RUN(top_follows_every_kind_of_change);
    RUN(queue_keeps_entry_order_and_a_replace_goes_to_its_tail);
    RUN(replace_onto_a_standing_reference_is_ignored_as_a_whole);
    RUN(add_of_a_standing_reference_leaves_the_order_that_is_there);
    RUN(unknown_references_are_counted_and_invent_nothing);
    RUN(overfill_removes_the_order_and_fails_closed);
    RUN(what_cannot_be_entered_is_named);
    RUN(zero_shares_alone_leave_the_book_complete);
    RUN(best_shares_saturate_and_come_back);
    RUN(a_wrong_symbol_is_counted_and_the_orders_own_symbol_changes);
    RUN(bad_options_and_bad_memory_are_refused);
    RUN(a_reset_book_goes_on_like_a_new_one);
    RUN(random_streams_give_the_slow_books_outcomes_tops_and_rows);
    RUN(equal_books_have_equal_digests_whatever_their_history);
    return check_result();
}
