/* What runner.c, runner_step.c and runner_control.c share: one runner. */
#ifndef ENGINE_RUNNER_INSIDE_H
#define ENGINE_RUNNER_INSIDE_H

#include "engine/runner.h"

struct runner {
    struct engine engine;
    struct venue_mdp3 mdp3; /* runs instead of the engine when options.mdp3 was given */
    uint8_t *mdp3_memory;
    size_t mdp3_bytes;
    struct runner_options options;
    struct control *control;
    struct watchdog *watchdog;
    struct recorder *recorder; /* NULL: no journal */
    uint8_t *memory;
    size_t memory_bytes;
    uint8_t *sent; /* step runs: what the engine wrote to gateway, re-request server and snapshot service */
    uint8_t *requests;
    uint8_t *snapshot_sent;
    bool huge_pages;
    bool zero_copy[FEED_LINE_COUNT];
    struct af_xdp_statistics ports[FEED_LINE_COUNT];
    struct dpdk_statistics dpdk[FEED_LINE_COUNT];
    struct wire_watch watch;
    struct bypass_tcp_counters order_wire; /* of the last bypass wire */
    char error[RUNNER_ERROR_BYTES];
};

#endif
