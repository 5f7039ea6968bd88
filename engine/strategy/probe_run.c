/* loader: the dry run of a strategy on a small market, for a process of its own; see loader.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/strategy/loader_inside.h"

struct market {
    uint64_t random;
    int64_t positions[LOADER_PROBE_SYMBOLS + 1];
    struct tailgate_top tops[LOADER_PROBE_SYMBOLS + 1];
};

/* xorshift64*: the same market for everybody. */
static uint32_t draw(struct market *market, uint32_t below)
{
    market->random ^= market->random >> 12;
    market->random ^= market->random << 25;
    market->random ^= market->random >> 27;
    return (uint32_t)((market->random * 2685821657736338717ull) >> 33) % below;
}

static int64_t position(const void *engine, uint16_t symbol)
{
    const struct market *market = engine;
    return symbol <= LOADER_PROBE_SYMBOLS ? market->positions[symbol] : 0;
}

static void move(struct market *market, uint16_t symbol)
{
    struct tailgate_top *top = &market->tops[symbol];
    if (top->bid_price == 0 || draw(market, 64) == 0)
        *top = (struct tailgate_top){1000000, 1000100, 300, 300};
    else if (draw(market, 64) == 0)
        *top = (struct tailgate_top){top->bid_price, 0, top->bid_shares, 0}; /* one side is empty now and then */
    uint32_t step = 100 * (1 + draw(market, 2));
    top->bid_price += draw(market, 2) ? step : -step;
    if (top->ask_price)
        top->ask_price = top->bid_price + 100 * (1 + draw(market, 4));
    top->bid_shares = 100 * (1 + draw(market, 20));
    top->ask_shares = top->ask_price ? 100 * (1 + draw(market, 20)) : 0;
}

/* The venue's answer to a new order: accepted, and every other one executed. */
static void answer(struct market *market, const struct tailgate_strategy *strategy, void *state,
                   const struct tailgate_output *asked)
{
    struct tailgate_output ignored;
    for (uint32_t i = 0; strategy->on_own_order && i < asked->count; i++) {
        const struct tailgate_order *order = &asked->orders[i];
        struct tailgate_own_event event = {.order_id = tailgate_order_id(asked, i),
                                           .shares = order->shares,
                                           .price = order->price,
                                           .open_shares = order->shares,
                                           .symbol = order->symbol,
                                           .side = order->side,
                                           .state = 'L'};
        if (order->kind != TAILGATE_ORDER_NEW || order->symbol > LOADER_PROBE_SYMBOLS)
            continue;
        ignored.count = 0;
        event.kind = TAILGATE_OWN_ACCEPTED;
        strategy->on_own_order(state, &event, &ignored);
        if (i % 2)
            continue;
        market->positions[order->symbol] += order->side == 'B' ? (int64_t)order->shares : -(int64_t)order->shares;
        event.kind = TAILGATE_OWN_EXECUTED;
        event.position = market->positions[order->symbol];
        event.open_shares = 0;
        ignored.count = 0;
        strategy->on_own_order(state, &event, &ignored);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

/* False: the output was overrun. */
static bool play(struct market *market, const struct tailgate_strategy *strategy, void *state, uint64_t *ticks,
                 struct loader_report *report)
{
    struct {
        struct tailgate_output output;
        uint8_t overrun[4096];
    } written;
    for (uint32_t i = 0; i < LOADER_PROBE_EVENTS; i++) {
        uint16_t symbol = (uint16_t)(1 + draw(market, LOADER_PROBE_SYMBOLS));
        struct tailgate_event event = {.sequence = i + 1,
                                       .time_ns = i * 1000ull,
                                       .order_reference = i + 1,
                                       .shares = 100,
                                       .symbol = symbol,
                                       .kind = (uint8_t)(TAILGATE_EVENT_ADD + draw(market, 6)),
                                       .side = 'B'};
        move(market, symbol);
        event.price = market->tops[symbol].bid_price;
        if (event.kind == TAILGATE_EVENT_ADD)
            snprintf(event.stock, sizeof(event.stock), "PROBE%u", symbol % 10u);
        written.output.count = 0;
        written.output.first_ordinal = 0;
        written.output.trigger_sequence = event.sequence;
        uint64_t before = clock_ticks();
        strategy->on_event(state, &event, &market->tops[symbol], &written.output);
        ticks[i] = clock_ticks() - before;
        if (written.output.count > TAILGATE_ORDERS_MAX)
            return false;
        report->events++;
        report->orders += written.output.count;
        answer(market, strategy, state, &written.output);
        written.output.count = 0;
        if (strategy->on_timer && i % 256 == 255)
            strategy->on_timer(state, i * 1000ull, &written.output);
        if (written.output.count > TAILGATE_ORDERS_MAX)
            return false;
        if (i == LOADER_PROBE_EVENTS / 2)
            strategy->forget(state);
    }
    return true;
}

void loader_probe(const char *path, const struct tailgate_parameters *parameters, uint64_t event_ns_max,
                  struct loader_report *report)
{
    static uint64_t ticks[LOADER_PROBE_EVENTS];
    struct market market = {.random = 88172645463325252ull};
    struct tailgate_host host = {sizeof(host), TAILGATE_STRATEGY_ABI, &market, position};
    struct clock clock;
    void *library;
    const struct tailgate_strategy *strategy = loader_open(path, &library, report);
    if (!strategy)
        return;
    clock_init(&clock);
    void *state = loader_map(loader_state_bytes(strategy));
    if (!state) {
        report->verdict = LOADER_NO_MEMORY;
        snprintf(report->what, sizeof(report->what), "no memory for its state");
    } else if (strategy->init(state, parameters, &host)) {
        report->verdict = LOADER_INIT_REFUSED;
        snprintf(report->what, sizeof(report->what), "its init() refuses the parameters");
    } else if (!play(&market, strategy, state, ticks, report)) {
        report->verdict = LOADER_OUTPUT;
        snprintf(report->what, sizeof(report->what), "it wrote more than %d actions", TAILGATE_ORDERS_MAX);
    }
    if (report->verdict != LOADER_GOOD)
        return;
    qsort(ticks, LOADER_PROBE_EVENTS, sizeof(ticks[0]), by_size);
    uint64_t origin = clock.start.ticks, zero = (uint64_t)clock.start.ns;
    report->call_ns_p50 = clock_ns(&clock, origin + ticks[LOADER_PROBE_EVENTS / 2]) - zero;
    report->call_ns_p99 = clock_ns(&clock, origin + ticks[LOADER_PROBE_EVENTS * 99 / 100]) - zero;
    uint64_t often = clock_ns(&clock, origin + ticks[LOADER_PROBE_EVENTS * 9 / 10]) - zero;
    if (often > event_ns_max) {
        report->verdict = LOADER_SLOW;
        snprintf(report->what, sizeof(report->what), "one call in ten took more than %llu ns, the budget is %llu ns",
                 (unsigned long long)often, (unsigned long long)event_ns_max);
    }
}
