/* In place of dpdk.c where the build found no libdpdk: the wire can be asked for, and is refused with the reason. */
#include "engine/io/dpdk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool dpdk_built(void)
{
    return false;
}

const char *dpdk_version(void)
{
    return "";
}

int dpdk_open(struct dpdk *port, const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    memset(port, 0, sizeof(*port));
    snprintf(error, error_bytes,
             "DPDK device %s: this engine was built without DPDK: apt-get install libdpdk-dev and build it again",
             options->device);
    return -ENOTSUP;
}

void dpdk_close(struct dpdk *port)
{
    (void)port;
}

uint32_t dpdk_receive(struct dpdk *port, struct packet packets[PACKET_BATCH_MAX])
{
    (void)port;
    (void)packets;
    return 0;
}

void dpdk_release(struct dpdk *port)
{
    (void)port;
}

bool dpdk_send(struct dpdk *port, const uint8_t *frame, uint32_t length)
{
    (void)port;
    (void)frame;
    (void)length;
    return false;
}

void dpdk_statistics(const struct dpdk *port, struct dpdk_statistics *statistics)
{
    (void)port;
    memset(statistics, 0, sizeof(*statistics));
}

bool dpdk_fallback(const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    snprintf(error, error_bytes, "DPDK device %s: this engine was built without DPDK", options->device);
    return false;
}

void dpdk_withdraw(struct dpdk *port)
{
    (void)port;
}

bool dpdk_redirected(const struct dpdk *port)
{
    (void)port;
    return false;
}
