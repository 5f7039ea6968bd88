#include "engine/io/af_xdp.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>

enum {
    OWN_MAP_SOCKETS_MAX = 64,
    /* The kernel gives a queue free some time after the socket on it was closed: half a second of patience. */
    BUSY_PAUSE_NS = 2 * 1000 * 1000,
    BUSY_ATTEMPTS = 250,
};

/* Redirects the packets of every queue to the socket in map[queue]; without one they pass to the kernel. */
static int load_redirect_program(struct af_xdp *port)
{
    port->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "engine_sockets", 4, 4, OWN_MAP_SOCKETS_MAX, NULL);
    if (port->map < 0)
        return -errno;
    const struct bpf_insn program[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16}, /* rx_queue_index */
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = port->map},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
    };
    port->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "engine_redirect", "Dual BSD/GPL", program,
                                  sizeof(program) / sizeof(program[0]), NULL);
    return port->program < 0 ? -errno : 0;
}

static int attach_own_program(struct af_xdp *port, uint32_t ifindex)
{
    int result = load_redirect_program(port);
    if (result)
        return result;
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    port->link = bpf_link_create(port->program, (int)ifindex, BPF_XDP, &options);
    return port->link < 0 ? -errno : 0;
}

static int create_socket(struct af_xdp *port, const struct af_xdp_options *options)
{
    const struct xsk_umem_config memory_config = {
        .fill_size = AF_XDP_FILL_COUNT,
        .comp_size = 64,
        .frame_size = AF_XDP_FRAME_BYTES,
    };
    const struct xsk_socket_config socket_config = {
        .rx_size = AF_XDP_FRAME_COUNT,
        .tx_size = 0,
        .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
    };
    const size_t bytes = (size_t)AF_XDP_FRAME_COUNT * AF_XDP_FRAME_BYTES;
    port->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (port->memory == MAP_FAILED) {
        port->memory = NULL;
        return -errno;
    }
    int result = xsk_umem__create(&port->umem, port->memory, bytes, &port->fill, &port->completion, &memory_config);
    if (result)
        return result;
    return xsk_socket__create(&port->socket, options->interface, options->queue, port->umem, &port->receive, NULL,
                              &socket_config);
}

static void fill_all(struct af_xdp *port)
{
    uint32_t slot;
    if (xsk_ring_prod__reserve(&port->fill, AF_XDP_FRAME_COUNT, &slot) != AF_XDP_FRAME_COUNT)
        return;
    for (uint32_t i = 0; i < AF_XDP_FRAME_COUNT; i++)
        *xsk_ring_prod__fill_addr(&port->fill, slot + i) = (uint64_t)i * AF_XDP_FRAME_BYTES;
    xsk_ring_prod__submit(&port->fill, AF_XDP_FRAME_COUNT);
}

static int publish_socket(struct af_xdp *port, const struct af_xdp_options *options)
{
    int own = options->socket_map < 0;
    uint32_t key = own ? options->queue : options->socket_key;
    int descriptor = xsk_socket__fd(port->socket);
    if (bpf_map_update_elem(own ? port->map : options->socket_map, &key, &descriptor, BPF_ANY))
        return -errno;
    port->entered_map = own ? port->map : options->socket_map;
    port->entered_key = key;
    return 0;
}

void af_xdp_withdraw(struct af_xdp *port)
{
    if (port->entered_map >= 0)
        bpf_map_delete_elem(port->entered_map, &port->entered_key);
}

/* An XSKMAP cannot be read; but an entry that is ours can be written again, and one that is gone cannot. */
bool af_xdp_redirected(const struct af_xdp *port)
{
    uint32_t program = 0;
    int descriptor = xsk_socket__fd(port->socket);
    if (bpf_xdp_query_id((int)port->ifindex, 0, &program) || program == 0)
        return false;
    return bpf_map_update_elem(port->entered_map, &port->entered_key, &descriptor, BPF_EXIST) == 0;
}

uint32_t af_xdp_waiting(const struct af_xdp *port)
{
    return __atomic_load_n(port->receive.producer, __ATOMIC_ACQUIRE) -
           __atomic_load_n(port->receive.consumer, __ATOMIC_ACQUIRE);
}

static int open_once(struct af_xdp *port, const struct af_xdp_options *options, char *error, uint32_t error_bytes)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    const char *step = "finding the interface";
    memset(port, 0, sizeof(*port));
    port->program = port->map = port->link = port->entered_map = -1;
    port->port = options->port;
    port->group = options->group;
    setrlimit(RLIMIT_MEMLOCK, &unlimited);

    uint32_t ifindex = if_nametoindex(options->interface);
    int result = ifindex ? 0 : -errno;
    port->ifindex = ifindex;
    if (!result && options->socket_map < 0) {
        step = "attaching the XDP program";
        result = attach_own_program(port, ifindex);
    }
    if (!result) {
        step = "opening the AF_XDP socket";
        result = create_socket(port, options);
    }
    if (!result) {
        step = "entering the socket into the XDP program's map";
        fill_all(port);
        result = publish_socket(port, options);
    }
    if (result) {
        snprintf(error, error_bytes, "interface %s queue %u: %s: %s", options->interface, options->queue, step,
                 strerror(-result));
        af_xdp_close(port);
        return result;
    }
    struct xdp_options granted = {0};
    socklen_t size = sizeof(granted);
    if (getsockopt(xsk_socket__fd(port->socket), SOL_XDP, XDP_OPTIONS, &granted, &size) == 0)
        port->zero_copy = (granted.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    return 0;
}

int af_xdp_open(struct af_xdp *port, const struct af_xdp_options *options, char *error, uint32_t error_bytes)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    int result = open_once(port, options, error, error_bytes);
    for (unsigned i = 0; result == -EBUSY && i < BUSY_ATTEMPTS; i++) {
        nanosleep(&pause, NULL);
        result = open_once(port, options, error, error_bytes);
    }
    return result;
}

void af_xdp_statistics(const struct af_xdp *port, struct af_xdp_statistics *statistics)
{
    struct xdp_statistics kernel = {0};
    socklen_t size = sizeof(kernel);
    memset(statistics, 0, sizeof(*statistics));
    statistics->other_frames = port->other_frames;
    statistics->bad_checksums = port->bad_checksums;
    if (!port->socket || getsockopt(xsk_socket__fd(port->socket), SOL_XDP, XDP_STATISTICS, &kernel, &size))
        return;
    statistics->dropped = kernel.rx_dropped + kernel.rx_invalid_descs;
    statistics->ring_full = kernel.rx_ring_full;
    statistics->fill_empty = kernel.rx_fill_ring_empty_descs;
}

void af_xdp_close(struct af_xdp *port)
{
    if (port->socket)
        xsk_socket__delete(port->socket);
    if (port->umem)
        xsk_umem__delete(port->umem);
    if (port->memory)
        munmap(port->memory, (size_t)AF_XDP_FRAME_COUNT * AF_XDP_FRAME_BYTES);
    const int descriptors[] = {port->link, port->program, port->map};
    for (unsigned i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    memset(port, 0, sizeof(*port));
    port->program = port->map = port->link = port->entered_map = -1;
}
