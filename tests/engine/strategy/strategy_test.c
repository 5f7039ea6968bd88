/* Strategies in C: the calls the engine makes, from event to request and from packet to packet. */
#include <stdlib.h>
#include <string.h>

#include "engine/strategy/reflector.h"
#include "engine/strategy/touch_taker.h"
#include "tests/engine/check.h"

static void better_bid_buys_the_touch_with_the_stock_of_its_symbol(void)
{
    struct touch_taker_symbol *symbols = calloc(STRATEGY_SYMBOL_COUNT, sizeof(*symbols));
    const struct touch_taker_options options = {.order_shares = 100, .imbalance_permille = 800};
    struct touch_taker taker;
    struct strategy_output output = {0};
    struct event event = {.sequence = 5, .kind = EVENT_ADD, .symbol = 65535, .stock = "ZVZZT   "};
    const struct book_top before = {10000, 10400, 100, 100}, after = {10100, 10400, 100, 70};
    CHECK(symbols != NULL && touch_taker_init(&taker, &options, symbols) == 0);
    touch_taker_on_event(&taker, &event, &before, &output);
    CHECK_EQUAL(output.count, 0);
    event = (struct event){.sequence = 6, .kind = EVENT_REPLACE, .symbol = 65535};
    touch_taker_on_event(&taker, &event, &after, &output);
    CHECK_EQUAL(output.count, 1);
    const struct order_request *request = &output.orders[0];
    CHECK(request->side == 'B' && request->price == 10400 && request->shares == 70 && request->ordinal == 0);
    CHECK(request->trigger_sequence == 6 && request->time_in_force == 0 && request->symbol == 65535);
    CHECK(memcmp(request->stock, "ZVZZT   ", 8) == 0);
    free(symbols);
}

static void reflector_patches_only_the_token(void)
{
    const struct ouch42_options plain = {0};
    const struct reflector_options options = {
        .every = 100, .request = {.price = 1, .shares = 1, .side = 'B', .stock = "ZVZZT   "}};
    struct ouch42_template template_;
    struct reflector reflector;
    CHECK(ouch42_template_init(&template_, &plain) == 0);
    CHECK(reflector_init(&reflector, &options, &template_) == 0);
    CHECK_EQUAL(reflector_next(&reflector, 101, 200), 0);
    CHECK_EQUAL(reflector_next(&reflector, 101, 201), 200);
    const uint8_t *packet = reflector_packet(&reflector, 200);
    CHECK(packet != NULL && memcmp(packet, "\0\62UOR0000000000C80B", 19) == 0);
}

int main(void)
{
    CHECK(strategy_letter(STRATEGY_TOUCH_TAKER) == 'T' && strategy_letter(STRATEGY_REFLECTOR) == 'R');
    RUN(better_bid_buys_the_touch_with_the_stock_of_its_symbol);
    RUN(reflector_patches_only_the_token);
    return check_result();
}
