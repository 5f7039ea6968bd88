/* The field engine: what the next frame of a noise stream has in it.
 *
 * A stream owns one frame. A program of at most FIELD_OPERATIONS_MAX instructions changes it in place before each
 * sending: variables step or are drawn, are written into the frame, cut it, and checksums are mended. Semantics are
 * those of TRex's field engine (trex_rpc_server_spec, "vm"), on one core: a variable's first value is its `init_value`;
 * one that would pass an end goes on from the other end as if the range were a ring; `fix_checksum_hw` works when the
 * program has run, as the network card does. Random values are uniform and drawn from a generator of the stream's own
 * (splitmix64), so that a seed gives the same frames: they are not TRex's.
 *
 * Owner: the exchange loop. field_good() is asked once, before the start; after it nothing can leave the frame. Cost:
 * some ns an instruction; a checksum over a full frame about 150 ns.
 */
#ifndef TRAFFIC_EXCHANGE_FIELD_ENGINE_H
#define TRAFFIC_EXCHANGE_FIELD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FIELD_FRAME_BYTES_MAX = 1518,  /* without the frame check sequence */
    FIELD_FRAME_BYTES_MIN = 60,
    FIELD_OPERATIONS_MAX = 64,
    FIELD_VARIABLES_MAX = 64,
};

enum field_kind {
    FIELD_INC = 0,
    FIELD_DEC = 1,
    FIELD_RANDOM = 2,
    FIELD_TUPLE = 3,     /* `variable` counts up; the one behind it takes a step when that passes its end */
    FIELD_WRITE = 4,
    FIELD_TRIM = 5,      /* the frame is as long as the variable says, until the next one */
    FIELD_IPV4_SUM = 6,  /* header at `offset` */
    FIELD_L4_SUM = 7,    /* IPv4 header at `offset`, `l3_bytes` long, with `protocol` behind it */
    FIELD_KINDS = 8,
};

enum {
    FIELD_PROTOCOL_NONE = 0,  /* the IPv4 header only */
    FIELD_PROTOCOL_TCP = 6,
    FIELD_PROTOCOL_UDP = 17,
};

struct field_variable {
    uint64_t value;      /* what is written */
    uint64_t next;       /* what the next step makes of it */
    uint64_t initial;
    uint64_t min;        /* <= initial <= max */
    uint64_t max;
    uint64_t step;       /* 1 .. max - min + 1 */
    uint64_t count;      /* FIELD_TUPLE: flows since the first */
};

struct field_operation {
    int64_t add;         /* FIELD_WRITE: to the value, before it is cut to `size` */
    uint64_t limit;      /* FIELD_TUPLE: begin again after so many flows; 0: never */
    uint32_t offset;     /* in the frame */
    uint32_t l3_bytes;
    uint16_t variable;
    uint8_t kind;        /* enum field_kind */
    uint8_t size;        /* FIELD_WRITE: 1, 2, 4 or 8 bytes */
    uint8_t big_endian;
    uint8_t protocol;
    uint8_t pad[2];
};
_Static_assert(sizeof(struct field_operation) == 32, "two to a cache line");

struct field_program {
    uint8_t *frame;
    struct field_variable *variables;
    const struct field_operation *operations;
    uint32_t frame_bytes;
    uint32_t variable_count;
    uint32_t operation_count;
    uint32_t cache;           /* after so many frames all begins again; 0: never */
    uint32_t cached;          /* frames since then */
    uint32_t pad;
    uint64_t random;          /* state of the generator ... */
    uint64_t random_initial;  /* ... at the start */
};

/* False when an instruction could reach outside of the frame or the variables, or a variable outside of its range. */
bool field_good(const struct field_program *program);

/* Everything as at the start. */
void field_begin(struct field_program *program);

/* Make the next frame; returns its length. */
uint32_t field_run(struct field_program *program);

#endif
