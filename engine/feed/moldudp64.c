/* MoldUDP64 1.00 datagram check; the contract is in moldudp64.h. */
#include "engine/feed/moldudp64.h"

#include <string.h>

#include "engine/feed/bytes.h"

enum moldudp64_outcome moldudp64_parse(const uint8_t *datagram, uint32_t length, struct moldudp64_packet *packet)
{
    if (length < MOLDUDP64_HEADER_SIZE)
        return MOLDUDP64_SHORT_HEADER;

    uint16_t wire_count = bytes_load_u16(datagram + 18);
    uint16_t count = wire_count == MOLDUDP64_COUNT_END ? 0 : wire_count;
    uint64_t sequence = bytes_load_u64(datagram + 10);

    if (sequence > UINT64_MAX - count)
        return MOLDUDP64_SEQUENCE_OVERFLOW;

    uint32_t offset = MOLDUDP64_HEADER_SIZE;

    /* Bounded by count, and by the datagram: every turn takes at least two bytes of it. */
    for (uint32_t block = 0; block < count; block++) {
        uint32_t left = length - offset;

        if (left < MOLDUDP64_BLOCK_HEADER_SIZE)
            return left == 0 ? MOLDUDP64_BLOCK_MISSING : MOLDUDP64_LENGTH_CUT;
        uint32_t block_length = bytes_load_u16(datagram + offset);

        if (block_length > left - MOLDUDP64_BLOCK_HEADER_SIZE)
            return MOLDUDP64_DATA_CUT;
        offset += MOLDUDP64_BLOCK_HEADER_SIZE + block_length;
    }
    if (offset != length)
        return MOLDUDP64_TRAILING_BYTES;

    *packet = (struct moldudp64_packet){
        .session = datagram,
        .blocks = datagram + MOLDUDP64_HEADER_SIZE,
        .sequence = sequence,
        .next_sequence = sequence + count,
        .length = length,
        .count = count,
        .wire_count = wire_count,
    };
    return MOLDUDP64_VALID;
}

void moldudp64_put_request(uint8_t request[MOLDUDP64_REQUEST_SIZE], const uint8_t *session, uint64_t sequence,
                           uint16_t count)
{
    memcpy(request, session, MOLDUDP64_SESSION_SIZE);
    for (unsigned byte = 0; byte < 8; byte++)
        request[10 + byte] = (uint8_t)(sequence >> (56 - 8 * byte));
    request[18] = (uint8_t)(count >> 8);
    request[19] = (uint8_t)count;
}

const char *moldudp64_outcome_name(enum moldudp64_outcome outcome)
{
    static const char *const names[MOLDUDP64_OUTCOME_COUNT] = {
        [MOLDUDP64_VALID] = "valid",
        [MOLDUDP64_SHORT_HEADER] = "short_header",
        [MOLDUDP64_BLOCK_MISSING] = "block_missing",
        [MOLDUDP64_LENGTH_CUT] = "length_cut",
        [MOLDUDP64_DATA_CUT] = "data_cut",
        [MOLDUDP64_TRAILING_BYTES] = "trailing_bytes",
        [MOLDUDP64_SEQUENCE_OVERFLOW] = "sequence_overflow",
    };

    return (unsigned)outcome < MOLDUDP64_OUTCOME_COUNT ? names[outcome] : "unknown";
}
