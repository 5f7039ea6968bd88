/* Market-data port over DPDK: one receive queue of one device, named by its devargs.
 *
 * A device is a PCI function ("0000:3b:00.1") or a virtual one ("net_memif0,role=client,..."): any poll-mode driver that
 * DPDK has. Received frames stay in DPDK's buffers until dpdk_release(); what is in them is judged as on AF_XDP
 * (packet.h: the feed's port, the UDP checksum). How many copies a driver makes on the way is its own affair: a network
 * card none, net_af_xdp none of its own, net_memif and net_af_packet one.
 *
 * The environment (EAL) is made once a process, at the first open, and stays until the process ends: DPDK cannot make a
 * second one. It has one logical core, the thread that opens first, and:
 *
 *   no telemetry, no shared configuration, no files: nothing is left behind however the process ends;
 *   no PCI, unless a device is a PCI one; then that device alone;
 *   huge pages when they are there (DPDK_HUGE_AUTO), never, or always;
 *   its own threads (interrupts, memif's control socket) on any CPU of the process but the engine's.
 *
 * What DPDK, libbpf and libxdp would print is kept; the first line of it ends an error's sentence.
 *
 * Stamps: when the device offers RTE_ETH_RX_OFFLOAD_TIMESTAMP the frames that came with a stamp are counted, and the last
 * stamp is kept in the device's ticks. Their grade is "hw"; no virtual device offers any, which is reported as none.
 *
 * Leaving the port for kernel sockets and coming back (wire_watch.h) needs a device beside which the kernel still has the
 * interface, so only: net_af_packet, and net_af_xdp whose socket stands in a map that we were given. dpdk_fallback() says
 * it, with the reason where it cannot be.
 *
 * net_af_xdp's driver has libxdp put its socket into the map of a program that poses as libxdp's own (lab/tap). Where
 * `socket_map` is given, the socket is entered there as well, under `socket_key`: as an AF_XDP port does.
 *
 * Owner: the thread that polls; open and close may be called by the watchdog instead, while nobody polls. A poll is one
 * call of the driver; without packets 10 to 40 ns. No allocation after dpdk_open(), but for what a driver does.
 */
#ifndef ENGINE_IO_DPDK_H
#define ENGINE_IO_DPDK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/packet.h"

enum {
    DPDK_NAME_BYTES = 64,
    DPDK_DEVICE_BYTES = 512,   /* devargs */
    DPDK_RING_FRAMES = 4096,   /* receive backlog asked for; a driver may have less */
    DPDK_POOL_FRAMES = 8191,  /* buffers a port, 2,304 bytes each with their head: a ring, a batch, and what caches hold */
    DPDK_MEMORY_MB = 128,      /* reserved at start */
    DPDK_PORTS_MAX = 2,
};

enum dpdk_huge { DPDK_HUGE_AUTO = 0, DPDK_HUGE_NO = 1, DPDK_HUGE_YES = 2 };

struct rte_mbuf;
struct rte_mempool;

struct dpdk_options {
    const char *device;    /* devargs */
    const char *others;    /* devargs of the ports that are opened after this one, NULL: none. PCI devices are allowed once */
    const char *interface; /* beside which the kernel has the same wire; for the watchdog */
    uint32_t huge;         /* enum dpdk_huge; that of the first open holds */
    int cpu;               /* the engine's; -1: not pinned */
    int socket_map;        /* net_af_xdp: XSKMAP, or -1 */
    uint32_t socket_key;
    uint16_t port;         /* UDP destination port of the feed */
    uint32_t group;        /* its multicast group, network order; 0: any address */
};

struct dpdk_statistics {
    uint64_t received;      /* taken from the device; some forget their own count when the far end goes */
    uint64_t missed;        /* dropped by the device: no room (imissed) */
    uint64_t errors;        /* dropped by the device: bad (ierrors) */
    uint64_t no_buffer;     /* no buffer to receive into (rx_nombuf) */
    uint64_t other_frames;  /* not the feed */
    uint64_t bad_checksums; /* dropped by us */
    uint64_t chained;       /* longer than a buffer: dropped by us */
    uint64_t stamped;       /* came with a stamp of the device */
    uint64_t last_stamp;    /* in its ticks */
    uint32_t link_mbps;     /* 0: not told */
    bool link_up;
    bool stamps;            /* the device offers them */
    bool huge_pages;
    char driver[DPDK_NAME_BYTES];
    char name[DPDK_NAME_BYTES];
};

struct dpdk {
    struct rte_mbuf *taken[PACKET_BATCH_MAX];
    uint32_t taken_count;
    uint16_t number;
    uint16_t port;
    uint32_t group;
    bool open;
    bool stamps;
    int stamp_offset;       /* of the stamp in a buffer */
    uint64_t stamp_flag;
    uint64_t received;
    uint64_t other_frames;
    uint64_t bad_checksums;
    uint64_t chained;
    uint64_t stamped;
    uint64_t last_stamp;
    uint64_t empty_polls;   /* read by the watchdog: one more says that nothing waited */
    struct rte_mempool *pool;
    int socket;             /* net_af_xdp: the driver's; -1: none */
    int socket_map;         /* where we entered it; -1: nowhere */
    uint32_t socket_key;
    uint32_t ifindex;
    bool huge_pages;
    char driver[DPDK_NAME_BYTES];
    char name[DPDK_NAME_BYTES];
};

/* Whether this engine was built with DPDK, and which version: "" without. */
bool dpdk_built(void);
const char *dpdk_version(void);

/* Returns 0 or -errno with a sentence in `error`. */
int dpdk_open(struct dpdk *port, const struct dpdk_options *options, char *error, uint32_t error_bytes);
void dpdk_close(struct dpdk *port);

/* Takes what has arrived, at most PACKET_BATCH_MAX; returns the number of feed datagrams. */
uint32_t dpdk_receive(struct dpdk *port, struct packet packets[PACKET_BATCH_MAX]);

/* Gives the buffers of the last receive back. */
void dpdk_release(struct dpdk *port);

/* Sends a copy of one frame: the far end of a net_memif does so, and net_ring receives what it sent. Not for the hot path. */
bool dpdk_send(struct dpdk *port, const uint8_t *frame, uint32_t length);

void dpdk_statistics(const struct dpdk *port, struct dpdk_statistics *statistics);

/* Whether the port can be left for kernel sockets; when not, `error` says why. Of an open or a closed port's device. */
bool dpdk_fallback(const struct dpdk_options *options, char *error, uint32_t error_bytes);

/* From now on packets pass to the kernel alone, where that takes doing; those that wait can be read. */
void dpdk_withdraw(struct dpdk *port);

/* False when the driver's socket no longer gets the packets: as af_xdp_redirected(). True for other drivers. */
bool dpdk_redirected(const struct dpdk *port);

#endif
