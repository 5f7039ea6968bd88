/* Fallback market-data port: one UDP socket that joined the feed's multicast group.
 *
 * Owner: the engine thread. Every poll is a recvmmsg() system call; datagrams are copied into buffers
 * that belong to the port. Larger datagrams than KERNEL_UDP_BYTES are truncated by the kernel, counted
 * and not handed over.
 */
#ifndef ENGINE_IO_KERNEL_UDP_H
#define ENGINE_IO_KERNEL_UDP_H

#include <stdint.h>
#include <sys/socket.h>

#include "engine/io/packet.h"

enum {
    KERNEL_UDP_BYTES = 2048,
    KERNEL_UDP_RECEIVE_BUFFER_BYTES = 16 << 20,
};

struct kernel_udp_options {
    const char *interface;
    const char *group; /* IPv4 multicast group, dotted */
    uint16_t port;
};

struct kernel_udp {
    int socket;
    uint64_t truncated;
    struct mmsghdr messages[PACKET_BATCH_MAX];
    struct iovec vectors[PACKET_BATCH_MAX];
    uint8_t buffers[PACKET_BATCH_MAX][KERNEL_UDP_BYTES];
};

int kernel_udp_open(struct kernel_udp *port, const struct kernel_udp_options *options, char *error,
                    uint32_t error_bytes);
void kernel_udp_close(struct kernel_udp *port);
uint32_t kernel_udp_receive(struct kernel_udp *port, struct packet packets[PACKET_BATCH_MAX]);

/* Datagrams that the kernel dropped at our socket (SO_MEMINFO). */
uint64_t kernel_udp_dropped(const struct kernel_udp *port);

#endif
