/* No order leaves against a limit while another thread changes limits, withdraws and corrupts tables, kills and re-arms.
 *
 * Usage: risk_stress [DECISIONS [SEED]]       default 300000 1; prints what happened, exit code 1 when an order got away
 *
 * The limits of a table follow from its generation alone (terms_of()), so that every order that passed can be judged by
 * the table that the gate says it used, with arithmetic of its own and an account of its own. What the control thread
 * does has a state with an epoch: a decision that saw the same state before and after was made under it, and must not
 * pass when that state is "killed", "corrupt" or "withdrawn", nor with limits older than those published before it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/risk/exposure.h"

enum { SYMBOLS = 64, STRATEGIES = 4, OPEN_MAX = 64, GENERATIONS_MAX = 1 << 20 };

#if defined(__SANITIZE_THREAD__)
enum { PLAIN_WRITES = 0 }; /* a stray write is a data race by its nature */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { PLAIN_WRITES = 0 };
#else
enum { PLAIN_WRITES = 1 };
#endif
#else
enum { PLAIN_WRITES = 1 };
#endif

/* epoch << 1 | on. Set after what it speaks of began, cleared before that ends. */
struct state {
    _Atomic uint64_t value;
};

struct open_order {
    uint32_t shares, price;
    uint16_t symbol;
    char side;
};

struct shared {
    struct risk_kill_switch kill;
    struct risk_memory memory;
    struct state killed, corrupt, withdrawn;
    struct state symbols_killed[SYMBOLS], strategies_killed[STRATEGIES], symbols_corrupt[SYMBOLS];
    _Atomic uint32_t committed; /* generation of the last good table published */
    _Atomic uint8_t good[GENERATIONS_MAX];
    _Atomic bool stop;
    _Atomic uint64_t now_ns;
    uint64_t seed;
    uint64_t publications, corruptions, kills; /* control thread */
};

struct engine {
    struct risk risk;
    uint64_t random;
    uint64_t now_ns;
    int64_t position[SYMBOLS], mark[SYMBOLS], open_buy[SYMBOLS], open_sell[SYMBOLS];
    struct open_order open[OPEN_MAX];
    uint32_t open_count;
    uint64_t passed, under_kill, under_corruption, generations, cancels, escaped;
    uint32_t last_generation;
};

static struct shared shared;

static uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

static uint64_t draw(uint64_t *random)
{
    return *random = mix(*random);
}

/* Everything that a generation's table allows. */
struct terms {
    uint32_t order_shares_max, collar_permille, profile_shares_max, open_orders_max;
    uint64_t notional_max, position_max, gross_max, net_max, lifetime_ns;
    uint64_t restricted, no_short, profiled; /* a bit per symbol */
};

static struct terms terms_of(uint32_t generation)
{
    const uint64_t a = mix(generation), b = mix(a), c = mix(b);
    return (struct terms){
        .order_shares_max = 50 + a % 200, .collar_permille = 1 + (uint32_t)(a >> 16) % 60,
        .profile_shares_max = 20 + (uint32_t)(a >> 32) % 300, .open_orders_max = 1 + (uint32_t)(a >> 48) % OPEN_MAX,
        .notional_max = 100000000 + b % 400000000, .position_max = 100 + (b >> 32) % 2000,
        .gross_max = 1000000000 + c % 20000000000, .net_max = 500000000 + (c >> 20) % 10000000000,
        .lifetime_ns = mix(c) % 8 == 0 ? 200000 : 1000000000000, .restricted = mix(c + 1) & mix(c + 2) & mix(c + 3),
        .no_short = mix(c + 4) & mix(c + 5), .profiled = mix(c + 6) & mix(c + 7)};
}

static void begin(struct state *state)
{
    const uint64_t value = atomic_load(&state->value);
    if (!(value & 1))
        atomic_store(&state->value, value + 3); /* the next epoch, on */
}

static void end(struct state *state)
{
    const uint64_t value = atomic_load(&state->value);
    if (value & 1)
        atomic_store(&state->value, value - 1); /* the same epoch, off */
}

static void fill(struct risk_table *table, uint32_t generation, uint64_t created_ns)
{
    const struct terms terms = terms_of(generation);
    const struct risk_limits limits = {.order_shares_max = terms.order_shares_max, .notional_max = terms.notional_max,
                                       .position_long_max = terms.position_max,
                                       .position_short_max = terms.position_max, .price_max = RISK_PRICE_MAX,
                                       .collar_permille = terms.collar_permille, .order_burst = RISK_RATE_MAX,
                                       .order_rate_per_s = RISK_RATE_MAX};
    risk_table_default(table, &limits);
    table->rules.head.created_ns = created_ns;
    table->rules.head.valid_until_ns = created_ns + terms.lifetime_ns;
    table->rules.account.gross_exposure_max = terms.gross_max;
    table->rules.account.net_exposure_max = terms.net_max;
    table->rules.account.open_orders_max = terms.open_orders_max;
    table->rules.trips = (struct risk_trips){.at_once = generation % 3 == 0 ? 1ull << RISK_LIMITS_INVALID : 0,
                                             .counted = 1ull << RISK_GROSS_EXPOSURE, .breaches = 5,
                                             .window_ns = 100000, .profile_count = 2,
                                             .after_fill = generation % 2 ? 1ull << RISK_POSITION : 0};
    table->profiles[1] = (struct risk_profile){
        .order_shares_max = terms.profile_shares_max, .price_max = RISK_PRICE_MAX, .notional_max = terms.notional_max,
        .position_long_max = terms.position_max, .position_short_max = terms.position_max,
        .collar_permille = terms.collar_permille, .last_collar_permille = RISK_OFF_32};
    for (uint16_t symbol = 0; symbol < SYMBOLS; symbol++)
        risk_table_set_symbol(table, symbol,
                              (uint8_t)((terms.restricted >> symbol & 1 ? RISK_SYMBOL_RESTRICTED : 0) |
                                        (terms.no_short >> symbol & 1 ? 0 : RISK_SYMBOL_SHORT)),
                              terms.profiled >> symbol & 1);
    risk_table_seal(table, generation);
}

/* A table that does not verify, put in force past every check: as if it were damaged in that very moment. */
static void force(struct risk_table *table, uint64_t *random)
{
    struct risk_tables *tables = &shared.memory.tables;
    ((uint8_t *)table)[draw(random) % sizeof(struct risk_rules)] ^= (uint8_t)(1u << draw(random) % 8);
    const uint64_t sequence = (atomic_load(&tables->published) >> 2) + 1;
    atomic_store(&tables->published, sequence << 2 | (uint64_t)(table - tables->buffers + 1));
    begin(&shared.corrupt);
    shared.corruptions++;
}

static void *control(void *unused)
{
    struct risk_tables *tables = &shared.memory.tables;
    uint64_t random = mix(shared.seed);
    uint32_t generation = 0;
    struct risk_table *table = NULL;
    while (!atomic_load(&shared.stop) && generation + 1 < GENERATIONS_MAX) {
        const uint32_t what = draw(&random) % 64, symbol = draw(&random) % 8;
        if (what < 16) {
            struct risk_table *next = risk_tables_begin(tables);
            fill(next, ++generation, atomic_load(&shared.now_ns));
            for (uint32_t index = 0; index < SYMBOLS; index++)
                end(&shared.symbols_corrupt[index]);
            end(&shared.corrupt);
            end(&shared.withdrawn);
            if (draw(&random) % 16 == 0) {
                force(next, &random);
                table = NULL;
            } else {
                atomic_store(&shared.good[generation], 1);
                if (risk_tables_publish(tables, next) != RISK_TABLE_GOOD)
                    abort();
                atomic_store(&shared.committed, generation);
                table = next;
            }
            shared.publications++;
        } else if (what == 16) {
            risk_tables_withdraw(tables);
            begin(&shared.withdrawn);
            end(&shared.corrupt);
            table = NULL;
        } else if (what == 17) {
            atomic_store(&shared.kill.value, 1);
            begin(&shared.killed);
            shared.kills++;
        } else if (what < 26) {
            end(&shared.killed);
            atomic_store(&shared.kill.value, 0);
        } else if (what == 26) {
            risk_kill_symbol(&shared.memory.kills, (uint16_t)symbol, true);
            begin(&shared.symbols_killed[symbol]);
        } else if (what < 34) {
            end(&shared.symbols_killed[symbol]);
            risk_kill_symbol(&shared.memory.kills, (uint16_t)symbol, false);
        } else if (what == 34) {
            risk_kill_strategy(&shared.memory.kills, symbol % STRATEGIES, true);
            begin(&shared.strategies_killed[symbol % STRATEGIES]);
        } else if (what < 42) {
            end(&shared.strategies_killed[symbol % STRATEGIES]);
            risk_kill_strategy(&shared.memory.kills, symbol % STRATEGIES, false);
        } else if (what < 52) {
            risk_command(&shared.memory.kills, RISK_COMMAND_REARM, 0, generation);
        } else if (what == 52 && table != NULL && !(atomic_load(&shared.symbols_corrupt[symbol].value) & 1)) {
            atomic_fetch_xor(&table->symbols[symbol], 1ull << draw(&random) % 64);
            begin(&shared.symbols_corrupt[symbol]);
            shared.corruptions++;
        } else if (what == 53 && PLAIN_WRITES && table != NULL) {
            volatile uint8_t *line = (volatile uint8_t *)&table->profiles[1];
            line[draw(&random) % 64] ^= (uint8_t)(1u << draw(&random) % 8); /* orders of profiled symbols, closed or not
                                                                               by chance of the moment: judged anyhow */
            shared.corruptions++;
        } else {
            const struct timespec pause = {.tv_nsec = (long)(draw(&random) % 20000)};
            nanosleep(&pause, NULL);
        }
    }
    return unused;
}

static int64_t worst(const struct engine *engine, uint32_t symbol)
{
    const int64_t value = engine->position[symbol] * engine->mark[symbol];
    const int64_t as_long = value + engine->open_buy[symbol], as_short = engine->open_sell[symbol] - value;
    return as_long > as_short ? as_long : as_short;
}

static void escaped(struct engine *engine, const char *why, const struct order_request *request)
{
    if (engine->escaped++ < 20)
        fprintf(stderr, "an order passed %s: symbol %u side %c %u at %u, generation %u\n", why, request->symbol,
                request->side, request->shares, request->price, engine->risk.generation);
}

/* The order that passed, against the table it says it passed. */
static void judge(struct engine *engine, const struct order_request *request, const struct risk_context *context,
                  const struct book_top *top)
{
    const uint32_t generation = engine->risk.generation, symbol = request->symbol;
    const struct terms terms = terms_of(generation);
    const bool profiled = terms.profiled >> symbol & 1, buy = request->side == 'B';
    const uint64_t notional = (uint64_t)request->shares * request->price;
    const int64_t middle = ((int64_t)top->bid_price + top->ask_price) / 2, away = llabs(request->price - middle);
    const int64_t after = buy ? context->position + (int64_t)context->open_buy_shares + request->shares
                              : -context->position + (int64_t)context->open_sell_shares + request->shares;
    int64_t gross = 0, net = 0, before = worst(engine, symbol);
    for (uint32_t index = 0; index < SYMBOLS; index++) {
        const int64_t value = engine->position[index] * engine->mark[index];
        gross += worst(engine, index);
        net += buy ? value + engine->open_buy[index] : engine->open_sell[index] - value;
    }
    int64_t *open = buy ? &engine->open_buy[symbol] : &engine->open_sell[symbol];
    *open += (int64_t)notional;
    const int64_t grown = worst(engine, symbol);
    *open -= (int64_t)notional;

    if (generation >= GENERATIONS_MAX || !atomic_load(&shared.good[generation]))
        escaped(engine, "a table that was never good", request);
    if (generation != engine->last_generation)
        engine->generations++;
    engine->last_generation = generation;
    if (request->shares > (profiled ? terms.profile_shares_max : terms.order_shares_max))
        escaped(engine, "above its shares", request);
    if (notional > terms.notional_max)
        escaped(engine, "above its notional", request);
    if (away * 1000 > middle * (int64_t)terms.collar_permille)
        escaped(engine, "outside of the collar", request);
    if (after > (int64_t)terms.position_max)
        escaped(engine, "above the position", request);
    if (net + (int64_t)notional > (int64_t)terms.net_max)
        escaped(engine, "above the net exposure", request);
    if (grown > before && gross - before + grown > (int64_t)terms.gross_max)
        escaped(engine, "above the gross exposure", request);
    if (engine->open_count + 1 > terms.open_orders_max)
        escaped(engine, "above the open orders", request);
    if (terms.restricted >> symbol & 1)
        escaped(engine, "in a restricted symbol", request);
    if (!buy && (terms.no_short >> symbol & 1) && after > 0)
        escaped(engine, "short without permission", request);
    if (context->now_ns >= engine->risk.head.valid_until_ns)
        escaped(engine, "a stale table", request);
}

static void sent(struct engine *engine, const struct order_request *request)
{
    engine->open[engine->open_count++] =
        (struct open_order){request->shares, request->price, request->symbol, request->side};
    *(request->side == 'B' ? &engine->open_buy[request->symbol] : &engine->open_sell[request->symbol]) +=
        (int64_t)request->shares * request->price;
    risk_on_sent(&engine->risk, request->symbol, request->side, request->shares, request->price);
}

/* One open order ends: executed, at its price or a better one, or cancelled. */
static void finish_one(struct engine *engine)
{
    if (engine->open_count == 0)
        return;
    const uint32_t index = draw(&engine->random) % engine->open_count;
    const struct open_order order = engine->open[index];
    const int64_t value = (int64_t)order.shares * order.price;
    engine->open[index] = engine->open[--engine->open_count];
    *(order.side == 'B' ? &engine->open_buy[order.symbol] : &engine->open_sell[order.symbol]) -= value;
    if (draw(&engine->random) % 2) {
        engine->position[order.symbol] += order.side == 'B' ? (int64_t)order.shares : -(int64_t)order.shares;
        engine->mark[order.symbol] = order.price;
        risk_on_fill(&engine->risk, order.symbol, order.side, order.shares, order.price, order.price, engine->now_ns);
        risk_on_closed(&engine->risk, order.symbol, order.side, 0, order.price);
    } else {
        risk_on_closed(&engine->risk, order.symbol, order.side, order.shares, order.price);
    }
}

static void open_shares(const struct engine *engine, uint16_t symbol, struct risk_context *context)
{
    for (uint32_t index = 0; index < engine->open_count; index++) {
        const struct open_order *order = &engine->open[index];
        if (order->symbol == symbol)
            *(order->side == 'B' ? &context->open_buy_shares : &context->open_sell_shares) += order->shares;
    }
}

static bool held(const struct state *state, uint64_t before)
{
    return (before & 1) && atomic_load(&state->value) == before;
}

static void decide(struct engine *engine)
{
    static const struct book_top top = {999900, 1000100, 500, 500};
    const uint64_t random = draw(&engine->random);
    const uint16_t symbol = random % SYMBOLS, strategy = (random >> 8) % STRATEGIES;
    const struct order_request request = {.trigger_sequence = 1, .price = 980000 + (random >> 16) % 40000,
                                          .shares = 1 + (uint32_t)(random >> 32) % 300, .symbol = symbol,
                                          .side = random >> 62 & 1 ? 'B' : 'S', .stock = "ZVZZT   "};
    struct risk_context context = {.now_ns = engine->now_ns, .position = engine->position[symbol],
                                   .feed_state = FEED_LIVE, .book_complete = true, .session_up = true,
                                   .trading_state = 'T', .strategy = strategy};
    open_shares(engine, symbol, &context);
    const uint32_t committed = atomic_load(&shared.committed);
    const struct state *const states[6] = {&shared.killed, &shared.corrupt, &shared.withdrawn,
                                           &shared.symbols_killed[symbol], &shared.strategies_killed[strategy],
                                           &shared.symbols_corrupt[symbol]};
    static const char *const names[6] = {"the kill switch", "a corrupt table", "a withdrawn table", "its symbol's kill",
                                         "its strategy's kill", "its symbol's corrupt entry"};
    uint64_t before[6];
    for (uint32_t index = 0; index < 6; index++)
        before[index] = atomic_load(&states[index]->value);
    const bool tripped = engine->risk.tripped;
    const enum risk_reason reason = risk_check(&engine->risk, &request, &top, &context);

    for (uint32_t index = 0; index < 6; index++) {
        const bool under = held(states[index], before[index]);
        engine->under_kill += under && index != 1 && index != 5;
        engine->under_corruption += under && (index == 1 || index == 5);
        if (under && reason == RISK_NONE)
            escaped(engine, names[index], &request);
    }
    if (tripped && reason == RISK_NONE)
        escaped(engine, "a tripped gate", &request);
    if (reason != RISK_NONE)
        return;
    engine->passed++;
    if (engine->risk.generation < committed)
        escaped(engine, "a table that was replaced before", &request);
    judge(engine, &request, &context, &top);
    if (engine->open_count < OPEN_MAX)
        sent(engine, &request);
}

int main(int argc, char **argv)
{
    static struct engine engine;
    const uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
    uint64_t decisions = 0;
    struct risk_limits none = {.generation = 0};
    struct risk_cancel cancel;
    pthread_t thread;
    if (wanted == 0 || argc > 3) {
        fprintf(stderr, "usage: risk_stress [DECISIONS [SEED]]\n");
        return 64;
    }
    shared.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    engine.random = mix(shared.seed + 1);
    engine.now_ns = 1;
    risk_limits_seal(&none);
    const struct risk_options options = {.limits = none, .kill_switch = &shared.kill, .memory = &shared.memory};
    if (risk_init(&engine.risk, &options) != 0 || pthread_create(&thread, NULL, control, NULL) != 0)
        return 70;
    /* a busy host may give the other thread the core at the wrong times: on, until enough orders had a chance */
    for (uint64_t decision = 0; decision < wanted || (engine.passed <= wanted / 1000 && decision < 100 * wanted);
         decision++, decisions++) {
        atomic_store_explicit(&shared.now_ns, engine.now_ns += draw(&engine.random) % 200, memory_order_relaxed);
        decide(&engine);
        if (decision % 4 == 0)
            finish_one(&engine);
        if (engine.risk.tripped && draw(&engine.random) % 256 == 0)
            risk_rearm(&engine.risk, 1, engine.now_ns);
        if (decision % 16 == 0) {
            risk_poll(&engine.risk, engine.now_ns);
            while (risk_next_cancel(&engine.risk, &cancel))
                engine.cancels++;
        }
    }
    atomic_store(&shared.stop, true);
    pthread_join(thread, NULL);
    printf("%llu decisions, %llu passed under %llu changes of table; %llu made under a kill or no table, %llu under "
           "corruption\n",
           (unsigned long long)decisions, (unsigned long long)engine.passed, (unsigned long long)engine.generations,
           (unsigned long long)engine.under_kill, (unsigned long long)engine.under_corruption);
    printf("%llu tables published, %llu corruptions, %llu kills, %llu trips, %llu re-arms, %llu mass cancels\n",
           (unsigned long long)shared.publications, (unsigned long long)shared.corruptions,
           (unsigned long long)shared.kills, (unsigned long long)engine.risk.trip_count,
           (unsigned long long)engine.risk.rearm_count, (unsigned long long)engine.cancels);
    for (uint32_t reason = 0; reason < RISK_REASON_COUNT; reason++)
        if (engine.risk.reasons[reason] != 0)
            printf("%s%s %llu", reason ? ", " : "", risk_reason_name(reason),
                   (unsigned long long)engine.risk.reasons[reason]);
    printf("\n%llu orders got away\n", (unsigned long long)engine.escaped);
    return engine.escaped == 0 && engine.passed > wanted / 1000 ? 0 : 1;
}
