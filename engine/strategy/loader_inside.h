/* Inside the loader: what its files share. */
#ifndef ENGINE_STRATEGY_LOADER_INSIDE_H
#define ENGINE_STRATEGY_LOADER_INSIDE_H

#include <stddef.h>

#include "engine/strategy/loader.h"

enum { LOADER_PAGE_BYTES = 4096 };

/* A checked description, or NULL and a verdict; the caller closes `library`. */
const struct tailgate_strategy *loader_open(const char *path, void **library, struct loader_report *report);

size_t loader_state_bytes(const struct tailgate_strategy *strategy);

/* Zeros that are really there; NULL: none. */
void *loader_map(size_t bytes);

#endif
