/* Cost of the whole risk gate, one decision at a time, in ns: p50, p99 and p99.9 over DECISIONS of them.
 *
 * Usage: risk_bench [DECISIONS]            default 1000000
 *        risk_bench --count N              N decisions over 100 symbols and nothing else, for callgrind
 *
 * All controls are on: a table was published, ages, collars, exposure and duplicates have limits, and symbols that are
 * said to have a profile have one. Every decision is timed by the CPU's counter between two fences; the median cost of
 * the same pair of reads with nothing between is taken away. What an order needs besides (its request, context and top)
 * was written just before, as the engine does. "cold" goes through all 65536 symbols in random order, so that most find
 * nothing of theirs in the first two levels of cache. After every order that passed the exposure is told of it and of
 * its end, outside of the measured stretch. Built with -O3 like everything else; see `make bench-risk`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/clock.h"
#include "engine/risk/exposure.h"

enum { SYMBOLS_MAX = 65536, BATCH = 1 << 16 };

struct bench {
    struct risk risk;
    struct risk_kill_switch kill;
    struct risk_memory *memory;
    struct clock clock;
    uint32_t *ticks;
    uint16_t order[BATCH];
    uint64_t serial;
    uint64_t sum;
};

static struct bench bench;

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void *map_huge(size_t size)
{
    const size_t huge = (size_t)2 << 20;
    size = (size + huge - 1) / huge * huge;
    char *memory = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(69);
    }
    memory += huge - (uintptr_t)memory % huge;
    madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 0, size);
    return memory;
}

/* Every second symbol has one of 16 profiles when asked for. */
static void publish(bool profiles)
{
    struct risk_limits limits = {.order_shares_max = 1000, .notional_max = 10000000000, .position_long_max = 1000000000,
                                 .position_short_max = 1000000000, .price_max = RISK_PRICE_MAX, .collar_permille = 100,
                                 .order_burst = RISK_RATE_MAX, .order_rate_per_s = RISK_RATE_MAX};
    struct risk_table *table = risk_tables_begin(&bench.memory->tables);
    risk_table_default(table, &limits);
    table->rules.account = (struct risk_account){
        .gross_exposure_max = 1ull << 60, .net_exposure_max = 1ull << 60, .quote_age_ns_max = 1000000000,
        .feed_age_ns_max = 1000000000, .duplicate_window_ns = 1000, .open_orders_max = 1000000,
        .message_burst = RISK_RATE_MAX, .message_rate_per_s = RISK_RATE_MAX, .last_collar_permille = 100};
    table->rules.soft = (struct risk_soft){
        .notional = 9000000000, .position_long = 900000000, .position_short = 900000000, .gross_exposure = 1ull << 59,
        .net_exposure = 1ull << 59, .order_shares = 900, .open_orders = 900000, .collar_permille = 90,
        .last_collar_permille = 90};
    table->rules.trips = (struct risk_trips){.at_once = 1ull << RISK_LIMITS_INVALID, .profile_count = 17,
                                             .counted = 1ull << RISK_MESSAGE_RATE, .breaches = 3,
                                             .window_ns = 1000000000};
    for (uint32_t profile = 1; profile < 17; profile++)
        table->profiles[profile] = (struct risk_profile){
            .order_shares_max = 1000, .price_max = RISK_PRICE_MAX, .notional_max = 10000000000,
            .position_long_max = 1000000000, .position_short_max = 1000000000, .collar_permille = 100,
            .last_collar_permille = 100};
    for (uint32_t symbol = 0; profiles && symbol < SYMBOLS_MAX; symbol += 2)
        risk_table_set_symbol(table, (uint16_t)symbol, RISK_SYMBOL_SHORT, (uint16_t)(1 + symbol / 2 % 16));
    risk_table_seal(table, bench.memory->tables.generation + 1);
    const enum risk_table_problem problem = risk_tables_publish(&bench.memory->tables, table);
    if (problem != RISK_TABLE_GOOD) {
        fprintf(stderr, "risk_bench: %s\n", risk_table_problem_name(problem));
        exit(70);
    }
    risk_poll(&bench.risk, 1);
}

static void prepare(uint16_t symbol, struct order_request *request, struct risk_context *context)
{
    const uint64_t serial = ++bench.serial;
    *request = (struct order_request){.trigger_sequence = serial & 0xffffffff, .price = 1000000 + 100 * (serial % 61),
                                      .shares = 100, .symbol = symbol, .side = serial & 1 ? 'B' : 'S',
                                      .stock = "ZVZZT   "};
    *context = (struct risk_context){
        .now_ns = serial * 10000, .position = 1000, .open_buy_shares = 300, .open_sell_shares = 200,
        .feed_state = FEED_LIVE, .book_complete = true, .session_up = true, .trading_state = 'T', .strategy = 1,
        .last_price = 1000000, .market_ns = serial, .quote_ns = serial * 10000, .feed_ns = serial * 10000};
}

static inline uint64_t fenced_ticks(void)
{
#if defined(__x86_64__)
    _mm_lfence();
    const uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
#else
    return clock_ticks();
#endif
}

static int compare(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void settle(const struct order_request *request)
{
    risk_on_sent(&bench.risk, request->symbol, request->side, request->shares, request->price);
    risk_on_fill(&bench.risk, request->symbol, request->side, request->shares, request->price, request->price, 1);
    risk_on_closed(&bench.risk, request->symbol, request->side, 0, request->price);
}

static uint32_t median_of_nothing(uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        struct order_request request;
        struct risk_context context;
        prepare(1, &request, &context);
        __asm__ volatile("" : : "r"(&request), "r"(&context) : "memory");
        const uint64_t begin = fenced_ticks();
        bench.ticks[index] = (uint32_t)(fenced_ticks() - begin);
    }
    qsort(bench.ticks, count, sizeof(*bench.ticks), compare);
    return bench.ticks[count / 2];
}

static double ns_of(uint32_t ticks, uint32_t nothing)
{
    const double ns_per_tick = (double)bench.clock.ns_per_tick_q32 / 4294967296.0;
    return ticks > nothing ? (ticks - nothing) * ns_per_tick : 0;
}

static void measure(const char *name, uint32_t symbols, uint32_t count, enum risk_reason expected)
{
    static const struct book_top top = {999900, 1000100, 500, 500};
    uint64_t state = 88172645463325252ull, others = 0;
    const uint32_t nothing = median_of_nothing(count < 100000 ? count : 100000);
    for (uint32_t index = 0; index < BATCH; index++)
        bench.order[index] = (uint16_t)(random_next(&state) >> 20 & 0xffff) % symbols;
    for (uint32_t index = 0; index < count; index++) {
        struct order_request request;
        struct risk_context context;
        prepare(bench.order[index % BATCH], &request, &context);
        __asm__ volatile("" : : "r"(&request), "r"(&context) : "memory");
        const uint64_t begin = fenced_ticks();
        const enum risk_reason reason = risk_check(&bench.risk, &request, &top, &context);
        bench.ticks[index] = (uint32_t)(fenced_ticks() - begin);
        others += reason != expected;
        if (reason == RISK_NONE)
            settle(&request);
    }
    qsort(bench.ticks, count, sizeof(*bench.ticks), compare);
    printf("%-40s p50 %6.1f ns  p99 %6.1f ns  p99.9 %6.1f ns", name, ns_of(bench.ticks[count / 2], nothing),
           ns_of(bench.ticks[(uint64_t)count * 99 / 100], nothing),
           ns_of(bench.ticks[(uint64_t)count * 999 / 1000], nothing));
    printf("  (%u decisions; empty pair %.1f ns)\n", count, ns_of(nothing, 0));
    if (others != 0) {
        fprintf(stderr, "risk_bench: %s: %llu decisions were not %s\n", name, (unsigned long long)others,
                risk_reason_name(expected));
        exit(1);
    }
}

/* Sixteen decisions, one after the other, between two reads: finer than the counter's own steps, and without the cost of
 * filling an empty pipeline for every one of them. */
static void measure_rows(const char *name, uint32_t symbols, uint32_t count)
{
    enum { ROW = 16 };
    static const struct book_top top = {999900, 1000100, 500, 500};
    static struct order_request requests[ROW];
    static struct risk_context contexts[ROW];
    const uint32_t nothing = median_of_nothing(10000), rows = count / ROW;
    uint64_t others = 0;
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t index = 0; index < ROW; index++)
            prepare((uint16_t)((row * ROW + index) * 7 % symbols), &requests[index], &contexts[index]);
        __asm__ volatile("" : : "r"(requests), "r"(contexts) : "memory");
        const uint64_t begin = fenced_ticks();
        for (uint32_t index = 0; index < ROW; index++)
            others += risk_check(&bench.risk, &requests[index], &top, &contexts[index]) != RISK_NONE;
        bench.ticks[row] = (uint32_t)(fenced_ticks() - begin);
    }
    qsort(bench.ticks, rows, sizeof(*bench.ticks), compare);
    printf("%-40s p50 %6.1f ns  p99 %6.1f ns  each, of rows of %d\n", name, ns_of(bench.ticks[rows / 2], nothing) / ROW,
           ns_of(bench.ticks[(uint64_t)rows * 99 / 100], nothing) / ROW, ROW);
    if (others != 0) {
        fprintf(stderr, "risk_bench: %s: %llu decisions did not pass\n", name, (unsigned long long)others);
        exit(1);
    }
}

static void count_only(uint32_t count)
{
    static const struct book_top top = {999900, 1000100, 500, 500};
    for (uint32_t index = 0; index < count; index++) {
        struct order_request request;
        struct risk_context context;
        prepare((uint16_t)(index * 7 % 100), &request, &context);
        bench.sum += risk_check(&bench.risk, &request, &top, &context);
    }
    if (bench.sum != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    const bool counting = argc == 3 && strcmp(argv[1], "--count") == 0;
    const long count = counting ? atol(argv[2]) : argc > 1 ? atol(argv[1]) : 1000000;
    if (count < 1000 || count > 100000000 || (argc > 2 && !counting)) {
        fprintf(stderr, "usage: risk_bench [DECISIONS] | --count DECISIONS     DECISIONS: 1000..100000000\n");
        return 64;
    }
    struct risk_limits none = {.generation = 0};
    risk_limits_seal(&none);
    bench.memory = map_huge(sizeof(*bench.memory));
    bench.ticks = map_huge((size_t)count * sizeof(*bench.ticks));
    const struct risk_options options = {.limits = none, .kill_switch = &bench.kill, .memory = bench.memory};
    if (risk_init(&bench.risk, &options) != 0)
        return 70;
    publish(false);
    if (counting) {
        count_only((uint32_t)count);
        return 0;
    }
    clock_init(&bench.clock);
    measure("passes, one symbol", 1, (uint32_t)count, RISK_NONE);
    measure("passes, 100 symbols", 100, (uint32_t)count, RISK_NONE);
    measure("passes, 65536 symbols (cold)", SYMBOLS_MAX, (uint32_t)count, RISK_NONE);
    measure_rows("passes, 100 symbols, back to back", 100, (uint32_t)count);
    publish(true);
    measure("passes, 100 symbols, half with a profile", 100, (uint32_t)count, RISK_NONE);
    bench.kill.value = 1;
    measure("kill switch, 100 symbols", 100, (uint32_t)count, RISK_KILL_SWITCH);
    return 0;
}
