/* OUCH 5.0 messages the gateway reads and writes, in the terms of struct ouch42_enter: an order has a number
 * (UserRefNum) next to its token, which travels as the ClOrdID.
 * Owner: any thread; no state. Parsers check lengths, appendage included (elements must end with the message; tags that
 * are not known are skipped). Encoders write empty appendages where one is mandatory and none elsewhere.
 * Times in force: '3' is 0 s, '0' 99998 s, '5' and 'E' 99999 s, '6' what the expire time says.
 * Specification: O*U*C*H 5.0 (2023-05), chapters 2 (inbound) and 3 (outbound). */
#ifndef TRAFFIC_WIRE_OUCH50_H
#define TRAFFIC_WIRE_OUCH50_H

#include "traffic/wire/ouch42.h"

enum {
    OUCH50_ACCEPTED_BYTES = 64,
    OUCH50_REPLACED_BYTES = 68,
    OUCH50_EXECUTED_BYTES = 36,
    OUCH50_CANCELED_BYTES = 18,
    OUCH50_REJECTED_BYTES = 29,
    OUCH50_MODIFIED_BYTES = 18,
    OUCH50_QUERY_BYTES = 13,
};

bool ouch50_parse_enter(const uint8_t *message, uint32_t length, uint32_t *number, struct ouch42_enter *enter);

/* As ouch42_parse_replace(). */
bool ouch50_parse_replace(const uint8_t *message, uint32_t length, uint32_t *old_number, uint32_t *number,
                          struct ouch42_enter *enter);
bool ouch50_parse_cancel(const uint8_t *message, uint32_t length, uint32_t *number, uint32_t *shares);
bool ouch50_parse_modify(const uint8_t *message, uint32_t length, uint32_t *number, uint8_t *side, uint32_t *shares);
bool ouch50_parse_query(const uint8_t *message, uint32_t length);

uint32_t ouch50_put_accepted(uint8_t *out, uint64_t time_ns, uint32_t number, const struct ouch42_enter *enter,
                             uint64_t reference);
uint32_t ouch50_put_replaced(uint8_t *out, uint64_t time_ns, uint32_t old_number, uint32_t number,
                             const struct ouch42_enter *enter, uint64_t reference);
uint32_t ouch50_put_executed(uint8_t *out, uint64_t time_ns, uint32_t number, uint32_t shares, uint32_t price,
                             uint8_t liquidity, uint64_t match);
uint32_t ouch50_put_canceled(uint8_t *out, uint64_t time_ns, uint32_t number, uint32_t shares, uint8_t reason);
uint32_t ouch50_put_rejected(uint8_t *out, uint64_t time_ns, uint32_t number, uint16_t reason, const uint8_t *token);
uint32_t ouch50_put_modified(uint8_t *out, uint64_t time_ns, uint32_t number, uint8_t side, uint32_t shares);
uint32_t ouch50_put_query(uint8_t *out, uint64_t time_ns, uint32_t next_number);

#endif
