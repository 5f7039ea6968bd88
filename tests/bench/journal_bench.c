/* What the journal costs the engine's thread: the same datagrams stepped with and without one, ns per datagram.
 *
 * journal_bench [DATAGRAMS [on|off]]: one of the two alone for callgrind, which counts instructions. The recorded file
 * is /dev/null: writing it is the drain thread's work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runner.h"

enum { MESSAGE_BYTES = 36, DATAGRAM_BYTES = 20 + 2 + MESSAGE_BYTES, SYMBOLS = 100 };

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

/* One Add Order; every second price betters the best of its side now and then, so that some are answered. */
static void datagram(uint8_t *out, uint64_t sequence)
{
    uint8_t *message = out + 22;
    memset(out, 0, DATAGRAM_BYTES);
    memcpy(out, "TAILGATE01", 10);
    put(out + 10, sequence, 8);
    put(out + 18, 1, 2);
    put(out + 20, MESSAGE_BYTES, 2);
    message[0] = 'A';
    put(message + 1, 1 + sequence / 2 % SYMBOLS, 2);
    put(message + 11, sequence, 8);
    message[19] = sequence % 2 ? 'B' : 'S';
    put(message + 20, 100, 4);
    memcpy(message + 24, "BENCH   ", 8);
    put(message + 32, 1000000 + (sequence % 2 ? 0 : 5000) - sequence * 7919 % 64, 4);
}

static struct engine_options engine_options(uint32_t datagrams)
{
    struct engine_options options = {.strategy = STRATEGY_TOUCH_TAKER, .decision_capacity = datagrams};
    feed_options_default(&options.feed);
    book_options_default(&options.book);
    options.book.order_capacity = datagrams + 1;
    options.touch_taker = (struct touch_taker_options){100, 800, 0};
    options.limits = (struct risk_limits){.order_shares_max = 1000, .notional_max = INT64_MAX,
                                          .position_long_max = RISK_POSITION_MAX,
                                          .position_short_max = RISK_POSITION_MAX, .price_max = RISK_PRICE_MAX,
                                          .collar_permille = 1000, .order_burst = 1000000000,
                                          .order_rate_per_s = 1000000000, .allow_unannounced = 1};
    risk_limits_seal(&options.limits);
    options.own_orders = (struct own_orders_options){.open_max = 1 << 19, .dead_keep = 64, .executions_max = 64};
    options.soupbin = (struct soupbin_options){.username = "U", .password = "P", .requested_sequence = 1};
    options.recovery.soupbin = options.soupbin;
    return options;
}

static double run(uint32_t datagrams, bool journal)
{
    char error[RUNNER_ERROR_BYTES];
    const struct engine_options engine = engine_options(datagrams);
    struct runner_options options = {.cpu = -1};
    uint8_t bytes[DATAGRAM_BYTES], sent[4096];
    if (journal)
        options.journal = (struct recorder_options){"/dev/null", "{}", 1ull << 30, 1ull << 29, -1, NULL};
    struct runner *runner = runner_open(&engine, &options, error, sizeof(error));
    if (!runner) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    runner_accept_login(runner, 1);
    uint64_t spent = 0;
    for (uint64_t sequence = 1; sequence <= datagrams; sequence++) {
        datagram(bytes, sequence);
        int64_t start = clock_monotonic_ns();
        engine_step(runner_engine(runner), 0, bytes, sizeof(bytes), sequence * 1000);
        spent += (uint64_t)(clock_monotonic_ns() - start);
        while (runner_take_sent(runner, sent, sizeof(sent)) == sizeof(sent))
            continue;
    }
    struct recorder_statistics statistics;
    runner_finish_journal(runner);
    runner_journal_statistics(runner, &statistics);
    printf("journal %s: %.1f ns a datagram, %lu orders, %lu records, %lu lost\n", journal ? "on " : "off",
           (double)spent / datagrams, (unsigned long)runner_engine(runner)->statistics.orders,
           (unsigned long)statistics.records, (unsigned long)statistics.lost);
    runner_close(runner);
    return (double)spent / datagrams;
}

int main(int count, char **arguments)
{
    uint32_t datagrams = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 400000;
    if (count > 2) {
        run(datagrams, strcmp(arguments[2], "on") == 0);
        return 0;
    }
    double on = 1e9, off = 1e9;
    for (int turn = 0; turn < 5; turn++) {
        double with = run(datagrams, true), without = run(datagrams, false);
        on = with < on ? with : on;
        off = without < off ? without : off;
    }
    printf("the journal adds %.1f ns to %.1f ns a datagram\n", on - off, off);
    return 0;
}
