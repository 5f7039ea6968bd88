/* Raw frames on one interface. Essay: line.h. */
#include "traffic/exchange/line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic/exchange/clock.h"
#include "traffic/wire/bytes.h"

static int fail(struct line *line, const char *tried, const char *interface, char *error, uint32_t error_size) {
    int cause = errno;
    snprintf(error, error_size, "line on interface %s: %s: %s", interface, tried, strerror(cause));
    if (line->socket >= 0)
        close(line->socket);
    line->socket = -1;
    return -cause;
}

static bool send_pieces(struct line *line, struct iovec *pieces, uint32_t count) {
    if (!line->device) {
        const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
        return sendmsg(line->socket, &message, MSG_DONTWAIT) >= 0;
    }
    int64_t begun_ns = clock_ns();
    bool sent = dpdk_line_send(line->device, pieces, count);
    uint32_t bucket = 63 - (uint32_t)__builtin_clzll((uint64_t)(clock_ns() - begun_ns) | 1);
    line->send_ns[bucket < LINE_SEND_BUCKETS ? bucket : LINE_SEND_BUCKETS - 1]++;
    errno = sent ? 0 : ENOBUFS;
    return sent;
}

/* What the impairer sends, at once or later. */
static void send_impaired(void *context, uint64_t record, const uint8_t *bytes, uint32_t size) {
    struct line *line = context;
    int64_t now_ns = clock_ns();
    struct iovec piece = {(void *)(uintptr_t)bytes, size};
    if (!send_pieces(line, &piece, 1)) {
        line->errors++;
        line->last_error = errno;
        return;
    }
    line->packets_sent++;
    if (record != LINE_CONTROL && line->packets[record].sent_ns[line->index] == 0)
        line->packets[record].sent_ns[line->index] = now_ns;  /* of copies, the first */
}

/* The socket, and the interface's address. */
static int open_interface(struct line *line, const struct line_options *options, uint8_t mac[6], char *error,
                          uint32_t error_size) {
    int one = 1, buffer_bytes = 1 << 22;
    line->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  /* protocol 0: never receives */
    if (line->socket < 0)
        return fail(line, "cannot open a packet socket", options->interface, error, error_size);
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", options->interface);
    if (ioctl(line->socket, SIOCGIFINDEX, &request) < 0)
        return fail(line, "cannot find it", options->interface, error, error_size);
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = request.ifr_ifindex};
    if (ioctl(line->socket, SIOCGIFHWADDR, &request) < 0)
        return fail(line, "cannot read its address", options->interface, error, error_size);
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    if (bind(line->socket, (struct sockaddr *)&address, sizeof address) < 0)
        return fail(line, "cannot bind to it", options->interface, error, error_size);
    if (setsockopt(line->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0)
        return fail(line, "cannot bypass its queueing discipline", options->interface, error, error_size);
    /* A larger buffer only helps: refused is fine. */
    setsockopt(line->socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    return 0;
}

int line_open(struct line *line, const struct line_options *options, char *error, uint32_t error_size) {
    uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)options->index}; /* a device's: locally administered */
    memset(line, 0, sizeof *line);
    line->socket = -1;
    if (options->device && !(line->device = dpdk_line_open(options->device, error, error_size)))
        return -errno;
    int result = options->device ? 0 : open_interface(line, options, mac, error, error_size);
    if (result != 0)
        return result;
    udp_frame_init(&line->frame, mac, options->source, options->group, options->port, options->port);
    line->head_bytes = options->raw ? 0 : MOLDUDP64_HEADER_BYTES;
    line->packets = options->packets;
    line->index = options->index;
    line->impairer = options->impairer;
    if (line->impairer) {
        line->impairer->options.send = send_impaired;
        line->impairer->options.context = line;
    }
    return 0;
}

void line_session(struct line *line, const uint8_t *session) {
    memcpy(line->mold, session, MOLDUDP64_SESSION_BYTES);
}

void line_prepare(struct line *line, uint64_t sequence, uint16_t count, uint32_t bytes, uint16_t sum) {
    store_be64(line->mold + 10, sequence);
    store_be16(line->mold + 18, count);
    uint64_t whole = (uint64_t)udp_sum(line->mold, line->head_bytes) + sum;
    udp_frame_set(&line->frame, (uint16_t)(line->head_bytes + bytes), udp_fold(whole));
}

bool line_send(struct line *line, const uint8_t *blocks, uint32_t bytes) {
    struct iovec pieces[3] = {{line->frame.header, UDP_FRAME_HEADER_BYTES},
                              {line->mold, line->head_bytes},
                              {(void *)(uintptr_t)blocks, bytes}};
    if (!send_pieces(line, pieces, bytes ? 3 : 2)) {
        line->errors++;
        line->last_error = errno;
        return false;
    }
    line->packets_sent++;
    return true;
}

void line_publish(struct line *line, const uint8_t *blocks, uint32_t bytes, uint64_t position, uint32_t messages,
                  uint64_t record, int64_t rule_ns, int64_t now_ns) {
    struct impairer_piece pieces[3] = {{line->frame.header, UDP_FRAME_HEADER_BYTES},
                                       {line->mold, line->head_bytes},
                                       {blocks, bytes}};
    if (!impairer_takes(line->impairer, pieces, position, messages, record, rule_ns, now_ns) &&
        line_send(line, blocks, bytes) && record != LINE_CONTROL)
        line->packets[record].sent_ns[line->index] = now_ns;
    if (messages)
        impairer_passed(line->impairer, now_ns);
}

void line_close(struct line *line) {
    dpdk_line_close(line->device);
    line->device = NULL;
    if (line->socket >= 0)
        close(line->socket);
    line->socket = -1;
}
