/* Everything around the engine that is not hot: memory, wires, pinning, the thread's life.
 *
 * runner_open() maps one block of memory (huge pages where the host has them) for the engine and all
 * its tables and touches it, so that no page fault is left for the hot loop. runner_run() is the engine
 * thread: it pins itself, opens the wires, connects and logs in, polls until control->stop, logs out.
 * Errors are sentences for the operator.
 */
#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include "engine/engine.h"
#include "engine/journal/recorder.h"

enum { RUNNER_ERROR_BYTES = 512, RUNNER_CONNECT_MS = 5000 };

struct runner_line {
    uint32_t kind;         /* enum port_kind */
    const char *interface;
    uint32_t queue;
    int socket_map;        /* PORT_AF_XDP: see af_xdp.h; -1 = own program */
    const char *group;     /* PORT_KERNEL */
    uint16_t port;
};

struct runner_options {
    int cpu;                      /* -1: not pinned */
    struct runner_line lines[FEED_LINE_COUNT];
    const char *gateway_address;  /* NULL: no order session; orders are collected in memory */
    uint16_t gateway_port;
    const char *request_address;  /* NULL: no re-request server */
    uint16_t request_port;
    const char *control_path;     /* file to share the control page in, made here; NULL = private */
    struct recorder_options journal;
};

struct runner;

/* NULL on error, with a sentence in `error`. */
struct runner *runner_open(const struct engine_options *engine, const struct runner_options *options, char *error,
                           uint32_t error_bytes);

/* The engine thread; returns 0 or -errno (runner_error() says why). Wires are closed when it returns. */
int runner_run(struct runner *runner);
void runner_stop(struct runner *runner);

struct engine *runner_engine(struct runner *runner);
const char *runner_error(const struct runner *runner);
bool runner_huge_pages(const struct runner *runner);
bool runner_zero_copy(const struct runner *runner, uint32_t line);
void runner_close(struct runner *runner);

/* Step runs: bytes the engine has sent so far are taken out; returns their number. */
uint32_t runner_take_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity);

/* Step runs: requests that the engine wants sent, and what it has written to the snapshot service. */
uint32_t runner_take_requests(struct runner *runner, uint8_t *bytes, uint32_t capacity);
uint32_t runner_take_snapshot_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity);

/* Step runs: the journal is complete. A wired run does it by itself when the loop ends. */
void runner_finish_journal(struct runner *runner);
void runner_journal_statistics(const struct runner *runner, struct recorder_statistics *statistics);

/* Step runs: bytes of the gateway; a snapshot begins, streams in, or its connection is lost. */
void runner_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns);
void runner_snapshot_open(struct runner *runner, uint64_t now_ns);
void runner_snapshot_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns);
void runner_snapshot_lost(struct runner *runner, uint64_t now_ns);

/* Step runs: the gateway accepts the login at once. */
void runner_accept_login(struct runner *runner, uint64_t now_ns);

/* Counters of the lines' ports, valid after runner_run() too. */
void runner_port_statistics(const struct runner *runner, uint32_t line, struct af_xdp_statistics *statistics);

/* This process gets SIGKILL when its parent dies; false when the parent is gone already. */
bool runner_die_with_parent(void);

#endif
