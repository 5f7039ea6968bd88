#include "engine/recovery.h"

#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/journal/record.h"

int recovery_init(struct recovery *recovery, const struct recovery_options *options)
{
    memset(recovery, 0, sizeof(*recovery));
    recovery->options = *options;
    recovery->options.soupbin.requested_sequence = 1;
    recovery->port.socket = recovery->stream.socket = -1;
    return soupbin_init(&recovery->soupbin, &recovery->options.soupbin);
}

void recovery_begin_anew(struct engine *engine)
{
    book_reset(&engine->book);
    touch_taker_forget(&engine->touch_taker);
    strategy_forget(engine, engine->feed.now_ns);
    memset(engine->trading_states, 0, sizeof(engine->trading_states));
}

void recovery_ask(struct engine *engine)
{
    uint8_t request[MOLDUDP64_REQUEST_SIZE];
    while (feed_next_request(&engine->feed, request))
        journal_port_send(engine->journal, &engine->recovery.port, request, sizeof(request), engine->feed.now_ns);
}

static void note_join(struct recovery *recovery, struct recovery_join join)
{
    if (recovery->statistics.joins < RECOVERY_JOIN_COUNT)
        recovery->joins[recovery->statistics.joins] = join;
    recovery->statistics.joins++;
}

void recovery_follow_session(struct engine *engine)
{
    const struct feed *feed = &engine->feed;
    recovery_begin_anew(engine);
    engine->session_ordinal = feed->session_ordinal;
    if (!feed->book_lost) /* no snapshot service: the new session's own messages are all there is */
        note_join(&engine->recovery,
                  (struct recovery_join){feed->now_ns, feed->position_base | 1, feed->lost_position, true});
}

/* ---- snapshot ---- */

static bool send_snapshot(struct engine *engine, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    return journal_stream_send(engine->journal, JOURNAL_STREAM_SNAPSHOT, &engine->recovery.stream, bytes, length,
                               now_ns);
}

static void end_snapshot(struct recovery *recovery)
{
    stream_close(&recovery->stream);
    recovery->snapshot_open = false;
}

static void discard_snapshot(struct engine *engine, uint64_t now_ns)
{
    if (!engine->recovery.snapshot_open)
        return;
    end_snapshot(&engine->recovery);
    recovery_begin_anew(engine); /* half a book is none */
    feed_snapshot_failed(&engine->feed, now_ns);
}

static void write_login(struct engine *engine, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    uint8_t bytes[SOUPBIN_LOGIN_BYTES];
    soupbin_init(&recovery->soupbin, &recovery->options.soupbin); /* every snapshot is a session of its own */
    soupbin_connected(&recovery->soupbin, now_ns);
    uint32_t length = soupbin_login(&recovery->soupbin, now_ns, bytes, sizeof(bytes));
    recovery->login_written = length && send_snapshot(engine, bytes, length, now_ns);
}

void recovery_snapshot_open(struct engine *engine, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    recovery_begin_anew(engine);
    feed_snapshot_started(&engine->feed, now_ns);
    recovery->snapshot_open = true;
    recovery->login_written = false;
    recovery->statistics.connects++;
    if (recovery->stream.kind == STREAM_MEMORY) {
        recovery->stream.open = true;
        write_login(engine, now_ns);
    } else if (journal_stream_begin(engine->journal, JOURNAL_STREAM_SNAPSHOT, &recovery->stream,
                                    recovery->options.snapshot_address, recovery->options.snapshot_port, now_ns)) {
        recovery->statistics.connect_failures++;
        discard_snapshot(engine, now_ns);
    }
}

/* Digits of 'G', padded on either side; 0 when there is anything else. */
static uint64_t end_sequence(const uint8_t *text)
{
    uint32_t first = 0, last = RECOVERY_END_BYTES - 1;
    uint64_t sequence = 0;
    while (first < last && text[first] == ' ')
        first++;
    while (last > first && (text[last - 1] == ' ' || text[last - 1] == 0))
        last--;
    for (uint32_t i = first; i < last; i++) {
        if (text[i] < '0' || text[i] > '9' || sequence > (UINT64_MAX - 9) / 10)
            return 0;
        sequence = sequence * 10 + (uint64_t)(text[i] - '0');
    }
    return sequence;
}

static void join(struct engine *engine, uint64_t sequence, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    uint64_t skipped_from = engine->feed.lost_position;
    if (sequence == 0 || !feed_snapshot_complete(&engine->feed, sequence, now_ns)) {
        discard_snapshot(engine, now_ns);
        return;
    }
    note_join(recovery, (struct recovery_join){now_ns, engine->feed.position_base | sequence, skipped_from, false});
    uint8_t bytes[SOUPBIN_LOGOUT_BYTES];
    uint32_t length = soupbin_logout(&recovery->soupbin, now_ns, bytes, sizeof(bytes));
    if (length)
        send_snapshot(engine, bytes, length, now_ns);
    end_snapshot(recovery);
}

/* One message of the snapshot into book and reference data; false when it cannot be trusted. */
static bool take_snapshot(struct engine *engine, const struct soupbin_message *message)
{
    struct event event;
    if (message->length > UINT16_MAX ||
        itch50_decode(message->payload, (uint16_t)message->length, &event) > ITCH_DECODED_LONG)
        return false;
    if (event.kind == EVENT_TRADING_STATE)
        engine->trading_states[event.symbol] = event.flag;
    touch_taker_learn(&engine->touch_taker, &event);
    enum book_outcome outcome = book_apply(&engine->book, &event);
    return outcome == BOOK_APPLIED || outcome == BOOK_IGNORED;
}

/* False: the service is in another session than the feed, ahead of it or behind. */
static bool in_our_session(struct engine *engine)
{
    struct recovery *recovery = &engine->recovery;
    if (!recovery->options.snapshot_names_session || recovery->soupbin.state != SOUPBIN_UP ||
        soupbin_same_session(recovery->soupbin.session, (const char *)engine->feed.session))
        return true;
    recovery->statistics.foreign_sessions++;
    return false;
}

void recovery_snapshot_receive(struct engine *engine, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    struct soupbin_message message;
    if (!recovery->snapshot_open)
        return;
    soupbin_receive(&recovery->soupbin, bytes, length, now_ns);
    while (recovery->snapshot_open && soupbin_next(&recovery->soupbin, &message)) {
        if (!in_our_session(engine)) {
            discard_snapshot(engine, now_ns);
            return;
        }
        recovery->statistics.messages++;
        if (message.length == RECOVERY_END_BYTES && message.payload[0] == 'G') {
            join(engine, end_sequence(message.payload + 1), now_ns);
        } else if (!take_snapshot(engine, &message)) {
            recovery->statistics.undecodable++;
            discard_snapshot(engine, now_ns);
        }
    }
    if (recovery->snapshot_open &&
        (recovery->soupbin.state == SOUPBIN_CLOSED || recovery->soupbin.state == SOUPBIN_ENDED)) {
        recovery->statistics.logins_rejected += recovery->soupbin.counters.logins_rejected;
        recovery_snapshot_lost(engine, now_ns);
    }
}

void recovery_snapshot_lost(struct engine *engine, uint64_t now_ns)
{
    engine->recovery.statistics.disconnects += engine->recovery.snapshot_open;
    discard_snapshot(engine, now_ns);
}

static void poll_snapshot(struct engine *engine, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    uint8_t heartbeat[SOUPBIN_HEARTBEAT_BYTES];
    if (!journal_stream_connected(engine->journal, JOURNAL_STREAM_SNAPSHOT, &recovery->stream, now_ns)) {
        if (!recovery->stream.connecting)
            recovery_snapshot_lost(engine, now_ns);
        return;
    }
    if (!recovery->login_written)
        write_login(engine, now_ns);
    uint32_t length = journal_stream_receive(engine->journal, JOURNAL_STREAM_SNAPSHOT, &recovery->stream,
                                             recovery->received, RECOVERY_SNAPSHOT_BYTES, now_ns);
    if (length)
        recovery_snapshot_receive(engine, recovery->received, length, now_ns);
    if (recovery->snapshot_open && !recovery->stream.open) {
        recovery_snapshot_lost(engine, now_ns);
        return;
    }
    length = soupbin_timer(&recovery->soupbin, now_ns, heartbeat, sizeof(heartbeat));
    if (length)
        send_snapshot(engine, heartbeat, length, now_ns);
}

/* ---- the round ---- */

void recovery_poll(struct engine *engine, uint64_t now_ns)
{
    struct recovery *recovery = &engine->recovery;
    struct packet packets[REQUEST_PORT_BATCH];
    feed_timer(&engine->feed, now_ns); /* a busy line has no idle poll to do it */
    uint32_t count = journal_port_receive(engine->journal, &recovery->port, packets, now_ns);
    uint64_t rx_ticks = clock_ticks();
    for (uint32_t i = 0; i < count; i++) {
        feed_accept(&engine->feed, FEED_LINE_RECOVERY, packets[i].data, packets[i].length, now_ns);
        engine_drain(engine, rx_ticks, now_ns);
    }
    if (recovery->snapshot_open && !feed_snapshot_running(&engine->feed)) {
        end_snapshot(recovery); /* the feed has given it up */
        recovery_begin_anew(engine);
    }
    if (recovery->snapshot_open && recovery->stream.kind == STREAM_TCP) {
        poll_snapshot(engine, now_ns);
        engine_drain(engine, rx_ticks, now_ns);
    }
    if (!recovery->snapshot_open && recovery->stream.kind != STREAM_MEMORY && feed_wants_snapshot(&engine->feed))
        recovery_snapshot_open(engine, now_ns);
    recovery_ask(engine);
}

void recovery_close(struct recovery *recovery)
{
    request_port_close(&recovery->port);
    stream_close(&recovery->stream);
    recovery->snapshot_open = false;
}
