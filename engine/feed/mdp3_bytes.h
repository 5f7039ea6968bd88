/* Unaligned little-endian loads, as every number of MDP 3.0 is; bytes.h is the big-endian sibling.
 *
 * Callers check bounds. Any thread.
 */
#ifndef ENGINE_FEED_MDP3_BYTES_H
#define ENGINE_FEED_MDP3_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "MDP 3.0 loads are written for a little-endian machine"
#endif

static inline uint16_t mdp3_load_u16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t mdp3_load_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t mdp3_load_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline int32_t mdp3_load_i32(const uint8_t *bytes)
{
    return (int32_t)mdp3_load_u32(bytes);
}

static inline int64_t mdp3_load_i64(const uint8_t *bytes)
{
    return (int64_t)mdp3_load_u64(bytes);
}

#endif
