/* A market-data port: one line of the feed, over the wire chosen when it was opened.
 *
 * port_receive() hands over what has arrived; the datagrams stay valid until port_release().
 * PORT_NONE never has anything: step-by-step runs hand datagrams to the engine directly.
 */
#ifndef ENGINE_IO_PORT_H
#define ENGINE_IO_PORT_H

#include <stdint.h>

#include "engine/io/af_xdp.h"
#include "engine/io/kernel_udp.h"

enum port_kind { PORT_NONE = 0, PORT_AF_XDP = 1, PORT_KERNEL = 2 };

struct port {
    enum port_kind kind;
    union {
        struct af_xdp af_xdp;
        struct kernel_udp kernel;
    };
};

static inline uint32_t port_receive(struct port *port, struct packet packets[PACKET_BATCH_MAX])
{
    switch (port->kind) {
    case PORT_AF_XDP:
        return af_xdp_receive(&port->af_xdp, packets);
    case PORT_KERNEL:
        return kernel_udp_receive(&port->kernel, packets);
    default:
        return 0;
    }
}

static inline void port_release(struct port *port)
{
    if (port->kind == PORT_AF_XDP)
        af_xdp_release(&port->af_xdp);
}

#endif
