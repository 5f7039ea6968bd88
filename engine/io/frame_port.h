/* Whole frames in and out over one AF_XDP socket, with a short way out beside it: what a userspace TCP stands on.
 *
 * Receive: the frame is read where it landed, and its buffer goes back with frame_port_release(). Send: the frame
 * is copied into a buffer of the transmit ring; frame_port_kick() is the one system call that makes the kernel
 * look at the ring (copy mode has no other way). A full ring refuses the frame: TCP sends it again. In copy mode a frame
 * that TCP would miss if it were lost may take the short way (frame_door.h), as long as nothing waits in the ring.
 *
 * Owner: the engine thread; a poll without frames costs one load. Open and close are cold.
 */
#ifndef ENGINE_IO_FRAME_PORT_H
#define ENGINE_IO_FRAME_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <xdp/xsk.h>

#include "engine/io/frame_door.h"
#include "engine/io/reset_guard.h"
#include "engine/io/steer.h"

enum {
    FRAME_PORT_BYTES = 2048, /* one frame */
    FRAME_PORT_RECEIVE = 1024,
    FRAME_PORT_FILL = 2 * FRAME_PORT_RECEIVE, /* longer than there are buffers: see af_xdp.h */
    FRAME_PORT_SEND = 512,
    FRAME_PORT_BATCH = 32, /* taken per poll */
    FRAME_PORT_KICKS = 8,  /* system calls for one kick: the kernel takes a batch of the ring with each */
};

struct frame_port_options {
    const char *interface;
    uint32_t queue;
    struct steer_options steer;
};

struct frame_port_counters {
    uint64_t received;
    uint64_t sent;         /* put into the ring */
    uint64_t kicks;        /* system calls */
    uint64_t kick_retries; /* the kernel was busy: kicked again at the next poll */
    uint64_t send_full;    /* refused: no buffer came back */
};

struct frame_port {
    struct xsk_ring_cons receive;
    struct xsk_ring_prod fill;
    struct xsk_ring_prod send;
    struct xsk_ring_cons completion;
    uint8_t *memory;
    int descriptor;
    uint32_t taken;
    uint32_t position;
    bool unkicked; /* frames in the ring that the kernel has not been told of */
    uint32_t free_count;
    uint32_t free_frames[FRAME_PORT_SEND]; /* numbers of send buffers nobody uses */
    struct frame_port_counters counters;
    struct frame_door door;
    bool zero_copy;
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    struct steer steer;
    struct reset_guard guard;
    bool guarded; /* the kernel keeps quiet when the XDP program is gone */
};

/* 0 or -errno with a sentence in `error`. */
int frame_port_open(struct frame_port *port, const struct frame_port_options *options, char *error,
                    uint32_t error_bytes);
void frame_port_close(struct frame_port *port);

/* The kernel is told of what is in the ring. */
void frame_port_kick(struct frame_port *port);

/* A buffer to write a frame of at most FRAME_PORT_BYTES into; NULL when the ring is full. */
uint8_t *frame_port_reserve(struct frame_port *port);

/* The frame written into the reserved buffer goes into the ring; the kernel learns of it with the next kick. */
void frame_port_submit(struct frame_port *port, uint32_t length);

/* True when a frame may take the short way now. */
static inline bool frame_port_door_free(const struct frame_port *port)
{
    return port->door.usable && !port->unkicked;
}

/* Frames that have arrived, at most FRAME_PORT_BATCH. */
static inline uint32_t frame_port_receive(struct frame_port *port)
{
    port->taken = xsk_ring_cons__peek(&port->receive, FRAME_PORT_BATCH, &port->position);
    return port->taken;
}

/* Frame `index` of the last receive. */
static inline const uint8_t *frame_port_frame(struct frame_port *port, uint32_t index, uint32_t *length)
{
    const struct xdp_desc *descriptor = xsk_ring_cons__rx_desc(&port->receive, port->position + index);
    *length = descriptor->len;
    return port->memory + descriptor->addr;
}

void frame_port_release(struct frame_port *port);

#endif
