/* Loads the wire programs, attaches them to the wires and drains their rings into files.
 *
 * Owner: the lab's thread; nothing here is on a hot path, so it may allocate. The BPF links belong to
 * this process: when it ends, in whatever way, the kernel detaches the programs.
 * Errors are returned as -errno with a sentence in tap_error().
 */
#ifndef LAB_TAP_LOADER_H
#define LAB_TAP_LOADER_H

#include <stdint.h>

#include "lab/tap/tap.h"

struct tap_options {
    const char *object_path;     /* the compiled wire.bpf.o */
    uint32_t line_ifindex[2];    /* engine's ends of lines A and B, inside engine_netns */
    uint16_t line_port[2];       /* UDP destination ports */
    uint32_t order_ifindex;      /* exchange's end of the order wire, inside exchange_netns; 0 = none */
    uint16_t gateway_port;       /* TCP destination port */
    uint32_t reply_ifindex;      /* engine's end of the recovery wire, inside engine_netns; 0 = none */
    uint32_t request_ifindex;    /* exchange's end of the recovery wire, inside exchange_netns; 0 = none */
    uint16_t request_port;       /* UDP port of the re-request server */
    uint16_t snapshot_port;      /* TCP port of the snapshot service */
    uint32_t session_count;      /* sessions of the run, in order; none or one: positions are plain numbers */
    uint8_t sessions[TAP_SESSIONS_MAX][10]; /* padded with blanks, as on the wire */
    int engine_netns;            /* open descriptors of the two network namespaces */
    int exchange_netns;
    uint64_t market_capacity;    /* records, rounded up to a power of two */
    uint64_t frame_capacity;
    uint8_t stamping;            /* 0: hand over only */
    uint8_t impairing;           /* 1: rules are looked at */
    uint8_t framing;             /* enum tap_framing of the lines */
    uint8_t posing;              /* 1: the lines' program passes for libxdp's own (wire.bpf.c), for net_af_xdp */
    uint8_t noise;               /* 1: multicast of other channels is stamped and goes to the engine too */
    uint32_t line_group[2];      /* network order; with noise */
    uint8_t following;           /* 1: tell what the lines brought in the map of tap_followed_map() */
    uint8_t profiling;           /* 1: the kernel counts the programs' run time, at about 20 ns a run */
    uint8_t cards;               /* bit TAP_CARD_*: ask the card for its stamps at that end */
};

struct tap_counts {
    uint64_t market_records; /* claimed so far */
    uint64_t market_lost;    /* found the ring full, or never written */
    uint64_t market_waiting; /* claimed and not drained yet */
    uint64_t frame_records;
    uint64_t frames_lost;
    uint64_t frames_waiting;
    uint64_t not_market_data[2]; /* frames passed on untouched, by line */
    uint64_t requests;           /* re-requests at the exchange's end, dropped ones included */
    uint64_t snapshot_frames;    /* TCP frames from the snapshot service at the engine's end, likewise */
    uint64_t windows;            /* windows of rules that took a packet; TAP_WINDOWS_MAX are remembered */
    uint64_t card_stamped[TAP_CARD_COUNT];   /* packets that the card had stamped, by end */
    uint64_t card_unstamped[TAP_CARD_COUNT]; /* packets for which it was asked in vain */
};

/* What the kernel counted of one program while tap_options.profiling was set. */
struct tap_program_cost {
    uint64_t runs;
    uint64_t run_ns; /* in all runs together */
};

enum { TAP_PROGRAM_MARKET = 0, TAP_PROGRAM_ORDER = 1, TAP_PROGRAM_REPLY = 2, TAP_PROGRAM_REQUEST = 3 };

struct tap;

/* Returns NULL on error; tap_error() says why. */
struct tap *tap_open(const struct tap_options *options);
const char *tap_error(void);

/* Descriptor of the XSKMAP in which the engine puts its sockets (key = line); valid until tap_close(). */
int tap_engine_sockets(const struct tap *tap);

/* The number of the map that has a struct followed_page; valid until tap_close(). -errno. */
int64_t tap_followed_map(const struct tap *tap);

/* Takes the engine's socket off a line: its packets pass to the kernel, and are stamped as before. 0 or -errno. */
int tap_withdraw_engine(const struct tap *tap, uint32_t line);

/* Takes a program off its interface, whoever holds its link. 0 or -errno. */
int tap_detach_link(uint32_t link_id);

/* What the programs and the lab share; for rules.h. Valid until tap_close(). */
struct tap_state *tap_state(struct tap *tap);

/* Appends committed records to the two files and makes room. Returns 0 or -errno.
 * market_file gets struct tap_market_record as is; frame_file gets the first 16 bytes of
 * struct tap_frame_record followed by `captured` bytes. */
int tap_drain(struct tap *tap, int market_file, int frame_file);

void tap_counts(const struct tap *tap, struct tap_counts *counts);
void tap_program_cost(const struct tap *tap, int program, struct tap_program_cost *cost);
void tap_close(struct tap *tap);

#endif
