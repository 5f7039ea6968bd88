/* Snapshots of the recovery feeds into single books; the rules are in mdp3_channel.h.
 *
 * A book by price is put together beside the live one and swapped in when everything fits, so that a snapshot that
 * does not join costs nothing. A book by order is put together in place, for it is wrong until then anyway.
 */
#include "engine/feed/mdp3_books.h"

#include <string.h>

/* ---- books by price ---- */

/* The message's levels, on an empty book; false: they make no book. */
static bool read_levels(const struct mdp3_message *message, struct level_book *book)
{
    struct mdp3_cursor cursor;
    struct event event;

    level_book_reset(book);
    mdp3_decode_begin(&cursor, message);
    while (mdp3_decode_next(&cursor, &event)) {
        if (event.kind != EVENT_LEVEL)
            continue;
        enum level_book_outcome outcome =
            level_book_apply(book, level_book_side_of(event.flag), EVENT_ACTION_OVERLAY, event.level, event.wide_price,
                             event.wide_shares, event.order_count);

        if (outcome != LEVEL_BOOK_APPLIED && outcome != LEVEL_BOOK_CONTRADICTION) /* levels may come in any order, */
            return false;
    }
    for (unsigned side = 0; side < LEVEL_BOOK_SIDE_COUNT; side++) {
        uint16_t filled = book->sides[side].filled;

        if ((filled & (filled + 1)) != 0) /* but none may be left out */
            return false;
    }
    return true;
}

/* What was kept behind the snapshot, onto its book; false: it does not continue it. *known becomes the last packet
 * whose entries the book has then. */
static bool replay_levels(const struct mdp3_channel *channel, const struct mdp3_instrument *instrument,
                          struct level_book *book, uint32_t *expected_report, uint64_t *known)
{
    const uint64_t position = *known;

    for (uint32_t at = instrument->kept.first; at != 0; at = channel->kept[at].next) {
        const struct event *event = &channel->kept[at].event;

        if (event->sequence <= position)
            continue;
        *known = event->sequence;
        if ((int32_t)(event->report_sequence - *expected_report) < 0)
            continue;
        if (event->report_sequence != *expected_report)
            return false;
        (*expected_report)++;
        if (event->kind == EVENT_LEVEL &&
            level_book_apply(book, level_book_side_of(event->flag), event->action, event->level, event->wide_price,
                             event->wide_shares, event->order_count) != LEVEL_BOOK_APPLIED)
            return false;
    }
    return instrument->heard_position <= *known;
}

/* The same prices and quantities on every side. */
static bool same_levels(const struct level_book *left, const struct level_book *right)
{
    for (unsigned side = 0; side < LEVEL_BOOK_SIDE_COUNT; side++) {
        if (left->sides[side].filled != right->sides[side].filled)
            return false;
        for (unsigned level = 0; level < left->sides[side].depth; level++) {
            if (left->sides[side].levels[level].price != right->sides[side].levels[level].price ||
                left->sides[side].levels[level].quantity != right->sides[side].levels[level].quantity)
                return false;
        }
    }
    return true;
}

static void publish_snapshot(struct mdp3_channel *channel, uint32_t index, const struct mdp3_message *message,
                             uint64_t position)
{
    struct mdp3_cursor cursor;
    struct event event;

    mdp3_decode_begin(&cursor, message);
    if (!mdp3_decode_next(&cursor, &event))
        return;
    event.symbol = (uint16_t)(index + 1);
    /* published before what is pending, so not numbered behind it */
    event.sequence = channel->pending_count != 0
                         ? channel->pending[0].sequence
                         : mdp3_arbiter_position(&channel->arbiter, channel->arbiter.next_sequence) - 1;
    event.match = position;
    event.indicator = EVENT_INDICATOR_END;
    mdp3_channel_publish(channel, &event);
}

/* The instrument's book has everything that the snapshot can have, and all of it is in the book. */
static bool is_level_with(const struct mdp3_channel *channel, uint64_t position)
{
    return channel->pending_count == 0 &&
           position == mdp3_arbiter_position(&channel->arbiter, channel->arbiter.next_sequence) - 1;
}

/* `position` is that of the last packet in the snapshot; it is not ahead of the stream. */
static void join_book(struct mdp3_channel *channel, uint32_t index, const struct mdp3_snapshot *snapshot,
                      const struct mdp3_message *message, uint64_t position)
{
    struct mdp3_instrument *instrument = &channel->instruments[index];
    const bool was_right = mdp3_is_right(channel, instrument);

    /* nothing to learn: right, and the stream is past it; or suspect, and older than what is there */
    if (was_right ? !is_level_with(channel, position) : instrument->right && position < instrument->heard_position)
        return;

    if (was_right && (int32_t)(snapshot->report_sequence + 1 - instrument->expected_report) < 0) {
        channel->statistics.contradictions++; /* one of the two is wrong: the next loop will tell */
        mdp3_books_lose(channel, instrument, instrument->expected_report);
        return;
    }

    struct level_book book = instrument->book;
    uint32_t expected_report = snapshot->report_sequence + 1;
    uint64_t known = position;

    if (!read_levels(message, &book) || !replay_levels(channel, instrument, &book, &expected_report, &known)) {
        channel->statistics.snapshots_failed++;
        return;
    }

    const bool same = instrument->right && instrument->ever_right &&
                      instrument->expected_report == expected_report && same_levels(&book, &instrument->book);

    if (was_right && same)
        return;
    if (was_right) {
        channel->statistics.contradictions++;
        mdp3_books_lose(channel, instrument, expected_report);
    }
    book.implied_seen |= instrument->book.implied_seen;
    instrument->book = book;
    instrument->expected_report = expected_report;
    instrument->covered_position = position;
    instrument->right = true;
    if (known + 1 >= channel->contiguous_position)
        mdp3_books_prove(channel, instrument);
    else /* suspect: packets behind what is known were lost */
        mdp3_kept_drop(channel, &instrument->kept);
    instrument->ever_right = true;
    channel->statistics.snapshots_confirmed += same;
    channel->statistics.snapshots_joined += !same;
    if (!same)
        publish_snapshot(channel, index, message, position);
}

/* ---- books by order ---- */

/* Orders kept behind the snapshot; false: they do not fit. */
static bool replay_orders(struct mdp3_channel *channel, uint32_t index, uint64_t position)
{
    for (uint32_t at = channel->instruments[index].kept_orders.first; at != 0; at = channel->kept[at].next) {
        if (channel->kept[at].event.sequence > position &&
            !mdp3_books_order(channel, index, &channel->kept[at].event))
            return false;
    }
    return true;
}

/* Every order of the instrument behind `position` was kept. */
static bool orders_kept(const struct mdp3_channel *channel, const struct mdp3_instrument *instrument, uint64_t position)
{
    const uint64_t from = instrument->order_kept_epoch == channel->order_epoch ? instrument->order_kept_from
                                                                               : channel->order_contiguous_position;

    return position + 1 >= from && position + 1 >= channel->order_contiguous_position;
}

/* Start over with the book by order of another L. */
static void abandon_orders(struct mdp3_channel *channel, uint32_t index)
{
    mbo_book_clear(&channel->orders, (uint16_t)index);
    memset(channel->chunks[index], 0, sizeof(channel->chunks[index]));
    channel->instruments[index].chunk_count = 0;
    channel->instruments[index].chunks_seen = 0;
}

static bool finish_orders(struct mdp3_channel *channel, uint32_t index, uint64_t position)
{
    struct mdp3_instrument *instrument = &channel->instruments[index];

    if (!replay_orders(channel, index, position)) {
        channel->statistics.snapshots_failed++;
        abandon_orders(channel, index);
        return false;
    }
    instrument->order_covered_position = position;
    mdp3_books_prove_orders(channel, instrument);
    return true;
}

/* True: the instrument's book by order is right, or every chunk of it was there. */
static bool join_orders(struct mdp3_channel *channel, uint32_t index, const struct mdp3_snapshot *snapshot,
                        const struct mdp3_message *message, uint64_t position)
{
    struct mdp3_instrument *instrument = &channel->instruments[index];
    struct mdp3_cursor cursor;
    struct event event;

    if (mdp3_is_orders_right(channel, instrument))
        return true;
    if (!orders_kept(channel, instrument, position)) {
        channel->statistics.snapshots_old++;
        return false;
    }
    if (snapshot->chunk_count == 0 || snapshot->chunk_count > MDP3_CHUNK_COUNT_MAX || snapshot->chunk == 0 ||
        snapshot->chunk > snapshot->chunk_count) {
        channel->statistics.snapshots_failed++;
        return false;
    }
    if (instrument->chunk_sequence != snapshot->last_sequence || instrument->chunk_count != snapshot->chunk_count) {
        abandon_orders(channel, index);
        instrument->chunk_sequence = snapshot->last_sequence;
        instrument->chunk_count = snapshot->chunk_count;
    }

    uint64_t *word = &channel->chunks[index][(snapshot->chunk - 1) / 64], bit = 1ull << (snapshot->chunk - 1) % 64;

    if ((*word & bit) != 0)
        return false;
    *word |= bit;
    instrument->chunks_seen++;
    mdp3_decode_begin(&cursor, message);
    while (mdp3_decode_next(&cursor, &event)) {
        if (event.kind == EVENT_ORDER && !mdp3_books_order(channel, index, &event)) {
            channel->statistics.snapshots_failed++;
            abandon_orders(channel, index);
            return false;
        }
    }
    if (instrument->chunks_seen != instrument->chunk_count)
        return false;
    if (!finish_orders(channel, index, position))
        return false;
    channel->statistics.order_snapshots_joined++;
    publish_snapshot(channel, index, message, position);
    return true;
}

/* ---- loops ---- */

void mdp3_join_packet(struct mdp3_channel *channel, unsigned source, const struct mdp3_packet *packet)
{
    struct mdp3_loop *loop = &channel->loops[source];

    if (loop->identity == 0 || packet->sequence < loop->last_sequence ||
        (packet->sequence == loop->last_sequence && packet->sending_ns != loop->sending_ns))
        *loop = (struct mdp3_loop){.identity = ++channel->loop_identity, .lowest_position = UINT64_MAX};
    loop->last_sequence = packet->sequence;
    loop->sending_ns = packet->sending_ns;
}

/* The loop has named every active instrument: what it has not named, and never had an entry, is empty. */
static void finish_loop(struct mdp3_channel *channel, unsigned source, bool by_price)
{
    const struct mdp3_loop *loop = &channel->loops[source];

    channel->statistics.loops_completed++;
    channel->synced |= by_price;
    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        struct mdp3_instrument *instrument = &channel->instruments[index];

        if (instrument->loop_marks[source] == loop->identity)
            continue;
        if (by_price) {
            if (instrument->heard_position != 0 || instrument->ever_right ||
                loop->lowest_position + 1 < channel->contiguous_position)
                continue;
            level_book_reset(&instrument->book);
            instrument->expected_report = 1;
            mdp3_books_prove(channel, instrument);
        } else if (!mdp3_is_orders_right(channel, instrument) &&
                   orders_kept(channel, instrument, loop->lowest_position)) {
            abandon_orders(channel, index);
            finish_orders(channel, index, loop->lowest_position);
        }
    }
}

/* One more instrument of the loop is done. */
static void mark(struct mdp3_channel *channel, unsigned source, struct mdp3_instrument *instrument,
                 const struct mdp3_snapshot *snapshot, uint64_t position, bool by_price)
{
    struct mdp3_loop *loop = &channel->loops[source];

    if (instrument->loop_marks[source] == loop->identity)
        return;
    instrument->loop_marks[source] = loop->identity;
    if (position < loop->lowest_position)
        loop->lowest_position = position;
    if (++loop->seen == snapshot->report_count)
        finish_loop(channel, source, by_price);
}

/* Where the stream stands as far as a snapshot can tell: false, it is ahead of the lines and of no use yet. */
static bool reached(struct mdp3_channel *channel, uint32_t last_sequence, uint64_t sending_ns)
{
    struct mdp3_arbiter *arbiter = &channel->arbiter;
    const uint64_t next_sequence = last_sequence + 1ull;

    if (mdp3_arbiter_silent(arbiter) && (!arbiter->sequence_known || next_sequence > arbiter->next_sequence)) {
        mdp3_arbiter_begin(arbiter, next_sequence, sending_ns);
        channel->contiguous_position = mdp3_arbiter_position(arbiter, arbiter->next_sequence);
        channel->order_contiguous_position = channel->contiguous_position;
    }
    if (next_sequence <= arbiter->next_sequence)
        return true;
    channel->statistics.snapshots_ahead++;
    if (sending_ns >= arbiter->sending_ns) /* else it may be of last week */
        mdp3_arbiter_announce(arbiter, next_sequence, channel->now_ns);
    return false;
}

void mdp3_join_message(struct mdp3_channel *channel, unsigned source, const struct mdp3_message *message,
                       uint64_t sending_ns)
{
    const bool by_price = message->layout->kind == MDP3_KIND_SNAPSHOT;
    struct mdp3_snapshot snapshot;

    mdp3_snapshot_read(message, &snapshot);
    channel->statistics.snapshots++;
    channel->snapshot_epoch = channel->epoch;

    int32_t index = mdp3_books_enter(channel, snapshot.security);

    if (index < 0 || !reached(channel, snapshot.last_sequence, sending_ns))
        return;

    const uint64_t position = mdp3_arbiter_position(&channel->arbiter, snapshot.last_sequence);
    struct mdp3_instrument *instrument = &channel->instruments[index];

    if (position < channel->floor_position) {
        channel->statistics.snapshots_old++;
        return;
    }
    channel->cause = MDP3_CAUSE_SNAPSHOT;
    if (by_price) {
        mdp3_books_set_status(instrument, snapshot.status, position);
        join_book(channel, (uint32_t)index, &snapshot, message, position);
        mark(channel, source, instrument, &snapshot, position, true);
    } else if (channel->options.order_capacity != 0) {
        if (join_orders(channel, (uint32_t)index, &snapshot, message, position))
            mark(channel, source, instrument, &snapshot, position, false);
    }
}
