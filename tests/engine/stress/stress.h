/* What the parts of engine_stress share: the control thread's diary, the market, the venue and the judge.
 *
 * The diary is how an order can be judged although tables change while it is decided. Entry n names the table of the
 * n-th change (0: none that may let an order pass: withdrawn, or damaged). The control thread raises `begun`
 * before a change and `done` behind it. What was in force at some moment of a step is therefore one of the entries from
 * `done` as read before the step to `begun` as read behind it, and nothing else: an order that none of them allows is a
 * breach, whatever the threads' timing was. What a table allows follows from its generation alone (terms_of()).
 *
 * A switch has a state with an epoch, set behind the moment it is thrown and cleared before it is released: a step that
 * saw the same state before and behind it was made under it from beginning to end.
 *
 * Owner: control.c the control thread; the others the thread that steps the engine.
 */
#ifndef TESTS_ENGINE_STRESS_STRESS_H
#define TESTS_ENGINE_STRESS_STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/runner.h"

enum {
    SYMBOLS = 8,     /* stock locates 1.. */
    OPEN_ROOM = 512, /* orders of ours that the account can hold */
    OPEN_MAX = 256,  /* of the engine's table */
    DIARY = 1 << 12,
    BATCH = 4,       /* messages of one datagram */
};

/* ---- what the two threads share ---- */

struct state {
    _Atomic uint64_t value; /* epoch << 1 | on */
};

struct count {
    _Atomic uint64_t value;
};

enum switch_kind { SWITCH_ALL = 0, SWITCH_SYMBOL = 1, SWITCH_LETTER = 9, SWITCH_DAMAGE = 12, SWITCHES = 20 };

struct shared {
    struct runner *runner;
    const char *objects; /* directory */
    uint64_t seed;
    struct state switches[SWITCHES]; /* all; per symbol; per letter; per symbol: its entry in the table is damaged */
    _Atomic uint32_t diary[DIARY];
    _Atomic uint64_t begun, done;
    _Atomic uint64_t now_ns, position; /* the engine's clock; the next feed message */
    _Atomic bool stop;
    /* the control thread's counts */
    struct count tables, withdrawn, damaged, kills, rearms, loads, deploys, plans, unplans, rollbacks, refused, lines;
};

extern struct shared shared;
extern const char stress_letters[3];

void *control(void *unused);

static inline uint64_t read_count(const struct count *count)
{
    return atomic_load_explicit(&count->value, memory_order_relaxed);
}

/* One writer. */
static inline void count_one(struct count *count)
{
    atomic_store_explicit(&count->value, read_count(count) + 1, memory_order_relaxed);
}

/* ---- chance ---- */

static inline uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

static inline uint64_t draw(uint64_t *random)
{
    return *random = mix(*random);
}

/* ---- a table, as its generation says ---- */

struct symbol_terms {
    uint32_t shares, price, collar_permille;
    uint64_t notional, position_long, position_short;
};

struct terms {
    struct symbol_terms plain, profile;
    uint64_t gross, net, lifetime_ns;
    uint32_t open_orders;
    uint32_t restricted, no_short, profiled; /* a bit per symbol */
};

struct terms terms_of(uint32_t generation);

/* When the table of a generation was made, as its writer read the engine's clock. */
uint64_t table_created_ns(uint32_t generation);

/* ---- market: one bid and one ask a symbol, replaced for ever ---- */

struct market {
    uint64_t random;
    uint64_t sequence; /* of the last message */
    uint64_t reference;
    uint64_t references[SYMBOLS][2];
    struct book_top tops[SYMBOLS];
    uint64_t first;    /* message of the last datagram */
    struct book_top after[2 * SYMBOLS]; /* each message of the last datagram, its symbol's top */
    uint8_t datagram[1024];
};

/* Bytes of the next datagram; the first one brings all symbols. */
uint32_t market_next(struct market *market, uint64_t now_ns);
void market_name(uint32_t symbol, char stock[8]);

/* ---- our orders, as packets and answers tell of them ---- */

struct own {
    uint64_t key, replaces; /* replaces: 0, or the order that it is to replace and has not yet */
    uint32_t price, left, executed, total;
    uint32_t time_in_force;
    uint8_t symbol;
    char side;
    bool at_venue;
};

struct account {
    struct own open[OPEN_ROOM];
    uint32_t open_count;
    int64_t position[SYMBOLS], mark[SYMBOLS];
};

struct own *account_find(struct account *account, uint64_t key);
struct own *account_add(struct account *account, const struct own *own);
void account_remove(struct account *account, uint64_t key); /* and what was to replace it */

/* ---- judge ---- */

enum cause {
    CAUSE_SHARES, CAUSE_PRICE, CAUSE_NOTIONAL, CAUSE_COLLAR, CAUSE_POSITION, CAUSE_NET, CAUSE_GROSS, CAUSE_OPEN_ORDERS,
    CAUSE_RESTRICTED, CAUSE_SHORT, CAUSE_STALE, CAUSE_NO_TABLE, CAUSE_OWN_COPY, CAUSE_KILL, CAUSE_KILL_SYMBOL,
    CAUSE_KILL_LETTER, CAUSE_DAMAGED_SYMBOL, CAUSE_TRIPPED, CAUSE_NOT_ACTIVE, CAUSE_UNREADABLE, CAUSES,
};

struct judge {
    struct engine *engine;
    struct market *market;
    struct account *account;
    bool wrong; /* a tenth is taken off every limit, and what was ever thrown stays so: it must find breaches */
    /* before the step */
    uint64_t now_ns, done, switches[SWITCHES];
    uint64_t rearms, changes, decisions;
    char letter;
    /* a trip holds until a re-arm is recorded, whatever the gate says */
    bool tripped;
    uint64_t trips;
    /* a stray write hit the engine's copy of the table: nothing may leave before another one is published */
    bool hit;
    uint64_t hit_done;
    /* counts */
    uint64_t orders, replaces, breaches, tables_met, under_kill, under_trip, causes[CAUSES];
    uint32_t last_generation;
};

extern const char *const cause_names[CAUSES];

void judge_begin(struct judge *judge, uint64_t now_ns);
/* Looks at what the engine has written since, and takes it to the account. */
void judge_end(struct judge *judge, const uint8_t *bytes, uint32_t length);
void judge_note_hit(struct judge *judge);
/* Engine and judge hold the same positions and open orders, at the same values. */
bool judge_agrees(const struct judge *judge);
uint64_t judge_changes(const struct engine *engine); /* of strategy, so far */

/* ---- venue: OUCH 4.2 ---- */

enum { VENUE_PACKETS = 4096 };

struct venue {
    uint64_t random;
    uint64_t number; /* of matches and orders */
    struct account *account;
    uint8_t packets[VENUE_PACKETS][64]; /* not looked at yet */
    uint32_t head, tail;
    uint64_t fills, cancels, rejects, replaced;
};

void venue_take(struct venue *venue, const uint8_t *bytes, uint32_t length);
/* One answer, framed, that is also in the account; 0: nothing to say. */
uint32_t venue_next(struct venue *venue, uint8_t answer[96]);
bool venue_owes(const struct venue *venue);

#endif
