/* Everything around the journal that is not hot: the ring's memory, the file, the drain thread's life. */
#ifndef ENGINE_JOURNAL_RECORDER_H
#define ENGINE_JOURNAL_RECORDER_H

#include "engine/engine.h"
#include "engine/journal/journal_drain.h"
#include "engine/venue_mdp3.h"

struct recorder_options {
    const char *path;    /* NULL: no journal */
    const char *config;  /* JSON, the first record */
    uint64_t ring_bytes; /* power of two */
    uint64_t above;      /* bytes that may wait before the drain thread writes; at most half of the ring */
    int cpu;             /* of the drain thread; -1: wherever */
    struct venue_mdp3 *mdp3; /* runs instead of the engine; NULL: the engine does */
};

struct recorder_statistics {
    uint64_t records;
    uint64_t bytes;      /* of the file */
    uint64_t lost;       /* records that found the ring full */
    uint64_t high_water; /* bytes waiting in the ring */
    uint64_t ring_bytes;
    uint64_t failure;    /* errno of a write, else 0 */
};

struct recorder;

/* Memory touched, file begun, thread started, hooks set. NULL on error, with a sentence in `error`. */
struct recorder *recorder_open(struct engine *engine, const struct recorder_options *options, char *error,
                               uint32_t error_bytes);

/* The engine has stopped: the last record, and the file is complete. Once; later calls do nothing. */
void recorder_finish(struct recorder *recorder, struct engine *engine, uint64_t now_ns);

/* From a control thread, ahead of what it does: a record of its own; a table of limits. */
bool recorder_note(struct recorder *recorder, uint8_t kind, const void *bytes, uint32_t length);
bool recorder_note_table(struct recorder *recorder, const struct risk_table *table);

void recorder_statistics(const struct recorder *recorder, struct recorder_statistics *statistics);
void recorder_close(struct recorder *recorder);

#endif
