/* Switches: words in a page of another process that the loop writes at times of the schedule.
 *
 * An operator's command (an engine's kill switch) thrown by whoever keeps the time of the run: to the nanosecond, and
 * without taking the core from the market, which goes on around it. A command that is found late, because the loop was
 * busy, is thrown late and says so: done_ns is the time just before the store.
 * Owner: the exchange's thread. Cost: one comparison a turn; a clock read and a store a command.
 */
#ifndef TRAFFIC_EXCHANGE_SWITCHES_H
#define TRAFFIC_EXCHANGE_SWITCHES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/clock.h"

struct switch_command {
    int64_t at_ns;    /* since the first packet's intended time; rising */
    int64_t done_ns;  /* CLOCK_MONOTONIC, 0: not yet */
    uint32_t value;
    uint32_t reserved;
};

struct switches {
    _Atomic uint32_t *word;           /* NULL: nobody is there to be told */
    struct switch_command *commands;
    uint32_t count;
    uint32_t next;
    int64_t due_ns;                   /* INT64_MAX: nothing is to come */
};

static inline void switches_schedule(struct switches *switches, int64_t start_ns) {
    bool more = switches->word != NULL && switches->next < switches->count;
    switches->due_ns = more ? start_ns + switches->commands[switches->next].at_ns : INT64_MAX;
}

static inline void switches_throw(struct switches *switches, int64_t start_ns) {
    struct switch_command *command = &switches->commands[switches->next++];
    command->done_ns = clock_ns();
    atomic_store_explicit(switches->word, command->value, memory_order_release);
    switches_schedule(switches, start_ns);
}

#endif
