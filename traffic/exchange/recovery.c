/* The re-request server. Essay: recovery.h. */
#include "traffic/exchange/recovery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic/wire/bytes.h"

enum { BLOCKS_BYTES_MAX = MOLDUDP64_PAYLOAD_BYTES_MAX - MOLDUDP64_HEADER_BYTES, RECEIVE_BUFFER_BYTES = 1 << 20 };

/* A reply with its place in the arena: what leaves. */
struct extent {
    const uint8_t *blocks;
    uint32_t bytes;
    uint16_t count;
};

static int fail(struct recovery *recovery, const char *tried, char *error, uint32_t error_size) {
    int cause = errno;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &recovery->options.address, text, sizeof text);
    snprintf(error, error_size, "recovery: %s on %s:%u: %s", tried, text, recovery->options.port, strerror(cause));
    recovery_close(recovery);
    return -cause;
}

/* Replies from the impairer: the tag is the address and port of who asked. */
static void send_impaired(void *context, uint64_t tag, const uint8_t *bytes, uint32_t size) {
    struct recovery *recovery = context;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = (in_port_t)(tag >> 32),
                             .sin_addr = {(uint32_t)tag}};
    if (sendto(recovery->socket, bytes, size, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0)
        recovery->counters.send_errors++;
}

int recovery_open(struct recovery *recovery, const struct recovery_options *options, char *error,
                  uint32_t error_size) {
    int bytes = RECEIVE_BUFFER_BYTES;
    memset(recovery, 0, sizeof *recovery);
    recovery->options = *options;
    recovery->random = impairment_seed(options->seed, 0, RECOVERY_SEED);
    recovery_behave(recovery, &options->settings);
    recovery->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port),
                                  .sin_addr = {options->address}};
    if (recovery->socket < 0)
        return fail(recovery, "cannot open a socket", error, error_size);
    /* A larger buffer only helps: refused is fine. */
    setsockopt(recovery->socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (bind(recovery->socket, (struct sockaddr *)&address, sizeof address) < 0)
        return fail(recovery, "cannot bind", error, error_size);
    if (options->impairer) {
        options->impairer->options.send = send_impaired;
        options->impairer->options.context = recovery;
    }
    return 0;
}

uint16_t recovery_port(const struct recovery *recovery) {
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(recovery->socket, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

void recovery_behave(struct recovery *recovery, const struct recovery_settings *settings) {
    recovery->settings = *settings;
    recovery->interval_ns = settings->rate_per_s ? 1000000000 / settings->rate_per_s : 0;
    recovery->allowed_at_ns = 0;
}

/* The rate's bucket: one more request, at this time? */
static bool within_rate(struct recovery *recovery, int64_t now_ns) {
    if (recovery->settings.rate_per_s == 0)
        return true;
    int64_t at_ns = recovery->allowed_at_ns > now_ns ? recovery->allowed_at_ns : now_ns;
    if (at_ns - now_ns > recovery->interval_ns * (recovery->settings.burst - 1))
        return false;
    recovery->allowed_at_ns = at_ns + recovery->interval_ns;
    return true;
}

/* Why this request is met with silence although it could be served; NULL: it is not. */
static uint64_t *silence(struct recovery *recovery, int64_t now_ns) {
    struct recovery_settings *settings = &recovery->settings;
    if (settings->refuse)
        return &recovery->counters.refused;
    if (settings->lose_requests) {
        settings->lose_requests--;
        return &recovery->counters.lost;
    }
    if (settings->loss &&
        impairment_chance((uint32_t)(impairment_draw(&recovery->random) >> 32), settings->loss))
        return &recovery->counters.lost;
    return within_rate(recovery, now_ns) ? NULL : &recovery->counters.throttled;
}

/* What a request asks for, into `reply`. NULL: it can be served; else the counter that says why not. */
static uint64_t *read_request(struct recovery *recovery, const uint8_t *request, ssize_t size,
                              struct recovery_reply *reply) {
    struct recovery_counters *counters = &recovery->counters;
    const struct history *history = recovery->options.history;
    if (size != RECOVERY_REQUEST_BYTES || load_be16(request + 18) == 0)
        return &counters->malformed;
    int32_t ordinal = history_session_of(history, request);
    if (ordinal < 0)
        return &counters->unknown_session;
    const struct history_session *session = &history->options.sessions[ordinal];
    uint64_t sequence = load_be64(request + 10);
    uint64_t behind = sequence - session->first_sequence;  /* wraps for what lies before the first */
    if (behind >= session->messages || session->first_message + behind >= history->published)
        return &counters->out_of_range;
    reply->first_message = session->first_message + behind;
    reply->position = history_position((uint32_t)ordinal, sequence);
    reply->count = load_be16(request + 18);
    uint64_t kept = recovery->settings.history_messages;
    if (kept && history->published - reply->first_message > kept)
        return &counters->too_old;
    return NULL;
}

/* As many whole messages as asked for, published, allowed and fitting; the arena has them in a row. */
static struct extent find_extent(const struct recovery *recovery, const struct recovery_reply *reply) {
    const struct history *history = recovery->options.history;
    const struct history_session *session = &history->options.sessions[reply->position >> HISTORY_SESSION_SHIFT];
    uint64_t end = session->first_message + session->messages;
    end = end < history->published ? end : history->published;
    uint64_t count_max = end - reply->first_message;
    count_max = count_max < reply->count ? count_max : reply->count;
    if (recovery->settings.messages_max && count_max > recovery->settings.messages_max)
        count_max = recovery->settings.messages_max;
    struct extent extent = {.blocks = history_block(history, reply->first_message)};
    while (extent.count < count_max) {
        uint32_t size = 2 + (uint32_t)load_be16(extent.blocks + extent.bytes);
        if (extent.bytes + size > BLOCKS_BYTES_MAX)
            break;
        extent.bytes += size;
        extent.count++;
    }
    return extent;
}

static void send_reply(struct recovery *recovery, const struct recovery_reply *reply, int64_t now_ns,
                       int64_t rule_ns) {
    struct recovery_counters *counters = &recovery->counters;
    struct extent extent = find_extent(recovery, reply);
    const struct history_session *session =
        &recovery->options.history->options.sessions[reply->position >> HISTORY_SESSION_SHIFT];
    uint8_t mold[MOLDUDP64_HEADER_BYTES];
    moldudp64_put(mold, session->name, reply->position & HISTORY_SEQUENCE_MASK, extent.count);
    counters->answered++;
    counters->partial += extent.count < reply->count;
    counters->messages += extent.count;
    counters->bytes += MOLDUDP64_HEADER_BYTES + extent.bytes;
    struct impairer *impairer = recovery->options.impairer;
    bool taken = false;
    if (impairer) {
        struct impairer_piece pieces[3] = {{mold, sizeof mold}, {extent.blocks, extent.bytes}, {mold, 0}};
        uint64_t tag = (uint64_t)reply->to.sin_port << 32 | reply->to.sin_addr.s_addr;
        taken = impairer_takes(impairer, pieces, reply->position, extent.count, tag, rule_ns, now_ns);
    }
    if (!taken) {
        struct iovec pieces[2] = {{mold, sizeof mold}, {(void *)(uintptr_t)extent.blocks, extent.bytes}};
        struct sockaddr_in to = reply->to;
        struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = pieces, .msg_iovlen = 2};
        if (sendmsg(recovery->socket, &message, MSG_DONTWAIT) < 0)
            counters->send_errors++;
    }
    if (impairer)
        impairer_passed(impairer, now_ns);
}

static void hold_back(struct recovery *recovery, struct recovery_reply *reply, int64_t now_ns) {
    if (recovery->delayed_tail - recovery->delayed_head == RECOVERY_DELAYED) {
        recovery->counters.delayed_lost++;
        return;
    }
    reply->due_ns = now_ns + recovery->settings.delay_ns;
    recovery->delayed[recovery->delayed_tail++ % RECOVERY_DELAYED] = *reply;
}

/* False: there was no request. */
static bool serve_one(struct recovery *recovery, int64_t now_ns, int64_t rule_ns) {
    uint8_t request[RECOVERY_REQUEST_BYTES + 1];
    struct recovery_reply reply = {.first_message = 0};
    socklen_t size = sizeof reply.to;
    ssize_t got =
        recvfrom(recovery->socket, request, sizeof request, MSG_DONTWAIT, (struct sockaddr *)&reply.to, &size);
    if (got < 0)
        return false;
    recovery->counters.requests++;
    uint64_t *why_not = read_request(recovery, request, got, &reply);
    if (!why_not)
        why_not = silence(recovery, now_ns);
    if (why_not)
        ++*why_not;
    else if (recovery->settings.delay_ns)
        hold_back(recovery, &reply, now_ns);
    else
        send_reply(recovery, &reply, now_ns, rule_ns);
    return true;
}

uint32_t recovery_poll(struct recovery *recovery, uint32_t requests_max, int64_t now_ns, int64_t rule_ns) {
    uint32_t requests = 0;
    while (recovery->delayed_head != recovery->delayed_tail) {
        const struct recovery_reply *oldest = &recovery->delayed[recovery->delayed_head % RECOVERY_DELAYED];
        if (oldest->due_ns > now_ns)
            break;
        send_reply(recovery, oldest, now_ns, rule_ns);
        recovery->delayed_head++;
        requests++;
        if (requests == requests_max)
            return requests;
    }
    while (requests < requests_max && serve_one(recovery, now_ns, rule_ns))
        requests++;
    return requests;
}

void recovery_close(struct recovery *recovery) {
    if (recovery->socket >= 0)
        close(recovery->socket);
    recovery->socket = -1;
}
