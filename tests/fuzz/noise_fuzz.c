/* Fuzzes the field engine and the plan of noise: bytes are programs, variables, instructions and timings as they stand.
 * What field_good() lets through never leaves its frame; a plan is in order whatever the timings. */
#include <stdlib.h>
#include <string.h>

#include "traffic/exchange/field_engine.h"
#include "traffic/exchange/noise_plan.h"

enum { VARIABLES = 6, OPERATIONS = 12, STREAMS = 3, RECORDS = 200, FRAMES = 16 };

struct input {
    uint16_t frame_bytes;
    uint8_t variable_count;
    uint8_t operation_count;
    uint8_t cache;
    struct field_variable variables[VARIABLES];
    struct field_operation operations[OPERATIONS];
    struct { uint32_t gap, wait, pause, from, until; uint8_t packets, bursts, next, turns, starts; } timings[STREAMS];
    uint32_t horizon;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_program(struct input *input) {
    struct field_program program = {.frame_bytes = input->frame_bytes, .variables = input->variables,
                                    .operations = input->operations, .cache = input->cache,
                                    .variable_count = input->variable_count % (VARIABLES + 1),
                                    .operation_count = input->operation_count % (OPERATIONS + 1)};
    program.frame = calloc(1, input->frame_bytes ? input->frame_bytes : 1);
    if (program.frame && field_good(&program)) {
        field_begin(&program);
        for (int i = 0; i < FRAMES; i++) {
            uint32_t length = field_run(&program);
            if (length < FIELD_FRAME_BYTES_MIN || length > program.frame_bytes)
                abort();
        }
    }
    free(program.frame);
}

static void run_plan(const struct input *input) {
    struct noise_timing streams[STREAMS];
    struct noise_record records[RECORDS];
    for (int i = 0; i < STREAMS; i++)
        streams[i] = (struct noise_timing){
            .gap_ps = input->timings[i].gap, .wait_ps = input->timings[i].wait, .pause_ps = input->timings[i].pause,
            .from_ns = input->timings[i].from, .until_ns = input->timings[i].until,
            .packets = input->timings[i].packets, .bursts = input->timings[i].bursts,
            .next = (int32_t)(input->timings[i].next % (STREAMS + 1)) - 1, .turns = input->timings[i].turns,
            .starts = input->timings[i].starts & 1};
    uint64_t count = noise_plan(streams, STREAMS, input->horizon, records, RECORDS, RECORDS);
    if (count > RECORDS)
        abort();
    for (uint64_t i = 1; i < count; i++)
        if (records[i].intended_ns < records[i - 1].intended_ns)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input;
    memset(&input, 0, sizeof input);
    memcpy(&input, data, size < sizeof input ? size : sizeof input);
    run_program(&input);
    run_plan(&input);
    return 0;
}
