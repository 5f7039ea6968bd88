/* A frozen copy of the published book's orders, made in pieces while the book goes on, in the order of entry.
 *
 * published_freeze_begin() takes no time; from then on the book saves an order here before it first changes it
 * (published_book.c, save()), and published_freeze_step() copies the rest a few at a time. Whatever is published in
 * between, the copy is the book at the moment of the begin. Then the copies are sorted by `entered` (radix sort, also
 * in pieces), so that along every queue they come oldest first.
 *
 * Owner: the book's thread. The caller gives zeroed memory, sized by published_freeze_bytes() for the book's pool.
 * Cost: the begin a few ns; a step of n orders about n times 5 to 20 ns, whichever phase it is in (moving from phase
 * to phase adds up to 4096 simple steps); for the book one comparison a change, and one copy of 32 bytes for each
 * order it touches first.
 */
#ifndef TRAFFIC_EXCHANGE_PUBLISHED_FREEZE_H
#define TRAFFIC_EXCHANGE_PUBLISHED_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/published_book.h"

enum {
    FREEZE_DIGIT_BITS = 11,
    FREEZE_DIGITS = 3,          /* 33 bits hold any `entered` */
    FREEZE_BUCKETS = 1 << FREEZE_DIGIT_BITS,
};

struct freeze_entry {
    uint32_t entered;
    uint32_t index;             /* in the copies */
};

struct published_freeze {
    struct published_book *book;
    struct published_order *copies;
    struct freeze_entry *entries;      /* of live orders; sorted when ready */
    struct freeze_entry *other;        /* room to sort */
    uint32_t count;                    /* live orders at the begin */
    uint32_t next;                     /* of the running phase */
    uint32_t digit;                    /* being sorted by; FREEZE_DIGITS: ready */
    bool copying;
    uint32_t buckets[FREEZE_DIGITS][FREEZE_BUCKETS];
};

uint64_t published_freeze_bytes(const struct published_book *book);

/* `memory`: published_freeze_bytes() of zeroes, aligned to 64. */
void published_freeze_init(struct published_freeze *freeze, struct published_book *book, void *memory);

/* The book as it is now is wanted; whatever was wanted before is forgotten. */
void published_freeze_begin(struct published_freeze *freeze);

/* Work on `orders` of them. True: ready, entries[0 .. count - 1] are the live orders, oldest first. */
bool published_freeze_step(struct published_freeze *freeze, uint32_t orders);

/* Nothing is wanted any more. */
void published_freeze_end(struct published_freeze *freeze);

static inline const struct published_order *published_freeze_order(const struct published_freeze *freeze,
                                                                   uint32_t rank) {
    return &freeze->copies[freeze->entries[rank].index];
}

#endif
