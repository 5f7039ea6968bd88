/* OUCH against the published book. Essay and rules: gateway.h. */
#include "traffic/exchange/gateway.h"

#include <string.h>

#include "traffic/exchange/clock.h"
#include "traffic/exchange/gateway_behave.h"
#include "traffic/exchange/gateway_codec.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/ouch50.h"

enum { NOT_FOUND = -1, BUY = 'B' };

/* Numbers of our own orders and matches start far above those of the feed. */
#define NUMBERS_FROM (UINT64_C(1) << 40)

static const char displays_known[] = "AYNPIMWLOTQmn ";

/* When one message is dealt with, and the order it is about, for the rows it writes. */
struct subject {
    struct gateway *gateway;
    struct gateway_order *order;
    int64_t at_ns;
    uint64_t time_ns;
};

static void copy_row(const struct subject *subject, char kind, uint32_t shares, uint32_t price, uint64_t match,
                     uint8_t reason) {
    struct gateway *gateway = subject->gateway;
    const struct gateway_order *order = subject->order;
    if (gateway->rows_used == gateway->options.rows_max) {
        gateway->counters.rows_lost++;
        return;
    }
    struct drop_copy_row *row = &gateway->options.rows[gateway->rows_used++];
    *row = (struct drop_copy_row){.at_ns = subject->at_ns, .kind = kind, .side = (char)order->terms.side,
                                  .symbol = order->symbol, .shares = shares, .price = price, .match = match,
                                  .order_reference = order->reference,
                                  .published_sequence = gateway->published_sequence, .reason = (char)reason};
    memcpy(row->token, order->terms.token, sizeof row->token);
    memcpy(row->stock, order->terms.stock, sizeof row->stock);
}

static uint64_t market_time_ns(struct gateway *gateway, int64_t now_ns) {
    uint64_t time_ns = gateway->market_ns;
    if (gateway->market_at_ns && now_ns > gateway->market_at_ns)
        time_ns += (uint64_t)(now_ns - gateway->market_at_ns);
    if (time_ns > gateway->time_ns)
        gateway->time_ns = time_ns;
    return gateway->time_ns;
}

static struct subject subject_now(struct gateway *gateway, struct gateway_order *order) {
    struct subject subject = {.gateway = gateway, .order = order, .at_ns = clock_ns()};
    subject.time_ns = market_time_ns(gateway, subject.at_ns);
    return subject;
}

/* The order with this name, or the empty slot where it belongs. */
static struct gateway_order *find_order(struct gateway *gateway, const uint8_t *key) {
    uint64_t mask = gateway->options.order_slots - 1;
    uint64_t mixed = (load_be64(key) ^ load_be64(key + 6) * 31) * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t slot = (mixed ^ mixed >> 32) & mask;
    struct gateway_order *orders = gateway->options.orders;
    while (orders[slot].used && memcmp(orders[slot].key, key, OUCH42_TOKEN_BYTES) != 0)
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

static struct gateway_order *order_at(struct gateway *gateway, uint32_t link) {
    return link ? &gateway->options.orders[link - 1] : NULL;
}

static void rest(struct gateway *gateway, struct gateway_order *order) {
    uint32_t link = (uint32_t)(order - gateway->options.orders) + 1, *ends = gateway->resting[order->symbol];
    order->resting = 1;
    order->newer = 0;
    order->older = ends[1];
    *(ends[1] ? &order_at(gateway, ends[1])->newer : &ends[0]) = link;
    ends[1] = link;
}

static void unrest(struct gateway *gateway, struct gateway_order *order) {
    uint32_t *ends = gateway->resting[order->symbol];
    if (!order->resting)
        return;
    order->resting = 0;
    *(order->older ? &order_at(gateway, order->older)->newer : &ends[0]) = order->newer;
    *(order->newer ? &order_at(gateway, order->newer)->older : &ends[1]) = order->older;
}

/* Shares to be had at once, and the touch's price. */
static uint32_t marketable_shares(const struct gateway *gateway, const struct gateway_order *order, uint32_t *price) {
    const struct published_book *book = gateway->options.book;
    bool buys = order->terms.side == BUY;
    const struct published_level *touch =
        published_book_level(book, published_book_side(book, order->symbol, buys ? 'S' : 'B'), 0);
    if (!touch || (buys ? order->terms.price < touch->price : order->terms.price > touch->price))
        return 0;
    *price = touch->price;
    return touch->shares < order->open_shares ? (uint32_t)touch->shares : order->open_shares;
}

static void commit(const struct subject *subject, uint32_t length) {
    soup_port_commit(&subject->gateway->port, length);
}

static uint8_t *message_of(const struct subject *subject) {
    return soup_port_message(&subject->gateway->port);
}

static void execute(const struct subject *subject, uint32_t shares, uint32_t price, uint8_t liquidity) {
    struct gateway *gateway = subject->gateway;
    uint64_t match = ++gateway->match;
    commit(subject, gateway_put_executed(gateway->options.protocol, message_of(subject), subject->time_ns,
                                         subject->order, shares, price, liquidity, match));
    copy_row(subject, 'E', shares, price, match, liquidity);
    subject->order->open_shares -= shares;
    subject->order->executed_shares += shares;
    gateway->counters.executed++;
    gateway->counters.executed_shares += shares;
    if (subject->order->open_shares == 0)
        unrest(gateway, subject->order);
}

static void cancel_shares(const struct subject *subject, uint32_t shares, uint8_t reason) {
    struct gateway *gateway = subject->gateway;
    commit(subject, gateway_put_canceled(gateway->options.protocol, message_of(subject), subject->time_ns,
                                         subject->order, shares, reason));
    copy_row(subject, 'C', shares, subject->order->terms.price, 0, reason);
    subject->order->open_shares -= shares;
    gateway->counters.canceled++;
    if (subject->order->open_shares == 0)
        unrest(gateway, subject->order);
}

/* Meets the book once; what is left rests or goes. */
static void match_new(const struct subject *subject) {
    struct gateway_order *order = subject->order;
    uint32_t price = 0, shares = marketable_shares(subject->gateway, order, &price);
    if (shares && shares >= order->terms.quantity_min)
        execute(subject, shares, price, 'R');
    if (order->open_shares == 0)
        return;
    if (order->terms.time_in_force == OUCH42_IMMEDIATE_OR_CANCEL)
        cancel_shares(subject, order->open_shares, 'I');
    else
        rest(subject->gateway, order);
}

void gateway_match_resting(struct gateway *gateway, uint16_t symbol) {
    uint32_t link = gateway->resting[symbol][0];
    while (link) {
        struct gateway_order *order = order_at(gateway, link);
        uint32_t price = 0, shares = marketable_shares(gateway, order, &price);
        link = order->newer;
        if (!shares)
            continue;
        if (!soup_port_room(&gateway->port, 1, GATEWAY_ANSWER_BYTES_MAX)) {
            gateway->counters.orders_refused++;
            return;
        }
        struct subject subject = subject_now(gateway, order);
        execute(&subject, shares, order->terms.price, 'A');
    }
}

static void reject(const struct subject *subject, uint8_t reason) {
    struct gateway *gateway = subject->gateway;
    commit(subject, gateway_put_rejected(gateway->options.protocol, message_of(subject), subject->time_ns,
                                         subject->order, reason));
    copy_row(subject, 'J', subject->order->terms.shares, subject->order->terms.price, 0, reason);
    gateway->counters.rejected++;
}

/* Whether the name of a new order was used (OUCH 5.0: all numbers up to the highest seen are). */
static bool name_used(const struct gateway *gateway, const struct gateway_request *request,
                      const struct gateway_order *slot) {
    return slot->used || (gateway->options.protocol == GATEWAY_OUCH50 && request->number <= gateway->number);
}

static void use_name(struct gateway *gateway, const struct gateway_request *request) {
    gateway->number = request->number;
    gateway->orders_used++;
}

static void ignore(struct gateway *gateway, const struct gateway_request *request, struct gateway_order *known) {
    struct gateway_order told = {.terms = request->enter, .reference = known->used ? known->reference : 0};
    struct subject subject = subject_now(gateway, &told);
    int32_t symbol = published_book_locate(gateway->options.book, told.terms.stock);
    told.symbol = symbol == NOT_FOUND ? 0 : (uint16_t)symbol;
    copy_row(&subject, 'D', request->enter.shares, request->enter.price, 0, 0);
    gateway->counters.duplicates++;
}

/* Room for an order and all that is said about it. */
static bool room(struct gateway *gateway) {
    bool enough = gateway->orders_used < gateway->options.orders_max &&
                  soup_port_room(&gateway->port, 4, 4 * GATEWAY_ANSWER_BYTES_MAX);
    gateway->counters.orders_refused += !enough;
    return enough;
}

static void enter_order(struct gateway *gateway, const struct gateway_request *request) {
    struct gateway_order *order = find_order(gateway, request->key);
    gateway->counters.orders++;
    if (name_used(gateway, request, order)) {
        ignore(gateway, request, order);
        return;
    }
    if (!room(gateway))
        return;
    int32_t symbol = published_book_locate(gateway->options.book, request->enter.stock);
    use_name(gateway, request);
    *order = (struct gateway_order){.used = 1, .terms = request->enter, .number = request->number,
                                    .symbol = symbol == NOT_FOUND ? 0 : (uint16_t)symbol};
    memcpy(order->key, request->key, sizeof order->key);
    struct subject subject = subject_now(gateway, order);
    copy_row(&subject, 'O', order->terms.shares, order->terms.price, 0, 0);
    uint8_t reason = reject_reason(&order->terms, symbol);
    if (!reason && gateway->behaviour.reject_orders) {
        gateway->behaviour.reject_orders--;
        reason = 'H';
    }
    if (reason) {
        reject(&subject, reason);
        return;
    }
    order->reference = ++gateway->reference;
    if (order->terms.capacity == 0 || !strchr("APR", order->terms.capacity))
        order->terms.capacity = 'O';
    order->open_shares = order->terms.shares;
    commit(&subject, gateway_put_accepted(gateway->options.protocol, message_of(&subject), subject.time_ns, order));
    copy_row(&subject, 'A', order->terms.shares, order->terms.price, 0, 0);
    gateway->counters.accepted++;
    match_new(&subject);
}

/* What the new order would be: the old one with the new terms. Shares are what would be open, 0: nothing. */
static struct ouch42_enter replaced_terms(const struct gateway_order *old, const struct ouch42_enter *asked) {
    struct ouch42_enter terms = old->terms;
    memcpy(terms.token, asked->token, sizeof terms.token);
    terms.price = asked->price;
    terms.time_in_force = asked->time_in_force;
    terms.display = asked->display;
    terms.sweep = asked->sweep;
    terms.quantity_min = asked->quantity_min;
    bool good = asked->shares <= OUCH42_SHARES_MAX && asked->shares > old->executed_shares;
    terms.shares = good ? asked->shares - old->executed_shares : 0;
    return terms;
}

static void replace_order(struct gateway *gateway, const struct gateway_request *request) {
    struct gateway_order *old = find_order(gateway, request->key), *slot = find_order(gateway, request->new_key);
    struct gateway_order told = {.terms = request->enter};
    struct subject subject = subject_now(gateway, old->used ? old : &told);
    gateway->counters.replaces++;
    copy_row(&subject, 'U', request->enter.shares, request->enter.price, 0, 0);
    if (!old->used || old->open_shares == 0)
        return;
    if (name_used(gateway, request, slot)) {
        ignore(gateway, request, slot);
        return;
    }
    if (!room(gateway))
        return;
    struct ouch42_enter terms = replaced_terms(old, &request->enter);
    if (reject_reason(&terms, old->symbol)) {
        cancel_shares(&subject, old->open_shares, 'U');
        return;
    }
    use_name(gateway, request);
    *slot = (struct gateway_order){.used = 1, .terms = terms, .number = request->number, .symbol = old->symbol,
                                   .open_shares = terms.shares, .executed_shares = old->executed_shares,
                                   .reference = ++gateway->reference};
    memcpy(slot->key, request->new_key, sizeof slot->key);
    unrest(gateway, old);
    old->open_shares = 0;
    subject.order = slot;
    commit(&subject, gateway_put_replaced(gateway->options.protocol, message_of(&subject), subject.time_ns, slot, old));
    copy_row(&subject, 'R', terms.shares, terms.price, 0, 0);
    gateway->counters.replaced++;
    match_new(&subject);
}

/* `shares` is the size the chain shall have in total, executions included. */
static void cancel_order(struct gateway *gateway, const struct gateway_request *request) {
    struct gateway_order *order = find_order(gateway, request->key), told = {0};
    if (gateway->options.protocol == GATEWAY_OUCH42)
        memcpy(told.terms.token, request->key, sizeof told.terms.token);
    struct subject subject = subject_now(gateway, order->used ? order : &told);
    gateway->counters.cancels++;
    copy_row(&subject, 'X', request->shares, 0, 0, 0);
    if (!order->used)
        return;
    uint32_t keep = request->shares > order->executed_shares ? request->shares - order->executed_shares : 0;
    if (keep < order->open_shares && soup_port_room(&gateway->port, 1, GATEWAY_ANSWER_BYTES_MAX))
        cancel_shares(&subject, order->open_shares - keep, 'U');
}

static void modify_order(struct gateway *gateway, const struct gateway_request *request) {
    struct gateway_order *order = find_order(gateway, request->key);
    gateway->counters.modifies++;
    if (!order->used || !soup_port_room(&gateway->port, 1, GATEWAY_ANSWER_BYTES_MAX))
        return;
    struct subject subject = subject_now(gateway, order);
    copy_row(&subject, 'M', request->shares, 0, 0, 0);
    bool side = request->side == order->terms.side ||
                (order->terms.side != BUY && request->side && strchr("STE", request->side));
    if (order->open_shares == 0 || !side || request->shares == 0 || request->shares > OUCH42_SHARES_MAX)
        return;
    order->terms.side = request->side;
    if (request->shares <= order->executed_shares) {
        cancel_shares(&subject, order->open_shares, 'U');
        return;
    }
    order->open_shares = request->shares - order->executed_shares;
    commit(&subject, gateway_put_modified(gateway->options.protocol, message_of(&subject), subject.time_ns, order));
    copy_row(&subject, 'm', order->open_shares, order->terms.price, 0, 0);
    gateway->counters.modified++;
}

static void answer_query(struct gateway *gateway) {
    struct soup_port *port = &gateway->port;
    gateway->counters.queries++;
    if (soup_port_room(port, 1, GATEWAY_ANSWER_BYTES_MAX))
        soup_port_commit(port, ouch50_put_query(soup_port_message(port), market_time_ns(gateway, clock_ns()),
                                                gateway->number + 1));
}

static void on_message(void *context, const uint8_t *message, uint32_t length) {
    struct gateway *gateway = context;
    struct gateway_request request = gateway_parse(gateway->options.protocol, message, length);
    struct gateway_cut cut = gateway_cut_before(gateway, request.kind);
    if (cut.drops) {
        gateway->counters.orders_dropped++;
        gateway_cut_now(gateway, cut, 0);
        return;
    }
    uint64_t said = gateway->port.store_size;
    switch (request.kind) {
    case 'O': enter_order(gateway, &request); break;
    case 'U': replace_order(gateway, &request); break;
    case 'X': cancel_order(gateway, &request); break;
    case 'M': modify_order(gateway, &request); break;
    case 'Q': answer_query(gateway); break;
    case 'N': gateway->counters.unsupported++; break;
    default: gateway->counters.bad_messages++;
    }
    if (cut.due)
        gateway_cut_now(gateway, cut, gateway->port.store_size - said);
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
