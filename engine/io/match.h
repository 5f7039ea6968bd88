/* The instructions that tell a segment of the bypass connection, for two kinds of program: see steer.h and guard.h.
 *
 * In: r1 = context. Out: falls through with the frame's segment ours, jumps to `pass_` otherwise. The place of `data`
 * and `data_end` in the context differs. MATCH_COUNT instructions, the first of them number 0 of the program.
 */
#ifndef ENGINE_IO_MATCH_H
#define ENGINE_IO_MATCH_H

#include <arpa/inet.h>
#include <stdint.h>

#include <linux/bpf.h>

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
    MATCH_COUNT = 23,
};

#define LOAD(size_, to_, from_, offset_)                                                                                \
    {.code = BPF_LDX | BPF_MEM | (size_), .dst_reg = (to_), .src_reg = (from_), .off = (offset_)}
/* Jumps count from the next instruction. */
#define PASS_UNLESS(here_, pass_, value_)                                                                               \
    {.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = 5, .off = (pass_) - (here_) - 1, .imm = (int32_t)(value_)}

#define MATCH_SEGMENT(options_, data_, data_end_, pass_)                                                                \
    /* 0 */ LOAD(BPF_W, 2, 1, data_),                                                                                   \
    /* 1 */ LOAD(BPF_W, 3, 1, data_end_),                                                                               \
    /* 2 */ {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2},                                          \
    /* 3 */ {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = AT_END},                                         \
    /* 4 */ {.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3, .off = (pass_) - 5},                        \
    /* 5 */ LOAD(BPF_H, 5, 2, AT_ETHERTYPE),                                                                            \
    /* 6 */ PASS_UNLESS(6, pass_, htons(0x0800)),                                                                       \
    /* 7 */ LOAD(BPF_B, 5, 2, AT_VERSION),                                                                              \
    /* 8 */ PASS_UNLESS(8, pass_, 0x45),                                                                                \
    /* 9 */ LOAD(BPF_B, 5, 2, AT_PROTOCOL),                                                                             \
    /* 10 */ PASS_UNLESS(10, pass_, 6),                                                                                 \
    /* 11 */ LOAD(BPF_H, 5, 2, AT_FRAGMENT),                                                                            \
    /* 12 */ {.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 5, .imm = htons(FRAGMENT_BITS)},                          \
    /* 13 */ PASS_UNLESS(13, pass_, 0),                                                                                 \
    /* 14 */ LOAD(BPF_W, 5, 2, AT_SOURCE),                                                                              \
    /* 15 */ PASS_UNLESS(15, pass_, (options_)->peer),                                                                  \
    /* 16 */ LOAD(BPF_W, 5, 2, AT_DESTINATION),                                                                         \
    /* 17 */ PASS_UNLESS(17, pass_, (options_)->local),                                                                 \
    /* 18 */ LOAD(BPF_H, 5, 2, AT_SOURCE_PORT),                                                                         \
    /* 19 */ PASS_UNLESS(19, pass_, htons((options_)->peer_port)),                                                      \
    /* 20 */ LOAD(BPF_H, 5, 2, AT_DESTINATION_PORT),                                                                    \
    /* 21 */ {.code = BPF_ALU | BPF_END | BPF_TO_BE, .dst_reg = 5, .imm = 16},                                          \
    /* 22 */ {.code = BPF_JMP32 | BPF_JLT | BPF_K, .dst_reg = 5, .off = (pass_) - 23, .imm = STEER_PORT_FIRST}

#endif
