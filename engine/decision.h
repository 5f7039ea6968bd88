/* The decision log: one record for every new order that the strategy asked for, sent or not (no replaces, no cancels).
 *
 * Preallocated and filled in order by the engine thread; a record that finds it full is counted as lost,
 * which makes the run undecidable. Stamps are clock_ticks(); decision_export() turns them into
 * CLOCK_MONOTONIC ns when the run is over. A stage that was not reached has stamp 0.
 */
#ifndef ENGINE_DECISION_H
#define ENGINE_DECISION_H

#include <stdint.h>

#include "engine/clock.h"

enum decision_stage {
    STAGE_RX = 0, /* the port has handed the packet over */
    STAGE_DECODE = 1,
    STAGE_BOOK = 2,
    STAGE_STRATEGY = 3,
    STAGE_RISK = 4,
    STAGE_ENCODE = 5,
    STAGE_TX = 6, /* the transport has taken the bytes */
    STAGE_COUNT = 7,
};

enum {
    DECISION_FLAG_FIRST = 1,      /* first order since the start */
    DECISION_FLAG_AFTER_IDLE = 2, /* first order after at least DECISION_IDLE_NS without one */
};

#define DECISION_IDLE_NS 1000000ull

struct decision {
    uint64_t trigger_sequence;
    uint64_t stages[STAGE_COUNT];
    uint32_t price;     /* 1/10000 */
    uint32_t shares;
    uint16_t symbol;    /* stock locate */
    char side;
    uint8_t reason;     /* enum risk_reason; 0 = sent */
    uint8_t ordinal;
    uint8_t feed_state; /* enum feed_state at the decision */
    uint16_t flags;     /* DECISION_FLAG_* */
    uint8_t line;       /* line that brought the trigger first */
    uint8_t reserved[7];
};

_Static_assert(sizeof(struct decision) == 88, "layout of decision rows before export");

/* A row of decisions.npy: stages in CLOCK_MONOTONIC ns. */
struct decision_row {
    uint64_t trigger_sequence;
    int64_t stages_ns[STAGE_COUNT];
    uint32_t price;
    uint32_t shares;
    uint16_t symbol;
    char side;
    uint8_t reason;
    uint8_t ordinal;
    uint8_t feed_state;
    uint16_t flags;
    uint8_t line;
    uint8_t reserved;
} __attribute__((packed));

_Static_assert(sizeof(struct decision_row) == 82, "a row of decisions.npy has no padding");

struct decision_log {
    struct decision *rows;
    uint32_t capacity;
    uint32_t count;
    uint64_t lost;
};

/* The next record, or a scratch one (counted as lost) when the log is full. */
static inline struct decision *decision_next(struct decision_log *log, struct decision *scratch)
{
    if (log->count < log->capacity)
        return &log->rows[log->count++];
    log->lost++;
    return scratch;
}

#endif
