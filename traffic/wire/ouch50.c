/* OUCH 5.0 messages. Essay and specification: ouch50.h. */
#include "traffic/wire/ouch50.h"

#include <string.h>

#include "traffic/wire/bytes.h"

enum { TAG_FIRM = 2, TAG_QUANTITY_MIN = 3, TAG_CUSTOMER = 4, TAG_POST_ONLY = 12, TAG_EXPIRE_TIME = 15 };

static void take_element(struct ouch42_enter *enter, uint8_t tag, const uint8_t *value, uint32_t size) {
    if (tag == TAG_FIRM && size == 4)
        memcpy(enter->firm, value, 4);
    else if (tag == TAG_QUANTITY_MIN && size == 4)
        enter->quantity_min = load_be32(value);
    else if (tag == TAG_CUSTOMER && size == 1)
        enter->customer = value[0];
    else if (tag == TAG_POST_ONLY && size == 1 && value[0] == 'P')
        enter->display = 'P';
    else if (tag == TAG_EXPIRE_TIME && size == 4 && enter->time_in_force == 1)
        enter->time_in_force = load_be32(value);
}

/* The length field and its elements are exactly the bytes that are left; `enter` NULL where they mean nothing. */
static bool take_appendage(const uint8_t *bytes, uint32_t length, struct ouch42_enter *enter) {
    if (length < 2 || load_be16(bytes) != length - 2)
        return false;
    for (uint32_t offset = 2; offset < length;) {
        uint32_t size = bytes[offset];
        if (size == 0 || size > length - offset - 1)
            return false;
        if (enter)
            take_element(enter, bytes[offset + 1], bytes + offset + 2, size - 1);
        offset += 1 + size;
    }
    return true;
}

static bool ends(const uint8_t *message, uint32_t length, uint32_t fixed) {
    return length == fixed || (length > fixed && take_appendage(message + fixed, length - fixed, 0));
}

/* Expire time 1 stands for "see the element" until that is read; a letter that is not known for a time too long. */
static uint32_t time_of(uint8_t letter) {
    switch (letter) {
    case '3': return 0;
    case '0': return 99998;
    case '5': case 'E': return 99999;
    case '6': return 1;
    }
    return OUCH42_TIME_IN_FORCE_MAX + 1;
}

static uint32_t price_of(const uint8_t *bytes) {
    uint64_t price = load_be64(bytes);
    return price > UINT32_MAX ? UINT32_MAX : (uint32_t)price;
}

bool ouch50_parse_enter(const uint8_t *message, uint32_t length, uint32_t *number, struct ouch42_enter *enter) {
    if (length < 47 || message[0] != 'O')
        return false;
    *enter = (struct ouch42_enter){.customer = ' ', .firm = {' ', ' ', ' ', ' '}};
    *number = load_be32(message + 1);
    enter->side = message[5];
    enter->shares = load_be32(message + 6);
    memcpy(enter->stock, message + 10, sizeof enter->stock);
    enter->price = price_of(message + 18);
    enter->time_in_force = time_of(message[26]);
    enter->display = message[27];
    enter->capacity = message[28];
    enter->sweep = message[29];
    enter->cross = message[30];
    memcpy(enter->token, message + 31, sizeof enter->token);
    return take_appendage(message + 45, length - 45, enter);
}

bool ouch50_parse_replace(const uint8_t *message, uint32_t length, uint32_t *old_number, uint32_t *number,
                          struct ouch42_enter *enter) {
    if (length < 40 || message[0] != 'U')
        return false;
    *old_number = load_be32(message + 1);
    *number = load_be32(message + 5);
    enter->shares = load_be32(message + 9);
    enter->price = price_of(message + 13);
    enter->time_in_force = time_of(message[21]);
    enter->display = message[22];
    enter->sweep = message[23];
    memcpy(enter->token, message + 24, sizeof enter->token);
    enter->quantity_min = 0;
    return take_appendage(message + 38, length - 38, enter);
}

bool ouch50_parse_cancel(const uint8_t *message, uint32_t length, uint32_t *number, uint32_t *shares) {
    if (length < 9 || message[0] != 'X' || !ends(message, length, 9))
        return false;
    *number = load_be32(message + 1);
    *shares = load_be32(message + 5);
    return true;
}

bool ouch50_parse_modify(const uint8_t *message, uint32_t length, uint32_t *number, uint8_t *side, uint32_t *shares) {
    if (length < 10 || message[0] != 'M' || !ends(message, length, 10))
        return false;
    *number = load_be32(message + 1);
    *side = message[5];
    *shares = load_be32(message + 6);
    return true;
}

bool ouch50_parse_query(const uint8_t *message, uint32_t length) {
    return length >= 1 && message[0] == 'Q' && ends(message, length, 1);
}

static void put_head(uint8_t *out, uint8_t type, uint64_t time_ns, uint32_t number) {
    out[0] = type;
    store_be64(out + 1, time_ns);
    store_be32(out + 9, number);
}

/* Side to ClOrdID; the same in accepted and replaced. */
static void put_order(uint8_t *fields, const struct ouch42_enter *enter, uint64_t reference) {
    fields[0] = enter->side;
    store_be32(fields + 1, enter->shares);
    memcpy(fields + 5, enter->stock, sizeof enter->stock);
    store_be64(fields + 13, enter->price);
    fields[21] = enter->time_in_force == 0       ? '3'
                 : enter->time_in_force == 99998 ? '0'
                 : enter->time_in_force == 99999 ? '5'
                                                 : '6';
    fields[22] = enter->display == 'P' ? 'Y' : enter->display;
    store_be64(fields + 23, reference);
    fields[31] = enter->capacity;
    fields[32] = enter->sweep;
    fields[33] = enter->cross;
    fields[34] = 'L';
    memcpy(fields + 35, enter->token, sizeof enter->token);
    store_be16(fields + 49, 0);
}

uint32_t ouch50_put_accepted(uint8_t *out, uint64_t time_ns, uint32_t number, const struct ouch42_enter *enter,
                             uint64_t reference) {
    put_head(out, 'A', time_ns, number);
    put_order(out + 13, enter, reference);
    return OUCH50_ACCEPTED_BYTES;
}

uint32_t ouch50_put_replaced(uint8_t *out, uint64_t time_ns, uint32_t old_number, uint32_t number,
                             const struct ouch42_enter *enter, uint64_t reference) {
    put_head(out, 'U', time_ns, old_number);
    store_be32(out + 13, number);
    put_order(out + 17, enter, reference);
    return OUCH50_REPLACED_BYTES;
}

uint32_t ouch50_put_executed(uint8_t *out, uint64_t time_ns, uint32_t number, uint32_t shares, uint32_t price,
                             uint8_t liquidity, uint64_t match) {
    put_head(out, 'E', time_ns, number);
    store_be32(out + 13, shares);
    store_be64(out + 17, price);
    out[25] = liquidity;
    store_be64(out + 26, match);
    store_be16(out + 34, 0);
    return OUCH50_EXECUTED_BYTES;
}

uint32_t ouch50_put_canceled(uint8_t *out, uint64_t time_ns, uint32_t number, uint32_t shares, uint8_t reason) {
    put_head(out, 'C', time_ns, number);
    store_be32(out + 13, shares);
    out[17] = reason;
    return OUCH50_CANCELED_BYTES;
}

uint32_t ouch50_put_rejected(uint8_t *out, uint64_t time_ns, uint32_t number, uint16_t reason, const uint8_t *token) {
    put_head(out, 'J', time_ns, number);
    store_be16(out + 13, reason);
    memcpy(out + 15, token, OUCH42_TOKEN_BYTES);
    return OUCH50_REJECTED_BYTES;
}

uint32_t ouch50_put_modified(uint8_t *out, uint64_t time_ns, uint32_t number, uint8_t side, uint32_t shares) {
    put_head(out, 'M', time_ns, number);
    out[13] = side;
    store_be32(out + 14, shares);
    return OUCH50_MODIFIED_BYTES;
}

uint32_t ouch50_put_query(uint8_t *out, uint64_t time_ns, uint32_t next_number) {
    put_head(out, 'Q', time_ns, next_number);
    return OUCH50_QUERY_BYTES;
}
