#include "engine/order_session.h"

#include <errno.h>
#include <string.h>

#include "engine/journal/journal_io.h"
#include "engine/risk_follow.h"

struct layout {
    size_t own_orders, ring, numbers, total; /* bytes */
    uint64_t ring_count, number_count;
};

static uint64_t power_of_two_from(uint64_t value)
{
    uint64_t power = 8;
    while (power < value)
        power <<= 1;
    return power;
}

/* Twice the open orders in the ring, so that each can be canceled while none is answered; numbers for every order that
 * the table may know, and as many again. */
static bool lay_out(const struct order_session_options *options, struct layout *layout)
{
    const struct own_orders_options *own = &options->own_orders;
    layout->own_orders = own_orders_bytes(own);
    layout->ring_count = power_of_two_from(2ull * own->open_max);
    layout->number_count =
        options->protocol == CODEC_OUCH50 ? power_of_two_from(2 * ((uint64_t)own->open_max + own->dead_keep)) : 0;
    layout->ring = layout->ring_count * sizeof(struct unanswered_entry);
    layout->numbers = layout->number_count * sizeof(struct ouch50_number);
    layout->total = layout->own_orders + layout->ring + layout->numbers;
    return layout->own_orders != 0 && layout->ring_count <= UNANSWERED_COUNT_MAX &&
           options->protocol < CODEC_PROTOCOL_COUNT;
}

size_t order_session_bytes(const struct order_session_options *options)
{
    struct layout layout;
    return lay_out(options, &layout) ? layout.total : 0;
}

int order_session_init(struct order_session *session, const struct order_session_options *options, void *memory,
                       size_t bytes, const char **what)
{
    struct layout layout;
    uint8_t *place = memory;
    memset(session, 0, sizeof(*session));
    session->tracking = true;
    *what = "own orders: capacity or protocol out of range";
    if (!lay_out(options, &layout) || bytes < layout.total)
        return -EINVAL;
    int result = own_orders_init(&session->own_orders, &options->own_orders, place, layout.own_orders);
    if (result)
        return result;
    place += layout.own_orders;
    if (!unanswered_init(&session->ring, (struct unanswered_entry *)place, layout.ring_count))
        return -EINVAL;
    place += layout.ring;
    memset(place, 0, layout.numbers);
    *what = "order session: user name, password or session cannot be written";
    result = soupbin_init(&session->soupbin, &options->soupbin);
    if (result)
        return result;
    *what = "order template: a field cannot be said in the protocol";
    return codec_init(&session->codec, options->protocol, &options->ouch, (struct ouch50_number *)place,
                      (uint32_t)layout.number_count);
}

bool order_session_endpoint(struct order_session *session, const char *address, uint16_t port)
{
    const size_t length = strlen(address);
    if (length >= sizeof(session->address))
        return false;
    memcpy(session->address, address, length + 1);
    session->port = port;
    return true;
}

bool order_session_login(struct order_session *session, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_LOGIN_BYTES];
    if (!soupbin_connected(&session->soupbin, now_ns))
        return false;
    uint32_t length = soupbin_login(&session->soupbin, now_ns, bytes, sizeof(bytes));
    session->phase = ORDER_PHASE_LOGIN;
    session->phase_ns = now_ns;
    return length && journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
}

void order_session_receive(struct order_session *session, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    struct soupbin_message message;
    struct own_event event;
    soupbin_receive(&session->soupbin, bytes, length, now_ns);
    while (soupbin_next(&session->soupbin, &message)) {
        bool understood = codec_decode(&session->codec, message.payload, message.length, &event) == OUCH42_DECODED;
        session->heard_ns = now_ns;
        session->query_answered |= understood && event.kind == OWN_EVENT_QUERY && session->queried;
        if (!session->tracking)
            continue;
        if (understood) {
            risk_follow(session->risk, &session->own_orders, &event, now_ns);
            if (session->observe)
                session->observe(session->observer, &event, now_ns);
        } else {
            own_orders_note_undecodable(&session->own_orders);
        }
    }
    if (session->tracking)
        unanswered_settle(&session->ring, &session->own_orders, 0);
    if (session->phase == ORDER_PHASE_LOGIN && soupbin_is_up(&session->soupbin))
        order_resume_logged_in(session, now_ns);
    if (session->soupbin.state == SOUPBIN_CLOSED && session->stream.open)
        order_resume_lost(session, now_ns);
}

/* A dead order wire swallows orders into the transport's buffers: stop adding to them. */
static void watch_answers(struct order_session *session, uint64_t now_ns)
{
    if (session->phase >= ORDER_PHASE_SETTLE)
        unanswered_settle(&session->ring, &session->own_orders, now_ns);
    if (session->ring.head != session->answered || unanswered_empty(&session->ring)) {
        session->answered = session->ring.head;
        session->answered_ns = now_ns;
    }
    session->overdue = now_ns - session->answered_ns > ORDER_ANSWER_NS;
    if (session->numbers_full) {
        const struct own_order *order = own_orders_find(&session->own_orders, codec_displaced(&session->codec));
        session->numbers_full = order != NULL && own_order_is_open(order->state);
    }
}

/* Raised: everything open is canceled. Released: what was kept back is sent again from the start. */
static void watch_hold(struct order_session *session)
{
    const bool hold = session->hold != NULL && *session->hold != 0;
    if (hold == session->held)
        return;
    session->held = hold;
    session->cursor = session->ring.head;
    if (hold)
        order_session_cancel_all(session, OWN_CANCEL_ALL_SYMBOLS, 0);
}

static void mass_cancel(struct order_session *session, uint64_t now_ns)
{
    for (uint32_t sends = 0; session->own_orders.mass.under_way && sends < ORDER_SENDS_PER_POLL; sends++) {
        if (session->phase < ORDER_PHASE_RESEND || session->phase == ORDER_PHASE_OVER ||
            !stream_ready(&session->stream) || !unanswered_room(&session->ring, UNANSWERED_CANCEL))
            return;
        const uint64_t token_key = own_orders_cancel_next(&session->own_orders);
        if (token_key == 0)
            return;
        order_session_cancel(session, (struct order_change){.token_key = token_key}, now_ns);
    }
}

/* True while something is under way that goes on without being spoken to. */
static bool due(const struct order_session *session, uint64_t now_ns)
{
    const bool resuming = session->phase >= ORDER_PHASE_REPLAY && session->phase <= ORDER_PHASE_SETTLE;
    const bool hold = session->tracking && session->hold != NULL && *session->hold != 0;
    return now_ns - session->timed_ns >= ORDER_TIMER_NS || session->stream.kind == STREAM_MEMORY ||
           (resuming && !session->held) || hold != session->held || session->own_orders.mass.under_way ||
           session->numbers_full;
}

bool order_session_poll(struct order_session *session, uint64_t now_ns)
{
    struct stream *stream = &session->stream;
    const uint8_t before = journal_stream_flags(stream);
    uint32_t length = 0;
    if (stream->open || stream->connecting)
        stream_tick(stream, now_ns);
    if (stream->connecting)
        stream_connected(stream);
    if (stream->open)
        length = stream_receive(stream, session->received, ORDER_RECEIVE_BYTES);
    const uint8_t flags = journal_stream_flags(stream);
    if (length == 0 && flags == before && !due(session, now_ns))
        return false; /* nothing came and nothing is due: no step */
    if (session->journal)
        journal_append(session->journal, JOURNAL_ORDER, flags, now_ns, session->received, length);
    order_session_advance(session, session->received, length, now_ns);
    return true;
}

void order_session_advance(struct order_session *session, const uint8_t *received, uint32_t length, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_HEARTBEAT_BYTES];
    session->timed_ns = now_ns;
    if (session->tracking)
        watch_hold(session);
    if (!session->stream.open || session->phase == ORDER_PHASE_CONNECTING) {
        if (session->phase >= ORDER_PHASE_LOGIN && session->phase != ORDER_PHASE_OVER)
            order_resume_lost(session, now_ns);
        if (!order_resume_connect(session, now_ns))
            return;
    }
    if (length)
        order_session_receive(session, received, length, now_ns);
    if (session->tracking)
        watch_answers(session, now_ns);
    order_resume_step(session, now_ns);
    if (session->tracking)
        mass_cancel(session, now_ns);
    length = soupbin_timer(&session->soupbin, now_ns, bytes, sizeof(bytes));
    if (length)
        journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
    if (session->phase >= ORDER_PHASE_LOGIN && session->phase != ORDER_PHASE_OVER &&
        (!session->stream.open || session->soupbin.state == SOUPBIN_CLOSED || session->soupbin.state == SOUPBIN_ENDED))
        order_resume_lost(session, now_ns);
}

void order_session_logout(struct order_session *session, uint64_t now_ns)
{
    uint8_t bytes[SOUPBIN_LOGOUT_BYTES];
    uint32_t length = soupbin_logout(&session->soupbin, now_ns, bytes, sizeof(bytes));
    if (length)
        journal_stream_send(session->journal, 0, &session->stream, bytes, length, now_ns);
    stream_close(&session->stream);
    session->phase = ORDER_PHASE_OVER;
}

void order_session_sent(struct order_session *session, const struct order_request *request, char letter,
                        const uint8_t *packet, uint32_t bytes, uint32_t wire_number, uint64_t now_ns)
{
    const uint64_t token_key = ouch42_token_key(letter, request->trigger_sequence, request->ordinal);
    if (own_orders_sent(&session->own_orders, request, letter) == OWN_ORDERS_OK && session->risk != NULL)
        risk_on_sent(session->risk, request->symbol, request->side, request->shares, request->price);
    unanswered_push(&session->ring, UNANSWERED_ENTER, token_key, packet, bytes, now_ns);
    if (wire_number == 0)
        return;
    own_orders_number(&session->own_orders, token_key, wire_number);
    const struct own_order *next = own_orders_find(&session->own_orders, codec_displaced(&session->codec));
    session->numbers_full = next != NULL && own_order_is_open(next->state);
}

/* In RESEND the entry leaves when the cursor comes to it: behind what it speaks of. */
static void send_change(struct order_session *session, enum unanswered_kind kind, uint64_t token_key,
                        const uint8_t *packet, uint32_t bytes, uint64_t now_ns)
{
    unanswered_push(&session->ring, kind, token_key, packet, bytes, now_ns);
    if (session->phase == ORDER_PHASE_RESEND)
        return;
    if (journal_stream_send(session->journal, 0, &session->stream, packet, bytes, now_ns))
        soupbin_sent(&session->soupbin, now_ns);
}

/* The wire's number of the order is known and there is room; otherwise nothing may happen. */
static bool may_change(struct order_session *session, struct order_change *change)
{
    const struct own_order *order = own_orders_find(&session->own_orders, change->token_key);
    const bool up = session->phase == ORDER_PHASE_LIVE || session->phase == ORDER_PHASE_SETTLE ||
                    session->phase == ORDER_PHASE_RESEND;
    const bool room = unanswered_room(&session->ring, UNANSWERED_CANCEL);
    session->counters.unanswered_full += !room;
    if (order != NULL)
        change->wire_number = order->wire_number;
    return up && room && stream_ready(&session->stream);
}

enum own_orders_outcome order_session_cancel(struct order_session *session, struct order_change change,
                                             uint64_t now_ns)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    if (!may_change(session, &change))
        return OWN_ORDERS_FULL;
    change.side = 0;
    const uint32_t bytes = codec_cancel(&session->codec, &change, packet);
    if (bytes == 0)
        return OWN_ORDERS_INVALID;
    const enum own_orders_outcome outcome = change.shares == 0
                                                ? own_orders_cancel_sent(&session->own_orders, change.token_key)
                                                : own_orders_modify_sent(&session->own_orders, &change);
    if (outcome == OWN_ORDERS_OK) {
        if (session->risk != NULL)
            risk_note_cancel(session->risk, now_ns);
        send_change(session, change.shares == 0 ? UNANSWERED_CANCEL : UNANSWERED_MODIFY, change.token_key, packet,
                    bytes, now_ns);
    }
    return outcome;
}

enum own_orders_outcome order_session_replace(struct order_session *session, struct order_change change,
                                              uint64_t now_ns)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    uint32_t wire_number;
    if (!may_change(session, &change) || session->phase != ORDER_PHASE_LIVE || session->numbers_full)
        return OWN_ORDERS_FULL;
    struct risk_follow follow;
    risk_follow_begin(&follow, &session->own_orders, change.token_key, change.new_token_key);
    const enum own_orders_outcome outcome = own_orders_replace_sent(&session->own_orders, &change);
    if (outcome != OWN_ORDERS_OK)
        return outcome;
    const uint32_t bytes = codec_replace(&session->codec, &change, packet, &wire_number);
    if (bytes == 0) {
        own_orders_withdraw(&session->own_orders, change.new_token_key);
        return OWN_ORDERS_INVALID;
    }
    risk_follow_end(&follow, session->risk, &session->own_orders, now_ns);
    own_orders_number(&session->own_orders, change.new_token_key, wire_number);
    send_change(session, UNANSWERED_REPLACE, change.new_token_key, packet, bytes, now_ns);
    return OWN_ORDERS_OK;
}

enum own_orders_outcome order_session_modify(struct order_session *session, struct order_change change,
                                             uint64_t now_ns)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    if (!may_change(session, &change) || session->phase != ORDER_PHASE_LIVE)
        return OWN_ORDERS_FULL;
    const uint32_t bytes = codec_modify(&session->codec, &change, packet);
    if (bytes == 0)
        return OWN_ORDERS_INVALID;
    const enum own_orders_outcome outcome = own_orders_modify_sent(&session->own_orders, &change);
    if (outcome == OWN_ORDERS_OK)
        send_change(session, UNANSWERED_MODIFY, change.token_key, packet, bytes, now_ns);
    return outcome;
}

const char *order_phase_name(uint8_t phase)
{
    static const char *const names[ORDER_PHASE_COUNT] = {"down", "connecting", "login", "replay",
                                                         "resend", "settle", "live", "over"};
    return phase < ORDER_PHASE_COUNT ? names[phase] : "unknown";
}
