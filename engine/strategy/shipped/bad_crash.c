/* bad_crash: reads what is not there. */
#include "engine/strategy/shipped/bad.h"

static uint8_t *volatile nowhere = (uint8_t *)8;

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, 0, 0);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    (void)event, (void)top;
    if (bad_now(memory))
        output->count += (uint32_t)*nowhere;
}

BAD_STRATEGY("bad_crash")
