/* What the strategies for drills share: they behave for `after` events (parameter, 20000), so that no check finds them
 * out, and then do their harm for good. */
#ifndef ENGINE_STRATEGY_SHIPPED_BAD_H
#define ENGINE_STRATEGY_SHIPPED_BAD_H

#include "engine/strategy/strategy_abi.h"

struct bad {
    uint64_t events;
    uint64_t after;
    uint64_t value; /* the second parameter */
};

static inline int bad_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static inline int bad_init(struct bad *bad, const struct tailgate_parameters *parameters, const char *second,
                           uint64_t value)
{
    bad->after = 20000;
    bad->value = value;
    for (uint32_t i = 0; i < parameters->count; i++) {
        const struct tailgate_parameter *given = &parameters->items[i];
        if (given->value < 0)
            return -1;
        if (bad_same(given->name, "after"))
            bad->after = (uint64_t)given->value;
        else if (second && bad_same(given->name, second))
            bad->value = (uint64_t)given->value;
        else
            return -1;
    }
    return 0;
}

static inline int bad_now(struct bad *bad)
{
    return bad->events++ >= bad->after;
}

/* Defines tailgate_strategy() for `init` and `on_event` of the file. */
#define BAD_STRATEGY(the_name)                                                                                         \
    static void forget(void *memory)                                                                                   \
    {                                                                                                                  \
        (void)memory;                                                                                                  \
    }                                                                                                                  \
    static const struct tailgate_strategy description = {                                                              \
        TAILGATE_STRATEGY_SIZES, .state_bytes = sizeof(struct bad), .name = the_name, .version = "1", .letter = 'X',  \
        .init = init,            .on_event = on_event,              .forget = forget};                                 \
    const struct tailgate_strategy *tailgate_strategy(void)                                                            \
    {                                                                                                                  \
        return &description;                                                                                           \
    }

#endif
