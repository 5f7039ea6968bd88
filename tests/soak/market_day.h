/* One day of the model's market, and what a perfect receiver would know of it: the soak's reference.
 *
 * Built from the exchange's own model and book, which share no code with the engine. The day allocates; it is given
 * back by day_close(). Messages are numbered from 1.
 */
#ifndef TESTS_SOAK_MARKET_DAY_H
#define TESTS_SOAK_MARKET_DAY_H

#include <stdint.h>

struct day;

struct day_row {
    uint16_t symbol;
    char side;
    uint32_t price;
    uint32_t position;
    uint64_t reference;
    uint32_t shares;
} __attribute__((packed));

struct day *day_open(uint64_t seed, uint64_t messages, uint32_t symbols);
void day_close(struct day *day);

/* Message `number` and its length. */
const uint8_t *day_message(const struct day *day, uint64_t number, uint16_t *length);

/* The reference book follows up to and including message `number`. */
void day_publish(struct day *day, uint64_t number);
uint64_t day_published(const struct day *day);

/* The reference book, sorted by symbol, side, price and place; valid until the next call. */
const struct day_row *day_book(struct day *day, uint64_t *count);

/* A GLIMPSE 5.0 snapshot of the reference book as SoupBinTCP bytes, log-in answer and 'G' included; as above. */
const uint8_t *day_snapshot(struct day *day, uint64_t *bytes);

#endif
