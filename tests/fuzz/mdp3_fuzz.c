/* Fuzz target: datagrams of all feeds of an MDP 3.0 channel, with invariants.
 *
 * The input is a program: small capacities first, then steps: a well-formed packet near the due number with entries
 * near the expected report sequences, a snapshot near the stream, a definition, raw bytes, a damaged packet, time.
 * Checked after each step: packets are delivered once and in order and add up with what was given up, what waits is
 * what is counted, lists of kept events are whole, counts of right books are those of a recount, a LIVE book is known
 * to its last level without a hole and a gate opens for nothing else, books by order are sorted and found by hash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/feed/mdp3_books.h"
#include "engine/feed/mdp3_slots.h"

enum { DATAGRAM_BYTES = 2048, SECURITIES = 4, MEMORY_BYTES = 1 << 20, FIRST_SECURITY = 100 };

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct world {
    const uint8_t *input;
    size_t input_left;
    struct mdp3_channel channel;
    uint8_t *datagram; /* of exact size, at an odd address; stays until drained */
    uint64_t now_ns, last_position, sending_ns;
    uint64_t datagrams[FEED_LINE_COUNT];
};

static uint8_t take(struct world *world)
{
    if (world->input_left == 0)
        return 0;
    world->input_left--;
    return *world->input++;
}

/* ---- invariants ---- */

static void check_arbiter(const struct world *world)
{
    const struct mdp3_arbiter *arbiter = &world->channel.arbiter;
    uint32_t waiting = 0;
    uint64_t wins = 0;

    for (uint32_t step = 0; step < arbiter->options.reorder_packet_count; step++)
        waiting += mdp3_is_waiting(arbiter, arbiter->next_sequence + step);
    REQUIRE(waiting == arbiter->waiting_count && arbiter->stash_count <= MDP3_STASH_COUNT);
    REQUIRE((arbiter->hole_since_ns == UINT64_MAX) == (waiting == 0) && arbiter->current == NULL);
    for (unsigned line = 0; line < FEED_LINE_COUNT; line++) {
        REQUIRE(arbiter->statistics.lines[line].packets == world->datagrams[line]);
        wins += arbiter->statistics.lines[line].wins;
    }
    REQUIRE(wins == arbiter->statistics.delivered + waiting);
    REQUIRE(arbiter->arrival_tail - arbiter->arrival_head <= arbiter->options.arrival_count);
}

static uint32_t check_kept(const struct mdp3_channel *channel, const struct mdp3_kept *kept)
{
    uint32_t count = 0, last = 0;

    for (uint32_t at = kept->first; at != 0; at = channel->kept[at].next) {
        REQUIRE(at <= channel->kept_used && ++count <= kept->count);
        REQUIRE(last == 0 || channel->kept[last].event.sequence <= channel->kept[at].event.sequence);
        last = at;
    }
    REQUIRE(count == kept->count && last == kept->last);
    return count;
}

static void check_book(const struct level_book *book, bool live)
{
    for (unsigned index = 0; index < LEVEL_BOOK_SIDE_COUNT; index++) {
        const struct level_book_side *side = &book->sides[index];

        REQUIRE((side->filled & ~side->known) == 0 && side->known >> side->depth == 0);
        REQUIRE(!live || (side->filled & (side->filled + 1)) == 0);
    }
    REQUIRE(!live || level_book_known(book));
}

static uint32_t check_orders(const struct mdp3_channel *channel, uint16_t symbol)
{
    const struct mbo_book *book = &channel->orders;
    uint32_t orders = 0;

    for (unsigned side = 0; side < MBO_BOOK_SIDE_COUNT; side++) {
        uint32_t inward = 0;

        for (uint32_t at = book->symbols[symbol].best[side]; at != 0; at = book->levels[at].outward) {
            const struct mbo_book_level *level = &book->levels[at];
            uint64_t quantity = 0, priority = 0;
            uint32_t count = 0;

            REQUIRE(level->inward == inward && level->first != 0);
            REQUIRE(inward == 0 || (side == MBO_BOOK_BID ? book->levels[inward].price > level->price
                                                         : book->levels[inward].price < level->price));
            for (uint32_t index = level->first; index != 0; index = book->orders[index].next, count++) {
                const struct mbo_book_order *order = &book->orders[index];

                REQUIRE(order->priority >= priority && order->level == at && order->side == side);
                REQUIRE(mbo_book_find(book, symbol, order->identity) == order);
                priority = order->priority;
                quantity += order->quantity;
            }
            REQUIRE(count == level->order_count && quantity == level->quantity);
            orders += count;
            inward = at;
        }
    }
    REQUIRE(orders == book->symbols[symbol].order_count);
    return orders;
}

static void check(const struct world *world)
{
    const struct mdp3_channel *channel = &world->channel;
    uint32_t right = 0, orders_right = 0, kept = 0, orders = 0;

    check_arbiter(world);
    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        const struct mdp3_instrument *instrument = &channel->instruments[index];
        const bool live = mdp3_instrument_state(channel, index) == FEED_LIVE;

        REQUIRE(mdp3_channel_find(channel, instrument->security) == (int32_t)index);
        REQUIRE(!live || mdp3_is_right(channel, instrument));
        REQUIRE(live || !mdp3_instrument_tradable(channel, index));
        check_book(&instrument->book, mdp3_is_right(channel, instrument));
        right += mdp3_is_right(channel, instrument);
        orders_right += mdp3_is_orders_right(channel, instrument);
        kept += check_kept(channel, &instrument->kept) + check_kept(channel, &instrument->kept_orders);
        if (channel->options.order_capacity != 0)
            orders += check_orders(channel, (uint16_t)index);
    }
    REQUIRE(right == channel->right_count && orders_right == channel->orders_right_count);
    REQUIRE(kept == channel->kept_count && channel->kept_used <= channel->options.join_capacity);
    REQUIRE(orders == channel->orders.order_count);
    REQUIRE(channel->pending_count <= channel->options.event_capacity && channel->state < FEED_STATE_COUNT);
    REQUIRE(channel->state != FEED_LIVE || right == channel->instrument_count);
}

/* ---- steps ---- */

static void drain(struct world *world)
{
    struct event event;

    while (mdp3_channel_next(&world->channel, &event)) {
        REQUIRE(event.kind != EVENT_NONE && event.kind < EVENT_KIND_COUNT && event.venue == EVENT_VENUE_MDP3);
        REQUIRE(event.symbol <= world->channel.instrument_count);
        REQUIRE(event.sequence >= world->last_position);
        world->last_position = event.sequence;
    }
    check(world);
}

static void give(struct world *world, unsigned source, const uint8_t *bytes, uint32_t length)
{
    free(world->datagram);
    world->datagram = malloc(length + 1u);
    REQUIRE(world->datagram != NULL);
    memcpy(world->datagram + 1, bytes, length);

    enum mdp3_accept_outcome outcome =
        mdp3_channel_accept(&world->channel, source, world->datagram + 1, length, world->now_ns);

    REQUIRE((outcome == MDP3_ACCEPT_BAD_SOURCE) == (source >= MDP3_SOURCE_COUNT));
    if (source <= MDP3_INCREMENTAL_B)
        world->datagrams[source]++;
    if (outcome == MDP3_ACCEPT_DELIVERABLE)
        REQUIRE(mdp3_channel_accept(&world->channel, source, bytes, length, world->now_ns) == MDP3_ACCEPT_NOT_DRAINED);
    drain(world);
}

static uint32_t put(uint8_t *bytes, uint64_t value, uint32_t size)
{
    for (uint32_t index = 0; index < size; index++)
        bytes[index] = (uint8_t)(value >> 8 * index);
    return size;
}

static int32_t put_security(struct world *world, uint8_t *bytes)
{
    int32_t security = FIRST_SECURITY + take(world) % SECURITIES;

    put(bytes, (uint32_t)security, 4);
    return security;
}

/* The report sequence that is due for the instrument, or one beside it. */
static uint32_t report_of(struct world *world, int32_t security, uint32_t *ahead)
{
    int32_t index = mdp3_channel_find(&world->channel, security);
    uint32_t due = index >= 0 ? world->channel.instruments[index].expected_report : 1;
    uint8_t odd = take(world);

    return due + ahead[security - FIRST_SECURITY]++ + (odd > 245 ? odd - 250u : 0);
}

static void put_level(struct world *world, uint8_t *entry, uint32_t *ahead)
{
    static const char types[] = "0101010101EFEFJw";
    const uint8_t way = take(world);

    put(entry, take(world) % 8, 8);
    put(entry + 8, take(world), 4);
    put(entry + 16, report_of(world, put_security(world, entry + 12), ahead), 4);
    entry[24] = take(world) % 5;
    entry[25] = way % 8 == 7 ? take(world) : way % 6;
    entry[26] = (uint8_t)types[way >> 4];
}

/* One message of the lines; its size. */
static uint32_t put_message(struct world *world, uint8_t *bytes, uint32_t *ahead)
{
    static const uint8_t numbers[] = {46, 46, 46, 46, 32, 47, 48, 37, 51, 50, 4, 12, 30, 54, 39, 99};
    const uint8_t way = take(world), number = numbers[way & 15];
    const struct mdp3_template *layout = mdp3_template_find(number);
    uint32_t root = layout != NULL ? layout->root_size : 0, size = MDP3_MESSAGE_HEADER_SIZE + root;

    memset(bytes, 0, size);
    for (uint32_t index = 0; layout != NULL && index < layout->group_count; index++) {
        const uint32_t count = take(world) % 4, block = number == 30 ? 0 : layout->entry_size[index] + (way >> 7) * 5u;

        memset(bytes + size, 0, layout->header_size[index] + count * block);
        put(bytes + size, block, 2);
        bytes[size + layout->header_size[index] - 1] = (uint8_t)count;
        size += layout->header_size[index];
        for (uint32_t entry = 0; entry < count; entry++, size += block) {
            uint8_t *at = bytes + size;

            if (layout->kind == MDP3_KIND_BOOK && index == 0) {
                put_level(world, at, ahead);
            } else if (layout->kind == MDP3_KIND_BOOK) {
                at[0] = take(world) % 16, at[8] = take(world), at[16] = take(world);
                at[20] = take(world) % 5, at[21] = take(world) % 4;
            } else if (layout->kind == MDP3_KIND_ORDER_BOOK) {
                at[0] = take(world) % 16, at[8] = take(world), at[16] = take(world), at[24] = take(world);
                put_security(world, at + 28), at[32] = take(world) % 4, at[33] = '0' + (at[8] & 1);
            } else if (layout->entry.security != MDP3_ABSENT && index == 0) {
                int32_t security = put_security(world, at + layout->entry.security);

                put(at + layout->entry.report_sequence, report_of(world, security, ahead), 4);
            }
        }
    }
    put(bytes, size, 2), put(bytes + 2, root, 2), put(bytes + 4, number, 2), put(bytes + 6, 1, 2), put(bytes + 8, 9, 2);
    if (layout != NULL && layout->indicator != MDP3_ABSENT)
        bytes[MDP3_MESSAGE_HEADER_SIZE + layout->indicator] = (way & 0x30) != 0 ? 0x80 : way & 0x40 ? 0x20 : 0;
    if (number == 30)
        put(bytes + 30, way & 0x10 ? FIRST_SECURITY : INT32_MAX, 4), bytes[37] = way & 0x20 ? 17 : take(world);
    if (number == 54)
        put_security(world, bytes + 65), bytes[33] = way & 1;
    return size;
}

static void give_packet(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES];
    const uint8_t way = take(world);
    const int8_t distance = (way & 0xC0) == 0xC0 ? (int8_t)take(world) : (int8_t)(way >> 6 & 1);
    uint32_t length = MDP3_HEADER_SIZE, ahead[SECURITIES] = {0};
    uint64_t sequence = world->channel.arbiter.next_sequence + (uint64_t)(int64_t)distance;

    world->sending_ns += way & 7;
    if (distance < -100)
        sequence = (uint8_t)distance & 15; /* a new numbering, perhaps */
    put(bytes, sequence, 4);
    put(bytes + 4, world->sending_ns, 8);
    for (uint32_t count = 1 + (way >> 1 & 3); count != 0; count--)
        length += put_message(world, bytes + length, ahead);
    if ((way & 0x38) == 0x38) { /* damaged */
        bytes[take(world) % length] ^= take(world);
        length -= take(world) % 8;
    }
    give(world, way & 1, bytes, length);
}

/* A snapshot whose numbers are near those of stream and instrument. */
static void give_snapshot(struct world *world)
{
    uint8_t bytes[DATAGRAM_BYTES] = {0};
    uint8_t *message = bytes + MDP3_HEADER_SIZE, *root = message + MDP3_MESSAGE_HEADER_SIZE;
    const uint8_t way = take(world), count = take(world) % 5;
    const bool by_price = (way & 1) != 0;
    const uint32_t root_size = by_price ? 35 : 28, entry_size = by_price ? 22 : 29;
    uint32_t ahead[SECURITIES] = {0}, size = MDP3_MESSAGE_HEADER_SIZE + root_size + 3;
    int32_t security = put_security(world, root + 8);

    put(bytes, take(world) % 4, 4), put(bytes + 4, world->sending_ns, 8);
    put(root, world->channel.arbiter.next_sequence - 1 + (way >> 1 & 3) - (way >> 3 & 3), 4);
    put(root + 4, way >> 6, 4);
    if (by_price)
        put(root + 12, report_of(world, security, ahead) - 1 - (way >> 5 & 1), 4), root[34] = 17;
    else
        root[12] = 1 + (way >> 6), root[16] = 1 + take(world) % 4;
    put(root + root_size, entry_size, 2), root[root_size + 2] = count;
    for (uint8_t index = 0; index < count; index++, size += entry_size) {
        uint8_t *entry = message + size;

        entry[0] = take(world) % 16;
        if (by_price) {
            entry[8] = take(world), entry[16] = (uint8_t)(1 + index), entry[21] = (uint8_t) "01EF2"[take(world) % 5];
        } else {
            entry[16] = take(world), entry[24] = take(world), entry[28] = (uint8_t)('0' + (entry[24] & 1));
        }
    }
    put(message, size, 2), put(message + 2, root_size, 2), put(message + 4, by_price ? 52 : 53, 2);
    put(message + 6, 1, 2), put(message + 8, 9, 2);
    give(world, (by_price ? MDP3_SNAPSHOT_A : MDP3_ORDER_SNAPSHOT_A) + (way >> 7), bytes, MDP3_HEADER_SIZE + size);
}

static void give_raw(struct world *world)
{
    uint8_t bytes[96];
    const uint8_t way = take(world);
    const uint32_t length = way % sizeof(bytes);

    for (uint32_t index = 0; index < length; index++)
        bytes[index] = take(world);
    give(world, take(world) % (MDP3_SOURCE_COUNT + 1), bytes, length);
}

static void step(struct world *world)
{
    const uint8_t operation = take(world) % 16;

    if (operation < 9) {
        give_packet(world);
    } else if (operation < 12) {
        give_snapshot(world);
    } else if (operation < 14) {
        world->now_ns += take(world);
        mdp3_channel_timer(&world->channel, world->now_ns);
        drain(world);
    } else {
        give_raw(world);
    }
}

static void start(struct world *world)
{
    static _Alignas(MDP3_MEMORY_ALIGNMENT) uint8_t memory[MEMORY_BYTES];
    const uint8_t way = take(world);
    struct mdp3_channel_options options = {
        .arbiter = {.hold_back_ns = take(world),
                    .line_silence_ns = (uint64_t)take(world) * 4,
                    .first_sequence = way & 1,
                    .reorder_packet_count = 1u << (way >> 1 & 3),
                    .reorder_packet_bytes = MDP3_HEADER_SIZE + 8u * take(world),
                    .arrival_count = 16,
                    .confirm_packets = 1 + (way >> 3 & 1)},
        .instrument_count = SECURITIES - (way >> 4 & 1),
        .order_capacity = (way & 0x20) != 0 ? 1 + take(world) % 32 : 0,
        .event_capacity = 64,
        .join_capacity = 1 + take(world) % 64,
        .depth = 3,
        .implied_depth = 2,
        .snapshots = (way & 0x40) != 0,
        .natural_refresh = (way & 0x80) != 0,
    };

    REQUIRE(mdp3_channel_init(&world->channel, &options, memory, sizeof(memory)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;

    memset(&world, 0, sizeof(world));
    world.input = data;
    world.input_left = size;
    world.now_ns = world.sending_ns = 1;
    start(&world);
    while (world.input_left != 0)
        step(&world);
    free(world.datagram);
    return 0;
}
