/* Step runs, without wires: bytes in as if from each wire, bytes out as the engine wrote them. */
#include "engine/runner_inside.h"

#include <string.h>

#include "engine/journal/record.h"

static uint32_t take(uint8_t *memory, uint32_t *memory_count, uint8_t *bytes, uint32_t capacity)
{
    uint32_t count = *memory_count < capacity ? *memory_count : capacity;
    memcpy(bytes, memory, count);
    memmove(memory, memory + count, *memory_count - count);
    *memory_count -= count;
    return count;
}

uint32_t runner_take_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->sent, &runner->engine.session.stream.memory_count, bytes, capacity);
}

uint32_t runner_take_requests(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->requests, &runner->engine.recovery.port.memory_count, bytes, capacity);
}

uint32_t runner_take_snapshot_sent(struct runner *runner, uint8_t *bytes, uint32_t capacity)
{
    return take(runner->snapshot_sent, &runner->engine.recovery.stream.memory_count, bytes, capacity);
}

void runner_accept_login(struct runner *runner, uint64_t now_ns)
{
    /* Login Accepted: session of ten characters, sequence 1 right-justified in twenty. */
    static const char accepted[] = "\0\x1f" "A" "STEPPING  " "                   1";
    record_step(runner->engine.journal, JOURNAL_LOGIN, now_ns, NULL, 0);
    order_session_login(&runner->engine.session, now_ns);
    record_done(&runner->engine, now_ns);
    runner->engine.session.stream.memory_count = 0;
    runner_receive(runner, (const uint8_t *)accepted, sizeof(accepted) - 1, now_ns);
}

/* In pieces that a record can hold. */
void runner_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    while (length != 0) {
        uint32_t piece = length < ORDER_RECEIVE_BYTES ? length : ORDER_RECEIVE_BYTES;
        record_step(runner->engine.journal, JOURNAL_ORDER_BYTES, now_ns, bytes, piece);
        order_session_receive(&runner->engine.session, bytes, piece, now_ns);
        record_done(&runner->engine, now_ns);
        bytes += piece;
        length -= piece;
    }
}

void runner_snapshot_open(struct runner *runner, uint64_t now_ns)
{
    record_step(runner->engine.journal, JOURNAL_SNAPSHOT_OPEN, now_ns, NULL, 0);
    recovery_snapshot_open(&runner->engine, now_ns);
    record_done(&runner->engine, now_ns);
}

void runner_snapshot_receive(struct runner *runner, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    while (length != 0) {
        uint32_t piece = length < RECOVERY_SNAPSHOT_BYTES ? length : RECOVERY_SNAPSHOT_BYTES;
        record_step(runner->engine.journal, JOURNAL_SNAPSHOT_BYTES, now_ns, bytes, piece);
        recovery_snapshot_receive(&runner->engine, bytes, piece, now_ns);
        record_done(&runner->engine, now_ns);
        bytes += piece;
        length -= piece;
    }
}

void runner_snapshot_lost(struct runner *runner, uint64_t now_ns)
{
    record_step(runner->engine.journal, JOURNAL_SNAPSHOT_LOST, now_ns, NULL, 0);
    recovery_snapshot_lost(&runner->engine, now_ns);
    record_done(&runner->engine, now_ns);
}

uint64_t runner_step_all(struct runner *runner, uint32_t line, const uint8_t *datagrams, uint64_t bytes, uint64_t now_ns,
                         uint64_t step_ns)
{
    uint64_t count = 0, offset = 0;
    uint32_t length;
    for (; offset + sizeof(length) <= bytes; offset += length, count++) {
        memcpy(&length, datagrams + offset, sizeof(length));
        offset += sizeof(length);
        if (length > bytes - offset)
            break;
        engine_step(&runner->engine, line, datagrams + offset, length, now_ns + count * step_ns);
        runner->engine.session.stream.memory_count = 0;
    }
    return count;
}
