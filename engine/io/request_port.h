/* The recovery port: requests out and replies in, as unicast UDP on one connected kernel socket.
 *
 * Replies come to the port that the request left from, so one socket takes both. It is used only while the feed is
 * not LIVE; what arrives later waits in the kernel's buffer (bounded there) and is found a duplicate next time.
 * REQUEST_PORT_MEMORY collects requests for step-by-step runs, which hand replies to the engine themselves.
 * Owner: the engine thread. Nothing here waits. Cost: one system call per request, one per batch of replies.
 */
#ifndef ENGINE_IO_REQUEST_PORT_H
#define ENGINE_IO_REQUEST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/packet.h"

enum {
    REQUEST_PORT_BATCH = 32,             /* replies per poll */
    REQUEST_PORT_DATAGRAM_BYTES = 2048,  /* a longer reply is cut, counted and dropped */
    REQUEST_PORT_MEMORY_BYTES = 1 << 14, /* what a memory port collects; more is refused */
};

enum request_port_kind { REQUEST_PORT_NONE = 0, REQUEST_PORT_UDP = 1, REQUEST_PORT_MEMORY = 2 };

struct request_port {
    enum request_port_kind kind;
    int socket;
    uint64_t sent;
    uint64_t send_failures;
    uint64_t received;
    uint64_t truncated;
    uint8_t *memory;        /* REQUEST_PORT_MEMORY: requests, one behind the other */
    uint32_t memory_count;  /* bytes */
    uint8_t datagrams[REQUEST_PORT_BATCH][REQUEST_PORT_DATAGRAM_BYTES];
};

/* 0, or -errno with a sentence in `error`. */
int request_port_open(struct request_port *port, const char *address, uint16_t number, char *error,
                      uint32_t error_bytes);
void request_port_memory(struct request_port *port, uint8_t memory[REQUEST_PORT_MEMORY_BYTES]);
void request_port_close(struct request_port *port);

/* False: not sent, counted; the feed's time-out asks again. */
bool request_port_send(struct request_port *port, const uint8_t *bytes, uint32_t length);

/* Replies that have arrived, valid until the next call. Their number. */
uint32_t request_port_receive(struct request_port *port, struct packet packets[REQUEST_PORT_BATCH]);

#endif
