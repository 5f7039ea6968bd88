/* Random numbers, arrivals, the model and the schedule, in memory of exactly the size asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"
#include "traffic/exchange/cycle.h"
#include "traffic/market/arrivals.h"
#include "traffic/market/model.h"
#include "traffic/market/schedule.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"
#include "traffic/wire/itch50_shift.h"
#include "traffic/wire/udp_frame.h"

static struct random generator;

static void test_logarithm_and_exponential_are_close_to_the_c_library(void) {
    for (int i = 0; i < 100000; i++) {
        uint64_t x_q32 = random_next(&generator) >> random_below(&generator, 63);
        x_q32 += x_q32 == 0;
        double expected = log((double)x_q32 / 4294967296.0);
        CHECK(fabs((double)random_ln_q32(&generator, x_q32) / 4294967296.0 - expected) < 1e-5);
        double decay = exp(-(double)(x_q32 >> 27) / 4294967296.0);
        CHECK(fabs((double)random_exp_minus_q32(&generator, x_q32 >> 27) / 4294967296.0 - decay) < 1e-5);
    }
    CHECK_EQUAL(random_exp_minus_q32(&generator, 0), RANDOM_ONE_Q32);
    CHECK_EQUAL(random_exp_minus_q32(&generator, UINT64_MAX), 0);
    CHECK_EQUAL(random_ln_q32(&generator, RANDOM_ONE_Q32), 0);
}

static void test_bounds_are_kept(void) {
    for (uint64_t bound = 1; bound < 100; bound++)
        for (int i = 0; i < 1000; i++)
            CHECK(random_below(&generator, bound) < bound);
}

static void test_arrivals_do_not_go_back_at_any_rate(void) {
    static const uint32_t rates[] = {1, 10, 1000, 100000, ARRIVALS_RATE_PER_S_MAX};
    static int64_t offsets_ns[2000];
    for (int kind = 0; kind < 3; kind++)
        for (int rate = 0; rate < 5; rate++) {
            arrivals_fill((enum arrivals_kind)kind, 7, rates[rate], offsets_ns, 2000);
            CHECK_EQUAL(offsets_ns[0], 0);
            for (int i = 1; i < 2000; i++)
                CHECK(offsets_ns[i] >= offsets_ns[i - 1]);
        }
}

static uint64_t generate(uint64_t seed, uint32_t symbols, uint64_t messages, uint8_t *arena) {
    static struct model model;
    struct model_options options = {.seed = seed, .messages = messages, .symbols = symbols};
    void *memory = aligned_alloc(64, (model_bytes(symbols) + 63) & ~UINT64_C(63));
    memset(memory, 0, model_bytes(symbols));
    model_init(&model, &options, memory);
    uint64_t size = model_run(&model, arena);
    CHECK_EQUAL(model.book.outcomes[PUBLISHED_UNKNOWN_REFERENCE], 0);
    CHECK_EQUAL(model.book.outcomes[PUBLISHED_DUPLICATE_REFERENCE], 0);
    CHECK_EQUAL(model.book.outcomes[PUBLISHED_MALFORMED], 0);
    CHECK_EQUAL(model.book.outcomes[PUBLISHED_FULL], 0);
    CHECK_EQUAL(model.book.excess_shares, 0);
    free(memory);
    return size;
}

static void test_the_model_stays_within_its_memory_and_its_rules(void) {
    static const struct { uint32_t symbols; uint64_t messages; } shapes[] = {
        {1, 1}, {1, 50000}, {3, 7}, {100, 200000}, {2000, 60000}};
    for (uint64_t seed = 0; seed < 3; seed++)
        for (unsigned shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
            uint8_t *arena = malloc(shapes[shape].messages * MODEL_FRAME_BYTES_MAX);
            uint64_t size = generate(seed, shapes[shape].symbols, shapes[shape].messages, arena);
            struct itch50_scan scan;
            CHECK_EQUAL(itch50_scan(arena, size, true, NULL, &scan), ITCH50_OK);
            CHECK_EQUAL(scan.messages, shapes[shape].messages);
            CHECK_EQUAL(scan.length_errors + scan.unknown_types, 0);
            free(arena);
        }
}

/* The same with any compiler and any flags; a deliberate change of the model changes this number with it. */
static void test_one_seed_is_one_stream_on_every_machine(void) {
    enum { MESSAGES = 5000 };
    uint8_t *arena = malloc(MESSAGES * MODEL_FRAME_BYTES_MAX);
    uint64_t size = generate(7, 10, MESSAGES, arena), hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < size; i++)
        hash = (hash ^ arena[i]) * UINT64_C(0x100000001b3);
    CHECK_EQUAL(hash, UINT64_C(11770812087096986928));
    free(arena);
}

/* In memory of exactly its size: the sanitizers see every byte beyond it. */
static void test_a_closed_round_is_played_again_with_new_numbers(void) {
    static const struct { uint32_t symbols; uint64_t messages; } shapes[] = {{1, 32}, {7, 224}, {7, 225}, {100, 30000}};
    for (uint64_t seed = 0; seed < 3; seed++)
        for (unsigned shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
            static struct model model;
            uint32_t symbols = shapes[shape].symbols;
            uint64_t opening = model_opening_messages(symbols), messages = opening + shapes[shape].messages;
            struct model_options options = {.seed = seed, .messages = messages, .symbols = symbols, .closes = true};
            void *memory = aligned_alloc(64, (model_bytes(symbols) + 63) & ~UINT64_C(63));
            memset(memory, 0, model_bytes(symbols));
            model_init(&model, &options, memory);
            uint8_t *roomy = malloc(messages * MODEL_FRAME_BYTES_MAX);
            uint64_t size = model_run(&model, roomy);
            uint8_t *arena = memcpy(malloc(size), roomy, size);
            free(roomy);
            CHECK_EQUAL(model.book.live_orders, 0);
            struct packet_record packets[2] = {
                {.count = (uint16_t)opening, .bytes = (uint32_t)(20 + model.opening_bytes)},
                {.count = (uint16_t)(messages - opening), .bytes = (uint32_t)(20 + size - model.opening_bytes),
                 .message_offset = model.opening_bytes}};
            uint16_t *sums = calloc(4, sizeof *sums);
            struct cycle cycle = {.first_packet = 1, .packets = 1, .arena = arena, .sums = sums, .packet_count = 4,
                                  .by = {.time_ns = UINT64_C(86399999999999), .references = model.reference - 1000,
                                         .matches = model.match - 100}};
            cycle_renew(&cycle, 0, &packets[0]);
            for (uint64_t index = 1; index < 4; index++) {  /* the last has no round behind it */
                published_book_apply_framed(&model.book, arena + model.opening_bytes, size - model.opening_bytes);
                cycle_renew(&cycle, index, &packets[1]);
            }
            CHECK_EQUAL(model.book.live_orders, 0);
            CHECK_EQUAL(model.book.outcomes[PUBLISHED_UNKNOWN_REFERENCE], 0);
            CHECK_EQUAL(model.book.outcomes[PUBLISHED_DUPLICATE_REFERENCE], 0);
            CHECK_EQUAL(sums[0] + sums[1], 0);
            CHECK_EQUAL(sums[3], udp_sum(arena + model.opening_bytes, (uint32_t)(size - model.opening_bytes)));
            free(sums);
            free(arena);
            free(memory);
        }
}

static void test_a_message_shorter_than_its_type_keeps_its_numbers(void) {
    static const uint8_t blocks[] = "\0\13E\0\1\0\0\0\0\0\0\0\5\0\2Ex\0\0";
    uint8_t *moved = memcpy(malloc(sizeof blocks - 1), blocks, sizeof blocks - 1);
    const struct itch50_shift by = {.time_ns = 2, .references = 3, .matches = 4};
    CHECK(itch50_shift(&by, moved, 3) == moved + sizeof blocks - 1);
    CHECK_EQUAL(load_be48(moved + 7), 7);
    CHECK(memcmp(moved + 13, blocks + 13, sizeof blocks - 1 - 13) == 0);
    free(moved);
}

static void test_a_schedule_covers_the_arena(void) {
    enum { MESSAGES = 20000 };
    uint8_t *arena = malloc(MESSAGES * MODEL_FRAME_BYTES_MAX);
    int64_t *times_ns = malloc(MESSAGES * sizeof *times_ns);
    struct packet_record *packets = malloc(MESSAGES * sizeof *packets);
    uint64_t size = generate(7, 10, MESSAGES, arena);
    arrivals_fill(ARRIVALS_HAWKES, 7, 1000000, times_ns, MESSAGES);
    struct schedule_options options = {.first_sequence = 5, .gap_min_ns = 500, .burst_every_ns = 2000000,
                                       .burst_spacing_ns = 100, .stamp_base_ns = 34200000000000,
                                       .messages_max = 100, .burst_messages = 333, .burst_packing = 60};
    uint64_t count = schedule_build(&options, arena, times_ns, MESSAGES, packets);
    uint16_t *sums = malloc(count * sizeof *sums);
    schedule_sums(arena, packets, count, 20, sums);
    uint64_t offset = 0, sequence = 5;
    for (uint64_t i = 0; i < count; i++) {
        CHECK_EQUAL(packets[i].message_offset, offset);
        CHECK_EQUAL(packets[i].first_sequence, sequence);
        CHECK(packets[i].bytes <= 1472);
        CHECK(i == 0 || packets[i].intended_ns >= packets[i - 1].intended_ns);
        for (uint32_t k = 0; k < packets[i].count; k++) {
            CHECK(load_be48(arena + offset + 2 + 5) <= (uint64_t)(options.stamp_base_ns + packets[i].intended_ns));
            offset += 2 + (uint64_t)load_be16(arena + offset);
        }
        sequence += packets[i].count;
    }
    CHECK_EQUAL(offset, size);
    CHECK_EQUAL(sequence, 5 + MESSAGES);
    CHECK(packets[count - 1].intended_ns > 2000000);
    free(sums);
    free(packets);
    free(times_ns);
    free(arena);
}

int main(void) {
    random_init(&generator, 1);
    RUN(test_logarithm_and_exponential_are_close_to_the_c_library);
    RUN(test_bounds_are_kept);
    RUN(test_arrivals_do_not_go_back_at_any_rate);
    RUN(test_the_model_stays_within_its_memory_and_its_rules);
    RUN(test_one_seed_is_one_stream_on_every_machine);
    RUN(test_a_closed_round_is_played_again_with_new_numbers);
    RUN(test_a_message_shorter_than_its_type_keeps_its_numbers);
    RUN(test_a_schedule_covers_the_arena);
    return check_result();
}
