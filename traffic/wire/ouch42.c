/* OUCH 4.2 messages. Essay and specification: ouch42.h. */
#include "traffic/wire/ouch42.h"

#include <string.h>

#include "traffic/wire/bytes.h"

bool ouch42_parse_enter(const uint8_t *message, uint32_t length, struct ouch42_enter *enter) {
    if (length != 49 || message[0] != 'O')
        return false;
    memcpy(enter->token, message + 1, sizeof enter->token);
    enter->side = message[15];
    enter->shares = load_be32(message + 16);
    memcpy(enter->stock, message + 20, sizeof enter->stock);
    enter->price = load_be32(message + 28);
    enter->time_in_force = load_be32(message + 32);
    memcpy(enter->firm, message + 36, sizeof enter->firm);
    enter->display = message[40];
    enter->capacity = message[41];
    enter->sweep = message[42];
    enter->quantity_min = load_be32(message + 43);
    enter->cross = message[47];
    enter->customer = message[48];
    return true;
}

bool ouch42_parse_cancel(const uint8_t *message, uint32_t length, struct ouch42_cancel *cancel) {
    if (length != 19 || message[0] != 'X')
        return false;
    memcpy(cancel->token, message + 1, sizeof cancel->token);
    cancel->shares = load_be32(message + 15);
    return true;
}

bool ouch42_parse_modify(const uint8_t *message, uint32_t length, struct ouch42_modify *modify) {
    if (length != 20 || message[0] != 'M')
        return false;
    memcpy(modify->token, message + 1, sizeof modify->token);
    modify->side = message[15];
    modify->shares = load_be32(message + 16);
    return true;
}

bool ouch42_parse_replace(const uint8_t *message, uint32_t length, uint8_t *old_token, struct ouch42_enter *enter) {
    if (length != 47 || message[0] != 'U')
        return false;
    memcpy(old_token, message + 1, OUCH42_TOKEN_BYTES);
    memcpy(enter->token, message + 15, sizeof enter->token);
    enter->shares = load_be32(message + 29);
    enter->price = load_be32(message + 33);
    enter->time_in_force = load_be32(message + 37);
    enter->display = message[41];
    enter->sweep = message[42];
    enter->quantity_min = load_be32(message + 43);
    return true;
}

bool ouch42_token_valid(const uint8_t *token) {
    for (int i = 0; i < OUCH42_TOKEN_BYTES; i++) {
        uint8_t letter = token[i];
        bool fine = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
                    (letter >= '0' && letter <= '9') || letter == ' ';
        if (!fine)
            return false;
    }
    return true;
}

static void put_head(uint8_t *out, uint8_t type, uint64_t time_ns, const uint8_t *token) {
    out[0] = type;
    store_be64(out + 1, time_ns);
    memcpy(out + 9, token, OUCH42_TOKEN_BYTES);
}

uint32_t ouch42_put_accepted(uint8_t *out, uint64_t time_ns, const struct ouch42_enter *enter, uint64_t reference) {
    put_head(out, 'A', time_ns, enter->token);
    out[23] = enter->side;
    store_be32(out + 24, enter->shares);
    memcpy(out + 28, enter->stock, sizeof enter->stock);
    store_be32(out + 36, enter->price);
    store_be32(out + 40, enter->time_in_force);
    memcpy(out + 44, enter->firm, sizeof enter->firm);
    out[48] = enter->display;
    store_be64(out + 49, reference);
    out[57] = enter->capacity;
    out[58] = enter->sweep;
    store_be32(out + 59, enter->quantity_min);
    out[63] = enter->cross;
    out[64] = 'L';  /* live: what becomes of it follows */
    out[65] = ' ';
    return OUCH42_ACCEPTED_BYTES;
}

uint32_t ouch42_put_replaced(uint8_t *out, uint64_t time_ns, const struct ouch42_enter *enter, uint64_t reference,
                             const uint8_t *old_token) {
    ouch42_put_accepted(out, time_ns, enter, reference);
    out[0] = 'U';
    memcpy(out + 65, old_token, OUCH42_TOKEN_BYTES);
    out[79] = ' ';
    return OUCH42_REPLACED_BYTES;
}

uint32_t ouch42_put_modified(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint8_t side, uint32_t shares) {
    put_head(out, 'M', time_ns, token);
    out[23] = side;
    store_be32(out + 24, shares);
    return OUCH42_MODIFIED_BYTES;
}

uint32_t ouch42_put_executed(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint32_t shares, uint32_t price,
                             uint64_t match) {
    put_head(out, 'E', time_ns, token);
    store_be32(out + 23, shares);
    store_be32(out + 27, price);
    out[31] = 'R';  /* removed liquidity */
    store_be64(out + 32, match);
    return OUCH42_EXECUTED_BYTES;
}

uint32_t ouch42_put_canceled(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint32_t shares, uint8_t reason) {
    put_head(out, 'C', time_ns, token);
    store_be32(out + 23, shares);
    out[27] = reason;
    return OUCH42_CANCELED_BYTES;
}

uint32_t ouch42_put_rejected(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint8_t reason) {
    put_head(out, 'J', time_ns, token);
    out[23] = reason;
    return OUCH42_REJECTED_BYTES;
}
