/* The impairer under random rules: every packet comes out as often as it should, unless dropped; bounds hold. */
#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"
#include "traffic/exchange/impairer.h"
#include "traffic/market/random.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/udp_frame.h"

enum { ROUNDS = 200, PACKETS = 2000, PAYLOAD_BYTES_MAX = 1472 };

static struct random generator;
static struct impairer impairer;
static struct impairer_packet *held;
static uint32_t out[PACKETS];
static uint64_t sent;

static uint64_t below(uint64_t bound) {
    return random_below(&generator, bound);
}

static void count_packet(void *context, uint64_t tag, const uint8_t *bytes, uint32_t size) {
    (void)context;
    CHECK(tag < PACKETS);
    CHECK(size <= UDP_FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX);
    CHECK(size >= impairer.options.payload_offset);
    if (impairer.options.payload_offset)
        CHECK_EQUAL(load_be16(bytes + 16), size - 14);
    out[tag]++;
    sent++;
}

static struct impairment_rule random_rule(void) {
    struct impairment_rule rule = {
        .from_position = below(2) ? 0 : below(PACKETS), .until_ns = below(4) ? 0 : below(1000000),
        .random = 1 + below(1000), .places = 1 + below(1000), .repeat_every = 1 + below(300),
        .delay_ns = 1 + below(100000), .repeat_left = (uint32_t)below(4), .packets = (uint32_t)below(50),
        .every = (uint32_t)below(5), .probability = (uint32_t)random_next(&generator),
        .good_to_bad = (uint32_t)random_next(&generator), .bad_to_good = (uint32_t)random_next(&generator),
        .probability_good = (uint32_t)random_next(&generator) >> 4, .amount = 1 + (uint32_t)below(80),
        .action = (uint8_t)(1 + below(5)), .pattern = (uint8_t)(1 + below(4)),
        .corruption = (uint8_t)(1 + below(5)), .armed = 1};
    return rule;
}

static void test_what_goes_in_comes_out_by_the_rules(void) {
    static uint8_t bytes[PAYLOAD_BYTES_MAX];
    uint8_t header[UDP_FRAME_HEADER_BYTES];
    struct udp_frame frame;
    udp_frame_init(&frame, (const uint8_t *)"\2\0\0\0\0\1", 0x0100000A, 0x010000EF, 1, 2);
    for (int round = 0; round < ROUNDS; round++) {
        struct impairer_options options = {.rule_count = 1 + (uint32_t)below(IMPAIRER_RULES), .held = held,
                                           .payload_offset = round % 2 ? UDP_FRAME_HEADER_BYTES : 0,
                                           .send = count_packet};
        for (uint32_t i = 0; i < options.rule_count; i++)
            options.rules[i] = random_rule();
        impairer_init(&impairer, &options);
        memset(out, 0, sizeof out);
        sent = 0;
        uint64_t passed = 0;
        int64_t now_ns = 0;
        for (uint64_t i = 0; i < PACKETS; i++) {
            uint32_t size = (uint32_t)below(PAYLOAD_BYTES_MAX + 1), cut = (uint32_t)below(size + 1);
            udp_frame_set(&frame, (uint16_t)size, udp_sum(bytes, size));
            memcpy(header, frame.header, sizeof header);
            struct impairer_piece pieces[3] = {
                {header, options.payload_offset}, {bytes, cut}, {bytes + cut, size - cut}};
            now_ns += (int64_t)below(3000);
            if (!impairer_takes(&impairer, pieces, i + 1, 1, i, now_ns, now_ns)) {
                out[i]++;
                passed++;
            }
            impairer_passed(&impairer, now_ns);
            impairer_release(&impairer, now_ns);
            CHECK(impairer.free_count <= IMPAIRER_HELD && impairer.reordered_count <= IMPAIRER_REORDERED);
        }
        impairer_flush(&impairer);
        CHECK_EQUAL(impairer.due_ns, INT64_MAX);
        CHECK_EQUAL(impairer.free_count, IMPAIRER_HELD);
        CHECK_EQUAL(passed + sent + impairer.counters.dropped, PACKETS + impairer.counters.duplicated);
        uint64_t none = 0;
        for (uint64_t i = 0; i < PACKETS; i++)
            none += out[i] == 0;
        CHECK_EQUAL(none, impairer.counters.dropped);
    }
}

int main(void) {
    held = calloc(IMPAIRER_HELD + 1, sizeof *held);
    random_init(&generator, 5);
    RUN(test_what_goes_in_comes_out_by_the_rules);
    free(held);
    return check_result();
}
