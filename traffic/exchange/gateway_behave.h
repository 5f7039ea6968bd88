/* How the gateway misbehaves on command: see struct gateway_behaviour.
 *
 * A cut is due at an order (or replace, cancel, modify) that the seed has chosen, and falls where the seed says, as
 * often here as there: before the message is looked at, so that it is lost; after it, with no answer sent; within its
 * answers, also within a packet; after the last of them. Bytes behind the message are lost in every case.
 * Owner: the exchange loop, but for gateway_tell() and gateway_told().
 */
#ifndef TRAFFIC_EXCHANGE_GATEWAY_BEHAVE_H
#define TRAFFIC_EXCHANGE_GATEWAY_BEHAVE_H

#include "traffic/exchange/gateway.h"

enum { GATEWAY_CUT_PLACES = 4 };

struct gateway_cut {
    bool due;
    bool drops;     /* the message is not looked at */
    uint32_t place; /* 1: before the answers, 2: within, 3: behind them */
};

/* What is to happen around a message of this kind. */
struct gateway_cut gateway_cut_before(struct gateway *gateway, char kind);

/* Cut the connection; the message's answers are `answer_bytes` in the store. */
void gateway_cut_now(struct gateway *gateway, struct gateway_cut cut, uint64_t answer_bytes);

#endif
