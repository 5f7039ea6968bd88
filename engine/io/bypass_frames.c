/* Frames of the bypass wire, between lwIP and the rings: see bypass_tcp.h. */
#include <string.h>

#include <lwip/init.h>
#include <lwip/ip4.h>

#include "engine/io/bypass_inside.h"
#include "engine/io/lwip_memory.h"

static uint32_t load32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint16_t load16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Frames out */

void bypass_frames_address(const struct bypass_tcp *bypass, uint8_t *frame)
{
    memcpy(frame, bypass->route.peer_ethernet, BYPASS_ETHERNET_BYTES);
    memcpy(frame + BYPASS_ETHERNET_BYTES, bypass->route.local_ethernet, BYPASS_ETHERNET_BYTES);
}

static bool put_frame(struct bypass_tcp *bypass, const uint8_t *packet, uint32_t length)
{
    uint8_t *frame = frame_port_reserve(&bypass->frames);
    if (!frame)
        return false;
    bypass_frames_address(bypass, frame);
    frame[12] = 0x08;
    frame[13] = 0x00;
    memcpy(frame + ETHERNET_BYTES, packet, length);
    frame_port_submit(&bypass->frames, ETHERNET_BYTES + length);
    return true;
}

void bypass_frames_release_held(struct bypass_tcp *bypass)
{
    if (bypass->held_bytes && put_frame(bypass, bypass->held, bypass->held_bytes))
        bypass->counters.acknowledgements++;
    bypass->held_bytes = 0;
}

/* True when the packet is put aside: it only acknowledges, and more than was acknowledged before. */
static bool hold(struct bypass_tcp *bypass, const uint8_t *packet, uint32_t length)
{
    const uint8_t *tcp = packet + IP_BYTES;
    uint32_t header = IP_BYTES + (uint32_t)(tcp[12] >> 4) * 4, number = load32(tcp + 8);
    bool ours = load16(tcp) == bypass->local_port && (tcp[13] & TCP_ACK);
    bool bare = length == header && tcp[13] == TCP_ACK && length <= LATER_BYTES;
    if (!ours)
        return false;
    if (bare && bypass->acknowledged && number != bypass->acknowledged) {
        bypass->acknowledged = number;
        if (bypass->held_bytes == 0)
            bypass->held_ns = bypass->now_ns;
        memcpy(bypass->held, packet, length);
        bypass->held_bytes = length;
        return true;
    }
    if (bypass->held_bytes && length > header && number == bypass->acknowledged) {
        bypass->held_bytes = 0; /* this one says it too */
        bypass->counters.acknowledgements_carried++;
    }
    bypass_frames_release_held(bypass);
    bypass->acknowledged = number;
    return false;
}

/* True for the very segment that send_ahead() has sent: its number, all of its bytes, and nothing but data. */
static bool was_ahead(struct bypass_tcp *bypass, const uint8_t *packet, uint32_t length)
{
    const uint8_t *tcp = packet + IP_BYTES;
    bool same = load16(tcp) == bypass->local_port && tcp[12] == 0x50 && tcp[13] == (TCP_PSH | TCP_ACK) &&
                length == IP_BYTES + TCP_BYTES_MIN + bypass->ahead_bytes && load32(tcp + 4) == bypass->ahead_sequence;
    bypass->ahead = false;
    return same;
}

/* lwIP's way out: one whole IP packet in one piece (LWIP_NETIF_TX_SINGLE_PBUF), checksums in it. */
static err_t send_packet(struct netif *netif, struct pbuf *packet, const ip4_addr_t *next)
{
    struct bypass_tcp *bypass = netif->state;
    const uint8_t *bytes = packet->payload;
    (void)next;
    if (packet->len != packet->tot_len || packet->len < IP_BYTES + TCP_BYTES_MIN || packet->len > BYPASS_MTU)
        return ERR_IF;
    if (bypass->ahead && was_ahead(bypass, bytes, packet->len))
        return ERR_OK;
    if (hold(bypass, bytes, packet->len))
        return ERR_OK;
    if (!put_frame(bypass, bytes, packet->len))
        return ERR_MEM;
    return ERR_OK;
}

static err_t start_netif(struct netif *netif)
{
    netif->name[0] = 'x';
    netif->name[1] = 'k';
    netif->mtu = BYPASS_MTU;
    netif->output = send_packet;
    netif->flags |= NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* Frames in */

/* True when the frame is a whole TCP segment from the gateway to us; the XDP program let no other pass. */
static bool is_ours(const struct bypass_tcp *bypass, const uint8_t *frame, uint32_t length, uint32_t *packet_bytes)
{
    const uint8_t *ip = frame + ETHERNET_BYTES;
    if (length < ETHERNET_BYTES + IP_BYTES + TCP_BYTES_MIN || load16(frame + 12) != 0x0800 || ip[0] != 0x45 ||
        ip[9] != 6 || (load16(ip + 6) & 0x3fff))
        return false;
    *packet_bytes = load16(ip + 2);
    return *packet_bytes >= IP_BYTES + TCP_BYTES_MIN && *packet_bytes <= length - ETHERNET_BYTES &&
           memcmp(ip + 12, &bypass->route.peer, 4) == 0 && memcmp(ip + 16, &bypass->route.local, 4) == 0;
}

static void take_frame(struct bypass_tcp *bypass, const uint8_t *frame, uint32_t length)
{
    uint32_t packet_bytes;
    if (!is_ours(bypass, frame, length, &packet_bytes)) {
        bypass->counters.foreign_frames++;
        return;
    }
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)packet_bytes, PBUF_RAM);
    if (!packet)
        return; /* as if the wire had lost it */
    memcpy(packet->payload, frame + ETHERNET_BYTES, packet_bytes);
    memcpy(bypass->route.peer_ethernet, frame + BYPASS_ETHERNET_BYTES, BYPASS_ETHERNET_BYTES);
    ip4_input(packet, &bypass->netif);
}

uint32_t bypass_frames_take(struct bypass_tcp *bypass)
{
    uint32_t count = frame_port_receive(&bypass->frames);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        const uint8_t *frame = frame_port_frame(&bypass->frames, i, &length);
        take_frame(bypass, frame, length);
    }
    frame_port_release(&bypass->frames);
    return count;
}

void bypass_frames_start(struct bypass_tcp *bypass)
{
    static bool initialised;
    const ip4_addr_t local = {bypass->route.local}, mask = {bypass->route.mask}, none = {0};
    if (!initialised) {
        lwip_memory_init();
        lwip_init();
        initialised = true;
    }
    netif_add(&bypass->netif, &local, &mask, &none, bypass, start_netif, ip4_input);
    netif_set_up(&bypass->netif);
}
