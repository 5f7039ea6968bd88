/* An hour of market, with faults on, through the engine in one process: no drift, no leak, the book still equal.
 *
 * Usage: feed_soak [MESSAGES [SEED]]     default: 100,000,000 messages, seed 1
 *
 * Days of the exchange's model (MESSAGES_A_DAY each, every day a session of its own) are packed into MoldUDP64
 * packets, 36 us of virtual time a message, and sent over two lines that lose, repeat, reorder, cut and miscount
 * packets, fall silent together for 1 to 40,000 packets, and end. A re-request server that loses one request in ten
 * and a snapshot service that cuts one connection in ten answer the engine. Whenever the feed is LIVE at a
 * checkpoint, and at every day's end, the engine's book must equal the reference (market_day.h); an order must never
 * have been decided while the feed was not LIVE; at every day's end the feed must have got there; resident memory
 * must not grow. Exit code 0, or 1 with a line that says seed, day and message.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/feed/bytes.h"
#include "engine/runner.h"
#include "tests/soak/market_day.h"
#include "traffic/exchange/impairment.h"

enum {
    MESSAGES_A_DAY = 2000000,
    SYMBOLS = 500,
    MESSAGE_NS = 36000,
    PACKET_MESSAGES_MAX = 8,
    DATAGRAM_BYTES = 1472,
    HELD_MAX = 64,
    REPLIES_MAX = 64,
    REPLY_NS = 100000,
    SNAPSHOT_PIECE_BYTES = 32768,
    CHECK_EVERY_PACKETS = 20000,
    TAKE_EVERY_PACKETS = 256,
    QUIET_STEPS_MAX = 20000,
    RULES = 6,
    GROWTH_BYTES_MAX = 16 << 20,
};

struct held { uint8_t bytes[DATAGRAM_BYTES]; uint32_t length; uint64_t release_packet; };
struct reply { uint64_t due_ns, sequence; uint32_t count; };

struct line {
    struct impairment_rule rules[RULES];
    struct held held[HELD_MAX];
    uint32_t held_count;
};

struct soak {
    struct runner *runner;
    struct engine *engine;
    struct day *day;
    uint64_t seed, random, now_ns, packet, outage_until, checks, orders, snapshots_cut, day_number;
    struct line lines[FEED_LINE_COUNT];
    struct reply replies[REPLIES_MAX];
    uint32_t reply_count;
    const uint8_t *snapshot;
    uint64_t snapshot_bytes, snapshot_sent, snapshot_cut_at;
    uint8_t session[MOLDUDP64_SESSION_SIZE];
    struct book_row *rows;
    uint8_t scratch[STREAM_MEMORY_BYTES];
};

static uint64_t draw(struct soak *soak, uint64_t bound)
{
    return (uint64_t)((__uint128_t)impairment_draw((__u64 *)&soak->random) * bound >> 64);
}

static _Noreturn void fail(const struct soak *soak, const char *what)
{
    fprintf(stderr, "feed_soak: seed %llu, day %llu, message %llu, state %s: %s\n", (unsigned long long)soak->seed,
            (unsigned long long)soak->day_number, (unsigned long long)day_published(soak->day),
            feed_state_name(soak->engine->feed.state), what);
    exit(1);
}

/* ---- what the engine asks for ---- */

static void take_requests(struct soak *soak)
{
    uint8_t bytes[REQUEST_PORT_MEMORY_BYTES];
    uint32_t count = runner_take_requests(soak->runner, bytes, sizeof(bytes));
    for (uint32_t i = 0; i < count; i += MOLDUDP64_REQUEST_SIZE) {
        const uint8_t *request = bytes + i;
        if (memcmp(request, soak->session, sizeof(soak->session)) != 0)
            fail(soak, "a request for another session");
        if (draw(soak, 10) == 0 || soak->reply_count == REPLIES_MAX)
            continue;
        soak->replies[soak->reply_count++] = (struct reply){
            soak->now_ns + REPLY_NS, bytes_load_u64(request + 10), bytes_load_u16(request + 18)};
    }
}

static uint32_t pack(struct soak *soak, uint8_t *datagram, uint64_t sequence, uint64_t last, uint32_t count_max)
{
    uint32_t length = MOLDUDP64_HEADER_SIZE, count = 0;
    while (count < count_max && sequence + count <= last) {
        uint16_t size;
        const uint8_t *message = day_message(soak->day, sequence + count, &size);
        if (length + 2 + size > DATAGRAM_BYTES)
            break;
        datagram[length] = (uint8_t)(size >> 8);
        datagram[length + 1] = (uint8_t)size;
        memcpy(datagram + length + 2, message, size);
        length += 2u + size;
        count++;
    }
    memcpy(datagram, soak->session, sizeof(soak->session));
    for (int i = 0; i < 8; i++)
        datagram[10 + i] = (uint8_t)(sequence >> (56 - 8 * i));
    datagram[18] = (uint8_t)(count >> 8);
    datagram[19] = (uint8_t)count;
    return length;
}

static void serve(struct soak *soak)
{
    uint8_t datagram[DATAGRAM_BYTES];
    for (uint32_t i = 0; i < soak->reply_count;) {
        struct reply reply = soak->replies[i];
        if (reply.due_ns > soak->now_ns) {
            i++;
            continue;
        }
        soak->replies[i] = soak->replies[--soak->reply_count];
        if (reply.sequence == 0 || reply.sequence > day_published(soak->day))
            continue; /* not published yet: silence */
        uint32_t length = pack(soak, datagram, reply.sequence, day_published(soak->day), reply.count);
        engine_step(soak->engine, FEED_LINE_RECOVERY, datagram, length, soak->now_ns);
    }
}

static void serve_snapshot(struct soak *soak)
{
    if (feed_wants_snapshot(&soak->engine->feed) && !soak->engine->recovery.snapshot_open) {
        recovery_snapshot_open(soak->engine, soak->now_ns);
        soak->snapshot = day_snapshot(soak->day, &soak->snapshot_bytes);
        soak->snapshot_sent = 0;
        soak->snapshot_cut_at = draw(soak, 10) == 0 ? draw(soak, soak->snapshot_bytes) : UINT64_MAX;
    }
    if (!soak->engine->recovery.snapshot_open)
        return;
    uint64_t left = soak->snapshot_bytes - soak->snapshot_sent;
    uint32_t piece = left < SNAPSHOT_PIECE_BYTES ? (uint32_t)left : 1 + (uint32_t)draw(soak, SNAPSHOT_PIECE_BYTES);
    recovery_snapshot_receive(soak->engine, soak->snapshot + soak->snapshot_sent, piece, soak->now_ns);
    engine_drain(soak->engine, clock_ticks(), soak->now_ns);
    soak->snapshot_sent += piece;
    if (soak->snapshot_sent >= soak->snapshot_cut_at) {
        soak->snapshots_cut += soak->engine->recovery.snapshot_open;
        recovery_snapshot_lost(soak->engine, soak->now_ns);
    }
}

/* ---- the wires ---- */

static void arrive(struct soak *soak, uint32_t line, const uint8_t *datagram, uint32_t length)
{
    engine_step(soak->engine, line, datagram, length, soak->now_ns);
}

static void harm(struct soak *soak, struct impairment_rule *rule, uint8_t *datagram, uint32_t *length)
{
    (void)soak;
    if (rule->corruption == CORRUPT_TRUNCATE) {
        *length -= 1 + impairment_place(rule, 12);
    } else {
        uint32_t count = bytes_load_u16(datagram + 18) + 1 + impairment_place(rule, 5);
        datagram[18] = (uint8_t)(count >> 8);
        datagram[19] = (uint8_t)count;
    }
}

static void send_line(struct soak *soak, uint32_t index, const uint8_t *datagram, uint32_t length, uint64_t position,
                      uint32_t messages)
{
    struct line *line = &soak->lines[index];
    uint8_t copy[DATAGRAM_BYTES];
    uint32_t copies = 1, sent_length = length;
    bool drop = soak->packet < soak->outage_until, hold = false;
    memcpy(copy, datagram, length);
    for (uint32_t i = 0; i < RULES; i++) {
        struct impairment_rule *rule = &line->rules[i];
        if (!impairment_takes(rule, position, messages, soak->now_ns))
            continue;
        drop = drop || rule->action == IMPAIR_DROP;
        copies += rule->action == IMPAIR_DUPLICATE ? rule->amount : 0;
        hold = hold || rule->action == IMPAIR_REORDER;
        if (rule->action == IMPAIR_CORRUPT)
            harm(soak, rule, copy, &sent_length);
    }
    if (hold && !drop && line->held_count < HELD_MAX) {
        struct held *held = &line->held[line->held_count++];
        memcpy(held->bytes, copy, sent_length);
        held->length = sent_length;
        held->release_packet = soak->packet + 1 + draw(soak, 20);
        copies = 0;
    }
    for (uint32_t i = 0; i < copies && !drop; i++)
        arrive(soak, index, copy, sent_length);
    for (uint32_t i = 0; i < line->held_count;) {
        struct held *held = &line->held[i];
        if (held->release_packet > soak->packet) {
            i++;
            continue;
        }
        arrive(soak, index, held->bytes, held->length);
        line->held[i] = line->held[--line->held_count];
    }
}

static void arm(struct soak *soak)
{
    const struct impairment_rule rules[RULES] = {
        {.action = IMPAIR_DROP, .pattern = PATTERN_RANDOM, .probability = 1u << 22},            /* 0.1 % */
        {.action = IMPAIR_DROP, .pattern = PATTERN_GILBERT_ELLIOTT, .probability = 3u << 30, .good_to_bad = 1u << 19,
         .bad_to_good = 1u << 27},
        {.action = IMPAIR_DUPLICATE, .pattern = PATTERN_RANDOM, .probability = 1u << 25, .amount = 1},
        {.action = IMPAIR_REORDER, .pattern = PATTERN_RANDOM, .probability = 1u << 24},
        {.action = IMPAIR_CORRUPT, .pattern = PATTERN_RANDOM, .probability = 1u << 21, .corruption = CORRUPT_TRUNCATE},
        {.action = IMPAIR_CORRUPT, .pattern = PATTERN_EVERY, .every = 4099, .corruption = CORRUPT_COUNT},
    };
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++) {
        for (uint32_t i = 0; i < RULES; i++) {
            struct impairment_rule *rule = &soak->lines[line].rules[i];
            *rule = rules[i];
            rule->armed = 1;
            rule->from_position = 1;
            rule->random = impairment_seed(soak->seed, i, line);
            rule->places = ~rule->random ? ~rule->random : 1;
        }
    }
}

/* ---- what must hold ---- */

static void check_book(struct soak *soak)
{
    uint64_t count;
    const struct day_row *wanted = day_book(soak->day, &count);
    if (soak->engine->book.order_count != count)
        fail(soak, "the book has another number of orders than the reference");
    uint64_t written = book_export(&soak->engine->book, soak->rows, (uint32_t)count);
    if (written != count || memcmp(soak->rows, wanted, count * sizeof(*wanted)) != 0)
        fail(soak, "the book is not the reference");
    soak->checks++;
}

static void check_decisions(struct soak *soak)
{
    struct decision_log *log = &soak->engine->decisions;
    for (uint32_t i = 0; i < log->count; i++) {
        if (log->rows[i].reason != RISK_NONE)
            continue;
        soak->orders++;
        if (log->rows[i].feed_state != FEED_LIVE)
            fail(soak, "an order left while the feed was not LIVE");
    }
    if (log->lost)
        fail(soak, "the decision log overflowed");
    log->count = 0;
    runner_take_sent(soak->runner, soak->scratch, sizeof(soak->scratch));
    runner_take_snapshot_sent(soak->runner, soak->scratch, sizeof(soak->scratch));
}

static bool caught_up(const struct soak *soak)
{
    return soak->engine->feed.next_sequence == day_published(soak->day) + 1;
}

static void round_of_services(struct soak *soak)
{
    engine_step_timer(soak->engine, soak->now_ns);
    take_requests(soak);
    serve(soak);
    serve_snapshot(soak);
    take_requests(soak);
}

static void publish_day(struct soak *soak, uint64_t messages)
{
    uint8_t datagram[DATAGRAM_BYTES];
    uint64_t next = 1, ordinal = soak->day_number << FEED_POSITION_SESSION_SHIFT;
    while (next <= messages) {
        uint32_t length = pack(soak, datagram, next, messages, 1 + (uint32_t)draw(soak, PACKET_MESSAGES_MAX));
        uint32_t count = bytes_load_u16(datagram + 18);
        day_publish(soak->day, next + count - 1);
        if (soak->packet >= soak->outage_until && draw(soak, 40000) == 0) {
            static const uint64_t lengths[] = {1, 3, 64, 1000, 5000, 40000};
            soak->outage_until = soak->packet + lengths[draw(soak, 6)];
        }
        for (uint32_t line = 0; line < FEED_LINE_COUNT; line++)
            send_line(soak, line, datagram, length, ordinal | next, count);
        next += count;
        soak->now_ns += (uint64_t)count * MESSAGE_NS;
        round_of_services(soak);
        if (++soak->packet % TAKE_EVERY_PACKETS == 0)
            check_decisions(soak);
        if (soak->packet % CHECK_EVERY_PACKETS == 0 && soak->engine->feed.state == FEED_LIVE && caught_up(soak))
            check_book(soak);
    }
}

/* Ends of session until the engine has everything: it must get there. */
static void end_day(struct soak *soak, uint64_t messages)
{
    uint8_t datagram[MOLDUDP64_HEADER_SIZE];
    soak->outage_until = 0;
    for (uint32_t step = 0; step < QUIET_STEPS_MAX && soak->engine->feed.state != FEED_ENDED; step++) {
        pack(soak, datagram, messages + 1, messages, 0);
        datagram[18] = datagram[19] = 0xff;
        for (uint32_t line = 0; line < FEED_LINE_COUNT; line++)
            send_line(soak, line, datagram, sizeof(datagram), 0, 0);
        soak->now_ns += 1000000;
        soak->packet++;
        round_of_services(soak);
    }
    check_decisions(soak);
    if (soak->engine->feed.state != FEED_ENDED || !caught_up(soak))
        fail(soak, "the session ended and the feed did not get there");
    check_book(soak);
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++)
        soak->lines[line].held_count = 0;
    soak->reply_count = 0;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void open_engine(struct soak *soak)
{
    char error[RUNNER_ERROR_BYTES];
    struct engine_options options = {.strategy = STRATEGY_TOUCH_TAKER, .decision_capacity = 1 << 16};
    const struct runner_options runner = {.cpu = -1};
    feed_options_default(&options.feed);
    options.feed.requests = options.feed.snapshots = options.feed.follow_sessions = true;
    options.feed.give_up_messages = 20000;
    book_options_default(&options.book);
    options.touch_taker = (struct touch_taker_options){100, 800, 0};
    options.limits = (struct risk_limits){.order_shares_max = 1000, .notional_max = 10000000000, .price_max = 1999999900,
                                          .collar_permille = 100, .position_long_max = 1000000,
                                          .position_short_max = 1000000, .order_rate_per_s = 1000000,
                                          .order_burst = 100000, .allow_unannounced = true, .generation = 1};
    risk_limits_seal(&options.limits);
    options.own_orders = (struct own_orders_options){.open_max = 65536, .dead_keep = 65536, .executions_max = 131072};
    memcpy(options.soupbin.username, "SOAK", 5);
    memcpy(options.soupbin.password, "SOAK", 5);
    options.soupbin.requested_sequence = 1;
    options.recovery.soupbin = options.soupbin;
    soak->runner = runner_open(&options, &runner, error, sizeof(error));
    if (!soak->runner) {
        fprintf(stderr, "feed_soak: %s\n", error);
        exit(69);
    }
    soak->engine = runner_engine(soak->runner);
    runner_accept_login(soak->runner, 0);
    soak->engine->session.tracking = false; /* nobody answers orders here */
    soak->rows = malloc((size_t)options.book.order_capacity * sizeof(*soak->rows));
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argument_count, char **arguments)
{
    uint64_t messages = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 100000000;
    struct soak *soak = calloc(1, sizeof(*soak));
    soak->seed = argument_count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    soak->random = soak->seed;
    soak->now_ns = 1;
    uint64_t days = (messages + MESSAGES_A_DAY - 1) / MESSAGES_A_DAY, settled_bytes = 0, left = messages;
    double begun = seconds();
    if (messages < 8 * SYMBOLS || days > 200) {
        fprintf(stderr, "feed_soak: %d to %d messages\n", 8 * SYMBOLS, 200 * MESSAGES_A_DAY);
        return 64;
    }
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* a closed day goes back to the kernel, so that growth is a leak */
    open_engine(soak);
    arm(soak);
    for (soak->day_number = 0; soak->day_number < days; soak->day_number++) {
        uint64_t today = left < MESSAGES_A_DAY ? left : MESSAGES_A_DAY;
        char session[32];
        if (today < 8 * SYMBOLS)
            break;
        snprintf(session, sizeof(session), "SOAK%06llu", (unsigned long long)soak->day_number % 1000000);
        memcpy(soak->session, session, sizeof(soak->session));
        soak->day = day_open(soak->seed + soak->day_number, today, SYMBOLS);
        publish_day(soak, today);
        end_day(soak, today);
        left -= today;
        day_close(soak->day);
        uint64_t resident = resident_bytes();
        if (soak->day_number == 1)
            settled_bytes = resident;
        else if (soak->day_number > 1 && resident > settled_bytes + GROWTH_BYTES_MAX) {
            fprintf(stderr, "feed_soak: resident memory grew from %llu to %llu bytes by day %llu\n",
                    (unsigned long long)settled_bytes, (unsigned long long)resident,
                    (unsigned long long)soak->day_number);
            return 1;
        }
    }
    const struct feed_statistics *feed = &soak->engine->feed.statistics;
    printf("%llu messages in %llu sessions, %.0f s of market in %.1f s; seed %llu\n", (unsigned long long)(messages - left),
           (unsigned long long)days, (double)soak->now_ns * 1e-9, seconds() - begun, (unsigned long long)soak->seed);
    printf("book equal to the reference at %llu checks; %llu orders, none while blind\n",
           (unsigned long long)soak->checks, (unsigned long long)soak->orders);
    printf("holes %llu, recoveries %llu; messages recovered by lines %llu, requests %llu, snapshots %llu\n",
           (unsigned long long)feed->holes, (unsigned long long)feed->recoveries,
           (unsigned long long)feed->recovered_messages_lines, (unsigned long long)feed->recovered_messages_requests,
           (unsigned long long)feed->recovered_messages_snapshot);
    printf("requests %llu, of them timed out %llu; snapshots joined %llu, cut %llu\n",
           (unsigned long long)feed->requests_sent, (unsigned long long)feed->request_timeouts,
           (unsigned long long)feed->snapshots_completed, (unsigned long long)soak->snapshots_cut);
    printf("resident memory %.1f MB after the second session, %.1f MB at the end\n", (double)settled_bytes / 1e6,
           (double)resident_bytes() / 1e6);
    runner_close(soak->runner);
    free(soak->rows);
    free(soak);
    return 0;
}
