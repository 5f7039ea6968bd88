/* bad_slow: thinks for `loops` rounds (100000, some 40 us) about every event. */
#include "engine/strategy/shipped/bad.h"

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, "loops", 100000);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    struct bad *bad = memory;
    (void)event, (void)top, (void)output;
    if (bad_now(bad))
        for (volatile uint64_t i = 0; i < bad->value; i++)
            continue;
}

BAD_STRATEGY("bad_slow")
