/* Options, memory layout and names of arbiter and channel; the contracts are in their headers. */
#include <errno.h>
#include <string.h>

#include "engine/feed/mdp3_channel.h"

static size_t round_up(size_t bytes)
{
    return (bytes + MDP3_MEMORY_ALIGNMENT - 1) / MDP3_MEMORY_ALIGNMENT * MDP3_MEMORY_ALIGNMENT;
}

/* Take `bytes` of the block, zeroed or as they are. */
static void *carve(uint8_t **base, size_t bytes, bool zero)
{
    void *part = *base;

    if (zero)
        memset(part, 0, bytes);
    *base += round_up(bytes);
    return part;
}

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

void mdp3_arbiter_options_default(struct mdp3_arbiter_options *options)
{
    *options = (struct mdp3_arbiter_options){
        .hold_back_ns = 1000000,
        .line_silence_ns = 65000000000, /* an idle line has a heartbeat every 30 s */
        .reorder_packet_count = 1024,
        .reorder_packet_bytes = 1536,
        .arrival_count = 8192,
        .confirm_packets = 2,
    };
}

static size_t slot_stride(const struct mdp3_arbiter_options *options)
{
    return round_up(options->reorder_packet_bytes);
}

size_t mdp3_arbiter_memory_size(const struct mdp3_arbiter_options *options)
{
    const size_t slots = (size_t)options->reorder_packet_count + MDP3_STASH_COUNT;

    if (!is_power_of_two(options->reorder_packet_count) || !is_power_of_two(options->arrival_count) ||
        options->reorder_packet_count > MDP3_REORDER_PACKET_COUNT_MAX ||
        options->arrival_count < options->reorder_packet_count || options->arrival_count > MDP3_ARRIVAL_COUNT_MAX ||
        options->reorder_packet_bytes < MDP3_HEADER_SIZE ||
        options->reorder_packet_bytes > MDP3_REORDER_PACKET_BYTES_MAX || options->confirm_packets == 0 ||
        options->confirm_packets > MDP3_STASH_COUNT)
        return 0;
    return round_up(slots * sizeof(struct mdp3_slot)) +
           round_up(options->arrival_count * sizeof(struct mdp3_seen)) +
           round_up(options->arrival_count * sizeof(struct mdp3_arrival)) + slots * slot_stride(options);
}

int mdp3_arbiter_init(struct mdp3_arbiter *arbiter, const struct mdp3_arbiter_options *options, void *memory,
                      size_t size)
{
    const size_t needed = mdp3_arbiter_memory_size(options);
    const size_t slots = (size_t)options->reorder_packet_count + MDP3_STASH_COUNT;
    uint8_t *base = memory;

    if (needed == 0 || memory == NULL || size < needed || (uintptr_t)memory % MDP3_MEMORY_ALIGNMENT != 0)
        return -EINVAL;
    memset(arbiter, 0, sizeof(*arbiter));
    arbiter->options = *options;
    arbiter->hole_since_ns = UINT64_MAX;
    arbiter->drained = true;
    arbiter->slot_stride = (uint32_t)slot_stride(options);
    arbiter->slots = carve(&base, slots * sizeof(struct mdp3_slot), true);
    arbiter->seen = carve(&base, options->arrival_count * sizeof(struct mdp3_seen), false);
    memset(arbiter->seen, 0xFF, options->arrival_count * sizeof(struct mdp3_seen));
    arbiter->arrivals = carve(&base, options->arrival_count * sizeof(struct mdp3_arrival), false);
    arbiter->bytes = base;
    return 0;
}

void mdp3_channel_options_default(struct mdp3_channel_options *options)
{
    *options = (struct mdp3_channel_options){
        .instrument_count = 1024,
        .event_capacity = 8192,
        .join_capacity = 65536,
        .depth = 10,
        .implied_depth = 2,
        .snapshots = true,
        .status_required = true,
    };
    mdp3_arbiter_options_default(&options->arbiter);
}

/* A power of two, twice the instruments at least. */
static uint32_t table_count(const struct mdp3_channel_options *options)
{
    uint32_t count = 16;

    while (count < options->instrument_count * 2)
        count *= 2;
    return count;
}

static struct mbo_book_options order_options(const struct mdp3_channel_options *options)
{
    return (struct mbo_book_options){.order_capacity = options->order_capacity,
                                     .symbol_count = options->instrument_count};
}

static size_t chunk_bytes(const struct mdp3_channel_options *options)
{
    return options->instrument_count * sizeof(uint64_t[MDP3_CHUNK_COUNT_MAX / 64]);
}

size_t mdp3_channel_memory_size(const struct mdp3_channel_options *options)
{
    const size_t arbiter = mdp3_arbiter_memory_size(&options->arbiter);
    const struct mbo_book_options orders = order_options(options);

    if (arbiter == 0 || options->instrument_count == 0 || options->instrument_count > MDP3_INSTRUMENT_COUNT_MAX ||
        options->event_capacity < 64 || options->event_capacity > MDP3_EVENT_CAPACITY_MAX ||
        options->join_capacity == 0 || options->join_capacity > MDP3_JOIN_CAPACITY_MAX || options->depth == 0 ||
        options->depth > LEVEL_BOOK_DEPTH_MAX || options->implied_depth > LEVEL_BOOK_DEPTH_MAX ||
        (options->order_capacity != 0 && mbo_book_memory_size(&orders) == 0))
        return 0;
    return arbiter + round_up(options->instrument_count * sizeof(struct mdp3_instrument)) +
           round_up(table_count(options) * sizeof(uint32_t)) +
           round_up((options->join_capacity + 1ull) * sizeof(struct mdp3_kept_event)) +
           round_up(options->event_capacity * sizeof(struct event)) +
           round_up(options->event_capacity * 2ull * sizeof(struct event)) +
           (options->order_capacity == 0 ? 0 : round_up(chunk_bytes(options)) + mbo_book_memory_size(&orders));
}

int mdp3_channel_init(struct mdp3_channel *channel, const struct mdp3_channel_options *options, void *memory,
                      size_t size)
{
    const size_t needed = mdp3_channel_memory_size(options);
    const size_t arbiter_size = mdp3_arbiter_memory_size(&options->arbiter);
    const struct mbo_book_options orders = order_options(options);
    uint8_t *base = memory;

    if (needed == 0 || memory == NULL || size < needed || (uintptr_t)memory % MDP3_MEMORY_ALIGNMENT != 0)
        return -EINVAL;
    memset(channel, 0, sizeof(*channel));
    channel->options = *options;
    channel->epoch = channel->order_epoch = 1;
    channel->table_mask = table_count(options) - 1;
    mdp3_arbiter_init(&channel->arbiter, &options->arbiter, base, arbiter_size);
    base += arbiter_size;
    channel->instruments = carve(&base, options->instrument_count * sizeof(struct mdp3_instrument), false);
    channel->table = carve(&base, table_count(options) * sizeof(uint32_t), true);
    channel->kept = carve(&base, (options->join_capacity + 1ull) * sizeof(struct mdp3_kept_event), false);
    channel->pending = carve(&base, options->event_capacity * sizeof(struct event), false);
    channel->published = carve(&base, options->event_capacity * 2ull * sizeof(struct event), false);
    if (options->order_capacity != 0) {
        channel->chunks = carve(&base, chunk_bytes(options), true);
        mbo_book_init(&channel->orders, &orders, base, mbo_book_memory_size(&orders));
    }
    return 0;
}

const char *mdp3_accept_outcome_name(enum mdp3_accept_outcome outcome)
{
    static const char *const names[MDP3_ACCEPT_OUTCOME_COUNT] = {
        [MDP3_ACCEPT_DELIVERABLE] = "deliverable", [MDP3_ACCEPT_BUFFERED] = "buffered",
        [MDP3_ACCEPT_DUPLICATE] = "duplicate",     [MDP3_ACCEPT_LATE] = "late",
        [MDP3_ACCEPT_STASHED] = "stashed",         [MDP3_ACCEPT_MALFORMED] = "malformed",
        [MDP3_ACCEPT_OVERSIZE] = "oversize",       [MDP3_ACCEPT_STASH_FULL] = "stash_full",
        [MDP3_ACCEPT_SNAPSHOT] = "snapshot",       [MDP3_ACCEPT_AFTER_END] = "after_end",
        [MDP3_ACCEPT_BAD_SOURCE] = "bad_source",   [MDP3_ACCEPT_NOT_DRAINED] = "not_drained",
    };

    return (unsigned)outcome < MDP3_ACCEPT_OUTCOME_COUNT ? names[outcome] : "unknown";
}

const char *mdp3_cause_name(enum mdp3_cause cause)
{
    static const char *const names[MDP3_CAUSE_COUNT] = {
        [MDP3_CAUSE_STARTED] = "started",
        [MDP3_CAUSE_PACKETS_LOST] = "packets_lost",
        [MDP3_CAUSE_REPORT_GAP] = "report_gap",
        [MDP3_CAUSE_PROVEN] = "proven",
        [MDP3_CAUSE_SNAPSHOT] = "snapshot",
        [MDP3_CAUSE_CHANNEL_RESET] = "channel_reset",
        [MDP3_CAUSE_NEW_SESSION] = "new_session",
        [MDP3_CAUSE_LINES_SILENT] = "lines_silent",
        [MDP3_CAUSE_LINE_RESUMED] = "line_resumed",
        [MDP3_CAUSE_ENDED] = "ended",
        [MDP3_CAUSE_NEW_INSTRUMENT] = "new_instrument",
    };

    return (unsigned)cause < MDP3_CAUSE_COUNT ? names[cause] : "unknown";
}
