/* Encoders and decoders against bytes of the specifications and of RFC arithmetic. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"
#include "traffic/wire/moldudp64.h"
#include "traffic/wire/ouch42.h"
#include "traffic/wire/soupbin.h"
#include "traffic/wire/udp_frame.h"

static void test_frame_checksums_verify_for_every_payload_length(void) {
    static uint8_t packet[UDP_FRAME_HEADER_BYTES + 1472];
    struct udp_frame frame;
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    udp_frame_init(&frame, mac, inet_addr("10.77.1.1"), inet_addr("239.205.0.1"), 26477, 26478);
    CHECK(memcmp(frame.header, "\x01\x00\x5e\x4d\x00\x01", 6) == 0);
    for (uint32_t size = 0; size <= 1472; size++) {
        uint8_t *payload = packet + UDP_FRAME_HEADER_BYTES;
        for (uint32_t i = 0; i < size; i++)
            payload[i] = (uint8_t)(i * 7 + size);
        udp_frame_set(&frame, (uint16_t)size, udp_sum(payload, size));
        memcpy(packet, frame.header, UDP_FRAME_HEADER_BYTES);
        CHECK_EQUAL(udp_sum(packet + 14, 20), 0xFFFF);
        CHECK_EQUAL(load_be16(packet + 16), 28 + size);
        CHECK_EQUAL(load_be16(packet + 38), 8 + size);
        uint64_t pseudo = (uint64_t)udp_sum(packet + 26, 8) + 17 + 8 + size;
        CHECK_EQUAL(udp_fold(pseudo + udp_sum(packet + 34, 8 + size)), 0xFFFF);
        CHECK(load_be16(packet + 40) != 0);
    }
}

static void test_a_known_ip_header_has_its_known_checksum(void) {
    /* RFC 1071's own example words. */
    const uint8_t words[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK_EQUAL(udp_sum(words, 8), 0xddf2);
    CHECK_EQUAL(udp_sum(words, 7), udp_fold(0xddf2 + 0xFFFF - 0xf7));
}

static void test_moldudp64_headers_are_the_specifications_bytes(void) {
    uint8_t header[MOLDUDP64_HEADER_BYTES];
    moldudp64_put(header, (const uint8_t *)"000010059B", 102, MOLDUDP64_HEARTBEAT);
    CHECK(memcmp(header, "000010059B\0\0\0\0\0\0\0\x66\0\0", 20) == 0);
    moldudp64_put(header, (const uint8_t *)"000010059B", 102, MOLDUDP64_END_OF_SESSION);
    CHECK(memcmp(header, "000010059B\0\0\0\0\0\0\0\x66\xff\xff", 20) == 0);
}

static void test_soupbin_packets_are_those_of_a_real_session(void) {
    uint8_t packet[SOUPBIN_ACCEPTED_BYTES];
    CHECK_EQUAL(soupbin_put_accepted(packet, "1689192121", 135), 33);
    CHECK(memcmp(packet, "\0\x1f""A1689192121                 135", 33) == 0);
    CHECK_EQUAL(soupbin_put_accepted(packet, "S", UINT64_MAX), 33);
    CHECK(memcmp(packet + 3, "         S18446744073709551615", 30) == 0);
    struct soupbin_login login;
    const uint8_t *request = (const uint8_t *)"Luser  password                               0";
    CHECK(soupbin_parse_login(request, 47, &login));
    CHECK(strcmp(login.username, "USER") == 0 && strcmp(login.password, "PASSWORD") == 0);
    CHECK(login.session[0] == 0 && login.sequence == 0);
    CHECK(!soupbin_parse_login(request, 46, &login));
    /* Numbers padded on the wrong side are taken, others than numbers are not, nor those above 64 bits. */
    CHECK(soupbin_parse_login((const uint8_t *)"Luser  password  S1        12                  ", 47, &login));
    CHECK_EQUAL(login.sequence, 12);
    CHECK(!soupbin_parse_login((const uint8_t *)"Luser  password  S1                          -1", 47, &login));
    CHECK(!soupbin_parse_login((const uint8_t *)"Luser  password  S1        99999999999999999999", 47, &login));
}

static void test_ouch_messages_are_parsed_at_their_exact_length_only(void) {
    uint8_t message[64] = {'O'};
    struct ouch42_enter enter;
    struct ouch42_cancel cancel;
    for (uint32_t length = 0; length < sizeof message; length++) {
        uint8_t *exact = malloc(length + 1);
        memcpy(exact, message, length + 1);
        CHECK(ouch42_parse_enter(exact, length, &enter) == (length == 49));
        exact[0] = 'X';
        CHECK(ouch42_parse_cancel(exact, length, &cancel) == (length == 19));
        free(exact);
    }
    CHECK(ouch42_token_valid((const uint8_t *)"aZ09          "));
    CHECK(!ouch42_token_valid((const uint8_t *)"aZ09.         "));
}

static void test_ouch_answers_have_the_lengths_of_the_specification(void) {
    uint8_t out[80];
    struct ouch42_enter enter = {.side = 'B'};
    const uint8_t *token = (const uint8_t *)"T00000000002A0";
    CHECK_EQUAL(ouch42_put_accepted(out, 1, &enter, 2), 66);
    CHECK_EQUAL(ouch42_put_executed(out, 1, token, 2, 3, 4), 40);
    CHECK(memcmp(out, "E\0\0\0\0\0\0\0\1T00000000002A0\0\0\0\2\0\0\0\3R\0\0\0\0\0\0\0\4", 40) == 0);
    CHECK_EQUAL(ouch42_put_canceled(out, 1, token, 2, 'I'), 28);
    CHECK(memcmp(out + 23, "\0\0\0\2I", 5) == 0);
    CHECK_EQUAL(ouch42_put_rejected(out, 1, token, 'S'), 24);
    CHECK_EQUAL(out[23], 'S');
}

static void test_a_scan_stops_where_the_stream_breaks(void) {
    static const struct {
        const char *bytes;
        uint32_t size;
        enum itch50_outcome outcome;
        uint64_t messages;
    } cases[] = {
        {"", 0, ITCH50_OK, 0},
        {"\0", 1, ITCH50_TRUNCATED, 0},
        {"\0\0rest", 6, ITCH50_OK, 0},
        {"\0\x0c", 2, ITCH50_TRUNCATED, 0},
        {"\0\x0cS0123456789O", 14, ITCH50_OK, 1},
        {"\0\x0cS0123456789O\0\x0bS0123456789", 27, ITCH50_TOO_SHORT, 1},
        {"\0\x0az012345678", 12, ITCH50_TOO_SHORT, 0},
        {"\0\x0bz0123456789", 13, ITCH50_OK, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct itch50_scan scan;
        uint8_t *exact = malloc(cases[i].size + 1);
        memcpy(exact, cases[i].bytes, cases[i].size);
        CHECK_EQUAL(itch50_scan(exact, cases[i].size, true, NULL, &scan), cases[i].outcome);
        CHECK_EQUAL(scan.messages, cases[i].messages);
        free(exact);
    }
}

int main(void) {
    RUN(test_frame_checksums_verify_for_every_payload_length);
    RUN(test_a_known_ip_header_has_its_known_checksum);
    RUN(test_moldudp64_headers_are_the_specifications_bytes);
    RUN(test_soupbin_packets_are_those_of_a_real_session);
    RUN(test_ouch_messages_are_parsed_at_their_exact_length_only);
    RUN(test_ouch_answers_have_the_lengths_of_the_specification);
    RUN(test_a_scan_stops_where_the_stream_breaks);
    return check_result();
}
