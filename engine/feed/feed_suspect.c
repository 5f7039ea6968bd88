/* Datagrams that are ahead of everything heard of, and that nothing agrees with yet; the contract is in feed.h. */
#include "engine/feed/feed_inside.h"

static void set_aside(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    bool kept = packet->count != 0 && packet->length <= feed->options.reorder_packet_bytes;

    feed->suspect = (struct feed_suspect){
        .sequence = packet->sequence,
        .next_sequence = packet->next_sequence,
        .arrival_ns = feed->now_ns,
        .length = kept ? packet->length : 0,
        .line = (uint8_t)line,
    };
    if (kept)
        memcpy(feed->suspect_slot, packet->session, packet->length);
}

/* Two datagrams show the same: the first one counts after all. */
static void take_suspect(struct feed *feed)
{
    struct feed_suspect suspect = feed->suspect;
    struct moldudp64_packet packet;

    if (suspect.length != 0 && suspect.sequence <= feed->next_sequence && !feed->book_lost)
        return; /* delivery has got to it: feed_next() takes it */
    feed->suspect.sequence = 0;
    if (suspect.length != 0 && suspect.next_sequence > feed->next_sequence &&
        moldudp64_parse(feed->suspect_slot, suspect.length, &packet) == MOLDUDP64_VALID)
        feed_accept_early(feed, suspect.line, &packet, suspect.arrival_ns);
}

bool feed_suspicious(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    const struct feed_suspect *suspect = &feed->suspect;
    uint64_t highest = feed->highest_sequence > feed->next_sequence ? feed->highest_sequence : feed->next_sequence;

    if (packet->sequence <= highest)
        return false;
    if (line != FEED_LINE_RECOVERY) {
        if (packet->sequence - highest <= feed->options.unconfirmed_jump_messages)
            return false;
        if (suspect->sequence != 0 && packet->sequence >= suspect->sequence &&
            packet->sequence - suspect->sequence <= suspect->next_sequence - suspect->sequence + FEED_AGREE_MESSAGES) {
            take_suspect(feed);
            return false;
        }
        set_aside(feed, line, packet);
    }
    feed->statistics.lines[line].suspects++;
    feed->statistics.lines[line].messages += packet->count;
    return true;
}
