/* Fuzz target: a journal's reader, and a replay of whatever a journal with right checks may say.
 *
 * The input's first byte chooses. Even: the rest is a file, read to its first fault. Odd: the rest is a list of records
 * (kind, flags, time step, length, bytes) which get their checks and are replayed by a small engine. A replay must
 * come to an end, at a record that is there, and a second one of the same bytes (bit 1) must say the same.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/journal/replay.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

enum { FILE_BYTES = 1 << 16, DECISIONS = 16 };

static struct engine engine;
static uint8_t stream_bytes[STREAM_MEMORY_BYTES], snapshot_bytes[STREAM_MEMORY_BYTES];
static uint8_t request_bytes[REQUEST_PORT_MEMORY_BYTES];

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

static void *memory_of(void **place, size_t size)
{
    if (!*place)
        *place = aligned_alloc(64, (size + 63) / 64 * 64);
    return *place;
}

/* What engine_init() does but for the clock, which takes 20 ms and decides nothing. */
static void begin_engine(void)
{
    static void *feed, *book, *own_orders, *symbols;
    static struct decision decisions[DECISIONS];
    static struct book emptied;
    const struct engine_options options = engine_options();
    const struct risk_options risk = {.limits = options.limits, .kill_switch = &engine.kill};
    const size_t feed_bytes = feed_memory_size(&options.feed), book_bytes = book_memory_size(&options.book);
    const size_t own_bytes = own_orders_bytes(&options.own_orders);
    if (book) {
        book_reset(&engine.book);
        emptied = engine.book;
        memset(&emptied.statistics, 0, sizeof(emptied.statistics));
    } else {
        REQUIRE(book_init(&emptied, &options.book, memory_of(&book, book_bytes), book_bytes) == 0);
    }
    memset(&engine, 0, sizeof(engine));
    engine.book = emptied;
    engine.options = options;
    engine.control = &engine.own_control;
    engine.strategy = options.strategy;
    engine.late_ticks = engine.stall_ticks = UINT64_MAX;
    engine.clock.ns_per_tick_q32 = 1ull << 32;
    engine.session.tracking = true;
    engine.decisions = (struct decision_log){decisions, DECISIONS, 0, 0};
    REQUIRE(feed_init(&engine.feed, &options.feed, memory_of(&feed, feed_bytes), feed_bytes) == 0);
    REQUIRE(recovery_init(&engine.recovery, &options.recovery) == 0);
    REQUIRE(own_orders_init(&engine.session.own_orders, &options.own_orders, memory_of(&own_orders, own_bytes),
                            own_bytes) == 0);
    REQUIRE(soupbin_init(&engine.session.soupbin, &options.soupbin) == 0);
    REQUIRE(ouch42_template_init(&engine.template_, &options.ouch) == 0);
    REQUIRE(risk_init(&engine.risk, &risk) == 0);
    REQUIRE(touch_taker_init(&engine.touch_taker, &options.touch_taker,
                             memory_of(&symbols, sizeof(struct touch_taker_symbol) * STRATEGY_SYMBOL_COUNT)) == 0);
    stream_memory(&engine.session.stream, stream_bytes);
    stream_memory(&engine.recovery.stream, snapshot_bytes);
    request_port_memory(&engine.recovery.port, request_bytes);
}

static void replay_it(const uint8_t *input, size_t left, int turns)
{
    static uint8_t file[FILE_BYTES];
    struct replay_result results[2];
    size_t size = write_file(input, left, file);
    for (int turn = 0; turn < turns; turn++) {
        begin_engine();
        replay_run(&engine, file, size, UINT64_MAX, &results[turn]);
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
