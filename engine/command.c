#include "engine/command.h"

#include "engine/engine.h"
#include "engine/journal/record.h"

static bool set_line(struct engine *engine, uint64_t line, bool enabled)
{
    if (line >= FEED_LINE_COUNT)
        return false;
    uint32_t bit = 1u << line;
    engine->lines_off = enabled ? engine->lines_off & ~bit : engine->lines_off | bit;
    return true;
}

/* The slot is in the lowest byte: one that does not fit names none. */
static bool plan(struct engine *engine, uint64_t argument, bool by_time)
{
    const int32_t slot = (int32_t)(argument & 0xff);
    return by_time ? strategy_plan(engine, slot, UINT64_MAX, argument >> 8)
                   : strategy_plan(engine, slot, argument >> 8, UINT64_MAX);
}

enum command_outcome command_carry_out(struct engine *engine, uint32_t kind, uint64_t argument, uint64_t now_ns)
{
    bool done;
    switch (kind) {
    case COMMAND_NONE: return COMMAND_DONE;
    case COMMAND_STRATEGY_DEPLOY:
        done = argument < STRATEGY_SLOT_COUNT && strategy_deploy(engine, (int32_t)argument, now_ns);
        break;
    case COMMAND_STRATEGY_DEPLOY_AT: done = plan(engine, argument, false); break;
    case COMMAND_STRATEGY_DEPLOY_WHEN: done = plan(engine, argument, true); break;
    case COMMAND_STRATEGY_UNPLAN: done = strategy_plan(engine, (int32_t)(argument & 0xff), 0, 0); break;
    case COMMAND_STRATEGY_ROLLBACK:
        done = strategy_roll_back(engine, STRATEGY_CAUSE_OPERATOR, 0, strategy_position(engine), now_ns);
        break;
    case COMMAND_LINE_ENABLE: done = set_line(engine, argument, true); break;
    case COMMAND_LINE_DISABLE: done = set_line(engine, argument, false); break;
    default: return COMMAND_UNKNOWN;
    }
    return done ? COMMAND_DONE : COMMAND_REFUSED;
}

void command_take(struct engine *engine, uint64_t now_ns)
{
    struct control *control = engine->control;
    uint32_t number = atomic_load_explicit(&control->command, memory_order_acquire);
    engine->command = number;
    record_operator(engine, number, control->command_kind, control->command_argument, now_ns);
    control->answer_outcome = command_carry_out(engine, control->command_kind, control->command_argument, now_ns);
    control->answer_position = strategy_position(engine);
    control->answer_poll = engine->statistics.polls;
    control->answer_ns = now_ns;
    atomic_store_explicit(&control->acknowledged, number, memory_order_release);
}

uint32_t command_post(struct control *control, uint32_t kind, uint64_t argument)
{
    uint32_t number = atomic_load_explicit(&control->command, memory_order_relaxed) + 1;
    control->command_kind = kind;
    control->command_argument = argument;
    atomic_store_explicit(&control->command, number, memory_order_release);
    return number;
}

bool command_answered(const struct control *control, uint32_t number, struct command_answer *answer)
{
    if (atomic_load_explicit(&control->acknowledged, memory_order_acquire) != number)
        return false;
    *answer = (struct command_answer){control->answer_outcome, control->answer_position, control->answer_poll,
                                      control->answer_ns};
    return true;
}
