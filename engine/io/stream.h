/* The byte stream that carries the order session: kernel TCP, TCP of our own on the bypass wire (bypass_tcp.h), or
 * memory for step-by-step runs. The kind is chosen when a connection begins; everything after is the same.
 *
 * Owner: the engine thread. stream_send() never waits: what the transport does not take at once is kept in
 * a small buffer, and while it holds bytes the stream is not ready for orders (fail closed).
 * A closed or failed stream stays closed; `failure` has the errno (0 = closed by the other side).
 * The bypass needs stream_tick() before it is read; for the others that is nothing.
 */
#ifndef ENGINE_IO_STREAM_H
#define ENGINE_IO_STREAM_H

#include <stdbool.h>
#include <stdint.h>

struct bypass_tcp;

enum {
    STREAM_PENDING_BYTES = 4096,   /* unsent bytes kept; more closes the stream */
    STREAM_MEMORY_BYTES = 1 << 20, /* what a memory stream collects; more is refused */
};

enum stream_kind { STREAM_NONE = 0, STREAM_TCP = 1, STREAM_MEMORY = 2, STREAM_BYPASS = 3 };

struct stream {
    enum stream_kind kind;
    int socket;
    bool open;
    bool connecting; /* stream_begin() has not been answered yet */
    bool waiting;    /* STREAM_BYPASS: an order would wait for the peer's window */
    int failure;
    uint32_t pending_count;
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t partial_sends;
    uint8_t pending[STREAM_PENDING_BYTES];
    uint8_t *memory; /* STREAM_MEMORY: bytes sent, taken out by stream_take() */
    uint32_t memory_count;
    struct bypass_tcp *bypass; /* STREAM_BYPASS: the wire, which outlives the connection */
};

/* Connects and waits at most timeout_ms. Returns 0 or -errno with a sentence in `error`. */
int stream_connect(struct stream *stream, const char *address, uint16_t port, int timeout_ms, char *error,
                   uint32_t error_bytes);

/* Begins to connect and returns at once: 0, or -errno. Then stream_connected() until it is not false. */
int stream_begin(struct stream *stream, const char *address, uint16_t port);

/* The same over the bypass wire, to the gateway that it was opened for. */
int stream_begin_bypass(struct stream *stream, struct bypass_tcp *bypass);

/* Moves what the bypass wire has brought, and its timers. */
void stream_tick(struct stream *stream, uint64_t now_ns);

/* True once the connection stands; a refused one is closed, with `failure`. Never waits. */
bool stream_connected(struct stream *stream);

void stream_memory(struct stream *stream, uint8_t memory[STREAM_MEMORY_BYTES]);
void stream_close(struct stream *stream);

/* True when an order handed over now would leave at once. */
static inline bool stream_ready(const struct stream *stream)
{
    return stream->open && stream->pending_count == 0 && !stream->waiting;
}

/* Sends or keeps all bytes; false closes the stream. */
bool stream_send(struct stream *stream, const uint8_t *bytes, uint32_t length);

/* Bytes received now (0 = none); never waits. */
uint32_t stream_receive(struct stream *stream, uint8_t *bytes, uint32_t capacity);

#endif
