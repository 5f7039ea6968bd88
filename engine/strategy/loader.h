/* Loads a strategy's shared object into a slot, and tries one out. Cold: never on the engine thread.
 *
 * loader_probe() belongs into a process of its own (probe.c is that program): code that crashes, hangs or leaves there
 * takes nothing with it. It loads the object, checks its description, runs init() on a dry state and some thousand
 * events of a small market, with answers of a venue, a timer and a new beginning among them, and times the calls.
 * loader_load() does the first half again in the engine's process, maps the state, touches every page of state and
 * object, and leaves a READY slot: what is left to the swap is one store.
 * Whether a file may be loaded at all (digest, symbols it needs) is decided before either: strategy_check.py.
 *
 * Owner: one thread at a time.
 */
#ifndef ENGINE_STRATEGY_LOADER_H
#define ENGINE_STRATEGY_LOADER_H

#include <stdint.h>

#include "engine/strategy/slots.h"

enum { LOADER_PROBE_EVENTS = 8192, LOADER_PROBE_SYMBOLS = 8, LOADER_PARAMETERS_MAX = 32 };

/* Stable numbers: exit codes of the probe are these + 100. */
enum loader_verdict {
    LOADER_GOOD = 0,
    LOADER_NOT_LOADABLE = 1,
    LOADER_NO_SYMBOL = 2,
    LOADER_ABI_VERSION = 3,
    LOADER_ABI_SIZES = 4,
    LOADER_DESCRIPTION = 5,  /* name, version, letter, state size, a function that must be there */
    LOADER_NO_MEMORY = 6,
    LOADER_INIT_REFUSED = 7, /* a parameter is unknown or out of range */
    LOADER_NO_SLOT = 8,
    LOADER_OUTPUT = 9,       /* wrote more actions than there is room for */
    LOADER_SLOW = 10,        /* one call in ten was slower than the budget */
};

struct loader_report {
    enum loader_verdict verdict;
    int32_t slot;                /* loader_load() */
    uint64_t events;             /* loader_probe() */
    uint64_t orders;
    uint64_t call_ns_p50;
    uint64_t call_ns_p99;
    char name[TAILGATE_NAME_BYTES];
    char version[TAILGATE_NAME_BYTES];
    uint64_t state_bytes;
    char letter;
    char what[200];              /* a sentence, empty when GOOD */
};

void loader_load(struct strategies *strategies, const char *path, const struct tailgate_parameters *parameters,
                 const struct tailgate_host *host, struct loader_report *report);

void loader_probe(const char *path, const struct tailgate_parameters *parameters, uint64_t event_ns_max,
                  struct loader_report *report);

/* Unloads what the engine has retired, and a READY slot nobody deployed when `ready` is its number. */
void loader_reclaim(struct strategies *strategies, int32_t ready);

#endif
