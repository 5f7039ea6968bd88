/* Book by order with venue-stated priorities; the contract is in mbo_book.h. */
#include "engine/book/mbo_book.h"

#include <errno.h>
#include <string.h>

static size_t round_up(size_t bytes)
{
    return (bytes + MBO_BOOK_MEMORY_ALIGNMENT - 1) / MBO_BOOK_MEMORY_ALIGNMENT * MBO_BOOK_MEMORY_ALIGNMENT;
}

/* A power of two, at least the orders that can be alive. */
static size_t bucket_count(const struct mbo_book_options *options)
{
    size_t count = 16;

    while (count < options->order_capacity)
        count *= 2;
    return count;
}

size_t mbo_book_memory_size(const struct mbo_book_options *options)
{
    if (options->order_capacity == 0 || options->order_capacity > MBO_BOOK_ORDER_CAPACITY_MAX ||
        options->symbol_count == 0 || options->symbol_count > MBO_BOOK_SYMBOL_COUNT_MAX)
        return 0;
    size_t slab = (size_t)options->order_capacity + 1;

    return round_up(slab * sizeof(struct mbo_book_order)) + round_up(slab * sizeof(struct mbo_book_level)) +
           round_up(options->symbol_count * sizeof(struct mbo_book_symbol)) +
           round_up(bucket_count(options) * sizeof(uint32_t));
}

int mbo_book_init(struct mbo_book *book, const struct mbo_book_options *options, void *memory, size_t size)
{
    size_t needed = mbo_book_memory_size(options), slab = (size_t)options->order_capacity + 1;
    uint8_t *base = memory;

    if (needed == 0 || memory == NULL || size < needed || (uintptr_t)memory % MBO_BOOK_MEMORY_ALIGNMENT != 0)
        return -EINVAL;
    memset(book, 0, sizeof(*book));
    book->order_capacity = options->order_capacity;
    book->symbol_count = options->symbol_count;
    book->bucket_mask = (uint32_t)bucket_count(options) - 1;
    book->orders = (struct mbo_book_order *)base;
    base += round_up(slab * sizeof(struct mbo_book_order));
    book->levels = (struct mbo_book_level *)base;
    base += round_up(slab * sizeof(struct mbo_book_level));
    book->symbols = (struct mbo_book_symbol *)base;
    memset(book->symbols, 0, options->symbol_count * sizeof(struct mbo_book_symbol));
    base += round_up(options->symbol_count * sizeof(struct mbo_book_symbol));
    book->buckets = (uint32_t *)base;
    memset(book->buckets, 0, bucket_count(options) * sizeof(uint32_t));
    return 0;
}

static uint32_t *bucket_of(const struct mbo_book *book, uint16_t symbol, uint64_t identity)
{
    uint64_t hash = (identity ^ (uint64_t)symbol << 48) * 0x9E3779B97F4A7C15u;

    return &book->buckets[(hash >> 32) & book->bucket_mask];
}

/* The link that points to the order, or the end of its chain. */
static uint32_t *link_of(const struct mbo_book *book, uint16_t symbol, uint64_t identity)
{
    uint32_t *link = bucket_of(book, symbol, identity);

    while (*link != 0 && (book->orders[*link].identity != identity || book->orders[*link].symbol != symbol))
        link = &book->orders[*link].chain;
    return link;
}

static bool better(unsigned side, int64_t price, int64_t than)
{
    return side == MBO_BOOK_BID ? price > than : price < than;
}

/* Enter an order into the queue of its price; side, symbol and priority are set. A level is always free: there are
 * as many as orders. */
static void enqueue(struct mbo_book *book, uint32_t index, int64_t price)
{
    struct mbo_book_order *order = &book->orders[index];
    struct mbo_book_symbol *symbol = &book->symbols[order->symbol];
    uint32_t inward = 0, at = symbol->best[order->side];

    while (at != 0 && better(order->side, book->levels[at].price, price)) {
        inward = at;
        at = book->levels[at].outward;
    }
    if (at == 0 || book->levels[at].price != price) {
        uint32_t fresh = book->level_free;

        if (fresh != 0)
            book->level_free = book->levels[fresh].outward;
        else
            fresh = ++book->level_used;
        book->levels[fresh] = (struct mbo_book_level){.price = price, .inward = inward, .outward = at};
        if (at != 0)
            book->levels[at].inward = fresh;
        *(inward != 0 ? &book->levels[inward].outward : &symbol->best[order->side]) = fresh;
        at = fresh;
    }

    struct mbo_book_level *level = &book->levels[at];
    uint32_t previous = level->last, next = 0;

    while (previous != 0 && book->orders[previous].priority > order->priority) {
        next = previous;
        previous = book->orders[previous].previous;
    }
    order->level = at;
    order->previous = previous;
    order->next = next;
    *(previous != 0 ? &book->orders[previous].next : &level->first) = index;
    *(next != 0 ? &book->orders[next].previous : &level->last) = index;
    level->quantity += order->quantity;
    level->order_count++;
}

static void dequeue(struct mbo_book *book, uint32_t index)
{
    struct mbo_book_order *order = &book->orders[index];
    struct mbo_book_level *level = &book->levels[order->level];

    *(order->previous != 0 ? &book->orders[order->previous].next : &level->first) = order->next;
    *(order->next != 0 ? &book->orders[order->next].previous : &level->last) = order->previous;
    level->quantity -= order->quantity;
    if (--level->order_count != 0)
        return;
    *(level->inward != 0 ? &book->levels[level->inward].outward
                         : &book->symbols[order->symbol].best[order->side]) = level->outward;
    if (level->outward != 0)
        book->levels[level->outward].inward = level->inward;
    level->outward = book->level_free;
    book->level_free = order->level;
}

static enum mbo_book_outcome count(struct mbo_book *book, enum mbo_book_outcome outcome)
{
    book->outcomes[outcome]++;
    return outcome;
}

enum mbo_book_outcome mbo_book_new(struct mbo_book *book, uint16_t symbol, unsigned side, uint64_t identity,
                                   uint64_t priority, int64_t price, uint64_t quantity)
{
    if (symbol >= book->symbol_count || side >= MBO_BOOK_SIDE_COUNT)
        return count(book, MBO_BOOK_BAD);

    uint32_t *link = link_of(book, symbol, identity);

    if (*link != 0)
        return count(book, MBO_BOOK_DUPLICATE);
    if (book->order_count == book->order_capacity)
        return count(book, MBO_BOOK_FULL);

    uint32_t index = book->order_free;

    if (index != 0)
        book->order_free = book->orders[index].next;
    else
        index = ++book->order_used;
    book->orders[index] = (struct mbo_book_order){
        .identity = identity, .priority = priority, .quantity = quantity, .symbol = symbol, .side = (uint8_t)side};
    *link = index;
    enqueue(book, index, price);
    book->symbols[symbol].order_count++;
    if (++book->order_count > book->order_count_max)
        book->order_count_max = book->order_count;
    return count(book, MBO_BOOK_APPLIED);
}

enum mbo_book_outcome mbo_book_update(struct mbo_book *book, uint16_t symbol, unsigned side, uint64_t identity,
                                      uint64_t priority, int64_t price, uint64_t quantity)
{
    if (symbol >= book->symbol_count || side >= MBO_BOOK_SIDE_COUNT)
        return count(book, MBO_BOOK_BAD);

    uint32_t index = *link_of(book, symbol, identity);

    if (index == 0)
        return count(book, MBO_BOOK_UNKNOWN_ORDER);

    struct mbo_book_order *order = &book->orders[index];
    struct mbo_book_level *level = &book->levels[order->level];

    if (order->side == side && order->priority == priority && level->price == price) {
        level->quantity += quantity - order->quantity;
        order->quantity = quantity;
    } else {
        dequeue(book, index);
        order->side = (uint8_t)side;
        order->priority = priority;
        order->quantity = quantity;
        enqueue(book, index, price);
    }
    return count(book, MBO_BOOK_APPLIED);
}

/* Take out the order that a link points to. */
static void release(struct mbo_book *book, uint32_t *link)
{
    uint32_t index = *link;
    struct mbo_book_order *order = &book->orders[index];

    dequeue(book, index);
    *link = order->chain;
    book->symbols[order->symbol].order_count--;
    book->order_count--;
    order->next = book->order_free;
    book->order_free = index;
}

enum mbo_book_outcome mbo_book_delete(struct mbo_book *book, uint16_t symbol, uint64_t identity)
{
    if (symbol >= book->symbol_count)
        return count(book, MBO_BOOK_BAD);

    uint32_t *link = link_of(book, symbol, identity);

    if (*link == 0)
        return count(book, MBO_BOOK_UNKNOWN_ORDER);
    release(book, link);
    return count(book, MBO_BOOK_APPLIED);
}

void mbo_book_clear(struct mbo_book *book, uint16_t symbol)
{
    for (unsigned side = 0; side < MBO_BOOK_SIDE_COUNT; side++) {
        while (book->symbols[symbol].best[side] != 0) {
            const struct mbo_book_order *order =
                &book->orders[book->levels[book->symbols[symbol].best[side]].first];

            release(book, link_of(book, symbol, order->identity));
        }
    }
}

const struct mbo_book_order *mbo_book_find(const struct mbo_book *book, uint16_t symbol, uint64_t identity)
{
    uint32_t index = symbol < book->symbol_count ? *link_of(book, symbol, identity) : 0;

    return index != 0 ? &book->orders[index] : NULL;
}

uint32_t mbo_book_export(const struct mbo_book *book, uint16_t symbol, unsigned side, struct mbo_book_row *rows,
                         uint32_t capacity)
{
    uint32_t count_written = 0;

    if (symbol >= book->symbol_count || side >= MBO_BOOK_SIDE_COUNT)
        return 0;
    for (uint32_t level = book->symbols[symbol].best[side]; level != 0; level = book->levels[level].outward) {
        for (uint32_t at = book->levels[level].first; at != 0 && count_written < capacity; at = book->orders[at].next)
            rows[count_written++] = (struct mbo_book_row){.identity = book->orders[at].identity,
                                                          .priority = book->orders[at].priority,
                                                          .price = book->levels[level].price,
                                                          .quantity = book->orders[at].quantity};
    }
    return count_written;
}

const char *mbo_book_outcome_name(enum mbo_book_outcome outcome)
{
    static const char *const names[MBO_BOOK_OUTCOME_COUNT] = {
        [MBO_BOOK_APPLIED] = "applied",       [MBO_BOOK_UNKNOWN_ORDER] = "unknown_order",
        [MBO_BOOK_DUPLICATE] = "duplicate",   [MBO_BOOK_FULL] = "full",
        [MBO_BOOK_BAD] = "bad",
    };

    return (unsigned)outcome < MBO_BOOK_OUTCOME_COUNT ? names[outcome] : "unknown";
}
