/* The exchange: one busy thread that publishes both lines on time and runs the order gateway in between.
 *
 * Everything is prepared before the start: one arena of framed messages, an array of packet records with intended
 * offsets, the sums for the checksums. The loop only sends, lets the published book follow (behind the send, never
 * before), looks after orders and heartbeats while the next packet is far enough away, and keeps time.
 *
 * Owner: the thread of exchange_start(); other threads use only the exchange_command_*() functions and read the
 * progress page. Times are CLOCK_MONOTONIC ns. A packet behind its time leaves at once, or late_gap_ns behind the one
 * before, and the times intended for those after it stay as they are: nothing shifts, so that no delay hides
 * (coordinated omission).
 * Between "the intended time is reached" and the send call there is no system call. Orders are looked at only when
 * the next packet is EXCHANGE_SLACK_NS or more away; if that never comes for EXCHANGE_STARVED_NS (a schedule at its
 * limit), once all the same, counted as polls_forced. Services for receivers that lost something have rules of their
 * own (services.h).
 * Sessions: when the last message of one is out, its end-of-session packets follow (if wanted) and the next one
 * begins at once: heartbeats carry its name and number from then on.
 * Stalls: a gap above EXCHANGE_STALL_NS between two looks at the clock, counted by what was being done; those
 * while waiting are the machine taking the core away.
 * Raw payloads (packet_lines): what a capture had is sent as it was, each packet on its own line. The exchange knows
 * nothing of their protocol: the book stays empty, and heartbeats and ends of session are those of the capture.
 * Cycle: a packet's messages are made those of the next round behind its send (cycle.h).
 * Noise: frames of other channels leave in between (noise.h); market data comes first.
 * Following (`follows`): another publishes both lines. The loop learns from followed.h what is out, and does with it what
 * it does behind a send of its own; it sends nothing, and sleeps a little while nothing new comes, because the core may
 * be that other's. sent_ns of a packet is then when it was learnt, on both lines alike.
 * Specification: MoldUDP64 1.00 for heartbeats and end of session.
 */
#ifndef TRAFFIC_EXCHANGE_EXCHANGE_H
#define TRAFFIC_EXCHANGE_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "traffic/exchange/cycle.h"
#include "traffic/exchange/followed.h"
#include "traffic/exchange/gateway.h"
#include "traffic/exchange/history.h"
#include "traffic/exchange/line.h"
#include "traffic/exchange/noise.h"
#include "traffic/exchange/published_book.h"
#include "traffic/exchange/services.h"
#include "traffic/exchange/switches.h"
#include "traffic/market/schedule.h"

enum {
    EXCHANGE_STALL_NS = 20000,
    EXCHANGE_SLACK_NS = 5000,
    EXCHANGE_POLL_EVERY_NS = 8000,
    EXCHANGE_STARVED_NS = 200000,
    EXCHANGE_AWAKE_NS = 20000000,     /* the loop is busy from so long before the first packet on; before, it sleeps */
    EXCHANGE_AFTER_NS = 50000000,     /* ... and until so long after the last one */
    EXCHANGE_REST_NS = 200000,        /* sleeps last so long, so that the run can be prepared and ended on its core */
    EXCHANGE_END_EVERY_NS = 1000000,  /* between end-of-session packets when the run ends */
    EXCHANGE_NAME_BYTES = 11,
};

enum exchange_state {
    EXCHANGE_READY = 0,            /* heartbeats only, waiting for the start */
    EXCHANGE_PUBLISHING = 1,
    EXCHANGE_IDLE = 2,             /* all published */
    EXCHANGE_STOPPED = 3,
};

enum exchange_doing {
    DOING_WAIT = 0,
    DOING_SEND = 1,
    DOING_BOOK = 2,
    DOING_ORDERS = 3,
    DOING_SERVICES = 4,
    EXCHANGE_DOINGS = 5,
};

#define EXCHANGE_PROGRESS_MAGIC UINT64_C(0x7461696c67617465)

/* A page that others map and read at any time; each field is written whole. */
struct exchange_progress {
    uint64_t magic;
    uint64_t published_messages;
    uint64_t published_packets;
    uint64_t orders_received;
    uint64_t state;
    int64_t last_intended_ns;
    int64_t loop_stall_max_ns;
    uint64_t loop_stall_count;
    uint64_t send_errors[LINES_MAX];
};
_Static_assert(sizeof(struct exchange_progress) == 80, "ten words, read by others");

struct exchange_options {
    struct history_options history;    /* arena, sessions, packets ... */
    struct packet_record *packets;     /* ... the same, to be written */
    const uint16_t *sums;
    const uint8_t *packet_lines;       /* the line of each packet, which is a raw payload then; NULL: MoldUDP64 */
    int64_t heartbeat_ns;
    int64_t lead_ns;                   /* send so much before the intended time: what the way to the wire takes */
    int64_t late_gap_ns;               /* a late packet keeps so far behind the one before; 0: it leaves at once */
    uint32_t ends;                     /* end-of-session packets on each line */
    struct line_options lines[LINES_MAX];
    uint32_t line_count;
    int32_t cpu;                       /* -1: anywhere */
    int32_t notify;                    /* eventfd: 1 is added when all is published and when stopped; -1: none */
    struct gateway_options gateway;
    struct services_options services;  /* `history` is set here */
    struct published_book *book;
    struct noise_options noise;        /* of other channels; no records: none */
    struct switch_command *switch_commands; /* thrown at their times once exchange_switch_word() has said where */
    uint32_t switch_count;
    struct exchange_progress *progress;
    bool follows;                      /* another publishes; exchange_follow() says where it can be seen */
    struct cycle cycle;                /* packets that come again; none with follows or packet_lines */
};

struct exchange_counters {
    uint64_t polls;
    uint64_t polls_forced;
    int64_t late_max_ns;               /* send call behind the intended time, first line */
    int64_t published_ns;              /* when the last packet was out */
    uint64_t stall_count[EXCHANGE_DOINGS];
    int64_t stall_max_ns[EXCHANGE_DOINGS];
};

struct exchange {
    struct exchange_options options;
    struct exchange_counters counters;
    uint64_t next_packet;
    uint64_t next_position;
    uint64_t roll_at;                  /* messages published when the next session begins; UINT64_MAX: never */
    uint32_t ordinal;                  /* of the session */
    int64_t held_due_ns;               /* impairments hold a packet that is to leave then; INT64_MAX: none */
    int64_t start_ns;
    int64_t looked_ns;                 /* last look at the clock */
    int64_t not_before_ns;             /* the next packet leaves no sooner: late_gap_ns behind the last */
    int64_t polled_ns;
    int64_t line_heard_ns[LINES_MAX];  /* last attempt to send */
    struct exchange_progress *progress;
    struct line lines[LINES_MAX];
    struct history history;
    struct switches switches;
    struct noise noise;
    const volatile struct followed_page *followed;
    pthread_t thread;
    int32_t pin_error;                 /* errno, 0: pinned as asked */
    /* Commands, written by another thread. */
    _Alignas(64) _Atomic int64_t command_start_ns;
    _Atomic int32_t command_stop;
    _Alignas(64) struct gateway gateway;
    struct services services;
};

/* Open lines and gateway. 0, or -errno with a line in `error`. */
int exchange_open(struct exchange *exchange, const struct exchange_options *options, char *error,
                  uint32_t error_size);

/* Start the thread. 0 or -errno. */
int exchange_start(struct exchange *exchange);

/* Before the start command, when `follows`: where to learn what is out. 0 or -errno. */
int exchange_follow(struct exchange *exchange, uint32_t map_id);
int exchange_follow_file(struct exchange *exchange, const char *path, uint64_t offset);

void exchange_switch_word(struct exchange *exchange, void *word); /* before the start; stays mapped */
void exchange_command_start(struct exchange *exchange, int64_t at_ns); /* time intended for the first packet */
void exchange_command_stop(struct exchange *exchange);
void exchange_join(struct exchange *exchange);

/* Close lines and gateway; after exchange_join(), or when it was never started. */
void exchange_close(struct exchange *exchange);

/* Kill this process when its parent dies. 0, or -errno; -ESRCH when the parent is gone already. */
int exchange_die_with_parent(int32_t parent);

/* For the caller's memory. */
uint64_t exchange_bytes(void);

#endif
