#include "engine/journal/journal_drain.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void write_block(struct journal_drain *drain)
{
    uint32_t done = 0;
    while (done < drain->filled && !drain->failure) {
        ssize_t count = write(drain->file, drain->block + done, drain->filled - done);
        if (count < 0 && errno != EINTR)
            drain->failure = errno;
        done += count > 0 ? (uint32_t)count : 0;
    }
    drain->written += done;
    drain->filled = 0;
}

/* The ring's record as the file has it: zeros behind its bytes, and its check. */
static void copy_record(struct journal_drain *drain, const uint8_t *from, uint32_t bytes)
{
    struct journal_record record;
    if (bytes > DRAIN_BLOCK_BYTES - drain->filled)
        write_block(drain);
    uint8_t *to = drain->block + drain->filled;
    memcpy(&record, from, sizeof(record));
    memcpy(to, from, sizeof(record) + record.length);
    memset(to + sizeof(record) + record.length, 0, bytes - sizeof(record) - record.length);
    record.check = journal_crc(drain->check, to + sizeof(record.check), bytes - (uint32_t)sizeof(record.check));
    memcpy(to, &record.check, sizeof(record.check));
    drain->check = record.check;
    drain->filled += bytes;
    drain->records++;
}

static void drain_all(struct journal_drain *drain)
{
    struct journal *journal = drain->journal;
    uint64_t tail = atomic_load_explicit(&journal->tail, memory_order_relaxed);
    const uint8_t *record;
    uint32_t bytes, skipped;
    while ((record = journal_waiting(journal, tail, &bytes, &skipped)) != NULL) {
        copy_record(drain, record, bytes);
        tail += skipped + bytes;
        atomic_store_explicit(&journal->tail, tail, memory_order_release);
    }
    write_block(drain);
}

void journal_drain_all(struct journal_drain *drain)
{
    pthread_mutex_lock(&drain->turn);
    drain_all(drain);
    pthread_mutex_unlock(&drain->turn);
}

bool journal_drain_note(struct journal_drain *drain, uint8_t kind, uint64_t time_ns, const void *head,
                        uint32_t head_length, const void *bytes, uint32_t length)
{
    const struct journal_record record = {0, (uint16_t)(head_length + length), kind, 0, time_ns};
    uint8_t *place = malloc(sizeof(record) + record.length);
    if (!place || !drain->running || head_length + length > JOURNAL_LENGTH_MAX) {
        free(place);
        return false;
    }
    memcpy(place, &record, sizeof(record));
    memcpy(place + sizeof(record), head, head_length);
    memcpy(place + sizeof(record) + head_length, bytes, length);
    pthread_mutex_lock(&drain->turn);
    copy_record(drain, place, (uint32_t)sizeof(record) + journal_padded(record.length));
    drain->noted++;
    write_block(drain);
    bool written = drain->failure == 0;
    pthread_mutex_unlock(&drain->turn);
    free(place);
    return written;
}

static void *drain_thread(void *context)
{
    struct journal_drain *drain = context;
    const struct timespec sleep = {0, DRAIN_SLEEP_NS};
    cpu_set_t set;
    CPU_ZERO(&set);
    if (drain->cpu >= 0) {
        CPU_SET((unsigned)drain->cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set); /* a place to be, not a condition */
    }
    while (!atomic_load_explicit(&drain->stop, memory_order_acquire)) {
        uint64_t waiting = atomic_load_explicit(&drain->journal->published, memory_order_acquire) -
                           atomic_load_explicit(&drain->journal->tail, memory_order_relaxed);
        if (waiting > drain->above)
            journal_drain_all(drain);
        nanosleep(&sleep, NULL);
    }
    journal_drain_all(drain);
    return NULL;
}

static void begin_file(struct journal_drain *drain)
{
    struct timespec monotonic, realtime;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &realtime);
    struct journal_header header = {
        .magic = JOURNAL_MAGIC,
        .version = JOURNAL_VERSION,
        .bytes = sizeof(header),
        .monotonic_ns = (int64_t)monotonic.tv_sec * 1000000000 + monotonic.tv_nsec,
        .realtime_ns = (int64_t)realtime.tv_sec * 1000000000 + realtime.tv_nsec,
    };
    header.check = journal_crc(0, &header, offsetof(struct journal_header, check));
    drain->check = header.check;
    memcpy(drain->block, &header, sizeof(header));
    drain->filled = sizeof(header);
    write_block(drain);
}

int journal_drain_start(struct journal_drain *drain, struct journal *journal, const char *path, int cpu,
                        uint64_t above)
{
    memset(drain, 0, sizeof(*drain));
    drain->journal = journal;
    drain->cpu = cpu;
    drain->above = above;
    pthread_mutex_init(&drain->turn, NULL);
    drain->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (drain->file < 0)
        return -errno;
    begin_file(drain);
    int result = drain->failure ? -drain->failure : -pthread_create(&drain->thread, NULL, drain_thread, drain);
    drain->running = result == 0;
    if (result)
        close(drain->file);
    return result;
}

void journal_drain_stop(struct journal_drain *drain)
{
    if (!drain->running)
        return;
    atomic_store_explicit(&drain->stop, true, memory_order_release);
    pthread_join(drain->thread, NULL);
    if (close(drain->file) && !drain->failure)
        drain->failure = errno;
    drain->running = false;
}
