/* The control thread's hands: commands, kills, wires, strategies. */
#include "engine/runner_inside.h"

#include <stdio.h>
#include <string.h>

uint32_t runner_command(struct runner *runner, uint32_t kind, uint64_t argument)
{
    return command_post(runner->engine.control, kind, argument);
}

bool runner_answered(struct runner *runner, uint32_t number, struct command_answer *answer)
{
    return command_answered(runner->engine.control, number, answer);
}

void runner_kill(struct runner *runner, bool on)
{
    runner->engine.control->kill.value = on;
}

bool runner_killed(const struct runner *runner)
{
    return runner->engine.control->kill.value != 0;
}

uint32_t runner_wire_command(struct runner *runner, uint32_t ports, uint32_t target)
{
    struct control *control = runner->engine.control;
    uint32_t number = (control->wire_command >> 16) % 0xffff + 1;
    uint32_t command = control_wire_command(number, ports, target);
    atomic_store_explicit(&control->wire_command, command, memory_order_release);
    return command;
}

bool runner_wire_handled(const struct runner *runner, uint32_t command, bool *refused)
{
    const struct control *control = runner->engine.control;
    if (atomic_load_explicit(&control->wire_handled, memory_order_acquire) != command)
        return false;
    *refused = control->wire_refused == command;
    return true;
}

uint64_t runner_heartbeat_ns(const struct runner *runner)
{
    return runner->engine.control->heartbeat_ns;
}

int runner_strategies_here(struct runner *runner)
{
    return strategy_load_here(&runner->engine);
}

bool runner_load_strategy(struct runner *runner, const char *path, const struct tailgate_parameters *parameters,
                          struct loader_report *report)
{
    if (!runner->watchdog && !(runner->watchdog = watchdog_start(&runner->engine))) {
        memset(report, 0, sizeof(*report));
        report->verdict = LOADER_NO_MEMORY;
        snprintf(report->what, sizeof(report->what), "no thread for the watchdog");
        return false;
    }
    strategy_load(&runner->engine, path, parameters, report);
    return report->verdict == LOADER_GOOD;
}

void runner_reclaim_strategies(struct runner *runner, int32_t ready)
{
    strategy_reclaim(&runner->engine, ready);
}
