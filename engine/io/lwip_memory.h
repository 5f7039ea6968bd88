/* The memory of the userspace TCP: fixed pools in place of the C library's heap, and no lock.
 *
 * Debian's lwIP takes pbufs and segments from malloc() (MEMP_MEM_MALLOC) and guards their counts with a mutex. It
 * calls its own mem_malloc(), mem_free(), sys_arch_protect() through the dynamic linker, so the ones defined here
 * stand in for them: four sizes of blocks, all of them touched at start, handed out and taken back in constant time.
 * An empty pool helps itself from the next larger one; when all are empty lwIP gets NULL, which it treats as a lost
 * packet or a full window. lwIP is called by one thread only (bypass_tcp.h), so there is nothing to lock.
 *
 * A liblwip linked with -Bsymbolic would keep its own: lwip_memory_used() then stays 0, and the engine says so.
 */
#ifndef ENGINE_IO_LWIP_MEMORY_H
#define ENGINE_IO_LWIP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

enum { LWIP_MEMORY_POOLS = 4 };

/* Makes every block free. Once, before lwIP is initialised. */
void lwip_memory_init(void);

/* True when the next two allocations of any size cannot fail. */
bool lwip_memory_ready(void);

/* Allocations so far, and those that found nothing. */
uint64_t lwip_memory_used(void);
uint64_t lwip_memory_empty(void);

/* Blocks handed out at this moment. */
uint32_t lwip_memory_taken(void);

#endif
