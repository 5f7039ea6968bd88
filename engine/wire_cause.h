/* Why a port changed its wire. Stable numbers. */
#ifndef ENGINE_WIRE_CAUSE_H
#define ENGINE_WIRE_CAUSE_H

#include <stdint.h>

enum wire_cause {
    WIRE_CAUSE_NONE = 0,
    WIRE_CAUSE_COMMAND = 1,
    WIRE_CAUSE_CONNECTION_LOST = 2, /* reset, timed out, or closed by the gateway */
    WIRE_CAUSE_PROGRAM_GONE = 3,    /* packets are no longer redirected to our socket */
    WIRE_CAUSE_WIRE_DOWN = 4,       /* no carrier for longer than a flap */
    WIRE_CAUSE_STALLED = 5,         /* the hot loop stood still */
    WIRE_CAUSE_COUNT = 6,
};

const char *wire_cause_name(uint32_t cause);

#endif
