/* Single steps of the order session's resumption, with the venue's bytes written by hand. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/order_session.h"
#include "tests/engine/check.h"

enum { MS = 1000 * 1000 };

struct bench {
    struct order_session session;
    void *memory;
    uint8_t *sent;
    uint64_t now_ns;
    _Atomic uint32_t kill;
};

static struct bench bench;

static void begin(uint8_t protocol, uint32_t open_max)
{
    const struct order_session_options options = {
        .own_orders = {.open_max = open_max, .dead_keep = open_max, .executions_max = 16},
        .soupbin = {.username = "U", .password = "P", .requested_sequence = 1}, .protocol = protocol};
    const size_t bytes = order_session_bytes(&options);
    const char *what;
    memset(&bench, 0, sizeof(bench));
    bench.memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    bench.sent = malloc(STREAM_MEMORY_BYTES);
    bench.now_ns = 1000 * MS;
    CHECK(order_session_init(&bench.session, &options, bench.memory, bytes, &what) == 0);
    bench.session.hold = &bench.kill;
}

static void end(void)
{
    free(bench.memory);
    free(bench.sent);
}

static void hear(const char *bytes, uint32_t length)
{
    order_session_receive(&bench.session, (const uint8_t *)bytes, length, bench.now_ns);
}

static void log_in(uint64_t next)
{
    char accepted[64];
    stream_memory(&bench.session.stream, bench.sent);
    CHECK(order_session_login(&bench.session, bench.now_ns));
    bench.session.stream.memory_count = 0;
    snprintf(accepted + 2, sizeof(accepted) - 2, "A%10s%20" PRIu64, "S", next);
    accepted[0] = 0;
    accepted[1] = 31;
    hear(accepted, 33);
}

static void wait_ns(uint64_t ns)
{
    bench.now_ns += ns;
    order_session_poll(&bench.session, bench.now_ns);
}

static void lose(void)
{
    stream_close(&bench.session.stream);
    wait_ns(0);
}

static bool send_order(uint64_t sequence, uint32_t time_in_force)
{
    struct order_request request = {.trigger_sequence = sequence, .price = 100, .shares = 10, .symbol = 1, .side = 'B',
                                    .time_in_force = time_in_force, .stock = "A       "};
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    uint32_t number;
    if (!order_session_ready(&bench.session))
        return false;
    const uint32_t bytes = codec_enter(&bench.session.codec, &request, 'T', packet, &number);
    CHECK(bytes != 0 && stream_send(&bench.session.stream, packet, bytes));
    order_session_sent(&bench.session, &request, 'T', packet, bytes, number, bench.now_ns);
    return true;
}

static void accept_order(uint64_t sequence)
{
    uint8_t packet[3 + 66] = {0, 67, 'S', 'A'}, *payload = packet + 3;
    ouch42_token_write(ouch42_token_key('T', sequence, 0), (char *)payload + 9);
    memcpy(payload + 23, "B\0\0\0\x0a" "A       \0\0\0\x64\0\1\x86\x9e", 21);
    payload[64] = 'L';
    hear((const char *)packet, sizeof(packet));
}

/* Types of the packets sent since the last call, first letters of the payloads. */
static const char *sent_types(void)
{
    static char types[256];
    uint32_t offset = 0, count = 0;
    while (offset < bench.session.stream.memory_count && count < sizeof(types) - 1) {
        if (bench.sent[offset + 2] == 'U')
            types[count++] = (char)bench.sent[offset + 3];
        offset += 2u + (uint32_t)(bench.sent[offset] << 8 | bench.sent[offset + 1]);
    }
    types[count] = 0;
    bench.session.stream.memory_count = 0;
    return types;
}

#define CHECK_SENT(expected) CHECK(strcmp(sent_types(), expected) == 0)
#define CHECK_PHASE(expected) CHECK_EQUAL(bench.session.phase, expected)

static void unanswered_orders_are_sent_again_behind_the_replay_and_before_anything_new(void)
{
    begin(CODEC_OUCH42, 8);
    log_in(1);
    CHECK_PHASE(ORDER_PHASE_LIVE);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        CHECK(send_order(sequence, 0));
    accept_order(1);
    CHECK_SENT("OOO");
    lose();
    CHECK_PHASE(ORDER_PHASE_DOWN);
    CHECK(!send_order(9, 0));
    log_in(2);
    CHECK_PHASE(ORDER_PHASE_REPLAY);
    accept_order(2);
    wait_ns(ORDER_REPLAY_QUIET_NS / 2);
    CHECK_PHASE(ORDER_PHASE_REPLAY);
    CHECK_SENT("");
    wait_ns(ORDER_REPLAY_QUIET_NS / 2);
    CHECK_PHASE(ORDER_PHASE_SETTLE);
    CHECK_SENT("O"); /* the third alone */
    CHECK(!send_order(9, 0));
    accept_order(3);
    wait_ns(1);
    CHECK_PHASE(ORDER_PHASE_LIVE);
    CHECK(send_order(9, 0));
    CHECK_EQUAL(bench.session.counters.resent_orders, 1);
    CHECK_EQUAL(bench.session.counters.disconnects, 1);
    end();
}

static void while_held_only_cancels_are_sent_again(void)
{
    begin(CODEC_OUCH42, 8);
    log_in(1);
    CHECK(send_order(1, 99998) && send_order(2, 99998));
    accept_order(1);
    CHECK(order_session_cancel(&bench.session, (struct order_change){.token_key = ouch42_token_key('T', 1, 0)},
                               bench.now_ns) == OWN_ORDERS_OK);
    CHECK_SENT("OOX");
    bench.kill = 1;
    lose();
    log_in(2);
    wait_ns(ORDER_REPLAY_QUIET_NS);
    CHECK_PHASE(ORDER_PHASE_RESEND);
    wait_ns(1);
    wait_ns(1);
    CHECK_SENT("XX"); /* the one unanswered, and that of the mass cancel for the order whose fate is unknown */
    CHECK_PHASE(ORDER_PHASE_RESEND);
    CHECK(!send_order(9, 0));
    bench.kill = 0;
    wait_ns(1);
    CHECK_PHASE(ORDER_PHASE_SETTLE);
    CHECK_SENT("OXX");
    end();
}

static void raising_the_hold_cancels_what_is_open(void)
{
    begin(CODEC_OUCH42, 128);
    log_in(1);
    for (uint64_t sequence = 1; sequence <= 100; sequence++) {
        CHECK(send_order(sequence, 99998));
        accept_order(sequence);
    }
    sent_types();
    bench.kill = 1;
    wait_ns(1);
    CHECK_EQUAL(strlen(sent_types()), ORDER_SENDS_PER_POLL);
    wait_ns(1);
    CHECK_EQUAL(strlen(sent_types()), 100 - ORDER_SENDS_PER_POLL);
    CHECK(own_orders_cancel_state(&bench.session.own_orders) == OWN_CANCEL_UNDER_WAY);
    end();
}

static void a_full_ring_takes_no_more_orders_but_cancels(void)
{
    begin(CODEC_OUCH42, 8); /* a ring of 16, of which 14 are for orders */
    log_in(1);
    for (uint64_t sequence = 1; sequence <= 7; sequence++) {
        CHECK(send_order(sequence, 99998));
        CHECK(order_session_cancel(&bench.session,
                                   (struct order_change){.token_key = ouch42_token_key('T', sequence, 0)},
                                   bench.now_ns) == OWN_ORDERS_OK);
    }
    CHECK(!send_order(8, 0));
    CHECK(unanswered_room(&bench.session.ring, UNANSWERED_CANCEL));
    end();
}

static void ouch50_waits_for_the_query_and_for_numbers_that_are_free(void)
{
    const char answer[] = "\0\x0eSQ\0\0\0\0\0\0\0\1\0\0\0\3";
    begin(CODEC_OUCH50, 2); /* numbers of 8 orders are remembered */
    log_in(1);
    CHECK(send_order(1, 99998) && send_order(2, 0));
    lose();
    log_in(1);
    wait_ns(ORDER_REPLAY_QUIET_NS * 5);
    CHECK_PHASE(ORDER_PHASE_REPLAY);
    CHECK_SENT("Q");
    hear(answer, sizeof(answer) - 1);
    wait_ns(1);
    CHECK_PHASE(ORDER_PHASE_SETTLE);
    CHECK_SENT("OO");
    end();
}

static void a_rejected_login_is_tried_again_only_by_an_account_that_was_accepted(void)
{
    begin(CODEC_OUCH42, 8);
    stream_memory(&bench.session.stream, bench.sent);
    CHECK(order_session_login(&bench.session, bench.now_ns));
    hear("\0\2JA", 4);
    CHECK_PHASE(ORDER_PHASE_OVER);
    end();
    begin(CODEC_OUCH42, 8);
    log_in(1);
    lose();
    stream_memory(&bench.session.stream, bench.sent);
    CHECK(order_session_login(&bench.session, bench.now_ns));
    hear("\0\2JA", 4);
    CHECK_PHASE(ORDER_PHASE_DOWN);
    CHECK(bench.session.retry_ns > bench.now_ns);
    log_in(1);
    wait_ns(ORDER_REPLAY_QUIET_NS);
    CHECK_PHASE(ORDER_PHASE_LIVE);
    hear("\0\1Z", 3);
    wait_ns(1);
    CHECK_PHASE(ORDER_PHASE_OVER);
    end();
}

static void missing_messages_end_the_session(void)
{
    begin(CODEC_OUCH42, 8);
    log_in(1);
    lose();
    log_in(5);
    CHECK_PHASE(ORDER_PHASE_OVER);
    CHECK(bench.session.soupbin.cause == SOUPBIN_CAUSE_SEQUENCE_GAP);
    end();
}

/* A port where nobody listens. */
static uint16_t closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(socket_, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(socket_, (struct sockaddr *)&address, &size) == 0);
    close(socket_);
    return ntohs(address.sin_port);
}

static void attempts_are_spaced_by_a_pause_that_doubles(void)
{
    begin(CODEC_OUCH42, 8);
    CHECK(order_session_endpoint(&bench.session, "127.0.0.1", closed_port()));
    CHECK(!order_session_endpoint(&bench.session, "an address that is too long", 1));
    log_in(1);
    lose();
    for (uint32_t count = 0; count < 3000; count++) {
        usleep(10);
        wait_ns(MS);
    }
    /* at 0, 10, 30, 70, 150, 310, 630, 1270, 2270 ms */
    CHECK_EQUAL(bench.session.counters.connects, 9);
    CHECK_EQUAL(bench.session.back_off_ns, ORDER_RETRY_NS_MAX);
    stream_close(&bench.session.stream);
    end();
}

int main(void)
{
    RUN(unanswered_orders_are_sent_again_behind_the_replay_and_before_anything_new);
    RUN(while_held_only_cancels_are_sent_again);
    RUN(raising_the_hold_cancels_what_is_open);
    RUN(a_full_ring_takes_no_more_orders_but_cancels);
    RUN(ouch50_waits_for_the_query_and_for_numbers_that_are_free);
    RUN(a_rejected_login_is_tried_again_only_by_an_account_that_was_accepted);
    RUN(missing_messages_end_the_session);
    RUN(attempts_are_spaced_by_a_pause_that_doubles);
    return check_result();
}
