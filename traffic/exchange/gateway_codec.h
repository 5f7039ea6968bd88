/* One request and one answer, in whatever protocol the gateway speaks: nothing behind this knows which it is.
 * Owner: the exchange loop. No state. Cost: a switch and the bytes. */
#ifndef TRAFFIC_EXCHANGE_GATEWAY_CODEC_H
#define TRAFFIC_EXCHANGE_GATEWAY_CODEC_H

#include "traffic/exchange/gateway.h"

enum { GATEWAY_ANSWER_BYTES_MAX = OUCH42_REPLACED_BYTES };

struct gateway_request {
    char kind;                           /* O, U, X, M, Q, N; 0: not understood */
    uint8_t key[OUCH42_TOKEN_BYTES];     /* of the order that it speaks of */
    uint8_t new_key[OUCH42_TOKEN_BYTES]; /* U */
    struct ouch42_enter enter;           /* O; U: the new token and what a replacement can say */
    uint32_t number;                     /* OUCH 5.0: O and U: the new number */
    uint32_t shares;                     /* X, M: intended total */
    uint8_t side;                        /* M */
};

struct gateway_request gateway_parse(uint32_t protocol, const uint8_t *message, uint32_t length);

/* Each writes one message about `order` at `out` and returns its length. */
uint32_t gateway_put_accepted(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order);
uint32_t gateway_put_replaced(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              const struct gateway_order *old);
uint32_t gateway_put_executed(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint32_t shares, uint32_t price, uint8_t liquidity, uint64_t match);
uint32_t gateway_put_canceled(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint32_t shares, uint8_t reason);
uint32_t gateway_put_rejected(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order,
                              uint8_t reason);
uint32_t gateway_put_modified(uint32_t protocol, uint8_t *out, uint64_t time_ns, const struct gateway_order *order);

#endif
