#include "engine/order_wire.h"

#include <stdio.h>
#include <string.h>

const char *wire_cause_name(uint32_t cause)
{
    static const char *const names[WIRE_CAUSE_COUNT] = {"none",         "command",   "connection_lost",
                                                        "program_gone", "wire_down", "stalled"};
    return cause < WIRE_CAUSE_COUNT ? names[cause] : "unknown";
}

void order_wire_start(struct order_wire *wire, const struct order_session *session, const char *address, uint16_t port,
                      struct bypass_tcp *bypass)
{
    memset(wire, 0, sizeof(*wire));
    snprintf(wire->address, sizeof(wire->address), "%s", address);
    wire->port = port;
    wire->bypass = bypass;
    wire->kind = (uint8_t)session->stream.kind;
    wire->in_use = wire->kind;
    wire->accepted = session->soupbin.counters.logins_accepted;
    wire->state = ORDER_WIRE_STEADY;
}

static void enter(struct order_wire *wire, enum order_wire_state state, uint64_t now_ns)
{
    wire->state = state;
    wire->since_ns = now_ns;
    atomic_store_explicit(&wire->busy, state > ORDER_WIRE_STEADY, memory_order_release);
}

static struct order_wire_change *change(struct order_wire *wire)
{
    static struct order_wire_change beyond; /* of no interest */
    return wire->change_count <= ORDER_WIRE_LOG ? &wire->changes[wire->change_count - 1] : &beyond;
}

/* The wire goes to the watchdog, which lets the connection say good-bye and closes it. */
static void give_back(struct order_wire *wire)
{
    if (wire->bypass)
        atomic_store_explicit(&wire->returned, wire->bypass, memory_order_release);
    wire->bypass = NULL;
}

static void give_up(struct order_wire *wire, struct order_session *session, uint8_t to, enum wire_cause cause,
                    uint64_t now_ns)
{
    stream_close(&session->stream);
    if (session->soupbin.state != SOUPBIN_CLOSED)
        soupbin_disconnected(&session->soupbin);
    wire->change_count++;
    *change(wire) = (struct order_wire_change){.at_ns = now_ns,
                                               .sequence = session->soupbin.next_sequence,
                                               .from = wire->kind,
                                               .to = to,
                                               .cause = (uint8_t)cause};
    if (to != STREAM_BYPASS)
        give_back(wire);
    wire->kind = to;
    wire->wait_ns = 0;
    enter(wire, ORDER_WIRE_WAITING, now_ns);
}

/* A login that cannot succeed by being repeated. */
static bool is_over(const struct order_session *session)
{
    const struct soupbin *soupbin = &session->soupbin;
    bool unknown = soupbin->cause == SOUPBIN_CAUSE_LOGIN_NOT_AUTHORISED && soupbin->counters.logins_accepted == 0;
    return soupbin->session_ended || unknown || soupbin->cause == SOUPBIN_CAUSE_LOGIN_NO_SESSION ||
           soupbin->cause == SOUPBIN_CAUSE_LOGOUT;
}

static void again(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    stream_close(&session->stream);
    if (session->soupbin.state != SOUPBIN_CLOSED)
        soupbin_disconnected(&session->soupbin);
    if (wire->kind == STREAM_BYPASS) { /* it was to be entered, and does not carry */
        give_back(wire);
        wire->kind = STREAM_TCP;
        change(wire)->to = STREAM_TCP;
    }
    uint64_t longer_ns = wire->wait_ns ? 2 * wire->wait_ns : ORDER_WIRE_RETRY_NS;
    wire->wait_ns = longer_ns < ORDER_WIRE_RETRY_NS_MAX ? longer_ns : ORDER_WIRE_RETRY_NS_MAX;
    enter(wire, is_over(session) ? ORDER_WIRE_OFF : ORDER_WIRE_WAITING, now_ns);
}

static void connect_again(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    int result = wire->kind == STREAM_BYPASS ? stream_begin_bypass(&session->stream, wire->bypass)
                                             : stream_begin(&session->stream, wire->address, wire->port);
    change(wire)->attempts++;
    if (result)
        again(wire, session, now_ns);
    else
        enter(wire, ORDER_WIRE_CONNECTING, now_ns);
}

static void see_connected(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    stream_tick(&session->stream, now_ns);
    bool stands = stream_connected(&session->stream);
    if (stands) {
        wire->accepted = session->soupbin.counters.logins_accepted;
        if (order_session_login(session, now_ns))
            enter(wire, ORDER_WIRE_LOGGING_IN, now_ns);
        else
            again(wire, session, now_ns);
    } else if (!session->stream.connecting || now_ns - wire->since_ns > ORDER_WIRE_CONNECT_NS) {
        again(wire, session, now_ns);
    }
}

static void see_login(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    if (session->soupbin.counters.logins_accepted != wire->accepted && session->stream.open) {
        change(wire)->up_ns = now_ns;
        atomic_store_explicit(&wire->in_use, wire->kind, memory_order_release);
        enter(wire, ORDER_WIRE_STEADY, now_ns);
    } else if (!session->stream.open || now_ns - wire->since_ns > ORDER_WIRE_CONNECT_NS) {
        again(wire, session, now_ns);
    }
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
    if (offered)
        wire->bypass = offered;
    if (moves)
        give_up(wire, session, (uint8_t)wish, cause, now_ns);
    atomic_store_explicit(&wire->wish, STREAM_NONE, memory_order_release);
    return moves;
}

void order_wire_step(struct order_wire *wire, struct order_session *session, uint64_t now_ns)
{
    if (follow(wire, session, now_ns))
        return;
    switch (wire->state) {
    case ORDER_WIRE_STEADY:
        if (session->stream.open)
            return;
        if (is_over(session))
            enter(wire, ORDER_WIRE_OFF, now_ns);
        else
            give_up(wire, session, STREAM_TCP, WIRE_CAUSE_CONNECTION_LOST, now_ns);
        return;
    case ORDER_WIRE_WAITING:
        if (now_ns - wire->since_ns >= wire->wait_ns)
            connect_again(wire, session, now_ns);
        return;
    case ORDER_WIRE_CONNECTING:
        see_connected(wire, session, now_ns);
        return;
    case ORDER_WIRE_LOGGING_IN:
        see_login(wire, session, now_ns);
        return;
    default:
        return;
    }
}
