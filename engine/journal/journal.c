/* The ring's cold side, checks and names; the contract is in journal.h. */
#include "engine/journal/journal.h"

#include <errno.h>

#include "engine/journal/replay.h"

int journal_init(struct journal *journal, void *ring, size_t bytes)
{
    memset(journal, 0, sizeof(*journal));
    journal->checkpoint_at = JOURNAL_CHECKPOINT_MESSAGES;
    if (ring == NULL && bytes == 0)
        return 0;
    if (ring == NULL || (uintptr_t)ring % 8 != 0 || bytes < JOURNAL_RING_BYTES_MIN || (bytes & (bytes - 1)) != 0)
        return -EINVAL;
    journal->ring = ring;
    journal->mask = bytes - 1;
    journal->limit = bytes;
    return 0;
}

/* Bytes that a record takes from head on, the padding up to the ring's end included. */
static uint64_t bytes_from(const struct journal *journal, uint64_t head, uint32_t length)
{
    uint64_t need = sizeof(struct journal_record) + journal_padded(length);
    uint64_t to_end = journal->mask + 1 - (head & journal->mask);
    return need <= to_end ? need : to_end + need;
}

/* Fills up to the ring's end when a record does not fit in front of it. */
static void pad(struct journal *journal, uint32_t length)
{
    uint64_t to_end = journal->mask + 1 - (journal->head & journal->mask);
    if (sizeof(struct journal_record) + journal_padded(length) <= to_end)
        return;
    if (to_end >= sizeof(struct journal_record)) {
        const struct journal_record record = {.kind = JOURNAL_PAD};
        memcpy(journal->ring + (journal->head & journal->mask), &record, sizeof(record));
    }
    journal->head += to_end;
}

static void set_limit(struct journal *journal)
{
    uint64_t size = journal->mask + 1;
    uint64_t lap_end = (journal->head & ~journal->mask) + size, free_end = journal->tail_seen + size;
    journal->limit = lap_end < free_end ? lap_end : free_end;
}

uint8_t *journal_reserve_slowly(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns,
                                uint32_t length)
{
    if (journal->ring == NULL || length > JOURNAL_LENGTH_MAX)
        return NULL;
    journal->tail_seen = atomic_load_explicit(&journal->tail, memory_order_acquire);
    uint64_t waiting = journal->head - journal->tail_seen, end = journal->head;
    if (waiting > journal->high_water)
        journal->high_water = waiting;
    if (journal->unreported)
        end += bytes_from(journal, end, sizeof(journal->unreported));
    end += bytes_from(journal, end, length);
    if (end - journal->tail_seen > journal->mask + 1) {
        journal->lost++;
        journal->unreported++;
        journal->limit = 0; /* the next record looks again */
        return NULL;
    }
    if (journal->unreported) {
        pad(journal, sizeof(journal->unreported));
        memcpy(journal_place(journal, JOURNAL_LOST, 0, time_ns, sizeof(journal->unreported)), &journal->unreported,
               sizeof(journal->unreported));
        journal->unreported = 0;
    }
    pad(journal, length);
    uint8_t *place = journal_place(journal, kind, flags, time_ns, length);
    set_limit(journal);
    return place;
}

void journal_output(struct journal *journal, uint8_t kind, uint8_t flags, uint64_t time_ns, const void *bytes,
                    uint32_t length)
{
    if (journal->replay)
        replay_output(journal->replay, kind, flags, bytes, length);
    else
        journal_append(journal, kind, flags, time_ns, bytes, length);
}

uint64_t journal_mix_bytes(uint64_t hash, const uint8_t *bytes, uint32_t length)
{
    uint64_t word;
    for (; length >= sizeof(word); bytes += sizeof(word), length -= (uint32_t)sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        hash = journal_mix(hash, word);
    }
    word = length; /* so that zeros at the end count */
    for (uint32_t i = 0; i < length; i++)
        word = word << 8 | bytes[i];
    return journal_mix(hash, word);
}

const uint8_t *journal_waiting(const struct journal *journal, uint64_t tail, uint32_t *bytes, uint32_t *skipped)
{
    uint64_t published = atomic_load_explicit(&journal->published, memory_order_acquire);
    struct journal_record record;
    *skipped = 0;
    while (tail != published) {
        uint64_t at = tail & journal->mask, to_end = journal->mask + 1 - at;
        if (to_end >= sizeof(record))
            memcpy(&record, journal->ring + at, sizeof(record));
        if (to_end >= sizeof(record) && record.kind != JOURNAL_PAD) {
            *bytes = (uint32_t)sizeof(record) + journal_padded(record.length);
            return journal->ring + at;
        }
        *skipped += (uint32_t)to_end;
        tail += to_end;
    }
    return NULL;
}

#if defined(__SSE4_2__)
uint32_t journal_crc(uint32_t check, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t crc = ~check, word;
    for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; length != 0; length--)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *at++);
    return ~(uint32_t)crc;
}
#else
uint32_t journal_crc(uint32_t check, const void *bytes, size_t length)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *at = bytes;
    uint32_t crc = ~check;
    for (; length != 0; length--) {
        crc ^= *at++;
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}
#endif

static const char *const kind_names[] = {
    [JOURNAL_PAD] = "pad",
    [JOURNAL_CONFIG] = "config",
    [JOURNAL_DATAGRAM] = "datagram",
    [JOURNAL_TIMER] = "timer",
    [JOURNAL_ORDER] = "order session",
    [JOURNAL_RECOVERY] = "recovery",
    [JOURNAL_LOGIN] = "login",
    [JOURNAL_LOGOUT] = "logout",
    [JOURNAL_ASK] = "ask",
    [JOURNAL_ORDER_BYTES] = "gateway bytes",
    [JOURNAL_SNAPSHOT_OPEN] = "snapshot open",
    [JOURNAL_SNAPSHOT_BYTES] = "snapshot bytes",
    [JOURNAL_SNAPSHOT_LOST] = "snapshot lost",
    [JOURNAL_RISK] = "risk",
    [JOURNAL_OPERATOR] = "operator",
    [JOURNAL_CANCELS] = "cancels",
    [JOURNAL_LEAVE] = "leave",
    [JOURNAL_STRATEGY_TIMER] = "strategy timer",
    [JOURNAL_TABLE] = "table",
    [JOURNAL_BREACH] = "breach",
    [JOURNAL_WIRES] = "wires",
    [JOURNAL_STRATEGY] = "strategy",
    [JOURNAL_TRIP] = "trip",
    [JOURNAL_TABLE_BYTES] = "table bytes",
    [JOURNAL_OBJECT] = "object",
    [JOURNAL_STREAM] = "stream",
    [JOURNAL_CONNECT] = "connect",
    [JOURNAL_REPLY] = "reply",
    [JOURNAL_SNAPSHOT] = "snapshot",
    [JOURNAL_COMMAND] = "command",
    [JOURNAL_LATE] = "late",
    [JOURNAL_SENT] = "sent",
    [JOURNAL_REQUEST] = "request",
    [JOURNAL_TRANSITION] = "transition",
    [JOURNAL_SESSION] = "session",
    [JOURNAL_CHECKPOINT] = "checkpoint",
    [JOURNAL_LOST] = "lost",
    [JOURNAL_END] = "end",
};

const char *journal_kind_name(uint8_t kind)
{
    return kind < sizeof(kind_names) / sizeof(kind_names[0]) && kind_names[kind] ? kind_names[kind] : "unknown";
}

bool journal_kind_known(uint8_t kind)
{
    return kind != JOURNAL_PAD && kind < sizeof(kind_names) / sizeof(kind_names[0]) && kind_names[kind];
}
