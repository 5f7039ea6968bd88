/* What a strategy costs: strategy_bench MESSAGES [OBJECT.so]
 *
 * One day of the model's market goes through engine_step(), four messages a datagram, with the built-in touch_taker or
 * with one from a shared object. Prints ns a message and the orders; under
 *     valgrind --tool=callgrind --toggle-collect=strategy_bench_play BENCH 200000 [OBJECT]
 * the instructions collected, divided by the messages, are what one costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/runner.h"
#include "tests/soak/market_day.h"

enum { SYMBOLS = 100, PACKED = 4, DATAGRAM_BYTES = 512, HEADER_BYTES = 20 };

static uint32_t pack(const struct day *day, uint64_t first, uint64_t last, uint8_t *datagram)
{
    uint32_t at = HEADER_BYTES;
    memcpy(datagram, "BENCH00001", 10);
    for (int i = 0; i < 8; i++)
        datagram[10 + i] = (uint8_t)(first >> (56 - 8 * i));
    datagram[18] = 0;
    datagram[19] = (uint8_t)(last - first + 1);
    for (uint64_t number = first; number <= last; number++) {
        uint16_t length;
        const uint8_t *message = day_message(day, number, &length);
        datagram[at] = (uint8_t)(length >> 8);
        datagram[at + 1] = (uint8_t)length;
        memcpy(datagram + at + 2, message, length);
        at += 2u + length;
    }
    return at;
}

__attribute__((noinline)) void strategy_bench_play(struct engine *engine, const uint8_t (*datagrams)[DATAGRAM_BYTES],
                                                   const uint32_t *lengths, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        engine_step(engine, 0, datagrams[i], lengths[i], i * 20000);
        engine->session.stream.memory_count = 0;
    }
}

static struct runner *open_engine(void)
{
    char error[RUNNER_ERROR_BYTES];
    struct engine_options options = {.strategy = STRATEGY_TOUCH_TAKER, .decision_capacity = 1 << 20};
    const struct runner_options runner = {.cpu = -1};
    feed_options_default(&options.feed);
    book_options_default(&options.book);
    options.touch_taker = (struct touch_taker_options){100, 800, 0};
    options.limits = (struct risk_limits){.order_shares_max = 1000, .notional_max = 10000000000, .price_max = 1999999900,
                                          .collar_permille = 100, .position_long_max = 1000000,
                                          .position_short_max = 1000000, .order_rate_per_s = 1000000,
                                          .order_burst = 1000000, .allow_unannounced = true, .generation = 1};
    risk_limits_seal(&options.limits);
    options.own_orders = (struct own_orders_options){.open_max = 1 << 18, .dead_keep = 1 << 18, .executions_max = 1 << 18};
    memcpy(options.soupbin.username, "BENCH", 6);
    memcpy(options.soupbin.password, "BENCH", 6);
    options.soupbin.requested_sequence = 1;
    options.recovery.soupbin = options.soupbin;
#ifndef STRATEGY_BENCH_BUILT_IN
    options.strategy_budget = (struct strategy_budget){1000000000, 10000000000, 1000000, 4000, 1000000, 4000};
#endif
    struct runner *made = runner_open(&options, &runner, error, sizeof(error));
    if (!made) {
        fprintf(stderr, "strategy_bench: %s\n", error);
        exit(69);
    }
    runner_accept_login(made, 0);
    return made;
}

#ifndef STRATEGY_BENCH_BUILT_IN
static void deploy(struct runner *runner, const char *path)
{
    const struct tailgate_parameters none = {0};
    struct loader_report report;
    runner_strategies_here(runner);
    if (!runner_load_strategy(runner, path, &none, &report) ||
        !strategy_deploy(runner_engine(runner), report.slot, 0)) {
        fprintf(stderr, "strategy_bench: %s: %s\n", path, report.what);
        exit(69);
    }
}
#endif

int main(int argument_count, char **arguments)
{
    uint64_t messages = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 1000000;
    uint64_t count = (messages + PACKED - 1) / PACKED;
    struct day *day = day_open(7, messages, SYMBOLS);
    uint8_t(*datagrams)[DATAGRAM_BYTES] = calloc(count, DATAGRAM_BYTES);
    uint32_t *lengths = calloc(count, sizeof(*lengths));
    struct runner *runner = open_engine();
    for (uint64_t i = 0; i < count; i++) {
        uint64_t last = (i + 1) * PACKED < messages ? (i + 1) * PACKED : messages;
        lengths[i] = pack(day, i * PACKED + 1, last, datagrams[i]);
    }
#ifndef STRATEGY_BENCH_BUILT_IN
    if (argument_count > 2)
        deploy(runner, arguments[2]);
#endif
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    strategy_bench_play(runner_engine(runner), (const uint8_t(*)[DATAGRAM_BYTES])datagrams, lengths, count);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double ns = (double)(ended.tv_sec - begun.tv_sec) * 1e9 + (double)(ended.tv_nsec - begun.tv_nsec);
    printf("%llu messages, %llu orders, %.1f ns a message\n", (unsigned long long)messages,
           (unsigned long long)runner_engine(runner)->statistics.orders, ns / (double)messages);
    runner_close(runner);
    free(datagrams);
    free(lengths);
    day_close(day);
    return 0;
}
