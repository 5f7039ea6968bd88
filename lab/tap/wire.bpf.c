/* XDP programs of the lab's wires: stamp, impair, hand over.
 *
 * market:   on the engine's end of lines A and B. Stamps every packet of the feed (MoldUDP64, or MDP 3.0 when the
 *           settings say so), asks the rules of the line, and hands the frame to the engine's AF_XDP socket; without one the kernel's stack gets it.
 * xsk_def_prog: the same in its place, for an engine that reads the lines with DPDK's net_af_xdp. That driver has libxdp
 *           redirect packets by a program of its own, or enter the socket into the map of one that is on the interface
 *           and looks like it. This one does; libxdp's map is not looked at, the engine enters the socket in ours too.
 *           With noise the same for multicast of other channels, which no rule is asked about: a card hands that over too.
 * order:    on the exchange's end of the order wire. Stamps and copies frames with TCP payload; passes all.
 * reply:    on the engine's end of the recovery wire. Stamps replies to re-requests as line 2; asks the rules of
 *           replies and of snapshot frames.
 * request:  on the exchange's end of the recovery wire. Counts re-requests and asks their rules.
 * market_card_a, market_card_b, order_card, reply_card: the same as those, but they ask the card for its stamp. Only a
 *           program bound to one device may, see card.h.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lab/tap/tap.h"

#define IP_FRAGMENT 0x3fff /* more fragments, or an offset: the ports are elsewhere */

const volatile struct tap_settings settings = {};
struct tap_state state;

#include "lab/tap/impair.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tap_market_record);
} market_records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tap_frame_record);
} frame_records SEC(".maps");

/* The engine puts its sockets here: key = line. */
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, TAP_LINE_COUNT);
    __type(key, __u32);
    __type(value, __u32);
} engine_sockets SEC(".maps");

/* What the lines have brought, for an exchange that does not publish itself. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct followed_page);
} followed SEC(".maps");

struct mold_header {
    __u8 session[10];
    __be64 sequence;
    __be16 count;
} __attribute__((packed));

/* CME MDP 3.0: a packet has a number, its messages have none. */
struct mdp3_header {
    __u8 sequence[4]; /* little-endian */
    __u8 sending_ns[8];
} __attribute__((packed));

/* Kernel 6.3. Weak: the other programs load without it. */
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym __weak;

enum { NO_CARD = -1 }; /* the program may not ask a card */

/* The card's stamp of this packet, 0 when it has none. */
static __always_inline __u64 card_stamp(struct xdp_md *ctx, int card)
{
    __u64 stamp = 0;
    if (card == NO_CARD)
        return 0;
    if (bpf_xdp_metadata_rx_timestamp(ctx, &stamp) == 0 && stamp)
        __sync_fetch_and_add(&state.card_stamped[card], 1);
    else
        __sync_fetch_and_add(&state.card_unstamped[card], 1);
    return stamp;
}

/* What records and rules want to know of a packet. */
struct numbered {
    __u64 position;
    __u16 count;    /* as on the wire; MDP 3.0: 1 */
    __u16 messages; /* the rules' idea of it: 0 is a heartbeat */
};

/* Claims the next slot of a ring; false when the lab has not made room. */
static __always_inline int claim(struct tap_ring *ring, __u64 mask, __u32 *slot)
{
    __u64 index = __sync_fetch_and_add(&ring->head, 1);
    if (index - *(volatile __u64 *)&ring->tail > mask) {
        __sync_fetch_and_add(&ring->lost, 1);
        return 0;
    }
    *slot = index & mask;
    return 1;
}

static __always_inline void stamp_market(__u64 now, __u64 sequence, __u16 count, __u32 length, __u8 line,
                                         __u8 flags)
{
    __u32 slot;
    if (!claim(&state.market, settings.market_mask, &slot))
        return;
    struct tap_market_record *record = bpf_map_lookup_elem(&market_records, &slot);
    if (!record)
        return;
    record->sequence = sequence;
    record->length = length;
    record->count = count;
    record->line = line;
    record->flags = flags;
    *(volatile __u64 *)&record->stamp_ns = now;
}

/* A MoldUDP64 number made unique over the sessions of the run. */
static __always_inline __u64 position_of(const struct mold_header *mold)
{
    __u64 sequence = bpf_be64_to_cpu(mold->sequence), ordinal = TAP_FOREIGN_ORDINAL;
    if (settings.session_count <= 1)
        return sequence;
    __u64 head = *(const __u64 *)mold->session;
    __u16 tail = *(const __u16 *)(mold->session + 8);
    for (__u32 i = 0; i < TAP_SESSIONS_MAX; i++)
        if (i < settings.session_count && head == settings.session_head[i] && tail == settings.session_tail[i])
            ordinal = i;
    return ordinal << TAP_POSITION_SHIFT | sequence;
}

static __always_inline __u16 messages_of(__u16 count)
{
    return count == 0xffff ? 0 : count;
}

static __always_inline __u8 flags_of(__u32 verdict)
{
    return verdict == VERDICT_PASS ? 0 : verdict == VERDICT_DROP ? TAP_FLAG_DROPPED : TAP_FLAG_CORRUPTED;
}

static __always_inline struct numbered mold_numbered(const struct mold_header *mold)
{
    __u16 count = bpf_ntohs(mold->count);
    return (struct numbered){.position = position_of(mold), .count = count, .messages = messages_of(count)};
}

static __always_inline struct numbered mdp3_numbered(const struct mdp3_header *mdp3)
{
    const __u8 *bytes = mdp3->sequence;
    __u64 sequence = bytes[0] | (__u64)bytes[1] << 8 | (__u64)bytes[2] << 16 | (__u64)bytes[3] << 24;
    return (struct numbered){.position = sequence, .count = 1, .messages = 1};
}

/* Stamps one packet, asks its rules and spoils it; true when it is to be dropped. */
static __always_inline int stamp_and_impair(struct xdp_md *ctx, const struct udphdr *udp,
                                            struct numbered packet, __u32 line, int card)
{
    __u64 now = bpf_ktime_get_ns();
    __u32 length = bpf_ntohs(udp->len) - sizeof(*udp);
    __u32 verdict = judge(line, packet.position, packet.messages, now);
    if (settings.stamping) {
        __u64 stamp = card_stamp(ctx, card);
        stamp_market(stamp ? stamp : now, packet.position, packet.count, length, line,
                     flags_of(verdict) | (stamp ? TAP_FLAG_CARD : 0));
    }
    if (verdict >= VERDICT_CORRUPT && line < TAP_PLACE_COUNT && verdict - VERDICT_CORRUPT < TAP_RULES_MAX)
        corrupt(ctx, &state.rules[line][verdict - VERDICT_CORRUPT]);
    return verdict == VERDICT_DROP;
}

/* The number behind the last message of a line; a packet that a rule drops was on the wire all the same. */
static __always_inline void note_followed(struct numbered packet, __u32 line)
{
    __u32 key = 0;
    struct followed_page *page = settings.following ? bpf_map_lookup_elem(&followed, &key) : 0;
    __u64 next = packet.position + packet.messages;
    if (page && line < FOLLOWED_LINES && next > page->next[line])
        *(volatile __u64 *)&page->next[line] = next;
}

static __always_inline int is_udp(const struct ethhdr *ethernet, const struct iphdr *ip)
{
    return ethernet->h_proto == bpf_htons(ETH_P_IP) && ip->ihl == 5 && ip->protocol == IPPROTO_UDP &&
           !(ip->frag_off & bpf_htons(IP_FRAGMENT));
}

static __always_inline int is_noise(const struct ethhdr *ethernet, const struct iphdr *ip)
{
    return settings.noise && is_udp(ethernet, ip) && (ip->daddr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
}

static __always_inline int pass_noise(const struct iphdr *ip, const struct udphdr *udp, __u32 line)
{
    __u64 channel = (__u64)bpf_ntohl(ip->daddr) << 32 | (__u64)bpf_ntohs(udp->dest) << 16 | bpf_ntohs(udp->source);
    if (settings.stamping)
        stamp_market(bpf_ktime_get_ns(), channel, 1, bpf_ntohs(udp->len) - sizeof(*udp), TAP_LINE_NOISE + line, 0);
    return bpf_redirect_map(&engine_sockets, line, XDP_PASS);
}

static __always_inline int take_market(struct xdp_md *ctx, int card)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 line = ctx->ingress_ifindex == settings.line_ifindex[1];
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct udphdr *udp = (void *)(ip + 1);
    struct mold_header *mold = (void *)(udp + 1);
    struct mdp3_header *mdp3 = (void *)(udp + 1);
    void *payload = settings.framing == TAP_FRAMING_MDP3 ? (void *)(mdp3 + 1) : (void *)(mold + 1);
    struct numbered packet;

    if ((void *)(udp + 1) <= end && is_noise(ethernet, ip) &&
        (udp->dest != bpf_htons(settings.line_port[line]) || ip->daddr != settings.line_group[line]))
        return pass_noise(ip, udp, line);
    if (payload > end || !is_udp(ethernet, ip) || udp->dest != bpf_htons(settings.line_port[line])) {
        __sync_fetch_and_add(&state.not_market_data[line], 1);
        return XDP_PASS;
    }
    if (!settings.stamping && !settings.impairing)
        return bpf_redirect_map(&engine_sockets, line, XDP_PASS);
    if (settings.framing == TAP_FRAMING_MDP3) /* a constant to the verifier: it walks one of the two */
        packet = mdp3_numbered(mdp3);
    else
        packet = mold_numbered(mold);
    note_followed(packet, line);
    if (stamp_and_impair(ctx, udp, packet, line, card))
        return XDP_DROP;
    return bpf_redirect_map(&engine_sockets, line, XDP_PASS);
}

SEC("?xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
    return take_market(ctx, NO_CARD);
}

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

__uint(xsk_prog_version, 1) SEC("xdp_metadata");

/* Frames of the snapshot's TCP connection have no numbers: their rules go by time and by count. */
static __always_inline int snapshot_frame(void)
{
    __sync_fetch_and_add(&state.snapshot_frames, 1);
    return judge(TAP_PLACE_SNAPSHOT, 0, 1, bpf_ktime_get_ns()) == VERDICT_DROP ? XDP_DROP : XDP_PASS;
}

static __always_inline int take_reply(struct xdp_md *ctx, int card)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct udphdr *udp = (void *)(ip + 1);
    struct mold_header *mold = (void *)(udp + 1);

    if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
        return XDP_PASS;
    if (ip->protocol == IPPROTO_TCP && udp->source == bpf_htons(settings.snapshot_port))
        return snapshot_frame(); /* TCP's ports lie where UDP's do */
    if (!is_udp(ethernet, ip) || udp->source != bpf_htons(settings.request_port) || (void *)(mold + 1) > end)
        return XDP_PASS;
    if ((settings.stamping || settings.impairing) &&
        stamp_and_impair(ctx, udp, mold_numbered(mold), TAP_LINE_RECOVERY, card))
        return XDP_DROP;
    return XDP_PASS;
}

SEC("xdp")
int request(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct udphdr *udp = (void *)(ip + 1);
    struct mold_header *mold = (void *)(udp + 1);

    if ((void *)(mold + 1) > end || !is_udp(ethernet, ip) || udp->dest != bpf_htons(settings.request_port))
        return XDP_PASS;
    __sync_fetch_and_add(&state.requests, 1);
    __u16 count = bpf_ntohs(mold->count);
    __u64 position = position_of(mold);
    __u32 verdict = judge(TAP_PLACE_REQUESTS, position, count ? count : 1, bpf_ktime_get_ns());
    return verdict == VERDICT_DROP ? XDP_DROP : XDP_PASS;
}

static __always_inline int take_order(struct xdp_md *ctx, int card)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct tcphdr *tcp = (void *)(ip + 1);

    if (!settings.stamping || (void *)(tcp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
        ip->protocol != IPPROTO_TCP || tcp->dest != bpf_htons(settings.gateway_port))
        return XDP_PASS;
    if (bpf_ntohs(ip->tot_len) <= sizeof(*ip) + tcp->doff * 4)
        return XDP_PASS; /* no payload: an acknowledgement */

    __u64 now = bpf_ktime_get_ns(), stamp = card_stamp(ctx, card);
    __u32 slot;
    if (!claim(&state.frames, settings.frame_mask, &slot))
        return XDP_PASS;
    struct tap_frame_record *record = bpf_map_lookup_elem(&frame_records, &slot);
    if (!record)
        return XDP_PASS;
    __u64 length = end - data;
    __u32 captured = length;
    if (captured > TAP_FRAME_BYTES_MAX)
        captured = TAP_FRAME_BYTES_MAX;
    barrier_var(captured); /* the verifier must see the bounds on this very register */
    if (captured == 0 || captured > TAP_FRAME_BYTES_MAX || bpf_xdp_load_bytes(ctx, 0, record->data, captured))
        captured = 0;
    record->length = length;
    record->captured = captured | (stamp ? TAP_CAPTURED_CARD : 0);
    *(volatile __u64 *)&record->stamp_ns = stamp ? stamp : now;
    return XDP_PASS;
}

#define PROGRAM(name, take, card)                                                                                      \
    SEC("xdp") int name(struct xdp_md *ctx)                                                                            \
    {                                                                                                                  \
        return take(ctx, card);                                                                                        \
    }

PROGRAM(market, take_market, NO_CARD)
PROGRAM(reply, take_reply, NO_CARD)
PROGRAM(order, take_order, NO_CARD)
PROGRAM(market_card_a, take_market, TAP_CARD_A)
PROGRAM(market_card_b, take_market, TAP_CARD_B)
PROGRAM(reply_card, take_reply, TAP_CARD_RECOVERY)
PROGRAM(order_card, take_order, TAP_CARD_ORDER)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
