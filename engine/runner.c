#include "engine/runner.h"

#include "engine/journal/record.h"

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

struct runner {
    struct engine engine;
    struct runner_options options;
    struct control *control;
    struct recorder *recorder; /* NULL: no journal */
    uint8_t *memory;
    size_t memory_bytes;
    uint8_t *sent; /* step runs: what the engine wrote to gateway, re-request server and snapshot service */
    uint8_t *requests;
    uint8_t *snapshot_sent;
    bool huge_pages;
    bool zero_copy[FEED_LINE_COUNT];
    struct af_xdp_statistics ports[FEED_LINE_COUNT];
    char error[RUNNER_ERROR_BYTES];
};

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
    if (options->journal.path &&
        !(runner->recorder = recorder_open(&runner->engine, &options->journal, error, error_bytes))) {
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

static int open_line(struct runner *runner, uint32_t line)
{
    const struct runner_line *options = &runner->options.lines[line];
    struct port *port = &runner->engine.lines[line];
    int result = 0;
    if (options->kind == PORT_AF_XDP) {
        const struct af_xdp_options af_xdp = {.interface = options->interface,
                                              .queue = options->queue,
                                              .socket_map = options->socket_map,
                                              .socket_key = line,
                                              .port = options->port};
        result = af_xdp_open(&port->af_xdp, &af_xdp, runner->error, sizeof(runner->error));
        runner->zero_copy[line] = result == 0 && port->af_xdp.zero_copy;
    } else if (options->kind == PORT_KERNEL) {
        const struct kernel_udp_options kernel = {options->interface, options->group, options->port};
        result = kernel_udp_open(&port->kernel, &kernel, runner->error, sizeof(runner->error));
    }
    port->kind = result ? PORT_NONE : options->kind;
    return result;
}

static void close_line(struct runner *runner, uint32_t line)
{
    struct port *port = &runner->engine.lines[line];
    if (port->kind == PORT_AF_XDP) {
        af_xdp_statistics(&port->af_xdp, &runner->ports[line]);
        af_xdp_close(&port->af_xdp);
    } else if (port->kind == PORT_KERNEL) {
        runner->ports[line] = (struct af_xdp_statistics){.dropped = kernel_udp_dropped(&port->kernel) +
                                                                    port->kernel.truncated};
        kernel_udp_close(&port->kernel);
    }
    port->kind = PORT_NONE;
}

static int start_session(struct runner *runner)
{
    struct order_session *session = &runner->engine.session;
    int result = stream_connect(&session->stream, runner->options.gateway_address, runner->options.gateway_port,
                                RUNNER_CONNECT_MS, runner->error, sizeof(runner->error));
    if (result)
        return result;
    uint64_t now_ns = clock_ns(&runner->engine.clock, clock_ticks());
    journal_stream_note(session->journal, 0, &session->stream, now_ns);
    record_step(session->journal, JOURNAL_LOGIN, now_ns, NULL, 0);
    bool sent = order_session_login(session, now_ns);
    record_done(&runner->engine, now_ns);
    if (!sent) {
        snprintf(runner->error, sizeof(runner->error), "order session: the login could not be sent");
        return -EPROTO;
    }
    return 0;
}

int runner_run(struct runner *runner)
{
    int result = pin(runner->options.cpu);
    if (result)
        snprintf(runner->error, sizeof(runner->error), "pinning to CPU %d: %s", runner->options.cpu,
                 strerror(-result));
    for (uint32_t line = 0; line < FEED_LINE_COUNT && !result; line++)
        result = open_line(runner, line);
    if (!result && runner->options.request_address)
        result = request_port_open(&runner->engine.recovery.port, runner->options.request_address,
                                   runner->options.request_port, runner->error, sizeof(runner->error));
    if (!result && runner->options.gateway_address)
        result = start_session(runner);
    if (!result) {
        engine_run(&runner->engine);
        uint64_t now_ns = clock_ns(&runner->engine.clock, clock_ticks());
        record_step(runner->engine.journal, JOURNAL_LOGOUT, now_ns, NULL, 0);
        order_session_logout(&runner->engine.session, now_ns);
        record_done(&runner->engine, now_ns);
    }
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

struct engine *runner_engine(struct runner *runner)
{
    return &runner->engine;
}

const char *runner_error(const struct runner *runner)
{
    return runner->error;
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

static uint32_t take(uint8_t *memory, uint32_t *memory_count, uint8_t *bytes, uint32_t capacity)
{
    uint32_t count = *memory_count < capacity ? *memory_count : capacity;
    memcpy(bytes, memory, count);
    memmove(memory, memory + count, *memory_count - count);
    *memory_count -= count;
    return count;
}

uint32_t runner_take_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->sent, &runner->engine.session.stream.memory_count, bytes, capacity);
}

uint32_t runner_take_requests(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->requests, &runner->engine.recovery.port.memory_count, bytes, capacity);
}

uint32_t runner_take_snapshot_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->snapshot_sent, &runner->engine.recovery.stream.memory_count, bytes, capacity);
}

void runner_accept_login(struct runner *runner, uint64_t now_ns)
{
    /* Login Accepted: session of ten characters, sequence 1 right-justified in twenty. */
    static const char accepted[] = "\0\x1f" "A" "STEPPING  " "                   1";
    record_step(runner->engine.journal, JOURNAL_LOGIN, now_ns, NULL, 0);
    order_session_login(&runner->engine.session, now_ns);
    record_done(&runner->engine, now_ns);
    runner->engine.session.stream.memory_count = 0;
    runner_receive(runner, (const uint8_t *)accepted, sizeof(accepted) - 1, now_ns);
}

/* In pieces that a record can hold. */
void runner_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    while (length != 0) {
        uint32_t piece = length < ORDER_RECEIVE_BYTES ? length : ORDER_RECEIVE_BYTES;
        record_step(runner->engine.journal, JOURNAL_ORDER_BYTES, now_ns, bytes, piece);
        order_session_receive(&runner->engine.session, bytes, piece, now_ns);
        record_done(&runner->engine, now_ns);
        bytes += piece;
        length -= piece;
    }
}

void runner_snapshot_open(struct runner *runner, uint64_t now_ns)
{
    record_step(runner->engine.journal, JOURNAL_SNAPSHOT_OPEN, now_ns, NULL, 0);
    recovery_snapshot_open(&runner->engine, now_ns);
    record_done(&runner->engine, now_ns);
}

void runner_snapshot_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    while (length != 0) {
        uint32_t piece = length < RECOVERY_SNAPSHOT_BYTES ? length : RECOVERY_SNAPSHOT_BYTES;
        record_step(runner->engine.journal, JOURNAL_SNAPSHOT_BYTES, now_ns, bytes, piece);
        recovery_snapshot_receive(&runner->engine, bytes, piece, now_ns);
        record_done(&runner->engine, now_ns);
        bytes += piece;
        length -= piece;
    }
}

void runner_snapshot_lost(struct runner *runner, uint64_t now_ns)
{
    record_step(runner->engine.journal, JOURNAL_SNAPSHOT_LOST, now_ns, NULL, 0);
    recovery_snapshot_lost(&runner->engine, now_ns);
    record_done(&runner->engine, now_ns);
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
    recorder_close(runner->recorder);
    if (runner->memory)
        munmap(runner->memory, runner->memory_bytes);
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
