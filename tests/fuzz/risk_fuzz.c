/* Fuzz target: the gate and its tables under any program of orders, executions, tables and stray writes, with invariants.
 *
 * The input is a program: publish a table of any values (refused or not), change bytes of it before it is published or
 * while it is in force, ask for orders of any terms, tell of executions and ends, kill, trip, re-arm, poll. Always: a
 * table whose bytes were changed does not verify; an order passes only with a table that verifies and within its limits;
 * a tripped or killed gate lets nothing pass; the account's sums are those of its symbols.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/risk/exposure.h"

enum { SYMBOLS = 4 };

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct world {
    const uint8_t *bytes;
    size_t left;
    struct risk risk;
    struct risk_kill_switch kill;
    struct risk_table *table; /* in force, NULL: none that verified */
    struct risk_rules rules;  /* the gate's own lines as they were taken up */
    uint32_t generation;
    uint64_t now_ns;
};

static struct risk_memory memory;
static struct world world;

static uint8_t take(void)
{
    if (world.left == 0)
        return 0;
    world.left--;
    return *world.bytes++;
}

static uint64_t take_wide(void)
{
    const uint8_t shift = take() % 64;
    return (uint64_t)take() << shift;
}

static void publish(void)
{
    struct risk_table *table = risk_tables_begin(&memory.tables);
    struct risk_limits limits = {.order_shares_max = (uint32_t)take_wide(), .notional_max = take_wide(),
                                 .position_long_max = take_wide(), .position_short_max = take_wide(),
                                 .price_max = RISK_PRICE_MAX, .collar_permille = take() * 4u,
                                 .order_burst = (uint32_t)take_wide(), .order_rate_per_s = (uint32_t)take_wide(),
                                 .allow_unannounced = take() % 2};
    risk_rules_default(&table->rules, &limits);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        risk_table_set_symbol(table, (uint16_t)symbol, take() % 4, take() % 3);
    table->rules.account.gross_exposure_max = take_wide();
    table->rules.account.net_exposure_max = take_wide();
    table->rules.account.duplicate_window_ns = take_wide();
    table->rules.account.open_orders_max = take();
    table->rules.trips = (struct risk_trips){.at_once = take_wide() << 2, .counted = take_wide() << 2,
                                             .after_fill = take() % 2 ? 1ull << RISK_POSITION : 0,
                                             .breaches = take() % 4, .window_ns = take_wide(), .profile_count = 3};
    table->profiles[1] = table->profiles[2] =
        (struct risk_profile){.order_shares_max = take() * 8u, .price_max = RISK_PRICE_MAX, .notional_max = take_wide(),
                              .position_long_max = take(), .position_short_max = take(), .collar_permille = take(),
                              .last_collar_permille = RISK_OFF_32};
    risk_rules_seal(&table->rules, world.generation + 1);
    /* seal only what is looked at: a whole table takes too long here, so the verdict on it is not asked for */
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        const uint32_t payload = (uint32_t)table->symbols[symbol];
        table->symbols[symbol] =
            payload | (uint64_t)risk_symbol_checksum(payload, (uint16_t)symbol, world.generation + 1) << 32;
    }
    for (uint32_t profile = 1; profile < 3; profile++)
        table->profiles[profile].checksum =
            risk_line_checksum(&table->profiles[profile], RISK_LINE_PROFILE + profile, world.generation + 1);
    if (take() % 8 == 0) { /* damaged before it is taken up */
        ((uint8_t *)&table->rules)[take() % sizeof(table->rules)] ^= (uint8_t)(1u << take() % 8);
        REQUIRE(risk_rules_verify(&table->rules) != RISK_TABLE_GOOD);
    }
    world.table = risk_rules_verify(&table->rules) == RISK_TABLE_GOOD ? table : NULL;
    world.generation++;
    const uint64_t sequence = (memory.tables.published >> 2) + 1;
    memory.tables.published = sequence << 2 | (uint64_t)(table - memory.tables.buffers + 1);
    risk_poll(&world.risk, world.now_ns);
    world.rules = world.risk.rules;
}

/* Changes a bit of what the gate reads, or changes it back. */
static void write_over(void)
{
    const uint8_t bit = (uint8_t)(1u << take() % 8);
    if (take() % 2 == 0) {
        ((uint8_t *)&world.risk.rules)[take() % offsetof(struct risk_rules, trips)] ^= bit;
    } else if (world.table != NULL) {
        const uint32_t symbol = take() % SYMBOLS;
        world.table->symbols[symbol] ^= (uint64_t)bit << 8 * (take() % 8);
    }
}

static void order(void)
{
    const struct book_top top = {
        .bid_price = 9900 + take(), .ask_price = 10000 + take(), .bid_shares = 1, .ask_shares = 1};
    const struct order_request request = {.trigger_sequence = take(), .price = (uint32_t)take_wide(),
                                          .shares = (uint32_t)take_wide(), .symbol = take() % SYMBOLS,
                                          .side = take() % 2 ? 'B' : 'S', .stock = "X       "};
    const struct risk_symbol *symbol = &memory.symbols[request.symbol];
    const struct risk_context context = {.now_ns = world.now_ns, .position = symbol->position, .feed_state = FEED_LIVE,
                                         .book_complete = true, .session_up = true, .trading_state = 'T'};
    const struct risk_replaced replaced = {.open_shares = take() % 2 ? 0 : take(), .price = take()};
    const bool tripped = world.risk.tripped;
    const enum risk_reason reason = risk_check_replace(&world.risk, &request, &replaced, &top, &context);
    REQUIRE(reason < RISK_REASON_COUNT);
    if (reason != RISK_NONE)
        return;
    REQUIRE(!tripped && world.kill.value == 0);
    REQUIRE(memcmp(&world.risk.rules, &world.rules, offsetof(struct risk_rules, trips)) == 0);
    REQUIRE(request.shares != 0 && request.shares <= RISK_SHARES_MAX && request.price != 0);
    if (world.generation != 0) {
        REQUIRE(world.table != NULL && world.risk.generation == world.generation);
        const uint64_t entry = world.table->symbols[request.symbol];
        REQUIRE(entry >> 32 == risk_symbol_checksum((uint32_t)entry, request.symbol, world.generation));
        REQUIRE((entry & RISK_SYMBOL_RESTRICTED) == 0);
        const uint32_t profile = (uint32_t)entry >> 16;
        const uint32_t shares_max = profile ? world.table->profiles[profile].order_shares_max
                                            : world.table->rules.limits.order_shares_max;
        REQUIRE(request.shares <= shares_max);
    }
    if (replaced.open_shares == 0)
        risk_on_sent(&world.risk, request.symbol, request.side, request.shares, request.price);
}

static void check_sums(void)
{
    const struct risk_exposure *exposure = &world.risk.exposure;
    int64_t gross = 0, value = 0, buy = 0, sell = 0;
    for (uint32_t index = 0; index < SYMBOLS; index++) {
        const struct risk_symbol *symbol = &memory.symbols[index];
        const int64_t marked = symbol->position * (int64_t)symbol->mark;
        const int64_t as_long = marked + symbol->open_buy, as_short = symbol->open_sell - marked;
        REQUIRE(symbol->open_buy >= 0 && symbol->open_sell >= 0);
        gross += as_long > as_short ? as_long : as_short;
        value += marked;
        buy += symbol->open_buy;
        sell += symbol->open_sell;
    }
    REQUIRE(gross == exposure->gross && value == exposure->value);
    REQUIRE(buy == exposure->open_buy && sell == exposure->open_sell);
    REQUIRE(gross >= 0 && gross <= RISK_EXPOSURE_MAX);
}

static void step(void)
{
    struct risk_cancel cancel;
    const uint8_t operation = take() % 16;
    world.now_ns += take_wide() >> 20;
    if (operation < 6)
        order();
    else if (operation == 6)
        publish();
    else if (operation == 7)
        write_over();
    else if (operation == 8)
        risk_on_fill(&world.risk, take() % SYMBOLS, take() % 2 ? 'B' : 'S', (uint32_t)take_wide(), take(),
                     (uint32_t)take_wide(), world.now_ns);
    else if (operation == 9)
        risk_on_closed(&world.risk, take() % SYMBOLS, take() % 2 ? 'B' : 'S', take(), take());
    else if (operation == 10)
        risk_on_cancelled(&world.risk, take() % SYMBOLS, take() % 2 ? 'B' : 'S', take(), take());
    else if (operation == 11)
        world.kill.value = take() % 2;
    else if (operation == 12)
        risk_rearm(&world.risk, take(), world.now_ns);
    else if (operation == 13)
        risk_poll(&world.risk, world.now_ns);
    else if (operation == 14)
        risk_note_cancel(&world.risk, world.now_ns);
    else
        while (risk_next_cancel(&world.risk, &cancel))
            REQUIRE(cancel.scope >= RISK_SCOPE_ALL && cancel.scope <= RISK_SCOPE_STRATEGY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct risk_limits limits = {.order_shares_max = 1000, .notional_max = UINT64_MAX, .position_long_max = 100000,
                                 .position_short_max = 100000, .price_max = RISK_PRICE_MAX, .collar_permille = 1000,
                                 .order_burst = RISK_RATE_MAX, .order_rate_per_s = RISK_RATE_MAX};
    memset(&world, 0, sizeof(world));
    world.bytes = data;
    world.left = size;
    risk_limits_seal(&limits);
    const struct risk_options options = {.limits = limits, .kill_switch = &world.kill, .memory = &memory};
    REQUIRE(risk_init(&world.risk, &options) == 0);
    world.rules = world.risk.rules;
    while (world.left != 0) {
        step();
        check_sums();
    }
    return 0;
}
