/* Looking orders up and looking ahead; the contracts are in book.h and book_ahead.h. */
#include "engine/book/book_index.h"

#include "engine/book/book_ahead.h"
#include "engine/feed/bytes.h"

enum {
    REFERENCE_OFFSET = 11, /* of every order message, as its symbol is at 1: ITCH 5.0, section 4 */
    PREFIX_BYTES = 2,
    NEEDED_BYTES = PREFIX_BYTES + REFERENCE_OFFSET + 8,
    LENGTH_BITS = 63, /* longer messages there are none; should one come, only prefetches go astray */
    FAST_BYTES = BOOK_AHEAD_BATCH * (PREFIX_BYTES + LENGTH_BITS) + NEEDED_BYTES,
};

void book_prefetch(const struct book *book, const struct event *event)
{
    __builtin_prefetch(book_index_bucket(book, event->order_reference), 1);
    if (event->symbol < book->symbol_count)
        __builtin_prefetch(&book->blocks[2 * event->symbol], 1);
}

const struct book_order *book_find(const struct book *book, uint64_t reference)
{
    uint32_t name = *book_index_find(book, reference);

    return name == 0 ? NULL : book_order_at(book, name);
}

/* Buckets and blocks of one message; the bytes from it to the next. A prefetch outside of memory is none. */
static inline uint32_t prefetch_message(const struct book *book, const uint8_t *message, uint32_t **link)
{
    uint32_t *bucket = book_index_bucket(book, bytes_load_u64(message + PREFIX_BYTES + REFERENCE_OFFSET));
    uintptr_t blocks = (uintptr_t)book->blocks +
                       (uintptr_t)bytes_load_u16(message + PREFIX_BYTES + 1) * 2 * sizeof(struct book_block);

    *link = bucket;
    __builtin_prefetch(bucket, 1);
    __builtin_prefetch((const void *)blocks, 1);
    __builtin_prefetch((const void *)(blocks + sizeof(struct book_block)), 1);
    return PREFIX_BYTES + (message[1] & LENGTH_BITS);
}

static inline void prefetch_batch(struct book_ahead *ahead, const struct book *book)
{
    const uint8_t *cursor = ahead->cursor;
    ptrdiff_t left = ahead->end - cursor;

    if (__builtin_expect(left >= FAST_BYTES, 1)) {
#pragma GCC unroll 4
        for (unsigned message = 0; message < BOOK_AHEAD_BATCH; message++)
            cursor += prefetch_message(book, cursor, &ahead->links[message]);
    } else {
        for (unsigned message = 0; message < BOOK_AHEAD_BATCH && left >= NEEDED_BYTES; message++) {
            ptrdiff_t step = prefetch_message(book, cursor, &ahead->links[message]);

            step = step < left ? step : left;
            cursor += step;
            left -= step;
        }
    }
    ahead->cursor = cursor;
}

static inline void prefetch_orders(const struct book_ahead *ahead, const struct book *book)
{
#pragma GCC unroll 4
    for (unsigned message = 0; message < BOOK_AHEAD_BATCH; message++)
        __builtin_prefetch(book_order_at(book, *ahead->links[message]), 1);
}

void book_ahead_start(struct book_ahead *ahead, const struct book *book, const uint8_t *messages, const uint8_t *end)
{
    *ahead = (struct book_ahead){.turn = messages, .cursor = messages, .end = end};
    for (unsigned message = 0; message < BOOK_AHEAD_BATCH; message++)
        ahead->links[message] = book->buckets;
    prefetch_batch(ahead, book);
    ahead->next_turn = ahead->cursor;
    prefetch_orders(ahead, book);
    prefetch_batch(ahead, book);
}

void book_ahead_next(struct book_ahead *ahead, const struct book *book)
{
    ahead->turn = ahead->next_turn;
    ahead->next_turn = ahead->cursor;
    prefetch_orders(ahead, book);
    prefetch_batch(ahead, book);
}
