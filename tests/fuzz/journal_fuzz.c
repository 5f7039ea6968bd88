/* Fuzz target: a journal's reader, and a replay of whatever a journal with right checks may say.
 *
 * The input's first byte chooses. Even: the rest is a file, read to its first fault. Odd: the rest is a list of records
 * (kind, flags, time step, length, bytes) which get their checks and are replayed by a small engine. A replay must
 * come to an end, at a record that is there, and a second one of the same bytes (bit 1) must say the same.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/journal/replay.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

enum { FILE_BYTES = 1 << 16, DECISIONS = 16 };

struct world {
    _Alignas(64) struct engine engine;
    uint8_t sent[STREAM_MEMORY_BYTES];
    uint8_t snapshot_sent[STREAM_MEMORY_BYTES];
    uint8_t requests[REQUEST_PORT_MEMORY_BYTES];
    _Alignas(64) uint8_t memory[];
};

static void read_to_the_end(const uint8_t *bytes, size_t size)
{
    struct journal_reader reader;
    struct journal_view view = {0};
    uint64_t before = 0;
    if (journal_read_open(&reader, bytes, size) != JOURNAL_READ_RECORD)
        return;
    while (journal_read_next(&reader, &view) == JOURNAL_READ_RECORD) {
        REQUIRE(view.offset > before && view.offset + 16 + view.length <= size);
        REQUIRE(view.bytes == bytes + view.offset + 16);
        before = view.offset;
    }
    REQUIRE(reader.offset <= size);
}

/* A file with right checks from the input's records. */
static size_t write_file(const uint8_t *input, size_t left, uint8_t *file)
{
    struct journal_header header = {.magic = JOURNAL_MAGIC, .version = JOURNAL_VERSION, .bytes = sizeof(header)};
    size_t size = sizeof(header);
    uint64_t time_ns = 1;
    header.check = journal_crc(0, &header, offsetof(struct journal_header, check));
    memcpy(file, &header, sizeof(header));
    uint32_t check = header.check;
    while (left >= 4) {
        uint32_t length = input[3];
        struct journal_record record = {.kind = input[0] % 50, .flags = input[1]};
        time_ns += (uint64_t)input[2] * input[2] * 1000;
        record.time_ns = time_ns;
        input += 4;
        left -= 4;
        length = length < left ? length : (uint32_t)left;
        if (size + sizeof(record) + journal_padded(length) > FILE_BYTES)
            break;
        record.length = (uint16_t)length;
        uint8_t *at = file + size;
        size_t bytes = sizeof(record) + journal_padded(length);
        memset(at, 0, bytes);
        memcpy(at, &record, sizeof(record));
        memcpy(at + sizeof(record), input, length);
        check = journal_crc(check, at + sizeof(check), bytes - sizeof(check));
        memcpy(at, &check, sizeof(check));
        input += length;
        left -= length;
        size += bytes;
    }
    return size;
}

static struct engine_options engine_options(void)
{
    struct engine_options options = {.strategy = STRATEGY_TOUCH_TAKER, .decision_capacity = DECISIONS};
    feed_options_default(&options.feed);
    book_options_default(&options.book);
    options.feed.reorder_packet_count = 16;
    options.feed.hold_back_ns = 1000;
    options.feed.requests = options.feed.snapshots = true;
    options.book.order_capacity = options.book.level_capacity = 64;
    options.touch_taker = (struct touch_taker_options){100, 800, 0};
    options.limits = (struct risk_limits){.order_shares_max = 1000, .notional_max = UINT32_MAX,
                                          .position_long_max = 1000, .position_short_max = 1000,
                                          .price_max = RISK_PRICE_MAX, .collar_permille = 1000, .order_burst = 100,
                                          .order_rate_per_s = 100, .allow_unannounced = 1};
    risk_limits_seal(&options.limits);
    options.own_orders = (struct own_orders_options){.open_max = 16, .dead_keep = 16, .executions_max = 32};
    options.soupbin = (struct soupbin_options){.username = "U", .password = "P", .requested_sequence = 1};
    options.recovery.soupbin = options.soupbin;
    return options;
}

static void begin_world(void *memory)
{
    const struct engine_options options = engine_options();
    struct world *world = memory;
    REQUIRE(engine_init(&world->engine, &options, NULL, world->memory, engine_memory_size(&options)) == 0);
    stream_memory(&world->engine.session.stream, world->sent);
    stream_memory(&world->engine.recovery.stream, world->snapshot_sent);
    request_port_memory(&world->engine.recovery.port, world->requests);
}

/* An engine that has done nothing yet. It is made once, in a file; every turn then writes to pages of its own, which are
 * dropped afterwards: what engine_init() takes 20 ms and 60 MB for costs as many page faults as the turn needs. */
static struct world *fresh_world(void)
{
    static void *memory;
    const struct engine_options options = engine_options();
    const size_t bytes = sizeof(struct world) + engine_memory_size(&options);
    if (memory) {
        REQUIRE(madvise(memory, bytes, MADV_DONTNEED) == 0);
        return memory;
    }
    const int file = memfd_create("world", MFD_CLOEXEC);
    REQUIRE(file >= 0 && ftruncate(file, (off_t)bytes) == 0);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    REQUIRE(memory != MAP_FAILED);
    begin_world(memory);
    REQUIRE(mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == memory);
    close(file);
    return memory;
}

static void replay_it(const uint8_t *input, size_t left, int turns)
{
    static uint8_t file[FILE_BYTES];
    struct replay_result results[2];
    size_t size = write_file(input, left, file);
    for (int turn = 0; turn < turns; turn++) {
        const struct replay_options all = {.until = UINT64_MAX};
        replay_run(&fresh_world()->engine, NULL, file, size, &all, &results[turn]);
    }
    REQUIRE(turns == 1 || memcmp(&results[0], &results[1], sizeof(results[0])) == 0);
    REQUIRE(results[0].outcome != REPLAY_STOPPED && results[0].offset <= size);
    REQUIRE(results[0].records * sizeof(struct journal_record) + sizeof(struct journal_header) <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        replay_it(data + 1, size - 1, data[0] & 2 ? 2 : 1);
    else
        read_to_the_end(data + 1, size - 1);
    return 0;
}
