/* MoldUDP64 1.00 downstream header: session, number of the first message, message count; message blocks follow.
 * Owner: any thread; no state. Heartbeat and end of session carry the *next* number and no blocks.
 * Specification: MoldUDP64 1.00, "Downstream packet". */
#ifndef TRAFFIC_WIRE_MOLDUDP64_H
#define TRAFFIC_WIRE_MOLDUDP64_H

#include <stdint.h>
#include <string.h>

#include "traffic/wire/bytes.h"

enum {
    MOLDUDP64_HEADER_BYTES = 20,
    MOLDUDP64_SESSION_BYTES = 10,
    MOLDUDP64_PAYLOAD_BYTES_MAX = 1472,  /* UDP payload of one Ethernet frame of 1500 bytes */
    MOLDUDP64_HEARTBEAT = 0,             /* message counts with a meaning of their own */
    MOLDUDP64_END_OF_SESSION = 0xFFFF,
    MOLDUDP64_COUNT_MAX = 0xFFFE,
};

static inline void moldudp64_put(uint8_t *out, const uint8_t *session, uint64_t sequence, uint16_t count) {
    memcpy(out, session, MOLDUDP64_SESSION_BYTES);
    store_be64(out + 10, sequence);
    store_be16(out + 18, count);
}

#endif
