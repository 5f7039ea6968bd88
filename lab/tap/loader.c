#include "lab/tap/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "lab/tap/card.h"

enum { DRAIN_BATCH_BYTES = 1 << 20, LINKS_MAX = TAP_LINE_COUNT + 3 };

#define POSING "xsk_def_prog"

struct tap {
    const char *market_program; /* of lines A and B */
    struct bpf_object *object;
    struct bpf_object *cards[TAP_CARD_COUNT]; /* programs of their own for cards that stamp; NULL = none */
    const char *path;
    struct tap_state *state; /* the programs' .bss, mapped */
    size_t state_bytes;
    struct tap_market_record *market;
    struct tap_frame_record *frames;
    size_t market_bytes;
    size_t frame_bytes;
    int links[LINKS_MAX];
    unsigned link_count;
    int sockets;
    int profiling; /* descriptor that keeps the kernel counting; -1 = none */
    uint64_t skipped[2]; /* claimed slots that a drain found empty: market, frames */
    uint8_t *batch;
};

static _Thread_local char error_text[512];

const char *tap_error(void)
{
    return error_text;
}

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_text, sizeof(error_text), format, arguments);
    va_end(arguments);
}

static int keep_last_line(enum libbpf_print_level level, const char *format, va_list arguments)
{
    if (level == LIBBPF_WARN) {
        char line[256];
        vsnprintf(line, sizeof(line), format, arguments);
        line[strcspn(line, "\n")] = 0;
        if (error_text[0] == 0)
            say("%s", line);
    }
    return 0;
}

static uint64_t power_of_two(uint64_t least)
{
    uint64_t value = 1;
    while (value < least)
        value <<= 1;
    return value;
}

/* Attaches in native mode from within the interface's namespace and keeps the link. Returns 0 or -errno. */
static int attach(struct tap *tap, const char *program, struct bpf_object **card, int netns, uint32_t ifindex)
{
    struct bpf_program *found = card ? NULL : bpf_object__find_program_by_name(tap->object, program);
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int link = -ENOENT;

    if ((found || card) && home >= 0 && setns(netns, CLONE_NEWNET) == 0) {
        LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
        int loaded = card ? card_program(tap->path, program, ifindex, tap->object, card) : bpf_program__fd(found);
        link = loaded < 0 ? loaded : bpf_link_create(loaded, (int)ifindex, BPF_XDP, &options);
        if (loaded >= 0 && link < 0)
            link = -errno;
        if (setns(home, CLONE_NEWNET))
            link = -errno;
    } else {
        link = -errno;
    }
    if (home >= 0)
        close(home);
    if (link < 0) {
        say("attaching the %s tap to interface %u: %s", program, ifindex, strerror(-link));
        return link;
    }
    tap->links[tap->link_count++] = link;
    return 0;
}

static void *map_array(struct bpf_map *map, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int size_maps(struct tap *tap, uint64_t market, uint64_t frames)
{
    struct bpf_map *market_map = bpf_object__find_map_by_name(tap->object, "market_records");
    struct bpf_map *frame_map = bpf_object__find_map_by_name(tap->object, "frame_records");
    if (!market_map || !frame_map)
        return -ENOENT;
    int result = bpf_map__set_max_entries(market_map, (uint32_t)market);
    return result ? result : bpf_map__set_max_entries(frame_map, (uint32_t)frames);
}

static struct bpf_map *section(struct tap *tap, const char *suffix)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, tap->object) {
        const char *name = bpf_map__name(map), *dot = strrchr(name, '.');
        if (dot && !strcmp(dot, suffix))
            return map;
    }
    return NULL;
}

static int configure(struct tap *tap, const struct tap_options *options, uint64_t market, uint64_t frames)
{
    uint32_t sessions = options->session_count;
    struct tap_settings settings = {
        .line_ifindex = {options->line_ifindex[0], options->line_ifindex[1]},
        .line_port = {options->line_port[0], options->line_port[1]},
        .gateway_port = options->gateway_port,
        .request_port = options->request_port,
        .snapshot_port = options->snapshot_port,
        .session_count = sessions,
        .stamping = options->stamping,
        .impairing = options->impairing,
        .framing = options->framing,
        .noise = options->noise,
        .line_group = {options->line_group[0], options->line_group[1]},
        .following = options->following,
        .market_mask = market - 1,
        .frame_mask = frames - 1,
    };
    struct bpf_map *constants = section(tap, ".rodata");
    size_t size = 0;
    if (sessions > TAP_SESSIONS_MAX) {
        say("%u sessions, at most %u can be told apart", sessions, TAP_SESSIONS_MAX);
        return -EINVAL;
    }
    for (uint32_t i = 0; i < sessions; i++) {
        memcpy(&settings.session_head[i], options->sessions[i], 8);
        memcpy(&settings.session_tail[i], options->sessions[i] + 8, 2);
    }
    if (!constants || !bpf_map__initial_value(constants, &size) || size != sizeof(settings)) {
        say("wire.bpf.o has %zu bytes of settings, expected %zu: rebuild it", size, sizeof(settings));
        return -EINVAL;
    }
    int result = bpf_map__set_initial_value(constants, &settings, sizeof(settings));
    return result ? result : size_maps(tap, market, frames);
}

static int map_rings(struct tap *tap, uint64_t market, uint64_t frames)
{
    struct bpf_map *state = section(tap, ".bss");
    tap->state_bytes = ((sizeof(struct tap_state) + 4095) / 4096) * 4096;
    tap->market_bytes = market * sizeof(struct tap_market_record);
    tap->frame_bytes = frames * sizeof(struct tap_frame_record);
    tap->state = state ? map_array(state, tap->state_bytes) : NULL;
    tap->market = map_array(bpf_object__find_map_by_name(tap->object, "market_records"), tap->market_bytes);
    tap->frames = map_array(bpf_object__find_map_by_name(tap->object, "frame_records"), tap->frame_bytes);
    if (!tap->state || !tap->market || !tap->frames)
        return -errno;
    tap->state->market.capacity = market;
    tap->state->frames.capacity = frames;
    return 0;
}

/* The program of an end, by whether its card is asked. */
static int attach_end(struct tap *tap, const struct tap_options *options, int card, const char *plain,
                      const char *asking, int netns, uint32_t ifindex)
{
    if (!ifindex)
        return 0;
    if (options->cards >> card & 1)
        return attach(tap, asking, &tap->cards[card], netns, ifindex);
    return attach(tap, plain, NULL, netns, ifindex);
}

static int attach_all(struct tap *tap, const struct tap_options *options)
{
    const uint32_t *lines = options->line_ifindex;
    int engine = options->engine_netns, exchange = options->exchange_netns;
    int result = attach_end(tap, options, TAP_CARD_A, tap->market_program, "market_card_a", engine, lines[0]);
    if (!result)
        result = attach_end(tap, options, TAP_CARD_B, tap->market_program, "market_card_b", engine, lines[1]);
    if (!result)
        result = attach_end(tap, options, TAP_CARD_ORDER, "order", "order_card", exchange, options->order_ifindex);
    if (!result)
        result = attach_end(tap, options, TAP_CARD_RECOVERY, "reply", "reply_card", engine, options->reply_ifindex);
    if (!result && options->request_ifindex)
        result = attach(tap, "request", NULL, exchange, options->request_ifindex);
    return result;
}

/* Those that ask a card are loaded one by one, for their interface. */
static void leave_out_card_programs(struct bpf_object *object)
{
    struct bpf_program *each;
    bpf_object__for_each_program(each, object)
        if (strstr(bpf_program__name(each), "_card"))
            bpf_program__set_autoload(each, false);
}

/* libxdp looks for its map among those that the program uses; ours does not look at it. */
static int pose(struct tap *tap)
{
    int map = bpf_map__fd(bpf_object__find_map_by_name(tap->object, "xsks_map"));
    int program = bpf_program__fd(bpf_object__find_program_by_name(tap->object, POSING));
    return bpf_prog_bind_map(program, map, NULL) ? -errno : 0;
}

static int load(struct tap *tap, const struct tap_options *options)
{
    uint64_t market = power_of_two(options->market_capacity), frames = power_of_two(options->frame_capacity);
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited);

    tap->object = bpf_object__open_file(options->object_path, NULL);
    if (!tap->object)
        return -errno;
    tap->path = options->object_path;
    leave_out_card_programs(tap->object);
    tap->market_program = options->posing ? POSING : "market";
    bpf_program__set_autoload(bpf_object__find_program_by_name(tap->object, "market"), !options->posing);
    bpf_program__set_autoload(bpf_object__find_program_by_name(tap->object, POSING), options->posing);
    int result = configure(tap, options, market, frames);
    if (!result)
        result = bpf_object__load(tap->object);
    if (!result)
        result = map_rings(tap, market, frames);
    if (!result && options->posing)
        result = pose(tap);
    if (result)
        return result;
    tap->sockets = bpf_map__fd(bpf_object__find_map_by_name(tap->object, "engine_sockets"));

    return attach_all(tap, options);
}

struct tap *tap_open(const struct tap_options *options)
{
    struct tap *tap = calloc(1, sizeof(*tap));
    error_text[0] = 0;
    libbpf_set_print(keep_last_line);
    if (!tap)
        return NULL;
    tap->profiling = -1;
    if (options->profiling)
        tap->profiling = bpf_enable_stats(BPF_STATS_RUN_TIME);
    tap->batch = malloc(DRAIN_BATCH_BYTES);
    int result = tap->batch ? load(tap, options) : -ENOMEM;
    if (result) {
        if (error_text[0] == 0)
            say("loading %s: %s", options->object_path, strerror(-result));
        tap_close(tap);
        return NULL;
    }
    return tap;
}

int64_t tap_followed_map(const struct tap *tap)
{
    struct bpf_map_info info = {0};
    __u32 size = sizeof(info);
    int map = bpf_map__fd(bpf_object__find_map_by_name(tap->object, "followed"));
    int result = bpf_obj_get_info_by_fd(map, &info, &size);
    return result ? result : (int64_t)info.id;
}

int tap_engine_sockets(const struct tap *tap)
{
    return tap->sockets;
}

int tap_withdraw_engine(const struct tap *tap, uint32_t line)
{
    return bpf_map_delete_elem(tap->sockets, &line) ? -errno : 0;
}

int tap_detach_link(uint32_t link_id)
{
    int link = bpf_link_get_fd_by_id(link_id);
    if (link < 0)
        return -errno;
    int result = bpf_link_detach(link) ? -errno : 0;
    close(link);
    return result;
}

struct tap_state *tap_state(struct tap *tap)
{
    return tap->state;
}

static int write_all(int file, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t done = write(file, bytes, size);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return 0;
}

/* Moves committed records of one ring into the file; a claimed but empty slot was lost or is in flight. */
static int drain_ring(struct tap *tap, struct tap_ring *ring, uint8_t *slots, size_t slot_bytes, int frames, int file)
{
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE), tail = ring->tail;
    size_t filled = 0;
    int result = 0;

    for (; tail < head && !result; tail++) {
        uint8_t *slot = slots + (tail & (ring->capacity - 1)) * slot_bytes;
        uint64_t *stamp = (uint64_t *)slot;
        if (__atomic_load_n(stamp, __ATOMIC_ACQUIRE) == 0) {
            if (ring->lost == 0 && head - tail < 64)
                break; /* being written at this moment: next time */
            tap->skipped[frames]++;
            continue;
        }
        size_t bytes = frames ? 16 + (((struct tap_frame_record *)slot)->captured & ~TAP_CAPTURED_CARD) : slot_bytes;
        if (filled + bytes > DRAIN_BATCH_BYTES) {
            result = write_all(file, tap->batch, filled);
            filled = 0;
        }
        memcpy(tap->batch + filled, slot, bytes);
        filled += bytes;
        __atomic_store_n(stamp, 0, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
    return result ? result : write_all(file, tap->batch, filled);
}

int tap_drain(struct tap *tap, int market_file, int frame_file)
{
    int result = drain_ring(tap, &tap->state->market, (uint8_t *)tap->market, sizeof(*tap->market), 0, market_file);
    if (result)
        return result;
    return drain_ring(tap, &tap->state->frames, (uint8_t *)tap->frames, sizeof(*tap->frames), 1, frame_file);
}

static uint64_t most(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

/* A slot skipped without having been lost was given up by a writer that stood still: that is a loss too. */
void tap_counts(const struct tap *tap, struct tap_counts *counts)
{
    const struct tap_state *state = tap->state;
    *counts = (struct tap_counts){
        .market_records = state->market.head,
        .market_lost = most(state->market.lost, tap->skipped[0]),
        .market_waiting = state->market.head - state->market.tail,
        .frame_records = state->frames.head,
        .frames_lost = most(state->frames.lost, tap->skipped[1]),
        .frames_waiting = state->frames.head - state->frames.tail,
        .not_market_data = {state->not_market_data[0], state->not_market_data[1]},
        .requests = state->requests,
        .snapshot_frames = state->snapshot_frames,
        .windows = state->windows_used,
    };
    memcpy(counts->card_stamped, state->card_stamped, sizeof(counts->card_stamped));
    memcpy(counts->card_unstamped, state->card_unstamped, sizeof(counts->card_unstamped));
}

void tap_program_cost(const struct tap *tap, int program, struct tap_program_cost *cost)
{
    const char *const names[] = {tap->market_program, "order", "reply", "request"};
    const char *name = program >= 0 && program <= TAP_PROGRAM_REQUEST ? names[program] : "";
    struct bpf_program *found = bpf_object__find_program_by_name(tap->object, name);
    struct bpf_prog_info info = {0};
    uint32_t size = sizeof(info);
    *cost = (struct tap_program_cost){0};
    if (found && bpf_obj_get_info_by_fd(bpf_program__fd(found), &info, &size) == 0)
        *cost = (struct tap_program_cost){info.run_cnt, info.run_time_ns};
}

void tap_close(struct tap *tap)
{
    if (!tap)
        return;
    for (unsigned i = 0; i < tap->link_count; i++)
        close(tap->links[i]);
    if (tap->profiling >= 0)
        close(tap->profiling);
    if (tap->state)
        munmap(tap->state, tap->state_bytes);
    if (tap->market)
        munmap(tap->market, tap->market_bytes);
    if (tap->frames)
        munmap(tap->frames, tap->frame_bytes);
    for (unsigned i = 0; i < TAP_CARD_COUNT; i++)
        bpf_object__close(tap->cards[i]);
    bpf_object__close(tap->object);
    free(tap->batch);
    free(tap);
}
