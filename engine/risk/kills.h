/* Switches and commands of the control thread: kill one symbol or one strategy, arm again.
 *
 * A switch holds from the moment it is thrown: risk_check() reads it at every order. What a command causes beside
 * (a mass cancel, a re-arm) is done by risk_poll() on the engine's thread, so that state of the gate has one writer.
 * The switch for all, struct risk_kill_switch, lives in the control page; risk_poll() sees it thrown and asks for the
 * mass cancel itself.
 *
 * Owner: one control thread calls risk_kill_*() and risk_command(); the engine's thread calls risk_poll().
 * Room: RISK_COMMAND_COUNT commands that were not polled yet; one more is refused, its switch holds all the same, and a
 * kill whose command found no room asks for a mass cancel of everything.
 */
#ifndef ENGINE_RISK_KILLS_H
#define ENGINE_RISK_KILLS_H

#include <stdbool.h>
#include <stdint.h>

enum { RISK_COMMAND_COUNT = 64, RISK_KILL_WORDS = 65536 / 64 };

/* Any value but 0 stops all new orders. Written by the control thread or process. */
struct risk_kill_switch {
    _Atomic uint32_t value;
};

_Static_assert(sizeof(struct risk_kill_switch) == 4, "lives in the control block");

enum risk_command_kind {
    RISK_COMMAND_NONE = 0,
    RISK_COMMAND_CANCEL_ALL = 1,
    RISK_COMMAND_CANCEL_SYMBOL = 2,
    RISK_COMMAND_CANCEL_STRATEGY = 3,
    RISK_COMMAND_REARM = 4,
    RISK_COMMAND_KIND_COUNT = 5,
};

struct risk_kills {
    /* written by the control thread */
    _Atomic uint64_t symbols[RISK_KILL_WORDS];    /* a bit per stock locate */
    _Atomic uint64_t strategies[RISK_KILL_WORDS]; /* a bit per strategy number */
    _Atomic uint64_t commands[RISK_COMMAND_COUNT]; /* kind, subject << 8, who << 32 */
    _Atomic uint64_t written;
    _Atomic uint64_t cancel_all; /* kills that found no room, counted */
    _Atomic uint64_t switches;   /* changes of the two lists, counted behind each */
    uint64_t control_reserved[5];
    /* written by the engine's thread */
    _Atomic uint64_t taken;
    uint64_t cancel_all_taken;
    uint64_t engine_reserved[6];
};

/* on: no new order for it, and its open orders are asked to be cancelled. Off: orders pass again. */
void risk_kill_symbol(struct risk_kills *kills, uint16_t symbol, bool on);
void risk_kill_strategy(struct risk_kills *kills, uint16_t strategy, bool on);

/* False: no room; a kill's cancel is done all the same. `who` is the operator's number, for the record. */
bool risk_command(struct risk_kills *kills, enum risk_command_kind kind, uint16_t subject, uint32_t who);

static inline bool risk_kill_bit(const _Atomic uint64_t *words, uint16_t number)
{
    return __atomic_load_n((const uint64_t *)&words[number >> 6], __ATOMIC_RELAXED) >> (number & 63) & 1;
}

#endif
