/* Full-depth order book (L3) of every symbol: each displayed order, FIFO within its price, best prices in O(1).
 *
 *   reference --hash--> order --> level <-- block of sorted levels <-- symbol { top, best block per side }
 *                         ^ previous / next: queue within the level
 *
 * An order is 32 bytes in a slab and never moves; a hash of cache-line buckets finds it, grows with the book one
 * bucket at a time and leaves no tombstones (book_index.h). A level is 32 bytes; the levels of a side are sorted in
 * a chain of 128-byte blocks that starts at the best price, so that what happens near the touch stays in one block
 * (book_levels.h). Index 0 of every slab means "none". All of it is dense: what the cache must hold follows from
 * the orders alive, about 80 bytes each, and not from the capacities.
 *
 * Thread: one writer, the engine's; no locks. The caller gives one memory block (huge pages welcome) and nothing
 * is allocated later. Invariants: top equals the best level of each side; a level has at least one order, an order
 * at least one share; an event changes one symbol only, that of the order it names.
 * Cost: 40 to 55 ns an event of mixed flow over 20 to 500 symbols (tests/bench/book_bench.c); a level far from the
 * touch costs a step per 7 to 14 levels on the way.
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
#define BOOK_LEVEL_CAPACITY_MAX (1u << 28)
#define BOOK_BUCKET_SLOT_COUNT 12u
#define BOOK_BLOCK_LEVEL_COUNT 14u

struct book_options {
    uint32_t order_capacity; /* orders alive at once, 1..BOOK_ORDER_CAPACITY_MAX */
    uint32_t level_capacity; /* prices alive at once over all symbols, 1..BOOK_LEVEL_CAPACITY_MAX */
    uint32_t symbol_count;   /* stock locates are below it; 0 = BOOK_SYMBOL_COUNT_MAX */
};

/* 1048576 orders, 262144 levels, every stock locate: about 90 MB */
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

enum { BOOK_BID = 0, BOOK_ASK = 1, BOOK_SIDE_COUNT = 2 };

struct book_order {
    uint64_t reference;
    uint32_t level;
    uint32_t previous; /* in the queue, towards the front */
    uint32_t next;     /* in the queue; of the free list when not alive */
    uint32_t shares;
    uint32_t price;    /* 1/10000 */
    uint16_t symbol;
    uint8_t side;      /* BOOK_BID or BOOK_ASK */
    uint8_t reserved;
};

_Static_assert(sizeof(struct book_order) == 32, "two to a cache line");

/* One cache line of the index by reference. */
struct book_bucket {
    uint8_t tags[BOOK_BUCKET_SLOT_COUNT]; /* 0 = free slot */
    uint32_t orders[BOOK_BUCKET_SLOT_COUNT];
    uint32_t chain; /* first of the orders that found no free slot */
};

_Static_assert(sizeof(struct book_bucket) == 64, "a cache line");

struct book_level {
    uint64_t shares; /* sum over the queue */
    uint32_t first;  /* order at the front */
    uint32_t last;   /* order at the back */
    uint32_t order_count;
    uint32_t price;  /* 1/10000 */
    uint32_t next_free;
    uint32_t reserved;
};

_Static_assert(sizeof(struct book_level) == 32, "two to a cache line");

/* Sorted levels of one side. A key grows with the price's quality: price for bids, ~price for asks. */
struct book_block {
    uint32_t outward; /* block with worse prices */
    uint32_t inward;  /* block with better prices, 0 = this holds the best */
    uint32_t count;   /* 1..BOOK_BLOCK_LEVEL_COUNT */
    uint32_t reserved;
    uint32_t keys[BOOK_BLOCK_LEVEL_COUNT];   /* ascending: the best is last; UINT32_MAX where unused */
    uint32_t levels[BOOK_BLOCK_LEVEL_COUNT];
};

_Static_assert(sizeof(struct book_block) == 128, "two cache lines");

struct book_symbol {
    union {
        struct book_top top;
        struct {
            uint32_t price[BOOK_SIDE_COUNT];
            uint32_t shares[BOOK_SIDE_COUNT];
        } best;
    };
    uint32_t block[BOOK_SIDE_COUNT];       /* the one with the best price */
    uint32_t level_count[BOOK_SIDE_COUNT];
};

_Static_assert(sizeof(struct book_symbol) == 32, "two to a cache line");
_Static_assert(offsetof(struct book_top, ask_price) == 4 && offsetof(struct book_top, ask_shares) == 12,
               "struct book_top is an array by side of prices, then of shares");

struct book_statistics {
    uint64_t outcomes[BOOK_OUTCOME_COUNT]; /* events by enum book_outcome */
    uint64_t symbol_mismatches;            /* message names another symbol than its order's; the order's counts */
    uint32_t order_count_max;              /* high water */
    uint32_t level_count_max;
    uint32_t block_count_max;
    uint32_t reserved;
};

struct book {
    struct book_bucket *buckets;
    struct book_order *orders;
    uint32_t *chains; /* by order: the next in its bucket's chain; touched for chained orders only */
    struct book_level *levels;
    struct book_block *blocks;
    struct book_symbol *symbols;
    uint32_t bucket_mask;  /* power of two - 1: buckets when this round of splitting began */
    uint32_t bucket_split; /* next to split, 0..bucket_mask */
    uint32_t bucket_count, bucket_capacity;
    uint32_t order_free, level_free, block_free; /* free lists, most recently used first */
    uint32_t order_used, level_used, block_used; /* slab entries ever used, so that init touches none */
    uint32_t order_capacity, level_capacity, block_capacity, symbol_count;
    uint32_t order_count, level_count, block_count; /* alive now */
    bool complete;   /* false once an order is known to be missing or wrong: fail closed */
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
 * statistics are kept. Cost: clears the symbols (32 bytes each: 2 MB for every stock locate, about 0.1 ms), whatever
 * the book held. */
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

/* All orders sorted by (symbol, side, price, position); rows written, at most capacity. Cold: walks every symbol. */
uint32_t book_export(const struct book *book, struct book_row *rows, uint32_t capacity);

/* FNV-1a 64 over the bytes of book_export()'s rows: equal books have equal digests. Cold, about 60 ns an order. */
uint64_t book_digest(const struct book *book);

/* Lower-case name, "unknown" out of range. Static storage. */
const char *book_outcome_name(enum book_outcome outcome);

#endif
