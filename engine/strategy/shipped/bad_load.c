/* bad_load: crashes while it is being loaded, before anything of it was asked for. */
#include "engine/strategy/shipped/bad.h"

static uint8_t *volatile nowhere = (uint8_t *)8;

static __attribute__((constructor)) void at_once(void)
{
    *nowhere = 1;
}

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)host;
    return bad_init(memory, parameters, 0, 0);
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    (void)memory, (void)event, (void)top, (void)output;
}

BAD_STRATEGY("bad_load")
