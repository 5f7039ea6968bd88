/* Best prices of one symbol, kept up to date by book_apply() and read in O(1).
 *
 * A price of 0 means that the side is empty; its shares are then 0 too.
 */
#ifndef ENGINE_BOOK_TOP_H
#define ENGINE_BOOK_TOP_H

#include <stdint.h>

struct book_top {
    uint32_t bid_price;  /* 1/10000 */
    uint32_t ask_price;  /* 1/10000 */
    uint32_t bid_shares; /* total displayed at the best bid, saturating at UINT32_MAX */
    uint32_t ask_shares;
};

_Static_assert(sizeof(struct book_top) == 16, "four tops to a cache line");

#endif
