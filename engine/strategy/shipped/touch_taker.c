/* touch_taker as a shared object: the rule that engine/strategy/touch_taker.h states, written against strategy_abi.h
 * alone. The same events give the same orders as the one that is compiled in. Also the example to start from.
 *
 * Parameters: order_shares, imbalance_permille, cooldown_messages.
 */
#include "engine/strategy/strategy_abi.h"

struct symbol {
    uint32_t epoch; /* other than the state's: nothing below is true */
    uint32_t bid_price;
    uint32_t ask_price;
    int8_t lean;
    uint8_t valid;
    uint8_t reserved[2];
    uint64_t last_trigger;
    uint64_t padding; /* two symbols to a cache line */
};

struct state {
    uint32_t epoch;
    uint32_t order_shares;
    int64_t imbalance_permille;
    uint64_t cooldown_messages;
    struct symbol symbols[TAILGATE_SYMBOL_COUNT];
};

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    struct state *state = memory;
    (void)host;
    state->epoch = 1;
    state->order_shares = 100;
    state->imbalance_permille = 800;
    for (uint32_t i = 0; i < parameters->count; i++) {
        const struct tailgate_parameter *given = &parameters->items[i];
        if (same(given->name, "order_shares") && given->value >= 1 && given->value <= 999999)
            state->order_shares = (uint32_t)given->value;
        else if (same(given->name, "imbalance_permille") && given->value >= 0 && given->value <= 1000000)
            state->imbalance_permille = given->value;
        else if (same(given->name, "cooldown_messages") && given->value >= 0)
            state->cooldown_messages = (uint64_t)given->value;
        else
            return -1;
    }
    return 0;
}

static struct symbol *current(struct state *state, uint16_t number)
{
    struct symbol *symbol = &state->symbols[number];
    if (symbol->epoch != state->epoch)
        *symbol = (struct symbol){.epoch = state->epoch};
    return symbol;
}

/* +1 buy, -1 sell, 0 nothing. */
static int signal_of(const struct state *state, struct symbol *symbol, const struct tailgate_top *top)
{
    int64_t bid = top->bid_shares, ask = top->ask_shares, threshold = state->imbalance_permille * (bid + ask);
    int lean = 1000 * (bid - ask) >= threshold ? 1 : 1000 * (ask - bid) >= threshold ? -1 : 0;
    int signal = 0;
    if (symbol->valid && top->bid_price > symbol->bid_price)
        signal = 1;
    else if (symbol->valid && top->ask_price < symbol->ask_price)
        signal = -1;
    else if (lean != symbol->lean)
        signal = lean;
    symbol->lean = (int8_t)lean;
    symbol->bid_price = top->bid_price;
    symbol->ask_price = top->ask_price;
    symbol->valid = 1;
    return signal;
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    struct state *state = memory;
    if (event->kind < TAILGATE_EVENT_ADD || event->kind > TAILGATE_EVENT_REPLACE)
        return;
    struct symbol *symbol = current(state, event->symbol);
    if (top->bid_price == 0 || top->ask_price == 0 || top->bid_price >= top->ask_price) {
        symbol->valid = 0;
        symbol->lean = 0;
        return;
    }
    int signal = signal_of(state, symbol, top);
    if (signal == 0 ||
        (symbol->last_trigger && event->sequence - symbol->last_trigger < state->cooldown_messages))
        return;
    symbol->last_trigger = event->sequence;
    uint32_t shown = signal > 0 ? top->ask_shares : top->bid_shares;
    output->orders[output->count++] = (struct tailgate_order){
        .kind = TAILGATE_ORDER_NEW,
        .symbol = event->symbol,
        .side = signal > 0 ? 'B' : 'S',
        .price = signal > 0 ? top->ask_price : top->bid_price,
        .shares = shown < state->order_shares ? shown : state->order_shares,
    };
}

static void forget(void *memory)
{
    ((struct state *)memory)->epoch++;
}

static const struct tailgate_strategy description = {
    TAILGATE_STRATEGY_SIZES,
    .state_bytes = sizeof(struct state),
    .name = "touch_taker",
    .version = "1",
    .letter = 'T',
    .init = init,
    .on_event = on_event,
    .forget = forget,
};

const struct tailgate_strategy *tailgate_strategy(void)
{
    return &description;
}
