/* The order-flow model: a seeded stream of ITCH 5.0 messages of many symbols with the texture of a Nasdaq day.
 *
 * It opens with the start of a day (S 'O', R per symbol, V, H and Y per symbol, S 'S', S 'Q'), fills the books, and
 * then draws actions. Their mix follows what published counts of Nasdaq days show: about A 43 %, F 2 %, D 40 %,
 * U 9 %, E 5 %, X 1.5 %, C 0.3 %, P 1 %; I, N, L, J, Q, Y, H, K, h and B are rare but always there. Activity over the
 * symbols is Zipf's. Prices lie on the cent grid around a fair price per symbol that walks at random. An order (or
 * replacement) that would cross executes instead, oldest order at the best price first, and only its rest is added:
 * the published book is never locked or crossed. Deletions, cancels and replacements fall mostly on orders that are
 * young and near the touch. Depth per side is held around a target (active symbols are deeper) and sides never
 * empty. The day does not end: the stream is a window on it, and books stay full.
 * A closed stream (`closes`) ends with every order deleted instead, all symbols emptying together, so that what comes
 * behind the opening can be played again behind itself (exchange/cycle.h).
 *
 * Times in the messages are 0; the schedule stamps them. Owner: the thread that generates. The model applies every
 * message it writes to a published book of its own, small enough for the cache. The caller gives the memory.
 * Integers only (random.h): one seed, one stream, on any machine. Cost: about 100 to 200 ns a message.
 */
#ifndef TRAFFIC_MARKET_MODEL_H
#define TRAFFIC_MARKET_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/published_book.h"
#include "traffic/market/random.h"

enum {
    MODEL_SYMBOLS_MAX = 20000,
    MODEL_DEPTH_MAX = 40,          /* target orders a side of the busiest symbol */
    MODEL_DEPTH_MIN = 10,
    MODEL_FRAME_BYTES_MAX = 52,    /* the caller's arena: this a message */
    MODEL_MESSAGES_A_SYMBOL_MIN = 8,
};

struct model_symbol {
    uint8_t stock[8];
    uint32_t fair_cents;
    uint16_t depth_target;         /* orders a side */
    uint16_t locate;
    uint32_t alias_threshold;      /* alias method: keep below, else take `alias` */
    uint32_t alias;
};

struct model {
    struct random random;
    struct published_book book;
    struct model_symbol *symbols;
    uint32_t symbol_count;
    uint32_t until_rare;           /* actions to the next rare message */
    uint32_t rare_kind;
    uint32_t pad;
    uint64_t reference;            /* last used */
    uint64_t match;
    uint64_t left;                 /* messages still to write */
    uint64_t opening_bytes;        /* of the start of the day, once it is written */
    uint8_t *out;
    bool closes;
};

struct model_options {
    uint64_t seed;
    uint64_t messages;             /* at least MODEL_MESSAGES_A_SYMBOL_MIN * symbols */
    uint32_t symbols;              /* 1..MODEL_SYMBOLS_MAX */
    bool closes;                   /* end with an empty book */
};

enum { MODEL_REFERENCES_BEGIN = 1000, MODEL_MATCHES_BEGIN = 100 }; /* the last before the first of a stream */

/* Messages of the start of the day. */
static inline uint64_t model_opening_messages(uint32_t symbols) {
    return 4 + 3 * (uint64_t)symbols;
}

/* Bytes of zeroed memory that model_init() needs. */
uint64_t model_bytes(uint32_t symbols);

void model_init(struct model *model, const struct model_options *options, void *memory);

/* Write all messages, framed, to an arena of messages * MODEL_FRAME_BYTES_MAX bytes; returns the bytes written. */
uint64_t model_run(struct model *model, uint8_t *arena);

#endif
