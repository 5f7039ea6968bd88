/* ITCH 5.0: the length table and the check of a framed stream. The encoders are in itch50_encode.c.
 * Essay, owner and specification: itch50.h. */
#include "traffic/wire/itch50.h"

#include <string.h>

#include "traffic/wire/bytes.h"

static const uint8_t known_lengths[256] = {
    ['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35, ['W'] = 12, ['K'] = 28,
    ['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40, ['E'] = 31, ['C'] = 36, ['X'] = 23, ['D'] = 19,
    ['U'] = 35, ['P'] = 44, ['Q'] = 40, ['B'] = 19, ['I'] = 50, ['N'] = 20, ['O'] = 48,
};

uint16_t itch50_length(uint8_t type) {
    return known_lengths[type];
}

static enum itch50_outcome check_message(const uint8_t *message, uint32_t length, bool strict,
                                         struct itch50_scan *scan) {
    uint32_t known = known_lengths[message[0]];
    if (strict && (length < ITCH50_HEAD_BYTES || length < known))
        return ITCH50_TOO_SHORT;
    if (length > ITCH50_MESSAGE_BYTES_MAX)
        return ITCH50_TOO_LONG;
    scan->types[message[0]]++;
    if (known == 0)
        scan->unknown_types++;
    else if (length != known)
        scan->length_errors++;
    return ITCH50_OK;
}

enum itch50_outcome itch50_scan(const uint8_t *bytes, uint64_t size, bool strict, int64_t *stamps_ns,
                                struct itch50_scan *scan) {
    memset(scan, 0, sizeof *scan);
    uint64_t offset = 0;
    while (offset < size) {
        scan->bad_offset = offset;
        if (size - offset < 2)
            return ITCH50_TRUNCATED;
        uint32_t length = load_be16(bytes + offset);
        if (length == 0) {
            scan->bytes_behind = size - offset - 2;
            break;
        }
        scan->bad_length = length;
        scan->bad_type = size - offset > 2 ? bytes[offset + 2] : 0;
        if (size - offset - 2 < length)
            return ITCH50_TRUNCATED;
        const uint8_t *message = bytes + offset + 2;
        enum itch50_outcome outcome = check_message(message, length, strict, scan);
        if (outcome != ITCH50_OK)
            return outcome;
        if (stamps_ns)
            stamps_ns[scan->messages] = length < ITCH50_HEAD_BYTES ? 0 : (int64_t)load_be48(message + 5);
        scan->messages++;
        offset += 2 + length;
        scan->bytes = offset;
    }
    return ITCH50_OK;
}
