/* Ethernet II + IPv4 + UDP header of one multicast stream, with real checksums at a cost of a few nanoseconds.
 *
 * The header is built once per stream; per packet only the lengths and the two checksums change. A one's
 * complement sum is additive, so what never changes is summed at start and the payload's sum comes from the
 * caller, who computed it before the run. Owner: the thread that sends; no state beyond the struct.
 * Specification: RFC 894, RFC 791, RFC 768, RFC 1071 (sums), RFC 1112 section 6.4 (multicast MAC).
 */
#ifndef TRAFFIC_WIRE_UDP_FRAME_H
#define TRAFFIC_WIRE_UDP_FRAME_H

#include <stdint.h>

enum {
    UDP_FRAME_HEADER_BYTES = 14 + 20 + 8,
    UDP_FRAME_TIME_TO_LIVE = 16,
};

struct udp_frame {
    uint8_t header[UDP_FRAME_HEADER_BYTES];
    uint16_t source_port;
    uint32_t ip_sum;     /* of the IPv4 header with length and checksum 0 */
    uint32_t udp_sum;    /* of pseudo header and ports, lengths 0 */
};

/* Addresses are in network order; `group` is a multicast address. */
void udp_frame_init(struct udp_frame *frame, const uint8_t source_mac[6], uint32_t source, uint32_t group,
                    uint16_t source_port, uint16_t port);

/* Set lengths and checksums for a payload of `bytes` whose one's complement sum is `payload_sum`. */
void udp_frame_set(struct udp_frame *frame, uint16_t bytes, uint16_t payload_sum);

/* Lengths and checksums of a whole frame made right for a payload that is `bytes` long now, whatever it is. */
void udp_frame_mend(uint8_t *frame, uint16_t bytes);

/* One's complement sum of big-endian 16-bit words, folded; an odd last byte is padded with 0. */
uint16_t udp_sum(const uint8_t *bytes, uint32_t size);

static inline uint16_t udp_fold(uint64_t sum) {
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)sum;
}

#endif
