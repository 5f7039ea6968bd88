/* DPDK's environment (EAL), made once a process. What it is like: dpdk.h. Only dpdk.c uses this. */
#ifndef ENGINE_IO_DPDK_ENVIRONMENT_H
#define ENGINE_IO_DPDK_ENVIRONMENT_H

#include "engine/io/dpdk.h"

/* Makes the environment when there is none yet. 0 or -errno with a sentence in `error`. Afterwards the calling thread has
 * a logical core, so that it has a cache of buffers. */
int dpdk_environment(const struct dpdk_options *options, char *error, uint32_t error_bytes);
bool dpdk_environment_huge(void);

/* True when the devargs name a PCI function: DDDD:BB:DD.F, or without the domain. */
bool dpdk_is_pci(const char *device);

/* What DPDK complained of since the last call of dpdk_complaint_forget(): the first line, "" when it said nothing. */
const char *dpdk_complaint(void);
void dpdk_complaint_forget(void);

#endif
