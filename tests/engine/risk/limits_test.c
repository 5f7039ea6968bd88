/* Tables of limits: sealing, verifying, and the swap under a gate that may be reading. */
#include <stdlib.h>
#include <string.h>

#include "engine/risk/exposure.h"
#include "tests/engine/check.h"

static struct risk_memory memory;
static struct risk_kill_switch kill_switch;
static const struct book_top top = {.bid_price = 999900, .ask_price = 1000100, .bid_shares = 1, .ask_shares = 1};

static struct risk_limits sealed_limits(void)
{
    struct risk_limits limits = {.order_shares_max = 1000, .notional_max = 1000000000, .position_long_max = 5000,
                                 .position_short_max = 5000, .price_max = RISK_PRICE_MAX, .collar_permille = 50,
                                 .order_burst = 1000, .order_rate_per_s = 1000};
    risk_limits_seal(&limits);
    return limits;
}

static void start(struct risk *risk)
{
    const struct risk_options options = {.limits = sealed_limits(), .kill_switch = &kill_switch, .memory = &memory};
    kill_switch.value = 0;
    CHECK(risk_init(risk, &options) == 0);
}

static struct risk_table *begin(uint32_t shares_max)
{
    struct risk_table *table = risk_tables_begin(&memory.tables);
    struct risk_limits limits = sealed_limits();
    limits.order_shares_max = shares_max;
    risk_table_default(table, &limits);
    return table;
}

static enum risk_table_problem publish(struct risk_table *table, uint32_t generation)
{
    risk_table_seal(table, generation);
    return risk_tables_publish(&memory.tables, table);
}

static enum risk_reason order_of(struct risk *risk, uint32_t shares, uint64_t now_ns)
{
    const struct order_request request = {.trigger_sequence = 1, .price = 1000000, .shares = shares, .symbol = 7,
                                          .side = 'B', .stock = "AAPL    "};
    const struct risk_context context = {.now_ns = now_ns, .feed_state = FEED_LIVE, .book_complete = true,
                                         .session_up = true, .trading_state = 'T'};
    return risk_check(risk, &request, &top, &context);
}

static void a_buffer_given_out_is_neither_in_force_nor_held(void)
{
    struct risk risk;
    start(&risk);
    for (uint32_t generation = 1; generation < 200; generation++) {
        struct risk_table *table = begin(generation);
        const uint64_t number = (uint64_t)(table - memory.tables.buffers) + 1;
        CHECK(number <= RISK_TABLE_BUFFERS);
        CHECK(number != (memory.tables.published & 3));
        CHECK(number != memory.tables.held);
        CHECK_EQUAL(publish(table, generation), RISK_TABLE_GOOD);
        if (generation % 3 == 0) { /* the gate looks now and then only */
            CHECK_EQUAL(order_of(&risk, generation, 1), RISK_NONE);
            CHECK_EQUAL(risk.generation, generation);
            CHECK_EQUAL(order_of(&risk, generation + 1, 1), RISK_ORDER_SHARES);
        }
    }
}

static void every_bit_of_a_table_counts(void)
{
    static struct risk_table table;
    struct risk_limits limits = sealed_limits();
    risk_table_default(&table, &limits);
    risk_table_seal(&table, 9);
    CHECK_EQUAL(risk_table_verify(&table), RISK_TABLE_GOOD);
    uint8_t *bytes = (uint8_t *)&table;
    for (uint32_t byte = 0; byte < sizeof(struct risk_rules); byte++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            bytes[byte] ^= (uint8_t)(1u << bit);
            CHECK(risk_table_verify(&table) != RISK_TABLE_GOOD);
            bytes[byte] ^= (uint8_t)(1u << bit);
        }
    }
    srand(1);
    for (uint32_t round = 0; round < 300; round++) { /* the rest is long: some of it */
        const size_t byte = sizeof(struct risk_rules) +
                            ((size_t)rand() * 7919) % (sizeof(table) - sizeof(struct risk_rules));
        const uint8_t bit = (uint8_t)(1u << (round % 8));
        bytes[byte] ^= bit;
        CHECK(risk_table_verify(&table) != RISK_TABLE_GOOD);
        bytes[byte] ^= bit;
    }
    CHECK_EQUAL(risk_table_verify(&table), RISK_TABLE_GOOD);
}

static void a_line_of_another_table_or_place_does_not_verify(void)
{
    static struct risk_table one, other;
    struct risk_limits limits = sealed_limits();
    risk_table_default(&one, &limits);
    risk_table_default(&other, &limits);
    risk_table_seal(&one, 1);
    risk_table_seal(&other, 2);
    struct risk_table mixed = one;
    mixed.rules.account = other.rules.account;
    CHECK_EQUAL(risk_table_verify(&mixed), RISK_TABLE_ACCOUNT);
    mixed = one;
    mixed.symbols[5] = other.symbols[5];
    CHECK_EQUAL(risk_table_verify(&mixed), RISK_TABLE_SYMBOL);
    mixed = one;
    mixed.symbols[5] = one.symbols[6];
    CHECK_EQUAL(risk_table_verify(&mixed), RISK_TABLE_SYMBOL);
    mixed = one;
    mixed.profiles[3] = one.profiles[4];
    CHECK_EQUAL(risk_table_verify(&mixed), RISK_TABLE_PROFILE);
}

static void a_table_that_is_refused_changes_nothing(void)
{
    struct risk risk;
    start(&risk);
    CHECK_EQUAL(publish(begin(100), 5), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 101, 1), RISK_ORDER_SHARES);
    CHECK_EQUAL(publish(begin(900), 5), RISK_TABLE_OLD);
    CHECK_EQUAL(publish(begin(900), 4), RISK_TABLE_OLD);
    struct risk_table *table = begin(900);
    risk_table_seal(table, 6);
    table->rules.limits.order_shares_max = 901;
    CHECK_EQUAL(risk_tables_publish(&memory.tables, table), RISK_TABLE_LIMITS);
    table = begin(RISK_SHARES_MAX + 1);
    CHECK_EQUAL(publish(table, 6), RISK_TABLE_BOUNDS);
    table = begin(900);
    table->rules.soft.order_shares = 901;
    CHECK_EQUAL(publish(table, 6), RISK_TABLE_SOFT_ABOVE_HARD);
    table = begin(900);
    table->rules.head.valid_until_ns = 0;
    CHECK_EQUAL(publish(table, 6), RISK_TABLE_TIMES);
    table = begin(900);
    risk_table_set_symbol(table, 7, RISK_SYMBOL_SHORT, 1); /* there is no profile 1 */
    CHECK_EQUAL(publish(table, 6), RISK_TABLE_BOUNDS);
    CHECK_EQUAL(order_of(&risk, 101, 1), RISK_ORDER_SHARES);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_NONE);
    CHECK_EQUAL(risk.generation, 5);
}

static void a_withdrawn_table_closes_the_gate_until_the_next(void)
{
    struct risk risk;
    start(&risk);
    CHECK_EQUAL(publish(begin(100), 1), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_NONE);
    risk_tables_withdraw(&memory.tables);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_LIMITS_MISSING);
    struct risk_limits limits = sealed_limits();
    CHECK(risk_replace_limits(&risk, &limits, 1) != 0);
    CHECK_EQUAL(publish(begin(100), 2), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_NONE);
}

static void a_table_is_good_up_to_but_not_at_its_end(void)
{
    struct risk risk;
    start(&risk);
    struct risk_table *table = begin(100);
    table->rules.head.created_ns = 5000000000;
    table->rules.head.valid_until_ns = 6000000000;
    table->rules.trips.at_once = 1ull << RISK_LIMITS_STALE;
    CHECK_EQUAL(publish(table, 1), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 100, 4000000000), RISK_NONE); /* within the tolerance of its creation */
    CHECK_EQUAL(order_of(&risk, 100, 5999999999), RISK_NONE);
    risk_poll(&risk, 6000000000);
    CHECK(risk.tripped);
    CHECK_EQUAL(order_of(&risk, 100, 6000000000), RISK_LIMITS_STALE);
    CHECK_EQUAL(publish(begin(100), 2), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 100, 6000000000), RISK_TRIPPED);
    CHECK(risk_rearm(&risk, 42, 6000000001));
    CHECK_EQUAL(order_of(&risk, 100, 6000000002), RISK_NONE);
    const struct risk_record *record = &risk.records[(risk.record_count - 1) % RISK_RECORD_COUNT];
    CHECK_EQUAL(record->kind, RISK_RECORD_REARM);
    CHECK_EQUAL(record->reason, RISK_LIMITS_STALE);
    CHECK_EQUAL(record->who, 42);
}

static void a_table_from_the_future_is_not_valid_yet(void)
{
    struct risk risk;
    start(&risk);
    struct risk_table *table = begin(100);
    table->rules.head.created_ns = 5000000000;
    CHECK_EQUAL(publish(table, 1), RISK_TABLE_GOOD);
    CHECK_EQUAL(order_of(&risk, 100, 3999999999), RISK_LIMITS_STALE);
}

static void kills_hold_at_once_and_ask_for_cancels_when_polled(void)
{
    struct risk risk;
    struct risk_cancel cancel;
    start(&risk);
    risk_kill_symbol(&memory.kills, 7, true);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_KILL_SYMBOL);
    CHECK(!risk_next_cancel(&risk, &cancel));
    risk_poll(&risk, 1);
    CHECK(risk_next_cancel(&risk, &cancel));
    CHECK_EQUAL(cancel.scope, RISK_SCOPE_SYMBOL);
    CHECK_EQUAL(cancel.subject, 7);
    risk_kill_symbol(&memory.kills, 7, false);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_NONE);
    risk_kill_strategy(&memory.kills, 0, true);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_KILL_STRATEGY);
    kill_switch.value = 1;
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_KILL_SWITCH);
    risk_poll(&risk, 2);
    risk_poll(&risk, 3);
    CHECK(risk_next_cancel(&risk, &cancel));
    CHECK_EQUAL(cancel.scope, RISK_SCOPE_ALL);
    CHECK(risk_next_cancel(&risk, &cancel));
    CHECK_EQUAL(cancel.scope, RISK_SCOPE_STRATEGY);
    CHECK(!risk_next_cancel(&risk, &cancel));
}

static void commands_that_find_no_room_cancel_everything(void)
{
    struct risk risk;
    struct risk_cancel cancel;
    start(&risk);
    for (uint16_t symbol = 0; symbol < RISK_COMMAND_COUNT; symbol++)
        risk_kill_symbol(&memory.kills, symbol, true);
    CHECK(!risk_command(&memory.kills, RISK_COMMAND_REARM, 0, 1));
    risk_kill_symbol(&memory.kills, 1000, true);
    risk_poll(&risk, 1);
    bool all = false;
    uint32_t count = 0;
    for (; risk_next_cancel(&risk, &cancel); count++)
        all |= cancel.scope == RISK_SCOPE_ALL;
    CHECK(all);
    CHECK(count <= RISK_CANCEL_COUNT);
    CHECK(risk_command(&memory.kills, RISK_COMMAND_REARM, 0, 1));
}

static void a_replace_is_judged_as_its_increase(void)
{
    struct risk risk;
    start(&risk);
    const struct order_request request = {.trigger_sequence = 1, .price = 1000000, .shares = 200, .symbol = 7,
                                          .side = 'B', .stock = "AAPL    "};
    struct risk_context context = {.now_ns = 1, .feed_state = FEED_LIVE, .book_complete = true, .session_up = true,
                                   .trading_state = 'T', .position = 4000, .open_buy_shares = 900};
    struct risk_replaced replaced = {.open_shares = 100, .price = 1000000};
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_POSITION);
    CHECK_EQUAL(risk_check_replace(&risk, &request, &replaced, &top, &context), RISK_NONE);
    context.open_buy_shares = 901;
    CHECK_EQUAL(risk_check_replace(&risk, &request, &replaced, &top, &context), RISK_POSITION);
    context.open_buy_shares = 10000; /* over the limit already: to ask for less is no offence */
    replaced.open_shares = 200;
    CHECK_EQUAL(risk_check_replace(&risk, &request, &replaced, &top, &context), RISK_NONE);
}

static void sums_out_of_range_close_the_gate_for_good(void)
{
    struct risk risk;
    start(&risk);
    risk_on_cancelled(&risk, 7, 'B', 1, 1); /* never sent */
    CHECK(risk.exposure.lost);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_GROSS_EXPOSURE);
    start(&risk);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_NONE);
    risk_on_sent(&risk, 7, 'B', UINT32_MAX, UINT32_MAX);
    CHECK(risk.exposure.lost);
    CHECK_EQUAL(order_of(&risk, 100, 1), RISK_GROSS_EXPOSURE);
}

int main(void)
{
    RUN(a_buffer_given_out_is_neither_in_force_nor_held);
    RUN(every_bit_of_a_table_counts);
    RUN(a_line_of_another_table_or_place_does_not_verify);
    RUN(a_table_that_is_refused_changes_nothing);
    RUN(a_withdrawn_table_closes_the_gate_until_the_next);
    RUN(a_table_is_good_up_to_but_not_at_its_end);
    RUN(a_table_from_the_future_is_not_valid_yet);
    RUN(kills_hold_at_once_and_ask_for_cancels_when_polled);
    RUN(commands_that_find_no_room_cancel_everything);
    RUN(a_replace_is_judged_as_its_increase);
    RUN(sums_out_of_range_close_the_gate_for_good);
    return check_result();
}
