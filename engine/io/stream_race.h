/* Bypass TCP and kernel TCP side by side: two connections to one echo, orders on them in turn, every step stamped.
 *
 * They take turns message by message, so that whatever the host does falls on all: row 0 is the kernel's, 1 the bypass's, 2
 * a bare frame of the same length over the AF_XDP ring, 3 one through the door (frame_door.h; where there is none, the
 * ring again), 4 the kernel's. A bare frame is not answered: echoed_ns and answered_ns are returned_ns. A message is as long as an Enter Order; the echo writes the time of its answer into it, so that the way
 * there (with a stamp at the far end of the wire) and the way back are known apart.
 *
 * Cold code around hot calls: not part of the engine's loop. Stamps are CLOCK_MONOTONIC.
 */
#ifndef ENGINE_IO_STREAM_RACE_H
#define ENGINE_IO_STREAM_RACE_H

#include <stdint.h>

enum {
    STREAM_RACE_LANES = 4,
    STREAM_RACE_MESSAGE_BYTES = 52,
    STREAM_RACE_INDEX_AT = 4,  /* big-endian, 8 bytes, behind the letters RACE */
    STREAM_RACE_ECHO_AT = 12,  /* little-endian, 8 bytes: CLOCK_MONOTONIC ns before the echo's send call */
    STREAM_RACE_ANSWER_MS = 500,
};

struct stream_race_options {
    const char *address;
    uint16_t port;
    uint32_t rows;        /* messages in all, on both connections */
    uint64_t interval_ns; /* from one message to the next */
};

struct stream_race_row {
    uint64_t sent_ns;     /* before stream_send() */
    uint64_t returned_ns; /* behind it */
    uint64_t echoed_ns;   /* before the echo's send() */
    uint64_t answered_ns; /* the whole answer in hand */
};

/* 0 or -errno with a sentence in `error`. */
int stream_race(const struct stream_race_options *options, struct stream_race_row *rows, char *error,
                uint32_t error_bytes);

/* Listens; returns the descriptor or -errno. */
int stream_race_listen(const char *address, uint16_t port);

/* Serves two connections until both are closed. Busy. 0 or -errno. */
int stream_race_echo(int listener);

#endif
