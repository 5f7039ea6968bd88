#include "engine/order_session.h"

#include "engine/journal/journal_io.h"

bool order_session_login(struct order_session *session, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_LOGIN_BYTES];
    if (!soupbin_connected(&session->soupbin, now_ns))
        return false;
    uint32_t length = soupbin_login(&session->soupbin, now_ns, bytes, sizeof(bytes));
    return length && journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
}

void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    struct soupbin_message message;
    struct own_event event;
    soupbin_receive(&session->soupbin, bytes, length, now_ns);
    while (soupbin_next(&session->soupbin, &message)) {
        bool understood = ouch42_decode(&session->decoder, message.payload, message.length, &event) == OUCH42_DECODED;
        if (!session->tracking)
            continue;
        if (understood)
            own_orders_apply(&session->own_orders, &event);
        else
            own_orders_note_undecodable(&session->own_orders);
    }
    if (session->soupbin.state == SOUPBIN_CLOSED && session->stream.open)
        stream_close(&session->stream);
}

/* A dead order wire swallows orders into the transport's buffers: stop adding to them. */
static void watch_answers(struct order_session *session, uint64_t now_ns)
{
    const struct own_orders_counters *counters = &session->own_orders.counters;
    uint64_t answered = counters->accepted + counters->accepted_dead + counters->rejected;
    if (answered != session->answered || answered >= counters->sent) {
        session->answered = answered;
        session->answered_ns = now_ns;
    }
    session->unanswered = now_ns - session->answered_ns > ORDER_ANSWER_NS;
}

void order_session_poll(struct order_session *session, uint64_t now_ns)
{
    if (!session->stream.open)
        return;
    uint8_t before = journal_stream_flags(&session->stream);
    uint32_t length = stream_receive(&session->stream, session->received, ORDER_RECEIVE_BYTES);
    uint8_t flags = journal_stream_flags(&session->stream);
    if (length == 0 && flags == before && now_ns - session->timed_ns < ORDER_TIMER_NS)
        return; /* nothing came and nothing is due: no step */
    if (session->journal)
        journal_append(session->journal, JOURNAL_ORDER, flags, now_ns, session->received, length);
    order_session_advance(session, session->received, length, now_ns);
}

void order_session_advance(struct order_session *session, const uint8_t *received, uint32_t length, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_HEARTBEAT_BYTES];
    session->timed_ns = now_ns;
    if (length)
        order_session_receive(session, received, length, now_ns);
    if (session->tracking)
        watch_answers(session, now_ns);
    length = soupbin_timer(&session->soupbin, now_ns, bytes, sizeof(bytes));
    if (length)
        journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
    if (!session->stream.open)
        soupbin_disconnected(&session->soupbin);
    else if (session->soupbin.state == SOUPBIN_CLOSED)
        stream_close(&session->stream);
}

void order_session_logout(struct order_session *session, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_LOGOUT_BYTES];
    uint32_t length = soupbin_logout(&session->soupbin, now_ns, bytes, sizeof(bytes));
    if (length)
        journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
    stream_close(&session->stream);
}
