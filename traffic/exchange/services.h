/* What helps a receiver that has lost something: re-request server and snapshot service, and when they get the loop.
 *
 * Both live in the exchange's loop, which must not be late for them. services_serve() is called behind every packet
 * and, while the loop waits, every few microseconds; it says how long the loop has until the next packet, and does
 * what fits: without slack, nothing, until a deadline has passed. Then one request is looked at, or one slice of a
 * snapshot done, all the same (counted as forced), right behind a packet where it hurts least. So a request is met
 * within about SERVICES_REQUEST_NS and the time of a packet or two even at a schedule's limit, and with nobody asking
 * the price is one receive call in that time. Without services nothing is called.
 * New settings come from another thread through a mailbox of one: it writes `command` while `told` is 0.
 *
 * Owner: the exchange loop; services_tell() and services_told(): one other thread.
 */
#ifndef TRAFFIC_EXCHANGE_SERVICES_H
#define TRAFFIC_EXCHANGE_SERVICES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/recovery.h"
#include "traffic/exchange/snapshot.h"

enum {
    SERVICES_SLACK_NS = 5000,          /* enough for a request */
    SERVICES_SLICE_SLACK_NS = 20000,   /* enough for a slice of a snapshot */
    SERVICES_REQUEST_NS = 40000,       /* requests are looked at so often, slack or not ... */
    SERVICES_BUSY_NS = 15000,          /* ... and so often while there are any */
    SERVICES_REQUESTS_MAX = 4,         /* at a time, with SERVICES_SLICE_SLACK_NS of slack; else 1 */
    SERVICES_SLICE_NS = 60000,         /* slices of a snapshot without slack */
    SERVICES_CONNECTIONS_NS = 100000,  /* logins and timers with slack */
    SERVICES_LOGIN_NS = 1000000,       /* without */
};

struct services_settings {
    struct recovery_settings recovery;
    struct snapshot_settings snapshot;
    bool restart_lose;                 /* lose_requests counts anew; else what is left of it stays */
    bool restart_cut;                  /* likewise cut_connections */
};

struct services_options {
    bool on;
    struct recovery_options recovery;
    struct snapshot_options snapshot;
};

struct services_counters {
    uint64_t polls;                    /* looks at the request socket */
    uint64_t polls_forced;             /* of them, without slack */
    uint64_t slices_forced;
    uint64_t commands;
};

struct services {
    bool on;
    int64_t requests_due_ns;           /* looked at even without slack */
    int64_t slice_due_ns;
    int64_t connections_at_ns;
    int64_t connections_due_ns;
    uint64_t turns;                    /* things done, of whatever kind */
    struct services_counters counters;
    struct recovery recovery;
    struct snapshot snapshot;
    _Alignas(64) _Atomic int32_t told; /* 1: `command` is to be obeyed */
    struct services_settings command;
};

/* 0, or -errno with a line in `error` that names what was tried. */
int services_open(struct services *services, const struct services_options *options, char *error,
                  uint32_t error_size);

/* Do what fits into `slack_ns`. `rule_ns` is the impairments' clock, `market_ns` the market's time. True when there
 * was time for anything. */
bool services_serve(struct services *services, uint64_t market_ns, int64_t slack_ns, int64_t now_ns, int64_t rule_ns);

/* From another thread: have new settings obeyed; false: the ones before are still on their way. */
bool services_tell(struct services *services, const struct services_settings *settings);

/* Whether all that was told has been obeyed. */
bool services_told(const struct services *services);

void services_close(struct services *services);

#endif
