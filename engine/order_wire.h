/* Which transport carries the order session, and how it changes over without losing the session.
 *
 *     STEADY --wish, or connection lost--> MOVING --logged in again--> STEADY
 *
 * A change over is a disconnect and a connect: the connection is closed in good order (what was sent is delivered), and
 * the session is resumed as after any disconnect (order_session.h), which asks this file how to connect. Until then no
 * order leaves, because the session is not LIVE.
 *
 *  - By wish: the watchdog (wire_watch.h), told by the operator or by what it sees, writes `wish`.
 *  - By itself: a connection that died is begun again, always over the kernel. The bypass is left without being asked and
 *    entered only by command, so that a wire that comes and goes moves the session once. A bypass that was entered and
 *    does not carry is left at the first failure.
 *
 * Owner: the engine thread, except `wish`, `wish_cause`, `offered` (the watchdog writes) and `returned` (it takes):
 * opening and closing a bypass wire waits, so the watchdog does it, and hands the wire over when it is open.
 * Cost in steady state: three loads a poll.
 */
#ifndef ENGINE_ORDER_WIRE_H
#define ENGINE_ORDER_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/io/bypass_tcp.h"
#include "engine/io/stream.h"
#include "engine/order_session.h"
#include "engine/wire_cause.h"

enum {
    ORDER_WIRE_LOG = 64, /* changes remembered; later ones are counted */
};

enum order_wire_state {
    ORDER_WIRE_OFF = 0, /* no gateway, or a session that must not be begun again */
    ORDER_WIRE_STEADY = 1,
    ORDER_WIRE_MOVING = 2,
};

struct order_wire_change {
    uint64_t at_ns;       /* the old connection was given up */
    uint64_t up_ns;       /* logged in again; 0: not yet */
    uint64_t sequence;    /* next message of the session, asked for at the login */
    uint32_t attempts;
    uint8_t from;         /* enum stream_kind */
    uint8_t to;
    uint8_t cause;        /* enum wire_cause */
};

struct order_wire {
    enum order_wire_state state;
    uint8_t kind;                   /* enum stream_kind in use or being tried */
    struct order_session *session;
    struct bypass_tcp *bypass;      /* in use, else NULL */
    bool tried;                     /* since the last change, a connection was begun */
    uint32_t change_count;
    struct order_wire_change changes[ORDER_WIRE_LOG];
    /* shared with the watchdog */
    _Atomic uint32_t wish;          /* enum stream_kind; STREAM_NONE: none */
    _Atomic uint32_t wish_cause;
    struct bypass_tcp *_Atomic offered;
    struct bypass_tcp *_Atomic returned;
    _Atomic uint32_t in_use;        /* enum stream_kind of the session that was up last */
    _Atomic bool busy;              /* a change is under way */
};

/* The first connection stands and the login is written: watch it from here on. */
void order_wire_start(struct order_wire *wire, struct order_session *session, struct bypass_tcp *bypass);

void order_wire_step(struct order_wire *wire, struct order_session *session, uint64_t now_ns);

/* Once per poll. */
static inline void order_wire_poll(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    uint32_t wish = atomic_load_explicit(&wire->wish, memory_order_relaxed);
    if (__builtin_expect(wire->state != ORDER_WIRE_STEADY || wish != STREAM_NONE ||
                             session->phase <= ORDER_PHASE_CONNECTING || session->phase == ORDER_PHASE_OVER, 0) &&
        wire->state != ORDER_WIRE_OFF)
        order_wire_step(wire, session, now_ns);
}

#endif
