/* The page that the engine shares with whoever runs it: commands in, state out.
 *
 * One file, mapped by both. The hot loop reads the command line (one cache line) once per poll and
 * writes the state line at most every CONTROL_PUBLISH_NS. Each line has exactly one writer.
 */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/risk/risk.h"

#define CONTROL_MAGIC 0x656e67696e657431ull /* "enginet1" */

enum { CONTROL_BYTES = 4096, CONTROL_PUBLISH_NS = 100 * 1000 };

struct control {
    /* written by the operator */
    uint64_t magic;
    _Atomic uint32_t stop; /* 1: leave the loop */
    struct risk_kill_switch kill; /* 1: no new order leaves */
    uint8_t commands_reserved[48];
    /* written by the engine */
    _Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC of the last publication */
    _Atomic uint64_t delivered;    /* feed messages */
    _Atomic uint64_t triggers;
    _Atomic uint64_t orders;       /* sent */
    _Atomic uint32_t feed_state;   /* enum feed_state */
    _Atomic uint32_t session_up;   /* order session logged in */
    _Atomic uint64_t stalls;       /* polls that came later than the stall bound */
    _Atomic uint64_t stall_ns_max;
    _Atomic uint64_t risk_state;   /* 1 << reason: passed above its soft limit, latched; bit 63: tripped */
};

_Static_assert(offsetof(struct control, heartbeat_ns) == 64, "one cache line per writer");
_Static_assert(sizeof(struct control) == 128, "two cache lines");

#endif
