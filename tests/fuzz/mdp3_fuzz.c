/* Fuzz target: datagrams of both lines and of the recovery feeds through an MDP 3.0 channel.
 *
 * The input is a program: a source, a packet number near the last one, messages of known templates with block lengths
 * and group sizes near the right ones, entries made of the input, and raw bytes. Checked: nothing is read outside of a
 * datagram or of the channel's memory (sanitizers), every published event is of a known kind, a channel that is not
 * LIVE-able has no tradable instrument before its first packet, and the loop ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/feed/mdp3_channel.h"

enum { DATAGRAM_BYTES = 600, SOURCES = 4, EVENTS_MAX = 1 << 16 };

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct input { const uint8_t *bytes; size_t left; };

static uint8_t take(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->bytes++;
}

static uint32_t put(uint8_t *bytes, uint64_t value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return size;
}

struct template { uint8_t id, block, dimension, entry, second; };

/* root block, first group: bytes of its dimension and of an entry, second group's entry (8-byte dimension) */
static const struct template templates[] = {
    {46, 11, 3, 32, 24}, {32, 11, 3, 32, 0}, {47, 11, 3, 40, 0}, {43, 11, 3, 40, 0}, {48, 11, 3, 32, 16},
    {42, 11, 3, 32, 16}, {37, 11, 3, 16, 0}, {51, 11, 3, 24, 0}, {49, 11, 3, 32, 0}, {50, 11, 3, 32, 0},
    {52, 59, 3, 22, 0},  {38, 59, 3, 22, 0}, {53, 28, 3, 29, 0}, {44, 28, 3, 29, 0}, {4, 9, 3, 2, 0},
    {30, 30, 0, 0, 0},   {12, 0, 0, 0, 0},   {64, 11, 8, 40, 24}, {99, 7, 3, 5, 0},
};

static uint32_t put_group(struct input *input, uint8_t *bytes, uint8_t dimension, uint8_t entry, uint32_t room)
{
    uint8_t count = take(input) % 4, odd = take(input);
    uint32_t length = dimension;

    if (dimension == 0 || length + (uint32_t)count * entry > room)
        return 0;
    memset(bytes, 0, dimension);
    put(bytes, odd == 255 ? 0xFFFF : odd == 254 ? 0 : entry, 2);
    bytes[dimension - 1] = odd == 253 ? 255 : count;
    for (uint32_t i = 0; i < (uint32_t)count * entry; i++)
        bytes[length + i] = (take(input) & 3) != 0 ? 0 : take(input) % 16;
    return length + (uint32_t)count * entry;
}

static uint32_t put_message(struct input *input, uint8_t *bytes, uint32_t room)
{
    const struct template *template = &templates[take(input) % (sizeof(templates) / sizeof(templates[0]))];
    uint8_t odd = take(input);
    uint32_t length = 10u + template->block;

    if (room < 300)
        return 0;
    put(bytes + 2, odd == 255 ? take(input) : template->block, 2);
    put(bytes + 4, template->id, 2);
    put(bytes + 6, 1, 2);
    put(bytes + 8, odd & 1 ? 9 : 5 + take(input) % 9u, 2);
    for (uint32_t i = 0; i < template->block; i++)
        bytes[10 + i] = take(input) % 8 ? 0 : take(input);
    if (template->block == 11)
        bytes[18] = take(input) & 1 ? 0x80 : 0x84;
    length += put_group(input, bytes + length, template->dimension, template->entry, room - length);
    if (template->second)
        length += put_group(input, bytes + length, 8, template->second, room - length);
    put(bytes, odd == 254 ? take(input) : length, 2);
    return length;
}

static uint32_t build(struct input *input, uint8_t *bytes, uint32_t *sequence)
{
    int8_t step = (int8_t)take(input);
    uint32_t length = 12;

    *sequence += step < -100 ? (uint32_t)(step * 1000) : step > 100 ? 5u : 1u;
    put(bytes, *sequence, 4);
    put(bytes + 4, 1000, 8);
    for (uint8_t count = take(input) % 4; count != 0; count--)
        length += put_message(input, bytes + length, DATAGRAM_BYTES - length);
    return length;
}

static void give(struct mdp3_channel *channel, unsigned source, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    struct event event;
    uint8_t *exact = malloc(length + 1u); /* odd address, exact end */

    REQUIRE(exact != NULL);
    memcpy(exact + 1, bytes, length);
    mdp3_channel_accept(channel, source, exact + 1, length, now_ns);
    for (uint32_t count = 0; mdp3_channel_next(channel, &event); count++) {
        REQUIRE(event.kind != EVENT_NONE && event.kind < EVENT_KIND_COUNT && event.venue == EVENT_VENUE_MDP3);
        REQUIRE(count < EVENTS_MAX);
    }
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mdp3_channel channel;
    struct mdp3_channel_options options;
    struct input input = {data, size};
    uint8_t bytes[DATAGRAM_BYTES];
    uint32_t sequences[SOURCES] = {0};
    uint64_t now_ns = 1;

    mdp3_channel_options_default(&options);
    size_t memory_bytes = mdp3_channel_memory_size(&options);
    static void *memory;

    if (memory == NULL)
        memory = aligned_alloc(64, (memory_bytes + 63) & ~(size_t)63);
    REQUIRE(memory != NULL && mdp3_channel_init(&channel, &options, memory, memory_bytes) == 0);
    REQUIRE(!mdp3_instrument_tradable(&channel, 0));
    while (input.left != 0) {
        uint8_t way = take(&input), source = way & 3;
        uint32_t length = 0;

        if ((way & 0x70) == 0x70) {
            length = take(&input) % 64;
            for (uint32_t i = 0; i < length; i++)
                bytes[i] = take(&input);
        } else {
            length = build(&input, bytes, &sequences[source < 2 ? 0 : source]);
            length -= (way & 0x70) == 0x60 ? take(&input) % length : 0;
        }
        give(&channel, source, bytes, length, now_ns);
        if ((way & 0x80) != 0 && source < 2)
            give(&channel, source ^ 1u, bytes, length, now_ns);
        now_ns += (uint64_t)take(&input) * 100000;
        mdp3_channel_timer(&channel, now_ns);
    }
    return 0;
}
