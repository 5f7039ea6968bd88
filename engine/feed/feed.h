/* One feed over two lines: arbitration by message number, in-order delivery, one state machine.
 *
 * Each datagram of either line goes to feed_accept(); then feed_next() hands out messages, strictly in sequence,
 * each exactly once, until it says false. What arrives too early waits in a bounded reorder buffer, copied; what
 * is in sequence is handed out of the datagram itself, whose bytes must therefore stay until feed_next() is false.
 * A hole is held back for `hold_back_ns` so that the other line can fill it; then it is a gap.
 *
 *             in-sequence packet                       end of session, in sequence (from any state)
 *   STARTUP ----------------------> LIVE ------------------------------------------------> ENDED
 *      |                           |    ^
 *      | hold-back over, or        |    | in-sequence packet, nothing missed
 *      | reorder buffer full, or   |    |
 *      | foreign session           |    '------------ DOWN
 *      v                           |   all lines silent |
 *     GAP <------------------------+--------------------'
 *      '--> stays GAP until the end: delivery goes on after the hole as best effort, no order may leave
 *
 * RECOVERING, SYNC and RESYNC belong to re-request and snapshot recovery. feed_ask_recovery() in feed.c is the one
 * place where a policy is asked before a hole is given up; today it has nobody to ask and gives up.
 *
 * Thread: the engine's. No allocation; the caller gives the memory. Invariants: delivered sequence numbers
 * strictly increase; while LIVE they have no hole; a datagram is used whole or not at all.
 * Bounds: reorder_packet_count buffered packets (full: the newcomer is dropped and counted, the hole declared),
 * FEED_TRANSITION_COUNT remembered transitions (full: the oldest is overwritten and counted).
 * Cost: about 12 ns a datagram and 6 ns a message in sequence, checks included; a copy of the packet and a sorted
 * insertion when early.
 * Trust: a datagram that parses is believed, a forged sequence number in the right session included.
 * Specification: MoldUDP64 1.00 and the receiver rules of its fact sheet.
 */
#ifndef ENGINE_FEED_FEED_H
#define ENGINE_FEED_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/feed/moldudp64.h"
#include "engine/feed/state.h"

#define FEED_MEMORY_ALIGNMENT 64u
#define FEED_TRANSITION_COUNT 256u
#define FEED_REORDER_PACKET_COUNT_MAX (1u << 20)
#define FEED_REORDER_PACKET_BYTES_MAX 65536u

struct feed_options {
    uint8_t session[MOLDUDP64_SESSION_SIZE]; /* all zero: take the first one seen */
    uint64_t first_sequence;                 /* 1..; 0: start at the first number seen */
    uint64_t hold_back_ns;                   /* wait for the other line before a hole becomes a gap; 0: none */
    uint64_t line_silence_ns;                /* a line is down after so long without a datagram; 0: never */
    uint32_t reorder_packet_count;           /* power of two, 1..FEED_REORDER_PACKET_COUNT_MAX */
    uint32_t reorder_packet_bytes;           /* longest datagram that can wait; MOLDUDP64_HEADER_SIZE.. */
};

/* any session, from 1, hold back 1 ms, silence 3 s, 1024 packets of 1536 bytes */
void feed_options_default(struct feed_options *options);

/* What became of a datagram. Call feed_next() until false whatever the outcome is. */
enum feed_outcome {
    FEED_ACCEPT_DELIVERABLE = 0,      /* in sequence: feed_next() hands it out */
    FEED_ACCEPT_BUFFERED = 1,         /* early: waits in the reorder buffer */
    FEED_ACCEPT_DUPLICATE = 2,        /* nothing in it is new */
    FEED_ACCEPT_HEARTBEAT = 3,
    FEED_ACCEPT_END = 4,              /* end of session */
    FEED_ACCEPT_MALFORMED = 5,        /* dropped; why is in statistics.lines[].malformed[] */
    FEED_ACCEPT_SESSION_MISMATCH = 6, /* dropped; the feed is not LIVE any more */
    FEED_ACCEPT_REORDER_FULL = 7,     /* dropped; the other line may still bring it */
    FEED_ACCEPT_OVERSIZE = 8,         /* early and longer than reorder_packet_bytes: dropped likewise */
    FEED_ACCEPT_AFTER_END = 9,        /* new messages after the end of the session: dropped */
    FEED_ACCEPT_BAD_LINE = 10,        /* caller's error: no such line; dropped */
    FEED_ACCEPT_NOT_DRAINED = 11,     /* caller's error: messages of the last datagram are still owed; dropped */
    FEED_OUTCOME_COUNT = 12,
};

enum feed_cause {
    FEED_CAUSE_IN_SEQUENCE = 0,
    FEED_CAUSE_HOLD_BACK_EXPIRED = 1,
    FEED_CAUSE_REORDER_FULL = 2,
    FEED_CAUSE_SESSION_MISMATCH = 3,
    FEED_CAUSE_LINES_SILENT = 4,
    FEED_CAUSE_END_OF_SESSION = 5,
    FEED_CAUSE_COUNT = 6,
};

struct feed_transition {
    uint64_t at_ns;
    uint64_t sequence; /* next expected message number at that moment */
    uint8_t from;      /* enum feed_state */
    uint8_t to;        /* enum feed_state */
    uint8_t cause;     /* enum feed_cause */
    uint8_t reserved[5];
};

_Static_assert(sizeof(struct feed_transition) == 24, "read by results tools");

struct feed_line_statistics {
    uint64_t packets;              /* datagrams received, malformed ones included */
    uint64_t bytes;                /* UDP payload */
    uint64_t messages;             /* in well-formed datagrams of this session */
    uint64_t heartbeats;
    uint64_t ends;                 /* end-of-session datagrams */
    uint64_t wins;                 /* data packets that brought something new first */
    uint64_t win_messages;         /* messages in them that were new */
    uint64_t duplicates;           /* data packets with nothing new */
    uint64_t behind_messages;      /* gauge: how many messages of its latest packet on were delivered before it came */
    uint64_t behind_messages_max;
    uint64_t out_of_order;         /* numbers below what this very line had sent before */
    uint64_t holes;                /* numbers jumped over on this very line */
    uint64_t session_mismatches;
    uint64_t malformed[MOLDUDP64_OUTCOME_COUNT]; /* by enum moldudp64_outcome */
    uint64_t down;                 /* times this line fell silent */
};

struct feed_statistics {
    struct feed_line_statistics lines[FEED_LINE_COUNT];
    uint64_t delivered;            /* messages handed out */
    uint64_t holes_filled;         /* holes closed within the hold-back */
    uint64_t gaps;                 /* holes given up */
    uint64_t gap_messages;         /* messages never delivered, in all gaps */
    uint64_t gap_first_sequence;   /* of the latest gap: first missing */
    uint64_t gap_last_sequence;    /* of the latest gap: last missing */
    uint64_t reorder_packets_max;  /* high water */
    uint64_t reorder_full_drops;
    uint64_t reorder_oversize_drops;
    uint64_t after_end_drops;
    uint64_t caller_errors;        /* FEED_ACCEPT_BAD_LINE and FEED_ACCEPT_NOT_DRAINED */
    uint64_t transitions;          /* recorded since the start */
    uint64_t transitions_lost;     /* overwritten in the ring */
};

/* One message, valid until the next call of feed_next(). */
struct feed_message {
    uint64_t sequence;
    uint64_t arrival_ns; /* now_ns given with its datagram */
    const uint8_t *data;
    uint16_t length;     /* 0 is legal */
    uint8_t line;        /* line whose datagram brought it */
};

/* A packet waiting in the reorder buffer. Both numbers strictly increase from entry to entry. */
struct feed_reorder_entry {
    uint64_t sequence;
    uint64_t next_sequence;
    uint64_t arrival_ns;
    uint32_t slot;
    uint16_t count;
    uint8_t line;
    uint8_t reserved;
};

_Static_assert(sizeof(struct feed_reorder_entry) == 32, "two to a cache line");

struct feed_line {
    uint64_t heard_ns;      /* last datagram, or when the feed was first heard at all */
    uint64_t next_sequence; /* highest number after any packet of this line, 0 = none yet */
    bool down;              /* alarm: silent for longer than line_silence_ns */
};

struct feed {
    /* touched for every datagram and message */
    enum feed_state state;
    uint32_t block_count;      /* blocks left under the cursor */
    uint64_t next_sequence;    /* next message to hand out, once sequence_known */
    const uint8_t *block;      /* cursor: next block, in the datagram or in a reorder slot */
    uint64_t block_arrival_ns;
    uint64_t now_ns;           /* latest time told */
    uint8_t block_line;
    bool pending;              /* feed_next() has not said false since something became deliverable */
    bool sequence_known;
    bool session_known;
    bool heard;                /* any datagram of the session so far */
    bool end_known;
    bool hole_given_up;        /* part of the open hole has been skipped */
    uint8_t session[MOLDUDP64_SESSION_SIZE];

    /* what is known to be missing */
    uint64_t hole_since_ns;      /* first evidence of the hole at next_sequence; FEED_NO_HOLE = none */
    uint64_t hole_end_sequence;  /* first message after it when it was found */
    uint64_t announced_sequence; /* messages below it exist: heartbeats, ends and dropped packets said so */
    uint64_t announced_ns;       /* when */
    uint64_t end_sequence;       /* number after the session's last message, once end_known */

    /* reorder buffer: sorted circular array of entries over a pool of slots */
    struct feed_reorder_entry *entries;
    uint8_t *slots;
    uint32_t *free_slots;
    uint32_t entry_head;
    uint32_t entry_count;
    uint32_t slot_stride;

    struct feed_line lines[FEED_LINE_COUNT];
    struct feed_options options;
    struct feed_statistics statistics;
    struct feed_transition transitions[FEED_TRANSITION_COUNT];
};

#define FEED_NO_HOLE UINT64_MAX

/* Bytes that feed_init() wants, 0 if an option is out of range. */
size_t feed_memory_size(const struct feed_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to FEED_MEMORY_ALIGNMENT. */
int feed_init(struct feed *feed, const struct feed_options *options, void *memory, size_t size);

/* Take a datagram (UDP payload) of a line. now_ns must not go back. */
enum feed_outcome feed_accept(struct feed *feed, unsigned line, const uint8_t *datagram, uint32_t length,
                              uint64_t now_ns);

/* Next message in sequence, or false: nothing more for now. Call until false after feed_accept() and feed_timer(). */
bool feed_next(struct feed *feed, struct feed_message *message);

/* Hold-back expiry and line silence. Once per idle poll, with feed_next() until false afterwards: giving a hole up
 * makes what is buffered behind it deliverable. */
void feed_timer(struct feed *feed, uint64_t now_ns);

/* Copy the remembered transitions, oldest first; the number copied. */
uint32_t feed_transitions(const struct feed *feed, struct feed_transition *transitions, uint32_t capacity);

/* Names, "unknown" out of range. Static storage. */
const char *feed_state_name(enum feed_state state);
const char *feed_cause_name(enum feed_cause cause);
const char *feed_outcome_name(enum feed_outcome outcome);

#endif
