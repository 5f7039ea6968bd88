/* The ring of unanswered requests: see unanswered.h. */
#include "engine/order/unanswered.h"

#include <string.h>

bool unanswered_init(struct unanswered *ring, struct unanswered_entry *entries, uint64_t count)
{
    *ring = (struct unanswered){.entries = entries, .mask = count - 1};
    return entries != NULL && count >= 8 && count <= UNANSWERED_COUNT_MAX && (count & (count - 1)) == 0;
}

void unanswered_push(struct unanswered *ring, enum unanswered_kind kind, uint64_t token_key, const uint8_t *packet,
                     uint32_t bytes, uint64_t now_ns)
{
    struct unanswered_entry *entry = unanswered_at(ring, ring->tail++);
    entry->token_key = token_key;
    entry->sent_ns = now_ns;
    entry->sends = 1;
    entry->bytes = (uint16_t)bytes;
    entry->kind = (uint8_t)kind;
    memcpy(entry->packet, packet, bytes);
    if (ring->tail - ring->head > ring->peak)
        ring->peak = ring->tail - ring->head;
}

bool unanswered_answered(const struct unanswered_entry *entry, const struct own_orders *orders)
{
    const struct own_order *order = own_orders_find(orders, entry->token_key);
    if (order == NULL || !own_order_is_open(order->state))
        return true;
    switch (entry->kind) {
    case UNANSWERED_CANCEL: return !own_order_waits_for_cancel(order->state) || (order->flags & OWN_FLAG_HELD);
    case UNANSWERED_MODIFY: return !(order->flags & OWN_FLAG_CHANGING);
    default: return !own_order_is_pending(order->state);
    }
}

void unanswered_settle(struct unanswered *ring, struct own_orders *orders, uint64_t now_ns)
{
    for (uint32_t count = 0; count < UNANSWERED_SETTLE_MAX && ring->head != ring->tail; count++) {
        const struct unanswered_entry *entry = unanswered_at(ring, ring->head);
        if (!unanswered_answered(entry, orders)) {
            if (entry->kind != UNANSWERED_MODIFY || now_ns == 0 || now_ns - entry->sent_ns < UNANSWERED_SILENCE_NS)
                return;
            own_orders_passed_over(orders, entry->token_key);
        }
        ring->head++;
    }
}
