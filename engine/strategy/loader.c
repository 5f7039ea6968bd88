/* loader: dlopen, checks, memory; see loader.h. The dry run is in probe_run.c. */
#include "engine/strategy/loader.h"

#include <ctype.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/strategy/loader_inside.h"

static bool say(struct loader_report *report, enum loader_verdict verdict, const char *what)
{
    report->verdict = verdict;
    snprintf(report->what, sizeof(report->what), "%s", what);
    return false;
}

static bool check_sizes(const struct tailgate_strategy *strategy, struct loader_report *report)
{
    static const struct tailgate_strategy own = {TAILGATE_STRATEGY_SIZES};
    char text[128];
    if (strategy->abi_version != own.abi_version) {
        snprintf(text, sizeof(text), "it was built for version %u of the strategy interface, this engine has %u",
                 strategy->abi_version, own.abi_version);
        return say(report, LOADER_ABI_VERSION, text);
    }
    if (memcmp(&strategy->strategy_bytes, &own.strategy_bytes,
               offsetof(struct tailgate_strategy, state_bytes) - offsetof(struct tailgate_strategy, strategy_bytes)))
        return say(report, LOADER_ABI_SIZES, "its structures have other sizes than this engine's");
    return true;
}

static bool good_text(const char *text, bool name)
{
    size_t length = text ? strnlen(text, TAILGATE_NAME_BYTES) : 0;
    if (length == 0 || length == TAILGATE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char letter = (unsigned char)text[i];
        if (name ? !(islower(letter) || isdigit(letter) || letter == '_') : !isprint(letter))
            return false;
    }
    return true;
}

static bool check_description(const struct tailgate_strategy *strategy, struct loader_report *report)
{
    if (!good_text(strategy->name, true) || !good_text(strategy->version, false))
        return say(report, LOADER_DESCRIPTION, "name (a-z, 0-9, _) or version is missing, too long or not printable");
    if (strategy->letter < 'A' || strategy->letter > 'Z' || strategy->letter == 'R')
        return say(report, LOADER_DESCRIPTION, "letter is not one of A to Z, or is R, the reflector's");
    if (strategy->state_bytes == 0 || strategy->state_bytes > TAILGATE_STATE_BYTES_MAX)
        return say(report, LOADER_DESCRIPTION, "state_bytes is 0 or too large");
    if (!strategy->init || !strategy->on_event || !strategy->forget)
        return say(report, LOADER_DESCRIPTION, "init, on_event or forget is missing");
    return true;
}

const struct tailgate_strategy *loader_open(const char *path, void **library, struct loader_report *report)
{
    union {
        void *object;
        const struct tailgate_strategy *(*function)(void);
    } describe;
    memset(report, 0, sizeof(*report));
    report->slot = -1;
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*library) {
        say(report, LOADER_NOT_LOADABLE, dlerror());
        return NULL;
    }
    describe.object = dlsym(*library, TAILGATE_STRATEGY_SYMBOL);
    const struct tailgate_strategy *strategy = NULL;
    if (!describe.object)
        say(report, LOADER_NO_SYMBOL, "it exports no " TAILGATE_STRATEGY_SYMBOL "()");
    else if (!(strategy = describe.function()))
        say(report, LOADER_DESCRIPTION, TAILGATE_STRATEGY_SYMBOL "() returned nothing");
    else if (check_sizes(strategy, report) && check_description(strategy, report)) {
        memcpy(report->name, strategy->name, strlen(strategy->name) + 1);
        memcpy(report->version, strategy->version, strlen(strategy->version) + 1);
        report->letter = strategy->letter;
        report->state_bytes = strategy->state_bytes;
        return strategy;
    }
    dlclose(*library);
    *library = NULL;
    return NULL;
}

size_t loader_state_bytes(const struct tailgate_strategy *strategy)
{
    return (strategy->state_bytes + LOADER_PAGE_BYTES - 1) & ~(size_t)(LOADER_PAGE_BYTES - 1);
}

void *loader_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    memset(memory, 0, bytes); /* a page that was only read is shared with all others */
    return memory;
}

/* ---- no page fault is left for the engine thread ---- */

struct object {
    uintptr_t base;
};

static int touch_object(struct dl_phdr_info *info, size_t size, void *context)
{
    const struct object *object = context;
    uintptr_t sealed = 0, sealed_end = 0;
    (void)size;
    if (info->dlpi_addr != object->base)
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            sealed = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            sealed_end = sealed + info->dlpi_phdr[i].p_memsz;
        }
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_R))
            continue;
        uintptr_t first = info->dlpi_addr + part->p_vaddr, end = first + part->p_memsz;
        for (uintptr_t at = first; at < end; at = (at | (LOADER_PAGE_BYTES - 1)) + 1) {
            volatile uint8_t *byte = (volatile uint8_t *)at;
            uint8_t value = *byte;
            if ((part->p_flags & PF_W) && (at >= sealed_end || at + LOADER_PAGE_BYTES <= sealed))
                *byte = value;
        }
    }
    return 1;
}

static void touch(void *library)
{
    struct link_map *map;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map))
        return;
    struct object object = {map->l_addr};
    dl_iterate_phdr(touch_object, &object);
}

/* ---- slots ---- */

static int32_t free_slot(const struct strategies *strategies)
{
    for (int32_t i = 0; i < STRATEGY_SLOT_COUNT; i++)
        if (atomic_load_explicit(&strategies->slots[i].state, memory_order_acquire) == SLOT_EMPTY)
            return i;
    return -1;
}

void loader_load(struct strategies *strategies, const char *path, const struct tailgate_parameters *parameters,
                 const struct tailgate_host *host, struct loader_report *report)
{
    void *library;
    const struct tailgate_strategy *strategy = loader_open(path, &library, report);
    if (!strategy)
        return;
    int32_t number = free_slot(strategies);
    size_t bytes = loader_state_bytes(strategy);
    void *memory = number < 0 ? NULL : loader_map(bytes);
    if (!memory) {
        say(report, number < 0 ? LOADER_NO_SLOT : LOADER_NO_MEMORY,
            number < 0 ? "every slot is taken" : "no memory for its state");
        dlclose(library);
        return;
    }
    struct strategy_slot *slot = &strategies->slots[number];
    memset(slot, 0, sizeof(*slot));
    slot->host = *host;
    if (strategy->init(memory, parameters, &slot->host)) {
        say(report, LOADER_INIT_REFUSED, "its init() refuses the parameters");
        munmap(memory, bytes);
        dlclose(library);
        return;
    }
    touch(library);
    slot->memory = memory;
    slot->memory_bytes = bytes;
    slot->library = library;
    slot->on_event = strategy->on_event;
    slot->on_own_order = strategy->on_own_order;
    slot->on_timer = strategy->on_timer;
    slot->on_refused = strategy->on_refused;
    slot->forget = strategy->forget;
    slot->letter = strategy->letter;
    slot->generation = ++strategies->generations;
    memcpy(slot->name, report->name, sizeof(slot->name));
    memcpy(slot->version, report->version, sizeof(slot->version));
    report->slot = number;
    atomic_store_explicit(&slot->state, SLOT_READY, memory_order_release);
}

void loader_reclaim(struct strategies *strategies, int32_t ready)
{
    for (int32_t i = 0; i < STRATEGY_SLOT_COUNT; i++) {
        struct strategy_slot *slot = &strategies->slots[i];
        uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (state != SLOT_RETIRED && !(state == SLOT_READY && i == ready))
            continue;
        munmap(slot->memory, slot->memory_bytes);
        if (!slot->faulted)
            dlclose(slot->library);
        slot->memory = slot->library = NULL;
        atomic_store_explicit(&slot->state, SLOT_EMPTY, memory_order_release);
    }
}
