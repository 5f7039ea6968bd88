#include "engine/io/lwip_memory.h"

#include <stddef.h>
#include <string.h>

enum {
    POOL_ALIGNMENT = 64,
    SMALL_BYTES = 64,    /* segments, timers */
    ORDER_BYTES = 256,   /* an order or an answer with its headers */
    STATE_BYTES = 512,   /* a connection */
    PACKET_BYTES = 2048, /* a full segment */
    SMALL_COUNT = 2048,
    ORDER_COUNT = 2048,
    STATE_COUNT = 512,
    PACKET_COUNT = 512,
};

struct block {
    struct block *next;
};

struct pool {
    uint8_t *memory;
    size_t block_bytes;
    size_t count;
    struct block *free;
};

static uint8_t small[SMALL_COUNT * SMALL_BYTES] __attribute__((aligned(POOL_ALIGNMENT)));
static uint8_t order[ORDER_COUNT * ORDER_BYTES] __attribute__((aligned(POOL_ALIGNMENT)));
static uint8_t state[STATE_COUNT * STATE_BYTES] __attribute__((aligned(POOL_ALIGNMENT)));
static uint8_t packet[PACKET_COUNT * PACKET_BYTES] __attribute__((aligned(POOL_ALIGNMENT)));

static struct pool pools[LWIP_MEMORY_POOLS] = {
    {small, SMALL_BYTES, SMALL_COUNT, NULL},
    {order, ORDER_BYTES, ORDER_COUNT, NULL},
    {state, STATE_BYTES, STATE_COUNT, NULL},
    {packet, PACKET_BYTES, PACKET_COUNT, NULL},
};
static uint64_t used, empty;
static uint32_t taken;

/* Called by lwIP in place of its own; their prototypes are in its headers. */
#define EXPORTED __attribute__((visibility("default")))
EXPORTED void mem_init(void);
EXPORTED void *mem_malloc(size_t size);
EXPORTED void *mem_calloc(size_t count, size_t size);
EXPORTED void *mem_trim(void *memory, size_t size);
EXPORTED void mem_free(void *memory);
EXPORTED unsigned sys_arch_protect(void);
EXPORTED void sys_arch_unprotect(unsigned level);
EXPORTED void sys_check_core_locking(void);

void lwip_memory_init(void)
{
    used = empty = 0;
    taken = 0;
    for (size_t i = 0; i < LWIP_MEMORY_POOLS; i++) {
        struct pool *pool = &pools[i];
        pool->free = NULL;
        for (size_t number = pool->count; number-- > 0;) {
            struct block *block = (struct block *)(void *)(pool->memory + number * pool->block_bytes);
            block->next = pool->free;
            pool->free = block;
        }
    }
}

bool lwip_memory_ready(void)
{
    const struct block *largest = pools[LWIP_MEMORY_POOLS - 1].free;
    return largest && largest->next;
}

uint64_t lwip_memory_used(void)
{
    return used;
}

uint64_t lwip_memory_empty(void)
{
    return empty;
}

uint32_t lwip_memory_taken(void)
{
    return taken;
}

void mem_init(void)
{
}

void *mem_malloc(size_t size)
{
    for (size_t i = 0; i < LWIP_MEMORY_POOLS; i++) {
        struct pool *pool = &pools[i];
        struct block *block = pool->free;
        if (size > pool->block_bytes || !block)
            continue;
        pool->free = block->next;
        used++;
        taken++;
        return block;
    }
    empty++;
    return NULL;
}

void *mem_calloc(size_t count, size_t size)
{
    void *memory = count && size > PACKET_BYTES / count ? NULL : mem_malloc(count * size);
    return memory ? memset(memory, 0, count * size) : NULL;
}

void *mem_trim(void *memory, size_t size)
{
    (void)size;
    return memory;
}

void mem_free(void *memory)
{
    for (size_t i = 0; i < LWIP_MEMORY_POOLS; i++) {
        struct pool *pool = &pools[i];
        size_t offset = (size_t)((uintptr_t)memory - (uintptr_t)pool->memory);
        if (offset >= pool->count * pool->block_bytes)
            continue;
        struct block *block = memory;
        block->next = pool->free;
        pool->free = block;
        taken--;
        return;
    }
}

unsigned sys_arch_protect(void)
{
    return 0;
}

void sys_arch_unprotect(unsigned level)
{
    (void)level;
}

void sys_check_core_locking(void)
{
}
