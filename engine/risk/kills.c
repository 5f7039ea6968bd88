/* Switches and commands of the control thread: see kills.h. */
#include "engine/risk/kills.h"

#include <stdatomic.h>

bool risk_command(struct risk_kills *kills, enum risk_command_kind kind, uint16_t subject, uint32_t who)
{
    const uint64_t written = atomic_load_explicit(&kills->written, memory_order_relaxed);
    if (written - atomic_load_explicit(&kills->taken, memory_order_acquire) >= RISK_COMMAND_COUNT) {
        if (kind != RISK_COMMAND_REARM)
            atomic_fetch_add_explicit(&kills->cancel_all, 1, memory_order_release);
        return false;
    }
    atomic_store_explicit(&kills->commands[written % RISK_COMMAND_COUNT],
                          (uint64_t)kind | (uint64_t)subject << 8 | (uint64_t)who << 32, memory_order_relaxed);
    atomic_store_explicit(&kills->written, written + 1, memory_order_release);
    return true;
}

static void throw_bit(_Atomic uint64_t *words, _Atomic uint64_t *switches, uint16_t number, bool on)
{
    const uint64_t bit = 1ull << (number & 63);
    if (on)
        atomic_fetch_or_explicit(&words[number >> 6], bit, memory_order_seq_cst);
    else
        atomic_fetch_and_explicit(&words[number >> 6], ~bit, memory_order_seq_cst);
    atomic_fetch_add_explicit(switches, 1, memory_order_release);
}

void risk_kill_symbol(struct risk_kills *kills, uint16_t symbol, bool on)
{
    throw_bit(kills->symbols, &kills->switches, symbol, on);
    if (on)
        risk_command(kills, RISK_COMMAND_CANCEL_SYMBOL, symbol, 0);
}

void risk_kill_strategy(struct risk_kills *kills, uint16_t strategy, bool on)
{
    throw_bit(kills->strategies, &kills->switches, strategy, on);
    if (on)
        risk_command(kills, RISK_COMMAND_CANCEL_STRATEGY, strategy, 0);
}
