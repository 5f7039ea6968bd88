/* The published book: orders, prices, queues. Essay and invariants: published_book.h. */
#include "traffic/exchange/published_book.h"

#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum { LEVELS_MIN = 4, ALIGNMENT = 64 };

static uint64_t align_up(uint64_t bytes) {
    return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static uint64_t slot_count(uint32_t orders_max) {
    uint64_t count = 64;
    while (count < 2 * (uint64_t)orders_max)
        count *= 2;
    return count;
}

uint64_t published_book_bytes(uint32_t orders_max, uint32_t levels_max) {
    return align_up(orders_max * sizeof(struct published_order)) + align_up(slot_count(orders_max) * 4) +
           align_up(levels_max * sizeof(struct published_level)) +
           align_up(PUBLISHED_BOOK_SYMBOLS * 2 * sizeof(struct published_side)) +
           align_up(PUBLISHED_BOOK_STOCKS * sizeof(struct published_stock));
}

uint32_t published_book_levels_bound(uint32_t adds) {
    /* A side that reached L levels holds an array below 2L (at least 4) and has left smaller ones that sum to less
     * than that; sides with an order are no more than the adds. */
    uint64_t sides = adds < 2 * PUBLISHED_BOOK_SYMBOLS ? adds : 2 * PUBLISHED_BOOK_SYMBOLS;
    return (uint32_t)(4 * (uint64_t)adds + LEVELS_MIN * 2 * sides + LEVELS_MIN);
}

void published_book_init(struct published_book *book, void *memory, uint32_t orders_max, uint32_t levels_max) {
    uint8_t *next = memory;
    memset(book, 0, sizeof *book);
    book->orders = (void *)next;
    next += align_up(orders_max * sizeof(struct published_order));
    book->slots = (void *)next;
    next += align_up(slot_count(orders_max) * 4);
    book->levels = (void *)next;
    next += align_up(levels_max * sizeof(struct published_level));
    book->sides = (void *)next;
    next += align_up(PUBLISHED_BOOK_SYMBOLS * 2 * sizeof(struct published_side));
    book->stocks = (void *)next;
    book->slot_mask = slot_count(orders_max) - 1;
    book->orders_max = orders_max;
    book->levels_max = levels_max;
}

void published_book_touch(struct published_book *book) {
    volatile uint8_t *byte = (volatile uint8_t *)book->orders;
    uint64_t size = published_book_bytes(book->orders_max, book->levels_max);
    for (uint64_t offset = 0; offset < size; offset += 4096)
        byte[offset] = byte[offset];
}

/* --- orders by reference: open addressing, linear probing, deletion by moving back --- */

static uint64_t home_slot(const struct published_book *book, uint64_t reference) {
    uint64_t mixed = reference * UINT64_C(0x9E3779B97F4A7C15);
    return (mixed ^ mixed >> 32) & book->slot_mask;
}

static uint64_t slot_of(const struct published_book *book, uint64_t reference) {
    uint64_t slot = home_slot(book, reference);
    while (book->slots[slot] && book->orders[book->slots[slot] - 1].reference != reference)
        slot = (slot + 1) & book->slot_mask;
    return slot;  /* its entry, or the empty slot where it belongs; the table is never more than half full */
}

static void empty_slot(struct published_book *book, uint64_t slot) {
    uint64_t next = slot;
    for (;;) {
        book->slots[slot] = 0;
        uint64_t home;
        do {
            next = (next + 1) & book->slot_mask;
            if (!book->slots[next])
                return;
            home = home_slot(book, book->orders[book->slots[next] - 1].reference);
        } while (((next - home) & book->slot_mask) < ((next - slot) & book->slot_mask));
        book->slots[slot] = book->slots[next];
        slot = next;
    }
}

const struct published_order *published_book_find(const struct published_book *book, uint64_t reference) {
    uint32_t index = book->slots[slot_of(book, reference)];
    return index ? &book->orders[index - 1] : NULL;
}

/* --- prices of one side, worst first --- */

static struct published_side *side_of(struct published_book *book, uint16_t symbol, uint8_t side) {
    return &book->sides[symbol * 2 + (side == 'S')];
}

/* Where `price` is or belongs: the number of levels that are worse. Prices of offers are turned around, so that worse is
 * less on both sides; which half is taken is arithmetic, since no branch predictor knows it. */
static uint32_t level_rank(const struct published_level *levels, uint32_t count, uint32_t price, uint8_t side) {
    uint32_t turn = side == 'B' ? 0 : UINT32_MAX, wanted = price ^ turn, low = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        low += (levels[low + half - 1].price ^ turn) < wanted ? half : 0;
        count -= half;
    }
    return low + (count && (levels[low].price ^ turn) < wanted);
}

static bool take_levels(struct published_book *book, uint32_t level_class, uint32_t *place) {
    uint32_t free_place = book->free_levels[level_class];
    if (free_place) {
        *place = free_place - 1;
        book->free_levels[level_class] = book->levels[*place].oldest;  /* the free list runs through `oldest` */
        return true;
    }
    uint32_t size = (uint32_t)LEVELS_MIN << level_class;
    if (book->levels_max - book->levels_used < size)
        return false;
    *place = book->levels_used;
    book->levels_used += size;
    return true;
}

static bool grow_side(struct published_book *book, struct published_side *side) {
    uint32_t place, level_class = side->levels ? side->level_class + 1 : 0;
    if (level_class >= PUBLISHED_BOOK_LEVEL_CLASSES - 3 || !take_levels(book, level_class, &place))
        return false;
    if (side->levels) {
        memcpy(&book->levels[place], &book->levels[side->place], side->levels * sizeof(struct published_level));
        book->levels[side->place].oldest = book->free_levels[side->level_class];
        book->free_levels[side->level_class] = side->place + 1;
    }
    side->place = place;
    side->level_class = level_class;
    return true;
}

/* A side without levels keeps no array, so that quiet symbols hold no memory. */
static void drop_level(struct published_book *book, struct published_side *side, uint32_t rank) {
    struct published_level *levels = &book->levels[side->place];
    side->levels--;
    memmove(&levels[rank], &levels[rank + 1], (side->levels - rank) * sizeof *levels);
    if (side->levels == 0) {
        levels[0].oldest = book->free_levels[side->level_class];
        book->free_levels[side->level_class] = side->place + 1;
    }
}

static struct published_level *level_for(struct published_book *book, struct published_side *side, uint32_t price,
                                         uint8_t letter) {
    struct published_level *levels = &book->levels[side->place];
    uint32_t rank = level_rank(levels, side->levels, price, letter);
    if (rank < side->levels && levels[rank].price == price)
        return &levels[rank];
    if (side->levels == 0 || side->levels == (uint32_t)LEVELS_MIN << side->level_class) {
        if (!grow_side(book, side))
            return NULL;
        levels = &book->levels[side->place];
    }
    memmove(&levels[rank + 1], &levels[rank], (side->levels - rank) * sizeof *levels);
    levels[rank] = (struct published_level){.price = price};
    side->levels++;
    return &levels[rank];
}

/* --- the effects of messages --- */

/* Before the order changes, or its place in the pool is used anew: whoever copies the book in pieces has not come to
 * it yet and wants it as it was. `older` of a copy is the mark of its freeze. */
static inline void save(struct published_book *book, uint32_t index) {
    if (__builtin_expect(index - book->freeze_next >= book->freeze_end - book->freeze_next, 1))
        return;
    struct published_order *copy = &book->frozen[index];
    if (copy->older == book->freeze_mark)
        return;
    *copy = book->orders[index];
    copy->older = book->freeze_mark;
}

static enum published_outcome add(struct published_book *book, uint64_t reference, uint16_t symbol, uint8_t side,
                                  uint32_t shares, uint32_t price, bool attributed) {
    if ((side != 'B' && side != 'S') || shares == 0)
        return PUBLISHED_MALFORMED;
    uint64_t slot = slot_of(book, reference);
    if (book->slots[slot])
        return PUBLISHED_DUPLICATE_REFERENCE;
    if (!book->free_order && book->orders_used == book->orders_max)
        return PUBLISHED_FULL;
    struct published_side *half = side_of(book, symbol, side);
    struct published_level *level = level_for(book, half, price, side);
    if (!level)
        return PUBLISHED_FULL;
    uint32_t index = book->free_order;
    if (index)
        book->free_order = book->orders[index - 1].newer;
    else
        index = ++book->orders_used;
    save(book, index - 1);
    book->orders[index - 1] = (struct published_order){.reference = reference, .shares = shares, .price = price,
                                                       .older = level->newest, .entered = book->applied,
                                                       .symbol = symbol, .side = side, .attributed = attributed};
    if (level->newest)
        book->orders[level->newest - 1].newer = index;
    else
        level->oldest = index;
    level->newest = index;
    level->orders++;
    level->shares += shares;
    half->orders++;
    book->slots[slot] = index;
    if (++book->live_orders > book->live_orders_peak)
        book->live_orders_peak = book->live_orders;
    return PUBLISHED_APPLIED;
}

/* Take `shares` from the order in `slot`; at none left it goes. */
static void reduce(struct published_book *book, uint64_t slot, uint32_t shares) {
    uint32_t index = book->slots[slot];
    struct published_order *order = &book->orders[index - 1];
    struct published_side *half = side_of(book, order->symbol, order->side);
    struct published_level *levels = &book->levels[half->place];
    uint32_t rank = level_rank(levels, half->levels, order->price, order->side);
    struct published_level *level = &levels[rank];
    if (shares > order->shares) {
        book->excess_shares += shares - order->shares;
        shares = order->shares;
    }
    save(book, index - 1);
    order->shares -= shares;
    level->shares -= shares;
    if (order->shares)
        return;
    if (order->older)
        book->orders[order->older - 1].newer = order->newer;
    else
        level->oldest = order->newer;
    if (order->newer)
        book->orders[order->newer - 1].older = order->older;
    else
        level->newest = order->older;
    half->orders--;
    if (--level->orders == 0)
        drop_level(book, half, rank);
    empty_slot(book, slot);
    order->newer = book->free_order;
    book->free_order = index;
    book->live_orders--;
}

static enum published_outcome replace(struct published_book *book, uint64_t old_slot, const uint8_t *message) {
    const struct published_order old = book->orders[book->slots[old_slot] - 1];
    reduce(book, old_slot, old.shares);
    return add(book, load_be64(message + 19), old.symbol, old.side, load_be32(message + 27),
               load_be32(message + 31), false);
}

/* --- stock names --- */

static uint32_t stock_slot(const struct published_book *book, const uint8_t *stock) {
    uint64_t mixed = load_be64(stock) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t slot = (uint32_t)(mixed >> 47);
    while (book->stocks[slot].locate_and_one && memcmp(book->stocks[slot].name, stock, 8) != 0)
        slot = (slot + 1) & (PUBLISHED_BOOK_STOCKS - 1);
    return slot;
}

static void learn_stock(struct published_book *book, const uint8_t *stock, uint16_t locate) {
    uint32_t slot = stock_slot(book, stock);
    if (book->stocks[slot].locate_and_one == 0) {
        if (book->stocks_used == PUBLISHED_BOOK_STOCKS / 2)
            return;  /* more names than locates exist; the rest stay unknown */
        book->stocks_used++;
        memcpy(book->stocks[slot].name, stock, 8);
    }
    book->stocks[slot].locate_and_one = (uint32_t)locate + 1;
}

int32_t published_book_locate(const struct published_book *book, const uint8_t *stock) {
    return (int32_t)book->stocks[stock_slot(book, stock)].locate_and_one - 1;
}

/* --- messages --- */

static enum published_outcome apply(struct published_book *book, const uint8_t *message, uint32_t length) {
    if (length < itch50_length(message[0]))
        return PUBLISHED_MALFORMED;
    uint16_t locate = load_be16(message + 1);
    switch (message[0]) {
    case 'A':
    case 'F':
        learn_stock(book, message + 24, locate);
        return add(book, load_be64(message + 11), locate, message[19], load_be32(message + 20),
                   load_be32(message + 32), message[0] == 'F');
    case 'E': case 'C': case 'X': case 'D': case 'U':
        break;
    case 'R': case 'H': case 'Y':
        learn_stock(book, message + 11, locate);
        return PUBLISHED_NOT_BOOK;
    case 'P':
        learn_stock(book, message + 24, locate);
        return PUBLISHED_NOT_BOOK;
    default:
        return PUBLISHED_NOT_BOOK;
    }
    uint64_t slot = slot_of(book, load_be64(message + 11));
    if (!book->slots[slot])
        return PUBLISHED_UNKNOWN_REFERENCE;
    if (message[0] == 'U')
        return replace(book, slot, message);
    reduce(book, slot, message[0] == 'D' ? book->orders[book->slots[slot] - 1].shares : load_be32(message + 19));
    return PUBLISHED_APPLIED;
}

enum published_outcome published_book_apply(struct published_book *book, const uint8_t *message, uint32_t length) {
    enum published_outcome outcome = length < ITCH50_HEAD_BYTES ? PUBLISHED_MALFORMED : apply(book, message, length);
    book->outcomes[outcome]++;
    book->applied++;
    return outcome;
}

uint64_t published_book_apply_framed(struct published_book *book, const uint8_t *bytes, uint64_t size) {
    uint64_t offset = 0;
    while (size - offset >= 2) {
        uint32_t length = load_be16(bytes + offset);
        if (size - offset - 2 < length)
            break;
        published_book_apply(book, bytes + offset + 2, length);
        offset += 2 + length;
    }
    return offset;
}

uint64_t published_book_export(const struct published_book *book, struct published_row *rows) {
    uint64_t count = 0;
    for (uint32_t half = 0; half < 2 * PUBLISHED_BOOK_SYMBOLS; half++) {
        const struct published_side *side = &book->sides[half];
        bool bids = half % 2 == 0;
        for (uint32_t i = 0; i < side->levels; i++) {
            /* Ascending price: bids lie worst (lowest) first, offers worst (highest) first. */
            const struct published_level *level = &book->levels[side->place + (bids ? i : side->levels - 1 - i)];
            uint32_t position = 0;
            for (uint32_t next = level->oldest; next; next = book->orders[next - 1].newer) {
                const struct published_order *order = &book->orders[next - 1];
                rows[count++] = (struct published_row){.symbol = order->symbol, .side = (char)order->side,
                                                       .price = order->price, .position = position++,
                                                       .reference = order->reference, .shares = order->shares};
            }
        }
    }
    return count;
}
