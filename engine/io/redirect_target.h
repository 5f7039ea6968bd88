/* Whether an interface's driver takes frames that an XDP program redirects to it: the kernel is asked over generic netlink
 * (family "netdev", Linux 6.3; specification: Documentation/netlink/specs/netdev.yaml). Cold. */
#ifndef ENGINE_IO_REDIRECT_TARGET_H
#define ENGINE_IO_REDIRECT_TARGET_H

#include <stdint.h>

/* 1: it does, 0: it does not, -errno: the kernel cannot be asked. In this thread's network namespace. */
int redirect_target(uint32_t ifindex);

#endif
