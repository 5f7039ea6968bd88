#include "engine/wire_watch.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

static uint64_t now_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* False only when the interface says so. */
static bool has_carrier(const char *interface)
{
    struct ethtool_value link = {.cmd = ETHTOOL_GLINK, .data = 1};
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    request.ifr_data = (void *)&link;
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return true;
    bool there = ioctl(descriptor, SIOCETHTOOL, &request) != 0 || link.data != 0;
    close(descriptor);
    return there;
}

/* True when the carrier has come back after long enough: before, another transport would not get through either. */
static bool was_down(const struct wire_watch *watch, const char *interface, uint64_t *down_ns, uint64_t now_ns)
{
    bool there = has_carrier(interface), lasted = *down_ns != 0 && now_ns - *down_ns >= watch->options.wire_down_ns;
    if (there)
        *down_ns = 0;
    else if (*down_ns == 0)
        *down_ns = now_ns;
    return there && lasted;
}

/* Lines */

static uint32_t kind_of(const struct port *port)
{
    return atomic_load_explicit(&port->kind, memory_order_acquire);
}

static void wish(struct port *port, uint32_t kind)
{
    atomic_store_explicit(&port->wish, kind, memory_order_release);
}

static struct wire_watch_change *note_change(struct wire_watch *watch)
{
    uint32_t number = watch->change_count++;
    return number < WIRE_WATCH_LOG ? &watch->changes[number] : &watch->beyond;
}

static uint32_t bypass_of(const struct wire_watch *watch, uint32_t line)
{
    return watch->options.lines[line].on_dpdk ? PORT_DPDK : PORT_AF_XDP;
}

static uint32_t both_of(const struct wire_watch *watch, uint32_t line)
{
    return watch->options.lines[line].on_dpdk ? PORT_DPDK_BOTH : PORT_BOTH;
}

static int open_bypass(struct wire_watch *watch, uint32_t line)
{
    const struct wire_watch_line *options = &watch->options.lines[line];
    struct port *port = watch->ports[line];
    if (options->on_dpdk)
        return dpdk_open(&port->dpdk, &options->dpdk, watch->error, sizeof(watch->error));
    return af_xdp_open(&port->af_xdp, &options->af_xdp, watch->error, sizeof(watch->error));
}

/* Opens the other wire of a line beside the one in use. False when that cannot be done: `error` says why. */
static bool begin_line(struct wire_watch *watch, uint32_t line, uint32_t target, enum wire_cause cause, uint64_t now_ns)
{
    const struct wire_watch_line *options = &watch->options.lines[line];
    struct wire_watch_state *state = &watch->lines[line];
    struct port *port = watch->ports[line];
    uint32_t from = kind_of(port);
    if (state->phase != WATCH_STEADY || from == target)
        return true;
    int result = -EINVAL;
    snprintf(watch->error, sizeof(watch->error), "line %c: no bypass was configured for it", 'A' + (int)line);
    if (options->on_dpdk && !dpdk_fallback(&options->dpdk, watch->error, sizeof(watch->error)))
        return false;
    if (target == PORT_KERNEL)
        result = kernel_udp_open(&port->kernel, &options->kernel, watch->error, sizeof(watch->error));
    else if (options->bypass_possible)
        result = open_bypass(watch, line);
    if (result)
        return false;
    state->change = note_change(watch);
    *state->change = (struct wire_watch_change){
        .at_ns = now_ns, .line = (uint8_t)line, .from = (uint8_t)from, .to = (uint8_t)target, .cause = (uint8_t)cause};
    state->target = target;
    state->phase = WATCH_JOINING;
    wish(port, both_of(watch, line));
    return true;
}

static void close_left(struct wire_watch_state *state, struct port *port, uint32_t left)
{
    struct af_xdp_statistics counters = {0};
    if (left == PORT_AF_XDP) {
        af_xdp_statistics(&port->af_xdp, &counters);
        af_xdp_close(&port->af_xdp);
    } else if (left == PORT_DPDK) {
        struct dpdk_statistics dpdk;
        dpdk_statistics(&port->dpdk, &dpdk);
        counters = port_dpdk_counters(&dpdk);
        dpdk_close(&port->dpdk);
    } else {
        counters.dropped = kernel_udp_dropped(&port->kernel) + port->kernel.truncated;
        kernel_udp_close(&port->kernel);
    }
    state->left.dropped += counters.dropped;
    state->left.ring_full += counters.ring_full;
    state->left.fill_empty += counters.fill_empty;
    state->left.other_frames += counters.other_frames;
    state->left.bad_checksums += counters.bad_checksums;
}

/* Nothing waits in the wire that is being left. */
static bool is_drained(const struct wire_watch_state *state, const struct port *port, uint32_t target)
{
    int waiting = 0;
    if (target == PORT_KERNEL && kind_of(port) == PORT_DPDK_BOTH)
        return __atomic_load_n(&port->dpdk.empty_polls, __ATOMIC_RELAXED) != state->polled;
    if (target == PORT_KERNEL)
        return af_xdp_waiting(&port->af_xdp) == 0;
    return ioctl(port->kernel.socket, SIOCINQ, &waiting) != 0 || waiting == 0;
}

static void step_line(struct wire_watch *watch, uint32_t line, uint64_t now_ns)
{
    struct wire_watch_state *state = &watch->lines[line];
    struct port *port = watch->ports[line];
    switch (state->phase) {
    case WATCH_JOINING:
        if (kind_of(port) != both_of(watch, line))
            return; /* the hot loop stands still */
        if (state->target == PORT_KERNEL && bypass_of(watch, line) == PORT_DPDK)
            dpdk_withdraw(&port->dpdk);
        else if (state->target == PORT_KERNEL)
            af_xdp_withdraw(&port->af_xdp);
        state->polled = __atomic_load_n(&port->dpdk.empty_polls, __ATOMIC_RELAXED);
        state->since_ns = now_ns;
        state->phase = WATCH_OVERLAP;
        return;
    case WATCH_OVERLAP:
        if (now_ns - state->since_ns < WIRE_WATCH_SETTLE_NS || !is_drained(state, port, state->target))
            return;
        wish(port, state->target);
        state->phase = WATCH_LEAVING;
        return;
    case WATCH_LEAVING:
        if (kind_of(port) != state->target)
            return;
        close_left(state, port, state->target == PORT_KERNEL ? bypass_of(watch, line) : PORT_KERNEL);
        state->change->done_ns = now_ns;
        state->phase = WATCH_STEADY;
        return;
    default:
        return;
    }
}

static void judge_line(struct wire_watch *watch, uint32_t line, uint64_t now_ns)
{
    struct wire_watch_state *state = &watch->lines[line];
    struct port *port = watch->ports[line];
    uint32_t bypass = bypass_of(watch, line);
    const struct dpdk_options *dpdk = &watch->options.lines[line].dpdk;
    char reason[WIRE_WATCH_ERROR_BYTES];
    if (state->phase != WATCH_STEADY || kind_of(port) != bypass)
        return;
    if (bypass == PORT_DPDK && !dpdk_fallback(dpdk, reason, sizeof(reason)))
        return;
    enum wire_cause cause = WIRE_CAUSE_NONE;
    if (bypass == PORT_DPDK ? !dpdk_redirected(&port->dpdk) : !af_xdp_redirected(&port->af_xdp))
        cause = WIRE_CAUSE_PROGRAM_GONE;
    else if (was_down(watch, watch->options.lines[line].af_xdp.interface, &state->down_ns, now_ns))
        cause = WIRE_CAUSE_WIRE_DOWN;
    else if (watch->still_ns >= watch->options.stall_ns)
        cause = WIRE_CAUSE_STALLED;
    if (cause != WIRE_CAUSE_NONE)
        begin_line(watch, line, PORT_KERNEL, cause, now_ns);
}

/* Orders */

static bool orders_idle(const struct wire_watch *watch)
{
    return atomic_load_explicit(&watch->orders->wish, memory_order_acquire) == STREAM_NONE &&
           !atomic_load_explicit(&watch->orders->busy, memory_order_acquire);
}

static uint32_t orders_in_use(const struct wire_watch *watch)
{
    return atomic_load_explicit(&watch->orders->in_use, memory_order_acquire);
}

static bool begin_orders(struct wire_watch *watch, enum stream_kind target, enum wire_cause cause)
{
    struct order_wire *orders = watch->orders;
    if (orders_in_use(watch) == STREAM_NONE) {
        snprintf(watch->error, sizeof(watch->error), "orders: no gateway is configured");
        return false;
    }
    if (!orders_idle(watch) || orders_in_use(watch) == target)
        return true;
    if (target == STREAM_BYPASS) {
        struct bypass_tcp *bypass = bypass_tcp_open(orders->session->address, orders->session->port, watch->options.queue, watch->error,
                                                    sizeof(watch->error));
        if (!bypass)
            return false;
        watch->watched = bypass;
        atomic_store_explicit(&orders->offered, bypass, memory_order_release);
    }
    atomic_store_explicit(&orders->wish_cause, cause, memory_order_relaxed);
    atomic_store_explicit(&orders->wish, target, memory_order_release);
    return true;
}

static void close_returned(struct wire_watch *watch)
{
    struct bypass_tcp *returned = atomic_exchange(&watch->orders->returned, NULL);
    if (!returned)
        return;
    watch->watched = NULL;
    bypass_tcp_close(returned);
}

static void judge_orders(struct wire_watch *watch, uint64_t now_ns)
{
    if (!watch->watched || !orders_idle(watch) || orders_in_use(watch) != STREAM_BYPASS)
        return;
    enum wire_cause cause = WIRE_CAUSE_NONE;
    if (!bypass_tcp_steered(watch->watched))
        cause = WIRE_CAUSE_PROGRAM_GONE;
    else if (was_down(watch, bypass_tcp_interface(watch->watched), &watch->orders_down_ns, now_ns))
        cause = WIRE_CAUSE_WIRE_DOWN;
    else if (watch->still_ns >= watch->options.stall_ns)
        cause = WIRE_CAUSE_STALLED;
    if (cause != WIRE_CAUSE_NONE)
        begin_orders(watch, STREAM_TCP, cause);
}

/* Commands */

static void take_command(struct wire_watch *watch, uint64_t now_ns)
{
    uint32_t command = atomic_load_explicit(&watch->control->wire_command, memory_order_acquire);
    uint32_t handled = atomic_load_explicit(&watch->control->wire_handled, memory_order_relaxed);
    if (command == 0 || command == handled || watch->command != 0)
        return;
    uint32_t ports = command >> 8 & 0xff, target = command & 0xff;
    bool to_kernel = target == CONTROL_WIRE_KERNEL, good = to_kernel || target == CONTROL_WIRE_BYPASS;
    if (!good)
        snprintf(watch->error, sizeof(watch->error), "wire command: unknown target %u", target);
    for (uint32_t line = 0; line < watch->options.line_count && good; line++)
        if (ports & (CONTROL_PORT_LINE_A << line))
            good = begin_line(watch, line, to_kernel ? PORT_KERNEL : bypass_of(watch, line), WIRE_CAUSE_COMMAND, now_ns);
    if (good && (ports & CONTROL_PORT_ORDERS))
        good = begin_orders(watch, to_kernel ? STREAM_TCP : STREAM_BYPASS, WIRE_CAUSE_COMMAND);
    watch->command = command;
    watch->command_failed = !good;
}

static bool all_steady(const struct wire_watch *watch)
{
    for (uint32_t line = 0; line < watch->options.line_count; line++)
        if (watch->lines[line].phase != WATCH_STEADY)
            return false;
    return orders_idle(watch);
}

static void publish(struct wire_watch *watch, uint64_t now_ns)
{
    struct control *control = watch->control;
    for (uint32_t line = 0; line < watch->options.line_count; line++)
        control->wire_lines[line] = kind_of(watch->ports[line]);
    control->wire_orders = orders_in_use(watch);
    control->wire_switches = watch->change_count + watch->orders->change_count;
    control->wire_watch_ns = now_ns;
    if (watch->command == 0 || !all_steady(watch))
        return;
    if (watch->command_failed)
        control->wire_refused = watch->command;
    control->wire_handled = watch->command;
    watch->command = 0;
}

static void look(struct wire_watch *watch, uint64_t since_ns)
{
    uint64_t now_ns = now_monotonic_ns(), beat_ns = watch->control->heartbeat_ns;
    bool moved = beat_ns != watch->beat_ns || beat_ns == 0;
    watch->still_ns = moved ? 0 : watch->still_ns + since_ns;
    watch->beat_ns = beat_ns;
    watch->looks++;
    close_returned(watch);
    take_command(watch, now_ns);
    for (uint32_t line = 0; line < watch->options.line_count; line++) {
        step_line(watch, line, now_ns);
        if (watch->options.automatic)
            judge_line(watch, line, now_ns);
    }
    if (watch->options.automatic)
        judge_orders(watch, now_ns);
    publish(watch, now_ns);
}

/* Anywhere the process may run, but for the engine's CPU. */
static void leave_engine_cpu(int engine_cpu)
{
    cpu_set_t set;
    if (sched_getaffinity(getpid(), sizeof(set), &set))
        return;
    if (engine_cpu >= 0 && CPU_ISSET((unsigned)engine_cpu, &set) && CPU_COUNT(&set) > 1)
        CPU_CLR((unsigned)engine_cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *run(void *argument)
{
    struct wire_watch *watch = argument;
    leave_engine_cpu(watch->options.engine_cpu);
    pthread_setname_np(pthread_self(), "engine-watch");
    while (!atomic_load_explicit(&watch->stop, memory_order_acquire)) {
        bool busy = watch->command != 0 || !all_steady(watch);
        uint64_t wait_ns = busy && watch->options.period_ns > WIRE_WATCH_STEP_NS ? WIRE_WATCH_STEP_NS
                                                                                  : watch->options.period_ns;
        const struct timespec pause = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)};
        nanosleep(&pause, NULL);
        look(watch, wait_ns);
    }
    return NULL;
}

int wire_watch_start(struct wire_watch *watch, const struct wire_watch_options *options, struct control *control,
                     struct order_wire *orders, struct port *ports, struct bypass_tcp *bypass)
{
    memset(watch, 0, sizeof(*watch));
    watch->options = *options;
    watch->control = control;
    watch->orders = orders;
    watch->watched = bypass;
    for (uint32_t line = 0; line < options->line_count; line++)
        watch->ports[line] = &ports[line];
    publish(watch, now_monotonic_ns());
    if (options->period_ns == 0)
        return 0;
    int result = pthread_create(&watch->thread, NULL, run, watch);
    watch->running = result == 0;
    return -result;
}

void wire_watch_stop(struct wire_watch *watch)
{
    if (watch->running) {
        atomic_store_explicit(&watch->stop, true, memory_order_release);
        pthread_join(watch->thread, NULL);
        watch->running = false;
    }
    if (!watch->orders)
        return;
    close_returned(watch);
    struct bypass_tcp *offered = atomic_exchange(&watch->orders->offered, NULL);
    if (offered)
        bypass_tcp_close(offered);
    for (uint32_t line = 0; line < watch->options.line_count; line++)
        if (watch->lines[line].phase != WATCH_STEADY)
            port_set(watch->ports[line], both_of(watch, line));
}

void wire_watch_left(const struct wire_watch *watch, uint32_t line, struct af_xdp_statistics *statistics)
{
    *statistics = watch->lines[line < WIRE_WATCH_LINES ? line : 0].left;
}
