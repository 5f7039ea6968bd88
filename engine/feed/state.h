/* The feed's states, as every later stage and every reader of results knows them.
 *
 * Only FEED_LIVE lets a new order pass: anything else means that the book may be wrong.
 */
#ifndef ENGINE_FEED_STATE_H
#define ENGINE_FEED_STATE_H

#include <stdint.h>

enum feed_state {
    FEED_STARTUP = 0,    /* nothing received yet */
    FEED_SYNC = 1,       /* a snapshot is being joined, never LIVE before */
    FEED_LIVE = 2,       /* every message up to now is applied */
    FEED_GAP = 3,        /* messages are missing and nothing supplies them, for now or for good */
    FEED_RECOVERING = 4, /* missing messages are being requested */
    FEED_RESYNC = 5,     /* a snapshot is being joined, after the feed was LIVE */
    FEED_DOWN = 6,       /* all lines are silent */
    FEED_ENDED = 7,      /* end of session seen */
    FEED_STATE_COUNT = 8,
};

/* Where a datagram came from: the two lines, and the recovery port with its replies. */
enum { FEED_LINE_A = 0, FEED_LINE_B = 1, FEED_LINE_COUNT = 2, FEED_LINE_RECOVERY = 2, FEED_SOURCE_COUNT = 3 };

#endif
