/* The published book against arrays walked from end to end, on a long random stream. */
#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"
#include "traffic/exchange/published_book.h"
#include "traffic/market/random.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum { REFERENCES = 200, STEPS = 200000, SYMBOLS = 3, PRICES = 40 };

struct plain_order {
    uint64_t age;        /* of arrival at its price; 0: not there */
    uint32_t shares, price;
    uint16_t symbol;
    uint8_t side;
};

static struct plain_order plain[REFERENCES];
static uint64_t plain_age;
static const uint8_t stock[8] = "ACME    ";

static void plain_add(uint64_t reference, uint16_t symbol, uint8_t side, uint32_t shares, uint32_t price) {
    if (!plain[reference].age)
        plain[reference] = (struct plain_order){++plain_age, shares, price, symbol, side};
}

static void plain_reduce(uint64_t reference, uint32_t shares) {
    struct plain_order *order = &plain[reference];
    if (order->shares > shares)
        order->shares -= shares;
    else
        order->age = 0;
}

static uint8_t *step(struct random *random, uint8_t *out) {
    uint64_t reference = random_below(random, REFERENCES), fresh = random_below(random, REFERENCES);
    uint16_t symbol = (uint16_t)random_below(random, SYMBOLS);
    uint8_t side = random_below(random, 2) ? 'B' : 'S';
    uint32_t shares = 1 + (uint32_t)random_below(random, 50), price = 1 + (uint32_t)random_below(random, PRICES);
    struct itch50_order order = {reference, shares, price, stock, symbol, side};
    struct plain_order old = plain[reference];
    switch (random_below(random, 7)) {
    case 0: case 1:
        plain_add(reference, symbol, side, shares, price);
        return itch50_put_add(out, &order, NULL);
    case 2:
        if (old.age) {
            plain[reference].age = 0;
            plain_add(fresh, old.symbol, old.side, shares, price);
        }
        return itch50_put_replace(out, symbol, reference, fresh, shares, price);
    case 3:
        plain_reduce(reference, UINT32_MAX);
        return itch50_put_delete(out, symbol, reference);
    case 4:
        plain_reduce(reference, shares);
        return itch50_put_executed(out, symbol, 0, reference, shares, 1);
    case 5:
        plain_reduce(reference, shares);
        return itch50_put_executed_price(out, symbol, 0, reference, shares, 1, 'Y', 1);
    default:
        plain_reduce(reference, shares);
        return itch50_put_cancel(out, symbol, reference, shares);
    }
}

static void compare(const struct published_book *book) {
    struct published_row rows[REFERENCES];
    uint64_t count = published_book_export(book, rows);
    uint64_t plain_count = 0;
    for (uint64_t reference = 0; reference < REFERENCES; reference++) {
        const struct published_order *order = published_book_find(book, reference);
        CHECK((order != NULL) == (plain[reference].age != 0));
        plain_count += plain[reference].age != 0;
        if (order)
            CHECK(order->shares == plain[reference].shares && order->price == plain[reference].price);
    }
    CHECK_EQUAL(count, plain_count);
    for (uint64_t i = 1; i < count; i++) {
        const struct plain_order *before = &plain[rows[i - 1].reference], *after = &plain[rows[i].reference];
        bool same_price = before->symbol == after->symbol && before->side == after->side &&
                          before->price == after->price;
        CHECK(!same_price || before->age < after->age);
        CHECK_EQUAL(rows[i].position, same_price ? rows[i - 1].position + 1 : 0);
    }
    for (uint16_t symbol = 0; symbol < SYMBOLS; symbol++)
        for (int half = 0; half < 2; half++) {
            uint32_t best = 0;
            uint64_t shares = 0;
            for (int i = 0; i < REFERENCES; i++) {
                const struct plain_order *order = &plain[i];
                if (!order->age || order->symbol != symbol || order->side != "BS"[half])
                    continue;
                if (!best || (half ? order->price < best : order->price > best))
                    best = order->price, shares = 0;
                shares += order->price == best ? order->shares : 0;
            }
            const struct published_level *touch =
                published_book_level(book, published_book_side(book, symbol, (uint8_t)"BS"[half]), 0);
            CHECK_EQUAL(touch ? touch->price : 0, best);
            CHECK_EQUAL(touch ? touch->shares : 0, shares);
        }
}

static void test_random_streams_leave_the_same_orders_queues_and_touch(void) {
    static struct published_book book;
    static struct random random;
    uint8_t frame[ITCH50_FRAME_BYTES_MAX];
    uint32_t levels = published_book_levels_bound(REFERENCES);
    void *memory = aligned_alloc(64, published_book_bytes(REFERENCES, levels));
    memset(memory, 0, published_book_bytes(REFERENCES, levels));
    published_book_init(&book, memory, REFERENCES, levels);
    published_book_touch(&book);
    random_init(&random, 42);
    for (int i = 0; i < STEPS; i++) {
        uint8_t *end = step(&random, frame);
        published_book_apply(&book, frame + 2, (uint32_t)(end - frame - 2));
        if (i % 500 == 0)
            compare(&book);
    }
    CHECK_EQUAL(book.outcomes[PUBLISHED_FULL], 0);
    CHECK_EQUAL(book.outcomes[PUBLISHED_MALFORMED], 0);
    CHECK(published_book_locate(&book, stock) >= 0);
    CHECK_EQUAL(published_book_locate(&book, (const uint8_t *)"NOPE    "), -1);
    free(memory);
}

static void test_messages_cut_at_every_length_change_nothing(void) {
    static struct published_book book;
    uint8_t frame[ITCH50_FRAME_BYTES_MAX];
    struct itch50_order order = {1, 1, 1, stock, 1, 'B'};
    uint8_t *end = itch50_put_add(frame, &order, "MPID");
    uint32_t length = (uint32_t)(end - frame - 2);
    void *memory = calloc(1, published_book_bytes(4, 16));
    published_book_init(&book, memory, 4, 16);
    for (uint32_t cut = 1; cut < length; cut++) {
        uint8_t *exact = malloc(cut);  /* so that a sanitizer sees a read behind it */
        memcpy(exact, frame + 2, cut);
        CHECK_EQUAL(published_book_apply(&book, exact, cut), PUBLISHED_MALFORMED);
        free(exact);
    }
    CHECK_EQUAL(book.live_orders, 0);
    free(memory);
}

int main(void) {
    RUN(test_random_streams_leave_the_same_orders_queues_and_touch);
    RUN(test_messages_cut_at_every_length_change_nothing);
    return check_result();
}
