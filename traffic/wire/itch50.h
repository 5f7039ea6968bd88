/* Nasdaq TotalView-ITCH 5.0: message lengths, the check of a framed stream, and encoders.
 *
 * A framed stream is a run of (u16 big-endian length, message): the form of Nasdaq's daily files and, byte for
 * byte, of the message blocks of a MoldUDP64 packet, so one arena serves as file, as schedule and as wire.
 *
 * Owner: any thread; no state. itch50_scan() reads bytes from outside and checks every one it uses; it costs one
 * pass. The encoders write framed messages with time 0 (the schedule stamps them) and return the byte behind
 * them; the caller leaves at least ITCH50_FRAME_BYTES_MAX of room.
 *
 * Specification: Nasdaq TotalView-ITCH 5.0 (2026-02), chapter 4 "Message formats".
 */
#ifndef TRAFFIC_WIRE_ITCH50_H
#define TRAFFIC_WIRE_ITCH50_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ITCH50_HEAD_BYTES = 11,          /* type, locate, tracking, time */
    ITCH50_FRAME_BYTES_MAX = 2 + 50, /* the longest known message, I */
    ITCH50_MESSAGE_BYTES_MAX = 1450, /* the longest that fits a MoldUDP64 packet of 1472 bytes */
};

enum itch50_outcome {
    ITCH50_OK = 0,
    ITCH50_TRUNCATED = 1,  /* the stream ends inside a message or its length */
    ITCH50_TOO_SHORT = 2,  /* a message is shorter than its type, or than the head of every message */
    ITCH50_TOO_LONG = 3,   /* a message longer than any packet */
};

struct itch50_scan {
    uint64_t messages;
    uint64_t bytes;          /* of framed messages, without an end marker */
    uint64_t length_errors;  /* known type, other length than the known one */
    uint64_t unknown_types;  /* messages of types this table lacks; they pass */
    uint64_t bytes_behind;   /* bytes behind an end marker (a length of 0) */
    uint64_t bad_offset;     /* byte offset of the message that stopped the scan */
    uint32_t bad_length;     /* its length field */
    uint8_t bad_type;        /* its type, 0 where there is none */
    uint8_t pad[3];
    uint64_t types[256];     /* messages by type byte */
};

/* Length of a known type in bytes, 0 for an unknown one. */
uint16_t itch50_length(uint8_t type);

/* Check `size` bytes of framed messages. `strict`: a message shorter than its type ends the scan, otherwise it
 * only counts. `stamps_ns`: NULL, or room for one time (ns since midnight; 0 where the head is cut) a message. */
enum itch50_outcome itch50_scan(const uint8_t *bytes, uint64_t size, bool strict, int64_t *stamps_ns,
                                struct itch50_scan *scan);

struct itch50_order {
    uint64_t reference;
    uint32_t shares;
    uint32_t price;          /* 1/10000 dollar */
    const uint8_t *stock;    /* 8 bytes */
    uint16_t locate;
    uint8_t side;            /* 'B' or 'S' */
};

uint8_t *itch50_put_system(uint8_t *out, uint8_t event);
uint8_t *itch50_put_directory(uint8_t *out, uint16_t locate, const uint8_t *stock);
uint8_t *itch50_put_trading(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t state, const char *reason);
uint8_t *itch50_put_reg_sho(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t action);
uint8_t *itch50_put_participant(uint8_t *out, uint16_t locate, const uint8_t *stock, const char *mpid, uint8_t state);
uint8_t *itch50_put_breaker_levels(uint8_t *out, const uint64_t prices[3]); /* 1/10^8 */
uint8_t *itch50_put_ipo_quoting(uint8_t *out, const uint8_t *stock, uint32_t release_s, uint32_t price);
uint8_t *itch50_put_collar(uint8_t *out, uint16_t locate, const uint8_t *stock, uint32_t reference, uint32_t upper,
                           uint32_t lower);
uint8_t *itch50_put_operational_halt(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t action);
uint8_t *itch50_put_add(uint8_t *out, const struct itch50_order *order, const char *mpid); /* NULL: A, else F */
uint8_t *itch50_put_executed(uint8_t *out, uint16_t locate, uint16_t tracking, uint64_t reference, uint32_t shares,
                             uint64_t match);
uint8_t *itch50_put_executed_price(uint8_t *out, uint16_t locate, uint16_t tracking, uint64_t reference,
                                   uint32_t shares, uint64_t match, uint8_t printable, uint32_t price);
uint8_t *itch50_put_cancel(uint8_t *out, uint16_t locate, uint64_t reference, uint32_t shares);
uint8_t *itch50_put_delete(uint8_t *out, uint16_t locate, uint64_t reference);
uint8_t *itch50_put_replace(uint8_t *out, uint16_t locate, uint64_t old_reference, uint64_t reference,
                            uint32_t shares, uint32_t price);
uint8_t *itch50_put_trade(uint8_t *out, uint16_t locate, const uint8_t *stock, uint32_t shares, uint32_t price,
                          uint64_t match);
uint8_t *itch50_put_cross(uint8_t *out, uint16_t locate, const uint8_t *stock, uint64_t shares, uint32_t price,
                          uint64_t match, uint8_t kind);
uint8_t *itch50_put_broken(uint8_t *out, uint16_t locate, uint64_t match);
uint8_t *itch50_put_imbalance(uint8_t *out, uint16_t locate, const uint8_t *stock, uint64_t paired,
                              uint64_t imbalance, uint8_t direction, uint32_t price);
uint8_t *itch50_put_retail(uint8_t *out, uint16_t locate, const uint8_t *stock, uint8_t flag);

#endif
