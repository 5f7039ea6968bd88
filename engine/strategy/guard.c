/* guard: handlers for the whole process, one fence for each thread; see guard.h. */
#include "engine/strategy/guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The handler must not allocate: the slot has its place from the start of the thread. */
static _Thread_local struct guard *current __attribute__((tls_model("initial-exec")));

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { FAULT_COUNT = sizeof(faults) / sizeof(faults[0]) };
static struct sigaction before[FAULT_COUNT];
static bool installed;

int guard_signal(void)
{
    return SIGRTMIN + 5;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    struct guard *guard = current;
    uint64_t inside = guard ? atomic_load_explicit(&guard->inside, memory_order_relaxed) : 0;
    (void)context;
    if (number == guard_signal()) {
        if (inside == 0 || atomic_load_explicit(&guard->doomed, memory_order_relaxed) != inside)
            return;
    } else if (inside == 0) {
        for (unsigned i = 0; i < FAULT_COUNT; i++)
            if (faults[i] == number)
                sigaction(number, &before[i], NULL); /* what is at fault happens again, and finds the old action */
        if (info->si_code <= 0)
            raise(number);
        return;
    }
    atomic_store_explicit(&guard->inside, 0, memory_order_relaxed);
    guard->signal = number;
    siglongjmp(guard->landing, 1);
}

int guard_install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (installed)
        return 0;
    if (sigaction(guard_signal(), &action, NULL))
        return -errno;
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        if (sigaction(faults[i], &action, &before[i]))
            return -errno;
    installed = true;
    return 0;
}

int guard_here(struct guard *guard, void *stack)
{
    stack_t old, own = {.ss_sp = stack, .ss_size = GUARD_STACK_BYTES};
    if (sigaltstack(NULL, &old))
        return -errno;
    if ((old.ss_flags & SS_DISABLE) && sigaltstack(&own, NULL)) /* one that somebody else gave will do */
        return -errno;
    current = guard;
    atomic_store(&guard->thread, (int)syscall(SYS_gettid));
    return 0;
}

void guard_use(struct guard *guard)
{
    current = guard;
}

void guard_end_call(struct guard *guard, uint64_t call)
{
    int thread = atomic_load(&guard->thread);
    if (thread == 0 || call == 0 || atomic_load(&guard->doomed) == call)
        return;
    atomic_store(&guard->doomed, call);
    if (syscall(SYS_tgkill, getpid(), thread, guard_signal()))
        atomic_store(&guard->doomed, 0); /* no room in the queue: the next look tries again */
}

const char *guard_signal_name(int number)
{
    if (number == guard_signal())
        return "hang";
    switch (number) {
    case SIGSEGV: return "segmentation fault";
    case SIGBUS: return "bus error";
    case SIGILL: return "illegal instruction";
    case SIGFPE: return "arithmetic fault";
    case SIGABRT: return "abort";
    default: return "signal";
    }
}
