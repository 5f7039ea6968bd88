/* OUCH 5.0: the same orders and the same struct own_event as ouch42.h, on another wire.
 *
 * An order is named by a UserRefNum: 1, 2, 3... in the order of sending, never reused, also not after a send that
 * failed. The ClOrdID field carries the token of ouch42.h (strategy, trigger's sequence, ordinal), which the venue
 * echoes but does not check, so that whoever watches the wire still reads the cause of an order. Messages that name an
 * order by number alone find its token in `numbers`, a ring over the newest numbers; a number that is not (or no
 * longer) there gives a token_key that is in no table, so that own_orders.c counts it as unknown and never as foreign.
 * ouch50_displaced() says which order the next number would push out: the caller sends nothing while that one is open.
 *
 * The venue ignores a number that is not above all before it. So after a disconnect nothing new may be sent before
 * every unanswered order was sent again, in the first order: see order_session.h.
 *
 * Optional fields are an appendage of (length, tag, value) elements. Written: firm, minimum quantity, customer type,
 * post only, expire time. Read: expire time, firm, minimum quantity, BBO weight; other tags are skipped by length.
 * An appendage that does not end exactly with the message is a bad length. Messages of fixed size may carry one too
 * (later revisions). Times in force: 0 s = '3', 99998 s = '0' (day), 99999 s = '5', others '6' with expire time.
 *
 * Owner: the engine thread. Memory: the ring is the caller's. Cost: as ouch42.h, and one store to the ring.
 * Specification: OUCH 5.0 (2023), sections 2 and 3. Not sent: mass cancel, disable and enable order entry.
 */
#ifndef ENGINE_ORDER_OUCH50_H
#define ENGINE_ORDER_OUCH50_H

#include "engine/order/ouch42.h"

enum {
    OUCH50_ENTER_BYTES_MAX = 47 + 6 + 6 + 3 + 3 + 6, /* with every element that is written */
    OUCH50_REPLACE_BYTES_MAX = 40 + 6 + 6,
    OUCH50_CANCEL_BYTES = 9,
    OUCH50_MODIFY_BYTES = 10,
    OUCH50_QUERY_BYTES = 1,
    OUCH50_PACKET_BYTES_MAX = 3 + OUCH50_ENTER_BYTES_MAX,
    OUCH50_OUTBOUND_BYTES_MAX = 1023, /* what SOUPBIN_LENGTH_MAX leaves */
};

struct ouch50_number {
    uint64_t token_key; /* 0 = never used */
    uint32_t number;
    uint32_t reserved;
};

_Static_assert(sizeof(struct ouch50_number) == 16, "four to a cache line");

struct ouch50 {
    uint8_t enter[80];      /* template: packet with frame, fixed part, appendage */
    uint16_t enter_bytes;   /* of the packet */
    uint16_t appendage_bytes;
    uint32_t next_number;   /* 1.. */
    uint32_t minimum_shares;
    uint32_t mask;
    struct ouch50_number *numbers;
};

/* Options as in OUCH 4.2; display 'Y', 'N', 'A', or 'P' (post only). `numbers` has `count` zeroed entries, a power of
 * two. -EINVAL: an option that OUCH 5.0 does not have. */
int ouch50_init(struct ouch50 *ouch, const struct ouch42_options *options, struct ouch50_number *numbers,
                uint32_t count);

/* Whole packets. Bytes, or 0 when it cannot be said; *number is the order's UserRefNum, the new one for a replace. */
uint32_t ouch50_enter(struct ouch50 *ouch, const struct order_request *request, char strategy_letter,
                      uint8_t out[OUCH50_PACKET_BYTES_MAX], uint32_t *number);
uint32_t ouch50_replace(struct ouch50 *ouch, const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX],
                        uint32_t *number);
uint32_t ouch50_cancel(const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX]);
uint32_t ouch50_modify(const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX]);

/* Asks for the next free number: the answer is an OWN_EVENT_QUERY, behind everything said before. */
uint32_t ouch50_query(uint8_t out[OUCH50_PACKET_BYTES_MAX]);

/* The order that the next number pushes out of the ring; 0 = none. */
static inline uint64_t ouch50_displaced(const struct ouch50 *ouch)
{
    return ouch->numbers[ouch->next_number & ouch->mask].token_key;
}

/* The venue's next free number: ours is at least that from now on. */
static inline void ouch50_advance(struct ouch50 *ouch, uint32_t next_number)
{
    if (next_number > ouch->next_number)
        ouch->next_number = next_number;
}

enum ouch42_outcome ouch50_decode(const struct ouch50 *ouch, struct ouch42_decoder *decoder, const uint8_t *payload,
                                  uint32_t length, struct own_event *event);

#endif
