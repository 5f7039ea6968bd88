#include "engine/journal/replay.h"

#include <errno.h>

#include "engine/journal/record.h"

/* ---- the tape ---- */

static void end_here(struct replay *replay, enum replay_outcome outcome)
{
    if (replay->over)
        return;
    replay->over = true;
    replay->result->outcome = outcome;
    replay->result->number = replay->has_next ? replay->next.number : replay->reader.number;
    replay->result->offset = replay->has_next ? replay->next.offset : replay->reader.offset;
}

static void advance(struct replay *replay)
{
    enum journal_outcome outcome = journal_read_next(&replay->reader, &replay->next);
    replay->has_next = outcome == JOURNAL_READ_RECORD;
    replay->result->records = replay->reader.number;
    replay->result->journal_outcome = outcome;
    if (replay->has_next || outcome == JOURNAL_READ_DONE)
        return;
    end_here(replay, REPLAY_UNREADABLE);
}

static void end_at_lost(struct replay *replay)
{
    if (replay->next.length == sizeof(replay->result->lost))
        memcpy(&replay->result->lost, replay->next.bytes, sizeof(replay->result->lost));
    end_here(replay, REPLAY_LOSSY);
}

static bool ahead(const struct replay *replay, uint8_t kind)
{
    return !replay->over && replay->has_next && replay->next.kind == kind;
}

static void show(struct replay_shown *shown, uint8_t kind, uint8_t flags, const void *bytes, uint32_t length)
{
    *shown = (struct replay_shown){.length = length, .kind = kind, .flags = flags};
    if (length)
        memcpy(shown->bytes, bytes, length < REPLAY_SHOWN_BYTES ? length : REPLAY_SHOWN_BYTES);
}

/* The journal has `next`, or nothing; the replay gave something else, or nothing (kind 0). */
static void differ(struct replay *replay, uint8_t kind, uint8_t flags, const void *bytes, uint32_t length)
{
    if (replay->over)
        return;
    if (ahead(replay, JOURNAL_LOST)) {
        end_at_lost(replay);
        return;
    }
    const struct journal_view *next = &replay->next;
    if (replay->has_next)
        show(&replay->result->expected, next->kind, next->flags, next->bytes, next->length);
    show(&replay->result->given, kind, flags, bytes, length);
    end_here(replay, REPLAY_DIFFERENT);
}

/* ---- what the hooks ask ---- */

static bool same_bytes(const struct replay *replay, uint8_t kind, const void *bytes, uint32_t length)
{
    return ahead(replay, kind) && replay->next.length == length && memcmp(replay->next.bytes, bytes, length) == 0;
}

void replay_output(struct replay *replay, uint8_t kind, uint8_t flags, const void *bytes, uint32_t length)
{
    if (!same_bytes(replay, kind, bytes, length) || replay->next.flags != flags) {
        differ(replay, kind, flags, bytes, length);
        return;
    }
    replay->result->outputs++;
    replay->result->checkpoints += kind == JOURNAL_CHECKPOINT;
    advance(replay);
}

static void set_stream(struct stream *stream, uint8_t flags)
{
    stream->open = (flags & JOURNAL_STREAM_OPEN) != 0;
    stream->connecting = (flags & JOURNAL_STREAM_CONNECTING) != 0;
    stream->pending_count = (flags & JOURNAL_STREAM_PENDING) != 0;
}

static bool of_stream(const struct replay *replay, uint8_t kind, uint8_t which)
{
    return ahead(replay, kind) && (replay->next.flags & JOURNAL_STREAM_SNAPSHOT) == which;
}

bool replay_send(struct replay *replay, uint8_t which, struct stream *stream, const uint8_t *bytes, uint32_t length)
{
    if (!same_bytes(replay, JOURNAL_SENT, bytes, length) || !of_stream(replay, JOURNAL_SENT, which)) {
        differ(replay, JOURNAL_SENT, which, bytes, length);
        return false;
    }
    uint8_t flags = replay->next.flags;
    set_stream(stream, flags);
    replay->result->outputs++;
    advance(replay);
    return (flags & JOURNAL_STREAM_TAKEN) != 0;
}

/* A stream of which the kind decides what the engine does with it; it has no socket. */
static void take_stream(struct replay *replay, struct stream *stream)
{
    if (replay->next.length != 0)
        stream->kind = (enum stream_kind)replay->next.bytes[0];
    stream->socket = -1;
    set_stream(stream, replay->next.flags);
    advance(replay);
}

bool replay_connected(struct replay *replay, uint8_t which, struct stream *stream)
{
    if (of_stream(replay, JOURNAL_STREAM, which))
        take_stream(replay, stream);
    return stream->open;
}

int replay_begin(struct replay *replay, uint8_t which, struct stream *stream)
{
    if (!of_stream(replay, JOURNAL_CONNECT, which)) {
        differ(replay, JOURNAL_CONNECT, which, NULL, 0);
        return -EPROTO;
    }
    bool begun = (replay->next.flags & JOURNAL_STREAM_TAKEN) != 0;
    take_stream(replay, stream);
    return begun ? 0 : -EPROTO;
}

uint32_t replay_receive(struct replay *replay, uint8_t which, struct stream *stream, uint8_t *bytes,
                        uint32_t capacity)
{
    if (!of_stream(replay, JOURNAL_SNAPSHOT, which) || replay->next.length > capacity)
        return 0;
    uint32_t length = replay->next.length;
    memcpy(bytes, replay->next.bytes, length);
    set_stream(stream, replay->next.flags);
    advance(replay);
    return length;
}

uint32_t replay_replies(struct replay *replay, struct packet *packets)
{
    uint32_t count = 0;
    for (; ahead(replay, JOURNAL_REPLY) && count < REQUEST_PORT_BATCH; advance(replay))
        packets[count++] = (struct packet){replay->next.bytes, replay->next.length, NULL};
    return count;
}

void replay_command(struct replay *replay, struct journal_command *command)
{
    struct journal_command said;
    while (ahead(replay, JOURNAL_COMMAND) && replay->next.length == sizeof(said)) {
        memcpy(&said, replay->next.bytes, sizeof(said));
        if (said.name == command->name)
            command->value = said.value;
        advance(replay);
    }
}

/* ---- steps ---- */

static void compare_end(struct replay *replay, const struct journal_view *view)
{
    struct engine *engine = replay->engine;
    struct journal_end said, end = {.book_digest = book_digest(&engine->book),
                                    .orders = engine->statistics.orders,
                                    .triggers = engine->statistics.triggers};
    record_fill_checkpoint(engine, &end.last);
    memset(&said, 0, sizeof(said));
    memcpy(&said, view->bytes, view->length < sizeof(said) ? view->length : sizeof(said));
    replay->result->lost = end.lost = said.lost;
    if (said.lost) {
        end_here(replay, REPLAY_LOSSY);
    } else if (view->length != sizeof(said) || memcmp(&said, &end, sizeof(end)) != 0) {
        differ(replay, JOURNAL_END, 0, &end, sizeof(end));
    } else {
        replay->result->outputs++;
        advance(replay);
        if (!replay->over)
            end_here(replay, REPLAY_EQUAL);
    }
}

/* The call that a step recorded. False: its record is none of a step. */
static bool call(struct replay *replay, const struct journal_view *step)
{
    struct engine *engine = replay->engine;
    uint64_t now_ns = step->time_ns;
    switch (step->kind) {
    case JOURNAL_DATAGRAM:
        engine_take_datagram_until(engine, step->flags, step->bytes, step->length, now_ns, replay->until);
        return true;
    case JOURNAL_TIMER:
        engine_take_time(engine, clock_ticks(), now_ns);
        return true;
    case JOURNAL_ORDER:
        set_stream(&engine->session.stream, step->flags);
        order_session_advance(&engine->session, step->bytes, step->length, now_ns);
        return true;
    case JOURNAL_RECOVERY:
        recovery_poll(engine, now_ns);
        return true;
    case JOURNAL_LOGIN:
        order_session_login(&engine->session, now_ns);
        return true;
    case JOURNAL_LOGOUT:
        order_session_logout(&engine->session, now_ns);
        return true;
    case JOURNAL_ASK:
        recovery_ask(engine);
        return true;
    case JOURNAL_ORDER_BYTES:
        order_session_receive(&engine->session, step->bytes, step->length, now_ns);
        return true;
    case JOURNAL_SNAPSHOT_OPEN:
        recovery_snapshot_open(engine, now_ns);
        return true;
    case JOURNAL_SNAPSHOT_BYTES:
        recovery_snapshot_receive(engine, step->bytes, step->length, now_ns);
        return true;
    case JOURNAL_SNAPSHOT_LOST:
        recovery_snapshot_lost(engine, now_ns);
        return true;
    default:
        return false;
    }
}

static bool is_setting(uint8_t kind)
{
    return kind == JOURNAL_CONFIG || kind == JOURNAL_STREAM || kind == JOURNAL_LATE || kind == JOURNAL_COMMAND;
}

static void take_setting(struct replay *replay)
{
    struct engine *engine = replay->engine;
    struct journal_command command = {JOURNAL_COMMAND_KILL, engine->kill.value};
    switch (replay->next.kind) {
    case JOURNAL_STREAM:
        take_stream(replay, replay->next.flags & JOURNAL_STREAM_SNAPSHOT ? &engine->recovery.stream
                                                                         : &engine->session.stream);
        return;
    case JOURNAL_COMMAND:
        if (replay->next.length != sizeof(command)) {
            differ(replay, 0, 0, NULL, 0);
            return;
        }
        replay_command(replay, &command);
        engine->kill.value = command.value;
        return;
    case JOURNAL_LATE:
        engine->late = replay->next.flags != 0;
        advance(replay);
        return;
    default:
        advance(replay);
    }
}

static void take_record(struct replay *replay)
{
    const struct journal_view step = replay->next;
    replay->result->time_ns = step.time_ns;
    if (is_setting(step.kind)) {
        take_setting(replay);
        return;
    }
    if (step.kind == JOURNAL_LOST) {
        end_at_lost(replay);
        return;
    }
    if (step.kind == JOURNAL_END) {
        compare_end(replay, &step);
        return;
    }
    advance(replay);
    if (replay->over)
        return;
    if (!call(replay, &step)) {
        replay->next = step; /* an output, or an answer, that nobody gave or asked for */
        replay->has_next = true;
        differ(replay, 0, 0, NULL, 0);
        return;
    }
    replay->result->steps++;
    if (replay->engine->feed.statistics.delivered != 0 &&
        (replay->engine->feed.position_base | replay->engine->feed.next_sequence) > replay->until)
        end_here(replay, REPLAY_STOPPED);
    else
        record_done(replay->engine, step.time_ns);
}

void replay_run(struct engine *engine, const uint8_t *bytes, uint64_t size, uint64_t until,
                struct replay_result *result)
{
    struct replay replay = {.until = until, .engine = engine, .result = result};
    memset(result, 0, sizeof(*result));
    journal_init(&replay.journal, NULL, 0);
    replay.journal.replay = &replay;
    engine->journal = engine->session.journal = &replay.journal;
    enum journal_outcome outcome = journal_read_open(&replay.reader, bytes, size);
    result->journal_outcome = outcome;
    if (outcome != JOURNAL_READ_RECORD)
        end_here(&replay, REPLAY_UNREADABLE);
    else
        advance(&replay);
    while (!replay.over && replay.has_next)
        take_record(&replay);

    result->orders = engine->statistics.orders;
    result->delivered = engine->feed.statistics.delivered;
    result->position = engine->feed.position_base | engine->feed.next_sequence;
    result->order_hash = replay.journal.order_hash;
    result->book_hash = replay.journal.book_hash;
    result->decision_hash = replay.journal.decision_hash;
    result->book_digest = book_digest(&engine->book);
    engine->journal = engine->session.journal = NULL;
}

const char *replay_outcome_name(uint32_t outcome)
{
    static const char *const names[REPLAY_OUTCOME_COUNT] = {"equal", "different", "unreadable", "lossy", "stopped"};
    return outcome < REPLAY_OUTCOME_COUNT ? names[outcome] : "unknown";
}
