#include "tests/soak/market_day.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic/exchange/published_book.h"
#include "traffic/market/model.h"
#include "traffic/wire/bytes.h"

enum {
    ORDERS_MAX = 1 << 20,
    LEVELS_MAX = 1 << 20,
    ADD_BYTES = 36,
    DIRECTORY_BYTES = 39,
    STATE_BYTES = 25,
    FRAME_BYTES = 3,
    LOGIN_BYTES = 33,
    END_BYTES = 21,
    SYMBOLS = 65536,
};

_Static_assert(sizeof(struct day_row) == sizeof(struct published_row), "the same row");

struct reference_data {
    const uint8_t *directory; /* the last R, NULL: none */
    const uint8_t *state;     /* the last H */
};

struct day {
    uint8_t *arena;
    uint64_t *offsets; /* of message number - 1, its length field */
    uint64_t messages;
    uint64_t published;
    struct published_book book;
    void *book_memory;
    struct reference_data *symbols;
    struct published_row *rows;
    uint8_t *snapshot;
};

static void *get(uint64_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~63ull);
    if (!memory) {
        perror("memory for a day");
        exit(69);
    }
    memset(memory, 0, (bytes + 63) & ~63ull);
    return memory;
}

struct day *day_open(uint64_t seed, uint64_t messages, uint32_t symbols)
{
    struct day *day = get(sizeof(*day));
    struct model *model = get(sizeof(*model));
    void *model_memory = get(model_bytes(symbols));
    const struct model_options options = {.seed = seed, .messages = messages, .symbols = symbols};
    day->arena = get(messages * MODEL_FRAME_BYTES_MAX);
    day->offsets = get(messages * sizeof(*day->offsets));
    day->messages = messages;
    model_init(model, &options, model_memory);
    uint64_t size = model_run(model, day->arena);
    uint64_t offset = 0;
    for (uint64_t i = 0; i < messages && offset < size; i++) {
        day->offsets[i] = offset;
        offset += 2u + load_be16(day->arena + offset);
    }
    free(model_memory);
    free(model);
    day->book_memory = get(published_book_bytes(ORDERS_MAX, LEVELS_MAX));
    published_book_init(&day->book, day->book_memory, ORDERS_MAX, LEVELS_MAX);
    day->symbols = get(SYMBOLS * sizeof(*day->symbols));
    day->rows = get(ORDERS_MAX * sizeof(*day->rows));
    day->snapshot = get(LOGIN_BYTES + END_BYTES + FRAME_BYTES +
                        (uint64_t)symbols * (DIRECTORY_BYTES + STATE_BYTES + 2 * FRAME_BYTES) +
                        (uint64_t)ORDERS_MAX * (ADD_BYTES + FRAME_BYTES));
    return day;
}

void day_close(struct day *day)
{
    free(day->snapshot);
    free(day->rows);
    free(day->symbols);
    free(day->book_memory);
    free(day->offsets);
    free(day->arena);
    free(day);
}

const uint8_t *day_message(const struct day *day, uint64_t number, uint16_t *length)
{
    const uint8_t *framed = day->arena + day->offsets[number - 1];
    *length = load_be16(framed);
    return framed + 2;
}

void day_publish(struct day *day, uint64_t number)
{
    while (day->published < number) {
        uint16_t length;
        const uint8_t *message = day_message(day, ++day->published, &length);
        published_book_apply(&day->book, message, length);
        if (message[0] == 'R')
            day->symbols[load_be16(message + 1)].directory = message;
        else if (message[0] == 'H')
            day->symbols[load_be16(message + 1)].state = message;
    }
}

uint64_t day_published(const struct day *day)
{
    return day->published;
}

const struct day_row *day_book(struct day *day, uint64_t *count)
{
    *count = published_book_export(&day->book, day->rows);
    return (const struct day_row *)day->rows;
}

static uint8_t *put(uint8_t *out, const uint8_t *payload, uint16_t length)
{
    store_be16(out, (uint16_t)(length + 1));
    out[2] = 'S';
    memcpy(out + FRAME_BYTES, payload, length);
    return out + FRAME_BYTES + length;
}

static uint8_t *put_order(uint8_t *out, const struct published_row *row, const struct reference_data *symbol)
{
    uint8_t add[ADD_BYTES] = {'A'};
    store_be16(add + 1, row->symbol);
    store_be64(add + 11, row->reference);
    add[19] = (uint8_t)row->side;
    store_be32(add + 20, row->shares);
    memcpy(add + 24, symbol->directory + 11, 8);
    store_be32(add + 32, row->price);
    return put(out, add, sizeof(add));
}

const uint8_t *day_snapshot(struct day *day, uint64_t *bytes)
{
    uint8_t *out = day->snapshot;
    uint64_t count = published_book_export(&day->book, day->rows);
    char end[END_BYTES + 1];
    memcpy(out, "\0\x1f" "A" "SNAPSHOT  " "                   1", LOGIN_BYTES);
    out += LOGIN_BYTES;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        if (day->symbols[symbol].directory)
            out = put(out, day->symbols[symbol].directory, DIRECTORY_BYTES);
        if (day->symbols[symbol].state)
            out = put(out, day->symbols[symbol].state, STATE_BYTES);
    }
    for (uint64_t i = 0; i < count; i++)
        out = put_order(out, &day->rows[i], &day->symbols[day->rows[i].symbol]);
    snprintf(end, sizeof(end), "G%-20llu", (unsigned long long)day->published + 1);
    out = put(out, (const uint8_t *)end, END_BYTES);
    *bytes = (uint64_t)(out - day->snapshot);
    return day->snapshot;
}
