/* Slots, fence and loader in one process, with the shipped objects: shared_test DIRECTORY. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/strategy/loader.h"
#include "engine/strategy_load.h"
#include "tests/engine/check.h"

static const char *directory;
static struct strategies *strategies;
static const struct tailgate_parameters none = {0, 0, NULL};

static int64_t flat(const void *engine, uint16_t symbol)
{
    (void)engine, (void)symbol;
    return 0;
}

static void load(const char *name, const struct tailgate_parameters *parameters, struct loader_report *report)
{
    const struct tailgate_host host = {sizeof(host), TAILGATE_STRATEGY_ABI, NULL, flat};
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.so", directory, name);
    loader_load(strategies, path, parameters, &host, report);
}

static void test_a_loaded_strategy_is_ready_and_touched(void)
{
    struct loader_report report;
    load("touch_taker", &none, &report);
    CHECK_EQUAL(report.verdict, LOADER_GOOD);
    struct strategy_slot *slot = &strategies->slots[report.slot];
    CHECK_EQUAL(slot->state, SLOT_READY);
    CHECK_EQUAL(slot->generation, 1);
    CHECK_EQUAL(slot->letter, 'T');
    CHECK(strcmp(slot->name, "touch_taker") == 0);
    loader_reclaim(strategies, -1);
    CHECK_EQUAL(slot->state, SLOT_READY);
    loader_reclaim(strategies, report.slot);
    CHECK_EQUAL(slot->state, SLOT_EMPTY);
}

static void test_slots_run_out_and_come_back(void)
{
    struct loader_report reports[STRATEGY_SLOT_COUNT], report;
    for (int i = 0; i < STRATEGY_SLOT_COUNT; i++) {
        load("quoter", &none, &reports[i]);
        CHECK_EQUAL(reports[i].verdict, LOADER_GOOD);
    }
    load("quoter", &none, &report);
    CHECK_EQUAL(report.verdict, LOADER_NO_SLOT);
    for (int i = 0; i < STRATEGY_SLOT_COUNT; i++)
        strategies->slots[i].state = SLOT_RETIRED;
    loader_reclaim(strategies, -1);
    load("quoter", &none, &report);
    CHECK_EQUAL(report.verdict, LOADER_GOOD);
    loader_reclaim(strategies, report.slot);
}

static void test_what_does_not_fit_leaves_no_trace(void)
{
    const struct tailgate_parameter nonsense = {"nonsense", 1};
    const struct tailgate_parameters given = {1, 0, &nonsense};
    struct loader_report report;
    load("bad_abi", &none, &report);
    CHECK_EQUAL(report.verdict, LOADER_ABI_VERSION);
    load("touch_taker", &given, &report);
    CHECK_EQUAL(report.verdict, LOADER_INIT_REFUSED);
    load("nobody", &none, &report);
    CHECK_EQUAL(report.verdict, LOADER_NOT_LOADABLE);
    CHECK(report.what[0] != 0);
    for (int i = 0; i < STRATEGY_SLOT_COUNT; i++)
        CHECK_EQUAL(strategies->slots[i].state, SLOT_EMPTY);
}

/* True when the call came back by itself. */
static __attribute__((noinline)) bool call(struct strategy_slot *slot)
{
    const struct tailgate_event event = {.sequence = 1, .symbol = 1, .kind = TAILGATE_EVENT_ADD};
    const struct tailgate_top top = {100, 101, 1, 1};
    struct tailgate_output output = {0};
    guard_use(&strategies->guard);
    if (sigsetjmp(strategies->guard.landing, 0))
        return false;
    guard_enter(&strategies->guard);
    slot->on_event(slot->memory, &event, &top, &output);
    guard_leave(&strategies->guard);
    return true;
}

static void test_a_crash_lands_and_can_happen_again(void)
{
    const struct tailgate_parameter after = {"after", 0};
    const struct tailgate_parameters given = {1, 0, &after};
    struct loader_report report;
    load("bad_crash", &given, &report);
    CHECK_EQUAL(report.verdict, LOADER_GOOD);
    for (int i = 0; i < 3; i++) {
        CHECK(!call(&strategies->slots[report.slot]));
        CHECK_EQUAL(strategies->guard.signal, SIGSEGV);
        CHECK_EQUAL(strategies->guard.inside, 0);
    }
    loader_reclaim(strategies, report.slot);
}

static void *watchdog(void *argument)
{
    uint64_t seen = 0;
    (void)argument;
    while (!guard_same_call(&strategies->guard, &seen))
        usleep(2000);
    guard_end_call(&strategies->guard, seen);
    return NULL;
}

static void test_a_hang_is_ended_by_another_thread(void)
{
    const struct tailgate_parameter after = {"after", 0};
    const struct tailgate_parameters given = {1, 0, &after};
    struct loader_report report;
    pthread_t thread;
    load("bad_hang", &given, &report);
    CHECK(pthread_create(&thread, NULL, watchdog, NULL) == 0);
    CHECK(!call(&strategies->slots[report.slot]));
    CHECK_EQUAL(strategies->guard.signal, guard_signal());
    pthread_join(thread, NULL);
    loader_reclaim(strategies, report.slot);
}

/* A thread that is not run for a while finds every signal at once, and each has a frame on the signal stack. */
static void test_a_call_gets_one_signal_however_often_it_is_ended(void)
{
    struct guard *guard = &strategies->guard;
    volatile bool landed = false;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, guard_signal());
    guard_use(guard);
    for (volatile int i = 0; i < 2; i++) {
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
        landed = true;
        if (sigsetjmp(guard->landing, 0) == 0) {
            guard_enter(guard);
            for (int looks = 0; looks < 1000; looks++)
                guard_end_call(guard, guard->calls);
            pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
            landed = false;
        }
        CHECK(landed);
        CHECK_EQUAL(guard->inside, 0);
    }
}

static void test_a_late_signal_harms_no_other_call(void)
{
    struct loader_report report;
    load("touch_taker", &none, &report);
    guard_end_call(&strategies->guard, strategies->guard.calls + 100);
    usleep(1000);
    CHECK(call(&strategies->slots[report.slot]));
    loader_reclaim(strategies, report.slot);
}

static void test_a_fault_outside_of_a_call_is_what_it_always_was(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none_ = {0, 0};
        setrlimit(RLIMIT_CORE, &none_);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        raise(SIGSEGV);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status != 0); /* the signal, or a sanitizer's exit */
}

static void test_purses_fill_by_messages_and_no_further(void)
{
    strategies->budget = (struct strategy_budget){5000, 1000000, 2, 500, 1, 0};
    strategies_begin(strategies);
    CHECK(strategies_pay(&strategies->order_credit) && strategies_pay(&strategies->order_credit));
    CHECK(!strategies_pay(&strategies->order_credit));
    strategies_earn(strategies, 1);
    CHECK(!strategies_pay(&strategies->order_credit));
    strategies_earn(strategies, 1);
    CHECK(strategies_pay(&strategies->order_credit));
    strategies_earn(strategies, 1000000000);
    CHECK_EQUAL(strategies->order_credit, 2000);
    CHECK_EQUAL(strategies->rejection_credit, 1000);
}

static void test_budgets_have_bounds(void)
{
    struct strategy_budget budget;
    strategy_budget_default(&budget);
    CHECK(strategy_budget_valid(&budget));
    budget.event_ns_max = 99;
    CHECK(!strategy_budget_valid(&budget));
    strategy_budget_default(&budget);
    budget.order_burst = 0;
    CHECK(!strategy_budget_valid(&budget));
    strategy_budget_default(&budget);
    budget.hang_ns = 0;
    CHECK(!strategy_budget_valid(&budget));
}

int main(int count, char **arguments)
{
    struct strategy_budget budget;
    if (count != 2)
        return 64;
    directory = arguments[1];
    strategies = aligned_alloc(64, (sizeof(*strategies) + 63) / 64 * 64);
    strategy_budget_default(&budget);
    strategies_init(strategies, &budget);
    CHECK(guard_install() == 0 && guard_here(&strategies->guard, strategies->signal_stack) == 0);
    RUN(test_a_loaded_strategy_is_ready_and_touched);
    RUN(test_slots_run_out_and_come_back);
    RUN(test_what_does_not_fit_leaves_no_trace);
    RUN(test_a_crash_lands_and_can_happen_again);
    RUN(test_a_hang_is_ended_by_another_thread);
    RUN(test_a_call_gets_one_signal_however_often_it_is_ended);
    RUN(test_a_late_signal_harms_no_other_call);
    RUN(test_a_fault_outside_of_a_call_is_what_it_always_was);
    RUN(test_purses_fill_by_messages_and_no_further);
    RUN(test_budgets_have_bounds);
    guard_use(NULL);
    free(strategies);
    return check_result();
}
