/* The table of limits: what the gate compares with, how it is sealed, and how it is swapped under a running gate.
 *
 * A table is a run of cache lines. Every line carries a checksum of its own that also covers which line it is and the
 * table's generation, so a line that was overwritten, moved, or left over from another table does not verify:
 *     head      what it is, when it is valid, hours of the session
 *     limits    hard limits of one order, position of a symbol, rate of orders
 *     account   hard limits of the whole account: exposure, open orders, messages; ages; duplicates
 *     soft      the same quantities again, at which a warning is counted and the order still passes
 *     trips     which answers close the gate until it is armed again
 *     symbols   eight bytes per stock locate: restricted, may be sold short, number of a profile
 *     profiles  limits of a symbol that replace the ones in `limits`; profile 0 means none
 * A limit of 0 lets nothing pass. "Off" is the largest value of a field; a sum that does not fit is over every limit.
 *
 * Time: created_ns and valid_until_ns are in the engine's clock (CLOCK_MONOTONIC; in step runs the caller's), the one
 * that risk_context.now_ns counts in: it cannot be set back, and no conversion stands between an order and its limits.
 * Who writes a table converts "valid for so long" at that moment. Session hours are market time, ns since midnight of
 * the venue's day, as the feed tells it; a session that spans midnight needs two tables.
 *
 * Swap: three buffers. The control thread takes one that is neither published nor held by the gate (risk_tables_begin),
 * fills and seals it, and publishes it (risk_tables_publish), which verifies every line of it first; the engine's thread
 * takes it up between two orders: it says which buffer it holds, looks again that this one is still the published one,
 * and copies the first five lines to itself, so that it never sees half a table. Symbols and profiles are read in place,
 * by value, and verified at every read. A buffer that is held is not given out.
 *
 * Owner: one control thread for begin, publish and withdraw; the engine's thread for the rest of `struct risk_tables`.
 * Cost: publishing 0.5 ms, on the control thread; taking a table up 0.3 us, once.
 */
#ifndef ENGINE_RISK_LIMITS_H
#define ENGINE_RISK_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RISK_TABLE_MAGIC 0x656c626174737269ull /* "irstable" in memory */
#define RISK_POSITION_MAX 1000000000000000ll   /* shares; keeps sums far from overflow */
#define RISK_EXPOSURE_MAX ((1ll << 62) - 1)    /* 1/10000; a larger sum is over every limit. As a limit: off */
#define RISK_NEVER UINT64_MAX                  /* a time that does not come, an age not reached, a soft limit that is off */
#define RISK_OFF_32 UINT32_MAX                 /* the same for a field of 32 bits */
#define RISK_OFF_16 UINT16_MAX

enum {
    RISK_TABLE_SCHEMA = 1,
    RISK_LIMITS_VERSION = 1,
    RISK_SHARES_MAX = 999999,       /* bounds of the limits: what OUCH can say */
    RISK_PRICE_MAX = 1999999900,    /* 1/10000 */
    RISK_COLLAR_PERMILLE_MAX = 1000,
    RISK_RATE_MAX = 1000000000,     /* orders or messages per second, and burst */
    RISK_SYMBOL_COUNT = 65536,
    RISK_PROFILE_COUNT = 1024,
    RISK_TABLE_BUFFERS = 3,
    RISK_CREATED_TOLERANCE_NS = 1000000000, /* the engine's time is that of its poll, the table's that of its writer */
    RISK_TABLE_HOLD_TRIES = 8,      /* publications during one take-up that the gate follows before it closes */
};

enum risk_symbol_flag {
    RISK_SYMBOL_RESTRICTED = 1, /* no order at all */
    RISK_SYMBOL_SHORT = 2,      /* a sale may leave the position short */
    RISK_SYMBOL_FLAGS = 3,
};

struct risk_head {
    uint64_t magic;           /* RISK_TABLE_MAGIC */
    uint32_t schema;          /* RISK_TABLE_SCHEMA */
    uint32_t generation;      /* of the table: grows with every one published, 1.. */
    uint64_t created_ns;      /* not valid when further ahead of now than RISK_CREATED_TOLERANCE_NS */
    uint64_t valid_until_ns;  /* not valid at this time and after; RISK_NEVER */
    uint64_t session_open_ns; /* market time: orders pass from here .. */
    uint64_t session_close_ns; /* .. to before here; RISK_NEVER */
    uint64_t body_checksum;   /* of symbols and profiles, as a whole */
    uint64_t checksum;
};

/* A limit of 0 lets nothing pass. */
struct risk_limits {
    uint32_t version;            /* set by risk_limits_seal() */
    uint32_t order_shares_max;   /* 0..RISK_SHARES_MAX */
    uint64_t notional_max;       /* shares * price, 1/10000 of the currency unit */
    uint64_t position_long_max;  /* shares, 0..RISK_POSITION_MAX */
    uint64_t position_short_max; /* shares, a positive number, 0..RISK_POSITION_MAX */
    uint32_t price_max;          /* 1/10000, 0..RISK_PRICE_MAX */
    uint32_t collar_permille;    /* 0..1000, from the middle of the book */
    uint32_t order_burst;        /* orders, 0..RISK_RATE_MAX */
    uint32_t order_rate_per_s;   /* 0..RISK_RATE_MAX */
    uint32_t allow_unannounced;  /* 1: a symbol without a trading state counts as trading; else 0 */
    uint32_t generation;         /* of the table */
    uint64_t checksum;           /* set by risk_limits_seal() */
};

struct risk_account {
    uint64_t gross_exposure_max;   /* 1/10000, 0..RISK_EXPOSURE_MAX */
    uint64_t net_exposure_max;     /* 1/10000 either way, 0..RISK_EXPOSURE_MAX */
    uint64_t quote_age_ns_max;     /* the symbol's last quote must be younger */
    uint64_t feed_age_ns_max;      /* the feed's last datagram must be younger */
    uint64_t duplicate_window_ns;  /* same terms again so soon are a duplicate; 0 = never */
    uint32_t open_orders_max;      /* orders at the venue, with the new one */
    uint32_t message_burst;        /* 0..RISK_RATE_MAX, orders, replaces and cancels together */
    uint32_t message_rate_per_s;   /* 0..RISK_RATE_MAX */
    uint32_t last_collar_permille; /* 0..1000 from the last trade; RISK_OFF_32 */
    uint64_t checksum;
};

/* What lies above warns. Each is at most its hard limit, or off (the largest value of the field). */
struct risk_soft {
    uint64_t notional;
    uint64_t position_long;
    uint64_t position_short;
    uint64_t gross_exposure;
    uint64_t net_exposure;
    uint32_t order_shares;
    uint32_t open_orders;
    uint16_t collar_permille;
    uint16_t last_collar_permille;
    uint16_t order_tokens_permille;   /* 0..1000 of the burst: fewer left after this order warns; 0 = off */
    uint16_t message_tokens_permille; /* the same */
    uint64_t checksum;
};

/* Sets of reasons are bits: 1 << enum risk_reason. */
struct risk_trips {
    uint64_t at_once;    /* these answers trip the gate; of the three LIMITS_* also when no order comes */
    uint64_t counted;    /* these when there were `breaches` of them within window_ns of the first */
    uint64_t after_fill; /* POSITION, NET_EXPOSURE, GROSS_EXPOSURE: over the limit once filled */
    uint64_t window_ns;
    uint32_t breaches;
    uint32_t profile_count; /* profiles in use, with profile 0: 1..RISK_PROFILE_COUNT */
    uint64_t reserved[2];
    uint64_t checksum;
};

/* The lines that the gate copies to itself. */
struct risk_rules {
    struct risk_head head;
    struct risk_limits limits;
    struct risk_account account;
    struct risk_soft soft;
    struct risk_trips trips;
};

/* Bits 0..7 flags, 16..31 profile, 32..63 checksum of those, the symbol and the generation. */
typedef _Atomic uint64_t risk_symbol_entry;

/* Limits of a symbol in place of those in `limits` and last_collar_permille; the bounds are the same. */
struct risk_profile {
    uint32_t order_shares_max;
    uint32_t price_max;
    uint64_t notional_max;
    uint64_t position_long_max;
    uint64_t position_short_max;
    uint32_t collar_permille;
    uint32_t last_collar_permille;
    uint64_t reserved[2];
    uint64_t checksum;
};

struct risk_table {
    struct risk_rules rules;
    risk_symbol_entry symbols[RISK_SYMBOL_COUNT];
    struct risk_profile profiles[RISK_PROFILE_COUNT];
};

_Static_assert(sizeof(struct risk_head) == 64 && sizeof(struct risk_limits) == 64 && sizeof(struct risk_account) == 64 &&
                   sizeof(struct risk_soft) == 64 && sizeof(struct risk_trips) == 64 &&
                   sizeof(struct risk_profile) == 64,
               "a cache line each, seven words and a checksum");
_Static_assert(sizeof(struct risk_table) == 5 * 64 + 8 * 65536 + 64 * 1024, "no padding");

enum risk_table_problem {
    RISK_TABLE_GOOD = 0,
    RISK_TABLE_NOT_ONE = 1,   /* magic or schema */
    RISK_TABLE_HEAD = 2,      /* checksum of this line; and so on */
    RISK_TABLE_LIMITS = 3,
    RISK_TABLE_ACCOUNT = 4,
    RISK_TABLE_SOFT = 5,
    RISK_TABLE_TRIPS = 6,
    RISK_TABLE_SYMBOL = 7,
    RISK_TABLE_PROFILE = 8,
    RISK_TABLE_BODY = 9,
    RISK_TABLE_BOUNDS = 10,   /* sealed, but a field is out of its bounds */
    RISK_TABLE_SOFT_ABOVE_HARD = 11,
    RISK_TABLE_TIMES = 12,    /* never valid, or a session that does not open */
    RISK_TABLE_OLD = 13,      /* publish: the generation does not grow */
    RISK_TABLE_PROBLEM_COUNT = 14,
};

struct risk_tables {
    /* written by the control thread */
    _Atomic uint64_t published; /* sequence << 2 | buffer + 1; buffer 0 of 4: withdrawn; 0: never published */
    uint32_t generation;        /* of the last one published */
    uint32_t reserved;
    uint64_t control_reserved[6];
    /* written by the engine's thread */
    _Atomic uint64_t held;      /* buffer + 1, 0 = none */
    uint64_t engine_reserved[7];
    struct risk_table buffers[RISK_TABLE_BUFFERS];
};

_Static_assert(offsetof(struct risk_tables, held) == 64, "one cache line per writer");
_Static_assert(offsetof(struct risk_tables, buffers) == 128, "buffers begin at a cache line");

/* Sets version and checksum. Call after the last change. */
void risk_limits_seal(struct risk_limits *limits);

/* Sealed, and every field inside its bounds. */
bool risk_limits_valid(const struct risk_limits *limits);

/* Everything but `limits` off, valid for ever, and all symbols allowed, also short; not sealed. */
void risk_table_default(struct risk_table *table, const struct risk_limits *limits);
void risk_rules_default(struct risk_rules *rules, const struct risk_limits *limits);

/* Flags and profile of one symbol. Before sealing; profile 0..RISK_PROFILE_COUNT - 1. */
void risk_table_set_symbol(struct risk_table *table, uint16_t symbol, uint8_t flags, uint16_t profile);

/* Sets magic, schema, the generation of every line and all checksums. Call after the last change. */
void risk_table_seal(struct risk_table *table, uint32_t generation);
void risk_rules_seal(struct risk_rules *rules, uint32_t generation);

/* The first thing wrong with it. Reads all of it. */
enum risk_table_problem risk_table_verify(const struct risk_table *table);

/* The same for the lines that the gate copies. */
enum risk_table_problem risk_rules_verify(const struct risk_rules *rules);

/* A buffer that nobody reads, never NULL; its head is wiped, so it cannot be taken for a table. */
struct risk_table *risk_tables_begin(struct risk_tables *tables);

/* A sealed buffer of risk_tables_begin(), by address. Not RISK_TABLE_GOOD: nothing has changed. */
enum risk_table_problem risk_tables_publish(struct risk_tables *tables, const struct risk_table *table);

/* No table from the next order on: the gate answers LIMITS_MISSING. */
void risk_tables_withdraw(struct risk_tables *tables);

/* In words: "the line of account limits does not verify". "unknown" outside of the table. */
const char *risk_table_problem_name(uint32_t problem);

/* For the gate. */

enum risk_line { RISK_LINE_HEAD, RISK_LINE_LIMITS, RISK_LINE_ACCOUNT, RISK_LINE_SOFT, RISK_LINE_TRIPS, RISK_LINE_PROFILE };

/* Checksum of the first seven words of a line. Each word goes through its own bijection, so a change of any one word
 * always shows. `line` is RISK_LINE_PROFILE + number for a profile. */
static inline uint64_t risk_line_checksum(const void *line, uint32_t number, uint32_t generation)
{
    static const uint64_t keys[8] = {
        0x9e3779b97f4a7c15ull, 0xbf58476d1ce4e5b9ull, 0x94d049bb133111ebull, 0xd6e8feb86659fd93ull,
        0xa0761d6478bd642full, 0xe7037ed1a0b428dbull, 0x8ebc6af09c88c6e3ull, 0x589965cc75374cc3ull};
    uint64_t words[7], sum = (number + ((uint64_t)generation << 32)) * keys[7];
    __builtin_memcpy(words, line, sizeof(words));
#pragma GCC unroll 7
    for (uint32_t index = 0; index < 7; index++) {
        const uint64_t mixed = (words[index] ^ keys[index]) * keys[(index + 1) % 7];
        sum += mixed ^ mixed >> 29;
    }
    return sum ^ sum >> 32;
}

/* The upper half of an entry for its lower half. A bijection of the payload: a change of it always shows. */
static inline uint32_t risk_symbol_checksum(uint32_t payload, uint16_t symbol, uint32_t generation)
{
    uint32_t mixed = payload ^ (generation * 0x9e3779b1u + symbol * 0x85ebca6bu);
    mixed = (mixed ^ mixed >> 16) * 0x7feb352du;
    mixed = (mixed ^ mixed >> 15) * 0x846ca68bu;
    return mixed ^ mixed >> 16;
}

#endif
