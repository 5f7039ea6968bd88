/* What a port hands to the engine: one UDP payload, still in the port's memory.
 *
 * The bytes stay valid until port_release(). frame_datagram() finds the payload in an Ethernet frame:
 * up to two 802.1Q tags, IPv4 without fragments, UDP. The IP total length rules, so Ethernet padding
 * and capture trailers never reach the feed. Cost: a dozen loads, no copy.
 */
#ifndef ENGINE_IO_PACKET_H
#define ENGINE_IO_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACKET_BATCH_MAX = 64, /* datagrams a port hands over per poll */
    FRAME_VLAN_TAGS_MAX = 2,
};

struct packet {
    const uint8_t *data; /* UDP payload */
    uint32_t length;     /* bytes */
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
    return true;
}

#endif
