/* Big-endian numbers of the order protocols, anywhere in memory. Cost: one move and one swap. */
#ifndef ENGINE_ORDER_ORDER_BYTES_H
#define ENGINE_ORDER_ORDER_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline void order_store_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void order_store_u32(uint8_t *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(out, &value, sizeof(value));
}

static inline void order_store_u64(uint8_t *out, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(out, &value, sizeof(value));
}

static inline uint16_t order_load_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t order_load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t order_load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap64(value);
}

static inline bool order_side_ok(char side)
{
    return side == 'B' || side == 'S' || side == 'T' || side == 'E';
}

#endif
