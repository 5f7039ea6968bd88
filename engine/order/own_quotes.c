/* Best own prices: see own_quotes.h. Links are slot + 1, 0 = none, so that zeroed memory is an empty tree. */
#include "engine/order/own_quotes.h"

static inline uint32_t link_of(const struct own_orders *orders, const struct own_order *order)
{
    return (uint32_t)(order - orders->orders) + 1;
}

static inline struct own_order *at(struct own_orders *orders, uint32_t link)
{
    return &orders->orders[link - 1];
}

static inline uint32_t priority(uint32_t link)
{
    link = (link ^ link >> 16) * 0x85ebca6bu;
    link = (link ^ link >> 13) * 0xc2b2ae35u;
    return link ^ link >> 16;
}

static inline bool before(const struct own_orders *orders, const struct own_order *left, uint32_t link)
{
    const struct own_order *right = &orders->orders[link - 1];
    return left->price < right->price || (left->price == right->price && link_of(orders, left) < link);
}

static void note_best(struct own_orders *orders, struct own_symbol *symbol, bool buys)
{
    uint32_t link = symbol->quotes[!buys], best = 0;
    while (link != 0) {
        best = at(orders, link)->price;
        link = buys ? at(orders, link)->quote_right : at(orders, link)->quote_left;
    }
    *(buys ? &symbol->own_best_bid : &symbol->own_best_ask) = best;
}

void own_quotes_add(struct own_orders *orders, struct own_order *order)
{
    const bool buys = order->side == 'B';
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    const uint32_t self = link_of(orders, order);
    uint32_t *place = &symbol->quotes[!buys];
    if (order->flags & OWN_FLAG_QUOTED)
        return;
    while (*place != 0 && priority(*place) >= priority(self))
        place = before(orders, order, *place) ? &at(orders, *place)->quote_left : &at(orders, *place)->quote_right;
    uint32_t rest = *place, *left = &order->quote_left, *right = &order->quote_right;
    *place = self;
    while (rest != 0) {
        struct own_order *node = at(orders, rest);
        if (before(orders, order, rest)) {
            *right = rest;
            right = &node->quote_left;
            rest = node->quote_left;
        } else {
            *left = rest;
            left = &node->quote_right;
            rest = node->quote_right;
        }
    }
    *left = *right = 0;
    order->flags |= OWN_FLAG_QUOTED;
    note_best(orders, symbol, buys);
}

void own_quotes_remove(struct own_orders *orders, struct own_order *order)
{
    const bool buys = order->side == 'B';
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    const uint32_t self = link_of(orders, order);
    uint32_t *place = &symbol->quotes[!buys];
    if (!(order->flags & OWN_FLAG_QUOTED))
        return;
    while (*place != 0 && *place != self)
        place = before(orders, order, *place) ? &at(orders, *place)->quote_left : &at(orders, *place)->quote_right;
    uint32_t left = order->quote_left, right = order->quote_right;
    while (left != 0 && right != 0) {
        if (priority(left) >= priority(right)) {
            *place = left;
            place = &at(orders, left)->quote_right;
            left = *place;
        } else {
            *place = right;
            place = &at(orders, right)->quote_left;
            right = *place;
        }
    }
    *place = left != 0 ? left : right;
    order->quote_left = order->quote_right = 0;
    order->flags &= (uint8_t)~OWN_FLAG_QUOTED;
    note_best(orders, symbol, buys);
}

void own_quotes_move(struct own_orders *orders, struct own_order *order, uint32_t price)
{
    const bool quoted = order->flags & OWN_FLAG_QUOTED;
    if (price == order->price)
        return;
    own_quotes_remove(orders, order);
    order->price = price;
    if (quoted)
        own_quotes_add(orders, order);
}
