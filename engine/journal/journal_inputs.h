/* What a control thread says to the risk gate, as the journal sees it: kills, commands, tables of limits.
 *
 * They are words that another thread writes whenever it likes. So that a replay sees each of them change between the
 * same two decisions, the gate of a journaled engine does not read them itself: it reads copies, which the engine
 * thread brings up to date before each decision and once per poll, with a record for each word that changed. The
 * record says how many decisions had asked before it, because a decision that is refused leaves no other record.
 * Without a journal the gate reads the words themselves, as ever; the switch for all is a copy in both cases.
 *
 * Owner: the engine thread. Cost: five loads and compares a decision, of two cache lines that rarely change.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_INPUTS_H
#define ENGINE_JOURNAL_JOURNAL_INPUTS_H

#include "engine/journal/journal.h"
#include "engine/risk/risk.h"

struct engine;

struct journal_inputs {
    struct risk_kills kills;      /* the gate's copy */
    _Atomic uint64_t publication; /* the gate's copy of tables.published */
    uint64_t switches;            /* memory's, when last looked at */
};

/* From here on the gate reads `inputs`, which become what the control thread has said so far. */
void journal_inputs_begin(struct engine *engine, struct journal_inputs *inputs);

/* And from here on its own memory again. */
void journal_inputs_end(struct engine *engine);

/* Something has changed, or this is a replay: see record.h. `flags`: JOURNAL_INSIDE or 0. */
void journal_inputs_take(struct engine *engine, uint8_t flags, uint64_t now_ns);

/* What a record says, done: for both directions. */
void journal_command_apply(struct engine *engine, const struct journal_command *command);

#endif
