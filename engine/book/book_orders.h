/* Inside the book: the order slab, the index by reference and the queue of a level.
 *
 * Index entries are {hash tag : 32, order : 32}, 0 = empty. The low three bits of a reference choose the place in a
 * cache line and the rest hashes to the line: venues hand references out in near-ascending order, so the orders of
 * one moment share lines, while a constant stride still spreads over the table. The tag is the whole hash: deletion
 * knows each neighbour's home without touching its order, and a tag that differs saves a miss on the order.
 *
 * The index holds at least twice order_capacity, so that every probe ends. Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_ORDERS_H
#define ENGINE_BOOK_BOOK_ORDERS_H

#include "engine/book/book.h"

#define BOOK_INDEX_MISSING UINT32_MAX

static inline uint32_t book_index_tag(uint64_t reference)
{
    uint64_t hash = (reference >> 3) * UINT64_C(0x9E3779B97F4A7C15);

    hash ^= hash >> 32;
    return (uint32_t)hash << 3 | (uint32_t)(reference & 7);
}

/* Place of a reference in the index, or BOOK_INDEX_MISSING with *empty where it would go. */
static inline uint32_t book_index_find(const struct book *book, uint64_t reference, uint32_t *empty)
{
    uint32_t tag = book_index_tag(reference);
    uint32_t place = tag & book->index_mask;

    for (;;) {
        uint64_t entry = book->index[place];

        if (entry == 0) {
            *empty = place;
            return BOOK_INDEX_MISSING;
        }
        if ((uint32_t)(entry >> 32) == tag && book->orders[(uint32_t)entry].reference == reference)
            return place;
        place = (place + 1) & book->index_mask;
    }
}

static inline void book_index_set(struct book *book, uint32_t place, uint64_t reference, uint32_t order)
{
    book->index[place] = (uint64_t)book_index_tag(reference) << 32 | order;
}

/* Backward-shift deletion: close the hole with every later entry of the run that may stand there. */
static inline void book_index_erase(struct book *book, uint32_t hole)
{
    uint32_t mask = book->index_mask;

    for (uint32_t place = (hole + 1) & mask; book->index[place] != 0; place = (place + 1) & mask) {
        uint32_t home = (uint32_t)(book->index[place] >> 32) & mask;

        if (((place - home) & mask) >= ((place - hole) & mask)) {
            book->index[hole] = book->index[place];
            hole = place;
        }
    }
    book->index[hole] = 0;
}

/* The caller has checked that order_count is below order_capacity. */
static inline uint32_t book_order_allocate(struct book *book)
{
    uint32_t order = book->order_free;

    if (order != 0)
        book->order_free = book->orders[order].next;
    else
        order = ++book->order_used;
    if (++book->order_count > book->statistics.order_count_max)
        book->statistics.order_count_max = book->order_count;
    return order;
}

static inline void book_order_release(struct book *book, uint32_t order)
{
    book->orders[order].next = book->order_free;
    book->order_free = order;
    book->order_count--;
}

/* Append to the queue of its level; shares are added to the level's. */
static inline void book_queue_append(struct book *book, struct book_level *level, uint32_t index)
{
    struct book_order *order = &book->orders[index];

    order->previous = level->last;
    order->next = 0;
    if (level->last != 0)
        book->orders[level->last].next = index;
    else
        level->first = index;
    level->last = index;
    level->order_count++;
    level->shares += order->shares;
}

/* Take out of the queue, shares included. */
static inline void book_queue_remove(struct book *book, struct book_level *level, const struct book_order *order)
{
    if (order->previous != 0)
        book->orders[order->previous].next = order->next;
    else
        level->first = order->next;
    if (order->next != 0)
        book->orders[order->next].previous = order->previous;
    else
        level->last = order->previous;
    level->order_count--;
    level->shares -= order->shares;
}

#endif
