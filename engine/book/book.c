/* Applying events to the book; the contract is in book.h, the parts in book_index.h and book_levels.h. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-vectorize") /* neighbouring fields are written apart: read as one they wait */
#endif
#include "engine/book/book.h"

#include "engine/book/book_index.h"
#include "engine/book/book_levels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))
#define UNLIKELY(condition) __builtin_expect((condition) != 0, 0)

static inline uint32_t saturate(uint64_t shares)
{
    return shares > UINT32_MAX ? UINT32_MAX : (uint32_t)shares;
}

static COLD enum book_outcome refuse(struct book *book, enum book_outcome outcome)
{
    book->statistics.outcomes[outcome]++;
    if (outcome > BOOK_UNKNOWN_REFERENCE && outcome != BOOK_ZERO_SHARES)
        book->complete = false;
    return outcome;
}

static inline enum book_outcome applied(struct book *book)
{
    book->statistics.outcomes[BOOK_APPLIED]++;
    return BOOK_APPLIED;
}

static COLD bool is_taken(const struct book *book, uint64_t reference)
{
    return *book_index_find(book, reference) != 0;
}

/* A free order from the slab's unused rest; false = order_capacity reached. */
static bool extend_orders(struct book *book)
{
    if (book->order_used == book->order_capacity)
        return false;
    if (++book->order_used > book->statistics.order_count_max)
        book->statistics.order_count_max = book->order_used;
    book->order_free = (uint32_t)(book->order_used * BOOK_ORDER_WORDS);
    book_order_at(book, book->order_free)->next = 0;
    return true;
}

/* Room for one level more than ever before, or for one in a full block; false = level_capacity reached. */
static bool extend_levels(struct book *book, struct book_block *block, unsigned side)
{
    if (book->level_count == book->level_capacity)
        return false;
    if (book->level_count == book->level_high && ++book->level_high > book->statistics.level_count_max)
        book->statistics.level_count_max = book->level_high;
    if (block->used == BOOK_BLOCK_FULL)
        book_block_split(book, block, side);
    return true;
}

ALWAYS_INLINE struct book_block *find_block(const struct book *book, uint32_t side, uint32_t key)
{
    struct book_block *block = &book->blocks[side];

    while (UNLIKELY(key < block->floor))
        block = &book->blocks[block->outward];
    return block;
}

static COLD enum book_outcome enter_slowly(struct book *book, uint64_t reference, uint32_t side, uint32_t price,
                                           uint32_t shares);

/* Enter an order into a book that has room and a price for it; what else may be is left to enter_slowly(), which has
 * seen to it when it calls back. side is 2 * symbol + BOOK_BID or BOOK_ASK. */
ALWAYS_INLINE enum book_outcome enter(struct book *book, uint64_t reference, uint32_t side, uint32_t price,
                                      uint32_t shares, bool slow)
{
    uint32_t *bucket = book_index_bucket(book, reference);
    uint32_t chain = *bucket, name = book->order_free;

    if (!slow && ((UNLIKELY(chain != 0) && is_taken(book, reference)) || UNLIKELY((uint64_t)shares * price == 0) ||
                  UNLIKELY(name == 0)))
        return enter_slowly(book, reference, side, price, shares);

    /* the free order may be written to before all is known */
    struct book_order *order = book_order_at(book, name);

    order->reference = reference;
    order->chain = chain;
    order->shares = shares;
    order->price = price;
    order->side = side;

    uint32_t key = book_key(side % 2, price);
    struct book_block *block = find_block(book, side, key);
    uint32_t match = book_block_match(block, price), used = block->used;
    uint32_t absent = book_opaque((match != 0) - 1u); /* all ones: no level has this price */
    uint32_t slot = (uint32_t)__builtin_ctz(match | (~used & absent));
    uint32_t level_count = book->level_count - absent;

    if (!slow && (UNLIKELY(slot == BOOK_BLOCK_LEVEL_COUNT) || UNLIKELY(level_count > book->level_high)))
        return enter_slowly(book, reference, side, price, shares);

    struct book_node *level = &block->levels[slot];
    uint32_t level_name = book_node_name(book, level);
    uint32_t last = (level_name & absent) | (level->previous & ~absent);
    uint64_t total = (level->value & ~(uint64_t)(int64_t)(int32_t)absent) + shares;

    book->level_count = level_count;
    block->prices[slot] = price;
    block->used = used | 1u << slot;
    level->value = total;
    level->previous = name;
    book->order_free = order->next;
    book->order_count++;
    order->previous = last;
    order->next = level_name;
    book_node_at(book, last)->next = name; /* the level's own, when it is new */
    *bucket = name;

    struct book_symbol *symbol = &book->symbols[side / 2];
    uint32_t best = symbol->best.price[side % 2];
    uint32_t touch = book_opaque(key >= book_key(side % 2, best)); /* no price: key 0 */

    symbol->best.price[side % 2] = touch ? price : best;
    symbol->best.shares[side % 2] = book_select(touch, saturate(total), symbol->best.shares[side % 2]);
    return applied(book);
}

static COLD enum book_outcome enter_slowly(struct book *book, uint64_t reference, uint32_t side, uint32_t price,
                                           uint32_t shares)
{
    if (is_taken(book, reference))
        return refuse(book, BOOK_DUPLICATE_REFERENCE);
    if (shares == 0)
        return refuse(book, BOOK_ZERO_SHARES);
    if (price == 0)
        return refuse(book, BOOK_ZERO_PRICE);
    if (book->order_free == 0 && !extend_orders(book))
        return refuse(book, BOOK_FULL);

    struct book_block *block = find_block(book, side, book_key(side % 2, price));

    if (book_block_match(block, price) == 0 && !extend_levels(book, block, side % 2))
        return refuse(book, BOOK_FULL);
    return enter(book, reference, side, price, shares, true);
}

/* The level of an order that is in the book. */
ALWAYS_INLINE struct book_block *find_level(const struct book *book, const struct book_order *order, uint32_t *slot)
{
    struct book_block *block = &book->blocks[order->side];
    uint32_t match;

    while (UNLIKELY((match = book_block_match(block, order->price)) == 0))
        block = &book->blocks[block->outward];
    *slot = (uint32_t)__builtin_ctz(match);
    return block;
}

/* The best level of a side went: the next one, of which the first block has the best. */
static NOINLINE void descend(struct book *book, uint32_t side)
{
    const struct book_block *block = &book->blocks[side];
    struct book_symbol *symbol = &book->symbols[side / 2];
    uint32_t slot = book_block_best(block, side % 2);

    symbol->best.price[side % 2] = block->prices[slot];
    symbol->best.shares[side % 2] = block->prices[slot] != 0 ? saturate(block->levels[slot].value) : 0;
}

/* Take the order that a link leads to out of the book. */
ALWAYS_INLINE void leave(struct book *book, uint32_t *link, struct book_order *order)
{
    uint32_t name = *link, previous = order->previous, next = order->next, slot;

    *link = order->chain;
    book_node_at(book, previous)->next = next;
    book_node_at(book, next)->previous = previous;
    order->next = book->order_free;
    book->order_free = name;
    book->order_count--;

    struct book_block *block = find_level(book, order, &slot);
    uint64_t left = block->levels[slot].value - order->shares;
    uint32_t emptied = book_opaque(left == 0);
    uint32_t used = block->used & ~(emptied << slot);

    block->levels[slot].value = left;
    block->prices[slot] &= emptied - 1;
    block->used = used;
    book->level_count -= emptied;
    if (UNLIKELY(book_block_sparse(used)) && emptied != 0)
        book_block_settle(book, block);

    uint32_t side = order->side;
    struct book_symbol *symbol = &book->symbols[side / 2];
    uint32_t touch = book_opaque(symbol->best.price[side % 2] == order->price);

    symbol->best.shares[side % 2] = book_select(touch, saturate(left), symbol->best.shares[side % 2]);
    if (UNLIKELY(touch & emptied))
        descend(book, side);
}

static inline void check_symbol(struct book *book, const struct book_order *order, uint16_t symbol)
{
    if (UNLIKELY(order->side / 2 != symbol)) {
        book->statistics.symbol_mismatches++;
        book->complete = false;
    }
}

static NOINLINE enum book_outcome add(struct book *book, const struct event *event)
{
    static const uint8_t sides[256] = {['B'] = 1 + BOOK_BID, ['S'] = 1 + BOOK_ASK};
    uint32_t side = sides[(uint8_t)event->side] - 1u;

    if (UNLIKELY(side >= BOOK_SIDE_COUNT))
        return refuse(book, BOOK_BAD_SIDE);
    if (UNLIKELY(event->symbol - 1u >= book->symbol_count - 1u))
        return refuse(book, BOOK_BAD_SYMBOL);
    return enter(book, event->order_reference, 2u * event->symbol + side, event->price, event->shares, false);
}

static NOINLINE enum book_outcome delete(struct book *book, const struct event *event)
{
    uint32_t *link = book_index_find(book, event->order_reference);

    if (UNLIKELY(*link == 0))
        return refuse(book, BOOK_UNKNOWN_REFERENCE);

    struct book_order *order = book_order_at(book, *link);

    check_symbol(book, order, event->symbol);
    leave(book, link, order);
    return applied(book);
}

static NOINLINE enum book_outcome replace(struct book *book, const struct event *event)
{
    uint32_t *link = book_index_find(book, event->order_reference);

    if (UNLIKELY(*link == 0))
        return refuse(book, BOOK_UNKNOWN_REFERENCE);
    /* a reference that stands for another order is taken: which of the two is right cannot be known */
    if (UNLIKELY(*book_index_bucket(book, event->new_order_reference) != 0) &&
        event->new_order_reference != event->order_reference && is_taken(book, event->new_order_reference))
        return refuse(book, BOOK_DUPLICATE_REFERENCE);

    struct book_order *order = book_order_at(book, *link);
    uint32_t side = order->side;

    check_symbol(book, order, event->symbol);
    leave(book, link, order);
    return enter(book, event->new_order_reference, side, event->price, event->shares, false);
}

/* Execute or reduce: the same to the queue. */
static NOINLINE enum book_outcome take(struct book *book, const struct event *event)
{
    uint32_t *link = book_index_find(book, event->order_reference);
    uint32_t shares = event->shares;

    if (UNLIKELY(*link == 0))
        return refuse(book, BOOK_UNKNOWN_REFERENCE);

    struct book_order *order = book_order_at(book, *link);

    check_symbol(book, order, event->symbol);
    if (shares >= order->shares) {
        bool overfill = shares > order->shares;

        leave(book, link, order);
        return overfill ? refuse(book, BOOK_OVERFILL) : applied(book);
    }

    uint32_t slot, side = order->side;
    struct book_block *block = find_level(book, order, &slot);
    struct book_symbol *symbol = &book->symbols[side / 2];
    uint64_t left = block->levels[slot].value - shares;

    order->shares -= shares;
    block->levels[slot].value = left;
    symbol->best.shares[side % 2] = book_select(symbol->best.price[side % 2] == order->price, saturate(left),
                                                symbol->best.shares[side % 2]);
    return applied(book);
}

enum book_outcome book_apply(struct book *book, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ADD:
        return add(book, event);
    case EVENT_DELETE:
        return delete(book, event);
    case EVENT_REPLACE:
        return replace(book, event);
    case EVENT_EXECUTE:
    case EVENT_EXECUTE_PRICE:
    case EVENT_REDUCE:
        return take(book, event);
    default:
        book->statistics.outcomes[BOOK_IGNORED]++;
        return BOOK_IGNORED;
    }
}
