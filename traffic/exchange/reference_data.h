/* The day's reference messages, found ahead of time: what a snapshot says of symbols before it comes to orders.
 *
 * For every system event, stock directory, trading action, Reg SHO and operational halt message of the arena: where
 * it is, and where the next one of the same subject (event code, or kind and stock locate) is. A message is the last
 * known of its subject at a moment when it has been published and the next one has not. So nothing has to be kept up
 * to date in the run. Stock names by locate come from every message that has both.
 *
 * Owner: who prepares; read-only afterwards. One pass over the arena. Messages shorter than their type are left out.
 */
#ifndef TRAFFIC_EXCHANGE_REFERENCE_DATA_H
#define TRAFFIC_EXCHANGE_REFERENCE_DATA_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REFERENCE_KINDS = 5,         /* in the order of a snapshot */
    REFERENCE_LOCATES = 65536,
};
#define REFERENCE_TYPES "SRHYh"

struct reference_entry {
    uint64_t offset;             /* of the block in the arena */
    uint64_t next_offset;        /* of the next one of its subject; UINT64_MAX: none */
};

struct reference_data {
    struct reference_entry *entries[REFERENCE_KINDS];
    uint64_t counts[REFERENCE_KINDS];
    uint8_t (*names)[8];         /* by locate; all 0 for an unknown one */
};

/* For so many messages of these types. */
uint64_t reference_data_bytes(uint64_t messages);

/* `memory`: reference_data_bytes() of zeroes for at least as many as there are. `work`: zeroed room for
 * REFERENCE_KINDS * REFERENCE_LOCATES entry numbers, not needed afterwards. */
void reference_data_init(struct reference_data *data, const uint8_t *arena, uint64_t size, void *memory,
                         uint32_t *work);

/* Whether the entry is the last known of its subject when the arena is published up to `end`. */
static inline bool reference_entry_holds(const struct reference_entry *entry, uint64_t end) {
    return entry->offset < end && entry->next_offset >= end;
}

#endif
