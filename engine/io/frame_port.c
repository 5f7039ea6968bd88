#include "engine/io/frame_port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/if_xdp.h>

enum { FRAME_COUNT = FRAME_PORT_RECEIVE + FRAME_PORT_SEND };
#define MEMORY_BYTES ((size_t)FRAME_COUNT * FRAME_PORT_BYTES)

static int create_socket(struct frame_port *port, const struct frame_port_options *options)
{
    const struct xsk_umem_config memory_config = {
        .fill_size = FRAME_PORT_FILL,
        .comp_size = FRAME_PORT_SEND,
        .frame_size = FRAME_PORT_BYTES,
    };
    const struct xsk_socket_config socket_config = {
        .rx_size = FRAME_PORT_RECEIVE,
        .tx_size = FRAME_PORT_SEND,
        .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
    };
    port->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (port->memory == MAP_FAILED) {
        port->memory = NULL;
        return -errno;
    }
    int result = xsk_umem__create(&port->umem, port->memory, MEMORY_BYTES, &port->fill, &port->completion,
                                  &memory_config);
    if (!result)
        result = xsk_socket__create(&port->socket, options->interface, options->queue, port->umem, &port->receive,
                                    &port->send, &socket_config);
    return result;
}

/* With zero copy nothing is shorter than the ring. Without the door the port is whole too. */
static void open_door(struct frame_port *port, uint32_t ifindex)
{
    struct xdp_options granted = {0};
    socklen_t size = sizeof(granted);
    if (getsockopt(port->descriptor, SOL_XDP, XDP_OPTIONS, &granted, &size) == 0)
        port->zero_copy = (granted.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    if (!port->zero_copy)
        frame_door_open(&port->door, ifindex);
}

static void fill_all(struct frame_port *port)
{
    uint32_t slot;
    if (xsk_ring_prod__reserve(&port->fill, FRAME_PORT_RECEIVE, &slot) == FRAME_PORT_RECEIVE) {
        for (uint32_t i = 0; i < FRAME_PORT_RECEIVE; i++)
            *xsk_ring_prod__fill_addr(&port->fill, slot + i) = (uint64_t)i * FRAME_PORT_BYTES;
        xsk_ring_prod__submit(&port->fill, FRAME_PORT_RECEIVE);
    }
    for (uint32_t i = 0; i < FRAME_PORT_SEND; i++)
        port->free_frames[i] = FRAME_PORT_RECEIVE + i;
    port->free_count = FRAME_PORT_SEND;
}

int frame_port_open(struct frame_port *port, const struct frame_port_options *options, char *error,
                    uint32_t error_bytes)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    const char *step = "finding the interface";
    memset(port, 0, sizeof(*port));
    steer_clear(&port->steer);
    reset_guard_clear(&port->guard);
    frame_door_clear(&port->door);
    setrlimit(RLIMIT_MEMLOCK, &unlimited);

    uint32_t ifindex = if_nametoindex(options->interface);
    int result = ifindex ? 0 : -errno;
    if (!result) {
        step = "loading the XDP program";
        result = steer_load(&port->steer, &options->steer);
    }
    if (!result) {
        step = "attaching the XDP program";
        result = steer_attach(&port->steer, ifindex);
    }
    if (!result)
        port->guarded = reset_guard_attach(&port->guard, &options->steer, ifindex) == 0;
    if (!result) {
        step = "opening the AF_XDP socket";
        result = create_socket(port, options);
    }
    if (!result) {
        step = "entering the socket into the XDP program's map";
        fill_all(port);
        port->descriptor = xsk_socket__fd(port->socket);
        result = steer_enter(&port->steer, options->queue, port->descriptor);
    }
    if (result) {
        snprintf(error, error_bytes, "interface %s queue %u: %s: %s", options->interface, options->queue, step,
                 strerror(-result));
        frame_port_close(port);
    } else {
        open_door(port, ifindex);
    }
    return result;
}

void frame_port_close(struct frame_port *port)
{
    const struct frame_port_counters counters = port->counters;
    if (port->socket)
        xsk_socket__delete(port->socket);
    if (port->umem)
        xsk_umem__delete(port->umem);
    if (port->memory)
        munmap(port->memory, MEMORY_BYTES);
    steer_close(&port->steer);
    reset_guard_close(&port->guard);
    frame_door_close(&port->door);
    memset(port, 0, sizeof(*port));
    steer_clear(&port->steer);
    reset_guard_clear(&port->guard);
    frame_door_clear(&port->door);
    port->counters = counters;
}

/* Buffers that the kernel has done with. */
static void collect(struct frame_port *port)
{
    uint32_t position, count = xsk_ring_cons__peek(&port->completion, FRAME_PORT_SEND, &position);
    for (uint32_t i = 0; i < count && port->free_count < FRAME_PORT_SEND; i++) {
        uint64_t address = *xsk_ring_cons__comp_addr(&port->completion, position + i);
        port->free_frames[port->free_count++] = (uint32_t)(address / FRAME_PORT_BYTES);
    }
    if (count)
        xsk_ring_cons__release(&port->completion, count);
}

uint8_t *frame_port_reserve(struct frame_port *port)
{
    if (port->free_count == 0)
        collect(port);
    if (port->free_count == 0) {
        port->counters.send_full++;
        return NULL;
    }
    return port->memory + (size_t)port->free_frames[port->free_count - 1] * FRAME_PORT_BYTES;
}

void frame_port_submit(struct frame_port *port, uint32_t length)
{
    uint32_t slot;
    if (xsk_ring_prod__reserve(&port->send, 1, &slot) != 1) {
        port->counters.send_full++; /* the ring is as large as the buffers are many: only a stuck kernel */
        return;
    }
    struct xdp_desc *descriptor = xsk_ring_prod__tx_desc(&port->send, slot);
    *descriptor = (struct xdp_desc){
        .addr = (uint64_t)port->free_frames[--port->free_count] * FRAME_PORT_BYTES,
        .len = length,
    };
    xsk_ring_prod__submit(&port->send, 1);
    port->unkicked = true;
    port->counters.sent++;
}

void frame_port_kick(struct frame_port *port)
{
    for (unsigned i = 0; i < FRAME_PORT_KICKS && port->unkicked; i++) {
        port->counters.kicks++;
        ssize_t result = sendto(port->descriptor, NULL, 0, MSG_DONTWAIT, NULL, 0);
        port->unkicked = result < 0 && (errno == EAGAIN || errno == EBUSY || errno == ENOBUFS);
        if (port->unkicked)
            port->counters.kick_retries++;
    }
    collect(port);
}

void frame_port_release(struct frame_port *port)
{
    uint32_t slot;
    if (!port->taken || xsk_ring_prod__reserve(&port->fill, port->taken, &slot) != port->taken)
        return;
    for (uint32_t i = 0; i < port->taken; i++) {
        uint64_t address = xsk_ring_cons__rx_desc(&port->receive, port->position + i)->addr;
        *xsk_ring_prod__fill_addr(&port->fill, slot + i) = address & ~(uint64_t)(FRAME_PORT_BYTES - 1);
    }
    xsk_ring_prod__submit(&port->fill, port->taken);
    xsk_ring_cons__release(&port->receive, port->taken);
    port->counters.received += port->taken;
    port->taken = 0;
}
