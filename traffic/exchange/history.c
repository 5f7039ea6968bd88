/* Messages by number. Essay: history.h. */
#include "traffic/exchange/history.h"

#include <string.h>

#include "traffic/wire/bytes.h"

uint64_t history_index_of(const struct history *history, uint64_t position) {
    const struct history_session *session = &history->options.sessions[position >> HISTORY_SESSION_SHIFT];
    return session->first_message + (position & HISTORY_SEQUENCE_MASK) - session->first_sequence;
}

void history_init(struct history *history, const struct history_options *options) {
    memset(history, 0, sizeof *history);
    history->options = *options;
    for (uint64_t i = 0; i < options->packet_count; i++) {
        const struct packet_record *packet = &options->packets[i];
        uint64_t first = history_index_of(history, packet->first_sequence);
        uint64_t entry = (first + HISTORY_STRIDE - 1) / HISTORY_STRIDE;
        for (; entry * HISTORY_STRIDE < first + packet->count; entry++)
            options->packet_of[entry] = (uint32_t)i;
    }
}

uint64_t history_position_of(const struct history *history, uint64_t index) {
    uint32_t ordinal = 0;
    while (ordinal + 1 < history->options.session_count &&
           index >= history->options.sessions[ordinal + 1].first_message)
        ordinal++;
    const struct history_session *session = &history->options.sessions[ordinal];
    return history_position(ordinal, session->first_sequence + index - session->first_message);
}

int32_t history_session_of(const struct history *history, const uint8_t *name) {
    for (uint32_t i = 0; i < history->options.session_count; i++)
        if (memcmp(history->options.sessions[i].name, name, MOLDUDP64_SESSION_BYTES) == 0)
            return (int32_t)i;
    return -1;
}

const uint8_t *history_block(const struct history *history, uint64_t index) {
    const struct history_options *options = &history->options;
    uint64_t position = history_position_of(history, index);
    const struct packet_record *packet = &options->packets[options->packet_of[index / HISTORY_STRIDE]];
    while (position - packet->first_sequence >= packet->count)
        packet++;
    const uint8_t *block = options->arena + packet->message_offset;
    for (uint64_t i = packet->first_sequence; i < position; i++)
        block += 2 + load_be16(block);
    return block;
}
