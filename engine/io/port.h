/* A market-data port: one line of the feed, over the wire that `kind` names.
 *
 * port_receive() hands over what has arrived; the datagrams stay valid until port_release().
 * PORT_NONE never has anything: step-by-step runs hand datagrams to the engine directly.
 *
 * Live change of the wire (wire_watch.h): the watchdog's thread opens the other wire beside this one and writes `wish`;
 * the engine thread follows at its next poll, by writing `kind`. With PORT_BOTH and PORT_DPDK_BOTH it reads both, so that
 * nothing is lost while packets are turned from one to the other; what comes twice the feed drops. A wire belongs to the thread that
 * `kind` and `wish` name: the engine's while either has it, the watchdog's otherwise.
 */
#ifndef ENGINE_IO_PORT_H
#define ENGINE_IO_PORT_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/io/af_xdp.h"
#include "engine/io/dpdk.h"
#include "engine/io/kernel_udp.h"

enum port_kind { PORT_NONE = 0, PORT_AF_XDP = 1, PORT_KERNEL = 2, PORT_BOTH = 3, PORT_DPDK = 4, PORT_DPDK_BOTH = 5 };

struct port {
    _Atomic uint32_t kind; /* enum port_kind; written by the engine thread */
    _Atomic uint32_t wish; /* written by the watchdog, and before start */
    struct af_xdp af_xdp;
    struct kernel_udp kernel;
    struct dpdk dpdk;
};

/* What a DPDK port has lost, in the words of the other wires. */
static inline struct af_xdp_statistics port_dpdk_counters(const struct dpdk_statistics *dpdk)
{
    return (struct af_xdp_statistics){.dropped = dpdk->missed + dpdk->errors + dpdk->chained,
                                      .fill_empty = dpdk->no_buffer,
                                      .other_frames = dpdk->other_frames,
                                      .bad_checksums = dpdk->bad_checksums};
}

/* Before start, and where nobody else looks. */
static inline void port_set(struct port *port, enum port_kind kind)
{
    atomic_store_explicit(&port->wish, kind, memory_order_relaxed);
    atomic_store_explicit(&port->kind, kind, memory_order_relaxed);
}

static inline uint32_t port_receive(struct port *port, struct packet packets[PACKET_BATCH_MAX])
{
    uint32_t kind = atomic_load_explicit(&port->kind, memory_order_relaxed), count;
    uint32_t wish = atomic_load_explicit(&port->wish, memory_order_relaxed);
    if (__builtin_expect(wish != kind, 0)) {
        kind = atomic_load_explicit(&port->wish, memory_order_acquire);
        atomic_store_explicit(&port->kind, kind, memory_order_release);
    }
    switch (kind) {
    case PORT_AF_XDP:
        return af_xdp_receive(&port->af_xdp, packets);
    case PORT_KERNEL:
        return kernel_udp_receive(&port->kernel, packets);
    case PORT_BOTH:
        count = af_xdp_receive(&port->af_xdp, packets);
        return count || port->af_xdp.taken ? count : kernel_udp_receive(&port->kernel, packets);
    case PORT_DPDK:
        return dpdk_receive(&port->dpdk, packets);
    case PORT_DPDK_BOTH:
        count = dpdk_receive(&port->dpdk, packets);
        return count || port->dpdk.taken_count ? count : kernel_udp_receive(&port->kernel, packets);
    default:
        return 0;
    }
}

static inline void port_release(struct port *port)
{
    uint32_t kind = atomic_load_explicit(&port->kind, memory_order_relaxed);
    if (kind == PORT_AF_XDP || kind == PORT_BOTH)
        af_xdp_release(&port->af_xdp);
    else if (kind == PORT_DPDK || kind == PORT_DPDK_BOTH)
        dpdk_release(&port->dpdk);
}

#endif
