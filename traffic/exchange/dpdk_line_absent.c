/* In place of dpdk_line.c where the build found no libdpdk. */
#include "traffic/exchange/dpdk_line.h"

#include <errno.h>
#include <stdio.h>

bool dpdk_line_built(void) {
    return false;
}

struct dpdk_line *dpdk_line_open(const char *device, char *error, uint32_t error_size) {
    snprintf(error, error_size, "line on DPDK device %s: this exchange was built without DPDK: apt-get install libdpdk-dev "
             "and build it again", device);
    errno = ENOTSUP;
    return NULL;
}

void dpdk_line_enter(void) {
}

void dpdk_line_leave(void) {
}

bool dpdk_line_send(struct dpdk_line *line, const struct iovec *pieces, uint32_t count) {
    (void)line;
    (void)pieces;
    (void)count;
    return false;
}

void dpdk_line_close(struct dpdk_line *line) {
    (void)line;
}
