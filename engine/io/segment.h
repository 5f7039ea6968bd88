/* A TCP segment with data, written straight into a frame: headers of a connection once, then numbers and sums.
 *
 * No state of its own: the caller says which numbers. IPv4 without options or fragments, TCP without options.
 * Cost: a copy and a sum over the bytes. Specification: RFC 791, RFC 9293, RFC 1071 (the sum).
 */
#ifndef ENGINE_IO_SEGMENT_H
#define ENGINE_IO_SEGMENT_H

#include <stdint.h>
#include <string.h>

enum {
    SEGMENT_ETHERNET_BYTES = 14,
    SEGMENT_HEADER_BYTES = 54,    /* Ethernet, IP, TCP */
    SEGMENT_DATA_BYTES_MAX = 1460,
};

struct segment_template {
    uint8_t header[SEGMENT_HEADER_BYTES];
    uint32_t ip_sum;  /* of the IP header but for its length */
    uint32_t tcp_sum; /* of the pseudo header and the ports but for the length */
};

/* Addresses in network order, ports in host order. */
struct segment_ends {
    uint32_t local;
    uint32_t peer;
    uint16_t local_port;
    uint16_t peer_port;
};

static inline void segment_store16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline void segment_store32(uint8_t *to, uint32_t value)
{
    segment_store16(to, value >> 16);
    segment_store16(to + 2, value & 0xffff);
}

/* Sum of big-endian words, not folded; a last odd byte counts as the upper one. At most 64 KB. */
static inline uint32_t segment_sum(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 1 < length; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    return length & 1 ? sum + ((uint32_t)bytes[length - 1] << 8) : sum;
}

static inline uint16_t segment_checksum(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static inline void segment_template_init(struct segment_template *template_, const struct segment_ends *ends)
{
    uint8_t *ip = template_->header + SEGMENT_ETHERNET_BYTES, *tcp = ip + 20;
    memset(template_, 0, sizeof(*template_));
    segment_store16(template_->header + 12, 0x0800);
    ip[0] = 0x45;
    ip[6] = 0x40; /* do not fragment: so the identification says nothing (RFC 6864) */
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, &ends->local, 4);
    memcpy(ip + 16, &ends->peer, 4);
    segment_store16(tcp, ends->local_port);
    segment_store16(tcp + 2, ends->peer_port);
    tcp[12] = 0x50;
    tcp[13] = 0x18; /* PSH, ACK */
    template_->ip_sum = segment_sum(ip, 20);
    template_->tcp_sum = segment_sum(ip + 12, 8) + 6 + segment_sum(tcp, 20);
}

/* Writes the frame but for its Ethernet addresses; bytes written. */
static inline uint32_t segment_write(const struct segment_template *template_, uint8_t *frame, uint32_t sequence,
                                     uint32_t acknowledged, uint16_t window, const uint8_t *bytes, uint32_t length)
{
    uint8_t *ip = frame + SEGMENT_ETHERNET_BYTES, *tcp = ip + 20;
    memcpy(frame, template_->header, SEGMENT_HEADER_BYTES);
    memcpy(frame + SEGMENT_HEADER_BYTES, bytes, length);
    segment_store16(ip + 2, 40 + length);
    segment_store16(ip + 10, segment_checksum(template_->ip_sum + 40 + length));
    segment_store32(tcp + 4, sequence);
    segment_store32(tcp + 8, acknowledged);
    segment_store16(tcp + 14, window);
    uint32_t sum = template_->tcp_sum + 20 + length + (sequence >> 16) + (sequence & 0xffff) + (acknowledged >> 16) +
                   (acknowledged & 0xffff) + window;
    segment_store16(tcp + 16, segment_checksum(sum + segment_sum(bytes, length)));
    return SEGMENT_HEADER_BYTES + length;
}

#endif
