/* Memory, index and slots of the own orders: see own_orders_table.h.
 *
 * Index: open addressing with linear probing and backward-shift removal, so that there are no
 * tombstones and a probe stays short for as long as the process lives. At least half of it is empty,
 * which bounds every probe. Free and dead slots are lists through the orders themselves.
 */
#include "engine/order/own_orders_table.h"

#include <errno.h>
#include <string.h>

#include "engine/order/own_quotes.h"

static uint64_t power_of_two_from(uint64_t value)
{
    uint64_t power = 1;
    while (power < value)
        power <<= 1;
    return power;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

struct layout {
    size_t orders, index, executions, symbols, total; /* bytes; total of all */
    uint32_t order_count, index_count, execution_count;
};

static bool lay_out(const struct own_orders_options *options, struct layout *layout)
{
    const uint64_t count = (uint64_t)options->open_max + options->dead_keep;
    if (options->open_max == 0 || options->dead_keep == 0 || count > OWN_ORDERS_MAX ||
        options->executions_max == 0 || options->executions_max > OWN_EXECUTIONS_MAX)
        return false;
    layout->order_count = (uint32_t)count;
    layout->index_count = (uint32_t)power_of_two_from(count * 2);
    layout->execution_count = (uint32_t)power_of_two_from(options->executions_max);
    layout->orders = round_up(layout->order_count * sizeof(struct own_order));
    layout->index = round_up(layout->index_count * sizeof(struct own_orders_cell));
    layout->executions = round_up(layout->execution_count * sizeof(struct own_execution));
    layout->symbols = OWN_ORDERS_SYMBOL_COUNT * sizeof(struct own_symbol);
    layout->total = layout->orders + layout->index + layout->executions + layout->symbols;
    return true;
}

size_t own_orders_bytes(const struct own_orders_options *options)
{
    struct layout layout;
    return lay_out(options, &layout) ? layout.total : 0;
}

int own_orders_init(struct own_orders *orders, const struct own_orders_options *options, void *memory,
                    size_t memory_bytes)
{
    struct layout layout;
    if (!lay_out(options, &layout) || memory == NULL || (uintptr_t)memory % 64 != 0)
        return -EINVAL;
    if (memory_bytes < layout.total)
        return -ENOMEM;
    char *place = memory;
    memset(memory, 0, layout.total);
    memset(orders, 0, sizeof(*orders));
    orders->symbols = (struct own_symbol *)place;
    place += layout.symbols;
    orders->orders = (struct own_order *)place;
    place += layout.orders;
    orders->index = (struct own_orders_cell *)place;
    place += layout.index;
    orders->executions = (struct own_execution *)place;
    orders->order_count = layout.order_count;
    orders->index_mask = layout.index_count - 1;
    orders->executions_mask = layout.execution_count - 1;
    orders->open_max = options->open_max;
    orders->dead_keep = options->dead_keep;
    orders->dead_head = orders->dead_tail = OWN_SLOT_NONE;
    orders->open_head = orders->open_tail = orders->mass.cursor = OWN_SLOT_NONE;
    for (uint32_t slot = 0; slot < layout.order_count; slot++)
        orders->orders[slot].next = slot + 1 < layout.order_count ? slot + 1 : OWN_SLOT_NONE;
    return 0;
}

static inline uint32_t home(const struct own_orders *orders, uint64_t token_key)
{
    return (uint32_t)((token_key * 0x9e3779b97f4a7c15ull) >> 32) & orders->index_mask;
}

uint32_t own_orders_find_cell(const struct own_orders *orders, uint64_t token_key)
{
    uint32_t cell = home(orders, token_key);
    while (orders->index[cell].token_key != 0 && orders->index[cell].token_key != token_key)
        cell = (cell + 1) & orders->index_mask;
    return cell;
}

struct own_order *own_orders_lookup(const struct own_orders *orders, uint64_t token_key)
{
    const struct own_orders_cell *cell = &orders->index[own_orders_find_cell(orders, token_key)];
    return token_key != 0 && cell->token_key == token_key ? &orders->orders[cell->slot] : NULL;
}

const struct own_order *own_orders_find(const struct own_orders *orders, uint64_t token_key)
{
    return own_orders_lookup(orders, token_key);
}

const struct own_order *own_orders_at(const struct own_orders *orders, uint32_t slot)
{
    return slot < orders->order_count && orders->orders[slot].state != OWN_FREE ? &orders->orders[slot]
                                                                               : NULL;
}

static void remove_key(struct own_orders *orders, uint64_t token_key)
{
    const uint32_t mask = orders->index_mask;
    uint32_t hole = own_orders_find_cell(orders, token_key);
    if (orders->index[hole].token_key == 0)
        return;
    for (uint32_t cell = (hole + 1) & mask; orders->index[cell].token_key != 0; cell = (cell + 1) & mask) {
        const uint32_t from_home = (cell - home(orders, orders->index[cell].token_key)) & mask;
        if (from_home >= ((cell - hole) & mask)) { /* it may move back without passing its home */
            orders->index[hole] = orders->index[cell];
            hole = cell;
        }
    }
    orders->index[hole] = (struct own_orders_cell){0};
}

struct own_order *own_orders_take_slot(struct own_orders *orders, uint32_t cell, uint64_t token_key)
{
    const uint32_t slot = orders->free_head; /* there is one: open < open_max, dead <= dead_keep */
    struct own_order *order = &orders->orders[slot];
    orders->free_head = order->next;
    orders->index[cell] = (struct own_orders_cell){.token_key = token_key, .slot = slot};
    return order;
}

void own_orders_free_slot(struct own_orders *orders, struct own_order *order)
{
    remove_key(orders, order->token_key);
    memset(order, 0, sizeof(*order));
    order->next = orders->free_head;
    orders->free_head = (uint32_t)(order - orders->orders);
}

/* Last in the line of dead ones, whose first leaves when the line is too long. */
void own_orders_bury(struct own_orders *orders, struct own_order *order)
{
    const uint32_t slot = (uint32_t)(order - orders->orders);
    own_orders_close(orders, order);
    order->next = OWN_SLOT_NONE;
    if (orders->dead_tail == OWN_SLOT_NONE)
        orders->dead_head = slot;
    else
        orders->orders[orders->dead_tail].next = slot;
    orders->dead_tail = slot;
    if (++orders->dead_count <= orders->dead_keep)
        return;
    struct own_order *oldest = &orders->orders[orders->dead_head];
    orders->dead_head = oldest->next;
    orders->dead_count--;
    orders->counters.recycled++;
    own_orders_free_slot(orders, oldest);
}

void own_orders_set_open_shares(struct own_orders *orders, struct own_order *order, uint32_t shares)
{
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    uint64_t *sum = order->side == 'B' ? &symbol->open_buy_shares : &symbol->open_sell_shares;
    *sum += (uint64_t)shares - order->open_shares; /* modulo 2^64 */
    order->open_shares = shares;
}

void own_orders_open(struct own_orders *orders, struct own_order *order)
{
    const uint32_t slot = (uint32_t)(order - orders->orders);
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    order->next = OWN_SLOT_NONE;
    order->previous = orders->open_tail;
    *(orders->open_tail == OWN_SLOT_NONE ? &orders->open_head : &orders->orders[orders->open_tail].next) = slot;
    orders->open_tail = slot;
    orders->open_count++;
    ++*(order->side == 'B' ? &symbol->open_buy_orders : &symbol->open_sell_orders);
    if (order->time_in_force != 0)
        own_quotes_add(orders, order);
}

void own_orders_close(struct own_orders *orders, struct own_order *order)
{
    const uint32_t slot = (uint32_t)(order - orders->orders);
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    own_quotes_remove(orders, order);
    *(order->previous == OWN_SLOT_NONE ? &orders->open_head : &orders->orders[order->previous].next) = order->next;
    *(order->next == OWN_SLOT_NONE ? &orders->open_tail : &orders->orders[order->next].previous) = order->previous;
    if (orders->mass.cursor == slot)
        orders->mass.cursor = order->next;
    orders->open_count--;
    --*(order->side == 'B' ? &symbol->open_buy_orders : &symbol->open_sell_orders);
}
