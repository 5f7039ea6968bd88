/* The seeded market: see stress.h. Prices around 2.00 in ticks of 0.01, so that a collar of permilles bites. */
#include <string.h>

#include "engine/order/order_bytes.h"
#include "tests/engine/stress/stress.h"

enum { HEADER_BYTES = 20, ADD_BYTES = 36, REPLACE_BYTES = 35, TICK = 100 };

void market_name(uint32_t symbol, char stock[8])
{
    memcpy(stock, "STRESS00", 8);
    stock[7] = (char)('1' + symbol);
}

static uint8_t *head(uint8_t *out, uint16_t length, char type, uint32_t symbol, uint64_t now_ns)
{
    memset(out, 0, 2u + length);
    order_store_u16(out, length);
    out[2] = (uint8_t)type;
    order_store_u16(out + 3, (uint16_t)(symbol + 1));
    order_store_u16(out + 7, (uint16_t)(now_ns >> 32));
    order_store_u32(out + 9, (uint32_t)now_ns);
    return out + 2;
}

/* A new order of one side in the place of the old one, or of none. */
static uint8_t *put(struct market *market, uint8_t *out, uint32_t symbol, int side, uint32_t price, uint32_t shares,
                    uint64_t now_ns)
{
    const uint64_t old = market->references[symbol][side], reference = ++market->reference;
    uint8_t *message;
    if (old == 0) {
        message = head(out, ADD_BYTES, 'A', symbol, now_ns);
        order_store_u64(message + 11, reference);
        message[19] = side == BOOK_BID ? 'B' : 'S';
        order_store_u32(message + 20, shares);
        market_name(symbol, (char *)message + 24);
        order_store_u32(message + 32, price);
        out += 2 + ADD_BYTES;
    } else {
        message = head(out, REPLACE_BYTES, 'U', symbol, now_ns);
        order_store_u64(message + 11, old);
        order_store_u64(message + 19, reference);
        order_store_u32(message + 27, shares);
        order_store_u32(message + 31, price);
        out += 2 + REPLACE_BYTES;
    }
    struct book_top *top = &market->tops[symbol];
    market->references[symbol][side] = reference;
    *(side == BOOK_BID ? &top->bid_price : &top->ask_price) = price;
    *(side == BOOK_BID ? &top->bid_shares : &top->ask_shares) = shares;
    market->after[market->sequence++ + 1 - market->first] = *top;
    return out;
}

/* Near the other side, never far from 2.00; once in a while through it. */
static uint32_t price_of(struct market *market, uint32_t symbol, int side)
{
    const struct book_top *top = &market->tops[symbol];
    const uint64_t random = draw(&market->random);
    const uint32_t away = (uint32_t)(1 + random % 6) * TICK;
    if (random >> 32 & 63) {
        if (side == BOOK_BID)
            return top->ask_price > 15000 + away ? top->ask_price - away : 15000;
        return top->bid_price + away < 25000 ? top->bid_price + away : 25000;
    }
    return 17000 + (uint32_t)(random >> 40) % 60 * TICK; /* a jump, perhaps a crossed book */
}

uint32_t market_next(struct market *market, uint64_t now_ns)
{
    uint8_t *out = market->datagram + HEADER_BYTES;
    market->first = market->sequence + 1;
    if (market->sequence == 0) {
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
            for (int side = 0; side < 2; side++)
                out = put(market, out, symbol, side, side == BOOK_BID ? 19900 : 20100, 100, now_ns);
    } else {
        const uint32_t count = 1 + (uint32_t)draw(&market->random) % BATCH;
        for (uint32_t index = 0; index < count; index++) {
            const uint64_t random = draw(&market->random);
            const uint32_t symbol = random % SYMBOLS;
            const int side = random >> 8 & 1;
            const uint32_t shares = 1 + (uint32_t)(random >> 16) % 300;
            out = put(market, out, symbol, side, price_of(market, symbol, side), shares, now_ns);
        }
    }
    memcpy(market->datagram, "STRESS0001", 10);
    order_store_u64(market->datagram + 10, market->first);
    order_store_u16(market->datagram + 18, (uint16_t)(market->sequence + 1 - market->first));
    return (uint32_t)(out - market->datagram);
}
