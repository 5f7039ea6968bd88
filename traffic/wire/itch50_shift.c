/* Messages moved on in time and numbers. Essay: itch50_shift.h. */
#include "traffic/wire/itch50_shift.h"

#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum { TIME = 5, REFERENCE = 11, REFERENCE_NEW = 19 };

#define DAY_NS UINT64_C(86400000000000)

static inline void add64(uint8_t *field, uint64_t by) {
    store_be64(field, load_be64(field) + by);
}

static inline void shift_numbers(const struct itch50_shift *by, uint8_t *message) {
    switch (message[0]) {
    case 'E': case 'C':
        add64(message + REFERENCE, by->references);
        add64(message + 23, by->matches);
        break;
    case 'U':
        add64(message + REFERENCE, by->references);
        add64(message + REFERENCE_NEW, by->references);
        break;
    case 'A': case 'F': case 'X': case 'D':
        add64(message + REFERENCE, by->references);
        break;
    case 'P':
        add64(message + 36, by->matches);
        break;
    case 'Q':
        add64(message + 31, by->matches);
        break;
    case 'B':
        add64(message + 11, by->matches);
        break;
    default:
        break;
    }
}

uint8_t *itch50_shift(const struct itch50_shift *by, uint8_t *blocks, uint32_t count) {
    for (; count; count--) {
        uint32_t length = load_be16(blocks);
        uint8_t *message = blocks + 2;
        if (length >= ITCH50_HEAD_BYTES) {
            store_be48(message + TIME, (load_be48(message + TIME) + by->time_ns) % DAY_NS);
            if (length >= itch50_length(message[0]))
                shift_numbers(by, message);
        }
        blocks = message + length;
    }
    return blocks;
}
