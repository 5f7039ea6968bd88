/* Book by price of one instrument; the contract is in level_book.h.
 *
 * The two masks and the array of levels move together: below(i) are the bits of better levels, which never move.
 */
#include "engine/book/level_book.h"

#include <stddef.h>
#include <string.h>

#include "engine/feed/event.h"

static uint16_t bits_below(unsigned index)
{
    return (uint16_t)((1u << index) - 1);
}

static uint16_t mask_of(const struct level_book_side *side)
{
    return bits_below(side->depth);
}

static unsigned depth_of(unsigned depth)
{
    return depth < LEVEL_BOOK_DEPTH_MAX ? depth : LEVEL_BOOK_DEPTH_MAX;
}

void level_book_reset(struct level_book *book)
{
    for (unsigned index = 0; index < LEVEL_BOOK_SIDE_COUNT; index++) {
        struct level_book_side *side = &book->sides[index];

        memset(side->levels, 0, sizeof(side->levels));
        side->known = mask_of(side);
        side->filled = 0;
    }
}

void level_book_init(struct level_book *book, unsigned depth, unsigned implied_depth)
{
    memset(book, 0, sizeof(*book));
    for (unsigned index = 0; index < LEVEL_BOOK_SIDE_COUNT; index++)
        book->sides[index].depth = (uint16_t)depth_of(index < LEVEL_BOOK_IMPLIED_BID ? depth : implied_depth);
    level_book_reset(book);
}

void level_book_set_depth(struct level_book *book, unsigned depth, unsigned implied_depth)
{
    for (unsigned index = 0; index < LEVEL_BOOK_SIDE_COUNT; index++) {
        struct level_book_side *side = &book->sides[index];
        unsigned old_depth = side->depth;
        /* beyond a full side there may be more; beyond a level known to be empty there is nothing */
        bool empty = old_depth == 0 || ((side->known & ~side->filled) & (1u << (old_depth - 1))) != 0;

        side->depth = (uint16_t)depth_of(index < LEVEL_BOOK_IMPLIED_BID ? depth : implied_depth);
        if (side->depth > old_depth && empty)
            side->known |= (uint16_t)(mask_of(side) & ~bits_below(old_depth));
        side->known &= mask_of(side);
        side->filled &= mask_of(side);
        for (unsigned level = side->depth; level < LEVEL_BOOK_DEPTH_MAX; level++)
            side->levels[level] = (struct level_book_level){0};
    }
}

void level_book_forget(struct level_book *book)
{
    for (unsigned index = 0; index < LEVEL_BOOK_SIDE_COUNT; index++) {
        memset(book->sides[index].levels, 0, sizeof(book->sides[index].levels));
        book->sides[index].known = 0;
        book->sides[index].filled = 0;
    }
}

/* Levels from `index` on move down by one; the one at `index` is for the caller to write. */
static void open_level(struct level_book_side *side, unsigned index)
{
    uint16_t below = bits_below(index), mask = mask_of(side);

    memmove(&side->levels[index + 1], &side->levels[index],
            (side->depth - index - 1u) * sizeof(struct level_book_level));
    side->known = (uint16_t)((side->known & below) | ((side->known & ~below) << 1)) & mask;
    side->filled = (uint16_t)((side->filled & below) | ((side->filled & ~below) << 1)) & mask;
}

/* `count` levels from `index` on are taken out: deeper ones move up, the deepest are known to be empty. */
static void close_levels(struct level_book_side *side, unsigned index, unsigned count)
{
    uint16_t below = bits_below(index), freed = (uint16_t)(mask_of(side) & ~bits_below(side->depth - count));

    memmove(&side->levels[index], &side->levels[index + count],
            (side->depth - index - count) * sizeof(struct level_book_level));
    memset(&side->levels[side->depth - count], 0, count * sizeof(struct level_book_level));
    side->known = (uint16_t)((side->known & below) | ((side->known >> count) & ~below) | freed);
    side->filled = (uint16_t)((side->filled & below) | ((side->filled >> count) & ~below));
}

/* A level known to be empty has only empty ones behind it. */
static bool behind_empty(const struct level_book_side *side, unsigned index)
{
    return index != 0 && ((side->known & ~side->filled) & (1u << (index - 1))) != 0;
}

/* The level is known and is not this price's. */
static bool differs(const struct level_book_side *side, unsigned index, int64_t price)
{
    uint16_t bit = (uint16_t)(1u << index);

    return (side->known & bit) != 0 &&
           ((side->filled & bit) == 0 || (price != EVENT_PRICE_NULL && side->levels[index].price != price));
}

enum level_book_outcome level_book_apply(struct level_book *book, unsigned side_index, unsigned action, unsigned level,
                                         int64_t price, uint64_t quantity, uint32_t order_count)
{
    if (side_index >= LEVEL_BOOK_SIDE_COUNT)
        return LEVEL_BOOK_BAD_SIDE;

    struct level_book_side *side = &book->sides[side_index];
    const bool sets =
        action == EVENT_ACTION_NEW || action == EVENT_ACTION_CHANGE || action == EVENT_ACTION_OVERLAY;

    if (action >= EVENT_ACTION_COUNT)
        return LEVEL_BOOK_BAD_ACTION;
    if (level == 0 || level > side->depth)
        return LEVEL_BOOK_BAD_LEVEL;
    if (sets && (price == EVENT_PRICE_NULL || quantity == EVENT_QUANTITY_NULL))
        return LEVEL_BOOK_NO_PRICE;
    book->implied_seen |= side_index >= LEVEL_BOOK_IMPLIED_BID;

    const unsigned index = level - 1;
    const uint16_t bit = (uint16_t)(1u << index);
    bool contradiction = false;

    switch (action) {
    case EVENT_ACTION_NEW:
        contradiction = behind_empty(side, index);
        open_level(side, index);
        break;
    case EVENT_ACTION_CHANGE:
        contradiction = differs(side, index, price);
        break;
    case EVENT_ACTION_OVERLAY:
        contradiction = behind_empty(side, index);
        break;
    case EVENT_ACTION_DELETE:
        contradiction = differs(side, index, price);
        close_levels(side, index, 1);
        break;
    case EVENT_ACTION_DELETE_THRU:
        contradiction = ((side->known & ~side->filled) & bit) != 0;
        close_levels(side, 0, level);
        break;
    default: /* EVENT_ACTION_DELETE_FROM */
        contradiction = ((side->known & ~side->filled) & bit) != 0;
        close_levels(side, index, side->depth - index);
        break;
    }
    if (sets) {
        side->levels[index] =
            (struct level_book_level){.price = price, .quantity = quantity, .order_count = order_count};
        side->known |= bit;
        side->filled |= bit;
    }
    return contradiction ? LEVEL_BOOK_CONTRADICTION : LEVEL_BOOK_APPLIED;
}

const char *level_book_outcome_name(enum level_book_outcome outcome)
{
    static const char *const names[LEVEL_BOOK_OUTCOME_COUNT] = {
        [LEVEL_BOOK_APPLIED] = "applied",
        [LEVEL_BOOK_CONTRADICTION] = "contradiction",
        [LEVEL_BOOK_BAD_LEVEL] = "bad_level",
        [LEVEL_BOOK_BAD_ACTION] = "bad_action",
        [LEVEL_BOOK_BAD_SIDE] = "bad_side",
        [LEVEL_BOOK_NO_PRICE] = "no_price",
    };

    return (unsigned)outcome < LEVEL_BOOK_OUTCOME_COUNT ? names[outcome] : "unknown";
}
