/* Requests and answers of the gateway's two protocols: see gateway_codec.h. */
#include "traffic/exchange/gateway_codec.h"

#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/ouch50.h"

static struct gateway_request parse42(const uint8_t *message, uint32_t length) {
    struct gateway_request request = {0};
    struct ouch42_cancel cancel;
    struct ouch42_modify modify;
    if (ouch42_parse_enter(message, length, &request.enter)) {
        request.kind = 'O';
        memcpy(request.key, request.enter.token, sizeof request.key);
    } else if (ouch42_parse_replace(message, length, request.key, &request.enter)) {
        request.kind = 'U';
        memcpy(request.new_key, request.enter.token, sizeof request.new_key);
    } else if (ouch42_parse_cancel(message, length, &cancel)) {
        request.kind = 'X';
        memcpy(request.key, cancel.token, sizeof request.key);
        request.shares = cancel.shares;
    } else if (ouch42_parse_modify(message, length, &modify)) {
        request.kind = 'M';
        memcpy(request.key, modify.token, sizeof request.key);
        request.shares = modify.shares;
        request.side = modify.side;
    } else if (length == 15 && message[0] == 'N') {
        request.kind = 'N';
    }
    bool named = request.kind == 'N' || (ouch42_token_valid(request.key) &&
                                         (request.kind != 'U' || ouch42_token_valid(request.new_key)));
    if (!named)
        request.kind = 0;
    return request;
}

static struct gateway_request parse50(const uint8_t *message, uint32_t length) {
    struct gateway_request request = {0};
    uint32_t number = 0;
    if (ouch50_parse_enter(message, length, &number, &request.enter)) {
        request.kind = 'O';
        request.number = number;
    } else if (ouch50_parse_replace(message, length, &number, &request.number, &request.enter)) {
        request.kind = 'U';
        store_be32(request.new_key, request.number);
    } else if (ouch50_parse_cancel(message, length, &number, &request.shares)) {
        request.kind = 'X';
    } else if (ouch50_parse_modify(message, length, &number, &request.side, &request.shares)) {
        request.kind = 'M';
    } else if (ouch50_parse_query(message, length)) {
        request.kind = 'Q';
    }
    store_be32(request.key, number);
    return request;
}

struct gateway_request gateway_parse(uint32_t protocol, const uint8_t *message, uint32_t length) {
    return protocol == GATEWAY_OUCH50 ? parse50(message, length) : parse42(message, length);
}

uint32_t gateway_put_accepted(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_accepted(out, time_ns, order->number, &order->terms, order->reference);
    return ouch42_put_accepted(out, time_ns, &order->terms, order->reference);
}

uint32_t gateway_put_replaced(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              const struct gateway_order *old) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_replaced(out, time_ns, old->number, order->number, &order->terms, order->reference);
    return ouch42_put_replaced(out, time_ns, &order->terms, order->reference, old->terms.token);
}

uint32_t gateway_put_executed(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint32_t shares, uint32_t price, uint8_t liquidity, uint64_t match) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_executed(out, time_ns, order->number, shares, price, liquidity, match);
    uint32_t length = ouch42_put_executed(out, time_ns, order->terms.token, shares, price, match);
    out[31] = liquidity;
    return length;
}

uint32_t gateway_put_canceled(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint32_t shares, uint8_t reason) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_canceled(out, time_ns, order->number, shares, reason);
    return ouch42_put_canceled(out, time_ns, order->terms.token, shares, reason);
}

/* The letters of OUCH 4.2 as the numbers of OUCH 5.0. */
static uint16_t reason_code(uint8_t reason) {
    switch (reason) {
    case 'S': return 0x17; /* symbol */
    case 'Z': return 0x13; /* quantity */
    case 'X': return 0x1D; /* price */
    case 'D': return 0x03; /* display */
    case 'R': return 0x14; /* cross */
    case 'N': return 0x0D; /* minimum quantity */
    case 'H': return 0x07; /* halted */
    }
    return 0x0F; /* other */
}

uint32_t gateway_put_rejected(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint8_t reason) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_rejected(out, time_ns, order->number, reason_code(reason), order->terms.token);
    return ouch42_put_rejected(out, time_ns, order->terms.token, reason);
}

uint32_t gateway_put_modified(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order) {
    if (protocol == GATEWAY_OUCH50)
        return ouch50_put_modified(out, time_ns, order->number, order->terms.side, order->open_shares);
    return ouch42_put_modified(out, time_ns, order->terms.token, order->terms.side, order->open_shares);
}
