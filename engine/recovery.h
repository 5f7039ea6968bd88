/* What brings back what the feed missed: re-requests over UDP, a snapshot over SoupBinTCP (GLIMPSE 5.0).
 *
 * The feed decides what is wanted and when it is given up (feed.h); this file moves the bytes. It is looked at once
 * per poll while the feed is not LIVE, and costs nothing while it is.
 *
 *   feed_next_request() ------> recovery port ------> re-request server
 *   feed_accept(RECOVERY) <---- recovery port <------ replies
 *   feed_wants_snapshot() ----> connect, log in ----> snapshot service
 *   book_apply() <------------- S packets <---------- reference data and live orders
 *   feed_snapshot_complete() <- 'G'
 *
 * A snapshot empties the book first, and every symbol's strategy state with it: the engine begins anew at the join.
 * While it streams in, the lines are still read, RECOVERY_SNAPSHOT_BYTES of the snapshot per poll.
 * 'G' names no session. Where the service's Login Accepted does (snapshot_names_session), it has to be the feed's; where
 * not, a snapshot of the next session can be joined in this one when a late packet of this one arrives behind it.
 * Owner: the engine thread. Specification: MoldUDP64 1.00 request packet; GLIMPSE 5.0; SoupBinTCP 3.00.
 */
#ifndef ENGINE_RECOVERY_H
#define ENGINE_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/request_port.h"
#include "engine/io/stream.h"
#include "engine/order/soupbin.h"

enum {
    RECOVERY_SNAPSHOT_BYTES = 32768, /* taken from the stream per poll */
    RECOVERY_JOIN_COUNT = 256,       /* joins remembered; later ones are counted */
    RECOVERY_ADDRESS_BYTES = 16,
    RECOVERY_END_BYTES = 21,         /* 'G' and twenty digits */
};

struct recovery_options {
    char snapshot_address[RECOVERY_ADDRESS_BYTES]; /* terminated IPv4; empty: bytes come through engine_step calls */
    uint16_t snapshot_port;
    bool snapshot_names_session; /* Login Accepted names the feed's session: a snapshot of another one is refused */
    struct soupbin_options soupbin;
};

/* The engine began anew at position: messages from skipped_from up to it were never delivered. */
struct recovery_join {
    uint64_t at_ns;
    uint64_t position;     /* first live message behind the snapshot */
    uint64_t skipped_from; /* next message wanted before */
    bool emptied;          /* a session without a snapshot: the book began empty */
};

struct recovery_statistics {
    uint64_t connects;
    uint64_t connect_failures;
    uint64_t disconnects;        /* before the end of the snapshot */
    uint64_t logins_rejected;
    uint64_t foreign_sessions;   /* log-ins accepted in another session than the feed's */
    uint64_t messages;           /* sequenced payloads */
    uint64_t undecodable;        /* of them: unknown to ITCH 5.0, or refused by the book: the snapshot is discarded */
    uint64_t joins;
};

struct recovery {
    struct request_port port;
    struct stream stream;
    struct soupbin soupbin;
    bool snapshot_open;          /* connecting, or streaming in */
    bool login_written;
    struct recovery_options options;
    struct recovery_statistics statistics;
    struct recovery_join joins[RECOVERY_JOIN_COUNT];
    uint8_t received[RECOVERY_SNAPSHOT_BYTES];
};

struct engine;

int recovery_init(struct recovery *recovery, const struct recovery_options *options);

/* One round: replies in, requests out, the snapshot a piece further. */
void recovery_poll(struct engine *engine, uint64_t now_ns);

/* Book, trading states and the strategy's memory of the market are emptied. */
void recovery_begin_anew(struct engine *engine);

/* The feed has gone over to another session: the book of the one before is worth nothing. */
void recovery_follow_session(struct engine *engine);

/* Requests that are due, to the port. */
void recovery_ask(struct engine *engine);

/* The parts of a snapshot that step-by-step runs bring themselves. */
void recovery_snapshot_open(struct engine *engine, uint64_t now_ns);
void recovery_snapshot_receive(struct engine *engine, const uint8_t *bytes, uint32_t length, uint64_t now_ns);
void recovery_snapshot_lost(struct engine *engine, uint64_t now_ns);

void recovery_close(struct recovery *recovery);

#endif
