/* The order session: SoupBinTCP over a stream, an order protocol over that, answers into the table of own orders; and
 * its resumption after a disconnect, without losing or repeating an order.
 *
 *     DOWN --back-off over--> CONNECTING --> LOGIN --accepted--> REPLAY --> RESEND --> SETTLE --> LIVE
 *      ^                          |            |                   |          |          |         |
 *      +--------------------------+------------+------ lost -------+----------+----------+---------+
 *     OVER: the venue said that this session will not go on (rejected, ended, messages missing); nobody tries again
 *
 * Only LIVE lets new orders pass. The login asks for the first sequenced message that was not delivered; the venue
 * sends everything from there on again, and then goes on. When is the replay over? SoupBinTCP does not say: Login
 * Accepted names the first message of the replay, not the last one, and replay and news look the same. Three facts make
 * that harmless:
 *  1. Sending a request again is idempotent: the venue ignores a token it has seen (OUCH 4.2) or a number not above all
 *     before (OUCH 5.0), cancels and modifies speak of totals. So to send again too early costs a packet, not an order.
 *  2. The venue answers a session's requests in order. So once every request in the ring is answered, everything that
 *     was said before is known too: that is SETTLE, and only then is the session LIVE.
 *  3. OUCH 5.0 has a question whose answer comes behind the replay (account query): REPLAY waits for it.
 * In OUCH 4.2, REPLAY ends when nothing sequenced has come for ORDER_REPLAY_QUIET_NS. If nothing was unanswered, that
 * silence is all there is to go by; executions that were still on their way then arrive late, as they do in any session.
 * Requests are sent again in their first order and before anything new, which OUCH 5.0 needs: a number below one that
 * the venue has seen is ignored.
 *
 * While `hold` (the kill switch) is not 0, no order, replace or modify is sent again, only cancels are, and the session
 * stays in RESEND until it is released. A mass cancel begins by itself when it is raised.
 *
 * A rejected login ends it all (OVER) unless the same account was accepted before: then the venue may still hold the old
 * connection, and it is tried again. Reconnecting never waits: connecting is non-blocking, and the pause between two
 * attempts doubles from ORDER_RETRY_NS to ORDER_RETRY_NS_MAX; after a LIVE session there is none.
 *
 * Owner: the engine thread. order_session_poll() costs one system call on a kernel stream, so the
 * engine calls it when no market data is waiting, and at least every ORDER_POLL_BUSY_NS.
 */
#ifndef ENGINE_ORDER_SESSION_H
#define ENGINE_ORDER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/stream.h"
#include "engine/order/codec.h"
#include "engine/order/own_orders.h"
#include "engine/order/soupbin.h"
#include "engine/order/unanswered.h"
#include "engine/risk/risk.h"

enum {
    ORDER_POLL_IDLE_NS = 5 * 1000,
    ORDER_POLL_BYPASS_NS = 1000, /* the same where looking costs no system call */
    ORDER_POLL_BUSY_NS = 50 * 1000,
    ORDER_TIMER_NS = 100 * 1000, /* time-outs are looked at so often when nothing is read */
    ORDER_RECEIVE_BYTES = 16384, /* taken from the stream per poll */
    ORDER_ANSWER_NS = 50 * 1000 * 1000, /* the gateway owes an answer by then */
    ORDER_RETRY_NS = 10 * 1000 * 1000,
    ORDER_RETRY_NS_MAX = 1000 * 1000 * 1000,
    ORDER_CONNECT_NS = 1000 * 1000 * 1000, /* an attempt is given up after */
    ORDER_REPLAY_QUIET_NS = 1000 * 1000,
    ORDER_QUERY_NS = 100 * 1000 * 1000, /* an account query that is not answered by then counts as silence */
    ORDER_SENDS_PER_POLL = 64,  /* requests sent again, cancels of a mass cancel */
    ORDER_ADDRESS_BYTES = 16,
};

enum order_phase {
    ORDER_PHASE_DOWN = 0,
    ORDER_PHASE_CONNECTING = 1,
    ORDER_PHASE_LOGIN = 2,
    ORDER_PHASE_REPLAY = 3,
    ORDER_PHASE_RESEND = 4,
    ORDER_PHASE_SETTLE = 5,
    ORDER_PHASE_LIVE = 6,
    ORDER_PHASE_OVER = 7,
    ORDER_PHASE_COUNT = 8,
};

struct order_session_options {
    struct own_orders_options own_orders;
    struct soupbin_options soupbin;
    struct ouch42_options ouch;
    uint8_t protocol; /* enum codec_protocol */
};

struct order_session_counters {
    uint64_t disconnects;      /* of a session that was logged in */
    uint64_t connects;         /* attempts after the first */
    uint64_t resumes;          /* LIVE again */
    uint64_t resent;           /* requests sent again */
    uint64_t resent_orders;    /* of these, new orders */
    uint64_t resume_ns_max;    /* longest from a disconnect to LIVE */
    uint64_t resume_ns_total;
    uint64_t unanswered_full;  /* requests refused because the ring was full */
};

struct journal;

struct order_session {
    struct journal *journal; /* NULL: none */
    struct stream stream;
    struct soupbin soupbin;
    struct codec codec;
    struct own_orders own_orders;
    struct risk *risk;   /* is told what becomes of orders; NULL: nobody */
    struct unanswered ring;
    struct order_session_counters counters;
    const _Atomic uint32_t *hold; /* NULL: never held */
    uint64_t answered;    /* ring.head when last looked at */
    uint64_t answered_ns; /* when that last moved, or nothing was owed */
    uint64_t heard_ns;    /* last sequenced message, or the login */
    uint64_t phase_ns;    /* when the phase began */
    uint64_t retry_ns;    /* DOWN: not before */
    uint64_t back_off_ns;
    uint64_t lost_ns;     /* when the session was lost, 0 = it is not */
    uint64_t cursor;      /* RESEND: next entry of the ring */
    uint64_t timed_ns;    /* when all that time does was done last */
    uint8_t phase;        /* enum order_phase */
    bool tracking;        /* false: answers are only counted (reflector) */
    bool overdue;         /* a request has waited for longer than ORDER_ANSWER_NS: what we sent may be stuck on the way */
    bool held;            /* `hold` when last looked at */
    bool queried;         /* REPLAY: the account query has left */
    bool query_answered;
    bool numbers_full;    /* OUCH 5.0: the next number would displace an open order */
    int (*begin)(void *context, struct stream *stream); /* how to connect again; NULL: over the kernel */
    void *begin_context;
    char address[ORDER_ADDRESS_BYTES]; /* of the gateway, dotted; empty: never connects by itself */
    uint16_t port;
    void (*observe)(void *observer, const struct own_event *event, uint64_t now_ns); /* after the table; may be NULL */
    void *observer;
    uint8_t received[ORDER_RECEIVE_BYTES];
};

/* Bytes for order_session_init(), 64-byte aligned; 0 = options out of range. */
size_t order_session_bytes(const struct order_session_options *options);

/* Zeroes the session. 0, or -errno and in *what which part was refused. */
int order_session_init(struct order_session *session, const struct order_session_options *options, void *memory,
                       size_t bytes, const char **what);

/* Where to connect again. False: the address is too long. */
bool order_session_endpoint(struct order_session *session, const char *address, uint16_t port);

/* Gives up a connection that is sound, to go on over another one at once (order_wire.h). */
void order_session_leave(struct order_session *session, uint64_t now_ns);

/* The stream is connected: write the login. False when the session refuses. */
bool order_session_login(struct order_session *session, uint64_t now_ns);

/* Answers in, heartbeats out, time-outs, reconnection. False: nothing came and nothing was due. */
bool order_session_poll(struct order_session *session, uint64_t now_ns);

/* The same behind the stream: bytes that were read (length may be 0), then all that time does. */
void order_session_advance(struct order_session *session, const uint8_t *received, uint32_t length, uint64_t now_ns);

/* Bytes alone, which a test brings. */
void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t length, uint64_t now_ns);

void order_session_logout(struct order_session *session, uint64_t now_ns);

/* How long the stream may go unread while nothing else is to do. */
static inline uint64_t order_session_idle_ns(const struct order_session *session)
{
    return session->stream.kind == STREAM_BYPASS ? ORDER_POLL_BYPASS_NS : ORDER_POLL_IDLE_NS;
}

/* A new order's packet has been handed to the stream: from now on it is ours. order_session_ready() was true. */
void order_session_sent(struct order_session *session, const struct order_request *request, char letter,
                        const uint8_t *packet, uint32_t bytes, uint32_t wire_number, uint64_t now_ns);

/* Changes of orders that are ours. Every cancel that leaves takes a message token, those of a mass cancel too.
 * change->wire_number is filled in here. OWN_ORDERS_OK: it has left, or is in the ring
 * and leaves with what is sent again. OWN_ORDERS_FULL: no room or no session, nothing happened. Else see
 * own_orders_cancel_sent() and the like; nothing was sent. */
enum own_orders_outcome order_session_cancel(struct order_session *session, struct order_change change,
                                             uint64_t now_ns);
enum own_orders_outcome order_session_replace(struct order_session *session, struct order_change change,
                                              uint64_t now_ns);
enum own_orders_outcome order_session_modify(struct order_session *session, struct order_change change,
                                             uint64_t now_ns);

/* Cancels every open order of a symbol (OWN_CANCEL_ALL_SYMBOLS: all) and strategy (0: all), ORDER_SENDS_PER_POLL at a
 * poll; own_orders_cancel_state() says when all are acknowledged. Survives disconnects. */
static inline void order_session_cancel_all(struct order_session *session, uint32_t symbol, char letter)
{
    own_orders_cancel_all(&session->own_orders, symbol, letter);
}

const char *order_phase_name(uint8_t phase);

/* True when an order would leave at once, every answer so far was understood, and none is overdue. */
static inline bool order_session_ready(const struct order_session *session)
{
    return session->phase == ORDER_PHASE_LIVE && soupbin_is_up(&session->soupbin) && stream_ready(&session->stream) &&
           own_orders_trusted(&session->own_orders) && !session->overdue && !session->numbers_full &&
           unanswered_room(&session->ring, UNANSWERED_ENTER);
}

/* Private to order_session.c and order_resume.c. */
void order_resume_lost(struct order_session *session, uint64_t now_ns);
bool order_resume_connect(struct order_session *session, uint64_t now_ns);
void order_resume_logged_in(struct order_session *session, uint64_t now_ns);
void order_resume_step(struct order_session *session, uint64_t now_ns);

#endif
