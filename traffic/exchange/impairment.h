/* Impairments: which packets of a line are harmed, the same wherever it is decided.
 *
 * A rule says when (windows by position or by time), which packets of a window (pattern) and what is done (action).
 * impairment_takes() is asked once for every packet of a line in the order they pass, and answers from the rule's own
 * state alone: the same rule and the same packets give the same answers in the exchange's loop and in the BPF program
 * of the lab's wires, which both include this file. Whoever asks executes the action.
 *
 * Windows: one begins with the packet whose messages reach from_position, or at from_ns when from_position is 0, and
 * spans `packets` data packets (0: no end). Then the next begins repeat_every messages behind the begin of this one,
 * repeat_left times; one that is reached while another runs begins anew. Nothing is taken from until_ns on.
 * Over a session roll windows move on with the stream: a begin the old session never came to lies as many messages
 * behind the new session's first as it lay behind the old one's end.
 * Packets without messages (heartbeats, ends of session) carry a line's times, not its data, and how many there are
 * depends on the clock. So they advance nothing; one is taken only by a dropping rule of PATTERN_RUN whose window is
 * open, because a line that is dead is dead for them too.
 * Randomness: splitmix64, one draw a packet of a window, whatever the outcome. Lines differ by their seeds
 * (impairment_seed()); rules of equal seeds take the same packets on both.
 *
 * Owner: whoever lets the line's packets pass; one rule state a line. Only <linux/types.h>, no loop, no division, no
 * call: fit for the verifier. Cost: a few ns; two comparisons while no window is open.
 * Probabilities are of 2^32; IMPAIRMENT_ALWAYS means each time.
 */
#ifndef TRAFFIC_EXCHANGE_IMPAIRMENT_H
#define TRAFFIC_EXCHANGE_IMPAIRMENT_H

#include <linux/types.h>
#include <stdbool.h>

#define IMPAIRMENT_ALWAYS 0xFFFFFFFFU
#define IMPAIRMENT_SESSION_SHIFT 40 /* position = session ordinal << 40 | sequence */

enum impairment_action {
    IMPAIR_DROP = 1,
    IMPAIR_DUPLICATE = 2,
    IMPAIR_REORDER = 3,
    IMPAIR_DELAY = 4,
    IMPAIR_CORRUPT = 5,
};

enum impairment_pattern {
    PATTERN_RUN = 1,             /* each packet of the window */
    PATTERN_EVERY = 2,           /* each n-th, the n-th first */
    PATTERN_RANDOM = 3,          /* each with a probability of its own */
    PATTERN_GILBERT_ELLIOTT = 4, /* two states with a probability each; the state changes before the packet is judged */
};

/* But for CORRUPT_CHECKSUM, lengths are right for the changed bytes and so is the UDP checksum (or 0, which is none):
 * what arrives is a datagram that nothing below MoldUDP64 refuses. */
enum impairment_corruption {
    CORRUPT_BITS = 1,            /* `amount` bits of the UDP payload flipped at seeded places */
    CORRUPT_TRUNCATE = 2,        /* `amount` bytes, at most all, cut off the UDP payload's end */
    CORRUPT_COUNT = 3,           /* `amount` added to the message count, 65536 wraps */
    CORRUPT_ZERO_BLOCK = 4,      /* the first block's length becomes 0 */
    CORRUPT_CHECKSUM = 5,        /* the UDP checksum wrong, everything else right */
};

struct impairment_rule {
    __u64 from_position;    /* the next window's begin; 0: from_ns says it */
    __u64 from_ns;          /* in the domain of now_ns */
    __u64 until_ns;         /* 0: no end */
    __u64 random;           /* generator of the pattern, never 0 */
    __u64 places;           /* generator of impairment_place(), never 0 */
    __u64 repeat_every;     /* messages from a window's begin to the next one's */
    __u64 delay_ns;         /* IMPAIR_DELAY */
    __u64 reached_position; /* first position behind all that passed */
    /* results, data packets only */
    __u64 seen;             /* in windows */
    __u64 hit;              /* of them, taken */
    __u64 first_hit_ns;
    __u64 last_hit_ns;
    __u32 repeat_left;      /* windows to come behind the next one */
    __u32 packets;          /* a window spans so many; 0: no end */
    __u32 packets_left;     /* of the open window, when `packets` is not 0 */
    __u32 every;            /* PATTERN_EVERY; 0 is 1 */
    __u32 counter;          /* PATTERN_EVERY: packets since the last one taken */
    __u32 probability;      /* PATTERN_RANDOM; PATTERN_GILBERT_ELLIOTT: while bad */
    __u32 good_to_bad;      /* PATTERN_GILBERT_ELLIOTT, a packet */
    __u32 bad_to_good;
    __u32 probability_good; /* taken while good */
    __u32 amount;           /* duplicate: copies; reorder: packets it falls behind; corrupt: see there */
    __u32 windows;          /* begun so far */
    __u32 controls;         /* packets without messages taken */
    __u8 action;            /* enum impairment_action */
    __u8 pattern;           /* enum impairment_pattern */
    __u8 corruption;        /* enum impairment_corruption */
    __u8 bad;               /* PATTERN_GILBERT_ELLIOTT: the state */
    __u8 armed;             /* a window is to come; 1 at first, or the rule sleeps for good */
    __u8 open;              /* a window is open */
    __u8 pad[2];
};
_Static_assert(sizeof(struct impairment_rule) == 12 * 8 + 12 * 4 + 8, "laid out alike for the host and for BPF");

static inline __u64 impairment_mix(__u64 x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
    return x ^ x >> 31;
}

/* The next 64 bits of a splitmix64 generator. */
static inline __u64 impairment_draw(__u64 *state)
{
    *state += 0x9E3779B97F4A7C15ULL;
    return impairment_mix(*state);
}

/* Seed of rule `index` on `line`: for `random`; `places` is seeded by its complement. */
static inline __u64 impairment_seed(__u64 seed, __u32 index, __u32 line)
{
    __u64 state = seed ^ (__u64)index << 8 ^ line;
    __u64 drawn = impairment_draw(&state);
    return drawn ? drawn : 1;
}

/* A seeded place in 0..bound-1, for bits to flip; `bound` below 2^32. Independent of the pattern. */
static inline __u32 impairment_place(struct impairment_rule *rule, __u32 bound)
{
    return (__u32)((impairment_draw(&rule->places) >> 32) * bound >> 32);
}

static inline bool impairment_chance(__u32 drawn, __u32 probability)
{
    return drawn < probability || probability == IMPAIRMENT_ALWAYS;
}

static inline void impairment_begin(struct impairment_rule *rule, __u64 position)
{
    rule->open = 1;
    rule->packets_left = rule->packets;
    rule->windows++;
    if (rule->repeat_left) {
        rule->repeat_left--;
        rule->from_position = (rule->from_position ? rule->from_position : position) + rule->repeat_every;
    } else {
        rule->armed = 0;
    }
}

/* Whether the packet lies in a window; begins and ends them. */
static inline bool impairment_in_window(struct impairment_rule *rule, __u64 position, __u32 messages, __u64 now_ns)
{
    __u64 behind = position + messages;
    if (rule->until_ns && now_ns >= rule->until_ns) {
        rule->armed = 0;
        rule->open = 0;
        return false;
    }
    if (rule->armed) {
        __u64 session = position >> IMPAIRMENT_SESSION_SHIFT, reached = rule->reached_position, left;
        if (rule->from_position && session > rule->from_position >> IMPAIRMENT_SESSION_SHIFT) {
            left = rule->from_position > reached ? rule->from_position - reached : 0;
            rule->from_position = (session << IMPAIRMENT_SESSION_SHIFT) + 1 + left;
        }
        if (rule->from_position ? behind > rule->from_position : now_ns >= rule->from_ns)
            impairment_begin(rule, position);
        if (behind > rule->reached_position)
            rule->reached_position = behind;
    }
    return rule->open;
}

/* Whether a data packet of the open window is one of the pattern's. */
static inline bool impairment_pattern_takes(struct impairment_rule *rule)
{
    __u64 drawn;
    switch (rule->pattern) {
    case PATTERN_RUN:
        return true;
    case PATTERN_EVERY:
        rule->counter++;
        if (rule->counter < rule->every)
            return false;
        rule->counter = 0;
        return true;
    case PATTERN_RANDOM:
        return impairment_chance((__u32)(impairment_draw(&rule->random) >> 32), rule->probability);
    case PATTERN_GILBERT_ELLIOTT:
        drawn = impairment_draw(&rule->random);
        if (impairment_chance((__u32)(drawn >> 32), rule->bad ? rule->bad_to_good : rule->good_to_bad))
            rule->bad = !rule->bad;
        return impairment_chance((__u32)drawn, rule->bad ? rule->probability : rule->probability_good);
    }
    return false;
}

/* True when the rule takes this packet, of `messages` messages from `position` on (none: the position of the next);
 * advances window and pattern. */
static inline bool impairment_takes(struct impairment_rule *rule, __u64 position, __u32 messages, __u64 now_ns)
{
    bool takes;
    if (!rule->armed && !rule->open)
        return false;
    if (!impairment_in_window(rule, position, messages, now_ns))
        return false;
    if (messages == 0) {
        takes = rule->pattern == PATTERN_RUN && rule->action == IMPAIR_DROP;
        rule->controls += takes;
        return takes;
    }
    if (rule->packets) {
        rule->packets_left--;
        if (rule->packets_left == 0)
            rule->open = 0;
    }
    rule->seen++;
    takes = impairment_pattern_takes(rule);
    if (takes) {
        if (rule->hit == 0)
            rule->first_hit_ns = now_ns;
        rule->last_hit_ns = now_ns;
        rule->hit++;
    }
    return takes;
}

#endif
