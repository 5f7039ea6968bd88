#include "engine/journal/replay.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/journal/journal_table.h"
#include "engine/journal/record.h"
#include "engine/journal/record_mdp3.h"
#include "engine/order_action.h"
#include "engine/strategy_load.h"

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

/* What a control thread brought lies between other records and is looked for when it is named. */
static void advance(struct replay *replay)
{
    enum journal_outcome outcome;
    do
        outcome = journal_read_next(&replay->reader, &replay->next);
    while (outcome == JOURNAL_READ_RECORD &&
           (replay->next.kind == JOURNAL_TABLE_BYTES || replay->next.kind == JOURNAL_OBJECT));
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
    stream->waiting = (flags & JOURNAL_STREAM_WAITING) != 0;
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

bool replay_find_table(const uint8_t *bytes, uint64_t size, uint32_t generation, struct risk_table *table)
{
    struct journal_reader reader;
    struct journal_view view;
    struct journal_piece piece;
    uint8_t *packed = malloc(JOURNAL_TABLE_BYTES_MAX);
    uint32_t got = 0;
    bool found = false;
    enum journal_outcome outcome = packed ? journal_read_open(&reader, bytes, size) : JOURNAL_READ_DONE;
    while (!found && outcome == JOURNAL_READ_RECORD) {
        outcome = journal_read_kinds(&reader, &view, 1ull << JOURNAL_TABLE_BYTES);
        if (outcome != JOURNAL_READ_RECORD || view.length < sizeof(piece))
            continue;
        memcpy(&piece, view.bytes, sizeof(piece));
        const uint32_t length = view.length - (uint32_t)sizeof(piece);
        if (piece.generation != generation || piece.offset != got || piece.total > JOURNAL_TABLE_BYTES_MAX ||
            length > piece.total - got)
            continue;
        memcpy(packed + got, view.bytes + sizeof(piece), length);
        got += length;
        found = got == piece.total;
    }
    found = found && journal_table_unpack(packed, got, generation, table);
    free(packed);
    return found;
}

static bool take_table(struct replay *replay)
{
    struct engine *engine = replay->engine;
    struct risk_tables *tables = &engine->risk_memory->tables;
    struct journal_table said;
    if (replay->next.length != sizeof(said))
        return false;
    memcpy(&said, replay->next.bytes, sizeof(said));
    const uint64_t now_ns = replay->next.time_ns;
    if ((said.held & 3) != 0 && !replay_find_table(replay->reader.bytes, replay->reader.size, said.generation,
                                                   &tables->buffers[(said.held & 3) - 1]))
        return false;
    tables->published = said.held;
    tables->held = said.held & 3;
    risk_use_table(&engine->risk, said.held, now_ns);
    replay->inputs->publication = said.held;
    advance(replay);
    return true;
}

static bool take_command(struct replay *replay)
{
    struct journal_command said;
    if (replay->next.length != sizeof(said))
        return false;
    memcpy(&said, replay->next.bytes, sizeof(said));
    journal_command_apply(replay->engine, &said);
    advance(replay);
    return true;
}

/* Which decision, counted from the start, had found it; 0: none, it was found between two steps. */
static uint64_t asked_of(const struct journal_view *view)
{
    struct journal_command command;
    struct journal_table table;
    if (view->flags != JOURNAL_INSIDE)
        return 0;
    if (view->kind == JOURNAL_COMMAND && view->length == sizeof(command)) {
        memcpy(&command, view->bytes, sizeof(command));
        return command.asked;
    }
    if (view->kind == JOURNAL_TABLE && view->length == sizeof(table)) {
        memcpy(&table, view->bytes, sizeof(table));
        return table.asked;
    }
    return 0;
}

void replay_inputs(struct replay *replay, uint64_t now_ns)
{
    (void)now_ns;
    while (!replay->over && replay->has_next && asked_of(&replay->next) == replay->journal.asked) {
        const bool taken = replay->next.kind == JOURNAL_COMMAND ? take_command(replay) : take_table(replay);
        if (!taken) {
            differ(replay, 0, 0, NULL, 0);
            return;
        }
    }
}

/* The breach of the call under way. */
static bool breach_ahead(const struct replay *replay, struct journal_breach *breach)
{
    if (!ahead(replay, JOURNAL_BREACH) || replay->next.length != sizeof(*breach))
        return false;
    memcpy(breach, replay->next.bytes, sizeof(*breach));
    return breach->call == replay->engine->strategies.guard.calls;
}

/* Only a record that contain() gives again is left for it; what follows is as after the signal. */
void replay_call(struct replay *replay)
{
    struct guard *guard = &replay->engine->strategies.guard;
    struct journal_breach breach;
    if (!breach_ahead(replay, &breach) || breach.signal == 0)
        return;
    advance(replay);
    atomic_store_explicit(&guard->inside, 0, memory_order_relaxed);
    guard->signal = breach.signal;
    siglongjmp(guard->landing, 1);
}

bool replay_was_slow(struct replay *replay, uint32_t cause, uint64_t *detail)
{
    struct journal_breach breach;
    if (!breach_ahead(replay, &breach) || breach.cause != cause || breach.signal != 0)
        return false;
    *detail = breach.detail;
    advance(replay);
    return true;
}

/* ---- steps ---- */

static void compare_end(struct replay *replay, const struct journal_view *view)
{
    struct engine *engine = replay->engine;
    struct journal_end said, end = {.book_digest = book_digest(&engine->book),
                                    .orders = engine->statistics.orders,
                                    .triggers = engine->statistics.triggers};
    record_fill_checkpoint(engine, &end.last);
    if (replay->mdp3)
        record_mdp3_fill_end(replay->mdp3, &end);
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

/* The first login is asked for from outside, and says where to connect again. */
static void log_in(struct engine *engine, const struct journal_view *step)
{
    char address[ORDER_ADDRESS_BYTES] = "";
    if (step->length < sizeof(address))
        memcpy(address, step->bytes, step->length);
    order_session_endpoint(&engine->session, address, 0);
    order_session_login(&engine->session, step->time_ns);
}

/* The slot that holds the object now; -1: it is not to be had. */
static int32_t load_object(struct replay *replay, uint32_t generation)
{
    struct engine *engine = replay->engine;
    struct loader_report report;
    for (int32_t slot = 0; slot < STRATEGY_SLOT_COUNT; slot++) /* planned before: it waits */
        if (engine->strategies.slots[slot].state == SLOT_READY &&
            engine->strategies.slots[slot].generation == generation)
            return (uint64_t)slot;
    for (uint32_t i = 0; i < replay->options->object_count; i++) {
        const struct replay_object *object = &replay->options->objects[i];
        if (object->generation != generation)
            continue;
        engine->strategies.generations = generation - 1;
        strategy_load_here(engine);
        strategy_load(engine, object->path, object->parameters, &report);
        return report.verdict == LOADER_GOOD ? report.slot : -1;
    }
    return -1;
}

/* The slot that has the object already, else the one that it is loaded into. */
static int32_t slot_of(struct replay *replay, uint32_t generation)
{
    const struct strategies *strategies = &replay->engine->strategies;
    for (int32_t slot = 0; slot < STRATEGY_SLOT_COUNT; slot++)
        if (strategies->slots[slot].generation == generation &&
            atomic_load_explicit(&strategies->slots[slot].state, memory_order_relaxed) != SLOT_EMPTY)
            return slot;
    return load_object(replay, generation);
}

static bool carry_out(struct replay *replay, const struct journal_view *step)
{
    struct journal_operator said;
    int32_t slot = -1;
    if (step->length != sizeof(said))
        return false;
    memcpy(&said, step->bytes, sizeof(said));
    if (said.generation != 0) {
        slot = slot_of(replay, said.generation);
        if (slot < 0) {
            end_here(replay, REPLAY_NO_OBJECT);
            return true;
        }
        said.argument = command_with_slot(said.kind, said.argument, slot);
    }
    command_carry_out(replay->engine, said.kind, said.argument, step->time_ns);
    if (said.kind == COMMAND_STRATEGY_UNPLAN)
        strategy_reclaim(replay->engine, slot);
    return true;
}

/* The same of the second venue. */
static bool call_mdp3(struct replay *replay, const struct journal_view *step)
{
    if (step->kind == JOURNAL_DATAGRAM)
        venue_mdp3_step(replay->mdp3, step->flags, step->bytes, step->length, step->time_ns);
    else if (step->kind == JOURNAL_TIMER)
        venue_mdp3_timer(replay->mdp3, step->time_ns);
    else
        return false;
    return true;
}

/* Past `until`. */
static bool stops(const struct replay *replay)
{
    const struct feed *feed = &replay->engine->feed;
    const uint64_t until = replay->options->until;
    if (replay->mdp3)
        return replay->mdp3->channel.arbiter.statistics.delivered != 0 &&
               replay->mdp3->channel.arbiter.next_sequence > until;
    return feed->statistics.delivered != 0 && (feed->position_base | feed->next_sequence) > until;
}

/* The call that a step recorded. False: its record is none of a step. */
static bool call(struct replay *replay, const struct journal_view *step)
{
    struct engine *engine = replay->engine;
    uint64_t now_ns = step->time_ns;
    switch (step->kind) {
    case JOURNAL_DATAGRAM:
        engine_take_datagram(engine, step->flags, step->bytes, step->length, now_ns);
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
        log_in(engine, step);
        return true;
    case JOURNAL_RISK:
        risk_poll(&engine->risk, now_ns);
        return true;
    case JOURNAL_OPERATOR:
        return carry_out(replay, step);
    case JOURNAL_CANCELS:
        engine_order_cancels(engine);
        return true;
    case JOURNAL_LEAVE:
        order_session_leave(&engine->session, now_ns);
        return true;
    case JOURNAL_STRATEGY_TIMER:
        engine->strategies.timer_ns = now_ns;
        strategy_tell_time(engine, now_ns);
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

/* False: it is none. What is no setting of this version differs. */
static bool take_setting(struct replay *replay)
{
    struct engine *engine = replay->engine;
    bool good = true;
    switch (replay->next.kind) {
    case JOURNAL_STREAM:
        take_stream(replay, replay->next.flags & JOURNAL_STREAM_SNAPSHOT ? &engine->recovery.stream
                                                                         : &engine->session.stream);
        return true;
    case JOURNAL_COMMAND:
        good = take_command(replay);
        break;
    case JOURNAL_TABLE:
        good = take_table(replay);
        break;
    case JOURNAL_LATE:
        engine->late = replay->next.flags != 0;
        advance(replay);
        return true;
    case JOURNAL_CONFIG:
    case JOURNAL_WIRES:
        advance(replay);
        return true;
    default:
        return false;
    }
    if (!good)
        differ(replay, 0, 0, NULL, 0);
    return true;
}

static void take_record(struct replay *replay)
{
    const struct journal_view step = replay->next;
    replay->result->time_ns = step.time_ns;
    if (take_setting(replay))
        return;
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
    if (!(replay->mdp3 ? call_mdp3(replay, &step) : call(replay, &step))) {
        replay->next = step; /* an output, or an answer, that nobody gave or asked for */
        replay->has_next = true;
        differ(replay, 0, 0, NULL, 0);
        return;
    }
    replay->result->steps++;
    if (stops(replay))
        end_here(replay, REPLAY_STOPPED);
    else if (!replay->mdp3) /* whose steps do it */
        record_done(replay->engine, step.time_ns);
}

static void sum_up(const struct replay *replay, struct replay_result *result)
{
    const struct engine *engine = replay->engine;
    struct journal_end end = {.book_digest = book_digest(&engine->book), .orders = engine->statistics.orders};
    record_fill_checkpoint(engine, &end.last);
    if (replay->mdp3)
        record_mdp3_fill_end(replay->mdp3, &end);
    result->orders = end.orders;
    result->delivered = end.last.delivered;
    result->position = end.last.position;
    result->order_hash = end.last.order_hash;
    result->book_hash = end.last.book_hash;
    result->decision_hash = end.last.decision_hash;
    result->book_digest = end.book_digest;
}

void replay_run(struct engine *engine, struct venue_mdp3 *mdp3, const uint8_t *bytes, uint64_t size,
                const struct replay_options *options, struct replay_result *result)
{
    struct journal_inputs inputs;
    struct replay replay = {.options = options, .inputs = &inputs, .engine = engine, .mdp3 = mdp3,
                            .result = result};
    memset(result, 0, sizeof(*result));
    journal_init(&replay.journal, NULL, 0);
    replay.journal.replay = &replay;
    replay.journal.inputs = &inputs;
    engine->journal = engine->session.journal = &replay.journal;
    engine->until = options->until;
    if (mdp3)
        mdp3->journal = &replay.journal;
    journal_inputs_begin(engine, &inputs);
    enum journal_outcome outcome = journal_read_open(&replay.reader, bytes, size);
    result->journal_outcome = outcome;
    if (outcome != JOURNAL_READ_RECORD)
        end_here(&replay, REPLAY_UNREADABLE);
    else
        advance(&replay);
    while (!replay.over && replay.has_next)
        take_record(&replay);

    sum_up(&replay, result);
    if (mdp3)
        mdp3->journal = NULL;
    engine->journal = engine->session.journal = NULL;
    journal_inputs_end(engine);
}

const char *replay_outcome_name(uint32_t outcome)
{
    static const char *const names[REPLAY_OUTCOME_COUNT] = {"equal", "different", "unreadable",
                                                             "lossy", "stopped",   "no object"};
    return outcome < REPLAY_OUTCOME_COUNT ? names[outcome] : "unknown";
}
