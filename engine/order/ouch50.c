/* OUCH 5.0 encoder: see ouch50.h. Offsets are those of the payload, behind the SoupBinTCP frame. */
#include "engine/order/ouch50.h"

#include <errno.h>

#include "engine/order/order_bytes.h"
#include "engine/order/soupbin.h"

enum { /* enter order */
    ENTER_NUMBER = 1,
    ENTER_SIDE = 5,
    ENTER_SHARES = 6,
    ENTER_STOCK = 10,
    ENTER_PRICE = 18,
    ENTER_TIME_IN_FORCE = 26,
    ENTER_DISPLAY = 27,
    ENTER_CAPACITY = 28,
    ENTER_INTERMARKET_SWEEP = 29,
    ENTER_CROSS = 30,
    ENTER_TOKEN = 31,
    ENTER_APPENDAGE_LENGTH = 45,
    ENTER_APPENDAGE = 47,
};

enum { /* replace order */
    REPLACE_NUMBER = 1,
    REPLACE_NEW_NUMBER = 5,
    REPLACE_SHARES = 9,
    REPLACE_PRICE = 13,
    REPLACE_TIME_IN_FORCE = 21,
    REPLACE_DISPLAY = 22,
    REPLACE_INTERMARKET_SWEEP = 23,
    REPLACE_TOKEN = 24,
    REPLACE_APPENDAGE_LENGTH = 38,
    REPLACE_APPENDAGE = 40,
};

enum {
    TAG_FIRM = 2,
    TAG_MINIMUM_SHARES = 3,
    TAG_CUSTOMER = 4,
    TAG_POST_ONLY = 12,
    TAG_EXPIRE_TIME = 15,
    DAY_SECONDS = 86400,
};

_Static_assert(SOUPBIN_FRAME_BYTES + ENTER_APPENDAGE + 18 <= sizeof(((struct ouch50 *)0)->enter), "room in the template");

/* Appends an element; returns the bytes it took. */
static uint32_t element(uint8_t *out, uint8_t tag, const void *value, uint8_t size)
{
    out[0] = (uint8_t)(1 + size);
    out[1] = tag;
    memcpy(out + 2, value, size);
    return 2u + size;
}

static uint32_t element_u32(uint8_t *out, uint8_t tag, uint32_t value)
{
    uint8_t bytes[4];
    order_store_u32(bytes, value);
    return element(out, tag, bytes, sizeof(bytes));
}

static bool printable(char letter)
{
    return letter >= ' ' && letter <= '~';
}

static char or_default(char letter, char fallback)
{
    return letter == 0 ? fallback : letter;
}

int ouch50_init(struct ouch50 *ouch, const struct ouch42_options *options, struct ouch50_number *numbers,
                uint32_t count)
{
    memset(ouch, 0, sizeof(*ouch));
    const char display = or_default(options->display, 'Y');
    uint8_t *payload = ouch->enter + SOUPBIN_FRAME_BYTES, *appendage = payload + ENTER_APPENDAGE;
    char firm[4];
    bool ok = numbers != NULL && count != 0 && (count & (count - 1)) == 0 &&
              options->minimum_shares <= OUCH42_SHARES_MAX &&
              (display == 'Y' || display == 'N' || display == 'A' || display == 'P');
    for (uint32_t index = 0; index < sizeof(firm); index++) {
        firm[index] = or_default(options->firm[index], ' ');
        ok &= printable(firm[index]);
    }
    payload[0] = 'O';
    payload[ENTER_DISPLAY] = (uint8_t)(display == 'P' ? 'Y' : display);
    payload[ENTER_CAPACITY] = (uint8_t)or_default(options->capacity, 'P');
    payload[ENTER_INTERMARKET_SWEEP] = (uint8_t)or_default(options->intermarket_sweep, 'N');
    payload[ENTER_CROSS] = (uint8_t)or_default(options->cross, 'N');
    ok &= printable((char)payload[ENTER_CAPACITY]) && printable((char)payload[ENTER_INTERMARKET_SWEEP]) &&
          printable((char)payload[ENTER_CROSS]) && printable(or_default(options->customer, 'N'));
    if (memcmp(firm, "    ", sizeof(firm)) != 0)
        appendage += element(appendage, TAG_FIRM, firm, sizeof(firm));
    if (options->minimum_shares != 0)
        appendage += element_u32(appendage, TAG_MINIMUM_SHARES, options->minimum_shares);
    if (options->customer == 'R' || options->customer == 'N')
        appendage += element(appendage, TAG_CUSTOMER, &options->customer, 1);
    if (display == 'P')
        appendage += element(appendage, TAG_POST_ONLY, "P", 1);
    ouch->appendage_bytes = (uint16_t)(appendage - payload - ENTER_APPENDAGE);
    ouch->enter_bytes = (uint16_t)(appendage - ouch->enter);
    order_store_u16(payload + ENTER_APPENDAGE_LENGTH, ouch->appendage_bytes);
    soupbin_frame(ouch->enter, (uint16_t)(ouch->enter_bytes - SOUPBIN_FRAME_BYTES));
    ouch->next_number = 1;
    ouch->minimum_shares = options->minimum_shares;
    ouch->mask = count - 1;
    ouch->numbers = numbers;
    return ok ? 0 : -EINVAL;
}

/* The letter, 0 when the time cannot be said. */
static uint8_t time_letter(uint32_t seconds)
{
    return seconds == 0 ? '3' : seconds == 99998 ? '0' : seconds == 99999 ? '5' : seconds < DAY_SECONDS ? '6' : 0;
}

static uint32_t take_number(struct ouch50 *ouch, uint64_t token_key)
{
    const uint32_t number = ouch->next_number++;
    ouch->numbers[number & ouch->mask] = (struct ouch50_number){.token_key = token_key, .number = number};
    return number;
}

uint32_t ouch50_enter(struct ouch50 *ouch, const struct order_request *request, char strategy_letter,
                      uint8_t out[OUCH50_PACKET_BYTES_MAX], uint32_t *number)
{
    uint8_t *payload = out + SOUPBIN_FRAME_BYTES;
    const uint64_t token_key = ouch42_token_key(strategy_letter, request->trigger_sequence, request->ordinal);
    const uint8_t time = time_letter(request->time_in_force);
    const bool ok = token_key != 0 && order_side_ok(request->side) && request->shares - 1 < OUCH42_SHARES_MAX &&
                    request->price - 1 < OUCH42_PRICE_MAX && time != 0 && request->stock[0] > ' ' &&
                    ouch->next_number != UINT32_MAX;
    if (!ok)
        return 0;
    uint32_t bytes = ouch->enter_bytes;
    memcpy(out, ouch->enter, sizeof(ouch->enter) < OUCH50_PACKET_BYTES_MAX ? sizeof(ouch->enter)
                                                                          : OUCH50_PACKET_BYTES_MAX);
    *number = take_number(ouch, token_key);
    order_store_u32(payload + ENTER_NUMBER, *number);
    payload[ENTER_SIDE] = (uint8_t)request->side;
    order_store_u32(payload + ENTER_SHARES, request->shares);
    memcpy(payload + ENTER_STOCK, request->stock, sizeof(request->stock));
    order_store_u64(payload + ENTER_PRICE, request->price);
    payload[ENTER_TIME_IN_FORCE] = time;
    ouch42_token_write(token_key, (char *)payload + ENTER_TOKEN);
    if (time == '6') {
        bytes += element_u32(out + bytes, TAG_EXPIRE_TIME, request->time_in_force);
        order_store_u16(payload + ENTER_APPENDAGE_LENGTH, (uint16_t)(bytes - SOUPBIN_FRAME_BYTES - ENTER_APPENDAGE));
        soupbin_frame(out, (uint16_t)(bytes - SOUPBIN_FRAME_BYTES));
    }
    return bytes;
}

uint32_t ouch50_replace(struct ouch50 *ouch, const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX],
                        uint32_t *number)
{
    uint8_t *payload = out + SOUPBIN_FRAME_BYTES, *appendage = payload + REPLACE_APPENDAGE;
    const uint8_t *standard = ouch->enter + SOUPBIN_FRAME_BYTES, time = time_letter(change->time_in_force);
    const uint32_t minimum = change->minimum_shares ? change->minimum_shares : ouch->minimum_shares;
    const bool ok = change->wire_number != 0 && change->shares - 1 < OUCH42_SHARES_MAX &&
                    change->price - 1 < OUCH42_PRICE_MAX && time != 0 && minimum <= OUCH42_SHARES_MAX &&
                    change->token_key != change->new_token_key && ouch->next_number != UINT32_MAX &&
                    ouch42_token_write(change->new_token_key, (char *)payload + REPLACE_TOKEN);
    if (!ok)
        return 0;
    payload[0] = 'U';
    *number = take_number(ouch, change->new_token_key);
    order_store_u32(payload + REPLACE_NUMBER, change->wire_number);
    order_store_u32(payload + REPLACE_NEW_NUMBER, *number);
    order_store_u32(payload + REPLACE_SHARES, change->shares);
    order_store_u64(payload + REPLACE_PRICE, change->price);
    payload[REPLACE_TIME_IN_FORCE] = time;
    payload[REPLACE_DISPLAY] = (uint8_t)or_default(change->display, (char)standard[ENTER_DISPLAY]);
    payload[REPLACE_INTERMARKET_SWEEP] =
        (uint8_t)or_default(change->intermarket_sweep, (char)standard[ENTER_INTERMARKET_SWEEP]);
    if (minimum != 0)
        appendage += element_u32(appendage, TAG_MINIMUM_SHARES, minimum);
    if (time == '6')
        appendage += element_u32(appendage, TAG_EXPIRE_TIME, change->time_in_force);
    order_store_u16(payload + REPLACE_APPENDAGE_LENGTH, (uint16_t)(appendage - payload - REPLACE_APPENDAGE));
    soupbin_frame(out, (uint16_t)(appendage - payload));
    return (uint32_t)(appendage - out);
}

uint32_t ouch50_cancel(const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX])
{
    uint8_t *payload = out + SOUPBIN_FRAME_BYTES;
    if (change->wire_number == 0 || change->shares > OUCH42_SHARES_MAX)
        return 0;
    soupbin_frame(out, OUCH50_CANCEL_BYTES);
    payload[0] = 'X';
    order_store_u32(payload + 1, change->wire_number);
    order_store_u32(payload + 5, change->shares);
    return SOUPBIN_FRAME_BYTES + OUCH50_CANCEL_BYTES;
}

uint32_t ouch50_modify(const struct order_change *change, uint8_t out[OUCH50_PACKET_BYTES_MAX])
{
    uint8_t *payload = out + SOUPBIN_FRAME_BYTES;
    if (change->wire_number == 0 || change->shares - 1 >= OUCH42_SHARES_MAX || !order_side_ok(change->side))
        return 0;
    soupbin_frame(out, OUCH50_MODIFY_BYTES);
    payload[0] = 'M';
    order_store_u32(payload + 1, change->wire_number);
    payload[5] = (uint8_t)change->side;
    order_store_u32(payload + 6, change->shares);
    return SOUPBIN_FRAME_BYTES + OUCH50_MODIFY_BYTES;
}

uint32_t ouch50_query(uint8_t out[OUCH50_PACKET_BYTES_MAX])
{
    soupbin_frame(out, OUCH50_QUERY_BYTES);
    out[SOUPBIN_FRAME_BYTES] = 'Q';
    return SOUPBIN_FRAME_BYTES + OUCH50_QUERY_BYTES;
}
