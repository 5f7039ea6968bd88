/* OUCH 4.2 decoder: see ouch42.h. Offsets are those of the specification's tables. */
#include "engine/order/order_bytes.h"
#include "engine/order/ouch42.h"

/* Exact length by host message type. */
static const struct {
    uint8_t kind;
    uint8_t length;
} host_messages[128] = {
    ['S'] = {OWN_EVENT_SYSTEM, 10},           ['A'] = {OWN_EVENT_ACCEPTED, 66},
    ['U'] = {OWN_EVENT_REPLACED, 80},         ['C'] = {OWN_EVENT_CANCELED, 28},
    ['D'] = {OWN_EVENT_SELF_TRADE_CANCELED, 37}, ['E'] = {OWN_EVENT_EXECUTED, 40},
    ['G'] = {OWN_EVENT_EXECUTED_REFERENCE, 45}, ['F'] = {OWN_EVENT_CORRECTED, 41},
    ['B'] = {OWN_EVENT_BROKEN, 32},           ['J'] = {OWN_EVENT_REJECTED, 24},
    ['P'] = {OWN_EVENT_CANCEL_PENDING, 23},   ['I'] = {OWN_EVENT_CANCEL_REJECTED, 23},
    ['T'] = {OWN_EVENT_PRIORITY, 36},         ['M'] = {OWN_EVENT_MODIFIED, 28},
    ['N'] = {OWN_EVENT_TRADE_NOW, 23},
};

/* Accepted and Replaced share bytes 9..64. */
static bool decode_order(const uint8_t *payload, struct own_event *event)
{
    event->side = (char)payload[23];
    event->shares = order_load_u32(payload + 24);
    memcpy(event->stock, payload + 28, sizeof(event->stock));
    event->price = order_load_u32(payload + 36);
    event->time_in_force = order_load_u32(payload + 40);
    memcpy(event->firm, payload + 44, sizeof(event->firm));
    event->display = (char)payload[48];
    event->order_reference = order_load_u64(payload + 49);
    event->capacity = (char)payload[57];
    event->intermarket_sweep = (char)payload[58];
    event->minimum_shares = order_load_u32(payload + 59);
    event->cross = (char)payload[63];
    event->state = (char)payload[64];
    return order_side_ok(event->side) && (event->state == 'L' || event->state == 'D') &&
           event->shares - 1 < OUCH42_SHARES_MAX;
}

static bool decode_execution(const uint8_t *payload, struct own_event *event)
{
    event->shares = order_load_u32(payload + 23);
    event->price = order_load_u32(payload + 27);
    event->liquidity = (char)payload[31];
    event->match = order_load_u64(payload + 32);
    return event->shares - 1 < OUCH42_SHARES_MAX;
}

/* Fields behind time stamp and token. False: a value outside of the specification. */
static bool decode_fields(const uint8_t *payload, struct own_event *event)
{
    switch (event->kind) {
    case OWN_EVENT_ACCEPTED:
        event->bbo_weight = (char)payload[65];
        return decode_order(payload, event);
    case OWN_EVENT_REPLACED:
        memcpy(event->previous_token, payload + 65, OWN_TOKEN_BYTES);
        event->previous_token_key = ouch42_token_parse(event->previous_token);
        event->bbo_weight = (char)payload[79];
        return decode_order(payload, event);
    case OWN_EVENT_SELF_TRADE_CANCELED:
        event->prevented_shares = order_load_u32(payload + 28);
        event->price = order_load_u32(payload + 32);
        event->liquidity = (char)payload[36];
        /* fall through */
    case OWN_EVENT_CANCELED:
        event->shares = order_load_u32(payload + 23);
        event->reason = (char)payload[27];
        return event->shares <= OUCH42_SHARES_MAX;
    case OWN_EVENT_EXECUTED_REFERENCE:
        event->reference_price = order_load_u32(payload + 40);
        event->reference_type = (char)payload[44];
        return decode_execution(payload, event);
    case OWN_EVENT_CORRECTED:
        event->reason = (char)payload[40];
        return decode_execution(payload, event);
    case OWN_EVENT_EXECUTED: return decode_execution(payload, event);
    case OWN_EVENT_BROKEN:
        event->match = order_load_u64(payload + 23);
        event->reason = (char)payload[31];
        return true;
    case OWN_EVENT_REJECTED: event->reason = (char)payload[23]; return true;
    case OWN_EVENT_PRIORITY:
        event->price = order_load_u32(payload + 23);
        event->display = (char)payload[27];
        event->order_reference = order_load_u64(payload + 28);
        return true;
    case OWN_EVENT_MODIFIED:
        event->side = (char)payload[23];
        event->shares = order_load_u32(payload + 24);
        return order_side_ok(event->side) && event->shares <= OUCH42_SHARES_MAX;
    default: return true; /* cancel pending, cancel rejected, trade now: the token is all */
    }
}

static enum ouch42_outcome decode(const uint8_t *payload, uint32_t length, struct own_event *event)
{
    memset(event, 0, sizeof(*event));
    if (length == 0)
        return OUCH42_BAD_LENGTH;
    if (payload[0] >= 128 || host_messages[payload[0]].kind == OWN_EVENT_NONE)
        return OUCH42_UNKNOWN_TYPE;
    if (length != host_messages[payload[0]].length)
        return OUCH42_BAD_LENGTH;
    event->kind = host_messages[payload[0]].kind;
    event->time_ns = order_load_u64(payload + 1);
    if (event->kind == OWN_EVENT_SYSTEM) {
        event->reason = (char)payload[9];
        return OUCH42_DECODED;
    }
    memcpy(event->token, payload + 9, OWN_TOKEN_BYTES);
    event->token_key = ouch42_token_parse(event->token);
    return decode_fields(payload, event) ? OUCH42_DECODED : OUCH42_BAD_VALUE;
}

enum ouch42_outcome ouch42_decode(struct ouch42_decoder *decoder, const uint8_t *payload,
                                  uint32_t length, struct own_event *event)
{
    const enum ouch42_outcome outcome = decode(payload, length, event);
    decoder->outcomes[outcome]++;
    if (outcome == OUCH42_DECODED)
        decoder->kinds[event->kind]++;
    return outcome;
}
