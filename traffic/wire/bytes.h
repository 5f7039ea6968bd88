/* Big-endian integers in byte strings of any alignment.
 * Owner: whoever holds the bytes; nothing is checked here, callers check sizes first. */
#ifndef TRAFFIC_WIRE_BYTES_H
#define TRAFFIC_WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t load_be32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t load_be48(const uint8_t *bytes) {
    return (uint64_t)load_be16(bytes) << 32 | load_be32(bytes + 2);
}

static inline uint64_t load_be64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

static inline void store_be16(uint8_t *bytes, uint16_t value) {
    value = __builtin_bswap16(value);
    memcpy(bytes, &value, sizeof value);
}

static inline void store_be32(uint8_t *bytes, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(bytes, &value, sizeof value);
}

static inline void store_be48(uint8_t *bytes, uint64_t value) {
    store_be16(bytes, (uint16_t)(value >> 32));
    store_be32(bytes + 2, (uint32_t)value);
}

static inline void store_be64(uint8_t *bytes, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(bytes, &value, sizeof value);
}

#endif
