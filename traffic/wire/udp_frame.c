/* Ethernet/IPv4/UDP headers of a multicast stream. Essay and specification: udp_frame.h. */
#include "traffic/wire/udp_frame.h"

#include <string.h>

#include "traffic/wire/bytes.h"

enum { IP = 14, UDP = 34 };  /* offsets in the frame */

uint16_t udp_sum(const uint8_t *bytes, uint32_t size) {
    uint64_t sum = 0;
    uint32_t offset = 0;
    for (; offset + 4 <= size; offset += 4)
        sum += load_be32(bytes + offset);
    if (offset + 2 <= size) {
        sum += load_be16(bytes + offset);
        offset += 2;
    }
    if (offset < size)
        sum += (uint32_t)bytes[offset] << 8;
    return udp_fold(sum);
}

void udp_frame_init(struct udp_frame *frame, const uint8_t source_mac[6], uint32_t source, uint32_t group,
                    uint16_t source_port, uint16_t port) {
    uint8_t *header = frame->header;
    memset(frame, 0, sizeof *frame);
    memcpy(header + IP + 12, &source, 4);
    memcpy(header + IP + 16, &group, 4);
    memcpy(header, "\x01\x00\x5e", 3);
    header[3] = header[IP + 17] & 0x7F;
    memcpy(header + 4, header + IP + 18, 2);
    memcpy(header + 6, source_mac, 6);
    store_be16(header + 12, 0x0800);
    header[IP] = 0x45;
    store_be16(header + IP + 6, 0x4000);     /* don't fragment */
    header[IP + 8] = UDP_FRAME_TIME_TO_LIVE;
    header[IP + 9] = 17;
    store_be16(header + UDP, source_port);
    store_be16(header + UDP + 2, port);
    frame->source_port = source_port;
    frame->ip_sum = udp_sum(header + IP, 20);
    frame->udp_sum = (uint32_t)udp_sum(header + IP + 12, 8) + 17 + source_port + port;
}

void udp_frame_set(struct udp_frame *frame, uint16_t bytes, uint16_t payload_sum) {
    uint8_t *header = frame->header;
    uint16_t udp_bytes = (uint16_t)(bytes + 8);
    uint16_t ip_bytes = (uint16_t)(udp_bytes + 20);
    store_be16(header + IP + 2, ip_bytes);
    store_be16(header + IP + 10, (uint16_t)~udp_fold((uint64_t)frame->ip_sum + ip_bytes));
    store_be16(header + UDP + 4, udp_bytes);
    /* The length counts twice: in the pseudo header and in the UDP header. */
    uint16_t sum = (uint16_t)~udp_fold((uint64_t)frame->udp_sum + 2u * udp_bytes + payload_sum);
    store_be16(header + UDP + 6, sum ? sum : 0xFFFF);
}

void udp_frame_mend(uint8_t *frame, uint16_t bytes) {
    uint16_t udp_bytes = (uint16_t)(bytes + 8);
    store_be16(frame + IP + 2, (uint16_t)(udp_bytes + 20));
    store_be16(frame + IP + 10, 0);
    store_be16(frame + IP + 10, (uint16_t)~udp_sum(frame + IP, 20));
    store_be16(frame + UDP + 4, udp_bytes);
    store_be16(frame + UDP + 6, 0);
    uint16_t sum = (uint16_t)~udp_fold((uint64_t)udp_sum(frame + IP + 12, 8) + 17 + udp_bytes +
                                       udp_sum(frame + UDP, udp_bytes));
    store_be16(frame + UDP + 6, sum ? sum : 0xFFFF);
}
