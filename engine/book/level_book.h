/* Order book by price of one instrument, as a venue sends it level by level: fixed depth, real and implied sides.
 *
 *   side:   levels[0] best, levels[1], ... levels[depth - 1]
 *           known    bit per level: what is there, or that nothing is there, follows from what was received
 *           filled   bit per level: a price is there; never set where known is not
 *
 * The venue numbers levels from 1 and its instructions are list operations on a side of fixed depth:
 *   New          inserts at the level; deeper ones move down, what leaves the depth is dropped
 *   Change       in place, at the same price
 *   Overlay      in place, at any price
 *   Delete       takes the level out; deeper ones move up and the deepest is empty then (if the venue has more
 *                prices it sends a New for the deepest level next)
 *   DeleteThru   takes levels 1 to the level out; deeper ones move up
 *   DeleteFrom   takes the level and all deeper ones out
 * Implied prices are two more sides of their own depth; who wants one list merges them.
 *
 * A book starts empty and known. level_book_forget() makes every level unknown, after a loss; from then on each
 * instruction makes known what it tells, and when no bit of a side is missing the side is right again without any
 * snapshot: that is natural refresh. It need not complete: a level that nobody touches stays unknown.
 * An instruction that contradicts what is known (Change or Delete of an empty level or of another price, New or
 * Overlay behind an empty level) is carried out and reported: the book had gone wrong before.
 *
 * Prices are mantissas of any one exponent. Thread: one writer. Pure data, no pointers: copy it as you like.
 * Cost: about 5 ns for Change, 5 to 10 ns for New and Delete (the moved levels).
 * Specification: CME MDP 3.0 book management; public handlers disagree on DeleteThru and DeleteFrom, which no
 * capture at hand contains: here they mean what FIX tag 279 says.
 */
#ifndef ENGINE_BOOK_LEVEL_BOOK_H
#define ENGINE_BOOK_LEVEL_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#define LEVEL_BOOK_DEPTH_MAX 10u

enum level_book_side_index {
    LEVEL_BOOK_BID = 0,
    LEVEL_BOOK_ASK = 1,
    LEVEL_BOOK_IMPLIED_BID = 2,
    LEVEL_BOOK_IMPLIED_ASK = 3,
    LEVEL_BOOK_SIDE_COUNT = 4,
};

enum level_book_outcome {
    LEVEL_BOOK_APPLIED = 0,
    LEVEL_BOOK_CONTRADICTION = 1, /* carried out, but the book cannot have been right */
    LEVEL_BOOK_BAD_LEVEL = 2,     /* 0 or beyond the depth: nothing changed */
    LEVEL_BOOK_BAD_ACTION = 3,    /* nothing changed */
    LEVEL_BOOK_BAD_SIDE = 4,      /* nothing changed */
    LEVEL_BOOK_NO_PRICE = 5,      /* New, Change or Overlay without a price or quantity: nothing changed */
    LEVEL_BOOK_OUTCOME_COUNT = 6,
};

struct level_book_level {
    int64_t price;        /* mantissa */
    uint64_t quantity;
    uint32_t order_count; /* 0 = the venue does not say */
    uint32_t reserved;
};

_Static_assert(sizeof(struct level_book_level) == 24, "ten levels are 240 bytes");

struct level_book_side {
    uint16_t known;  /* bit 0 = level 1; bits at and above depth are 0 */
    uint16_t filled;
    uint16_t depth;  /* 0..LEVEL_BOOK_DEPTH_MAX */
    uint16_t reserved;
    struct level_book_level levels[LEVEL_BOOK_DEPTH_MAX];
};

struct level_book {
    struct level_book_side sides[LEVEL_BOOK_SIDE_COUNT];
    bool implied_seen; /* an implied level was ever received: the implied sides count for level_book_known() */
    uint8_t reserved[7];
};

_Static_assert(sizeof(struct level_book) == 1000, "about a kilobyte an instrument");

/* Empty and known. Depths above LEVEL_BOOK_DEPTH_MAX are cut. */
void level_book_init(struct level_book *book, unsigned depth, unsigned implied_depth);

/* Another depth, as a definition tells it: levels beyond are dropped, new ones are as unknown as the deepest was. */
void level_book_set_depth(struct level_book *book, unsigned depth, unsigned implied_depth);

/* Empty and known again, depths kept: a venue's book reset. */
void level_book_reset(struct level_book *book);

/* Every level unknown: something was lost. What was there is not shown any more. */
void level_book_forget(struct level_book *book);

/* One instruction; level counts from 1, action is enum event_action. INT64_MAX is no price, UINT64_MAX no quantity. */
enum level_book_outcome level_book_apply(struct level_book *book, unsigned side, unsigned action, unsigned level,
                                         int64_t price, uint64_t quantity, uint32_t order_count);

/* The side of a venue's entry type '0' '1' 'E' 'F', or LEVEL_BOOK_SIDE_COUNT. */
static inline unsigned level_book_side_of(char entry_type)
{
    return entry_type == '0'   ? LEVEL_BOOK_BID
           : entry_type == '1' ? LEVEL_BOOK_ASK
           : entry_type == 'E' ? LEVEL_BOOK_IMPLIED_BID
           : entry_type == 'F' ? LEVEL_BOOK_IMPLIED_ASK
                               : LEVEL_BOOK_SIDE_COUNT;
}

static inline bool level_book_side_known(const struct level_book_side *side)
{
    return side->known == (uint16_t)((1u << side->depth) - 1);
}

/* Every level of the real sides is known, and of the implied ones if there ever was one. */
static inline bool level_book_known(const struct level_book *book)
{
    return level_book_side_known(&book->sides[LEVEL_BOOK_BID]) && level_book_side_known(&book->sides[LEVEL_BOOK_ASK]) &&
           (!book->implied_seen || (level_book_side_known(&book->sides[LEVEL_BOOK_IMPLIED_BID]) &&
                                    level_book_side_known(&book->sides[LEVEL_BOOK_IMPLIED_ASK])));
}

/* The best level of a side, or NULL when it is empty or not known. */
static inline const struct level_book_level *level_book_best(const struct level_book *book, unsigned side)
{
    return (book->sides[side].filled & 1) != 0 ? &book->sides[side].levels[0] : (const struct level_book_level *)0;
}

/* Lower-case name, "unknown" out of range. Static storage. */
const char *level_book_outcome_name(enum level_book_outcome outcome);

#endif
