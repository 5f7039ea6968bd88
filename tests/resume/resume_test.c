/* The engine's order session against the exchange's gateway, over a pipe that is cut at any byte.
 *
 * Seeded: each run sends orders, cancels, replaces and modifies in bursts while the market moves, cuts the connection
 * again and again, and raises and releases the kill switch: the pipe is cut after any number of bytes in either
 * direction, and in the gateway, around or within an answer. In the end it must hold: every order that left the engine
 * was received once and only once, the position of every stock is that of the drop copy, both sides have the same orders
 * open, and a mass cancel leaves none.
 * RESUME_SEEDS (default 200) runs for each protocol; RESUME_SEED runs one seed alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/order_session.h"
#include "tests/engine/check.h"
#include "tests/resume/venue.h"

enum { STEPS = 400, NAMES_MAX = 4096, DEADLINE_STEPS = 20000, STEP_NS = 200 * 1000 };

struct run {
    struct order_session session;
    struct venue *venue;
    void *memory;
    uint8_t *sent;      /* the memory stream's */
    int pipe;           /* -1: none */
    uint64_t now_ns;
    uint64_t seed;
    uint64_t random;
    uint64_t name;      /* of the next order */
    uint64_t names[NAMES_MAX]; /* token keys that left the engine as new orders */
    uint32_t name_count;
    uint32_t cuts;
    _Atomic uint32_t kill;
};

static uint32_t draw(struct run *run, uint32_t choices)
{
    uint64_t mixed = run->random += 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
    return (uint32_t)((mixed ^ mixed >> 31) % choices);
}

static void start(struct run *run, uint64_t seed, uint8_t protocol)
{
    const struct order_session_options options = {
        .own_orders = {.open_max = 512, .dead_keep = 2048, .executions_max = 8192},
        .soupbin = {.username = "U", .password = "P", .requested_sequence = 1},
        .protocol = protocol};
    const size_t bytes = order_session_bytes(&options);
    const char *what;
    memset(run, 0, sizeof(*run));
    run->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    run->sent = malloc(STREAM_MEMORY_BYTES);
    run->venue = venue_new(protocol);
    run->pipe = -1;
    run->now_ns = 1000000000;
    run->seed = run->random = seed;
    run->name = 1;
    CHECK(order_session_init(&run->session, &options, run->memory, bytes, &what) == 0);
    run->session.hold = &run->kill;
}

static void connect_again(struct run *run)
{
    venue_poll(run->venue, (int64_t)run->now_ns); /* notices those that are gone */
    stream_memory(&run->session.stream, run->sent);
    run->pipe = venue_connect(run->venue);
    CHECK(order_session_login(&run->session, run->now_ns));
}

static void cut(struct run *run)
{
    if (run->pipe >= 0)
        close(run->pipe);
    run->pipe = -1;
    stream_close(&run->session.stream);
    run->cuts++;
}

/* Moves at most so many bytes each way; what is not moved waits, or is lost with the pipe. */
static void pump(struct run *run, uint32_t out_max, uint32_t in_max)
{
    struct stream *stream = &run->session.stream;
    uint8_t bytes[4096];
    uint32_t out = stream->memory_count < out_max ? stream->memory_count : out_max;
    if (run->pipe < 0)
        return;
    if (out != 0) {
        const ssize_t taken = send(run->pipe, run->sent, out, MSG_NOSIGNAL);
        if (taken > 0) {
            stream->memory_count -= (uint32_t)taken;
            memmove(run->sent, run->sent + taken, stream->memory_count);
        }
    }
    venue_poll(run->venue, (int64_t)run->now_ns);
    const ssize_t got = recv(run->pipe, bytes, in_max < sizeof(bytes) ? in_max : sizeof(bytes), 0);
    if (got > 0)
        order_session_receive(&run->session, bytes, (uint32_t)got, run->now_ns);
    else if (got == 0 || (in_max != 0 && errno != EAGAIN))
        cut(run);
}

static uint16_t any_symbol(struct run *run)
{
    return (uint16_t)(1 + draw(run, VENUE_SYMBOLS));
}

static void send_order(struct run *run)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    uint32_t number;
    struct order_request request = {.trigger_sequence = run->name, .price = 9900 + draw(run, 200),
                                    .shares = 1 + draw(run, 300), .time_in_force = draw(run, 2) ? 99998 : 0,
                                    .symbol = any_symbol(run), .side = "BS"[draw(run, 2)], .stock = "SYM0    "};
    request.stock[3] = (char)('0' + request.symbol);
    if (!order_session_ready(&run->session) || own_orders_full(&run->session.own_orders) ||
        run->name_count == NAMES_MAX)
        return;
    run->name++;
    const uint32_t bytes = codec_enter(&run->session.codec, &request, 'T', packet, &number);
    CHECK(bytes != 0);
    if (!stream_send(&run->session.stream, packet, bytes))
        return;
    order_session_sent(&run->session, &request, 'T', packet, bytes, number, run->now_ns);
    run->names[run->name_count++] = ouch42_token_key('T', request.trigger_sequence, 0);
}

static void change_order(struct run *run)
{
    struct order_session *session = &run->session;
    if (run->name_count == 0)
        return;
    const uint32_t back = draw(run, run->name_count < 20 ? run->name_count : 20);
    struct order_change change = {.token_key = run->names[run->name_count - 1 - back],
                                  .shares = draw(run, 3) ? 1 + draw(run, 400) : 0};
    const struct own_order *order = own_orders_find(&session->own_orders, change.token_key);
    const uint32_t kind = draw(run, 3);
    if (order == NULL)
        return;
    if (kind == 0) {
        order_session_cancel(session, change, run->now_ns);
    } else if (kind == 1) {
        change.new_token_key = ouch42_token_key('T', run->name, 0);
        change.price = 9900 + draw(run, 200);
        change.time_in_force = 99998;
        if (run->name_count < NAMES_MAX && order_session_replace(session, change, run->now_ns) == OWN_ORDERS_OK)
            run->names[run->name_count++] = ouch42_token_key('T', run->name, 0);
        run->name++;
    } else {
        change.side = order->side == 'B' ? 'B' : "STE"[draw(run, 3)];
        order_session_modify(session, change, run->now_ns);
    }
}

static void step(struct run *run)
{
    const uint32_t what = draw(run, 20);
    if (what < 9)
        send_order(run);
    else if (what < 13)
        change_order(run);
    else if (what < 15)
        venue_publish(run->venue, any_symbol(run), "BS"[draw(run, 2)], 9900 + draw(run, 200), 1 + draw(run, 200));
    else if (what < 18)
        pump(run, draw(run, 200), draw(run, 200));
    else if (what == 18)
        pump(run, UINT32_MAX, UINT32_MAX);
    else if (draw(run, 4) == 0)
        cut(run);
    else if (draw(run, 4) == 0)
        run->kill = !run->kill;
    else if (draw(run, 8) == 0)
        venue_reject(run->venue, 1 + draw(run, 3));
    run->now_ns += draw(run, 4) == 0 ? STEP_NS : 0;
    order_session_poll(&run->session, run->now_ns);
    if (run->session.phase == ORDER_PHASE_DOWN && run->now_ns >= run->session.retry_ns) {
        if (run->pipe >= 0)
            close(run->pipe);
        connect_again(run);
    }
}

/* Lets everything be said. False: the session did not become LIVE, and stay so, with nothing unanswered. */
static bool settle(struct run *run)
{
    uint32_t good = 0;
    for (uint32_t count = 0; count < DEADLINE_STEPS; count++) {
        pump(run, UINT32_MAX, UINT32_MAX);
        run->now_ns += STEP_NS;
        order_session_poll(&run->session, run->now_ns);
        if (run->session.phase == ORDER_PHASE_DOWN && run->now_ns >= run->session.retry_ns) {
            if (run->pipe >= 0)
                close(run->pipe);
            connect_again(run);
        }
        const bool quiet = run->session.phase == ORDER_PHASE_LIVE && unanswered_empty(&run->session.ring) &&
                           run->session.stream.memory_count == 0 && !run->session.own_orders.mass.under_way;
        good = quiet ? good + 1 : 0;
        if (good == 20)
            return true;
    }
    return false;
}

static bool is_token(const struct venue_row *row, uint64_t token_key)
{
    char token[OWN_TOKEN_BYTES];
    return ouch42_token_write(token_key, token) && memcmp(token, row->token, sizeof(token)) == 0;
}

/* Every new order once; a replacement at most once, and not at all only if it is known not to be. */
static void check_orders(struct run *run)
{
    static uint32_t entered[NAMES_MAX], replaced[NAMES_MAX];
    memset(entered, 0, sizeof(entered));
    memset(replaced, 0, sizeof(replaced));
    uint64_t others = 0;
    for (uint64_t index = 0; index < venue_rows(run->venue); index++) {
        const struct venue_row row = venue_row(run->venue, index);
        uint32_t place = 0;
        if (row.kind != 'O' && row.kind != 'R')
            continue;
        while (place < run->name_count && !is_token(&row, run->names[place]))
            place++;
        if (place == run->name_count)
            others++;
        else
            (row.kind == 'O' ? entered : replaced)[place]++;
    }
    CHECK_EQUAL(others, 0);
    for (uint32_t place = 0; place < run->name_count; place++) {
        const struct own_order *order = own_orders_find(&run->session.own_orders, run->names[place]);
        CHECK(entered[place] + replaced[place] <= 1);
        if (entered[place] + replaced[place] == 0)
            CHECK(order != NULL && (order->state == OWN_DEAD || order->state == OWN_REJECTED));
    }
}

static void check_position(struct run *run)
{
    int64_t market[VENUE_SYMBOLS + 1] = {0};
    uint64_t open = 0;
    for (uint64_t index = 0; index < venue_rows(run->venue); index++) {
        const struct venue_row row = venue_row(run->venue, index);
        if (row.kind == 'E')
            market[row.symbol] += row.side == 'B' ? (int64_t)row.shares : -(int64_t)row.shares;
    }
    for (uint16_t symbol = 1; symbol <= VENUE_SYMBOLS; symbol++)
        CHECK(own_orders_symbol(&run->session.own_orders, symbol)->position == market[symbol]);
    for (uint32_t place = 0; place < run->name_count; place++) {
        const struct own_order *order = own_orders_find(&run->session.own_orders, run->names[place]);
        char token[OWN_TOKEN_BYTES];
        ouch42_token_write(run->names[place], token);
        CHECK_EQUAL(order == NULL ? 0 : order->open_shares, venue_open_shares(run->venue, token));
        open += order != NULL && own_order_is_open(order->state);
    }
    CHECK_EQUAL(open, venue_open_orders(run->venue));
    CHECK_EQUAL(open, run->session.own_orders.open_count);
}

static void finish(struct run *run)
{
    if (run->pipe >= 0)
        close(run->pipe);
    venue_free(run->venue);
    free(run->sent);
    free(run->memory);
}

static uint64_t total_orders, total_cuts, total_resent, total_executions;

static void one_run(uint64_t seed, uint8_t protocol)
{
    static struct run run;
    const unsigned failures = check_failure_count;
    start(&run, seed, protocol);
    connect_again(&run);
    venue_cut(run.venue, seed, 40, 10);
    CHECK(settle(&run));
    for (uint16_t symbol = 1; symbol <= VENUE_SYMBOLS; symbol++) {
        venue_publish(run.venue, symbol, 'B', 9990, 100);
        venue_publish(run.venue, symbol, 'S', 10010, 100);
    }
    for (uint32_t count = 0; count < STEPS; count++)
        step(&run);
    run.kill = 0;
    CHECK(settle(&run));
    CHECK(own_orders_trusted(&run.session.own_orders));
    check_orders(&run);
    check_position(&run);
    order_session_cancel_all(&run.session, OWN_CANCEL_ALL_SYMBOLS, 0);
    CHECK(settle(&run));
    CHECK(own_orders_cancel_state(&run.session.own_orders) == OWN_CANCEL_ACKNOWLEDGED);
    CHECK_EQUAL(venue_open_orders(run.venue), 0);
    check_position(&run);
    total_orders += run.name_count;
    total_cuts += run.session.counters.disconnects;
    total_resent += run.session.counters.resent;
    total_executions += run.session.own_orders.counters.executions;
    if (check_failure_count != failures)
        fprintf(stderr, "seed %" PRIu64 ", protocol %u: phase %s, cause %s, discrepancies %" PRIu64 "\n", seed,
                protocol, order_phase_name(run.session.phase), soupbin_cause_name(run.session.soupbin.cause),
                run.session.own_orders.counters.discrepancies);
    finish(&run);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void every_order_arrives_once_whatever_is_cut(void)
{
    const uint64_t one = setting("RESUME_SEED", 0), seeds = setting("RESUME_SEEDS", 200);
    for (uint64_t seed = one ? one : 1; seed <= (one ? one : seeds); seed++)
        for (uint8_t protocol = 0; protocol < CODEC_PROTOCOL_COUNT; protocol++)
            one_run(seed, protocol);
    printf("%" PRIu64 " orders, %" PRIu64 " executions, %" PRIu64 " disconnects, %" PRIu64 " requests sent again\n",
           total_orders, total_executions, total_cuts, total_resent);
    CHECK(one || total_cuts > 5 * seeds);
    CHECK(one || total_resent > seeds);
}

int main(void)
{
    RUN(every_order_arrives_once_whatever_is_cut);
    return check_result();
}
