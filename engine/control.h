/* The page that the engine shares with whoever runs it: commands in, state out.
 *
 * One file, mapped by both. The hot loop reads the command line (one cache line) once per poll and
 * writes the state line at most every CONTROL_PUBLISH_NS. Each line has exactly one writer.
 */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include <stdatomic.h>
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
    _Atomic uint32_t command;     /* number of the last command posted: command.h */
    uint8_t commands_reserved[40];
    _Atomic uint32_t wire_command; /* control_wire_command(): looked at by the watchdog, not by the hot loop */
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
    /* written by the operator before `command`; read when that changes */
    uint32_t command_kind;         /* enum command_kind */
    uint32_t command_reserved;
    uint64_t command_argument;
    uint8_t arguments_reserved[48];
    /* written by the engine when a command has taken effect, and when a strategy comes or goes */
    _Atomic uint32_t acknowledged; /* number of the command that the answer is for */
    uint32_t answer_outcome;       /* enum command_outcome */
    uint64_t answer_position;
    uint64_t answer_poll;
    uint64_t answer_ns;
    _Atomic uint32_t strategy_generation; /* of the active strategy, 0 = built in */
    _Atomic uint32_t strategy_changes;    /* swaps and rollbacks so far */
    uint8_t answer_reserved[24];
    /* written by the engine's watchdog (wire_watch.h) */
    _Atomic uint32_t wire_handled;  /* the last wire_command carried out or refused */
    _Atomic uint32_t wire_refused;  /* the last one refused: see wire_error in the engine's report */
    _Atomic uint32_t wire_lines[2]; /* enum port_kind: what each line is read from */
    _Atomic uint32_t wire_orders;   /* enum stream_kind: what carries the order session */
    _Atomic uint32_t wire_switches;
    _Atomic uint64_t wire_watch_ns; /* CLOCK_MONOTONIC of the watchdog's last look */
    uint8_t wire_reserved[32];
    /* written by the engine: for lines that no tap sees, what each has told of so far */
    _Atomic uint64_t line_next[2];     /* number behind the last message that it told of, heartbeats included; 0: nothing */
    _Atomic uint64_t line_packets[2];  /* datagrams */
    _Atomic uint64_t line_heard_ns[2]; /* the last of them */
    _Atomic uint64_t line_looks;       /* rises before and after the six are written: odd while they are */
    uint8_t line_reserved[8];
};

_Static_assert(offsetof(struct control, heartbeat_ns) == 64, "one cache line per writer");
_Static_assert(offsetof(struct control, command_kind) == 128, "one cache line per writer");
_Static_assert(offsetof(struct control, acknowledged) == 192, "one cache line per writer");
_Static_assert(offsetof(struct control, wire_handled) == 256, "one cache line per writer");
_Static_assert(offsetof(struct control, wire_command) == 60, "read by the lab");
_Static_assert(offsetof(struct control, line_next) == 320, "read by the lab, followed by the exchange");
_Static_assert(sizeof(struct control) == 384, "six cache lines");

/* A command to change wires: any `number` that differs from the last command's, the ports (a sum of CONTROL_PORT_), and
 * where to. 0 is no command. Done when wire_handled is equal to it. */
enum { CONTROL_PORT_LINE_A = 1, CONTROL_PORT_LINE_B = 2, CONTROL_PORT_ORDERS = 4, CONTROL_PORT_ALL = 7 };
enum { CONTROL_WIRE_KERNEL = 1, CONTROL_WIRE_BYPASS = 2 };

static inline uint32_t control_wire_command(uint32_t number, uint32_t ports, uint32_t target)
{
    return number << 16 | (ports & 0xff) << 8 | (target & 0xff);
}

static inline void control_publish_strategy(struct control *control, uint32_t generation, uint32_t changes)
{
    atomic_store_explicit(&control->strategy_generation, generation, memory_order_relaxed);
    atomic_store_explicit(&control->strategy_changes, changes, memory_order_release);
}

#endif
