/* Noise: random programs never leave their frame, plans are in order and in bounds, and market data goes first. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/engine/check.h"
#include "traffic/exchange/noise.h"
#include "traffic/market/random.h"

enum { ROUNDS = 20000, FRAMES = 40, GUARD = 0xA5, STREAMS = 4, RECORDS = 2000 };

static struct random generator;

static uint64_t below(uint64_t bound) {
    return random_below(&generator, bound);
}

/* A frame between two guards, so that a step outside is seen without a sanitizer too. */
static uint8_t memory[64 + FIELD_FRAME_BYTES_MAX + 64];
static struct field_variable variables[4];
static struct field_operation operations[8];

static struct field_program random_program(void) {
    struct field_program program = {.frame = memory + 64, .variables = variables, .operations = operations,
                                    .frame_bytes = 50 + (uint32_t)below(120), .variable_count = (uint32_t)below(5),
                                    .operation_count = (uint32_t)below(9), .cache = (uint32_t)below(6),
                                    .random_initial = below(1000)};
    memset(memory, GUARD, sizeof memory);
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t low = below(2) ? below(200) : random_next(&generator), span = below(2) ? below(150) : below(UINT64_MAX);
        uint64_t high = low + span < low ? UINT64_MAX : low + span;
        variables[i] = (struct field_variable){.min = low, .max = high, .step = 1 + below(4),
                                               .initial = below(20) ? low : high};
    }
    for (uint32_t i = 0; i < 8; i++)
        operations[i] = (struct field_operation){
            .kind = (uint8_t)below(FIELD_KINDS + 1), .variable = (uint16_t)below(5), .offset = (uint32_t)below(160),
            .size = (uint8_t)(1u << below(5)), .big_endian = (uint8_t)below(2), .add = (int64_t)random_next(&generator),
            .l3_bytes = 20 + 4 * (uint32_t)below(12), .protocol = (uint8_t)(below(2) ? 17 : below(2) ? 6 : 0),
            .limit = below(5)};
    return program;
}

static void test_a_good_program_stays_in_its_frame(void) {
    uint32_t good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct field_program program = random_program();
        if (!field_good(&program))
            continue;
        good++;
        field_begin(&program);
        for (int i = 0; i < FRAMES; i++) {
            uint32_t length = field_run(&program);
            CHECK(length >= FIELD_FRAME_BYTES_MIN && length <= program.frame_bytes);
        }
        for (uint32_t i = 0; i < program.variable_count; i++)
            CHECK(variables[i].next >= variables[i].min && variables[i].next <= variables[i].max);
        for (uint32_t i = 0; i < 64; i++) {
            CHECK_EQUAL(memory[i], GUARD);
            CHECK_EQUAL(memory[64 + program.frame_bytes + i], GUARD);
        }
    }
    CHECK(good > ROUNDS / 100);
}

static void test_a_plan_is_in_order_and_in_bounds(void) {
    static struct noise_record records[RECORDS];
    for (int round = 0; round < 500; round++) {
        struct noise_timing streams[STREAMS];
        int64_t horizon_ns = (int64_t)below(1000000);
        for (int i = 0; i < STREAMS; i++)
            streams[i] = (struct noise_timing){
                .gap_ps = (int64_t)below(100000000), .wait_ps = (int64_t)below(100000000),
                .pause_ps = (int64_t)below(100000000), .from_ns = (int64_t)below(100000),
                .until_ns = (int64_t)below(2000000), .packets = below(5), .bursts = below(4),
                .next = (int32_t)below(STREAMS + 1) - 1, .turns = (uint32_t)below(3), .starts = (uint32_t)below(2),
                .line = (uint32_t)below(2)};
        uint64_t count = noise_plan(streams, STREAMS, horizon_ns, records, RECORDS, RECORDS);
        CHECK(count <= RECORDS);
        CHECK_EQUAL(noise_plan(streams, STREAMS, horizon_ns, NULL, 0, RECORDS), count);
        for (uint64_t i = 0; i < count; i++) {
            const struct noise_timing *stream = &streams[records[i].stream];
            CHECK(i == 0 || records[i].intended_ns >= records[i - 1].intended_ns);
            CHECK(records[i].intended_ns <= horizon_ns && records[i].intended_ns < stream->until_ns);
            CHECK_EQUAL(records[i].line, stream->line);
            CHECK_EQUAL(records[i].burst < 0, stream->packets == 0);
        }
    }
}

static uint8_t frame[FIELD_FRAME_BYTES_MIN];
static struct noise_record plan[3];
static struct noise_stream stream;
static struct line lines[LINES_MAX];
static struct noise noise;

/* Three frames at 0, 10 and 20 us on one end of a pair of sockets; the other end is returned. */
static int open_noise(void) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    memset(&stream, 0, sizeof stream);
    stream.program = (struct field_program){.frame = frame, .frame_bytes = sizeof frame};
    stream.line_mac = 1;
    for (int i = 0; i < 3; i++)
        plan[i] = (struct noise_record){.intended_ns = 10000 * i, .burst = -1};
    lines[0].socket = ends[0];
    memcpy(lines[0].frame.header + 6, "\2\0\0\0\0\7", 6);
    struct noise_options options = {.records = plan, .record_count = 3, .streams = &stream, .stream_count = 1};
    CHECK_EQUAL(noise_open(&noise, &options, lines), 0);
    CHECK_EQUAL(noise.due_ns, INT64_MAX);
    noise_start(&noise, 1000000, 500);
    CHECK_EQUAL(noise.due_ns, 1000000 - 500);
    return ends[1];
}

static void test_market_data_goes_first_but_not_for_ever(void) {
    int other = open_noise();
    int64_t due_ns = noise.due_ns, soon_ns = NOISE_SLACK_NS - 1;
    CHECK(!noise_may_go(&noise, due_ns - 1, INT64_MAX));
    CHECK(noise_may_go(&noise, due_ns, INT64_MAX));
    CHECK(noise_may_go(&noise, due_ns, due_ns + NOISE_SLACK_NS));
    CHECK(!noise_may_go(&noise, due_ns, due_ns + soon_ns));
    CHECK(!noise_must_go(&noise, due_ns + NOISE_PATIENCE_NS - 1));
    int64_t late_ns = due_ns + NOISE_PATIENCE_NS + 50000;
    CHECK(noise_must_go(&noise, late_ns));
    CHECK(noise_may_go(&noise, late_ns, late_ns));
    noise_send(&noise, late_ns);
    CHECK(late_ns - noise.due_ns > NOISE_PATIENCE_NS); /* the next one is overdue too, and has its turn later */
    CHECK(!noise_must_go(&noise, late_ns + NOISE_TURN_NS - 1));
    CHECK(noise_must_go(&noise, late_ns + NOISE_TURN_NS));
    CHECK_EQUAL(stream.forced, 1);
    CHECK_EQUAL(stream.late_max_ns, late_ns - due_ns);
    close(other);
    close(lines[0].socket);
}

static void test_what_was_sent_is_noted_and_a_failed_send_is_counted(void) {
    int other = open_noise();
    uint8_t got[100];
    noise_send(&noise, noise.due_ns);
    CHECK_EQUAL(recv(other, got, sizeof got, MSG_DONTWAIT), FIELD_FRAME_BYTES_MIN);
    CHECK(memcmp(got + 6, "\2\0\0\0\0\7", 6) == 0);
    CHECK_EQUAL(plan[0].intended_ns, 1000000);
    CHECK_EQUAL(plan[0].sent_ns, 1000000 - 500);
    CHECK_EQUAL(plan[0].bytes, FIELD_FRAME_BYTES_MIN);
    close(other);
    noise_send(&noise, noise.due_ns);
    noise_send(&noise, noise.due_ns);
    CHECK_EQUAL(plan[2].sent_ns, 0);
    CHECK_EQUAL(stream.frames, 1);
    CHECK_EQUAL(stream.errors, 2);
    CHECK_EQUAL(noise.due_ns, INT64_MAX);
    CHECK_EQUAL(noise.next, 3);
    close(lines[0].socket);
}

int main(void) {
    random_init(&generator, 7);
    test_a_good_program_stays_in_its_frame();
    test_a_plan_is_in_order_and_in_bounds();
    test_market_data_goes_first_but_not_for_ever();
    test_what_was_sent_is_noted_and_a_failed_send_is_counted();
    return 0;
}
