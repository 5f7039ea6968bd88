/* One multicast line: raw frames on one interface through AF_PACKET, past the queueing discipline; or out of a DPDK device
 * (dpdk_line.h), of which it also notes how long a send takes: such a line has no hook in the kernel that stamps it.
 *
 * The kernel copies each frame once, from two pieces: the header kept here and the message blocks in the arena.
 * PACKET_QDISC_BYPASS hands the frame to the driver in the caller's context; on a veth the receiver's hook runs
 * before the call returns. Tc egress hooks and the local stack never see these frames.
 *
 * A line with impairments (impairer.h) publishes through line_publish(), which asks them first and notes in the packet
 * records when a packet really left, if it ever did.
 *
 * Owner: the exchange loop. A failed send (interface down, no buffers) is counted and forgotten: a line never
 * stops the schedule. Cost: line_prepare() a few ns; line_send() one system call.
 * Specification: packet(7); MoldUDP64 1.00 for the header; udp_frame.h for the rest.
 */
#ifndef TRAFFIC_EXCHANGE_LINE_H
#define TRAFFIC_EXCHANGE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/dpdk_line.h"
#include "traffic/exchange/impairer.h"
#include "traffic/market/schedule.h"
#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

enum { LINES_MAX = 2, LINE_SEND_BUCKETS = 32 };

#define LINE_CONTROL UINT64_MAX /* the record of a heartbeat or an end of session: none */

struct line_options {
    const char *interface;
    const char *device;        /* DPDK devargs: sends there instead; NULL: on the interface */
    uint32_t source;           /* network order */
    uint32_t group;            /* network order, multicast */
    uint16_t port;             /* of destination and source */
    struct impairer *impairer; /* NULL: none */
    bool raw;                  /* payloads are sent as they are: no MoldUDP64 header in front */
    struct packet_record *packets;
    uint32_t index;            /* of this line in their sent_ns */
};

struct line {
    struct udp_frame frame;
    uint8_t mold[MOLDUDP64_HEADER_BYTES];  /* directly behind the frame's header on the wire */
    uint32_t head_bytes;       /* of `mold` that are sent: all, or none of them */
    int socket;                /* -1: none, or out of a device */
    struct dpdk_line *device;  /* NULL: the socket */
    uint64_t send_ns[LINE_SEND_BUCKETS]; /* sends out of the device by duration: [i] from 2^i ns, less than twice that */
    int last_error;            /* errno of the last failed send */
    uint64_t packets_sent;     /* heartbeats too */
    uint64_t errors;
    uint64_t heartbeats;
    struct impairer *impairer; /* NULL: none */
    struct packet_record *packets;
    uint32_t index;            /* of this line in their sent_ns */
};

/* 0, or -errno with a line in `error` that names what was tried. */
int line_open(struct line *line, const struct line_options *options, char *error, uint32_t error_size);

/* What comes next belongs to this session, 10 bytes. */
void line_session(struct line *line, const uint8_t *session);

/* Set the headers for a packet whose blocks (or raw payload, which has no number here) are `bytes` long with one's
 * complement sum `sum`. */
void line_prepare(struct line *line, uint64_t sequence, uint16_t count, uint32_t bytes, uint16_t sum);

/* Send what was prepared; false: not sent, counted. */
bool line_send(struct line *line, const uint8_t *blocks, uint32_t bytes);

/* Send what was prepared through the impairments: a packet of `messages` from `position` on, whose record is
 * `record` or LINE_CONTROL. `rule_ns` is the impairments' clock. */
void line_publish(struct line *line, const uint8_t *blocks, uint32_t bytes, uint64_t position, uint32_t messages,
                  uint64_t record, int64_t rule_ns, int64_t now_ns);

void line_close(struct line *line);

#endif
