/* What was published, by number: the arena, its packets and the sessions, with a way to any message in a step or two.
 *
 * A position is session ordinal << 40 | sequence; packet records carry positions. A message's index counts from the
 * arena's first message, whatever session it is in. packet_of[i] is the packet with message i * HISTORY_STRIDE, so
 * that finding a message costs one look there, a walk over at most HISTORY_STRIDE records, and one over the blocks of
 * a packet: about 100 to 300 ns.
 * All of it is made before the start; afterwards only `published` changes, by the exchange loop, its owner.
 */
#ifndef TRAFFIC_EXCHANGE_HISTORY_H
#define TRAFFIC_EXCHANGE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/market/schedule.h"
#include "traffic/wire/moldudp64.h"

enum {
    HISTORY_SESSIONS_MAX = 4,
    HISTORY_STRIDE = 64,
    HISTORY_SESSION_SHIFT = 40,
};
#define HISTORY_SEQUENCE_MASK ((UINT64_C(1) << HISTORY_SESSION_SHIFT) - 1)

struct history_session {
    uint8_t name[MOLDUDP64_SESSION_BYTES];
    bool end_previous;           /* end-of-session packets of the session before it come first */
    uint64_t first_sequence;
    uint64_t first_message;      /* index */
    uint64_t messages;           /* it will have in all */
};

struct history_options {
    const uint8_t *arena;
    const struct packet_record *packets;
    uint64_t packet_count;
    uint64_t message_count;
    struct history_session sessions[HISTORY_SESSIONS_MAX];
    uint32_t session_count;      /* 1.. */
    uint32_t *packet_of;         /* history_entries() of them */
};

struct history {
    struct history_options options;
    uint64_t published;          /* messages */
    uint64_t published_bytes;    /* of the arena */
};

static inline uint64_t history_entries(uint64_t messages) {
    return messages / HISTORY_STRIDE + 1;
}

/* Fills packet_of. */
void history_init(struct history *history, const struct history_options *options);

static inline uint64_t history_position(uint32_t ordinal, uint64_t sequence) {
    return (uint64_t)ordinal << HISTORY_SESSION_SHIFT | sequence;
}

/* Index of the message at a position of one of the sessions; beyond all messages where the session has no such. */
uint64_t history_index_of(const struct history *history, uint64_t position);

/* Position of message `index` in the session that has it, or of the one behind the last. */
uint64_t history_position_of(const struct history *history, uint64_t index);

/* Ordinal of a session by its ten bytes, -1 for none. */
int32_t history_session_of(const struct history *history, const uint8_t *name);

/* The block (length, message) of message `index`, which is below message_count. */
const uint8_t *history_block(const struct history *history, uint64_t index);

#endif
