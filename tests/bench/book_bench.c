/* Cost of one market-data message, decode alone and decode with book: ns per message over an ITCH file.
 *
 * Usage: book_bench FILE [ROUNDS [SKIP]]     FILE: u16-length framed ITCH 5.0, not compressed
 *
 * The file is read into memory first. Each round starts with an empty book, applies SKIP messages untimed (to fill
 * the book: its steady depth is what a trading day has) and times the rest. Every round is printed, then the best:
 * on a shared host the slower rounds measure the host. Memory is asked for in huge pages, as the engine's is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/book/book.h"
#include "engine/feed/bytes.h"
#include "engine/feed/itch50.h"

struct stream {
    const uint8_t *bytes;
    size_t size;
    size_t timed_offset; /* first timed message */
    uint64_t timed_count;
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *map_huge(size_t size)
{
    size_t huge = (size_t)2 << 20;

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

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(66);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = map_huge(*size + 1);

    if (fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(66);
    }
    fclose(file);
    return bytes;
}

/* Next message, or 0 at the end (a zero length ends a file too). */
static uint16_t next_message(const struct stream *stream, size_t *offset, const uint8_t **message)
{
    if (stream->size - *offset < 2)
        return 0;
    uint16_t length = bytes_load_u16(stream->bytes + *offset);

    if (length > stream->size - *offset - 2)
        return 0;
    *message = stream->bytes + *offset + 2;
    *offset += 2u + length;
    return length;
}

static void split(struct stream *stream, uint64_t skip)
{
    const uint8_t *message;
    size_t offset = 0;

    for (uint64_t count = 0; next_message(stream, &offset, &message) != 0; count++) {
        if (count + 1 == skip)
            stream->timed_offset = offset;
        stream->timed_count += count >= skip;
    }
}

static double decode_round(const struct stream *stream, uint64_t *checksum)
{
    struct itch50 itch = {0};
    struct event event;
    const uint8_t *message;
    uint16_t length;
    size_t offset = stream->timed_offset;
    uint64_t start_ns = now_ns();

    while ((length = next_message(stream, &offset, &message)) != 0) {
        if (itch50_take(&itch, message, length, &event))
            *checksum += event.order_reference + event.shares;
    }
    return (double)(now_ns() - start_ns) / (double)stream->timed_count;
}

static double book_round(const struct stream *stream, const struct book_options *options, struct book *book,
                         void *memory, size_t size, uint64_t *checksum)
{
    struct itch50 itch = {0};
    struct event event;
    const uint8_t *message;
    uint16_t length;
    size_t offset = 0;

    if (book_init(book, options, memory, size) != 0)
        exit(70);
    while (offset < stream->timed_offset && (length = next_message(stream, &offset, &message)) != 0) {
        if (itch50_take(&itch, message, length, &event))
            book_apply(book, &event);
    }
    uint64_t start_ns = now_ns();

    while ((length = next_message(stream, &offset, &message)) != 0) {
        if (itch50_take(&itch, message, length, &event)) {
            book_apply(book, &event);
            *checksum += book_top(book, event.symbol)->bid_price; /* as a strategy would read it */
        }
    }
    return (double)(now_ns() - start_ns) / (double)stream->timed_count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: book_bench FILE [ROUNDS [SKIP]]\n");
        return 64;
    }
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    struct stream stream = {0};
    struct book_options options;
    struct book book;
    uint64_t checksum = 0;
    double decode_best = 1e9, book_best = 1e9;

    stream.bytes = read_file(argv[1], &stream.size);
    split(&stream, argc > 3 ? strtoull(argv[3], NULL, 10) : 0);
    book_options_default(&options);
    size_t size = book_memory_size(&options);
    void *memory = map_huge(size);

    if (stream.timed_count == 0) {
        fprintf(stderr, "%s: no message to time\n", argv[1]);
        return 66;
    }
    for (int round = 0; round < rounds; round++) {
        double decode = decode_round(&stream, &checksum);
        double both = book_round(&stream, &options, &book, memory, size, &checksum);

        printf("round %d: decode %.1f ns/message, decode+apply %.1f ns/message\n", round, decode, both);
        decode_best = decode < decode_best ? decode : decode_best;
        book_best = both < book_best ? both : book_best;
    }
    printf("best of %d rounds of %llu messages: decode %.1f ns, decode+apply %.1f ns (checksum %llx)\n", rounds,
           (unsigned long long)stream.timed_count, decode_best, book_best, (unsigned long long)checksum);
    printf("book at the end: %u orders (max %u), %u levels (max %u), %u blocks, complete %d, unknown references %llu\n",
           book.order_count, book.statistics.order_count_max, book.level_count, book.statistics.level_count_max,
           book.block_count, book.complete,
           (unsigned long long)book.statistics.outcomes[BOOK_UNKNOWN_REFERENCE]);
    return 0;
}
