/* Fuzz target: two lines, replies, snapshots and session rolls through feed, decoder and book, with invariants.
 *
 * The input is a program: policy and small capacities first, then steps: a well-formed datagram near the expected
 * number, of this session or another; raw bytes; time; a datagram before the last one was drained; the requests that
 * the feed wants sent, and replies to them, whole or in part; a snapshot started, joined somewhere near, cut off.
 * Messages come from the input, so that a line's copy may be another than its twin; each of a well-formed datagram is
 * marked with its own number. Checked: numbers strictly increase between joins and, when strict, without a hole;
 * nothing is handed out while the book waits for a snapshot; no message is asked for twice at a time, or without need;
 * slots are neither lost nor shared; datagrams and messages add up; LIVE means that nothing known is missing for longer
 * than the hold-back; and the book is the slow one of shadow_book.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/book/book.h"
#include "engine/feed/bytes.h"
#include "engine/feed/feed.h"
#include "engine/feed/feed_reorder.h"
#include "engine/feed/itch50.h"
#include "tests/engine/book/shadow_book.h"

enum { DATAGRAM_BYTES = 512, ORDERS = 64, SYMBOLS = 4, REFERENCES = 96, SLOTS = 8, ASKED = 16, MARK = 0xA7 };

static _Alignas(64) uint8_t book_memory[32768];

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct world {
    const uint8_t *input;
    size_t input_left;
    struct feed feed;
    struct itch50 itch;
    struct book book;
    struct shadow_book shadow;
    uint8_t *datagram; /* of exact size, so that a read past its end is seen; stays until drained */
    uint64_t now_ns;
    uint64_t expected;    /* next number for the book, 0 = not known */
    uint64_t heard_end;   /* numbers below it exist: a line's datagram that was believed said so */
    uint64_t heard_ns;    /* since when that has been above `expected` */
    uint8_t ordinal;
    bool live, waiting;   /* waiting: the book is empty until a snapshot is joined */
    uint64_t delivered, datagrams, refused, decoded;
    struct { uint64_t first; uint32_t count; } asked[ASKED]; /* a ring of what could be answered */
    uint32_t asked_count;
};

static uint8_t take(struct world *world)
{
    if (world->input_left == 0)
        return 0;
    world->input_left--;
    return *world->input++;
}

/* ---- invariants ---- */

static void check_lines(const struct world *world)
{
    const struct feed *feed = &world->feed;
    const struct feed_statistics *statistics = &feed->statistics;
    uint64_t won = 0, packets = 0, suspects = 0;
    uint64_t accounted =
        statistics->reorder_full_drops + statistics->reorder_oversize_drops + statistics->after_end_drops;

    for (unsigned index = 0; index < FEED_SOURCE_COUNT; index++) {
        const struct feed_line_statistics *line = &statistics->lines[index];

        accounted += line->heartbeats + line->ends + line->wins + line->duplicates + line->session_mismatches +
                     line->suspects;
        suspects += line->suspects;
        for (unsigned kind = 0; kind < MOLDUDP64_OUTCOME_COUNT; kind++)
            accounted += line->malformed[kind];
        REQUIRE(line->malformed[MOLDUDP64_VALID] == 0);
        REQUIRE(line->win_messages >= line->wins && line->win_messages <= line->messages);
        won += line->win_messages;
        packets += line->packets;
    }
    REQUIRE(packets == world->datagrams);
    if (suspects == 0 && feed->session_ordinal == 0) /* a suspect may count again, so does the datagram that confirms */
        REQUIRE(accounted == packets);
    REQUIRE(statistics->caller_errors == world->refused);

    /* what is won is delivered, under the cursor or buffered */
    uint64_t covered = feed->next_sequence + feed->block_count, owed = feed->block_count;

    for (uint32_t index = 0; index < feed->entry_count; index++) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, index);
        const uint64_t from = entry->sequence > covered ? entry->sequence : covered;

        if (entry->next_sequence > from) {
            owed += entry->next_sequence - from;
            covered = entry->next_sequence;
        }
    }
    if (statistics->snapshots_started == 0 && feed->session_ordinal == 0 && !feed->book_lost) /* else some is dropped */
        REQUIRE(won == statistics->delivered + owed);
    if (feed->state == FEED_LIVE || feed->state == FEED_DOWN)
        REQUIRE(!feed->skipped && !feed->book_lost && !feed->session_closed && !world->waiting);
    REQUIRE(statistics->skipped_messages == 0 || feed->options.delivery == FEED_DELIVERY_BEST_EFFORT);
}

static void check_reorder(const struct feed *feed)
{
    const uint32_t capacity = feed->options.reorder_packet_count;
    uint32_t slots = 0;

    REQUIRE(feed->entry_count <= capacity && feed->statistics.reorder_packets_max <= capacity);
    for (uint32_t index = 0; index < feed->entry_count; index++) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, index);

        REQUIRE(entry->slot < capacity && entry->next_sequence == entry->sequence + entry->count);
        slots ^= 1u << entry->slot;
        if (index != 0) {
            REQUIRE(feed_reorder_at(feed, index - 1)->sequence < entry->sequence);
            REQUIRE(feed_reorder_at(feed, index - 1)->next_sequence < entry->next_sequence);
        }
    }
    for (uint32_t index = 0; index < capacity - feed->entry_count; index++)
        slots ^= 1u << feed->free_slots[index];
    REQUIRE(slots == (1u << capacity) - 1);
}

static void check_feed(const struct world *world)
{
    const struct feed *feed = &world->feed;
    struct feed_transition last[FEED_TRANSITION_COUNT];

    REQUIRE(feed->state < FEED_STATE_COUNT);
    REQUIRE(feed->statistics.delivered == world->delivered);
    REQUIRE(feed->request_count <= feed->options.request_outstanding_max);
    for (uint32_t index = 0; index < feed->request_count; index++) {
        for (uint32_t other = 0; other < index; other++)
            REQUIRE(feed->requests[index].next_sequence <= feed->requests[other].sequence ||
                    feed->requests[other].next_sequence <= feed->requests[index].sequence);
    }
    REQUIRE(feed->request_count == 0 || feed->options.requests);
    REQUIRE(!(feed_wants_snapshot(feed) && feed_snapshot_running(feed)));
    const uint32_t count = feed_transitions(feed, last, FEED_TRANSITION_COUNT);

    REQUIRE(count == feed->statistics.transitions - feed->statistics.transitions_lost);
    REQUIRE(count == 0 ? feed->state == FEED_STARTUP : last[count - 1].to == feed->state);
    check_lines(world);
    check_reorder(feed);
}

static void check_book(const struct world *world)
{
    struct book_row rows[ORDERS], expected[ORDERS];
    const struct book *book = &world->book;
    const uint32_t count = shadow_export(&world->shadow, expected);

    REQUIRE(book_export(book, rows, ORDERS) == count && book->order_count == count);
    REQUIRE(memcmp(rows, expected, count * sizeof(rows[0])) == 0);
    REQUIRE(book->level_count == shadow_level_count(&world->shadow));
    REQUIRE(book->block_count <= book->block_capacity && book->statistics.block_count_max <= book->block_capacity);
    for (uint32_t index = 0; index < count; index++) {
        const struct book_order *order = book_find(book, rows[index].reference);

        REQUIRE(order != NULL && order->shares == rows[index].shares && order->price == rows[index].price);
    }
    for (uint16_t symbol = 0; symbol < SYMBOLS; symbol++) {
        const struct book_top top = shadow_top(&world->shadow, symbol);

        REQUIRE(memcmp(&top, book_top(book, symbol), sizeof(top)) == 0);
    }
    REQUIRE(book->complete == shadow_complete(&world->shadow));
    REQUIRE(memcmp(book->statistics.outcomes, world->shadow.outcomes, sizeof(world->shadow.outcomes)) == 0);
}

/* ---- steps ---- */

static void empty_book(struct world *world)
{
    const struct book_options options = {.order_capacity = world->shadow.order_capacity,
                                         .level_capacity = world->shadow.level_capacity,
                                         .symbol_count = SYMBOLS};

    REQUIRE(book_init(&world->book, &options, book_memory, sizeof(book_memory)) == 0);
    memset(&world->shadow, 0, sizeof(world->shadow));
    world->shadow.order_capacity = options.order_capacity;
    world->shadow.level_capacity = options.level_capacity;
    world->shadow.symbol_count = SYMBOLS;
}

/* A new session: what was known of the old one is worth nothing. */
static void follow(struct world *world)
{
    if (world->feed.session_ordinal == world->ordinal)
        return;
    REQUIRE(world->feed.options.follow_sessions);
    world->ordinal = world->feed.session_ordinal;
    world->expected = 1;
    world->heard_end = 0;
    world->asked_count = 0;
    world->waiting = world->feed.options.snapshots;
    empty_book(world);
}

static void hear(struct world *world, const struct feed_message *message)
{
    struct event event;

    REQUIRE(!world->waiting);
    REQUIRE(world->expected == 0 || message->sequence >= world->expected);
    if (world->feed.options.delivery == FEED_DELIVERY_STRICT)
        REQUIRE(world->expected == 0 || message->sequence == world->expected);
    REQUIRE(message->position == ((uint64_t)world->ordinal << FEED_POSITION_SESSION_SHIFT | message->sequence));
    REQUIRE(message->line < FEED_SOURCE_COUNT && message->arrival_ns <= world->now_ns);
    if (message->length >= ITCH50_HEAD_SIZE && message->data[5] == MARK)
        REQUIRE(message->data[10] == (uint8_t)message->sequence);
    world->expected = message->sequence + 1;
    world->delivered++;
    if (!itch50_take(&world->itch, message->data, message->length, &event))
        return;
    REQUIRE(event.kind != EVENT_NONE && event.kind < EVENT_KIND_COUNT);
    world->decoded++;
    book_prefetch(&world->book, &event);
    REQUIRE(book_apply(&world->book, &event) == shadow_apply(&world->shadow, &event));
}

static void drain(struct world *world)
{
    struct feed_message message;

    follow(world);
    while (feed_next(&world->feed, &message))
        hear(world, &message);
    REQUIRE(world->feed.block_count == 0 && !world->feed.pending);
    if (world->feed.state == FEED_LIVE && !world->live) /* a feed becomes LIVE with nothing missing */
        REQUIRE(world->feed.entry_count == 0 && world->feed.announced_sequence <= world->feed.next_sequence);
    world->live = world->feed.state == FEED_LIVE;
    if (world->heard_end <= world->feed.next_sequence)
        world->heard_ns = UINT64_MAX;
    if (world->live && world->feed.hole_since_ns == FEED_NO_HOLE)
        REQUIRE(world->heard_end <= world->feed.next_sequence);
    check_feed(world);
    check_book(world);
}

/* The line's word, when the feed has taken it, is held against the feed. */
static void note_heard(struct world *world, unsigned line, enum feed_outcome outcome)
{
    const uint8_t *datagram = world->datagram + 1;

    if (line >= FEED_LINE_COUNT || (outcome != FEED_ACCEPT_DELIVERABLE && outcome != FEED_ACCEPT_BUFFERED &&
                                    outcome != FEED_ACCEPT_HEARTBEAT && outcome != FEED_ACCEPT_REORDER_FULL &&
                                    outcome != FEED_ACCEPT_OVERSIZE))
        return;

    const uint16_t count = bytes_load_u16(datagram + 18);
    const uint64_t end = bytes_load_u64(datagram + 10) + (outcome == FEED_ACCEPT_HEARTBEAT ? 0 : count);

    if (end <= world->heard_end || world->feed.state == FEED_ENDED)
        return;
    world->heard_end = end;
    if (world->heard_ns == UINT64_MAX)
        world->heard_ns = world->now_ns;
}

static void give(struct world *world, unsigned line, const uint8_t *bytes, uint32_t length, bool check_refusal)
{
    free(world->datagram);
    world->datagram = malloc(length + 1u); /* odd address: loads must not care */
    REQUIRE(world->datagram != NULL);
    memcpy(world->datagram + 1, bytes, length);

    const enum feed_outcome outcome = feed_accept(&world->feed, line, world->datagram + 1, length, world->now_ns);

    REQUIRE(outcome < FEED_OUTCOME_COUNT && (outcome == FEED_ACCEPT_BAD_LINE) == (line >= FEED_SOURCE_COUNT));
    world->datagrams += line < FEED_SOURCE_COUNT;
    world->refused += line >= FEED_SOURCE_COUNT;
    follow(world);
    world->waiting = world->waiting || world->feed.book_lost; /* a late start */
    note_heard(world, line, outcome);
    if (check_refusal && world->feed.block_count != 0) {
        REQUIRE(feed_accept(&world->feed, line, bytes, length, world->now_ns) == FEED_ACCEPT_NOT_DRAINED);
        world->refused++;
    }
    check_feed(world);
    drain(world);
}

static uint32_t put(uint8_t *bytes, uint64_t value, uint32_t size)
{
    for (uint32_t index = 0; index < size; index++)
        bytes[index] = (uint8_t)(value >> (8 * (size - 1 - index)));
    return size;
}

/* An order message whose references meet others'. */
static uint32_t put_message(struct world *world, uint64_t sequence, uint8_t *bytes)
{
    static const char types[] = "AAAFECXDUUAPQBSRHYLVWKJhINO";
    const char type = types[take(world) % (sizeof(types) - 1)];
    const uint8_t length = itch50_length((uint8_t)type);
    const uint8_t odd = take(world);

    memset(bytes, 0, 50); /* as long as the longest type */
    bytes[0] = (uint8_t)type;
    bytes[5] = MARK;
    bytes[10] = (uint8_t)sequence;
    bytes[2] = odd == 255 ? SYMBOLS : 1 + odd % (SYMBOLS - 1);
    put(bytes + 11, take(world) % REFERENCES, length >= 19 ? 8 : 0);
    if (type == 'A' || type == 'F') {
        bytes[19] = odd == 254 ? '?' : odd & 1 ? 'B' : 'S';
        put(bytes + 20, odd == 253 ? UINT32_MAX : take(world), 4);
        put(bytes + 32, odd == 252 ? UINT32_MAX : take(world), 4);
    } else if (type == 'U') {
        put(bytes + 19, take(world) % REFERENCES, 8);
        put(bytes + 27, odd == 253 ? UINT32_MAX : take(world), 4);
        put(bytes + 31, take(world), 4);
    } else if (type == 'E' || type == 'C' || type == 'X') {
        put(bytes + 19, take(world), 4);
    }
    return odd == 251 ? take(world) % 50u : length;
}

static uint32_t put_messages(struct world *world, uint64_t sequence, uint32_t count, uint8_t *bytes)
{
    uint32_t length = MOLDUDP64_HEADER_SIZE;

    for (uint32_t block = 0; block < count; block++) {
        const uint32_t block_length = put_message(world, sequence + block, bytes + length + 2);

        put(bytes + length, block_length, 2);
        length += 2 + block_length;
    }
    return length;
}

/* A snapshot knows what there was when it was asked for; what waits is still known to the feed. */
static void forget_heard(struct world *world, uint64_t sequence)
{
    const struct feed *feed = &world->feed;

    world->heard_end = feed->announced_sequence > sequence ? feed->announced_sequence : sequence;
    if (feed->entry_count != 0 && feed_reorder_at(feed, feed->entry_count - 1)->next_sequence > world->heard_end)
        world->heard_end = feed_reorder_at(feed, feed->entry_count - 1)->next_sequence;
    world->heard_ns = UINT64_MAX;
}

static void give_packet(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES];
    const uint8_t way = take(world), line = way & 1;
    const uint8_t count = way >> 1 & 7;
    const int8_t distance = (int8_t)(take(world) << 2) >> 2; /* -32..31 */
    const bool end = (way & 0xF0) == 0xF0;
    uint32_t length = MOLDUDP64_HEADER_SIZE;

    memcpy(bytes, "SESSION001", MOLDUDP64_SESSION_SIZE);
    bytes[9] = (uint8_t)('1' + world->ordinal % 8 + ((way & 0xF0) == 0xE0)); /* this one's, or the next one's */
    uint64_t sequence = world->feed.next_sequence + (uint64_t)(int64_t)(distance < -8 ? 0 : distance);

    if ((way & 0xF0) == 0xE0)
        sequence = 1 + (uint8_t)distance % 4;

    put(bytes + 10, sequence, 8);
    put(bytes + 18, end ? MOLDUDP64_COUNT_END : count, 2);
    if (!end)
        length = put_messages(world, sequence, count, bytes);
    give(world, line, bytes, length, (way & 0x30) == 0x30);
}

/* What leaves is of this session, bounded, missing, and known to exist. */
static void take_requests(struct world *world)
{
    uint8_t request[MOLDUDP64_REQUEST_SIZE];

    for (uint32_t taken = 0; feed_next_request(&world->feed, request); taken++) {
        const uint64_t first = bytes_load_u64(request + 10);
        const uint16_t count = bytes_load_u16(request + 18);

        REQUIRE(taken < FEED_REQUESTS_MAX && !world->waiting);
        REQUIRE(memcmp(request, world->feed.session, MOLDUDP64_SESSION_SIZE) == 0);
        REQUIRE(count != 0 && count <= world->feed.options.request_messages_max);
        REQUIRE(first >= world->feed.next_sequence);
        REQUIRE(feed_reorder_fresh(&world->feed, first, first + count) == count);
        world->asked[world->asked_count % ASKED].first = first;
        world->asked[world->asked_count++ % ASKED].count = count;
        check_feed(world);
    }
}

static void reply(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES];
    const uint8_t way = take(world);

    if (world->asked_count == 0)
        return;
    const uint32_t kept = world->asked_count < ASKED ? world->asked_count : ASKED;
    const uint32_t index = way % kept, wanted = world->asked[index].count;
    const uint32_t count = wanted < 1u + (way >> 5) ? wanted : 1u + (way >> 5);

    memcpy(bytes, world->feed.session, MOLDUDP64_SESSION_SIZE);
    put(bytes + 10, world->asked[index].first, 8);
    put(bytes + 18, count, 2);
    give(world, FEED_LINE_RECOVERY, bytes, put_messages(world, world->asked[index].first, count, bytes), false);
}

static void snapshot(struct world *world)
{
    const uint8_t way = take(world);
    const int64_t distance = (int8_t)take(world) >> 2; /* -32..31 */

    if (feed_wants_snapshot(&world->feed)) {
        empty_book(world);
        world->waiting = true;
        feed_snapshot_started(&world->feed, world->now_ns);
        REQUIRE(feed_snapshot_running(&world->feed));
    } else if (way % 4 == 0) {
        feed_snapshot_failed(&world->feed, world->now_ns);
        REQUIRE(!feed_snapshot_running(&world->feed));
    } else {
        const bool running = feed_snapshot_running(&world->feed);
        const uint64_t next = world->feed.next_sequence;
        const uint64_t sequence = distance < 0 && next <= (uint64_t)-distance ? 1 : next + (uint64_t)distance;

        if (feed_snapshot_complete(&world->feed, sequence, world->now_ns)) {
            REQUIRE(running && !world->feed.book_lost);
            world->waiting = false;
            world->expected = sequence;
            forget_heard(world, sequence);
        }
    }
    drain(world);
}

static void give_raw(struct world *world)
{
    uint8_t bytes[64];
    const uint8_t way = take(world);
    const uint32_t length = way % sizeof(bytes);

    for (uint32_t index = 0; index < length; index++) {
        bytes[index] = take(world);
        bytes[index] = bytes[index] == MARK ? 0 : bytes[index];
    }
    if ((way & 0x40) != 0 && length >= MOLDUDP64_SESSION_SIZE)
        memcpy(bytes, "SESSION001", MOLDUDP64_SESSION_SIZE);
    give(world, way >> 7 == 0 ? way & 1 : way & 3, bytes, length, false);
}

static void step(struct world *world)
{
    const uint8_t operation = take(world) % 20;

    if (operation < 11) {
        give_packet(world);
    } else if (operation < 14) {
        world->now_ns += take(world);
        feed_timer(&world->feed, world->now_ns);
        drain(world);
        if (world->live && world->feed.hole_since_ns != FEED_NO_HOLE)
            REQUIRE(world->now_ns - world->feed.hole_since_ns < world->feed.options.hold_back_ns);
    } else if (operation < 16) {
        take_requests(world);
    } else if (operation < 17) {
        reply(world);
    } else if (operation < 18) {
        snapshot(world);
    } else {
        give_raw(world);
    }
}

static void start(struct world *world)
{
    static _Alignas(64) uint8_t feed_memory[8192];
    const uint8_t way = take(world), policy = take(world), bounds = take(world);
    struct feed_options feed_options = {.first_sequence = way & 1,
                                        .hold_back_ns = take(world),
                                        .line_silence_ns = (uint64_t)take(world) * 4,
                                        .reorder_packet_count = 1u << (way >> 1 & 3),
                                        .reorder_packet_bytes = MOLDUDP64_HEADER_SIZE + 2u * take(world),
                                        .delivery = policy & 1,
                                        .requests = policy >> 1 & 1,
                                        .snapshots = policy >> 2 & 1,
                                        .follow_sessions = policy >> 3 & 1,
                                        .unconfirmed_jump_messages = (policy & 16) != 0 ? 0 : UINT64_MAX,
                                        .session_confirm_packets = (uint8_t)(1 + (policy >> 5 & 3)),
                                        .request_outstanding_max = (uint8_t)(1 + bounds % FEED_REQUESTS_MAX),
                                        .request_attempts = (uint8_t)(1 + (bounds >> 3 & 3)),
                                        .snapshot_attempts = (uint8_t)(1 + (bounds >> 5 & 1)),
                                        .request_messages_max = (uint16_t)(1 + (bounds >> 4)),
                                        .request_timeout_ns = 1u + take(world),
                                        .give_up_messages = 1u + take(world) % 32,
                                        .snapshot_timeout_ns = 1u + 2u * take(world),
                                        .retry_ns = (uint64_t)take(world) * 4};

    _Static_assert(SLOTS == 1u << 3, "largest reorder_packet_count");
    if ((way & 8) != 0)
        memcpy(feed_options.session, "SESSION001", MOLDUDP64_SESSION_SIZE);
    REQUIRE(feed_init(&world->feed, &feed_options, feed_memory, sizeof(feed_memory)) == 0);
    world->shadow.order_capacity = 1 + take(world) % ORDERS;
    world->shadow.level_capacity = 1 + take(world) % ORDERS;
    empty_book(world);
    world->expected = feed_options.first_sequence;
    world->heard_ns = UINT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;

    memset(&world, 0, sizeof(world));
    world.input = data;
    world.input_left = size;
    world.now_ns = 1;
    start(&world);
    while (world.input_left != 0)
        step(&world);
    uint64_t types = 0;

    for (uint32_t type = 0; type < 256; type++)
        types += world.itch.statistics.types[type];
    REQUIRE(types == world.decoded);
    REQUIRE(types + world.itch.statistics.unknown_types + world.itch.statistics.length_errors == world.delivered);
    free(world.datagram);
    return 0;
}
