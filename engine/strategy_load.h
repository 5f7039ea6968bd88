/* Strategies of one engine from outside its thread: loading, unloading, and the watchdog over their calls.
 *
 * The watchdog is a thread that starts with the first load. While a shared object is active it looks every quarter of
 * hang_ns whether the call under way is still the same; one that stays for hang_ns is ended (guard.h).
 * Owner: one thread other than the engine's; strategy_load_here() the engine's, before it polls.
 */
#ifndef ENGINE_STRATEGY_LOAD_H
#define ENGINE_STRATEGY_LOAD_H

#include "engine/strategy/loader.h"

struct engine;
struct watchdog;

/* The calling thread will run strategies: signal handlers, a signal stack. 0 or -errno. */
int strategy_load_here(struct engine *engine);

/* A READY slot in report->slot, or a verdict. */
void strategy_load(struct engine *engine, const char *path, const struct tailgate_parameters *parameters,
                   struct loader_report *report);

/* Unloads what is retired; `ready` (or -1): this READY slot too. */
void strategy_reclaim(struct engine *engine, int32_t ready);

/* NULL: no thread could be made. Stop it before the engine's memory goes. */
struct watchdog *watchdog_start(struct engine *engine);
void watchdog_stop(struct watchdog *watchdog);

#endif
