/* Re-requests and snapshots within the loop. Essay: services.h. */
#include "traffic/exchange/services.h"

#include "traffic/exchange/clock.h"

int services_open(struct services *services, const struct services_options *options, char *error,
                  uint32_t error_size) {
    services->on = options->on;
    if (!options->on)
        return 0;
    services->recovery.socket = services->snapshot.port.listener = -1;
    int outcome = recovery_open(&services->recovery, &options->recovery, error, error_size);
    if (outcome == 0)
        outcome = snapshot_open(&services->snapshot, &options->snapshot, error, error_size);
    if (outcome != 0)
        services_close(services);
    return outcome;
}

static void obey(struct services *services) {
    struct services_settings *command = &services->command;
    if (!command->restart_lose)
        command->recovery.lose_requests = services->recovery.settings.lose_requests;
    if (!command->restart_cut)
        command->snapshot.cut_connections = services->snapshot.settings.cut_connections;
    recovery_behave(&services->recovery, &command->recovery);
    snapshot_behave(&services->snapshot, &command->snapshot);
    services->counters.commands++;
    atomic_store_explicit(&services->told, 0, memory_order_release);
}

/* True when there were requests. */
static bool serve_requests(struct services *services, int64_t slack_ns, int64_t now_ns, int64_t rule_ns) {
    bool slack = slack_ns >= SERVICES_SLACK_NS;
    if (!slack && now_ns < services->requests_due_ns)
        return false;
    uint32_t most = slack_ns >= SERVICES_SLICE_SLACK_NS ? SERVICES_REQUESTS_MAX : 1;
    uint32_t requests = recovery_poll(&services->recovery, most, now_ns, rule_ns);
    services->requests_due_ns = now_ns + (requests ? SERVICES_BUSY_NS : SERVICES_REQUEST_NS);
    services->turns++;
    services->counters.polls++;
    services->counters.polls_forced += !slack;
    return requests > 0;
}

/* True when there was time for it. */
static bool serve_connections(struct services *services, uint64_t market_ns, int64_t slack_ns, int64_t now_ns) {
    if (now_ns < services->connections_at_ns ||
        (slack_ns < SERVICES_SLACK_NS && now_ns < services->connections_due_ns))
        return false;
    services->turns++;
    snapshot_poll(&services->snapshot, market_ns, now_ns);
    services->connections_at_ns = now_ns + SERVICES_CONNECTIONS_NS;
    services->connections_due_ns = now_ns + SERVICES_LOGIN_NS;
    return true;
}

static void serve_slice(struct services *services, int64_t slack_ns, int64_t now_ns) {
    bool slack = slack_ns >= SERVICES_SLICE_SLACK_NS;
    if (!slack && now_ns < services->slice_due_ns)
        return;
    services->turns++;
    snapshot_work(&services->snapshot, now_ns);
    services->slice_due_ns = now_ns + SERVICES_SLICE_NS;
    services->counters.slices_forced += !slack;
}

bool services_serve(struct services *services, uint64_t market_ns, int64_t slack_ns, int64_t now_ns,
                    int64_t rule_ns) {
    uint64_t turns = services->turns;
    if (atomic_load_explicit(&services->told, memory_order_acquire))
        obey(services);
    /* Where time is short, what was done has used it up: the rest only when it is due. */
    bool brief = slack_ns < SERVICES_SLICE_SLACK_NS;
    if (serve_requests(services, slack_ns, now_ns, rule_ns) && brief)
        slack_ns = 0;
    if (serve_connections(services, market_ns, slack_ns, now_ns) && brief)
        slack_ns = 0;
    if (snapshot_busy(&services->snapshot))
        serve_slice(services, slack_ns, clock_ns());
    return services->turns != turns;
}

bool services_tell(struct services *services, const struct services_settings *settings) {
    if (atomic_load_explicit(&services->told, memory_order_acquire))
        return false;
    services->command = *settings;
    atomic_store_explicit(&services->told, 1, memory_order_release);
    return true;
}

bool services_told(const struct services *services) {
    return atomic_load_explicit(&services->told, memory_order_acquire) == 0;
}

void services_close(struct services *services) {
    if (!services->on)
        return;
    recovery_close(&services->recovery);
    snapshot_close(&services->snapshot);
}
