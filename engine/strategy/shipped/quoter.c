/* quoter: keeps one resting bid and one resting ask in every symbol near the touch, shifted against its position.
 *
 * For each side of a symbol, after every event that changed its book, with T = its valid top (both sides, bid < ask):
 *  1. skew = skew_ticks * position / order_shares, rounded towards 0 and kept within +-skew_max ticks: a long position
 *     lowers both quotes, a short one raises them.
 *  2. bid = T.bid - (width_ticks + skew) ticks, ask = T.ask + (width_ticks - skew) ticks; a bid never reaches T.ask and
 *     an ask never T.bid: it quotes, it does not take. No quote below one tick, none that would carry the position
 *     beyond position_max.
 *  3. Nothing rests and a quote is wanted: new. Something rests at another price: replace. It is not wanted: cancel.
 *     One request at a time for a side; what the venue says of it comes first. After a refusal the side waits for
 *     retry_messages feed messages; replace and cancel that the engine cannot do leave the quote where it is for good.
 * An invalid top leaves quotes where they are. forget() changes no quote: own orders outlive it.
 *
 * Parameters: order_shares, width_ticks, skew_ticks, skew_max, tick (1/10000), position_max, symbol_count (the first this many),
 * retry_messages.
 */
#include "engine/strategy/strategy_abi.h"

enum { SIDES = 2, BUY = 0, SELL = 1, UNTIL_CLOSE = 99998 };

enum phase { NOTHING = 0, ASKED = 1, RESTING = 2, CHANGING = 3, STUCK = 4 };

struct quote {
    uint64_t id;        /* of the order that rests or was asked for */
    uint64_t wanted_id; /* CHANGING: of the order that shall take its place, 0 = none */
    uint64_t wait;      /* no request before this feed message */
    uint32_t price;
    uint32_t shares;    /* left */
    uint8_t phase;
    uint8_t reserved[7];
};

struct symbol {
    struct quote quotes[SIDES];
};

struct state {
    const struct tailgate_host *host;
    int64_t order_shares;
    int64_t width_ticks;
    int64_t skew_ticks;
    int64_t skew_max;
    int64_t tick;
    int64_t position_max;
    int64_t symbol_count;
    int64_t retry_messages;
    uint64_t last_sequence;
    struct symbol symbols[TAILGATE_SYMBOL_COUNT];
};

struct setting {
    const char *name;
    uint32_t offset;
    int64_t least, most, initial;
};

#define SETTING(field, least, most, initial) {#field, __builtin_offsetof(struct state, field), least, most, initial}
static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    const struct setting settings[] = {
        SETTING(order_shares, 1, 999999, 100),  SETTING(width_ticks, 0, 1000, 1),
        SETTING(skew_ticks, 0, 1000, 1),        SETTING(skew_max, 0, 1000, 5),
        SETTING(tick, 1, 1000000, 100),         SETTING(position_max, 0, 1000000000, 1000),
        SETTING(symbol_count, 1, 65535, 65535), SETTING(retry_messages, 0, 1000000000, 10000),
    };
    const uint32_t count = sizeof(settings) / sizeof(settings[0]);
    struct state *state = memory;
    state->host = host;
    for (uint32_t k = 0; k < count; k++)
        *(int64_t *)((char *)memory + settings[k].offset) = settings[k].initial;
    for (uint32_t i = 0; i < parameters->count; i++) {
        const struct tailgate_parameter *given = &parameters->items[i];
        uint32_t k = 0;
        while (k < count && !same(settings[k].name, given->name))
            k++;
        if (k == count || given->value < settings[k].least || given->value > settings[k].most)
            return -1;
        *(int64_t *)((char *)memory + settings[k].offset) = given->value;
    }
    return 0;
}

/* The price that a side should have, 0: none. */
static uint32_t wanted(const struct state *state, const struct tailgate_top *top, int64_t position, int side)
{
    int64_t skew = state->skew_ticks * position / state->order_shares;
    skew = skew > state->skew_max ? state->skew_max : skew < -state->skew_max ? -state->skew_max : skew;
    int64_t bid = (int64_t)top->bid_price - (state->width_ticks + skew) * state->tick;
    int64_t ask = (int64_t)top->ask_price + (state->width_ticks - skew) * state->tick;
    if (side == BUY) {
        int64_t most = (int64_t)top->ask_price - state->tick;
        bid = bid > most ? most : bid;
        return bid < state->tick || position + state->order_shares > state->position_max ? 0 : (uint32_t)bid;
    }
    int64_t least = (int64_t)top->bid_price + state->tick;
    ask = ask < least ? least : ask;
    return ask > 1999999900 || position - state->order_shares < -state->position_max ? 0 : (uint32_t)ask;
}

static void ask_for(struct state *state, struct quote *quote, uint16_t symbol, int side, uint32_t price,
                    struct tailgate_output *output)
{
    uint32_t index = output->count;
    struct tailgate_order *order = &output->orders[index];
    if (index == TAILGATE_ORDERS_MAX)
        return;
    *order = (struct tailgate_order){.symbol = symbol,
                                     .side = side == BUY ? 'B' : 'S',
                                     .price = price,
                                     .shares = (uint32_t)state->order_shares,
                                     .time_in_force = UNTIL_CLOSE};
    if (quote->phase == NOTHING) {
        order->kind = TAILGATE_ORDER_NEW;
        quote->id = tailgate_order_id(output, index);
        quote->price = price;
        quote->phase = ASKED;
    } else {
        order->kind = price ? TAILGATE_ORDER_REPLACE : TAILGATE_ORDER_CANCEL;
        order->target_id = quote->id;
        if (!price)
            order->price = order->shares = order->time_in_force = 0;
        quote->wanted_id = price ? tailgate_order_id(output, index) : 0;
        quote->phase = CHANGING;
    }
    output->count = index + 1;
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    struct state *state = memory;
    state->last_sequence = event->sequence;
    if (event->kind < TAILGATE_EVENT_ADD || event->kind > TAILGATE_EVENT_REPLACE || event->symbol == 0 ||
        event->symbol > state->symbol_count || top->bid_price == 0 || top->ask_price == 0 ||
        top->bid_price >= top->ask_price)
        return;
    int64_t position = state->host->position(state->host->engine, event->symbol);
    for (int side = 0; side < SIDES; side++) {
        struct quote *quote = &state->symbols[event->symbol].quotes[side];
        if ((quote->phase != NOTHING && quote->phase != RESTING) || event->sequence < quote->wait)
            continue;
        uint32_t price = wanted(state, top, position, side);
        if (quote->phase == NOTHING ? price != 0 : price != quote->price)
            ask_for(state, quote, event->symbol, side, price, output);
    }
}

/* The quote that an id belongs to; 0: of a version before this one, or long gone. */
static struct quote *find(struct state *state, uint16_t symbol, uint64_t id)
{
    for (int side = 0; side < SIDES; side++) {
        struct quote *quote = &state->symbols[symbol].quotes[side];
        if (quote->phase != NOTHING && (quote->id == id || (quote->wanted_id && quote->wanted_id == id)))
            return quote;
    }
    return 0;
}

static void close_quote(struct state *state, struct quote *quote, int refused)
{
    *quote = (struct quote){.wait = refused ? state->last_sequence + (uint64_t)state->retry_messages : 0};
}

static void on_own_order(void *memory, const struct tailgate_own_event *event, struct tailgate_output *output)
{
    struct state *state = memory;
    struct quote *quote = find(state, event->symbol, event->order_id);
    (void)output; /* the next event of the book asks for what is wanted then */
    if (!quote)
        return;
    switch (event->kind) {
    case TAILGATE_OWN_ACCEPTED:
    case TAILGATE_OWN_REPLACED:
        quote->id = event->order_id;
        quote->wanted_id = 0;
        quote->price = event->price;
        quote->shares = event->shares;
        quote->phase = RESTING;
        if (event->state == 'D')
            close_quote(state, quote, 1);
        break;
    case TAILGATE_OWN_EXECUTED:
    case TAILGATE_OWN_CANCELED:
    case TAILGATE_OWN_SELF_TRADE:
        quote->shares = event->open_shares;
        if (event->open_shares == 0)
            close_quote(state, quote, event->kind != TAILGATE_OWN_EXECUTED && quote->phase != CHANGING);
        break;
    case TAILGATE_OWN_REJECTED:
        if (quote->id == event->order_id) {
            close_quote(state, quote, 1);
            break;
        }
        /* Its replacement was rejected: the quote stays where it is. */
        /* fall through */
    case TAILGATE_OWN_CANCEL_REJECTED:
        quote->phase = RESTING;
        quote->wanted_id = 0;
        quote->wait = state->last_sequence + (uint64_t)state->retry_messages;
        break;
    default:
        break;
    }
}

static void on_refused(void *memory, uint64_t id, const struct tailgate_order *order, uint32_t reason)
{
    struct state *state = memory;
    struct quote *quote = &state->symbols[order->symbol].quotes[order->side == 'B' ? BUY : SELL];
    if (order->kind == TAILGATE_ORDER_NEW) {
        if (quote->phase == ASKED && quote->id == id)
            close_quote(state, quote, 1);
        return;
    }
    quote->phase = reason == TAILGATE_REFUSED_UNSUPPORTED ? STUCK : RESTING;
    quote->wanted_id = 0;
    quote->wait = state->last_sequence + (uint64_t)state->retry_messages;
}

static void forget(void *memory)
{
    (void)memory; /* a quote is compared with the next valid top, whatever came before */
}

static const struct tailgate_strategy description = {
    TAILGATE_STRATEGY_SIZES,
    .state_bytes = sizeof(struct state),
    .name = "quoter",
    .version = "1",
    .letter = 'Q',
    .init = init,
    .on_event = on_event,
    .on_own_order = on_own_order,
    .on_refused = on_refused,
    .forget = forget,
};

const struct tailgate_strategy *tailgate_strategy(void)
{
    return &description;
}
