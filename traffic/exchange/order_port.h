/* The order port: a SoupBinTCP server on one listening TCP socket, polled, never blocking.
 *
 * One client at a time holds the session; others that connect may only log in and be rejected. Everything the
 * gateway publishes is kept as finished packets in one store, so the store is at once the send buffer (partial
 * writes just move an offset), the replay for a client that comes back, and the bound on what may be outstanding.
 * Owner: the exchange loop. The caller gives store and offsets. Bytes from outside are fully checked; a client
 * that breaks the protocol is cut off and counted. No allocation, no blocking call.
 * Limits: ORDER_PORT_CLIENTS connections (one more is closed at once); a packet of at most
 * SOUPBIN_PACKET_LENGTH_MAX; a full store refuses further messages (order_port_room()).
 * Timers: heartbeat after 1 s without sending, a client silent for 15 s is dropped, 30 s to log in.
 * Cost of an idle poll: one recv() per connection, one accept() every ORDER_PORT_ACCEPT_EVERY_NS.
 * Specification: SoupBinTCP 3.00. A requested number above the next one is answered with the next one.
 */
#ifndef TRAFFIC_EXCHANGE_ORDER_PORT_H
#define TRAFFIC_EXCHANGE_ORDER_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/wire/soupbin.h"

enum {
    ORDER_PORT_CLIENTS = 4,
    ORDER_PORT_RECEIVE_BYTES = 2 * (2 + SOUPBIN_PACKET_LENGTH_MAX),
    ORDER_PORT_CONTROL_BYTES = 64,
    ORDER_PORT_ACCEPT_EVERY_NS = 200000,
};

struct order_port_options {
    uint32_t address;               /* network order */
    uint16_t port;
    const char *username;           /* up to 6, compared without case */
    const char *password;           /* up to 10 */
    const char *session;            /* up to 10 */
    uint8_t *store;
    uint64_t store_bytes;
    uint64_t *offsets;              /* in the store, of each message */
    uint64_t messages_max;
};

struct order_port_client {
    int socket;                     /* -1: free */
    bool logged_in;
    bool closing;                   /* once control is flushed */
    uint32_t received;              /* bytes in `receive` */
    uint32_t control_size;          /* bytes to send before the store's */
    uint32_t control_sent;
    uint64_t sent;                  /* offset in the store */
    int64_t heard_ns;
    int64_t spoke_ns;
    uint8_t control[ORDER_PORT_CONTROL_BYTES];
    uint8_t receive[ORDER_PORT_RECEIVE_BYTES];
};

struct order_port_counters {
    uint64_t connections;
    uint64_t connections_refused;   /* no slot */
    uint64_t logins;
    uint64_t login_rejects;
    uint64_t messages_in;           /* unsequenced data packets */
    uint64_t messages_out;
    uint64_t heartbeats_in;
    uint64_t heartbeats_out;
    uint64_t protocol_errors;       /* connections cut for breaking the protocol */
    uint64_t oversize_packets;      /* of them, for a length field above the maximum */
    uint64_t timeouts;              /* silent clients and logins that never came */
    uint64_t disconnects;
};

struct order_port {
    struct order_port_options options;
    char username[7], password[11], session[11];
    int listener;
    int32_t holder;                 /* index of the logged-in client, -1: none */
    bool ended;
    uint64_t store_size;
    uint64_t messages;              /* in the store; the next has number messages + 1 */
    int64_t accept_at_ns;
    void (*on_message)(void *context, const uint8_t *message, uint32_t length);
    void *context;
    struct order_port_counters counters;
    struct order_port_client clients[ORDER_PORT_CLIENTS];
};

/* Listen. 0, or -errno with a line in `error` that names what was tried. */
int order_port_open(struct order_port *port, const struct order_port_options *options, char *error,
                    uint32_t error_size);

/* Accept, receive (calling on_message for each unsequenced message), send, keep the timers. */
void order_port_poll(struct order_port *port, int64_t now_ns);

static inline bool order_port_room(const struct order_port *port, uint64_t messages, uint64_t bytes) {
    return port->options.messages_max - port->messages >= messages &&
           port->options.store_bytes - port->store_size >= bytes + messages * SOUPBIN_HEADER_BYTES;
}

/* Where the next sequenced message is to be written; then commit its length. Check order_port_room() first. */
static inline uint8_t *order_port_message(struct order_port *port) {
    return port->options.store + port->store_size + SOUPBIN_HEADER_BYTES;
}
void order_port_commit(struct order_port *port, uint32_t length);

/* End of session to the client (best effort), then close everything. */
void order_port_close(struct order_port *port);

/* The port in use (of interest when 0 was asked for). */
uint16_t order_port_number(const struct order_port *port);

#endif
