/* What the gate does beside answering: start, tables taken up, trips, re-arms, commands, records. See risk.h. */
#include <errno.h>
#include <string.h>

#include "engine/risk/risk_inside.h"

static void tune(struct risk_bucket *bucket, uint32_t burst, uint32_t rate, uint32_t soft_permille, uint64_t now_ns)
{
    const uint64_t credit = bucket_credit(bucket, now_ns); /* what the old rate has earned so far */
    bucket->credit_max = (uint64_t)burst * RISK_TOKEN;
    bucket->rate_per_s = rate;
    bucket->fill_ns = rate == 0 ? UINT64_MAX : (bucket->credit_max + rate - 1) / rate;
    bucket->credit_soft = (uint64_t)burst * soft_permille * (RISK_TOKEN / 1000);
    bucket_settle(bucket, credit < bucket->credit_max ? credit : bucket->credit_max, now_ns);
}

static void tune_all(struct risk *risk, uint64_t now_ns)
{
    tune(&risk->orders, risk->limits.order_burst, risk->limits.order_rate_per_s, risk->soft.order_tokens_permille, now_ns);
    tune(&risk->messages, risk->account.message_burst, risk->account.message_rate_per_s,
         risk->soft.message_tokens_permille, now_ns);
    risk_lanes sums[2];
    digest_of(risk, &sums[0], &sums[1]);
    memcpy(risk->digest, sums, sizeof(sums));
    risk->trip_on_loss = risk->trips.at_once;
    risk->lost_reason = RISK_NONE;
}

int risk_init(struct risk *risk, const struct risk_options *options)
{
    memset(risk, 0, sizeof(*risk));
    if (options->kill_switch == NULL || options->memory == NULL || !risk_limits_valid(&options->limits))
        return -EINVAL;
    memset(options->memory, 0, sizeof(*options->memory));
    risk_rules_default(&risk->rules, &options->limits);
    risk_rules_seal(&risk->rules, options->limits.generation);
    tune_all(risk, 0);
    risk->orders.credit = risk->orders.credit_max;
    risk->messages.credit = risk->messages.credit_max;
    risk->kill_switch = options->kill_switch;
    risk->memory = options->memory;
    risk->kills = &options->memory->kills;
    risk->publication = &options->memory->tables.published;
    return 0;
}

int risk_replace_limits(struct risk *risk, const struct risk_limits *limits, uint64_t now_ns)
{
    if (!risk_limits_valid(limits) || risk->kill_switch == NULL || risk->published != 0)
        return -EINVAL;
    risk->limits = *limits;
    risk_rules_seal(&risk->rules, limits->generation);
    tune_all(risk, now_ns);
    return 0;
}

void risk_record(struct risk *risk, enum risk_record_kind kind, enum risk_reason reason, uint16_t subject, uint32_t who,
                 uint64_t now_ns)
{
    risk->records[risk->record_count++ % RISK_RECORD_COUNT] =
        (struct risk_record){.at_ns = now_ns, .decisions = risk->decisions, .generation = risk->head.generation,
                             .who = who, .subject = subject, .kind = (uint8_t)kind, .reason = (uint8_t)reason};
}

void risk_mass_cancel(struct risk *risk, enum risk_scope scope, uint16_t subject)
{
    if (risk->cancel_count - risk->cancel_taken >= RISK_CANCEL_COUNT) {
        risk->cancel_taken = risk->cancel_count; /* one wish for everything covers those that wait */
        scope = RISK_SCOPE_ALL;
        subject = 0;
    }
    risk->cancels[risk->cancel_count++ % RISK_CANCEL_COUNT] =
        (struct risk_cancel){.scope = (uint8_t)scope, .subject = subject};
}

bool risk_next_cancel(struct risk *risk, struct risk_cancel *cancel)
{
    if (risk->cancel_taken == risk->cancel_count)
        return false;
    *cancel = risk->cancels[risk->cancel_taken++ % RISK_CANCEL_COUNT];
    return true;
}

void risk_trip(struct risk *risk, enum risk_reason reason, uint64_t now_ns)
{
    if (risk->tripped)
        return;
    risk->tripped = true;
    risk->trip_reason = (uint8_t)reason;
    risk->trip_count++;
    risk_record(risk, RISK_RECORD_TRIP, reason, 0, 0, now_ns);
    risk_mass_cancel(risk, RISK_SCOPE_ALL, 0);
}

bool risk_rearm(struct risk *risk, uint32_t who, uint64_t now_ns)
{
    const bool tripped = risk->tripped;
    risk_record(risk, RISK_RECORD_REARM, tripped ? risk->trip_reason : RISK_NONE, 0, who, now_ns);
    risk->rearm_count++;
    risk->tripped = false;
    risk->trip_reason = RISK_NONE;
    risk->breach_count = 0;
    return tripped;
}

/* Recorded once until a good table is taken up or the reason is another. */
static void note_loss(struct risk *risk, enum risk_reason reason, uint64_t now_ns)
{
    if (risk->lost_reason != reason) {
        risk->lost_reason = (uint8_t)reason;
        risk_record(risk, RISK_RECORD_TABLE_LOST, reason, 0, 0, now_ns);
    }
    if (risk->trip_on_loss >> reason & 1)
        risk_trip(risk, reason, now_ns);
}

static bool breached_too_often(struct risk *risk, uint64_t now_ns)
{
    const uint64_t run_ns = now_ns > risk->breach_first_ns ? now_ns - risk->breach_first_ns : 0;
    if (risk->breach_count == 0 || run_ns >= risk->trips.window_ns) {
        risk->breach_first_ns = now_ns;
        risk->breach_count = 0;
    }
    return ++risk->breach_count >= risk->trips.breaches;
}

void risk_note_block(struct risk *risk, enum risk_reason reason, uint64_t now_ns)
{
    if (reason == RISK_LIMITS_MISSING || reason == RISK_LIMITS_INVALID || reason == RISK_LIMITS_STALE) {
        note_loss(risk, reason, now_ns);
        return;
    }
    if (reason == RISK_KILL_SWITCH || reason == RISK_TRIPPED) /* whose limits may be lost besides */
        return;
    if (!trips_sealed(risk))
        risk_trip(risk, RISK_LIMITS_INVALID, now_ns);
    else if (risk->trips.at_once >> reason & 1)
        risk_trip(risk, reason, now_ns);
    else if ((risk->trips.counted >> reason & 1) && breached_too_often(risk, now_ns))
        risk_trip(risk, reason, now_ns);
}

void risk_note_warnings(struct risk *risk, uint64_t warned, uint64_t now_ns)
{
    const uint64_t fresh = warned & ~risk->warned;
    risk->warned |= warned;
    for (; warned != 0; warned &= warned - 1) {
        const int reason = __builtin_ctzll(warned);
        risk->warnings[reason]++;
        if (fresh >> reason & 1)
            risk_record(risk, RISK_RECORD_WARN, (enum risk_reason)reason, 0, 0, now_ns);
    }
}

/* Says which buffer is read, then looks again that it is still the published one: see limits.h. */
uint64_t risk_hold_table(struct risk *risk, uint64_t published)
{
    struct risk_tables *tables = &risk->memory->tables;
    for (uint32_t tries = 0; tries < RISK_TABLE_HOLD_TRIES; tries++) {
        atomic_store_explicit(&tables->held, published & 3, memory_order_seq_cst);
        const uint64_t again = atomic_load_explicit(&tables->published, memory_order_seq_cst);
        if (again == published)
            return published;
        published = again;
    }
    atomic_store_explicit(&tables->held, 0, memory_order_seq_cst);
    return 0;
}

void risk_take_table(struct risk *risk, uint64_t published, uint64_t now_ns)
{
    risk_use_table(risk, risk_hold_table(risk, published), now_ns);
}

void risk_use_table(struct risk *risk, uint64_t held, uint64_t now_ns)
{
    risk->table = NULL;
    risk->published = held; /* 0: looked at again at the next order */
    risk->missing = risk->published != 0 && (risk->published & 3) == 0;
    memset(&risk->rules, 0, sizeof(risk->rules));
    memset(risk->digest, 0xff, sizeof(risk->digest)); /* nothing verifies */
    if ((risk->published & 3) == 0) {
        note_loss(risk, risk->missing ? RISK_LIMITS_MISSING : RISK_LIMITS_INVALID, now_ns);
        return;
    }
    const struct risk_table *table = &risk->memory->tables.buffers[(risk->published & 3) - 1];
    const struct risk_rules rules = table->rules;
    if (risk_rules_verify(&rules) != RISK_TABLE_GOOD) {
        note_loss(risk, RISK_LIMITS_INVALID, now_ns);
        return;
    }
    risk->rules = rules;
    risk->table = table;
    tune_all(risk, now_ns);
    risk_record(risk, RISK_RECORD_TABLE, RISK_NONE, 0, 0, now_ns);
}

static void take_command(struct risk *risk, uint64_t command, uint64_t now_ns)
{
    const uint16_t subject = (uint16_t)(command >> 8);
    switch (command & 0xff) {
    case RISK_COMMAND_CANCEL_ALL:
        risk_mass_cancel(risk, RISK_SCOPE_ALL, 0);
        break;
    case RISK_COMMAND_CANCEL_SYMBOL:
        risk_record(risk, RISK_RECORD_KILL_SYMBOL, RISK_KILL_SYMBOL, subject, 0, now_ns);
        risk_mass_cancel(risk, RISK_SCOPE_SYMBOL, subject);
        break;
    case RISK_COMMAND_CANCEL_STRATEGY:
        risk_record(risk, RISK_RECORD_KILL_STRATEGY, RISK_KILL_STRATEGY, subject, 0, now_ns);
        risk_mass_cancel(risk, RISK_SCOPE_STRATEGY, subject);
        break;
    case RISK_COMMAND_REARM:
        risk_rearm(risk, (uint32_t)(command >> 32), now_ns);
        break;
    default:
        break;
    }
}

static void take_commands(struct risk *risk, uint64_t now_ns)
{
    struct risk_kills *kills = risk->kills;
    const uint64_t written = atomic_load_explicit(&kills->written, memory_order_acquire);
    uint64_t taken = atomic_load_explicit(&kills->taken, memory_order_relaxed);
    for (; taken != written; taken++)
        take_command(risk, atomic_load_explicit(&kills->commands[taken % RISK_COMMAND_COUNT], memory_order_relaxed),
                     now_ns);
    atomic_store_explicit(&kills->taken, taken, memory_order_release);
    const uint64_t cancel_all = atomic_load_explicit(&kills->cancel_all, memory_order_acquire);
    if (cancel_all != kills->cancel_all_taken) {
        kills->cancel_all_taken = cancel_all;
        risk_mass_cancel(risk, RISK_SCOPE_ALL, 0);
    }
}

void risk_poll(struct risk *risk, uint64_t now_ns)
{
    if (risk->kill_switch == NULL || risk->memory == NULL)
        return;
    const bool killed = atomic_load_explicit(&risk->kill_switch->value, memory_order_relaxed) != 0;
    if (__builtin_expect(killed != risk->killed, 0)) {
        risk->killed = killed;
        risk_record(risk, killed ? RISK_RECORD_KILL : RISK_RECORD_KILL_OVER, RISK_KILL_SWITCH, 0, 0, now_ns);
        if (killed)
            risk_mass_cancel(risk, RISK_SCOPE_ALL, 0);
    }
    const struct risk_kills *kills = risk->kills;
    if (__builtin_expect(atomic_load_explicit(&kills->written, memory_order_relaxed) !=
                                 atomic_load_explicit(&kills->taken, memory_order_relaxed) ||
                             atomic_load_explicit(&kills->cancel_all, memory_order_relaxed) != kills->cancel_all_taken,
                         0))
        take_commands(risk, now_ns);
    look_at_tables(risk, now_ns);
    if (__builtin_expect(risk->missing, 0))
        note_loss(risk, RISK_LIMITS_MISSING, now_ns);
    else if (__builtin_expect(!rules_sealed(risk), 0))
        note_loss(risk, RISK_LIMITS_INVALID, now_ns);
    else if (__builtin_expect(rules_stale(risk, now_ns), 0))
        note_loss(risk, RISK_LIMITS_STALE, now_ns);
}

const char *risk_reason_name(uint32_t reason)
{
    static const char *const names[RISK_REASON_COUNT] = {
        "none", "kill_switch", "feed_not_live", "book_incomplete", "late", "session_down", "halted", "order_shares",
        "notional", "price_invalid", "collar", "position", "order_rate", "own_orders_full", "limits_invalid",
        "request_invalid", "kill_symbol", "kill_strategy", "tripped", "limits_missing", "limits_stale", "session_hours",
        "feed_age", "quote_age", "restricted", "collar_last", "short_sale", "net_exposure", "gross_exposure",
        "self_cross", "duplicate", "open_orders", "message_rate"};
    return reason < RISK_REASON_COUNT ? names[reason] : "unknown";
}

const char *risk_record_name(uint32_t kind)
{
    static const char *const names[RISK_RECORD_KIND_COUNT] = {"none", "trip", "rearm", "kill", "kill_symbol",
                                                             "kill_strategy", "kill_over", "table", "table_lost", "warn"};
    return kind < RISK_RECORD_KIND_COUNT ? names[kind] : "unknown";
}
