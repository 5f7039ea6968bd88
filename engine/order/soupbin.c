/* SoupBinTCP 3.00 client session: see soupbin.h.
 *
 * The stream parser works on the caller's bytes; only a packet cut at the end of them is copied into
 * carry and completed from the next bytes. Every packet goes through the transition table before it
 * has any effect.
 */
#include "engine/order/soupbin.h"

#include <errno.h>
#include <string.h>

enum { TYPE_OFFSET = 2, PAYLOAD_OFFSET = 3 };
enum { ACCEPTED_LENGTH = 31, REJECTED_LENGTH = 2 };

_Static_assert(SOUPBIN_LOGIN_BYTES == PAYLOAD_OFFSET + SOUPBIN_USERNAME_BYTES + SOUPBIN_PASSWORD_BYTES +
                   SOUPBIN_SESSION_BYTES + SOUPBIN_SEQUENCE_BYTES,
               "login request is 49 bytes");
_Static_assert(ACCEPTED_LENGTH == 1 + SOUPBIN_SESSION_BYTES + SOUPBIN_SEQUENCE_BYTES, "login accepted");

/* False: the event is not allowed in this state and nothing changed. */
static bool advance(struct soupbin *soupbin, enum soupbin_event event)
{
    const uint8_t next = soupbin_transition(soupbin->state, (uint8_t)event);
    if (next == SOUPBIN_REFUSED)
        return false;
    soupbin->state = next;
    return true;
}

static void drop_input(struct soupbin *soupbin)
{
    soupbin->input = NULL;
    soupbin->input_length = 0;
    soupbin->input_offset = 0;
    soupbin->carry_length = 0;
}

static void fault(struct soupbin *soupbin, enum soupbin_cause cause)
{
    advance(soupbin, SOUPBIN_EVENT_FAULT);
    soupbin->cause = (uint8_t)cause;
    soupbin->counters.faults++;
    drop_input(soupbin);
}

static bool text_ok(const char *text, uint32_t bytes_min, uint32_t bytes_max)
{
    for (uint32_t index = 0; index <= bytes_max; index++) {
        const char letter = text[index];
        if (letter == '\0')
            return index >= bytes_min;
        if (!((letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
              (letter >= 'a' && letter <= 'z')))
            return false;
    }
    return false; /* not terminated */
}

int soupbin_init(struct soupbin *soupbin, const struct soupbin_options *options)
{
    if (!text_ok(options->username, 1, SOUPBIN_USERNAME_BYTES) ||
        !text_ok(options->password, 1, SOUPBIN_PASSWORD_BYTES) ||
        !text_ok(options->session, 0, SOUPBIN_SESSION_BYTES))
        return -EINVAL;
    memset(soupbin, 0, sizeof(*soupbin));
    soupbin->options = *options;
    if (soupbin->options.heartbeat_interval_ns == 0)
        soupbin->options.heartbeat_interval_ns = SOUPBIN_HEARTBEAT_INTERVAL_NS;
    if (soupbin->options.server_silence_ns == 0)
        soupbin->options.server_silence_ns = SOUPBIN_SERVER_SILENCE_NS;
    if (soupbin->options.login_timeout_ns == 0)
        soupbin->options.login_timeout_ns = SOUPBIN_LOGIN_TIMEOUT_NS;
    /* a session is padded on the left, names on the right */
    const size_t length = strlen(options->session);
    memset(soupbin->session, ' ', sizeof(soupbin->session));
    memcpy(soupbin->session + sizeof(soupbin->session) - length, options->session, length);
    soupbin->next_sequence = options->requested_sequence;
    return 0;
}

bool soupbin_connected(struct soupbin *soupbin, uint64_t now_ns)
{
    if (!advance(soupbin, SOUPBIN_EVENT_CONNECTED))
        return false;
    drop_input(soupbin);
    soupbin->cause = SOUPBIN_CAUSE_NONE;
    soupbin->reject_letter = 0;
    soupbin->wire_sequence = 0;
    soupbin->last_received_ns = now_ns;
    soupbin->last_sent_ns = now_ns;
    return true;
}

static void write_padded(uint8_t *out, const char *text, uint32_t bytes)
{
    const size_t length = strlen(text);
    memset(out, ' ', bytes);
    memcpy(out, text, length);
}

/* Decimal, right-justified, spaces in front. */
static void write_sequence(uint8_t *out, uint64_t sequence)
{
    memset(out, ' ', SOUPBIN_SEQUENCE_BYTES);
    uint32_t offset = SOUPBIN_SEQUENCE_BYTES; /* 2^64 has twenty digits */
    do {
        out[--offset] = (uint8_t)('0' + sequence % 10);
        sequence /= 10;
    } while (sequence != 0);
}

/* Spaces on either side are forgiven; anything else but digits, or above 2^64, is not. */
static bool parse_sequence(const uint8_t *text, uint64_t *sequence)
{
    uint32_t begin = 0, end = SOUPBIN_SEQUENCE_BYTES;
    while (begin < end && text[begin] == ' ')
        begin++;
    while (end > begin && text[end - 1] == ' ')
        end--;
    if (begin == end)
        return false;
    uint64_t value = 0;
    for (uint32_t index = begin; index < end; index++) {
        if (text[index] < '0' || text[index] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[index] - '0'), &value))
            return false;
    }
    *sequence = value;
    return true;
}

uint32_t soupbin_login(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity)
{
    if (capacity < SOUPBIN_LOGIN_BYTES || soupbin->session_ended ||
        !advance(soupbin, SOUPBIN_EVENT_LOGIN_WRITTEN))
        return 0;
    uint8_t *field = out + PAYLOAD_OFFSET;
    out[0] = 0;
    out[1] = SOUPBIN_LOGIN_BYTES - 2;
    out[TYPE_OFFSET] = 'L';
    write_padded(field, soupbin->options.username, SOUPBIN_USERNAME_BYTES);
    field += SOUPBIN_USERNAME_BYTES;
    write_padded(field, soupbin->options.password, SOUPBIN_PASSWORD_BYTES);
    field += SOUPBIN_PASSWORD_BYTES;
    memcpy(field, soupbin->session, SOUPBIN_SESSION_BYTES);
    field += SOUPBIN_SESSION_BYTES;
    write_sequence(field, soupbin->next_sequence);
    soupbin->login_sent_ns = now_ns;
    soupbin->last_sent_ns = now_ns;
    soupbin->counters.logins_sent++;
    return SOUPBIN_LOGIN_BYTES;
}

void soupbin_receive(struct soupbin *soupbin, const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    if (soupbin->state == SOUPBIN_CLOSED || length == 0)
        return;
    if (soupbin->input_offset != soupbin->input_length) {
        fault(soupbin, SOUPBIN_CAUSE_NOT_DRAINED);
        return;
    }
    soupbin->input = bytes;
    soupbin->input_length = length;
    soupbin->input_offset = 0;
    soupbin->input_ns = now_ns;
    soupbin->counters.bytes_received += length;
}

/* Moves input into carry until carry holds `wanted` bytes; false when the input is used up first. */
static bool fill_carry(struct soupbin *soupbin, uint32_t wanted)
{
    const uint32_t missing = wanted - soupbin->carry_length;
    const uint32_t left = soupbin->input_length - soupbin->input_offset;
    const uint32_t taken = missing < left ? missing : left;
    if (taken != 0)
        memcpy(soupbin->carry + soupbin->carry_length, soupbin->input + soupbin->input_offset, taken);
    soupbin->carry_length += taken;
    soupbin->input_offset += taken;
    return taken == missing;
}

/* Type and payload of the next whole packet, or NULL: none yet, or the session was closed. */
static const uint8_t *next_packet(struct soupbin *soupbin, uint32_t *length)
{
    const uint32_t left = soupbin->input_length - soupbin->input_offset;
    const uint8_t *packet = soupbin->input + soupbin->input_offset;
    const bool in_place = soupbin->carry_length == 0 && left >= 2;
    if (!in_place) {
        if (soupbin->carry_length < 2 && !fill_carry(soupbin, 2))
            return NULL;
        packet = soupbin->carry;
    }
    *length = (uint32_t)packet[0] << 8 | packet[1];
    if (*length == 0 || *length > SOUPBIN_LENGTH_MAX) {
        fault(soupbin, *length == 0 ? SOUPBIN_CAUSE_PROTOCOL : SOUPBIN_CAUSE_OVERSIZE);
        return NULL;
    }
    if (in_place && left >= 2 + *length) {
        soupbin->input_offset += 2 + *length;
        return packet + TYPE_OFFSET;
    }
    if (!fill_carry(soupbin, 2 + *length))
        return NULL;
    soupbin->carry_length = 0;
    return soupbin->carry + TYPE_OFFSET;
}

static bool blank(const char session[SOUPBIN_SESSION_BYTES])
{
    return memcmp(session, "          ", SOUPBIN_SESSION_BYTES) == 0;
}

/* First letter and length of a field without the spaces on either side. */
static const char *trimmed(const char *field, size_t *length)
{
    uint32_t begin = 0, end = SOUPBIN_SESSION_BYTES;
    while (begin < end && field[begin] == ' ')
        begin++;
    while (end > begin && field[end - 1] == ' ')
        end--;
    *length = end - begin;
    return field + begin;
}

bool soupbin_same_session(const char *left, const char *right)
{
    size_t left_length, right_length;
    left = trimmed(left, &left_length);
    right = trimmed(right, &right_length);
    return left_length == right_length && memcmp(left, right, left_length) == 0;
}

static void login_accepted(struct soupbin *soupbin, const uint8_t *packet)
{
    const char *session = (const char *)packet + 1;
    uint64_t sequence;
    if (!parse_sequence(packet + 1 + SOUPBIN_SESSION_BYTES, &sequence) || sequence == 0) {
        fault(soupbin, SOUPBIN_CAUSE_PROTOCOL);
        return;
    }
    if (!blank(soupbin->session) && !soupbin_same_session(soupbin->session, session)) {
        fault(soupbin, SOUPBIN_CAUSE_SESSION_MISMATCH);
        return;
    }
    if (soupbin->next_sequence == 0)
        soupbin->next_sequence = sequence; /* asked for new messages only */
    if (sequence > soupbin->next_sequence) {
        fault(soupbin, SOUPBIN_CAUSE_SEQUENCE_GAP);
        return;
    }
    advance(soupbin, SOUPBIN_EVENT_ACCEPTED);
    memcpy(soupbin->session, session, SOUPBIN_SESSION_BYTES);
    soupbin->wire_sequence = sequence;
    soupbin->counters.logins_accepted++;
}

static void login_rejected(struct soupbin *soupbin, char letter)
{
    advance(soupbin, SOUPBIN_EVENT_REJECTED);
    soupbin->reject_letter = letter;
    soupbin->cause = letter == 'A'   ? SOUPBIN_CAUSE_LOGIN_NOT_AUTHORISED
                     : letter == 'S' ? SOUPBIN_CAUSE_LOGIN_NO_SESSION
                                     : SOUPBIN_CAUSE_LOGIN_REJECTED;
    soupbin->counters.logins_rejected++;
    drop_input(soupbin);
}

/* SOUPBIN_EVENT_COUNT: unknown type, or a size that its type does not have. */
static enum soupbin_event classify(uint8_t type, uint32_t length)
{
    switch (type) {
    case 'S': return SOUPBIN_EVENT_SEQUENCED;
    case 'U': return SOUPBIN_EVENT_UNSEQUENCED;
    case '+': return SOUPBIN_EVENT_DEBUG;
    case 'H': return length == 1 ? SOUPBIN_EVENT_HEARTBEAT : SOUPBIN_EVENT_COUNT;
    case 'Z': return length == 1 ? SOUPBIN_EVENT_END_OF_SESSION : SOUPBIN_EVENT_COUNT;
    case 'A': return length == ACCEPTED_LENGTH ? SOUPBIN_EVENT_ACCEPTED : SOUPBIN_EVENT_COUNT;
    case 'J': return length == REJECTED_LENGTH ? SOUPBIN_EVENT_REJECTED : SOUPBIN_EVENT_COUNT;
    default: return SOUPBIN_EVENT_COUNT;
    }
}

static bool sequenced(struct soupbin *soupbin, const uint8_t *packet, uint32_t length,
                      struct soupbin_message *message)
{
    const uint64_t sequence = soupbin->wire_sequence++;
    if (sequence < soupbin->next_sequence) {
        soupbin->counters.duplicates++;
        return false;
    }
    soupbin->next_sequence = sequence + 1;
    soupbin->counters.sequenced++;
    message->payload = packet + 1;
    message->length = length - 1;
    message->sequence = sequence;
    message->received_ns = soupbin->input_ns;
    return true;
}

bool soupbin_next(struct soupbin *soupbin, struct soupbin_message *message)
{
    /* bounded: every round takes at least three bytes of the input, or returns */
    while (soupbin->input_offset != soupbin->input_length) {
        uint32_t length;
        const uint8_t *packet = next_packet(soupbin, &length);
        if (packet == NULL)
            return false;
        const enum soupbin_event event = classify(packet[0], length);
        if (event == SOUPBIN_EVENT_COUNT || soupbin_transition(soupbin->state, (uint8_t)event) == SOUPBIN_REFUSED) {
            fault(soupbin, SOUPBIN_CAUSE_PROTOCOL);
            return false;
        }
        soupbin->last_received_ns = soupbin->input_ns;
        switch (event) {
        case SOUPBIN_EVENT_SEQUENCED:
            if (sequenced(soupbin, packet, length, message))
                return true;
            break;
        case SOUPBIN_EVENT_ACCEPTED: login_accepted(soupbin, packet); break;
        case SOUPBIN_EVENT_REJECTED: login_rejected(soupbin, (char)packet[1]); break;
        case SOUPBIN_EVENT_END_OF_SESSION:
            advance(soupbin, event);
            soupbin->cause = SOUPBIN_CAUSE_END_OF_SESSION;
            soupbin->session_ended = true;
            break;
        case SOUPBIN_EVENT_UNSEQUENCED: soupbin->counters.unsequenced++; break;
        case SOUPBIN_EVENT_HEARTBEAT: soupbin->counters.heartbeats_received++; break;
        default: soupbin->counters.debug++; break;
        }
    }
    return false;
}

static uint64_t elapsed_ns(uint64_t now_ns, uint64_t since_ns)
{
    return now_ns > since_ns ? now_ns - since_ns : 0;
}

uint32_t soupbin_timer(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity)
{
    const struct soupbin_options *options = &soupbin->options;
    if (soupbin->state == SOUPBIN_WAIT_LOGIN) {
        if (elapsed_ns(now_ns, soupbin->login_sent_ns) >= options->login_timeout_ns)
            fault(soupbin, SOUPBIN_CAUSE_LOGIN_TIMEOUT);
        return 0;
    }
    if (soupbin->state != SOUPBIN_UP && soupbin->state != SOUPBIN_LEAVING)
        return 0;
    if (elapsed_ns(now_ns, soupbin->last_received_ns) >= options->server_silence_ns) {
        fault(soupbin, SOUPBIN_CAUSE_SERVER_SILENT);
        return 0;
    }
    if (soupbin->state != SOUPBIN_UP || capacity < SOUPBIN_HEARTBEAT_BYTES ||
        elapsed_ns(now_ns, soupbin->last_sent_ns) < options->heartbeat_interval_ns)
        return 0;
    out[0] = 0;
    out[1] = 1;
    out[TYPE_OFFSET] = 'R';
    soupbin->last_sent_ns = now_ns;
    soupbin->counters.heartbeats_sent++;
    return SOUPBIN_HEARTBEAT_BYTES;
}

uint32_t soupbin_logout(struct soupbin *soupbin, uint64_t now_ns, uint8_t *out, uint32_t capacity)
{
    if (capacity < SOUPBIN_LOGOUT_BYTES || !advance(soupbin, SOUPBIN_EVENT_LOGOUT_WRITTEN))
        return 0;
    out[0] = 0;
    out[1] = 1;
    out[TYPE_OFFSET] = 'O';
    soupbin->cause = SOUPBIN_CAUSE_LOGOUT;
    soupbin->last_sent_ns = now_ns;
    return SOUPBIN_LOGOUT_BYTES;
}

void soupbin_disconnected(struct soupbin *soupbin)
{
    const bool told = soupbin->cause != SOUPBIN_CAUSE_NONE; /* an earlier cause is the better one */
    advance(soupbin, SOUPBIN_EVENT_DISCONNECTED);
    if (!told)
        soupbin->cause = SOUPBIN_CAUSE_DISCONNECTED;
    drop_input(soupbin);
}

void soupbin_forget_session(struct soupbin *soupbin)
{
    memset(soupbin->session, ' ', sizeof(soupbin->session));
    soupbin->next_sequence = 1;
    soupbin->session_ended = false;
}
