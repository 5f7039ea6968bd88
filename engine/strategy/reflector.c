/* reflector: builds its one packet at start; see reflector.h. */
#include "engine/strategy/reflector.h"

#include <errno.h>
#include <string.h>

int reflector_init(struct reflector *reflector, const struct reflector_options *options,
                   const struct ouch42_template *template_)
{
    memset(reflector, 0, sizeof(*reflector));
    if (options->every == 0)
        return -EINVAL;
    if (ouch42_enter(template_, &options->request, 'R', reflector->packet.packet) == 0)
        return -EINVAL;
    reflector->every = options->every;
    return 0;
}
