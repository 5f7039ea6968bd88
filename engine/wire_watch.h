/* The watchdog of the wires: a cold thread that moves a port to kernel sockets and back.
 *
 * It looks every `period_ns`, on any CPU of the process but the engine's:
 *
 *   seen                                              done
 *   packets are no longer redirected to our socket    that port goes to the kernel's sockets
 *   no carrier for wire_down_ns                       the same, once the carrier is back: until then nothing gets through,
 *                                                     and TCP keeps what it sent (a shorter flap is TCP's to bridge)
 *   the hot loop has stood still for stall_ns         every port does
 *   the operator's command (control.h)                as told, to the bypass and back
 *
 * A DPDK port whose device has no kernel interface beside it (dpdk.h) is never moved; a command is refused with the reason.
 *
 * Only the operator moves a port to the bypass. The stall is counted in the watchdog's own looks, so that a stop of the
 * whole process is none.
 *
 * A line changes over by being read from both wires for a moment (port.h): to the kernel, the socket is opened, then the
 * redirection is taken back, then what waits in the ring is read out; to the bypass, the other way round. Every message
 * comes at least once, and the feed's sequence is not disturbed. The order session changes over by a resume
 * (order_wire.h). All opening and closing happens here: the hot loop never waits for it.
 *
 * Owner: the thread started by wire_watch_start(); it allocates, prints nothing, and ends with wire_watch_stop().
 */
#ifndef ENGINE_WIRE_WATCH_H
#define ENGINE_WIRE_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/control.h"
#include "engine/io/port.h"
#include "engine/order_wire.h"
#include "engine/wire_cause.h"

enum {
    WIRE_WATCH_LINES = 2,
    WIRE_WATCH_LOG = 64,                       /* changes of lines remembered; later ones are counted */
    WIRE_WATCH_SETTLE_NS = 20 * 1000 * 1000,   /* both wires are read at least so long */
    WIRE_WATCH_STEP_NS = 1000 * 1000,          /* between two looks while a change is under way */
    WIRE_WATCH_ERROR_BYTES = 256,
};

struct wire_watch_line {
    struct af_xdp_options af_xdp;
    struct kernel_udp_options kernel;
    struct dpdk_options dpdk;
    bool on_dpdk;         /* the bypass is the DPDK port, not AF_XDP */
    bool bypass_possible; /* an AF_XDP socket can be opened again: interface and map are known */
};

struct wire_watch_options {
    uint64_t period_ns; /* 0: no watchdog */
    uint64_t stall_ns;
    uint64_t wire_down_ns;
    bool automatic;     /* false: commands only */
    int engine_cpu;     /* -1: not pinned */
    uint32_t queue;     /* of the order interface */
    uint32_t line_count;
    struct wire_watch_line lines[WIRE_WATCH_LINES];
};

struct wire_watch_change {
    uint64_t at_ns;   /* begun */
    uint64_t done_ns; /* 0: not yet */
    uint8_t line;
    uint8_t from;     /* enum port_kind */
    uint8_t to;
    uint8_t cause;    /* enum wire_cause */
};

enum wire_watch_phase { WATCH_STEADY = 0, WATCH_JOINING = 1, WATCH_OVERLAP = 2, WATCH_LEAVING = 3 };

struct wire_watch_state {
    enum wire_watch_phase phase;
    uint32_t target;       /* enum port_kind */
    uint64_t since_ns;
    uint64_t polled;       /* dpdk.empty_polls when packets began to pass to the kernel alone */
    uint64_t down_ns;      /* carrier first seen missing; 0: there */
    struct wire_watch_change *change;
    struct af_xdp_statistics left; /* counters of the wires closed before this one */
};

struct wire_watch {
    struct wire_watch_options options;
    struct control *control;
    struct order_wire *orders;
    struct port *ports[WIRE_WATCH_LINES];
    struct wire_watch_state lines[WIRE_WATCH_LINES];
    uint64_t orders_down_ns;
    struct bypass_tcp *watched; /* the order wire that was handed over last */
    uint64_t beat_ns;      /* heartbeat last seen */
    uint64_t still_ns;     /* that long it has not moved, by our own looks */
    uint64_t looks;
    uint32_t change_count;
    struct wire_watch_change changes[WIRE_WATCH_LOG];
    struct wire_watch_change beyond;
    uint32_t command;      /* being carried out, 0: none */
    bool command_failed;
    char error[WIRE_WATCH_ERROR_BYTES]; /* of the last command refused */
    pthread_t thread;
    bool running;
    _Atomic bool stop;
};

/* 0 or -errno. Ports and order wire are in steady state; `bypass` is the order wire in use, or NULL. */
int wire_watch_start(struct wire_watch *watch, const struct wire_watch_options *options, struct control *control,
                     struct order_wire *orders, struct port *ports, struct bypass_tcp *bypass);

/* Ends the thread. Afterwards every wire belongs to the caller, the kinds say which are open. */
void wire_watch_stop(struct wire_watch *watch);

/* Counters of the wires that a line has left behind. */
void wire_watch_left(const struct wire_watch *watch, uint32_t line, struct af_xdp_statistics *statistics);

#endif
