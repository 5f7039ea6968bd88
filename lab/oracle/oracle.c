/*
 * See oracle.h for the rules and oracle_book.h for the book. Layout: the six book events, the strategy, the stream,
 * life and results.
 */
#include "lab/oracle/oracle.h"

#include "lab/oracle/oracle_book.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct top {
	uint32_t bid_price, bid_shares, ask_price, ask_shares;
};

/* touch_taker's state of one symbol. */
struct touch {
	struct top previous;
	bool previous_valid;
	int8_t imbalance_state;
	uint64_t last_trigger; /* sequence, 0 = never */
};

struct trigger_list {
	struct oracle_trigger *rows;
	size_t capacity;
};

struct oracle {
	struct oracle_options options;
	struct oracle_summary summary;
	struct oracle_book book;
	struct oracle_session *sessions;
	struct oracle_reset *resets;
	struct touch *touches; /* by symbol */
	struct trigger_list triggers, skipped;
	uint16_t *locates; /* by message */
	size_t locates_capacity;
	uint64_t position; /* of the next message */
	uint32_t session, reset; /* the current one, the next one */
	bool skipping;
};

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be32(const uint8_t *p) { return (uint32_t)be16(p) << 16 | be16(p + 2); }
static uint64_t be64(const uint8_t *p) { return (uint64_t)be32(p) << 32 | be32(p + 4); }

/* The six book events. `*symbol` becomes the symbol of an applied event and stays -1 otherwise. */

static enum oracle_status apply_add(struct oracle *o, const uint8_t *message, int *symbol)
{
	uint8_t side = message[19];
	if (side != 'B' && side != 'S')
		return ORACLE_SIDE;
	struct oracle_order order = {
		.reference = be64(message + 11),
		.shares = be32(message + 20),
		.price = be32(message + 32),
		.symbol = be16(message + 1),
		.side = side == 'B' ? ORACLE_BID : ORACLE_ASK,
	};
	if (oracle_book_find(&o->book, order.reference)) {
		o->summary.duplicate_references++;
		return ORACLE_OK;
	}
	if (order.shares == 0)
		return ORACLE_OK; /* never in the book: nobody hears of it */
	*symbol = order.symbol;
	return oracle_book_insert(&o->book, order) ? ORACLE_OK : ORACLE_NO_MEMORY;
}

static enum oracle_status apply_replace(struct oracle *o, uint32_t index, const uint8_t *message, int *symbol)
{
	struct oracle_order order = o->book.orders[index]; /* symbol and side are inherited */
	uint32_t standing = oracle_book_find(&o->book, be64(message + 19));
	if (standing && standing != index) {
		o->summary.duplicate_references++;
		return ORACLE_OK;
	}
	order.reference = be64(message + 19);
	order.shares = be32(message + 27);
	order.price = be32(message + 31);
	oracle_book_remove(&o->book, index);
	*symbol = order.symbol;
	return oracle_book_insert(&o->book, order) ? ORACLE_OK : ORACLE_NO_MEMORY;
}

static enum oracle_status apply(struct oracle *o, const uint8_t *message, int *symbol)
{
	uint8_t type = message[0];
	if (type == 'A' || type == 'F')
		return apply_add(o, message, symbol);
	if (type != 'E' && type != 'C' && type != 'X' && type != 'D' && type != 'U')
		return ORACLE_OK;
	uint32_t index = oracle_book_find(&o->book, be64(message + 11));
	if (!index) {
		o->summary.unknown_references++;
		return ORACLE_OK;
	}
	if (type == 'U')
		return apply_replace(o, index, message, symbol);
	*symbol = o->book.orders[index].symbol;
	if (type == 'D')
		oracle_book_remove(&o->book, index);
	else
		oracle_book_reduce(&o->book, index, be32(message + 19)); /* E, C, X: shares at the same place */
	return ORACLE_OK;
}

/* Strategy */

static uint32_t saturate(uint64_t shares) { return shares > UINT32_MAX ? UINT32_MAX : (uint32_t)shares; }

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static bool add_trigger(struct oracle *o, struct oracle_trigger trigger)
{
	struct trigger_list *list = o->skipping ? &o->skipped : &o->triggers;
	uint64_t *count = o->skipping ? &o->summary.skipped_triggers : &o->summary.triggers;
	struct oracle_trigger *rows = oracle_reserve(list->rows, &list->capacity, *count, sizeof(trigger));
	if (!rows)
		return false;
	list->rows = rows;
	list->rows[(*count)++] = trigger;
	return true;
}

/* After every event applied to the book of this symbol. */
static bool touch_taker(struct oracle *o, uint16_t symbol, uint64_t sequence)
{
	struct touch *touch = &o->touches[symbol];
	const struct oracle_level *bid = oracle_book_best(&o->book, symbol, ORACLE_BID);
	const struct oracle_level *ask = oracle_book_best(&o->book, symbol, ORACLE_ASK);

	if (!bid || !ask || bid->price >= ask->price) { /* step 1 */
		touch->previous_valid = false;
		touch->imbalance_state = 0;
		return true;
	}
	struct top top = {bid->price, saturate(bid->shares), ask->price, saturate(ask->shares)};

	int signal = 0; /* step 2 */
	if (touch->previous_valid) {
		if (top.bid_price > touch->previous.bid_price)
			signal = 1;
		else if (top.ask_price < touch->previous.ask_price)
			signal = -1;
	}

	int64_t difference = (int64_t)top.bid_shares - top.ask_shares; /* step 3 */
	int64_t bound = (int64_t)o->options.imbalance_permille * ((int64_t)top.bid_shares + top.ask_shares);
	int new_state = 0;
	if (1000 * difference >= bound)
		new_state = 1;
	else if (-1000 * difference >= bound)
		new_state = -1;
	if (signal == 0 && new_state != 0 && new_state != touch->imbalance_state)
		signal = new_state;
	touch->imbalance_state = (int8_t)new_state;

	touch->previous = top; /* step 4 */
	touch->previous_valid = true;

	if (signal == 0) /* step 5 */
		return true;
	if (touch->last_trigger != 0 && sequence - touch->last_trigger < o->options.cooldown_messages) {
		o->summary.suppressed += !o->skipping;
		return true;
	}

	touch->last_trigger = sequence; /* step 6 */
	struct oracle_trigger trigger = {.sequence = sequence, .symbol = symbol};
	trigger.side = signal > 0 ? 'B' : 'S';
	trigger.price = signal > 0 ? top.ask_price : top.bid_price;
	trigger.shares = smaller(o->options.order_shares, signal > 0 ? top.ask_shares : top.bid_shares);
	return add_trigger(o, trigger);
}

static bool is_crossed(const struct oracle_book *book, uint16_t symbol)
{
	const struct oracle_level *bid = oracle_book_best(book, symbol, ORACLE_BID);
	const struct oracle_level *ask = oracle_book_best(book, symbol, ORACLE_ASK);
	return bid && ask && bid->price >= ask->price;
}

static bool decide(struct oracle *o, int symbol, uint64_t sequence)
{
	if (symbol >= 0 && is_crossed(&o->book, (uint16_t)symbol))
		o->summary.crossed_events++;
	if (o->options.strategy == ORACLE_REFLECTOR)
		return sequence % o->options.every != 0 || add_trigger(o, (struct oracle_trigger){.sequence = sequence});
	return symbol < 0 || touch_taker(o, (uint16_t)symbol, sequence);
}

/* Stream */

uint32_t oracle_message_bytes(uint8_t type)
{
	static const uint8_t bytes[256] = {
		['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35, ['W'] = 12, ['K'] = 28,
		['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40, ['E'] = 31, ['C'] = 36, ['X'] = 23, ['D'] = 19,
		['U'] = 35, ['P'] = 44, ['Q'] = 40, ['B'] = 19, ['I'] = 50, ['N'] = 20, ['O'] = 48,
	};
	return bytes[type];
}

/* The resets that lie before this message, and whether one skips it. */
static bool reset_before(struct oracle *o)
{
	for (; o->reset < o->options.reset_count && o->position >= o->resets[o->reset].position; o->reset++) {
		memset(o->touches, 0, ORACLE_SYMBOLS * sizeof(*o->touches));
		if (o->resets[o->reset].empties_book) {
			oracle_book_free(&o->book);
			if (!oracle_book_init(&o->book))
				return false;
			o->summary.orders = 0;
		}
	}
	o->skipping = o->reset < o->options.reset_count && o->position >= o->resets[o->reset].skipped_from;
	o->summary.skipped_messages += o->skipping;
	return true;
}

static bool keep_locate(struct oracle *o, const uint8_t *message, uint32_t length)
{
	uint16_t *locates =
		oracle_reserve(o->locates, &o->locates_capacity, o->summary.messages, sizeof(*locates));
	if (!locates)
		return false;
	o->locates = locates;
	o->locates[o->summary.messages] = length >= 3 ? be16(message + 1) : 0;
	return true;
}

static void next_position(struct oracle *o)
{
	bool more = o->session + 1 < o->options.session_count;
	if (more && o->position == o->sessions[o->session].last_position)
		o->position = o->sessions[++o->session].first_position;
	else
		o->position++;
}

static enum oracle_status replay_message(struct oracle *o, const uint8_t *message, uint32_t length)
{
	struct oracle_summary *summary = &o->summary;
	uint32_t known = oracle_message_bytes(message[0]);
	summary->error_length = length;
	summary->error_type = message[0];
	if (length < known)
		return ORACLE_SHORT;
	if (!reset_before(o) || !keep_locate(o, message, length))
		return ORACLE_NO_MEMORY;
	int symbol = -1;
	enum oracle_status status = known ? apply(o, message, &symbol) : ORACLE_OK;
	if (status != ORACLE_OK)
		return status;
	summary->messages++;
	summary->type_counts[message[0]]++;
	summary->orders = o->book.standing;
	if (!decide(o, symbol, o->position))
		return ORACLE_NO_MEMORY;
	next_position(o);
	return ORACLE_OK;
}

int oracle_replay(struct oracle *o, const uint8_t *stream, size_t size_bytes)
{
	for (size_t offset = 0; offset < size_bytes;) {
		size_t left = size_bytes - offset;
		o->summary.error_offset = offset;
		o->summary.error_length = 0;
		if (left < 2)
			return ORACLE_TRUNCATED;
		uint32_t length = be16(stream + offset);
		if (length == 0) {
			o->summary.error_offset = offset + 2;
			return left == 2 ? ORACLE_OK : ORACLE_AFTER_END;
		}
		if (left - 2 < length) {
			o->summary.error_length = length;
			return ORACLE_TRUNCATED;
		}
		enum oracle_status status = replay_message(o, stream + offset + 2, length);
		if (status != ORACLE_OK)
			return (int)status;
		offset += 2 + length;
	}
	return ORACLE_OK;
}

/* Life and results */

static void *copy_of(const void *from, size_t count, size_t size_bytes)
{
	void *copy = calloc(count + 1, size_bytes); /* never of nothing */
	if (copy && count)
		memcpy(copy, from, count * size_bytes);
	return copy;
}

struct oracle *oracle_create(const struct oracle_options *options)
{
	struct oracle *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->options = *options;
	o->sessions = copy_of(options->sessions, options->session_count, sizeof(*o->sessions));
	o->resets = copy_of(options->resets, options->reset_count, sizeof(*o->resets));
	o->position = options->sessions[0].first_position;
	o->touches = calloc(ORACLE_SYMBOLS, sizeof(*o->touches));
	if (oracle_book_init(&o->book) && o->touches && o->sessions && o->resets)
		return o;
	oracle_destroy(o);
	return NULL;
}

void oracle_destroy(struct oracle *o)
{
	if (!o)
		return;
	oracle_book_free(&o->book);
	free(o->sessions);
	free(o->resets);
	free(o->touches);
	free(o->triggers.rows);
	free(o->skipped.rows);
	free(o->locates);
	free(o);
}

const struct oracle_summary *oracle_summary(const struct oracle *o) { return &o->summary; }

void oracle_copy_triggers(const struct oracle *o, void *rows)
{
	if (o->summary.triggers)
		memcpy(rows, o->triggers.rows, o->summary.triggers * sizeof(*o->triggers.rows));
}

void oracle_copy_skipped(const struct oracle *o, void *rows)
{
	if (o->summary.skipped_triggers)
		memcpy(rows, o->skipped.rows, o->summary.skipped_triggers * sizeof(*o->skipped.rows));
}

void oracle_copy_locates(const struct oracle *o, void *locates)
{
	if (o->summary.messages)
		memcpy(locates, o->locates, o->summary.messages * sizeof(*o->locates));
}

static struct oracle_book_row *copy_level(const struct oracle *o, const struct oracle_level *level,
					  struct oracle_book_row *row)
{
	uint32_t position = 0;
	for (uint32_t index = level->first; index; index = o->book.orders[index].behind) {
		const struct oracle_order *order = &o->book.orders[index];
		*row++ = (struct oracle_book_row){
			.symbol = order->symbol,
			.side = order->side == ORACLE_BID ? 'B' : 'S',
			.price = order->price,
			.position = position++,
			.reference = order->reference,
			.shares = order->shares,
		};
	}
	return row;
}

void oracle_copy_book(const struct oracle *o, void *rows)
{
	struct oracle_book_row *row = rows;
	for (size_t i = 0; i < ORACLE_SYMBOLS; i++) {
		const struct oracle_ladder *bids = &o->book.ladders[i][ORACLE_BID];
		const struct oracle_ladder *asks = &o->book.ladders[i][ORACLE_ASK];
		for (size_t at = 0; at < bids->count; at++) /* prices ascend on both sides */
			row = copy_level(o, &bids->levels[at], row);
		for (size_t at = asks->count; at > 0; at--)
			row = copy_level(o, &asks->levels[at - 1], row);
	}
}
