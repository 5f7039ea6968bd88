#include "engine/io/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/io/bypass_tcp.h"

/* 0, the errno that the connection failed with (ETIMEDOUT among them), or -EINPROGRESS: no answer yet. */
static int wait_connected(int descriptor, int timeout_ms)
{
    struct pollfd ready = {.fd = descriptor, .events = POLLOUT};
    int failure = 0;
    socklen_t size = sizeof(failure);
    int count = poll(&ready, 1, timeout_ms);
    if (count == 0)
        return -EINPROGRESS;
    if (count < 0 || getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size))
        return -errno;
    return -failure;
}

void stream_close(struct stream *stream)
{
    if (stream->kind == STREAM_TCP && stream->socket >= 0)
        close(stream->socket);
    if (stream->kind == STREAM_BYPASS && stream->bypass != NULL && (stream->open || stream->connecting))
        bypass_tcp_hang_up(stream->bypass, false);
    stream->socket = -1;
    stream->open = false;
    stream->connecting = false;
}

static bool fail(struct stream *stream, int failure)
{
    stream->failure = failure;
    stream_close(stream);
    return false;
}

int stream_begin(struct stream *stream, const char *address, uint16_t port)
{
    const int one = 1;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    memset(stream, 0, sizeof(*stream));
    stream->kind = STREAM_TCP;
    int result = inet_pton(AF_INET, address, &server.sin_addr) == 1 ? 0 : -EINVAL;
    stream->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!result && stream->socket < 0)
        result = -errno;
    if (!result && setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
        result = -errno;
    if (!result && connect(stream->socket, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
        result = -errno;
    if (result) {
        stream->failure = -result;
        stream_close(stream);
        return result;
    }
    stream->connecting = true;
    return 0;
}

int stream_begin_bypass(struct stream *stream, struct bypass_tcp *bypass)
{
    memset(stream, 0, sizeof(*stream));
    stream->kind = STREAM_BYPASS;
    stream->socket = -1;
    stream->bypass = bypass;
    int result = bypass_tcp_connect(bypass);
    stream->failure = -result;
    stream->connecting = result == 0;
    return result;
}

void stream_tick(struct stream *stream, uint64_t now_ns)
{
    if (stream->kind != STREAM_BYPASS)
        return;
    bypass_tcp_poll(stream->bypass, now_ns);
    stream->waiting = !bypass_tcp_ready(stream->bypass);
}

static int wait_bypass(const struct stream *stream)
{
    int result = bypass_tcp_connected(stream->bypass);
    return result == 0 ? -EINPROGRESS : result > 0 ? 0 : result;
}

bool stream_connected(struct stream *stream)
{
    if (stream->connecting) {
        int result = stream->kind == STREAM_BYPASS ? wait_bypass(stream) : wait_connected(stream->socket, 0);
        if (result == -EINPROGRESS)
            return false;
        stream->connecting = false;
        stream->open = result == 0;
        if (result)
            fail(stream, -result);
    }
    return stream->open;
}

int stream_connect(struct stream *stream, const char *address, uint16_t port, int timeout_ms, char *error,
                   uint32_t error_bytes)
{
    int result = stream_begin(stream, address, port);
    if (!result)
        result = wait_connected(stream->socket, timeout_ms);
    result = result == -EINPROGRESS ? -ETIMEDOUT : result;
    stream->connecting = false;
    if (result) {
        snprintf(error, error_bytes, "order gateway %s:%u: connect: %s", address, port, strerror(-result));
        stream_close(stream);
        return result;
    }
    stream->open = true;
    return 0;
}

void stream_memory(struct stream *stream, uint8_t memory[STREAM_MEMORY_BYTES])
{
    memset(stream, 0, sizeof(*stream));
    stream->kind = STREAM_MEMORY;
    stream->socket = -1;
    stream->memory = memory;
    stream->open = true;
}

static int64_t push_bypass(struct stream *stream, const uint8_t *bytes, uint32_t length)
{
    int64_t sent = bypass_tcp_send(stream->bypass, bytes, length);
    if (sent < 0) {
        fail(stream, bypass_tcp_failure(stream->bypass));
        return -1;
    }
    stream->waiting = !bypass_tcp_ready(stream->bypass);
    stream->sent_bytes += (uint64_t)sent;
    return sent;
}

/* Hands bytes to the transport; returns how many it took, or -1 when the stream is dead. */
static int64_t push(struct stream *stream, const uint8_t *bytes, uint32_t length)
{
    if (stream->kind == STREAM_BYPASS)
        return push_bypass(stream, bytes, length);
    ssize_t sent = send(stream->socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fail(stream, errno);
        return -1;
    }
    sent = sent < 0 ? 0 : sent;
    stream->sent_bytes += (uint64_t)sent;
    return sent;
}

static bool flush_pending(struct stream *stream)
{
    if (stream->pending_count == 0)
        return true;
    int64_t sent = push(stream, stream->pending, stream->pending_count);
    if (sent < 0)
        return false;
    stream->pending_count -= (uint32_t)sent;
    memmove(stream->pending, stream->pending + sent, stream->pending_count);
    return true;
}

bool stream_send(struct stream *stream, const uint8_t *bytes, uint32_t length)
{
    if (!stream->open)
        return false;
    if (stream->kind == STREAM_MEMORY) {
        if (length > STREAM_MEMORY_BYTES - stream->memory_count)
            return fail(stream, ENOBUFS);
        memcpy(stream->memory + stream->memory_count, bytes, length);
        stream->memory_count += length;
        stream->sent_bytes += length;
        return true;
    }
    if (!flush_pending(stream))
        return false;
    int64_t sent = stream->pending_count ? 0 : push(stream, bytes, length);
    if (sent < 0)
        return false;
    uint32_t rest = length - (uint32_t)sent;
    if (rest == 0)
        return true;
    if (rest > STREAM_PENDING_BYTES - stream->pending_count)
        return fail(stream, ENOBUFS);
    stream->partial_sends++;
    memcpy(stream->pending + stream->pending_count, bytes + sent, rest);
    stream->pending_count += rest;
    return true;
}

static uint32_t receive_bypass(struct stream *stream, uint8_t *bytes, uint32_t capacity)
{
    int64_t count = bypass_tcp_receive(stream->bypass, bytes, capacity);
    if (count < 0)
        fail(stream, bypass_tcp_failure(stream->bypass));
    count = count < 0 ? 0 : count;
    stream->received_bytes += (uint64_t)count;
    return (uint32_t)count;
}

uint32_t stream_receive(struct stream *stream, uint8_t *bytes, uint32_t capacity)
{
    if (!stream->open || stream->kind == STREAM_MEMORY || !flush_pending(stream))
        return 0;
    if (stream->kind == STREAM_BYPASS)
        return receive_bypass(stream, bytes, capacity);
    ssize_t count = recv(stream->socket, bytes, capacity, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        fail(stream, count == 0 ? 0 : errno);
        return 0;
    }
    count = count < 0 ? 0 : count;
    stream->received_bytes += (uint64_t)count;
    return (uint32_t)count;
}
