/* MDP 3.0 framing and the table of templates; the contract is in mdp3_wire.h. */
#include "engine/feed/mdp3_wire.h"

#include <stddef.h>

#include "engine/feed/mdp3_bytes.h"

#define NONE MDP3_ABSENT
#define NO_ENTRY .price = NONE, .quantity = NONE, .security = NONE, .report_sequence = NONE, .order_count = NONE,      \
                 .level = NONE, .action = NONE, .type = NONE, .extra = NONE, .date = NONE, .match = NONE

/* Roots that begin with TransactTime and MatchEventIndicator. */
#define REFRESH(exponent, groups)                                                                                      \
    .price_exponent = exponent, .root_size = 9, .time = 0, .indicator = 8, .group_count = groups

#define BOOK(template_number, exponent, optional)                                                                      \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_BOOK, REFRESH(exponent, 2), .group_optional = optional,           \
        .header_size = {3, 8}, .entry_size = {27, 22},                                                                 \
        .entry = {.price = 0, .quantity = 8, .quantity_size = 4, .security = 12, .report_sequence = 16,                \
                  .order_count = 20, .level = 24, .action = 25, .type = 26, .extra = NONE, .date = NONE,               \
                  .match = NONE},                                                                                      \
    }
#define ORDER_BOOK(template_number, exponent)                                                                          \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_ORDER_BOOK, REFRESH(exponent, 1), .header_size = {3},             \
        .entry_size = {34},                                                                                            \
        .entry = {.price = 16, .quantity = 24, .quantity_size = 4, .security = 28, .report_sequence = NONE,            \
                  .order_count = NONE, .level = NONE, .action = 32, .type = 33, .extra = NONE, .date = NONE,           \
                  .match = NONE},                                                                                      \
    }
/* MDTradeEntryID came with version 7: an older entry is padded where it is, and it is read if the block holds it. */
#define TRADE(template_number, exponent)                                                                               \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_TRADE, REFRESH(exponent, 2), .header_size = {3, 8},               \
        .entry_size = {26, 12},                                                                                        \
        .entry = {.price = 0, .quantity = 8, .quantity_size = 4, .security = 12, .report_sequence = 16,                \
                  .order_count = 20, .level = NONE, .action = 25, .type = NONE, .type_constant = '2', .extra = 24,     \
                  .date = NONE, .match = 26},                                                                          \
    }
#define SESSION_STATISTIC(template_number, exponent)                                                                   \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_STATISTIC, REFRESH(exponent, 1), .header_size = {3},              \
        .entry_size = {19},                                                                                            \
        .entry = {.price = 0, .quantity = 19, .quantity_size = 4, .security = 8, .report_sequence = 12,                \
                  .order_count = NONE, .level = NONE, .action = 17, .type = 18, .extra = 16, .date = NONE,             \
                  .match = NONE},                                                                                      \
    }
#define DAILY_STATISTIC(template_number, exponent)                                                                     \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_STATISTIC, REFRESH(exponent, 1), .header_size = {3},              \
        .entry_size = {25},                                                                                            \
        .entry = {.price = 0, .quantity = 8, .quantity_size = 4, .security = 12, .report_sequence = 16,                \
                  .order_count = NONE, .level = NONE, .action = 23, .type = 24, .extra = 22, .date = 20,               \
                  .match = NONE},                                                                                      \
    }
#define LIMIT(template_number, exponent)                                                                               \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_LIMIT, REFRESH(exponent, 1), .header_size = {3},                  \
        .entry_size = {32},                                                                                            \
        .entry = {.price = 0, .quantity = NONE, .security = 24, .report_sequence = 28, .order_count = NONE,            \
                  .level = NONE, .action = NONE, .type = NONE, .type_constant = 'g', .extra = NONE, .date = NONE,      \
                  .match = NONE},                                                                                      \
    }
#define SNAPSHOT(template_number, exponent)                                                                            \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_SNAPSHOT, .price_exponent = exponent, .root_size = 35,            \
        .time = 16, .indicator = NONE, .group_count = 1, .header_size = {3}, .entry_size = {22},                       \
        .entry = {.price = 0, .quantity = 8, .quantity_size = 4, .security = NONE, .report_sequence = NONE,            \
                  .order_count = 12, .level = 16, .action = NONE, .type = 21, .extra = 19, .date = 17,                 \
                  .match = NONE},                                                                                      \
    }
#define ORDER_SNAPSHOT(template_number, exponent)                                                                      \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_ORDER_SNAPSHOT, .price_exponent = exponent, .root_size = 28,      \
        .time = 20, .indicator = NONE, .group_count = 1, .header_size = {3}, .entry_size = {29},                       \
        .entry = {.price = 16, .quantity = 24, .quantity_size = 4, .security = NONE, .report_sequence = NONE,          \
                  .order_count = NONE, .level = NONE, .action = NONE, .type = 28, .extra = NONE, .date = NONE,         \
                  .match = NONE},                                                                                      \
    }
/* All products' definitions begin alike, and their second group is the one of feed types. */
#define DEFINITION(template_number, exponent)                                                                          \
    {                                                                                                                  \
        .number = template_number, .kind = MDP3_KIND_DEFINITION, .price_exponent = exponent, .root_size = 59,          \
        .time = 6, .indicator = 0, .group_count = 2, .open_ended = true, .header_size = {3, 3}, .entry_size = {0, 4},  \
        .entry = {NO_ENTRY},                                                                                           \
    }

static const struct mdp3_template templates[] = {
    BOOK(46, -9, 0),
    BOOK(32, -7, 1), /* version 5 has no orders group yet */
    ORDER_BOOK(47, -9),
    ORDER_BOOK(43, -7),
    TRADE(48, -9),
    TRADE(42, -7),
    SESSION_STATISTIC(51, -9),
    SESSION_STATISTIC(35, -7),
    DAILY_STATISTIC(49, -9),
    DAILY_STATISTIC(33, -7),
    LIMIT(50, -9),
    LIMIT(34, -7),
    SNAPSHOT(52, -9),
    SNAPSHOT(38, -7),
    ORDER_SNAPSHOT(53, -9),
    ORDER_SNAPSHOT(44, -7),
    DEFINITION(54, -9),
    DEFINITION(55, -9),
    DEFINITION(56, -9),
    DEFINITION(57, -9),
    DEFINITION(58, -9),
    DEFINITION(63, -9),
    DEFINITION(27, -7),
    DEFINITION(29, -7),
    DEFINITION(41, -7),
    {
        .number = 37, .kind = MDP3_KIND_VOLUME, REFRESH(-9, 1), .header_size = {3}, .entry_size = {13},
        .entry = {.price = NONE, .quantity = 0, .quantity_size = 4, .security = 4, .report_sequence = 8,
                  .order_count = NONE, .level = NONE, .action = 12, .type = NONE, .type_constant = 'e', .extra = NONE,
                  .date = NONE, .match = NONE},
    },
    /* Quantities of 64 bits (versions 12 on) shift what follows them. */
    {
        .number = 64, .kind = MDP3_KIND_BOOK, REFRESH(-9, 2), .header_size = {3, 8}, .entry_size = {31, 22},
        .entry = {.price = 0, .quantity = 8, .quantity_size = 8, .security = 16, .report_sequence = 20,
                  .order_count = 24, .level = 28, .action = 29, .type = 30, .extra = NONE, .date = NONE,
                  .match = NONE},
    },
    {
        .number = 65, .kind = MDP3_KIND_TRADE, REFRESH(-9, 2), .header_size = {3, 8}, .entry_size = {34, 12},
        .entry = {.price = 0, .quantity = 8, .quantity_size = 8, .security = 16, .report_sequence = 20,
                  .order_count = 24, .level = NONE, .action = 33, .type = NONE, .type_constant = '2', .extra = 32,
                  .date = NONE, .match = 28},
    },
    {
        .number = 66, .kind = MDP3_KIND_VOLUME, REFRESH(-9, 1), .header_size = {3}, .entry_size = {17},
        .entry = {.price = NONE, .quantity = 0, .quantity_size = 8, .security = 8, .report_sequence = 12,
                  .order_count = NONE, .level = NONE, .action = 16, .type = NONE, .type_constant = 'e', .extra = NONE,
                  .date = NONE, .match = NONE},
    },
    {
        .number = 67, .kind = MDP3_KIND_STATISTIC, REFRESH(-9, 1), .header_size = {3}, .entry_size = {27},
        .entry = {.price = 0, .quantity = 8, .quantity_size = 8, .security = 16, .report_sequence = 20,
                  .order_count = NONE, .level = NONE, .action = 25, .type = 26, .extra = 24, .date = NONE,
                  .match = NONE},
    },
    {
        .number = 69, .kind = MDP3_KIND_SNAPSHOT, .price_exponent = -9, .root_size = 35, .time = 16, .indicator = NONE,
        .group_count = 1, .header_size = {3}, .entry_size = {23},
        .entry = {.price = 0, .quantity = 8, .quantity_size = 8, .security = NONE, .report_sequence = NONE,
                  .order_count = 16, .level = 20, .action = NONE, .type = 22, .extra = 21, .date = NONE,
                  .match = NONE},
    },
    {
        .number = 4, .kind = MDP3_KIND_CHANNEL_RESET, REFRESH(-9, 1), .header_size = {3}, .entry_size = {2},
        .entry = {NO_ENTRY},
    },
    {
        .number = 30, .kind = MDP3_KIND_STATUS, .price_exponent = -9, .root_size = 30, .time = 0, .indicator = 26,
        .group_count = 0, .entry = {NO_ENTRY},
    },
    {
        .number = 12, .kind = MDP3_KIND_HEARTBEAT, .price_exponent = -9, .root_size = 0, .time = NONE, .indicator = NONE,
        .group_count = 0, .entry = {NO_ENTRY},
    },
    {
        .number = 39, .kind = MDP3_KIND_OTHER, .price_exponent = -9, .root_size = 32, .time = 0, .indicator = 31,
        .group_count = 1, .header_size = {3}, .entry_size = {0}, .entry = {NO_ENTRY},
    },
};

/* 1 + the place in templates[] of a template number: the table above by name, checked by a test of every number. */
static const uint8_t places[MDP3_TEMPLATE_COUNT_MAX] = {
    [46] = 1,  [32] = 2,  [47] = 3,  [43] = 4,  [48] = 5,  [42] = 6,  [51] = 7,  [35] = 8,  [49] = 9,
    [33] = 10, [50] = 11, [34] = 12, [52] = 13, [38] = 14, [53] = 15, [44] = 16, [54] = 17, [55] = 18,
    [56] = 19, [57] = 20, [58] = 21, [63] = 22, [27] = 23, [29] = 24, [41] = 25, [37] = 26, [64] = 27,
    [65] = 28, [66] = 29, [67] = 30, [69] = 31, [4] = 32,  [30] = 33, [12] = 34, [39] = 35,
};

const struct mdp3_template *mdp3_template_find(uint16_t number)
{
    uint8_t place = number < MDP3_TEMPLATE_COUNT_MAX ? places[number] : 0;

    return place == 0 ? NULL : &templates[place - 1];
}

/* The groups that are read, each step checked against the message's end. */
static enum mdp3_outcome parse_groups(struct mdp3_message *message, uint32_t offset)
{
    const struct mdp3_template *layout = message->layout;

    for (uint32_t index = 0; index < layout->group_count; index++) {
        uint32_t left = message->size - offset;
        uint32_t header_size = layout->header_size[index];
        struct mdp3_group *group = &message->groups[index];

        if (left == 0 && index >= (uint32_t)(layout->group_count - layout->group_optional))
            return MDP3_VALID;
        if (left < header_size)
            return MDP3_GROUP_HEADER_CUT;

        const uint8_t *header = message->bytes + offset;

        group->block_length = mdp3_load_u16(header);
        group->count = header[header_size - 1]; /* the last byte of both dimension types */
        group->entries = header + header_size;
        if (group->count != 0 && group->block_length < layout->entry_size[index])
            return MDP3_ENTRY_SHORT;

        uint32_t bytes = (uint32_t)group->block_length * group->count;

        if (bytes > left - header_size)
            return MDP3_GROUP_CUT;
        offset += header_size + bytes;
    }
    if (offset == message->size || layout->open_ended)
        return MDP3_VALID;
    return message->version > MDP3_VERSION_KNOWN ? MDP3_NEWER_LAYOUT : MDP3_TRAILING_BYTES;
}

enum mdp3_outcome mdp3_message_parse(const uint8_t *bytes, uint32_t left, struct mdp3_message *message)
{
    if (left < MDP3_MESSAGE_HEADER_SIZE)
        return MDP3_MESSAGE_HEADER_CUT;
    *message = (struct mdp3_message){
        .bytes = bytes,
        .root = bytes + MDP3_MESSAGE_HEADER_SIZE,
        .size = mdp3_load_u16(bytes),
        .block_length = mdp3_load_u16(bytes + 2),
        .number = mdp3_load_u16(bytes + 4),
        .schema = mdp3_load_u16(bytes + 6),
        .version = mdp3_load_u16(bytes + 8),
    };
    if (message->size < MDP3_MESSAGE_HEADER_SIZE)
        return MDP3_MESSAGE_SIZE_SHORT;
    if (message->size > left)
        return MDP3_MESSAGE_CUT;
    if (message->schema != MDP3_SCHEMA_ID)
        return MDP3_UNKNOWN_SCHEMA;
    message->layout = mdp3_template_find(message->number);
    if (message->layout == NULL)
        return MDP3_UNKNOWN_TEMPLATE;
    if (message->block_length > message->size - MDP3_MESSAGE_HEADER_SIZE)
        return MDP3_ROOT_CUT;
    if (message->block_length < message->layout->root_size)
        return MDP3_ROOT_SHORT;
    return parse_groups(message, MDP3_MESSAGE_HEADER_SIZE + message->block_length);
}

enum mdp3_outcome mdp3_packet_check(const uint8_t *bytes, uint32_t length, struct mdp3_packet *packet)
{
    if (length < MDP3_HEADER_SIZE)
        return MDP3_SHORT_HEADER;
    if (length == MDP3_HEADER_SIZE)
        return MDP3_NO_MESSAGE;
    *packet = (struct mdp3_packet){
        .bytes = bytes,
        .length = length,
        .sequence = mdp3_load_u32(bytes),
        .sending_ns = mdp3_load_u64(bytes + 4),
    };

    /* Bounded by the datagram: every turn takes at least ten bytes of it. */
    for (uint32_t offset = MDP3_HEADER_SIZE; offset < length;) {
        struct mdp3_message message;
        enum mdp3_outcome outcome = mdp3_message_parse(bytes + offset, length - offset, &message);

        if (!mdp3_outcome_good(outcome))
            return outcome;
        packet->messages++;
        packet->unknown_templates += outcome == MDP3_UNKNOWN_TEMPLATE;
        packet->unknown_schemas += outcome == MDP3_UNKNOWN_SCHEMA;
        packet->newer_layouts += outcome == MDP3_NEWER_LAYOUT;
        offset += message.size;
    }
    return MDP3_VALID;
}

const char *mdp3_outcome_name(enum mdp3_outcome outcome)
{
    static const char *const names[MDP3_OUTCOME_COUNT] = {
        [MDP3_VALID] = "valid",
        [MDP3_UNKNOWN_TEMPLATE] = "unknown_template",
        [MDP3_UNKNOWN_SCHEMA] = "unknown_schema",
        [MDP3_NEWER_LAYOUT] = "newer_layout",
        [MDP3_SHORT_HEADER] = "short_header",
        [MDP3_NO_MESSAGE] = "no_message",
        [MDP3_MESSAGE_HEADER_CUT] = "message_header_cut",
        [MDP3_MESSAGE_SIZE_SHORT] = "message_size_short",
        [MDP3_MESSAGE_CUT] = "message_cut",
        [MDP3_ROOT_SHORT] = "root_short",
        [MDP3_ROOT_CUT] = "root_cut",
        [MDP3_GROUP_HEADER_CUT] = "group_header_cut",
        [MDP3_ENTRY_SHORT] = "entry_short",
        [MDP3_GROUP_CUT] = "group_cut",
        [MDP3_TRAILING_BYTES] = "trailing_bytes",
    };

    return (unsigned)outcome < MDP3_OUTCOME_COUNT ? names[outcome] : "unknown";
}
