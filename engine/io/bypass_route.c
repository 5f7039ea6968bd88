#include "engine/io/bypass_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 5, DISCARD_PORT = 9 };

static struct sockaddr_in ipv4(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {address}};
}

/* The address that the kernel would send from. */
static int find_local(int descriptor, struct bypass_route *route, uint16_t port)
{
    struct sockaddr_in peer = ipv4(route->peer, port), local;
    socklen_t size = sizeof(local);
    if (connect(descriptor, (struct sockaddr *)&peer, sizeof(peer)) ||
        getsockname(descriptor, (struct sockaddr *)&local, &size))
        return -errno;
    route->local = local.sin_addr.s_addr;
    return 0;
}

static int find_interface(struct bypass_route *route)
{
    struct ifaddrs *all;
    if (getifaddrs(&all))
        return -errno;
    int result = -ENODEV;
    for (const struct ifaddrs *one = all; one && result; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || !one->ifa_netmask ||
            (one->ifa_flags & IFF_LOOPBACK))
            continue;
        if (((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr.s_addr != route->local)
            continue;
        route->mask = ((const struct sockaddr_in *)(const void *)one->ifa_netmask)->sin_addr.s_addr;
        snprintf(route->interface, sizeof(route->interface), "%s", one->ifa_name);
        result = 0;
    }
    freeifaddrs(all);
    if (!result && ((route->local ^ route->peer) & route->mask))
        result = -ENETUNREACH;
    return result;
}

static int find_own_ethernet(int descriptor, struct bypass_route *route)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, route->interface, sizeof(request.ifr_name));
    if (ioctl(descriptor, SIOCGIFHWADDR, &request))
        return -errno;
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return -EPROTONOSUPPORT;
    memcpy(route->local_ethernet, request.ifr_hwaddr.sa_data, BYPASS_ETHERNET_BYTES);
    if (ioctl(descriptor, SIOCGIFMTU, &request))
        return -errno;
    return request.ifr_mtu < BYPASS_MTU ? -EMSGSIZE : 0;
}

static bool look_up(int descriptor, struct bypass_route *route)
{
    struct arpreq request = {0};
    struct sockaddr_in peer = ipv4(route->peer, 0);
    memcpy(&request.arp_pa, &peer, sizeof(peer));
    memcpy(request.arp_dev, route->interface, sizeof(request.arp_dev));
    if (ioctl(descriptor, SIOCGARP, &request) || !(request.arp_flags & ATF_COM))
        return false;
    memcpy(route->peer_ethernet, request.arp_ha.sa_data, BYPASS_ETHERNET_BYTES);
    return true;
}

/* A byte to the discard port makes the kernel ask the wire for the neighbour. */
static int find_neighbour(int descriptor, struct bypass_route *route, int timeout_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000 * 1000};
    const struct sockaddr_in discard = ipv4(route->peer, DISCARD_PORT);
    for (int waited = 0; !look_up(descriptor, route); waited += LOOK_MS) {
        if (waited >= timeout_ms)
            return -EHOSTUNREACH;
        if (waited == 0)
            (void)!sendto(descriptor, "", 1, MSG_DONTWAIT, (const struct sockaddr *)&discard, sizeof(discard));
        nanosleep(&pause, NULL);
    }
    return 0;
}

int bypass_route_find(struct bypass_route *route, const char *address, uint16_t port, int timeout_ms, char *error,
                      uint32_t error_bytes)
{
    const char *step = "address";
    memset(route, 0, sizeof(*route));
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result = descriptor < 0 ? -errno : inet_pton(AF_INET, address, &route->peer) == 1 ? 0 : -EINVAL;
    if (!result) {
        step = "route to it";
        result = find_local(descriptor, route, port);
    }
    if (!result) {
        step = "an Ethernet interface on its own network (use the kernel's TCP for a gateway behind a router)";
        result = find_interface(route);
    }
    if (!result) {
        step = "an Ethernet interface with an MTU of 1500 or more";
        result = find_own_ethernet(descriptor, route);
    }
    if (!result) {
        step = "its Ethernet address";
        result = find_neighbour(descriptor, route, timeout_ms);
    }
    if (descriptor >= 0)
        close(descriptor);
    if (result)
        snprintf(error, error_bytes, "order gateway %s:%u over the bypass wire: %s: %s", address, port, step,
                 strerror(-result));
    return result;
}
