/* No order leaves against a limit while another thread changes limits, damages and withdraws tables, kills, re-arms,
 * and deploys, plans and rolls back strategies: a whole engine, stepped, with a venue that answers.
 *
 * Usage: engine_stress OBJECTS [DECISIONS [SEED [wrong]]]   default 1000000 1; OBJECTS: directory of the shared objects
 *
 * Every packet that leaves is judged by judge.c, which knows the tables by their generations and counts for itself.
 * Exit code 1: a breach, with the seed and the message; or too little has happened to say anything.
 * `wrong`: the judge takes a tenth off every limit and believes that nothing is ever released; 0 only if it then finds
 * breaches of every kind, so that a judge who sees nothing does not pass for an engine that does nothing wrong.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/stress/stress.h"

enum { TIMER_STEPS = 16, PATIENCE = 20 };

struct shared shared;

struct stress {
    struct runner *runner;
    struct engine *engine;
    struct market market;
    struct account account;
    struct venue venue;
    struct judge judge;
    uint64_t random, now_ns, steps, answers, stray, plans_carried_out;
    uint32_t newest; /* generation of strategy */
};

static struct stress stress;

static struct runner *open_runner(void)
{
    char error[RUNNER_ERROR_BYTES];
    struct engine_options options = {.strategy = STRATEGY_TOUCH_TAKER, .decision_capacity = 1 << 10};
    const struct runner_options runner = {.cpu = -1};
    feed_options_default(&options.feed);
    book_options_default(&options.book);
    options.touch_taker = (struct touch_taker_options){250, 300, 0};
    risk_limits_seal(&options.limits); /* nothing passes before the first table */
    options.own_orders = (struct own_orders_options){.open_max = OPEN_MAX, .dead_keep = 1 << 14,
                                                     .executions_max = 1 << 14};
    memcpy(options.soupbin.username, "STRESS", 6);
    memcpy(options.soupbin.password, "STRESS", 6);
    options.soupbin.requested_sequence = 1;
    options.recovery.soupbin = options.soupbin;
    options.strategy_budget = (struct strategy_budget){1000000000, 200000000, 1000, 3500, 2000, 900};
    struct runner *made = runner_open(&options, &runner, error, sizeof(error));
    if (!made) {
        fprintf(stderr, "engine_stress: %s\n", error);
        exit(69);
    }
    runner_accept_login(made, 0);
    runner_engine(made)->session.stream.memory_count = 0;
    return made;
}

/* What the engine has just written: to the judge, and on to the venue. */
static void look_at_sent(void)
{
    struct stream *stream = &stress.engine->session.stream;
    judge_end(&stress.judge, stream->memory, stream->memory_count);
    for (uint32_t at = 0; at + 3 < stream->memory_count;) {
        const uint32_t bytes = 2u + (uint32_t)(stream->memory[at] << 8 | stream->memory[at + 1]);
        if (stream->memory[at + 2] == 'U')
            venue_take(&stress.venue, stream->memory + at, bytes);
        at += bytes;
    }
    stream->memory_count = 0;
    const struct strategies *strategies = &stress.engine->strategies;
    if (strategies->active != STRATEGY_BUILT_IN && strategies->slots[strategies->active].generation > stress.newest) {
        stress.newest = strategies->slots[strategies->active].generation;
        stress.plans_carried_out += strategies->slots[strategies->active].plan_position != 0;
    }
}

static void answer(void)
{
    uint8_t bytes[96];
    do {
        const uint32_t length = venue_next(&stress.venue, bytes);
        if (length == 0)
            continue;
        judge_begin(&stress.judge, stress.now_ns);
        runner_receive(stress.runner, bytes, length, stress.now_ns);
        look_at_sent();
        stress.answers++;
    } while (venue_owes(&stress.venue));
}

/* A bit of the gate's own copy of the limits, as a stray write would hit it. */
static void hit_copy(void)
{
    uint8_t *rules = (uint8_t *)&stress.engine->risk.rules;
    if (stress.engine->risk.table == NULL || stress.judge.hit)
        return;
    judge_note_hit(&stress.judge);
    rules[draw(&stress.random) % offsetof(struct risk_rules, trips)] ^= (uint8_t)(1u << draw(&stress.random) % 8);
    stress.stray++;
}

static void step(void)
{
    struct engine *engine = stress.engine;
    const uint64_t random = draw(&stress.random);
    stress.now_ns += random % 2000;
    atomic_store_explicit(&shared.now_ns, stress.now_ns, memory_order_relaxed);
    atomic_store_explicit(&shared.position, stress.market.sequence + 1, memory_order_relaxed);
    if (random >> 16 & 3)
        answer();
    if ((random >> 20) % (1 << 16) == 0)
        hit_copy();
    if (random >> 32 & 15 && stress.steps % TIMER_STEPS != 0) {
        const uint32_t length = market_next(&stress.market, stress.now_ns);
        const uint32_t line = random >> 40 & 1;
        judge_begin(&stress.judge, stress.now_ns);
        engine_step(engine, engine->lines_off >> line & 1 ? !line : line, stress.market.datagram, length,
                    stress.now_ns);
    } else {
        judge_begin(&stress.judge, stress.now_ns);
        engine_step_timer(engine, stress.now_ns);
    }
    look_at_sent();
    stress.steps++;
}

/* Of everything that is counted, something. */
static bool enough(uint64_t wanted)
{
    const struct count *const counts[] = {&shared.tables, &shared.withdrawn, &shared.damaged, &shared.kills,
                                          &shared.rearms, &shared.loads, &shared.deploys, &shared.plans,
                                          &shared.unplans, &shared.rollbacks, &shared.lines};
    const struct judge *judge = &stress.judge;
    for (uint32_t index = 0; index < sizeof(counts) / sizeof(counts[0]); index++)
        if (read_count(counts[index]) == 0)
            return false;
    for (uint32_t cause = 0; judge->wrong && cause < CAUSE_UNREADABLE; cause++)
        if (judge->causes[cause] == 0)
            return false;
    return judge->orders > wanted / 1000 && judge->replaces && (judge->tables_met > 1 || judge->wrong) &&
           judge->under_kill && judge->under_trip && stress.stray && stress.plans_carried_out;
}

static void report(uint64_t decisions)
{
    const struct judge *judge = &stress.judge;
    const uint64_t changes = judge_changes(stress.engine);
#define NUMBER(value) ((unsigned long long)(value))
    printf("%llu decisions in %llu steps, %llu of them under a kill, %llu under a trip; %llu orders judged, %llu of "
           "them replacements, under %llu changes of table\n",
           NUMBER(decisions), NUMBER(stress.steps), NUMBER(judge->under_kill), NUMBER(judge->under_trip),
           NUMBER(judge->orders), NUMBER(judge->replaces), NUMBER(judge->tables_met));
    printf("%llu tables, %llu withdrawn, %llu damaged, %llu stray writes to the gate's copy, %llu kills, %llu trips, "
           "%llu re-arms\n",
           NUMBER(read_count(&shared.tables)), NUMBER(read_count(&shared.withdrawn)),
           NUMBER(read_count(&shared.damaged)), NUMBER(stress.stray), NUMBER(read_count(&shared.kills)),
           NUMBER(stress.engine->risk.trip_count), NUMBER(read_count(&shared.rearms)));
    printf("%llu strategies loaded, %llu deployed, %llu planned (%llu carried out, %llu taken back), %llu rolled back "
           "by command, %llu commands refused, %llu of lines; %llu changes of strategy\n",
           NUMBER(read_count(&shared.loads)), NUMBER(read_count(&shared.deploys)), NUMBER(read_count(&shared.plans)),
           NUMBER(stress.plans_carried_out), NUMBER(read_count(&shared.unplans)), NUMBER(read_count(&shared.rollbacks)),
           NUMBER(read_count(&shared.refused)), NUMBER(read_count(&shared.lines)), NUMBER(changes));
    printf("%llu answers of the venue: %llu fills, %llu cancels, %llu replaced, %llu rejected\n",
           NUMBER(stress.answers), NUMBER(stress.venue.fills), NUMBER(stress.venue.cancels),
           NUMBER(stress.venue.replaced), NUMBER(stress.venue.rejects));
    for (uint32_t reason = 0; reason < RISK_REASON_COUNT; reason++)
        if (stress.engine->risk.reasons[reason] != 0)
            printf("%s%s %llu", reason ? ", " : "", risk_reason_name(reason),
                   NUMBER(stress.engine->risk.reasons[reason]));
    printf("\n%llu breaches%s", NUMBER(judge->breaches), judge->wrong ? ":" : "");
    for (uint32_t cause = 0; judge->wrong && cause < CAUSES; cause++)
        printf(" %s %llu%s", cause_names[cause], NUMBER(judge->causes[cause]), cause + 1 < CAUSES ? "," : "");
    printf("\n");
#undef NUMBER
}

int main(int argc, char **argv)
{
    const uint64_t wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    pthread_t thread;
    if (argc < 2 || argc > 5 || wanted == 0 || (argc == 5 && strcmp(argv[4], "wrong") != 0)) {
        fprintf(stderr, "usage: engine_stress OBJECTS [DECISIONS [SEED [wrong]]]\n");
        return 64;
    }
    shared.objects = argv[1];
    shared.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    shared.runner = stress.runner = open_runner();
    stress.engine = runner_engine(stress.runner);
    stress.random = mix(shared.seed + 1);
    stress.market.random = mix(shared.seed + 2);
    stress.venue.random = mix(shared.seed + 3);
    stress.venue.account = &stress.account;
    stress.judge.engine = stress.engine;
    stress.judge.market = &stress.market;
    stress.judge.account = &stress.account;
    stress.judge.wrong = argc == 5;
    stress.now_ns = 1;
    const uint64_t *decisions = &stress.engine->risk.decisions;
    if (runner_strategies_here(stress.runner) != 0 || pthread_create(&thread, NULL, control, NULL) != 0)
        return 69;
    /* a busy host may give the other thread the core at the wrong times: on, until everything had a chance */
    while (*decisions < wanted ||
           (!enough(wanted) && *decisions < PATIENCE * wanted && stress.steps < 10 * PATIENCE * wanted))
        step();
    atomic_store(&shared.stop, true);
    pthread_join(thread, NULL);
    report(*decisions);
    const bool happened = enough(wanted);
    const bool agrees = own_orders_trusted(&stress.engine->session.own_orders) && judge_agrees(&stress.judge);
    if (!agrees)
        fprintf(stderr, "engine_stress: engine and venue do not agree on what is open and held, seed %llu\n",
                (unsigned long long)shared.seed);
    if (!happened)
        fprintf(stderr, "engine_stress: too little has happened to judge by\n");
    runner_close(stress.runner);
    return happened && agrees && (stress.judge.wrong ? stress.judge.breaches != 0 : stress.judge.breaches == 0) ? 0 : 1;
}
