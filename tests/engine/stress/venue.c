/* The venue: packets wait for a while, immediate orders trade or go, resting ones are filled when it likes. Every
 * answer is in the account before the engine reads it. */
#include <string.h>

#include "engine/order/order_bytes.h"
#include "engine/order/ouch42.h"
#include "tests/engine/stress/stress.h"

enum { FRAME = 3, TOKEN = 9, ANSWER_TOKEN_END = 23, LAZY = 48 };

struct own *account_find(struct account *account, uint64_t key)
{
    for (uint32_t index = 0; index < account->open_count; index++)
        if (account->open[index].key == key)
            return &account->open[index];
    return NULL;
}

/* NULL: no room. */
struct own *account_add(struct account *account, const struct own *own)
{
    if (account->open_count == OPEN_ROOM)
        return NULL;
    account->open[account->open_count] = *own;
    return &account->open[account->open_count++];
}

void account_remove(struct account *account, uint64_t key)
{
    for (uint32_t index = 0; index < account->open_count;) {
        if (account->open[index].key == key || account->open[index].replaces == key)
            account->open[index] = account->open[--account->open_count];
        else
            index++;
    }
}

void venue_take(struct venue *venue, const uint8_t *bytes, uint32_t length)
{
    memcpy(venue->packets[venue->tail++ % VENUE_PACKETS], bytes, length < 64 ? length : 64);
}

static uint8_t *start(uint8_t answer[96], uint32_t length, char type, uint64_t key)
{
    memset(answer, ' ', FRAME + length);
    order_store_u16(answer, (uint16_t)(length + 1));
    answer[2] = 'S';
    answer[FRAME] = (uint8_t)type;
    order_store_u64(answer + FRAME + 1, 0);
    ouch42_token_write(key, (char *)answer + FRAME + TOKEN);
    return answer + FRAME;
}

static void say_order(struct venue *venue, uint8_t *payload, const struct own *own)
{
    payload[23] = (uint8_t)own->side;
    order_store_u32(payload + 24, own->left);
    market_name(own->symbol, (char *)payload + 28);
    order_store_u32(payload + 36, own->price);
    order_store_u32(payload + 40, own->time_in_force);
    payload[48] = 'Y';
    order_store_u64(payload + 49, ++venue->number);
    payload[57] = 'P';
    payload[58] = 'N';
    order_store_u32(payload + 59, 0);
    payload[63] = 'N';
    payload[64] = 'L';
}

static uint32_t cancel(struct venue *venue, struct own *own, uint8_t answer[96])
{
    uint8_t *payload = start(answer, 28, 'C', own->key);
    order_store_u32(payload + ANSWER_TOKEN_END, own->left);
    payload[27] = own->time_in_force == 0 ? 'I' : 'U';
    venue->cancels++;
    account_remove(venue->account, own->key);
    return FRAME + 28;
}

static uint32_t fill(struct venue *venue, struct own *own, uint8_t answer[96])
{
    uint8_t *payload = start(answer, 40, 'E', own->key);
    const uint64_t random = draw(&venue->random);
    const uint32_t shares = random & 3 ? own->left : 1 + (uint32_t)(random >> 8) % own->left;
    order_store_u32(payload + ANSWER_TOKEN_END, shares);
    order_store_u32(payload + 27, own->price);
    payload[31] = 'R';
    order_store_u64(payload + 32, ++venue->number);
    venue->account->position[own->symbol] += own->side == 'B' ? (int64_t)shares : -(int64_t)shares;
    venue->account->mark[own->symbol] = own->price;
    own->left -= shares;
    own->executed += shares;
    venue->fills++;
    if (own->left == 0)
        account_remove(venue->account, own->key);
    return FRAME + 40;
}

static uint32_t enter(struct venue *venue, struct own *own, uint8_t answer[96])
{
    if (draw(&venue->random) % 64 == 0) {
        start(answer, 24, 'J', own->key)[ANSWER_TOKEN_END] = 'H';
        venue->rejects++;
        account_remove(venue->account, own->key);
        return FRAME + 24;
    }
    say_order(venue, start(answer, 66, 'A', own->key), own);
    own->at_venue = true;
    return FRAME + 66;
}

static uint32_t replace(struct venue *venue, struct own *own, uint8_t answer[96])
{
    struct own *old = account_find(venue->account, own->replaces);
    if (old == NULL || !old->at_venue)
        return 0; /* passed over: it is dead */
    const uint64_t old_key = old->key;
    own->executed = old->executed;
    own->left = own->total - own->executed;
    own->replaces = 0;
    own->at_venue = true;
    uint8_t *payload = start(answer, 80, 'U', own->key);
    say_order(venue, payload, own);
    ouch42_token_write(old_key, (char *)payload + 65);
    venue->replaced++;
    account_remove(venue->account, old_key);
    return FRAME + 80;
}

/* The packet at the head. */
static uint32_t look(struct venue *venue, uint8_t answer[96])
{
    const uint8_t *payload = venue->packets[venue->head++ % VENUE_PACKETS] + FRAME;
    const char type = (char)payload[0];
    struct own *own = account_find(venue->account, ouch42_token_parse((const char *)payload + (type == 'U' ? 15 : 1)));
    if (own == NULL)
        return 0;
    if (type == 'O')
        return enter(venue, own, answer);
    if (type == 'U')
        return replace(venue, own, answer);
    return type == 'X' && own->at_venue ? cancel(venue, own, answer) : 0;
}

bool venue_owes(const struct venue *venue)
{
    return venue->tail - venue->head > LAZY;
}

uint32_t venue_next(struct venue *venue, uint8_t answer[96])
{
    struct account *account = venue->account;
    const uint64_t random = draw(&venue->random);
    for (uint32_t index = 0; index < account->open_count; index++) { /* an immediate one does not stay */
        struct own *own = &account->open[index];
        if (own->at_venue && own->time_in_force == 0)
            return random & 3 ? fill(venue, own, answer) : cancel(venue, own, answer);
    }
    if (account->open_count != 0 && random % 16 == 0) {
        struct own *own = &account->open[(random >> 8) % account->open_count];
        if (own->at_venue)
            return random >> 32 & 7 ? fill(venue, own, answer) : cancel(venue, own, answer);
    }
    return venue->head == venue->tail ? 0 : look(venue, answer);
}
