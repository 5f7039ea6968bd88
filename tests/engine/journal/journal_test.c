/* The journal's ring, file and checks in C: full, wrapping, lost, and two threads at once (thread sanitizer builds). */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/journal/journal_drain.h"
#include "engine/journal/journal_read.h"
#include "tests/engine/check.h"

enum { RING = JOURNAL_RING_BYTES_MIN, STRESS_RING = 1 << 23, STRESS_RECORDS = 400000, STRESS_LENGTH_MAX = 3000 };

static _Alignas(64) uint8_t ring[RING], stress_ring[STRESS_RING];
static struct journal journal;
static struct journal_drain drain;

static void check_value_of_the_standard(void)
{
    CHECK_EQUAL(journal_crc(0, "123456789", 9), 0xe3069283);
    CHECK_EQUAL(journal_crc(journal_crc(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void memory_that_is_no_ring_is_refused(void)
{
    CHECK(journal_init(&journal, ring, RING - 8) != 0);
    CHECK(journal_init(&journal, ring, RING / 2) != 0);
    CHECK(journal_init(&journal, ring + 1, RING) != 0);
    CHECK(journal_init(&journal, ring, RING) == 0);
}

/* Reads everything that waits; the sum of the lengths. */
static uint64_t take_all(uint64_t *records)
{
    uint64_t tail = atomic_load(&journal.tail), bytes_sum = 0;
    uint32_t bytes, skipped;
    const uint8_t *at;
    while ((at = journal_waiting(&journal, tail, &bytes, &skipped)) != NULL) {
        tail += skipped + bytes;
        bytes_sum += bytes;
        ++*records;
        atomic_store(&journal.tail, tail);
    }
    return bytes_sum;
}

static void a_full_ring_drops_whole_records_counts_them_and_says_so_later(void)
{
    static const uint8_t bytes[1000];
    uint64_t records = 0, told = 0;
    CHECK(journal_init(&journal, ring, RING) == 0);
    for (uint32_t i = 0; i < 1000; i++)
        journal_append(&journal, JOURNAL_DATAGRAM, 0, i, bytes, sizeof(bytes));
    journal_publish(&journal);
    uint64_t written = journal.records, lost = journal.lost;
    CHECK(lost > 0);
    CHECK_EQUAL(written + lost, 1000);
    CHECK(journal_reserve(&journal, JOURNAL_TIMER, 0, 0, 0) == NULL || journal.head <= RING);
    lost = journal.lost;
    take_all(&records);
    CHECK_EQUAL(records, journal.records);

    journal_append(&journal, JOURNAL_TIMER, 0, 7, NULL, 0);
    journal_publish(&journal);
    uint32_t size, skipped;
    struct journal_record record;
    const uint8_t *at = journal_waiting(&journal, atomic_load(&journal.tail), &size, &skipped);
    CHECK(at != NULL);
    memcpy(&record, at, sizeof(record));
    memcpy(&told, at + sizeof(record), sizeof(told));
    CHECK_EQUAL(record.kind, JOURNAL_LOST);
    CHECK_EQUAL(told, lost);
    at = journal_waiting(&journal, atomic_load(&journal.tail) + skipped + size, &size, &skipped);
    CHECK(at != NULL);
    memcpy(&record, at, sizeof(record));
    CHECK_EQUAL(record.kind, JOURNAL_TIMER);
    CHECK_EQUAL(journal.lost, lost);
}

static void what_is_not_published_does_not_wait(void)
{
    uint64_t records = 0;
    CHECK(journal_init(&journal, ring, RING) == 0);
    journal_append(&journal, JOURNAL_TIMER, 0, 1, NULL, 0);
    take_all(&records);
    CHECK_EQUAL(records, 0);
    journal_publish(&journal);
    take_all(&records);
    CHECK_EQUAL(records, 1);
}

static void every_length_fits_at_every_place(void)
{
    static const uint8_t bytes[JOURNAL_LENGTH_MAX];
    uint64_t records = 0;
    CHECK(journal_init(&journal, ring, RING) == 0);
    for (uint32_t i = 0; i < 20000; i++) {
        journal_append(&journal, JOURNAL_DATAGRAM, 0, i, bytes, (i * 7919u) % 3001u);
        journal_publish(&journal);
        take_all(&records);
    }
    CHECK_EQUAL(journal.lost, 0);
    CHECK_EQUAL(records, 20000);
}

static void too_long_a_record_is_refused(void)
{
    CHECK(journal_init(&journal, ring, RING) == 0);
    CHECK(journal_reserve_slowly(&journal, JOURNAL_DATAGRAM, 0, 0, JOURNAL_LENGTH_MAX + 1) == NULL);
}

/* ---- two threads, one file ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(uint8_t *bytes, uint64_t number, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(number * 31 + i);
}

static uint8_t *read_file(const char *path, uint64_t *size)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    *size = (uint64_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    CHECK_EQUAL(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void verify_stress(const char *path)
{
    uint64_t size, number = 0, seen = 0, lost = 0, told;
    uint8_t expected[STRESS_LENGTH_MAX];
    uint8_t *bytes = read_file(path, &size);
    struct journal_reader reader;
    struct journal_view view;
    CHECK_EQUAL(journal_read_open(&reader, bytes, size), JOURNAL_READ_RECORD);
    while (journal_read_next(&reader, &view) == JOURNAL_READ_RECORD) {
        if (view.kind == JOURNAL_LOST) {
            memcpy(&told, view.bytes, sizeof(told));
            lost += told;
        } else if (view.kind == JOURNAL_DATAGRAM) {
            CHECK(view.time_ns >= number); /* in order; what is missing was lost */
            number = view.time_ns + 1;
            fill(expected, view.time_ns, view.length);
            CHECK(memcmp(expected, view.bytes, view.length) == 0);
            seen++;
        }
    }
    CHECK_EQUAL(reader.outcome, JOURNAL_READ_DONE);
    CHECK_EQUAL(seen + lost, STRESS_RECORDS);
    CHECK_EQUAL(lost, journal.lost);
    free(bytes);
}

static void two_threads_write_a_file_in_which_all_is_there_or_counted(void)
{
    char path[] = "/tmp/journal_test.XXXXXX";
    uint8_t bytes[STRESS_LENGTH_MAX];
    uint32_t random = 1;
    int file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    CHECK(journal_init(&journal, stress_ring, STRESS_RING) == 0);
    CHECK(journal_drain_start(&drain, &journal, path, -1, 0) == 0);
    for (uint64_t number = 0; number < STRESS_RECORDS; number++) {
        uint32_t length = next_random(&random) % (number % 64 == 0 ? STRESS_LENGTH_MAX : 100);
        fill(bytes, number, length);
        journal_append(&journal, JOURNAL_DATAGRAM, 0, number, bytes, length);
        if (number % 3 == 0)
            journal_publish(&journal);
        if (number % 5000 == 4999)
            usleep(1000);
    }
    journal_publish(&journal);
    while (atomic_load(&journal.tail) != journal.head)
        usleep(1000);
    journal_append(&journal, JOURNAL_END, 0, 0, NULL, 0);
    journal_publish(&journal);
    journal_drain_stop(&drain);
    CHECK_EQUAL(drain.failure, 0);
    verify_stress(path);
    unlink(path);
}

static void a_file_that_cannot_be_made_is_an_error_and_a_full_disk_is_counted(void)
{
    CHECK(journal_init(&journal, ring, RING) == 0);
    CHECK(journal_drain_start(&drain, &journal, "/nonexistent/journal", -1, 0) != 0);
    CHECK(!drain.running);
    CHECK(journal_drain_start(&drain, &journal, "/dev/full", -1, 0) != 0);
}

int main(void)
{
    RUN(check_value_of_the_standard);
    RUN(memory_that_is_no_ring_is_refused);
    RUN(a_full_ring_drops_whole_records_counts_them_and_says_so_later);
    RUN(what_is_not_published_does_not_wait);
    RUN(every_length_fits_at_every_place);
    RUN(too_long_a_record_is_refused);
    RUN(two_threads_write_a_file_in_which_all_is_there_or_counted);
    RUN(a_file_that_cannot_be_made_is_an_error_and_a_full_disk_is_counted);
    return check_result();
}
