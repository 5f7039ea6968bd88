/* ITCH 5.0: length rules, unknown types, and the hot decoder against the field table. */
#include "engine/feed/itch50.h"

#include <string.h>

#include "engine/feed/itch50_fields.h"
#include "tests/engine/check.h"

static const struct itch50_field *field_of(char type, const char *name)
{
    const struct itch50_message *message = itch50_message_find(type);

    for (uint32_t index = 0; index < message->field_count; index++) {
        if (strcmp(message->fields[index].name, name) == 0)
            return &message->fields[index];
    }
    return NULL;
}

static uint64_t load(const uint8_t *message, const struct itch50_field *field)
{
    uint64_t value = 0;

    for (uint32_t index = 0; index < field->size; index++)
        value = value << 8 | message[field->offset + index];
    return value;
}

/* A message of a type whose bytes are all different. */
static void fill(uint8_t *message, char type)
{
    for (uint32_t index = 0; index < 64; index++)
        message[index] = (uint8_t)(0xC0 + index);
    message[0] = (uint8_t)type;
}

static void fields_tile_every_message_from_first_byte_to_last(void)
{
    for (uint32_t index = 0; index < ITCH50_MESSAGE_COUNT; index++) {
        const struct itch50_message *message = &itch50_messages[index];
        uint32_t offset = 0;

        for (uint32_t field = 0; field < message->field_count; field++) {
            CHECK_EQUAL(message->fields[field].offset, offset);
            offset += message->fields[field].size;
        }
        CHECK_EQUAL(offset, message->length);
        CHECK_EQUAL(itch50_length((uint8_t)message->type), message->length);
        CHECK(itch50_message_find(message->type) == message);
    }
    CHECK(itch50_message_find('z') == NULL);
}

static void only_the_23_letters_have_a_length(void)
{
    uint32_t known = 0;

    for (uint32_t type = 0; type < 256; type++)
        known += itch50_length((uint8_t)type) != 0;
    CHECK_EQUAL(known, 23);
}

static void shorter_than_known_is_refused_and_longer_is_reported(void)
{
    uint8_t message[64];
    struct event event;

    for (uint32_t index = 0; index < ITCH50_MESSAGE_COUNT; index++) {
        uint16_t known = itch50_messages[index].length;

        fill(message, itch50_messages[index].type);
        for (uint16_t length = 0; length < known; length++) {
            CHECK_EQUAL(itch50_decode(message, length, &event), ITCH_LENGTH_ERROR);
            CHECK_EQUAL(event.kind, EVENT_NONE);
        }
        CHECK_EQUAL(itch50_decode(message, known, &event), ITCH_DECODED);
        CHECK_EQUAL(event.venue_type, itch50_messages[index].type);
        CHECK(event.kind != EVENT_NONE);
        CHECK_EQUAL(itch50_decode(message, known + 1, &event), ITCH_DECODED_LONG);
        CHECK(event.kind != EVENT_NONE);
    }
}

static void unknown_types_are_skipped_and_counted(void)
{
    struct itch50 itch = {0};
    struct event event;
    uint8_t message[64] = {'z'};

    CHECK(!itch50_take(&itch, message, 40, &event));
    CHECK_EQUAL(event.kind, EVENT_NONE);
    CHECK_EQUAL(itch.statistics.unknown_types, 1);
    CHECK(!itch50_take(&itch, message, 0, &event));
    CHECK_EQUAL(itch.statistics.length_errors, 1);
}

static void strict_mode_refuses_long_messages_and_lenient_counts_them(void)
{
    struct itch50 lenient = {0}, strict = {.strict = true};
    struct event event;
    uint8_t message[64];

    fill(message, 'D');
    CHECK(itch50_take(&lenient, message, 20, &event));
    CHECK_EQUAL(lenient.statistics.long_messages, 1);
    CHECK_EQUAL(lenient.statistics.types['D'], 1);
    CHECK(!itch50_take(&strict, message, 20, &event));
    CHECK_EQUAL(strict.statistics.length_errors, 1);
    CHECK_EQUAL(strict.statistics.types['D'], 0);
    CHECK(itch50_take(&strict, message, 19, &event));
    CHECK_EQUAL(strict.statistics.types['D'], 1);
}

/* One row: an event member and the field that it must come from. */
struct mapping {
    char type;
    uint8_t kind;
    const char *reference, *new_reference, *match, *shares, *price, *wide_shares, *side, *flag, *stock;
};

static const struct mapping mappings[] = {
    {'A', EVENT_ADD, "order_reference", 0, 0, "shares", "price", 0, "side", 0, "stock"},
    {'F', EVENT_ADD, "order_reference", 0, 0, "shares", "price", 0, "side", 0, "stock"},
    {'E', EVENT_EXECUTE, "order_reference", 0, "match_number", "executed_shares", 0, 0, 0, 0, 0},
    {'C', EVENT_EXECUTE_PRICE, "order_reference", 0, "match_number", "executed_shares", "price", 0, 0, "printable", 0},
    {'X', EVENT_REDUCE, "order_reference", 0, 0, "cancelled_shares", 0, 0, 0, 0, 0},
    {'D', EVENT_DELETE, "order_reference", 0, 0, 0, 0, 0, 0, 0, 0},
    {'U', EVENT_REPLACE, "order_reference", "new_order_reference", 0, "shares", "price", 0, 0, 0, 0},
    {'P', EVENT_TRADE, 0, 0, "match_number", "shares", "price", 0, "side", 0, "stock"},
    {'Q', EVENT_CROSS, 0, 0, "match_number", 0, "price", "shares", 0, "cross_type", "stock"},
    {'B', EVENT_BROKEN, 0, 0, "match_number", 0, 0, 0, 0, 0, 0},
    {'S', EVENT_SYSTEM, 0, 0, 0, 0, 0, 0, 0, "event_code", 0},
    {'R', EVENT_DIRECTORY, 0, 0, 0, "round_lot_size", 0, 0, 0, 0, "stock"},
    {'H', EVENT_TRADING_STATE, 0, 0, 0, 0, 0, 0, 0, "trading_state", "stock"},
    {'Y', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0}, {'L', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0},
    {'V', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0}, {'W', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0},
    {'K', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0}, {'J', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0},
    {'h', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0}, {'I', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0},
    {'N', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0}, {'O', EVENT_REFERENCE, 0, 0, 0, 0, 0, 0, 0, "type", 0},
};

static uint64_t expected(const uint8_t *message, char type, const char *name)
{
    return name != NULL ? load(message, field_of(type, name)) : 0;
}

static void every_event_member_comes_from_its_field_and_the_rest_is_zero(void)
{
    CHECK_EQUAL(sizeof(mappings) / sizeof(mappings[0]), ITCH50_MESSAGE_COUNT);
    for (uint32_t index = 0; index < sizeof(mappings) / sizeof(mappings[0]); index++) {
        const struct mapping *map = &mappings[index];
        uint8_t message[65];
        struct event event;

        fill(message + 1, map->type); /* odd address: loads must not care */
        const uint8_t *bytes = message + 1;

        memset(&event, 0xEE, sizeof(event));
        CHECK_EQUAL(itch50_decode(bytes, itch50_length((uint8_t)map->type), &event), ITCH_DECODED);
        CHECK_EQUAL(event.kind, map->kind);
        CHECK_EQUAL(event.sequence, 0);
        CHECK_EQUAL(event.symbol, expected(bytes, map->type, "stock_locate"));
        CHECK_EQUAL(event.time_ns, expected(bytes, map->type, "timestamp"));
        CHECK_EQUAL(event.order_reference, expected(bytes, map->type, map->reference));
        CHECK_EQUAL(event.new_order_reference, expected(bytes, map->type, map->new_reference));
        CHECK_EQUAL(event.match, expected(bytes, map->type, map->match));
        CHECK_EQUAL(event.shares, expected(bytes, map->type, map->shares));
        CHECK_EQUAL(event.price, expected(bytes, map->type, map->price));
        CHECK_EQUAL(event.wide_shares, expected(bytes, map->type, map->wide_shares));
        CHECK_EQUAL((uint8_t)event.side, expected(bytes, map->type, map->side));
        CHECK_EQUAL((uint8_t)event.flag, expected(bytes, map->type, map->flag));
        uint64_t stock = 0;

        for (uint32_t letter = 0; letter < 8; letter++)
            stock = stock << 8 | (uint8_t)event.stock[letter];
        CHECK_EQUAL(stock, expected(bytes, map->type, map->stock));
    }
}

int main(void)
{
    RUN(fields_tile_every_message_from_first_byte_to_last);
    RUN(only_the_23_letters_have_a_length);
    RUN(shorter_than_known_is_refused_and_longer_is_reported);
    RUN(unknown_types_are_skipped_and_counted);
    RUN(strict_mode_refuses_long_messages_and_lenient_counts_them);
    RUN(every_event_member_comes_from_its_field_and_the_rest_is_zero);
    return check_result();
}
