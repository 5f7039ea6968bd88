/* The order index through many splits, and with more orders in one bucket than it has slots. */
#include "engine/book/book_index.h"

#include <string.h>

#include "tests/engine/check.h"

enum { ORDER_CAPACITY = 1 << 15, CROWD = 40 };

static _Alignas(BOOK_MEMORY_ALIGNMENT) uint8_t memory[4 << 20];
static struct book book;

static void start(uint32_t order_capacity)
{
    const struct book_options options = {.order_capacity = order_capacity, .level_capacity = 8, .symbol_count = 2};

    CHECK(book_memory_size(&options) <= sizeof(memory));
    memset(memory, 0xA5, sizeof(memory)); /* buckets come into use dirty */
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

/* Orders in slots and chains over the whole table; every tag must fit its order. */
static uint32_t count_indexed(void)
{
    uint32_t count = 0;

    for (uint32_t index = 0; index < book.bucket_count; index++) {
        const struct book_bucket *bucket = &book.buckets[index];

        for (uint32_t slot = 0; slot < BOOK_BUCKET_SLOT_COUNT; slot++) {
            CHECK((bucket->tags[slot] == 0) == (bucket->orders[slot] == 0));
            count += bucket->orders[slot] != 0;
        }
        for (uint32_t order = bucket->chain; order != 0; order = book.chains[order])
            count++;
    }
    return count;
}

static void every_order_is_found_while_the_table_grows_and_after_it_empties(void)
{
    static const uint64_t strides[] = {1, 2, 8, 4096, UINT64_C(1) << 32, UINT64_C(0x123456789ABCDEF)};

    for (uint32_t test = 0; test < sizeof(strides) / sizeof(strides[0]); test++) {
        const uint64_t stride = strides[test];
        uint32_t buckets = 0;

        start(ORDER_CAPACITY);
        for (uint64_t step = 1; step <= ORDER_CAPACITY; step++) {
            CHECK_EQUAL(add(step * stride), BOOK_APPLIED);
            CHECK(book.bucket_count - buckets <= 1 || buckets == 0); /* at most one split a message */
            buckets = book.bucket_count;
            CHECK(has((step + 1) / 2 * stride) && has(stride) && !has((step + 1) * stride));
        }
        CHECK_EQUAL(add((ORDER_CAPACITY + 1) * stride), BOOK_FULL);
        CHECK(book.bucket_count >= ORDER_CAPACITY / BOOK_BUCKET_ORDERS_TARGET);
        CHECK(book.bucket_count <= book.bucket_capacity);
        CHECK_EQUAL(count_indexed(), ORDER_CAPACITY);
        for (uint64_t step = 1; step <= ORDER_CAPACITY; step++)
            CHECK(has(step * stride));
        for (uint64_t step = 1; step <= ORDER_CAPACITY; step += 2)
            CHECK_EQUAL(delete(step * stride), BOOK_APPLIED);
        CHECK_EQUAL(count_indexed(), ORDER_CAPACITY / 2);
        for (uint64_t step = 1; step <= ORDER_CAPACITY; step++)
            CHECK(has(step * stride) == (step % 2 == 0));
        for (uint64_t step = ORDER_CAPACITY; step != 0; step -= 2)
            CHECK_EQUAL(delete(step * stride), BOOK_APPLIED);
        CHECK_EQUAL(count_indexed(), 0);
        CHECK_EQUAL(book.level_count, 0);
    }
}

/* References whose hashes agree in the low bits: one bucket takes them all, and tags repeat. */
static void find_crowd(uint64_t *references, uint64_t bits)
{
    uint64_t candidate = 1;

    for (uint32_t count = 0; count < CROWD; candidate++) {
        if ((book_index_hash(candidate) & bits) == bits)
            references[count++] = candidate;
    }
}

static void a_crowded_bucket_chains_and_its_chain_empties_into_freed_slots(void)
{
    uint64_t references[CROWD];

    find_crowd(references, 0xFFFF);
    for (uint32_t stride = 1; stride < CROWD; stride += 2) { /* deletion orders */
        bool alive[CROWD];

        if (stride % 5 == 0)
            continue;
        start(CROWD);
        for (uint32_t index = 0; index < CROWD; index++) {
            CHECK_EQUAL(add(references[index]), BOOK_APPLIED);
            CHECK_EQUAL(add(references[index / 2]), BOOK_DUPLICATE_REFERENCE);
            alive[index] = true;
        }
        CHECK_EQUAL(count_indexed(), CROWD);
        for (uint32_t step = 0; step < CROWD; step++) {
            uint32_t victim = step * stride % CROWD;

            CHECK_EQUAL(delete(references[victim]), BOOK_APPLIED);
            CHECK_EQUAL(delete(references[victim]), BOOK_UNKNOWN_REFERENCE);
            alive[victim] = false;
            for (uint32_t index = 0; index < CROWD; index++)
                CHECK(has(references[index]) == alive[index]);
            CHECK_EQUAL(count_indexed(), CROWD - step - 1);
        }
    }
}

static void a_split_shares_out_a_crowd_with_its_chain(void)
{
    uint64_t references[CROWD];

    find_crowd(references, BOOK_BUCKET_COUNT_START - 1); /* one bucket now, several after its splits */
    start(ORDER_CAPACITY);
    for (uint32_t index = 0; index < CROWD; index++)
        CHECK_EQUAL(add(references[index]), BOOK_APPLIED);
    for (uint64_t filler = UINT64_C(1) << 40; book.bucket_count < 8 * BOOK_BUCKET_COUNT_START; filler++) {
        CHECK_EQUAL(add(filler), BOOK_APPLIED);
        for (uint32_t index = 0; index < CROWD; index++)
            CHECK(has(references[index]));
    }
    CHECK_EQUAL(count_indexed(), book.order_count);
}

/* Order 0 stands for "none" and has reference 0: a free slot must not be taken for it. */
static void reference_zero_is_found_beyond_a_free_slot_and_a_tag_like_its_own(void)
{
    const uint64_t hash = book_index_hash(0);
    uint64_t same_tag = 0, other_tag = 0;

    for (uint64_t candidate = 1; same_tag == 0 || other_tag == 0; candidate++) {
        const uint64_t candidate_hash = book_index_hash(candidate);

        if (((candidate_hash ^ hash) & (BOOK_BUCKET_COUNT_START - 1)) != 0)
            continue;
        if (book_index_tag(candidate_hash) == book_index_tag(hash))
            same_tag = candidate;
        else
            other_tag = candidate;
    }
    start(CROWD);
    CHECK_EQUAL(add(same_tag), BOOK_APPLIED);
    CHECK(!has(0));
    CHECK_EQUAL(add(other_tag), BOOK_APPLIED);
    CHECK_EQUAL(add(0), BOOK_APPLIED);
    CHECK_EQUAL(delete(other_tag), BOOK_APPLIED);
    CHECK(has(0) && has(same_tag));
    CHECK_EQUAL(add(0), BOOK_DUPLICATE_REFERENCE);
    CHECK_EQUAL(delete(0), BOOK_APPLIED);
    CHECK(!has(0) && has(same_tag));
}

int main(void)
{
    RUN(reference_zero_is_found_beyond_a_free_slot_and_a_tag_like_its_own);
    RUN(every_order_is_found_while_the_table_grows_and_after_it_empties);
    RUN(a_crowded_bucket_chains_and_its_chain_empties_into_freed_slots);
    RUN(a_split_shares_out_a_crowd_with_its_chain);
    return check_result();
}
