/* Inside the book: finding an order by its reference. A table of chains, direct within runs of references.
 *
 * A bucket is four bytes: the name of its first order; further orders hang on that one's chain. The table has at
 * least two buckets for every order of the capacity, so that chains of two are rare; it never grows or moves.
 *
 * A venue counts its references up. References of one run (BOOK_RUN_BITS) stand side by side in the table: entering
 * orders writes it from left to right, and the young orders, which is where most deletes fall, share lines and pages.
 * Where a run begins is its hash, keyed by book_options.seed: no stride of references crowds the table, and who does
 * not know the seed cannot do it on purpose. Cost: one cache line, then the order's own. A chain is bounded by
 * order_capacity only; its expected length is below 1.5 for any references chosen without the seed.
 * Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_INDEX_H
#define ENGINE_BOOK_BOOK_INDEX_H

#include "engine/book/book_nodes.h"

#define BOOK_BUCKETS_PER_ORDER 2u /* at least */
#define BOOK_RUN_BITS 10u         /* 1024 references: a page of buckets */
#define BOOK_BUCKET_COUNT_MIN (1u << BOOK_RUN_BITS)

static inline uint32_t *book_index_bucket(const struct book *book, uint64_t reference)
{
    uint64_t run = (reference >> BOOK_RUN_BITS) * book->multiplier >> book->run_shift;

    return &book->buckets[(uint32_t)(reference + run) & book->bucket_mask];
}

/* The word that holds the order's name, bucket or chain; where the chain ends, with 0, when there is no such order. */
static inline uint32_t *book_index_find(const struct book *book, uint64_t reference)
{
    uint32_t *link = book_index_bucket(book, reference);

    while (__builtin_expect(book_order_at(book, *link)->reference != reference, 0) && *link != 0)
        link = &book_order_at(book, *link)->chain;
    return link;
}

#endif
