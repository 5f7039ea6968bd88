/* The short way out for one frame: a tap device of our own whose XDP program redirects what is written to the wire.
 *
 *     write(tap) -> copied into a page -> XDP program -> redirect -> the wire's driver        (no socket buffer anywhere)
 *     AF_XDP ring, copy mode -> sendto() -> socket buffer -> driver -> on a veth: copied once more for XDP at the far end
 *
 * Used only where the AF_XDP socket is in copy mode and the driver takes redirected frames (NDO_XMIT, which a veth has as
 * long as its far end runs an XDP program); with zero copy the ring itself is the short way. The device has no address,
 * is down to the kernel's protocols (no IPv6), and goes with the descriptor: nothing outlives a crash.
 *
 * A redirected frame that the driver refuses is lost without a word. So the door carries only segments that TCP would send
 * again, what is sent again goes over the ring, and the door is told how that went: until a segment has come through, one
 * loss closes it for good; afterwards FRAME_DOOR_MISSES without one that came through between them.
 *
 * A door that stands unused gets slow: after 300 us the way through the kernel takes twice as long as after 20, because
 * its code and its data have left the caches. frame_door_warm() walks it up to the program, which drops what is too short
 * to be a segment: nothing reaches the wire.
 *
 * Owner: the engine thread. Cost: one system call. Open and close are cold.
 */
#ifndef ENGINE_IO_FRAME_DOOR_H
#define ENGINE_IO_FRAME_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

enum {
    FRAME_DOOR_MISSES = 3,
    FRAME_DOOR_BYTES_MIN = 54, /* shorter ones end at the program: Ethernet, IP and TCP headers */
};

struct frame_door {
    bool usable;
    bool proven;     /* a segment has come through */
    uint32_t misses; /* losses since then */
    int tap;         /* descriptors; -1 = none */
    int map;
    int program;
    int link;
};

void frame_door_clear(struct frame_door *door);

/* 0, or -errno: the interface takes no redirected frames, or no tap can be made. What was made is taken back. */
int frame_door_open(struct frame_door *door, uint32_t ifindex);
void frame_door_close(struct frame_door *door);

/* A whole Ethernet frame leaves at once. False: it did not, the ring must do. */
static inline bool frame_door_send(const struct frame_door *door, const uint8_t *frame, uint32_t length)
{
    return write(door->tap, frame, length) == (ssize_t)length;
}

/* As if to send a frame, of which nothing leaves. */
static inline void frame_door_warm(const struct frame_door *door, const uint8_t frame[FRAME_DOOR_BYTES_MIN])
{
    if (write(door->tap, frame, FRAME_DOOR_BYTES_MIN - 1) < 0)
        return; /* nor would a segment: sending will find out */
}

/* What became of segments that went through the door: all arrived, or one had to be sent again. */
static inline void frame_door_judge(struct frame_door *door, bool arrived)
{
    if (arrived) {
        door->proven = true;
        door->misses = 0;
    } else if (!door->proven || ++door->misses >= FRAME_DOOR_MISSES) {
        door->usable = false;
    }
}

#endif
