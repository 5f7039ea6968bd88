/* ITCH 5.0 hot decoder; the contract is in itch50.h, every field by name in itch50_fields.c.
 *
 * What nearly every message of a day is, an order message of exactly the known length, is told apart by comparisons,
 * most frequent first: no predictor knows what comes next in a feed, but a comparison that was guessed wrong is found
 * out sooner than a jump through a table. All else goes by one length check per message (a table by type letter).
 * No field is read unchecked.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-vectorize") /* fields written as a vector and read apart would wait for memory */
#endif
#include "engine/feed/itch50.h"

#include <stddef.h>

#include "engine/feed/bytes.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define UNLIKELY(condition) __builtin_expect((condition) != 0, 0)

/* Known bytes of each message, head included (specification 4.1 to 4.8). */
static const uint8_t lengths[256] = {
    ['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35, ['W'] = 12, ['K'] = 28,
    ['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40, ['E'] = 31, ['C'] = 36, ['X'] = 23, ['D'] = 19,
    ['U'] = 35, ['P'] = 44, ['Q'] = 40, ['B'] = 19, ['I'] = 50, ['N'] = 20, ['O'] = 48,
};

uint8_t itch50_length(uint8_t type)
{
    return lengths[type];
}

/* Eight bytes of which the last six are the time stamp; the tracking number stands before them. */
ALWAYS_INLINE uint64_t load_time_ns(const uint8_t *message)
{
    return bytes_load_u64(message + 3) & UINT64_C(0xFFFFFFFFFFFF);
}

/* An order message in one go, each field written once: cleared first and filled then, it takes longer. What follows
 * `stock`, and is not known to ITCH, is cleared as a whole. */
ALWAYS_INLINE void write_event(struct event *event, const uint8_t *message, char type, enum event_kind kind,
                               uint64_t new_reference, uint64_t match, uint32_t shares, uint32_t price, char side,
                               char flag)
{
    event->sequence = 0;
    event->time_ns = load_time_ns(message);
    event->order_reference = bytes_load_u64(message + 11);
    event->new_order_reference = new_reference;
    event->match = match;
    event->wide_shares = 0;
    event->price = price;
    event->shares = shares;
    event->symbol = bytes_load_u16(message + 1);
    event->kind = (uint8_t)kind;
    event->side = side;
    event->flag = flag;
    event->venue_type = type;
    event->venue = EVENT_VENUE_ITCH50;
    event->indicator = 0;
    memset((char *)event + offsetof(struct event, stock), 0, sizeof(*event) - offsetof(struct event, stock));
}

_Static_assert(offsetof(struct event, stock) == 64, "write_event() names every field before `stock`");

ALWAYS_INLINE void decode_add(const uint8_t *message, struct event *event, char type) /* the MPID is no book matter */
{
    write_event(event, message, type, EVENT_ADD, 0, 0, bytes_load_u32(message + 20), bytes_load_u32(message + 32),
                (char)message[19], 0);
    memcpy(event->stock, message + 24, 8);
}

ALWAYS_INLINE void decode_execute(const uint8_t *message, struct event *event)
{
    write_event(event, message, 'E', EVENT_EXECUTE, 0, bytes_load_u64(message + 23), bytes_load_u32(message + 19), 0, 0,
                0);
}

ALWAYS_INLINE void decode_execute_price(const uint8_t *message, struct event *event)
{
    write_event(event, message, 'C', EVENT_EXECUTE_PRICE, 0, bytes_load_u64(message + 23), bytes_load_u32(message + 19),
                bytes_load_u32(message + 32), 0, (char)message[31]);
}

ALWAYS_INLINE void decode_cancel(const uint8_t *message, struct event *event)
{
    write_event(event, message, 'X', EVENT_REDUCE, 0, 0, bytes_load_u32(message + 19), 0, 0, 0);
}

ALWAYS_INLINE void decode_delete(const uint8_t *message, struct event *event)
{
    write_event(event, message, 'D', EVENT_DELETE, 0, 0, 0, 0, 0, 0);
}

ALWAYS_INLINE void decode_replace(const uint8_t *message, struct event *event)
{
    write_event(event, message, 'U', EVENT_REPLACE, bytes_load_u64(message + 19), 0, bytes_load_u32(message + 27),
                bytes_load_u32(message + 31), 0, 0);
}

/* The value, whose origin the compiler no longer sees: it would take one question apart into several. */
ALWAYS_INLINE uint32_t opaque(uint32_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/* Order messages of exactly the known length: their type; 0 = something else, and *event is untouched. */
ALWAYS_INLINE uint8_t decode_everyday(const uint8_t *message, uint16_t length, struct event *event)
{
    if (UNLIKELY(length == 0))
        return 0;

    const uint8_t type = message[0];

    if ((opaque(type) | ('A' ^ 'D')) == 'E') { /* A, D or E: nearly nine of ten */
        if (type == 'A') {
            if (UNLIKELY(length != 36))
                return 0;
            decode_add(message, event, 'A');
            return 'A';
        }
        if (type == 'D') {
            if (UNLIKELY(length != 19))
                return 0;
            decode_delete(message, event);
            return 'D';
        }
        if (UNLIKELY(type != 'E' || length != 31))
            return 0;
        decode_execute(message, event);
        return 'E';
    }
    if (type == 'U' && length == 35) {
        decode_replace(message, event);
        return 'U';
    }
    if (type == 'F' && length == 40) {
        decode_add(message, event, 'F');
        return 'F';
    }
    if (type == 'X' && length == 23) {
        decode_cancel(message, event);
        return 'X';
    }
    return 0;
}

/* Order messages of any length that is enough; false: another type, and *event is untouched. */
static bool decode_order(const uint8_t *message, struct event *event)
{
    switch (message[0]) {
    case 'A':
    case 'F':
        decode_add(message, event, (char)message[0]);
        return true;
    case 'E':
        decode_execute(message, event);
        return true;
    case 'C':
        decode_execute_price(message, event);
        return true;
    case 'X':
        decode_cancel(message, event);
        return true;
    case 'D':
        decode_delete(message, event);
        return true;
    case 'U':
        decode_replace(message, event);
        return true;
    default:
        return false;
    }
}

static void decode_other(const uint8_t *message, struct event *event)
{
    event->venue_type = (char)message[0];
    event->symbol = bytes_load_u16(message + 1);
    event->time_ns = load_time_ns(message);

    switch (message[0]) {
    case 'P': /* the reference at 11 is 0 since 2010 and names no displayed order */
        event->kind = EVENT_TRADE;
        event->side = (char)message[19];
        event->shares = bytes_load_u32(message + 20);
        memcpy(event->stock, message + 24, 8);
        event->price = bytes_load_u32(message + 32);
        event->match = bytes_load_u64(message + 36);
        break;
    case 'Q':
        event->kind = EVENT_CROSS;
        event->wide_shares = bytes_load_u64(message + 11);
        memcpy(event->stock, message + 19, 8);
        event->price = bytes_load_u32(message + 27);
        event->match = bytes_load_u64(message + 31);
        event->flag = (char)message[39];
        break;
    case 'B':
        event->kind = EVENT_BROKEN;
        event->match = bytes_load_u64(message + 11);
        break;
    case 'S':
        event->kind = EVENT_SYSTEM;
        event->flag = (char)message[11];
        break;
    case 'R':
        event->kind = EVENT_DIRECTORY;
        memcpy(event->stock, message + 11, 8);
        event->shares = bytes_load_u32(message + 21);
        break;
    case 'H':
        event->kind = EVENT_TRADING_STATE;
        memcpy(event->stock, message + 11, 8);
        event->flag = (char)message[19];
        break;
    default: /* Y L V W K J h I N O: the table has no other */
        event->kind = EVENT_REFERENCE;
        event->flag = (char)message[0];
        break;
    }
}

static NOINLINE enum itch_outcome decode_any(const uint8_t *message, uint16_t length, struct event *event)
{
    memset(event, 0, sizeof(*event));
    if (length == 0)
        return ITCH_LENGTH_ERROR;

    uint8_t known = lengths[message[0]];

    if (known == 0)
        return ITCH_UNKNOWN_TYPE;
    if (length < known)
        return ITCH_LENGTH_ERROR;
    if (!decode_order(message, event))
        decode_other(message, event);
    return length == known ? ITCH_DECODED : ITCH_DECODED_LONG;
}

enum itch_outcome itch50_decode(const uint8_t *message, uint16_t length, struct event *event)
{
    return decode_everyday(message, length, event) != 0 ? ITCH_DECODED : decode_any(message, length, event);
}

static NOINLINE bool take_any(struct itch50 *itch, const uint8_t *message, uint16_t length, struct event *event)
{
    enum itch_outcome outcome = decode_any(message, length, event);

    if (outcome == ITCH_DECODED || (outcome == ITCH_DECODED_LONG && !itch->strict)) {
        itch->statistics.types[message[0]]++;
        itch->statistics.long_messages += outcome == ITCH_DECODED_LONG;
        return true;
    }
    if (outcome == ITCH_UNKNOWN_TYPE)
        itch->statistics.unknown_types++;
    else
        itch->statistics.length_errors++;
    return false;
}

bool itch50_take(struct itch50 *itch, const uint8_t *message, uint16_t length, struct event *event)
{
    uint8_t type = decode_everyday(message, length, event);

    if (UNLIKELY(type == 0))
        return take_any(itch, message, length, event);
    itch->statistics.types[type]++;
    return true;
}
