/* Two lines of one MDP 3.0 incremental feed into one stream: each packet exactly once, in order of MsgSeqNum.
 *
 * Unlike MoldUDP64 a number is a packet's, not a message's, and says nothing about the packets before it. Each
 * datagram goes to mdp3_arbiter_accept(); then mdp3_arbiter_next() hands packets out until it says false. A packet in
 * sequence is handed out of the datagram itself, whose bytes must therefore stay until then; an early one waits,
 * copied, in a window of `reorder_packet_count` numbers. A hole is held back for `hold_back_ns` so that the other line
 * can fill it; then it is given up for good, and the next packet says how many were lost before it.
 *
 * Numbers begin at 1 again every week. A packet whose number is below what was delivered but whose SendingTime is
 * later belongs to a new numbering, and a number beyond the window is either damaged or far ahead; both wait in a
 * stash until `confirm_packets` of them agree (the other line's copy counts). Confirmed, a new numbering begins at 1
 * (a new session: `position` counts sessions in its upper bits), a jump is a hole. An in-sequence packet of the old
 * numbering that was sent later empties the stash: one stray packet never throws a good book away. Number 0 is none.
 *
 * Every packet that both lines brought is reported once with both arrival times (struct mdp3_arrival), in the order of
 * the second arrivals: who won, and by how much, is for the caller to work out. A tie is the first caller's.
 *
 * Thread: the engine's. No allocation; the caller gives the memory. Bounds: reorder_packet_count early packets,
 * MDP3_STASH_COUNT in the stash (full: the newcomer is dropped and counted), arrival_count remembered first arrivals
 * (older ones: the second copy is `late`), arrival_count unread reports (full: the newest is dropped and counted).
 * Cost: about 15 ns a packet in sequence, the check of its bounds not counted.
 * Specification: CME MDP 3.0 UDP packet header, feed A/B arbitration, weekly reset.
 */
#ifndef ENGINE_FEED_MDP3_ARBITER_H
#define ENGINE_FEED_MDP3_ARBITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/feed/mdp3_wire.h"
#include "engine/feed/state.h"

#define MDP3_MEMORY_ALIGNMENT 64u
#define MDP3_SESSION_SHIFT 40u /* position = session << 40 | MsgSeqNum */
#define MDP3_SESSION_MAX 255u  /* sessions beyond share the last number space */
#define MDP3_STASH_COUNT 8u
#define MDP3_REORDER_PACKET_COUNT_MAX (1u << 16)
#define MDP3_REORDER_PACKET_BYTES_MAX 65536u
#define MDP3_ARRIVAL_COUNT_MAX (1u << 20)

struct mdp3_arbiter_options {
    uint64_t hold_back_ns;         /* wait for the other line before a hole is given up; 0: none */
    uint64_t line_silence_ns;      /* a line is down after so long without a datagram; 0: never */
    uint32_t first_sequence;       /* 1..; 0: start at the first number seen */
    uint32_t reorder_packet_count; /* power of two, 1..MDP3_REORDER_PACKET_COUNT_MAX */
    uint32_t reorder_packet_bytes; /* longest datagram that can wait; MDP3_HEADER_SIZE.. */
    uint32_t arrival_count;        /* power of two, reorder_packet_count..MDP3_ARRIVAL_COUNT_MAX */
    uint32_t confirm_packets;      /* 1..MDP3_STASH_COUNT */
};

enum mdp3_accept_outcome {
    MDP3_ACCEPT_DELIVERABLE = 0, /* in sequence: next() hands it out */
    MDP3_ACCEPT_BUFFERED = 1,    /* early: waits in the window */
    MDP3_ACCEPT_DUPLICATE = 2,   /* the other copy was first */
    MDP3_ACCEPT_LATE = 3,        /* its number was given up, or is too old to be remembered */
    MDP3_ACCEPT_STASHED = 4,     /* another numbering, or far ahead: not believed yet */
    MDP3_ACCEPT_MALFORMED = 5,   /* dropped; why is in statistics.lines[].malformed[] */
    MDP3_ACCEPT_OVERSIZE = 6,    /* early and longer than reorder_packet_bytes: dropped */
    MDP3_ACCEPT_STASH_FULL = 7,  /* dropped */
    MDP3_ACCEPT_SNAPSHOT = 8,    /* of a recovery or definition feed: used at once */
    MDP3_ACCEPT_AFTER_END = 9,   /* dropped */
    MDP3_ACCEPT_BAD_SOURCE = 10, /* caller's error: dropped */
    MDP3_ACCEPT_NOT_DRAINED = 11, /* caller's error: next() has not said false since the last one; dropped */
    MDP3_ACCEPT_OUTCOME_COUNT = 12,
};

struct mdp3_line_statistics {
    uint64_t packets;             /* datagrams received, malformed ones included */
    uint64_t bytes;               /* UDP payload */
    uint64_t wins;                /* packets that this line brought first */
    uint64_t duplicates;          /* packets that were there already */
    uint64_t late;                /* packets that came after their number was given up, or too late to tell */
    uint64_t stashed;
    uint64_t dropped;             /* no room in window or stash */
    uint64_t out_of_order;        /* numbers below what this very line had sent before */
    uint64_t holes;               /* numbers jumped over on this very line */
    uint64_t margins;             /* packets won of which the other line's copy came too */
    uint64_t margin_ns_sum;       /* by how much, over those */
    uint64_t margin_ns_max;
    uint64_t malformed[MDP3_OUTCOME_COUNT]; /* by enum mdp3_outcome */
    uint64_t down;                /* times this line fell silent */
};

struct mdp3_arbiter_statistics {
    struct mdp3_line_statistics lines[FEED_LINE_COUNT];
    uint64_t delivered;           /* packets handed out, each once */
    uint64_t holes_filled;        /* holes that closed within the hold-back */
    uint64_t gaps;                /* holes given up */
    uint64_t gap_packets;
    uint64_t gap_packets_max;
    uint64_t sessions_rolled;
    uint64_t stray_packets;       /* stashed packets that were not confirmed */
    uint64_t reorder_packets_max; /* high water */
    uint64_t arrivals_lost;       /* reports dropped because nobody had read the old ones */
};

/* One packet that came on both lines. */
struct mdp3_arrival {
    uint64_t position;
    uint64_t first_ns;  /* the caller's clock */
    uint64_t second_ns;
    uint8_t line;       /* that was first */
    uint8_t reserved[7];
};

_Static_assert(sizeof(struct mdp3_arrival) == 32, "read by tools");

/* A number that was heard: who was first, and when. */
struct mdp3_seen {
    uint64_t position; /* UINT64_MAX: none */
    uint64_t first_ns;
    uint8_t line;
    bool both;         /* the other line's copy came too */
    bool waiting;      /* copied into the window, not handed out yet */
    uint8_t reserved[5];
};

struct mdp3_slot {
    uint32_t length;
    uint32_t sequence;
    uint64_t arrival_ns;
    uint64_t sending_ns;
    uint8_t line;
    uint8_t copies; /* stash: lines that brought it, as bits */
    uint8_t reserved[6];
};

/* A packet in its place in the stream. */
struct mdp3_delivery {
    const uint8_t *bytes;
    uint32_t length;
    uint32_t sequence;   /* MsgSeqNum */
    uint64_t position;
    uint64_t lost;       /* packets given up right before this one */
    uint64_t arrival_ns; /* of the first copy */
    uint64_t sending_ns; /* since 1970-01-01 UTC */
    uint8_t line;        /* of the first copy */
};

struct mdp3_line {
    uint64_t heard_ns;
    uint64_t next_sequence; /* one more than the highest of this line in this session */
    bool down;
    bool heard;
};

struct mdp3_arbiter {
    struct mdp3_arbiter_options options;
    uint64_t next_sequence;     /* the number that is due */
    uint64_t heard_sequence;    /* one more than the highest number heard in this session */
    uint64_t session;           /* 0 for the first */
    uint64_t sending_ns;        /* of the last packet handed out */
    uint64_t now_ns;
    uint64_t announced_sequence; /* one more than the highest number that a snapshot has named */
    uint64_t announced_ns;      /* since when it has been above the due number */
    uint64_t hole_since_ns;     /* arrival of the earliest packet that waits behind a hole; UINT64_MAX: none */
    const uint8_t *current;     /* datagram in sequence, not handed out yet; NULL: none */
    struct mdp3_slot current_slot;
    uint8_t *bytes;             /* window, then stash: slot_stride bytes each */
    struct mdp3_slot *slots;    /* window by number, then stash */
    struct mdp3_seen *seen;     /* by number */
    struct mdp3_arrival *arrivals; /* ring of reports */
    uint64_t arrival_head, arrival_tail; /* read, written */
    uint32_t slot_stride;
    uint32_t waiting_count;     /* packets in the window */
    uint32_t stash_count;
    uint64_t lost;              /* given up since the last delivery */
    bool sequence_known;
    bool lines_down;            /* all lines that were heard are silent */
    bool drained;               /* next() has said false */
    struct mdp3_line lines[FEED_LINE_COUNT];
    struct mdp3_arbiter_statistics statistics;
};

/* any first number, hold back 1 ms, silence 65 s, 1024 packets of 1536 bytes, 8192 arrivals, 2 to confirm */
void mdp3_arbiter_options_default(struct mdp3_arbiter_options *options);

/* Bytes that init wants, 0 if an option is out of range. */
size_t mdp3_arbiter_memory_size(const struct mdp3_arbiter_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to MDP3_MEMORY_ALIGNMENT. */
int mdp3_arbiter_init(struct mdp3_arbiter *arbiter, const struct mdp3_arbiter_options *options, void *memory,
                      size_t size);

/* Take a datagram of line 0 or 1. now_ns must not go back. */
enum mdp3_accept_outcome mdp3_arbiter_accept(struct mdp3_arbiter *arbiter, unsigned line, const uint8_t *datagram,
                                             uint32_t length, uint64_t now_ns);

/* The next packet of the stream, or false. Call until false after accept() and timer(). */
bool mdp3_arbiter_next(struct mdp3_arbiter *arbiter, struct mdp3_delivery *delivery);

/* Time passes: hold-back and line silence. Call next() until false afterwards. */
void mdp3_arbiter_timer(struct mdp3_arbiter *arbiter, uint64_t now_ns);

/* The stream's number that is due, when a snapshot sent at `sending_ns` tells it before any packet does
 * (options.first_sequence wins). Only while mdp3_arbiter_silent(). */
void mdp3_arbiter_begin(struct mdp3_arbiter *arbiter, uint64_t next_sequence, uint64_t sending_ns);

/* Nothing has been handed out, and nothing waits. */
static inline bool mdp3_arbiter_silent(const struct mdp3_arbiter *arbiter)
{
    return arbiter->statistics.delivered == 0 && arbiter->waiting_count == 0 && arbiter->stash_count == 0 &&
           arbiter->current == NULL;
}

/* A snapshot says that numbers below this one were sent: what is still missing of them after the hold-back is given up,
 * though no packet behind it has come. False, and ignored, when that is no news or beyond the window. */
bool mdp3_arbiter_announce(struct mdp3_arbiter *arbiter, uint64_t next_sequence, uint64_t now_ns);

/* Move up to `capacity` unread reports out, oldest first; the number moved. */
uint32_t mdp3_arbiter_arrivals(struct mdp3_arbiter *arbiter, struct mdp3_arrival *arrivals, uint32_t capacity);

static inline uint64_t mdp3_arbiter_position(const struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    return arbiter->session << MDP3_SESSION_SHIFT | sequence;
}

/* Lower-case name, "unknown" out of range. Static storage. */
const char *mdp3_accept_outcome_name(enum mdp3_accept_outcome outcome);

#endif
