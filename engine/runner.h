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
#include "engine/strategy_load.h"
#include "engine/venue_mdp3.h"
#include "engine/wire_watch.h"

enum { RUNNER_ERROR_BYTES = 512, RUNNER_CONNECT_MS = 5000 };

struct runner_line {
    uint32_t kind;         /* enum port_kind */
    const char *interface;
    uint32_t queue;
    int socket_map;        /* PORT_AF_XDP: see af_xdp.h; -1 = own program */
    const char *group;     /* PORT_KERNEL */
    uint16_t port;
    const char *device;    /* PORT_DPDK: see dpdk.h */
    uint32_t huge;         /* enum dpdk_huge */
};

struct runner_options {
    int cpu;                      /* -1: not pinned */
    struct runner_line lines[FEED_LINE_COUNT];
    const char *gateway_address;  /* NULL: no order session; orders are collected in memory */
    uint16_t gateway_port;
    uint32_t order_wire;          /* enum stream_kind: STREAM_TCP or STREAM_BYPASS */
    uint32_t order_queue;         /* STREAM_BYPASS: of the interface */
    uint64_t watch_period_ns;     /* 0: wires stay as they are */
    uint64_t watch_stall_ns;
    uint64_t watch_wire_down_ns;
    bool watch_automatic;
    const char *request_address;  /* NULL: no re-request server */
    uint16_t request_port;
    const char *control_path;     /* file to share the control page in, made here; NULL = private */
    const struct mdp3_channel_options *mdp3; /* venue MDP 3.0 (venue_mdp3.h); NULL: ITCH 5.0. Read in runner_open() */
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
struct venue_mdp3 *runner_mdp3(struct runner *runner);
const char *runner_error(const struct runner *runner);
bool runner_huge_pages(const struct runner *runner);
bool runner_zero_copy(const struct runner *runner, uint32_t line);
void runner_close(struct runner *runner);

/* Step runs: bytes the engine has sent so far are taken out; returns their number. */
uint32_t runner_take_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity);

/* Step runs: requests that the engine wants sent, and what it has written to the snapshot service. */
uint32_t runner_take_requests(struct runner *runner, uint8_t *bytes, uint32_t capacity);
uint32_t runner_take_snapshot_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity);

/* Steps through datagrams that lie one behind the other, each behind its length (u32, little endian), `step_ns` apart
 * from now_ns on; what the engine sends is thrown away. For benches: nobody else's memory traffic lies between two.
 * Returns the datagrams stepped. */
uint64_t runner_step_all(struct runner *runner, uint32_t line, const uint8_t *datagrams, uint64_t bytes, uint64_t now_ns,
                         uint64_t step_ns);
/* Ahead of what they announce: a table that is about to be published, an object that was loaded (JSON, with its
 * generation). False: the journal cannot take it, so nothing may be done that it would have to name. */
bool runner_note_table(struct runner *runner, const struct risk_table *table);
bool runner_note_object(struct runner *runner, const char *json);

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

/* Of a line on DPDK: of the port in use at the end, valid after runner_run() too; `received` 0 and no driver on others. */
void runner_dpdk_statistics(const struct runner *runner, uint32_t line, struct dpdk_statistics *statistics);

/* What changed its wire in this run, valid after runner_run() too. */
const struct wire_watch *runner_watch(const struct runner *runner);
void runner_order_wire_counters(const struct runner *runner, struct bypass_tcp_counters *counters);

/* Commands and strategies, from any one thread but the engine's: command.h, strategy_load.h. */
uint32_t runner_command(struct runner *runner, uint32_t kind, uint64_t argument);
bool runner_answered(struct runner *runner, uint32_t number, struct command_answer *answer);
void runner_kill(struct runner *runner, bool on);
bool runner_killed(const struct runner *runner);
/* Changes wires, control_wire_command()'s ports and target; the command's number. Handled, and perhaps refused: later. */
uint32_t runner_wire_command(struct runner *runner, uint32_t ports, uint32_t target);
bool runner_wire_handled(const struct runner *runner, uint32_t command, bool *refused);
uint64_t runner_heartbeat_ns(const struct runner *runner); /* CLOCK_MONOTONIC of the last sign of life, 0 = none yet */

/* False, with the reason in the report: nothing was loaded, or nobody can watch over it. */
bool runner_load_strategy(struct runner *runner, const char *path, const struct tailgate_parameters *parameters,
                          struct loader_report *report);
void runner_reclaim_strategies(struct runner *runner, int32_t ready);

/* Step runs: the calling thread is the one that steps. 0 or -errno. runner_run() does it by itself. */
int runner_strategies_here(struct runner *runner);

/* This process gets SIGKILL when its parent dies; false when the parent is gone already. */
bool runner_die_with_parent(void);

#endif
