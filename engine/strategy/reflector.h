/* reflector: the smallest possible answer, to measure the floor of a lab's wires.
 *
 * Every feed message whose sequence is a multiple of `every` triggers one order. Nothing is decoded
 * and there is no book: the answer is one complete packet built at start, of which only the token
 * (trigger's sequence) is patched in place. What comes back for these orders is the caller's to
 * count. The risk gate is not asked: only the switch for all, a feed that is not LIVE and an order session that is not
 * ready (in this order) hold an answer back, so use it only against an exchange of the lab.
 *
 * Owner: the engine thread. The packet may be reused as soon as the transport has taken it.
 * Cost: one division per feed packet, one patch (about 7 ns) per trigger.
 */
#ifndef ENGINE_STRATEGY_REFLECTOR_H
#define ENGINE_STRATEGY_REFLECTOR_H

#include "engine/order/ouch42.h"
#include "engine/strategy/strategy.h"

struct reflector_options {
    uint64_t every;               /* feed messages, 1.. */
    struct order_request request; /* prebuilt order; trigger_sequence and ordinal are patched */
};

struct reflector {
    struct ouch42_template packet; /* what is sent */
    uint64_t every;
    uint64_t triggers;
};

/* -EINVAL: every is 0, or the request cannot be encoded. */
int reflector_init(struct reflector *reflector, const struct reflector_options *options,
                   const struct ouch42_template *template_);

/* First trigger in the messages from..end (end not included), 0 = none. Go on with its number + 1. */
static inline uint64_t reflector_next(const struct reflector *reflector, uint64_t from, uint64_t end)
{
    if (from == 0)
        from = 1;
    const uint64_t rest = from % reflector->every;
    const uint64_t ahead = rest == 0 ? 0 : reflector->every - rest;
    return from < end && ahead < end - from ? from + ahead : 0;
}

/* The packet of this trigger, OUCH42_ENTER_PACKET_BYTES; NULL when the sequence has no token. */
static inline const uint8_t *reflector_packet(struct reflector *reflector, uint64_t sequence)
{
    if (!ouch42_patch_token(reflector->packet.packet, 'R', sequence, 0))
        return 0;
    reflector->triggers++;
    return reflector->packet.packet;
}

#endif
