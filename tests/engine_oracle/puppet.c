/* A strategy on strings: every trade message of symbol 60001 is an order for it, at once or at the next timer.
 *
 * Side, shares, price and stock as they are, and in `match`: bits 0..1 kind, 2 wait for the timer, 3 say the stock,
 * 4..19 symbol, 20..37 time in force, 38..41 and 42..63 ordinal and trigger of the target.
 */
#include "engine/strategy/strategy_abi.h"

enum { STRINGS = 60001 };

struct state {
    uint32_t count;
    struct tailgate_order held[TAILGATE_ORDERS_MAX];
};

static int puppet_init(void *state, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)state;
    (void)host;
    return parameters->count != 0;
}

static void puppet_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                         struct tailgate_output *output)
{
    struct state *state = memory;
    struct tailgate_order order = {0};

    (void)top;
    if (event->kind != TAILGATE_EVENT_TRADE || event->symbol != STRINGS)
        return;
    order.kind = (event->match & 3) < 2 ? (uint8_t)(event->match & 3) : TAILGATE_ORDER_CANCEL;
    order.symbol = (uint16_t)(event->match >> 4);
    order.time_in_force = (uint32_t)(event->match >> 20) & 0x3ffff;
    order.target_id = event->match >> 42 << 8 | (event->match >> 38 & 15);
    order.side = event->side;
    order.shares = event->shares;
    order.price = event->price;
    if (event->match >> 3 & 1)
        __builtin_memcpy(order.stock, event->stock, sizeof(order.stock));
    if (!(event->match >> 2 & 1))
        output->orders[output->count++] = order;
    else if (state->count < TAILGATE_ORDERS_MAX)
        state->held[state->count++] = order;
}

static void puppet_timer(void *memory, uint64_t now_ns, struct tailgate_output *output)
{
    struct state *state = memory;

    (void)now_ns;
    for (uint32_t index = 0; index < state->count; index++)
        output->orders[output->count++] = state->held[index];
    state->count = 0;
}

static void puppet_forget(void *memory)
{
    (void)memory;
}

const struct tailgate_strategy *tailgate_strategy(void)
{
    static const struct tailgate_strategy strategy = {
        TAILGATE_STRATEGY_SIZES,
        .state_bytes = sizeof(struct state),
        .name = "puppet",
        .version = "1",
        .letter = 'P',
        .init = puppet_init,
        .on_event = puppet_event,
        .on_timer = puppet_timer,
        .forget = puppet_forget,
    };

    return &strategy;
}
