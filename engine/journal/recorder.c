#include "engine/journal/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/journal/record.h"
#include "engine/journal/journal_inputs.h"
#include "engine/journal/journal_table.h"
#include "engine/journal/record_mdp3.h"

enum { TABLE_PIECE_BYTES = 61440, FINISH_ROOM_BYTES = 4096, FINISH_LOOK_NS = 1000000 };

struct recorder {
    struct journal journal;
    struct journal_inputs inputs;
    struct journal_drain drain;
    void *ring;
    uint64_t ring_bytes;
    struct venue_mdp3 *mdp3;
    bool finished;
};

static void *map_ring(uint64_t bytes)
{
    void *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        return NULL;
    madvise(ring, bytes, MADV_HUGEPAGE);
    if (madvise(ring, bytes, MADV_POPULATE_WRITE))
        memset(ring, 0, bytes);
    return ring;
}

struct recorder *recorder_open(struct engine *engine, const struct recorder_options *options, char *error,
                               uint32_t error_bytes)
{
    size_t size = (sizeof(struct recorder) + 63) / 64 * 64;
    struct recorder *recorder = aligned_alloc(64, size);
    if (recorder) {
        memset(recorder, 0, size);
        recorder->ring_bytes = options->ring_bytes;
        recorder->ring = map_ring(options->ring_bytes);
    }
    uint64_t above = options->above < options->ring_bytes / 2 ? options->above : options->ring_bytes / 2;
    int result = recorder && recorder->ring ? 0 : -ENOMEM;
    if (!result)
        result = journal_init(&recorder->journal, recorder->ring, options->ring_bytes);
    if (!result)
        result = journal_drain_start(&recorder->drain, &recorder->journal, options->path, options->cpu, above);
    if (result) {
        snprintf(error, error_bytes, "journal %s: %s", options->path, strerror(-result));
        recorder_close(recorder);
        return NULL;
    }
    engine->journal = engine->session.journal = &recorder->journal;
    recorder->journal.inputs = &recorder->inputs;
    recorder->mdp3 = options->mdp3;
    if (recorder->mdp3)
        recorder->mdp3->journal = &recorder->journal;
    journal_inputs_begin(engine, &recorder->inputs);
    record_begin(engine, options->config);
    journal_drain_all(&recorder->drain); /* the configuration stands first */
    if (engine->risk.table && !recorder_note_table(recorder, engine->risk.table)) {
        snprintf(error, error_bytes, "journal %s: %s", options->path, strerror(recorder->drain.failure));
        recorder_close(recorder);
        engine->journal = engine->session.journal = NULL;
        journal_inputs_end(engine);
        return NULL;
    }
    return recorder;
}

bool recorder_note(struct recorder *recorder, uint8_t kind, const void *bytes, uint32_t length)
{
    return journal_drain_note(&recorder->drain, kind, (uint64_t)clock_monotonic_ns(), NULL, 0, bytes, length);
}

bool recorder_note_table(struct recorder *recorder, const struct risk_table *table)
{
    struct journal_piece piece = {.generation = table->rules.head.generation};
    struct risk_table *work = aligned_alloc(64, sizeof(*work));
    uint8_t *packed = malloc(JOURNAL_TABLE_BYTES_MAX);
    bool noted = work && packed;
    piece.total = noted ? journal_table_pack(table, work, packed) : 0;
    while (noted && piece.offset < piece.total) {
        const uint32_t left = piece.total - piece.offset;
        const uint32_t length = left < TABLE_PIECE_BYTES ? left : TABLE_PIECE_BYTES;
        noted = journal_drain_note(&recorder->drain, JOURNAL_TABLE_BYTES, (uint64_t)clock_monotonic_ns(), &piece,
                                   sizeof(piece), packed + piece.offset, length);
        piece.offset += length;
    }
    free(work);
    free(packed);
    return noted;
}

/* The last record must not be the one that is lost: the drain thread is given time to make room. */
static void wait_for_room(struct journal *journal)
{
    const struct timespec look = {0, FINISH_LOOK_NS};
    while (journal->head - atomic_load_explicit(&journal->tail, memory_order_acquire) + FINISH_ROOM_BYTES >
           journal->mask + 1)
        nanosleep(&look, NULL);
}

void recorder_finish(struct recorder *recorder, struct engine *engine, uint64_t now_ns)
{
    if (recorder->finished)
        return;
    recorder->finished = true;
    journal_publish(&recorder->journal);
    uint64_t waiting = recorder->journal.head - atomic_load_explicit(&recorder->journal.tail, memory_order_relaxed);
    if (waiting > recorder->journal.high_water)
        recorder->journal.high_water = waiting;
    wait_for_room(&recorder->journal);
    if (recorder->mdp3)
        record_mdp3_end(recorder->mdp3, now_ns);
    else
        record_end(engine, now_ns);
    journal_drain_stop(&recorder->drain);
    engine->journal = engine->session.journal = NULL;
    if (recorder->mdp3)
        recorder->mdp3->journal = NULL;
    journal_inputs_end(engine);
}

void recorder_statistics(const struct recorder *recorder, struct recorder_statistics *statistics)
{
    *statistics = (struct recorder_statistics){
        .records = recorder->journal.records + recorder->drain.noted,
        .bytes = recorder->drain.written,
        .lost = recorder->journal.lost,
        .high_water = recorder->journal.high_water,
        .ring_bytes = recorder->ring_bytes,
        .failure = (uint64_t)recorder->drain.failure,
    };
}

void recorder_close(struct recorder *recorder)
{
    if (!recorder)
        return;
    journal_drain_stop(&recorder->drain);
    if (recorder->ring)
        munmap(recorder->ring, recorder->ring_bytes);
    free(recorder);
}
