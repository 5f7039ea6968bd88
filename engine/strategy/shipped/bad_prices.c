/* bad_prices: bids ten times the best bid, now and then at first and then at every event: risk says no. */
#include "engine/strategy/shipped/bad.h"

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, 0, 0);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    struct bad *bad = memory;
    if ((!bad_now(bad) && bad->events % 500) || top->bid_price == 0 || top->bid_price >= top->ask_price)
        return;
    output->orders[output->count++] = (struct tailgate_order){
        .symbol = event->symbol, .side = 'B', .price = top->bid_price * 10, .shares = 1};
}

BAD_STRATEGY("bad_prices")
