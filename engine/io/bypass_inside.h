/* What the files of bypass_tcp share: the wire's state, and the functions between them. Not for others. */
#ifndef ENGINE_IO_BYPASS_INSIDE_H
#define ENGINE_IO_BYPASS_INSIDE_H

#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include "engine/io/bypass_route.h"
#include "engine/io/bypass_tcp.h"
#include "engine/io/segment.h"

enum {
    ETHERNET_BYTES = 14,
    IP_BYTES = 20,
    TCP_BYTES_MIN = 20,
    RECEIVED_BYTES = 1 << 16, /* what the window allows, and a power of two */
    PORT_COUNT = 65536 - STEER_PORT_FIRST,
    PORT_TRIES = 1024,
    LATER_BYTES = 96,         /* a held acknowledgement: headers with all options */
    REHEARSAL_BYTES = 52,     /* as long as an order */
    CHECKSUM_AT = ETHERNET_BYTES + IP_BYTES + 16,
    ROOM_BYTES = 256,         /* in the peer's window, or the next order might wait */
};

_Static_assert((int)RECEIVED_BYTES > (int)BYPASS_TCP_WINDOW, "what the peer may send fits");
_Static_assert(TCP_WND <= (int)BYPASS_TCP_WINDOW, "lwIP was built with the window documented here");

enum state { STATE_CLOSED, STATE_CONNECTING, STATE_OPEN };

struct bypass_tcp {
    struct frame_port frames;
    struct tcp_pcb *pcb;
    enum state state;
    bool finished; /* the peer sends no more */
    int failure;
    uint64_t now_ns;
    uint64_t tick_ns;
    uint64_t held_ns;
    uint64_t warm_ns;      /* the door was used */
    uint64_t heard_ns;     /* the peer acknowledged something, or nothing was owed */
    uint32_t heard_number;
    uint32_t held_bytes; /* an acknowledgement waits for an order to take it along */
    uint32_t acknowledged; /* number that the last segment sent has acknowledged; 0: none, the first never waits */
    uint16_t local_port;
    uint16_t peer_port;
    uint32_t received_head; /* free-running: bytes written, bytes taken */
    uint32_t received_tail;
    uint32_t connect_count;
    uint32_t port_offset;
    bool ahead;             /* lwIP is writing down a segment that has left already: */
    uint32_t ahead_sequence;
    uint32_t ahead_bytes;
    bool at_door;           /* segments up to this number went through the door and have not been judged: */
    uint32_t at_door_end;
    struct segment_template segment;
    struct bypass_route route;
    struct bypass_tcp_counters counters;
    struct netif netif;
    uint8_t held[LATER_BYTES];
    uint8_t door_frame[SEGMENT_HEADER_BYTES + ROOM_BYTES];
    uint8_t received[RECEIVED_BYTES];
};

/* bypass_frames.c */

/* Makes the interface known to lwIP; frames go out through send_packet() from then on. */
void bypass_frames_start(struct bypass_tcp *bypass);

/* Takes what has arrived, all of it into lwIP, which calls back. Frames taken. */
uint32_t bypass_frames_take(struct bypass_tcp *bypass);

/* The Ethernet addresses of a frame to the gateway. */
void bypass_frames_address(const struct bypass_tcp *bypass, uint8_t *frame);

/* An acknowledgement that has been put aside leaves. */
void bypass_frames_release_held(struct bypass_tcp *bypass);

#endif
