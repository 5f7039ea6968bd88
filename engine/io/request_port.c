#include "engine/io/request_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BUFFER_BYTES = 4 << 20 };

int request_port_open(struct request_port *port, const char *address, uint16_t number, char *error,
                      uint32_t error_bytes)
{
    const int buffer_bytes = RECEIVE_BUFFER_BYTES;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(number)};
    memset(port, 0, sizeof(*port));
    int result = inet_pton(AF_INET, address, &server.sin_addr) == 1 ? 0 : -EINVAL;
    port->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!result && port->socket < 0)
        result = -errno;
    if (!result && connect(port->socket, (struct sockaddr *)&server, sizeof(server)))
        result = -errno;
    if (result) {
        snprintf(error, error_bytes, "re-request server %s:%u: %s", address, number, strerror(-result));
        if (port->socket >= 0)
            close(port->socket);
        return result;
    }
    /* Best effort: without the privilege the kernel's own bound holds, and what is lost is asked for again. */
    if (setsockopt(port->socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)))
        setsockopt(port->socket, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
    port->kind = REQUEST_PORT_UDP;
    return 0;
}

void request_port_memory(struct request_port *port, uint8_t memory[REQUEST_PORT_MEMORY_BYTES])
{
    memset(port, 0, sizeof(*port));
    port->kind = REQUEST_PORT_MEMORY;
    port->memory = memory;
}

void request_port_close(struct request_port *port)
{
    if (port->kind == REQUEST_PORT_UDP)
        close(port->socket);
    port->kind = REQUEST_PORT_NONE;
}

bool request_port_send(struct request_port *port, const uint8_t *bytes, uint32_t length)
{
    bool sent = false;
    if (port->kind == REQUEST_PORT_UDP) {
        sent = send(port->socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
    } else if (port->kind == REQUEST_PORT_MEMORY && length <= REQUEST_PORT_MEMORY_BYTES - port->memory_count) {
        memcpy(port->memory + port->memory_count, bytes, length);
        port->memory_count += length;
        sent = true;
    }
    port->sent += sent;
    port->send_failures += !sent;
    return sent;
}

uint32_t request_port_receive(struct request_port *port, struct packet packets[REQUEST_PORT_BATCH])
{
    struct mmsghdr headers[REQUEST_PORT_BATCH];
    struct iovec vectors[REQUEST_PORT_BATCH];
    if (port->kind != REQUEST_PORT_UDP)
        return 0;
    for (uint32_t i = 0; i < REQUEST_PORT_BATCH; i++) {
        vectors[i] = (struct iovec){port->datagrams[i], REQUEST_PORT_DATAGRAM_BYTES};
        headers[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    /* An error is a port unreachable or the like: the request's time-out deals with it. */
    int received = recvmmsg(port->socket, headers, REQUEST_PORT_BATCH, MSG_DONTWAIT, NULL);
    uint32_t count = 0;
    for (int i = 0; i < received; i++) {
        if (headers[i].msg_hdr.msg_flags & MSG_TRUNC)
            port->truncated++;
        else
            packets[count++] = (struct packet){port->datagrams[i], headers[i].msg_len, NULL};
    }
    port->received += count;
    return count;
}
