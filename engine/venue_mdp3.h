/* The second venue as an engine: CME MDP 3.0 from both lines to canonical events, market data only.
 *
 *     ports A, B -> mdp3_channel (arbiter, decoder, books by price) -> event_sink
 *
 * It takes the place of feed, itch50, book and strategy: which of the two runs is chosen once, before the loop
 * (runner.c), so the hot path of the other venue does not know of it. Nothing trades here. There is no strategy and no
 * order session, and the engine's own risk gate stays closed: its feed was never LIVE. Only the control page is shared
 * with it; of the commands, `stop` alone means something.
 *
 * Both copies of a packet are stamped (sw-app) when their line's turn comes within a poll: line A is always looked at
 * first, so of two copies that came between two polls A's counts as the first. How long a copy waited is known only to
 * whoever stamped the wire.
 *
 * Sink: published events leave in batches through one function, chosen at start. event_tally, the default, counts
 * events by kind and mixes every byte of them into a digest: two runs with the same digest published the same events.
 *
 * Owner: the engine's thread. The caller gives the memory; nothing allocates, locks or prints after init. Bounds: one
 * batch of VENUE_MDP3_BATCH events at a time, then the next; the channel's own are in mdp3_channel.h.
 * Cost: the channel's; about 60 ns an event more for the digest.
 */
#ifndef ENGINE_VENUE_MDP3_H
#define ENGINE_VENUE_MDP3_H

#include <stddef.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/control.h"
#include "engine/feed/event.h"
#include "engine/feed/mdp3_channel.h"
#include "engine/io/port.h"

enum { VENUE_MDP3_BATCH = 64 };

/* How often time is told to the channel: while packets are held back, and else. Every such step is journaled. */
#define VENUE_MDP3_TIMER_BUSY_NS 5000ull
#define VENUE_MDP3_TIMER_IDLE_NS 100000ull

#define VENUE_MDP3_STALL_NS 20000ull /* a poll that comes later is counted as a stall */

/* Whoever wants canonical events, of any venue. They are valid during the call. */
struct event_sink {
    void (*take)(void *context, const struct event *events, uint32_t count);
    void *context;
};

struct event_tally {
    uint64_t events;
    uint64_t kinds[EVENT_KIND_COUNT];
    uint64_t unknown_kinds;
    uint64_t digest; /* of all events in order */
};

struct venue_mdp3_statistics {
    uint64_t polls;
    uint64_t packets; /* handed to the channel */
    uint64_t stalls;  /* polls later than VENUE_MDP3_STALL_NS */
    uint64_t stall_ns_max;
    uint64_t stall_ns_total;
};

struct journal;

struct venue_mdp3 {
    struct control *control;
    struct journal *journal;   /* NULL: none */
    struct port *lines;        /* FEED_LINE_COUNT */
    const struct clock *clock;
    uint64_t last_poll_ns;
    uint64_t last_publish_ns;
    uint64_t last_timer_ns;
    uint64_t now_ns;
    struct event_sink sink;
    struct event_tally tally;
    struct venue_mdp3_statistics statistics;
    struct event batch[VENUE_MDP3_BATCH];
    struct mdp3_channel channel;
};

/* `sink` NULL: the tally. `lines`, `control` and `clock` are the engine's. 0, or -EINVAL as mdp3_channel_init(), whose
 * memory this is. */
int venue_mdp3_init(struct venue_mdp3 *venue, const struct mdp3_channel_options *options, struct port *lines,
                    struct control *control, const struct clock *clock, const struct event_sink *sink, void *memory,
                    size_t size);

/* One datagram of line 0 or 1 at a given time, and all that it publishes. */
void venue_mdp3_step(struct venue_mdp3 *venue, uint32_t line, const uint8_t *datagram, uint32_t length,
                     uint64_t now_ns);

/* Time alone: hold-back and silence. */
void venue_mdp3_timer(struct venue_mdp3 *venue, uint64_t now_ns);

/* One round over both lines and the timer. Returns datagrams handled. */
uint32_t venue_mdp3_poll(struct venue_mdp3 *venue);

/* Polls until control->stop. */
void venue_mdp3_run(struct venue_mdp3 *venue);

void event_tally_take(void *tally, const struct event *events, uint32_t count);

#endif
