/* The XDP program of an order interface: segments of the bypass connection to its socket, all else to the kernel.
 *
 * Bypass and kernel share the interface's address and are told apart by our port: the bypass uses ports from
 * STEER_PORT_FIRST on, which the kernel gives to nobody (net.ipv4.ip_local_port_range ends below). So both
 * transports can be up side by side, and the kernel never sees, and never resets, a segment that is not its own.
 * ARP stays with the kernel. Without a socket in the map every packet passes: that is the fallback.
 *
 * steer_load() makes program and map, steer_attach() puts the program on the interface until the link is closed.
 * Neither the program nor the map outlives the descriptors. Cold: called before start and by the watchdog.
 */
#ifndef ENGINE_IO_STEER_H
#define ENGINE_IO_STEER_H

#include <stdbool.h>
#include <stdint.h>

enum { STEER_PORT_FIRST = 61000, STEER_QUEUE_COUNT = 64 };

struct steer_options {
    uint32_t local; /* IPv4 addresses, network order */
    uint32_t peer;
    uint16_t peer_port; /* host order */
};

struct steer {
    int program;
    int map; /* XSKMAP: key = queue */
    int link;
};

void steer_clear(struct steer *steer);

/* 0 or -errno; what was made is taken back by steer_close(). */
int steer_load(struct steer *steer, const struct steer_options *options);
int steer_attach(struct steer *steer, uint32_t ifindex);
int steer_enter(const struct steer *steer, uint32_t queue, int socket);
void steer_close(struct steer *steer);

/* True while the program is on its interface: the link was not detached, the interface not deleted. */
bool steer_attached(const struct steer *steer);

#endif
