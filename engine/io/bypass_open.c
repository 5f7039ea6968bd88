/* Opening and closing of the bypass wire: cold. See bypass_tcp.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/io/bypass_inside.h"

static struct bypass_tcp *the_only; /* lwIP's state is global */

/* Ports of ours that the kernel gives away too would be ours to steal. */
static int check_ports(char *error, uint32_t error_bytes)
{
    unsigned first = 0, last = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    int count = file ? fscanf(file, "%u %u", &first, &last) : 0;
    if (file)
        fclose(file);
    if (count == 2 && last < STEER_PORT_FIRST)
        return 0;
    snprintf(error, error_bytes,
             "bypass wire: the kernel gives away ports from %d on too: sysctl -w net.ipv4.ip_local_port_range='%u %d'",
             STEER_PORT_FIRST, count == 2 ? first : 32768, STEER_PORT_FIRST - 1);
    return -EADDRINUSE;
}

struct bypass_tcp *bypass_tcp_open(const char *address, uint16_t port, uint32_t queue, char *error,
                                   uint32_t error_bytes)
{
    struct bypass_tcp *bypass = aligned_alloc(64, (sizeof(*bypass) + 63) / 64 * 64);
    int result = bypass ? 0 : -ENOMEM;
    if (bypass)
        memset(bypass, 0, sizeof(*bypass)); /* touches every page */
    if (result || the_only) {
        result = result ? result : -EBUSY;
        snprintf(error, error_bytes, "bypass wire: %s",
                 result == -EBUSY ? "one connection a process, and there is one" : strerror(-result));
        free(bypass);
        errno = -result;
        return NULL;
    }
    bypass->peer_port = port;
    result = check_ports(error, error_bytes);
    if (!result)
        result = bypass_route_find(&bypass->route, address, port, BYPASS_TCP_RESOLVE_MS, error, error_bytes);
    if (!result) {
        const struct frame_port_options options = {
            .interface = bypass->route.interface,
            .queue = queue,
            .steer = {.local = bypass->route.local, .peer = bypass->route.peer, .peer_port = port},
        };
        result = frame_port_open(&bypass->frames, &options, error, error_bytes);
    }
    if (result) {
        free(bypass);
        errno = -result;
        return NULL;
    }
    if (getrandom(&bypass->port_offset, sizeof(bypass->port_offset), 0) != sizeof(bypass->port_offset))
        bypass->port_offset = (uint32_t)time(NULL);
    bypass->port_offset %= PORT_COUNT;
    bypass_frames_start(bypass);
    the_only = bypass;
    return bypass;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void bypass_tcp_close(struct bypass_tcp *bypass)
{
    if (!bypass)
        return;
    const struct timespec pause = {.tv_nsec = 100 * 1000};
    bypass_tcp_hang_up(bypass, false);
    uint64_t until_ns = monotonic_ns() + (bypass_tcp_steered(bypass) ? BYPASS_TCP_LINGER_NS : BYPASS_TCP_LINGER_DEAF_NS);
    while (tcp_active_pcbs && monotonic_ns() < until_ns) {
        bypass_tcp_poll(bypass, monotonic_ns());
        nanosleep(&pause, NULL);
    }
    netif_remove(&bypass->netif); /* resets what is left */
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
    frame_port_close(&bypass->frames);
    the_only = NULL;
    free(bypass);
}
