/* Inside strategy_run.c and strategy_swap.c. */
#ifndef ENGINE_STRATEGY_INSIDE_H
#define ENGINE_STRATEGY_INSIDE_H

#include "engine/engine.h"

/* Only while a shared object is active. */
static inline struct strategy_slot *active_slot(struct engine *engine)
{
    return &engine->strategies.slots[engine->strategies.active];
}

#endif
