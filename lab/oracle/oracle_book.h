/*
 * The oracle's book: every standing order of every symbol, by reference and by symbol, side, price and queue place.
 * It knows orders and levels, neither messages nor strategies; what each message does to it is in oracle.c.
 *
 * Owner: the thread of its oracle. Invariants: every order stands in exactly one hash chain and one queue; no order
 * has zero shares; no level is empty; levels are sorted with the best last. Orders are named by an index of 1 or more
 * that stays theirs while they stand; 0 is "none". Cost: a hash lookup, a binary search, and a memmove of the levels
 * better than the one made or removed; about 40 bytes an order. Memory grows by doubling; the only failure is its
 * end. A ladder may have any number of levels, but their insertion is linear: thousands are fine, millions are not.
 */
#ifndef TAILGATE_LAB_ORACLE_ORACLE_BOOK_H
#define TAILGATE_LAB_ORACLE_ORACLE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORACLE_SYMBOLS = 65536 /* every value of a stock locate */, ORACLE_BID = 0, ORACLE_ASK = 1 };

struct oracle_order {
	uint64_t reference;
	uint32_t shares;         /* never 0 while the order stands */
	uint32_t price;          /* 1/10,000 of a dollar */
	uint32_t ahead, behind;  /* neighbours in the queue */
	uint32_t next_in_bucket; /* also links the free orders */
	uint16_t symbol;         /* stock locate */
	uint8_t side;            /* ORACLE_BID, ORACLE_ASK */
};

struct oracle_level {
	uint64_t shares; /* sum of its orders: fewer than 2^32 orders of fewer than 2^32 shares */
	uint32_t price;
	uint32_t first, last; /* queue, oldest first; never empty */
};

struct oracle_ladder {
	struct oracle_level *levels; /* worst first, best last */
	size_t count, capacity;
};

struct oracle_book {
	struct oracle_ladder (*ladders)[2]; /* by symbol and side */
	struct oracle_order *orders;
	size_t orders_used, orders_capacity; /* slots ever used, slot 0 included */
	uint64_t standing;
	uint32_t free_order;
	uint32_t *buckets;
	unsigned bucket_bits;
};

/* `memory`, moved if need be, with room for one more than `count` elements; NULL: no memory, `memory` is as it was. */
void *oracle_reserve(void *memory, size_t *capacity, size_t count, size_t element_bytes);

bool oracle_book_init(struct oracle_book *book); /* false: no memory; free it all the same */
void oracle_book_free(struct oracle_book *book);

uint32_t oracle_book_find(const struct oracle_book *book, uint64_t reference);

/* At the tail of its level; zero shares: nothing. The reference must not stand. False: no memory. */
bool oracle_book_insert(struct oracle_book *book, struct oracle_order order);
void oracle_book_remove(struct oracle_book *book, uint32_t index);
void oracle_book_reduce(struct oracle_book *book, uint32_t index, uint32_t shares); /* removes at zero or below */

/* NULL when the side is empty. Valid until the next change. */
const struct oracle_level *oracle_book_best(const struct oracle_book *book, uint16_t symbol, uint8_t side);

#endif
