/* OUCH 4.2 encoder: see ouch42.h. Offsets are those of the specification's tables; in an
 * outbound packet the payload starts behind the SoupBinTCP frame.
 */
#include "engine/order/ouch42.h"

#include <errno.h>
#include <string.h>

#include "engine/order/order_bytes.h"
#include "engine/order/soupbin.h"

enum { /* replace, cancel, modify: within the payload */
    REPLACE_NEW_TOKEN = 15,
    REPLACE_SHARES = 29,
    REPLACE_PRICE = 33,
    REPLACE_TIME_IN_FORCE = 37,
    REPLACE_DISPLAY = 41,
    REPLACE_INTERMARKET_SWEEP = 42,
    REPLACE_MINIMUM_SHARES = 43,
    CANCEL_SHARES = 15,
    MODIFY_SIDE = 15,
    MODIFY_SHARES = 16,
};

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
    order_store_u32(packet + ENTER_MINIMUM_SHARES, options->minimum_shares);
    bool ok = options->minimum_shares <= OUCH42_SHARES_MAX;
    for (uint32_t index = ENTER_FIRM; index < ENTER_MINIMUM_SHARES; index++)
        ok &= printable((char)packet[index]);
    ok &= printable((char)packet[ENTER_CROSS]) && printable((char)packet[ENTER_CUSTOMER]);
    return ok ? 0 : -EINVAL;
}

uint32_t ouch42_enter(const struct ouch42_template *template_, const struct order_request *request,
                      char strategy_letter, uint8_t out[OUCH42_ENTER_PACKET_BYTES])
{
    const bool ok = order_side_ok(request->side) && request->shares - 1 < OUCH42_SHARES_MAX &&
                    request->price - 1 < OUCH42_PRICE_MAX &&
                    request->time_in_force <= OUCH42_TIME_IN_FORCE_MAX && request->stock[0] > ' ' &&
                    token_ok(strategy_letter, request->trigger_sequence, request->ordinal);
    if (!ok)
        return 0;
    memcpy(out, template_->packet, OUCH42_ENTER_PACKET_BYTES);
    write_token(out + ENTER_TOKEN, strategy_letter, request->trigger_sequence, request->ordinal);
    out[ENTER_SIDE] = (uint8_t)request->side;
    order_store_u32(out + ENTER_SHARES, request->shares);
    memcpy(out + ENTER_STOCK, request->stock, sizeof(request->stock));
    order_store_u32(out + ENTER_PRICE, request->price);
    order_store_u32(out + ENTER_TIME_IN_FORCE, request->time_in_force);
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
    order_store_u32(out + SOUPBIN_FRAME_BYTES + CANCEL_SHARES, shares_left);
    return OUCH42_CANCEL_PACKET_BYTES;
}

/* Frame, type and the token of the order that is meant. NULL: not a token of ours. */
static uint8_t *start(uint8_t *out, uint32_t payload_bytes, char type, uint64_t token_key)
{
    uint8_t *payload = out + SOUPBIN_FRAME_BYTES;
    soupbin_frame(out, (uint16_t)payload_bytes);
    payload[0] = (uint8_t)type;
    return ouch42_token_write(token_key, (char *)payload + 1) ? payload : NULL;
}

uint32_t ouch42_replace(const struct ouch42_template *template_, const struct order_change *change,
                        uint8_t out[OUCH42_REPLACE_PACKET_BYTES])
{
    const uint8_t *standard = template_->packet;
    uint8_t *payload = start(out, OUCH42_REPLACE_BYTES, 'U', change->token_key);
    const bool ok = payload != NULL && change->shares - 1 < OUCH42_SHARES_MAX &&
                    change->price - 1 < OUCH42_PRICE_MAX && change->time_in_force <= OUCH42_TIME_IN_FORCE_MAX &&
                    change->minimum_shares <= OUCH42_SHARES_MAX && change->token_key != change->new_token_key &&
                    ouch42_token_write(change->new_token_key, (char *)payload + REPLACE_NEW_TOKEN);
    if (!ok)
        return 0;
    order_store_u32(payload + REPLACE_SHARES, change->shares);
    order_store_u32(payload + REPLACE_PRICE, change->price);
    order_store_u32(payload + REPLACE_TIME_IN_FORCE, change->time_in_force);
    payload[REPLACE_DISPLAY] = (uint8_t)or_default(change->display, (char)standard[ENTER_DISPLAY]);
    payload[REPLACE_INTERMARKET_SWEEP] =
        (uint8_t)or_default(change->intermarket_sweep, (char)standard[ENTER_INTERMARKET_SWEEP]);
    if (change->minimum_shares != 0)
        order_store_u32(payload + REPLACE_MINIMUM_SHARES, change->minimum_shares);
    else
        memcpy(payload + REPLACE_MINIMUM_SHARES, standard + ENTER_MINIMUM_SHARES, sizeof(uint32_t));
    return OUCH42_REPLACE_PACKET_BYTES;
}

uint32_t ouch42_modify(const struct order_change *change, uint8_t out[OUCH42_MODIFY_PACKET_BYTES])
{
    uint8_t *payload = start(out, OUCH42_MODIFY_BYTES, 'M', change->token_key);
    if (payload == NULL || change->shares - 1 >= OUCH42_SHARES_MAX || !order_side_ok(change->side))
        return 0;
    payload[MODIFY_SIDE] = (uint8_t)change->side;
    order_store_u32(payload + MODIFY_SHARES, change->shares);
    return OUCH42_MODIFY_PACKET_BYTES;
}
