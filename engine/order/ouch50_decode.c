/* OUCH 5.0 decoder: see ouch50.h. Offsets are those of the specification's tables. */
#include "engine/order/order_bytes.h"
#include "engine/order/ouch50.h"

enum { TOKEN_FOREIGN_LETTER = 0xff }; /* a key that no order has: see ouch42_token_key() */

/* Bytes before the appendage's length field, by host message type, and whether that field must be there. */
static const struct {
    uint8_t kind;
    uint8_t bytes;
    bool appendage;
} host_messages[128] = {
    ['S'] = {OWN_EVENT_SYSTEM, 10, false},        ['A'] = {OWN_EVENT_ACCEPTED, 62, true},
    ['U'] = {OWN_EVENT_REPLACED, 66, true},       ['C'] = {OWN_EVENT_CANCELED, 18, false},
    ['D'] = {OWN_EVENT_SELF_TRADE_CANCELED, 32, false}, ['E'] = {OWN_EVENT_EXECUTED, 34, true},
    ['B'] = {OWN_EVENT_BROKEN, 36, false},        ['J'] = {OWN_EVENT_REJECTED, 29, false},
    ['P'] = {OWN_EVENT_CANCEL_PENDING, 13, false}, ['I'] = {OWN_EVENT_CANCEL_REJECTED, 13, false},
    ['T'] = {OWN_EVENT_PRIORITY, 30, false},      ['M'] = {OWN_EVENT_MODIFIED, 18, false},
    ['R'] = {OWN_EVENT_RESTATED, 14, true},       ['Q'] = {OWN_EVENT_QUERY, 13, false},
};

enum { SELF_TRADE_BYTES_OLD = 31 }; /* 'D' without the strategy, in older revisions */

static void take_element(struct own_event *event, uint8_t tag, const uint8_t *value, uint32_t size)
{
    if (tag == 2 && size == sizeof(event->firm))
        memcpy(event->firm, value, sizeof(event->firm));
    else if (tag == 3 && size == 4)
        event->minimum_shares = order_load_u32(value);
    else if (tag == 15 && size == 4)
        event->time_in_force = order_load_u32(value);
    else if (tag == 18 && size == 1)
        event->bbo_weight = (char)value[0];
}

/* Elements end exactly with the message. */
static bool decode_appendage(const uint8_t *bytes, uint32_t length, struct own_event *event)
{
    if (length < 2 || order_load_u16(bytes) != length - 2)
        return false;
    for (uint32_t offset = 2; offset < length;) {
        const uint32_t size = bytes[offset];
        if (size == 0 || size > length - offset - 1)
            return false;
        take_element(event, bytes[offset + 1], bytes + offset + 2, size - 1);
        offset += 1 + size;
    }
    return true;
}

static uint32_t time_seconds(char letter)
{
    return letter == '3' ? 0 : letter == '0' ? 99998 : letter == '6' ? 1 : 99999; /* '6': the element says more */
}

static uint64_t key_of(const struct ouch50 *ouch, uint32_t number)
{
    const struct ouch50_number *entry = &ouch->numbers[number & ouch->mask];
    if (entry->number == number && entry->token_key != 0)
        return entry->token_key;
    return (uint64_t)number << 16 | TOKEN_FOREIGN_LETTER;
}

static bool load_price(const uint8_t *bytes, uint32_t *price)
{
    const uint64_t value = order_load_u64(bytes);
    *price = (uint32_t)value;
    return value <= UINT32_MAX;
}

/* Side to ClOrdID, the same in Accepted and Replaced from `fields` on. */
static bool decode_order(const uint8_t *fields, struct own_event *event)
{
    event->side = (char)fields[0];
    event->shares = order_load_u32(fields + 1);
    memcpy(event->stock, fields + 5, sizeof(event->stock));
    event->time_in_force = time_seconds((char)fields[21]);
    event->display = (char)fields[22];
    event->order_reference = order_load_u64(fields + 23);
    event->capacity = (char)fields[31];
    event->intermarket_sweep = (char)fields[32];
    event->cross = (char)fields[33];
    event->state = (char)fields[34];
    memcpy(event->token, fields + 35, OWN_TOKEN_BYTES);
    return load_price(fields + 13, &event->price) && order_side_ok(event->side) &&
           (event->state == 'L' || event->state == 'D') && event->shares - 1 < OUCH42_SHARES_MAX;
}

/* Fields behind time stamp and number. False: a value outside of the specification. */
static bool decode_fields(const uint8_t *payload, struct own_event *event)
{
    switch (event->kind) {
    case OWN_EVENT_ACCEPTED: return decode_order(payload + 13, event);
    case OWN_EVENT_REPLACED:
        event->previous_wire_number = event->wire_number;
        event->wire_number = order_load_u32(payload + 13);
        return decode_order(payload + 17, event);
    case OWN_EVENT_SELF_TRADE_CANCELED:
        event->shares = order_load_u32(payload + 13);
        event->reason = (char)payload[17];
        event->prevented_shares = order_load_u32(payload + 18);
        event->liquidity = (char)payload[30];
        return load_price(payload + 22, &event->price) && event->shares <= OUCH42_SHARES_MAX;
    case OWN_EVENT_CANCELED:
        event->shares = order_load_u32(payload + 13);
        event->reason = (char)payload[17];
        return event->shares <= OUCH42_SHARES_MAX;
    case OWN_EVENT_EXECUTED:
        event->shares = order_load_u32(payload + 13);
        event->liquidity = (char)payload[25];
        event->match = order_load_u64(payload + 26);
        return load_price(payload + 17, &event->price) && event->shares - 1 < OUCH42_SHARES_MAX;
    case OWN_EVENT_BROKEN:
        event->match = order_load_u64(payload + 13);
        event->reason = (char)payload[21];
        memcpy(event->token, payload + 22, OWN_TOKEN_BYTES);
        return true;
    case OWN_EVENT_REJECTED:
        event->reason_code = order_load_u16(payload + 13);
        event->reason = event->reason_code > 0xff ? '?' : (char)(uint8_t)event->reason_code;
        memcpy(event->token, payload + 15, OWN_TOKEN_BYTES);
        return true;
    case OWN_EVENT_PRIORITY:
        event->display = (char)payload[21];
        event->order_reference = order_load_u64(payload + 22);
        return load_price(payload + 13, &event->price);
    case OWN_EVENT_MODIFIED:
        event->side = (char)payload[13];
        event->shares = order_load_u32(payload + 14);
        return order_side_ok(event->side) && event->shares <= OUCH42_SHARES_MAX;
    case OWN_EVENT_RESTATED: event->reason = (char)payload[13]; return true;
    default: return true; /* cancel pending, cancel rejected: the number is all */
    }
}

/* Both names of the order: from the number where it is known, else from the ClOrdID that some messages carry. */
static void name_order(const struct ouch50 *ouch, struct own_event *event)
{
    event->token_key = key_of(ouch, event->wire_number);
    if (!ouch42_token_write(event->token_key, event->token) && event->token[0] != 0) {
        const uint64_t told = ouch42_token_parse(event->token);
        event->token_key = told != 0 ? told : event->token_key;
    }
    if (event->kind == OWN_EVENT_REPLACED) {
        event->previous_token_key = key_of(ouch, event->previous_wire_number);
        ouch42_token_write(event->previous_token_key, event->previous_token);
    }
}

static enum ouch42_outcome decode(const struct ouch50 *ouch, const uint8_t *payload, uint32_t length,
                                  struct own_event *event)
{
    memset(event, 0, sizeof(*event));
    if (length == 0)
        return OUCH42_BAD_LENGTH;
    if (payload[0] >= 128 || host_messages[payload[0]].kind == OWN_EVENT_NONE)
        return OUCH42_UNKNOWN_TYPE;
    uint32_t bytes = host_messages[payload[0]].bytes;
    if (payload[0] == 'D' && length == SELF_TRADE_BYTES_OLD)
        bytes = SELF_TRADE_BYTES_OLD;
    if (length < bytes || (length == bytes && host_messages[payload[0]].appendage))
        return OUCH42_BAD_LENGTH;
    event->kind = host_messages[payload[0]].kind;
    event->time_ns = order_load_u64(payload + 1);
    if (event->kind == OWN_EVENT_SYSTEM) {
        event->reason = (char)payload[9];
        return length == bytes ? OUCH42_DECODED : OUCH42_BAD_LENGTH;
    }
    event->wire_number = order_load_u32(payload + 9);
    const bool sane = decode_fields(payload, event);
    if (length > bytes && !decode_appendage(payload + bytes, length - bytes, event))
        return OUCH42_BAD_LENGTH;
    if (event->kind != OWN_EVENT_QUERY)
        name_order(ouch, event);
    return sane ? OUCH42_DECODED : OUCH42_BAD_VALUE;
}

enum ouch42_outcome ouch50_decode(const struct ouch50 *ouch, struct ouch42_decoder *decoder, const uint8_t *payload,
                                  uint32_t length, struct own_event *event)
{
    const enum ouch42_outcome outcome = decode(ouch, payload, length, event);
    decoder->outcomes[outcome]++;
    if (outcome == OUCH42_DECODED)
        decoder->kinds[event->kind]++;
    return outcome;
}
