/* The re-request server: MoldUDP64 requests come in on one UDP socket, what was published goes back to who asked.
 *
 * A reply is an ordinary downstream packet, its blocks sent straight from the arena: as many whole messages of what
 * was asked for as are published, as one datagram holds and as messages_max allows. There is no negative answer: what
 * cannot be served, and what the settings say shall not be, is met with silence and counted by its reason. Every
 * session of the run is served for as long as the process lives, whatever session is being published.
 * Impairments (impairer.h, optional) act on replies, with the position of a reply's first message.
 *
 * Owner: the exchange loop; recovery_poll() is called in its slack, or between two packets when there is none. The
 * settings may change between two polls. Nothing blocks and nothing is allocated.
 * Limits: RECOVERY_DELAYED replies held back by delay_ns at a time; one more is counted (delayed_lost).
 * Cost: an idle poll is one recvfrom() that has nothing, about 0.3 us; an answer 2 to 4 us with its sendmsg().
 * Specification: MoldUDP64 1.00, "Request packet".
 */
#ifndef TRAFFIC_EXCHANGE_RECOVERY_H
#define TRAFFIC_EXCHANGE_RECOVERY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/history.h"
#include "traffic/exchange/impairer.h"

enum {
    RECOVERY_DELAYED = 256,
    RECOVERY_REQUEST_BYTES = MOLDUDP64_HEADER_BYTES,
    RECOVERY_SEED = 0xFE,         /* of `loss`, among the seeds of rules and lines */
};

/* How it behaves; all zeroes (and burst 1) is at its best. */
struct recovery_settings {
    uint32_t messages_max;        /* in one reply; 0: as many as fit */
    uint32_t rate_per_s;          /* requests answered a second; 0: no limit */
    uint32_t burst;               /* so many at once before the rate counts; at least 1 */
    uint32_t loss;                /* probability that a request is ignored, of 2^32 */
    uint32_t lose_requests;       /* still to be ignored */
    bool refuse;                  /* silence to everything */
    int64_t delay_ns;             /* a reply is held back so long */
    uint64_t history_messages;    /* what is older than so many is not served; 0: all is */
};

struct recovery_options {
    uint32_t address;             /* network order */
    uint16_t port;
    uint64_t seed;                /* of `loss` */
    struct recovery_settings settings;
    const struct history *history;
    struct impairer *impairer;    /* of the replies; NULL: none */
};

struct recovery_counters {
    uint64_t requests;            /* datagrams received; each is answered or counted below */
    uint64_t answered;
    uint64_t partial;             /* of them, with fewer messages than asked for */
    uint64_t messages;            /* in replies */
    uint64_t bytes;               /* UDP payload of replies */
    uint64_t refused;
    uint64_t lost;                /* by loss and lose_requests */
    uint64_t throttled;
    uint64_t malformed;           /* not 20 bytes, or for 0 messages */
    uint64_t unknown_session;
    uint64_t out_of_range;        /* not published yet, or before the session's first */
    uint64_t too_old;             /* behind history_messages */
    uint64_t delayed_lost;        /* no room to hold the reply back */
    uint64_t send_errors;
};

struct recovery_reply {
    struct sockaddr_in to;
    uint64_t first_message;       /* index */
    uint64_t position;
    int64_t due_ns;
    uint16_t count;
};

struct recovery {
    struct recovery_options options;
    struct recovery_settings settings;
    struct recovery_counters counters;
    int socket;                   /* -1: none */
    __u64 random;                 /* of `loss` */
    int64_t interval_ns;          /* of one request at rate_per_s */
    int64_t allowed_at_ns;        /* when the next request would be allowed at an even rate */
    uint64_t delayed_head;        /* ring of replies held back, oldest first */
    uint64_t delayed_tail;
    struct recovery_reply delayed[RECOVERY_DELAYED];
};

/* Bind. 0, or -errno with a line in `error` that names what was tried. */
int recovery_open(struct recovery *recovery, const struct recovery_options *options, char *error,
                  uint32_t error_size);

/* From now on behave like this. */
void recovery_behave(struct recovery *recovery, const struct recovery_settings *settings);

/* Look at up to `requests_max` requests and send what is due. `rule_ns` is the impairments' clock. Returns the number
 * of requests there were. */
uint32_t recovery_poll(struct recovery *recovery, uint32_t requests_max, int64_t now_ns, int64_t rule_ns);

void recovery_close(struct recovery *recovery);

/* The port in use (of interest when 0 was asked for). */
uint16_t recovery_port(const struct recovery *recovery);

#endif
