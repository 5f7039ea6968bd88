/* Inside the channel: instruments, what is believed of their books, and the events kept for wrong ones.
 *
 * mdp3_books.c changes books by events, mdp3_join.c by snapshots; both keep right_count and orders_right_count equal to
 * the instruments that are right in the current epoch. Included by feed/mdp3_*.c only.
 */
#ifndef ENGINE_FEED_MDP3_BOOKS_H
#define ENGINE_FEED_MDP3_BOOKS_H

#include "engine/feed/mdp3_channel.h"

/* Index of the security, entered if it is new; -1: no room, counted. */
int32_t mdp3_books_enter(struct mdp3_channel *channel, int32_t security);

/* Apply one event of a venue event that is over. */
void mdp3_books_apply(struct mdp3_channel *channel, const struct event *event);

/* Every book is empty and right, from the packet at `position` on; report sequences begin at 1. */
void mdp3_books_reset(struct mdp3_channel *channel, uint64_t position);

/* Books are being sent again from the packet at `position` on, and the reset before was lost: every book is wrong. */
void mdp3_books_missed_reset(struct mdp3_channel *channel, uint64_t position);

/* Packets were lost: no book is proven any more. */
void mdp3_books_suspect(struct mdp3_channel *channel, uint64_t contiguous_position);

/* Status and definition take effect as soon as they are read. */
void mdp3_books_status(struct mdp3_channel *channel, const struct mdp3_status *status, uint64_t position);
void mdp3_books_define(struct mdp3_channel *channel, const struct mdp3_definition *definition, uint64_t position);
void mdp3_books_set_status(struct mdp3_instrument *instrument, uint8_t status, uint64_t position);

/* The book is right as of the current epoch, and what was kept for it is let go. */
void mdp3_books_prove(struct mdp3_channel *channel, struct mdp3_instrument *instrument);
void mdp3_books_prove_orders(struct mdp3_channel *channel, struct mdp3_instrument *instrument);

/* The book by price is wrong; the next entry's number is told. */
void mdp3_books_lose(struct mdp3_channel *channel, struct mdp3_instrument *instrument, uint32_t expected_report);

/* One order into the book by order; false: it does not fit. */
bool mdp3_books_order(struct mdp3_channel *channel, uint32_t index, const struct event *event);

/* False: no room; the list is empty then. */
bool mdp3_kept_append(struct mdp3_channel *channel, struct mdp3_kept *kept, const struct event *event);
void mdp3_kept_drop(struct mdp3_channel *channel, struct mdp3_kept *kept);

/* mdp3_join.c: one message of a recovery feed. */
void mdp3_join_packet(struct mdp3_channel *channel, unsigned source, const struct mdp3_packet *packet);
void mdp3_join_message(struct mdp3_channel *channel, unsigned source, const struct mdp3_message *message,
                       uint64_t sending_ns);

/* mdp3_channel.c */
void mdp3_channel_publish(struct mdp3_channel *channel, const struct event *event);

static inline bool mdp3_is_right(const struct mdp3_channel *channel, const struct mdp3_instrument *instrument)
{
    return instrument->right && instrument->epoch == channel->epoch;
}

static inline bool mdp3_is_orders_right(const struct mdp3_channel *channel, const struct mdp3_instrument *instrument)
{
    return instrument->orders_right && instrument->order_epoch == channel->order_epoch;
}

#endif
