/* Replay: a journal in, the same C code run again, and the first difference or "equal" out.
 *
 * replay_run() takes an engine that was built from the journal's configuration and has done nothing yet, calls the
 * functions that the recorded steps called, with their times and bytes, and answers what they ask of the wires from
 * the journal. Each output must be the record that comes next, byte for byte; checkpoints and the end record carry the
 * hashes of book, orders and decisions. It stops at the first difference, at the first record that is not as it was
 * written (journal_read.h), or behind message `until`.
 * Owner: the calling thread. Nothing is sent, received or written. The journal's bytes must stay.
 */
#ifndef ENGINE_JOURNAL_REPLAY_H
#define ENGINE_JOURNAL_REPLAY_H

#include "engine/io/packet.h"
#include "engine/io/stream.h"
#include "engine/journal/journal_read.h"

enum { REPLAY_SHOWN_BYTES = 96 };

enum replay_outcome {
    REPLAY_EQUAL = 0,
    REPLAY_DIFFERENT = 1,
    REPLAY_UNREADABLE = 2, /* the journal is damaged or cut off: journal_outcome says how */
    REPLAY_LOSSY = 3,      /* records were lost: what follows cannot be replayed */
    REPLAY_STOPPED = 4,    /* behind `until`; equal so far */
    REPLAY_NO_OBJECT = 5, /* a strategy's shared object is not there, or does not load */
    REPLAY_OUTCOME_COUNT = 6,
};

/* A record as it stands in the journal, or as the replay gave it. */
struct replay_shown {
    uint32_t length;
    uint8_t kind;
    uint8_t flags;
    uint8_t bytes[REPLAY_SHOWN_BYTES]; /* the first of them */
};

struct replay_result {
    uint32_t outcome;         /* enum replay_outcome */
    uint32_t journal_outcome; /* enum journal_outcome */
    uint64_t number;          /* of the record where it ended */
    uint64_t offset;          /* in the file */
    uint64_t time_ns;         /* of the last step */
    uint64_t records;         /* read */
    uint64_t steps;
    uint64_t outputs;         /* compared, and equal */
    uint64_t checkpoints;
    uint64_t orders;          /* handed to the transport */
    uint64_t delivered;
    uint64_t position;        /* next message */
    uint64_t order_hash;
    uint64_t book_hash;
    uint64_t decision_hash;
    uint64_t book_digest;
    uint64_t lost;            /* records, as the journal says */
    struct replay_shown expected; /* of the journal; kind 0 = nothing */
    struct replay_shown given;    /* of the replay; kind 0 = nothing */
};

struct engine;
struct risk_table;
struct journal_inputs;
struct tailgate_parameters;

/* A strategy's shared object that the journal names, where it was found. */
struct replay_object {
    uint32_t generation;
    const char *path;
    const struct tailgate_parameters *parameters;
};

struct replay_options {
    uint64_t until; /* position of the last message; UINT64_MAX: to the end */
    const struct replay_object *objects;
    uint32_t object_count;
};

struct venue_mdp3;

struct replay {
    struct journal journal; /* what the engine's hooks hold */
    struct journal_reader reader;
    struct journal_view next;
    bool has_next;
    bool over;
    const struct replay_options *options;
    struct journal_inputs *inputs;
    struct engine *engine;
    struct venue_mdp3 *mdp3; /* runs instead; NULL: the engine does */
    struct replay_result *result;
};

/* The engine was begun with the journal's configuration and its first table of limits, and has done nothing yet. */
void replay_run(struct engine *engine, struct venue_mdp3 *mdp3, const uint8_t *bytes, uint64_t size,
                const struct replay_options *options, struct replay_result *result);

/* A table of limits, from the pieces that the journal brings ahead of the record that names it. False: it has none. */
bool replay_find_table(const uint8_t *bytes, uint64_t size, uint32_t generation, struct risk_table *table);

const char *replay_outcome_name(uint32_t outcome);

/* For the hooks only (journal_io.c, journal.c, record.c). */
void replay_output(struct replay *replay, uint8_t kind, uint8_t flags, const void *bytes, uint32_t length);
bool replay_send(struct replay *replay, uint8_t which, struct stream *stream, const uint8_t *bytes, uint32_t length);
bool replay_connected(struct replay *replay, uint8_t which, struct stream *stream);
int replay_begin(struct replay *replay, uint8_t which, struct stream *stream);
uint32_t replay_receive(struct replay *replay, uint8_t which, struct stream *stream, uint8_t *bytes,
                        uint32_t capacity);
uint32_t replay_replies(struct replay *replay, struct packet *packets);
void replay_inputs(struct replay *replay, uint64_t now_ns);
void replay_call(struct replay *replay);
bool replay_was_slow(struct replay *replay, uint32_t cause, uint64_t *detail);

#endif
