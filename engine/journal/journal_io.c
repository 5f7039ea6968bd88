#include "engine/journal/journal_io.h"

#include "engine/journal/replay.h"

void journal_stream_begun(struct journal *journal, uint8_t which, const struct stream *stream, int result,
                          uint64_t now_ns)
{
    const uint8_t kind = (uint8_t)stream->kind;
    const uint8_t flags = (uint8_t)(journal_stream_flags(stream) | (result == 0 ? JOURNAL_STREAM_TAKEN : 0) | which);
    journal_append(journal, JOURNAL_CONNECT, flags, now_ns, &kind, 1);
}

void journal_stream_note(struct journal *journal, uint8_t which, const struct stream *stream, uint64_t now_ns)
{
    const uint8_t kind = (uint8_t)stream->kind;
    if (journal && !journal->replay)
        journal_append(journal, JOURNAL_STREAM, journal_stream_flags(stream) | which, now_ns, &kind, 1);
}

bool journal_stream_send_noted(struct journal *journal, uint8_t which, struct stream *stream, const uint8_t *bytes,
                               uint32_t length, uint64_t now_ns)
{
    if (!(which & JOURNAL_STREAM_SNAPSHOT))
        journal->order_hash = journal_mix_bytes(journal->order_hash, bytes, length);
    if (journal->replay)
        return replay_send(journal->replay, which, stream, bytes, length);
    bool taken = stream_send(stream, bytes, length);
    uint8_t flags = (uint8_t)(journal_stream_flags(stream) | (taken ? JOURNAL_STREAM_TAKEN : 0) | which);
    journal_append(journal, JOURNAL_SENT, flags, now_ns, bytes, length);
    return taken;
}

bool journal_stream_connected_noted(struct journal *journal, uint8_t which, struct stream *stream, uint64_t now_ns)
{
    if (journal->replay)
        return replay_connected(journal->replay, which, stream);
    uint8_t before = journal_stream_flags(stream);
    bool connected = stream_connected(stream);
    if (journal_stream_flags(stream) != before)
        journal_stream_note(journal, which, stream, now_ns);
    return connected;
}

int journal_stream_begin_noted(struct journal *journal, uint8_t which, struct stream *stream, const char *address,
                               uint16_t port, uint64_t now_ns)
{
    if (journal->replay)
        return replay_begin(journal->replay, which, stream);
    int result = stream_begin(stream, address, port);
    journal_stream_begun(journal, which, stream, result, now_ns);
    return result;
}

uint32_t journal_stream_receive_noted(struct journal *journal, uint8_t which, struct stream *stream, uint8_t *bytes,
                                      uint32_t capacity, uint64_t now_ns)
{
    if (journal->replay)
        return replay_receive(journal->replay, which, stream, bytes, capacity);
    uint8_t before = journal_stream_flags(stream);
    uint32_t length = stream_receive(stream, bytes, capacity);
    if (length != 0 || journal_stream_flags(stream) != before)
        journal_append(journal, JOURNAL_SNAPSHOT, journal_stream_flags(stream) | which, now_ns, bytes, length);
    return length;
}

uint32_t journal_port_receive_noted(struct journal *journal, struct request_port *port,
                                    struct packet packets[REQUEST_PORT_BATCH], uint64_t now_ns)
{
    if (journal->replay)
        return replay_replies(journal->replay, packets);
    uint32_t count = request_port_receive(port, packets);
    for (uint32_t i = 0; i < count; i++)
        journal_append(journal, JOURNAL_REPLY, 0, now_ns, packets[i].data, packets[i].length);
    return count;
}

bool journal_port_send_noted(struct journal *journal, struct request_port *port, const uint8_t *bytes,
                             uint32_t length, uint64_t now_ns)
{
    journal_output(journal, JOURNAL_REQUEST, 0, now_ns, bytes, length);
    return journal->replay ? true : request_port_send(port, bytes, length);
}
