/* The frozen copy against a copy made at once, while the book is changed at random between its steps. */
#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"
#include "traffic/exchange/published_freeze.h"
#include "traffic/market/random.h"
#include "traffic/wire/itch50.h"

enum { ORDERS = 300, LEVELS = 8000, REFERENCES = 500, ROUNDS = 400 };

static struct random generator;
static struct published_book book;
static struct published_freeze freeze;

static uint64_t below(uint64_t bound) {
    return random_below(&generator, bound);
}

static void change_book(void) {
    uint8_t frame[ITCH50_FRAME_BYTES_MAX], *end;
    uint64_t reference = below(REFERENCES);
    uint32_t shares = 1 + (uint32_t)below(100), price = 1 + (uint32_t)below(20);
    struct itch50_order order = {reference, shares, price, (const uint8_t *)"ACME    ", (uint16_t)below(3),
                                 below(2) ? 'B' : 'S'};
    switch (below(6)) {
    case 0:
        end = itch50_put_delete(frame, order.locate, reference);
        break;
    case 1:
        end = itch50_put_replace(frame, order.locate, reference, below(REFERENCES), order.shares, order.price);
        break;
    case 2:
        end = itch50_put_cancel(frame, order.locate, reference, order.shares);
        break;
    case 3:
        end = itch50_put_executed(frame, order.locate, 0, reference, order.shares, 1);
        break;
    default:
        end = itch50_put_add(frame, &order, below(4) ? NULL : "MPID");
    }
    published_book_apply(&book, frame + 2, (uint32_t)(end - frame - 2));
}

/* Every order of the copy, with its place in the queue told by the order of the copy alone. */
static void check_copy(const struct published_row *rows, uint64_t count) {
    CHECK_EQUAL(freeze.count, count);
    for (uint32_t rank = 1; rank < freeze.count; rank++)
        CHECK(published_freeze_order(&freeze, rank - 1)->entered < published_freeze_order(&freeze, rank)->entered);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t position = 0;
        const struct published_order *found = NULL;
        for (uint32_t rank = 0; rank < freeze.count && !found; rank++) {
            const struct published_order *order = published_freeze_order(&freeze, rank);
            if (order->reference == rows[i].reference)
                found = order;
            else
                position += order->symbol == rows[i].symbol && order->side == (uint8_t)rows[i].side &&
                            order->price == rows[i].price;
        }
        CHECK(found != NULL);
        if (!found)
            return;
        CHECK_EQUAL(found->shares, rows[i].shares);
        CHECK_EQUAL(found->price, rows[i].price);
        CHECK_EQUAL(position, rows[i].position);
    }
}

static void test_the_copy_is_the_book_at_its_begin_whatever_happens_meanwhile(void) {
    static struct published_row rows[ORDERS];
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t changes = below(200); changes; changes--)
            change_book();
        published_freeze_begin(&freeze);
        if (below(4) == 0) {  /* given up on the way */
            for (uint64_t steps = below(10); steps; steps--)
                published_freeze_step(&freeze, 20);
            change_book();
            if (below(2))
                published_freeze_end(&freeze);
            published_freeze_begin(&freeze);
        }
        uint64_t count = published_book_export(&book, rows);
        bool ready = false;
        for (int steps = 0; !ready && steps < 1000; steps++) {
            for (uint64_t changes = below(30); changes; changes--)
                change_book();
            ready = published_freeze_step(&freeze, 1 + (uint32_t)below(60));
        }
        CHECK(ready);
        check_copy(rows, count);
    }
}

static void test_an_empty_book_is_ready_soon(void) {
    static struct published_book empty;
    static struct published_freeze none;
    void *memory = calloc(1, published_book_bytes(4, 16)), *copies;
    published_book_init(&empty, memory, 4, 16);
    copies = calloc(1, published_freeze_bytes(&empty));
    published_freeze_init(&none, &empty, copies);
    published_freeze_begin(&none);
    int steps = 0;
    while (!published_freeze_step(&none, 1) && steps < 10)
        steps++;
    CHECK(steps < 10);
    CHECK_EQUAL(none.count, 0);
    free(memory);
    free(copies);
}

int main(void) {
    void *memory = calloc(1, published_book_bytes(ORDERS, LEVELS)), *copies;
    published_book_init(&book, memory, ORDERS, LEVELS);
    copies = calloc(1, published_freeze_bytes(&book));
    published_freeze_init(&freeze, &book, copies);
    random_init(&generator, 11);
    RUN(test_the_copy_is_the_book_at_its_begin_whatever_happens_meanwhile);
    RUN(test_an_empty_book_is_ready_soon);
    free(memory);
    free(copies);
    return check_result();
}
