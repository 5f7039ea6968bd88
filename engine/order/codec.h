/* The order protocol of a session, chosen once when the session starts: OUCH 4.2 or OUCH 5.0.
 *
 * Every call is a switch on `protocol`, the same way every time and so free after the first; no function pointer is
 * kept. What goes in are struct order_request and struct order_change, what comes out are packets that are ready for the
 * transport and struct own_event: nobody else sees a protocol's bytes.
 * Owner: the engine thread.
 */
#ifndef ENGINE_ORDER_CODEC_H
#define ENGINE_ORDER_CODEC_H

#include <string.h>

#include "engine/order/ouch42.h"
#include "engine/order/ouch50.h"

enum codec_protocol {
    CODEC_OUCH42 = 0,
    CODEC_OUCH50 = 1,
    CODEC_PROTOCOL_COUNT = 2,
};

enum { CODEC_PACKET_BYTES_MAX = 88 }; /* the largest packet that is sent */

_Static_assert((int)OUCH50_PACKET_BYTES_MAX <= (int)CODEC_PACKET_BYTES_MAX, "room for each protocol");
_Static_assert((int)OUCH42_ENTER_PACKET_BYTES <= (int)CODEC_PACKET_BYTES_MAX, "room for each protocol");

struct codec {
    uint8_t protocol; /* enum codec_protocol */
    struct ouch42_template ouch42;
    struct ouch50 ouch50;
    struct ouch42_decoder decoder; /* counters, of either */
};

/* `numbers` (OUCH 5.0 only; see ouch50.h) has `count` zeroed entries. 0, or -EINVAL. */
static inline int codec_init(struct codec *codec, uint8_t protocol, const struct ouch42_options *options,
                             struct ouch50_number *numbers, uint32_t count)
{
    memset(codec, 0, sizeof(*codec));
    codec->protocol = protocol;
    return protocol == CODEC_OUCH50 ? ouch50_init(&codec->ouch50, options, numbers, count)
                                    : ouch42_template_init(&codec->ouch42, options);
}

/* Bytes, 0 = cannot be said. *wire_number is the order's number on the wire, 0 where there is none. */
static inline uint32_t codec_enter(struct codec *codec, const struct order_request *request, char letter,
                                   uint8_t out[CODEC_PACKET_BYTES_MAX], uint32_t *wire_number)
{
    *wire_number = 0;
    if (codec->protocol == CODEC_OUCH50)
        return ouch50_enter(&codec->ouch50, request, letter, out, wire_number);
    return ouch42_enter(&codec->ouch42, request, letter, out);
}

static inline uint32_t codec_replace(struct codec *codec, const struct order_change *change,
                                     uint8_t out[CODEC_PACKET_BYTES_MAX], uint32_t *wire_number)
{
    *wire_number = 0;
    if (codec->protocol == CODEC_OUCH50)
        return ouch50_replace(&codec->ouch50, change, out, wire_number);
    return ouch42_replace(&codec->ouch42, change, out);
}

static inline uint32_t codec_cancel(const struct codec *codec, const struct order_change *change,
                                    uint8_t out[CODEC_PACKET_BYTES_MAX])
{
    if (codec->protocol == CODEC_OUCH50)
        return ouch50_cancel(change, out);
    return ouch42_cancel(change->token_key, change->shares, out);
}

static inline uint32_t codec_modify(const struct codec *codec, const struct order_change *change,
                                    uint8_t out[CODEC_PACKET_BYTES_MAX])
{
    if (codec->protocol == CODEC_OUCH50)
        return ouch50_modify(change, out);
    return ouch42_modify(change, out);
}

/* A message whose answer comes behind everything that the venue said before. 0: the protocol has none. */
static inline uint32_t codec_query(const struct codec *codec, uint8_t out[CODEC_PACKET_BYTES_MAX])
{
    return codec->protocol == CODEC_OUCH50 ? ouch50_query(out) : 0;
}

static inline enum ouch42_outcome codec_decode(struct codec *codec, const uint8_t *payload, uint32_t length,
                                               struct own_event *event)
{
    if (codec->protocol != CODEC_OUCH50)
        return ouch42_decode(&codec->decoder, payload, length, event);
    const enum ouch42_outcome outcome = ouch50_decode(&codec->ouch50, &codec->decoder, payload, length, event);
    if (outcome == OUCH42_DECODED && event->kind == OWN_EVENT_QUERY)
        ouch50_advance(&codec->ouch50, event->wire_number);
    return outcome;
}

/* The order that the next one would make the codec forget, 0 = none: it must not be open then. */
static inline uint64_t codec_displaced(const struct codec *codec)
{
    return codec->protocol == CODEC_OUCH50 ? ouch50_displaced(&codec->ouch50) : 0;
}

#endif
