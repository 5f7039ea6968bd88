/* OUCH 4.2 against the published book. Essay and rules: gateway.h. */
#include "traffic/exchange/gateway.h"

#include <string.h>

#include "traffic/exchange/clock.h"
#include "traffic/wire/bytes.h"

enum { NOT_FOUND = -1 };

/* Numbers of our own orders and matches start far above those of the feed. */
#define NUMBERS_FROM (UINT64_C(1) << 40)

static const char displays_known[] = "AYNPIMWLOTQmn ";

/* What one message is about, for the rows it writes. */
struct subject {
    struct gateway *gateway;
    const uint8_t *token;
    const uint8_t *stock;
    int64_t at_ns;
    uint64_t time_ns;
    uint64_t reference;
    uint16_t symbol;
    uint8_t side;
};

static void copy_row(const struct subject *subject, char kind, uint32_t shares, uint32_t price, uint64_t match,
                     uint8_t reason) {
    struct gateway *gateway = subject->gateway;
    if (gateway->rows_used == gateway->options.rows_max) {
        gateway->counters.rows_lost++;
        return;
    }
    struct drop_copy_row *row = &gateway->options.rows[gateway->rows_used++];
    *row = (struct drop_copy_row){.at_ns = subject->at_ns, .kind = kind, .side = (char)subject->side,
                                  .symbol = subject->symbol, .shares = shares, .price = price, .match = match,
                                  .order_reference = subject->reference,
                                  .published_sequence = gateway->published_sequence, .reason = (char)reason};
    memcpy(row->token, subject->token, sizeof row->token);
    memcpy(row->stock, subject->stock, sizeof row->stock);
}

static uint64_t market_time_ns(struct gateway *gateway, int64_t now_ns) {
    uint64_t time_ns = gateway->market_ns;
    if (gateway->market_at_ns && now_ns > gateway->market_at_ns)
        time_ns += (uint64_t)(now_ns - gateway->market_at_ns);
    if (time_ns > gateway->time_ns)
        gateway->time_ns = time_ns;
    return gateway->time_ns;
}

/* The order with this token, or the empty slot where it belongs. */
static struct gateway_order *find_order(struct gateway *gateway, const uint8_t *token) {
    uint64_t mask = gateway->options.order_slots - 1;
    uint64_t mixed = (load_be64(token) ^ load_be64(token + 6) * 31) * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t slot = (mixed ^ mixed >> 32) & mask;
    struct gateway_order *orders = gateway->options.orders;
    while (orders[slot].used && memcmp(orders[slot].token, token, OUCH42_TOKEN_BYTES) != 0)
        slot = (slot + 1) & mask;
    return &orders[slot];
}

/* 0, or the reason to reject. */
static uint8_t reject_reason(const struct ouch42_enter *enter, int32_t symbol) {
    if (symbol == NOT_FOUND)
        return 'S';
    if (enter->shares == 0 || enter->shares > OUCH42_SHARES_MAX)
        return 'Z';
    if (enter->price == 0 || enter->price > OUCH42_PRICE_MAX)
        return 'X';
    if (enter->side == 0 || !strchr("BSTE", enter->side) || enter->time_in_force > OUCH42_TIME_IN_FORCE_MAX)
        return 'O';
    if (enter->display == 0 || !strchr(displays_known, enter->display))
        return 'D';
    if (enter->cross != 'N')
        return 'R';
    if (enter->quantity_min > enter->shares)
        return 'N';
    return 0;
}

/* Shares to be had at once, and their price. */
static uint32_t marketable_shares(const struct gateway *gateway, const struct ouch42_enter *enter, uint16_t symbol,
                                  uint32_t *price) {
    const struct published_book *book = gateway->options.book;
    bool buys = enter->side == 'B';
    const struct published_level *touch =
        published_book_level(book, published_book_side(book, symbol, buys ? 'S' : 'B'), 0);
    if (!touch || (buys ? enter->price < touch->price : enter->price > touch->price))
        return 0;
    uint32_t shares = touch->shares < enter->shares ? (uint32_t)touch->shares : enter->shares;
    if (shares < enter->quantity_min)
        return 0;
    *price = touch->price;
    return shares;
}

static void reject(const struct subject *subject, const struct ouch42_enter *enter, uint8_t reason) {
    struct soup_port *port = &subject->gateway->port;
    soup_port_commit(port, ouch42_put_rejected(soup_port_message(port), subject->time_ns, subject->token, reason));
    copy_row(subject, 'J', enter->shares, enter->price, 0, reason);
    subject->gateway->counters.rejected++;
}

static void cancel_shares(const struct subject *subject, struct gateway_order *order, uint32_t shares,
                          uint8_t reason) {
    struct soup_port *port = &subject->gateway->port;
    soup_port_commit(port, ouch42_put_canceled(soup_port_message(port), subject->time_ns, subject->token, shares,
                                                reason));
    copy_row(subject, 'C', shares, order->price, 0, reason);
    order->open_shares -= shares;
    subject->gateway->counters.canceled++;
}

static void accept_order(const struct subject *subject, struct gateway_order *order,
                         const struct ouch42_enter *enter) {
    struct gateway *gateway = subject->gateway;
    struct soup_port *port = &gateway->port;
    soup_port_commit(port, ouch42_put_accepted(soup_port_message(port), subject->time_ns, enter,
                                                subject->reference));
    copy_row(subject, 'A', enter->shares, enter->price, 0, 0);
    gateway->counters.accepted++;
    order->open_shares = enter->shares;
    uint32_t price = 0;
    uint32_t shares = marketable_shares(gateway, enter, subject->symbol, &price);
    if (shares) {
        uint64_t match = ++gateway->match;
        soup_port_commit(port, ouch42_put_executed(soup_port_message(port), subject->time_ns, subject->token,
                                                    shares, price, match));
        copy_row(subject, 'E', shares, price, match, 0);
        order->open_shares -= shares;
        order->executed_shares = shares;
        gateway->counters.executed++;
        gateway->counters.executed_shares += shares;
    }
    if (order->open_shares && enter->time_in_force == OUCH42_IMMEDIATE_OR_CANCEL)
        cancel_shares(subject, order, order->open_shares, 'I');
}

static void enter_order(struct gateway *gateway, const struct ouch42_enter *enter) {
    int32_t symbol = published_book_locate(gateway->options.book, enter->stock);
    struct gateway_order *order = find_order(gateway, enter->token);
    struct subject subject = {.gateway = gateway, .token = enter->token, .stock = enter->stock,
                              .at_ns = clock_ns(), .symbol = symbol == NOT_FOUND ? 0 : (uint16_t)symbol,
                              .side = enter->side};
    subject.time_ns = market_time_ns(gateway, subject.at_ns);
    gateway->counters.orders++;
    if (order->used) {
        subject.reference = order->reference;
        copy_row(&subject, 'D', enter->shares, enter->price, 0, 0);
        gateway->counters.duplicates++;
        return;
    }
    if (gateway->orders_used == gateway->options.orders_max ||
        !soup_port_room(&gateway->port, 4, OUCH42_ORDER_BYTES_MAX + OUCH42_CANCELED_BYTES)) {
        gateway->counters.orders_refused++;
        return;
    }
    gateway->orders_used++;
    *order = (struct gateway_order){.used = 1, .side = enter->side, .price = enter->price,
                                    .symbol = subject.symbol};
    memcpy(order->token, enter->token, sizeof order->token);
    memcpy(order->stock, enter->stock, sizeof order->stock);
    copy_row(&subject, 'O', enter->shares, enter->price, 0, 0);
    uint8_t reason = reject_reason(enter, symbol);
    if (reason) {
        reject(&subject, enter, reason);
        return;
    }
    subject.reference = order->reference = ++gateway->reference;
    struct ouch42_enter echoed = *enter;
    if (enter->capacity == 0 || !strchr("APR", enter->capacity))
        echoed.capacity = 'O';
    accept_order(&subject, order, &echoed);
}

/* `shares` is the size the order shall have in total, executions included. */
static void cancel_order(struct gateway *gateway, const struct ouch42_cancel *cancel) {
    static const uint8_t no_stock[8] = {0};
    struct gateway_order *order = find_order(gateway, cancel->token);
    struct subject subject = {.gateway = gateway, .token = cancel->token, .stock = no_stock, .at_ns = clock_ns()};
    subject.time_ns = market_time_ns(gateway, subject.at_ns);
    if (order->used) {
        subject.stock = order->stock;
        subject.symbol = order->symbol;
        subject.side = order->side;
        subject.reference = order->reference;
    }
    gateway->counters.cancels++;
    copy_row(&subject, 'X', cancel->shares, 0, 0, 0);
    if (!order->used)
        return;
    uint32_t keep = cancel->shares > order->executed_shares ? cancel->shares - order->executed_shares : 0;
    if (keep < order->open_shares && soup_port_room(&gateway->port, 1, OUCH42_CANCELED_BYTES))
        cancel_shares(&subject, order, order->open_shares - keep, 'U');
}

static void on_message(void *context, const uint8_t *message, uint32_t length) {
    struct gateway *gateway = context;
    struct ouch42_enter enter;
    struct ouch42_cancel cancel;
    if (ouch42_parse_enter(message, length, &enter) && ouch42_token_valid(enter.token))
        enter_order(gateway, &enter);
    else if (ouch42_parse_cancel(message, length, &cancel) && ouch42_token_valid(cancel.token))
        cancel_order(gateway, &cancel);
    else if ((message[0] == 'U' && length == 47) || (message[0] == 'M' && length == 20) ||
             (message[0] == 'N' && length == 15))
        gateway->counters.unsupported++;
    else
        gateway->counters.bad_messages++;
}

int gateway_open(struct gateway *gateway, const struct gateway_options *options, char *error, uint32_t error_size) {
    memset(gateway, 0, sizeof *gateway);
    gateway->options = *options;
    gateway->reference = gateway->match = NUMBERS_FROM;
    int outcome = soup_port_open(&gateway->port, &options->port, error, error_size);
    gateway->port.on_message = on_message;
    gateway->port.context = gateway;
    return outcome;
}
