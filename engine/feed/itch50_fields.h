/* Every field of every ITCH 5.0 message as data: for tests, documents and tools, never for the hot path.
 *
 * The hand-written decoder in itch50.c takes only what the engine needs; this table names all of it, so that a
 * test can decode each field of a capture and compare. Fields are in wire order and tile a message exactly from
 * byte 0 to its length. Constant data, any thread. Specification: Nasdaq TotalView-ITCH 5.0, section 4.
 */
#ifndef ENGINE_FEED_ITCH50_FIELDS_H
#define ENGINE_FEED_ITCH50_FIELDS_H

#include <stdint.h>

enum itch50_field_kind {
    ITCH50_ALPHA = 0,   /* ASCII, left-justified, space padded */
    ITCH50_INTEGER = 1, /* unsigned, big-endian, 2 to 8 bytes */
    ITCH50_PRICE4 = 2,  /* u32 in 1/10000 */
    ITCH50_PRICE8 = 3,  /* u64 in 1/100000000 */
    ITCH50_TIME = 4,    /* 6 bytes, ns since midnight US Eastern */
};

struct itch50_field {
    const char *name;
    uint8_t offset; /* bytes from the message's first */
    uint8_t size;   /* bytes */
    uint8_t kind;   /* enum itch50_field_kind */
};

struct itch50_message {
    const char *name;
    const struct itch50_field *fields;
    uint8_t field_count;
    uint8_t length; /* bytes */
    char type;
};

#define ITCH50_MESSAGE_COUNT 23u

extern const struct itch50_message itch50_messages[ITCH50_MESSAGE_COUNT];

/* The message of a type letter, or NULL. */
const struct itch50_message *itch50_message_find(char type);

#endif
