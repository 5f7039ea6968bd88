/* The snapshot service: GLIMPSE over SoupBinTCP. At login the published book is frozen, then streamed in pieces.
 *
 * A snapshot is S (events so far), R of every symbol, H, Y and h as last published, an A (or F, where an F entered it)
 * for every live order with its remaining shares and own reference, in the order of entry and so oldest first at
 * every price, and G with the number of the next message to be published at the moment of the login, in the session
 * named by the login's answer. All of it is the state at that moment, whatever is published while it is made:
 * orders come from a frozen copy (published_freeze.h), reference messages from an index of the arena made before the
 * start (reference_data.h). Orders are stamped with the market's time at the login.
 * One snapshot at a time: a new login takes over and the client before is cut off. After G the client may log out.
 *
 * Owner: the exchange loop. snapshot_poll() keeps connections and logins, like the order port's poll; while
 * snapshot_busy(), snapshot_work() does one slice of up to SNAPSHOT_SLICE_NS and one send of at most
 * SNAPSHOT_SEND_BYTES, so that the loop can publish in between. Nothing blocks, nothing is allocated.
 * Specification: GLIMPSE 5.0 (equities); SoupBinTCP 3.00.
 */
#ifndef TRAFFIC_EXCHANGE_SNAPSHOT_H
#define TRAFFIC_EXCHANGE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/history.h"
#include "traffic/exchange/published_freeze.h"
#include "traffic/exchange/reference_data.h"
#include "traffic/exchange/soup_port.h"

enum {
    SNAPSHOT_SLICE_NS = 6000,        /* of making messages; sending them comes on top */
    SNAPSHOT_SEND_BYTES = 8192,
    SNAPSHOT_STORE_BYTES = 32768,
    SNAPSHOT_STEP_ORDERS = 64,       /* between two looks at the clock */
    SNAPSHOT_STEP_MESSAGES = 8,
    SNAPSHOT_END_BYTES = 21,         /* G */
};

/* How it behaves; all zeroes is at its best. */
struct snapshot_settings {
    uint32_t cut_connections;        /* so many snapshots still to be cut off ... */
    uint32_t cut_after;              /* ... after so many messages, and before G in any case */
    bool refuse;                     /* logins are rejected, 'S' */
    bool stall;                      /* logins are accepted, nothing but heartbeats follows */
    int64_t delay_ns;                /* from the login to the first message */
    int64_t wrong_sequence;          /* added to the number in G */
};

struct snapshot_options {
    struct soup_port_options port;   /* its store: SNAPSHOT_STORE_BYTES; the rest of the stream's is set here */
    struct snapshot_settings settings;
    const struct history *history;
    const struct reference_data *reference;
    struct published_book *book;
    void *freeze_memory;             /* published_freeze_bytes() of zeroes */
};

struct snapshot_counters {
    uint64_t started;
    uint64_t completed;              /* G is with the socket */
    uint64_t cut;
    uint64_t refused;
    uint64_t stalled;
    uint64_t abandoned;              /* the client went, or another took over, before G */
    uint64_t messages;
    uint64_t orders;                 /* of them A and F */
    uint64_t slices;
    uint64_t slice_ns_max;
    uint64_t freeze_ns_max;          /* from a login until the copy was whole and sorted */
    uint64_t duration_ns_max;        /* from a login until its G was with the socket */
};

enum snapshot_phase {
    SNAPSHOT_IDLE = 0,               /* nobody asks, or G is sent, or stalled on purpose */
    SNAPSHOT_FREEZING = 1,
    SNAPSHOT_WAITING = 2,            /* delay_ns */
    SNAPSHOT_REFERENCE = 3,
    SNAPSHOT_ORDERS = 4,
    SNAPSHOT_ENDING = 5,             /* the rest is with the port */
    SNAPSHOT_CUTTING = 6,            /* likewise, and then the connection goes */
};

struct snapshot {
    struct soup_port port;
    struct snapshot_options options;
    struct snapshot_settings settings;
    struct snapshot_counters counters;
    enum snapshot_phase phase;
    uint32_t kind;                   /* of reference messages being sent */
    uint64_t entry;                  /* of that kind; then rank of the order */
    uint64_t published_bytes;        /* at the login */
    uint64_t sequence;               /* for G */
    uint64_t market_ns;              /* at the login, since midnight */
    uint64_t market_now_ns;          /* at the running poll */
    uint64_t messages;               /* of this snapshot so far */
    uint64_t cut_at;                 /* UINT64_MAX: this one is not cut */
    int64_t login_ns;
    int64_t now_ns;                  /* of the running poll */
    struct published_freeze freeze;
};

/* Listen. 0, or -errno with a line in `error` that names what was tried. */
int snapshot_open(struct snapshot *snapshot, const struct snapshot_options *options, char *error,
                  uint32_t error_size);

/* From now on behave like this; a snapshot under way goes on as it began. */
void snapshot_behave(struct snapshot *snapshot, const struct snapshot_settings *settings);

/* Connections, logins, timers. `market_ns` is the market's time. */
void snapshot_poll(struct snapshot *snapshot, uint64_t market_ns, int64_t now_ns);

static inline bool snapshot_busy(const struct snapshot *snapshot) {
    return snapshot->phase != SNAPSHOT_IDLE;
}

/* One slice. */
void snapshot_work(struct snapshot *snapshot, int64_t now_ns);

void snapshot_close(struct snapshot *snapshot);

#endif
