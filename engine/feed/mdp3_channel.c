/* The channel's way of a datagram: arbitrate, decode, wait for the end of the event, apply, publish; states.
 *
 * The contract is in mdp3_channel.h; books change in mdp3_books.c and mdp3_join.c.
 */
#include "engine/feed/mdp3_channel.h"

#include <string.h>

#include "engine/feed/mdp3_books.h"

/* ---- states ---- */

static bool all_right(const struct mdp3_channel *channel)
{
    return channel->synced && !channel->resending && channel->right_count == channel->instrument_count &&
           (channel->options.order_capacity == 0 || channel->orders_right_count == channel->instrument_count);
}

static enum feed_state state_of(const struct mdp3_channel *channel)
{
    if (channel->ended)
        return FEED_ENDED;
    if (channel->arbiter.lines_down)
        return FEED_DOWN;
    if (!channel->arbiter.sequence_known)
        return FEED_STARTUP;
    if (all_right(channel))
        return FEED_LIVE;
    if (!channel->ever_live)
        return FEED_SYNC;
    if (!channel->options.snapshots)
        return FEED_GAP;
    return channel->snapshot_epoch == channel->epoch || channel->resending ? FEED_RESYNC : FEED_RECOVERING;
}

static void settle(struct mdp3_channel *channel)
{
    enum feed_state state = state_of(channel);

    if (__builtin_expect(state == channel->state, 1))
        return;
    if (channel->statistics.transitions >= MDP3_TRANSITION_COUNT)
        channel->statistics.transitions_lost++;
    channel->transitions[channel->statistics.transitions++ % MDP3_TRANSITION_COUNT] = (struct mdp3_transition){
        .at_ns = channel->now_ns,
        .position = mdp3_arbiter_position(&channel->arbiter, channel->arbiter.next_sequence),
        .from = (uint8_t)channel->state,
        .to = (uint8_t)state,
        .cause = channel->cause,
    };
    channel->state = state;
    channel->ever_live |= state == FEED_LIVE;
}

static enum feed_state book_state(const struct mdp3_channel *channel, bool current, bool right, bool ever_right)
{
    if (channel->state == FEED_STARTUP || channel->state == FEED_DOWN || channel->state == FEED_ENDED)
        return channel->state;
    if (current && !channel->resending)
        return FEED_LIVE;
    if (!ever_right)
        return FEED_SYNC;
    if (!channel->options.snapshots)
        return FEED_GAP;
    return right && !channel->resending ? FEED_RECOVERING : FEED_RESYNC;
}

enum feed_state mdp3_instrument_state(const struct mdp3_channel *channel, uint32_t index)
{
    const struct mdp3_instrument *instrument = &channel->instruments[index];

    return book_state(channel, mdp3_is_right(channel, instrument), instrument->right, instrument->ever_right);
}

enum feed_state mdp3_instrument_orders_state(const struct mdp3_channel *channel, uint32_t index)
{
    const struct mdp3_instrument *instrument = &channel->instruments[index];

    return book_state(channel, mdp3_is_orders_right(channel, instrument), false, instrument->orders_ever_right);
}

bool mdp3_instrument_tradable(const struct mdp3_channel *channel, uint32_t index)
{
    return index < channel->instrument_count && !channel->split &&
           mdp3_instrument_state(channel, index) == FEED_LIVE &&
           (channel->options.order_capacity == 0 || mdp3_instrument_orders_state(channel, index) == FEED_LIVE) &&
           (!channel->options.status_required || channel->instruments[index].status == MDP3_STATUS_READY);
}

/* ---- events ---- */

void mdp3_channel_publish(struct mdp3_channel *channel, const struct event *event)
{
    if (channel->published_count == channel->options.event_capacity * 2) {
        channel->statistics.events_lost++;
        return;
    }
    channel->published[channel->published_count++] = *event;
    channel->statistics.events++;
}

/* Apply and publish what is pending. */
static void commit(struct mdp3_channel *channel, bool event_over)
{
    const uint32_t count = channel->pending_count;

    for (uint32_t index = 0; index < count; index++) {
        struct event *event = &channel->pending[index];

        mdp3_books_apply(channel, event);
        event->indicator &= (uint8_t)~EVENT_INDICATOR_END;
        if (event_over && index == count - 1)
            event->indicator |= EVENT_INDICATOR_END;
        mdp3_channel_publish(channel, event);
    }
    channel->pending_count = 0;
    if (event_over)
        channel->split = false;
}

static void push(struct mdp3_channel *channel, const struct event *event)
{
    if (channel->pending_count == channel->options.event_capacity) {
        commit(channel, false);
        channel->statistics.events_split += !channel->split;
        channel->split = true;
    }
    channel->pending[channel->pending_count++] = *event;
}

/* The instrument that an event is about; 0: none, or no room for it. */
static uint16_t symbol_of(struct mdp3_channel *channel, const struct event *event)
{
    if (event->kind == EVENT_CHANNEL_RESET || event->security == MDP3_SECURITY_NULL ||
        (event->security == 0 && event->report_sequence == 0))
        return 0;
    return (uint16_t)(mdp3_books_enter(channel, event->security) + 1);
}

/* Status and definition take effect at once: a halt does not wait for the end of an event. */
static void apply_reference(struct mdp3_channel *channel, const struct mdp3_message *message, uint64_t position)
{
    if (message->layout->kind == MDP3_KIND_STATUS) {
        struct mdp3_status status;

        mdp3_status_read(message, &status);
        mdp3_books_status(channel, &status, position);
    } else if (message->layout->kind == MDP3_KIND_DEFINITION) {
        struct mdp3_definition definition;

        mdp3_definition_read(message, &definition);
        mdp3_books_define(channel, &definition, position);
    }
}

static bool is_snapshot(const struct mdp3_message *message)
{
    return message->layout->kind == MDP3_KIND_SNAPSHOT || message->layout->kind == MDP3_KIND_ORDER_SNAPSHOT;
}

/* After a channel reset books come again in messages with the recovery bit, until the first one without. */
static void hear_resend(struct mdp3_channel *channel, bool recovery, uint64_t position)
{
    if (__builtin_expect(recovery == channel->resending, 1))
        return;
    if (recovery) {
        commit(channel, false);
        mdp3_books_missed_reset(channel, position);
    }
    channel->resending = recovery;
}

static void take_message(struct mdp3_channel *channel, const struct mdp3_message *message, uint64_t position)
{
    const uint8_t kind = message->layout->kind;
    const uint8_t indicator = mdp3_indicator(message);
    struct mdp3_cursor cursor;
    struct event event;

    if (kind >= MDP3_KIND_BOOK && kind <= MDP3_KIND_LIMIT)
        hear_resend(channel, (indicator & EVENT_INDICATOR_RECOVERY) != 0, position);
    apply_reference(channel, message, position);
    mdp3_decode_begin(&cursor, message);
    while (mdp3_decode_next(&cursor, &event)) {
        event.sequence = position;
        event.symbol = symbol_of(channel, &event);
        push(channel, &event);
    }
    if ((indicator & EVENT_INDICATOR_END) != 0 || kind == MDP3_KIND_CHANNEL_RESET)
        commit(channel, true);
}

/* Every message of a checked datagram that is known, to the line's or the recovery feed's rules. */
static void take_messages(struct mdp3_channel *channel, const struct mdp3_delivery *delivery, unsigned source)
{
    const bool line = source <= MDP3_INCREMENTAL_B, definitions = source >= MDP3_DEFINITION_A;

    for (uint32_t offset = MDP3_HEADER_SIZE; offset < delivery->length;) {
        struct mdp3_message message;
        enum mdp3_outcome outcome =
            mdp3_message_parse(delivery->bytes + offset, delivery->length - offset, &message);

        if (!mdp3_outcome_good(outcome)) /* it was checked: not reached */
            return;
        offset += message.size;
        channel->statistics.unknown_templates += outcome == MDP3_UNKNOWN_TEMPLATE;
        channel->statistics.unknown_schemas += outcome == MDP3_UNKNOWN_SCHEMA;
        channel->statistics.newer_layouts += outcome == MDP3_NEWER_LAYOUT;
        if (message.layout == NULL)
            continue;
        channel->statistics.templates[message.number]++;
        if (message.layout->kind == MDP3_KIND_HEARTBEAT)
            continue;
        if (line && !is_snapshot(&message))
            take_message(channel, &message, delivery->position);
        else if (!line && !definitions && is_snapshot(&message))
            mdp3_join_message(channel, source, &message, delivery->sending_ns);
        else if (definitions && message.layout->kind == MDP3_KIND_DEFINITION)
            apply_reference(channel, &message, delivery->position);
        else
            channel->statistics.unexpected++;
    }
}

/* ---- the stream ---- */

/* Packets before `position` are lost: what had begun is applied as far as it came, and nothing is proven. */
static void on_gap(struct mdp3_channel *channel, uint64_t position)
{
    channel->statistics.events_cut += channel->pending_count != 0 || channel->split;
    commit(channel, false);
    channel->split = false;
    mdp3_books_suspect(channel, position);
    channel->cause = MDP3_CAUSE_PACKETS_LOST;
    settle(channel);
}

/* Numbers begin at 1: a new week, in which nothing has happened yet. */
static void on_session(struct mdp3_channel *channel)
{
    const uint64_t first = mdp3_arbiter_position(&channel->arbiter, 1);

    channel->statistics.events_cut += channel->pending_count != 0 || channel->split;
    commit(channel, false);
    channel->split = channel->resending = false;
    channel->session = channel->arbiter.session;
    mdp3_books_suspect(channel, first);
    mdp3_books_reset(channel, first);
    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        channel->instruments[index].status = MDP3_STATUS_NONE; /* last week's says nothing */
        channel->instruments[index].status_position = 0;
    }
    channel->cause = MDP3_CAUSE_NEW_SESSION;
    settle(channel);
}

static void take_packet(struct mdp3_channel *channel, const struct mdp3_delivery *delivery)
{
    if (channel->session != channel->arbiter.session)
        on_session(channel);
    if (channel->contiguous_position == 0) { /* the very first */
        channel->contiguous_position = channel->order_contiguous_position = delivery->position;
        channel->cause = MDP3_CAUSE_STARTED;
        if (delivery->sequence == 1) /* the week's first: what was defined so far is empty */
            mdp3_books_reset(channel, delivery->position);
    }
    if (delivery->lost != 0)
        on_gap(channel, delivery->position);
    take_messages(channel, delivery, MDP3_INCREMENTAL_A);
    settle(channel);
}

/* What the arbiter has done without a packet: a new numbering whose first packet is missing, a tail given up. */
static void after_drain(struct mdp3_channel *channel)
{
    if (channel->session != channel->arbiter.session)
        on_session(channel);
    if (channel->arbiter.lost != 0) {
        channel->arbiter.lost = 0;
        on_gap(channel, mdp3_arbiter_position(&channel->arbiter, channel->arbiter.next_sequence));
    }
    settle(channel);
}

bool mdp3_channel_next(struct mdp3_channel *channel, struct event *event)
{
    struct mdp3_delivery delivery;

    while (channel->published_head == channel->published_count) {
        channel->published_head = channel->published_count = 0;
        if (!mdp3_arbiter_next(&channel->arbiter, &delivery)) {
            after_drain(channel);
            if (channel->published_count == 0)
                return false;
            break;
        }
        take_packet(channel, &delivery);
    }
    *event = channel->published[channel->published_head++];
    return true;
}

uint32_t mdp3_channel_take(struct mdp3_channel *channel, struct event *events, uint32_t capacity)
{
    uint32_t count = 0;

    while (count < capacity && mdp3_channel_next(channel, &events[count]))
        count++;
    return count;
}

/* ---- datagrams ---- */

static enum mdp3_accept_outcome take_recovery(struct mdp3_channel *channel, unsigned source, const uint8_t *datagram,
                                              uint32_t length)
{
    struct mdp3_packet packet;
    enum mdp3_outcome outcome = mdp3_packet_check(datagram, length, &packet);

    if (outcome != MDP3_VALID) {
        channel->statistics.snapshot_malformed[outcome]++;
        return MDP3_ACCEPT_MALFORMED;
    }

    const struct mdp3_delivery delivery = {
        .bytes = datagram,
        .length = length,
        .sequence = packet.sequence,
        .sending_ns = packet.sending_ns,
    };

    mdp3_join_packet(channel, source, &packet);
    take_messages(channel, &delivery, source);
    settle(channel);
    return MDP3_ACCEPT_SNAPSHOT;
}

enum mdp3_accept_outcome mdp3_channel_accept(struct mdp3_channel *channel, unsigned source, const uint8_t *datagram,
                                             uint32_t length, uint64_t now_ns)
{
    if (source >= MDP3_SOURCE_COUNT)
        return MDP3_ACCEPT_BAD_SOURCE;
    if (channel->ended)
        return MDP3_ACCEPT_AFTER_END;
    if (channel->published_head != channel->published_count || !channel->arbiter.drained)
        return MDP3_ACCEPT_NOT_DRAINED;
    channel->published_head = channel->published_count = 0;
    channel->now_ns = now_ns;
    if (source > MDP3_INCREMENTAL_B) {
        channel->arbiter.now_ns = now_ns;
        return take_recovery(channel, source, datagram, length);
    }

    const bool was_down = channel->arbiter.lines_down;
    enum mdp3_accept_outcome outcome = mdp3_arbiter_accept(&channel->arbiter, source, datagram, length, now_ns);

    if (was_down && !channel->arbiter.lines_down)
        channel->cause = MDP3_CAUSE_LINE_RESUMED;
    return outcome;
}

void mdp3_channel_timer(struct mdp3_channel *channel, uint64_t now_ns)
{
    const bool was_down = channel->arbiter.lines_down;

    channel->now_ns = now_ns;
    mdp3_arbiter_timer(&channel->arbiter, now_ns);
    if (!was_down && channel->arbiter.lines_down) {
        channel->cause = MDP3_CAUSE_LINES_SILENT;
        settle(channel);
    }
}

void mdp3_channel_end(struct mdp3_channel *channel, uint64_t now_ns)
{
    channel->now_ns = now_ns;
    channel->ended = true;
    channel->cause = MDP3_CAUSE_ENDED;
    settle(channel);
}

uint32_t mdp3_channel_transitions(const struct mdp3_channel *channel, struct mdp3_transition *transitions,
                                  uint32_t capacity)
{
    const uint64_t total = channel->statistics.transitions;
    const uint64_t first = total > MDP3_TRANSITION_COUNT ? total - MDP3_TRANSITION_COUNT : 0;
    uint32_t count = 0;

    for (uint64_t index = first; index < total && count < capacity; index++)
        transitions[count++] = channel->transitions[index % MDP3_TRANSITION_COUNT];
    return count;
}
