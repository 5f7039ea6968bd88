/* Cost of a market-data message in the decoder, in the book, and in the book with the look ahead, over an ITCH file.
 *
 * Usage: book_bench FILE STRETCH [ROUNDS]     FILE: u16-length framed ITCH 5.0, not compressed
 *
 * The file is read into memory first; memory is asked for in huge pages, as the engine's is. Each round starts with
 * an empty book. What is timed is, for every message, what the engine does: decode, apply, read both best prices.
 * The clock is read once per STRETCH messages, and printed is the least time that each stretch took in any round: a
 * stretch is short enough to be left alone by the host now and then, the file is not. book_bench.py makes the file,
 * calls this, and compares.
 *
 * Output, a line each: WAY and the ns of every stretch, for the ways decode, apply, ahead; "top" and a symbol's best
 * prices and shares, for every symbol that has any; "end" and orders, levels, messages, the book's digest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/book/book.h"
#include "engine/book/book_ahead.h"
#include "engine/feed/bytes.h"
#include "engine/feed/itch50.h"

enum { STRETCH_COUNT_MAX = 1 << 16 };

enum way { DECODE, APPLY, AHEAD, WAY_COUNT };

static const char *const way_names[WAY_COUNT] = {"decode", "apply", "ahead"};

struct bench {
    const uint8_t *bytes, *end;
    uint32_t stretch_messages, stretch_count;
    uint64_t message_count;
    struct book_options options;
    struct book book;
    void *memory;
    size_t memory_size;
    uint64_t best_ns[WAY_COUNT][STRETCH_COUNT_MAX];
    uint64_t checksum;
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *map_huge(size_t size)
{
    const size_t huge = (size_t)2 << 20;

    size = (size + huge - 1) / huge * huge;
    char *memory = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(69);
    }
    memory += huge - (uintptr_t)memory % huge;
    madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 0, size);
    return memory;
}

static void read_file(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(66);
    }
    size_t size = (size_t)ftell(file);
    uint8_t *bytes = map_huge(size + 1);

    rewind(file);
    if (fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(66);
    }
    fclose(file);
    bench->bytes = bytes;
    bench->end = bytes + size;
}

/* A message and where the next one begins, NULL at the end. */
static inline const uint8_t *next_message(const uint8_t *cursor, const uint8_t *end, uint16_t *length)
{
    if (end - cursor < 2)
        return NULL;
    *length = bytes_load_u16(cursor);
    return *length <= end - cursor - 2 ? cursor + 2 + *length : NULL;
}

/* One message; false at the end of the file. The way is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) bool step(struct bench *bench, struct itch50 *itch, const uint8_t **cursor,
                                                       enum way way)
{
    struct event event;
    uint16_t length;
    const uint8_t *message = *cursor + 2, *next = next_message(*cursor, bench->end, &length);

    if (next == NULL)
        return false;
    *cursor = next;
    if (!itch50_take(itch, message, length, &event))
        return true;
    if (way == DECODE) {
        bench->checksum += event.order_reference + event.shares;
    } else {
        book_apply(&bench->book, &event);
        const struct book_top *top = book_top(&bench->book, event.symbol); /* as a strategy would read it */

        bench->checksum += top->bid_price + top->ask_price;
    }
    return true;
}

static inline __attribute__((always_inline)) void pass(struct bench *bench, enum way way)
{
    struct itch50 itch = {0};
    struct book_ahead ahead;
    const uint8_t *cursor = bench->bytes;

    if (book_init(&bench->book, &bench->options, bench->memory, bench->memory_size) != 0)
        exit(70);
    book_ahead_start(&ahead, &bench->book, bench->bytes, bench->end);
    for (uint32_t stretch = 0; stretch < bench->stretch_count; stretch++) {
        uint64_t start_ns = now_ns();

        for (uint32_t message = 0; message < bench->stretch_messages; message += BOOK_AHEAD_BATCH) {
            if (way == AHEAD)
                book_ahead_next(&ahead, &bench->book);
#pragma GCC unroll 4
            for (unsigned batch = 0; batch < BOOK_AHEAD_BATCH; batch++) {
                if (!step(bench, &itch, &cursor, way))
                    break;
            }
        }
        uint64_t taken_ns = now_ns() - start_ns;

        if (taken_ns < bench->best_ns[way][stretch])
            bench->best_ns[way][stretch] = taken_ns;
    }
}

static void count_messages(struct bench *bench)
{
    const uint8_t *cursor = bench->bytes;
    uint16_t length;

    while (cursor != NULL && (cursor = next_message(cursor, bench->end, &length)) != NULL)
        bench->message_count++;
    bench->stretch_count =
        (uint32_t)((bench->message_count + bench->stretch_messages - 1) / bench->stretch_messages);
    if (bench->stretch_count == 0 || bench->stretch_count > STRETCH_COUNT_MAX) {
        fprintf(stderr, "%llu messages make no 1 to %d stretches\n", (unsigned long long)bench->message_count,
                STRETCH_COUNT_MAX);
        exit(65);
    }
}

static void print_results(const struct bench *bench)
{
    for (int way = DECODE; way < WAY_COUNT; way++) {
        printf("%s", way_names[way]);
        for (uint32_t stretch = 0; stretch < bench->stretch_count; stretch++)
            printf(" %llu", (unsigned long long)bench->best_ns[way][stretch]);
        printf("\n");
    }
    for (uint32_t symbol = 0; symbol < bench->book.symbol_count; symbol++) {
        const struct book_top *top = book_top(&bench->book, (uint16_t)symbol);

        if (top->bid_price != 0 || top->ask_price != 0)
            printf("top %u %u %u %u %u\n", symbol, top->bid_price, top->ask_price, top->bid_shares, top->ask_shares);
    }
    printf("end %u %u %llu %016llx\n", bench->book.order_count, bench->book.level_count,
           (unsigned long long)bench->message_count, (unsigned long long)book_digest(&bench->book));
    fprintf(stderr, "checksum %llx\n", (unsigned long long)bench->checksum);
}

int main(int argc, char **argv)
{
    static struct bench bench;

    if (argc < 3 || atoi(argv[2]) <= 0 || atoi(argv[2]) % BOOK_AHEAD_BATCH != 0) {
        fprintf(stderr, "usage: book_bench FILE STRETCH [ROUNDS]     STRETCH: messages, a multiple of 4\n");
        return 64;
    }
    bench.stretch_messages = (uint32_t)atoi(argv[2]);
    memset(bench.best_ns, 0xFF, sizeof(bench.best_ns));
    read_file(&bench, argv[1]);
    count_messages(&bench);
    book_options_default(&bench.options);
    bench.memory_size = book_memory_size(&bench.options);
    bench.memory = map_huge(bench.memory_size);
    for (int round = argc > 3 ? atoi(argv[3]) : 1; round > 0; round--) {
        pass(&bench, DECODE);
        pass(&bench, APPLY);
        pass(&bench, AHEAD);
    }
    print_results(&bench);
    return 0;
}
