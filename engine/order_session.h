/* The order session: SoupBinTCP over a stream, OUCH answers into the table of own orders.
 *
 * Glue without logic of its own: it moves bytes between the stream and the session's state machine.
 * Owner: the engine thread. order_session_poll() costs one system call on a kernel stream, so the
 * engine calls it when no market data is waiting, and at least every ORDER_POLL_BUSY_NS.
 */
#ifndef ENGINE_ORDER_SESSION_H
#define ENGINE_ORDER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/stream.h"
#include "engine/order/ouch42.h"
#include "engine/order/own_orders.h"
#include "engine/order/soupbin.h"

enum {
    ORDER_POLL_IDLE_NS = 5 * 1000,
    ORDER_POLL_BUSY_NS = 50 * 1000,
    ORDER_TIMER_NS = 100 * 1000, /* time-outs are looked at so often when nothing is read */
    ORDER_RECEIVE_BYTES = 16384, /* taken from the stream per poll */
    ORDER_ANSWER_NS = 50 * 1000 * 1000, /* the gateway owes an answer by then */
};

struct journal;

struct order_session {
    struct journal *journal; /* NULL: none */
    struct stream stream;
    struct soupbin soupbin;
    struct ouch42_decoder decoder;
    struct own_orders own_orders;
    bool tracking;       /* false: answers are only counted (reflector) */
    bool unanswered;     /* an order has waited for ORDER_ANSWER_NS: what we sent may be stuck on the way */
    uint64_t answered;   /* orders accepted or rejected, when last looked at */
    uint64_t answered_ns; /* when that number last grew, or nothing was owed */
    uint64_t timed_ns;    /* time-outs were last looked at */
    uint8_t received[ORDER_RECEIVE_BYTES];
};

/* The stream is connected: write the login. False when the session refuses. */
bool order_session_login(struct order_session *session, uint64_t now_ns);

/* Answers in, heartbeats out, time-outs. */
void order_session_poll(struct order_session *session, uint64_t now_ns);

/* The same behind the stream: bytes that were read (length may be 0), then all that time does. */
void order_session_advance(struct order_session *session, const uint8_t *received, uint32_t length, uint64_t now_ns);

/* Bytes alone, which a test brings. */
void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t length, uint64_t now_ns);

void order_session_logout(struct order_session *session, uint64_t now_ns);

/* True when an order would leave at once, every answer so far was understood, and none is overdue. */
static inline bool order_session_ready(const struct order_session *session)
{
    return soupbin_is_up(&session->soupbin) && stream_ready(&session->stream) &&
           own_orders_trusted(&session->own_orders) && !session->unanswered;
}

#endif
