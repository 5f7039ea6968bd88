/* The engine: market data in, orders out, one thread, one function.
 *
 *     port -> feed -> itch50 -> book -> strategy -> risk -> codec -> stream
 *              ^
 *     recovery port, snapshot (recovery.h): only while the feed is not LIVE
 *
 * engine_poll() is the hot path, top to bottom in wire order. After engine_init() nothing allocates,
 * locks or prints; system calls are those of the wires alone. Fail closed: without a LIVE feed, a
 * complete book, an order session in which every answer was understood and limits that verify, the
 * risk gate answers with a reason and nothing is sent.
 *
 * Lateness: packets found more than late_after_ns after the poll before, or after this one, began may have been
 * waiting; until a poll finds nothing more to read, every order is refused with RISK_LATE. A stop between finding
 * a batch and answering it goes unseen. The reflector alone answers when late: it measures wires, and an answer
 * left out would flatter them.
 *
 * Owner: one thread for engine_poll() and engine_step(); the control page is shared (control.h).
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/book/book.h"
#include "engine/book/book_ahead.h"
#include "engine/clock.h"
#include "engine/command.h"
#include "engine/control.h"
#include "engine/decision.h"
#include "engine/feed/feed.h"
#include "engine/feed/itch50.h"
#include "engine/io/port.h"
#include "engine/order_session.h"
#include "engine/order_wire.h"
#include "engine/recovery.h"
#include "engine/risk/risk.h"
#include "engine/risk_follow.h"
#include "engine/strategy/reflector.h"
#include "engine/strategy/slots.h"
#include "engine/strategy/touch_taker.h"
#include "engine/strategy_run.h"

enum { ENGINE_ERROR_BYTES = 256, ENGINE_MEMORY_ALIGNMENT = 64 };

struct journal;

/* How often time is told to feed and recovery: while something is missing, and else. Every such step is journaled. */
#define ENGINE_TIMER_BUSY_NS 5000ull
#define ENGINE_TIMER_IDLE_NS 100000ull

#define ENGINE_STALL_NS 20000ull /* a poll that comes later is counted as a stall */
#define ENGINE_REHEARSAL_NS 20000ull /* an idle poll takes the last order through the gate again, for nothing */

struct engine_options {
    uint32_t strategy; /* enum strategy_kind */
    bool stages;       /* stamp decode, book and strategy too: three more clock reads a message */
    struct feed_options feed;
    struct book_options book;
    struct touch_taker_options touch_taker;
    struct reflector_options reflector;
    struct risk_limits limits; /* sealed; in force until a table is published */
    const struct risk_table *table; /* sealed; published at start; NULL: none */
    struct own_orders_options own_orders;
    struct soupbin_options soupbin;
    struct ouch42_options ouch;
    uint32_t protocol;   /* enum codec_protocol, of the order session */
    struct recovery_options recovery;
    uint64_t late_after_ns;     /* 0 = never late */
    uint32_t decision_capacity;
    struct strategy_budget strategy_budget; /* of strategies in shared objects; event_ns_max 0: the defaults */
};

struct engine_statistics {
    uint64_t polls;
    uint64_t triggers;      /* orders the strategy asked for */
    uint64_t orders;        /* handed to the transport */
    uint64_t send_failures; /* passed by risk, refused by the transport */
    uint64_t stalls;        /* polls later than ENGINE_STALL_NS */
    uint64_t stall_ns_max;
    uint64_t stall_ns_total;
    uint64_t late_episodes;
};

struct engine {
    /* hot */
    struct control *control;
    uint64_t last_poll_ticks;
    uint64_t stall_ticks;
    uint64_t late_ticks;
    uint64_t last_order_poll_ns;
    uint64_t last_publish_ns;
    uint64_t last_order_ns;
    uint64_t last_timer_ns;
    uint64_t until;               /* position of the last message to be handed out: UINT64_MAX but in a replay */
    struct journal *journal;      /* NULL: none */
    struct risk_kill_switch kill; /* as the gate sees it: the page's, taken before every decision */
    uint64_t rehearsal_ns;
    struct order_request rehearsed; /* the last order that left; no shares: none */
    uint32_t strategy;
    uint32_t command;        /* number of the last one taken */
    uint32_t lines_off;      /* bits: lines whose packets are thrown away */
    bool stages;
    bool late;
    char letter;             /* of the active strategy: what its orders and the gate know it by */
    bool planned;            /* a strategy waits for its message or time */
    uint8_t session_ordinal; /* of the feed session that the book belongs to */
    struct clock clock;
    struct feed feed;
    struct itch50 itch;
    struct book book;
    struct touch_taker touch_taker;
    struct reflector reflector;
    struct risk risk;
    struct risk_seen seen;
    struct risk_memory *risk_memory;
    struct ouch42_template template_;
    struct decision_log decisions;
    struct engine_statistics statistics;
    char trading_states[STRATEGY_SYMBOL_COUNT]; /* 0 = never announced */
    struct order_session session;
    struct order_wire order_wire; /* off in step-by-step runs */
    struct port lines[FEED_LINE_COUNT];
    struct recovery recovery;
    struct strategies strategies;
    struct control own_control; /* used when nobody shares a page */
    struct engine_options options;
    char error[ENGINE_ERROR_BYTES];
};

/* Bytes for engine_init(), 0 when an option is out of range. */
size_t engine_memory_size(const struct engine_options *options);

/* 0 or -errno with a sentence in engine->error. `control` may be NULL. */
int engine_init(struct engine *engine, const struct engine_options *options, struct control *control, void *memory,
                size_t size);

/* One round over wires, timers and the order session. Returns datagrams handled. */
uint32_t engine_poll(struct engine *engine);

/* Polls until control->stop. */
void engine_run(struct engine *engine);

/* The steps that engine_poll() is made of, each of them a record of the journal: a datagram, and time. */
void engine_take_datagram(struct engine *engine, uint32_t line, const uint8_t *datagram, uint32_t length,
                          uint64_t now_ns);
void engine_take_time(struct engine *engine, uint64_t ticks, uint64_t now_ns);

/* One datagram at a given time, as if a line had brought it: for tests. */
void engine_step(struct engine *engine, uint32_t line, const uint8_t *datagram, uint32_t length, uint64_t now_ns);

/* Everything that the feed can hand out now goes through book, strategy, risk and order. For recovery.c. */
void engine_drain(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns);

/* The feed's next message, up to `until`. */
static inline bool engine_next(struct engine *engine, struct feed_message *message)
{
    return (engine->feed.position_base | engine->feed.next_sequence) <= engine->until &&
           feed_next(&engine->feed, message);
}

/* What the risk gate is told of a symbol now. For order_action.c. */
struct risk_context engine_risk_context(const struct engine *engine, uint16_t symbol, uint64_t now_ns);

/* For strategy_run.c: decode and book one message (false: nothing for a strategy), and one order request to its end. */
bool engine_apply(struct engine *engine, const struct feed_message *message, uint64_t *stages, struct event *event,
                  uint64_t now_ns);
enum risk_reason engine_answer(struct engine *engine, const struct order_request *request, char letter, uint8_t line,
                               const uint64_t *stages, uint64_t now_ns);

/* Timers at a given time: hold-back, silence, heartbeats, recovery. */
void engine_step_timer(struct engine *engine, uint64_t now_ns);

/* Decisions with their stamps in CLOCK_MONOTONIC ns; rows written, at most capacity. */
uint32_t engine_export_decisions(const struct engine *engine, struct decision_row *rows, uint32_t capacity);

#endif
