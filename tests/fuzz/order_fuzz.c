/* Fuzz target: the venue's byte stream through soupbin, ouch42 and own_orders, with invariants.
 *
 * The input is a program: send an order, cancel, replace or modify one, cancel all, hear a well-formed message about
 * one of 32 tokens, hear raw bytes, cut the stream anywhere, reconnect, let time pass. After every step the sums must
 * hold: open shares and orders, best own prices and position per symbol, counts of open, dead and free slots, and every
 * order findable.
 * Symbol s has one side only (even: buy), so that its position must be executed less broken shares.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/order/ouch42.h"
#include "engine/order/own_orders.h"
#include "engine/order/soupbin.h"

enum { TOKENS = 32, SYMBOLS = 4, STREAM_BYTES = 256 };

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct input {
    const uint8_t *bytes;
    size_t left;
};

struct world {
    struct input input;
    struct soupbin soupbin;
    struct ouch42_decoder decoder;
    struct own_orders orders;
    uint64_t now_ns;
    uint64_t messages;
    uint64_t executed_shares; /* as told by the messages that own_orders did not refuse */
    uint8_t stream[STREAM_BYTES];
    uint32_t stream_count;
};

static uint8_t take(struct world *world)
{
    if (world->input.left == 0)
        return 0;
    world->input.left--;
    return *world->input.bytes++;
}

static void check_slots(const struct own_orders *orders)
{
    uint64_t open_shares[SYMBOLS] = {0};
    uint32_t open_orders[SYMBOLS] = {0}, best[SYMBOLS] = {0};
    uint32_t open = 0, dead = 0, free_slots = 0, line = 0;
    for (uint32_t slot = 0; slot < orders->order_count; slot++) {
        const struct own_order *order = own_orders_at(orders, slot);
        if (order == NULL) {
            free_slots++;
            continue;
        }
        REQUIRE(own_orders_find(orders, order->token_key) == order);
        REQUIRE(order->open_shares <= order->shares);
        REQUIRE(order->broken_shares <= order->executed_shares);
        open_shares[order->symbol] += order->open_shares;
        if (own_order_is_open(order->state)) {
            const bool better = order->side == 'B' ? order->price > best[order->symbol]
                                                   : best[order->symbol] == 0 || order->price < best[order->symbol];
            REQUIRE(order->open_shares > 0 || own_order_is_pending(order->state));
            if ((order->flags & OWN_FLAG_QUOTED) && better)
                best[order->symbol] = order->price;
            open_orders[order->symbol]++;
            open++;
        } else {
            REQUIRE(order->open_shares == 0 && order->partner == OWN_SLOT_NONE && !(order->flags & OWN_FLAG_QUOTED));
            dead++;
        }
    }
    for (uint32_t slot = orders->free_head; slot != OWN_SLOT_NONE && line <= free_slots; line++)
        slot = orders->orders[slot].next;
    REQUIRE(line == free_slots);
    REQUIRE(open == orders->open_count && open <= orders->open_max);
    REQUIRE(dead == orders->dead_count && dead <= orders->dead_keep);
    for (uint16_t symbol = 0; symbol < SYMBOLS; symbol++) {
        const struct own_symbol *own = own_orders_symbol(orders, symbol);
        const int64_t net = (int64_t)(own->executed_shares - own->broken_shares);
        REQUIRE(own->position == (symbol % 2 == 0 ? net : -net));
        REQUIRE(own->open_buy_shares == (symbol % 2 == 0 ? open_shares[symbol] : 0));
        REQUIRE(own->open_sell_shares == (symbol % 2 == 0 ? 0 : open_shares[symbol]));
        REQUIRE(own->open_buy_orders == (symbol % 2 == 0 ? open_orders[symbol] : 0));
        REQUIRE(own->open_sell_orders == (symbol % 2 == 0 ? 0 : open_orders[symbol]));
        REQUIRE(own->own_best_bid == (symbol % 2 == 0 ? best[symbol] : 0));
        REQUIRE(own->own_best_ask == (symbol % 2 == 0 ? 0 : best[symbol]));
    }
}

static void hear(struct world *world, const struct soupbin_message *message)
{
    struct own_event event;
    const uint64_t corrected = world->orders.counters.corrected;
    REQUIRE(message->length < SOUPBIN_LENGTH_MAX);
    REQUIRE(message->sequence == world->soupbin.next_sequence - 1);
    world->messages++;
    if (ouch42_decode(&world->decoder, message->payload, message->length, &event) != OUCH42_DECODED) {
        own_orders_note_undecodable(&world->orders);
        return;
    }
    REQUIRE(event.kind != OWN_EVENT_NONE && event.kind < OWN_EVENT_KIND_COUNT);
    const uint64_t before = world->orders.counters.executed_shares;
    const enum own_orders_outcome outcome = own_orders_apply(&world->orders, &event);
    const bool moved = outcome == OWN_ORDERS_OK || outcome == OWN_ORDERS_ACCOUNTED;
    const bool execution =
        event.kind == OWN_EVENT_EXECUTED || event.kind == OWN_EVENT_EXECUTED_REFERENCE;
    if (execution)
        REQUIRE(world->orders.counters.executed_shares - before == (moved ? event.shares : 0));
    else if (world->orders.counters.corrected == corrected)
        REQUIRE(world->orders.counters.executed_shares == before);
    REQUIRE((world->orders.counters.discrepancies == 0) == own_orders_trusted(&world->orders));
}

/* Hands over what is collected, in two pieces. */
static void flush(struct world *world)
{
    struct soupbin_message message;
    const uint32_t cut = world->stream_count == 0 ? 0 : take(world) % (world->stream_count + 1);
    const uint32_t ends[3] = {0, cut, world->stream_count};
    for (uint32_t piece = 0; piece < 2; piece++) {
        const uint32_t length = ends[piece + 1] - ends[piece];
        /* a copy of exact size, so that a read past its end is seen */
        uint8_t *copy = malloc(length + 1);
        REQUIRE(copy != NULL);
        memcpy(copy + 1, world->stream + ends[piece], length);
        soupbin_receive(&world->soupbin, copy + 1, length, world->now_ns);
        while (soupbin_next(&world->soupbin, &message))
            hear(world, &message);
        free(copy);
    }
    REQUIRE(world->soupbin.carry_length <= sizeof(world->soupbin.carry));
    REQUIRE(world->soupbin.state < SOUPBIN_STATE_COUNT && world->soupbin.cause < SOUPBIN_CAUSE_COUNT);
    world->stream_count = 0;
}

static void collect(struct world *world, const uint8_t *bytes, uint32_t length)
{
    if (world->stream_count + length > STREAM_BYTES)
        flush(world);
    memcpy(world->stream + world->stream_count, bytes, length);
    world->stream_count += length;
}

static void collect_raw(struct world *world, uint32_t length)
{
    uint8_t bytes[64];
    for (uint32_t index = 0; index < length; index++)
        bytes[index] = take(world);
    collect(world, bytes, length);
}

/* A message of the right length, its token one of ours, the rest mostly from the input. */
static void collect_message(struct world *world)
{
    static const struct {
        char type;
        uint8_t length;
    } kinds[16] = {{'S', 10}, {'A', 66}, {'U', 80}, {'C', 28}, {'D', 37}, {'E', 40}, {'G', 45}, {'F', 41},
                   {'B', 32}, {'J', 24}, {'P', 23}, {'I', 23}, {'T', 36}, {'M', 28}, {'N', 23}, {'A', 66}};
    const uint8_t kind = take(world) % 16;
    const uint8_t number = take(world) % TOKENS;
    const uint8_t shares = take(world);
    uint8_t packet[3 + OUCH42_OUTBOUND_BYTES_MAX] = {0};
    uint8_t *payload = packet + 3;
    soupbin_frame(packet, kinds[kind].length);
    packet[2] = 'S';
    payload[0] = (uint8_t)kinds[kind].type;
    ouch42_token_write(ouch42_token_key('T', number, 0), (char *)payload + 9);
    switch (kinds[kind].type) {
    case 'A': case 'U':
        payload[23] = number % 2 == 0 ? 'B' : 'S';
        payload[27] = shares;
        payload[64] = take(world) % 8 == 0 ? 'D' : 'L';
        payload[39] = take(world);
        if (kinds[kind].type == 'U') /* of any order of the same side */
            ouch42_token_write(ouch42_token_key('T', (number + 2u * take(world)) % TOKENS, 0), (char *)payload + 65);
        break;
    case 'B': payload[30] = take(world) % 16; break;
    case 'E': case 'G': case 'F': payload[39] = take(world) % 16; /* fall through */
    case 'C': case 'D': payload[26] = shares; break;
    default: payload[23] = shares; break;
    }
    collect(world, packet, kinds[kind].length + 3u);
}

static void send_order(struct world *world)
{
    const uint8_t number = take(world) % TOKENS;
    const struct order_request request = {.trigger_sequence = number, .price = 1 + take(world),
                                          .time_in_force = take(world) % 2 ? 99998 : 0,
                                          .shares = take(world) % 64u, .symbol = number % SYMBOLS,
                                          .side = number % 2 == 0 ? 'B' : 'S'};
    const bool full = own_orders_full(&world->orders);
    const enum own_orders_outcome outcome = own_orders_sent(&world->orders, &request, 'T');
    REQUIRE(outcome <= OWN_ORDERS_INVALID);
    REQUIRE(!(full && outcome == OWN_ORDERS_OK));
}

static void change_order(struct world *world)
{
    const uint8_t number = take(world) % TOKENS, kind = take(world) % 5;
    const struct order_change change = {.token_key = ouch42_token_key('T', number, 0),
                                        .new_token_key = ouch42_token_key('T', take(world) % TOKENS, 0),
                                        .shares = take(world) % 64u, .price = 1 + take(world),
                                        .time_in_force = take(world) % 2 ? 99998 : 0,
                                        .side = "\0BSTE"[take(world) % 5]};
    if (kind == 0)
        own_orders_cancel_sent(&world->orders, change.token_key);
    else if (kind == 1)
        own_orders_replace_sent(&world->orders, &change);
    else if (kind == 2)
        own_orders_modify_sent(&world->orders, &change);
    else if (kind == 3)
        own_orders_cancel_all(&world->orders, number % 2 ? OWN_CANCEL_ALL_SYMBOLS : number % SYMBOLS, 0);
    const uint64_t next = own_orders_cancel_next(&world->orders);
    REQUIRE(next == 0 || own_orders_cancel_sent(&world->orders, next) == OWN_ORDERS_OK);
    if (own_orders_cancel_state(&world->orders) == OWN_CANCEL_ACKNOWLEDGED)
        REQUIRE(!world->orders.mass.under_way);
}

static void reconnect(struct world *world)
{
    uint8_t out[64];
    soupbin_disconnected(&world->soupbin);
    if (world->soupbin.session_ended)
        soupbin_forget_session(&world->soupbin);
    REQUIRE(soupbin_connected(&world->soupbin, world->now_ns));
    REQUIRE(soupbin_login(&world->soupbin, world->now_ns, out, sizeof(out)) == SOUPBIN_LOGIN_BYTES);
    uint8_t accepted[33] = {0, 31, 'A'};
    memset(accepted + 3, ' ', 30);
    accepted[3] = 'S';
    accepted[32] = '1';
    world->stream_count = 0;
    if (take(world) % 8 != 0)
        collect(world, accepted, sizeof(accepted));
}

static void pass_time(struct world *world)
{
    uint8_t out[SOUPBIN_HEARTBEAT_BYTES];
    world->now_ns += (uint64_t)take(world) * 100000000u;
    const uint32_t length = soupbin_timer(&world->soupbin, world->now_ns, out, sizeof(out));
    REQUIRE(length == 0 || (length == sizeof(out) && world->soupbin.state == SOUPBIN_UP));
}

static void step(struct world *world)
{
    const uint8_t operation = take(world) % 20;
    if (operation < 4)
        send_order(world);
    else if (operation < 11)
        collect_message(world);
    else if (operation == 11)
        collect_raw(world, take(world) % 64);
    else if (operation == 12)
        pass_time(world);
    else if (operation == 13)
        own_orders_withdraw(&world->orders, ouch42_token_key('T', take(world) % TOKENS, 0));
    else if (operation == 14)
        reconnect(world);
    else if (operation < 19)
        change_order(world);
    else
        flush(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(64) uint8_t memory[10 << 20];
    static const struct soupbin_options account = {.username = "u", .password = "p", .requested_sequence = 1};
    static struct world world;
    memset(&world, 0, sizeof(world));
    world.input = (struct input){data, size};
    const struct own_orders_options options = {.open_max = 1 + take(&world) % 16u,
                                               .dead_keep = 1 + take(&world) % 8u,
                                               .executions_max = 1 + take(&world) % 32u};
    REQUIRE(own_orders_init(&world.orders, &options, memory, sizeof(memory)) == 0);
    REQUIRE(soupbin_init(&world.soupbin, &account) == 0);
    reconnect(&world);
    while (world.input.left != 0) {
        step(&world);
        check_slots(&world.orders);
    }
    flush(&world);
    check_slots(&world.orders);
    return 0;
}
