/* One CME MDP 3.0 channel: lines, recovery feeds, instruments, books and what may be believed of them.
 *
 *   lines A, B --arbiter--> packets in order --decode--> pending events --end of event--> books, published events
 *   snapshot feeds ----------------------------------------------------------> join: books of single instruments
 *
 * Every datagram goes to mdp3_channel_accept() with its source; then mdp3_channel_next() hands out published events
 * until it says false. An event of the venue may span messages and packets; its parts are applied to the books and
 * published together when bit 7 of the match event indicator says that it is over, so that whoever looks between two
 * calls never sees half of one. What had begun when a packet was lost is applied as far as it came.
 *
 * What may be believed is kept per instrument:
 *   RptSeq    numbers an instrument's entries (levels, trades, volumes, statistics, limits) without a hole. After
 *             a lost packet every book is suspect, and stops being so when the instrument's next entry has the
 *             expected number. A number that is not the expected one means that the book is wrong.
 *   snapshot  tells packet number L and RptSeq R. Entries of an instrument whose book is wrong are kept; a snapshot
 *             joins when those behind R follow without a hole and no entry is missing between it and now. One that
 *             holds up to the very packet where the stream is must be the book, or the book is wrong.
 *   by order  there is no RptSeq: books by order are right only from a complete T53 (all chunks of one L) with every
 *             packet behind L applied, and wrong after any lost packet
 *   resets    a book reset entry, a channel reset and a new week tell that books are empty: then they are right.
 *             After a channel reset the venue sends books again with the recovery bit set; until the first message
 *             without it nothing is LIVE. A recovery bit without a reset means that the reset was lost: all are wrong
 *   natural refresh  the book by price rebuilds itself level by level while it waits (level_book.h); only with
 *             options.natural_refresh does a fully rebuilt one count as right
 *   contradiction    an instruction that cannot be meant for the book as it is makes it wrong
 * A loop of snapshots names every active instrument: one that is not in a complete loop, and never had an entry, is
 * empty. New instruments whose first entry has RptSeq 1 need no snapshot.
 *
 * States (state.h), of an instrument: STARTUP no packet yet; SYNC never right so far; LIVE; GAP suspect or wrong and
 * there is no recovery feed; RECOVERING suspect; RESYNC wrong, waiting for a snapshot; DOWN and ENDED as the channel.
 * Of the channel: STARTUP, SYNC as long as it was never LIVE; LIVE all instruments are; GAP some are not and there is
 * no recovery feed; RECOVERING its snapshots are awaited; RESYNC they are coming; DOWN both lines are silent; ENDED
 * the caller said so (this venue does not). mdp3_instrument_tradable() is the gate.
 *
 * Thread: the engine's. No allocation; the caller gives the memory. Bounds: instrument_count (more: their events have
 * symbol 0), event_capacity (a longer event is applied in parts, and nothing is tradable until it is over),
 * join_capacity (full: the instrument begins to collect anew), chunks of one book by order, transitions remembered.
 * Cost: about 25 ns an entry, level applied and published.
 * Specification: CME MDP 3.0 market recovery, channel reset, sequence numbers; SBE templates of versions 5 to 13.
 */
#ifndef ENGINE_FEED_MDP3_CHANNEL_H
#define ENGINE_FEED_MDP3_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/book/level_book.h"
#include "engine/book/mbo_book.h"
#include "engine/feed/event.h"
#include "engine/feed/mdp3_arbiter.h"
#include "engine/feed/mdp3_decode.h"
#include "engine/feed/state.h"

#define MDP3_INSTRUMENT_COUNT_MAX 65534u
#define MDP3_EVENT_CAPACITY_MAX (1u << 20)
#define MDP3_JOIN_CAPACITY_MAX (1u << 24)
#define MDP3_CHUNK_COUNT_MAX 1024u /* chunks of one instrument's book by order; more: refused */
#define MDP3_TRANSITION_COUNT 256u

/* Where a datagram came from. A and B of a recovery feed repeat each other; either may be missing. */
enum mdp3_source {
    MDP3_INCREMENTAL_A = 0,
    MDP3_INCREMENTAL_B = 1,
    MDP3_SNAPSHOT_A = 2,
    MDP3_SNAPSHOT_B = 3,
    MDP3_ORDER_SNAPSHOT_A = 4,
    MDP3_ORDER_SNAPSHOT_B = 5,
    MDP3_DEFINITION_A = 6,
    MDP3_DEFINITION_B = 7,
    MDP3_SOURCE_COUNT = 8,
};

struct mdp3_channel_options {
    struct mdp3_arbiter_options arbiter;
    uint32_t instrument_count; /* 1..MDP3_INSTRUMENT_COUNT_MAX */
    uint32_t order_capacity;   /* orders alive at once in books by order; 0: there are none */
    uint32_t event_capacity;   /* 64..MDP3_EVENT_CAPACITY_MAX */
    uint32_t join_capacity;    /* events kept for wrong books; 1..MDP3_JOIN_CAPACITY_MAX */
    uint8_t depth;             /* of a book by price without a definition, 1..LEVEL_BOOK_DEPTH_MAX */
    uint8_t implied_depth;     /* 0..LEVEL_BOOK_DEPTH_MAX */
    bool snapshots;            /* there is a recovery feed */
    bool natural_refresh;      /* a book that rebuilt itself counts as right */
    bool status_required;      /* tradable only when the venue has said "ready to trade" */
    uint8_t reserved[3];
};

enum mdp3_cause {
    MDP3_CAUSE_STARTED = 0,
    MDP3_CAUSE_PACKETS_LOST = 1,
    MDP3_CAUSE_REPORT_GAP = 2,    /* RptSeq, or a contradiction */
    MDP3_CAUSE_PROVEN = 3,        /* by RptSeq, or a first entry */
    MDP3_CAUSE_SNAPSHOT = 4,      /* heard or joined */
    MDP3_CAUSE_CHANNEL_RESET = 5,
    MDP3_CAUSE_NEW_SESSION = 6,   /* numbers began at 1 again */
    MDP3_CAUSE_LINES_SILENT = 7,
    MDP3_CAUSE_LINE_RESUMED = 8,
    MDP3_CAUSE_ENDED = 9,
    MDP3_CAUSE_NEW_INSTRUMENT = 10,
    MDP3_CAUSE_COUNT = 11,
};

struct mdp3_transition {
    uint64_t at_ns;
    uint64_t position; /* due at that moment */
    uint8_t from, to;  /* enum feed_state */
    uint8_t cause;     /* enum mdp3_cause */
    uint8_t reserved[5];
};

_Static_assert(sizeof(struct mdp3_transition) == 24, "read by tools");

struct mdp3_channel_statistics {
    uint64_t templates[MDP3_TEMPLATE_COUNT_MAX]; /* messages used, by template number, of all sources */
    uint64_t unknown_templates, unknown_schemas, newer_layouts; /* messages skipped, skipped, used */
    uint64_t unexpected;        /* snapshots on a line, or others on a snapshot feed: not used */
    uint64_t events;            /* published */
    uint64_t events_lost;       /* not published for want of room; the books have them */
    uint64_t events_split;      /* venue events longer than event_capacity */
    uint64_t events_cut;        /* venue events whose end a lost packet took */
    uint64_t report_gaps;       /* RptSeq jumped */
    uint64_t report_backs;      /* RptSeq went back */
    uint64_t reports_covered;   /* entries that a snapshot had brought already */
    uint64_t contradictions;    /* instructions that did not fit their book by price */
    uint64_t proven;            /* suspect books that RptSeq has proven right */
    uint64_t natural_refreshes; /* books that rebuilt themselves */
    uint64_t order_contradictions; /* orders that did not fit their book, or named no entry */
    uint64_t snapshots;         /* messages */
    uint64_t snapshots_joined, order_snapshots_joined;
    uint64_t snapshots_confirmed; /* a suspect book was the snapshot's */
    uint64_t snapshots_ahead;   /* of the lines: not used */
    uint64_t snapshots_old;     /* from before what was kept, or before a reset */
    uint64_t snapshots_failed;  /* entries kept do not continue it, or it makes no sense */
    uint64_t snapshot_malformed[MDP3_OUTCOME_COUNT];
    uint64_t loops_completed;
    uint64_t join_overflows;
    uint64_t channel_resets;
    uint64_t resets_missed;     /* books sent again after a channel reset that was lost */
    uint64_t instruments_lost;  /* messages of instruments without room in the table */
    uint64_t transitions, transitions_lost;
};

/* Events kept of one instrument, oldest first. */
struct mdp3_kept {
    uint32_t first, last; /* 0: none */
    uint32_t count;
};

struct mdp3_kept_event {
    struct event event;
    uint32_t next;
    uint32_t reserved;
};

struct mdp3_instrument {
    int32_t security;
    uint32_t expected_report;  /* next RptSeq */
    uint64_t epoch;            /* of the channel when the book was last proven right */
    uint64_t covered_position; /* entries up to this packet are in the book by a snapshot */
    uint64_t heard_position;   /* packet of the latest entry with a RptSeq; 0: none since the last reset */
    uint64_t status_position;  /* packet of the latest status */
    uint64_t order_epoch;      /* the same for the book by order */
    uint64_t order_covered_position;
    uint64_t order_kept_epoch; /* kept_orders are of this epoch */
    uint64_t order_kept_from;  /* and complete from this packet on */
    struct mdp3_kept kept, kept_orders;
    uint32_t loop_marks[MDP3_SOURCE_COUNT]; /* latest loop of the source that had the instrument */
    uint32_t chunk_sequence, chunk_count, chunks_seen; /* book by order being put together: its L */
    bool right;                /* as of `epoch` */
    bool ever_right;
    bool orders_right;
    bool orders_ever_right;
    bool defined;
    uint8_t status;            /* MDP3_STATUS_NONE: not known */
    uint8_t halt_reason;
    uint8_t trading_event;
    char group[MDP3_CODE_SIZE];
    char asset[MDP3_CODE_SIZE];
    char symbol[20];
    struct level_book book;
};

/* One pass of a recovery feed. */
struct mdp3_loop {
    uint64_t sending_ns;
    uint64_t lowest_position; /* of the L in it */
    uint32_t identity;        /* 0: none yet */
    uint32_t last_sequence;
    uint32_t seen;            /* instruments */
};

struct mdp3_channel {
    struct mdp3_channel_options options;
    struct mdp3_arbiter arbiter;
    struct mbo_book orders;         /* symbols are instrument indexes */
    struct mdp3_instrument *instruments;
    uint32_t *table;                /* by security: index + 1 */
    uint32_t table_mask;
    uint32_t instrument_count;
    uint32_t recent;                /* index of the instrument looked up last */
    uint64_t (*chunks)[MDP3_CHUNK_COUNT_MAX / 64]; /* by instrument: chunks seen */
    struct mdp3_kept_event *kept;   /* index 0 is none */
    uint32_t kept_free, kept_used, kept_count, kept_count_max;
    struct event *pending;          /* of venue events that are not over */
    uint32_t pending_count;
    struct event *published;
    uint32_t published_head, published_count;
    uint64_t epoch;                 /* raised when packets are lost */
    uint64_t contiguous_position;   /* no packet from here on was lost */
    uint64_t order_epoch;
    uint64_t order_contiguous_position;
    uint64_t floor_position;        /* snapshots from before are of another life */
    uint64_t snapshot_epoch;        /* a snapshot was heard in this epoch */
    uint64_t session;
    uint64_t now_ns;
    uint32_t right_count;           /* instruments right in this epoch */
    uint32_t orders_right_count;
    uint32_t loop_identity;
    struct mdp3_loop loops[MDP3_SOURCE_COUNT];
    bool synced;                    /* a loop was complete, or the first packet was number 1 */
    bool whole;                     /* every packet of the session was there */
    bool resending;                 /* channel reset: books come again */
    bool split;                     /* a venue event was too long and is not over */
    bool ended;
    bool ever_live;
    uint8_t cause;                  /* enum mdp3_cause of the latest change */
    enum feed_state state;
    struct mdp3_transition transitions[MDP3_TRANSITION_COUNT];
    struct mdp3_channel_statistics statistics;
};

/* arbiter defaults; 1024 instruments, no books by order, 8192 events, 65536 kept, depths 10 and 2, snapshots, no
 * natural refresh, status required: about 12 MB */
void mdp3_channel_options_default(struct mdp3_channel_options *options);

/* Bytes that init wants, 0 if an option is out of range. */
size_t mdp3_channel_memory_size(const struct mdp3_channel_options *options);

/* 0, or -EINVAL: an option is out of range, or memory is too small or not aligned to MDP3_MEMORY_ALIGNMENT. */
int mdp3_channel_init(struct mdp3_channel *channel, const struct mdp3_channel_options *options, void *memory,
                      size_t size);

/* Take a datagram (UDP payload). Its bytes must stay until next() is false. now_ns must not go back. */
enum mdp3_accept_outcome mdp3_channel_accept(struct mdp3_channel *channel, unsigned source, const uint8_t *datagram,
                                             uint32_t length, uint64_t now_ns);

/* The next published event, or false: nothing more for now. Call until false after accept() and timer(). */
bool mdp3_channel_next(struct mdp3_channel *channel, struct event *event);

/* Up to `capacity` events of next() at once; fewer: it has said false. */
uint32_t mdp3_channel_take(struct mdp3_channel *channel, struct event *events, uint32_t capacity);

/* Hold-back expiry and line silence; next() until false afterwards. */
void mdp3_channel_timer(struct mdp3_channel *channel, uint64_t now_ns);

/* No more will come: nothing is LIVE any more. */
void mdp3_channel_end(struct mdp3_channel *channel, uint64_t now_ns);

/* Index of a security, or -1. Indexes are 0..instrument_count - 1; an event's symbol is index + 1. */
int32_t mdp3_channel_find(const struct mdp3_channel *channel, int32_t security);

/* State of the book by price, and of the book by order; index below instrument_count. */
enum feed_state mdp3_instrument_state(const struct mdp3_channel *channel, uint32_t index);
enum feed_state mdp3_instrument_orders_state(const struct mdp3_channel *channel, uint32_t index);

/* The gate: books right (by order too, if there are such), lines up, no half event, and, if required, the venue has said
 * that it trades. False for an index that is none. */
bool mdp3_instrument_tradable(const struct mdp3_channel *channel, uint32_t index);

static inline const struct level_book *mdp3_instrument_book(const struct mdp3_channel *channel, uint32_t index)
{
    return &channel->instruments[index].book;
}

/* Copy the remembered transitions, oldest first; the number copied. */
uint32_t mdp3_channel_transitions(const struct mdp3_channel *channel, struct mdp3_transition *transitions,
                                  uint32_t capacity);

/* Lower-case names, "unknown" out of range. Static storage. */
const char *mdp3_cause_name(enum mdp3_cause cause);

#endif
