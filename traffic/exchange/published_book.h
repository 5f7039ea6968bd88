/* The displayed book as the exchange has published it: every order, first in first out at every price.
 *
 * It is one side of a differential test against the book of the engine under test, so it is built to be evidently
 * right rather than fastest: orders lie in one pool and are found by reference through an open-addressed table;
 * each (symbol, side) has one array of its prices sorted from worst to best, so that the touch is the last entry
 * and work near the touch moves few bytes; each price holds a doubly linked queue, oldest first.
 *
 * Owner: the thread that applies messages (the exchange loop in a run). The caller gives zeroed memory, sized by
 * published_book_bytes(); nothing is allocated later. Invariants: a level in an array has at least one order; a
 * level's shares are the sum of its orders'; an order has at least one share.
 * Cost: one table probe, a binary search over the side's prices, a memmove when a price appears or goes, and one
 * comparison for a snapshot that may be under way.
 * Bytes are checked: short messages and unknown references count and change nothing.
 * Specification: ITCH 5.0, chapter 4.3 to 4.5 (adds, modifications); see published_book_apply().
 */
#ifndef TRAFFIC_EXCHANGE_PUBLISHED_BOOK_H
#define TRAFFIC_EXCHANGE_PUBLISHED_BOOK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PUBLISHED_BOOK_SYMBOLS = 65536,     /* every stock locate */
    PUBLISHED_BOOK_LEVEL_CLASSES = 32,  /* level arrays hold 4 << class levels */
    PUBLISHED_BOOK_STOCKS = 1 << 17,    /* slots of the stock name table */
};

enum published_outcome {
    PUBLISHED_NOT_BOOK = 0,             /* a message without effect on the book */
    PUBLISHED_APPLIED = 1,
    PUBLISHED_UNKNOWN_REFERENCE = 2,
    PUBLISHED_DUPLICATE_REFERENCE = 3,  /* an add (or the new half of a replace) of a live reference */
    PUBLISHED_MALFORMED = 4,            /* shorter than its type; a side that is not B or S; 0 shares added */
    PUBLISHED_FULL = 5,                 /* the caller gave too little memory */
    PUBLISHED_OUTCOMES = 6,
};

struct published_order {
    uint64_t reference;
    uint32_t shares;
    uint32_t price;      /* 1/10000 dollar */
    uint32_t older;      /* neighbours in the queue, or of the free list; index + 1, 0 for none */
    uint32_t newer;
    uint32_t entered;    /* messages applied before the one that put it in its queue: rises along every queue */
    uint16_t symbol;     /* stock locate */
    uint8_t side;        /* 'B' or 'S' */
    uint8_t attributed;  /* entered by an F: that message has its participant */
};
_Static_assert(sizeof(struct published_order) == 32, "two orders a cache line");

struct published_level {
    uint32_t price;
    uint32_t orders;
    uint32_t oldest;     /* index + 1 */
    uint32_t newest;
    uint64_t shares;
};

struct published_side {
    uint32_t place;      /* of its array in the level pool */
    uint32_t levels;
    uint32_t orders;
    uint32_t level_class; /* capacity is 4 << class; no array while levels is 0 */
};

struct published_stock {
    uint8_t name[8];
    uint32_t locate_and_one; /* locate + 1, 0 for an empty slot */
    uint32_t pad;
};

struct published_book {
    struct published_order *orders;
    struct published_order *frozen; /* where orders are saved before they change: see published_freeze.h */
    uint32_t *slots;              /* order index + 1, 0 for empty */
    struct published_level *levels;
    struct published_side *sides; /* [symbol * 2 + (side == 'S')] */
    struct published_stock *stocks;
    uint64_t slot_mask;
    uint32_t orders_max;
    uint32_t levels_max;
    uint32_t orders_used;         /* pool entries ever used */
    uint32_t levels_used;
    uint32_t free_order;
    uint32_t stocks_used;
    uint32_t freeze_next;         /* orders [freeze_next, freeze_end) are still to be copied; both 0: no freeze */
    uint32_t freeze_end;
    uint32_t freeze_mark;
    uint32_t applied;             /* messages, of any outcome */
    uint32_t free_levels[PUBLISHED_BOOK_LEVEL_CLASSES]; /* place + 1 */
    uint64_t live_orders;
    uint64_t live_orders_peak;
    uint64_t excess_shares;       /* reductions by more than an order had: it goes, counted here */
    uint64_t outcomes[PUBLISHED_OUTCOMES];
};

struct published_row {
    uint16_t symbol;
    char side;
    uint32_t price;
    uint32_t position;            /* in the queue of (symbol, side, price), 0 first */
    uint64_t reference;
    uint32_t shares;
} __attribute__((packed));
_Static_assert(sizeof(struct published_row) == 23, "a row of book.npy");

/* Bytes for up to `orders_max` live orders and `levels_max` pool levels. */
uint64_t published_book_bytes(uint32_t orders_max, uint32_t levels_max);

/* A level pool that `adds` orders in all can never outgrow. */
uint32_t published_book_levels_bound(uint32_t adds);

/* `memory`: published_book_bytes() of zeroes, aligned to 64. */
void published_book_init(struct published_book *book, void *memory, uint32_t orders_max, uint32_t levels_max);

/* Write to every page, so that none faults in the run. */
void published_book_touch(struct published_book *book);

/* A and F join the tail of their price. E and C take shares at the order's own price, X takes shares and keeps
 * the place, D removes. U removes the old order and adds the new one at the tail, side and symbol inherited.
 * R, H, Y, A, F and P teach the stock's name. Everything else changes nothing. */
enum published_outcome published_book_apply(struct published_book *book, const uint8_t *message, uint32_t length);

/* Apply a run of framed messages; returns the bytes consumed. */
uint64_t published_book_apply_framed(struct published_book *book, const uint8_t *bytes, uint64_t size);

static inline const struct published_side *published_book_side(const struct published_book *book, uint16_t symbol,
                                                               uint8_t side) {
    return &book->sides[symbol * 2 + (side == 'S')];
}

/* The `rank`-th best price (0 is the touch), NULL where there is none. */
static inline const struct published_level *published_book_level(const struct published_book *book,
                                                                 const struct published_side *side,
                                                                 uint32_t rank) {
    return rank < side->levels ? &book->levels[side->place + side->levels - 1 - rank] : (void *)0;
}

const struct published_order *published_book_find(const struct published_book *book, uint64_t reference);

/* Locate of an 8-byte stock name, -1 while nothing published has named it. */
int32_t published_book_locate(const struct published_book *book, const uint8_t *stock);

/* All orders sorted by symbol, side, price, position; returns their number. `rows` has room for live_orders. */
uint64_t published_book_export(const struct published_book *book, struct published_row *rows);

#endif
