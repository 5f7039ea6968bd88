/* The reorder buffer; the contract is in feed_reorder.h.
 *
 * free_slots is a stack whose depth is always reorder_packet_count - entry_count.
 */
#include "engine/feed/feed_reorder.h"

#include <string.h>

enum { EARLIEST_OF_PACKETS = 64 }; /* looked through for the age of a hole */

void feed_reorder_reset(struct feed *feed)
{
    feed->entry_head = 0;
    feed->entry_count = 0;
    for (uint32_t slot = 0; slot < feed->options.reorder_packet_count; slot++)
        feed->free_slots[slot] = feed->options.reorder_packet_count - 1 - slot;
}

/* Number of entries that begin before a sequence number: binary search, the append case first. */
static uint32_t count_before(const struct feed *feed, uint64_t sequence)
{
    uint32_t low = 0, high = feed->entry_count;

    if (high != 0 && feed_reorder_at(feed, high - 1)->sequence < sequence)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (feed_reorder_at(feed, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Messages of [sequence, next_sequence) that no entry has; entries overlap or abut at most with their neighbours. */
static uint64_t count_fresh(const struct feed *feed, uint32_t index, uint64_t sequence, uint64_t next_sequence)
{
    uint64_t fresh = 0;

    if (index != 0) {
        uint64_t before = feed_reorder_at(feed, index - 1)->next_sequence;

        sequence = before > sequence ? before : sequence;
    }
    for (; index < feed->entry_count && sequence < next_sequence; index++) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, index);

        if (entry->sequence >= next_sequence)
            break;
        fresh += entry->sequence > sequence ? entry->sequence - sequence : 0;
        sequence = entry->next_sequence > sequence ? entry->next_sequence : sequence;
    }
    return fresh + (sequence < next_sequence ? next_sequence - sequence : 0);
}

uint64_t feed_reorder_fresh(const struct feed *feed, uint64_t sequence, uint64_t next_sequence)
{
    return count_fresh(feed, count_before(feed, sequence), sequence, next_sequence);
}

/* Drop `count` entries from `index` on. */
static void remove_range(struct feed *feed, uint32_t index, uint32_t count)
{
    uint32_t capacity = feed->options.reorder_packet_count;

    for (uint32_t step = 0; step < count; step++)
        feed->free_slots[capacity - feed->entry_count + step] = feed_reorder_at(feed, index + step)->slot;
    if (index < feed->entry_count - index - count) { /* the shorter side moves: replies fill holes near the front */
        for (uint32_t from = index; from-- > 0;)
            *feed_reorder_at(feed, from + count) = *feed_reorder_at(feed, from);
        feed->entry_head = (feed->entry_head + count) & (capacity - 1);
    } else {
        for (uint32_t from = index + count; from < feed->entry_count; from++)
            *feed_reorder_at(feed, from - count) = *feed_reorder_at(feed, from);
    }
    feed->entry_count -= count;
}

enum feed_reorder_outcome feed_reorder_store(struct feed *feed, const struct moldudp64_packet *packet, uint8_t line,
                                             uint64_t now_ns, uint64_t *fresh_count)
{
    uint32_t index = count_before(feed, packet->sequence);
    bool begun = packet->sequence < feed->next_sequence && !feed->book_lost; /* a part of it is delivered already */

    *fresh_count =
        count_fresh(feed, index, begun ? feed->next_sequence : packet->sequence, packet->next_sequence);
    if (*fresh_count == 0)
        return FEED_REORDER_COVERED;
    if (packet->length > feed->options.reorder_packet_bytes)
        return FEED_REORDER_OVERSIZE;

    uint32_t covered = 0;

    while (index + covered < feed->entry_count &&
           feed_reorder_at(feed, index + covered)->next_sequence <= packet->next_sequence)
        covered++;
    if (covered != 0)
        remove_range(feed, index, covered);
    if (feed->entry_count == feed->options.reorder_packet_count)
        return FEED_REORDER_FULL;

    if (index < feed->entry_count - index) {
        feed->entry_head = (feed->entry_head - 1) & (feed->options.reorder_packet_count - 1);
        for (uint32_t to = 0; to < index; to++)
            *feed_reorder_at(feed, to) = *feed_reorder_at(feed, to + 1);
    } else {
        for (uint32_t to = feed->entry_count; to > index; to--)
            *feed_reorder_at(feed, to) = *feed_reorder_at(feed, to - 1);
    }

    uint32_t slot = feed->free_slots[feed->options.reorder_packet_count - feed->entry_count - 1];

    *feed_reorder_at(feed, index) = (struct feed_reorder_entry){
        .sequence = packet->sequence,
        .next_sequence = packet->next_sequence,
        .arrival_ns = now_ns,
        .slot = slot,
        .count = packet->count,
        .line = line,
    };
    feed->entry_count++;
    memcpy(feed->slots + (size_t)slot * feed->slot_stride, packet->session, packet->length);
    if (feed->entry_count > feed->statistics.reorder_packets_max)
        feed->statistics.reorder_packets_max = feed->entry_count;
    return FEED_REORDER_STORED;
}

void feed_reorder_truncate(struct feed *feed, uint32_t count)
{
    if (count < feed->entry_count)
        remove_range(feed, count, feed->entry_count - count);
}

uint64_t feed_reorder_earliest_ns(const struct feed *feed)
{
    uint64_t earliest_ns = UINT64_MAX;

    for (uint32_t index = 0; index < feed->entry_count && index < EARLIEST_OF_PACKETS; index++) {
        uint64_t arrival_ns = feed_reorder_at(feed, index)->arrival_ns;

        earliest_ns = arrival_ns < earliest_ns ? arrival_ns : earliest_ns;
    }
    return earliest_ns;
}
