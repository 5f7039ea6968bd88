/* Unaligned big-endian loads: one instruction each after the compiler, no alignment or aliasing trap.
 *
 * Callers check bounds. Any thread.
 */
#ifndef ENGINE_FEED_BYTES_H
#define ENGINE_FEED_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_load_u16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t bytes_load_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t bytes_load_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap64(value);
}

/* 6 bytes; reads exactly those. */
static inline uint64_t bytes_load_u48(const uint8_t *bytes)
{
    return (uint64_t)bytes_load_u16(bytes) << 32 | bytes_load_u32(bytes + 2);
}

#endif
