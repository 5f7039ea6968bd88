/* Inside strategy_run.c and strategy_swap.c. */
#ifndef ENGINE_STRATEGY_INSIDE_H
#define ENGINE_STRATEGY_INSIDE_H

#include "engine/engine.h"
#include "engine/journal/record.h"
#include "engine/journal/replay.h"

/* Only while a shared object is active. */
static inline struct strategy_slot *active_slot(struct engine *engine)
{
    return &engine->strategies.slots[engine->strategies.active];
}

/* A call into its code begins. In a replay, one that did not come back then does not begin now. */
static inline void enter_call(struct engine *engine)
{
    guard_enter(&engine->strategies.guard);
    if (__builtin_expect(engine->journal != NULL && engine->journal->replay != NULL, 0))
        replay_call(engine->journal->replay);
}

static inline bool in_replay(const struct engine *engine)
{
    return __builtin_expect(engine->journal != NULL && engine->journal->replay != NULL, 0);
}

#endif
