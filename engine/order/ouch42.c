/* OUCH 4.2 encoder and decoder: see ouch42.h. Offsets are those of the specification's tables; in an
 * outbound packet the payload starts behind the SoupBinTCP frame.
 */
#include "engine/order/ouch42.h"

#include <errno.h>
#include <string.h>

#include "engine/order/soupbin.h"

enum { /* enter order, within the packet */
    ENTER_TYPE = SOUPBIN_FRAME_BYTES,
    ENTER_TOKEN = ENTER_TYPE + 1,
    ENTER_SIDE = ENTER_TYPE + 15,
    ENTER_SHARES = ENTER_TYPE + 16,
    ENTER_STOCK = ENTER_TYPE + 20,
    ENTER_PRICE = ENTER_TYPE + 28,
    ENTER_TIME_IN_FORCE = ENTER_TYPE + 32,
    ENTER_FIRM = ENTER_TYPE + 36,
    ENTER_DISPLAY = ENTER_TYPE + 40,
    ENTER_CAPACITY = ENTER_TYPE + 41,
    ENTER_INTERMARKET_SWEEP = ENTER_TYPE + 42,
    ENTER_MINIMUM_SHARES = ENTER_TYPE + 43,
    ENTER_CROSS = ENTER_TYPE + 47,
    ENTER_CUSTOMER = ENTER_TYPE + 48,
};

_Static_assert(ENTER_CUSTOMER + 1 == OUCH42_ENTER_PACKET_BYTES, "enter order is 49 bytes");
_Static_assert(OUCH42_ENTER_PACKET_BYTES == SOUPBIN_FRAME_BYTES + OUCH42_ENTER_BYTES, "framed");
_Static_assert(OUCH42_CANCEL_PACKET_BYTES == SOUPBIN_FRAME_BYTES + OUCH42_CANCEL_BYTES, "framed");

static inline void store_u32(uint8_t *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(out, &value, sizeof(value));
}

static inline uint32_t load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap64(value);
}

/* 32 bits as eight upper-case hexadecimal digits, most significant first. */
static inline uint64_t hexadecimal(uint32_t value)
{
    uint64_t digits = value;
    digits = (digits | digits << 16) & 0x0000ffff0000ffffull;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ffull;
    digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0full;
    const uint64_t letters = ((digits + 0x0606060606060606ull) >> 4) & 0x0101010101010101ull;
    digits += 0x3030303030303030ull + letters * ('A' - '0' - 10);
    return __builtin_bswap64(digits);
}

static inline bool token_ok(char letter, uint64_t sequence, uint8_t ordinal)
{
    return letter >= 'A' && letter <= 'Z' && sequence <= OUCH42_SEQUENCE_MAX &&
           ordinal <= OUCH42_ORDINAL_MAX;
}

static inline void write_token(uint8_t *token, char letter, uint64_t sequence, uint8_t ordinal)
{
    const uint64_t high = hexadecimal((uint32_t)(sequence >> 16));
    const uint64_t low = hexadecimal((uint32_t)sequence << 16); /* its first four digits */
    token[0] = (uint8_t)letter;
    memcpy(token + 1, &high, 8);
    memcpy(token + 9, &low, 4);
    token[13] = (uint8_t)('0' + ordinal);
}

uint64_t ouch42_token_key(char strategy_letter, uint64_t trigger_sequence, uint8_t ordinal)
{
    if (!token_ok(strategy_letter, trigger_sequence, ordinal))
        return 0;
    return trigger_sequence << 16 | (uint64_t)ordinal << 8 | (uint8_t)strategy_letter;
}

bool ouch42_token_write(uint64_t token_key, char token[OWN_TOKEN_BYTES])
{
    const char letter = ouch42_key_letter(token_key);
    const uint64_t sequence = ouch42_key_sequence(token_key);
    const uint8_t ordinal = ouch42_key_ordinal(token_key);
    if (!token_ok(letter, sequence, ordinal))
        return false;
    write_token((uint8_t *)token, letter, sequence, ordinal);
    return true;
}

uint64_t ouch42_token_parse(const char token[OWN_TOKEN_BYTES])
{
    uint64_t sequence = 0;
    for (uint32_t index = 1; index <= 12; index++) {
        const char digit = token[index];
        uint32_t value;
        if (digit >= '0' && digit <= '9')
            value = (uint32_t)(digit - '0');
        else if (digit >= 'A' && digit <= 'F')
            value = (uint32_t)(digit - 'A' + 10);
        else
            return 0;
        sequence = sequence << 4 | value;
    }
    const char ordinal = token[13];
    if (ordinal < '0' || ordinal > '9')
        return 0;
    return ouch42_token_key(token[0], sequence, (uint8_t)(ordinal - '0'));
}

static bool printable(char letter)
{
    return letter >= ' ' && letter <= '~';
}

static char or_default(char letter, char fallback)
{
    return letter == 0 ? fallback : letter;
}

int ouch42_template_init(struct ouch42_template *template_, const struct ouch42_options *options)
{
    uint8_t *packet = template_->packet;
    memset(template_, 0, sizeof(*template_));
    soupbin_frame(packet, OUCH42_ENTER_BYTES);
    packet[ENTER_TYPE] = 'O';
    for (uint32_t index = 0; index < sizeof(options->firm); index++)
        packet[ENTER_FIRM + index] = (uint8_t)or_default(options->firm[index], ' ');
    packet[ENTER_DISPLAY] = (uint8_t)or_default(options->display, 'Y');
    packet[ENTER_CAPACITY] = (uint8_t)or_default(options->capacity, 'P');
    packet[ENTER_INTERMARKET_SWEEP] = (uint8_t)or_default(options->intermarket_sweep, 'N');
    packet[ENTER_CROSS] = (uint8_t)or_default(options->cross, 'N');
    packet[ENTER_CUSTOMER] = (uint8_t)or_default(options->customer, 'N');
    store_u32(packet + ENTER_MINIMUM_SHARES, options->minimum_shares);
    bool ok = options->minimum_shares <= OUCH42_SHARES_MAX;
    for (uint32_t index = ENTER_FIRM; index < ENTER_MINIMUM_SHARES; index++)
        ok &= printable((char)packet[index]);
    ok &= printable((char)packet[ENTER_CROSS]) && printable((char)packet[ENTER_CUSTOMER]);
    return ok ? 0 : -EINVAL;
}

static inline bool side_ok(char side)
{
    return side == 'B' || side == 'S' || side == 'T' || side == 'E';
}

uint32_t ouch42_enter(const struct ouch42_template *template_, const struct order_request *request,
                      char strategy_letter, uint8_t out[OUCH42_ENTER_PACKET_BYTES])
{
    const bool ok = side_ok(request->side) && request->shares - 1 < OUCH42_SHARES_MAX &&
                    request->price - 1 < OUCH42_PRICE_MAX &&
                    request->time_in_force <= OUCH42_TIME_IN_FORCE_MAX && request->stock[0] > ' ' &&
                    token_ok(strategy_letter, request->trigger_sequence, request->ordinal);
    if (!ok)
        return 0;
    memcpy(out, template_->packet, OUCH42_ENTER_PACKET_BYTES);
    write_token(out + ENTER_TOKEN, strategy_letter, request->trigger_sequence, request->ordinal);
    out[ENTER_SIDE] = (uint8_t)request->side;
    store_u32(out + ENTER_SHARES, request->shares);
    memcpy(out + ENTER_STOCK, request->stock, sizeof(request->stock));
    store_u32(out + ENTER_PRICE, request->price);
    store_u32(out + ENTER_TIME_IN_FORCE, request->time_in_force);
    return OUCH42_ENTER_PACKET_BYTES;
}

bool ouch42_patch_token(uint8_t packet[OUCH42_ENTER_PACKET_BYTES], char strategy_letter,
                        uint64_t trigger_sequence, uint8_t ordinal)
{
    if (!token_ok(strategy_letter, trigger_sequence, ordinal))
        return false;
    write_token(packet + ENTER_TOKEN, strategy_letter, trigger_sequence, ordinal);
    return true;
}

uint32_t ouch42_cancel(uint64_t token_key, uint32_t shares_left,
                       uint8_t out[OUCH42_CANCEL_PACKET_BYTES])
{
    if (shares_left > OUCH42_SHARES_MAX ||
        !ouch42_token_write(token_key, (char *)out + SOUPBIN_FRAME_BYTES + 1))
        return 0;
    soupbin_frame(out, OUCH42_CANCEL_BYTES);
    out[SOUPBIN_FRAME_BYTES] = 'X';
    store_u32(out + SOUPBIN_FRAME_BYTES + 15, shares_left);
    return OUCH42_CANCEL_PACKET_BYTES;
}

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
    event->shares = load_u32(payload + 24);
    memcpy(event->stock, payload + 28, sizeof(event->stock));
    event->price = load_u32(payload + 36);
    event->time_in_force = load_u32(payload + 40);
    memcpy(event->firm, payload + 44, sizeof(event->firm));
    event->display = (char)payload[48];
    event->order_reference = load_u64(payload + 49);
    event->capacity = (char)payload[57];
    event->intermarket_sweep = (char)payload[58];
    event->minimum_shares = load_u32(payload + 59);
    event->cross = (char)payload[63];
    event->state = (char)payload[64];
    return side_ok(event->side) && (event->state == 'L' || event->state == 'D') &&
           event->shares - 1 < OUCH42_SHARES_MAX;
}

static bool decode_execution(const uint8_t *payload, struct own_event *event)
{
    event->shares = load_u32(payload + 23);
    event->price = load_u32(payload + 27);
    event->liquidity = (char)payload[31];
    event->match = load_u64(payload + 32);
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
        event->prevented_shares = load_u32(payload + 28);
        event->price = load_u32(payload + 32);
        event->liquidity = (char)payload[36];
        /* fall through */
    case OWN_EVENT_CANCELED:
        event->shares = load_u32(payload + 23);
        event->reason = (char)payload[27];
        return event->shares <= OUCH42_SHARES_MAX;
    case OWN_EVENT_EXECUTED_REFERENCE:
        event->reference_price = load_u32(payload + 40);
        event->reference_type = (char)payload[44];
        return decode_execution(payload, event);
    case OWN_EVENT_CORRECTED:
        event->reason = (char)payload[40];
        return decode_execution(payload, event);
    case OWN_EVENT_EXECUTED: return decode_execution(payload, event);
    case OWN_EVENT_BROKEN:
        event->match = load_u64(payload + 23);
        event->reason = (char)payload[31];
        return true;
    case OWN_EVENT_REJECTED: event->reason = (char)payload[23]; return true;
    case OWN_EVENT_PRIORITY:
        event->price = load_u32(payload + 23);
        event->display = (char)payload[27];
        event->order_reference = load_u64(payload + 28);
        return true;
    case OWN_EVENT_MODIFIED:
        event->side = (char)payload[23];
        event->shares = load_u32(payload + 24);
        return side_ok(event->side) && event->shares <= OUCH42_SHARES_MAX;
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
    event->time_ns = load_u64(payload + 1);
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
