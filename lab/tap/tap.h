/* Wire taps: stamps taken by BPF at the receiving end of a wire, read by the lab; and rules, written by the lab,
 * by which BPF takes packets off a wire or spoils them.
 *
 * A tap writes into rings that the lab has mapped; it never waits. A record that finds its ring full
 * is counted in `lost`, and a run with lost records is UNKNOWN. Stamps are bpf_ktime_get_ns(), which
 * is CLOCK_MONOTONIC, taken in the driver's XDP hook (grade sw-driver). Programs whose name ends in _card ask the card
 * first: its stamp is marked (TAP_FLAG_CARD, TAP_CAPTURED_CARD), is in the card's own clock (grade hw), and is turned
 * into CLOCK_MONOTONIC when the records are read. A packet that the card did not stamp gets the other one, and is counted.
 *
 * A record tells what was on the wire: number, count and length are those before a rule spoiled the packet.
 * Numbers are positions: the session's ordinal above TAP_POSITION_SHIFT bits of MoldUDP64 sequence. With MDP 3.0 on the
 * lines they are MsgSeqNum, and every packet counts as one message.
 *
 * This header is shared between the BPF programs and the lab: both sides see the same layout.
 */
#ifndef LAB_TAP_TAP_H
#define LAB_TAP_TAP_H

#include <linux/types.h>

#include "traffic/exchange/followed.h"
#include "traffic/exchange/impairment.h"

#define TAP_FRAME_BYTES_MAX 2032 /* more than an Ethernet frame of 1518 bytes */
#define TAP_LINE_COUNT 2         /* lines that are handed to the engine's AF_XDP sockets: A and B */
#define TAP_LINE_RECOVERY 2      /* as which replies of the re-request server are recorded */
#define TAP_LINE_NOISE 3         /* as which noise on A is recorded; on B: one more */
#define TAP_SESSIONS_MAX 4       /* sessions of a run, the first one included */
#define TAP_POSITION_SHIFT IMPAIRMENT_SESSION_SHIFT
#define TAP_FOREIGN_ORDINAL 255  /* of a session that the settings do not name */
#define TAP_RULES_MAX 8          /* a place; more are refused when the scenario is armed */
#define TAP_WINDOWS_MAX 1024     /* of all rules; those behind take their packets but are not remembered */
#define TAP_PAYLOAD 42           /* where the payload of a UDP frame begins */

#define TAP_CAPTURED_CARD (1U << 31) /* in tap_frame_record.captured: stamp_ns is the card's */

/* Receiving ends at which a card can stamp; the first three are the lines of market records. */
enum { TAP_CARD_A = 0, TAP_CARD_B = 1, TAP_CARD_RECOVERY = 2, TAP_CARD_ORDER = 3, TAP_CARD_COUNT = 4 };

enum {
    TAP_FLAG_DROPPED = 1,   /* a fault took this packet off the wire */
    TAP_FLAG_CARD = 4,      /* stamp_ns is the card's */
    TAP_FLAG_CORRUPTED = 2, /* a fault spoiled this packet; the engine got it all the same */
};

/* What stands in front of a packet of lines A and B. */
enum tap_framing {
    TAP_FRAMING_MOLDUDP64 = 0,
    TAP_FRAMING_MDP3 = 1, /* CME MDP 3.0: little-endian MsgSeqNum, SendingTime */
};

/* Where rules are looked at. The first three are the lines of market records. */
enum tap_place {
    TAP_PLACE_A = 0,
    TAP_PLACE_B = 1,
    TAP_PLACE_RECOVERY = 2, /* replies to re-requests, at the engine's end */
    TAP_PLACE_REQUESTS = 3, /* re-requests, at the exchange's end */
    TAP_PLACE_SNAPSHOT = 4, /* TCP frames from the snapshot service, at the engine's end */
    TAP_PLACE_COUNT = 5,
};

/* Written by the lab before the programs are loaded; constants to the verifier. */
struct tap_settings {
    __u32 line_ifindex[TAP_LINE_COUNT];
    __u16 line_port[TAP_LINE_COUNT]; /* UDP destination port, host order */
    __u16 gateway_port;              /* TCP destination port, host order */
    __u16 request_port;              /* UDP port of the re-request server, host order */
    __u16 snapshot_port;             /* TCP port of the snapshot service, host order */
    __u8 stamping;                   /* 0: only hand over (to measure what the tap costs) */
    __u8 impairing;                  /* 1: look at the rules */
    __u32 session_count;             /* sessions named; positions are plain numbers with one or none */
    __u16 session_tail[TAP_SESSIONS_MAX]; /* bytes 8 and 9 of each session, as on the wire */
    __u64 session_head[TAP_SESSIONS_MAX]; /* bytes 0 to 7 */
    __u64 market_mask;               /* ring capacity - 1 */
    __u64 frame_mask;
    __u32 framing;                   /* enum tap_framing of lines A and B */
    __u32 noise;                     /* 1: multicast of other channels is stamped and goes to the engine too */
    __be32 line_group[TAP_LINE_COUNT]; /* with noise: what is sent to another group is noise */
    __u32 following;                 /* 1: keep the page of traffic/exchange/followed.h */
    __u32 unused;                    /* to a multiple of 8 */
};

/* One market-data packet. Of noise `sequence` is group << 32 | destination port << 16 | source port, `count` is 1. */
struct tap_market_record {
    __u64 stamp_ns; /* written last: 0 = slot not committed */
    __u64 sequence; /* position of the first message */
    __u32 length;   /* UDP payload bytes */
    __u16 count;    /* MoldUDP64 message count; MDP 3.0: 1 */
    __u8 line;      /* 0 = A, 1 = B, 2 = replies to re-requests, 3 = noise on A, 4 = noise on B */
    __u8 flags;     /* TAP_FLAG_* */
};

/* One frame of the order wire that carries TCP payload towards the gateway. */
struct tap_frame_record {
    __u64 stamp_ns; /* written last: 0 = slot not committed */
    __u32 length;   /* bytes on the wire */
    __u32 captured; /* bytes in data[], less than length means truncated; and TAP_CAPTURED_CARD */
    __u8 data[TAP_FRAME_BYTES_MAX];
};

/* Ring positions; both only grow. Written by BPF, but for tail. */
struct tap_ring {
    __u64 head; /* records claimed */
    __u64 lost; /* claimed but not written: the ring was full */
    __u64 tail; /* written by the lab: records consumed */
    __u64 capacity; /* written by the lab before start; a power of two */
};

/* A rule in its place. One CPU at a time looks at a place: the one that polls its interface's only queue. */
struct tap_rule {
    struct impairment_rule rule; /* BPF's once `enabled` is set */
    __u32 enabled;     /* the lab's: 1 = look at it */
    __u8 place;        /* enum tap_place; the lab's */
    __u8 number;       /* of the place's rules; the lab's */
    __u8 pad[2];
    __u32 window_seen; /* BPF's: rule.windows when it last took a packet */
    __u32 window;      /* BPF's: that window's slot; TAP_WINDOWS_MAX and above: not remembered */
};

/* What one window of one rule took. */
struct tap_window {
    __u64 first_ns; /* stamps of the first and the last packet taken */
    __u64 last_ns;
    __u64 position; /* of the first one */
    __u32 packets;
    __u16 number;   /* of the rule's windows, from 1 on */
    __u8 place;     /* enum tap_place */
    __u8 rule;
};

struct tap_state {
    struct tap_ring market;
    struct tap_ring frames;
    __u64 not_market_data[TAP_LINE_COUNT]; /* frames passed on untouched */
    __u64 requests;                        /* re-requests that reached the exchange's end */
    __u64 snapshot_frames;                 /* TCP frames from the snapshot service at the engine's end */
    __u64 windows_used;                    /* windows that took a packet; slots beyond the last are not written */
    __u32 rule_count[TAP_PLACE_COUNT + 1]; /* the lab's; one more for alignment */
    struct tap_rule rules[TAP_PLACE_COUNT][TAP_RULES_MAX];
    struct tap_window windows[TAP_WINDOWS_MAX];
    __u64 card_stamped[TAP_CARD_COUNT];   /* packets that the card had stamped */
    __u64 card_unstamped[TAP_CARD_COUNT]; /* packets for which it was asked in vain */
};

#ifndef __bpf__
_Static_assert(sizeof(struct tap_market_record) == 24, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_frame_record) == 2048, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_rule) == sizeof(struct impairment_rule) + 16, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_window) == 32, "layout shared with the BPF side");
_Static_assert(sizeof(struct tap_settings) == 104, "layout shared with the BPF side");
#endif

#endif
