/* The transition table of an own order: see own_order.h. */
#include "engine/order/own_order.h"

#define STAY(state) {state, OWN_EXPECTED}
#define TO(state) {state, OWN_EXPECTED}
#define ACCOUNT(state) {state, OWN_ACCOUNTED}
#define IGNORE(state) {state, OWN_UNEXPECTED}
#define NEVER(state) \
    [OWN_ON_REPLACED] = IGNORE(state), [OWN_ON_MODIFIED] = IGNORE(state), \
    [OWN_ON_TRADE_NOW] = IGNORE(state)
#define DEAD_ORDER(state, reversal) { \
    [OWN_ON_ACCEPTED] = IGNORE(state), [OWN_ON_ACCEPTED_DEAD] = IGNORE(state), \
    [OWN_ON_EXECUTED_PART] = ACCOUNT(state), [OWN_ON_EXECUTED_ALL] = ACCOUNT(state), \
    [OWN_ON_CANCELED_PART] = IGNORE(state), [OWN_ON_CANCELED_ALL] = IGNORE(state), \
    [OWN_ON_REJECTED] = IGNORE(state), \
    [OWN_ON_CORRECTED] = reversal(state), [OWN_ON_BROKEN] = reversal(state), \
    [OWN_ON_CANCEL_PENDING] = IGNORE(state), [OWN_ON_CANCEL_REJECTED] = IGNORE(state), \
    [OWN_ON_PRIORITY] = IGNORE(state), NEVER(state)}
#define OPEN_ORDER(state, reversal) { \
    [OWN_ON_ACCEPTED] = IGNORE(state), [OWN_ON_ACCEPTED_DEAD] = IGNORE(state), \
    [OWN_ON_EXECUTED_PART] = TO(OWN_PARTIAL), [OWN_ON_EXECUTED_ALL] = TO(OWN_FILLED), \
    [OWN_ON_CANCELED_PART] = STAY(state), [OWN_ON_CANCELED_ALL] = TO(OWN_CANCELED), \
    [OWN_ON_REJECTED] = IGNORE(state), \
    [OWN_ON_CORRECTED] = reversal(state), [OWN_ON_BROKEN] = reversal(state), \
    [OWN_ON_CANCEL_PENDING] = STAY(state), [OWN_ON_CANCEL_REJECTED] = STAY(state), \
    [OWN_ON_PRIORITY] = STAY(state), NEVER(state)}

/* The whole behaviour of an order. Row OWN_FREE: there is no order, so nothing is ever believed. */
static const struct own_transition transitions[OWN_STATE_COUNT][OWN_ON_COUNT] = {
    [OWN_FREE] = {
        [0 ... OWN_ON_COUNT - 1] = IGNORE(OWN_FREE),
    },
    [OWN_PENDING] = {
        [OWN_ON_ACCEPTED] = TO(OWN_LIVE),
        [OWN_ON_ACCEPTED_DEAD] = TO(OWN_DEAD),
        [OWN_ON_EXECUTED_PART] = ACCOUNT(OWN_PARTIAL), /* its Accepted never came */
        [OWN_ON_EXECUTED_ALL] = ACCOUNT(OWN_FILLED),
        [OWN_ON_CANCELED_PART] = ACCOUNT(OWN_LIVE),
        [OWN_ON_CANCELED_ALL] = ACCOUNT(OWN_CANCELED),
        [OWN_ON_REJECTED] = TO(OWN_REJECTED),
        [OWN_ON_CORRECTED] = IGNORE(OWN_PENDING),
        [OWN_ON_BROKEN] = IGNORE(OWN_PENDING),
        [OWN_ON_CANCEL_PENDING] = IGNORE(OWN_PENDING),
        [OWN_ON_CANCEL_REJECTED] = IGNORE(OWN_PENDING),
        [OWN_ON_PRIORITY] = IGNORE(OWN_PENDING),
        NEVER(OWN_PENDING),
    },
    [OWN_LIVE] = OPEN_ORDER(OWN_LIVE, IGNORE), /* nothing executed, so nothing to correct or break */
    [OWN_PARTIAL] = OPEN_ORDER(OWN_PARTIAL, STAY),
    [OWN_FILLED] = DEAD_ORDER(OWN_FILLED, STAY),
    [OWN_CANCELED] = DEAD_ORDER(OWN_CANCELED, STAY),
    [OWN_REJECTED] = DEAD_ORDER(OWN_REJECTED, ACCOUNT), /* of an execution already unexpected */
    [OWN_DEAD] = DEAD_ORDER(OWN_DEAD, ACCOUNT),
};

struct own_transition own_order_transition(uint8_t state, uint8_t event)
{
    if (state >= OWN_STATE_COUNT || event >= OWN_ON_COUNT)
        return (struct own_transition){state, OWN_UNEXPECTED};
    return transitions[state][event];
}

const char *own_order_state_name(uint8_t state)
{
    static const char *const names[OWN_STATE_COUNT] = {"free", "pending", "live", "partial",
                                                       "filled", "canceled", "rejected", "dead"};
    return state < OWN_STATE_COUNT ? names[state] : "unknown";
}

const char *own_order_event_name(uint8_t event)
{
    static const char *const names[OWN_ON_COUNT] = {
        "accepted", "accepted_dead", "executed_part", "executed_all", "canceled_part", "canceled_all",
        "rejected", "corrected", "broken", "cancel_pending", "cancel_rejected", "priority", "replaced",
        "modified", "trade_now"};
    return event < OWN_ON_COUNT ? names[event] : "unknown";
}
