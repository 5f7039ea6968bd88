#include "engine/io/frame_door.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>

#include "engine/io/redirect_target.h"

enum { PROGRAM_DROP = 10 };

/* Every frame that can be a segment to the interface in map[0]. */
static int load_program(struct frame_door *door, uint32_t ifindex)
{
    const uint32_t key = 0;
    door->map = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "order_wire", sizeof(key), sizeof(ifindex), 1, NULL);
    if (door->map < 0 || bpf_map_update_elem(door->map, &key, &ifindex, BPF_ANY))
        return -errno;
    const struct bpf_insn program[] = {
        /* 0 */ {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = offsetof(struct xdp_md, data)},
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 3, .src_reg = 1, .off = offsetof(struct xdp_md, data_end)},
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = FRAME_DOOR_BYTES_MIN},
        /* 3 */ {.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 2, .src_reg = 3, .off = PROGRAM_DROP - 4},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = door->map},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = (int32_t)key},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
        /* PROGRAM_DROP */ {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    door->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "engine_door", "Dual BSD/GPL", program,
                                  sizeof(program) / sizeof(program[0]), NULL);
    return door->program < 0 ? -errno : 0;
}

/* The kernel would announce the device to the wire, which everything leads to that is sent on it. */
static void silence(const char *name)
{
    char path[sizeof("/proc/sys/net/ipv6/conf//disable_ipv6") + IFNAMSIZ];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    int setting = open(path, O_WRONLY | O_CLOEXEC);
    if (setting < 0)
        return; /* no IPv6, or not ours to set: what the kernel sends to a tap ends in the tap's queue */
    if (write(setting, "1\n", 2) != 2)
        errno = 0;
    close(setting);
}

/* In place and up, or -errno. Frames are taken without a socket buffer only when they need not wait: O_NONBLOCK. */
static int open_tap(struct frame_door *door)
{
    struct ifreq request = {.ifr_name = "orderdoor%d", .ifr_flags = IFF_TAP | IFF_NO_PI};
    door->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (door->tap < 0 || ioctl(door->tap, TUNSETIFF, &request))
        return -errno;
    silence(request.ifr_name);
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    door->link = bpf_link_create(door->program, (int)if_nametoindex(request.ifr_name), BPF_XDP, &options);
    if (door->link < 0)
        return -errno;
    int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_flags = IFF_UP | IFF_NOARP;
    int result = any_socket < 0 || ioctl(any_socket, SIOCSIFFLAGS, &request) ? -errno : 0;
    if (any_socket >= 0)
        close(any_socket);
    return result;
}

void frame_door_clear(struct frame_door *door)
{
    *door = (struct frame_door){.tap = -1, .map = -1, .program = -1, .link = -1};
}

int frame_door_open(struct frame_door *door, uint32_t ifindex)
{
    frame_door_clear(door);
    int result = redirect_target(ifindex) == 0 ? -EOPNOTSUPP : 0; /* cannot be asked: a first loss tells */
    if (!result)
        result = load_program(door, ifindex);
    if (!result)
        result = open_tap(door);
    if (result)
        frame_door_close(door);
    door->usable = result == 0;
    return result;
}

void frame_door_close(struct frame_door *door)
{
    const int descriptors[] = {door->link, door->tap, door->program, door->map};
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    frame_door_clear(door);
}
