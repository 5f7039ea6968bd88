#include "engine/journal/journal_read.h"

static enum journal_outcome stop(struct journal_reader *reader, enum journal_outcome outcome)
{
    reader->outcome = (uint8_t)outcome;
    return outcome;
}

enum journal_outcome journal_read_open(struct journal_reader *reader, const uint8_t *bytes, uint64_t size)
{
    struct journal_header header;
    memset(reader, 0, sizeof(*reader));
    reader->bytes = bytes;
    reader->size = size;
    if (size < sizeof(header))
        return stop(reader, JOURNAL_READ_NO_JOURNAL);
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != JOURNAL_MAGIC)
        return stop(reader, JOURNAL_READ_NO_JOURNAL);
    if (header.check != journal_crc(0, bytes, offsetof(struct journal_header, check)))
        return stop(reader, JOURNAL_READ_DAMAGED);
    if (header.version != JOURNAL_VERSION || header.bytes != sizeof(header))
        return stop(reader, JOURNAL_READ_VERSION);
    reader->check = header.check;
    reader->offset = sizeof(header);
    return stop(reader, JOURNAL_READ_RECORD);
}

enum journal_outcome journal_read_next(struct journal_reader *reader, struct journal_view *view)
{
    struct journal_record record;
    uint64_t left = reader->size - reader->offset;
    if (reader->outcome != JOURNAL_READ_RECORD)
        return (enum journal_outcome)reader->outcome;
    if (reader->ended)
        return stop(reader, left == 0 ? JOURNAL_READ_DONE : JOURNAL_READ_TRAILING);
    if (left < sizeof(record))
        return stop(reader, JOURNAL_READ_TRUNCATED);
    const uint8_t *at = reader->bytes + reader->offset;
    memcpy(&record, at, sizeof(record));
    uint64_t bytes = sizeof(record) + journal_padded(record.length);
    if (bytes > left)
        return stop(reader, JOURNAL_READ_TRUNCATED);
    if (journal_crc(reader->check, at + sizeof(record.check), bytes - sizeof(record.check)) != record.check)
        return stop(reader, JOURNAL_READ_DAMAGED);
    if (!journal_kind_known(record.kind))
        return stop(reader, JOURNAL_READ_UNKNOWN);
    *view = (struct journal_view){reader->number, reader->offset, record.time_ns, at + sizeof(record),
                                  record.length,  record.kind,    record.flags};
    reader->check = record.check;
    reader->offset += bytes;
    reader->number++;
    reader->ended = record.kind == JOURNAL_END;
    return stop(reader, JOURNAL_READ_RECORD);
}

enum journal_outcome journal_read_kinds(struct journal_reader *reader, struct journal_view *view, uint64_t kinds)
{
    enum journal_outcome outcome;
    do
        outcome = journal_read_next(reader, view);
    while (outcome == JOURNAL_READ_RECORD && !(kinds >> (view->kind & 63) & 1));
    return outcome;
}

const char *journal_outcome_name(uint8_t outcome)
{
    static const char *const names[JOURNAL_OUTCOME_COUNT] = {
        "record", "done", "not a journal", "written by another version", "damaged", "truncated",
        "bytes behind the end", "unknown kind"};
    return outcome < JOURNAL_OUTCOME_COUNT ? names[outcome] : "unknown";
}
