/* The DPDK port on net_ring, which receives what it sends: what is taken, what is not, and that no buffer is lost.
 * Skipped (77) without root, since DPDK wants its memory locked, and where it was not built in. */
#include "engine/io/dpdk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/engine/check.h"

enum { SKIP = 77, FEED_PORT = 26477, PAYLOAD_BYTES = 40, FRAME_BYTES = 42 + PAYLOAD_BYTES, ROUNDS = 1000, BURST = 100 };

static char error[512];

static struct dpdk_options options_for(const char *device)
{
    return (struct dpdk_options){.device = device,
                                 .huge = DPDK_HUGE_NO,
                                 .cpu = -1,
                                 .socket_map = -1,
                                 .port = FEED_PORT,
                                 .group = inet_addr("239.77.1.1")};
}

/* An Ethernet, IPv4 and UDP frame without a UDP checksum; `number` is in the payload. */
static void make_frame(uint8_t frame[FRAME_BYTES], uint16_t port, uint32_t number)
{
    const uint8_t head[42] = {1, 0, 0x5e, 0x4d, 1, 1, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 28 + PAYLOAD_BYTES, 0, 0, 0, 0, 8,
                              17, 0, 0, 10, 77, 1, 1, 239, 77, 1, 1, 0, 9, (uint8_t)(port >> 8), (uint8_t)port, 0,
                              8 + PAYLOAD_BYTES, 0, 0};
    memset(frame, 0, FRAME_BYTES);
    memcpy(frame, head, sizeof(head));
    memcpy(frame + sizeof(head), &number, sizeof(number));
}

static void feed_frames_are_taken_in_order_and_others_are_counted(struct dpdk *port)
{
    struct packet packets[PACKET_BATCH_MAX];
    uint8_t frame[FRAME_BYTES];
    check_test_name = "feed frames are taken in order and others are counted";
    for (uint32_t i = 0; i < 3; i++) {
        make_frame(frame, FEED_PORT, i);
        CHECK(dpdk_send(port, frame, sizeof(frame)));
        make_frame(frame, FEED_PORT + 1, i);
        CHECK(dpdk_send(port, frame, sizeof(frame)));
    }
    make_frame(frame, FEED_PORT, 9);
    frame[32] = 9; /* the feed's port, another channel's group */
    CHECK(dpdk_send(port, frame, sizeof(frame)));
    make_frame(frame, FEED_PORT, 9);
    frame[40] = 0x12; /* a checksum that is wrong */
    CHECK(dpdk_send(port, frame, sizeof(frame)));
    CHECK_EQUAL(dpdk_receive(port, packets), 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t number;
        memcpy(&number, packets[i].data, sizeof(number));
        CHECK_EQUAL(number, i);
        CHECK_EQUAL(packets[i].length, PAYLOAD_BYTES);
    }
    dpdk_release(port);
    CHECK_EQUAL(dpdk_receive(port, packets), 0);
    CHECK_EQUAL(port->other_frames, 4);
    CHECK_EQUAL(port->bad_checksums, 1);
    CHECK_EQUAL(port->empty_polls, 1);
}

/* Many times the buffers that there are. */
static void no_buffer_is_lost(struct dpdk *port)
{
    struct packet packets[PACKET_BATCH_MAX];
    uint8_t frame[FRAME_BYTES];
    uint64_t received = 0;
    check_test_name = "no buffer is lost";
    make_frame(frame, FEED_PORT, 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < BURST; i++)
            CHECK(dpdk_send(port, frame, sizeof(frame)));
        uint32_t first = dpdk_receive(port, packets);
        dpdk_release(port);
        uint32_t second = dpdk_receive(port, packets);
        dpdk_release(port);
        CHECK_EQUAL(first, PACKET_BATCH_MAX);
        received += first + second;
    }
    CHECK_EQUAL(received, ROUNDS * BURST);
}

static void its_counters_are_the_devices(struct dpdk *port)
{
    struct dpdk_statistics statistics;
    check_test_name = "its counters are the device's";
    dpdk_statistics(port, &statistics);
    CHECK_EQUAL(statistics.received, 8 + ROUNDS * BURST);
    CHECK_EQUAL(statistics.missed + statistics.errors + statistics.no_buffer + statistics.chained, 0);
    CHECK(strcmp(statistics.driver, "net_ring") == 0);
    CHECK(statistics.link_up && !statistics.huge_pages && !statistics.stamps);
}

static void a_name_in_use_is_busy_and_a_closed_one_is_free(struct dpdk *port)
{
    struct dpdk second;
    const struct dpdk_options options = options_for("net_ring0");
    check_test_name = "a name in use is busy and a closed one is free";
    CHECK_EQUAL(dpdk_open(&second, &options, error, sizeof(error)), (uint64_t)-EBUSY);
    CHECK(strstr(error, "in use") != NULL);
    dpdk_close(&second);
    dpdk_close(port);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQUAL(dpdk_open(port, &options, error, sizeof(error)), 0);
        dpdk_close(port);
    }
    dpdk_close(port); /* once more: nothing */
}

static void what_is_not_there_leaves_nothing(void)
{
    struct dpdk port;
    const char *const devices[] = {"net_no_such_driver0", "net_af_packet0,iface=no_such_wire", "0000:7f:1f.7"};
    check_test_name = "what is not there leaves nothing";
    for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        const struct dpdk_options options = options_for(devices[i]);
        CHECK(dpdk_open(&port, &options, error, sizeof(error)) < 0);
        CHECK(strstr(error, devices[i]) != NULL);
        CHECK(!port.open && !port.pool);
    }
}

int main(void)
{
    struct dpdk port;
    const struct dpdk_options options = options_for("net_ring0");
    if (!dpdk_built() || geteuid() != 0)
        return SKIP;
    if (dpdk_open(&port, &options, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    feed_frames_are_taken_in_order_and_others_are_counted(&port);
    no_buffer_is_lost(&port);
    its_counters_are_the_devices(&port);
    a_name_in_use_is_busy_and_a_closed_one_is_free(&port);
    what_is_not_there_leaves_nothing();
    return check_result();
}
