/* The control thread's words, brought to the gate one record at a time; see journal_inputs.h. */
#include "engine/journal/journal_inputs.h"

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/journal/replay.h"

void journal_inputs_begin(struct engine *engine, struct journal_inputs *inputs)
{
    const struct risk_kills *kills = &engine->risk_memory->kills;
    memset(inputs, 0, sizeof(*inputs));
    inputs->switches = atomic_load_explicit(&kills->switches, memory_order_acquire);
    for (uint32_t word = 0; word < RISK_KILL_WORDS; word++) {
        inputs->kills.symbols[word] = kills->symbols[word];
        inputs->kills.strategies[word] = kills->strategies[word];
    }
    inputs->kills.taken = inputs->kills.written = atomic_load_explicit(&kills->taken, memory_order_relaxed);
    inputs->kills.cancel_all = inputs->kills.cancel_all_taken = kills->cancel_all_taken;
    atomic_store_explicit(&inputs->publication, engine->risk.published, memory_order_relaxed);
    engine->risk.kills = &inputs->kills;
    engine->risk.publication = &inputs->publication;
}

void journal_inputs_end(struct engine *engine)
{
    engine->risk.kills = &engine->risk_memory->kills;
    engine->risk.publication = &engine->risk_memory->tables.published;
}

void journal_command_apply(struct engine *engine, const struct journal_command *command)
{
    struct risk_kills *kills = &engine->journal->inputs->kills;
    switch (command->name) {
    case JOURNAL_COMMAND_KILL:
        engine->kill.value = (uint32_t)command->value;
        break;
    case JOURNAL_COMMAND_SYMBOLS:
        kills->symbols[command->index % RISK_KILL_WORDS] = command->value;
        break;
    case JOURNAL_COMMAND_STRATEGIES:
        kills->strategies[command->index % RISK_KILL_WORDS] = command->value;
        break;
    case JOURNAL_COMMAND_RISK:
        kills->commands[kills->written % RISK_COMMAND_COUNT] = command->value;
        kills->written++;
        break;
    case JOURNAL_COMMAND_CANCEL_ALL:
        kills->cancel_all = command->value;
        break;
    default:
        break;
    }
}

static void bring(struct engine *engine, uint8_t flags, uint64_t now_ns, struct journal_command command)
{
    struct journal *journal = engine->journal;
    command.asked = journal->asked;
    journal_append(journal, JOURNAL_COMMAND, flags, now_ns, &command, sizeof(command));
    journal_command_apply(engine, &command);
}

static void bring_list(struct engine *engine, uint8_t flags, uint64_t now_ns, uint32_t name,
                       const _Atomic uint64_t *theirs, const _Atomic uint64_t *ours)
{
    for (uint32_t index = 0; index < RISK_KILL_WORDS; index++) {
        const uint64_t value = atomic_load_explicit(&theirs[index], memory_order_relaxed);
        if (value != ours[index])
            bring(engine, flags, now_ns, (struct journal_command){.name = name, .index = index, .value = value});
    }
}

static void bring_table(struct engine *engine, uint8_t flags, uint64_t now_ns, uint64_t published)
{
    struct journal_inputs *inputs = engine->journal->inputs;
    const uint64_t held = risk_hold_table(&engine->risk, published);
    const struct risk_tables *tables = &engine->risk_memory->tables;
    const struct journal_table table = {
        .held = held,
        .asked = engine->journal->asked,
        .generation = (held & 3) != 0 ? tables->buffers[(held & 3) - 1].rules.head.generation : 0};
    journal_append(engine->journal, JOURNAL_TABLE, flags, now_ns, &table, sizeof(table));
    risk_use_table(&engine->risk, held, now_ns);
    atomic_store_explicit(&inputs->publication, held, memory_order_relaxed);
}

void journal_inputs_take(struct engine *engine, uint8_t flags, uint64_t now_ns)
{
    struct risk_kills *theirs = &engine->risk_memory->kills;
    struct journal_inputs *inputs = engine->journal->inputs;
    if (engine->journal->replay) {
        replay_inputs(engine->journal->replay, now_ns);
        return;
    }
    const uint32_t kill = atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed);
    if (kill != engine->kill.value)
        bring(engine, flags, now_ns, (struct journal_command){.name = JOURNAL_COMMAND_KILL, .value = kill});
    const uint64_t switches = atomic_load_explicit(&theirs->switches, memory_order_acquire);
    if (switches != inputs->switches) {
        inputs->switches = switches;
        bring_list(engine, flags, now_ns, JOURNAL_COMMAND_SYMBOLS, theirs->symbols, inputs->kills.symbols);
        bring_list(engine, flags, now_ns, JOURNAL_COMMAND_STRATEGIES, theirs->strategies, inputs->kills.strategies);
    }
    const uint64_t written = atomic_load_explicit(&theirs->written, memory_order_acquire);
    uint64_t taken = atomic_load_explicit(&theirs->taken, memory_order_relaxed);
    for (; taken != written && inputs->kills.written - inputs->kills.taken < RISK_COMMAND_COUNT; taken++) {
        const uint64_t word = atomic_load_explicit(&theirs->commands[taken % RISK_COMMAND_COUNT], memory_order_relaxed);
        bring(engine, flags, now_ns, (struct journal_command){.name = JOURNAL_COMMAND_RISK, .value = word});
    }
    atomic_store_explicit(&theirs->taken, taken, memory_order_release);
    const uint64_t cancel_all = atomic_load_explicit(&theirs->cancel_all, memory_order_acquire);
    if (cancel_all != inputs->kills.cancel_all)
        bring(engine, flags, now_ns, (struct journal_command){.name = JOURNAL_COMMAND_CANCEL_ALL, .value = cancel_all});
    const uint64_t published = atomic_load_explicit(&engine->risk_memory->tables.published, memory_order_acquire);
    if (published != inputs->publication)
        bring_table(engine, flags, now_ns, published);
}
