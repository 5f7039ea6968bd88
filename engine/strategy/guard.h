/* A fence around calls into code that is not ours: a crash or a hang of a strategy ends the call, not the engine.
 *
 *     if (sigsetjmp(guard->landing, 0) == 0) {         once for many calls
 *         guard_enter(guard); strategy(...); guard_leave(guard);
 *     } else
 *         guard->signal says why
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT raised inside a call land behind sigsetjmp(). So does GUARD_SIGNAL, which
 * a watchdog thread directs at the thread whose call has not come back; it names the call, so that a signal that comes
 * late harms no other. Outside of a call these signals do what they did before.
 * Sound because a strategy writes to its own state and to the output only, both thrown away, calls nothing but mem*(),
 * and holds no lock. Not contained: a strategy that overwrites the engine's memory without a fault, or that leaves by
 * a system call of its own.
 *
 * Owner: the thread that calls guard_here(); the watchdog reads `inside` and writes `doomed`.
 * Cost: two stores a call; nothing is read, no signal mask is saved.
 */
#ifndef ENGINE_STRATEGY_GUARD_H
#define ENGINE_STRATEGY_GUARD_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { GUARD_STACK_BYTES = 64 * 1024 };

struct guard {
    /* the thread's */
    _Alignas(64) _Atomic uint64_t inside; /* number of the call under way, 0 = none */
    uint64_t calls;
    int signal;                           /* that ended a call; GUARD_SIGNAL for a hang */
    _Atomic int thread;                   /* its number, 0 before guard_here() */
    sigjmp_buf landing;
    /* the watchdog's */
    _Alignas(64) _Atomic uint64_t doomed; /* the call that has taken too long */
};

/* The signal of the watchdog; a real-time signal nobody else uses. */
int guard_signal(void);

/* Handlers for the process, once; 0 or -errno. */
int guard_install(void);

/* This thread is the one that will call; gives it a signal stack. 0 or -errno. `stack` has GUARD_STACK_BYTES. */
int guard_here(struct guard *guard, void *stack);

/* The fence of the calls that follow on this thread: a process may have several engines. NULL: none. */
void guard_use(struct guard *guard);

/* For the watchdog, every look: `seen` is what it saw last time. True when that call is still under way. */
static inline bool guard_same_call(const struct guard *guard, uint64_t *seen)
{
    uint64_t now = atomic_load_explicit(&guard->inside, memory_order_relaxed);
    bool same = now != 0 && now == *seen;
    *seen = now;
    return same;
}

/* Ends the call numbered `call`, if it is still under way. One signal a call, however often it is asked for: real-time
 * signals queue, and all that wait for a thread that is not run are given to it at once, a frame of its stack each. */
void guard_end_call(struct guard *guard, uint64_t call);

static inline void guard_enter(struct guard *guard)
{
    atomic_store_explicit(&guard->inside, ++guard->calls, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void guard_leave(struct guard *guard)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guard->inside, 0, memory_order_relaxed);
}

/* Lower-case words for a signal, "hang" for the watchdog's. */
const char *guard_signal_name(int number);

#endif
