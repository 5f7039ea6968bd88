#include "engine/io/stream_race.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/io/bypass_tcp.h"
#include "engine/io/stream.h"

enum { SIDES = 2, LANE_DOOR = 3, CONNECT_MS = 2000 };

struct race {
    struct clock clock;
    struct stream streams[SIDES]; /* kernel, bypass */
    uint8_t message[STREAM_RACE_MESSAGE_BYTES];
    uint8_t answer[STREAM_RACE_MESSAGE_BYTES];
};

static uint64_t now(const struct race *race)
{
    return clock_ns(&race->clock, clock_ticks());
}

static int connect_side(struct race *race, struct stream *stream)
{
    uint64_t until_ns = now(race) + CONNECT_MS * 1000000ull;
    while (!stream_connected(stream)) {
        stream_tick(stream, now(race));
        if (!stream->connecting)
            return -(stream->failure ? stream->failure : ECONNABORTED);
        if (now(race) > until_ns)
            return -ETIMEDOUT;
    }
    return 0;
}

static int run_one(struct race *race, uint32_t index, uint64_t at_ns, struct stream_race_row *row)
{
    uint32_t lane = index % STREAM_RACE_LANES, received = 0;
    struct stream *stream = &race->streams[lane < SIDES ? lane : 1];
    for (unsigned byte = 0; byte < 8; byte++)
        race->message[STREAM_RACE_INDEX_AT + byte] = (uint8_t)((uint64_t)index >> (56 - 8 * byte));
    while (now(race) < at_ns)
        for (unsigned side = 0; side < SIDES; side++)
            stream_tick(&race->streams[side], now(race));

    row->sent_ns = now(race);
    if (lane >= SIDES) {
        bool left = bypass_tcp_bare_frame(stream->bypass, race->message, STREAM_RACE_MESSAGE_BYTES, lane == LANE_DOOR);
        row->returned_ns = row->echoed_ns = row->answered_ns = now(race);
        return left ? 0 : -ENOBUFS;
    }
    bool sent = stream_send(stream, race->message, STREAM_RACE_MESSAGE_BYTES);
    row->returned_ns = row->answered_ns = now(race);
    while (sent && received < STREAM_RACE_MESSAGE_BYTES && stream->open) {
        row->answered_ns = now(race);
        if (row->answered_ns - row->returned_ns > STREAM_RACE_ANSWER_MS * 1000000ull)
            return -ETIMEDOUT;
        stream_tick(stream, row->answered_ns);
        received += stream_receive(stream, race->answer + received, STREAM_RACE_MESSAGE_BYTES - received);
    }
    row->answered_ns = now(race);
    if (received < STREAM_RACE_MESSAGE_BYTES)
        return -(stream->failure ? stream->failure : ECONNRESET);
    memcpy(&row->echoed_ns, race->answer + STREAM_RACE_ECHO_AT, sizeof(row->echoed_ns));
    return 0;
}

int stream_race(const struct stream_race_options *options, struct stream_race_row *rows, char *error,
                uint32_t error_bytes)
{
    static struct race race;
    struct bypass_tcp *bypass = bypass_tcp_open(options->address, options->port, 0, error, error_bytes);
    if (!bypass)
        return -errno;
    memset(&race, 0, sizeof(race));
    memcpy(race.message, "RACE", STREAM_RACE_INDEX_AT);
    clock_init(&race.clock);
    int result = stream_begin(&race.streams[0], options->address, options->port);
    if (!result)
        result = stream_begin_bypass(&race.streams[1], bypass);
    for (unsigned side = 0; side < SIDES && !result; side++)
        result = connect_side(&race, &race.streams[side]);
    uint64_t start_ns = now(&race) + options->interval_ns;
    for (uint32_t i = 0; i < options->rows && !result; i++)
        result = run_one(&race, i, start_ns + i * options->interval_ns, &rows[i]);
    if (result)
        snprintf(error, error_bytes, "order race to %s:%u: %s", options->address, options->port, strerror(-result));
    for (unsigned side = 0; side < SIDES; side++)
        stream_close(&race.streams[side]);
    bypass_tcp_close(bypass);
    return result;
}

int stream_race_listen(const char *address, uint16_t port)
{
    const int one = 1;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || inet_pton(AF_INET, address, &local.sin_addr) != 1 ||
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(listener, (struct sockaddr *)&local, sizeof(local)) || listen(listener, SIDES)) {
        int result = -errno;
        if (listener >= 0)
            close(listener);
        return result;
    }
    return listener;
}

/* Answers what has arrived whole. False when the connection is over. */
static bool serve(int connection, uint8_t *kept, uint32_t *count)
{
    ssize_t got = recv(connection, kept + *count, STREAM_RACE_MESSAGE_BYTES - *count, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    *count += (uint32_t)got;
    if (*count < STREAM_RACE_MESSAGE_BYTES)
        return true;
    *count = 0;
    uint64_t echoed_ns = (uint64_t)clock_monotonic_ns();
    memcpy(kept + STREAM_RACE_ECHO_AT, &echoed_ns, sizeof(echoed_ns));
    return send(connection, kept, STREAM_RACE_MESSAGE_BYTES, MSG_NOSIGNAL) == STREAM_RACE_MESSAGE_BYTES;
}

int stream_race_echo(int listener)
{
    const int one = 1;
    int connections[SIDES];
    uint8_t kept[SIDES][STREAM_RACE_MESSAGE_BYTES];
    uint32_t counts[SIDES] = {0}, open = 0;
    for (; open < SIDES; open++) {
        connections[open] = accept(listener, NULL, NULL);
        if (connections[open] < 0)
            return -errno;
        setsockopt(connections[open], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    while (open)
        for (unsigned side = 0; side < SIDES; side++)
            if (connections[side] >= 0 && !serve(connections[side], kept[side], &counts[side])) {
                close(connections[side]);
                connections[side] = -1;
                open--;
            }
    return 0;
}
