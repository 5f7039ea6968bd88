/* How a lost order session comes back: the phases of order_session.h. */
#include <string.h>

#include "engine/journal/journal_io.h"
#include "engine/order_session.h"

static void enter_phase(struct order_session *session, enum order_phase phase, uint64_t now_ns)
{
    session->phase = (uint8_t)phase;
    session->phase_ns = now_ns;
}

/* Whether the reason for the last close can pass by itself. */
static bool may_return(const struct order_session *session)
{
    switch (session->soupbin.cause) {
    case SOUPBIN_CAUSE_LOGIN_NOT_AUTHORISED:
    case SOUPBIN_CAUSE_LOGIN_REJECTED: return session->soupbin.counters.logins_accepted != 0;
    case SOUPBIN_CAUSE_LOGIN_NO_SESSION:
    case SOUPBIN_CAUSE_SEQUENCE_GAP:
    case SOUPBIN_CAUSE_SESSION_MISMATCH:
    case SOUPBIN_CAUSE_END_OF_SESSION:
    case SOUPBIN_CAUSE_LOGOUT: return false;
    default: return !session->soupbin.session_ended;
    }
}

void order_resume_lost(struct order_session *session, uint64_t now_ns)
{
    const bool returns = may_return(session), was_in = session->phase >= ORDER_PHASE_REPLAY;
    stream_close(&session->stream);
    soupbin_disconnected(&session->soupbin);
    if (session->phase == ORDER_PHASE_OVER)
        return;
    session->counters.disconnects += was_in;
    if (session->lost_ns == 0)
        session->lost_ns = now_ns;
    if (was_in) /* it is there: no need to be patient, but for one that cuts whoever comes back */
        session->back_off_ns = session->phase == ORDER_PHASE_LIVE ? 0 : ORDER_RETRY_NS;
    session->retry_ns = now_ns + session->back_off_ns;
    session->back_off_ns = session->back_off_ns == 0 ? ORDER_RETRY_NS : session->back_off_ns * 2;
    if (session->back_off_ns > ORDER_RETRY_NS_MAX)
        session->back_off_ns = ORDER_RETRY_NS_MAX;
    enter_phase(session, returns ? ORDER_PHASE_DOWN : ORDER_PHASE_OVER, now_ns);
}

void order_session_leave(struct order_session *session, uint64_t now_ns)
{
    if (session->journal)
        journal_append(session->journal, JOURNAL_LEAVE, 0, now_ns, NULL, 0);
    stream_close(&session->stream);
    soupbin_disconnected(&session->soupbin);
    if (session->phase == ORDER_PHASE_OVER)
        return;
    session->counters.disconnects += session->phase >= ORDER_PHASE_REPLAY;
    if (session->lost_ns == 0)
        session->lost_ns = now_ns;
    session->retry_ns = now_ns;
    enter_phase(session, ORDER_PHASE_DOWN, now_ns);
}

static void begin(struct order_session *session, uint64_t now_ns)
{
    if (session->begin == NULL || (session->journal != NULL && session->journal->replay != NULL)) {
        journal_stream_begin(session->journal, 0, &session->stream, session->address, session->port, now_ns);
        return;
    }
    const int result = session->begin(session->begin_context, &session->stream);
    if (session->journal)
        journal_stream_begun(session->journal, 0, &session->stream, result, now_ns);
}

bool order_resume_connect(struct order_session *session, uint64_t now_ns)
{
    if (session->phase == ORDER_PHASE_DOWN) {
        if (session->address[0] == 0 || now_ns < session->retry_ns)
            return false;
        session->counters.connects++;
        enter_phase(session, ORDER_PHASE_CONNECTING, now_ns);
        begin(session, now_ns);
    }
    if (session->phase != ORDER_PHASE_CONNECTING)
        return false;
    if (session->stream.open && order_session_login(session, now_ns))
        return true;
    if (!session->stream.connecting || now_ns - session->phase_ns > ORDER_CONNECT_NS)
        order_resume_lost(session, now_ns);
    return false;
}

static void go_live(struct order_session *session, uint64_t now_ns)
{
    if (session->lost_ns != 0) {
        const uint64_t took_ns = now_ns - session->lost_ns;
        session->counters.resumes++;
        session->counters.resume_ns_total += took_ns;
        if (took_ns > session->counters.resume_ns_max)
            session->counters.resume_ns_max = took_ns;
    }
    session->lost_ns = 0;
    session->answered_ns = now_ns;
    enter_phase(session, ORDER_PHASE_LIVE, now_ns);
}

void order_resume_logged_in(struct order_session *session, uint64_t now_ns)
{
    const bool fresh = session->soupbin.counters.logins_accepted == 1 && unanswered_empty(&session->ring);
    session->heard_ns = now_ns;
    session->queried = session->query_answered = false;
    if (fresh)
        go_live(session, now_ns);
    else
        enter_phase(session, ORDER_PHASE_REPLAY, now_ns);
}

/* The replay is over, as far as anybody can tell: see order_session.h. */
static bool caught_up(struct order_session *session, uint64_t now_ns)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    const uint32_t bytes = codec_query(&session->codec, packet);
    if (bytes == 0)
        return now_ns - session->heard_ns >= ORDER_REPLAY_QUIET_NS;
    if (!session->queried && stream_ready(&session->stream))
        session->queried = journal_stream_send(session->journal, 0, &session->stream, packet, bytes, now_ns);
    return session->query_answered || now_ns - session->heard_ns >= ORDER_QUERY_NS;
}

/* True when every entry has been passed; while held, only cancels leave. */
static bool send_again(struct order_session *session, uint64_t now_ns)
{
    struct unanswered *ring = &session->ring;
    if (session->cursor < ring->head)
        session->cursor = ring->head;
    for (uint32_t sends = 0; session->cursor < ring->tail; session->cursor++) {
        struct unanswered_entry *entry = unanswered_at(ring, session->cursor);
        if (unanswered_answered(entry, &session->own_orders) || (session->held && entry->kind != UNANSWERED_CANCEL))
            continue;
        if (sends++ == ORDER_SENDS_PER_POLL || !stream_ready(&session->stream) ||
            !journal_stream_send(session->journal, 0, &session->stream, entry->packet, entry->bytes, now_ns))
            return false;
        soupbin_sent(&session->soupbin, now_ns);
        entry->sends++;
        entry->sent_ns = now_ns;
        session->counters.resent++;
        session->counters.resent_orders += entry->kind == UNANSWERED_ENTER;
    }
    return !session->held;
}

void order_resume_step(struct order_session *session, uint64_t now_ns)
{
    if (session->phase == ORDER_PHASE_REPLAY && caught_up(session, now_ns)) {
        session->cursor = session->ring.head;
        enter_phase(session, ORDER_PHASE_RESEND, now_ns);
    }
    if (session->phase == ORDER_PHASE_RESEND && send_again(session, now_ns))
        enter_phase(session, ORDER_PHASE_SETTLE, now_ns);
    if (session->phase == ORDER_PHASE_SETTLE && unanswered_empty(&session->ring))
        go_live(session, now_ns);
}
