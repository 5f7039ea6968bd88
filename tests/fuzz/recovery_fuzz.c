/* Fuzz target: a strict feed with re-request server and snapshot service, told the truth by unreliable means.
 *
 * The input is a program: policy first, then steps: the market goes on (a packet on one line, on both or on none), an
 * old packet comes again, a heartbeat, time, a request answered in full, in part, late or never, a snapshot begun,
 * joined at the market's end or behind it, or lost, a datagram of a foreign session, a roll to a new one. Checked: every message handed
 * out is the true one; between two joins and within a session the numbers have no hole; LIVE means that nothing known
 * is missing; requests name only missing messages, never one twice at a time; reorder slots are neither lost nor shared.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/feed/bytes.h"
#include "engine/feed/feed.h"
#include "engine/feed/feed_reorder.h"

enum { DATAGRAM_BYTES = 256, PACKET_MESSAGES_MAX = 7, SLOTS = 8, WANTED_MAX = 16 };

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct wanted { uint64_t sequence; uint16_t count; uint8_t ordinal; };

struct world {
    const uint8_t *input;
    size_t input_left;
    struct feed feed;
    uint8_t *datagram; /* of exact size, so that a read past its end is seen */
    uint64_t now_ns;
    uint64_t published;     /* last message of the session */
    uint8_t session;        /* the market's */
    uint64_t next_expected; /* 0: anything, a join or a new session has just been */
    uint8_t heard_session;
    struct wanted wanted[WANTED_MAX];
    uint32_t wanted_count;
};

static uint8_t take(struct world *world)
{
    if (world->input_left == 0)
        return 0;
    world->input_left--;
    return *world->input++;
}

static uint8_t truth(uint8_t session, uint64_t sequence)
{
    return (uint8_t)(sequence * 31 + session * 7 + 1);
}

static uint32_t build(uint8_t *bytes, uint8_t session, uint64_t sequence, uint16_t count)
{
    uint32_t length = MOLDUDP64_HEADER_SIZE;

    moldudp64_put_request(bytes, (const uint8_t *)"SESSION000", sequence, count);
    bytes[9] = (uint8_t)('0' + session);
    for (uint16_t i = 0; count != MOLDUDP64_COUNT_END && i < count; i++) {
        bytes[length] = 0;
        bytes[length + 1] = 1;
        bytes[length + 2] = truth(session, sequence + i);
        length += 3;
    }
    return length;
}

/* ---- invariants ---- */

static void check(const struct world *world)
{
    const struct feed *feed = &world->feed;
    uint32_t slots = 0, capacity = feed->options.reorder_packet_count;

    for (uint32_t i = 0; i < feed->entry_count; i++) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, i);

        slots ^= 1u << entry->slot;
        if (i != 0)
            REQUIRE(feed_reorder_at(feed, i - 1)->sequence < entry->sequence &&
                    feed_reorder_at(feed, i - 1)->next_sequence < entry->next_sequence);
    }
    for (uint32_t i = 0; i < capacity - feed->entry_count; i++)
        slots ^= 1u << feed->free_slots[i];
    REQUIRE(slots == (1u << capacity) - 1);
    if (feed->state == FEED_LIVE)
        REQUIRE(!feed->book_lost && feed->snapshot == FEED_SNAPSHOT_NONE);
    for (uint8_t i = 0; i < feed->request_count; i++)
        for (uint8_t j = 0; j < i; j++)
            REQUIRE(feed->requests[i].next_sequence <= feed->requests[j].sequence ||
                    feed->requests[j].next_sequence <= feed->requests[i].sequence);
}

static void drain(struct world *world)
{
    struct feed_message message;
    uint8_t request[MOLDUDP64_REQUEST_SIZE];

    while (feed_next(&world->feed, &message)) {
        uint8_t ordinal = (uint8_t)(message.position >> FEED_POSITION_SESSION_SHIFT);

        REQUIRE(!feed_snapshot_running(&world->feed));
        if (ordinal != world->heard_session) {
            world->heard_session = ordinal;
            world->next_expected = 0;
        }
        REQUIRE(world->next_expected == 0 || message.sequence == world->next_expected);
        REQUIRE(message.length == 1 && message.data[0] == truth(ordinal, message.sequence));
        world->next_expected = message.sequence + 1;
        check(world);
    }
    while (feed_next_request(&world->feed, request)) {
        uint64_t sequence = bytes_load_u64(request + 10);
        uint16_t count = bytes_load_u16(request + 18);

        REQUIRE(count != 0 && count <= world->feed.options.request_messages_max);
        REQUIRE(sequence >= world->feed.next_sequence);
        if (world->wanted_count < WANTED_MAX)
            world->wanted[world->wanted_count++] =
                (struct wanted){sequence, count, world->feed.session_ordinal};
    }
    if (world->feed.state == FEED_LIVE && !world->feed.pending && world->feed.hole_since_ns == FEED_NO_HOLE)
        REQUIRE(world->feed.entry_count == 0 && world->feed.announced_sequence <= world->feed.next_sequence);
    check(world);
}

/* ---- steps ---- */

static void give(struct world *world, unsigned line, const uint8_t *bytes, uint32_t length)
{
    free(world->datagram);
    world->datagram = malloc(length + 1u); /* odd address: loads must not care */
    REQUIRE(world->datagram != NULL);
    memcpy(world->datagram + 1, bytes, length);
    REQUIRE(feed_accept(&world->feed, line, world->datagram + 1, length, world->now_ns) < FEED_OUTCOME_COUNT);
    drain(world);
}

static void go_on(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES], way = take(world);
    uint16_t count = (uint16_t)(1 + (way >> 2) % PACKET_MESSAGES_MAX);
    uint32_t length = build(bytes, world->session, world->published + 1, count);

    world->published += count;
    for (unsigned line = 0; line < FEED_LINE_COUNT; line++)
        if ((way >> line & 1) != 0)
            give(world, line, bytes, length);
}

static void say_again(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES], way = take(world), back = take(world);
    uint64_t sequence = world->published > back ? world->published - back : 1;
    uint16_t count = (uint16_t)((way >> 2) % (PACKET_MESSAGES_MAX + 1));

    if (sequence + count > world->published + 1)
        count = (uint16_t)(world->published + 1 - sequence);
    give(world, way & 1, bytes, build(bytes, world->session, count ? sequence : world->published + 1, count));
}

static void answer(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES], way = take(world);

    if (world->wanted_count == 0)
        return;
    uint32_t index = way % world->wanted_count;
    struct wanted wanted = world->wanted[index];

    world->wanted[index] = world->wanted[--world->wanted_count];
    if ((way & 0x80) != 0 || wanted.sequence > world->published || wanted.ordinal != world->session)
        return; /* lost, or silence */
    uint64_t count = wanted.count < PACKET_MESSAGES_MAX ? wanted.count : PACKET_MESSAGES_MAX;

    if (count > world->published + 1 - wanted.sequence)
        count = world->published + 1 - wanted.sequence;
    if ((way & 0x40) != 0)
        count = 1;
    give(world, FEED_LINE_RECOVERY, bytes, build(bytes, world->session, wanted.sequence, (uint16_t)count));
}

static void snapshot(struct world *world)
{
    uint8_t way = take(world);

    if (feed_wants_snapshot(&world->feed)) {
        feed_snapshot_started(&world->feed, world->now_ns);
    } else if (feed_snapshot_running(&world->feed) && (way & 3) == 0) {
        feed_snapshot_failed(&world->feed, world->now_ns);
    } else {
        uint64_t back = (way >> 2) % 8, end = world->published + 1;

        if (world->feed.session_ordinal == world->session &&
            feed_snapshot_complete(&world->feed, end > back ? end - back : 1, world->now_ns))
            world->next_expected = 0;
    }
    drain(world);
}

static void foreign(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES];

    give(world, take(world) % FEED_SOURCE_COUNT, bytes, build(bytes, 9, take(world), 1)); /* once: never confirmed */
    give(world, FEED_LINE_A, bytes, build(bytes, world->session, world->published + 1, 0));
}

static void step(struct world *world)
{
    switch (take(world) % 16) {
    default:
        go_on(world);
        break;
    case 6:
    case 7:
        say_again(world);
        break;
    case 8:
    case 9:
        world->now_ns += take(world);
        feed_timer(&world->feed, world->now_ns);
        drain(world);
        break;
    case 10:
    case 11:
    case 12:
        answer(world);
        break;
    case 13:
    case 14:
        snapshot(world);
        break;
    case 15:
        if (take(world) < 250) {
            foreign(world);
        } else if (world->session < 8 && world->published != 0 && world->feed.session_ordinal == world->session) {
            world->session++;
            world->published = 0;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    static _Alignas(64) uint8_t memory[8192];
    struct feed_options options;

    memset(&world, 0, sizeof(world));
    world.input = data;
    world.input_left = size;
    world.now_ns = 1;
    feed_options_default(&options);
    uint8_t way = take(&world);

    memcpy(options.session, "SESSION000", MOLDUDP64_SESSION_SIZE); /* else any first datagram names it */
    options.first_sequence = way & 1;
    options.requests = (way & 2) != 0;
    options.snapshots = (way & 4) != 0;
    options.unconfirmed_jump_messages = (way & 8) != 0 ? 0 : UINT64_MAX;
    options.reorder_packet_count = 1u << (way >> 4 & 3);
    options.reorder_packet_bytes = DATAGRAM_BYTES;
    options.hold_back_ns = take(&world);
    options.line_silence_ns = (uint64_t)take(&world) * 8;
    options.request_messages_max = (uint16_t)(1 + take(&world) % 16);
    options.request_outstanding_max = (uint8_t)(1 + take(&world) % FEED_REQUESTS_MAX);
    options.request_attempts = options.snapshot_attempts = (uint8_t)(1 + take(&world) % 4);
    options.request_timeout_ns = 1u + take(&world);
    options.snapshot_timeout_ns = 1u + take(&world);
    options.retry_ns = take(&world);
    options.give_up_messages = 1u + take(&world);
    _Static_assert(SLOTS == 1u << 3, "largest reorder_packet_count");
    REQUIRE(feed_init(&world.feed, &options, memory, sizeof(memory)) == 0);
    while (world.input_left != 0)
        step(&world);
    free(world.datagram);
    return 0;
}
