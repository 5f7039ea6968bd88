/* The rules of a place, asked for one packet; and the ways to spoil a frame. Part of wire.bpf.c.
 *
 * Every rule of a place is asked for every packet, so that each takes what it would take alone. A packet that one
 * drops and another spoils is dropped; of two that spoil it, the first does.
 */
#ifndef LAB_TAP_IMPAIR_BPF_H
#define LAB_TAP_IMPAIR_BPF_H

#define CORRUPT_BITS_MAX 64
#define UDP_CHECKSUM 40 /* offsets in a frame without IP options */
#define UDP_LENGTH 38
#define IP_HEADER 14
#define IP_BYTES 20
#define MOLD_COUNT (TAP_PAYLOAD + 18)
#define MOLD_BLOCKS (TAP_PAYLOAD + 20)

enum { VERDICT_PASS = 0, VERDICT_DROP = 1, VERDICT_CORRUPT = 2 /* + number of the rule */ };

/* Notes in which window a rule took a data packet. Global: the verifier looks at it once. */
__noinline int note_window(struct tap_rule *slot, __u64 position, __u64 now)
{
    if (!slot)
        return 0;
    if (slot->window_seen != slot->rule.windows) {
        slot->window_seen = slot->rule.windows;
        __u64 claimed = __sync_fetch_and_add(&state.windows_used, 1);
        slot->window = claimed < TAP_WINDOWS_MAX ? claimed : TAP_WINDOWS_MAX;
    }
    __u32 index = slot->window;
    barrier_var(index); /* the verifier must see the bound on this very register */
    if (index >= TAP_WINDOWS_MAX)
        return 0;
    struct tap_window *window = &state.windows[index];
    if (window->packets == 0) {
        window->first_ns = now;
        window->position = position;
        window->number = slot->rule.windows;
        window->place = slot->place;
        window->rule = slot->number;
    }
    window->last_ns = now;
    window->packets++;
    return 0;
}

/* Asks one rule: 1 when it takes the packet. Global like note_window(), or the verifier walks all its ways once more
 * for each rule of a place and loading takes 20 s. */
__noinline int ask_rule(struct tap_rule *slot, __u64 position, __u32 messages, __u64 now)
{
    if (!slot || !slot->enabled || !impairment_takes(&slot->rule, position, messages, now))
        return 0;
    if (messages)
        note_window(slot, position, now);
    return 1;
}

static __always_inline __u32 judge(__u32 place, __u64 position, __u32 messages, __u64 now)
{
    __u32 verdict = VERDICT_PASS;
    if (!settings.impairing || place >= TAP_PLACE_COUNT)
        return VERDICT_PASS;
    for (__u32 i = 0; i < TAP_RULES_MAX; i++) {
        if (i >= state.rule_count[place])
            break;
        struct tap_rule *slot = &state.rules[place][i];
        if (!ask_rule(slot, position, messages, now))
            continue;
        if (slot->rule.action == IMPAIR_DROP)
            verdict = VERDICT_DROP;
        else if (slot->rule.action == IMPAIR_CORRUPT && verdict == VERDICT_PASS)
            verdict = VERDICT_CORRUPT + slot->number; /* i, but one path for the verifier, not eight */
    }
    return verdict;
}

static __always_inline __u16 load_16(struct xdp_md *ctx, __u32 offset)
{
    __be16 value = 0;
    bpf_xdp_load_bytes(ctx, offset, &value, sizeof(value));
    return bpf_ntohs(value);
}

static __always_inline void store_16(struct xdp_md *ctx, __u32 offset, __u16 value)
{
    __be16 stored = bpf_htons(value);
    bpf_xdp_store_bytes(ctx, offset, &stored, sizeof(stored));
}

static __always_inline void flip_bits(struct xdp_md *ctx, struct impairment_rule *rule, __u32 payload_bytes)
{
    for (__u32 i = 0; i < CORRUPT_BITS_MAX; i++) {
        if (i >= rule->amount)
            break;
        __u32 place = impairment_place(rule, payload_bytes * 8);
        __u8 byte = 0;
        if (bpf_xdp_load_bytes(ctx, TAP_PAYLOAD + place / 8, &byte, sizeof(byte)))
            break;
        byte ^= 1 << (place & 7);
        bpf_xdp_store_bytes(ctx, TAP_PAYLOAD + place / 8, &byte, sizeof(byte));
    }
}

/* Lets the frame end behind `payload_bytes` of UDP payload, with the lengths and the IP checksum that go with it. */
static __always_inline void end_payload_at(struct xdp_md *ctx, __u32 payload_bytes)
{
    __u32 frame_bytes = bpf_xdp_get_buff_len(ctx);
    __u16 header[IP_BYTES / 2];
    __u32 sum = 0;
    if (bpf_xdp_adjust_tail(ctx, (int)(TAP_PAYLOAD + payload_bytes) - (int)frame_bytes))
        return;
    store_16(ctx, UDP_LENGTH, 8 + payload_bytes);
    if (bpf_xdp_load_bytes(ctx, IP_HEADER, header, sizeof(header)))
        return;
    header[1] = bpf_htons(IP_BYTES + 8 + payload_bytes);
    header[5] = 0;
    for (int i = 0; i < IP_BYTES / 2; i++)
        sum += header[i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    header[5] = ~sum;
    bpf_xdp_store_bytes(ctx, IP_HEADER, header, sizeof(header));
}

/* Spoils a UDP frame without IP options. But for CORRUPT_CHECKSUM the checksum becomes 0, "none": what the rule did
 * is to be found by who reads the payload, not by the kernel. Direct packet pointers are stale afterwards. */
static __noinline int corrupt(struct xdp_md *ctx, struct tap_rule *slot)
{
    struct impairment_rule *rule = &slot->rule;
    __u32 frame_bytes = bpf_xdp_get_buff_len(ctx);
    __u32 payload_bytes = load_16(ctx, UDP_LENGTH) - 8;
    if (frame_bytes < TAP_PAYLOAD || payload_bytes > frame_bytes - TAP_PAYLOAD)
        return 0; /* shorter than it says: spoiled already */
    if (rule->corruption == CORRUPT_CHECKSUM) {
        __u16 wrong = load_16(ctx, UDP_CHECKSUM) ^ 0x00ff;
        store_16(ctx, UDP_CHECKSUM, wrong ? wrong : 0xff00); /* 0 would be "none" */
        return 0;
    }
    store_16(ctx, UDP_CHECKSUM, 0);
    if (rule->corruption == CORRUPT_BITS)
        flip_bits(ctx, rule, payload_bytes);
    else if (rule->corruption == CORRUPT_COUNT)
        store_16(ctx, MOLD_COUNT, load_16(ctx, MOLD_COUNT) + rule->amount);
    else if (rule->corruption == CORRUPT_ZERO_BLOCK)
        store_16(ctx, MOLD_BLOCKS, 0);
    else if (rule->corruption == CORRUPT_TRUNCATE)
        end_payload_at(ctx, payload_bytes > rule->amount ? payload_bytes - rule->amount : 0);
    return 0;
}

#endif
