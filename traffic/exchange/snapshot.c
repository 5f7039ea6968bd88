/* The snapshot service. Essay: snapshot.h. */
#include "traffic/exchange/snapshot.h"

#include <string.h>

#include "traffic/exchange/clock.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum { PREFETCH_ORDERS = 8 };

/* --- what is said --- */

static void commit(struct snapshot *snapshot, uint32_t length) {
    soup_port_commit(&snapshot->port, length);
    snapshot->messages++;
    snapshot->counters.messages++;
}

/* The next reference message that held at the login; false: there are no more. */
static bool put_reference(struct snapshot *snapshot) {
    const struct reference_data *data = snapshot->options.reference;
    for (; snapshot->kind < REFERENCE_KINDS; snapshot->kind++, snapshot->entry = 0) {
        while (snapshot->entry < data->counts[snapshot->kind]) {
            const struct reference_entry *entry = &data->entries[snapshot->kind][snapshot->entry];
            if (entry->offset >= snapshot->published_bytes)
                break;
            snapshot->entry++;
            if (!reference_entry_holds(entry, snapshot->published_bytes))
                continue;
            const uint8_t *block = snapshot->options.history->options.arena + entry->offset;
            uint32_t length = load_be16(block);
            memcpy(soup_port_message(&snapshot->port), block + 2, length);
            commit(snapshot, length);
            return true;
        }
    }
    return false;
}

/* Attribution is with the message that entered the order. */
static const char *participant_of(const struct snapshot *snapshot, const struct published_order *order) {
    if (!order->attributed)
        return NULL;
    return (const char *)history_block(snapshot->options.history, order->entered) + 2 + 36;
}

static bool put_order(struct snapshot *snapshot) {
    const struct published_freeze *freeze = &snapshot->freeze;
    if (snapshot->entry == freeze->count)
        return false;
    const struct published_order *order = published_freeze_order(freeze, (uint32_t)snapshot->entry);
    if (snapshot->entry + PREFETCH_ORDERS < freeze->count)
        __builtin_prefetch(published_freeze_order(freeze, (uint32_t)snapshot->entry + PREFETCH_ORDERS));
    struct itch50_order added = {order->reference, order->shares, order->price,
                                 snapshot->options.reference->names[order->symbol], order->symbol, order->side};
    uint8_t *message = soup_port_message(&snapshot->port);
    /* The encoder writes a length in front of the message; the port's own header lies over it afterwards. */
    uint8_t *end = itch50_put_add(message - 2, &added, participant_of(snapshot, order));
    store_be48(message + 5, snapshot->market_ns);
    commit(snapshot, (uint32_t)(end - message));
    snapshot->entry++;
    snapshot->counters.orders++;
    return true;
}

static void put_end(struct snapshot *snapshot) {
    uint8_t *message = soup_port_message(&snapshot->port);
    uint64_t rest = snapshot->sequence;
    message[0] = 'G';
    for (uint32_t digit = SNAPSHOT_END_BYTES - 1; digit > 0; digit--, rest /= 10)
        message[digit] = (uint8_t)('0' + rest % 10);
    commit(snapshot, SNAPSHOT_END_BYTES);
}

/* --- the phases --- */

static void note_max(uint64_t *most, int64_t value) {
    if (value > 0 && (uint64_t)value > *most)
        *most = (uint64_t)value;
}

static void begin_messages(struct snapshot *snapshot) {
    snapshot->phase = SNAPSHOT_REFERENCE;
    snapshot->kind = 0;
    snapshot->entry = 0;
}

static bool freeze_some(struct snapshot *snapshot, int64_t now_ns) {
    if (!published_freeze_step(&snapshot->freeze, SNAPSHOT_STEP_ORDERS))
        return true;
    note_max(&snapshot->counters.freeze_ns_max, now_ns - snapshot->login_ns);
    snapshot->phase = SNAPSHOT_WAITING;
    return true;
}

static bool put_some(struct snapshot *snapshot) {
    for (uint32_t i = 0; i < SNAPSHOT_STEP_MESSAGES; i++) {
        if (!soup_port_room(&snapshot->port, 1, ITCH50_MESSAGE_BYTES_MAX))
            return false;
        if (snapshot->messages == snapshot->cut_at) {
            snapshot->phase = SNAPSHOT_CUTTING;
            return false;
        }
        if (snapshot->phase == SNAPSHOT_REFERENCE ? put_reference(snapshot) : put_order(snapshot))
            continue;
        if (snapshot->phase == SNAPSHOT_REFERENCE) {
            snapshot->phase = SNAPSHOT_ORDERS;
            snapshot->entry = 0;
        } else if (snapshot->cut_at != UINT64_MAX) {
            snapshot->phase = SNAPSHOT_CUTTING;
            return false;
        } else {
            put_end(snapshot);
            snapshot->phase = SNAPSHOT_ENDING;
            return false;
        }
    }
    return true;
}

/* False: there is nothing more to do for now. */
static bool step(struct snapshot *snapshot, int64_t now_ns) {
    switch (snapshot->phase) {
    case SNAPSHOT_FREEZING:
        return freeze_some(snapshot, now_ns);
    case SNAPSHOT_WAITING:
        if (now_ns - snapshot->login_ns < snapshot->settings.delay_ns)
            return false;
        begin_messages(snapshot);
        return true;
    case SNAPSHOT_REFERENCE:
    case SNAPSHOT_ORDERS:
        return put_some(snapshot);
    default:
        return false;
    }
}

void snapshot_work(struct snapshot *snapshot, int64_t now_ns) {
    int64_t clock_now_ns = now_ns;
    while (step(snapshot, clock_now_ns)) {
        clock_now_ns = clock_ns();
        if (clock_now_ns - now_ns >= SNAPSHOT_SLICE_NS)
            break;
    }
    soup_port_push(&snapshot->port, clock_now_ns);
    int64_t end_ns = clock_ns();
    snapshot->counters.slices++;
    note_max(&snapshot->counters.slice_ns_max, end_ns - now_ns);
    if (soup_port_pending(&snapshot->port))
        return;
    if (snapshot->phase == SNAPSHOT_ENDING) {
        snapshot->phase = SNAPSHOT_IDLE;
        snapshot->counters.completed++;
        note_max(&snapshot->counters.duration_ns_max, end_ns - snapshot->login_ns);
    } else if (snapshot->phase == SNAPSHOT_CUTTING) {
        snapshot->phase = SNAPSHOT_IDLE;
        snapshot->counters.cut++;
        soup_port_cut(&snapshot->port);
    }
}

/* --- connections --- */

static char on_login(void *context) {
    struct snapshot *snapshot = context;
    const struct history *history = snapshot->options.history;
    if (snapshot->settings.refuse) {
        snapshot->counters.refused++;
        return 'S';
    }
    if (snapshot->settings.stall) {
        snapshot->counters.stalled++;
        return 0;
    }
    snapshot->cut_at = UINT64_MAX;
    if (snapshot->settings.cut_connections) {
        snapshot->settings.cut_connections--;
        snapshot->cut_at = snapshot->settings.cut_after;
    }
    int64_t sequence = (int64_t)(history_position_of(history, history->published) & HISTORY_SEQUENCE_MASK) +
                       snapshot->settings.wrong_sequence;
    snapshot->sequence = sequence > 0 ? (uint64_t)sequence : 0;
    snapshot->published_bytes = history->published_bytes;
    snapshot->market_ns = snapshot->market_now_ns;
    snapshot->messages = 0;
    snapshot->login_ns = snapshot->now_ns;
    snapshot->phase = SNAPSHOT_FREEZING;
    snapshot->counters.started++;
    published_freeze_begin(&snapshot->freeze);
    return 0;
}

static void on_gone(void *context) {
    struct snapshot *snapshot = context;
    snapshot->counters.abandoned += snapshot->phase != SNAPSHOT_IDLE;
    snapshot->phase = SNAPSHOT_IDLE;
    published_freeze_end(&snapshot->freeze);
}

void snapshot_poll(struct snapshot *snapshot, uint64_t market_ns, int64_t now_ns) {
    const struct history *history = snapshot->options.history;
    const struct history_session *session =
        &history->options.sessions[history_position_of(history, history->published) >> HISTORY_SESSION_SHIFT];
    soup_port_name_session(&snapshot->port, (const char *)session->name, MOLDUDP64_SESSION_BYTES);
    snapshot->market_now_ns = market_ns;
    snapshot->now_ns = now_ns;
    soup_port_poll(&snapshot->port, now_ns);
}

int snapshot_open(struct snapshot *snapshot, const struct snapshot_options *options, char *error,
                  uint32_t error_size) {
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->options = *options;
    struct soup_port_options *port = &snapshot->options.port;
    port->name = "snapshots";
    port->session = "";
    port->offsets = NULL;
    port->messages_max = UINT64_MAX;
    port->send_bytes_max = SNAPSHOT_SEND_BYTES;
    port->newest_wins = true;
    published_freeze_init(&snapshot->freeze, options->book, options->freeze_memory);
    snapshot_behave(snapshot, &options->settings);
    int outcome = soup_port_open(&snapshot->port, port, error, error_size);
    snapshot->port.on_login = on_login;
    snapshot->port.on_gone = on_gone;
    snapshot->port.context = snapshot;
    return outcome;
}

void snapshot_behave(struct snapshot *snapshot, const struct snapshot_settings *settings) {
    snapshot->settings = *settings;
}

void snapshot_close(struct snapshot *snapshot) {
    if (snapshot->port.listener >= 0)
        soup_port_close(&snapshot->port);
}
