/* A line's packets as a pcap file. Essay: pcap_line.h. */
#include "traffic/trex/pcap_line.h"

#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

_Static_assert((int)PCAP_HEADERS_BYTES ==
               (int)PCAP_RECORD_HEADER_BYTES + (int)UDP_FRAME_HEADER_BYTES + (int)MOLDUDP64_HEADER_BYTES, "of one packet");

enum { SNAP_BYTES = 65535, LINK_ETHERNET = 1, SECOND_NS = 1000000000 };

static uint32_t blocks_of(const struct pcap_entry *entry, const struct packet_record *packets) {
    return entry->packet == PCAP_CONTROL ? 0 : packets[entry->packet].bytes - MOLDUDP64_HEADER_BYTES;
}

uint64_t pcap_line_bytes(const struct pcap_entry *entries, uint64_t count, const struct packet_record *packets) {
    uint64_t bytes = PCAP_FILE_HEADER_BYTES;
    for (uint64_t i = 0; i < count; i++)
        bytes += PCAP_HEADERS_BYTES + blocks_of(&entries[i], packets);
    return bytes;
}

static uint8_t *put_words(uint8_t *place, const uint32_t *words, uint32_t count) {
    memcpy(place, words, count * sizeof *words);  /* in the machine's order, which the magic number tells */
    return place + count * sizeof *words;
}

void pcap_line_write(const struct pcap_line_options *options, const struct pcap_entry *entries, uint64_t count,
                     const struct packet_record *packets, const uint16_t *sums, const uint8_t *arena, uint8_t *file) {
    struct udp_frame frame;
    uint8_t mold[MOLDUDP64_HEADER_BYTES];
    udp_frame_init(&frame, options->source_mac, options->source, options->group, options->port, options->port);
    memcpy(mold, options->session, MOLDUDP64_SESSION_BYTES);
    file = put_words(file, (const uint32_t[]){0xa1b23c4d, 2 | 4 << 16, 0, 0, SNAP_BYTES, LINK_ETHERNET}, 6);
    for (uint64_t i = 0; i < count; i++) {
        const struct pcap_entry *entry = &entries[i];
        uint32_t blocks = blocks_of(entry, packets);
        uint32_t bytes = UDP_FRAME_HEADER_BYTES + MOLDUDP64_HEADER_BYTES + blocks;
        uint16_t sum = entry->packet == PCAP_CONTROL ? 0 : sums[entry->packet];
        store_be64(mold + 10, entry->sequence);
        store_be16(mold + 18, (uint16_t)entry->count);
        udp_frame_set(&frame, (uint16_t)(MOLDUDP64_HEADER_BYTES + blocks),
                      udp_fold((uint64_t)udp_sum(mold, sizeof mold) + sum));
        file = put_words(file, (const uint32_t[]){(uint32_t)(entry->at_ns / SECOND_NS),
                                                  (uint32_t)(entry->at_ns % SECOND_NS), bytes, bytes}, 4);
        memcpy(file, frame.header, UDP_FRAME_HEADER_BYTES);
        memcpy(file + UDP_FRAME_HEADER_BYTES, mold, sizeof mold);
        if (blocks)
            memcpy(file + UDP_FRAME_HEADER_BYTES + sizeof mold, arena + packets[entry->packet].message_offset, blocks);
        file += bytes;
    }
}
