/*
 * See oracle_book.h. Layout: memory, reference map (chains of about one order), levels, orders in their queues.
 */
#include "lab/oracle/oracle_book.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET_BITS_FIRST = 12 };

/* Memory */

void *oracle_reserve(void *memory, size_t *capacity, size_t count, size_t element_bytes)
{
	if (count < *capacity)
		return memory;
	size_t wanted = *capacity ? *capacity * 2 : 8;
	void *grown = realloc(memory, wanted * element_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

bool oracle_book_init(struct oracle_book *book)
{
	*book = (struct oracle_book){.orders_used = 1, .bucket_bits = BUCKET_BITS_FIRST};
	book->buckets = calloc((size_t)1 << book->bucket_bits, sizeof(*book->buckets));
	book->ladders = calloc(ORACLE_SYMBOLS, sizeof(*book->ladders));
	return book->buckets && book->ladders;
}

void oracle_book_free(struct oracle_book *book)
{
	for (size_t i = 0; book->ladders && i < ORACLE_SYMBOLS; i++) {
		free(book->ladders[i][ORACLE_BID].levels);
		free(book->ladders[i][ORACLE_ASK].levels);
	}
	free(book->ladders);
	free(book->orders);
	free(book->buckets);
}

/* Reference map: chains of orders, about one order a bucket */

static uint32_t *bucket_of(const struct oracle_book *book, uint64_t reference)
{
	return &book->buckets[(reference * 0x9e3779b97f4a7c15u) >> (64 - book->bucket_bits)];
}

uint32_t oracle_book_find(const struct oracle_book *book, uint64_t reference)
{
	uint32_t index = *bucket_of(book, reference);
	while (index && book->orders[index].reference != reference)
		index = book->orders[index].next_in_bucket;
	return index;
}

static void link_order(struct oracle_book *book, uint32_t index)
{
	uint32_t *head = bucket_of(book, book->orders[index].reference);
	book->orders[index].next_in_bucket = *head;
	*head = index;
}

static void unlink_order(struct oracle_book *book, uint32_t index)
{
	uint32_t *link = bucket_of(book, book->orders[index].reference);
	while (*link != index)
		link = &book->orders[*link].next_in_bucket;
	*link = book->orders[index].next_in_bucket;
}

static bool grow_buckets(struct oracle_book *book)
{
	size_t old_count = (size_t)1 << book->bucket_bits;
	uint32_t *old = book->buckets;
	uint32_t *grown = calloc(old_count * 2, sizeof(*grown));
	if (!grown)
		return false;
	book->buckets = grown;
	book->bucket_bits++;
	for (size_t i = 0; i < old_count; i++)
		for (uint32_t index = old[i], next; index; index = next) {
			next = book->orders[index].next_in_bucket;
			link_order(book, index);
		}
	free(old);
	return true;
}

static uint32_t take_order(struct oracle_book *book)
{
	uint32_t index = book->free_order;
	if (index) {
		book->free_order = book->orders[index].next_in_bucket;
		return index;
	}
	if (book->orders_used > UINT32_MAX)
		return 0;
	struct oracle_order *orders =
		oracle_reserve(book->orders, &book->orders_capacity, book->orders_used, sizeof(*orders));
	if (!orders)
		return 0;
	book->orders = orders;
	return (uint32_t)book->orders_used++;
}

/* Levels and queues */

static bool is_worse(uint8_t side, uint32_t price, uint32_t than)
{
	return side == ORACLE_BID ? price < than : price > than;
}

/* Where the level of this price is, or would be inserted. */
static size_t level_position(const struct oracle_ladder *ladder, uint8_t side, uint32_t price)
{
	size_t low = 0, high = ladder->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (is_worse(side, ladder->levels[middle].price, price))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct oracle_level *level_of(struct oracle_book *book, const struct oracle_order *order)
{
	struct oracle_ladder *ladder = &book->ladders[order->symbol][order->side];
	return &ladder->levels[level_position(ladder, order->side, order->price)];
}

static struct oracle_level *find_or_make_level(struct oracle_book *book, uint16_t symbol, uint8_t side, uint32_t price)
{
	struct oracle_ladder *ladder = &book->ladders[symbol][side];
	size_t at = level_position(ladder, side, price);
	if (at < ladder->count && ladder->levels[at].price == price)
		return &ladder->levels[at];
	struct oracle_level *levels = oracle_reserve(ladder->levels, &ladder->capacity, ladder->count, sizeof(*levels));
	if (!levels)
		return NULL;
	ladder->levels = levels;
	memmove(&levels[at + 1], &levels[at], (ladder->count - at) * sizeof(*levels));
	ladder->count++;
	levels[at] = (struct oracle_level){.price = price};
	return &levels[at];
}

static void remove_level(struct oracle_book *book, const struct oracle_order *last_order, struct oracle_level *level)
{
	struct oracle_ladder *ladder = &book->ladders[last_order->symbol][last_order->side];
	size_t at = (size_t)(level - ladder->levels);
	ladder->count--;
	memmove(level, level + 1, (ladder->count - at) * sizeof(*level));
}

bool oracle_book_insert(struct oracle_book *book, struct oracle_order entered)
{
	if (entered.shares == 0)
		return true;
	if (book->standing >> book->bucket_bits && !grow_buckets(book))
		return false;
	uint32_t index = take_order(book);
	if (!index)
		return false;
	struct oracle_level *level = find_or_make_level(book, entered.symbol, entered.side, entered.price);
	if (!level)
		return false;
	entered.ahead = level->last;
	entered.behind = 0;
	book->orders[index] = entered;
	link_order(book, index);
	if (level->last)
		book->orders[level->last].behind = index;
	else
		level->first = index;
	level->last = index;
	level->shares += entered.shares;
	book->standing++;
	return true;
}

void oracle_book_remove(struct oracle_book *book, uint32_t index)
{
	struct oracle_order *order = &book->orders[index];
	struct oracle_level *level = level_of(book, order);
	if (order->ahead)
		book->orders[order->ahead].behind = order->behind;
	else
		level->first = order->behind;
	if (order->behind)
		book->orders[order->behind].ahead = order->ahead;
	else
		level->last = order->ahead;
	level->shares -= order->shares;
	if (!level->first)
		remove_level(book, order, level);
	unlink_order(book, index);
	order->next_in_bucket = book->free_order;
	book->free_order = index;
	book->standing--;
}

void oracle_book_reduce(struct oracle_book *book, uint32_t index, uint32_t shares)
{
	if (shares >= book->orders[index].shares) {
		oracle_book_remove(book, index);
		return;
	}
	book->orders[index].shares -= shares;
	level_of(book, &book->orders[index])->shares -= shares;
}

const struct oracle_level *oracle_book_best(const struct oracle_book *book, uint16_t symbol, uint8_t side)
{
	const struct oracle_ladder *ladder = &book->ladders[symbol][side];
	return ladder->count ? &ladder->levels[ladder->count - 1] : NULL;
}
