/* Replaces and cancels that a strategy asks for: the one place where they meet the gate and the order layer.
 *
 * A cancel always passes the gate. A replace is judged as the increase it causes (risk.h), and counts as an order of its
 * own once it is sent. What cannot be done (an order that is not open, or no session) is refused with
 * RISK_REQUEST_INVALID or RISK_SESSION_DOWN; nothing has left then, and no token was taken: whether the order can be
 * replaced is asked before the gate is. No decision is logged for either.
 * Owner: the engine thread.
 */
#ifndef ENGINE_ORDER_ACTION_H
#define ENGINE_ORDER_ACTION_H

#include <stdint.h>

struct engine;

enum order_action_kind { ORDER_ACTION_REPLACE = 1, ORDER_ACTION_CANCEL = 2 };

enum order_action_outcome {
    ORDER_ACTION_SENT = 0,
    ORDER_ACTION_REFUSED = 1,     /* `reason` of the risk gate */
};

struct order_action {
    uint64_t target_key;       /* token key (ouch42.h) of the order it is about */
    uint64_t trigger_sequence; /* REPLACE: for the new order's token */
    uint32_t price;            /* REPLACE, 1/10000 */
    uint32_t shares;           /* REPLACE: of the new order; CANCEL: what shall be left */
    uint32_t time_in_force;    /* REPLACE, seconds */
    uint16_t symbol;
    uint8_t ordinal;           /* REPLACE */
    uint8_t kind;              /* enum order_action_kind */
    char letter;               /* first character of the tokens, old and new */
    uint8_t reason;            /* out: enum risk_reason when REFUSED */
};

enum order_action_outcome engine_order_action(struct engine *engine, struct order_action *action, uint64_t now_ns);

/* Cancels that the gate asks for: a kill of a symbol, a strategy or all, a trip. Once per poll. Strategies are told apart
 * by the letter of their orders; a kill of STRATEGY_SHARED is of all orders, because shared objects have several. */
void engine_order_cancels(struct engine *engine);

#endif
