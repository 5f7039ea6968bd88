/* Inside the feed: the bounded buffer of packets that came too early.
 *
 * Entries are kept sorted in a circular array; both their first and their next number strictly increase, because a
 * packet that brings nothing new is refused and packets that a newcomer covers are dropped for it. So what is
 * contiguous can be walked from the front, and insertion in arrival order is an append.
 *
 * Included by feed/ only.
 */
#ifndef ENGINE_FEED_FEED_REORDER_H
#define ENGINE_FEED_FEED_REORDER_H

#include "engine/feed/feed.h"

enum feed_reorder_outcome { FEED_REORDER_STORED, FEED_REORDER_COVERED, FEED_REORDER_FULL, FEED_REORDER_OVERSIZE };

/* Empty buffer over memory that feed_init() has laid out. */
void feed_reorder_reset(struct feed *feed);

/* Copy a packet in. *fresh_count: messages of it that no buffered packet had. */
enum feed_reorder_outcome feed_reorder_store(struct feed *feed, const struct moldudp64_packet *packet, uint8_t line,
                                             uint64_t now_ns, uint64_t *fresh_count);

/* Messages of [sequence, next_sequence) that no buffered packet has. */
uint64_t feed_reorder_fresh(const struct feed *feed, uint64_t sequence, uint64_t next_sequence);

/* Drop all but the first `count` entries. */
void feed_reorder_truncate(struct feed *feed, uint32_t count);

/* Earliest arrival among the first packets buffered, UINT64_MAX when empty. */
uint64_t feed_reorder_earliest_ns(const struct feed *feed);

static inline struct feed_reorder_entry *feed_reorder_at(const struct feed *feed, uint32_t index)
{
    return &feed->entries[(feed->entry_head + index) & (feed->options.reorder_packet_count - 1)];
}

/* Bytes of a buffered packet. */
static inline const uint8_t *feed_reorder_bytes(const struct feed *feed, const struct feed_reorder_entry *entry)
{
    return feed->slots + (size_t)entry->slot * feed->slot_stride;
}

/* Drop the first entry. Its bytes stay untouched until the next feed_reorder_store(). */
static inline void feed_reorder_pop(struct feed *feed)
{
    uint32_t slot = feed_reorder_at(feed, 0)->slot;

    feed->entry_head = (feed->entry_head + 1) & (feed->options.reorder_packet_count - 1);
    feed->entry_count--;
    feed->free_slots[feed->options.reorder_packet_count - 1 - feed->entry_count] = slot;
}

#endif
