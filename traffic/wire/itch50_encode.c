/* ITCH 5.0 encoders: one function a message type, offsets as in the specification's tables.
 * Essay, owner and specification: itch50.h. */
#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

/* Length and the common head; returns the message (field offsets count from it). */
static uint8_t *put_head(uint8_t *out, uint8_t type, uint16_t locate, uint16_t tracking) {
    uint16_t length = itch50_length(type);
    store_be16(out, length);
    uint8_t *message = out + 2;
    message[0] = type;
    store_be16(message + 1, locate);
    store_be16(message + 3, tracking);
    memset(message + 5, 0, 6);
    return message;
}

static uint8_t *behind(uint8_t *message) {
    return message + itch50_length(message[0]);
}

uint8_t *itch50_put_system(uint8_t *out, uint8_t event) {
    uint8_t *message = put_head(out, 'S', 0, 0);
    message[11] = event;
    return behind(message);
}

uint8_t *itch50_put_directory(uint8_t *out, uint16_t locate, const uint8_t *stock) {
    uint8_t *message = put_head(out, 'R', locate, 0);
    memcpy(message + 11, stock, 8);
    memcpy(message + 19, "QN", 2);           /* Global Select, not deficient */
    store_be32(message + 21, 100);
    memcpy(message + 25, "NCZ PNN1N", 9);    /* common stock, production, not threshold, LULD tier 1, no ETP */
    store_be32(message + 34, 0);
    message[38] = 'N';
    return behind(message);
}

uint8_t *itch50_put_trading(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t state, const char *reason) {
    uint8_t *message = put_head(out, 'H', locate, 0);
    memcpy(message + 11, stock, 8);
    message[19] = state;
    message[20] = ' ';
    memcpy(message + 21, reason, 4);
    return behind(message);
}

uint8_t *itch50_put_reg_sho(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t action) {
    uint8_t *message = put_head(out, 'Y', locate, 0);
    memcpy(message + 11, stock, 8);
    message[19] = action;
    return behind(message);
}

uint8_t *itch50_put_participant(uint8_t *out, uint16_t locate, const uint8_t *stock, const char *mpid,
                                uint8_t state) {
    uint8_t *message = put_head(out, 'L', locate, 0);
    memcpy(message + 11, mpid, 4);
    memcpy(message + 15, stock, 8);
    message[23] = 'Y';
    message[24] = 'N';
    message[25] = state;
    return behind(message);
}

uint8_t *itch50_put_breaker_levels(uint8_t *out, const uint64_t prices[3]) {
    uint8_t *message = put_head(out, 'V', 0, 0);
    for (int level = 0; level < 3; level++)
        store_be64(message + 11 + 8 * level, prices[level]);
    return behind(message);
}

uint8_t *itch50_put_ipo_quoting(uint8_t *out, const uint8_t *stock, uint32_t release_s, uint32_t price) {
    uint8_t *message = put_head(out, 'K', 0, 0);
    memcpy(message + 11, stock, 8);
    store_be32(message + 19, release_s);
    message[23] = 'A';
    store_be32(message + 24, price);
    return behind(message);
}

uint8_t *itch50_put_collar(uint8_t *out, uint16_t locate, const uint8_t *stock, uint32_t reference, uint32_t upper,
                           uint32_t lower) {
    uint8_t *message = put_head(out, 'J', locate, 0);
    memcpy(message + 11, stock, 8);
    store_be32(message + 19, reference);
    store_be32(message + 23, upper);
    store_be32(message + 27, lower);
    store_be32(message + 31, 0);
    return behind(message);
}

uint8_t *itch50_put_operational_halt(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t action) {
    uint8_t *message = put_head(out, 'h', locate, 0);
    memcpy(message + 11, stock, 8);
    message[19] = 'B';                       /* another market's halt: trading here goes on */
    message[20] = action;
    return behind(message);
}

uint8_t *itch50_put_add(uint8_t *out, const struct itch50_order *order, const char *mpid) {
    uint8_t *message = put_head(out, mpid ? 'F' : 'A', order->locate, 0);
    store_be64(message + 11, order->reference);
    message[19] = order->side;
    store_be32(message + 20, order->shares);
    memcpy(message + 24, order->stock, 8);
    store_be32(message + 32, order->price);
    if (mpid)
        memcpy(message + 36, mpid, 4);
    return behind(message);
}

uint8_t *itch50_put_executed(uint8_t *out, uint16_t locate, uint16_t tracking, uint64_t reference, uint32_t shares,
                             uint64_t match) {
    uint8_t *message = put_head(out, 'E', locate, tracking);
    store_be64(message + 11, reference);
    store_be32(message + 19, shares);
    store_be64(message + 23, match);
    return behind(message);
}

uint8_t *itch50_put_executed_price(uint8_t *out, uint16_t locate, uint16_t tracking, uint64_t reference,
                                   uint32_t shares, uint64_t match, uint8_t printable, uint32_t price) {
    uint8_t *message = put_head(out, 'C', locate, tracking);
    store_be64(message + 11, reference);
    store_be32(message + 19, shares);
    store_be64(message + 23, match);
    message[31] = printable;
    store_be32(message + 32, price);
    return behind(message);
}

uint8_t *itch50_put_cancel(uint8_t *out, uint16_t locate, uint64_t reference, uint32_t shares) {
    uint8_t *message = put_head(out, 'X', locate, 0);
    store_be64(message + 11, reference);
    store_be32(message + 19, shares);
    return behind(message);
}

uint8_t *itch50_put_delete(uint8_t *out, uint16_t locate, uint64_t reference) {
    uint8_t *message = put_head(out, 'D', locate, 0);
    store_be64(message + 11, reference);
    return behind(message);
}

uint8_t *itch50_put_replace(uint8_t *out, uint16_t locate, uint64_t old_reference, uint64_t reference,
                            uint32_t shares, uint32_t price) {
    uint8_t *message = put_head(out, 'U', locate, 0);
    store_be64(message + 11, old_reference);
    store_be64(message + 19, reference);
    store_be32(message + 27, shares);
    store_be32(message + 31, price);
    return behind(message);
}

uint8_t *itch50_put_trade(uint8_t *out, uint16_t locate, const uint8_t *stock, uint32_t shares, uint32_t price,
                          uint64_t match) {
    uint8_t *message = put_head(out, 'P', locate, 2);
    store_be64(message + 11, 0);             /* always 0 since 2010 */
    message[19] = 'B';                       /* always B since 2014 */
    store_be32(message + 20, shares);
    memcpy(message + 24, stock, 8);
    store_be32(message + 32, price);
    store_be64(message + 36, match);
    return behind(message);
}

uint8_t *itch50_put_cross(uint8_t *out, uint16_t locate, const uint8_t *stock, uint64_t shares, uint32_t price,
                          uint64_t match, uint8_t kind) {
    uint8_t *message = put_head(out, 'Q', locate, 2);
    store_be64(message + 11, shares);
    memcpy(message + 19, stock, 8);
    store_be32(message + 27, price);
    store_be64(message + 31, match);
    message[39] = kind;
    return behind(message);
}

uint8_t *itch50_put_broken(uint8_t *out, uint16_t locate, uint64_t match) {
    uint8_t *message = put_head(out, 'B', locate, 0);
    store_be64(message + 11, match);
    return behind(message);
}

uint8_t *itch50_put_imbalance(uint8_t *out, uint16_t locate, const uint8_t *stock, uint64_t paired,
                              uint64_t imbalance, uint8_t direction, uint32_t price) {
    uint8_t *message = put_head(out, 'I', locate, 0);
    store_be64(message + 11, paired);
    store_be64(message + 19, imbalance);
    message[27] = direction;
    memcpy(message + 28, stock, 8);
    for (int field = 0; field < 3; field++)  /* far, near and current reference price */
        store_be32(message + 36 + 4 * field, price);
    message[48] = 'H';
    message[49] = 'L';
    return behind(message);
}

uint8_t *itch50_put_retail(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t flag) {
    uint8_t *message = put_head(out, 'N', locate, 0);
    memcpy(message + 11, stock, 8);
    message[19] = flag;
    return behind(message);
}
