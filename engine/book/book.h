/* Full-depth order book (L3) of every symbol: each displayed order, FIFO within its price, best prices in O(1).
 *
 *   reference --table--> order <==ring==> level in block <-- place of its own <-- symbol and side { best price }
 *
 * An order is 32 bytes in a slab and never moves; a table over its reference, sparse and in the order in which a venue
 * counts, finds it (book_index.h). The levels of a side, 16 bytes each, lie together in a block of twelve at a place
 * that follows from symbol and side alone, more blocks behind it if there are more prices (book_levels.h). The orders
 * of a level are a ring through the level's own node, so that no end of a queue is a special case.
 *
 * What the cache must hold follows from what is alive: about 32 bytes an order, a line of the table for an order whose
 * neighbours by reference are gone, and 100 to 250 bytes a side. What an event will touch can be loaded ahead of it
 * (book_ahead.h), since it follows from two places of the message.
 *
 * Thread: one writer, the engine's; no locks. The caller gives one memory block (huge pages welcome) and nothing
 * is allocated later. Invariants: top equals the best level of each side; a level has at least one order, an order
 * at least one share; an event changes one symbol only, that of the order it names.
 * Cost: 15 to 25 ns an event of mixed flow over 2 to 500 symbols (make bench-book). A level far from the touch costs a
 * step per 3 to 12 levels on the way: 0.4 us behind a thousand better prices of its side, 0.8 ms behind 260000.
 *
 * What is not entered, and why (each counted under its outcome):
 *   shares 0     displays nothing: not entered; `complete` stays
 *   price 0      means "side empty" in struct book_top: not entered
 *   side         neither 'B' nor 'S': not entered
 *   symbol       0 (the venue's "no instrument") or >= symbol_count: not entered
 *   duplicate    an add, or a replace whose new reference stands for another order: nothing happens at all, every
 *                order that is there stays. A replace may keep its own reference
 *   replace      else removes the old order first, which gives the new one its room; then the rules above hold for
 *                the new one, which inherits side and symbol. Unknown old reference: nothing happens at all
 *   overfill     executing or cancelling more than is there removes the order
 *   0 shares executed or cancelled: applied, changes nothing
 *   mismatch     a message that names another symbol than its order's: applied to the order
 * All of these but "shares 0" and unknown references leave `complete` false: from then on the book may differ
 * from the venue's and no order should leave. Unknown references are ordinary after a start in mid-session.
 * Specification: Nasdaq TotalView-ITCH 5.0, section 4.3 to 4.5 (order messages).
 */
#ifndef ENGINE_BOOK_BOOK_H
#define ENGINE_BOOK_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/book/top.h"
#include "engine/feed/event.h"

#define BOOK_MEMORY_ALIGNMENT 64u
#define BOOK_SYMBOL_COUNT_MAX 65536u
#define BOOK_ORDER_CAPACITY_MAX (1u << 28)
#define BOOK_LEVEL_CAPACITY_MAX (1u << 26) /* so that 32 bits name every node */
#define BOOK_BLOCK_LEVEL_COUNT 12u

struct book_options {
    uint32_t order_capacity; /* orders alive at once, 1..BOOK_ORDER_CAPACITY_MAX */
    uint32_t level_capacity; /* prices alive at once over all symbols, 1..BOOK_LEVEL_CAPACITY_MAX */
    uint32_t symbol_count;   /* stock locates are below it; 0 = BOOK_SYMBOL_COUNT_MAX */
    uint64_t seed;           /* of the index: who does not know it cannot crowd it; changes no result. 0 = a constant */
};

/* 1048576 orders, 262144 levels, every stock locate: about 110 MB */
void book_options_default(struct book_options *options);

enum book_outcome {
    BOOK_IGNORED = 0,             /* not an order message */
    BOOK_APPLIED = 1,
    BOOK_UNKNOWN_REFERENCE = 2,   /* nothing changed */
    BOOK_DUPLICATE_REFERENCE = 3, /* add or replace: nothing changed */
    BOOK_OVERFILL = 4,            /* more shares taken than there were: order removed */
    BOOK_FULL = 5,                /* order or level capacity reached: the new order was not entered */
    BOOK_BAD_SIDE = 6,
    BOOK_BAD_SYMBOL = 7,
    BOOK_ZERO_SHARES = 8,
    BOOK_ZERO_PRICE = 9,
    BOOK_OUTCOME_COUNT = 10,
};

/* What a strategy is to hear of: the book has changed, or the event was never for it. A replace that could not enter the
 * new order has still taken the old one out. */
static inline bool book_heard(enum book_outcome outcome, uint8_t kind)
{
    bool half = outcome == BOOK_FULL || outcome == BOOK_ZERO_SHARES || outcome == BOOK_ZERO_PRICE;

    return outcome == BOOK_APPLIED || outcome == BOOK_IGNORED || outcome == BOOK_OVERFILL ||
           (half && kind == EVENT_REPLACE);
}

enum { BOOK_BID = 0, BOOK_ASK = 1, BOOK_SIDE_COUNT = 2 };

/* An order begins with one, a level is one; both are named by their place in the slab (book_nodes.h). */
struct book_node {
    uint64_t value;    /* an order's reference; the shares of a level, 0 = it is not there */
    uint32_t previous; /* in the ring, towards the front; of a level: the last order */
    uint32_t next;     /* towards the back; of a level: the first order; of a dead order: the next of the free list */
};

struct book_order {
    union {
        struct book_node node;
        struct {
            uint64_t reference;
            uint32_t previous;
            uint32_t next;
        };
    };
    uint32_t chain;    /* next order of the same bucket */
    uint32_t shares;
    uint32_t price;    /* 1/10000 */
    uint32_t side;     /* 2 * symbol + BOOK_BID or BOOK_ASK */
};

_Static_assert(sizeof(struct book_order) == 32, "two to a cache line");

/* Levels of one side, in no order. A key grows with the price's quality: price for bids, -price for asks. */
struct book_block {
    uint32_t prices[BOOK_BLOCK_LEVEL_COUNT]; /* 1/10000, 0 = free slot */
    uint32_t floor;    /* worse keys belong further outward; 0 = there is nothing */
    uint32_t used;     /* slots, a bit each */
    uint32_t outward;  /* block with worse prices, 0 = none */
    uint32_t inward;   /* block with better prices; 0 in the first of a side */
    struct book_node levels[BOOK_BLOCK_LEVEL_COUNT];
};

_Static_assert(sizeof(struct book_block) == 256, "a cache line to search, three of levels");

struct book_symbol {
    union {
        struct book_top top;
        struct {
            uint32_t price[BOOK_SIDE_COUNT];
            uint32_t shares[BOOK_SIDE_COUNT];
        } best;
    };
};

_Static_assert(sizeof(struct book_symbol) == 16, "four to a cache line");
_Static_assert(offsetof(struct book_top, ask_price) == 4 && offsetof(struct book_top, ask_shares) == 12,
               "struct book_top is an array by side of prices, then of shares");

struct book_statistics {
    uint64_t outcomes[BOOK_OUTCOME_COUNT]; /* events by enum book_outcome */
    uint64_t symbol_mismatches;            /* message names another symbol than its order's; the order's counts */
    uint32_t order_count_max;              /* high water */
    uint32_t level_count_max;
    uint32_t block_count_max;              /* blocks beyond the first of each side */
    uint32_t reserved;
};

struct book {
    uint64_t *nodes;           /* the slab in words: orders, then blocks */
    uint32_t *buckets;
    struct book_block *blocks; /* the first of each side at 2 * symbol + side, then those further outward */
    struct book_symbol *symbols;
    uint64_t multiplier;       /* odd, from the seed */
    uint32_t bucket_mask;      /* power of two - 1 */
    uint32_t run_shift;        /* leaves as many high bits as the mask has */
    uint32_t symbol_count;
    uint32_t order_free, block_free; /* free lists, most recently used first */
    uint32_t order_used, block_used; /* slab entries ever used, so that init touches none */
    uint32_t order_count, level_count, block_count; /* alive now; blocks beyond the first of each side */
    uint32_t level_high;       /* most levels since the last reset */
    uint32_t order_capacity, level_capacity, block_capacity;
    bool complete;             /* false once an order is known to be missing or wrong: fail closed */
    struct book_statistics statistics;
};

/* One displayed order, as in book.npy. */
struct book_row {
    uint16_t symbol;
    char side;         /* 'B' or 'S' */
    uint32_t price;    /* 1/10000 */
    uint32_t position; /* place in the queue of (symbol, side, price), 0 first */
    uint64_t reference;
    uint32_t shares;
} __attribute__((packed));

_Static_assert(sizeof(struct book_row) == 23, "a row of book.npy has no padding");

/* Bytes that book_init() wants, 0 if an option is out of range. */
size_t book_memory_size(const struct book_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to BOOK_MEMORY_ALIGNMENT. */
int book_init(struct book *book, const struct book_options *options, void *memory, size_t size);

/* Empty the book, as a snapshot join or a new session needs it: everything as after book_init(), `complete` true again;
 * statistics are kept. Cost: reads 16 bytes a symbol, clears a cache line for each side that has orders and 4 bytes an
 * order ever used since the last reset, at most the table (8 MB for the default capacity): 0.1 ms, after a full book
 * 1 ms. */
void book_reset(struct book *book);

enum book_outcome book_apply(struct book *book, const struct event *event);

/* Best prices of a symbol below symbol_count; stays valid, and current, as long as the book. */
static inline const struct book_top *book_top(const struct book *book, uint16_t symbol)
{
    return &book->symbols[symbol].top;
}

/* Start loading what book_apply() will touch first; worth it when other work comes in between. */
void book_prefetch(const struct book *book, const struct event *event);

/* The live order of a reference, or NULL. */
const struct book_order *book_find(const struct book *book, uint64_t reference);

/* Price of a displayed order, 0 = no such order. */
uint32_t book_order_price(const struct book *book, uint64_t reference);

/* All orders sorted by (symbol, side, price, position); rows written, at most capacity. Cold: walks every symbol. */
uint32_t book_export(const struct book *book, struct book_row *rows, uint32_t capacity);

/* FNV-1a 64 over the bytes of book_export()'s rows: equal books have equal digests. Cold, about 60 ns an order. */
uint64_t book_digest(const struct book *book);

/* A few orders of the slab, alive or dead, mixed into a hash: `count` of them from number *cursor on, round and round, so
 * that every order of the book has its turn. Equal histories have equal hashes. About 5 ns an order. */
uint64_t book_patrol(const struct book *book, uint32_t *cursor, uint32_t count, uint64_t hash);

/* Lower-case name, "unknown" out of range. Static storage. */
const char *book_outcome_name(enum book_outcome outcome);

#endif
