#include "engine/order_wire.h"

#include <string.h>

const char *wire_cause_name(uint32_t cause)
{
    static const char *const names[WIRE_CAUSE_COUNT] = {"none",         "command",   "connection_lost",
                                                        "program_gone", "wire_down", "stalled"};
    return cause < WIRE_CAUSE_COUNT ? names[cause] : "unknown";
}

static void enter(struct order_wire *wire, enum order_wire_state state)
{
    wire->state = state;
    atomic_store_explicit(&wire->busy, state == ORDER_WIRE_MOVING, memory_order_release);
}

static struct order_wire_change *change(struct order_wire *wire)
{
    static struct order_wire_change beyond; /* of no interest */
    return wire->change_count != 0 && wire->change_count <= ORDER_WIRE_LOG ? &wire->changes[wire->change_count - 1]
                                                                           : &beyond;
}

/* The wire goes to the watchdog, which lets the connection say good-bye and closes it. */
static void give_back(struct order_wire *wire)
{
    if (wire->bypass)
        atomic_store_explicit(&wire->returned, wire->bypass, memory_order_release);
    wire->bypass = NULL;
}

/* Asked by the session whenever it connects again. */
static int begin(void *context, struct stream *stream)
{
    struct order_wire *wire = context;
    const struct order_session *session = wire->session;
    if (wire->kind == STREAM_BYPASS && wire->tried) { /* it was to be entered, and does not carry */
        give_back(wire);
        wire->kind = STREAM_TCP;
        change(wire)->to = STREAM_TCP;
    }
    wire->tried = true;
    change(wire)->attempts++;
    return wire->kind == STREAM_BYPASS ? stream_begin_bypass(stream, wire->bypass)
                                       : stream_begin(stream, session->address, session->port);
}

void order_wire_start(struct order_wire *wire, struct order_session *session, struct bypass_tcp *bypass)
{
    memset(wire, 0, sizeof(*wire));
    wire->session = session;
    wire->bypass = bypass;
    wire->kind = (uint8_t)session->stream.kind;
    wire->in_use = wire->kind;
    wire->state = ORDER_WIRE_STEADY;
    session->begin = begin;
    session->begin_context = wire;
}

static void note_change(struct order_wire *wire, const struct order_session *session, uint8_t to, enum wire_cause cause,
                        uint64_t now_ns)
{
    wire->change_count++;
    *change(wire) = (struct order_wire_change){.at_ns = now_ns,
                                               .sequence = session->soupbin.next_sequence,
                                               .from = wire->kind,
                                               .to = to,
                                               .cause = (uint8_t)cause};
    if (to != STREAM_BYPASS)
        give_back(wire);
    wire->kind = to;
    wire->tried = false;
    enter(wire, ORDER_WIRE_MOVING);
}

/* The operator's or the watchdog's wish; true when the session begins to move. */
static bool follow(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    uint32_t wish = atomic_load_explicit(&wire->wish, memory_order_acquire);
    if (wish == STREAM_NONE)
        return false;
    enum wire_cause cause = (enum wire_cause)atomic_load_explicit(&wire->wish_cause, memory_order_relaxed);
    struct bypass_tcp *offered = atomic_exchange(&wire->offered, NULL);
    bool moves = wish == STREAM_BYPASS ? offered != NULL : wire->kind == STREAM_BYPASS;
    if (moves)
        order_session_leave(session, now_ns); /* a step of the journal, by itself */
    if (offered)
        wire->bypass = offered;
    if (moves)
        note_change(wire, session, (uint8_t)wish, cause, now_ns);
    atomic_store_explicit(&wire->wish, STREAM_NONE, memory_order_release);
    return moves;
}

void order_wire_step(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    if (follow(wire, session, now_ns))
        return;
    if (session->phase == ORDER_PHASE_OVER) {
        enter(wire, ORDER_WIRE_OFF);
    } else if (wire->state == ORDER_WIRE_STEADY && session->phase <= ORDER_PHASE_CONNECTING) {
        note_change(wire, session, STREAM_TCP, WIRE_CAUSE_CONNECTION_LOST, now_ns);
    } else if (wire->state == ORDER_WIRE_MOVING && session->phase >= ORDER_PHASE_REPLAY) {
        change(wire)->up_ns = now_ns;
        atomic_store_explicit(&wire->in_use, wire->kind, memory_order_release);
        enter(wire, ORDER_WIRE_STEADY);
    }
}
