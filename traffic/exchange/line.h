/* One multicast line: raw frames on one interface through AF_PACKET, past the queueing discipline.
 *
 * The kernel copies each frame once, from two pieces: the header kept here and the message blocks in the arena.
 * PACKET_QDISC_BYPASS hands the frame to the driver in the caller's context; on a veth the receiver's hook runs
 * before the call returns. Tc egress hooks and the local stack never see these frames.
 *
 * Owner: the exchange loop. A failed send (interface down, no buffers) is counted and forgotten: a line never
 * stops the schedule. Cost: line_prepare() a few ns; line_send() one system call.
 * Specification: packet(7); MoldUDP64 1.00 for the header; udp_frame.h for the rest.
 */
#ifndef TRAFFIC_EXCHANGE_LINE_H
#define TRAFFIC_EXCHANGE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

enum { LINES_MAX = 2 };

struct line_options {
    const char *interface;
    uint32_t source;           /* network order */
    uint32_t group;            /* network order, multicast */
    uint16_t port;             /* of destination and source */
};

struct line {
    struct udp_frame frame;
    uint8_t mold[MOLDUDP64_HEADER_BYTES];  /* directly behind the frame's header on the wire */
    int socket;
    int last_error;            /* errno of the last failed send */
    uint64_t packets;          /* sent, heartbeats too */
    uint64_t errors;
    uint64_t heartbeats;
    int64_t sent_ns;           /* before the last send call that succeeded, heartbeats too */
};

/* 0, or -errno with a line in `error` that names what was tried. */
int line_open(struct line *line, const struct line_options *options, const uint8_t *session, char *error,
              uint32_t error_size);

/* Set the headers for a packet whose blocks are `bytes` long with one's complement sum `sum`. */
void line_prepare(struct line *line, uint64_t sequence, uint16_t count, uint32_t bytes, uint16_t sum);

/* Send what was prepared; false: not sent, counted. */
bool line_send(struct line *line, const uint8_t *blocks, uint32_t bytes);

void line_close(struct line *line);

#endif
