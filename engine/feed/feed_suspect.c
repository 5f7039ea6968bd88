/* Datagrams that are ahead of everything heard of, and that nothing agrees with yet; the contract is in feed.h.
 *
 * Two agree when the numbers of one lie within FEED_AGREE_MESSAGES behind the other's, whichever came first. The same
 * numbers on the same line once more are a repeat and no second witness, but for heartbeats, which repeat by design.
 */
#include "engine/feed/feed_inside.h"

static uint8_t *slot_of(const struct feed *feed, unsigned index)
{
    return feed->suspect_slots + (size_t)index * feed->slot_stride;
}

/* After every change: the lowest number that is set aside. */
static void note_reach(struct feed *feed)
{
    feed->suspect_reach = UINT64_MAX;
    for (unsigned index = 0; index < FEED_SUSPECT_COUNT; index++) {
        uint64_t sequence = feed->suspects[index].sequence;

        if (sequence != 0 && sequence < feed->suspect_reach)
            feed->suspect_reach = sequence;
    }
}

/* Where the next one goes: a free place, one that delivery has passed, or the oldest one's. */
static unsigned place(const struct feed *feed)
{
    unsigned oldest = 0;

    for (unsigned index = 0; index < FEED_SUSPECT_COUNT; index++) {
        const struct feed_suspect *suspect = &feed->suspects[index];

        if (suspect->sequence == 0 || suspect->next_sequence <= feed->next_sequence)
            return index;
        if (suspect->arrival_ns < feed->suspects[oldest].arrival_ns)
            oldest = index;
    }
    return oldest;
}

static void set_aside(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    bool kept = packet->count != 0 && packet->length <= feed->options.reorder_packet_bytes;
    unsigned index = place(feed);

    feed->suspects[index] = (struct feed_suspect){
        .sequence = packet->sequence,
        .next_sequence = packet->next_sequence,
        .arrival_ns = feed->now_ns,
        .length = kept ? packet->length : 0,
        .line = (uint8_t)line,
    };
    if (kept)
        memcpy(slot_of(feed, index), packet->session, packet->length);
    note_reach(feed);
}

/* It counts after all. */
static void take(struct feed *feed, unsigned index)
{
    struct feed_suspect suspect = feed->suspects[index];
    struct moldudp64_packet packet;

    feed->suspects[index].sequence = 0;
    note_reach(feed);
    if (suspect.length == 0 || suspect.next_sequence <= feed->next_sequence ||
        moldudp64_parse(slot_of(feed, index), suspect.length, &packet) != MOLDUDP64_VALID)
        return;
    if (feed_accept_early(feed, suspect.line, &packet, suspect.arrival_ns) == FEED_ACCEPT_BUFFERED &&
        suspect.sequence <= feed->next_sequence && !feed->book_lost)
        feed->pending = true; /* it is its turn: feed_next() hands it out */
}

static bool follows(uint64_t sequence, uint64_t first, uint64_t next)
{
    return sequence >= first && sequence - first <= next - first + FEED_AGREE_MESSAGES;
}

bool feed_suspects_reached(struct feed *feed)
{
    for (unsigned index = 0; index < FEED_SUSPECT_COUNT; index++)
        if (feed->suspects[index].sequence != 0 && feed->suspects[index].sequence <= feed->next_sequence)
            take(feed, index);
    return feed->entry_count != 0 && feed_reorder_at(feed, 0)->sequence <= feed->next_sequence;
}

void feed_suspects_forget(struct feed *feed)
{
    memset(feed->suspects, 0, sizeof(feed->suspects));
    note_reach(feed);
}

enum finding { FOUND_NONE, FOUND_REPEAT, FOUND_WITNESS };

/* Takes all that agree with the packet. */
static enum finding take_alike(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    enum finding finding = FOUND_NONE;

    for (unsigned index = 0; index < FEED_SUSPECT_COUNT; index++) {
        const struct feed_suspect *suspect = &feed->suspects[index];
        bool repeat = packet->count != 0 && suspect->line == line && suspect->sequence == packet->sequence &&
                      suspect->next_sequence == packet->next_sequence;

        if (suspect->sequence == 0 || suspect->next_sequence <= feed->next_sequence ||
            !(follows(packet->sequence, suspect->sequence, suspect->next_sequence) ||
              follows(suspect->sequence, packet->sequence, packet->next_sequence)))
            continue;
        if (!repeat)
            take(feed, index);
        if (finding != FOUND_WITNESS)
            finding = repeat ? FOUND_REPEAT : FOUND_WITNESS;
    }
    return finding;
}

bool feed_suspicious(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    uint64_t highest = feed->highest_sequence > feed->next_sequence ? feed->highest_sequence : feed->next_sequence;
    enum finding finding = FOUND_REPEAT;

    if (packet->sequence <= highest)
        return false;
    if (line != FEED_LINE_RECOVERY) {
        if (packet->sequence - highest <= feed->options.unconfirmed_jump_messages)
            return false;
        finding = take_alike(feed, line, packet);
        if (finding == FOUND_WITNESS)
            return false;
    }
    if (finding == FOUND_NONE)
        set_aside(feed, line, packet);
    feed->statistics.lines[line].suspects++;
    feed->statistics.lines[line].messages += packet->count;
    return true;
}
