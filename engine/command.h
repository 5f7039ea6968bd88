/* Commands to a running engine: one mailbox in the control page, one command at a time.
 *
 * The poster (one thread, see control_server.py) writes kind and arguments, then the next number into `command`, in the
 * cache line that the hot loop reads once per poll anyway. The engine thread sees another number than the one it knows,
 * carries the command out between two packets, and answers in a line of its own: outcome, the first feed message that
 * was handed out after it, the poll, the time. The next command may be posted when `acknowledged` is the number.
 *
 * Owner: command_take() the engine thread, the others the poster.
 */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/control.h"

struct engine;

/* Stable numbers; append. */
enum command_kind {
    COMMAND_NONE = 0,              /* nothing: its answer says that everything before has taken effect */
    COMMAND_STRATEGY_DEPLOY = 1,   /* argument = slot */
    COMMAND_STRATEGY_ROLLBACK = 2,
    COMMAND_LINE_ENABLE = 3,       /* argument = line */
    COMMAND_LINE_DISABLE = 4,      /* argument = line: its packets are taken off the wire and thrown away */
    COMMAND_STRATEGY_DEPLOY_AT = 5,   /* argument = feed message << 8 | slot: done when it is planned */
    COMMAND_STRATEGY_DEPLOY_WHEN = 6, /* argument = CLOCK_MONOTONIC ns << 8 | slot: done when it is planned */
    COMMAND_STRATEGY_UNPLAN = 7,      /* argument = slot, which waits for nothing any more */
    COMMAND_KIND_COUNT = 8,
};

enum command_outcome {
    COMMAND_DONE = 0,
    COMMAND_REFUSED = 1, /* the state of the engine does not allow it */
    COMMAND_UNKNOWN = 2,
};

struct command_answer {
    uint32_t outcome;
    uint64_t position; /* first feed message handed out after it took effect */
    uint64_t poll;
    uint64_t at_ns;
};

/* The command that is waiting; call when control->command is not engine->command. */
void command_take(struct engine *engine, uint64_t now_ns);

/* What it does, without the mailbox. */
enum command_outcome command_carry_out(struct engine *engine, uint32_t kind, uint64_t argument, uint64_t now_ns);

/* The slot that a command speaks of; -1: none. */
int32_t command_slot(uint32_t kind, uint64_t argument);

/* The same command about another slot. */
uint64_t command_with_slot(uint32_t kind, uint64_t argument, int32_t slot);

/* The number of the command, to be asked for. */
uint32_t command_post(struct control *control, uint32_t kind, uint64_t argument);

/* False: not yet. */
bool command_answered(const struct control *control, uint32_t number, struct command_answer *answer);

#endif
