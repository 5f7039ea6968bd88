/* Re-requests and snapshots under clients that write at random: whatever comes, it is counted, and survived. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/engine/check.h"
#include "traffic/exchange/services.h"
#include "traffic/market/model.h"
#include "traffic/wire/bytes.h"

enum { SYMBOLS = 10, MESSAGES = 4000, PACKING = 5, ROUNDS = 300, SECOND = 1500 };

static struct random generator;
static struct model model;
static struct published_book book;
static struct history history;
static struct reference_data reference;
static struct services services;
static struct packet_record packets[MESSAGES];
static uint32_t packet_of[MESSAGES / HISTORY_STRIDE + 1];
static uint32_t work[REFERENCE_KINDS * REFERENCE_LOCATES];
static uint8_t arena[MESSAGES * MODEL_FRAME_BYTES_MAX], store[SNAPSHOT_STORE_BYTES];
static struct services_options options;
static uint64_t packet_count, next_packet, arena_bytes;

static uint64_t below(uint64_t bound) {
    return random_below(&generator, bound);
}

static void make_stream(void) {
    struct model_options made = {.seed = 3, .messages = MESSAGES, .symbols = SYMBOLS};
    void *memory = calloc(1, model_bytes(SYMBOLS));
    model_init(&model, &made, memory);
    arena_bytes = model_run(&model, arena);
    free(memory);
    uint64_t offset = 0;
    for (uint64_t i = 0; i < MESSAGES; i += packets[packet_count++].count) {
        uint64_t end = i < SECOND ? SECOND : MESSAGES, first = offset;
        uint16_t count = (uint16_t)(end - i < PACKING ? end - i : PACKING);
        for (uint16_t j = 0; j < count; j++)
            offset += 2 + (uint64_t)load_be16(arena + offset);
        packets[packet_count] = (struct packet_record){
            .first_sequence = i < SECOND ? 1 + i : history_position(1, 1 + i - SECOND), .count = count,
            .bytes = (uint32_t)(offset - first) + 20, .message_offset = first};
    }
    struct history_options given = {
        .arena = arena, .packets = packets, .packet_count = packet_count, .message_count = MESSAGES,
        .session_count = 2, .packet_of = packet_of,
        .sessions = {{.name = "TAILGATE01", .first_sequence = 1, .messages = SECOND},
                     {.name = "TAILGATE02", .first_sequence = 1, .first_message = SECOND,
                      .messages = MESSAGES - SECOND}}};
    history_init(&history, &given);
}

static void publish(uint64_t count) {
    for (; count && next_packet < packet_count; count--, next_packet++) {
        const struct packet_record *packet = &packets[next_packet];
        published_book_apply_framed(&book, arena + packet->message_offset, packet->bytes - 20);
        history.published += packet->count;
        history.published_bytes = packet->message_offset + packet->bytes - 20;
    }
}

static void test_every_message_is_found_by_its_number(void) {
    uint64_t offset = 0;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint64_t position = i < SECOND ? 1 + i : history_position(1, 1 + i - SECOND);
        CHECK_EQUAL(history_position_of(&history, i), position);
        CHECK_EQUAL(history_index_of(&history, position), i);
        CHECK_EQUAL((uint64_t)(history_block(&history, i) - arena), offset);
        offset += 2 + (uint64_t)load_be16(arena + offset);
    }
    CHECK_EQUAL(history_session_of(&history, (const uint8_t *)"TAILGATE02"), 1);
    CHECK_EQUAL(history_session_of(&history, (const uint8_t *)"TAILGATE03"), (uint64_t)-1);
}

static int64_t now_ns = 1000000000;

static void serve(uint32_t times) {
    for (; times; times--) {
        now_ns += 200000;
        services_serve(&services, 5, below(2) ? INT64_MAX : (int64_t)below(40000), now_ns, now_ns);
    }
}

static int connect_to(int type, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int client = socket(AF_INET, type, 0);
    CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void send_request(int client) {
    uint8_t request[64];
    uint32_t size = below(10) ? 20 : (uint32_t)below(sizeof request);
    for (uint32_t i = 0; i < sizeof request; i++)
        request[i] = (uint8_t)random_next(&generator);
    if (below(10))
        memcpy(request, below(2) ? "TAILGATE01" : "TAILGATE02", 10);
    if (below(10))
        store_be64(request + 10, below(SECOND + 2));
    CHECK_EQUAL(send(client, request, size, 0), size);
}

static void random_settings(void) {
    struct services_settings settings = {
        .recovery = {.messages_max = (uint32_t)below(5), .rate_per_s = (uint32_t)below(2) * 5000, .burst = 2,
                     .loss = (uint32_t)below(2) << 30, .lose_requests = (uint32_t)below(3),
                     .delay_ns = (int64_t)below(2) * 500000, .history_messages = below(2) * 1000},
        .snapshot = {.cut_connections = (uint32_t)below(2), .cut_after = (uint32_t)below(300), .refuse = below(8) == 0,
                     .stall = below(8) == 0, .delay_ns = (int64_t)below(2) * 1000000},
        .restart_lose = below(2), .restart_cut = below(2)};
    CHECK(services_tell(&services, &settings));
    CHECK(!services_told(&services));
    serve(1);
    CHECK(services_told(&services));
}

static void test_random_requests_are_survived(void) {
    uint8_t sink[2048];
    int client = connect_to(SOCK_DGRAM, recovery_port(&services.recovery));
    for (int round = 0; round < ROUNDS; round++) {
        publish(below(3));
        if (below(10) == 0)
            random_settings();
        for (uint64_t requests = below(12); requests; requests--)
            send_request(client);
        serve((uint32_t)below(20));
        while (recv(client, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
    }
    const struct recovery_counters *counters = &services.recovery.counters;
    CHECK(counters->answered > 0 && counters->malformed > 0 && counters->unknown_session > 0);
    CHECK_EQUAL(counters->send_errors, 0);
    close(client);
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

static void test_random_snapshot_clients_are_survived(void) {
    static uint8_t sink[1 << 16];
    for (int round = 0; round < ROUNDS; round++) {
        if (below(5) == 0)
            random_settings();
        int client = connect_to(SOCK_STREAM, soup_port_number(&services.snapshot.port));
        serve(5);
        if (below(6))
            send_login(client);
        for (uint64_t steps = below(200); steps; steps--) {
            serve(1);
            publish(below(20) == 0);
            if (below(60) == 0)
                send(client, "\0\1Q\0\2Ux\0\1R" + 3 * below(3), 3, MSG_NOSIGNAL);
            if (recv(client, sink, sizeof sink, MSG_DONTWAIT) == 0)
                break;
        }
        close(client);
        if (below(2))
            serve(8);
    }
    const struct snapshot_counters *counters = &services.snapshot.counters;
    CHECK(counters->completed > 0 && counters->cut > 0 && counters->refused > 0 && counters->stalled > 0);
    CHECK(services.snapshot.port.store_size <= sizeof store);
}

int main(void) {
    char error[200];
    random_init(&generator, 7);
    make_stream();
    void *book_memory = calloc(1, published_book_bytes(MESSAGES, 40 * MESSAGES));
    published_book_init(&book, book_memory, MESSAGES, 40 * MESSAGES);
    void *freeze_memory = calloc(1, published_freeze_bytes(&book));
    void *reference_memory = calloc(1, reference_data_bytes(MESSAGES));
    reference_data_init(&reference, arena, arena_bytes, reference_memory, work);
    options = (struct services_options){
        .on = true,
        .recovery = {.address = htonl(INADDR_LOOPBACK), .seed = 7, .settings = {.burst = 1}, .history = &history},
        .snapshot = {.port = {.address = htonl(INADDR_LOOPBACK), .username = "user", .password = "secret",
                              .store = store, .store_bytes = sizeof store},
                     .history = &history, .reference = &reference, .book = &book, .freeze_memory = freeze_memory}};
    CHECK_EQUAL(services_open(&services, &options, error, sizeof error), 0);
    RUN(test_every_message_is_found_by_its_number);
    RUN(test_random_requests_are_survived);
    RUN(test_random_snapshot_clients_are_survived);
    services_close(&services);
    free(book_memory);
    free(freeze_memory);
    free(reference_memory);
    return check_result();
}
