/* Options and memory layout of the feed: entries, free slots, slots; the contract is in feed.h. */
#include <errno.h>
#include <string.h>

#include "engine/feed/feed_inside.h"

static size_t round_up(size_t bytes)
{
    return (bytes + FEED_MEMORY_ALIGNMENT - 1) / FEED_MEMORY_ALIGNMENT * FEED_MEMORY_ALIGNMENT;
}

void feed_options_default(struct feed_options *options)
{
    *options = (struct feed_options){
        .first_sequence = 1,
        .hold_back_ns = 1000000,
        .line_silence_ns = 3000000000,
        .reorder_packet_count = 16384,
        .reorder_packet_bytes = 1536,
        .follow_sessions = true,
        .session_confirm_packets = 3,
        .request_outstanding_max = 4,
        .request_attempts = 5,
        .snapshot_attempts = 5,
        .request_messages_max = 1024,
        .request_timeout_ns = 2000000,
        .give_up_messages = 100000,
        .snapshot_timeout_ns = 2000000000,
        .retry_ns = 100000000,
    };
}

static bool policy_valid(const struct feed_options *options)
{
    return options->delivery <= FEED_DELIVERY_BEST_EFFORT && options->session_confirm_packets != 0 &&
           options->request_outstanding_max != 0 && options->request_outstanding_max <= FEED_REQUESTS_MAX &&
           options->request_attempts != 0 && options->snapshot_attempts != 0 && options->request_messages_max != 0 &&
           options->request_messages_max < MOLDUDP64_COUNT_END && options->request_timeout_ns != 0 &&
           options->give_up_messages != 0 && options->snapshot_timeout_ns != 0;
}

size_t feed_memory_size(const struct feed_options *options)
{
    size_t count = options->reorder_packet_count;

    if (count == 0 || count > FEED_REORDER_PACKET_COUNT_MAX || (count & (count - 1)) != 0 ||
        options->reorder_packet_bytes < MOLDUDP64_HEADER_SIZE ||
        options->reorder_packet_bytes > FEED_REORDER_PACKET_BYTES_MAX || !policy_valid(options))
        return 0;
    return round_up(count * sizeof(struct feed_reorder_entry)) + round_up(count * sizeof(uint32_t)) +
           (count + FEED_SUSPECT_COUNT) * round_up(options->reorder_packet_bytes);
}

int feed_init(struct feed *feed, const struct feed_options *options, void *memory, size_t size)
{
    static const uint8_t any_session[MOLDUDP64_SESSION_SIZE];
    size_t needed = feed_memory_size(options);
    uint8_t *base = memory;

    if (needed == 0 || memory == NULL || size < needed || (uintptr_t)memory % FEED_MEMORY_ALIGNMENT != 0)
        return -EINVAL;

    memset(feed, 0, sizeof(*feed));
    feed->options = *options;
    feed->state = FEED_STARTUP;
    feed->next_sequence = feed->highest_sequence = options->first_sequence;
    feed->sequence_known = options->first_sequence != 0;
    feed->session_known = memcmp(options->session, any_session, sizeof(any_session)) != 0;
    memcpy(feed->session, options->session, sizeof(feed->session));
    feed->hole_since_ns = FEED_NO_HOLE;

    size_t count = options->reorder_packet_count;

    feed->entries = (struct feed_reorder_entry *)base;
    base += round_up(count * sizeof(struct feed_reorder_entry));
    feed->free_slots = (uint32_t *)base;
    base += round_up(count * sizeof(uint32_t));
    feed->slots = base;
    feed->slot_stride = (uint32_t)round_up(options->reorder_packet_bytes);
    feed->suspect_slots = feed->slots + count * feed->slot_stride;
    feed_reorder_reset(feed);
    feed_suspects_forget(feed);
    return 0;
}
