/* Cost of order entry per call, in ns: best and median of rounds of one million calls in a loop.
 *
 * Warm caches, values change from call to call, results are used. Back-to-back calls overlap in the
 * processor, so these are throughput figures; "chain" is a whole order, each step needing the last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/order/ouch42.h"
#include "engine/order/own_orders.h"
#include "engine/order/soupbin.h"
#include "engine/risk/risk.h"
#include "engine/strategy/touch_taker.h"

enum { CALLS = 1000000, ROUNDS = 9, SYMBOLS = 128 };

static struct {
    struct risk risk;
    struct risk_kill_switch kill;
    struct risk_context context;
    struct own_orders orders;
    struct ouch42_template template_;
    struct ouch42_decoder decoder;
    struct touch_taker taker;
    struct book_top top;
    struct order_request request;
    uint64_t sequence;
    uint64_t sum; /* keeps results alive */
} bench;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void risk_round(uint64_t call)
{
    bench.request.shares = 1 + (uint32_t)(call & 63);
    bench.request.side = call & 1 ? 'B' : 'S';
    bench.context.now_ns += 1000;
    bench.sum += risk_check(&bench.risk, &bench.request, &bench.top, &bench.context);
}

static void enter_round(uint64_t call)
{
    uint8_t out[OUCH42_ENTER_PACKET_BYTES];
    bench.request.trigger_sequence = call;
    bench.sum += ouch42_enter(&bench.template_, &bench.request, 'T', out);
    __asm__ volatile("" ::"r"(out) : "memory");
}

static void patch_round(uint64_t call)
{
    bench.sum += ouch42_patch_token(bench.template_.packet, 'R', call, 0);
    __asm__ volatile("" ::"r"(bench.template_.packet) : "memory");
}

static void strategy_round(uint64_t call)
{
    struct strategy_output output = {0};
    const struct event event = {.sequence = call + 1, .symbol = call % SYMBOLS, .kind = EVENT_ADD, .stock = "ZVZZT   "};
    const struct book_top top = {10000 + (uint32_t)(call * 7 % 13), 10100, 100 + (uint32_t)(call % 31), 100};
    touch_taker_on_event(&bench.taker, &event, &top, &output);
    bench.sum += output.count;
}

/* sent, accepted, executed: the life of an immediate-or-cancel order, decode included. */
static void life_round(uint64_t call)
{
    static uint8_t accepted[66] = {'A'}, executed[40] = {'E'};
    struct own_event event;
    (void)call;
    bench.request.trigger_sequence = ++bench.sequence;
    bench.request.shares = 100;
    bench.request.symbol = (uint16_t)(bench.sequence % SYMBOLS);
    own_orders_sent(&bench.orders, &bench.request, 'T');
    const uint64_t key = ouch42_token_key('T', bench.sequence, 0);
    ouch42_token_write(key, (char *)accepted + 9);
    accepted[23] = (uint8_t)bench.request.side;
    accepted[27] = 100;
    accepted[64] = 'L';
    bench.sum += ouch42_decode(&bench.decoder, accepted, sizeof(accepted), &event);
    bench.sum += own_orders_apply(&bench.orders, &event);
    ouch42_token_write(key, (char *)executed + 9);
    executed[26] = 100;
    bench.sum += ouch42_decode(&bench.decoder, executed, sizeof(executed), &event);
    bench.sum += own_orders_apply(&bench.orders, &event);
}

/* strategy signal -> gate -> packet -> table, each step needing the one before. */
static void chain_round(uint64_t call)
{
    static uint8_t out[OUCH42_ENTER_PACKET_BYTES];
    struct strategy_output output = {0};
    const uint32_t lean = call & 1 ? 900 : 5;
    const struct event event = {.sequence = bench.sequence += 1, .symbol = (uint16_t)(call % SYMBOLS & ~1ull),
                                .kind = EVENT_ADD, .stock = "ZVZZT   "};
    const struct book_top top = {10000, 10010, lean, 905 - lean};
    touch_taker_on_event(&bench.taker, &event, &top, &output);
    if (output.count == 0)
        return;
    const struct own_symbol *own = own_orders_symbol(&bench.orders, event.symbol);
    bench.context.now_ns += 1000;
    bench.context.position = own->position;
    bench.context.open_buy_shares = own->open_buy_shares;
    bench.context.open_sell_shares = own->open_sell_shares;
    bench.context.own_orders_full = own_orders_full(&bench.orders);
    if (risk_check(&bench.risk, &output.orders[0], &top, &bench.context) != RISK_NONE)
        return;
    bench.sum += ouch42_enter(&bench.template_, &output.orders[0], 'T', out);
    own_orders_sent(&bench.orders, &output.orders[0], 'T');
    const struct own_event gone = {.kind = OWN_EVENT_REJECTED, .token_key = ouch42_token_key('T', event.sequence, 0)};
    own_orders_apply(&bench.orders, &gone);
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void measure(const char *name, void (*round)(uint64_t call))
{
    double costs[ROUNDS];
    for (uint32_t index = 0; index < ROUNDS; index++) {
        const uint64_t begin = now_ns();
        for (uint64_t call = 0; call < CALLS; call++)
            round(call);
        costs[index] = (double)(now_ns() - begin) / CALLS;
    }
    qsort(costs, ROUNDS, sizeof(costs[0]), compare);
    printf("%-44s best %6.1f ns  median %6.1f ns\n", name, costs[0], costs[ROUNDS / 2]);
}

int main(void)
{
    const struct own_orders_options table = {.open_max = 4096, .dead_keep = 4096, .executions_max = 65536};
    const struct touch_taker_options rule = {.order_shares = 100, .imbalance_permille = 800};
    const struct ouch42_options plain = {0};
    struct risk_options gate = {.kill_switch = &bench.kill};
    const size_t bytes = own_orders_bytes(&table);
    void *memory = aligned_alloc(64, bytes);
    struct touch_taker_symbol *symbols = calloc(STRATEGY_SYMBOL_COUNT, sizeof(*symbols));
    gate.limits = (struct risk_limits){.order_shares_max = 1000, .notional_max = UINT64_MAX / 2,
                                       .position_long_max = 1000000000, .position_short_max = 1000000000,
                                       .price_max = RISK_PRICE_MAX, .collar_permille = 50, .order_burst = RISK_RATE_MAX,
                                       .order_rate_per_s = RISK_RATE_MAX};
    risk_limits_seal(&gate.limits);
    gate.memory = calloc(1, sizeof(struct risk_memory));
    if (memory == NULL || symbols == NULL || risk_init(&bench.risk, &gate) != 0 ||
        own_orders_init(&bench.orders, &table, memory, bytes) != 0 ||
        touch_taker_init(&bench.taker, &rule, symbols) != 0 || ouch42_template_init(&bench.template_, &plain) != 0)
        return 1;
    bench.top = (struct book_top){10000, 10010, 100, 100};
    bench.request = (struct order_request){.price = 10005, .shares = 100, .side = 'B', .stock = "ZVZZT   "};
    bench.context = (struct risk_context){.feed_state = FEED_LIVE, .book_complete = true, .session_up = true,
                                          .trading_state = 'T'};
    measure("risk_check, passing", risk_round);
    bench.kill.value = 1;
    measure("risk_check, kill switch", risk_round);
    bench.kill.value = 0;
    measure("ouch42_enter", enter_round);
    measure("ouch42_patch_token", patch_round);
    measure("touch_taker_on_event", strategy_round);
    measure("sent + 2 x (token, decode, apply)", life_round);
    measure("chain: strategy, risk, encode, sent, reject", chain_round);
    printf("(%llu)\n", (unsigned long long)bench.sum);
    free(gate.memory);
    free(symbols);
    free(memory);
    return 0;
}
