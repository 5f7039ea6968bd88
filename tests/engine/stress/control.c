/* The control thread: tables, kills, re-arms, loads, swaps and plans, whatever chance says. See stress.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/engine/stress/stress.h"

#if defined(__SANITIZE_THREAD__)
enum { CRASHES = 0 }; /* it does not follow a jump from a signal's own stack (guard.h) */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { CRASHES = 0 };
#else
enum { CRASHES = 1 };
#endif
#else
enum { CRASHES = 1 };
#endif

const char stress_letters[3] = {'T', 'Q', 'X'};

static _Atomic uint64_t created_ns[DIARY]; /* by generation */

struct hand {
    struct engine *engine;
    struct risk_tables *tables;
    struct risk_kills *kills;
    struct risk_table *table; /* published and good; NULL: none */
    uint64_t random;
    uint32_t generation;
    uint32_t number, kind; /* of the command that waits for its answer; 0: none */
    int32_t slot;          /* that it speaks of */
    int32_t planned;       /* slot that waits for its time; -1: none */
    bool line_off;
};

/* Nearly everything passes but what a kill, a trip or damage stops. */
static struct terms loose(uint64_t random)
{
    const struct symbol_terms plain = {.shares = 500, .price = 100000, .collar_permille = 600, .notional = 100000000,
                                       .position_long = 5000 + random % 5000, .position_short = 5000 + random % 7000};
    return (struct terms){.plain = plain, .profile = plain, .gross = 10000000000, .net = 5000000000, .open_orders = 200,
                          .lifetime_ns = 1000000000000, .profiled = random >> 32 & 0xff};
}

struct terms terms_of(uint32_t generation)
{
    const uint64_t a = mix(generation), b = mix(a), c = mix(b);
    const struct symbol_terms plain = {.shares = 40 + a % 200, .price = a >> 8 & 3 ? 100000 : 19000 + (a >> 10) % 3000,
                                       .collar_permille = 2 + (a >> 24) % 40, .notional = 800000 + b % 5000000,
                                       .position_long = 50 + (b >> 32) % 2000, .position_short = 50 + (b >> 44) % 2000};
    if (mix(c + 9) & 1)
        return loose(a);
    struct symbol_terms profile = plain;
    profile.shares = 10 + (a >> 32) % 250;
    profile.collar_permille = 1 + (a >> 48) % 60;
    profile.position_long = 50 + (c >> 20) % 1000;
    return (struct terms){.plain = plain, .profile = profile, .gross = 10000000 + c % 200000000,
                          .net = 4000000 + (c >> 30) % 80000000, .open_orders = 1 + (uint32_t)(mix(c) % 40),
                          .lifetime_ns = mix(c + 1) % 8 == 0 ? 400000 : 1000000000000,
                          .restricted = mix(c + 2) & mix(c + 3) & mix(c + 4) & 0xff,
                          .no_short = mix(c + 5) & mix(c + 6) & 0xff, .profiled = mix(c + 7) & mix(c + 8) & 0xff};
}

uint64_t table_created_ns(uint32_t generation)
{
    return atomic_load(&created_ns[generation % DIARY]);
}

static void begin(uint32_t number)
{
    const uint64_t value = atomic_load(&shared.switches[number].value);
    if (!(value & 1))
        atomic_store(&shared.switches[number].value, value + 3); /* the next epoch, on */
}

static void end(uint32_t number)
{
    const uint64_t value = atomic_load(&shared.switches[number].value);
    if (value & 1)
        atomic_store(&shared.switches[number].value, value - 1); /* the same epoch, off */
}

/* Before what it speaks of, which is another table, and behind it. */
static void announce(uint32_t generation)
{
    const uint64_t entry = atomic_load(&shared.begun) + 1;
    atomic_store(&shared.diary[entry % DIARY], generation);
    atomic_store(&shared.begun, entry);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        end(SWITCH_DAMAGE + symbol);
}

static void confirm(void)
{
    atomic_store(&shared.done, atomic_load(&shared.begun));
}

/* ---- tables ---- */

static struct risk_profile profile_of(const struct symbol_terms *terms)
{
    return (struct risk_profile){.order_shares_max = terms->shares, .price_max = terms->price,
                                 .notional_max = terms->notional, .position_long_max = terms->position_long,
                                 .position_short_max = terms->position_short, .collar_permille = terms->collar_permille,
                                 .last_collar_permille = RISK_OFF_32};
}

static void fill(struct risk_table *table, uint32_t generation)
{
    const struct terms terms = terms_of(generation);
    const uint64_t now_ns = atomic_load(&shared.now_ns);
    const struct risk_limits limits = {.order_shares_max = terms.plain.shares, .notional_max = terms.plain.notional,
                                       .position_long_max = terms.plain.position_long,
                                       .position_short_max = terms.plain.position_short,
                                       .price_max = terms.plain.price, .collar_permille = terms.plain.collar_permille,
                                       .order_burst = RISK_RATE_MAX, .order_rate_per_s = RISK_RATE_MAX,
                                       .allow_unannounced = 1};
    risk_table_default(table, &limits);
    table->rules.head.created_ns = now_ns;
    table->rules.head.valid_until_ns = now_ns + terms.lifetime_ns;
    table->rules.account.gross_exposure_max = terms.gross;
    table->rules.account.net_exposure_max = terms.net;
    table->rules.account.open_orders_max = terms.open_orders;
    table->rules.trips = (struct risk_trips){.at_once = generation % 3 == 0 ? 1ull << RISK_LIMITS_INVALID : 0,
                                             .counted = 1ull << RISK_GROSS_EXPOSURE, .breaches = 5,
                                             .window_ns = 100000, .profile_count = 2,
                                             .after_fill = generation % 2 ? 1ull << RISK_POSITION : 0};
    table->profiles[1] = profile_of(&terms.profile);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        risk_table_set_symbol(table, (uint16_t)(symbol + 1),
                              (uint8_t)((terms.restricted >> symbol & 1 ? RISK_SYMBOL_RESTRICTED : 0) |
                                        (terms.no_short >> symbol & 1 ? 0 : RISK_SYMBOL_SHORT)),
                              terms.profiled >> symbol & 1);
    atomic_store(&created_ns[generation % DIARY], now_ns);
    risk_table_seal(table, generation);
}

static void publish(struct hand *hand)
{
    struct risk_table *next = risk_tables_begin(hand->tables);
    fill(next, ++hand->generation);
    if (draw(&hand->random) % 16 == 0) { /* damaged in the moment in which it came into force, past every check */
        ((uint8_t *)next)[draw(&hand->random) % sizeof(struct risk_rules)] ^= (uint8_t)(1u << draw(&hand->random) % 8);
        announce(0);
        const uint64_t sequence = (atomic_load(&hand->tables->published) >> 2) + 1;
        atomic_store(&hand->tables->published, sequence << 2 | (uint64_t)(next - hand->tables->buffers + 1));
        hand->table = NULL;
        count_one(&shared.damaged);
    } else {
        announce(hand->generation);
        if (risk_tables_publish(hand->tables, next) != RISK_TABLE_GOOD)
            abort();
        hand->table = next;
        count_one(&shared.tables);
    }
    confirm();
}

static void withdraw(struct hand *hand)
{
    announce(0);
    risk_tables_withdraw(hand->tables);
    confirm();
    hand->table = NULL;
    count_one(&shared.withdrawn);
}

static void damage(struct hand *hand, uint32_t symbol)
{
    if (hand->table == NULL || (atomic_load(&shared.switches[SWITCH_DAMAGE + symbol].value) & 1))
        return;
    atomic_fetch_xor(&hand->table->symbols[symbol + 1], 1ull << draw(&hand->random) % 64);
    begin(SWITCH_DAMAGE + symbol);
    count_one(&shared.damaged);
}

/* ---- kills: of all, of a symbol, of a letter ---- */

static void throw(struct hand *hand, uint32_t number, bool on)
{
    if (!on)
        end(number);
    if (number == SWITCH_ALL)
        runner_kill(shared.runner, on);
    else if (number < SWITCH_LETTER)
        risk_kill_symbol(hand->kills, (uint16_t)(number - SWITCH_SYMBOL + 1), on);
    else
        risk_kill_strategy(hand->kills, (uint16_t)stress_letters[number - SWITCH_LETTER], on);
    if (!on)
        return;
    begin(number);
    count_one(&shared.kills);
}

/* ---- strategies ---- */

static int32_t load(struct hand *hand)
{
    static const char *const names[8] = {"touch_taker", "quoter", "touch_taker", "quoter", "quoter", "bad_prices",
                                         "bad_spam", "bad_crash"};
    const uint64_t random = draw(&hand->random);
    const char *name = names[random % (CRASHES ? 8 : 7)];
    const struct tailgate_parameter taker[2] = {{"order_shares", 250}, {"imbalance_permille", 300}};
    const struct tailgate_parameter quoter[2] = {{"order_shares", 1 + (int64_t)(random >> 8) % 200},
                                                 {"retry_messages", 10}};
    const struct tailgate_parameter bad[1] = {{"after", (int64_t)(random >> 8) % 2000}};
    const struct tailgate_parameters given = {name[0] == 'b' ? 1 : 2, 0,
                                              name[0] == 'b' ? bad : name[0] == 'q' ? quoter : taker};
    struct loader_report report;
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s.so", shared.objects, name);
    if (!runner_load_strategy(shared.runner, path, &given, &report)) {
        if (report.verdict == LOADER_NO_SLOT)
            return -1;
        fprintf(stderr, "engine_stress: %s: %s\n", path, report.what);
        exit(69);
    }
    count_one(&shared.loads);
    return report.slot;
}

static void post(struct hand *hand, uint32_t kind, uint64_t argument)
{
    hand->kind = kind;
    hand->number = runner_command(shared.runner, kind, argument);
}

/* The answer, if it is there. */
static void hear(struct hand *hand)
{
    struct command_answer answer;
    if (hand->number == 0 || !runner_answered(shared.runner, hand->number, &answer))
        return;
    const bool done = answer.outcome == COMMAND_DONE;
    hand->number = 0;
    count_one(!done                                        ? &shared.refused
              : hand->kind == COMMAND_STRATEGY_DEPLOY      ? &shared.deploys
              : hand->kind == COMMAND_STRATEGY_UNPLAN      ? &shared.unplans
              : hand->kind == COMMAND_STRATEGY_ROLLBACK    ? &shared.rollbacks
              : hand->kind == COMMAND_STRATEGY_DEPLOY_AT ||
                      hand->kind == COMMAND_STRATEGY_DEPLOY_WHEN ? &shared.plans
                                                           : &shared.lines);
    if (hand->kind == COMMAND_LINE_ENABLE || hand->kind == COMMAND_LINE_DISABLE)
        hand->line_off = hand->kind == COMMAND_LINE_DISABLE;
    else if (hand->kind == COMMAND_STRATEGY_UNPLAN)
        hand->planned = -1;
    else if (done && (hand->kind == COMMAND_STRATEGY_DEPLOY_AT || hand->kind == COMMAND_STRATEGY_DEPLOY_WHEN))
        hand->planned = hand->slot;
    const bool idle = hand->kind == COMMAND_STRATEGY_UNPLAN ? done : !done;
    runner_reclaim_strategies(shared.runner, idle ? hand->slot : -1);
    hand->slot = -1;
}

static void swap(struct hand *hand, uint32_t what)
{
    const uint64_t random = draw(&hand->random);
    if (hand->number != 0)
        return;
    if (hand->planned >= 0 && atomic_load(&hand->engine->strategies.slots[hand->planned].state) != SLOT_READY)
        hand->planned = -1; /* its time has come */
    if (what == 0) {
        if ((hand->slot = load(hand)) >= 0)
            post(hand, COMMAND_STRATEGY_DEPLOY, (uint64_t)hand->slot);
    } else if (what == 1 && hand->planned < 0) {
        if ((hand->slot = load(hand)) < 0)
            return;
        const bool at = random & 1;
        const uint64_t when = at ? atomic_load(&shared.position) + random % 4000
                                 : atomic_load(&shared.now_ns) + random % 2000000;
        post(hand, at ? COMMAND_STRATEGY_DEPLOY_AT : COMMAND_STRATEGY_DEPLOY_WHEN, when << 8 | (uint64_t)hand->slot);
    } else if (what == 1 && random % 4 == 0) {
        hand->slot = hand->planned;
        post(hand, COMMAND_STRATEGY_UNPLAN, (uint64_t)hand->slot);
    } else if (what == 2) {
        post(hand, COMMAND_STRATEGY_ROLLBACK, 0);
    } else if (what == 3) {
        post(hand, hand->line_off ? COMMAND_LINE_ENABLE : COMMAND_LINE_DISABLE, 1);
    }
}

void *control(void *unused)
{
    struct engine *engine = runner_engine(shared.runner);
    struct hand hand = {.engine = engine, .tables = &engine->risk_memory->tables, .kills = &engine->risk_memory->kills,
                        .random = mix(shared.seed), .slot = -1, .planned = -1};
    while (!atomic_load(&shared.stop)) {
        const uint32_t what = draw(&hand.random) % 128, number = SWITCH_SYMBOL + (uint32_t)draw(&hand.random) % 11;
        hear(&hand);
        if (what < 16)
            publish(&hand);
        else if (what == 16)
            withdraw(&hand);
        else if (what < 20)
            throw(&hand, SWITCH_ALL, true);
        else if (what < 44)
            throw(&hand, SWITCH_ALL, false);
        else if (what < 47)
            throw(&hand, number, true);
        else if (what < 67)
            throw(&hand, number, false);
        else if (what < 69)
            damage(&hand, number % SYMBOLS);
        else if (what < 90)
            swap(&hand, what & 3);
        else if (what < 112 && risk_command(hand.kills, RISK_COMMAND_REARM, 0, hand.generation))
            count_one(&shared.rearms);
        else {
            const struct timespec pause = {.tv_nsec = (long)(draw(&hand.random) % 30000)};
            nanosleep(&pause, NULL);
        }
    }
    return unused;
}
