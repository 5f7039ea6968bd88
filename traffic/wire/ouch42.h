/* OUCH 4.2 messages the gateway reads (enter, replace, cancel, modify) and writes (accepted, replaced, executed,
 * canceled, modified, rejected).
 * Owner: any thread; no state. Parsers check the exact length and nothing else: what the fields mean is the
 * gateway's business. Encoders return the message's length; times are ns since midnight.
 * Specification: O*U*C*H 4.2 (2018-12), chapters 2 (inbound) and 3 (outbound). */
#ifndef TRAFFIC_WIRE_OUCH42_H
#define TRAFFIC_WIRE_OUCH42_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OUCH42_TOKEN_BYTES = 14,
    OUCH42_SHARES_MAX = 999999,
    OUCH42_PRICE_MAX = 0x7735939C,        /* 199 999.9900 dollars */
    OUCH42_IMMEDIATE_OR_CANCEL = 0,
    OUCH42_TIME_IN_FORCE_MAX = 99999,
    OUCH42_ACCEPTED_BYTES = 66,
    OUCH42_EXECUTED_BYTES = 40,
    OUCH42_CANCELED_BYTES = 28,
    OUCH42_REJECTED_BYTES = 24,
    OUCH42_REPLACED_BYTES = 80,
    OUCH42_MODIFIED_BYTES = 28,
    OUCH42_ORDER_BYTES_MAX = OUCH42_ACCEPTED_BYTES + OUCH42_EXECUTED_BYTES + OUCH42_CANCELED_BYTES,
};

struct ouch42_enter {
    uint8_t token[OUCH42_TOKEN_BYTES];
    uint8_t stock[8];
    uint8_t firm[4];
    uint8_t side;            /* B, S, T (short), E (short exempt) */
    uint8_t display;
    uint8_t capacity;
    uint8_t sweep;           /* intermarket sweep, as sent */
    uint8_t cross;
    uint8_t customer;
    uint32_t shares;
    uint32_t price;          /* 1/10000 dollar */
    uint32_t time_in_force;  /* s, with the special values above */
    uint32_t quantity_min;
};

struct ouch42_cancel {
    uint8_t token[OUCH42_TOKEN_BYTES];
    uint32_t shares;         /* intended size of the order in total; 0 cancels all */
};

struct ouch42_modify {
    uint8_t token[OUCH42_TOKEN_BYTES];
    uint8_t side;
    uint32_t shares;         /* as in a cancel */
};

bool ouch42_parse_enter(const uint8_t *message, uint32_t length, struct ouch42_enter *enter);
bool ouch42_parse_cancel(const uint8_t *message, uint32_t length, struct ouch42_cancel *cancel);

bool ouch42_parse_modify(const uint8_t *message, uint32_t length, struct ouch42_modify *modify);

/* `enter` gets the new token and all that a replacement can say; the rest of it is left as it is. */
bool ouch42_parse_replace(const uint8_t *message, uint32_t length, uint8_t *old_token, struct ouch42_enter *enter);

/* Letters, digits and spaces, as the specification wants of a token. */
bool ouch42_token_valid(const uint8_t *token);

uint32_t ouch42_put_accepted(uint8_t *out, uint64_t time_ns, const struct ouch42_enter *enter, uint64_t reference);
uint32_t ouch42_put_replaced(uint8_t *out, uint64_t time_ns, const struct ouch42_enter *enter, uint64_t reference,
                             const uint8_t *old_token);
uint32_t ouch42_put_modified(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint8_t side, uint32_t shares);
uint32_t ouch42_put_executed(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint32_t shares, uint32_t price,
                             uint64_t match);
uint32_t ouch42_put_canceled(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint32_t shares, uint8_t reason);
uint32_t ouch42_put_rejected(uint8_t *out, uint64_t time_ns, const uint8_t *token, uint8_t reason);

#endif
