/* Inside the book: the order slab and the queue of a level.
 *
 * Freed orders are reused last in, first out, so that the slab stays as dense as the book. Order 0 stands for "none":
 * it is written to, never read, which spares the queue its branches. Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_ORDERS_H
#define ENGINE_BOOK_BOOK_ORDERS_H

#include "engine/book/book.h"

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
    book->orders[level->last].next = index; /* order 0 takes it when the queue is empty */
    level->first = level->first != 0 ? level->first : index;
    level->last = index;
    level->order_count++;
    level->shares += order->shares;
}

/* Take out of the queue, shares included. */
static inline void book_queue_remove(struct book *book, struct book_level *level, const struct book_order *order)
{
    uint32_t previous = order->previous, next = order->next;

    book->orders[previous].next = next;
    book->orders[next].previous = previous;
    level->first = previous != 0 ? level->first : next;
    level->last = next != 0 ? level->last : previous;
    level->order_count--;
    level->shares -= order->shares;
}

#endif
