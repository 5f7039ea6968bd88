/* The exchange's busy loop. Essay: exchange.h. */
#include "traffic/exchange/exchange.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "traffic/exchange/clock.h"
#include "traffic/wire/bytes.h"

/* Look at the clock, and notice when the last look was too long ago. */
static inline int64_t look(struct exchange *exchange, enum exchange_doing doing) {
    int64_t now_ns = clock_ns();
    int64_t gap_ns = now_ns - exchange->looked_ns;
    exchange->looked_ns = now_ns;
    if (__builtin_expect(gap_ns > EXCHANGE_STALL_NS, 0)) {
        exchange->counters.stall_count[doing]++;
        if (gap_ns > exchange->counters.stall_max_ns[doing])
            exchange->counters.stall_max_ns[doing] = gap_ns;
        exchange->progress->loop_stall_count++;
        if (gap_ns > exchange->progress->loop_stall_max_ns)
            exchange->progress->loop_stall_max_ns = gap_ns;
    }
    return now_ns;
}

/* Whether the next packet goes out on this line. */
static inline bool goes_out(const struct exchange *exchange, uint32_t index) {
    const uint8_t *packet_lines = exchange->options.packet_lines;
    return packet_lines == NULL || packet_lines[exchange->next_packet] == index;
}

/* The next packet's headers, made while there is time. */
static void prepare_next(struct exchange *exchange) {
    const struct exchange_options *options = &exchange->options;
    if (exchange->next_packet == options->history.packet_count)
        return;
    const struct packet_record *packet = &options->packets[exchange->next_packet];
    for (uint32_t i = 0; i < options->line_count; i++)
        if (goes_out(exchange, i))
            line_prepare(&exchange->lines[i], packet->first_sequence & HISTORY_SEQUENCE_MASK, packet->count,
                         packet->bytes - exchange->lines[i].head_bytes, options->sums[exchange->next_packet]);
    __builtin_prefetch(options->history.arena + packet->message_offset);
}

static void note_held(struct exchange *exchange) {
    const struct impairer *replies = exchange->services.on ? exchange->services.recovery.options.impairer : NULL;
    int64_t due_ns = replies ? replies->due_ns : INT64_MAX;
    for (uint32_t i = 0; i < exchange->options.line_count; i++) {
        const struct impairer *impairer = exchange->lines[i].impairer;
        if (impairer && impairer->due_ns < due_ns)
            due_ns = impairer->due_ns;
    }
    exchange->held_due_ns = due_ns;
}

/* What impairments held back, when it is due. */
static void release_held(struct exchange *exchange, int64_t now_ns) {
    if (exchange->services.on && exchange->services.recovery.options.impairer)
        impairer_release(exchange->services.recovery.options.impairer, now_ns);
    for (uint32_t i = 0; i < exchange->options.line_count; i++)
        if (exchange->lines[i].impairer)
            impairer_release(exchange->lines[i].impairer, now_ns);
    note_held(exchange);
    look(exchange, DOING_SEND);
}

/* The clock of impairments: intended time since the first packet, 0 before. */
static int64_t rule_clock(const struct exchange *exchange, int64_t at_ns) {
    return exchange->start_ns && at_ns > exchange->start_ns ? at_ns - exchange->start_ns : 0;
}

static void send_packet(struct exchange *exchange, struct packet_record *packet) {
    const uint8_t *blocks = exchange->options.history.arena + packet->message_offset;
    enum exchange_doing doing = DOING_WAIT;
    for (uint32_t i = 0; i < exchange->options.line_count; i++) {
        if (!goes_out(exchange, i))
            continue;
        int64_t now_ns = look(exchange, doing);
        struct line *line = &exchange->lines[i];
        uint32_t bytes = packet->bytes - line->head_bytes;
        if (__builtin_expect(line->impairer != NULL, 0)) {
            line_publish(line, blocks, bytes, packet->first_sequence, packet->count, exchange->next_packet,
                         rule_clock(exchange, packet->intended_ns), now_ns);
            note_held(exchange);
        } else {
            packet->sent_ns[i] = line_send(line, blocks, bytes) ? now_ns : 0;
        }
        exchange->line_heard_ns[i] = now_ns;
        exchange->progress->send_errors[i] = line->errors;
        if (doing == DOING_WAIT && now_ns - packet->intended_ns > exchange->counters.late_max_ns)
            exchange->counters.late_max_ns = now_ns - packet->intended_ns;
        doing = DOING_SEND;
    }
}

/* The book and the gateway's market time follow what was sent. */
static void follow(struct exchange *exchange, const struct packet_record *packet) {
    const uint8_t *block = exchange->options.history.arena + packet->message_offset;
    bool raw = exchange->options.packet_lines != NULL;
    for (uint32_t i = 0; i < packet->count && !raw; i++) {
        uint32_t length = load_be16(block);
        published_book_apply(exchange->options.book, block + 2, length);
        gateway_follow(&exchange->gateway, block + 2, length);
        if (i + 1 == packet->count && length >= 11)
            exchange->gateway.market_ns = load_be48(block + 2 + 5);
        block += 2 + length;
    }
    exchange->next_position = packet->first_sequence + packet->count;
    exchange->history.published += packet->count;
    exchange->history.published_bytes = (uint64_t)(block - exchange->options.history.arena);
    exchange->gateway.market_at_ns = packet->intended_ns;
    exchange->gateway.published_sequence = exchange->next_position - 1;
    exchange->progress->published_messages += packet->count;
    exchange->progress->published_packets++;
    exchange->progress->last_intended_ns = packet->intended_ns;
    cycle_renew(&exchange->options.cycle, exchange->next_packet, packet);
}

static void notify(const struct exchange *exchange) {
    uint64_t one = 1;
    if (exchange->options.notify >= 0 && write(exchange->options.notify, &one, sizeof one) < 0)
        return;  /* the counter is full: whoever waits is awake anyway */
}

static void send_control(struct exchange *exchange, uint32_t index, uint16_t count, int64_t now_ns) {
    struct line *line = &exchange->lines[index];
    line_prepare(line, exchange->next_position & HISTORY_SEQUENCE_MASK, count, 0, 0);
    if (line->impairer)
        line_publish(line, NULL, 0, exchange->next_position, 0, LINE_CONTROL, rule_clock(exchange, now_ns), now_ns);
    else
        line_send(line, NULL, 0);
    exchange->line_heard_ns[index] = now_ns;
    exchange->progress->send_errors[index] = line->errors;
}

static void send_end(struct exchange *exchange, int64_t now_ns) {
    if (exchange->options.packet_lines || exchange->options.follows)
        return;
    for (uint32_t i = 0; i < exchange->options.line_count; i++)
        send_control(exchange, i, MOLDUDP64_END_OF_SESSION, now_ns);
}

static void begin_session(struct exchange *exchange, uint32_t ordinal) {
    const struct history_options *history = &exchange->options.history;
    const struct history_session *session = &history->sessions[ordinal];
    exchange->ordinal = ordinal;
    exchange->next_position = history_position(ordinal, session->first_sequence);
    exchange->roll_at =
        ordinal + 1 < history->session_count ? history->sessions[ordinal + 1].first_message : UINT64_MAX;
    for (uint32_t i = 0; i < exchange->options.line_count; i++)
        line_session(&exchange->lines[i], session->name);
}

static void roll_session(struct exchange *exchange) {
    if (exchange->options.history.sessions[exchange->ordinal + 1].end_previous)
        for (uint32_t end = 0; end < exchange->options.ends; end++)
            send_end(exchange, look(exchange, DOING_SEND));
    begin_session(exchange, exchange->ordinal + 1);
}

static void note_all_out(struct exchange *exchange, int64_t now_ns) {
    if (exchange->next_packet == exchange->options.history.packet_count) {
        exchange->counters.published_ns = now_ns;
        exchange->progress->state = EXCHANGE_IDLE;
        notify(exchange);
    }
}

static void publish_next(struct exchange *exchange) {
    struct packet_record *packet = &exchange->options.packets[exchange->next_packet];
    send_packet(exchange, packet);
    look(exchange, DOING_SEND);
    follow(exchange, packet);
    exchange->next_packet++;
    if (exchange->history.published == exchange->roll_at)
        roll_session(exchange);
    prepare_next(exchange);
    note_all_out(exchange, look(exchange, DOING_BOOK));
}

/* What is on the wires by now is published; false: nothing new. */
static bool learn(struct exchange *exchange) {
    if (exchange->progress->state != EXCHANGE_PUBLISHING)
        return false;
    uint64_t next = followed_next(exchange->followed), before = exchange->next_packet;
    while (exchange->progress->state == EXCHANGE_PUBLISHING && exchange->next_packet - before < FOLLOWED_PACKETS_MAX) {
        struct packet_record *packet = &exchange->options.packets[exchange->next_packet];
        if (packet->first_sequence + packet->count > next)
            break;
        packet->intended_ns += exchange->start_ns;
        packet->sent_ns[0] = packet->sent_ns[1] = exchange->looked_ns;
        follow(exchange, packet);
        exchange->next_packet++;
        note_all_out(exchange, look(exchange, DOING_BOOK));
    }
    return exchange->next_packet > before;
}

static void keep_lines_alive(struct exchange *exchange, int64_t now_ns) {
    if (exchange->options.packet_lines)
        return;
    for (uint32_t i = 0; i < exchange->options.line_count; i++) {
        if (now_ns - exchange->line_heard_ns[i] < exchange->options.heartbeat_ns)
            continue;
        send_control(exchange, i, MOLDUDP64_HEARTBEAT, now_ns);
        exchange->lines[i].heartbeats++;
        prepare_next(exchange);
    }
}

static void serve_orders(struct exchange *exchange, int64_t now_ns) {
    gateway_poll(&exchange->gateway, now_ns);
    exchange->progress->orders_received = exchange->gateway.counters.orders;
    exchange->counters.polls++;
    exchange->polled_ns = look(exchange, DOING_ORDERS);
}

static void serve(struct exchange *exchange, int64_t due_ns) {
    int64_t now_ns = exchange->looked_ns;
    if (!exchange->services.on)
        return;
    if (!services_serve(&exchange->services, exchange->gateway.market_ns, due_ns - now_ns, now_ns,
                        rule_clock(exchange, now_ns)))
        return;
    note_held(exchange);
    look(exchange, DOING_SERVICES);
}

/* When the next packet is to be sent, ahead of its intended time by the lead; far away while there is none. */
static int64_t next_due_ns(struct exchange *exchange) {
    if (exchange->progress->state == EXCHANGE_READY) {
        int64_t start_ns = atomic_load_explicit(&exchange->command_start_ns, memory_order_acquire);
        if (start_ns == 0)
            return INT64_MAX;
        exchange->start_ns = start_ns;
        exchange->progress->state = EXCHANGE_PUBLISHING;
        switches_schedule(&exchange->switches, start_ns);
        noise_start(&exchange->noise, start_ns, exchange->options.lead_ns);
    }
    if (exchange->progress->state != EXCHANGE_PUBLISHING)
        return INT64_MAX;
    return exchange->start_ns + exchange->options.packets[exchange->next_packet].intended_ns - exchange->options.lead_ns;
}

/* Before the start, and a while after the last packet, the core belongs to whoever prepares and ends the run; orders
 * and services are answered a little later. */
static bool may_rest(const struct exchange *exchange, int64_t now_ns) {
    if (exchange->next_packet == 0)
        return exchange->start_ns == 0 || exchange->start_ns - now_ns >= EXCHANGE_AWAKE_NS;
    return exchange->progress->state == EXCHANGE_IDLE && exchange->noise.due_ns == INT64_MAX &&
           now_ns - exchange->counters.published_ns >= EXCHANGE_AFTER_NS;
}

static void rest(struct exchange *exchange) {
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = EXCHANGE_REST_NS}, NULL);
    exchange->looked_ns = clock_ns();
}

static void run(struct exchange *exchange) {
    int64_t due_ns = next_due_ns(exchange);
    while (!atomic_load_explicit(&exchange->command_stop, memory_order_relaxed)) {
        if (due_ns == INT64_MAX)
            due_ns = next_due_ns(exchange);
        int64_t now_ns = look(exchange, DOING_WAIT);
        bool starved = now_ns - exchange->polled_ns > EXCHANGE_STARVED_NS;
        if (now_ns >= due_ns && now_ns >= exchange->not_before_ns && !starved &&
            !noise_must_go(&exchange->noise, now_ns)) {
            exchange->not_before_ns = now_ns + exchange->options.late_gap_ns;
            exchange->options.packets[exchange->next_packet].intended_ns = due_ns + exchange->options.lead_ns;
            publish_next(exchange);
            due_ns = next_due_ns(exchange);
            serve(exchange, due_ns);
        } else if (noise_may_go(&exchange->noise, now_ns, due_ns) && !starved) {
            noise_send(&exchange->noise, now_ns);
            look(exchange, DOING_SEND);
        } else if (now_ns - exchange->polled_ns >= EXCHANGE_POLL_EVERY_NS &&
                   (due_ns - now_ns >= EXCHANGE_SLACK_NS || starved)) {
            exchange->counters.polls_forced += due_ns - now_ns < EXCHANGE_SLACK_NS;
            serve_orders(exchange, now_ns);
            if (due_ns - now_ns > 2 * EXCHANGE_SLACK_NS)
                keep_lines_alive(exchange, now_ns);
            serve(exchange, due_ns);
        }
        if (now_ns >= exchange->held_due_ns)
            release_held(exchange, now_ns);
        if (__builtin_expect(now_ns >= exchange->switches.due_ns, 0))
            switches_throw(&exchange->switches, exchange->start_ns);
        if (__builtin_expect(due_ns == INT64_MAX || exchange->next_packet == 0, 0) && may_rest(exchange, now_ns))
            rest(exchange);
    }
}

static void run_following(struct exchange *exchange) {
    while (!atomic_load_explicit(&exchange->command_stop, memory_order_relaxed)) {
        next_due_ns(exchange);  /* takes the start command */
        bool learnt = learn(exchange);
        serve_orders(exchange, look(exchange, DOING_WAIT));
        serve(exchange, INT64_MAX);
        if (exchange->looked_ns >= exchange->held_due_ns)
            release_held(exchange, exchange->looked_ns);
        if (exchange->looked_ns >= exchange->switches.due_ns)
            switches_throw(&exchange->switches, exchange->start_ns);
        if (learnt)
            continue;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = FOLLOWED_REST_NS}, NULL);
        exchange->looked_ns = clock_ns();
    }
}

static void end_run(struct exchange *exchange) {
    for (uint32_t i = 0; i < exchange->options.line_count; i++)
        if (exchange->lines[i].impairer)
            impairer_flush(exchange->lines[i].impairer);
    for (uint32_t end = 0; end < exchange->options.ends; end++) {
        int64_t now_ns = look(exchange, DOING_WAIT);
        send_end(exchange, now_ns);
        while (look(exchange, DOING_WAIT) - now_ns < EXCHANGE_END_EVERY_NS)
            serve(exchange, INT64_MAX);
    }
    soup_port_close(&exchange->gateway.port);
}

static void *thread_main(void *argument) {
    struct exchange *exchange = argument;
    if (exchange->options.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((unsigned)exchange->options.cpu, &cpus);
        exchange->pin_error = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    }
    dpdk_line_enter();
    exchange->looked_ns = exchange->polled_ns = clock_ns();
    if (exchange->options.follows)
        run_following(exchange);
    else
        run(exchange);
    end_run(exchange);
    dpdk_line_leave();
    exchange->progress->state = EXCHANGE_STOPPED;
    notify(exchange);
    return NULL;
}

static int open_all(struct exchange *exchange, char *error, uint32_t error_size) {
    struct exchange_options *options = &exchange->options;
    int outcome = 0;
    for (uint32_t i = 0; i < options->line_count && outcome == 0 && !options->follows; i++) {
        options->lines[i].packets = options->packets;
        options->lines[i].index = i;
        options->lines[i].raw = options->packet_lines != NULL;
        outcome = line_open(&exchange->lines[i], &options->lines[i], error, error_size);
    }
    if (outcome == 0 && (outcome = noise_open(&exchange->noise, &options->noise, exchange->lines)) != 0)
        snprintf(error, error_size, "noise: a stream's program reaches outside of its frame");
    if (outcome == 0)
        outcome = gateway_open(&exchange->gateway, &options->gateway, error, error_size);
    options->services.recovery.history = options->services.snapshot.history = &exchange->history;
    if (outcome == 0)
        outcome = services_open(&exchange->services, &options->services, error, error_size);
    return outcome;
}

int exchange_open(struct exchange *exchange, const struct exchange_options *options, char *error,
                  uint32_t error_size) {
    memset(exchange, 0, sizeof *exchange);
    exchange->options = *options;
    exchange->progress = options->progress;
    exchange->held_due_ns = exchange->noise.due_ns = INT64_MAX;
    exchange->switches = (struct switches){
        .commands = options->switch_commands, .count = options->switch_count, .due_ns = INT64_MAX};
    memset(exchange->progress, 0, sizeof *exchange->progress);
    exchange->progress->magic = EXCHANGE_PROGRESS_MAGIC;
    exchange->gateway.port.listener = -1;
    for (uint32_t i = 0; i < LINES_MAX; i++)
        exchange->lines[i].socket = -1;
    if (!options->packet_lines)
        history_init(&exchange->history, &options->history);
    int outcome = open_all(exchange, error, error_size);
    if (outcome != 0) {
        exchange_close(exchange);
        return outcome;
    }
    const struct packet_record *first = options->packets;
    if (!options->packet_lines && options->history.packet_count && first->bytes > MOLDUDP64_HEADER_BYTES + 13)
        exchange->gateway.market_ns = load_be48(options->history.arena + first->message_offset + 2 + 5);
    begin_session(exchange, 0);
    prepare_next(exchange);
    return 0;
}

int exchange_start(struct exchange *exchange) {
    return -pthread_create(&exchange->thread, NULL, thread_main, exchange);
}

void exchange_join(struct exchange *exchange) {
    pthread_join(exchange->thread, NULL);
}

void exchange_close(struct exchange *exchange) {
    for (uint32_t i = 0; i < LINES_MAX; i++)
        line_close(&exchange->lines[i]);
    if (exchange->gateway.port.listener >= 0)
        soup_port_close(&exchange->gateway.port);
    services_close(&exchange->services);
}
