#include "tests/resume/venue.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic/exchange/gateway.h"
#include "traffic/wire/bytes.h"

enum { ORDERS = 8192, SLOTS = 2 * ORDERS, ROWS = 8 * ORDERS, STORE_BYTES = 4 << 20, BOOK_ORDERS = 64, BOOK_LEVELS = 4096 };

struct venue {
    struct gateway gateway;
    struct published_book book;
    void *book_memory;
    struct gateway_order *orders;
    struct drop_copy_row *rows;
    uint8_t *store;
    uint64_t *offsets;
    int64_t now_ns;
    uint64_t reference;
    uint64_t posted[VENUE_SYMBOLS + 1][2];
};

static void apply(struct venue *venue, const uint8_t *message, uint32_t length) {
    published_book_apply(&venue->book, message, length);
    gateway_follow(&venue->gateway, message, length);
}

static void put_stock(uint8_t *out, uint16_t symbol) {
    memcpy(out, "SYM0    ", 8);
    out[3] = (uint8_t)('0' + symbol);
}

struct venue *venue_new(uint32_t protocol) {
    struct venue *venue = aligned_alloc(64, (sizeof *venue + 63) / 64 * 64);
    char error[200];
    memset(venue, 0, sizeof *venue);
    uint64_t book_bytes = (published_book_bytes(BOOK_ORDERS, BOOK_LEVELS) + 63) / 64 * 64;
    venue->book_memory = aligned_alloc(64, book_bytes);
    memset(venue->book_memory, 0, book_bytes);
    published_book_init(&venue->book, venue->book_memory, BOOK_ORDERS, BOOK_LEVELS);
    venue->orders = calloc(SLOTS, sizeof *venue->orders);
    venue->rows = calloc(ROWS, sizeof *venue->rows);
    venue->store = calloc(1, STORE_BYTES);
    venue->offsets = calloc(4 * ORDERS, sizeof *venue->offsets);
    const struct gateway_options options = {
        .port = {.name = "gateway", .address = htonl(INADDR_LOOPBACK), .username = "U", .password = "P", .session = "S",
                 .store = venue->store, .store_bytes = STORE_BYTES, .offsets = venue->offsets,
                 .messages_max = 4 * ORDERS, .newest_wins = true},
        .protocol = protocol, .book = &venue->book, .orders = venue->orders, .order_slots = SLOTS,
        .orders_max = ORDERS, .rows = venue->rows, .rows_max = ROWS};
    if (gateway_open(&venue->gateway, &options, error, sizeof error) != 0)
        abort();
    venue->gateway.port.accept_at_ns = INT64_MAX;
    for (uint16_t symbol = 1; symbol <= VENUE_SYMBOLS; symbol++) {
        uint8_t directory[39] = {'R', 0, (uint8_t)symbol};
        put_stock(directory + 11, symbol);
        apply(venue, directory, sizeof directory);
    }
    return venue;
}

void venue_free(struct venue *venue) {
    soup_port_close(&venue->gateway.port);
    free(venue->book_memory);
    free(venue->orders);
    free(venue->rows);
    free(venue->store);
    free(venue->offsets);
    free(venue);
}

/* A pair of sockets instead of TCP: what is sent is there at once, so that a run depends on its seed alone. */
int venue_connect(struct venue *venue) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        abort();
    for (int i = 0; i < SOUP_PORT_CLIENTS; i++) {
        struct soup_port_client *client = &venue->gateway.port.clients[i];
        if (client->socket >= 0)
            continue;
        *client = (struct soup_port_client){.socket = ends[0], .heard_ns = venue->now_ns, .spoke_ns = venue->now_ns};
        return ends[1];
    }
    abort();
}

void venue_poll(struct venue *venue, int64_t now_ns) {
    venue->now_ns = now_ns;
    gateway_poll(&venue->gateway, now_ns);
}

void venue_publish(struct venue *venue, uint16_t symbol, char side, uint32_t price, uint32_t shares) {
    uint64_t *posted = &venue->posted[symbol][side == 'S'];
    uint8_t gone[19] = {'D', 0, (uint8_t)symbol}, added[36] = {'A', 0, (uint8_t)symbol};
    if (*posted) {
        store_be64(gone + 11, *posted);
        apply(venue, gone, sizeof gone);
    }
    *posted = ++venue->reference;
    store_be64(added + 11, *posted);
    added[19] = (uint8_t)side;
    store_be32(added + 20, shares);
    put_stock(added + 24, symbol);
    store_be32(added + 32, price);
    apply(venue, added, sizeof added);
}

void venue_cut(struct venue *venue, uint64_t seed, uint32_t cuts, uint32_t orders) {
    const struct gateway_behaviour behaviour = {.cut_seed = seed, .cuts = cuts, .cut_orders = orders};
    gateway_tell(&venue->gateway, &behaviour);
}

uint32_t venue_cuts(const struct venue *venue) {
    return (uint32_t)venue->gateway.counters.cuts;
}

void venue_reject(struct venue *venue, uint32_t orders) {
    venue->gateway.behaviour.reject_orders = orders;
}

uint64_t venue_rows(const struct venue *venue) {
    return venue->gateway.rows_used;
}

struct venue_row venue_row(const struct venue *venue, uint64_t index) {
    const struct drop_copy_row *from = &venue->rows[index];
    struct venue_row row = {.kind = from->kind, .side = from->side, .symbol = from->symbol, .shares = from->shares};
    memcpy(row.token, from->token, sizeof row.token);
    return row;
}

uint32_t venue_open_shares(const struct venue *venue, const char *token) {
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (venue->orders[slot].used && memcmp(venue->orders[slot].terms.token, token, 14) == 0)
            return venue->orders[slot].open_shares;
    return 0;
}

uint64_t venue_open_orders(const struct venue *venue) {
    uint64_t open = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        open += venue->orders[slot].used && venue->orders[slot].open_shares != 0;
    return open;
}
