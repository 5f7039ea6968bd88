/* MoldUDP64 1.00, receiver's side: one downstream datagram (UDP payload) in, one request out.
 *
 *     0        10         18        20
 *     | session | sequence |  count  | block | block | ...     block = u16 length, then the bytes
 *
 * Everything is big-endian. `count` 0 is a heartbeat and 0xFFFF the end of the session; both carry the number
 * of the *next* message and no block. There is no checksum and no total length, so moldudp64_parse() walks every
 * block against the datagram's end before anything of it may be used: a datagram is taken whole or not at all.
 * A block of length 0 is legal and takes a sequence number.
 *
 * Pure functions, any thread. Cost: one pass over the block lengths, about 1 ns a block.
 * Specification: MoldUDP64 1.00, "Downstream packet" and "Request packet".
 */
#ifndef ENGINE_FEED_MOLDUDP64_H
#define ENGINE_FEED_MOLDUDP64_H

#include <stdint.h>

#define MOLDUDP64_HEADER_SIZE 20u
#define MOLDUDP64_SESSION_SIZE 10u
#define MOLDUDP64_BLOCK_HEADER_SIZE 2u
#define MOLDUDP64_REQUEST_SIZE 20u
#define MOLDUDP64_COUNT_HEARTBEAT 0u
#define MOLDUDP64_COUNT_END 0xFFFFu

/* One name per way in which a datagram can be wrong. */
enum moldudp64_outcome {
    MOLDUDP64_VALID = 0,
    MOLDUDP64_SHORT_HEADER = 1,      /* fewer than 20 bytes */
    MOLDUDP64_BLOCK_MISSING = 2,     /* ends cleanly after fewer blocks than counted */
    MOLDUDP64_LENGTH_CUT = 3,        /* ends inside a block's two length bytes */
    MOLDUDP64_DATA_CUT = 4,          /* a block is longer than what is left */
    MOLDUDP64_TRAILING_BYTES = 5,    /* bytes after the last block, or after a heartbeat's header */
    MOLDUDP64_SEQUENCE_OVERFLOW = 6, /* sequence + count does not fit in 64 bits */
    MOLDUDP64_OUTCOME_COUNT = 7,
};

struct moldudp64_packet {
    const uint8_t *session;  /* 10 bytes, inside the datagram */
    const uint8_t *blocks;   /* first block, inside the datagram */
    uint64_t sequence;       /* number of the first message, or of the next one to come */
    uint64_t next_sequence;  /* number after the last message; = sequence when there is none */
    uint32_t length;         /* bytes of the whole datagram */
    uint16_t count;          /* messages carried: 0 for heartbeat and end of session */
    uint16_t wire_count;     /* the count field as sent */
};

/* Fill *packet and say MOLDUDP64_VALID, or name the fault and leave *packet unspecified. */
enum moldudp64_outcome moldudp64_parse(const uint8_t *datagram, uint32_t length, struct moldudp64_packet *packet);

/* A request for `count` messages from `sequence` on: the layout of a header without blocks. */
void moldudp64_put_request(uint8_t request[MOLDUDP64_REQUEST_SIZE], const uint8_t *session, uint64_t sequence,
                           uint16_t count);

/* Lower-case name of an outcome, "unknown" out of range. Static storage. */
const char *moldudp64_outcome_name(enum moldudp64_outcome outcome);

#endif
