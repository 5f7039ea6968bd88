#include "engine/io/reset_guard.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "engine/io/match.h"

/* Newer than the headers of the distribution: uapi/linux/bpf.h of Linux 6.6. */
enum { ATTACH_TCX_INGRESS = 46, VERDICT_NEXT = -1, VERDICT_DROP = 2 };
enum { PROGRAM_PASS = MATCH_COUNT + 2 };

int reset_guard_attach(struct reset_guard *guard, const struct steer_options *options, uint32_t ifindex)
{
    const struct bpf_insn program[] = {
        MATCH_SEGMENT(options, offsetof(struct __sk_buff, data), offsetof(struct __sk_buff, data_end), PROGRAM_PASS),
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = VERDICT_DROP},
        {.code = BPF_JMP | BPF_EXIT},
        /* PROGRAM_PASS */ {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = VERDICT_NEXT},
        {.code = BPF_JMP | BPF_EXIT},
    };
    guard->program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "engine_guard", "Dual BSD/GPL", program,
                                   sizeof(program) / sizeof(program[0]), NULL);
    if (guard->program < 0)
        return -errno;
    guard->link = bpf_link_create(guard->program, (int)ifindex, (enum bpf_attach_type)ATTACH_TCX_INGRESS, NULL);
    return guard->link < 0 ? -errno : 0;
}

void reset_guard_clear(struct reset_guard *guard)
{
    guard->program = guard->link = -1;
}

void reset_guard_close(struct reset_guard *guard)
{
    if (guard->link >= 0)
        close(guard->link);
    if (guard->program >= 0)
        close(guard->program);
    reset_guard_clear(guard);
}
