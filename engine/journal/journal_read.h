/* Reading a journal: bytes of a file in, records out, each checked; what is wrong is named by record and offset.
 *
 * Bytes come from disk and are believed only as far as their checks go: any input is safe, nothing outside of it is
 * read. After the first record that is wrong nothing more is handed out.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_READ_H
#define ENGINE_JOURNAL_JOURNAL_READ_H

#include "engine/journal/journal.h"

enum journal_outcome {
    JOURNAL_READ_RECORD = 0,
    JOURNAL_READ_DONE = 1,       /* the end record was the last one read, and nothing is behind it */
    JOURNAL_READ_NO_JOURNAL = 2, /* no header of a journal */
    JOURNAL_READ_VERSION = 3,    /* of another version */
    JOURNAL_READ_DAMAGED = 4,    /* the record's check is wrong: it was edited, or one before it removed or moved */
    JOURNAL_READ_TRUNCATED = 5,  /* the file ends without an end record */
    JOURNAL_READ_TRAILING = 6,   /* bytes behind the end record */
    JOURNAL_READ_UNKNOWN = 7,    /* a kind that this version does not know */
    JOURNAL_OUTCOME_COUNT = 8,
};

struct journal_view {
    uint64_t number;       /* of the record, from 0 */
    uint64_t offset;       /* of its header in the file */
    uint64_t time_ns;
    const uint8_t *bytes;
    uint32_t length;
    uint8_t kind;
    uint8_t flags;
};

struct journal_reader {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t offset; /* of the next record, or of what is wrong */
    uint64_t number; /* of that record */
    uint32_t check;
    bool ended;
    uint8_t outcome; /* enum journal_outcome of the last call */
};

/* JOURNAL_READ_RECORD, or what is wrong with the header. */
enum journal_outcome journal_read_open(struct journal_reader *reader, const uint8_t *bytes, uint64_t size);

enum journal_outcome journal_read_next(struct journal_reader *reader, struct journal_view *view);

/* The next record whose kind has its bit in `kinds`; what lies between is checked all the same. */
enum journal_outcome journal_read_kinds(struct journal_reader *reader, struct journal_view *view, uint64_t kinds);

const char *journal_outcome_name(uint8_t outcome);

#endif
