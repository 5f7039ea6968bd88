/* Cold half of the order index: growth and chains; the contract is in book_index.h. */
#include "engine/book/book_index.h"

void book_index_grow(struct book *book)
{
    uint32_t half = book->bucket_mask + 1;
    struct book_bucket *lower = &book->buckets[book->bucket_split];
    struct book_bucket *upper = &book->buckets[book->bucket_split + half];
    uint32_t chain = lower->chain;

    memset(upper, 0, sizeof(*upper));
    lower->chain = 0;
    for (uint32_t slot = 0; slot < BOOK_BUCKET_SLOT_COUNT; slot++) {
        uint32_t order = lower->orders[slot];

        if (order == 0 || (book_index_hash(book->orders[order].reference) & half) == 0)
            continue;
        book_bucket_insert(book, upper, lower->tags[slot], order);
        lower->tags[slot] = 0;
        lower->orders[slot] = 0;
    }
    while (chain != 0) {
        uint32_t order = chain;
        uint64_t hash = book_index_hash(book->orders[order].reference);

        chain = book->chains[order];
        book_bucket_insert(book, (hash & half) != 0 ? upper : lower, book_index_tag(hash), order);
    }
    book->bucket_count++;
    if (++book->bucket_split == half) {
        book->bucket_split = 0;
        book->bucket_mask = book->bucket_mask * 2 + 1;
    }
}

void book_index_unchain(struct book *book, const struct book_place *place)
{
    struct book_bucket *bucket = place->bucket;
    uint32_t *link = &bucket->chain;

    if (place->slot != BOOK_BUCKET_SLOT_COUNT) { /* chains do not outlive the crowd that made them */
        uint32_t order = bucket->chain;

        bucket->chain = book->chains[order];
        bucket->tags[place->slot] = book_index_tag(book_index_hash(book->orders[order].reference));
        bucket->orders[place->slot] = order;
        return;
    }
    while (*link != place->order)
        link = &book->chains[*link];
    *link = book->chains[place->order];
}
