/* Order entry in C: what sanitizers should see run. The independent models are in the .py files. */
#include <stdlib.h>
#include <string.h>

#include "engine/order/ouch42.h"
#include "engine/order/own_orders.h"
#include "engine/order/soupbin.h"
#include "tests/engine/check.h"

static const struct soupbin_options account = {.username = "TAILGT", .password = "TAILGATE", .requested_sequence = 1};

static void open_session(struct soupbin *soupbin)
{
    uint8_t out[SOUPBIN_LOGIN_BYTES], accepted[33] = {0, 31, 'A'};
    struct soupbin_message message;
    memset(accepted + 3, ' ', 30);
    memcpy(accepted + 3, "TAILGATE01", 10);
    accepted[32] = '1';
    CHECK(soupbin_init(soupbin, &account) == 0);
    CHECK(soupbin_connected(soupbin, 0));
    CHECK_EQUAL(soupbin_login(soupbin, 0, out, sizeof(out)), SOUPBIN_LOGIN_BYTES);
    soupbin_receive(soupbin, accepted, sizeof(accepted), 0);
    CHECK(!soupbin_next(soupbin, &message));
    CHECK(soupbin_is_up(soupbin));
}

static void every_cut_of_a_stream_gives_the_same_messages(void)
{
    uint8_t stream[3 * (3 + 40) + 3];
    uint32_t length = 0;
    for (uint8_t number = 0; number < 3; number++) {
        const uint8_t head[3] = {0, 41, 'S'};
        memcpy(stream + length, head, 3);
        memset(stream + length + 3, number, 40);
        length += 43;
    }
    memcpy(stream + length, "\0\1H", 3);
    length += 3;
    for (uint32_t first = 0; first <= length; first++) {
        for (uint32_t second = first; second <= length; second++) {
            const uint32_t ends[4] = {0, first, second, length};
            struct soupbin soupbin;
            struct soupbin_message message;
            uint64_t count = 0;
            open_session(&soupbin);
            for (uint32_t piece = 0; piece < 3; piece++) {
                soupbin_receive(&soupbin, stream + ends[piece], ends[piece + 1] - ends[piece], 1);
                while (soupbin_next(&soupbin, &message)) {
                    CHECK(message.length == 40 && message.payload[0] == count && message.payload[39] == count);
                    CHECK_EQUAL(message.sequence, ++count);
                }
            }
            CHECK_EQUAL(count, 3);
            CHECK(soupbin_is_up(&soupbin));
            CHECK_EQUAL(soupbin.counters.heartbeats_received, 1);
        }
    }
}

static void largest_packet_is_delivered_from_the_carry(void)
{
    struct soupbin soupbin;
    struct soupbin_message message;
    uint8_t packet[2 + SOUPBIN_LENGTH_MAX] = {SOUPBIN_LENGTH_MAX >> 8, SOUPBIN_LENGTH_MAX & 255, 'S'};
    open_session(&soupbin);
    for (uint32_t index = 0; index + 1 < sizeof(packet); index++) {
        soupbin_receive(&soupbin, packet + index, 1, 0);
        CHECK(!soupbin_next(&soupbin, &message));
    }
    soupbin_receive(&soupbin, packet + sizeof(packet) - 1, 1, 0);
    CHECK(soupbin_next(&soupbin, &message));
    CHECK_EQUAL(message.length, SOUPBIN_LENGTH_MAX - 1);
}

static void every_digit_of_a_token_is_written_and_read(void)
{
    for (uint32_t shift = 0; shift < 48; shift += 4) {
        for (uint64_t digit = 0; digit < 16; digit++) {
            char token[OWN_TOKEN_BYTES];
            const uint64_t key = ouch42_token_key('T', digit << shift, 7);
            CHECK(ouch42_token_write(key, token));
            CHECK(token[0] == 'T' && token[13] == '7');
            CHECK(token[12 - shift / 4] == "0123456789ABCDEF"[digit]);
            CHECK_EQUAL(ouch42_token_parse(token), key);
        }
    }
}

static void dead_orders_stay_dead_in_every_cell_of_the_table(void)
{
    for (uint8_t state = 0; state < OWN_STATE_COUNT; state++) {
        for (uint8_t event = 0; event < OWN_ON_COUNT; event++) {
            const struct own_transition cell = own_order_transition(state, event);
            CHECK(cell.next < OWN_STATE_COUNT && cell.verdict <= OWN_UNEXPECTED);
            if (cell.verdict == OWN_UNEXPECTED || !own_order_is_open(state))
                CHECK_EQUAL(cell.next, state);
            else
                CHECK(cell.next != OWN_FREE && cell.next != OWN_PENDING);
            if (event == OWN_ON_EXECUTED_PART || event == OWN_ON_EXECUTED_ALL)
                CHECK(state == OWN_FREE || cell.verdict != OWN_UNEXPECTED);
        }
    }
}

static void *table_memory(struct own_orders *orders, const struct own_orders_options *options)
{
    const size_t bytes = own_orders_bytes(options);
    void *memory = aligned_alloc(64, bytes);
    CHECK(memory != NULL);
    CHECK(own_orders_init(orders, options, memory, bytes) == 0);
    return memory;
}

/* Scattered over the index, so that probes collide as they would with a day's real tokens. */
static uint64_t scattered(uint64_t number)
{
    number *= 0xd6e8feb86659fd93ull;
    number ^= number >> 29;
    return (number * 0x9e3779b97f4a7c15ull ^ number >> 17) & OUCH42_SEQUENCE_MAX;
}

static uint64_t key_of(uint64_t number)
{
    return ouch42_token_key('T', scattered(number), 0);
}

static void table_finds_every_order_through_many_generations(void)
{
    const struct own_orders_options options = {.open_max = 700, .dead_keep = 300, .executions_max = 1000};
    struct own_orders orders;
    void *memory = table_memory(&orders, &options);
    uint64_t seed = 7, oldest = 1;
    for (uint64_t number = 1; number <= 50000; number++) {
        const struct order_request request = {.trigger_sequence = scattered(number), .shares = 10, .price = 1, .symbol = 3,
                                              .side = number % 2 == 0 ? 'B' : 'S'};
        CHECK(own_orders_sent(&orders, &request, 'T') == OWN_ORDERS_OK);
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        const uint64_t open_wanted = 1 + (seed >> 33) % 699;
        while (number - oldest >= open_wanted) {
            const struct own_event event = {.kind = OWN_EVENT_REJECTED, .token_key = key_of(oldest)};
            CHECK(own_orders_apply(&orders, &event) == OWN_ORDERS_OK);
            oldest++;
        }
        const uint64_t known_from = oldest > 300 ? oldest - 300 : 1;
        CHECK(own_orders_find(&orders, key_of(number)) != NULL);
        CHECK(own_orders_find(&orders, key_of(known_from)) != NULL);
        CHECK(known_from == 1 || own_orders_find(&orders, key_of(known_from - 1)) == NULL);
        CHECK_EQUAL(orders.open_count, number - oldest + 1);
        for (uint64_t known = known_from; number % 500 == 0 && known <= number; known++)
            CHECK(own_orders_find(&orders, key_of(known)) != NULL);
    }
    CHECK(own_orders_trusted(&orders));
    free(memory);
}

static void an_order_goes_out_and_its_fill_comes_back(void)
{
    const struct own_orders_options options = {.open_max = 4, .dead_keep = 4, .executions_max = 4};
    const struct ouch42_options plain = {0};
    const struct order_request request = {.trigger_sequence = 0xbeef, .price = 10000, .shares = 100, .symbol = 9,
                                          .side = 'S', .stock = "ZVZZT   "};
    struct own_orders orders;
    struct ouch42_template template_;
    struct ouch42_decoder decoder = {0};
    struct own_event event;
    uint8_t packet[OUCH42_ENTER_PACKET_BYTES], executed[40] = {'E'}, accepted[66] = {'A'};
    void *memory = table_memory(&orders, &options);
    CHECK(ouch42_template_init(&template_, &plain) == 0);
    CHECK_EQUAL(ouch42_enter(&template_, &request, 'T', packet), sizeof(packet));
    CHECK(own_orders_sent(&orders, &request, 'T') == OWN_ORDERS_OK);
    memcpy(accepted + 9, packet + 4, 14 + 1 + 4 + 8 + 4 + 4 + 4 + 1); /* echoes token to display */
    accepted[64] = 'L';
    CHECK(ouch42_decode(&decoder, accepted, sizeof(accepted), &event) == OUCH42_DECODED);
    CHECK(own_orders_apply(&orders, &event) == OWN_ORDERS_OK);
    CHECK_EQUAL(own_orders_symbol(&orders, 9)->open_sell_shares, 100);
    memcpy(executed + 9, packet + 4, OWN_TOKEN_BYTES);
    executed[26] = 100;
    CHECK(ouch42_decode(&decoder, executed, sizeof(executed), &event) == OUCH42_DECODED);
    CHECK(own_orders_apply(&orders, &event) == OWN_ORDERS_OK);
    CHECK(own_orders_symbol(&orders, 9)->position == -100);
    CHECK_EQUAL(own_orders_symbol(&orders, 9)->open_sell_shares, 0);
    free(memory);
}

int main(void)
{
    RUN(every_cut_of_a_stream_gives_the_same_messages);
    RUN(largest_packet_is_delivered_from_the_carry);
    RUN(every_digit_of_a_token_is_written_and_read);
    RUN(dead_orders_stay_dead_in_every_cell_of_the_table);
    RUN(table_finds_every_order_through_many_generations);
    RUN(an_order_goes_out_and_its_fill_comes_back);
    return check_result();
}
