/* SoupBinTCP 3.00, client side: bytes in, messages out; bytes out for the caller to send.
 *
 * No socket lives here. The transport reports soupbin_connected() and soupbin_disconnected(), hands
 * over whatever bytes arrived, in any split, and sends whatever bytes this file writes.
 *
 *     CLOSED --connected--> CONNECTED --login--> WAIT_LOGIN --'A'--> UP --'Z'--> ENDED
 *        ^                                           |               |
 *        +---- 'J', timeout, protocol error, disconnect ----+        +--logout--> LEAVING
 *
 * Owner: the engine thread. Invariants:
 *  - only 'S' packets are numbered; next_sequence is the number of the next one not yet delivered,
 *    kept over reconnections, so that a message is delivered once and in order;
 *  - anything this file cannot explain closes the session (cause says why): nothing is skipped;
 *  - no packet is larger than SOUPBIN_LENGTH_MAX; a larger one closes the session.
 * Cost: a whole packet inside the caller's bytes is delivered in place, one cut in two is copied
 * once. Specification: SoupBinTCP 3.00, sections 2 and 3 (login, sequencing, heartbeats).
 */
#ifndef ENGINE_ORDER_SOUPBIN_H
#define ENGINE_ORDER_SOUPBIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SOUPBIN_LENGTH_MAX = 1024,   /* value of the length field: type and payload; OUCH 4.2 needs 81 */
    SOUPBIN_FRAME_BYTES = 3,     /* length and type in front of a payload */
    SOUPBIN_LOGIN_BYTES = 49,
    SOUPBIN_HEARTBEAT_BYTES = 3,
    SOUPBIN_LOGOUT_BYTES = 3,
    SOUPBIN_USERNAME_BYTES = 6,
    SOUPBIN_PASSWORD_BYTES = 10,
    SOUPBIN_SESSION_BYTES = 10,
    SOUPBIN_SEQUENCE_BYTES = 20,
};

#define SOUPBIN_HEARTBEAT_INTERVAL_NS 1000000000ull
#define SOUPBIN_SERVER_SILENCE_NS 15000000000ull
#define SOUPBIN_LOGIN_TIMEOUT_NS 30000000000ull

enum soupbin_state {
    SOUPBIN_CLOSED = 0,     /* no transport, or one that must be closed: see cause */
    SOUPBIN_CONNECTED = 1,  /* transport is up, login not written */
    SOUPBIN_WAIT_LOGIN = 2,
    SOUPBIN_UP = 3,         /* the only state in which orders may be sent */
    SOUPBIN_LEAVING = 4,    /* logout written; what still arrives is delivered */
    SOUPBIN_ENDED = 5,      /* end of session: no login to this session again */
    SOUPBIN_STATE_COUNT = 6,
};

enum soupbin_event {
    SOUPBIN_EVENT_CONNECTED = 0,
    SOUPBIN_EVENT_LOGIN_WRITTEN = 1,
    SOUPBIN_EVENT_ACCEPTED = 2,       /* 'A' */
    SOUPBIN_EVENT_REJECTED = 3,       /* 'J' */
    SOUPBIN_EVENT_SEQUENCED = 4,      /* 'S' */
    SOUPBIN_EVENT_UNSEQUENCED = 5,    /* 'U' from the server: counted, not delivered */
    SOUPBIN_EVENT_HEARTBEAT = 6,      /* 'H' */
    SOUPBIN_EVENT_DEBUG = 7,          /* '+' */
    SOUPBIN_EVENT_END_OF_SESSION = 8, /* 'Z' */
    SOUPBIN_EVENT_LOGOUT_WRITTEN = 9,
    SOUPBIN_EVENT_FAULT = 10,         /* time-out or unreadable bytes */
    SOUPBIN_EVENT_DISCONNECTED = 11,
    SOUPBIN_EVENT_COUNT = 12,
};

enum { SOUPBIN_REFUSED = 255 }; /* in the table: local call refused, or packet not allowed here */

/* Why the session is CLOSED (or ENDED). Stable numbers. */
enum soupbin_cause {
    SOUPBIN_CAUSE_NONE = 0,
    SOUPBIN_CAUSE_DISCONNECTED = 1,
    SOUPBIN_CAUSE_LOGIN_NOT_AUTHORISED = 2, /* 'J' 'A': do not try again by yourself */
    SOUPBIN_CAUSE_LOGIN_NO_SESSION = 3,     /* 'J' 'S': session gone, full resync needed */
    SOUPBIN_CAUSE_LOGIN_REJECTED = 4,       /* 'J' with another letter */
    SOUPBIN_CAUSE_LOGIN_TIMEOUT = 5,
    SOUPBIN_CAUSE_SERVER_SILENT = 6,
    SOUPBIN_CAUSE_OVERSIZE = 7,             /* length above SOUPBIN_LENGTH_MAX */
    SOUPBIN_CAUSE_PROTOCOL = 8,             /* length 0, unknown type, wrong size, wrong time */
    SOUPBIN_CAUSE_SEQUENCE_GAP = 9,         /* accepted number above the one asked for */
    SOUPBIN_CAUSE_SESSION_MISMATCH = 10,    /* accepted session is not the one asked for */
    SOUPBIN_CAUSE_NOT_DRAINED = 11,         /* soupbin_receive() before soupbin_next() said false */
    SOUPBIN_CAUSE_END_OF_SESSION = 12,
    SOUPBIN_CAUSE_LOGOUT = 13,
    SOUPBIN_CAUSE_COUNT = 14,
};

struct soupbin_options {
    char username[SOUPBIN_USERNAME_BYTES + 1]; /* terminated, letters and digits, 1..6 */
    char password[SOUPBIN_PASSWORD_BYTES + 1]; /* terminated, letters and digits, 1..10 */
    char session[SOUPBIN_SESSION_BYTES + 1];   /* terminated; empty = the server's current session */
    uint64_t requested_sequence;    /* first login: 1 = whole session, 0 = only what is new */
    uint64_t heartbeat_interval_ns; /* 0 = SOUPBIN_HEARTBEAT_INTERVAL_NS */
    uint64_t server_silence_ns;     /* 0 = SOUPBIN_SERVER_SILENCE_NS */
    uint64_t login_timeout_ns;      /* 0 = SOUPBIN_LOGIN_TIMEOUT_NS */
};

struct soupbin_message {
    const uint8_t *payload; /* valid until the next soupbin_next() or soupbin_receive() */
    uint32_t length;        /* bytes, 0..SOUPBIN_LENGTH_MAX - 1 */
    uint64_t sequence;      /* number of this message in the session, 1.. */
    uint64_t received_ns;   /* now_ns of the soupbin_receive() that completed it */
};

struct soupbin_counters {
    uint64_t bytes_received;
    uint64_t sequenced;            /* delivered */
    uint64_t duplicates;           /* 'S' below next_sequence after a resume, not delivered */
    uint64_t unsequenced;
    uint64_t heartbeats_received;
    uint64_t debug;
    uint64_t heartbeats_sent;
    uint64_t logins_sent;
    uint64_t logins_accepted;
    uint64_t logins_rejected;
    uint64_t faults;               /* sessions closed by SOUPBIN_EVENT_FAULT or a refused packet */
};

struct soupbin {
    uint8_t state;        /* enum soupbin_state */
    uint8_t cause;        /* enum soupbin_cause of the last close */
    bool session_ended;   /* 'Z' seen: soupbin_forget_session() before another login */
    char reject_letter;   /* of the last 'J', else 0 */
    uint64_t next_sequence; /* next one to deliver; 0 = not known yet */
    uint64_t wire_sequence; /* number of the next 'S' packet on this connection */
    uint64_t last_sent_ns;
    uint64_t last_received_ns;
    uint64_t login_sent_ns;
    const uint8_t *input;   /* caller's bytes, borrowed until soupbin_next() says false */
    uint32_t input_length;
    uint32_t input_offset;
    uint64_t input_ns;
    uint32_t carry_length;  /* bytes of an unfinished packet in carry */
    char session[SOUPBIN_SESSION_BYTES]; /* as on the wire */
    struct soupbin_options options;
    struct soupbin_counters counters;
    uint8_t carry[2 + SOUPBIN_LENGTH_MAX];
};

/* -EINVAL when a field of the options cannot be written on the wire. */
int soupbin_init(struct soupbin *soupbin, const struct soupbin_options *options);

/* Transport is up: CLOSED or ENDED -> CONNECTED. False when the call has no meaning now. */
bool soupbin_connected(struct soupbin *soupbin, uint64_t now_ns);

/* Writes the login request; asks for next_sequence of the known session. Bytes, 0 = refused. */
uint32_t soupbin_login(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity);

/* Hands over received bytes. They are borrowed: call soupbin_next() until it says false, then they
 * are free again. Bytes for a session that is CLOSED are dropped. */
void soupbin_receive(struct soupbin *soupbin, const uint8_t *bytes, uint32_t length, uint64_t now_ns);

/* Next sequenced payload, or false when the bytes are used up or the session closed: look at state. */
bool soupbin_next(struct soupbin *soupbin, struct soupbin_message *message);

/* Call once per poll or at least every 100 ms. Closes on silence; writes a heartbeat when one is due.
 * Bytes to send, 0 = none (also when capacity is too small: due again at the next call). */
uint32_t soupbin_timer(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity);

/* Writes the logout request, UP -> LEAVING. Bytes, 0 = refused. */
uint32_t soupbin_logout(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity);

/* Transport is gone. next_sequence and session are kept for the next login. */
void soupbin_disconnected(struct soupbin *soupbin);

/* After ENDED or LOGIN_NO_SESSION: next login asks for the current session from message 1. */
void soupbin_forget_session(struct soupbin *soupbin);

/* The table itself: next state, or SOUPBIN_REFUSED. */
uint8_t soupbin_transition(uint8_t state, uint8_t event);
/* Two session fields name the same session, however each is padded. */
bool soupbin_same_session(const char *left, const char *right);
const char *soupbin_state_name(uint8_t state);
const char *soupbin_cause_name(uint8_t cause);

/* Once, when a 'U' packet is prebuilt: the payload is written behind the frame, never copied. */
static inline void soupbin_frame(uint8_t *packet, uint16_t payload_bytes)
{
    const uint16_t length = (uint16_t)(payload_bytes + 1);
    packet[0] = (uint8_t)(length >> 8);
    packet[1] = (uint8_t)length;
    packet[2] = 'U';
}

static inline bool soupbin_is_up(const struct soupbin *soupbin)
{
    return soupbin->state == SOUPBIN_UP;
}

/* After the transport took a prebuilt packet: moves the heartbeat. One store. */
static inline void soupbin_sent(struct soupbin *soupbin, uint64_t now_ns)
{
    soupbin->last_sent_ns = now_ns;
}

#endif
