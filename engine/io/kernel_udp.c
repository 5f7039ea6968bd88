#include "engine/io/kernel_udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int join(int descriptor, const struct kernel_udp_options *options)
{
    const int one = 1, buffer = KERNEL_UDP_RECEIVE_BUFFER_BYTES;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    struct ip_mreqn membership = {.imr_ifindex = (int)if_nametoindex(options->interface)};
    if (membership.imr_ifindex == 0)
        return -errno;
    if (inet_pton(AF_INET, options->group, &address.sin_addr) != 1)
        return -EINVAL;
    membership.imr_multiaddr = address.sin_addr;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
        setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, options->interface,
                   (socklen_t)strlen(options->interface)) ||
        bind(descriptor, (struct sockaddr *)&address, sizeof(address)) ||
        setsockopt(descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)))
        return -errno;
    return 0;
}

int kernel_udp_open(struct kernel_udp *port, const struct kernel_udp_options *options, char *error,
                    uint32_t error_bytes)
{
    memset(port, 0, sizeof(*port));
    port->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result = port->socket < 0 ? -errno : join(port->socket, options);
    if (result) {
        snprintf(error, error_bytes, "interface %s: joining %s:%u: %s", options->interface, options->group,
                 options->port, strerror(-result));
        kernel_udp_close(port);
        return result;
    }
    for (unsigned i = 0; i < PACKET_BATCH_MAX; i++) {
        port->vectors[i] = (struct iovec){port->buffers[i], KERNEL_UDP_BYTES};
        port->messages[i].msg_hdr.msg_iov = &port->vectors[i];
        port->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return 0;
}

void kernel_udp_close(struct kernel_udp *port)
{
    if (port->socket >= 0)
        close(port->socket);
    port->socket = -1;
}

uint32_t kernel_udp_receive(struct kernel_udp *port, struct packet packets[PACKET_BATCH_MAX])
{
    int received = recvmmsg(port->socket, port->messages, PACKET_BATCH_MAX, MSG_DONTWAIT, NULL);
    uint32_t count = 0;
    for (int i = 0; i < received; i++) {
        if (port->messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
            port->truncated++;
            continue;
        }
        packets[count++] = (struct packet){port->buffers[i], port->messages[i].msg_len, NULL};
    }
    return count;
}

uint64_t kernel_udp_dropped(const struct kernel_udp *port)
{
    uint32_t counters[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(counters);
    if (getsockopt(port->socket, SOL_SOCKET, SO_MEMINFO, counters, &size))
        return 0;
    return counters[SK_MEMINFO_DROPS];
}
