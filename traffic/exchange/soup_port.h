/* A soup port: a SoupBinTCP server on one listening TCP socket, polled, never blocking.
 *
 * One client at a time holds the session. Others that connect may only log in: they are rejected, or take the session
 * over (newest_wins), and then the former holder is cut off. Finished packets lie in one store, in one of two ways:
 *   - a journal (offsets given): all that was ever published. The store is at once the send buffer (partial writes
 *     just move an offset), the replay for a client that comes back, and the bound on what may be outstanding.
 *   - a stream (no offsets): made for the client that is there, numbered from 1 at each login; what has been sent
 *     leaves the store, nothing is replayed.
 * Owner: the exchange loop. The caller gives store and offsets. Bytes from outside are fully checked; a client
 * that breaks the protocol is cut off and counted. No allocation, no blocking call.
 * Limits: SOUP_PORT_CLIENTS connections (one more is closed at once); a packet of at most
 * SOUPBIN_PACKET_LENGTH_MAX; a full store refuses further messages (soup_port_room()).
 * Timers: heartbeat after 1 s without sending, a client silent for 15 s is dropped, 30 s to log in.
 * Cost of an idle poll: one recv() per connection, one accept() every SOUP_PORT_ACCEPT_EVERY_NS.
 * Specification: SoupBinTCP 3.00. A requested number above the next one is answered with the next one.
 */
#ifndef TRAFFIC_EXCHANGE_SOUP_PORT_H
#define TRAFFIC_EXCHANGE_SOUP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/wire/soupbin.h"

#define SOUP_PORT_MUTE INT64_MAX

enum {
    SOUP_PORT_CLIENTS = 4,
    SOUP_PORT_RECEIVE_BYTES = 2 * (2 + SOUPBIN_PACKET_LENGTH_MAX),
    SOUP_PORT_CONTROL_BYTES = 64,
    SOUP_PORT_ACCEPT_EVERY_NS = 200000,
};

struct soup_port_options {
    const char *name;               /* for complaints */
    uint32_t address;               /* network order */
    uint16_t port;
    const char *username;           /* up to 6, compared without case */
    const char *password;           /* up to 10 */
    const char *session;            /* up to 10 */
    uint8_t *store;
    uint64_t store_bytes;
    uint64_t *offsets;              /* in the store, of each message; NULL: a stream */
    uint64_t messages_max;          /* that fit offsets */
    uint32_t send_bytes_max;        /* from the store to a client in one poll; 0: all that its socket takes */
    bool newest_wins;
};

struct soup_port_client {
    int socket;                     /* -1: free */
    bool logged_in;
    bool closing;                   /* once control is flushed */
    bool cut;                       /* nothing more is received; closed when the store is sent up to `cut_at` */
    uint64_t cut_at;
    int64_t held_ns;                /* since when answers are kept back; 0: there are none */
    uint32_t received;              /* bytes in `receive` */
    uint32_t control_size;          /* bytes to send before the store's */
    uint32_t control_sent;
    uint64_t sent;                  /* offset in the store */
    int64_t heard_ns;
    int64_t spoke_ns;
    uint8_t control[SOUP_PORT_CONTROL_BYTES];
    uint8_t receive[SOUP_PORT_RECEIVE_BYTES];
};

struct soup_port_counters {
    uint64_t connections;
    uint64_t connections_refused;   /* no slot */
    uint64_t logins;
    uint64_t login_rejects;
    uint64_t superseded;            /* holders cut off by a newer login */
    uint64_t messages_in;           /* unsequenced data packets */
    uint64_t messages_out;
    uint64_t heartbeats_in;
    uint64_t heartbeats_out;
    uint64_t protocol_errors;       /* connections cut for breaking the protocol */
    uint64_t oversize_packets;      /* of them, for a length field above the maximum */
    uint64_t timeouts;              /* silent clients and logins that never came */
    uint64_t disconnects;
};

struct soup_port {
    struct soup_port_options options;
    char username[7], password[11], session[11];
    int listener;
    int32_t holder;                 /* index of the logged-in client, -1: none */
    bool ended;
    uint64_t store_size;
    uint64_t messages;              /* in the store; the next has number messages + 1 */
    int64_t accept_at_ns;
    int64_t hold_ns;                /* what the store gets is kept back so long, or SOUP_PORT_MUTE; it then leaves with
                                     * all that has come to it since */
    /* Called from soup_port_poll(); NULL where nobody wants to know. */
    void (*on_message)(void *context, const uint8_t *message, uint32_t length);
    char (*on_login)(void *context);  /* a login that is right so far: 0, or the reason to reject it */
    void (*on_gone)(void *context);   /* the holder's connection is closed */
    void *context;
    struct soup_port_counters counters;
    struct soup_port_client clients[SOUP_PORT_CLIENTS];
};

/* Listen. 0, or -errno with a line in `error` that names what was tried. */
int soup_port_open(struct soup_port *port, const struct soup_port_options *options, char *error,
                    uint32_t error_size);

/* Accept, receive (calling on_message for each unsequenced message), send, keep the timers. */
void soup_port_poll(struct soup_port *port, int64_t now_ns);

/* Only send what the store has for the holder; for whoever fills the store in pieces. */
void soup_port_push(struct soup_port *port, int64_t now_ns);

/* The name that logins are checked against and accepted with, up to 10 characters. */
void soup_port_name_session(struct soup_port *port, const char *session, uint32_t size);

/* Close the holder's connection, if there is one. */
void soup_port_cut(struct soup_port *port);

/* Messages committed that the holder's socket has not taken yet. */
static inline bool soup_port_pending(const struct soup_port *port) {
    return port->holder >= 0 && port->clients[port->holder].sent < port->store_size;
}

static inline uint64_t soup_port_pending_bytes(const struct soup_port *port) {
    return port->holder >= 0 ? port->store_size - port->clients[port->holder].sent : 0;
}

/* Close the holder's connection when `bytes` more of the store are sent, within a packet or not. What it sends from now
 * on is not looked at. May be called from on_message. */
void soup_port_cut_after(struct soup_port *port, uint64_t bytes);

static inline bool soup_port_room(const struct soup_port *port, uint64_t messages, uint64_t bytes) {
    return port->options.messages_max - port->messages >= messages &&
           port->options.store_bytes - port->store_size >= bytes + messages * SOUPBIN_HEADER_BYTES;
}

/* Where the next sequenced message is to be written; then commit its length. Check soup_port_room() first. */
static inline uint8_t *soup_port_message(struct soup_port *port) {
    return port->options.store + port->store_size + SOUPBIN_HEADER_BYTES;
}
void soup_port_commit(struct soup_port *port, uint32_t length);

/* End of session to the client (best effort), then close everything. */
void soup_port_close(struct soup_port *port);

/* The port in use (of interest when 0 was asked for). */
uint16_t soup_port_number(const struct soup_port *port);

#endif
