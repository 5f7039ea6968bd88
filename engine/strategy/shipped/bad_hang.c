/* bad_hang: does not come back. */
#include "engine/strategy/shipped/bad.h"

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, 0, 0);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    (void)event, (void)top, (void)output;
    if (bad_now(memory))
        for (volatile uint64_t i = 0;; i++)
            continue;
}

BAD_STRATEGY("bad_hang")
