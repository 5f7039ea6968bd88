/* Fuzz target: OUCH 5.0, both ways.
 *
 * The first byte says how many orders were sent before. Then the input is a row of messages, each behind its length,
 * decoded from memory of exactly that size. What was decoded names an order that was sent, or nobody's; what was encoded
 * has the length that its frame says, and an appendage that ends with it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/order/order_bytes.h"
#include "engine/order/ouch50.h"
#include "engine/order/own_orders.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { NUMBERS = 16 };

static void check_packet(const uint8_t *packet, uint32_t bytes, uint32_t fixed)
{
    REQUIRE(bytes <= OUCH50_PACKET_BYTES_MAX && bytes == 2u + order_load_u16(packet) && packet[2] == 'U');
    REQUIRE(bytes == 3 + fixed + order_load_u16(packet + 3 + fixed - 2));
    uint32_t offset = 3 + fixed;
    while (offset < bytes) {
        REQUIRE(packet[offset] >= 1);
        offset += 1u + packet[offset];
    }
    REQUIRE(offset == bytes);
}

static void send_orders(struct ouch50 *ouch, uint32_t count, const uint8_t *data, size_t size)
{
    struct order_request request = {.trigger_sequence = 1, .price = 1, .shares = 1, .side = 'B', .stock = "A       "};
    for (uint32_t index = 0; index < count; index++) {
        uint8_t packet[OUCH50_PACKET_BYTES_MAX];
        uint32_t number;
        if (size >= sizeof(request) && index == 0)
            memcpy(&request, data, sizeof(request));
        request.trigger_sequence = index + 1;
        const uint32_t before = ouch->next_number, bytes = ouch50_enter(ouch, &request, 'T', packet, &number);
        REQUIRE(ouch->next_number == before + (bytes != 0));
        if (bytes != 0)
            check_packet(packet, bytes, 47);
        const struct order_change change = {.token_key = 1, .wire_number = 1, .shares = request.shares,
                                            .new_token_key = ouch42_token_key('T', index + 100, 0),
                                            .price = request.price, .time_in_force = request.time_in_force};
        const uint32_t replaced = ouch50_replace(ouch, &change, packet, &number);
        if (replaced != 0)
            check_packet(packet, replaced, 40);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ouch50_number numbers[NUMBERS] = {0};
    const struct ouch42_options options = {.firm = "LIME", .minimum_shares = size % 3, .customer = 'R', .display = 'P'};
    struct ouch42_decoder decoder = {0};
    struct ouch50 ouch;
    REQUIRE(ouch50_init(&ouch, &options, numbers, NUMBERS) == 0);
    if (size == 0)
        return 0;
    send_orders(&ouch, data[0] % 32, data + 1, size - 1);
    for (size_t offset = 1; offset < size;) {
        const uint32_t wanted = data[offset++], length = wanted < size - offset ? wanted : (uint32_t)(size - offset);
        struct own_event event;
        uint8_t *copy = malloc(length + 1u);
        REQUIRE(copy != NULL);
        memcpy(copy + 1, data + offset, length);
        offset += length;
        const enum ouch42_outcome outcome = ouch50_decode(&ouch, &decoder, copy + 1, length, &event);
        REQUIRE(outcome < OUCH42_OUTCOME_COUNT);
        if (outcome == OUCH42_DECODED) {
            const char letter = ouch42_key_letter(event.token_key);
            REQUIRE(event.kind != OWN_EVENT_NONE && event.kind < OWN_EVENT_KIND_COUNT);
            if (event.kind != OWN_EVENT_SYSTEM && event.kind != OWN_EVENT_QUERY)
                REQUIRE((letter >= 'A' && letter <= 'Z') || letter == (char)0xff);
        }
        free(copy);
    }
    return 0;
}
