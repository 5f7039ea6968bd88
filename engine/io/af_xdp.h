/* Kernel-bypass market-data port: one AF_XDP socket on one queue of one interface.
 *
 * The frame memory is shared with the kernel; a received frame is read where it landed and its buffer
 * goes back with af_xdp_release(). Zero copy is used where the driver has it, copy mode otherwise:
 * `zero_copy` says which one the kernel gave. The redirecting XDP program is either one that is already
 * on the interface (its XSKMAP is handed in as `socket_map`), or the port attaches a minimal one of its
 * own, which lives as long as this process.
 *
 * Owner: the engine thread. A poll without packets costs one load of the ring's producer index.
 */
#ifndef ENGINE_IO_AF_XDP_H
#define ENGINE_IO_AF_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include <xdp/xsk.h>

#include "engine/io/packet.h"

enum {
    AF_XDP_FRAME_BYTES = 2048, /* one frame; larger frames never reach the socket */
    AF_XDP_FRAME_COUNT = 4096, /* receive backlog: a full ring drops in the kernel and is counted there */
    /* The kernel hands a frame over before it says that it took its buffer off the fill ring: with a ring as long as there
     * are buffers, the buffer given back at that moment would find no room. */
    AF_XDP_FILL_COUNT = 2 * AF_XDP_FRAME_COUNT,
};

struct af_xdp_options {
    const char *interface;
    uint32_t queue;
    int socket_map;      /* XSKMAP of the program on the interface, or -1: attach our own */
    uint32_t socket_key; /* our place in socket_map */
    uint16_t port;       /* UDP destination port of the feed */
    uint32_t group;      /* its multicast group, network order; 0: any address */
};

struct af_xdp_statistics {
    uint64_t dropped;       /* by the kernel: no room or bad */
    uint64_t ring_full;
    uint64_t fill_empty;
    uint64_t other_frames;  /* redirected to us but not the feed */
    uint64_t bad_checksums; /* dropped by us */
};

struct af_xdp {
    struct xsk_ring_cons receive;
    struct xsk_ring_prod fill;
    struct xsk_ring_cons completion;
    uint8_t *memory;
    uint32_t taken;    /* descriptors between receive and release */
    uint32_t position; /* of the first taken descriptor */
    uint32_t group;
    uint16_t port;
    bool zero_copy;
    uint64_t other_frames;
    uint64_t bad_checksums;
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    int program; /* descriptors of our own program, its map and its link; -1 = none */
    int map;
    int link;
    int entered_map; /* where our socket stands, and its key there */
    uint32_t entered_key;
    uint32_t ifindex;
};

/* Returns 0 or -errno with a sentence in `error`. A queue that somebody has is tried again for half a second. */
int af_xdp_open(struct af_xdp *port, const struct af_xdp_options *options, char *error, uint32_t error_bytes);
void af_xdp_close(struct af_xdp *port);

/* Takes the socket out of the program's map: from now on packets pass to the kernel; those that wait can be read. */
void af_xdp_withdraw(struct af_xdp *port);

/* True while packets are redirected to our socket: a program is on the interface and its map has our socket. The check
 * costs some system calls: for the watchdog. */
bool af_xdp_redirected(const struct af_xdp *port);

/* Packets that wait in the ring. Any thread. */
uint32_t af_xdp_waiting(const struct af_xdp *port);

void af_xdp_statistics(const struct af_xdp *port, struct af_xdp_statistics *statistics);

/* Takes what has arrived, at most PACKET_BATCH_MAX; returns the number of feed datagrams. */
static inline uint32_t af_xdp_receive(struct af_xdp *port, struct packet packets[PACKET_BATCH_MAX])
{
    uint32_t count = 0;
    port->taken = xsk_ring_cons__peek(&port->receive, PACKET_BATCH_MAX, &port->position);
    for (uint32_t i = 0; i < port->taken; i++) {
        const struct xdp_desc *descriptor = xsk_ring_cons__rx_desc(&port->receive, port->position + i);
        const uint8_t *frame = port->memory + descriptor->addr;
        if (!frame_of_feed(frame, descriptor->len, port->port, port->group, &packets[count]))
            port->other_frames++;
        else if (!frame_checksum_good(&packets[count]))
            port->bad_checksums++;
        else
            count++;
    }
    return count;
}

/* Gives the buffers of the last receive back to the kernel. */
static inline void af_xdp_release(struct af_xdp *port)
{
    uint32_t slot;
    if (!port->taken || xsk_ring_prod__reserve(&port->fill, port->taken, &slot) != port->taken)
        return;
    for (uint32_t i = 0; i < port->taken; i++) {
        uint64_t address = xsk_ring_cons__rx_desc(&port->receive, port->position + i)->addr;
        *xsk_ring_prod__fill_addr(&port->fill, slot + i) = address & ~(uint64_t)(AF_XDP_FRAME_BYTES - 1);
    }
    xsk_ring_prod__submit(&port->fill, port->taken);
    xsk_ring_cons__release(&port->receive, port->taken);
    port->taken = 0;
}

#endif
