/* CME MDP 3.0: one checked message in, its canonical events out, one by one.
 *
 *     mdp3_decode_begin(&cursor, &message);
 *     while (mdp3_decode_next(&cursor, &event)) ...
 *
 *   46 32 64  EVENT_LEVEL per entry ('J': EVENT_BOOK_RESET; other types but bids and offers: EVENT_STATISTIC), then
 *             EVENT_ORDER per order entry, which takes security, side and price from the entry that its ReferenceID
 *             names (1-based); a reference to nothing leaves side 0 and security 0: no book by order is right then
 *   47 43     EVENT_ORDER per entry
 *   48 42 65  EVENT_TRADE_SUMMARY per entry, then EVENT_TRADE_ORDER per order entry, whose trade follows from the
 *             entries' NumberOfOrders (side and security stay 0 where these do not add up)
 *   37 66     EVENT_VOLUME      51 35 67 49 33  EVENT_STATISTIC     50 34  three EVENT_LIMIT per entry
 *   52 38 69  EVENT_SNAPSHOT, then EVENT_LEVEL and EVENT_STATISTIC per entry     53 44  EVENT_SNAPSHOT, EVENT_ORDER
 *   4  EVENT_CHANNEL_RESET      30  EVENT_STATUS      54 and other definitions  EVENT_DEFINITION     12 39  nothing
 *
 * Nulls become EVENT_PRICE_NULL and EVENT_QUANTITY_NULL, a null count of orders 0. Every field of every event is
 * written; sequence and symbol are left 0 for the channel, indicator is the message's.
 * Pure functions, any thread; the message's bytes must stay. Cost: about 5 ns an event.
 * Specification: CME SBE templates of schema versions 5 to 13.
 */
#ifndef ENGINE_FEED_MDP3_DECODE_H
#define ENGINE_FEED_MDP3_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/feed/event.h"
#include "engine/feed/mdp3_wire.h"

#define MDP3_STATUS_NONE 255u        /* status null */
#define MDP3_STATUS_READY 17u        /* ready to trade */
#define MDP3_STATUS_UNKNOWN 20u
#define MDP3_STATUS_NO_CHANGE 103u
#define MDP3_SECURITY_NULL INT32_MAX /* a status of a whole group or asset */
#define MDP3_CODE_SIZE 6u            /* bytes of SecurityGroup and Asset, padded with zeros or spaces */

struct mdp3_cursor {
    const struct mdp3_message *message;
    uint16_t group;
    uint16_t entry;
    uint16_t part;        /* of an entry that becomes several events */
    uint16_t trade;       /* entry to which the next order of a trade belongs, */
    uint32_t trade_order; /* and its number there */
    struct event common;  /* what all events of the message share */
};

void mdp3_decode_begin(struct mdp3_cursor *cursor, const struct mdp3_message *message);

/* The next event of the message, or false. */
bool mdp3_decode_next(struct mdp3_cursor *cursor, struct event *event);

/* The root of templates 52 38 69 and 53 44. */
struct mdp3_snapshot {
    uint32_t last_sequence; /* LastMsgSeqNumProcessed: incremental packets up to here are in it */
    uint32_t report_count;  /* TotNumReports: messages (by price) or instruments (by order) of the loop */
    int32_t security;
    uint32_t report_sequence; /* by price: RptSeq of the last entry that is in it */
    uint32_t chunk_count;   /* by order: NoChunks; by price: 1 */
    uint32_t chunk;         /* 1..chunk_count */
    uint8_t status;         /* by price: trading status, MDP3_STATUS_NONE */
};

void mdp3_snapshot_read(const struct mdp3_message *message, struct mdp3_snapshot *snapshot);

/* Template 30. */
struct mdp3_status {
    int32_t security; /* MDP3_SECURITY_NULL: see group and asset */
    char group[MDP3_CODE_SIZE];
    char asset[MDP3_CODE_SIZE]; /* first byte 0: all of the group */
    uint8_t status, halt_reason, trading_event;
};

void mdp3_status_read(const struct mdp3_message *message, struct mdp3_status *status);

/* Templates 54 to 58, 63, 27, 29, 41, as far as they are alike. */
struct mdp3_definition {
    int32_t security;
    char action; /* 'A' 'D' 'M' */
    uint8_t status;
    char group[MDP3_CODE_SIZE];
    char asset[MDP3_CODE_SIZE];
    char symbol[20];
    uint8_t depth;         /* of feed type GBX, 0 = not said */
    uint8_t implied_depth; /* of feed type GBI, 0 = no implied book */
};

void mdp3_definition_read(const struct mdp3_message *message, struct mdp3_definition *definition);

/* The message's match event indicator, 0 if its template has none. */
uint8_t mdp3_indicator(const struct mdp3_message *message);

#endif
