/* OUCH 4.2: orders as bytes, the venue's answers as struct own_event.
 *
 * Outbound, everything that does not change from order to order (frame, firm, display, capacity...)
 * is written once into a template; ouch42_enter() copies 52 bytes and patches six fields, and
 * ouch42_patch_token() patches the token of a packet that is already complete. Every packet carries
 * its SoupBinTCP 'U' frame and goes to the transport as it is.
 * Inbound, all fifteen message types are decoded with their exact length; other types and lengths
 * are counted and say so. Letters of lists that grow (reasons, liquidity) are passed through.
 *
 * Owner: the engine thread. Token: strategy letter 'A'..'Z', twelve upper-case hexadecimal digits of
 * the trigger's feed sequence, ordinal '0'..'9'; nothing else is read as a token of ours.
 * Cost: encode about 10 ns, decode about 15 ns. Specification: OUCH 4.2 sections 2 and 3; not sent: trade now.
 */
#ifndef ENGINE_ORDER_OUCH42_H
#define ENGINE_ORDER_OUCH42_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/order/own_event.h"
#include "engine/order/request.h"

enum {
    OUCH42_ENTER_BYTES = 49,
    OUCH42_ENTER_PACKET_BYTES = 52,  /* with the SoupBinTCP frame */
    OUCH42_CANCEL_BYTES = 19,
    OUCH42_CANCEL_PACKET_BYTES = 22,
    OUCH42_REPLACE_BYTES = 47,
    OUCH42_REPLACE_PACKET_BYTES = 50,
    OUCH42_MODIFY_BYTES = 20,
    OUCH42_MODIFY_PACKET_BYTES = 23,
    OUCH42_OUTBOUND_BYTES_MAX = 80,  /* largest host message: Replaced */
    OUCH42_SHARES_MAX = 999999,
    OUCH42_PRICE_MAX = 1999999900,   /* 1/10000 */
    OUCH42_TIME_IN_FORCE_MAX = 99999,
    OUCH42_ORDINAL_MAX = 9,
};

#define OUCH42_SEQUENCE_MAX 0xffffffffffffull /* twelve hexadecimal digits */

struct ouch42_options {   /* a zero means the default in brackets */
    char firm[4];         /* [four spaces: the port's default] */
    char display;         /* ['Y'] */
    char capacity;        /* ['P'] */
    char intermarket_sweep; /* ['N'] */
    char cross;           /* ['N'] */
    char customer;        /* ['N'] */
    char reserved[3];
    uint32_t minimum_shares; /* 0.. */
};

struct ouch42_template {
    uint8_t packet[64]; /* first OUCH42_ENTER_PACKET_BYTES used; put it on a cache line of its own */
};

enum ouch42_outcome {
    OUCH42_DECODED = 0,
    OUCH42_UNKNOWN_TYPE = 1,
    OUCH42_BAD_LENGTH = 2, /* known type, other length (or no type at all) */
    OUCH42_BAD_VALUE = 3,  /* side, state or shares outside of the specification */
    OUCH42_OUTCOME_COUNT = 4,
};

struct ouch42_decoder {
    uint64_t outcomes[OUCH42_OUTCOME_COUNT];
    uint64_t kinds[OWN_EVENT_KIND_COUNT]; /* decoded, by kind */
};

/* -EINVAL when an option is not printable ASCII. */
int ouch42_template_init(struct ouch42_template *template_, const struct ouch42_options *options);

/* Writes a whole enter-order packet. OUCH42_ENTER_PACKET_BYTES, or 0 when the request cannot be said
 * in OUCH (side, shares, price, time in force, ordinal, sequence, empty stock): nothing to send. */
uint32_t ouch42_enter(const struct ouch42_template *template_, const struct order_request *request,
                      char strategy_letter, uint8_t out[OUCH42_ENTER_PACKET_BYTES]);

/* Token of a complete enter-order packet, in place. False: letter, ordinal or sequence out of range. */
bool ouch42_patch_token(uint8_t packet[OUCH42_ENTER_PACKET_BYTES], char strategy_letter,
                        uint64_t trigger_sequence, uint8_t ordinal);

/* shares_left is the intended total of the order, executed shares included; 0 cancels all of it.
 * OUCH42_CANCEL_PACKET_BYTES, or 0 when the key or the shares cannot be said. */
uint32_t ouch42_cancel(uint64_t token_key, uint32_t shares_left,
                       uint8_t out[OUCH42_CANCEL_PACKET_BYTES]);

/* Every field of Replace Order; what is zero in `change` is as in the template. Bytes, or 0: cannot be said. */
uint32_t ouch42_replace(const struct ouch42_template *template_, const struct order_change *change,
                        uint8_t out[OUCH42_REPLACE_PACKET_BYTES]);

/* change->shares is the intended total, executed shares included. Bytes, or 0: cannot be said. */
uint32_t ouch42_modify(const struct order_change *change, uint8_t out[OUCH42_MODIFY_PACKET_BYTES]);

enum ouch42_outcome ouch42_decode(struct ouch42_decoder *decoder, const uint8_t *payload,
                                  uint32_t length, struct own_event *event);

/* A token as one number, unique as the token is: sequence << 16 | ordinal << 8 | letter. 0 = cannot. */
uint64_t ouch42_token_key(char strategy_letter, uint64_t trigger_sequence, uint8_t ordinal);

static inline uint64_t ouch42_key_sequence(uint64_t token_key)
{
    return token_key >> 16;
}

static inline uint8_t ouch42_key_ordinal(uint64_t token_key)
{
    return (uint8_t)(token_key >> 8);
}

static inline char ouch42_key_letter(uint64_t token_key)
{
    return (char)(uint8_t)token_key;
}

/* False (token untouched) when the key is not one of ours. */
bool ouch42_token_write(uint64_t token_key, char token[OWN_TOKEN_BYTES]);

/* The key, or 0 when the token is not exactly of our form. */
uint64_t ouch42_token_parse(const char token[OWN_TOKEN_BYTES]);

#endif
