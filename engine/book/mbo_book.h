/* Order book by order of many instruments with 64-bit prices and a priority that the venue states.
 *
 *   (symbol, order id) --hash--> order --> level --> next worse level --> ...
 *                                 ^ previous / next: queue of the level, ascending priority
 *   symbol and side --> best level
 *
 * book.h cannot take this market: its prices are 32-bit and positive, its references stand alone where these belong
 * to an instrument, and its queue is the order of arrival where this venue sends a priority number and may change it.
 * Orders and levels live in two slabs, found by a chained hash and by walking from the best level; index 0 of each
 * slab means "none".
 *
 * Thread: one writer. The caller gives the memory, nothing is allocated later. Invariants: a level has at least one
 * order and the sum of its quantities; the levels of a side are strictly sorted, best first; a queue is sorted by
 * priority, equal ones by arrival.
 * Cost: about 50 ns near the touch; a step per level on the way from the best, and per order of equal price that has
 * a higher priority number (a newcomer has the highest).
 * Specification: CME MDP 3.0 Market By Order Full Depth book management.
 */
#ifndef ENGINE_BOOK_MBO_BOOK_H
#define ENGINE_BOOK_MBO_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MBO_BOOK_MEMORY_ALIGNMENT 64u
#define MBO_BOOK_ORDER_CAPACITY_MAX (1u << 24)
#define MBO_BOOK_SYMBOL_COUNT_MAX 65536u

enum { MBO_BOOK_BID = 0, MBO_BOOK_ASK = 1, MBO_BOOK_SIDE_COUNT = 2 };

enum mbo_book_outcome {
    MBO_BOOK_APPLIED = 0,
    MBO_BOOK_UNKNOWN_ORDER = 1, /* update or delete: nothing changed */
    MBO_BOOK_DUPLICATE = 2,     /* new: nothing changed */
    MBO_BOOK_FULL = 3,          /* new: no room; nothing changed */
    MBO_BOOK_BAD = 4,           /* symbol or side out of range: nothing changed */
    MBO_BOOK_OUTCOME_COUNT = 5,
};

struct mbo_book_options {
    uint32_t order_capacity; /* orders alive at once, 1..MBO_BOOK_ORDER_CAPACITY_MAX; as many levels */
    uint32_t symbol_count;   /* symbols are below it, 1..MBO_BOOK_SYMBOL_COUNT_MAX */
};

struct mbo_book_order {
    uint64_t identity; /* the venue's order id */
    uint64_t priority; /* lowest first */
    uint64_t quantity;
    uint32_t level;
    uint32_t previous; /* in the queue, towards the front */
    uint32_t next;     /* in the queue; of the free list when not alive */
    uint32_t chain;    /* next in the hash bucket */
    uint16_t symbol;
    uint8_t side;      /* MBO_BOOK_BID or MBO_BOOK_ASK */
    uint8_t reserved[5];
};

_Static_assert(sizeof(struct mbo_book_order) == 48, "four to three cache lines");

struct mbo_book_level {
    int64_t price;        /* mantissa */
    uint64_t quantity;    /* sum over the queue */
    uint32_t first, last; /* orders */
    uint32_t inward;      /* better level, 0 = this is the best */
    uint32_t outward;     /* worse level; of the free list when not alive */
    uint32_t order_count;
    uint32_t reserved;
};

_Static_assert(sizeof(struct mbo_book_level) == 40, "levels are packed");

struct mbo_book_symbol {
    uint32_t best[MBO_BOOK_SIDE_COUNT]; /* levels */
    uint32_t order_count;
};

struct mbo_book {
    struct mbo_book_order *orders;
    struct mbo_book_level *levels;
    struct mbo_book_symbol *symbols;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t order_capacity, symbol_count;
    uint32_t order_free, level_free; /* free lists */
    uint32_t order_used, level_used; /* slab entries ever used, so that init touches none */
    uint32_t order_count, order_count_max;
    uint64_t outcomes[MBO_BOOK_OUTCOME_COUNT]; /* calls by outcome */
};

/* One order, as mbo_book_export() writes it. */
struct mbo_book_row {
    uint64_t identity;
    uint64_t priority;
    int64_t price;
    uint64_t quantity;
};

_Static_assert(sizeof(struct mbo_book_row) == 32, "a row has no padding");

/* Bytes that mbo_book_init() wants, 0 if an option is out of range. */
size_t mbo_book_memory_size(const struct mbo_book_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to MBO_BOOK_MEMORY_ALIGNMENT. */
int mbo_book_init(struct mbo_book *book, const struct mbo_book_options *options, void *memory, size_t size);

enum mbo_book_outcome mbo_book_new(struct mbo_book *book, uint16_t symbol, unsigned side, uint64_t identity,
                                   uint64_t priority, int64_t price, uint64_t quantity);

/* Price, priority and side may change too: the order then moves to its new place. */
enum mbo_book_outcome mbo_book_update(struct mbo_book *book, uint16_t symbol, unsigned side, uint64_t identity,
                                      uint64_t priority, int64_t price, uint64_t quantity);

enum mbo_book_outcome mbo_book_delete(struct mbo_book *book, uint16_t symbol, uint64_t identity);

/* Take every order of a symbol out. A step per order. */
void mbo_book_clear(struct mbo_book *book, uint16_t symbol);

const struct mbo_book_order *mbo_book_find(const struct mbo_book *book, uint16_t symbol, uint64_t identity);

/* The best level of a side, or NULL. */
static inline const struct mbo_book_level *mbo_book_best(const struct mbo_book *book, uint16_t symbol, unsigned side)
{
    uint32_t level = book->symbols[symbol].best[side];

    return level != 0 ? &book->levels[level] : NULL;
}

/* Orders of one side, best price first, then by priority; rows written, at most capacity. */
uint32_t mbo_book_export(const struct mbo_book *book, uint16_t symbol, unsigned side, struct mbo_book_row *rows,
                         uint32_t capacity);

/* Lower-case name, "unknown" out of range. Static storage. */
const char *mbo_book_outcome_name(enum mbo_book_outcome outcome);

#endif
