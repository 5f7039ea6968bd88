/* The slowest book that can be right: one array of orders in the order of their entry, every answer a scan.
 *
 * It says for each event what book_apply() must say, and holds what book_export() must give. Follows the rules of
 * book.h and ITCH 5.0 section 4.3 to 4.5, nothing of the book's structure. Test code, single thread.
 */
#ifndef TESTS_ENGINE_BOOK_SHADOW_BOOK_H
#define TESTS_ENGINE_BOOK_SHADOW_BOOK_H

#include <stdlib.h>
#include <string.h>

#include "engine/book/book.h"

enum { SHADOW_ORDER_COUNT_MAX = 256 };

struct shadow_book {
    struct book_row orders[SHADOW_ORDER_COUNT_MAX]; /* oldest entry first; position is set by shadow_export() only */
    uint32_t order_count;
    uint32_t order_capacity, level_capacity, symbol_count;
    uint64_t outcomes[BOOK_OUTCOME_COUNT];
    uint64_t symbol_mismatches;
};

static inline bool shadow_same_level(const struct book_row *left, const struct book_row *right)
{
    return left->symbol == right->symbol && left->side == right->side && left->price == right->price;
}

static inline struct book_row *shadow_find(struct shadow_book *shadow, uint64_t reference)
{
    for (uint32_t index = 0; index < shadow->order_count; index++) {
        if (shadow->orders[index].reference == reference)
            return &shadow->orders[index];
    }
    return NULL;
}

/* Whether an order at this level stands before `index`. */
static inline bool shadow_level_before(const struct shadow_book *shadow, const struct book_row *row, uint32_t index)
{
    for (uint32_t earlier = 0; earlier < index; earlier++) {
        if (shadow_same_level(&shadow->orders[earlier], row))
            return true;
    }
    return false;
}

static inline uint32_t shadow_level_count(const struct shadow_book *shadow)
{
    uint32_t count = 0;

    for (uint32_t index = 0; index < shadow->order_count; index++)
        count += !shadow_level_before(shadow, &shadow->orders[index], index);
    return count;
}

static inline void shadow_remove(struct shadow_book *shadow, struct book_row *row)
{
    uint32_t index = (uint32_t)(row - shadow->orders);

    shadow->order_count--;
    memmove(row, row + 1, (shadow->order_count - index) * sizeof(*row));
}

static inline enum book_outcome shadow_enter(struct shadow_book *shadow, struct book_row row)
{
    if (shadow_find(shadow, row.reference) != NULL)
        return BOOK_DUPLICATE_REFERENCE;
    if (row.shares == 0)
        return BOOK_ZERO_SHARES;
    if (row.price == 0)
        return BOOK_ZERO_PRICE;
    if (shadow->order_count == shadow->order_capacity)
        return BOOK_FULL;
    if (!shadow_level_before(shadow, &row, shadow->order_count) && shadow_level_count(shadow) == shadow->level_capacity)
        return BOOK_FULL;
    shadow->orders[shadow->order_count++] = row;
    return BOOK_APPLIED;
}

static inline enum book_outcome shadow_decide(struct shadow_book *shadow, const struct event *event)
{
    struct book_row *row = shadow_find(shadow, event->order_reference);

    if (event->kind == EVENT_ADD) {
        if (event->side != 'B' && event->side != 'S')
            return BOOK_BAD_SIDE;
        if (event->symbol == 0 || event->symbol >= shadow->symbol_count)
            return BOOK_BAD_SYMBOL;
        return shadow_enter(shadow, (struct book_row){.symbol = event->symbol,
                                                      .side = event->side,
                                                      .price = event->price,
                                                      .reference = event->order_reference,
                                                      .shares = event->shares});
    }
    if (event->kind < EVENT_EXECUTE || event->kind > EVENT_REPLACE)
        return BOOK_IGNORED;
    if (row == NULL)
        return BOOK_UNKNOWN_REFERENCE;

    struct book_row replacement = *row;
    struct book_row *standing = shadow_find(shadow, event->new_order_reference);

    if (event->kind == EVENT_REPLACE && standing != NULL && standing != row)
        return BOOK_DUPLICATE_REFERENCE;
    shadow->symbol_mismatches += row->symbol != event->symbol;
    switch (event->kind) {
    case EVENT_DELETE:
        shadow_remove(shadow, row);
        return BOOK_APPLIED;
    case EVENT_REPLACE:
        shadow_remove(shadow, row);
        replacement.reference = event->new_order_reference;
        replacement.shares = event->shares;
        replacement.price = event->price;
        return shadow_enter(shadow, replacement);
    default:
        if (event->shares < row->shares) {
            row->shares -= event->shares;
            return BOOK_APPLIED;
        }
        enum book_outcome outcome = event->shares > row->shares ? BOOK_OVERFILL : BOOK_APPLIED;

        shadow_remove(shadow, row);
        return outcome;
    }
}

static inline enum book_outcome shadow_apply(struct shadow_book *shadow, const struct event *event)
{
    enum book_outcome outcome = shadow_decide(shadow, event);

    shadow->outcomes[outcome]++;
    return outcome;
}

static inline bool shadow_complete(const struct shadow_book *shadow)
{
    const uint64_t *outcomes = shadow->outcomes;

    return outcomes[BOOK_DUPLICATE_REFERENCE] + outcomes[BOOK_OVERFILL] + outcomes[BOOK_FULL] +
               outcomes[BOOK_BAD_SIDE] + outcomes[BOOK_BAD_SYMBOL] + outcomes[BOOK_ZERO_PRICE] +
               shadow->symbol_mismatches ==
           0;
}

static inline struct book_top shadow_top(const struct shadow_book *shadow, uint16_t symbol)
{
    struct book_top top = {0};
    uint64_t bid_shares = 0, ask_shares = 0;

    for (uint32_t index = 0; index < shadow->order_count; index++) {
        const struct book_row *row = &shadow->orders[index];

        if (row->symbol == symbol && row->side == 'B' && row->price > top.bid_price)
            top.bid_price = row->price;
        if (row->symbol == symbol && row->side == 'S' && (top.ask_price == 0 || row->price < top.ask_price))
            top.ask_price = row->price;
    }
    for (uint32_t index = 0; index < shadow->order_count; index++) {
        const struct book_row *row = &shadow->orders[index];

        if (row->symbol == symbol && row->side == 'B' && row->price == top.bid_price)
            bid_shares += row->shares;
        if (row->symbol == symbol && row->side == 'S' && row->price == top.ask_price)
            ask_shares += row->shares;
    }
    top.bid_shares = bid_shares > UINT32_MAX ? UINT32_MAX : (uint32_t)bid_shares;
    top.ask_shares = ask_shares > UINT32_MAX ? UINT32_MAX : (uint32_t)ask_shares;
    return top;
}

static inline int shadow_compare(const void *left_row, const void *right_row)
{
    const struct book_row *left = left_row, *right = right_row;

    if (left->symbol != right->symbol)
        return left->symbol < right->symbol ? -1 : 1;
    if (left->side != right->side)
        return left->side < right->side ? -1 : 1;
    if (left->price != right->price)
        return left->price < right->price ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

/* The rows that book_export() must give. */
static inline uint32_t shadow_export(const struct shadow_book *shadow, struct book_row *rows)
{
    memcpy(rows, shadow->orders, shadow->order_count * sizeof(rows[0]));
    for (uint32_t index = 0; index < shadow->order_count; index++) {
        rows[index].position = 0;
        for (uint32_t earlier = 0; earlier < index; earlier++)
            rows[index].position += shadow_same_level(&rows[earlier], &rows[index]);
    }
    qsort(rows, shadow->order_count, sizeof(rows[0]), shadow_compare);
    return shadow->order_count;
}

#endif
