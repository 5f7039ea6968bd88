/* Applying events to the book; the contract is in book.h, the parts in book_orders.h and book_levels.h. */
#include "engine/book/book.h"

#include <string.h>

#include "engine/book/book_index.h"
#include "engine/book/book_levels.h"
#include "engine/book/book_orders.h"

static inline uint32_t saturate(uint64_t shares)
{
    return shares > UINT32_MAX ? UINT32_MAX : (uint32_t)shares;
}

/* Best price of a side from its levels, after the best level went. */
static inline void refresh_best(const struct book *book, struct book_symbol *symbol, unsigned side)
{
    if (symbol->block[side] == 0) {
        symbol->best.price[side] = symbol->best.shares[side] = 0;
        return;
    }
    const struct book_block *block = &book->blocks[symbol->block[side]];
    const struct book_level *level = &book->levels[block->levels[block->count - 1]];

    symbol->best.price[side] = level->price;
    symbol->best.shares[side] = saturate(level->shares);
}

/* The touch's shares after a level lost some and stays. */
static inline void refresh_touch(struct book_symbol *symbol, unsigned side, const struct book_level *level)
{
    bool touch = symbol->best.price[side] == level->price;

    symbol->best.shares[side] = touch ? saturate(level->shares) : symbol->best.shares[side];
}

static enum book_outcome enter(struct book *book, uint64_t reference, uint16_t symbol_index, unsigned side,
                               uint32_t price, uint32_t shares)
{
    struct book_place place = book_index_find(book, reference);

    if (place.order != 0)
        return BOOK_DUPLICATE_REFERENCE;
    if (shares == 0)
        return BOOK_ZERO_SHARES;
    if (price == 0)
        return BOOK_ZERO_PRICE;
    if (book->order_count == book->order_capacity)
        return BOOK_FULL;

    struct book_symbol *symbol = &book->symbols[symbol_index];
    uint32_t level_index = book_level_obtain(book, symbol, side, price);

    if (level_index == 0)
        return BOOK_FULL;

    struct book_level *level = &book->levels[level_index];
    uint32_t order = book_order_allocate(book);

    book->orders[order] = (struct book_order){
        .reference = reference,
        .level = level_index,
        .shares = shares,
        .price = price,
        .symbol = symbol_index,
        .side = (uint8_t)side,
    };
    book_index_insert(book, place.bucket, order);
    book_queue_append(book, level, order);

    /* selected, not branched on: whether an order meets the touch is a coin toss */
    uint32_t best = symbol->best.price[side];
    bool touch = (best == 0) | (book_key(side, price) >= book_key(side, best));

    symbol->best.price[side] = touch ? price : best;
    symbol->best.shares[side] = touch ? saturate(level->shares) : symbol->best.shares[side];
    return BOOK_APPLIED;
}

static void leave(struct book *book, struct book_place place)
{
    struct book_order *order = &book->orders[place.order];
    struct book_level *level = &book->levels[order->level];
    struct book_symbol *symbol = &book->symbols[order->symbol];
    unsigned side = order->side;

    book_index_remove(book, place);
    book_queue_remove(book, level, order);
    if (level->order_count == 0) {
        book_level_remove(book, symbol, side, order->level);
        if (symbol->best.price[side] == level->price)
            refresh_best(book, symbol, side);
    } else {
        refresh_touch(symbol, side, level);
    }
    book_order_release(book, place.order);
}

static enum book_outcome take(struct book *book, struct book_place place, uint32_t shares)
{
    struct book_order *order = &book->orders[place.order];

    if (shares >= order->shares) {
        enum book_outcome outcome = shares == order->shares ? BOOK_APPLIED : BOOK_OVERFILL;

        leave(book, place);
        return outcome;
    }

    struct book_level *level = &book->levels[order->level];
    struct book_symbol *symbol = &book->symbols[order->symbol];

    order->shares -= shares;
    level->shares -= shares;
    refresh_touch(symbol, order->side, level);
    return BOOK_APPLIED;
}

static enum book_outcome add(struct book *book, const struct event *event)
{
    if (event->side != 'B' && event->side != 'S')
        return BOOK_BAD_SIDE;
    if (event->symbol == 0 || event->symbol >= book->symbol_count)
        return BOOK_BAD_SYMBOL;
    return enter(book, event->order_reference, event->symbol, event->side == 'B' ? BOOK_BID : BOOK_ASK, event->price,
                 event->shares);
}

static enum book_outcome change(struct book *book, const struct event *event)
{
    struct book_place place = book_index_find(book, event->order_reference);

    if (place.order == 0)
        return BOOK_UNKNOWN_REFERENCE;

    /* a reference that stands for another order is taken: which of the two is right cannot be known */
    if (event->kind == EVENT_REPLACE && event->new_order_reference != event->order_reference &&
        book_index_find(book, event->new_order_reference).order != 0)
        return BOOK_DUPLICATE_REFERENCE;

    const struct book_order *order = &book->orders[place.order];
    uint16_t symbol = order->symbol;
    unsigned side = order->side;

    if (__builtin_expect(symbol != event->symbol, 0)) {
        book->statistics.symbol_mismatches++;
        book->complete = false;
    }
    switch (event->kind) {
    case EVENT_DELETE:
        leave(book, place);
        return BOOK_APPLIED;
    case EVENT_REPLACE:
        leave(book, place);
        return enter(book, event->new_order_reference, symbol, side, event->price, event->shares);
    default: /* EVENT_EXECUTE, EVENT_EXECUTE_PRICE, EVENT_REDUCE: the same to the queue */
        return take(book, place, event->shares);
    }
}

enum book_outcome book_apply(struct book *book, const struct event *event)
{
    enum book_outcome outcome;

    switch (event->kind) {
    case EVENT_ADD:
        outcome = add(book, event);
        break;
    case EVENT_EXECUTE:
    case EVENT_EXECUTE_PRICE:
    case EVENT_REDUCE:
    case EVENT_DELETE:
    case EVENT_REPLACE:
        outcome = change(book, event);
        break;
    default:
        outcome = BOOK_IGNORED;
        break;
    }
    book->statistics.outcomes[outcome]++;
    if (__builtin_expect(outcome > BOOK_UNKNOWN_REFERENCE && outcome != BOOK_ZERO_SHARES, 0))
        book->complete = false;
    return outcome;
}

void book_prefetch(const struct book *book, const struct event *event)
{
    __builtin_prefetch(book_index_bucket(book, book_index_hash(event->order_reference)), 1);
    if (event->symbol < book->symbol_count)
        __builtin_prefetch(&book->symbols[event->symbol], 1);
}

const struct book_order *book_find(const struct book *book, uint64_t reference)
{
    uint32_t order = book_index_find(book, reference).order;

    return order == 0 ? NULL : &book->orders[order];
}

void book_block_split(struct book *book, uint32_t index)
{
    uint32_t outer_index = book_block_allocate(book);
    struct book_block *inner = &book->blocks[index];
    struct book_block *outer = &book->blocks[outer_index];
    uint32_t moved = BOOK_BLOCK_LEVEL_COUNT / 2;

    outer->count = moved;
    outer->inward = index;
    outer->outward = inner->outward;
    if (inner->outward != 0)
        book->blocks[inner->outward].inward = outer_index;
    inner->outward = outer_index;
    inner->count -= moved;
    for (uint32_t slot = 0; slot < BOOK_BLOCK_LEVEL_COUNT; slot++) {
        if (slot < moved) {
            outer->keys[slot] = inner->keys[slot];
            outer->levels[slot] = inner->levels[slot];
        }
        if (slot < inner->count) {
            inner->keys[slot] = inner->keys[slot + moved];
            inner->levels[slot] = inner->levels[slot + moved];
        } else {
            inner->keys[slot] = UINT32_MAX;
        }
    }
}

/* Put the outward neighbour's levels in front of the inner block's own and drop the neighbour. */
static void merge(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t inner_index)
{
    struct book_block *inner = &book->blocks[inner_index];
    uint32_t outer_index = inner->outward;
    const struct book_block *outer = &book->blocks[outer_index];
    size_t moved = outer->count;

    memmove(inner->keys + moved, inner->keys, inner->count * sizeof(inner->keys[0]));
    memmove(inner->levels + moved, inner->levels, inner->count * sizeof(inner->levels[0]));
    memcpy(inner->keys, outer->keys, moved * sizeof(inner->keys[0]));
    memcpy(inner->levels, outer->levels, moved * sizeof(inner->levels[0]));
    inner->count += (uint32_t)moved;
    book_block_release(book, symbol, side, outer_index);
}

void book_block_settle(struct book *book, struct book_symbol *symbol, unsigned side, uint32_t index)
{
    const struct book_block *block = &book->blocks[index];

    if (block->count == 0)
        book_block_release(book, symbol, side, index);
    else if (block->outward != 0 && block->count + book->blocks[block->outward].count <= BOOK_BLOCK_MERGE_COUNT)
        merge(book, symbol, side, index);
    else if (block->inward != 0 && block->count + book->blocks[block->inward].count <= BOOK_BLOCK_MERGE_COUNT)
        merge(book, symbol, side, block->inward);
}
