#include "engine/io/steer.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "engine/io/match.h"

enum { PROGRAM_PASS = 29, CONTEXT_DATA = 0, CONTEXT_DATA_END = 4, CONTEXT_QUEUE = 16 };

int steer_load(struct steer *steer, const struct steer_options *options)
{
    steer->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "order_socket", 4, 4, STEER_QUEUE_COUNT, NULL);
    if (steer->map < 0)
        return -errno;
    const struct bpf_insn program[] = {
        MATCH_SEGMENT(options, CONTEXT_DATA, CONTEXT_DATA_END, PROGRAM_PASS),
        LOAD(BPF_W, 2, 1, CONTEXT_QUEUE),
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = steer->map},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
        /* PROGRAM_PASS */ {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
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
