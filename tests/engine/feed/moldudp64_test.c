/* MoldUDP64 datagrams: what is valid, and one name for each way to be wrong. */
#include "engine/feed/moldudp64.h"

#include <string.h>

#include "tests/engine/check.h"

/* Header of session 000010059B, sequence 0x66, with room for blocks. */
static const uint8_t header[] = {'0', '0', '0', '0', '1', '0', '0', '5', '9', 'B', 0, 0, 0, 0, 0, 0, 0, 0x66, 0, 0};

static uint32_t make(uint8_t *datagram, uint16_t count, const char *blocks, uint32_t block_bytes)
{
    memcpy(datagram, header, sizeof(header));
    datagram[18] = (uint8_t)(count >> 8);
    datagram[19] = (uint8_t)count;
    memcpy(datagram + sizeof(header), blocks, block_bytes);
    return (uint32_t)sizeof(header) + block_bytes;
}

static enum moldudp64_outcome parse(uint16_t count, const char *blocks, uint32_t bytes, struct moldudp64_packet *packet)
{
    uint8_t datagram[64];
    uint32_t length = make(datagram, count, blocks, bytes);

    return moldudp64_parse(datagram, length, packet);
}

static void heartbeat_carries_the_next_sequence_and_no_message(void)
{
    struct moldudp64_packet packet;

    CHECK_EQUAL(parse(0, "", 0, &packet), MOLDUDP64_VALID);
    CHECK_EQUAL(packet.sequence, 102);
    CHECK_EQUAL(packet.next_sequence, 102);
    CHECK_EQUAL(packet.count, 0);
    CHECK_EQUAL(packet.wire_count, 0);
}

static void end_of_session_is_told_from_a_heartbeat_by_its_wire_count(void)
{
    struct moldudp64_packet packet;

    CHECK_EQUAL(parse(0xFFFF, "", 0, &packet), MOLDUDP64_VALID);
    CHECK_EQUAL(packet.next_sequence, 102);
    CHECK_EQUAL(packet.count, 0);
    CHECK_EQUAL(packet.wire_count, MOLDUDP64_COUNT_END);
}

static void blocks_of_any_length_count_one_message_each(void)
{
    struct moldudp64_packet packet;

    CHECK_EQUAL(parse(3, "\0\1A\0\0\0\2BC", 9, &packet), MOLDUDP64_VALID);
    CHECK_EQUAL(packet.next_sequence, 105);
    CHECK_EQUAL(packet.count, 3);
    CHECK_EQUAL(packet.length, 29);
}

static void every_malformation_has_its_own_name(void)
{
    struct moldudp64_packet packet;
    uint8_t datagram[64];

    for (uint32_t length = 0; length < MOLDUDP64_HEADER_SIZE; length++)
        CHECK_EQUAL(moldudp64_parse(header, length, &packet), MOLDUDP64_SHORT_HEADER);
    CHECK_EQUAL(parse(2, "\0\1A", 3, &packet), MOLDUDP64_BLOCK_MISSING);
    CHECK_EQUAL(parse(1, "", 0, &packet), MOLDUDP64_BLOCK_MISSING);
    CHECK_EQUAL(parse(1, "\0", 1, &packet), MOLDUDP64_LENGTH_CUT);
    CHECK_EQUAL(parse(1, "\0\3AB", 4, &packet), MOLDUDP64_DATA_CUT);
    CHECK_EQUAL(parse(1, "\xff\xff" "AB", 4, &packet), MOLDUDP64_DATA_CUT);
    CHECK_EQUAL(parse(1, "\0\1AB", 4, &packet), MOLDUDP64_TRAILING_BYTES);
    CHECK_EQUAL(parse(0, "\0\1A", 3, &packet), MOLDUDP64_TRAILING_BYTES);
    CHECK_EQUAL(parse(0xFFFF, "\0", 1, &packet), MOLDUDP64_TRAILING_BYTES);

    uint32_t length = make(datagram, 1, "\0\1A", 3);

    memset(datagram + 10, 0xFF, 8);
    CHECK_EQUAL(moldudp64_parse(datagram, length, &packet), MOLDUDP64_SEQUENCE_OVERFLOW);
    for (int outcome = 0; outcome < MOLDUDP64_OUTCOME_COUNT; outcome++)
        CHECK(strcmp(moldudp64_outcome_name(outcome), "unknown") != 0);
    CHECK(strcmp(moldudp64_outcome_name(MOLDUDP64_OUTCOME_COUNT), "unknown") == 0);
}

int main(void)
{
    RUN(heartbeat_carries_the_next_sequence_and_no_message);
    RUN(end_of_session_is_told_from_a_heartbeat_by_its_wire_count);
    RUN(blocks_of_any_length_count_one_message_each);
    RUN(every_malformation_has_its_own_name);
    return check_result();
}
