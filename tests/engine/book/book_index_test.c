/* The order index under strides and crowds of references, the book emptied, and the look ahead over any bytes. */
#include "engine/book/book_index.h"

#include <stdlib.h>
#include <string.h>

#include "engine/book/book_ahead.h"
#include "tests/engine/check.h"

enum { ORDER_CAPACITY = 1 << 15, CROWD = 40, CHAIN_LENGTH_MAX = 8 };

static _Alignas(BOOK_MEMORY_ALIGNMENT) uint8_t memory[4 << 20];
static struct book book;

static void start(uint32_t order_capacity, uint64_t seed)
{
    const struct book_options options = {
        .order_capacity = order_capacity, .level_capacity = 8, .symbol_count = 2, .seed = seed};

    CHECK(book_memory_size(&options) <= sizeof(memory));
    memset(memory, 0xA5, sizeof(memory)); /* the book clears what it needs cleared */
    CHECK_EQUAL(book_init(&book, &options, memory, sizeof(memory)), 0);
}

static enum book_outcome add(uint64_t reference)
{
    return book_apply(&book, &(struct event){.kind = EVENT_ADD, .symbol = 1, .order_reference = reference, .side = 'B',
                                             .price = 100 + (uint32_t)(reference % 5), .shares = 1});
}

static enum book_outcome delete(uint64_t reference)
{
    return book_apply(&book, &(struct event){.kind = EVENT_DELETE, .symbol = 1, .order_reference = reference});
}

static bool has(uint64_t reference)
{
    const struct book_order *order = book_find(&book, reference);

    return order != NULL && order->reference == reference;
}

/* Orders over the whole table, each in the bucket of its reference. */
static uint32_t count_indexed(uint32_t *longest)
{
    uint32_t count = 0;

    *longest = 0;
    for (uint32_t index = 0; index <= book.bucket_mask; index++) {
        uint32_t length = 0;

        for (uint32_t name = book.buckets[index]; name != 0; name = book_order_at(&book, name)->chain) {
            CHECK(book_index_bucket(&book, book_order_at(&book, name)->reference) == &book.buckets[index]);
            length++;
        }
        count += length;
        *longest = length > *longest ? length : *longest;
    }
    return count;
}

static void fill_and_empty(uint64_t stride, uint64_t seed)
{
    uint32_t longest;

    start(ORDER_CAPACITY, seed);
    for (uint64_t step = 1; step <= ORDER_CAPACITY; step++) {
        CHECK_EQUAL(add(step * stride), BOOK_APPLIED);
        CHECK(has((step + 1) / 2 * stride) && has(stride) && !has((step + 1) * stride));
    }
    CHECK_EQUAL(add((ORDER_CAPACITY + 1) * stride), BOOK_FULL);
    CHECK_EQUAL(count_indexed(&longest), ORDER_CAPACITY);
    CHECK(longest <= CHAIN_LENGTH_MAX);
    for (uint64_t step = 1; step <= ORDER_CAPACITY; step += 2)
        CHECK_EQUAL(delete(step * stride), BOOK_APPLIED);
    CHECK_EQUAL(count_indexed(&longest), ORDER_CAPACITY / 2);
    for (uint64_t step = 1; step <= ORDER_CAPACITY; step++)
        CHECK(has(step * stride) == (step % 2 == 0));
    for (uint64_t step = ORDER_CAPACITY; step != 0; step -= 2)
        CHECK_EQUAL(delete(step * stride), BOOK_APPLIED);
    CHECK_EQUAL(count_indexed(&longest), 0);
    CHECK_EQUAL(book.level_count, 0);
}

static void no_stride_of_references_crowds_the_table_whatever_the_seed(void)
{
    static const uint64_t strides[] = {
        1, 2, 8, 1 << BOOK_RUN_BITS, 4096, ORDER_CAPACITY, 2 * ORDER_CAPACITY, UINT64_C(1) << 32,
        UINT64_C(0x123456789ABCDEF)};
    static const uint64_t seeds[] = {0, 1, UINT64_C(0xC0FFEE1234567890)};

    for (uint32_t stride = 0; stride < sizeof(strides) / sizeof(strides[0]); stride++) {
        for (uint32_t seed = 0; seed < sizeof(seeds) / sizeof(seeds[0]); seed++)
            fill_and_empty(strides[stride], seeds[seed]);
    }
}

/* References of one bucket, wherever that is. */
static void find_crowd(uint64_t *references)
{
    const uint32_t *bucket = book_index_bucket(&book, UINT64_MAX);
    uint64_t candidate = 1;

    for (uint32_t count = 0; count < CROWD; candidate++) {
        if (book_index_bucket(&book, candidate) == bucket)
            references[count++] = candidate;
    }
}

static void a_crowded_bucket_loses_its_orders_in_any_order(void)
{
    uint64_t references[CROWD];
    uint32_t longest;

    for (uint32_t stride = 1; stride < CROWD; stride += 2) { /* deletion orders */
        bool alive[CROWD];

        if (stride % 5 == 0)
            continue;
        start(CROWD, 0);
        find_crowd(references);
        for (uint32_t index = 0; index < CROWD; index++) {
            CHECK_EQUAL(add(references[index]), BOOK_APPLIED);
            CHECK_EQUAL(add(references[index / 2]), BOOK_DUPLICATE_REFERENCE);
            alive[index] = true;
        }
        for (uint32_t step = 0; step < CROWD; step++) {
            uint32_t victim = step * stride % CROWD;

            CHECK_EQUAL(count_indexed(&longest), CROWD - step);
            CHECK_EQUAL(longest, CROWD - step);
            CHECK_EQUAL(delete(references[victim]), BOOK_APPLIED);
            CHECK_EQUAL(delete(references[victim]), BOOK_UNKNOWN_REFERENCE);
            alive[victim] = false;
            for (uint32_t index = 0; index < CROWD; index++)
                CHECK(has(references[index]) == alive[index]);
        }
    }
}

/* Order 0 stands for "none" and has reference 0: an empty bucket must not be taken for it. */
static void reference_zero_is_an_order_like_any_other(void)
{
    uint64_t neighbour = 1;

    start(CROWD, 0);
    while (book_index_bucket(&book, neighbour) != book_index_bucket(&book, 0))
        neighbour++;
    CHECK(!has(0));
    CHECK_EQUAL(delete(0), BOOK_UNKNOWN_REFERENCE);
    CHECK_EQUAL(add(neighbour), BOOK_APPLIED);
    CHECK(!has(0));
    CHECK_EQUAL(delete(0), BOOK_UNKNOWN_REFERENCE);
    CHECK_EQUAL(add(0), BOOK_APPLIED);
    CHECK_EQUAL(add(0), BOOK_DUPLICATE_REFERENCE);
    CHECK_EQUAL(delete(neighbour), BOOK_APPLIED);
    CHECK(has(0));
    CHECK_EQUAL(delete(0), BOOK_APPLIED);
    CHECK(!has(0));
}

static void a_reset_book_is_empty_complete_and_keeps_its_statistics(void)
{
    uint32_t longest;

    start(ORDER_CAPACITY, 0);
    for (uint32_t orders = 1; orders <= ORDER_CAPACITY; orders *= 8) { /* few: by order; many: the whole table */
        const uint64_t applied = book.statistics.outcomes[BOOK_APPLIED];

        for (uint64_t reference = 1; reference <= orders; reference++)
            CHECK_EQUAL(add(reference * 3), BOOK_APPLIED);
        CHECK_EQUAL(add(3), BOOK_DUPLICATE_REFERENCE);
        CHECK(!book.complete);
        book_reset(&book);
        CHECK(book.complete);
        CHECK_EQUAL(count_indexed(&longest), 0);
        CHECK_EQUAL(book.order_count + book.level_count + book.block_count, 0);
        CHECK_EQUAL(book_export(&book, &(struct book_row){.symbol = 0}, 1), 0);
        CHECK_EQUAL(book_top(&book, 1)->bid_price + book_top(&book, 1)->bid_shares, 0);
        CHECK(!has(3));
        CHECK_EQUAL(book.statistics.outcomes[BOOK_APPLIED], applied + orders);
        CHECK_EQUAL(book.statistics.order_count_max, orders);
    }
}

/* Framed bytes of exact size on the heap, so that a read outside is seen. */
static void look_ahead_over(const uint8_t *bytes, size_t size)
{
    uint8_t *messages = malloc(size + 1);
    struct book_ahead ahead;
    const struct book before = book;

    memcpy(messages, bytes, size);
    book_ahead_start(&ahead, &book, messages, messages + size);
    for (size_t offset = 0; offset + 2 <= size; offset += 2 + (messages[offset] << 8 | messages[offset + 1])) {
        book_ahead(&ahead, &book, messages + offset + 2);
        CHECK(ahead.cursor >= messages && ahead.cursor <= messages + size);
        CHECK(ahead.next_turn <= ahead.cursor);
    }
    for (int extra = 0; extra < 3; extra++)
        book_ahead_next(&ahead, &book);
    CHECK(memcmp(&before, &book, sizeof(book)) == 0);
    free(messages);
}

static void looking_ahead_reads_inside_of_its_bytes_and_changes_nothing(void)
{
    uint8_t bytes[2048];
    uint64_t state = 1;

    start(CROWD, 0);
    for (uint64_t reference = 0; reference < CROWD; reference++)
        add(reference);
    for (uint32_t round = 0; round < 4000; round++) {
        size_t size = 0;

        for (size_t index = 0; index < sizeof(bytes); index++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[index] = (uint8_t)(state >> 33);
        }
        while (round % 3 != 0 && size + 66 < sizeof(bytes)) { /* well framed, as a feed's are; else any bytes */
            size_t length = bytes[size] % (round % 3 == 1 ? 51 : 64);

            bytes[size] = 0;
            bytes[size + 1] = (uint8_t)length;
            size += 2 + length;
        }
        look_ahead_over(bytes, round % 3 == 0 ? round % sizeof(bytes) : size);
    }
}

static void batches_come_due_at_every_fourth_message(void)
{
    uint8_t bytes[40 * 21] = {0};
    struct book_ahead ahead;

    start(CROWD, 0);
    for (uint32_t message = 0; message < 40; message++)
        bytes[21 * message + 1] = 19;
    book_ahead_start(&ahead, &book, bytes, bytes + sizeof(bytes));
    for (uint32_t message = 0; message < 40; message++) {
        uint32_t seen = (message / BOOK_AHEAD_BATCH + 3) * BOOK_AHEAD_BATCH;

        book_ahead(&ahead, &book, bytes + 21 * message + 2);
        CHECK_EQUAL(ahead.cursor - bytes, 21 * (seen < 40 ? seen : 40));
    }
}

int main(void)
{
    RUN(reference_zero_is_an_order_like_any_other);
    RUN(no_stride_of_references_crowds_the_table_whatever_the_seed);
    RUN(a_crowded_bucket_loses_its_orders_in_any_order);
    RUN(a_reset_book_is_empty_complete_and_keeps_its_statistics);
    RUN(looking_ahead_reads_inside_of_its_bytes_and_changes_nothing);
    RUN(batches_come_due_at_every_fourth_message);
    return check_result();
}
