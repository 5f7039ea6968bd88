/* What other threads tell the exchange, and its process. Essay: exchange.h. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "traffic/exchange/exchange.h"

int exchange_follow(struct exchange *exchange, uint32_t map_id) {
    exchange->followed = followed_open(map_id);
    return exchange->followed == NULL ? -errno : 0;
}

int exchange_follow_file(struct exchange *exchange, const char *path, uint64_t offset) {
    exchange->followed = followed_open_file(path, offset);
    return exchange->followed == NULL ? -errno : 0;
}

void exchange_switch_word(struct exchange *exchange, void *word) {
    exchange->switches.word = word;
}

void exchange_command_start(struct exchange *exchange, int64_t at_ns) {
    atomic_store_explicit(&exchange->command_start_ns, at_ns, memory_order_release);
}

void exchange_command_stop(struct exchange *exchange) {
    atomic_store_explicit(&exchange->command_stop, 1, memory_order_release);
}

int exchange_die_with_parent(int32_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;  /* it may have died before the request */
}

uint64_t exchange_bytes(void) {
    return sizeof(struct exchange);
}
