/* What keeps the kernel from resetting the bypass connection when the XDP program is gone.
 *
 * Without the program the peer's segments reach the kernel, which knows no such connection and would answer each with
 * a reset: the peer would drop the session, and orders on the way with it. A second small program, on the interface's tc
 * ingress hook (TCX, kernel 6.6 and later), drops them instead, until the session has been moved in good order. It
 * judges by the same fields as the XDP program (steer.h), which normally leaves it nothing to do.
 *
 * Cold. The program goes when the link is closed. On an older kernel there is none, and -errno says so.
 */
#ifndef ENGINE_IO_RESET_GUARD_H
#define ENGINE_IO_RESET_GUARD_H

#include <stdint.h>

#include "engine/io/steer.h"

struct reset_guard {
    int program;
    int link;
};

void reset_guard_clear(struct reset_guard *guard);
int reset_guard_attach(struct reset_guard *guard, const struct steer_options *options, uint32_t ifindex);
void reset_guard_close(struct reset_guard *guard);

#endif
