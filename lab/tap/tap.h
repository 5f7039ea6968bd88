/* Wire taps: stamps taken by BPF at the receiving end of a wire, read by the lab.
 *
 * A tap writes into rings that the lab has mapped; it never waits. A record that finds its ring full
 * is counted in `lost`, and a run with lost records is UNKNOWN. Stamps are bpf_ktime_get_ns(), which
 * is CLOCK_MONOTONIC, taken in the driver's XDP hook (grade sw-driver).
 *
 * This header is shared between the BPF programs and the lab: both sides see the same layout.
 */
#ifndef LAB_TAP_TAP_H
#define LAB_TAP_TAP_H

#include <linux/types.h>

#define TAP_FRAME_BYTES_MAX 2032 /* more than an Ethernet frame of 1518 bytes */
#define TAP_LINE_COUNT 2
#define TAP_DROP_RULES_MAX 8 /* a line; more are refused when the scenario is armed */

enum { TAP_FLAG_DROPPED = 1 }; /* a fault took this packet off the wire */

/* Written by the lab before the programs are loaded; constants to the verifier. */
struct tap_settings {
    __u32 line_ifindex[TAP_LINE_COUNT];
    __u16 line_port[TAP_LINE_COUNT]; /* UDP destination port, host order */
    __u16 gateway_port;              /* TCP destination port, host order */
    __u8 stamping;                   /* 0: only hand over (to measure what the tap costs) */
    __u8 impairing;                  /* 1: look at the drop rules */
    __u64 market_mask;               /* ring capacity - 1 */
    __u64 frame_mask;
};

/* One market-data packet. */
struct tap_market_record {
    __u64 stamp_ns; /* written last: 0 = slot not committed */
    __u64 sequence; /* MoldUDP64: number of the first message */
    __u32 length;   /* UDP payload bytes */
    __u16 count;    /* MoldUDP64 message count */
    __u8 line;      /* 0 = A, 1 = B */
    __u8 flags;     /* TAP_FLAG_* */
};

/* One frame of the order wire that carries TCP payload towards the gateway. */
struct tap_frame_record {
    __u64 stamp_ns; /* written last: 0 = slot not committed */
    __u32 length;   /* bytes on the wire */
    __u32 captured; /* bytes in data[]; less than length means truncated */
    __u8 data[TAP_FRAME_BYTES_MAX];
};

/* Ring positions; both only grow. Written by BPF, but for tail. */
struct tap_ring {
    __u64 head; /* records claimed */
    __u64 lost; /* claimed but not written: the ring was full */
    __u64 tail; /* written by the lab: records consumed */
    __u64 capacity; /* written by the lab before start; a power of two */
};

/* Take the next `left` packets that reach `sequence` off one line. */
struct tap_drop_rule {
    __u64 sequence;      /* first message number that the rule waits for */
    __u32 left;          /* packets still to drop */
    __u32 dropped;       /* packets dropped */
    __u64 first_drop_ns; /* stamps of the first and the last dropped packet; 0 = none */
    __u64 last_drop_ns;
};

struct tap_state {
    struct tap_ring market;
    struct tap_ring frames;
    __u64 not_market_data[TAP_LINE_COUNT]; /* frames passed on untouched */
    struct tap_drop_rule drops[TAP_LINE_COUNT][TAP_DROP_RULES_MAX];
};

#ifndef __bpf__
_Static_assert(sizeof(struct tap_market_record) == 24, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_frame_record) == 2048, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_drop_rule) == 32, "layout shared with the BPF side");
#endif

#endif
