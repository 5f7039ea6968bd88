/* CLOCK_MONOTONIC in ns, through the vdso: about 25 ns, no system call. Every time of a run is in this domain. */
#ifndef TRAFFIC_EXCHANGE_CLOCK_H
#define TRAFFIC_EXCHANGE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
