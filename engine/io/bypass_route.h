/* Which interface leads to a gateway, and what a userspace TCP must know of it; the kernel is asked once, at open. */
#ifndef ENGINE_IO_BYPASS_ROUTE_H
#define ENGINE_IO_BYPASS_ROUTE_H

#include <net/if.h>
#include <stdint.h>

enum { BYPASS_ETHERNET_BYTES = 6, BYPASS_MTU = 1500 };

struct bypass_route {
    char interface[IF_NAMESIZE];
    uint32_t local; /* IPv4, network order */
    uint32_t mask;
    uint32_t peer;
    uint8_t local_ethernet[BYPASS_ETHERNET_BYTES];
    uint8_t peer_ethernet[BYPASS_ETHERNET_BYTES];
};

/* Waits at most timeout_ms for the neighbour's Ethernet address. 0 or -errno with a sentence in `error`. */
int bypass_route_find(struct bypass_route *route, const char *address, uint16_t port, int timeout_ms, char *error,
                      uint32_t error_bytes);

#endif
