/* The soup port under a client that writes at random: whatever comes, it is counted, cut off, and survived. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/engine/check.h"
#include "traffic/exchange/clock.h"
#include "traffic/exchange/gateway.h"
#include "traffic/market/random.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum { ORDERS = 64, ROWS = 128, ROUNDS = 3000 };

static struct gateway gateway;
static struct published_book book;
static struct gateway_order orders[4 * ORDERS];
static struct drop_copy_row rows[ROWS];
static uint8_t store[ORDERS * (OUCH42_ORDER_BYTES_MAX + 9) + 512];
static uint64_t offsets[3 * ORDERS + 16];
static struct random generator;

static void open_gateway(void) {
    char error[200];
    struct gateway_options options = {
        .port = {.name = "gateway", .address = htonl(INADDR_LOOPBACK), .username = "user", .password = "secret", .session = "S1",
                 .store = store, .store_bytes = sizeof store, .offsets = offsets,
                 .messages_max = sizeof offsets / sizeof *offsets},
        .book = &book, .orders = orders, .order_slots = 4 * ORDERS, .orders_max = ORDERS, .rows = rows,
        .rows_max = ROWS};
    memset(orders, 0, sizeof orders);
    CHECK_EQUAL(gateway_open(&gateway, &options, error, sizeof error), 0);
}

static int connect_client(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(soup_port_number(&gateway.port)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

/* Polls with a clock of its own: every step is a millisecond, so timers run without waiting. */
static int64_t now_ns = 1000000000;

static void poll_for(int64_t steps) {
    for (int64_t i = 0; i < steps; i++)
        soup_port_poll(&gateway.port, now_ns += 1000000);
}

static void send_login(int client) {
    uint8_t packet[49];
    memset(packet, ' ', sizeof packet);
    store_be16(packet, 47);
    packet[2] = 'L';
    memcpy(packet + 3, "USER  secret", 12);
    packet[48] = '1';
    CHECK_EQUAL(send(client, packet, sizeof packet, MSG_NOSIGNAL), sizeof packet);
}

static uint32_t random_packet(uint8_t *packet) {
    uint32_t draw = (uint32_t)random_below(&generator, 10);
    uint32_t length = draw < 6 ? 50 : draw < 8 ? 20 : 1 + (uint32_t)random_below(&generator, 60);
    store_be16(packet, (uint16_t)(draw == 9 ? random_next(&generator) : length));
    for (uint32_t i = 2; i < 2 + length; i++)
        packet[i] = (uint8_t)random_next(&generator);
    packet[2] = draw < 8 ? 'U' : (uint8_t)"LRUO+HZ"[random_below(&generator, 7)];
    packet[3] = draw < 6 ? 'O' : 'X';
    if (draw < 8) {
        memset(packet + 4, 'A', 14);
        packet[4] = (uint8_t)('A' + random_below(&generator, 26));
        memcpy(packet + 3 + 20, random_below(&generator, 4) ? "ACME    " : "NOPE    ", 8 * (draw < 6));
        if (random_below(&generator, 2))
            store_be32(packet + 3 + 16, (uint32_t)random_below(&generator, 1000));
    }
    return 2 + length;
}

static void test_random_clients_are_survived(void) {
    uint8_t stream[4096], sink[4096];
    for (int round = 0; round < ROUNDS; round++) {
        if (round % 100 == 0) {
            soup_port_close(&gateway.port);
            open_gateway();
        }
        int client = connect_client();
        poll_for(1);
        if (random_below(&generator, 4))
            send_login(client);
        uint32_t size = 0;
        for (uint64_t packets = random_below(&generator, 12); packets; packets--)
            size += random_packet(stream + size);
        for (uint32_t sent = 0; sent < size;) {
            uint32_t piece = 1 + (uint32_t)random_below(&generator, size - sent);
            if (send(client, stream + sent, piece, MSG_NOSIGNAL) < 0)
                break;
            sent += piece;
            poll_for(1);
            while (recv(client, sink, sizeof sink, MSG_DONTWAIT) > 0)
                ;
        }
        close(client);
        poll_for(3);
        CHECK(gateway.rows_used <= ROWS && gateway.orders_used <= ORDERS);
        CHECK(gateway.port.store_size <= sizeof store);
    }
    CHECK(gateway.counters.orders > 0);
}

static void test_silent_clients_are_dropped_after_their_time(void) {
    soup_port_close(&gateway.port);
    open_gateway();
    int silent = connect_client(), logged_in = connect_client();
    poll_for(2);
    send_login(logged_in);
    poll_for(10);
    CHECK_EQUAL(gateway.port.counters.logins, 1);
    poll_for(14000);
    CHECK_EQUAL(gateway.port.counters.timeouts, 0);
    CHECK(gateway.port.counters.heartbeats_out >= 13);
    poll_for(2000);
    CHECK_EQUAL(gateway.port.counters.timeouts, 1);
    CHECK_EQUAL(gateway.port.holder, (uint64_t)-1);
    poll_for(15000);
    CHECK_EQUAL(gateway.port.counters.timeouts, 2);
    close(silent);
    close(logged_in);
}

int main(void) {
    uint8_t frame[ITCH50_FRAME_BYTES_MAX];
    struct itch50_order order = {1, 500, 100000, (const uint8_t *)"ACME    ", 1, 'S'};
    void *memory = calloc(1, published_book_bytes(4, 16));
    published_book_init(&book, memory, 4, 16);
    published_book_apply(&book, frame + 2, (uint32_t)(itch50_put_add(frame, &order, NULL) - frame - 2));
    random_init(&generator, 7);
    open_gateway();
    RUN(test_random_clients_are_survived);
    RUN(test_silent_clients_are_dropped_after_their_time);
    soup_port_close(&gateway.port);
    free(memory);
    return check_result();
}
