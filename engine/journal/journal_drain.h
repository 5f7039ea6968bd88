/* The drain thread: takes records out of the ring, adds their checks and writes them to a file, block by block.
 *
 * It looks every DRAIN_SLEEP_NS and writes when more than `above` bytes wait, everything once it is told to stop. A
 * host with a core to spare drains all the time (above 0); on two cores, both busy, a ring that holds the whole run
 * keeps the thread asleep until the run is over, so that it takes no time from anybody.
 * What a control thread brings (a table of limits, the name of an object) is written by that thread, between two looks.
 * A write that fails is counted and ends the file there: the journal has no end record and says so by that.
 * Owner of everything here but `stop`: the drain thread.
 */
#ifndef ENGINE_JOURNAL_JOURNAL_DRAIN_H
#define ENGINE_JOURNAL_JOURNAL_DRAIN_H

#include <pthread.h>

#include "engine/journal/journal.h"

enum { DRAIN_BLOCK_BYTES = 1 << 20, DRAIN_SLEEP_NS = 20 * 1000 * 1000 };

struct journal_drain {
    struct journal *journal;
    int file;
    int cpu;            /* -1: wherever */
    uint64_t above;     /* bytes that may wait */
    uint32_t check;     /* of the record before */
    uint32_t filled;    /* bytes in block */
    uint64_t written;   /* bytes, header included */
    uint64_t records;
    uint64_t noted;     /* of these, other threads' */
    int failure;        /* errno of the first write that failed */
    bool running;
    pthread_t thread;
    _Atomic bool stop;
    pthread_mutex_t turn;  /* whoever writes: the thread, or a control thread with something of its own */
    uint8_t block[DRAIN_BLOCK_BYTES];
};

/* Creates the file, writes the header, starts the thread. 0 or -errno. */
int journal_drain_start(struct journal_drain *drain, struct journal *journal, const char *path, int cpu,
                        uint64_t above);

/* A record of another thread's, written at once, behind whatever was written so far. False: the write failed, or the
 * thread is not running. length <= JOURNAL_LENGTH_MAX. */
bool journal_drain_note(struct journal_drain *drain, uint8_t kind, uint64_t time_ns, const void *head,
                        uint32_t head_length, const void *bytes, uint32_t length);

/* Writes all that was published, ends the thread and closes the file. */
void journal_drain_stop(struct journal_drain *drain);

/* One look, for tests that have no thread: everything that waits. */
void journal_drain_all(struct journal_drain *drain);

#endif
