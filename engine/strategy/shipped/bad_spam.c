/* bad_spam: asks for as many orders as there is room for, at every event with a valid top. */
#include "engine/strategy/shipped/bad.h"

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, 0, 0);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    if (!bad_now(memory) || top->bid_price == 0 || top->bid_price >= top->ask_price)
        return;
    while (output->count < TAILGATE_ORDERS_MAX)
        output->orders[output->count++] = (struct tailgate_order){
            .symbol = event->symbol, .side = output->count % 2 ? 'B' : 'S', .price = top->bid_price, .shares = 1};
}

BAD_STRATEGY("bad_spam")
