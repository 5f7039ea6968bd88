#include "engine/runner_inside.h"

#include "engine/journal/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static void *map_memory(size_t bytes, bool *huge)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
    *huge = memory != MAP_FAILED;
    if (*huge)
        return memory;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE);
    if (madvise(memory, bytes, MADV_POPULATE_WRITE))
        memset(memory, 0, bytes);
    return memory;
}

static struct control *map_control(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct control *control = NULL;
    if (file >= 0 && ftruncate(file, CONTROL_BYTES) == 0) {
        control = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
        if (control == MAP_FAILED)
            control = NULL;
        else
            control->magic = CONTROL_MAGIC;
    }
    if (file >= 0)
        close(file);
    return control;
}

/* 0, or -errno with what was missing in `what`. */
static int open_mdp3(struct runner *runner, const struct mdp3_channel_options *options, const char **what)
{
    size_t bytes = mdp3_channel_memory_size(options);
    bool huge;

    *what = "mdp3: an option is out of range";
    if (bytes == 0)
        return -EINVAL;
    *what = "memory for the mdp3 channel";
    runner->mdp3_bytes = round_up(bytes, HUGE_PAGE_BYTES);
    runner->mdp3_memory = map_memory(runner->mdp3_bytes, &huge);
    if (!runner->mdp3_memory)
        return -errno;
    struct engine *engine = &runner->engine;
    *what = "mdp3: an option is out of range";
    return venue_mdp3_init(&runner->mdp3, options, engine->lines, engine->control, &engine->clock, NULL,
                           runner->mdp3_memory, runner->mdp3_bytes);
}

struct runner *runner_open(const struct engine_options *engine, const struct runner_options *options, char *error,
                           uint32_t error_bytes)
{
    struct runner *runner = aligned_alloc(64, round_up(sizeof(*runner), 64));
    const char *what = "memory for the engine";
    if (!runner)
        goto failed;
    memset(runner, 0, sizeof(*runner));
    runner->options = *options;
    size_t bytes = engine_memory_size(engine);
    if (bytes == 0) {
        errno = EINVAL;
        what = "capacities out of range";
        goto failed;
    }
    runner->memory_bytes = round_up(bytes, HUGE_PAGE_BYTES);
    runner->memory = map_memory(runner->memory_bytes, &runner->huge_pages);
    if (!runner->memory)
        goto failed;
    if (options->control_path && !(runner->control = map_control(options->control_path))) {
        what = options->control_path;
        goto failed;
    }
    int result = engine_init(&runner->engine, engine, runner->control, runner->memory, runner->memory_bytes);
    if (result) {
        snprintf(error, error_bytes, "%s", runner->engine.error);
        runner_close(runner);
        return NULL;
    }
    if (options->mdp3 && (result = open_mdp3(runner, options->mdp3, &what))) {
        errno = -result;
        goto failed;
    }
    runner->options.mdp3 = NULL; /* the caller's; runner->mdp3.control says that it was given */
    if (!options->gateway_address) {
        what = "memory for sent orders";
        runner->sent = calloc(1, STREAM_MEMORY_BYTES);
        runner->snapshot_sent = calloc(1, STREAM_MEMORY_BYTES);
        runner->requests = calloc(1, REQUEST_PORT_MEMORY_BYTES);
        if (!runner->sent || !runner->snapshot_sent || !runner->requests)
            goto failed;
        stream_memory(&runner->engine.session.stream, runner->sent);
        if (!options->request_address) {
            stream_memory(&runner->engine.recovery.stream, runner->snapshot_sent);
            request_port_memory(&runner->engine.recovery.port, runner->requests);
        }
    }
    struct recorder_options journal = options->journal;
    journal.mdp3 = runner->mdp3.control ? &runner->mdp3 : NULL;
    if (journal.path && !(runner->recorder = recorder_open(&runner->engine, &journal, error, error_bytes))) {
        runner_close(runner);
        return NULL;
    }
    return runner;
failed:
    snprintf(error, error_bytes, "%s: %s", what, strerror(errno));
    runner_close(runner);
    return NULL;
}

static int pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return cpu < 0 ? 0 : -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* The multicast group in network order; 0 when none is named. */
static uint32_t group_of(const struct runner_line *line)
{
    struct in_addr group = {0};
    return inet_pton(AF_INET, line->group, &group) == 1 ? group.s_addr : 0;
}

static struct af_xdp_options af_xdp_options(const struct runner_line *line, uint32_t key)
{
    return (struct af_xdp_options){.interface = line->interface,
                                   .queue = line->queue,
                                   .socket_map = line->socket_map,
                                   .socket_key = key,
                                   .port = line->port,
                                   .group = group_of(line)};
}

static struct dpdk_options dpdk_options(const struct runner *runner, uint32_t line)
{
    const struct runner_line *options = &runner->options.lines[line], *other = &runner->options.lines[!line];
    return (struct dpdk_options){.device = options->device,
                                 .others = other->kind == PORT_DPDK ? other->device : NULL,
                                 .interface = options->interface,
                                 .huge = options->huge,
                                 .cpu = runner->options.cpu,
                                 .socket_map = options->socket_map,
                                 .socket_key = line,
                                 .port = options->port,
                                 .group = group_of(options)};
}

static int open_line(struct runner *runner, uint32_t line)
{
    const struct runner_line *options = &runner->options.lines[line];
    struct port *port = &runner->engine.lines[line];
    int result = 0;
    if (options->kind == PORT_AF_XDP) {
        const struct af_xdp_options af_xdp = af_xdp_options(options, line);
        result = af_xdp_open(&port->af_xdp, &af_xdp, runner->error, sizeof(runner->error));
        runner->zero_copy[line] = result == 0 && port->af_xdp.zero_copy;
    } else if (options->kind == PORT_KERNEL) {
        const struct kernel_udp_options kernel = {options->interface, options->group, options->port};
        result = kernel_udp_open(&port->kernel, &kernel, runner->error, sizeof(runner->error));
    } else if (options->kind == PORT_DPDK) {
        const struct dpdk_options dpdk = dpdk_options(runner, line);
        result = dpdk_open(&port->dpdk, &dpdk, runner->error, sizeof(runner->error));
    }
    port_set(port, result ? PORT_NONE : options->kind);
    return result;
}

static void close_line(struct runner *runner, uint32_t line)
{
    struct port *port = &runner->engine.lines[line];
    struct af_xdp_statistics *sum = &runner->ports[line], last = {0};
    uint32_t kind = port->kind;
    wire_watch_left(&runner->watch, line, sum);
    if (kind == PORT_AF_XDP || kind == PORT_BOTH) {
        af_xdp_statistics(&port->af_xdp, &last);
        af_xdp_close(&port->af_xdp);
    }
    if (kind == PORT_DPDK || kind == PORT_DPDK_BOTH) {
        dpdk_statistics(&port->dpdk, &runner->dpdk[line]);
        last = port_dpdk_counters(&runner->dpdk[line]);
        dpdk_close(&port->dpdk);
    }
    if (kind == PORT_KERNEL || kind == PORT_BOTH || kind == PORT_DPDK_BOTH) {
        last.dropped += kernel_udp_dropped(&port->kernel) + port->kernel.truncated;
        kernel_udp_close(&port->kernel);
    }
    sum->dropped += last.dropped;
    sum->ring_full += last.ring_full;
    sum->fill_empty += last.fill_empty;
    sum->other_frames += last.other_frames;
    sum->bad_checksums += last.bad_checksums;
    port_set(port, PORT_NONE);
}

static uint64_t now_ns(const struct runner *runner)
{
    return clock_ns(&runner->engine.clock, clock_ticks());
}

/* The bypass wire has no kernel to move its frames while we wait. */
static int connect_bypass(struct runner *runner, struct bypass_tcp **bypass)
{
    struct stream *stream = &runner->engine.session.stream;
    const struct runner_options *options = &runner->options;
    *bypass = bypass_tcp_open(options->gateway_address, options->gateway_port, options->order_queue, runner->error,
                              sizeof(runner->error));
    if (!*bypass)
        return -errno;
    int result = stream_begin_bypass(stream, *bypass);
    uint64_t until_ns = now_ns(runner) + RUNNER_CONNECT_MS * 1000000ull;
    while (!result && !stream_connected(stream)) {
        stream_tick(stream, now_ns(runner));
        if (!stream->connecting)
            result = -stream->failure;
        else if (now_ns(runner) > until_ns)
            result = -ETIMEDOUT;
    }
    if (result) {
        snprintf(runner->error, sizeof(runner->error), "order gateway %s:%u over the bypass wire: connect: %s",
                 options->gateway_address, options->gateway_port, strerror(-result));
        stream_close(stream);
        bypass_tcp_close(*bypass);
        *bypass = NULL;
    }
    return result;
}

static int start_session(struct runner *runner)
{
    struct order_session *session = &runner->engine.session;
    struct bypass_tcp *bypass = NULL;
    int result = runner->options.order_wire == STREAM_BYPASS
                     ? connect_bypass(runner, &bypass)
                     : stream_connect(&session->stream, runner->options.gateway_address, runner->options.gateway_port,
                                      RUNNER_CONNECT_MS, runner->error, sizeof(runner->error));
    if (result)
        return result;
    uint64_t login_ns = now_ns(runner);
    journal_stream_note(session->journal, 0, &session->stream, login_ns);
    order_wire_start(&runner->engine.order_wire, session, bypass);
    bool sent = order_session_endpoint(session, runner->options.gateway_address, runner->options.gateway_port);
    if (sent) {
        record_step(session->journal, JOURNAL_LOGIN, login_ns, session->address, (uint32_t)strlen(session->address));
        sent = order_session_login(session, login_ns);
        record_done(&runner->engine, login_ns);
    }
    if (!sent) {
        snprintf(runner->error, sizeof(runner->error), "order session: the login could not be sent");
        return -EPROTO;
    }
    return 0;
}

static int start_watch(struct runner *runner)
{
    const struct runner_options *options = &runner->options;
    struct wire_watch_options watch = {
        .period_ns = options->watch_period_ns,
        .stall_ns = options->watch_stall_ns,
        .wire_down_ns = options->watch_wire_down_ns,
        .automatic = options->watch_automatic,
        .engine_cpu = options->cpu,
        .queue = options->order_queue,
    };
    for (uint32_t line = 0; line < FEED_LINE_COUNT && options->lines[line].kind != PORT_NONE; line++) {
        const struct runner_line *from = &options->lines[line];
        watch.lines[watch.line_count++] = (struct wire_watch_line){
            .af_xdp = af_xdp_options(from, line),
            .kernel = {from->interface, from->group, from->port},
            .bypass_possible = true,
            .on_dpdk = from->kind == PORT_DPDK,
            .dpdk = dpdk_options(runner, line),
        };
    }
    int result = wire_watch_start(&runner->watch, &watch, runner->engine.control, &runner->engine.order_wire,
                                  runner->engine.lines, runner->engine.order_wire.bypass);
    if (result)
        snprintf(runner->error, sizeof(runner->error), "starting the watchdog of the wires: %s", strerror(-result));
    return result;
}

static void end_session(struct runner *runner)
{
    struct order_wire *wire = &runner->engine.order_wire;
    uint64_t logout_ns = now_ns(runner);
    if (!runner->mdp3.control) {
        record_step(runner->engine.journal, JOURNAL_LOGOUT, logout_ns, NULL, 0);
        order_session_logout(&runner->engine.session, logout_ns);
        record_done(&runner->engine, logout_ns);
    }
    if (wire->bypass)
        bypass_tcp_counters(wire->bypass, &runner->order_wire);
    bypass_tcp_close(wire->bypass);
    wire->bypass = NULL;
}

int runner_run(struct runner *runner)
{
    pthread_setname_np(pthread_self(), "engine-hot");
    int result = pin(runner->options.cpu);
    if (result)
        snprintf(runner->error, sizeof(runner->error), "pinning to CPU %d: %s", runner->options.cpu,
                 strerror(-result));
    if (!result && (result = strategy_load_here(&runner->engine)))
        snprintf(runner->error, sizeof(runner->error), "signal handlers of strategies: %s", strerror(-result));
    for (uint32_t line = 0; line < FEED_LINE_COUNT && !result; line++)
        result = open_line(runner, line);
    if (!result && runner->options.request_address)
        result = request_port_open(&runner->engine.recovery.port, runner->options.request_address,
                                   runner->options.request_port, runner->error, sizeof(runner->error));
    if (!result && runner->options.gateway_address)
        result = start_session(runner);
    if (!result && runner->mdp3.control) {
        venue_mdp3_run(&runner->mdp3);
    } else if (!result) {
        result = start_watch(runner);
        if (!result)
            engine_run(&runner->engine);
    }
    wire_watch_stop(&runner->watch);
    end_session(runner);
    runner_finish_journal(runner);
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++)
        close_line(runner, line);
    recovery_close(&runner->engine.recovery);
    return result;
}

void runner_stop(struct runner *runner)
{
    runner->engine.control->stop = 1;
}

struct venue_mdp3 *runner_mdp3(struct runner *runner)
{
    return &runner->mdp3;
}

struct engine *runner_engine(struct runner *runner)
{
    return &runner->engine;
}

const char *runner_error(const struct runner *runner)
{
    return runner->error;
}

const struct wire_watch *runner_watch(const struct runner *runner)
{
    return &runner->watch;
}

void runner_order_wire_counters(const struct runner *runner, struct bypass_tcp_counters *counters)
{
    *counters = runner->order_wire;
}

bool runner_huge_pages(const struct runner *runner)
{
    return runner->huge_pages;
}

bool runner_zero_copy(const struct runner *runner, uint32_t line)
{
    return line < FEED_LINE_COUNT && runner->zero_copy[line];
}

void runner_port_statistics(const struct runner *runner, uint32_t line, struct af_xdp_statistics *statistics)
{
    *statistics = runner->ports[line < FEED_LINE_COUNT ? line : 0];
}

void runner_dpdk_statistics(const struct runner *runner, uint32_t line, struct dpdk_statistics *statistics)
{
    *statistics = runner->dpdk[line < FEED_LINE_COUNT ? line : 0];
}

bool runner_note_table(struct runner *runner, const struct risk_table *table)
{
    return !runner->recorder || recorder_note_table(runner->recorder, table);
}

bool runner_note_object(struct runner *runner, const char *json)
{
    return !runner->recorder || recorder_note(runner->recorder, JOURNAL_OBJECT, json, (uint32_t)strlen(json));
}

void runner_finish_journal(struct runner *runner)
{
    if (runner->recorder)
        recorder_finish(runner->recorder, &runner->engine, clock_ns(&runner->engine.clock, clock_ticks()));
}

void runner_journal_statistics(const struct runner *runner, struct recorder_statistics *statistics)
{
    memset(statistics, 0, sizeof(*statistics));
    if (runner->recorder)
        recorder_statistics(runner->recorder, statistics);
}

void runner_close(struct runner *runner)
{
    if (!runner)
        return;
    watchdog_stop(runner->watchdog);
    guard_use(NULL);
    recorder_close(runner->recorder);
    if (runner->memory)
        munmap(runner->memory, runner->memory_bytes);
    if (runner->mdp3_memory)
        munmap(runner->mdp3_memory, runner->mdp3_bytes);
    if (runner->control)
        munmap(runner->control, CONTROL_BYTES);
    free(runner->sent);
    free(runner->snapshot_sent);
    free(runner->requests);
    free(runner);
}

bool runner_die_with_parent(void)
{
    pid_t parent = getppid();
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && parent != 1;
}
