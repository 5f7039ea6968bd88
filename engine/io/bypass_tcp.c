#include "engine/io/bypass_tcp.h"

#include <errno.h>
#include <string.h>

#include "engine/io/bypass_inside.h"
#include "engine/io/lwip_memory.h"

bool bypass_tcp_built(void)
{
    return true;
}

/* What is sent again goes over the ring, so a door that loses everything costs one time-out. */
static void judge_door(struct bypass_tcp *bypass)
{
    const struct tcp_pcb *pcb = bypass->pcb;
    if (!bypass->at_door || !pcb)
        return;
    bool lost = pcb->nrtx > 0;
    if (!lost && TCP_SEQ_LT(pcb->lastack, bypass->at_door_end))
        return; /* on its way */
    frame_door_judge(&bypass->frames.door, !lost);
    bypass->at_door = false;
    bypass->counters.door_misses += lost;
}

/* lwIP alone would go on for minutes. */
static void tick(struct bypass_tcp *bypass, uint64_t now_ns)
{
    bypass->tick_ns = now_ns;
    tcp_tmr();
    judge_door(bypass);
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

static uint32_t write_segment(const struct bypass_tcp *bypass, uint8_t *frame, const uint8_t *bytes, uint32_t length)
{
    const struct tcp_pcb *pcb = bypass->pcb;
    uint16_t window = (uint16_t)TCPWND16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd));
    uint32_t size = segment_write(&bypass->segment, frame, pcb->snd_lbb, pcb->rcv_nxt, window, bytes, length);
    bypass_frames_address(bypass, frame);
    return size;
}

/* The next order's way up to where it would leave. */
static void rehearse(struct bypass_tcp *bypass)
{
    static const uint8_t nothing[REHEARSAL_BYTES];
    bypass->warm_ns = bypass->now_ns;
    if (bypass->state != STATE_OPEN || !frame_port_door_free(&bypass->frames))
        return;
    write_segment(bypass, bypass->door_frame, nothing, sizeof(nothing));
    frame_door_warm(&bypass->frames.door, bypass->door_frame);
    bypass->counters.rehearsals++;
}

void bypass_tcp_poll(struct bypass_tcp *bypass, uint64_t now_ns)
{
    bypass->now_ns = now_ns;
    if (bypass_frames_take(bypass) == 0 && now_ns - bypass->warm_ns >= BYPASS_TCP_WARM_NS)
        rehearse(bypass);
    if (now_ns - bypass->tick_ns >= BYPASS_TCP_TICK_NS)
        tick(bypass, now_ns);
    if (bypass->held_bytes && now_ns - bypass->held_ns >= BYPASS_TCP_ACKNOWLEDGE_NS)
        bypass_frames_release_held(bypass);
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

/* The next of our ports; one that a former connection still waits on is passed over. */
static err_t bind_port(struct bypass_tcp *bypass, struct tcp_pcb *pcb)
{
    const ip_addr_t local = IPADDR4_INIT(bypass->route.local);
    err_t error = ERR_USE;
    for (unsigned i = 0; i < PORT_TRIES && error == ERR_USE; i++) {
        bypass->local_port = (uint16_t)(STEER_PORT_FIRST + (bypass->port_offset + bypass->connect_count++) % PORT_COUNT);
        error = tcp_bind(pcb, &local, bypass->local_port);
    }
    return error;
}

int bypass_tcp_connect(struct bypass_tcp *bypass)
{
    ip_addr_t peer = IPADDR4_INIT(bypass->route.peer);
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
    bypass->counters.connects++;
    err_t error = bind_port(bypass, pcb);
    const struct segment_ends ends = {bypass->route.local, bypass->route.peer, bypass->local_port, bypass->peer_port};
    segment_template_init(&bypass->segment, &ends);
    bypass->ahead = false;
    bypass->at_door = false;
    bypass->heard_ns = 0;
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

static bool send_at_door(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    uint32_t size = write_segment(bypass, bypass->door_frame, bytes, length);
    if (!frame_door_send(&bypass->frames.door, bypass->door_frame, size))
        return false;
    bypass->at_door = true;
    bypass->at_door_end = bypass->pcb->snd_lbb + length;
    bypass->warm_ns = bypass->now_ns;
    bypass->counters.sent_at_door++;
    return true;
}

static bool send_over_ring(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    uint8_t *frame = frame_port_reserve(&bypass->frames);
    if (!frame)
        return false;
    frame_port_submit(&bypass->frames, write_segment(bypass, frame, bytes, length));
    frame_port_kick(&bypass->frames);
    return true;
}

/* The segment that lwIP will make of these bytes, before it does: only when nothing can come between. */
static void send_ahead(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length)
{
    const struct tcp_pcb *pcb = bypass->pcb;
    if (length > ROOM_BYTES || !bypass_tcp_ready(bypass) || !lwip_memory_ready())
        return;
    bool free = frame_port_door_free(&bypass->frames) && pcb->nrtx == 0;
    if (!(free && send_at_door(bypass, bytes, length)) && !send_over_ring(bypass, bytes, length))
        return;
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

bool bypass_tcp_bare_frame(struct bypass_tcp *bypass, const uint8_t *bytes, uint32_t length, bool door)
{
    if (bypass->state != STATE_OPEN || length > ROOM_BYTES)
        return false;
    door = door && frame_port_door_free(&bypass->frames);
    uint8_t *frame = door ? bypass->door_frame : frame_port_reserve(&bypass->frames);
    if (!frame)
        return false;
    uint32_t size = write_segment(bypass, frame, bytes, length);
    frame[CHECKSUM_AT] ^= 0xff;
    if (door)
        return frame_door_send(&bypass->frames.door, frame, size);
    frame_port_submit(&bypass->frames, size);
    frame_port_kick(&bypass->frames);
    return true;
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
    bypass_frames_release_held(bypass);
    if (bypass->frames.unkicked)
        frame_port_kick(&bypass->frames);
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
    counters->zero_copy = bypass->frames.zero_copy;
    counters->door = bypass->frames.door.usable;
    counters->memory_used = lwip_memory_used();
    counters->memory_empty = lwip_memory_empty();
}
