/* Inside the book: finding an order by its reference. Linear hashing over cache-line buckets, no tombstones.
 *
 * A bucket is one cache line: twelve one-byte tags, the orders they stand for, and a chain for what does not fit.
 * The table has a bucket for every four of the most orders ever alive at once, and grows by splitting one bucket in
 * turn: its footprint follows the book and not the capacity, and no message ever pays for a rehash. That is why it
 * is not one open-addressing table of full capacity: there most references met a line that no cache had.
 *
 * An entry's order never moves, so that queue links stay valid. Cost: one cache line, then the order's own; chains
 * are rare and bounded by order_capacity. Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_INDEX_H
#define ENGINE_BOOK_BOOK_INDEX_H

#include <string.h>

#include "engine/book/book.h"

#define BOOK_BUCKET_ORDERS_TARGET 4u /* average at which the table grows */
#define BOOK_BUCKET_COUNT_START 16u

_Static_assert(BOOK_BUCKET_SLOT_COUNT == 12, "the tag search below takes twelve tags as eight and four");

#define BOOK_TAG_LOW_BITS UINT64_C(0x0101010101010101)
#define BOOK_TAG_HIGH_BITS UINT64_C(0x8080808080808080)

static inline uint64_t book_index_hash(uint64_t reference)
{
    uint64_t hash = reference * UINT64_C(0x9E3779B97F4A7C15);

    return hash ^ hash >> 32;
}

/* From bits that do not choose the bucket. Never 0, which marks a free slot, nor 1, for which a free slot could match
 * falsely (book_index_match()): a match is always an order's. */
static inline uint8_t book_index_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);

    return tag < 2 ? tag + 2 : tag;
}

static inline struct book_bucket *book_index_bucket(const struct book *book, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & book->bucket_mask;

    if (bucket < book->bucket_split) /* already split in this round */
        bucket = (uint32_t)hash & (book->bucket_mask * 2 + 1);
    return &book->buckets[bucket];
}

/* Bit 8 * slot + 7 for each of eight slots whose tag matches. Above a true match, and only there, a tag that differs
 * in the last bit matches too. */
static inline uint64_t book_index_match(uint64_t tags, uint8_t tag)
{
    uint64_t difference = tags ^ BOOK_TAG_LOW_BITS * tag;

    return (difference - BOOK_TAG_LOW_BITS) & ~difference & BOOK_TAG_HIGH_BITS;
}

static inline uint64_t book_index_match_low(const struct book_bucket *bucket, uint8_t tag)
{
    uint64_t tags;

    memcpy(&tags, bucket->tags, sizeof(tags));
    return book_index_match(tags, tag);
}

/* As book_index_match() for slots 8 to 11, counted from 0. */
static inline uint64_t book_index_match_high(const struct book_bucket *bucket, uint8_t tag)
{
    uint32_t tags;

    memcpy(&tags, bucket->tags + 8, sizeof(tags));
    return book_index_match(tags, tag) & UINT32_MAX;
}

/* Where an order was found; order 0 = it was not. */
struct book_place {
    struct book_bucket *bucket;
    uint32_t slot; /* BOOK_BUCKET_SLOT_COUNT: in the chain */
    uint32_t order;
};

static inline struct book_place book_index_find(const struct book *book, uint64_t reference)
{
    uint64_t hash = book_index_hash(reference);
    struct book_bucket *bucket = book_index_bucket(book, hash);
    uint8_t tag = book_index_tag(hash);

    for (uint64_t match = book_index_match_low(bucket, tag); match != 0; match &= match - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(match) / 8;

        if (__builtin_expect(book->orders[bucket->orders[slot]].reference == reference, 1))
            return (struct book_place){bucket, slot, bucket->orders[slot]};
    }
    for (uint64_t match = book_index_match_high(bucket, tag); match != 0; match &= match - 1) {
        uint32_t slot = 8 + (uint32_t)__builtin_ctzll(match) / 8;

        if (__builtin_expect(book->orders[bucket->orders[slot]].reference == reference, 1))
            return (struct book_place){bucket, slot, bucket->orders[slot]};
    }
    for (uint32_t order = bucket->chain; order != 0; order = book->chains[order]) {
        if (book->orders[order].reference == reference)
            return (struct book_place){bucket, BOOK_BUCKET_SLOT_COUNT, order};
    }
    return (struct book_place){bucket, 0, 0};
}

static inline void book_bucket_insert(struct book *book, struct book_bucket *bucket, uint8_t tag, uint32_t order)
{
    uint64_t free_low = book_index_match_low(bucket, 0);
    uint64_t free_high = book_index_match_high(bucket, 0);
    uint32_t slot;

    if (free_low != 0) {
        slot = (uint32_t)__builtin_ctzll(free_low) / 8;
    } else if (free_high != 0) {
        slot = 8 + (uint32_t)__builtin_ctzll(free_high) / 8;
    } else {
        book->chains[order] = bucket->chain;
        bucket->chain = order;
        return;
    }
    bucket->tags[slot] = tag;
    bucket->orders[slot] = order;
}

/* Split the next bucket in turn. At most one a message; touches the orders of that bucket. */
void book_index_grow(struct book *book);

/* Enter an order whose reference is set, in the bucket where book_index_find() has missed it. */
static inline void book_index_insert(struct book *book, struct book_bucket *bucket, uint32_t order)
{
    book_bucket_insert(book, bucket, book_index_tag(book_index_hash(book->orders[order].reference)), order);
    if (__builtin_expect(book->order_count > book->bucket_count * BOOK_BUCKET_ORDERS_TARGET, 0) &&
        book->bucket_count < book->bucket_capacity)
        book_index_grow(book);
}

/* The rare half of book_index_remove(): take an order out of the chain, or the chain's first into the freed slot. */
void book_index_unchain(struct book *book, const struct book_place *place);

static inline void book_index_remove(struct book *book, struct book_place place)
{
    if (__builtin_expect(place.slot != BOOK_BUCKET_SLOT_COUNT, 1)) {
        place.bucket->tags[place.slot] = 0;
        place.bucket->orders[place.slot] = 0;
    }
    if (__builtin_expect(place.bucket->chain != 0, 0))
        book_index_unchain(book, &place);
}

#endif
