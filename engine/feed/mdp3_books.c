/* Instruments of a channel: table, RptSeq, books by event, status; the rules are in mdp3_channel.h. */
#include "engine/feed/mdp3_books.h"

#include <string.h>

/* ---- events kept for wrong books ---- */

void mdp3_kept_drop(struct mdp3_channel *channel, struct mdp3_kept *kept)
{
    if (kept->first == 0)
        return;
    channel->kept[kept->last].next = channel->kept_free;
    channel->kept_free = kept->first;
    channel->kept_count -= kept->count;
    *kept = (struct mdp3_kept){0};
}

bool mdp3_kept_append(struct mdp3_channel *channel, struct mdp3_kept *kept, const struct event *event)
{
    uint32_t index = channel->kept_free;

    if (index != 0) {
        channel->kept_free = channel->kept[index].next;
    } else if (channel->kept_used < channel->options.join_capacity) {
        index = ++channel->kept_used;
    } else {
        channel->statistics.join_overflows++;
        mdp3_kept_drop(channel, kept);
        return false;
    }
    channel->kept[index].event = *event;
    channel->kept[index].next = 0;
    if (kept->first == 0)
        kept->first = index;
    else
        channel->kept[kept->last].next = index;
    kept->last = index;
    kept->count++;
    if (++channel->kept_count > channel->kept_count_max)
        channel->kept_count_max = channel->kept_count;
    return true;
}

/* ---- right and wrong ---- */

void mdp3_books_prove(struct mdp3_channel *channel, struct mdp3_instrument *instrument)
{
    if (!mdp3_is_right(channel, instrument))
        channel->right_count++;
    instrument->right = instrument->ever_right = true;
    instrument->epoch = channel->epoch;
    mdp3_kept_drop(channel, &instrument->kept);
}

void mdp3_books_prove_orders(struct mdp3_channel *channel, struct mdp3_instrument *instrument)
{
    if (!mdp3_is_orders_right(channel, instrument))
        channel->orders_right_count++;
    instrument->orders_right = instrument->orders_ever_right = true;
    instrument->order_epoch = channel->order_epoch;
    instrument->chunk_count = 0;
    mdp3_kept_drop(channel, &instrument->kept_orders);
}

void mdp3_books_lose(struct mdp3_channel *channel, struct mdp3_instrument *instrument, uint32_t expected_report)
{
    if (mdp3_is_right(channel, instrument)) {
        channel->right_count--;
        channel->cause = MDP3_CAUSE_REPORT_GAP;
    }
    instrument->right = false;
    instrument->epoch = 0; /* of no epoch: a snapshot may make it right without proving it */
    instrument->expected_report = expected_report;
    level_book_forget(&instrument->book);
    mdp3_kept_drop(channel, &instrument->kept);
}

void mdp3_books_suspect(struct mdp3_channel *channel, uint64_t contiguous_position)
{
    channel->epoch++;
    channel->order_epoch++;
    channel->right_count = 0;
    channel->orders_right_count = 0;
    channel->contiguous_position = contiguous_position;
    channel->order_contiguous_position = contiguous_position;
    channel->whole = false;
}

static void empty_book(struct mdp3_channel *channel, struct mdp3_instrument *instrument)
{
    level_book_reset(&instrument->book);
    mdp3_books_prove(channel, instrument);
    if (channel->options.order_capacity != 0)
        mbo_book_clear(&channel->orders, (uint16_t)(instrument - channel->instruments));
    mdp3_books_prove_orders(channel, instrument);
}

void mdp3_books_reset(struct mdp3_channel *channel, uint64_t position)
{
    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        struct mdp3_instrument *instrument = &channel->instruments[index];

        empty_book(channel, instrument);
        instrument->expected_report = 1;
        instrument->heard_position = 0;
        instrument->covered_position = position - 1; /* entries behind the reset may be in the same packet */
        instrument->order_covered_position = position - 1;
    }
    channel->floor_position = position;
    channel->whole = channel->synced = true;
}

void mdp3_books_missed_reset(struct mdp3_channel *channel, uint64_t position)
{
    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        struct mdp3_instrument *instrument = &channel->instruments[index];

        mdp3_books_lose(channel, instrument, instrument->expected_report);
    }
    channel->order_epoch++;
    channel->orders_right_count = 0;
    channel->order_contiguous_position = position;
    channel->floor_position = position;
    channel->cause = MDP3_CAUSE_CHANNEL_RESET;
    channel->resending = true;
    channel->statistics.resets_missed++;
}

/* ---- table ---- */

static uint32_t *place_of(const struct mdp3_channel *channel, int32_t security)
{
    uint32_t slot = ((uint32_t)security * 0x9E3779B1u) >> 8 & channel->table_mask;

    while (channel->table[slot] != 0 && channel->instruments[channel->table[slot] - 1].security != security)
        slot = (slot + 1) & channel->table_mask; /* the table is at most half full */
    return &channel->table[slot];
}

int32_t mdp3_channel_find(const struct mdp3_channel *channel, int32_t security)
{
    return (int32_t)*place_of(channel, security) - 1;
}

int32_t mdp3_books_enter(struct mdp3_channel *channel, int32_t security)
{
    if (channel->recent < channel->instrument_count && channel->instruments[channel->recent].security == security)
        return (int32_t)channel->recent;

    uint32_t *place = place_of(channel, security);

    if (*place != 0) {
        channel->recent = *place - 1;
        return (int32_t)channel->recent;
    }
    if (channel->instrument_count == channel->options.instrument_count) {
        channel->statistics.instruments_lost++;
        return -1;
    }

    uint32_t index = channel->instrument_count++;
    struct mdp3_instrument *instrument = &channel->instruments[index];

    *place = index + 1;
    *instrument = (struct mdp3_instrument){.security = security, .expected_report = 1, .status = MDP3_STATUS_NONE,
                                           .right = true}; /* right if its first entry is number 1 */
    level_book_init(&instrument->book, channel->options.depth, channel->options.implied_depth);
    channel->cause = MDP3_CAUSE_NEW_INSTRUMENT;
    channel->recent = index;
    if (channel->whole) {
        mdp3_books_prove(channel, instrument);
        mdp3_books_prove_orders(channel, instrument);
    }
    return (int32_t)index;
}

/* ---- books by price ---- */

/* The entry belongs into the book; what follows from its number is done. */
static bool track(struct mdp3_channel *channel, struct mdp3_instrument *instrument, const struct event *event)
{
    if (event->sequence <= instrument->covered_position) {
        channel->statistics.reports_covered++;
        return false;
    }

    const int32_t distance = (int32_t)(event->report_sequence - instrument->expected_report);

    instrument->heard_position = event->sequence;
    if (__builtin_expect(distance == 0, 1)) {
        instrument->expected_report++;
        if (instrument->right && instrument->epoch != channel->epoch) {
            channel->statistics.proven += instrument->ever_right;
            channel->cause = MDP3_CAUSE_PROVEN;
            mdp3_books_prove(channel, instrument);
        }
        return true;
    }
    channel->statistics.report_gaps += distance > 0;
    channel->statistics.report_backs += distance < 0;
    mdp3_books_lose(channel, instrument, event->report_sequence + 1);
    return true;
}

static enum level_book_outcome apply_level(struct mdp3_instrument *instrument, const struct event *event)
{
    return level_book_apply(&instrument->book, level_book_side_of(event->flag), event->action, event->level,
                            event->wide_price, event->wide_shares, event->order_count);
}

static void apply_report(struct mdp3_channel *channel, struct mdp3_instrument *instrument, const struct event *event)
{
    if (!track(channel, instrument, event))
        return;
    if (event->kind == EVENT_BOOK_RESET) {
        empty_book(channel, instrument);
        return;
    }
    if (event->kind == EVENT_LEVEL && apply_level(instrument, event) != LEVEL_BOOK_APPLIED) {
        channel->statistics.contradictions++;
        mdp3_books_lose(channel, instrument, instrument->expected_report);
        apply_level(instrument, event); /* what it tells is all that is known now */
    }
    if (instrument->right)
        return;
    if (channel->options.natural_refresh && level_book_known(&instrument->book)) {
        channel->statistics.natural_refreshes++;
        channel->cause = MDP3_CAUSE_PROVEN;
        mdp3_books_prove(channel, instrument);
    } else if (channel->options.snapshots) {
        mdp3_kept_append(channel, &instrument->kept, event); /* without room a later snapshot will do */
    }
}

/* ---- books by order ---- */

bool mdp3_books_order(struct mdp3_channel *channel, uint32_t index, const struct event *event)
{
    const unsigned side = event->side == 'B' ? MBO_BOOK_BID : event->side == 'S' ? MBO_BOOK_ASK : MBO_BOOK_SIDE_COUNT;
    const uint16_t symbol = (uint16_t)index;

    if (event->action == EVENT_ACTION_DELETE)
        return mbo_book_delete(&channel->orders, symbol, event->order_reference) == MBO_BOOK_APPLIED;
    if (event->wide_price == EVENT_PRICE_NULL || event->wide_shares == EVENT_QUANTITY_NULL)
        return false;
    if (event->action == EVENT_ACTION_NEW)
        return mbo_book_new(&channel->orders, symbol, side, event->order_reference, event->priority, event->wide_price,
                            event->wide_shares) == MBO_BOOK_APPLIED;
    return event->action == EVENT_ACTION_CHANGE &&
           mbo_book_update(&channel->orders, symbol, side, event->order_reference, event->priority, event->wide_price,
                           event->wide_shares) == MBO_BOOK_APPLIED;
}

static void keep_order(struct mdp3_channel *channel, struct mdp3_instrument *instrument, const struct event *event)
{
    if (instrument->order_kept_epoch != channel->order_epoch) {
        mdp3_kept_drop(channel, &instrument->kept_orders);
        instrument->order_kept_epoch = channel->order_epoch;
        instrument->order_kept_from = channel->order_contiguous_position;
    }
    if (!mdp3_kept_append(channel, &instrument->kept_orders, event))
        instrument->order_kept_from = event->sequence + 1;
}

static void apply_order(struct mdp3_channel *channel, const struct event *event)
{
    if (channel->options.order_capacity == 0)
        return;
    if (event->symbol == 0) {
        if (event->side != 0)
            return; /* no room for the instrument */
        channel->statistics.order_contradictions++; /* it could be of any instrument */
        channel->order_epoch++;
        channel->orders_right_count = 0;
        channel->order_contiguous_position = event->sequence + 1;
        channel->cause = MDP3_CAUSE_REPORT_GAP;
        return;
    }

    struct mdp3_instrument *instrument = &channel->instruments[event->symbol - 1];

    if (event->sequence <= instrument->order_covered_position)
        return;
    if (!mdp3_is_orders_right(channel, instrument)) {
        if (channel->options.snapshots)
            keep_order(channel, instrument, event);
        return;
    }
    if (mdp3_books_order(channel, event->symbol - 1u, event))
        return;
    channel->statistics.order_contradictions++;
    channel->orders_right_count--;
    channel->cause = MDP3_CAUSE_REPORT_GAP;
    instrument->orders_right = false;
    instrument->order_epoch = 0;
    instrument->order_kept_epoch = channel->order_epoch;
    instrument->order_kept_from = event->sequence + 1;
    mdp3_kept_drop(channel, &instrument->kept_orders);
}

void mdp3_books_apply(struct mdp3_channel *channel, const struct event *event)
{
    if (event->kind == EVENT_ORDER) {
        apply_order(channel, event);
    } else if (event->kind == EVENT_CHANNEL_RESET) {
        channel->statistics.channel_resets++;
        channel->cause = MDP3_CAUSE_CHANNEL_RESET;
        channel->resending = true;
        mdp3_books_reset(channel, event->sequence);
    } else if (event->report_sequence != 0 && event->symbol != 0) {
        apply_report(channel, &channel->instruments[event->symbol - 1], event);
    }
}

/* ---- status and definition ---- */

void mdp3_books_set_status(struct mdp3_instrument *instrument, uint8_t status, uint64_t position)
{
    if (status == MDP3_STATUS_NONE || status == MDP3_STATUS_NO_CHANGE || position < instrument->status_position)
        return;
    instrument->status = status;
    instrument->status_position = position;
}

static void set_reasons(struct mdp3_instrument *instrument, const struct mdp3_status *status, uint64_t position)
{
    mdp3_books_set_status(instrument, status->status, position);
    instrument->halt_reason = status->halt_reason;
    instrument->trading_event = status->trading_event;
}

/* Codes are padded with zeros or spaces. */
static bool code_equal(const char *left, const char *right)
{
    for (unsigned index = 0; index < MDP3_CODE_SIZE; index++) {
        char a = left[index] == ' ' ? 0 : left[index], b = right[index] == ' ' ? 0 : right[index];

        if (a != b)
            return false;
    }
    return true;
}

void mdp3_books_status(struct mdp3_channel *channel, const struct mdp3_status *status, uint64_t position)
{
    if (status->security != MDP3_SECURITY_NULL) {
        int32_t index = mdp3_books_enter(channel, status->security);

        if (index >= 0)
            set_reasons(&channel->instruments[index], status, position);
        return;
    }

    const bool whole_group = status->asset[0] == 0 || status->asset[0] == ' ';
    const bool stops = status->status != MDP3_STATUS_READY && status->status != MDP3_STATUS_NONE &&
                       status->status != MDP3_STATUS_NO_CHANGE;

    for (uint32_t index = 0; index < channel->instrument_count; index++) {
        struct mdp3_instrument *instrument = &channel->instruments[index];

        if (instrument->defined && code_equal(instrument->group, status->group) &&
            (whole_group || code_equal(instrument->asset, status->asset)))
            set_reasons(instrument, status, position);
        else if (!instrument->defined && stops) /* it may be of that group */
            mdp3_books_set_status(instrument, MDP3_STATUS_UNKNOWN, position);
    }
}

void mdp3_books_define(struct mdp3_channel *channel, const struct mdp3_definition *definition, uint64_t position)
{
    int32_t index = mdp3_books_enter(channel, definition->security);

    if (index < 0)
        return;

    struct mdp3_instrument *instrument = &channel->instruments[index];

    instrument->defined = true;
    memcpy(instrument->group, definition->group, sizeof(instrument->group));
    memcpy(instrument->asset, definition->asset, sizeof(instrument->asset));
    memcpy(instrument->symbol, definition->symbol, sizeof(instrument->symbol));
    if (definition->depth != 0)
        level_book_set_depth(&instrument->book, definition->depth, definition->implied_depth);
    if (instrument->right && !level_book_known(&instrument->book)) /* deeper than it was thought to be */
        mdp3_books_lose(channel, instrument, instrument->expected_report);
    mdp3_books_set_status(instrument, definition->action == 'D' ? 18 : definition->status, position);
}
