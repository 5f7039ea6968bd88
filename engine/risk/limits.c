/* Tables of limits: sealing, verifying, publishing. See limits.h. */
#include "engine/risk/limits.h"

#include <stdatomic.h>
#include <string.h>

#include "engine/risk/risk.h"

void risk_limits_seal(struct risk_limits *limits)
{
    limits->version = RISK_LIMITS_VERSION;
    limits->checksum = risk_line_checksum(limits, RISK_LINE_LIMITS, limits->generation);
}

static bool limits_in_bounds(const struct risk_limits *limits)
{
    return limits->version == RISK_LIMITS_VERSION && limits->order_shares_max <= RISK_SHARES_MAX &&
           limits->position_long_max <= RISK_POSITION_MAX && limits->position_short_max <= RISK_POSITION_MAX &&
           limits->price_max <= RISK_PRICE_MAX && limits->collar_permille <= RISK_COLLAR_PERMILLE_MAX &&
           limits->order_burst <= RISK_RATE_MAX && limits->order_rate_per_s <= RISK_RATE_MAX &&
           limits->allow_unannounced <= 1;
}

bool risk_limits_valid(const struct risk_limits *limits)
{
    return limits->checksum == risk_line_checksum(limits, RISK_LINE_LIMITS, limits->generation) &&
           limits_in_bounds(limits);
}

void risk_rules_default(struct risk_rules *rules, const struct risk_limits *limits)
{
    *rules = (struct risk_rules){
        .head = {.valid_until_ns = RISK_NEVER, .session_close_ns = RISK_NEVER},
        .limits = *limits,
        .account = {.gross_exposure_max = RISK_EXPOSURE_MAX, .net_exposure_max = RISK_EXPOSURE_MAX,
                    .quote_age_ns_max = RISK_NEVER, .feed_age_ns_max = RISK_NEVER, .open_orders_max = RISK_OFF_32,
                    .message_burst = RISK_RATE_MAX, .message_rate_per_s = RISK_RATE_MAX,
                    .last_collar_permille = RISK_OFF_32},
        .soft = {.notional = RISK_NEVER, .position_long = RISK_NEVER, .position_short = RISK_NEVER,
                 .gross_exposure = RISK_NEVER, .net_exposure = RISK_NEVER, .order_shares = RISK_OFF_32,
                 .open_orders = RISK_OFF_32, .collar_permille = RISK_OFF_16, .last_collar_permille = RISK_OFF_16},
        .trips = {.profile_count = 1},
    };
}

void risk_table_set_symbol(struct risk_table *table, uint16_t symbol, uint8_t flags, uint16_t profile)
{
    atomic_store_explicit(&table->symbols[symbol], flags | (uint64_t)profile << 16, memory_order_relaxed);
}

void risk_table_default(struct risk_table *table, const struct risk_limits *limits)
{
    risk_rules_default(&table->rules, limits);
    for (uint32_t symbol = 0; symbol < RISK_SYMBOL_COUNT; symbol++)
        risk_table_set_symbol(table, (uint16_t)symbol, RISK_SYMBOL_SHORT, 0);
    memset(table->profiles, 0, sizeof(table->profiles));
}

static uint64_t body_checksum(const struct risk_table *table)
{
    uint64_t sum = RISK_TABLE_MAGIC;
    for (uint32_t symbol = 0; symbol < RISK_SYMBOL_COUNT; symbol++) {
        sum = (sum ^ atomic_load_explicit(&table->symbols[symbol], memory_order_relaxed)) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 32;
    }
    for (uint32_t profile = 0; profile < RISK_PROFILE_COUNT; profile++) {
        sum = (sum ^ table->profiles[profile].checksum) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 32;
    }
    return sum;
}

void risk_rules_seal(struct risk_rules *rules, uint32_t generation)
{
    rules->head.magic = RISK_TABLE_MAGIC;
    rules->head.schema = RISK_TABLE_SCHEMA;
    rules->head.generation = rules->limits.generation = generation;
    rules->head.checksum = risk_line_checksum(&rules->head, RISK_LINE_HEAD, generation);
    risk_limits_seal(&rules->limits);
    rules->account.checksum = risk_line_checksum(&rules->account, RISK_LINE_ACCOUNT, generation);
    rules->soft.checksum = risk_line_checksum(&rules->soft, RISK_LINE_SOFT, generation);
    rules->trips.checksum = risk_line_checksum(&rules->trips, RISK_LINE_TRIPS, generation);
}

void risk_table_seal(struct risk_table *table, uint32_t generation)
{
    for (uint32_t symbol = 0; symbol < RISK_SYMBOL_COUNT; symbol++) {
        const uint32_t payload = (uint32_t)atomic_load_explicit(&table->symbols[symbol], memory_order_relaxed);
        const uint64_t check = risk_symbol_checksum(payload, (uint16_t)symbol, generation);
        atomic_store_explicit(&table->symbols[symbol], payload | check << 32, memory_order_relaxed);
    }
    for (uint32_t profile = 0; profile < RISK_PROFILE_COUNT; profile++)
        table->profiles[profile].checksum =
            risk_line_checksum(&table->profiles[profile], RISK_LINE_PROFILE + profile, generation);
    table->rules.head.body_checksum = body_checksum(table);
    risk_rules_seal(&table->rules, generation);
}

static bool account_in_bounds(const struct risk_account *account)
{
    return account->gross_exposure_max <= RISK_EXPOSURE_MAX && account->net_exposure_max <= RISK_EXPOSURE_MAX &&
           account->message_burst <= RISK_RATE_MAX && account->message_rate_per_s <= RISK_RATE_MAX &&
           (account->last_collar_permille <= RISK_COLLAR_PERMILLE_MAX || account->last_collar_permille == RISK_OFF_32);
}

static bool profile_in_bounds(const struct risk_profile *profile)
{
    return profile->order_shares_max <= RISK_SHARES_MAX && profile->price_max <= RISK_PRICE_MAX &&
           profile->position_long_max <= RISK_POSITION_MAX && profile->position_short_max <= RISK_POSITION_MAX &&
           profile->collar_permille <= RISK_COLLAR_PERMILLE_MAX &&
           (profile->last_collar_permille <= RISK_COLLAR_PERMILLE_MAX || profile->last_collar_permille == RISK_OFF_32);
}

static bool trips_in_bounds(const struct risk_trips *trips)
{
    const uint64_t reasons = (1ull << RISK_REASON_COUNT) - 1;
    const uint64_t never = 1ull << RISK_NONE | 1ull << RISK_KILL_SWITCH | 1ull << RISK_KILL_SYMBOL |
                           1ull << RISK_KILL_STRATEGY | 1ull << RISK_TRIPPED;
    const uint64_t fills = 1ull << RISK_POSITION | 1ull << RISK_NET_EXPOSURE | 1ull << RISK_GROSS_EXPOSURE;
    return ((trips->at_once | trips->counted) & (never | ~reasons)) == 0 && (trips->after_fill & ~fills) == 0 &&
           trips->profile_count >= 1 && trips->profile_count <= RISK_PROFILE_COUNT;
}

static bool warns_first(uint64_t soft, uint64_t hard, uint64_t off)
{
    return soft <= hard || soft == off;
}

static bool soft_below_hard(const struct risk_rules *rules)
{
    const struct risk_limits *limits = &rules->limits;
    const struct risk_account *account = &rules->account;
    const struct risk_soft *soft = &rules->soft;
    return warns_first(soft->notional, limits->notional_max, RISK_NEVER) &&
           warns_first(soft->position_long, limits->position_long_max, RISK_NEVER) &&
           warns_first(soft->position_short, limits->position_short_max, RISK_NEVER) &&
           warns_first(soft->gross_exposure, account->gross_exposure_max, RISK_NEVER) &&
           warns_first(soft->net_exposure, account->net_exposure_max, RISK_NEVER) &&
           warns_first(soft->order_shares, limits->order_shares_max, RISK_OFF_32) &&
           warns_first(soft->open_orders, account->open_orders_max, RISK_OFF_32) &&
           warns_first(soft->collar_permille, limits->collar_permille, RISK_OFF_16) &&
           warns_first(soft->last_collar_permille, account->last_collar_permille, RISK_OFF_16);
}

enum risk_table_problem risk_rules_verify(const struct risk_rules *rules)
{
    const struct risk_head *head = &rules->head;
    const uint32_t generation = head->generation;
    if (head->magic != RISK_TABLE_MAGIC || head->schema != RISK_TABLE_SCHEMA)
        return RISK_TABLE_NOT_ONE;
    if (head->checksum != risk_line_checksum(head, RISK_LINE_HEAD, generation))
        return RISK_TABLE_HEAD;
    if (rules->limits.generation != generation ||
        rules->limits.checksum != risk_line_checksum(&rules->limits, RISK_LINE_LIMITS, generation))
        return RISK_TABLE_LIMITS;
    if (rules->account.checksum != risk_line_checksum(&rules->account, RISK_LINE_ACCOUNT, generation))
        return RISK_TABLE_ACCOUNT;
    if (rules->soft.checksum != risk_line_checksum(&rules->soft, RISK_LINE_SOFT, generation))
        return RISK_TABLE_SOFT;
    if (rules->trips.checksum != risk_line_checksum(&rules->trips, RISK_LINE_TRIPS, generation))
        return RISK_TABLE_TRIPS;
    if (!limits_in_bounds(&rules->limits) || !account_in_bounds(&rules->account) || !trips_in_bounds(&rules->trips) ||
        rules->soft.order_tokens_permille > 1000 || rules->soft.message_tokens_permille > 1000)
        return RISK_TABLE_BOUNDS;
    if (!soft_below_hard(rules))
        return RISK_TABLE_SOFT_ABOVE_HARD;
    if (head->valid_until_ns <= head->created_ns || head->session_close_ns < head->session_open_ns)
        return RISK_TABLE_TIMES;
    return RISK_TABLE_GOOD;
}

enum risk_table_problem risk_table_verify(const struct risk_table *table)
{
    const enum risk_table_problem problem = risk_rules_verify(&table->rules);
    const uint32_t generation = table->rules.head.generation, profiles = table->rules.trips.profile_count;
    if (problem != RISK_TABLE_GOOD)
        return problem;
    for (uint32_t symbol = 0; symbol < RISK_SYMBOL_COUNT; symbol++) {
        const uint64_t entry = atomic_load_explicit(&table->symbols[symbol], memory_order_relaxed);
        const uint32_t payload = (uint32_t)entry;
        if (entry >> 32 != risk_symbol_checksum(payload, (uint16_t)symbol, generation))
            return RISK_TABLE_SYMBOL;
        if ((payload & 0xffff & ~RISK_SYMBOL_FLAGS) != 0 || payload >> 16 >= profiles)
            return RISK_TABLE_BOUNDS;
    }
    for (uint32_t number = 0; number < RISK_PROFILE_COUNT; number++) {
        const struct risk_profile *profile = &table->profiles[number];
        if (profile->checksum != risk_line_checksum(profile, RISK_LINE_PROFILE + number, generation))
            return RISK_TABLE_PROFILE;
        if (!profile_in_bounds(profile))
            return RISK_TABLE_BOUNDS;
    }
    return table->rules.head.body_checksum == body_checksum(table) ? RISK_TABLE_GOOD : RISK_TABLE_BODY;
}

struct risk_table *risk_tables_begin(struct risk_tables *tables)
{
    const uint64_t published = atomic_load_explicit(&tables->published, memory_order_seq_cst) & 3;
    const uint64_t held = atomic_load_explicit(&tables->held, memory_order_seq_cst);
    uint64_t buffer = 1;
    while (buffer == published || buffer == held)
        buffer++; /* three buffers, two of them taken at most */
    memset(&tables->buffers[buffer - 1].rules.head, 0, sizeof(struct risk_head));
    return &tables->buffers[buffer - 1];
}

static void point_to(struct risk_tables *tables, uint64_t buffer)
{
    const uint64_t before = atomic_load_explicit(&tables->published, memory_order_relaxed);
    atomic_store_explicit(&tables->published, ((before >> 2) + 1) << 2 | buffer, memory_order_seq_cst);
}

enum risk_table_problem risk_tables_publish(struct risk_tables *tables, const struct risk_table *table)
{
    const enum risk_table_problem problem = risk_table_verify(table);
    if (problem != RISK_TABLE_GOOD)
        return problem;
    if (table->rules.head.generation <= tables->generation)
        return RISK_TABLE_OLD;
    tables->generation = table->rules.head.generation;
    point_to(tables, (uint64_t)(table - tables->buffers) + 1);
    return RISK_TABLE_GOOD;
}

void risk_tables_withdraw(struct risk_tables *tables)
{
    point_to(tables, 0);
}

const char *risk_table_problem_name(uint32_t problem)
{
    static const char *const names[RISK_TABLE_PROBLEM_COUNT] = {
        "good", "not a table of limits of this schema", "the head does not verify",
        "the line of order limits does not verify", "the line of account limits does not verify",
        "the line of soft limits does not verify", "the line of trips does not verify", "a symbol does not verify",
        "a profile does not verify", "symbols and profiles do not verify as a whole", "a value is out of its bounds",
        "a soft limit lies above the hard one", "the times leave it never valid",
        "the generation is not above that of the table in force"};
    return problem < RISK_TABLE_PROBLEM_COUNT ? names[problem] : "unknown";
}
