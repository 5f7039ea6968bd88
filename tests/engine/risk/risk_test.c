/* The risk gate in C: order of the checks, and the kill switch thrown by another thread. */
#include <pthread.h>
#include <stdatomic.h>

#include "engine/risk/risk.h"
#include "tests/engine/check.h"

static struct risk_memory memory;
static const struct book_top top = {.bid_price = 999900, .ask_price = 1000000, .bid_shares = 1, .ask_shares = 1};

static struct risk_limits sealed_limits(void)
{
    struct risk_limits limits = {.order_shares_max = 1000, .notional_max = 1000000000, .position_long_max = 5000,
                                 .position_short_max = 5000, .price_max = RISK_PRICE_MAX, .collar_permille = 50,
                                 .order_burst = 1000000, .order_rate_per_s = 1};
    risk_limits_seal(&limits);
    return limits;
}

static struct order_request good_request(void)
{
    return (struct order_request){.trigger_sequence = 1, .price = 1000000, .shares = 100, .symbol = 1, .side = 'B',
                                  .stock = "AAPL    "};
}

static struct risk_context good_context(void)
{
    return (struct risk_context){.now_ns = 1, .feed_state = FEED_LIVE, .book_complete = true, .session_up = true,
                                 .trading_state = 'T'};
}

/* All wrong at once; each reason is put right in the documented order and uncovers the next. */
static void reasons_are_tried_in_the_documented_order(void)
{
    struct risk_kill_switch kill = {1};
    struct risk risk;
    struct risk_options options = {.limits = sealed_limits(), .kill_switch = &kill, .memory = &memory};
    struct risk_context context = {.position = 5000, .own_orders_full = true, .late = true, .trading_state = 'H'};
    struct order_request request = {.price = 0, .shares = 0, .side = '?', .stock = "AAPL    "};
    struct book_top bad_top = {0};

    options.limits.order_burst = 0;
    risk_limits_seal(&options.limits);
    CHECK(risk_init(&risk, &options) == 0);
    risk.limits.generation ^= 1;
    const struct risk_limits corrupt = risk.limits;

    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_KILL_SWITCH);
    kill.value = 0;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_LIMITS_INVALID);
    risk.limits = corrupt;
    risk.limits.generation ^= 1;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_SESSION_DOWN);
    context.session_up = true;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_FEED_NOT_LIVE);
    context.feed_state = FEED_LIVE;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_BOOK_INCOMPLETE);
    context.book_complete = true;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_LATE);
    context.late = false;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_HALTED);
    context.trading_state = 'T';
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_REQUEST_INVALID);
    request.side = 'B';
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_ORDER_SHARES);
    request.shares = 1000;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_PRICE_INVALID);
    request.price = 1000001;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_NOTIONAL);
    request.price = 1000000;
    CHECK_EQUAL(risk_check(&risk, &request, &bad_top, &context), RISK_COLLAR);
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_POSITION);
    context.position = 4000;
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_OWN_ORDERS_FULL);
    context.own_orders_full = false;
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_ORDER_RATE);
    struct risk_limits wider = sealed_limits();
    CHECK(risk_replace_limits(&risk, &wider, 1) == 0);
    context.now_ns += 1000000001; /* the new bucket began empty at 1 */
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_NONE);
    for (uint32_t reason = 0; reason <= RISK_REQUEST_INVALID; reason++)
        CHECK_EQUAL(risk.reasons[reason], 1);
}

static void *throw_switch(void *argument)
{
    struct risk_kill_switch *kill = argument;
    atomic_store_explicit(&kill->value, 1, memory_order_relaxed);
    return NULL;
}

static void nothing_passes_once_another_thread_threw_the_switch(void)
{
    struct risk_kill_switch kill = {0};
    struct risk risk;
    const struct risk_options options = {.limits = sealed_limits(), .kill_switch = &kill, .memory = &memory};
    const struct order_request request = good_request();
    const struct risk_context context = good_context();
    pthread_t thread;
    CHECK(risk_init(&risk, &options) == 0);
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_NONE);
    CHECK(pthread_create(&thread, NULL, throw_switch, &kill) == 0);
    for (uint32_t round = 0; round < 1000; round++) /* concurrent on purpose: thread sanitizer */
        risk_check(&risk, &request, &top, &context);
    pthread_join(thread, NULL);
    CHECK_EQUAL(risk_check(&risk, &request, &top, &context), RISK_KILL_SWITCH);
}

int main(void)
{
    RUN(reasons_are_tried_in_the_documented_order);
    RUN(nothing_passes_once_another_thread_threw_the_switch);
    return check_result();
}
