/* bad_abi: says that it was built for another version of the interface. */
#include "engine/strategy/strategy_abi.h"

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)memory, (void)parameters, (void)host;
    return 0;
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    (void)memory, (void)event, (void)top, (void)output;
}

static void forget(void *memory)
{
    (void)memory;
}

const struct tailgate_strategy *tailgate_strategy(void)
{
    static struct tailgate_strategy description = {TAILGATE_STRATEGY_SIZES, .state_bytes = 64,  .name = "bad_abi",
                                                   .version = "1",          .letter = 'X',      .init = init,
                                                   .on_event = on_event,    .forget = forget};
    description.abi_version = TAILGATE_STRATEGY_ABI + 1;
    return &description;
}
