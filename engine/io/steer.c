#include "engine/io/steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

/* Offsets in an Ethernet frame with an IPv4 header of 20 bytes. */
enum {
    AT_ETHERTYPE = 12,
    AT_VERSION = 14,
    AT_FRAGMENT = 20,
    AT_PROTOCOL = 23,
    AT_SOURCE = 26,
    AT_DESTINATION = 30,
    AT_SOURCE_PORT = 34,
    AT_DESTINATION_PORT = 36,
    AT_END = 54,
    FRAGMENT_BITS = 0x3fff,
};

#define LOAD(size_, to_, from_, offset_)                                                                                \
    {.code = BPF_LDX | BPF_MEM | (size_), .dst_reg = (to_), .src_reg = (from_), .off = (offset_)}
/* Jumps count from the next instruction; the last two are "pass". */
#define PASS_UNLESS_EQUAL(here_, value_)                                                                                \
    {.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = 5, .off = PROGRAM_PASS - (here_) - 1, .imm = (int32_t)(value_)}

enum { PROGRAM_PASS = 28 };

int steer_load(struct steer *steer, const struct steer_options *options)
{
    steer->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "order_socket", 4, 4, STEER_QUEUE_COUNT, NULL);
    if (steer->map < 0)
        return -errno;
    const struct bpf_insn program[] = {
        /* 0 */ LOAD(BPF_W, 2, 1, 0), /* data */
        /* 1 */ LOAD(BPF_W, 3, 1, 4), /* data_end */
        /* 2 */ {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2},
        /* 3 */ {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = AT_END},
        /* 4 */ {.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3, .off = PROGRAM_PASS - 5},
        /* 5 */ LOAD(BPF_H, 5, 2, AT_ETHERTYPE),
        /* 6 */ PASS_UNLESS_EQUAL(6, htons(0x0800)),
        /* 7 */ LOAD(BPF_B, 5, 2, AT_VERSION),
        /* 8 */ PASS_UNLESS_EQUAL(8, 0x45),
        /* 9 */ LOAD(BPF_B, 5, 2, AT_PROTOCOL),
        /* 10 */ PASS_UNLESS_EQUAL(10, 6),
        /* 11 */ LOAD(BPF_H, 5, 2, AT_FRAGMENT),
        /* 12 */ {.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 5, .imm = htons(FRAGMENT_BITS)},
        /* 13 */ PASS_UNLESS_EQUAL(13, 0),
        /* 14 */ LOAD(BPF_W, 5, 2, AT_SOURCE),
        /* 15 */ PASS_UNLESS_EQUAL(15, options->peer),
        /* 16 */ LOAD(BPF_W, 5, 2, AT_DESTINATION),
        /* 17 */ PASS_UNLESS_EQUAL(17, options->local),
        /* 18 */ LOAD(BPF_H, 5, 2, AT_SOURCE_PORT),
        /* 19 */ PASS_UNLESS_EQUAL(19, htons(options->peer_port)),
        /* 20 */ LOAD(BPF_H, 5, 2, AT_DESTINATION_PORT),
        /* 21 */ {.code = BPF_ALU | BPF_END | BPF_TO_BE, .dst_reg = 5, .imm = 16},
        /* 22 */ {.code = BPF_JMP32 | BPF_JLT | BPF_K, .dst_reg = 5, .off = PROGRAM_PASS - 23, .imm = STEER_PORT_FIRST},
        /* 23 */ LOAD(BPF_W, 2, 1, 16), /* rx_queue_index */
        /* 24 */ {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = steer->map},
        /* 25 */ {0},
        /* 26 */ {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
        /* 27 */ {.code = BPF_JMP | BPF_JA, .off = 2},
        /* 28 */ {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
        /* 29 */ {.code = BPF_JMP | BPF_EXIT},
        /* 30 */ {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        /* 31 */ {.code = BPF_JMP | BPF_EXIT},
    };
    steer->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "engine_steer", "Dual BSD/GPL", program,
                                   sizeof(program) / sizeof(program[0]), NULL);
    return steer->program < 0 ? -errno : 0;
}

int steer_attach(struct steer *steer, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    steer->link = bpf_link_create(steer->program, (int)ifindex, BPF_XDP, &options);
    return steer->link < 0 ? -errno : 0;
}

int steer_enter(const struct steer *steer, uint32_t queue, int socket)
{
    return bpf_map_update_elem(steer->map, &queue, &socket, BPF_ANY) ? -errno : 0;
}

bool steer_attached(const struct steer *steer)
{
    struct bpf_link_info info = {0};
    uint32_t size = sizeof(info);
    return steer->link >= 0 && bpf_obj_get_info_by_fd(steer->link, &info, &size) == 0 && info.xdp.ifindex != 0;
}

void steer_clear(struct steer *steer)
{
    steer->program = steer->map = steer->link = -1;
}

void steer_close(struct steer *steer)
{
    const int descriptors[] = {steer->link, steer->program, steer->map};
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    steer_clear(steer);
}
