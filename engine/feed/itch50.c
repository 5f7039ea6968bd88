/* ITCH 5.0 hot decoder; the contract is in itch50.h, every field by name in itch50_fields.c.
 *
 * One length check per message (a table by type letter), then fixed offsets: no field is read unchecked.
 */
#include "engine/feed/itch50.h"

#include "engine/feed/bytes.h"

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

enum itch_outcome itch50_decode(const uint8_t *message, uint16_t length, struct event *event)
{
    memset(event, 0, sizeof(*event));
    if (length == 0)
        return ITCH_LENGTH_ERROR;

    uint8_t type = message[0];
    uint8_t known = lengths[type];

    if (known == 0)
        return ITCH_UNKNOWN_TYPE;
    if (length < known)
        return ITCH_LENGTH_ERROR;

    event->venue_type = (char)type;
    event->symbol = bytes_load_u16(message + 1);
    event->time_ns = bytes_load_u48(message + 5);

    switch (type) {
    case 'A':
    case 'F': /* the MPID is not part of the book */
        event->kind = EVENT_ADD;
        event->order_reference = bytes_load_u64(message + 11);
        event->side = (char)message[19];
        event->shares = bytes_load_u32(message + 20);
        memcpy(event->stock, message + 24, 8);
        event->price = bytes_load_u32(message + 32);
        break;
    case 'E':
        event->kind = EVENT_EXECUTE;
        event->order_reference = bytes_load_u64(message + 11);
        event->shares = bytes_load_u32(message + 19);
        event->match = bytes_load_u64(message + 23);
        break;
    case 'C':
        event->kind = EVENT_EXECUTE_PRICE;
        event->order_reference = bytes_load_u64(message + 11);
        event->shares = bytes_load_u32(message + 19);
        event->match = bytes_load_u64(message + 23);
        event->flag = (char)message[31];
        event->price = bytes_load_u32(message + 32);
        break;
    case 'X':
        event->kind = EVENT_REDUCE;
        event->order_reference = bytes_load_u64(message + 11);
        event->shares = bytes_load_u32(message + 19);
        break;
    case 'D':
        event->kind = EVENT_DELETE;
        event->order_reference = bytes_load_u64(message + 11);
        break;
    case 'U':
        event->kind = EVENT_REPLACE;
        event->order_reference = bytes_load_u64(message + 11);
        event->new_order_reference = bytes_load_u64(message + 19);
        event->shares = bytes_load_u32(message + 27);
        event->price = bytes_load_u32(message + 31);
        break;
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
        event->flag = (char)type;
        break;
    }
    return length == known ? ITCH_DECODED : ITCH_DECODED_LONG;
}
