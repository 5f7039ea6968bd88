/* The transition table of an own order: see own_order.h. */
#include "engine/order/own_order.h"

struct cell {
    uint8_t next;
    uint8_t allowed; /* 0: unexpected, nothing changes; else 1 + enum own_verdict */
};

/* Whatever is not written in a row is unexpected and changes nothing. */
#define STAY(state) {state, 1 + OWN_EXPECTED}
#define TO(state) {state, 1 + OWN_EXPECTED}
#define ACCOUNT(state) {state, 1 + OWN_ACCOUNTED}
#define IGNORE(state) {state, 0}

#define DEAD_ORDER(state, reversal) { \
    [OWN_ON_EXECUTED_PART] = ACCOUNT(state), [OWN_ON_EXECUTED_ALL] = ACCOUNT(state), \
    [OWN_ON_CORRECTED] = reversal(state), [OWN_ON_BROKEN] = reversal(state)}

/* The order is known to the venue. `part`: the same with shares executed. */
#define OPEN_ORDER(state, part, reversal, ...) { \
    [OWN_ON_EXECUTED_PART] = TO(part), [OWN_ON_EXECUTED_ALL] = TO(OWN_FILLED), \
    [OWN_ON_CANCELED_PART] = STAY(state), [OWN_ON_CANCELED_ALL] = TO(OWN_CANCELED), \
    [OWN_ON_CORRECTED] = reversal(state), [OWN_ON_BROKEN] = reversal(state), \
    [OWN_ON_CANCEL_PENDING] = STAY(state), [OWN_ON_PRIORITY] = STAY(state), [OWN_ON_MODIFIED] = STAY(state), \
    [OWN_ON_TRADE_NOW] = STAY(state), [OWN_ON_RESTATED] = STAY(state), __VA_ARGS__}

#define RESTING_ORDER(state, reversal, canceling, replacing) \
    OPEN_ORDER(state, OWN_PARTIAL, reversal, \
        [OWN_ON_REPLACED] = ACCOUNT(OWN_REPLACED), [OWN_ON_CANCEL_REJECTED] = STAY(state), \
        [OWN_ON_CANCEL_SENT] = TO(canceling), [OWN_ON_REPLACE_SENT] = TO(replacing), [OWN_ON_MODIFY_SENT] = STAY(state))

/* A replacement that was sent before the cancel may still come, or be rejected. */
#define CANCELING_ORDER(state, reversal, back) \
    OPEN_ORDER(state, OWN_PENDING_CANCEL_PARTIAL, reversal, \
        [OWN_ON_REPLACED] = TO(OWN_REPLACED), [OWN_ON_REPLACE_REJECTED] = STAY(state), \
        [OWN_ON_CANCEL_REJECTED] = TO(back))

#define REPLACING_ORDER(state, reversal, back, canceling) \
    OPEN_ORDER(state, OWN_PENDING_REPLACE_PARTIAL, reversal, \
        [OWN_ON_REPLACED] = TO(OWN_REPLACED), [OWN_ON_REPLACE_REJECTED] = TO(back), \
        [OWN_ON_CANCEL_REJECTED] = STAY(state), [OWN_ON_CANCEL_SENT] = TO(canceling))

/* Shares of an order whose answer never came are believed all the same. */
#define UNANSWERED_ORDER(state, live, part, ...) { \
    [OWN_ON_ACCEPTED] = TO(live), [OWN_ON_ACCEPTED_DEAD] = TO(OWN_DEAD), \
    [OWN_ON_EXECUTED_PART] = ACCOUNT(part), [OWN_ON_EXECUTED_ALL] = ACCOUNT(OWN_FILLED), \
    [OWN_ON_CANCELED_PART] = ACCOUNT(live), [OWN_ON_CANCELED_ALL] = ACCOUNT(OWN_CANCELED), \
    [OWN_ON_REJECTED] = TO(OWN_REJECTED), [OWN_ON_ABANDONED] = TO(OWN_DEAD), \
    [OWN_ON_REPLACED] = ACCOUNT(OWN_REPLACED) __VA_ARGS__}

/* The whole behaviour of an order. Row OWN_FREE: there is no order, so nothing is ever believed. Nothing was executed
 * in the states without PARTIAL, so nothing is corrected or broken there. */
static const struct cell transitions[OWN_STATE_COUNT][OWN_ON_COUNT] = {
    [OWN_FREE] = {IGNORE(OWN_FREE)},
    [OWN_PENDING] = UNANSWERED_ORDER(OWN_PENDING, OWN_LIVE, OWN_PARTIAL,
                                     , [OWN_ON_CANCEL_SENT] = TO(OWN_PENDING_NEW_CANCEL)),
    [OWN_PENDING_NEW_CANCEL] = UNANSWERED_ORDER(OWN_PENDING_NEW_CANCEL, OWN_PENDING_CANCEL, OWN_PENDING_CANCEL_PARTIAL, ),
    [OWN_LIVE] = RESTING_ORDER(OWN_LIVE, IGNORE, OWN_PENDING_CANCEL, OWN_PENDING_REPLACE),
    [OWN_PARTIAL] = RESTING_ORDER(OWN_PARTIAL, STAY, OWN_PENDING_CANCEL_PARTIAL, OWN_PENDING_REPLACE_PARTIAL),
    [OWN_PENDING_CANCEL] = CANCELING_ORDER(OWN_PENDING_CANCEL, IGNORE, OWN_LIVE),
    [OWN_PENDING_CANCEL_PARTIAL] = CANCELING_ORDER(OWN_PENDING_CANCEL_PARTIAL, STAY, OWN_PARTIAL),
    [OWN_PENDING_REPLACE] = REPLACING_ORDER(OWN_PENDING_REPLACE, IGNORE, OWN_LIVE, OWN_PENDING_CANCEL),
    [OWN_PENDING_REPLACE_PARTIAL] =
        REPLACING_ORDER(OWN_PENDING_REPLACE_PARTIAL, STAY, OWN_PARTIAL, OWN_PENDING_CANCEL_PARTIAL),
    [OWN_FILLED] = DEAD_ORDER(OWN_FILLED, STAY),
    [OWN_CANCELED] = DEAD_ORDER(OWN_CANCELED, STAY),
    [OWN_REPLACED] = DEAD_ORDER(OWN_REPLACED, STAY),
    [OWN_REJECTED] = DEAD_ORDER(OWN_REJECTED, ACCOUNT), /* of an execution already unexpected */
    [OWN_DEAD] = DEAD_ORDER(OWN_DEAD, ACCOUNT),
};

struct own_transition own_order_transition(uint8_t state, uint8_t event)
{
    if (state >= OWN_STATE_COUNT || event >= OWN_ON_COUNT)
        return (struct own_transition){state, OWN_UNEXPECTED};
    const struct cell cell = transitions[state][event];
    if (cell.allowed == 0)
        return (struct own_transition){state, OWN_UNEXPECTED};
    return (struct own_transition){cell.next, (uint8_t)(cell.allowed - 1)};
}

const char *own_order_state_name(uint8_t state)
{
    static const char *const names[OWN_STATE_COUNT] = {
        "free", "pending", "live", "partial", "filled", "canceled", "rejected", "dead", "pending_cancel",
        "pending_cancel_partial", "pending_replace", "pending_replace_partial", "pending_new_cancel", "replaced"};
    return state < OWN_STATE_COUNT ? names[state] : "unknown";
}

const char *own_order_event_name(uint8_t event)
{
    static const char *const names[OWN_ON_COUNT] = {
        "accepted", "accepted_dead", "executed_part", "executed_all", "canceled_part", "canceled_all",
        "rejected", "corrected", "broken", "cancel_pending", "cancel_rejected", "priority", "replaced",
        "modified", "trade_now", "restated", "replace_rejected", "abandoned", "cancel_sent", "replace_sent",
        "modify_sent"};
    return event < OWN_ON_COUNT ? names[event] : "unknown";
}
