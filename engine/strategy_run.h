/* The engine with a strategy in a shared object: messages to it, its orders to the market, and what happens to it when
 * it breaks its budget (slots.h) or its fence (guard.h).
 *
 * A swap is one store between two packets: engine_poll() sees a new command number (command.h) and calls
 * strategy_deploy(). A rollback happens inside the batch that showed the breach: the order at fault and all behind it
 * do not leave, the messages behind it go to the strategy before, which begins anew.
 * Behind every shared object stands the one before it, and behind that the built-in touch_taker; there is no third.
 * The one before still hears what becomes of its orders, so that it can go on with them. Who is put out for a cause of its
 * own leaves none resting: a mass cancel is asked for of its letter, unless the one that comes back has the same.
 *
 * Owner: the engine thread.
 */
#ifndef ENGINE_STRATEGY_RUN_H
#define ENGINE_STRATEGY_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/order/own_event.h"
#include "engine/strategy/slots.h"

struct engine;

/* Ticks of the budget, once the clock is known. */
void strategy_run_init(struct engine *engine);

/* Hands out everything that the feed has. True: another strategy has taken over and there may be more. */
bool strategy_drain(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns, const uint8_t *end);

/* The slot's strategy is active from the next message on. False: the slot is not READY, or the engine reflects. */
bool strategy_deploy(struct engine *engine, int32_t slot, uint64_t now_ns);

/* The same, as soon as the next message to be handed out is `position` or a later one, or the time is there; UINT64_MAX:
 * does not matter; position 0: it waits for nothing any more. It is looked at between two packets, so it comes by at most the rest of a packet too late. */
bool strategy_plan(struct engine *engine, int32_t slot, uint64_t position, uint64_t at_ns);

/* Carries out what is due. Call between two packets while engine->planned. */
void strategy_plan_look(struct engine *engine, uint64_t now_ns);

/* The one before is active from `position` on. False: there is none. */
bool strategy_roll_back(struct engine *engine, enum strategy_cause cause, uint64_t detail, uint64_t position,
                        uint64_t now_ns);

/* The one before has crashed or hung where it hears of its orders: behind the active one stands the built-in. */
void strategy_lose_previous(struct engine *engine);

/* First feed message that has not been handed out. */
uint64_t strategy_position(const struct engine *engine);

/* Those below do nothing unless a shared object is active. */
void strategy_timer(struct engine *engine, uint64_t now_ns);      /* when it is due */
void strategy_tell_time(struct engine *engine, uint64_t now_ns);  /* now */
void strategy_forget(struct engine *engine, uint64_t now_ns);

/* What the venue said of an order, after the table of own orders has taken it; `engine` is a struct engine. */
void strategy_own_event(void *engine, const struct own_event *event, uint64_t now_ns);

#endif
