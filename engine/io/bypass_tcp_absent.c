/* In place of bypass_tcp.c where the build found no lwIP: the wire can be asked for, and is refused with the reason. */
#include "engine/io/bypass_tcp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool bypass_tcp_built(void)
{
    return false;
}

struct bypass_tcp *bypass_tcp_open(const char *address, uint16_t port, uint32_t queue, char *error,
                                   uint32_t error_bytes)
{
    (void)queue;
    snprintf(error, error_bytes,
             "order gateway %s:%u over the bypass wire: this engine was built without lwIP: apt-get install liblwip-dev "
             "and build it again",
             address, port);
    errno = ENOTSUP;
    return NULL;
}

void bypass_tcp_close(struct bypass_tcp *bypass)
{
    (void)bypass;
}

void bypass_tcp_poll(struct bypass_tcp *bypass, uint64_t now_ns)
{
    (void)bypass;
    (void)now_ns;
}

int bypass_tcp_connect(struct bypass_tcp *bypass)
{
    (void)bypass;
    return -ENOTSUP;
}

int bypass_tcp_connected(const struct bypass_tcp *bypass)
{
    (void)bypass;
    return -ENOTSUP;
}

bool bypass_tcp_ready(const struct bypass_tcp *bypass)
{
    (void)bypass;
    return false;
}

bool bypass_tcp_bare_frame(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length, bool door)
{
    (void)bypass;
    (void)bytes;
    (void)length;
    (void)door;
    return false;
}

int64_t bypass_tcp_send(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    (void)bypass;
    (void)bytes;
    (void)length;
    return -1;
}

int64_t bypass_tcp_receive(struct bypass_tcp *bypass, uint8_t *bytes, uint32_t capacity)
{
    (void)bypass;
    (void)bytes;
    (void)capacity;
    return -1;
}

int bypass_tcp_failure(const struct bypass_tcp *bypass)
{
    (void)bypass;
    return ENOTSUP;
}

void bypass_tcp_hang_up(struct bypass_tcp *bypass, bool abort)
{
    (void)bypass;
    (void)abort;
}

bool bypass_tcp_steered(const struct bypass_tcp *bypass)
{
    (void)bypass;
    return false;
}

const char *bypass_tcp_interface(const struct bypass_tcp *bypass)
{
    (void)bypass;
    return "";
}

void bypass_tcp_counters(const struct bypass_tcp *bypass, struct bypass_tcp_counters *counters)
{
    (void)bypass;
    memset(counters, 0, sizeof(*counters));
}
