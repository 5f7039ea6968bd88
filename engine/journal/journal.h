/* The journal: every input of the engine and every output, in the order in which they met, for a bit-for-bit replay.
 *
 *   engine thread --journal_reserve()--> ring --drain thread (recorder.h)--> engine.journal --replay.h--> the same C
 *
 * What the engine does follows from its configuration and from these inputs alone, and each of them is a record:
 *   steps     a call into the engine with its now_ns: a datagram of a line, the timers, the order session looked at
 *             (with what was read), recovery looked at. Time enters decisions only as the now_ns of a step
 *   answers   what a wire said inside of a step: replies, snapshot bytes, a connection that stands or broke
 *   settings  lateness as the loop found it; a command as the loop first saw it (kill switch)
 * A poll that reads nothing and has no timer due calls none of these functions, so leaving it out leaves nothing out.
 * Clock reads for stage stamps decide nothing and are not in here. Outputs stand where they happened:
 *   outputs   bytes for a stream and whether they were taken, requests, transitions, checkpoints
 *
 * File: struct journal_header, then records: struct journal_record, `length` bytes, zeros up to a multiple of 8. A
 * record's check is CRC-32C over the check of the record before it (the header's for the first), its own header behind
 * the check, its bytes and the zeros: an edited, removed or moved record is found where it stands. Little endian. The
 * last record is JOURNAL_END; without it the file was cut off.
 *
 * Ring: one producer (the engine thread), one consumer (the drain thread). Power of two, the caller's memory, touched
 * before the start. A record lies in one piece; JOURNAL_PAD fills the ring's end. Full: the record is dropped whole and
 * counted, and JOURNAL_LOST stands in its place as soon as there is room: such a journal cannot be replayed.
 * Cost: one compare and one copy a record, one release store a step. A datagram's place is taken before it is worked
 * on and filled after its orders have left. Without a journal a hook is one predictable branch.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_H
#define ENGINE_JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JOURNAL_MAGIC 0x4c4e4a4554414754ull /* "TGATEJNL" */
#define JOURNAL_CHECKPOINT_MESSAGES 16384u

enum {
    JOURNAL_VERSION = 2,
    JOURNAL_LENGTH_MAX = 65535,
    JOURNAL_RING_BYTES_MIN = 1 << 18,
    JOURNAL_PATROL_ORDERS = 16,
};

/* Stable numbers: they are in files. */
enum journal_kind {
    JOURNAL_PAD = 0, /* in the ring only */
    JOURNAL_CONFIG = 1, /* JSON: who recorded, with which configuration */
    /* steps */
    JOURNAL_DATAGRAM = 2,       /* flags: line */
    JOURNAL_TIMER = 3,
    JOURNAL_ORDER = 4,          /* order session looked at: bytes read; flags: stream state */
    JOURNAL_RECOVERY = 5,
    JOURNAL_LOGIN = 6,          /* order session */
    JOURNAL_LOGOUT = 7,
    JOURNAL_ASK = 8,            /* step runs: requests that are due */
    JOURNAL_ORDER_BYTES = 9,    /* step runs: bytes of the gateway */
    JOURNAL_SNAPSHOT_OPEN = 10, /* step runs */
    JOURNAL_SNAPSHOT_BYTES = 11,
    JOURNAL_SNAPSHOT_LOST = 12,
    JOURNAL_RISK = 13,           /* the gate's poll, where it did something */
    JOURNAL_OPERATOR = 14,       /* struct journal_operator: a command was carried out */
    JOURNAL_CANCELS = 15,        /* the gate's wishes to cancel were taken */
    JOURNAL_LEAVE = 22,          /* the order session left its connection for another wire */
    JOURNAL_STRATEGY_TIMER = 23, /* a strategy in a shared object was told the time */
    /* answers inside of a step, settings */
    JOURNAL_STREAM = 16,   /* flags: state of a stream that changed by itself; byte: enum stream_kind */
    JOURNAL_CONNECT = 17,  /* flags: state after beginning to connect; byte: enum stream_kind */
    JOURNAL_REPLY = 18,    /* a datagram of the re-request server */
    JOURNAL_SNAPSHOT = 19, /* bytes of the snapshot service; flags: state of the stream */
    JOURNAL_COMMAND = 20,  /* struct journal_command */
    JOURNAL_LATE = 21,     /* flags: 1 late, 0 no more */
    JOURNAL_TABLE = 25,    /* struct journal_table: limits were taken up, or found withdrawn */
    JOURNAL_BREACH = 26,   /* struct journal_breach: a strategy's call did not come back, or came back late */
    JOURNAL_WIRES = 27,    /* enum port_kind of each line, a byte each: nothing but the transport changed */
    /* outputs */
    JOURNAL_SENT = 32,       /* bytes for a stream; flags: taken or not, state of the stream after it */
    JOURNAL_REQUEST = 33,    /* a re-request */
    JOURNAL_TRANSITION = 34, /* struct feed_transition */
    JOURNAL_SESSION = 35,    /* order session: state, cause and phase, a byte each */
    JOURNAL_CHECKPOINT = 36, /* struct journal_checkpoint */
    JOURNAL_STRATEGY = 37,   /* struct journal_strategy: another one is active */
    JOURNAL_TRIP = 38,       /* struct risk_record: trips, re-arms, kills seen, tables */
    /* what a control thread brought, ahead of the record that names it: written by the drain thread */
    JOURNAL_TABLE_BYTES = 40, /* struct journal_piece and a piece of a packed table (journal_table.h) */
    JOURNAL_OBJECT = 41,      /* JSON: a strategy's shared object */
    /* ends */
    JOURNAL_LOST = 48, /* u64: records that found the ring full */
    JOURNAL_END = 49,  /* struct journal_end */
};

/* Flags of stream records. */
enum {
    JOURNAL_STREAM_OPEN = 1,
    JOURNAL_STREAM_PENDING = 2,    /* unsent bytes: not ready for orders */
    JOURNAL_STREAM_CONNECTING = 4,
    JOURNAL_STREAM_WAITING = 16,   /* the peer's window is full: not ready for orders */
    JOURNAL_STREAM_TAKEN = 8,      /* the bytes were accepted; the connection was begun */
    JOURNAL_STREAM_SNAPSHOT = 64,  /* the snapshot's stream; else the order session's */
};

struct journal_header {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes;        /* of this header */
    int64_t monotonic_ns;  /* when recording began */
    int64_t realtime_ns;
    uint8_t reserved[28];  /* zero */
    uint32_t check;        /* CRC-32C of all before it */
};

_Static_assert(sizeof(struct journal_header) == 64, "file layout");

struct journal_record {
    uint32_t check;
    uint16_t length; /* bytes behind the header, without the zeros */
    uint8_t kind;    /* enum journal_kind */
    uint8_t flags;
    uint64_t time_ns; /* now_ns of the step */
};

_Static_assert(sizeof(struct journal_record) == 16, "file layout");

/* Flag of COMMAND and TABLE: found within a step, before its `asked`-th decision since the start. */
enum { JOURNAL_INSIDE = 1 };

enum journal_command_name {
    JOURNAL_COMMAND_KILL = 1,          /* value: of the switch for all */
    JOURNAL_COMMAND_SYMBOLS = 2,       /* value: word `index` of the list of killed symbols */
    JOURNAL_COMMAND_STRATEGIES = 3,    /* value: word `index` of the list of killed strategies */
    JOURNAL_COMMAND_RISK = 4,          /* value: a command of kills.h as it stands there */
    JOURNAL_COMMAND_CANCEL_ALL = 5,    /* value: kills that found no room, counted */
};

struct journal_command {
    uint32_t name;  /* enum journal_command_name */
    uint32_t index;
    uint64_t value;
    uint64_t asked;
};

struct journal_table {
    uint64_t held;       /* as risk_hold_table() gave it */
    uint64_t asked;
    uint32_t generation; /* of the table, where one is held */
    uint32_t reserved;
};

struct journal_piece {
    uint32_t generation;
    uint32_t offset; /* of this piece in the packed table */
    uint32_t total;  /* bytes of the packed table */
    uint32_t reserved;
};

struct journal_operator {
    uint32_t number;
    uint32_t kind;       /* enum command_kind */
    uint64_t argument;
    uint32_t generation; /* of the object in the slot, where the command names one */
    uint32_t reserved;
};

struct journal_breach {
    uint64_t call;   /* number of the guarded call, from the start */
    uint64_t detail; /* ns of a call that took too long */
    uint32_t cause;  /* enum strategy_cause: TIME, CRASH or HANG */
    int32_t signal;  /* that ended it; 0: it came back */
};

struct journal_strategy {
    uint64_t position; /* first message that the new one may see */
    uint64_t detail;
    uint32_t from_generation;
    uint32_t to_generation;
    uint32_t cause;    /* enum strategy_cause */
    uint32_t reserved;
};

/* Every JOURNAL_CHECKPOINT_MESSAGES messages, at the end of a step. */
struct journal_checkpoint {
    uint64_t position;       /* next message */
    uint64_t delivered;      /* messages */
    uint64_t book_hash;      /* over every applied event's outcome and the top that it left, since the start */
    uint64_t order_hash;     /* over every byte sent to the gateway, since the start */
    uint64_t decision_hash;  /* over every trigger and the gate's answer, since the start */
    uint64_t patrol_hash;    /* over orders of the book as they stand, JOURNAL_PATROL_ORDERS at each idle step, in turn */
    uint32_t book_orders;    /* alive */
    uint32_t book_levels;
};

_Static_assert(sizeof(struct journal_checkpoint) == 56, "file layout");

struct journal_end {
    struct journal_checkpoint last;
    uint64_t book_digest; /* book_digest(): every order of the book and its place */
    uint64_t orders;      /* handed to the transport */
    uint64_t triggers;
    uint64_t lost;        /* records */
};

_Static_assert(sizeof(struct journal_end) == 88, "file layout");

struct replay;

struct journal {
    /* the engine thread's */
    uint8_t *ring;
    uint64_t mask;           /* bytes - 1 */
    uint64_t head;           /* next byte to write, counted from the start of the run */
    uint64_t limit;          /* up to here head may go without a closer look */
    uint64_t tail_seen;
    uint64_t unreported;     /* records lost that no JOURNAL_LOST tells of yet */
    uint64_t records;
    uint64_t lost;
    uint64_t high_water;     /* bytes waiting, where that was looked at */
    uint64_t checkpoint_at;  /* delivered messages */
    uint64_t transitions;    /* of the feed, recorded */
    uint64_t book_hash;
    uint64_t order_hash;
    uint64_t decision_hash;
    uint64_t patrol_hash;
    uint32_t patrol;         /* the book's order that had its turn last */
    uint64_t risk_records;   /* of the gate, recorded */
    uint64_t asked;          /* decisions that asked for the control thread's inputs */
    uint32_t wires;          /* enum port_kind of each line, as last recorded */
    uint16_t session_state;  /* order session: state and phase, as last recorded */
    struct journal_inputs *inputs; /* what the gate knows of the control thread's; journal_inputs.h */
    struct replay *replay;   /* replaying: nothing is written, outputs are compared */
    /* shared */
    _Alignas(64) _Atomic uint64_t published; /* written by the engine thread */
    _Alignas(64) _Atomic uint64_t tail;      /* written by the drain thread */
};

/* -EINVAL: bytes is no power of two, too small, or the memory is not aligned to 8. NULL and 0: for a replay. */
int journal_init(struct journal *journal, void *ring, size_t bytes);

/* Room by a closer look; NULL: there is none (counted), or this is a replay. */
uint8_t *journal_reserve_slowly(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns,
                                uint32_t length);

static inline uint32_t journal_padded(uint32_t length)
{
    return (length + 7u) & ~7u;
}

static inline uint8_t *journal_place(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns,
                                     uint32_t length)
{
    const struct journal_record record = {0, (uint16_t)length, kind, flags, time_ns};
    uint8_t *place = journal->ring + (journal->head & journal->mask);
    memcpy(place, &record, sizeof(record));
    journal->head += sizeof(record) + journal_padded(length);
    journal->records++;
    return place + sizeof(record);
}

/* The place for a record's bytes, to be filled before journal_publish(). length <= JOURNAL_LENGTH_MAX. */
static inline uint8_t *journal_reserve(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns,
                                       uint32_t length)
{
    if (__builtin_expect(journal->head + sizeof(struct journal_record) + journal_padded(length) > journal->limit, 0))
        return journal_reserve_slowly(journal, kind, flags, time_ns, length);
    return journal_place(journal, kind, flags, time_ns, length);
}

/* What was reserved so far may be read by the drain thread. */
static inline void journal_publish(struct journal *journal)
{
    atomic_store_explicit(&journal->published, journal->head, memory_order_release);
}

/* A record and its bytes, at once. In a replay: nothing. */
static inline void journal_append(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns,
                                  const void *bytes, uint32_t length)
{
    uint8_t *place = journal_reserve(journal, kind, flags, time_ns, length);
    if (place && length)
        memcpy(place, bytes, length);
}

/* An output: written, or compared with what the journal being replayed has. Cold or after the fact. */
void journal_output(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns, const void *bytes,
                    uint32_t length);

/* One word into a running hash: every bit of it changes about half of the result's. */
static inline uint64_t journal_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 32;
}

uint64_t journal_mix_bytes(uint64_t hash, const uint8_t *bytes, uint32_t length);

/* ---- the consumer ---- */

/* Next published record in the ring, or NULL: none. Give it back with journal_drained(). */
const uint8_t *journal_waiting(const struct journal *journal, uint64_t tail, uint32_t *bytes, uint32_t *skipped);

/* CRC-32C (Castagnoli) of bytes behind those that gave `check`; 0 to begin. */
uint32_t journal_crc(uint32_t check, const void *bytes, size_t length);

/* Lower-case name, "unknown" out of range. Static storage. */
const char *journal_kind_name(uint8_t kind);
bool journal_kind_known(uint8_t kind); /* in a file */

#endif
