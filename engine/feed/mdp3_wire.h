/* CME MDP 3.0 framing: packet header, messages, groups; every bound of a datagram checked before anything is used.
 *
 *     0            4            12
 *     | MsgSeqNum  | SendingTime | message | message | ...
 *     message:  | MsgSize | blockLength | templateId | schemaId | version | root | group | group | ...
 *     group:    | blockLength | numInGroup | entry | entry | ...        3 bytes before the entries, or 8
 *
 * Everything is little-endian. MsgSize counts itself. Roots and entries are padded and grow with the schema's
 * version, so each step is the blockLength on the wire, never the known size; a block shorter than the fields that
 * are read is refused. mdp3_packet_check() walks all of it, so that a datagram is taken whole or not at all; what it
 * cannot see is a datagram cut exactly between two messages.
 *
 * Templates that are not known, and schemas other than 1, are skipped by MsgSize and counted. Bytes behind the last
 * known group are a fault up to the schema version that is known, MDP3_VERSION_KNOWN, and a newer layout beyond it.
 * Definitions are read as far as their second group only: what follows differs by product and is not walked.
 *
 * Pure functions, any thread. Cost: about 5 ns a message.
 * Specification: CME SBE templates of schema versions 5 to 13; CME MDP 3.0 "Packet structure".
 */
#ifndef ENGINE_FEED_MDP3_WIRE_H
#define ENGINE_FEED_MDP3_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define MDP3_HEADER_SIZE 12u
#define MDP3_MESSAGE_HEADER_SIZE 10u
#define MDP3_SCHEMA_ID 1u
#define MDP3_VERSION_KNOWN 13u
#define MDP3_GROUP_COUNT 2u          /* most groups of a template that are read */
#define MDP3_TEMPLATE_COUNT_MAX 256u /* template numbers below are looked up, those from there on are unknown */
#define MDP3_ABSENT 0xFFu            /* offset of a field that a template has not */

enum mdp3_outcome {
    MDP3_VALID = 0,
    MDP3_UNKNOWN_TEMPLATE = 1,   /* skipped */
    MDP3_UNKNOWN_SCHEMA = 2,     /* skipped */
    MDP3_NEWER_LAYOUT = 3,       /* bytes behind the known groups of a newer schema; the known ones are used */
    MDP3_SHORT_HEADER = 4,       /* fewer than 12 bytes */
    MDP3_NO_MESSAGE = 5,         /* nothing behind the header: a heartbeat is a message too */
    MDP3_MESSAGE_HEADER_CUT = 6, /* 1 to 9 bytes left where a message should begin */
    MDP3_MESSAGE_SIZE_SHORT = 7, /* MsgSize is below the message header's own size */
    MDP3_MESSAGE_CUT = 8,        /* MsgSize is beyond the datagram's end */
    MDP3_ROOT_SHORT = 9,         /* blockLength of the root does not hold the fields that are read */
    MDP3_ROOT_CUT = 10,          /* blockLength of the root is beyond the message's end */
    MDP3_GROUP_HEADER_CUT = 11,
    MDP3_ENTRY_SHORT = 12,       /* blockLength of a group does not hold the fields that are read */
    MDP3_GROUP_CUT = 13,         /* entries are beyond the message's end */
    MDP3_TRAILING_BYTES = 14,    /* bytes behind the last group of a known layout */
    MDP3_OUTCOME_COUNT = 15,
};

/* Outcomes up to here let a message pass or be skipped; the others refuse the datagram. */
static inline bool mdp3_outcome_good(enum mdp3_outcome outcome)
{
    return outcome <= MDP3_NEWER_LAYOUT;
}

enum mdp3_kind {
    MDP3_KIND_UNKNOWN = 0,
    MDP3_KIND_BOOK,            /* 46 32 64 */
    MDP3_KIND_ORDER_BOOK,      /* 47 43 */
    MDP3_KIND_TRADE,           /* 48 42 65 */
    MDP3_KIND_VOLUME,          /* 37 66 */
    MDP3_KIND_STATISTIC,       /* 51 35 67 session, 49 33 daily */
    MDP3_KIND_LIMIT,           /* 50 34 */
    MDP3_KIND_SNAPSHOT,        /* 52 38 69 */
    MDP3_KIND_ORDER_SNAPSHOT,  /* 53 44 */
    MDP3_KIND_CHANNEL_RESET,   /* 4 */
    MDP3_KIND_STATUS,          /* 30 */
    MDP3_KIND_HEARTBEAT,       /* 12 */
    MDP3_KIND_DEFINITION,      /* 54 55 56 57 58 63, 27 29 41 */
    MDP3_KIND_OTHER,           /* 39 quote request: has no event, may end one */
    MDP3_KIND_COUNT,
};

/* Where the fields of the first group's entries are; MDP3_ABSENT: nowhere. */
struct mdp3_entry_layout {
    uint8_t price, quantity, quantity_size; /* quantity_size: 4, or 8 since the LongQty templates */
    uint8_t security, report_sequence, order_count, level, action, type;
    char type_constant; /* entry type of a template that does not send it */
    uint8_t extra;      /* aggressor; open/close/settlement flag or bits */
    uint8_t date, match;
};

struct mdp3_template {
    uint16_t number;
    uint8_t kind;           /* enum mdp3_kind */
    int8_t price_exponent;  /* -7 up to template 45, -9 from 46 on; not on the wire */
    uint8_t root_size;      /* bytes of the root that are read */
    uint8_t time;           /* offset of the time stamp in the root */
    uint8_t indicator;      /* offset of the match event indicator in the root */
    uint8_t group_count;    /* groups that are read */
    uint8_t group_optional; /* of those, how many at the end an old version may lack */
    bool open_ended;        /* more groups follow and are not walked */
    uint8_t header_size[MDP3_GROUP_COUNT]; /* 3, or 8 */
    uint8_t entry_size[MDP3_GROUP_COUNT];  /* bytes of an entry that are read */
    struct mdp3_entry_layout entry;        /* of the first group */
};

struct mdp3_group {
    const uint8_t *entries;
    uint16_t block_length;
    uint16_t count;
};

struct mdp3_message {
    const struct mdp3_template *layout; /* NULL: unknown, skipped */
    const uint8_t *bytes;               /* MsgSize's place */
    const uint8_t *root;
    struct mdp3_group groups[MDP3_GROUP_COUNT];
    uint16_t size;
    uint16_t block_length;
    uint16_t number;
    uint16_t schema;
    uint16_t version;
};

struct mdp3_packet {
    const uint8_t *bytes;
    uint64_t sending_ns; /* since 1970-01-01 UTC */
    uint32_t length;
    uint32_t sequence;   /* MsgSeqNum */
    uint32_t messages;   /* skipped ones included */
    uint32_t unknown_templates;
    uint32_t unknown_schemas;
    uint32_t newer_layouts;
};

/* The layout of a template number, or NULL. Constant data. */
const struct mdp3_template *mdp3_template_find(uint16_t number);

/* The message at `bytes`, of which `left` bytes are there. What follows is at bytes + message->size, unless the outcome
 * is a fault. */
enum mdp3_outcome mdp3_message_parse(const uint8_t *bytes, uint32_t left, struct mdp3_message *message);

/* Check a whole datagram (UDP payload) and fill *packet; MDP3_VALID, or the fault of its first bad message. */
enum mdp3_outcome mdp3_packet_check(const uint8_t *bytes, uint32_t length, struct mdp3_packet *packet);

/* Lower-case name, "unknown" out of range. Static storage. */
const char *mdp3_outcome_name(enum mdp3_outcome outcome);

#endif
