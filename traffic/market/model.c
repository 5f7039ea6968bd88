/* The order-flow model: what happens next. Essay: model.h; the start of day is in model_day.c. */
#include "traffic/market/model.h"

#include <string.h>

#include "traffic/market/model_day.h"
#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"

enum {
    /* The action of one draw of 0..9999: below the bound. Executions come from trades and from fair price moves. */
    ACTION_ADD = 4620,
    ACTION_DELETE = 8430,
    ACTION_REPLACE = 9330,
    ACTION_TRADE = 9640,
    ACTION_CANCEL = 9790,
    ACTION_EXECUTE_PRICE = 9822,
    ACTION_PRINT = 9922,           /* the rest moves a fair price by a cent */

    ATTRIBUTED_PERCENT = 5,        /* of adds: F */
    OFFSET_CENTS_MEAN = 4,         /* of a new order from the fair price */
    FAIR_CENTS_MIN = 500,
    FAIR_CENTS_MAX = 100000,
    SIDE_ORDERS_MIN = 3,           /* a side with fewer is only added to */
    RARE_EVERY = 250,              /* actions */
    QUEUE_STEPS_MAX = 4,           /* from the newest order of a price */
};

static const char *const participants[] = {"TGLA", "TGLB", "MKTM", "FLOW", "RTLX", "ARBT"};

/* The message between model->out and `end` is written: count it and let the book follow. */
static void emit(struct model *model, uint8_t *end) {
    published_book_apply(&model->book, model->out + 2, load_be16(model->out));
    model->out = end;
    model->left--;
}

static struct model_symbol *pick_symbol(struct model *model) {
    uint64_t draw = random_next(&model->random);
    uint32_t index = (uint32_t)((draw >> 32) * model->symbol_count >> 32);
    struct model_symbol *symbol = &model->symbols[index];
    return (uint32_t)draw < symbol->alias_threshold ? symbol : &model->symbols[symbol->alias];
}

static uint32_t pick_shares(struct model *model) {
    uint32_t draw = (uint32_t)random_below(&model->random, 10);
    if (draw < 2)
        return 1 + (uint32_t)random_below(&model->random, 99);  /* odd lot */
    uint32_t lots = 1 + (draw < 6 ? 0 : random_geometric(&model->random, 3));
    return 100 * lots;
}

static const struct published_side *side_of(const struct model *model, const struct model_symbol *symbol,
                                            uint8_t side) {
    return published_book_side(&model->book, symbol->locate, side);
}

static uint8_t other(uint8_t side) {
    return side == 'B' ? 'S' : 'B';
}

static const struct published_order *oldest_at_touch(const struct model *model, const struct model_symbol *symbol,
                                                     uint8_t side) {
    const struct published_level *touch = published_book_level(&model->book, side_of(model, symbol, side), 0);
    return touch ? &model->book.orders[touch->oldest - 1] : NULL;
}

static uint64_t next_reference(struct model *model) {
    return model->reference += 1 + 2 * random_below(&model->random, 4);
}

static uint32_t pick_price(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    uint32_t offset = random_geometric(&model->random, OFFSET_CENTS_MEAN);
    if (offset >= symbol->fair_cents)
        offset = symbol->fair_cents - 1;
    return 100 * (side == 'B' ? symbol->fair_cents - offset : symbol->fair_cents + 1 + offset);
}

static bool crosses(const struct model *model, const struct model_symbol *symbol, uint8_t side, uint32_t price) {
    const struct published_order *best = oldest_at_touch(model, symbol, other(side));
    return best && (side == 'B' ? price >= best->price : price <= best->price);
}

/* Execute an incoming order against the best resting ones; returns the shares left. */
static uint32_t execute_crossing(struct model *model, const struct model_symbol *symbol, uint8_t side,
                                 uint32_t price, uint32_t shares) {
    uint16_t tracking = 2;
    while (shares && model->left && crosses(model, symbol, side, price) &&
           side_of(model, symbol, other(side))->orders > SIDE_ORDERS_MIN) {
        const struct published_order *resting = oldest_at_touch(model, symbol, other(side));
        uint32_t traded = shares < resting->shares ? shares : resting->shares;
        emit(model, itch50_put_executed(model->out, symbol->locate, tracking, resting->reference, traded,
                                        ++model->match));
        shares -= traded;
        tracking = (uint16_t)(tracking + 2);
    }
    return shares;
}

static void add_order(struct model *model, const struct model_symbol *symbol, uint8_t side, uint32_t price,
                      uint32_t shares) {
    shares = execute_crossing(model, symbol, side, price, shares);
    if (shares == 0 || model->left == 0)
        return;
    if (crosses(model, symbol, side, price)) {  /* the other side is too thin to take from: stay in front of it */
        uint32_t best = oldest_at_touch(model, symbol, other(side))->price;
        price = side == 'B' ? best - 100 : best + 100;
    }
    struct itch50_order order = {.reference = next_reference(model), .shares = shares, .price = price,
                                 .stock = symbol->stock, .locate = symbol->locate, .side = side};
    const char *participant = NULL;
    if (random_below(&model->random, 100) < ATTRIBUTED_PERCENT)
        participant = participants[random_below(&model->random, sizeof participants / sizeof *participants)];
    emit(model, itch50_put_add(model->out, &order, participant));
}

/* Draws are made one statement after the other: the order in which arguments are evaluated is the compiler's. */
static void add_new_order(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    uint32_t price = pick_price(model, symbol, side);
    uint32_t shares = pick_shares(model);
    add_order(model, symbol, side, price, shares);
}

/* A resting order, young and near the touch more often than not; the side has one. */
static const struct published_order *pick_order(struct model *model, const struct model_symbol *symbol,
                                                uint8_t side) {
    const struct published_side *half = side_of(model, symbol, side);
    uint32_t rank = random_geometric(&model->random, 3);
    if (rank >= half->levels)
        rank = (uint32_t)random_below(&model->random, half->levels);
    uint32_t index = published_book_level(&model->book, half, rank)->newest;
    for (uint32_t steps = (uint32_t)random_below(&model->random, QUEUE_STEPS_MAX); steps; steps--) {
        uint32_t older = model->book.orders[index - 1].older;
        if (!older)
            break;
        index = older;
    }
    return &model->book.orders[index - 1];
}

static void delete_order(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    emit(model, itch50_put_delete(model->out, symbol->locate, pick_order(model, symbol, side)->reference));
}

static void replace_order(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    uint64_t old_reference = pick_order(model, symbol, side)->reference;
    uint32_t price = pick_price(model, symbol, side);
    uint32_t shares = pick_shares(model);
    if (crosses(model, symbol, side, price)) {  /* it trades: the old order leaves, the new one arrives */
        emit(model, itch50_put_delete(model->out, symbol->locate, old_reference));
        add_order(model, symbol, side, price, shares);
        return;
    }
    emit(model, itch50_put_replace(model->out, symbol->locate, old_reference, next_reference(model), shares, price));
}

/* An aggressive order on `side`: part of, all of, or more than the oldest order opposite. */
static void trade(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    const struct published_order *resting = oldest_at_touch(model, symbol, other(side));
    uint32_t draw = (uint32_t)random_below(&model->random, 100);
    uint32_t shares = resting->shares;
    if (draw < 45)
        shares = 1 + (uint32_t)random_below(&model->random, shares);
    else if (draw >= 75)
        shares += pick_shares(model);
    execute_crossing(model, symbol, side, resting->price, shares);
}

static void cancel_part(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    const struct published_order *order = pick_order(model, symbol, side);
    if (order->shares < 2) {
        delete_order(model, symbol, side);
        return;
    }
    uint32_t shares = 1 + (uint32_t)random_below(&model->random, order->shares - 1);
    emit(model, itch50_put_cancel(model->out, symbol->locate, order->reference, shares));
}

/* Price improvement of half a cent, in the favour of who came. */
static void execute_with_price(struct model *model, const struct model_symbol *symbol, uint8_t side) {
    const struct published_order *resting = oldest_at_touch(model, symbol, other(side));
    uint32_t shares = 1 + (uint32_t)random_below(&model->random, resting->shares);
    uint32_t price = side == 'B' ? resting->price - 50 : resting->price + 50;
    uint8_t printable = random_below(&model->random, 5) ? 'Y' : 'N';
    emit(model, itch50_put_executed_price(model->out, symbol->locate, 2, resting->reference, shares, ++model->match,
                                          printable, price));
}

static void print_hidden(struct model *model, const struct model_symbol *symbol) {
    uint32_t price = 100 * symbol->fair_cents + 50;
    emit(model, itch50_put_trade(model->out, symbol->locate, symbol->stock, pick_shares(model), price,
                                 ++model->match));
}

static void move_fair_price(struct model *model, struct model_symbol *symbol) {
    bool up = random_next(&model->random) >> 63;
    if (symbol->fair_cents <= FAIR_CENTS_MIN)
        up = true;
    else if (symbol->fair_cents >= FAIR_CENTS_MAX)
        up = false;
    symbol->fair_cents += up ? 1 : -1;
}

static void act(struct model *model) {
    struct model_symbol *symbol = pick_symbol(model);
    uint64_t draw = random_next(&model->random);
    uint8_t side = draw >> 63 ? 'B' : 'S';
    uint32_t action = (uint32_t)((draw & 0xFFFFFFFF) * 10000 >> 32);
    uint32_t depth = side_of(model, symbol, side)->orders;
    uint32_t depth_opposite = side_of(model, symbol, other(side))->orders;
    bool takes_opposite = action >= ACTION_REPLACE && action < ACTION_EXECUTE_PRICE &&
                          !(action >= ACTION_TRADE && action < ACTION_CANCEL);
    if (action < ACTION_ADD && 2 * depth > 3u * symbol->depth_target)
        action = ACTION_ADD;       /* too deep: delete instead */
    if (depth <= SIDE_ORDERS_MIN || (takes_opposite && depth_opposite <= SIDE_ORDERS_MIN) ||
        (action >= ACTION_ADD && action < ACTION_DELETE && 2 * depth < symbol->depth_target))
        action = 0;                /* too thin: add instead */
    if (action < ACTION_ADD)
        add_new_order(model, symbol, side);
    else if (action < ACTION_DELETE)
        delete_order(model, symbol, side);
    else if (action < ACTION_REPLACE)
        replace_order(model, symbol, side);
    else if (action < ACTION_TRADE)
        trade(model, symbol, side);
    else if (action < ACTION_CANCEL)
        cancel_part(model, symbol, side);
    else if (action < ACTION_EXECUTE_PRICE)
        execute_with_price(model, symbol, side);
    else if (action < ACTION_PRINT)
        print_hidden(model, symbol);
    else
        move_fair_price(model, symbol);
}

enum rare { RARE_IMBALANCE, RARE_RETAIL, RARE_PARTICIPANT, RARE_NEWS, RARE_TRADING, RARE_CROSS, RARE_COLLAR,
            RARE_REG_SHO, RARE_IPO, RARE_ELSEWHERE, RARE_BROKEN, RARE_KINDS };

/* Each kind in turn, so that a short stream has them all. */
static void act_rarely(struct model *model) {
    const struct model_symbol *symbol = pick_symbol(model);
    uint32_t kind = model->rare_kind;
    uint32_t price = 100 * symbol->fair_cents;
    uint16_t locate = symbol->locate;
    uint64_t draw = random_next(&model->random);
    uint8_t *out = model->out, *end = out;
    model->rare_kind = (kind + 1) % RARE_KINDS;
    switch ((enum rare)kind) {
    case RARE_IMBALANCE:
        end = itch50_put_imbalance(out, locate, symbol->stock, draw & 0xFFFFF, draw >> 44, "BSN"[draw % 3], price);
        break;
    case RARE_RETAIL:
        end = itch50_put_retail(out, locate, symbol->stock, (uint8_t)"BSAN"[draw % 4]);
        break;
    case RARE_PARTICIPANT:
        end = itch50_put_participant(out, locate, symbol->stock, participants[draw % 6], (uint8_t)"AE"[draw >> 63]);
        break;
    case RARE_NEWS:    /* no halts: every symbol trades all day, and no order is rejected for one */
        end = itch50_put_trading(out, locate, symbol->stock, 'T', "T3  ");
        break;
    case RARE_TRADING:
        end = itch50_put_trading(out, locate, symbol->stock, 'T', "    ");
        break;
    case RARE_CROSS:
        end = itch50_put_cross(out, locate, symbol->stock, draw & 0xFFFF, price, ++model->match, 'H');
        break;
    case RARE_COLLAR:
        end = itch50_put_collar(out, locate, symbol->stock, price, price / 100 * 105, price / 100 * 95);
        break;
    case RARE_REG_SHO:
        end = itch50_put_reg_sho(out, locate, symbol->stock, (uint8_t)"012"[draw % 3]);
        break;
    case RARE_IPO:
        end = itch50_put_ipo_quoting(out, symbol->stock, 36000, price);
        break;
    case RARE_ELSEWHERE:
        end = itch50_put_operational_halt(out, locate, symbol->stock, (uint8_t)"HT"[draw >> 63]);
        break;
    case RARE_BROKEN:
        end = itch50_put_broken(out, locate, model->match);
        break;
    case RARE_KINDS:
        break;
    }
    emit(model, end);
}

static void act_or_rarely(struct model *model) {
    if (model->until_rare-- == 0) {
        model->until_rare = (uint32_t)random_below(&model->random, 2 * RARE_EVERY);
        act_rarely(model);
    } else {
        act(model);
    }
}

/* Act as long as there is room for the deletion of all that rests behind it. A message adds one order at most, so half
 * of the spare room is safe to spend. */
static void act_until_closing(struct model *model) {
    while (model->left >= model->book.live_orders + 2) {
        uint64_t kept = model->left - (model->left - model->book.live_orders) / 2;
        model->left -= kept;
        act_or_rarely(model);
        model->left += kept;
    }
}

/* Delete every order, a side of a symbol after the other, all growing thinner together. */
static void empty_books(struct model *model) {
    if (model->left > model->book.live_orders)
        print_hidden(model, &model->symbols[0]);
    while (model->left)
        for (uint32_t i = 0; i < model->symbol_count; i++)
            for (int half = 0; half < 2; half++)
                if (side_of(model, &model->symbols[i], half ? 'S' : 'B')->orders)
                    delete_order(model, &model->symbols[i], half ? 'S' : 'B');
}

uint64_t model_run(struct model *model, uint8_t *arena) {
    model->out = arena;
    model_day_open(model, emit);
    model->opening_bytes = (uint64_t)(model->out - arena);
    for (uint32_t round = 0; round < MODEL_DEPTH_MAX; round++)  /* fill the books, all symbols growing together */
        for (uint32_t i = 0; i < model->symbol_count; i++)
            for (int half = 0; half < 2 && round < model->symbols[i].depth_target && model->left; half++)
                add_new_order(model, &model->symbols[i], half ? 'S' : 'B');
    if (model->closes) {
        act_until_closing(model);
        empty_books(model);
    }
    while (model->left)
        act_or_rarely(model);
    return (uint64_t)(model->out - arena);
}
