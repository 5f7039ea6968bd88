#include "engine/order_action.h"

enum order_action_outcome engine_order_action(struct engine *engine, struct order_action *action, uint64_t now_ns)
{
    (void)engine;
    (void)now_ns;
    action->reason = 0;
    return ORDER_ACTION_UNSUPPORTED;
}
