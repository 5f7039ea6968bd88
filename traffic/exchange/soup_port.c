/* A SoupBinTCP server, polled. Essay and limits: soup_port.h. */
#include "traffic/exchange/soup_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic/wire/bytes.h"

int soup_port_open(struct soup_port *port, const struct soup_port_options *options, char *error,
                    uint32_t error_size) {
    int one = 1;
    memset(port, 0, sizeof *port);
    port->options = *options;
    soupbin_strip(port->username, (const uint8_t *)options->username, (uint32_t)strlen(options->username));
    soupbin_strip(port->password, (const uint8_t *)options->password, (uint32_t)strlen(options->password));
    soup_port_name_session(port, options->session, (uint32_t)strlen(options->session));
    port->holder = -1;
    for (int i = 0; i < SOUP_PORT_CLIENTS; i++)
        port->clients[i].socket = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port),
                                  .sin_addr = {options->address}};
    port->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (port->listener < 0 || setsockopt(port->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(port->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(port->listener, SOUP_PORT_CLIENTS) < 0) {
        int cause = errno;
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &options->address, text, sizeof text);
        snprintf(error, error_size, "%s: cannot listen on %s:%u: %s", options->name, text, options->port,
                 strerror(cause));
        if (port->listener >= 0)
            close(port->listener);
        port->listener = -1;
        return -cause;
    }
    return 0;
}

uint16_t soup_port_number(const struct soup_port *port) {
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(port->listener, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

void soup_port_name_session(struct soup_port *port, const char *session, uint32_t size) {
    soupbin_strip(port->session, (const uint8_t *)session, size);
}

void soup_port_commit(struct soup_port *port, uint32_t length) {
    uint8_t *packet = port->options.store + port->store_size;
    store_be16(packet, (uint16_t)(length + 1));
    packet[2] = 'S';
    if (port->options.offsets)
        port->options.offsets[port->messages] = port->store_size;
    port->messages++;
    port->store_size += SOUPBIN_HEADER_BYTES + length;
    port->counters.messages_out++;
}

static void drop_client(struct soup_port *port, struct soup_port_client *client) {
    close(client->socket);
    client->socket = -1;
    port->counters.disconnects++;
    if (!client->logged_in)
        return;
    client->logged_in = false;
    port->holder = -1;
    if (port->on_gone)
        port->on_gone(port->context);
}

void soup_port_cut(struct soup_port *port) {
    if (port->holder >= 0)
        drop_client(port, &port->clients[port->holder]);
}

void soup_port_cut_after(struct soup_port *port, uint64_t bytes) {
    if (port->holder < 0)
        return;
    struct soup_port_client *client = &port->clients[port->holder];
    client->cut = true;
    client->cut_at = client->sent + bytes;
}

/* Whether the store's bytes for this client must wait. */
static bool held(const struct soup_port *port, struct soup_port_client *client, int64_t now_ns) {
    if (port->hold_ns == 0 || client->sent == port->store_size) {
        client->held_ns = 0;
        return false;
    }
    if (client->held_ns == 0)
        client->held_ns = now_ns;
    return port->hold_ns == SOUP_PORT_MUTE || now_ns - client->held_ns < port->hold_ns;
}

static void accept_client(struct soup_port *port, int64_t now_ns) {
    int one = 1;
    int accepted = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return;
    for (int i = 0; i < SOUP_PORT_CLIENTS; i++) {
        struct soup_port_client *client = &port->clients[i];
        if (client->socket >= 0)
            continue;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        client->socket = accepted;
        client->logged_in = client->closing = client->cut = false;
        client->held_ns = 0;
        client->received = client->control_size = client->control_sent = 0;
        client->sent = 0;
        client->heard_ns = client->spoke_ns = now_ns;
        port->counters.connections++;
        return;
    }
    close(accepted);
    port->counters.connections_refused++;
}

static void reject_login(struct soup_port *port, struct soup_port_client *client, char reason) {
    client->control_size = soupbin_put_rejected(client->control, reason);
    client->closing = true;
    port->counters.login_rejects++;
}

/* Where a login continues: 0 asks for what is new, from the most recent message on. */
static uint64_t first_message(struct soup_port *port, uint64_t asked) {
    uint64_t next = port->messages + 1;
    if (asked == 0)
        asked = port->messages ? port->messages : 1;
    return asked < next ? asked : next;
}

static void log_in(struct soup_port *port, struct soup_port_client *client, const struct soupbin_login *login) {
    if (strcmp(login->username, port->username) != 0 || strcmp(login->password, port->password) != 0 ||
        (port->holder >= 0 && !port->options.newest_wins)) {
        reject_login(port, client, 'A');
        return;
    }
    if ((login->session[0] && strcmp(login->session, port->session) != 0) || port->ended) {
        reject_login(port, client, 'S');
        return;
    }
    if (port->holder >= 0) {
        port->counters.superseded++;
        soup_port_cut(port);
    }
    uint64_t first = 1;
    if (port->options.offsets) {
        first = first_message(port, login->sequence);
        client->sent = first == port->messages + 1 ? port->store_size : port->options.offsets[first - 1];
    } else {
        port->messages = port->store_size = client->sent = 0;
    }
    char reason = port->on_login ? port->on_login(port->context) : 0;
    if (reason) {
        reject_login(port, client, reason);
        return;
    }
    client->control_size = soupbin_put_accepted(client->control, port->session, first);
    client->logged_in = true;
    port->holder = (int32_t)(client - port->clients);
    port->counters.logins++;
}

/* One packet, type byte first. False: the connection is to be cut. */
static bool take_packet(struct soup_port *port, struct soup_port_client *client, const uint8_t *packet,
                        uint32_t length) {
    struct soupbin_login login;
    switch (packet[0]) {
    case '+':
        return true;
    case 'L':
        if (client->logged_in || client->closing || !soupbin_parse_login(packet, length, &login))
            break;
        log_in(port, client, &login);
        return true;
    case 'R':
        if (!client->logged_in)
            break;
        port->counters.heartbeats_in++;
        return true;
    case 'U':
        if (!client->logged_in || length < 2)
            break;
        port->counters.messages_in++;
        if (port->on_message)
            port->on_message(port->context, packet + 1, length - 1);
        return true;
    case 'O':
        return false;
    }
    port->counters.protocol_errors++;
    return false;
}

/* All whole packets in the buffer; the rest moves to its front. */
static bool take_packets(struct soup_port *port, struct soup_port_client *client) {
    uint32_t offset = 0;
    bool keep = true;
    while (keep && !client->closing && !client->cut && client->received - offset >= 2) {
        uint32_t length = load_be16(client->receive + offset);
        if (length == 0 || length > SOUPBIN_PACKET_LENGTH_MAX) {
            port->counters.protocol_errors++;
            port->counters.oversize_packets += length > 0;
            return false;
        }
        if (client->received - offset - 2 < length)
            break;
        keep = take_packet(port, client, client->receive + offset + 2, length);
        offset += 2 + length;
    }
    client->received -= offset;
    memmove(client->receive, client->receive + offset, client->received);
    return keep;
}

static bool receive_some(struct soup_port *port, struct soup_port_client *client, int64_t now_ns) {
    if (client->closing || client->cut)
        return true;
    ssize_t size = recv(client->socket, client->receive + client->received,
                        SOUP_PORT_RECEIVE_BYTES - client->received, MSG_DONTWAIT);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size == 0)
        return false;
    client->received += (uint32_t)size;
    client->heard_ns = now_ns;
    return take_packets(port, client);
}

/* Send [*sent, size) of `bytes`; false when the connection is gone. */
static bool send_some(struct soup_port_client *client, const uint8_t *bytes, uint64_t size, uint64_t *sent,
                      int64_t now_ns) {
    while (*sent < size) {
        ssize_t count = send(client->socket, bytes + *sent, size - *sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        *sent += (uint64_t)count;
        client->spoke_ns = now_ns;
    }
    return true;
}

static bool send_pending(struct soup_port *port, struct soup_port_client *client, int64_t now_ns) {
    if (client->control_sent < client->control_size) {
        uint64_t sent = client->control_sent;
        if (!send_some(client, client->control, client->control_size, &sent, now_ns))
            return false;
        client->control_sent = (uint32_t)sent;
        if (client->control_sent < client->control_size)
            return true;
    }
    if (client->closing)
        return false;
    if (!client->logged_in)
        return true;
    uint64_t end = port->store_size, most = port->options.send_bytes_max;
    if (most && end - client->sent > most)
        end = client->sent + most;
    if (client->cut && client->cut_at < end)
        end = client->cut_at;
    else if (!client->cut && held(port, client, now_ns))
        return true;
    if (!send_some(client, port->options.store, end, &client->sent, now_ns))
        return false;
    if (client->cut && client->sent >= client->cut_at)
        return false;
    if (client->sent == port->store_size)
        client->held_ns = 0;
    if (!port->options.offsets && client->sent == port->store_size)
        client->sent = port->store_size = 0;
    /* Heartbeats go between packets, so only when all is out; after a partial write there is no silence anyway. */
    if (client->sent == port->store_size && now_ns - client->spoke_ns >= SOUPBIN_SERVER_HEARTBEAT_NS) {
        client->control_size = soupbin_put_plain(client->control, 'H');
        client->control_sent = 0;
        client->spoke_ns = now_ns;
        port->counters.heartbeats_out++;
        return send_pending(port, client, now_ns);
    }
    return true;
}

void soup_port_push(struct soup_port *port, int64_t now_ns) {
    if (port->holder >= 0 && !send_pending(port, &port->clients[port->holder], now_ns))
        soup_port_cut(port);
}

void soup_port_poll(struct soup_port *port, int64_t now_ns) {
    if (port->listener < 0)
        return;
    if (now_ns >= port->accept_at_ns) {
        accept_client(port, now_ns);
        port->accept_at_ns = now_ns + SOUP_PORT_ACCEPT_EVERY_NS;
    }
    for (int i = 0; i < SOUP_PORT_CLIENTS; i++) {
        struct soup_port_client *client = &port->clients[i];
        if (client->socket < 0)
            continue;
        bool keep = receive_some(port, client, now_ns);
        keep = send_pending(port, client, now_ns) && keep;
        int64_t patience_ns = client->logged_in ? SOUPBIN_CLIENT_SILENCE_NS : SOUPBIN_LOGIN_WAIT_NS;
        if (keep && now_ns - client->heard_ns > patience_ns) {
            port->counters.timeouts++;
            keep = false;
        }
        if (!keep)
            drop_client(port, client);
    }
}

void soup_port_close(struct soup_port *port) {
    port->ended = true;
    for (int i = 0; i < SOUP_PORT_CLIENTS; i++) {
        struct soup_port_client *client = &port->clients[i];
        if (client->socket < 0)
            continue;
        if (client->logged_in && client->sent == port->store_size) {
            uint8_t packet[3];
            uint32_t size = soupbin_put_plain(packet, 'Z');
            if (send(client->socket, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                port->counters.protocol_errors += errno != EAGAIN && errno != EPIPE && errno != ECONNRESET;
        }
        drop_client(port, client);
    }
    if (port->listener >= 0)
        close(port->listener);
    port->listener = -1;
}
