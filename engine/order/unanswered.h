/* What was sent and not answered yet: a ring of whole packets, in the order of sending, to be sent again after a
 * disconnect under the same token or number.
 *
 * An entry is answered when its order says so (own_orders.h): a new order or a replacement when it is no longer
 * pending, a cancel when its order is dead, back to life, or held for the cross, a modify when its order is no longer
 * changing. Nothing is stored per answer, so a replay answers as the first time did. The venue answers one session in
 * order, so entries leave at the front; one that the venue passes over in silence (which OUCH does with a cancel or
 * replace of a dead order) leaves as soon as its order is known to be dead, and a modify or a cancel of some shares,
 * which may find nothing to do, after UNANSWERED_SILENCE_NS.
 *
 * Full means closed: no new order is sent. The last eighth is kept for cancels, replaces and modifies.
 * Owner: the engine thread. Memory: the caller's. Cost: two cache lines a push; one table lookup an entry that leaves,
 * at most UNANSWERED_SETTLE_MAX a call.
 */
#ifndef ENGINE_ORDER_UNANSWERED_H
#define ENGINE_ORDER_UNANSWERED_H

#include "engine/order/codec.h"
#include "engine/order/own_orders.h"

enum unanswered_kind {
    UNANSWERED_ENTER = 0,
    UNANSWERED_REPLACE = 1,
    UNANSWERED_CANCEL = 2,
    UNANSWERED_MODIFY = 3, /* also a cancel of some shares */
};

enum {
    UNANSWERED_SILENCE_NS = 100 * 1000 * 1000,
    UNANSWERED_SETTLE_MAX = 1024,
    UNANSWERED_COUNT_MAX = 1 << 24,
};

struct unanswered_entry {
    uint64_t token_key; /* of the order that the answer will change; for a replace: the new one */
    uint64_t sent_ns;   /* last time */
    uint32_t sends;
    uint16_t bytes;
    uint8_t kind;       /* enum unanswered_kind */
    uint8_t reserved[17];
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
};

_Static_assert(sizeof(struct unanswered_entry) == 128, "two cache lines");

struct unanswered {
    struct unanswered_entry *entries;
    uint64_t head; /* number of the oldest entry; entry n lies at n & mask */
    uint64_t tail; /* number of the next one */
    uint64_t mask;
    uint64_t peak; /* most entries at once */
};

/* `entries` has `count`, a power of two from 8 on. False: it has not. */
bool unanswered_init(struct unanswered *ring, struct unanswered_entry *entries, uint64_t count);

/* False: no room (see above). */
static inline bool unanswered_room(const struct unanswered *ring, enum unanswered_kind kind)
{
    const uint64_t used = ring->tail - ring->head, count = ring->mask + 1;
    return used < (kind == UNANSWERED_ENTER ? count - count / 8 : count);
}

/* There is room. */
void unanswered_push(struct unanswered *ring, enum unanswered_kind kind, uint64_t token_key, const uint8_t *packet,
                     uint32_t bytes, uint64_t now_ns);

/* Lets answered entries leave at the front. now_ns 0: none that was passed over in silence. */
void unanswered_settle(struct unanswered *ring, struct own_orders *orders, uint64_t now_ns);

bool unanswered_answered(const struct unanswered_entry *entry, const struct own_orders *orders);

static inline struct unanswered_entry *unanswered_at(const struct unanswered *ring, uint64_t number)
{
    return &ring->entries[number & ring->mask];
}

static inline bool unanswered_empty(const struct unanswered *ring)
{
    return ring->head == ring->tail;
}

#endif
