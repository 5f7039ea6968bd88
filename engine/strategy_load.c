#include "engine/strategy_load.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "engine/engine.h"

enum { LOOKS_PER_HANG = 4 };

struct watchdog {
    pthread_t thread;
    struct engine *engine;
    _Atomic uint32_t stop;
};

static int64_t position(const void *context, uint16_t symbol)
{
    const struct engine *engine = context;
    return own_orders_symbol(&engine->session.own_orders, symbol)->position;
}

int strategy_load_here(struct engine *engine)
{
    int result = guard_install();
    return result ? result : guard_here(&engine->strategies.guard, engine->strategies.signal_stack);
}

void strategy_load(struct engine *engine, const char *path, const struct tailgate_parameters *parameters,
                   struct loader_report *report)
{
    const struct tailgate_host host = {sizeof(host), TAILGATE_STRATEGY_ABI, engine, position};
    loader_reclaim(&engine->strategies, -1);
    loader_load(&engine->strategies, path, parameters, &host, report);
}

void strategy_reclaim(struct engine *engine, int32_t ready)
{
    loader_reclaim(&engine->strategies, ready);
}

static void *watch(void *context)
{
    struct watchdog *watchdog = context;
    struct strategies *strategies = &watchdog->engine->strategies;
    const uint64_t look_ns = strategies->budget.hang_ns / LOOKS_PER_HANG;
    const struct timespec pause = {(time_t)(look_ns / 1000000000), (long)(look_ns % 1000000000)};
    uint64_t seen = 0;
    uint32_t looks = 0;
    while (!atomic_load(&watchdog->stop)) {
        nanosleep(&pause, NULL);
        looks = guard_same_call(&strategies->guard, &seen) ? looks + 1 : 0;
        if (looks >= LOOKS_PER_HANG)
            guard_end_call(&strategies->guard, seen);
    }
    return NULL;
}

struct watchdog *watchdog_start(struct engine *engine)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (!watchdog)
        return NULL;
    watchdog->engine = engine;
    if (pthread_create(&watchdog->thread, NULL, watch, watchdog)) {
        free(watchdog);
        return NULL;
    }
    return watchdog;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    atomic_store(&watchdog->stop, 1);
    pthread_join(watchdog->thread, NULL);
    free(watchdog);
}
