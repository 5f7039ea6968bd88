/* The wires' calls as the journal sees them: done and recorded, or, in a replay, answered from the journal.
 *
 * Each has the name and the meaning of the call it stands for, whatever is behind the stream or the port, and is that
 * call itself when there is no journal. In a replay nothing is sent, received or connected: `open`, `connecting`, the
 * stream's kind and whether bytes are pending become what they were.
 * Owner: the engine thread. `which`: JOURNAL_STREAM_SNAPSHOT for the snapshot's stream, 0 for the order session's.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_IO_H
#define ENGINE_JOURNAL_JOURNAL_IO_H

#include "engine/io/request_port.h"
#include "engine/io/stream.h"
#include "engine/journal/journal.h"

static inline uint8_t journal_stream_flags(const struct stream *stream)
{
    return (uint8_t)((stream->open ? JOURNAL_STREAM_OPEN : 0) |
                     (stream->pending_count != 0 ? JOURNAL_STREAM_PENDING : 0) |
                     (stream->waiting ? JOURNAL_STREAM_WAITING : 0) |
                     (stream->connecting ? JOURNAL_STREAM_CONNECTING : 0));
}

/* A connection was begun by another call than those of this file. */
void journal_stream_begun(struct journal *journal, uint8_t which, const struct stream *stream, int result,
                          uint64_t now_ns);

/* The stream as it is now: whenever something else than a call of this file may have changed it. */
void journal_stream_note(struct journal *journal, uint8_t which, const struct stream *stream, uint64_t now_ns);

bool journal_stream_send_noted(struct journal *journal, uint8_t which, struct stream *stream, const uint8_t *bytes,
                               uint32_t length, uint64_t now_ns);
bool journal_stream_connected_noted(struct journal *journal, uint8_t which, struct stream *stream, uint64_t now_ns);
int journal_stream_begin_noted(struct journal *journal, uint8_t which, struct stream *stream, const char *address,
                               uint16_t port, uint64_t now_ns);
uint32_t journal_stream_receive_noted(struct journal *journal, uint8_t which, struct stream *stream, uint8_t *bytes,
                                      uint32_t capacity, uint64_t now_ns);
uint32_t journal_port_receive_noted(struct journal *journal, struct request_port *port,
                                    struct packet packets[REQUEST_PORT_BATCH], uint64_t now_ns);
bool journal_port_send_noted(struct journal *journal, struct request_port *port, const uint8_t *bytes,
                             uint32_t length, uint64_t now_ns);

static inline bool journal_stream_send(struct journal *journal, uint8_t which, struct stream *stream,
                                       const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    return journal ? journal_stream_send_noted(journal, which, stream, bytes, length, now_ns)
                   : stream_send(stream, bytes, length);
}

static inline bool journal_stream_connected(struct journal *journal, uint8_t which, struct stream *stream,
                                            uint64_t now_ns)
{
    return journal ? journal_stream_connected_noted(journal, which, stream, now_ns) : stream_connected(stream);
}

static inline int journal_stream_begin(struct journal *journal, uint8_t which, struct stream *stream,
                                       const char *address, uint16_t port, uint64_t now_ns)
{
    return journal ? journal_stream_begin_noted(journal, which, stream, address, port, now_ns)
                   : stream_begin(stream, address, port);
}

/* Snapshot only: the order session's bytes are a step of their own (JOURNAL_ORDER). */
static inline uint32_t journal_stream_receive(struct journal *journal, uint8_t which, struct stream *stream,
                                              uint8_t *bytes, uint32_t capacity, uint64_t now_ns)
{
    return journal ? journal_stream_receive_noted(journal, which, stream, bytes, capacity, now_ns)
                   : stream_receive(stream, bytes, capacity);
}

static inline uint32_t journal_port_receive(struct journal *journal, struct request_port *port,
                                            struct packet packets[REQUEST_PORT_BATCH], uint64_t now_ns)
{
    return journal ? journal_port_receive_noted(journal, port, packets, now_ns) : request_port_receive(port, packets);
}

static inline bool journal_port_send(struct journal *journal, struct request_port *port, const uint8_t *bytes,
                                     uint32_t length, uint64_t now_ns)
{
    return journal ? journal_port_send_noted(journal, port, bytes, length, now_ns)
                   : request_port_send(port, bytes, length);
}

#endif
