/* The judge: every packet that leaves, against every table that could be in force.
 *
 * It shares no arithmetic and no account with the gate: what is open and held is counted anew for each order, the
 * book's top is the market's, the limits are those that a generation stands for.
 * Not judged: rates, duplicates, ages, hours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/order/order_bytes.h"
#include "engine/order/ouch42.h"
#include "tests/engine/stress/stress.h"

const char *const cause_names[CAUSES] = {
    "shares", "price", "notional", "collar", "position", "net exposure", "gross exposure", "open orders", "restricted",
    "short sale", "stale table", "no table", "damaged copy", "kill", "symbol's kill", "letter's kill",
    "damaged symbol", "tripped gate", "strategy not active", "not readable"};

enum { FRAME = 3, BREACHES_TOLD = 20 };

/* What an order would be, and what there is without it. */
struct order {
    struct own own;          /* left: its shares */
    uint64_t sequence;       /* message that caused it */
    uint32_t more_shares;
    uint64_t more_value;
    int64_t after;           /* position on its side, all filled */
    int64_t net, gross_before, gross;
    uint32_t open_orders;    /* with it */
    struct book_top top;
};

uint64_t judge_changes(const struct engine *engine)
{
    return (uint64_t)engine->strategies.change_count + engine->strategies.changes_lost;
}

void judge_begin(struct judge *judge, uint64_t now_ns)
{
    const struct engine *engine = judge->engine;
    judge->now_ns = now_ns;
    judge->done = atomic_load(&shared.done);
    for (uint32_t index = 0; index < SWITCHES; index++)
        judge->switches[index] = atomic_load(&shared.switches[index].value);
    judge->rearms = engine->risk.rearm_count;
    judge->changes = judge_changes(engine);
    judge->letter = engine->letter;
    judge->decisions = engine->risk.decisions;
}

void judge_note_hit(struct judge *judge)
{
    judge->hit = true;
    judge->hit_done = atomic_load(&shared.done);
}

/* On from before the step until now. */
static bool held(const struct judge *judge, uint32_t number)
{
    const uint64_t before = judge->switches[number];
    if (judge->wrong)
        return before != 0;
    return (before & 1) && atomic_load(&shared.switches[number].value) == before;
}

static int64_t worst(int64_t value, int64_t buys, int64_t sells)
{
    return value + buys > sells - value ? value + buys : sells - value;
}

/* A replacement that the venue has not answered adds what it has more than its order. */
static uint32_t open_shares(struct account *account, const struct own *own)
{
    const struct own *old = own->replaces ? account_find(account, own->replaces) : NULL;
    if (old == NULL)
        return own->left;
    const uint32_t left = own->total - old->executed;
    return left > old->left ? left - old->left : 0;
}

static void weigh(struct account *account, struct order *order)
{
    int64_t shares[2] = {0}, value[SYMBOLS][2] = {{0}}, marked = 0, all[2] = {0};
    const int side = order->own.side == 'B' ? 0 : 1;
    const uint32_t symbol = order->own.symbol;
    for (uint32_t index = 0; index < account->open_count; index++) {
        const struct own *own = &account->open[index];
        const int which = own->side == 'B' ? 0 : 1;
        const int64_t open = open_shares(account, own);
        value[own->symbol][which] += open * own->price;
        all[which] += open * own->price;
        if (own->symbol == symbol)
            shares[which] += open;
    }
    order->gross_before = 0;
    for (uint32_t index = 0; index < SYMBOLS; index++) {
        const int64_t held_value = account->position[index] * account->mark[index];
        marked += held_value;
        order->gross_before += worst(held_value, value[index][0], value[index][1]);
    }
    const int64_t held_value = account->position[symbol] * account->mark[symbol];
    const int64_t before = worst(held_value, value[symbol][0], value[symbol][1]);
    value[symbol][side] += (int64_t)order->more_value;
    order->gross = order->gross_before - before + worst(held_value, value[symbol][0], value[symbol][1]);
    order->net = (side == 0 ? marked : -marked) + all[side] + (int64_t)order->more_value;
    order->after = (side == 0 ? account->position[symbol] : -account->position[symbol]) + shares[side] +
                   order->more_shares;
    order->open_orders = account->open_count + (order->own.replaces == 0);
}

static uint64_t less(const struct judge *judge, uint64_t limit)
{
    return judge->wrong ? limit - limit / 10 - (limit != 0) : limit;
}

/* A bit per cause that speaks against it, as far as tables go. */
static uint32_t against_table(const struct judge *judge, const struct order *order, uint32_t generation)
{
    if (generation == 0)
        return 1u << CAUSE_NO_TABLE;
    const struct terms terms = terms_of(generation);
    const uint32_t symbol = order->own.symbol;
    const struct symbol_terms *limits = terms.profiled >> symbol & 1 ? &terms.profile : &terms.plain;
    const uint64_t notional = (uint64_t)order->own.left * order->own.price;
    const uint64_t middle = (uint64_t)order->top.bid_price + order->top.ask_price;
    const uint64_t away = (uint64_t)llabs(2 * (int64_t)order->own.price - (int64_t)middle) * 1000;
    const bool buy = order->own.side == 'B';
    const uint64_t created_ns = table_created_ns(generation);
    uint32_t bits = 0;
#define SPEAKS(condition, cause) bits |= (uint32_t)(condition) << (cause)
    SPEAKS(order->own.left == 0 || order->own.left > less(judge, limits->shares), CAUSE_SHARES);
    SPEAKS(order->own.price == 0 || order->own.price > less(judge, limits->price), CAUSE_PRICE);
    SPEAKS(notional > less(judge, limits->notional), CAUSE_NOTIONAL);
    SPEAKS(order->top.bid_price == 0 || order->top.bid_price >= order->top.ask_price ||
               away > middle * less(judge, limits->collar_permille), CAUSE_COLLAR);
    SPEAKS(order->more_shares != 0 &&
               order->after > (int64_t)less(judge, buy ? limits->position_long : limits->position_short),
           CAUSE_POSITION);
    SPEAKS(order->more_value != 0 && order->net > (int64_t)less(judge, terms.net), CAUSE_NET);
    SPEAKS(order->gross > order->gross_before && order->gross > (int64_t)less(judge, terms.gross), CAUSE_GROSS);
    SPEAKS(order->open_orders > less(judge, terms.open_orders), CAUSE_OPEN_ORDERS);
    SPEAKS((judge->wrong ? terms.restricted << 1 : terms.restricted) >> symbol & 1, CAUSE_RESTRICTED);
    SPEAKS(!buy && order->more_shares != 0 && order->after > 0 && (judge->wrong || terms.no_short >> symbol & 1),
           CAUSE_SHORT);
    SPEAKS(judge->now_ns >= created_ns + (judge->wrong ? 1 : terms.lifetime_ns), CAUSE_STALE);
    SPEAKS(judge->wrong && generation % 16 == 0, CAUSE_NO_TABLE);
#undef SPEAKS
    return bits;
}

/* What no table can allow. */
static uint32_t against_world(const struct judge *judge, const struct order *order, uint64_t begun)
{
    const struct engine *engine = judge->engine;
    const char letter = ouch42_key_letter(order->own.key);
    const char *place = memchr(stress_letters, letter, sizeof(stress_letters));
    uint32_t bits = 0;
    bits |= (uint32_t)held(judge, SWITCH_ALL) << CAUSE_KILL;
    bits |= (uint32_t)held(judge, SWITCH_SYMBOL + order->own.symbol) << CAUSE_KILL_SYMBOL;
    bits |= (uint32_t)held(judge, SWITCH_DAMAGE + order->own.symbol) << CAUSE_DAMAGED_SYMBOL;
    if (place == NULL)
        return bits | 1u << CAUSE_NOT_ACTIVE;
    bits |= (uint32_t)held(judge, SWITCH_LETTER + (uint32_t)(place - stress_letters)) << CAUSE_KILL_LETTER;
    if (judge->tripped ? engine->risk.rearm_count == judge->rearms : judge->wrong && engine->risk.trip_count != 0)
        bits |= 1u << CAUSE_TRIPPED;
    if (judge->hit && (begun == judge->hit_done || judge->wrong))
        bits |= 1u << CAUSE_OWN_COPY;
    if (judge_changes(engine) == judge->changes && letter != (judge->wrong ? 'Q' : judge->letter))
        bits |= 1u << CAUSE_NOT_ACTIVE;
    return bits;
}

static void breach(struct judge *judge, const struct order *order, uint32_t bits)
{
    for (uint32_t cause = 0; cause < CAUSES; cause++)
        judge->causes[cause] += bits >> cause & 1;
    if (judge->breaches++ >= BREACHES_TOLD || judge->wrong)
        return;
    fprintf(stderr, "breach, seed %llu, message %llu, letter %c%s, symbol %u, side %c, %u at %u:",
            (unsigned long long)shared.seed, (unsigned long long)order->sequence, ouch42_key_letter(order->own.key),
            order->own.replaces ? " replaces" : "", order->own.symbol + 1u, order->own.side, order->own.left,
            order->own.price);
    for (uint32_t cause = 0; cause < CAUSES; cause++)
        if (bits >> cause & 1)
            fprintf(stderr, " %s;", cause_names[cause]);
    fprintf(stderr, "\n");
}

static void judge_order(struct judge *judge, struct order *order)
{
    const uint64_t begun = atomic_load(&shared.begun);
    uint32_t bits = 0;
    const uint64_t place = order->sequence - judge->market->first;
    order->top = place < judge->market->sequence + 1 - judge->market->first ? judge->market->after[place]
                                                                         : judge->market->tops[order->own.symbol];
    weigh(judge->account, order);
    for (uint64_t entry = judge->done; entry <= begun; entry++) {
        const uint32_t generation = atomic_load(&shared.diary[entry % DIARY]);
        bits = against_table(judge, order, generation);
        if (bits == 0) {
            judge->tables_met += generation != judge->last_generation;
            judge->last_generation = generation;
            break;
        }
    }
    bits |= against_world(judge, order, begun);
    if (bits != 0)
        breach(judge, order, bits);
    judge->orders++;
    judge->replaces += order->own.replaces != 0;
    if (account_add(judge->account, &order->own) == NULL)
        breach(judge, order, 1u << CAUSE_OPEN_ORDERS);
}

static bool read_enter(const uint8_t *payload, struct order *order)
{
    struct own *own = &order->own;
    char stock[8];
    *own = (struct own){.key = ouch42_token_parse((const char *)payload + 1), .side = (char)payload[15],
                        .total = order_load_u32(payload + 16), .left = order_load_u32(payload + 16),
                        .price = order_load_u32(payload + 28), .time_in_force = order_load_u32(payload + 32)};
    order->more_shares = own->left;
    order->more_value = (uint64_t)own->left * own->price;
    for (own->symbol = 0; own->symbol < SYMBOLS; own->symbol++) {
        market_name(own->symbol, stock);
        if (memcmp(stock, payload + 20, sizeof(stock)) == 0)
            return own->key != 0 && (own->side == 'B' || own->side == 'S');
    }
    return false;
}

static bool read_replace(struct judge *judge, const uint8_t *payload, struct order *order)
{
    const struct own *old = account_find(judge->account, ouch42_token_parse((const char *)payload + 1));
    const uint32_t total = order_load_u32(payload + 29);
    if (old == NULL || total <= old->executed)
        return false;
    order->own = (struct own){.key = ouch42_token_parse((const char *)payload + 15), .replaces = old->key,
                              .side = old->side, .symbol = old->symbol, .total = total,
                              .left = total - old->executed, .executed = old->executed,
                              .price = order_load_u32(payload + 33), .time_in_force = order_load_u32(payload + 37)};
    const uint64_t value = (uint64_t)order->own.left * order->own.price, old_value = (uint64_t)old->left * old->price;
    order->more_shares = order->own.left > old->left ? order->own.left - old->left : 0;
    order->more_value = value > old_value ? value - old_value : 0;
    return order->own.key != 0;
}

void judge_end(struct judge *judge, const uint8_t *bytes, uint32_t length)
{
    const uint64_t decisions = judge->engine->risk.decisions - judge->decisions;
    for (uint32_t at = 0; at + FRAME < length;) {
        const uint8_t *payload = bytes + at + FRAME;
        struct order order = {.sequence = 0};
        bool good;
        const bool asks = bytes[at + 2] == 'U' && (payload[0] == 'O' || payload[0] == 'U');
        if (asks)
            good = payload[0] == 'O' ? read_enter(payload, &order) : read_replace(judge, payload, &order);
        else
            good = bytes[at + 2] != 'U' || payload[0] == 'X'; /* a heartbeat or a cancel */
        order.sequence = ouch42_key_sequence(order.own.key);
        if (!good)
            breach(judge, &order, 1u << CAUSE_UNREADABLE);
        else if (asks)
            judge_order(judge, &order);
        at += 2u + order_load_u16(bytes + at);
    }
    for (uint32_t number = 0; number < SWITCH_DAMAGE; number++) {
        if (number != SWITCH_ALL && (number < SWITCH_LETTER || stress_letters[number - SWITCH_LETTER] != judge->letter))
            continue;
        const uint64_t before = judge->switches[number];
        judge->under_kill += (before & 1) && atomic_load(&shared.switches[number].value) == before ? decisions : 0;
    }
    if (judge->tripped && judge->engine->risk.rearm_count == judge->rearms)
        judge->under_trip += decisions;
    if (judge->hit && atomic_load(&shared.begun) != judge->hit_done)
        judge->hit = judge->wrong;
    const struct risk *risk = &judge->engine->risk;
    if (risk->rearm_count != judge->rearms) /* and perhaps tripped again behind it */
        judge->tripped = risk->tripped;
    else if (risk->trip_count != judge->trips)
        judge->tripped = true;
    judge->trips = risk->trip_count;
}

bool judge_agrees(const struct judge *judge)
{
    const struct risk_exposure *exposure = &judge->engine->risk.exposure;
    struct order none = {.own = {.side = 'B', .replaces = 1}};
    weigh(judge->account, &none);
    bool same = !exposure->lost && exposure->gross == none.gross && exposure->value + exposure->open_buy == none.net &&
                exposure->open_orders == none.open_orders;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        same &= judge->account->position[symbol] == judge->engine->risk_memory->symbols[symbol + 1].position;
    return same;
}
