/* MDP 3.0 messages to events; the contract is in mdp3_decode.h, bounds were checked by mdp3_message_parse(). */
#include "engine/feed/mdp3_decode.h"

#include "engine/feed/mdp3_bytes.h"

enum { PRICE_BYTES = 8 };

static int64_t load_price(const uint8_t *bytes)
{
    return mdp3_load_i64(bytes); /* the null of the wire is INT64_MAX too */
}

static uint64_t load_quantity(const uint8_t *bytes, unsigned size)
{
    if (size == 8)
        return mdp3_load_u64(bytes); /* the null of the wire is UINT64_MAX too */
    int32_t quantity = mdp3_load_i32(bytes);

    return quantity == INT32_MAX ? EVENT_QUANTITY_NULL : (uint64_t)(int64_t)quantity;
}

static uint32_t load_count(const uint8_t *bytes)
{
    int32_t count = mdp3_load_i32(bytes);

    return count == INT32_MAX || count < 0 ? 0 : (uint32_t)count;
}

static char side_of(char type)
{
    return type == '0' || type == 'E' ? 'B' : type == '1' || type == 'F' ? 'S' : 0;
}

uint8_t mdp3_indicator(const struct mdp3_message *message)
{
    return message->layout != NULL && message->layout->indicator != MDP3_ABSENT
               ? message->root[message->layout->indicator]
               : 0;
}

void mdp3_decode_begin(struct mdp3_cursor *cursor, const struct mdp3_message *message)
{
    *cursor = (struct mdp3_cursor){.message = message};
    if (message->layout == NULL)
        return;
    cursor->common.venue = EVENT_VENUE_MDP3;
    cursor->common.venue_type = (char)message->number;
    cursor->common.price_exponent = message->layout->price_exponent;
    cursor->common.indicator = mdp3_indicator(message);
    if (message->layout->time != MDP3_ABSENT)
        cursor->common.time_ns = mdp3_load_u64(message->root + message->layout->time);
    if (message->layout->kind == MDP3_KIND_SNAPSHOT || message->layout->kind == MDP3_KIND_ORDER_SNAPSHOT)
        cursor->common.security = mdp3_load_i32(message->root + 8);
}

/* What the first group's layout names, over the common fields. */
static void load_entry(const struct mdp3_message *message, const uint8_t *entry, struct event *event)
{
    const struct mdp3_entry_layout *layout = &message->layout->entry;
    const unsigned block_length = message->groups[0].block_length;

    event->wide_price = layout->price != MDP3_ABSENT ? load_price(entry + layout->price) : EVENT_PRICE_NULL;
    /* session statistics of old versions have no quantity, but padding that is as long */
    event->wide_shares = layout->quantity != MDP3_ABSENT && block_length >= layout->quantity + layout->quantity_size &&
                                 !(message->number == 35 && message->version < 8)
                             ? load_quantity(entry + layout->quantity, layout->quantity_size)
                             : EVENT_QUANTITY_NULL;
    if (layout->security != MDP3_ABSENT)
        event->security = mdp3_load_i32(entry + layout->security);
    if (layout->report_sequence != MDP3_ABSENT)
        event->report_sequence = mdp3_load_u32(entry + layout->report_sequence);
    if (layout->order_count != MDP3_ABSENT)
        event->order_count = load_count(entry + layout->order_count);
    if (layout->level != MDP3_ABSENT)
        event->level = entry[layout->level];
    if (layout->action != MDP3_ABSENT)
        event->action = entry[layout->action];
    event->flag = layout->type != MDP3_ABSENT ? (char)entry[layout->type] : layout->type_constant;
}

static const uint8_t *entry_at(const struct mdp3_message *message, unsigned group, unsigned entry)
{
    return message->groups[group].entries + (uint32_t)message->groups[group].block_length * entry;
}

static void decode_statistic(const struct mdp3_message *message, const uint8_t *entry, struct event *event)
{
    const struct mdp3_entry_layout *layout = &message->layout->entry;

    event->kind = EVENT_STATISTIC;
    event->level = layout->extra != MDP3_ABSENT ? entry[layout->extra] : event->level;
    event->shares = layout->date != MDP3_ABSENT ? mdp3_load_u16(entry + layout->date) : 0;
}

/* Levels of a refresh or of a snapshot; what is no level is a statistic. */
static void decode_book(const struct mdp3_message *message, const uint8_t *entry, struct event *event)
{
    event->side = side_of(event->flag);
    if (event->side != 0)
        event->kind = EVENT_LEVEL;
    else if (event->flag == 'J')
        event->kind = EVENT_BOOK_RESET;
    else
        decode_statistic(message, entry, event);
}

static void decode_trade(const struct mdp3_message *message, const uint8_t *entry, struct event *event)
{
    const struct mdp3_entry_layout *layout = &message->layout->entry;
    const uint8_t aggressor = entry[layout->extra];

    event->kind = EVENT_TRADE_SUMMARY;
    event->side = aggressor == 1 ? 'B' : aggressor == 2 ? 'S' : ' ';
    /* version 5 and 6 have padding where the trade's number is */
    if (message->groups[0].block_length >= layout->match + 4u && !(message->number == 42 && message->version < 7)) {
        uint32_t match = mdp3_load_u32(entry + layout->match);

        event->match = match == UINT32_MAX ? 0 : match;
    }
}

/* Entry of template 47, or of an order snapshot, which has no action. */
static void decode_order(const uint8_t *entry, struct event *event)
{
    event->kind = EVENT_ORDER;
    event->order_reference = mdp3_load_u64(entry);
    event->priority = mdp3_load_u64(entry + 8);
    event->side = side_of(event->flag);
}

/* Three events an entry; the first carries the report sequence. */
static bool decode_limit(struct mdp3_cursor *cursor, const uint8_t *entry, struct event *event)
{
    static const char flags[3] = {'H', 'L', 'V'};

    event->kind = EVENT_LIMIT;
    event->flag = flags[cursor->part];
    event->wide_price = load_price(entry + PRICE_BYTES * cursor->part);
    if (cursor->part != 0)
        event->report_sequence = 0;
    cursor->part = (uint16_t)((cursor->part + 1) % 3);
    return cursor->part == 0;
}

/* Order entry of template 46: the rest of it is in the entry that it refers to. */
static void decode_book_order(const struct mdp3_message *message, const uint8_t *entry, struct event *event)
{
    const uint8_t reference = entry[20]; /* 1-based; null is 255 */

    event->kind = EVENT_ORDER;
    event->order_reference = mdp3_load_u64(entry);
    event->priority = mdp3_load_u64(entry + 8);
    event->action = entry[21];
    event->wide_price = EVENT_PRICE_NULL;
    if (reference != 0 && reference != 255 && reference <= message->groups[0].count) {
        const uint8_t *of = entry_at(message, 0, reference - 1u);

        event->wide_price = load_price(of + message->layout->entry.price);
        event->security = mdp3_load_i32(of + message->layout->entry.security);
        event->flag = (char)of[message->layout->entry.type];
        event->side = side_of(event->flag);
    }
    event->wide_shares = load_quantity(entry + 16, 4);
}

/* Order entry of a trade summary: it belongs to the trade whose NumberOfOrders it falls into. */
static void decode_trade_order(struct mdp3_cursor *cursor, const uint8_t *entry, struct event *event)
{
    const struct mdp3_message *message = cursor->message;
    const struct mdp3_entry_layout *layout = &message->layout->entry;

    event->kind = EVENT_TRADE_ORDER;
    event->order_reference = mdp3_load_u64(entry);
    event->wide_shares = load_quantity(entry + 8, 4);
    event->wide_price = EVENT_PRICE_NULL;
    while (cursor->trade < message->groups[0].count &&
           cursor->trade_order >= load_count(entry_at(message, 0, cursor->trade) + layout->order_count)) {
        cursor->trade++;
        cursor->trade_order = 0;
    }
    if (cursor->trade >= message->groups[0].count)
        return;

    const uint8_t *of = entry_at(message, 0, cursor->trade);
    const uint8_t aggressor = of[layout->extra];

    event->security = mdp3_load_i32(of + layout->security);
    event->wide_price = load_price(of + layout->price);
    event->flag = cursor->trade_order == 0 && (aggressor == 1 || aggressor == 2) ? 'A' : 'R';
    event->side = aggressor != 1 && aggressor != 2 ? ' ' : (aggressor == 1) == (event->flag == 'A') ? 'B' : 'S';
    cursor->trade_order++;
}

/* The events of messages that have no groups of entries, or that begin with one of the root. */
static bool decode_root(struct mdp3_cursor *cursor, struct event *event)
{
    const struct mdp3_message *message = cursor->message;

    cursor->part = 0;
    cursor->entry = 0;
    *event = cursor->common;
    if (message->layout->kind == MDP3_KIND_CHANNEL_RESET) {
        event->kind = EVENT_CHANNEL_RESET;
        return true;
    }
    if (message->layout->kind == MDP3_KIND_STATUS) {
        struct mdp3_status status;

        mdp3_status_read(message, &status);
        event->kind = EVENT_STATUS;
        event->security = status.security;
        event->flag = (char)status.status;
        event->action = status.halt_reason;
        event->level = status.trading_event;
        event->shares = mdp3_load_u16(message->root + 24);
        memcpy(event->stock, status.group, sizeof(status.group));
        return true;
    }
    if (message->layout->kind == MDP3_KIND_DEFINITION) {
        struct mdp3_definition definition;

        mdp3_definition_read(message, &definition);
        event->kind = EVENT_DEFINITION;
        event->security = definition.security;
        event->flag = definition.action;
        event->level = definition.depth;
        event->order_count = definition.implied_depth;
        memcpy(event->stock, definition.symbol, sizeof(event->stock));
        return true;
    }
    if (message->layout->kind == MDP3_KIND_SNAPSHOT || message->layout->kind == MDP3_KIND_ORDER_SNAPSHOT) {
        struct mdp3_snapshot snapshot;

        mdp3_snapshot_read(message, &snapshot);
        event->kind = EVENT_SNAPSHOT;
        event->report_sequence = snapshot.report_sequence;
        event->match = snapshot.last_sequence;
        event->flag = message->layout->kind == MDP3_KIND_SNAPSHOT ? 'P' : 'O';
        return true;
    }
    return false;
}

/* One entry of the first group; false: it takes more events. */
static bool decode_entry(struct mdp3_cursor *cursor, struct event *event)
{
    const struct mdp3_message *message = cursor->message;
    const uint8_t *entry = entry_at(message, 0, cursor->entry);

    load_entry(message, entry, event);
    switch (message->layout->kind) {
    case MDP3_KIND_BOOK:
    case MDP3_KIND_SNAPSHOT:
        decode_book(message, entry, event);
        break;
    case MDP3_KIND_ORDER_BOOK:
    case MDP3_KIND_ORDER_SNAPSHOT:
        decode_order(entry, event);
        break;
    case MDP3_KIND_TRADE:
        decode_trade(message, entry, event);
        break;
    case MDP3_KIND_VOLUME:
        event->kind = EVENT_VOLUME;
        break;
    case MDP3_KIND_LIMIT:
        return decode_limit(cursor, entry, event);
    default: /* MDP3_KIND_STATISTIC */
        decode_statistic(message, entry, event);
        break;
    }
    return true;
}

/* Kinds whose first group has events. */
static bool has_entries(uint8_t kind)
{
    return kind >= MDP3_KIND_BOOK && kind <= MDP3_KIND_ORDER_SNAPSHOT;
}

bool mdp3_decode_next(struct mdp3_cursor *cursor, struct event *event)
{
    const struct mdp3_message *message = cursor->message;

    if (message->layout == NULL)
        return false;
    if (cursor->group == 0) { /* the root */
        cursor->group = 1;
        if (decode_root(cursor, event))
            return true;
    }
    if (!has_entries(message->layout->kind))
        return false;
    *event = cursor->common;
    if (cursor->group == 1) {
        if (cursor->entry < message->groups[0].count) {
            cursor->entry += decode_entry(cursor, event);
            return true;
        }
        cursor->group = 2;
        cursor->entry = 0;
    }
    if (cursor->entry >= message->groups[1].count)
        return false;

    const uint8_t *entry = entry_at(message, 1, cursor->entry++);

    if (message->layout->kind == MDP3_KIND_BOOK)
        decode_book_order(message, entry, event);
    else
        decode_trade_order(cursor, entry, event);
    return true;
}

void mdp3_snapshot_read(const struct mdp3_message *message, struct mdp3_snapshot *snapshot)
{
    const uint8_t *root = message->root;
    const bool by_price = message->layout->kind == MDP3_KIND_SNAPSHOT;

    *snapshot = (struct mdp3_snapshot){
        .last_sequence = mdp3_load_u32(root),
        .report_count = mdp3_load_u32(root + 4),
        .security = mdp3_load_i32(root + 8),
        .report_sequence = by_price ? mdp3_load_u32(root + 12) : 0,
        .chunk_count = by_price ? 1 : mdp3_load_u32(root + 12),
        .chunk = by_price ? 1 : mdp3_load_u32(root + 16),
        .status = by_price ? root[34] : MDP3_STATUS_NONE,
    };
}

void mdp3_status_read(const struct mdp3_message *message, struct mdp3_status *status)
{
    const uint8_t *root = message->root;

    *status = (struct mdp3_status){
        .security = mdp3_load_i32(root + 20),
        .status = root[27],
        .halt_reason = root[28],
        .trading_event = root[29],
    };
    memcpy(status->group, root + 8, sizeof(status->group));
    memcpy(status->asset, root + 14, sizeof(status->asset));
}

void mdp3_definition_read(const struct mdp3_message *message, struct mdp3_definition *definition)
{
    const uint8_t *root = message->root;

    *definition = (struct mdp3_definition){
        .security = mdp3_load_i32(root + 55),
        .action = (char)root[5],
        .status = root[14],
    };
    memcpy(definition->group, root + 23, sizeof(definition->group));
    memcpy(definition->asset, root + 29, sizeof(definition->asset));
    memcpy(definition->symbol, root + 35, sizeof(definition->symbol));
    for (unsigned index = 0; index < message->groups[1].count; index++) {
        const uint8_t *entry = entry_at(message, 1, index);
        const uint8_t depth = (int8_t)entry[3] > 0 ? entry[3] : 0;

        if (memcmp(entry, "GBX", 3) == 0)
            definition->depth = depth;
        else if (memcmp(entry, "GBI", 3) == 0)
            definition->implied_depth = depth;
    }
}
