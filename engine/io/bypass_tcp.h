/* TCP of our own on the bypass wire: lwIP's raw API over frames of AF_XDP, for the one order connection.
 *
 *     stream_send() -> segment (segment.h) -> frame -> transmit ring -> one kick; then tcp_write, tcp_output for the books
 *     bypass_tcp_poll() -> receive ring -> ip4_input -> bytes for stream_receive()
 *
 * Owner: the thread that polls; lwIP's own thread is never started (tcpip_init() is not called), so that nothing but
 * this thread runs its code: no lock, no wake-up, and no allocation (lwip_memory.h). lwIP keeps its state in
 * globals, hence one port a process: a second bypass_tcp_open() is refused with -EBUSY.
 *
 * Neighbour: the gateway must be on the interface's own network. Its Ethernet address is the kernel's, asked for at
 * open, and from then on that of the gateway's last frame. ARP stays with the kernel.
 *
 * Clocks: lwIP's timers run BYPASS_TCP_TICK_NS apart, 25 times as fast as it is made for: what it knows as 500 ms is
 * 20 ms here. So a retransmission comes at the earliest 20 ms after the segment (three duplicate acknowledgements
 * bring it at once), a SYN again after 120 ms, six times, an acknowledgement is delayed at most 10 ms, TIME_WAIT is
 * 4.8 s. A peer that acknowledges nothing for BYPASS_TCP_SILENCE_NS is given up with ETIMEDOUT. Nagle is off. The receive window is BYPASS_TCP_WINDOW.
 *
 * Acknowledgements: one that carries nothing else waits up to BYPASS_TCP_ACKNOWLEDGE_NS, and the next order takes it
 * along; a duplicate one, which tells the peer of a loss, never waits.
 *
 * Sent ahead: when nothing waits and the window is open, the next segment is known before lwIP has made it. It is written
 * from a template and leaves first; then lwIP writes down the same segment, which is recognised on its way out and not
 * sent twice. What is sent again after a loss is lwIP's. In every other case the segment takes the long way. One that is
 * sent ahead leaves through the door (frame_door.h) where there is one, all else over the ring.
 *
 * Warm: a poll that finds nothing rehearses a send every BYPASS_TCP_WARM_NS, up to where it would leave (frame_door.h).
 *
 * Cost of a send: one system call. Of a poll without frames: two loads, and now and then the rehearsal's system call. Specification: RFC 9293.
 */
#ifndef ENGINE_IO_BYPASS_TCP_H
#define ENGINE_IO_BYPASS_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/io/frame_port.h"

enum {
    BYPASS_TCP_WINDOW = 65535,
    BYPASS_TCP_TICK_NS = 10 * 1000 * 1000,
    BYPASS_TCP_ACKNOWLEDGE_NS = 100 * 1000,
    BYPASS_TCP_WARM_NS = 20 * 1000,
    BYPASS_TCP_LINGER_NS = 200 * 1000 * 1000, /* bypass_tcp_close(): for what has still to be acknowledged */
    BYPASS_TCP_LINGER_DEAF_NS = 5 * 1000 * 1000, /* without the program no acknowledgement can come */
    BYPASS_TCP_RESOLVE_MS = 1000,            /* for the kernel to find the gateway's Ethernet address */
};

#define BYPASS_TCP_SILENCE_NS 5000000000ull

struct bypass_tcp;

struct bypass_tcp_counters {
    struct frame_port_counters frames;
    uint64_t foreign_frames;    /* not of our connection, dropped */
    uint64_t acknowledgements;  /* sent alone */
    uint64_t acknowledgements_carried; /* left out because an order said the same */
    uint64_t sent_ahead;        /* segments that left before lwIP's books were written */
    uint64_t connects;
    uint64_t resets;            /* connections that the peer reset or that timed out */
    uint64_t memory_empty;      /* lwIP found no block */
    uint64_t memory_used;       /* 0: lwIP uses the C library's heap */
    bool guarded;               /* reset_guard.h */
    bool zero_copy;
    bool door;                  /* frame_door.h: usable at this moment */
    uint64_t sent_at_door;      /* of those sent ahead */
    uint64_t rehearsals;
    uint64_t door_misses;       /* looks that found such a segment being sent again */
};

/* False when the engine was built without lwIP. */
bool bypass_tcp_built(void);

/* The wire to a gateway: finds the interface that leads to it, its address and neighbour, and attaches. NULL on error
 * with a sentence in `error` and errno set. */
struct bypass_tcp *bypass_tcp_open(const char *address, uint16_t port, uint32_t queue, char *error,
                                   uint32_t error_bytes);

/* Lets a closed connection say good-bye for at most BYPASS_TCP_LINGER_NS, then resets it and takes everything down. */
void bypass_tcp_close(struct bypass_tcp *bypass);

/* Frames in, timers, acknowledgements that have waited long enough. */
void bypass_tcp_poll(struct bypass_tcp *bypass, uint64_t now_ns);

/* Begins to connect to the gateway: 0 or -errno. A connection before it is hung up. */
int bypass_tcp_connect(struct bypass_tcp *bypass);

/* 1: connected, 0: not yet, -errno: failed. */
int bypass_tcp_connected(const struct bypass_tcp *bypass);

/* True when an order sent now would leave at once: nothing waits, and the peer's window and ours have room. */
bool bypass_tcp_ready(const struct bypass_tcp *bypass);

/* All or nothing: `length` (at most 65535) when lwIP took the bytes, which leave at once or as soon as the peer's window
 * opens (bypass_tcp_ready() is false meanwhile); 0 when its buffer is full; -1 when the connection is dead. */
int64_t bypass_tcp_send(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length);

/* For benches: a frame as an order's, but with a checksum for which the far end throws it away, so that nothing but the wire
 * is in it. Through the door if it is wanted and usable, else over the ring. False: not connected, or the ring is full. */
bool bypass_tcp_bare_frame(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length, bool door);

/* Bytes that have arrived; 0 none now, -1 when there will be none: bypass_tcp_failure(). */
int64_t bypass_tcp_receive(struct bypass_tcp *bypass, uint8_t *bytes, uint32_t capacity);

/* Why the connection is dead: an errno, 0 = closed by the other side. */
int bypass_tcp_failure(const struct bypass_tcp *bypass);

/* Closes the connection as a socket does: what was sent is still delivered. `abort`: by a reset. */
void bypass_tcp_hang_up(struct bypass_tcp *bypass, bool abort);

/* The program is on the interface. Any thread. */
bool bypass_tcp_steered(const struct bypass_tcp *bypass);
const char *bypass_tcp_interface(const struct bypass_tcp *bypass);

void bypass_tcp_counters(const struct bypass_tcp *bypass, struct bypass_tcp_counters *counters);

#endif
