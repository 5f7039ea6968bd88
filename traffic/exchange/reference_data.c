/* The day's reference messages. Essay: reference_data.h. */
#include "traffic/exchange/reference_data.h"

#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

static const char types[] = REFERENCE_TYPES;

uint64_t reference_data_bytes(uint64_t messages) {
    return REFERENCE_LOCATES * 8 + messages * sizeof(struct reference_entry);
}

/* Index in REFERENCE_TYPES, or REFERENCE_KINDS. */
static uint32_t kind_of(const uint8_t *message, uint32_t length) {
    const char *found = length < ITCH50_HEAD_BYTES || length < itch50_length(message[0]) || message[0] == 0
                            ? NULL
                            : strchr(types, message[0]);
    return found ? (uint32_t)(found - types) : REFERENCE_KINDS;
}

/* Where the message has its stock, 0 for nowhere. */
static uint32_t stock_offset(const uint8_t *message, uint32_t length) {
    if (length < itch50_length(message[0]))
        return 0;
    switch (message[0]) {
    case 'R': case 'H': case 'Y': case 'h':
        return 11;
    case 'A': case 'F': case 'P':
        return 24;
    default:
        return 0;
    }
}

static void note_entry(struct reference_data *data, uint32_t kind, uint32_t subject, uint64_t offset,
                       uint32_t *last) {
    struct reference_entry *entries = data->entries[kind];
    uint32_t *number = &last[kind * REFERENCE_LOCATES + subject];  /* + 1, 0 for none */
    if (*number)
        entries[*number - 1].next_offset = offset;
    entries[data->counts[kind]] = (struct reference_entry){offset, UINT64_MAX};
    *number = (uint32_t)++data->counts[kind];
}

void reference_data_init(struct reference_data *data, const uint8_t *arena, uint64_t size, void *memory,
                         uint32_t *work) {
    uint64_t counts[REFERENCE_KINDS] = {0}, offset;
    memset(data, 0, sizeof *data);
    data->names = memory;
    struct reference_entry *next = (void *)((uint8_t *)memory + REFERENCE_LOCATES * 8);
    for (offset = 0; offset < size; offset += 2 + (uint64_t)load_be16(arena + offset)) {
        uint32_t kind = kind_of(arena + offset + 2, load_be16(arena + offset));
        if (kind < REFERENCE_KINDS)
            counts[kind]++;
    }
    for (uint32_t kind = 0; kind < REFERENCE_KINDS; kind++) {
        data->entries[kind] = next;
        next += counts[kind];
    }
    for (offset = 0; offset < size; offset += 2 + (uint64_t)load_be16(arena + offset)) {
        const uint8_t *message = arena + offset + 2;
        uint32_t length = load_be16(arena + offset);
        uint32_t kind = kind_of(message, length), stock = length ? stock_offset(message, length) : 0;
        if (stock)
            memcpy(data->names[load_be16(message + 1)], message + stock, 8);
        if (kind < REFERENCE_KINDS)
            note_entry(data, kind, types[kind] == 'S' ? message[11] : load_be16(message + 1), offset, work);
    }
}
