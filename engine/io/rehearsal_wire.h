/* A veth pair that leads nowhere, in a network namespace without a name: where rehearsals of the door (frame_door.h) end.
 *
 * Only beside a wire that is itself a veth: then a rehearsal walks the code that a segment walks, through the redirect, the
 * driver and the far end's XDP program, which drops it. Nobody sees the pair, and it goes with the descriptors: nothing
 * outlives a crash. Cold: opening makes a namespace, some milliseconds.
 */
#ifndef ENGINE_IO_REHEARSAL_WIRE_H
#define ENGINE_IO_REHEARSAL_WIRE_H

#include <stdint.h>

struct rehearsal_wire {
    int space; /* descriptors; -1 = none */
    int program;
    int link;
};

void rehearsal_wire_clear(struct rehearsal_wire *wire);

/* Enters the near end into a DEVMAP. 0 or -errno: `ifindex` is no veth, or none can be made. */
int rehearsal_wire_open(struct rehearsal_wire *wire, uint32_t ifindex, int map, uint32_t key);
void rehearsal_wire_close(struct rehearsal_wire *wire);

#endif
