#include "engine/io/bypass_tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <lwip/init.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include "engine/io/bypass_route.h"
#include "engine/io/lwip_memory.h"
#include "engine/io/segment.h"

enum {
    ETHERNET_BYTES = 14,
    IP_BYTES = 20,
    TCP_BYTES_MIN = 20,
    RECEIVED_BYTES = 1 << 16, /* what the window allows, and a power of two */
    PORT_COUNT = 65536 - STEER_PORT_FIRST,
    LATER_BYTES = 96,         /* a held acknowledgement: headers with all options */
    ROOM_BYTES = 256,         /* in the peer's window, or the next order might wait */
};

_Static_assert((int)RECEIVED_BYTES > (int)BYPASS_TCP_WINDOW, "what the peer may send fits");
_Static_assert(TCP_WND <= (int)BYPASS_TCP_WINDOW, "lwIP was built with the window documented here");

enum state { STATE_CLOSED, STATE_CONNECTING, STATE_OPEN };

struct bypass_tcp {
    struct frame_port frames;
    struct tcp_pcb *pcb;
    enum state state;
    bool finished; /* the peer sends no more */
    int failure;
    uint64_t now_ns;
    uint64_t tick_ns;
    uint64_t held_ns;
    uint64_t heard_ns;     /* the peer acknowledged something, or nothing was owed */
    uint32_t heard_number;
    uint32_t held_bytes; /* an acknowledgement waits for an order to take it along */
    uint32_t acknowledged; /* number that the last segment sent has acknowledged; 0: none, the first never waits */
    uint16_t local_port;
    uint16_t peer_port;
    uint32_t received_head; /* free-running: bytes written, bytes taken */
    uint32_t received_tail;
    uint32_t connect_count;
    uint32_t port_offset;
    bool ahead;             /* lwIP is writing down a segment that has left already: */
    uint32_t ahead_sequence;
    uint32_t ahead_bytes;
    struct segment_template segment;
    struct bypass_route route;
    struct bypass_tcp_counters counters;
    struct netif netif;
    uint8_t held[LATER_BYTES];
    uint8_t received[RECEIVED_BYTES];
};

static struct bypass_tcp *the_only; /* lwIP's state is global */

static uint32_t load32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint16_t load16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

bool bypass_tcp_built(void)
{
    return true;
}

/* Frames out */

static void address_frame(const struct bypass_tcp *bypass, uint8_t *frame)
{
    memcpy(frame, bypass->route.peer_ethernet, BYPASS_ETHERNET_BYTES);
    memcpy(frame + BYPASS_ETHERNET_BYTES, bypass->route.local_ethernet, BYPASS_ETHERNET_BYTES);
}

static bool put_frame(struct bypass_tcp *bypass, const uint8_t *packet, uint32_t length)
{
    uint8_t *frame = frame_port_reserve(&bypass->frames);
    if (!frame)
        return false;
    address_frame(bypass, frame);
    frame[12] = 0x08;
    frame[13] = 0x00;
    memcpy(frame + ETHERNET_BYTES, packet, length);
    frame_port_submit(&bypass->frames, ETHERNET_BYTES + length);
    return true;
}

static void release_held(struct bypass_tcp *bypass)
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
    release_held(bypass);
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

/* lwIP alone would go on for minutes. */
static void tick(struct bypass_tcp *bypass, uint64_t now_ns)
{
    bypass->tick_ns = now_ns;
    tcp_tmr();
    const struct tcp_pcb *pcb = bypass->pcb;
    if (!pcb || !pcb->unacked || pcb->lastack != bypass->heard_number || bypass->heard_ns == 0) {
        bypass->heard_ns = now_ns;
        bypass->heard_number = pcb ? pcb->lastack : 0;
    } else if (now_ns - bypass->heard_ns >= BYPASS_TCP_SILENCE_NS) {
        bypass_tcp_hang_up(bypass, true);
        bypass->failure = ETIMEDOUT;
        bypass->counters.resets++;
    }
}

void bypass_tcp_poll(struct bypass_tcp *bypass, uint64_t now_ns)
{
    bypass->now_ns = now_ns;
    uint32_t count = frame_port_receive(&bypass->frames);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        const uint8_t *frame = frame_port_frame(&bypass->frames, i, &length);
        take_frame(bypass, frame, length);
    }
    frame_port_release(&bypass->frames);
    if (now_ns - bypass->tick_ns >= BYPASS_TCP_TICK_NS)
        tick(bypass, now_ns);
    if (bypass->held_bytes && now_ns - bypass->held_ns >= BYPASS_TCP_ACKNOWLEDGE_NS)
        release_held(bypass);
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
}

/* What lwIP calls back, always from within bypass_tcp_poll() */

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct bypass_tcp *bypass = argument;
    (void)pcb;
    (void)error;
    if (!data) {
        bypass->finished = true;
        return ERR_OK;
    }
    if (data->tot_len > RECEIVED_BYTES - (bypass->received_head - bypass->received_tail))
        return ERR_MEM; /* lwIP keeps it and offers it again; the window makes this impossible */
    for (const struct pbuf *part = data; part; part = part->next)
        for (uint32_t i = 0; i < part->len;) {
            uint32_t at = bypass->received_head & (RECEIVED_BYTES - 1), room = RECEIVED_BYTES - at;
            uint32_t count = part->len - i < room ? part->len - i : room;
            memcpy(bypass->received + at, (const uint8_t *)part->payload + i, count);
            bypass->received_head += count;
            i += count;
        }
    pbuf_free(data);
    return ERR_OK;
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct bypass_tcp *bypass = argument;
    (void)pcb;
    (void)error;
    bypass->state = STATE_OPEN;
    return ERR_OK;
}

/* The connection block is gone already. */
static void on_error(void *argument, err_t error)
{
    struct bypass_tcp *bypass = argument;
    bool connecting = bypass->state == STATE_CONNECTING;
    bypass->pcb = NULL;
    bypass->state = STATE_CLOSED;
    bypass->held_bytes = 0;
    bypass->counters.resets++;
    bypass->failure = error == ERR_RST ? (connecting ? ECONNREFUSED : ECONNRESET) : ETIMEDOUT;
}

/* The connection */

int bypass_tcp_connect(struct bypass_tcp *bypass)
{
    ip_addr_t peer = IPADDR4_INIT(bypass->route.peer);
    ip_addr_t local = IPADDR4_INIT(bypass->route.local);
    bypass_tcp_hang_up(bypass, false);
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    if (!pcb)
        return -ENOBUFS;
    tcp_arg(pcb, bypass);
    tcp_recv(pcb, on_received);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
    bypass->pcb = pcb;
    bypass->state = STATE_CONNECTING;
    bypass->finished = false;
    bypass->failure = 0;
    bypass->received_head = bypass->received_tail = 0;
    bypass->acknowledged = 0;
    bypass->local_port = (uint16_t)(STEER_PORT_FIRST + (bypass->port_offset + bypass->connect_count++) % PORT_COUNT);
    bypass->counters.connects++;
    const struct segment_ends ends = {bypass->route.local, bypass->route.peer, bypass->local_port, bypass->peer_port};
    segment_template_init(&bypass->segment, &ends);
    bypass->ahead = false;
    bypass->heard_ns = 0;
    err_t error = tcp_bind(pcb, &local, bypass->local_port);
    if (error == ERR_OK) {
        tcp_bind_netif(pcb, &bypass->netif);
        error = tcp_connect(pcb, &peer, bypass->peer_port, on_connected);
    }
    if (error != ERR_OK) {
        bypass_tcp_hang_up(bypass, true);
        return error == ERR_USE ? -EADDRINUSE : -ENOBUFS;
    }
    frame_port_kick(&bypass->frames);
    return 0;
}

int bypass_tcp_connected(const struct bypass_tcp *bypass)
{
    if (bypass->state == STATE_OPEN)
        return 1;
    return bypass->state == STATE_CONNECTING ? 0 : -(bypass->failure ? bypass->failure : ECONNABORTED);
}

bool bypass_tcp_ready(const struct bypass_tcp *bypass)
{
    const struct tcp_pcb *pcb = bypass->pcb;
    if (bypass->state != STATE_OPEN || pcb->unsent)
        return false;
    uint32_t window = pcb->cwnd < pcb->snd_wnd ? pcb->cwnd : pcb->snd_wnd, flight = pcb->snd_nxt - pcb->lastack;
    return flight + ROOM_BYTES <= window && pcb->snd_queuelen + 2 <= TCP_SND_QUEUELEN;
}

/* The segment that lwIP will make of these bytes, before it does: only when nothing can come between. */
static void send_ahead(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    const struct tcp_pcb *pcb = bypass->pcb;
    uint8_t *frame;
    if (length > ROOM_BYTES || !bypass_tcp_ready(bypass) || !lwip_memory_ready() ||
        !(frame = frame_port_reserve(&bypass->frames)))
        return;
    uint16_t window = (uint16_t)TCPWND16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd));
    uint32_t size = segment_write(&bypass->segment, frame, pcb->snd_lbb, pcb->rcv_nxt, window, bytes, length);
    address_frame(bypass, frame);
    frame_port_submit(&bypass->frames, size);
    frame_port_kick(&bypass->frames);
    bypass->ahead = true;
    bypass->ahead_sequence = pcb->snd_lbb;
    bypass->ahead_bytes = length;
    if (bypass->held_bytes)
        bypass->counters.acknowledgements_carried++;
    bypass->held_bytes = 0;
    bypass->acknowledged = pcb->rcv_nxt;
    bypass->counters.sent_ahead++;
}

int64_t bypass_tcp_send(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    if (bypass->state != STATE_OPEN)
        return -1;
    if (length > tcp_sndbuf(bypass->pcb))
        return 0;
    send_ahead(bypass, bytes, length);
    bool ahead = bypass->ahead;
    err_t error = tcp_write(bypass->pcb, bytes, (u16_t)length, TCP_WRITE_FLAG_COPY);
    if (error == ERR_MEM && !ahead)
        return 0;
    if (error != ERR_OK) { /* bytes on the wire that lwIP does not know of would be another's bytes soon */
        bypass->failure = ECONNABORTED;
        bypass_tcp_hang_up(bypass, true);
        return -1;
    }
    tcp_output(bypass->pcb); /* what it could not send stays queued: bypass_tcp_ready() says so */
    bypass->ahead = false;
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
    return length;
}

int64_t bypass_tcp_receive(struct bypass_tcp *bypass, uint8_t *bytes, uint32_t capacity)
{
    uint32_t waiting = bypass->received_head - bypass->received_tail, taken = waiting < capacity ? waiting : capacity;
    if (taken == 0)
        return bypass->state == STATE_OPEN && !bypass->finished ? 0 : -1;
    uint32_t at = bypass->received_tail & (RECEIVED_BYTES - 1), first = RECEIVED_BYTES - at;
    first = taken < first ? taken : first;
    memcpy(bytes, bypass->received + at, first);
    memcpy(bytes + first, bypass->received, taken - first);
    bypass->received_tail += taken;
    if (bypass->pcb)
        tcp_recved(bypass->pcb, (u16_t)taken);
    return taken;
}

int bypass_tcp_failure(const struct bypass_tcp *bypass)
{
    return bypass->failure;
}

void bypass_tcp_hang_up(struct bypass_tcp *bypass, bool abort)
{
    struct tcp_pcb *pcb = bypass->pcb;
    bypass->state = STATE_CLOSED;
    bypass->pcb = NULL;
    if (!pcb)
        return;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    /* Bytes nobody will read: taken as read, or the peer would get a reset instead of the end. */
    tcp_recved(pcb, (u16_t)(bypass->received_head - bypass->received_tail));
    bypass->received_tail = bypass->received_head;
    if (!abort && pcb->nrtx > 0 && pcb->unacked)
        tcp_rexmit_rto(pcb); /* the wire was away: what was lost goes before the end, and not at the next time-out */
    /* Our end, but not the peer's: answers on their way would meet a closed door, a reset, and end what is sent again. */
    if (abort || (pcb->state == SYN_SENT ? tcp_close(pcb) : tcp_shutdown(pcb, 0, 1)) != ERR_OK)
        tcp_abort(pcb);
    release_held(bypass);
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
}

/* Opening and closing: cold */

/* Ports of ours that the kernel gives away too would be ours to steal. */
static int check_ports(char *error, uint32_t error_bytes)
{
    unsigned first = 0, last = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    int count = file ? fscanf(file, "%u %u", &first, &last) : 0;
    if (file)
        fclose(file);
    if (count == 2 && last < STEER_PORT_FIRST)
        return 0;
    snprintf(error, error_bytes,
             "bypass wire: the kernel gives away ports from %d on too: sysctl -w net.ipv4.ip_local_port_range='%u %d'",
             STEER_PORT_FIRST, count == 2 ? first : 32768, STEER_PORT_FIRST - 1);
    return -EADDRINUSE;
}

static void add_netif(struct bypass_tcp *bypass)
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

struct bypass_tcp *bypass_tcp_open(const char *address, uint16_t port, uint32_t queue, char *error,
                                   uint32_t error_bytes)
{
    struct bypass_tcp *bypass = aligned_alloc(64, (sizeof(*bypass) + 63) / 64 * 64);
    int result = bypass ? 0 : -ENOMEM;
    if (bypass)
        memset(bypass, 0, sizeof(*bypass)); /* touches every page */
    if (result || the_only) {
        result = result ? result : -EBUSY;
        snprintf(error, error_bytes, "bypass wire: %s",
                 result == -EBUSY ? "one connection a process, and there is one" : strerror(-result));
        free(bypass);
        errno = -result;
        return NULL;
    }
    bypass->peer_port = port;
    result = check_ports(error, error_bytes);
    if (!result)
        result = bypass_route_find(&bypass->route, address, port, BYPASS_TCP_RESOLVE_MS, error, error_bytes);
    if (!result) {
        const struct frame_port_options options = {
            .interface = bypass->route.interface,
            .queue = queue,
            .steer = {.local = bypass->route.local, .peer = bypass->route.peer, .peer_port = port},
        };
        result = frame_port_open(&bypass->frames, &options, error, error_bytes);
    }
    if (result) {
        free(bypass);
        errno = -result;
        return NULL;
    }
    if (getrandom(&bypass->port_offset, sizeof(bypass->port_offset), 0) != sizeof(bypass->port_offset))
        bypass->port_offset = (uint32_t)time(NULL);
    bypass->port_offset %= PORT_COUNT;
    add_netif(bypass);
    the_only = bypass;
    return bypass;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void bypass_tcp_close(struct bypass_tcp *bypass)
{
    if (!bypass)
        return;
    const struct timespec pause = {.tv_nsec = 100 * 1000};
    bypass_tcp_hang_up(bypass, false);
    uint64_t until_ns = monotonic_ns() + (bypass_tcp_steered(bypass) ? BYPASS_TCP_LINGER_NS : BYPASS_TCP_LINGER_DEAF_NS);
    while (tcp_active_pcbs && monotonic_ns() < until_ns) {
        bypass_tcp_poll(bypass, monotonic_ns());
        nanosleep(&pause, NULL);
    }
    netif_remove(&bypass->netif); /* resets what is left */
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
    frame_port_close(&bypass->frames);
    the_only = NULL;
    free(bypass);
}

bool bypass_tcp_steered(const struct bypass_tcp *bypass)
{
    return steer_attached(&bypass->frames.steer);
}

const char *bypass_tcp_interface(const struct bypass_tcp *bypass)
{
    return bypass->route.interface;
}

void bypass_tcp_counters(const struct bypass_tcp *bypass, struct bypass_tcp_counters *counters)
{
    *counters = bypass->counters;
    counters->frames = bypass->frames.counters;
    counters->guarded = bypass->frames.guarded;
    counters->memory_used = lwip_memory_used();
    counters->memory_empty = lwip_memory_empty();
}
