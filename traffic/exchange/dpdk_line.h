/* The other way out of a line: a DPDK device, named by its devargs. For net_memif, shared memory between the exchange and
 * the engine: no kernel in the path of market data.
 *
 * DPDK's environment is made once a process, at the first open: one logical core, no files, no PCI, no telemetry, from huge
 * pages when 64 MB of them are free. A send copies the frame into a buffer of DPDK's; net_memif copies it once more, to
 * where the engine reads it.
 *
 * Owner: opened before the exchange's thread starts, then that thread's. A device that has no room, or nobody at the far
 * end, does not take the frame: false, as a failed send is.
 */
#ifndef TRAFFIC_EXCHANGE_DPDK_LINE_H
#define TRAFFIC_EXCHANGE_DPDK_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum { DPDK_LINE_MEMORY_MB = 64, DPDK_LINE_BUFFERS = 4095, DPDK_LINE_RING = 4096 };

struct dpdk_line;

bool dpdk_line_built(void);

/* NULL with a line in `error` that names what was tried; errno says which kind it was. */
struct dpdk_line *dpdk_line_open(const char *device, char *error, uint32_t error_size);

/* The calling thread is the one that sends, until it leaves: buffers that a driver gives back at once come to it again
 * while they are still in its cache, and not in turn with thousands of others. */
void dpdk_line_enter(void);
void dpdk_line_leave(void);

/* One frame from its pieces. */
bool dpdk_line_send(struct dpdk_line *line, const struct iovec *pieces, uint32_t count);

void dpdk_line_close(struct dpdk_line *line);

#endif
