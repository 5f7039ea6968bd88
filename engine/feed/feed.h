/* One feed over two lines: arbitration by message number, in-order delivery, recovery, one state machine.
 *
 * Each datagram of either line, and each reply of the re-request server, goes to feed_accept(); then feed_next() hands
 * out messages, strictly in sequence, each exactly once, until it says false. What arrives too early waits in a
 * bounded reorder buffer, copied; what is in sequence is handed out of the datagram itself, whose bytes must therefore
 * stay until feed_next() is false. A hole is held back for `hold_back_ns` so that the other line can fill it; then
 * re-requests are made, and when those do not help, or the hole is too large for them, a snapshot is joined.
 *
 *              in sequence                                end of session, in sequence (from any state)
 *   STARTUP -----------------> LIVE ----------------------------------------------------------> ENDED
 *      |                      |  ^  ^                                                             |
 *      | hole outlived        |  |  '---- DOWN  (all lines silent; back when nothing was missed)  |
 *      | its hold-back        |  |                                                                |
 *      '--------. .-----------'  | every message up to now delivered                              |
 *               v v              |                                                                |
 *           RECOVERING ----------+     re-requests are out; partial replies ask for the rest      |
 *               |                |                                                                |
 *               | exhausted,     |     snapshot joined, nothing missing behind it                 |
 *               | or too large   |                                                                |
 *               v                |                                          new session           |
 *         SYNC or RESYNC --------'  <-------------------------------------------------------------'
 *               |     ^            (SYNC: never LIVE before; RESYNC: after that)
 *        failed |     | every retry_ns            (LIVE only once a line has spoken in the session since then: a
 *               |     |                            snapshot does not say which session it is of)
 *               v     |
 *               GAP                   nothing supplies what is missing; also: a datagram of a foreign session, until
 *                                     the own one goes on or the new one is confirmed
 *
 * Only LIVE lets orders pass. Without a service its step is left out; with none, a strict feed waits in GAP for a line
 * to bring what is missing, a best-effort feed skips the hole and stays GAP for good.
 *
 * A datagram further ahead than everything heard of, by more than unconfirmed_jump_messages, is a suspect: set aside
 * until a second one, of either line, comes with numbers like its own, or delivery gets to it. So a broken sequence
 * number opens no hole that nobody can fill.
 *
 * Thread: the engine's. No allocation; the caller gives the memory. Invariants: between two snapshots and within a
 * session, delivered numbers strictly increase, without a hole when strict; a datagram is used whole or not at all;
 * no message is asked for twice at the same time.
 * Bounds, and what happens there:
 *   reorder_packet_count packets wait        the newcomer is dropped, counted, known to exist and asked for later
 *   request_outstanding_max requests         the next waits for a reply or a time-out
 *   request_attempts time-outs in a row      the hole is given up to the snapshot
 *   snapshot_attempts without LIVE           GAP, and all over again every retry_ns
 *   FEED_SUSPECT_COUNT suspects              the oldest gives way; a reply that is ahead of everything is none: nobody
 *                                            asked for it, it is dropped
 *   FEED_PAST_SESSION_COUNT past sessions    late packets of an older one look like a new session's
 *   FEED_TRANSITION_COUNT transitions        the oldest is overwritten and counted
 *   FEED_EPISODE_COUNT episodes              later ones are only counted
 * Cost: about 12 ns a datagram and 6 ns a message in sequence, checks included; a copy of the packet and a sorted
 * insertion when early; recovery costs nothing while LIVE.
 * Trust: a datagram that parses, in the right session, with a number that continues what is known or fills a hole, is
 * believed. MoldUDP64 has no checksum of its own.
 * Specification: MoldUDP64 1.00 and the receiver rules of its fact sheet; GLIMPSE 5.0 for the join.
 */
#ifndef ENGINE_FEED_FEED_H
#define ENGINE_FEED_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/feed/moldudp64.h"
#include "engine/feed/state.h"

#define FEED_MEMORY_ALIGNMENT 64u
#define FEED_TRANSITION_COUNT 4096u
#define FEED_EPISODE_COUNT 1024u
#define FEED_REQUESTS_MAX 8u
#define FEED_REORDER_PACKET_COUNT_MAX (1u << 20)
#define FEED_REORDER_PACKET_BYTES_MAX 65536u
#define FEED_AGREE_MESSAGES 64u /* numbers like a suspect's: from its first to so many behind its last, or vice versa */
#define FEED_SUSPECT_COUNT 4u
#define FEED_PAST_SESSION_COUNT 8u
#define FEED_STRAY_MESSAGES 65536u /* so far behind a snapshot, buffered packets are not believed */
#define FEED_SESSION_ORDINAL_MAX 255u
#define FEED_POSITION_SESSION_SHIFT 40u /* position = session ordinal << 40 | sequence */

enum feed_delivery {
    FEED_DELIVERY_STRICT = 0,      /* nothing behind a hole is delivered before it is filled */
    FEED_DELIVERY_BEST_EFFORT = 1, /* what cannot be recovered is skipped: GAP for good */
};

struct feed_options {
    uint8_t session[MOLDUDP64_SESSION_SIZE]; /* all zero: take the first one seen */
    uint64_t first_sequence;                 /* 1..; 0: start at the first number seen */
    uint64_t unconfirmed_jump_messages;      /* a larger hole is believed when two datagrams show it */
    uint64_t hold_back_ns;                   /* wait for the other line before a hole becomes a gap; 0: none */
    uint64_t line_silence_ns;                /* a line is down after so long without a datagram; 0: never */
    uint32_t reorder_packet_count;           /* power of two, 1..FEED_REORDER_PACKET_COUNT_MAX */
    uint32_t reorder_packet_bytes;           /* longest datagram that can wait; MOLDUDP64_HEADER_SIZE.. */
    uint8_t delivery;                        /* enum feed_delivery */
    bool requests;                           /* a re-request server is there */
    bool snapshots;                          /* a snapshot service is there */
    bool follow_sessions;                    /* go on with a new session once it is confirmed; else GAP for good then */
    uint8_t session_confirm_packets;         /* datagrams of it, none of the old one between; 1.. */
    uint8_t request_outstanding_max;         /* 1..FEED_REQUESTS_MAX */
    uint8_t request_attempts;                /* 1.. */
    uint8_t snapshot_attempts;               /* 1.. */
    uint16_t request_messages_max;           /* most messages in one request, 1..65534 */
    uint64_t request_timeout_ns;             /* 1.. */
    uint64_t give_up_messages;               /* a larger hole goes to the snapshot at once, if there is one; 1.. */
    uint64_t snapshot_timeout_ns;            /* from its start to its end; 1.. */
    uint64_t retry_ns;                       /* 0: never */
};

/* any session, from 1, strict, every hole confirmed, hold back 1 ms, silence 3 s, 16384 packets of 1536 bytes, no
 * services; requests of 1024 messages, 4 at a time, 2 ms, 5 attempts, give up above 100,000; snapshots 2 s, 5 attempts;
 * retry 100 ms */
void feed_options_default(struct feed_options *options);

/* What became of a datagram. Call feed_next() until false whatever the outcome is. */
enum feed_outcome {
    FEED_ACCEPT_DELIVERABLE = 0,      /* in sequence: feed_next() hands it out */
    FEED_ACCEPT_BUFFERED = 1,         /* early, or a snapshot is under way: waits in the reorder buffer */
    FEED_ACCEPT_DUPLICATE = 2,        /* nothing in it is new */
    FEED_ACCEPT_HEARTBEAT = 3,
    FEED_ACCEPT_END = 4,              /* end of session */
    FEED_ACCEPT_MALFORMED = 5,        /* dropped; why is in statistics.lines[].malformed[] */
    FEED_ACCEPT_SESSION_MISMATCH = 6, /* dropped; the feed is not LIVE, unless it is a straggler of the last session */
    FEED_ACCEPT_REORDER_FULL = 7,     /* dropped; another source may still bring it */
    FEED_ACCEPT_OVERSIZE = 8,         /* early and longer than reorder_packet_bytes: dropped likewise */
    FEED_ACCEPT_AFTER_END = 9,        /* new messages after the end of the session: dropped */
    FEED_ACCEPT_BAD_LINE = 10,        /* caller's error: no such source; dropped */
    FEED_ACCEPT_NOT_DRAINED = 11,     /* caller's error: messages of the last datagram are still owed; dropped */
    FEED_ACCEPT_SUSPECT = 12,         /* ahead, and nothing agrees with it yet: set aside */
    FEED_OUTCOME_COUNT = 13,
};

enum feed_cause {
    FEED_CAUSE_IN_SEQUENCE = 0,
    FEED_CAUSE_HOLD_BACK_EXPIRED = 1,
    FEED_CAUSE_REORDER_FULL = 2,
    FEED_CAUSE_SESSION_MISMATCH = 3,
    FEED_CAUSE_LINES_SILENT = 4,
    FEED_CAUSE_END_OF_SESSION = 5,
    FEED_CAUSE_RECOVERED = 6,          /* everything missed has been delivered */
    FEED_CAUSE_REQUESTS_EXHAUSTED = 7,
    FEED_CAUSE_HOLE_TOO_LARGE = 8,
    FEED_CAUSE_SNAPSHOT_JOINED = 9,
    FEED_CAUSE_SNAPSHOT_FAILED = 10,
    FEED_CAUSE_NEW_SESSION = 11,
    FEED_CAUSE_LATE_START = 12,
    FEED_CAUSE_RETRY = 13,
    FEED_CAUSE_COUNT = 14,
};

struct feed_transition {
    uint64_t at_ns;
    uint64_t sequence; /* position of the next expected message at that moment */
    uint8_t from;      /* enum feed_state */
    uint8_t to;        /* enum feed_state */
    uint8_t cause;     /* enum feed_cause */
    uint8_t reserved[5];
};

_Static_assert(sizeof(struct feed_transition) == 24, "read by results tools");

enum feed_way { FEED_WAY_NONE = 0, FEED_WAY_LINES = 1, FEED_WAY_REQUEST = 2, FEED_WAY_SNAPSHOT = 3, FEED_WAY_COUNT = 4 };

/* A stretch of time in which the feed was not LIVE, and how it ended. */
struct feed_episode {
    uint64_t found_ns;       /* first evidence of what was missing; else when the feed left LIVE */
    uint64_t left_ns;        /* LIVE no more */
    uint64_t live_ns;        /* LIVE again; 0 = not */
    uint64_t first_sequence; /* position of the next message wanted when it began */
    uint64_t messages;       /* known to be missing then */
    uint8_t way;             /* enum feed_way: the heaviest that was needed */
    uint8_t reserved[7];
};

_Static_assert(sizeof(struct feed_episode) == 48, "read by results tools");

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
    uint64_t suspects;
};

struct feed_statistics {
    struct feed_line_statistics lines[FEED_SOURCE_COUNT];
    uint64_t delivered;            /* messages handed out */
    uint64_t holes;                /* found */
    uint64_t hole_messages_max;    /* missing in the largest, when found */
    uint64_t holes_filled;         /* holes closed within the hold-back */
    uint64_t gaps;                 /* holes that outlived it */
    uint64_t gap_messages;         /* messages missing in them at that moment */
    uint64_t gap_first_sequence;   /* of the latest gap: first missing */
    uint64_t gap_last_sequence;    /* of the latest gap: last missing */
    uint64_t skipped_messages;     /* best effort: never delivered */
    uint64_t reorder_packets_max;  /* high water */
    uint64_t reorder_full_drops;
    uint64_t reorder_oversize_drops;
    uint64_t after_end_drops;
    uint64_t caller_errors;        /* FEED_ACCEPT_BAD_LINE and FEED_ACCEPT_NOT_DRAINED */
    uint64_t requests_sent;
    uint64_t requests_partial;     /* replies that left a rest */
    uint64_t request_timeouts;
    uint64_t recovered_messages_lines;    /* came on a line after something later had come */
    uint64_t recovered_messages_requests; /* new in replies */
    uint64_t recovered_messages_snapshot; /* passed over by joins */
    uint64_t snapshots_started;
    uint64_t snapshots_completed;
    uint64_t snapshots_failed;
    uint64_t session_rolls;
    uint64_t recoveries;           /* back to LIVE */
    uint64_t blind_count;          /* times LIVE was left, the end of the session not counted */
    uint64_t blind_ns;             /* in all, stretches that ended */
    uint64_t blind_ns_max;
    uint64_t episodes;             /* begun, remembered or not */
    uint64_t transitions;          /* recorded since the start */
    uint64_t transitions_lost;     /* overwritten in the ring */
};

/* One message, valid until the next call of feed_next(). */
struct feed_message {
    uint64_t sequence;
    uint64_t position;   /* session ordinal << FEED_POSITION_SESSION_SHIFT | sequence */
    uint64_t arrival_ns; /* now_ns given with its datagram */
    const uint8_t *data;
    uint16_t length;     /* 0 is legal */
    uint8_t line;        /* source whose datagram brought it */
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

/* A datagram that is ahead of all others and that nothing agrees with yet; its bytes are in a slot of its own. */
struct feed_suspect {
    uint64_t sequence;      /* 0 = none */
    uint64_t next_sequence;
    uint64_t arrival_ns;
    uint32_t length;        /* 0: not kept, a heartbeat or too long */
    uint8_t line;
};

/* A request that has not been answered, satisfied or timed out. */
struct feed_request {
    uint64_t sequence;
    uint64_t next_sequence; /* number behind the last one asked for */
    uint64_t due_ns;        /* time-out */
};

enum feed_snapshot { FEED_SNAPSHOT_NONE = 0, FEED_SNAPSHOT_WANTED = 1, FEED_SNAPSHOT_RUNNING = 2 };

struct feed {
    /* touched for every datagram and message */
    enum feed_state state;
    uint32_t block_count;      /* blocks left under the cursor */
    uint64_t next_sequence;    /* next message to hand out, once sequence_known */
    uint64_t position_base;    /* session ordinal << FEED_POSITION_SESSION_SHIFT */
    const uint8_t *block;      /* cursor: next block, in the datagram or in a reorder slot */
    uint64_t block_arrival_ns;
    uint64_t now_ns;           /* latest time told */
    uint64_t highest_sequence; /* number behind the highest one that came */
    uint8_t block_line;
    uint8_t snapshot;          /* enum feed_snapshot */
    bool book_lost;            /* the book is worth nothing until a snapshot is joined; nothing is handed out */
    bool pending;              /* feed_next() has not said false since something became deliverable */
    bool sequence_known;
    bool session_known;
    bool heard;                /* any datagram of the session so far */
    bool end_known;
    uint8_t session_ordinal;
    uint8_t session[MOLDUDP64_SESSION_SIZE];

    /* why the feed may not be LIVE, besides a hole */
    bool was_live;
    bool skipped;              /* best effort: messages were never delivered */
    bool session_unheard;      /* no line has spoken in this session since the snapshot was asked for: it may be another's */
    bool session_suspect;      /* a datagram of a foreign session came last */
    bool session_closed;       /* another session has taken over and is not followed */

    /* what is known to be missing */
    bool hole_declared;          /* the open hole has outlived its hold-back */
    uint64_t hole_since_ns;      /* first evidence of the hole at next_sequence; FEED_NO_HOLE = none */
    uint64_t hole_end_sequence;  /* first message after it when it was found */
    uint64_t announced_sequence; /* messages below it exist: heartbeats, ends and dropped packets said so */
    uint64_t announced_ns;       /* when */
    uint64_t end_sequence;       /* number after the session's last message, once end_known */

    /* sessions */
    uint8_t past_sessions[FEED_PAST_SESSION_COUNT][MOLDUDP64_SESSION_SIZE]; /* a ring */
    uint8_t candidate_session[MOLDUDP64_SESSION_SIZE];
    uint8_t candidate_packets;

    /* recovery */
    bool asking;               /* requests are made for what is missing */
    bool scan;                 /* what is missing has changed since it was last looked through */
    bool resting;              /* nothing helps, for now or for good */
    bool requests_exhausted;
    bool snapshots_exhausted;
    uint8_t request_count;
    uint8_t request_attempts;  /* time-outs of the foremost request in a row */
    uint8_t snapshot_attempts; /* snapshots in a row that did not lead to LIVE */
    uint8_t episode_way;       /* enum feed_way so far */
    bool episode_open;
    uint64_t scan_at_ns;       /* a hole too young to be asked for will be old enough */
    uint64_t retry_at_ns;
    uint64_t snapshot_due_ns;
    uint64_t live_left_ns;
    uint64_t lost_position;    /* first message that was never handed out when the book was lost, or its session left */
    struct feed_request requests[FEED_REQUESTS_MAX];

    /* reorder buffer: sorted circular array of entries over a pool of slots */
    struct feed_reorder_entry *entries;
    uint8_t *slots;
    uint32_t *free_slots;
    uint32_t entry_head;
    uint32_t entry_count;
    uint32_t slot_stride;
    uint8_t *suspect_slots;
    uint64_t suspect_reach; /* lowest number set aside, UINT64_MAX = none */
    struct feed_suspect suspects[FEED_SUSPECT_COUNT];

    struct feed_line lines[FEED_SOURCE_COUNT];
    struct feed_options options;
    struct feed_statistics statistics;
    struct feed_transition transitions[FEED_TRANSITION_COUNT];
    struct feed_episode episodes[FEED_EPISODE_COUNT];
};

#define FEED_NO_HOLE UINT64_MAX

/* Bytes that feed_init() wants, 0 if an option is out of range. */
size_t feed_memory_size(const struct feed_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to FEED_MEMORY_ALIGNMENT. */
int feed_init(struct feed *feed, const struct feed_options *options, void *memory, size_t size);

/* Take a datagram (UDP payload) of a source. now_ns must not go back. */
enum feed_outcome feed_accept(struct feed *feed, unsigned line, const uint8_t *datagram, uint32_t length,
                              uint64_t now_ns);

/* Next message in sequence, or false: nothing more for now. Call until false after every other call that takes a
 * time. When session_ordinal has changed, the book of the session before is worth nothing. From the start of a
 * snapshot, or of a session that a snapshot opens, to its join nothing is handed out: all waits. */
bool feed_next(struct feed *feed, struct feed_message *message);

/* Hold-back expiry, line silence, time-outs. Once per idle poll. A datagram that brings nothing deliverable also lets a
 * hold-back expire; one that fills a hole is in time. */
void feed_timer(struct feed *feed, uint64_t now_ns);

/* A request to send now to the re-request server; false: none. Call until false, after feed_next() has said false. One
 * that could not be sent times out like one that was lost. */
bool feed_next_request(struct feed *feed, uint8_t request[MOLDUDP64_REQUEST_SIZE]);

/* True while the feed waits for someone to fetch a snapshot. */
bool feed_wants_snapshot(const struct feed *feed);

/* The caller has emptied the book and asks the service. Not LIVE from then on, even if no snapshot was wanted. */
void feed_snapshot_started(struct feed *feed, uint64_t now_ns);

/* True from feed_snapshot_started() on, until it is joined, failed, timed out, or overtaken by a new session: then the
 * caller drops what it has. */
bool feed_snapshot_running(const struct feed *feed);

/* The whole snapshot is in the book; `sequence` is the first live message to apply. False: it is of no use any more, or
 * more than FEED_STRAY_MESSAGES beyond everything heard of. */
bool feed_snapshot_complete(struct feed *feed, uint64_t sequence, uint64_t now_ns);

/* Connection lost, log-in rejected, undecodable. */
void feed_snapshot_failed(struct feed *feed, uint64_t now_ns);

/* True while time may soon change something: a hole is open, or somebody brings what is missing. */
static inline bool feed_is_busy(const struct feed *feed)
{
    return feed->hole_since_ns != FEED_NO_HOLE || feed->snapshot != FEED_SNAPSHOT_NONE || feed->request_count != 0;
}

/* Copy the remembered transitions, oldest first; the number copied. */
uint32_t feed_transitions(const struct feed *feed, struct feed_transition *transitions, uint32_t capacity);

/* Copy the remembered episodes, oldest first; the number copied. */
uint32_t feed_episodes(const struct feed *feed, struct feed_episode *episodes, uint32_t capacity);

/* Names, "unknown" out of range. Static storage. */
const char *feed_state_name(enum feed_state state);
const char *feed_cause_name(enum feed_cause cause);
const char *feed_outcome_name(enum feed_outcome outcome);
const char *feed_way_name(enum feed_way way);

#endif
