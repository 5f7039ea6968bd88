/* What a port hands to the engine: one UDP payload, still in the port's memory.
 *
 * The bytes stay valid until port_release(). frame_datagram() finds the payload in an Ethernet frame:
 * up to two 802.1Q tags, IPv4 without fragments, UDP. The IP total length rules, so Ethernet padding
 * and capture trailers never reach the feed. Cost: a dozen loads, no copy.
 *
 * frame_checksum_good() checks the UDP checksum, as the kernel does for sockets and nobody does for AF_XDP: MoldUDP64 has
 * none of its own, so a flipped bit in a price would be believed. 0 is no checksum; a sender on the same host may leave
 * the sum of the pseudo header for hardware that never comes (checksum offload on veth), which is accepted too.
 * Cost: about 5 ns for a packet of one message, 40 ns for a full one.
 */
#ifndef ENGINE_IO_PACKET_H
#define ENGINE_IO_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    PACKET_BATCH_MAX = 64, /* datagrams a port hands over per poll */
    FRAME_VLAN_TAGS_MAX = 2,
};

struct packet {
    const uint8_t *data; /* UDP payload */
    uint32_t length;     /* bytes */
    const uint8_t *ip;   /* IPv4 header in front of it; NULL when the kernel has taken it off */
};

static inline uint16_t frame_be16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Finds the UDP payload for destination `port` (0 = any); false when the frame is something else. */
static inline bool frame_datagram(const uint8_t *frame, uint32_t length, uint16_t port, struct packet *packet)
{
    enum { ETHERNET_BYTES = 14, TAG_BYTES = 4, IP_BYTES_MIN = 20, UDP_BYTES = 8 };
    uint32_t offset = ETHERNET_BYTES;
    if (length < ETHERNET_BYTES + IP_BYTES_MIN + UDP_BYTES)
        return false;
    uint16_t type = frame_be16(frame + 12);
    for (unsigned tags = 0; (type == 0x8100 || type == 0x88a8) && tags < FRAME_VLAN_TAGS_MAX; tags++) {
        type = frame_be16(frame + offset + 2);
        offset += TAG_BYTES;
        if (length < offset + IP_BYTES_MIN + UDP_BYTES)
            return false;
    }
    const uint8_t *ip = frame + offset;
    uint32_t ip_bytes = (ip[0] & 0x0fu) * 4u, total = frame_be16(ip + 2);
    bool fragment = (frame_be16(ip + 6) & 0x3fff) != 0;
    if (type != 0x0800 || ip[0] >> 4 != 4 || ip_bytes < IP_BYTES_MIN || ip[9] != 17 || fragment)
        return false;
    if (total < ip_bytes + UDP_BYTES || total > length - offset)
        return false;
    const uint8_t *udp = ip + ip_bytes;
    uint32_t udp_length = frame_be16(udp + 4);
    if (udp_length < UDP_BYTES || udp_length > total - ip_bytes || (port && frame_be16(udp + 2) != port))
        return false;
    packet->data = udp + UDP_BYTES;
    packet->length = udp_length - UDP_BYTES;
    packet->ip = ip;
    return true;
}

/* The same, and for multicast `group` (network order, 0 = any address): other channels may share the port. */
static inline bool frame_of_feed(const uint8_t *frame, uint32_t length, uint16_t port, uint32_t group,
                                 struct packet *packet)
{
    uint32_t destination;
    if (!frame_datagram(frame, length, port, packet))
        return false;
    memcpy(&destination, packet->ip + 16, sizeof(destination));
    return group == 0 || destination == group;
}

/* One's complement sum of native 16-bit words, not folded; an odd byte is followed by zero. */
static inline uint64_t frame_sum(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum = 0;
    for (; length >= 4; length -= 4, bytes += 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof(word));
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, bytes, length);
    return sum + rest;
}

static inline uint16_t frame_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* False when the datagram that frame_datagram() found is not what its sender summed up. */
static inline bool frame_checksum_good(const struct packet *packet)
{
    enum { UDP_BYTES = 8, ADDRESS_OFFSET = 12, ADDRESSES_BYTES = 8, CHECKSUM_OFFSET = 6 };
    const uint8_t *udp = packet->data - UDP_BYTES;
    const uint8_t pseudo[4] = {0, packet->ip[9], udp[4], udp[5]}; /* protocol and length */
    uint16_t checksum;
    memcpy(&checksum, udp + CHECKSUM_OFFSET, sizeof(checksum));
    if (checksum == 0)
        return true;
    uint64_t sum = frame_sum(packet->ip + ADDRESS_OFFSET, ADDRESSES_BYTES) + frame_sum(pseudo, sizeof(pseudo));
    return frame_fold(sum + frame_sum(udp, UDP_BYTES + packet->length)) == 0xffff || checksum == frame_fold(sum);
}

#endif
