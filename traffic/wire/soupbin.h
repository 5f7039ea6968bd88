/* SoupBinTCP 3.00 packets: u16 big-endian length (of type and payload), type, payload.
 * Owner: any thread; no state. Parsing is lenient (fields stripped on both sides, letters of any case in user name
 * and password), writing is strict. soupbin_parse_login() checks every byte it uses.
 * Specification: SoupBinTCP 3.00 (2017-02), chapter 2 "Packet types". */
#ifndef TRAFFIC_WIRE_SOUPBIN_H
#define TRAFFIC_WIRE_SOUPBIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SOUPBIN_HEADER_BYTES = 3,
    SOUPBIN_LOGIN_LENGTH = 47,            /* length fields count the type */
    SOUPBIN_ACCEPTED_BYTES = 2 + 31,
    SOUPBIN_PACKET_LENGTH_MAX = 4096,     /* ours: a client that says more is cut off */
    SOUPBIN_SERVER_HEARTBEAT_NS = 1000000000,
};
#define SOUPBIN_CLIENT_SILENCE_NS INT64_C(15000000000)
#define SOUPBIN_LOGIN_WAIT_NS INT64_C(30000000000)

struct soupbin_login {
    char username[6 + 1];    /* stripped, upper case */
    char password[10 + 1];
    char session[10 + 1];    /* stripped; empty for the current one */
    uint64_t sequence;       /* requested; 0 for "only new" */
};

/* `packet` is the type byte and what follows, `length` as in its length field. False: not a login request of the
 * right size with a decimal number. */
bool soupbin_parse_login(const uint8_t *packet, uint32_t length, struct soupbin_login *login);

/* Upper-case `text` of at most `size` characters, stripped, as in soupbin_login. */
void soupbin_strip(char *out, const uint8_t *text, uint32_t size);

uint32_t soupbin_put_accepted(uint8_t *out, const char *session, uint64_t sequence);
uint32_t soupbin_put_rejected(uint8_t *out, char reason);
uint32_t soupbin_put_plain(uint8_t *out, char type); /* 'H', 'Z' */

#endif
