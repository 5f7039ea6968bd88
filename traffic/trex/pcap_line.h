/* A line's packets as the records of a pcap file with nanoseconds, byte for byte the frames that line.h would send.
 *
 * For generators that play files. The caller has decided when each record leaves (render.py); this only writes them:
 * Ethernet, IPv4 and UDP by udp_frame.h, the MoldUDP64 header, the blocks of the arena.
 *
 * Owner: the thread that prepares; no state, no allocation. Cost: about 100 ns a record, most of it copying.
 * Specification: the pcap file format of libpcap, magic 0xa1b23c4d; MoldUDP64 1.00.
 */
#ifndef TRAFFIC_TREX_PCAP_LINE_H
#define TRAFFIC_TREX_PCAP_LINE_H

#include <stdint.h>

#include "traffic/market/schedule.h"

enum {
    PCAP_FILE_HEADER_BYTES = 24,
    PCAP_RECORD_HEADER_BYTES = 16,
    PCAP_HEADERS_BYTES = PCAP_RECORD_HEADER_BYTES + 42 + 20, /* in front of a packet's blocks */
};

#define PCAP_CONTROL UINT64_MAX

struct pcap_entry {
    int64_t at_ns;        /* 0 ..; the time in the file */
    uint64_t packet;      /* index of its record, or PCAP_CONTROL: no blocks */
    uint64_t sequence;    /* in the MoldUDP64 header */
    uint64_t count;       /* of messages; 0: heartbeat, 0xffff: end of session */
};
_Static_assert(sizeof(struct pcap_entry) == 32, "rows of an array that Python makes");

struct pcap_line_options {
    uint8_t source_mac[6];
    uint8_t session[10];
    uint32_t source;      /* network order */
    uint32_t group;       /* network order, multicast */
    uint16_t port;
};

/* Bytes of the file. */
uint64_t pcap_line_bytes(const struct pcap_entry *entries, uint64_t count, const struct packet_record *packets);

/* Writes the whole file into `file`, which has that many bytes. */
void pcap_line_write(const struct pcap_line_options *options, const struct pcap_entry *entries, uint64_t count,
                     const struct packet_record *packets, const uint16_t *sums, const uint8_t *arena, uint8_t *file);

#endif
