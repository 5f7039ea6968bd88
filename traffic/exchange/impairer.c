/* Packets dropped, doubled, held back and spoiled at the sender. Essay: impairer.h. */
#include "traffic/exchange/impairer.h"

#include <stddef.h>
#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

enum { UDP_CHECKSUM = 40, NO_RULE = IMPAIRER_RULES };

/* The first rule of each kind that takes the packet. */
struct verdict {
    bool drop;
    bool spare;              /* nothing takes it */
    uint32_t duplicate;
    uint32_t hold;
    uint32_t corrupt;
};

void impairer_init(struct impairer *impairer, const struct impairer_options *options) {
    memset(impairer, 0, sizeof *impairer);
    impairer->options = *options;
    impairer->due_ns = INT64_MAX;
    for (uint16_t i = 0; i < IMPAIRER_HELD; i++)
        impairer->free_slots[i] = i;
    impairer->free_count = IMPAIRER_HELD;
}

static struct impairment_rule *rule_at(struct impairer *impairer, uint32_t index) {
    return &impairer->options.rules[index];
}

static struct verdict judge(struct impairer *impairer, uint64_t position, uint32_t messages, int64_t rule_ns) {
    struct verdict verdict = {false, true, NO_RULE, NO_RULE, NO_RULE};
    for (uint32_t i = 0; i < impairer->options.rule_count; i++) {
        struct impairment_rule *rule = rule_at(impairer, i);
        if (!impairment_takes(rule, position, messages, (uint64_t)rule_ns))
            continue;
        verdict.spare = false;
        uint32_t *first = rule->action == IMPAIR_DUPLICATE ? &verdict.duplicate
                          : rule->action == IMPAIR_CORRUPT ? &verdict.corrupt
                                                           : &verdict.hold;
        if (rule->action == IMPAIR_DROP)
            verdict.drop = true;
        else if (*first == NO_RULE)
            *first = i;
    }
    return verdict;
}

/* --- what is spoiled --- */

static void flip_bits(struct impairment_rule *rule, uint8_t *payload, uint32_t bytes) {
    for (uint32_t i = 0; i < rule->amount && bytes; i++) {
        uint32_t place = impairment_place(rule, bytes * 8);
        payload[place / 8] ^= (uint8_t)(1u << place % 8);
    }
}

static void corrupt(struct impairer *impairer, struct impairment_rule *rule, struct impairer_packet *packet) {
    uint32_t offset = impairer->options.payload_offset, bytes = packet->size - offset;
    uint8_t *payload = packet->bytes + offset;
    impairer->counters.corrupted++;
    if (rule->corruption == CORRUPT_CHECKSUM) {
        if (offset) {
            uint16_t wrong = load_be16(packet->bytes + UDP_CHECKSUM) ^ 0x00FF;
            store_be16(packet->bytes + UDP_CHECKSUM, wrong ? wrong : 0xFF00);  /* 0 would be "none" */
        }
        return;
    }
    if (rule->corruption == CORRUPT_BITS)
        flip_bits(rule, payload, bytes);
    else if (rule->corruption == CORRUPT_TRUNCATE)
        bytes = bytes > rule->amount ? bytes - rule->amount : 0;
    else if (rule->corruption == CORRUPT_COUNT && bytes >= MOLDUDP64_HEADER_BYTES)
        store_be16(payload + 18, (uint16_t)(load_be16(payload + 18) + rule->amount));
    else if (rule->corruption == CORRUPT_ZERO_BLOCK && bytes >= MOLDUDP64_HEADER_BYTES + 2)
        store_be16(payload + MOLDUDP64_HEADER_BYTES, 0);
    packet->size = offset + bytes;
    if (offset)
        udp_frame_mend(packet->bytes, (uint16_t)bytes);
}

/* --- what is held back --- */

static void send_packet(struct impairer *impairer, const struct impairer_packet *packet) {
    impairer->options.send(impairer->options.context, packet->tag, packet->bytes, packet->size);
}

static void send_slot(struct impairer *impairer, uint16_t slot) {
    send_packet(impairer, &impairer->options.held[slot]);
    impairer->free_slots[impairer->free_count++] = slot;
}

static void find_due(struct impairer *impairer) {
    int64_t due_ns = INT64_MAX;
    for (uint32_t i = 0; i < impairer->options.rule_count; i++) {
        const struct impairer_queue *queue = &impairer->queues[i];
        if (queue->head == queue->tail)
            continue;
        int64_t head_ns = impairer->options.held[queue->slots[queue->head % IMPAIRER_HELD]].due_ns;
        due_ns = head_ns < due_ns ? head_ns : due_ns;
    }
    for (uint32_t i = 0; i < impairer->reordered_count; i++) {
        int64_t wait_ns = impairer->options.held[impairer->reordered[i]].due_ns;
        due_ns = wait_ns < due_ns ? wait_ns : due_ns;
    }
    impairer->due_ns = due_ns;
}

/* False: no room. */
static bool hold(struct impairer *impairer, uint32_t index, const struct impairer_packet *packet, int64_t now_ns) {
    const struct impairment_rule *rule = rule_at(impairer, index);
    bool reorders = rule->action == IMPAIR_REORDER;
    if (impairer->free_count == 0 || (reorders && impairer->reordered_count == IMPAIRER_REORDERED))
        return false;
    uint16_t slot = impairer->free_slots[--impairer->free_count];
    struct impairer_packet *held = &impairer->options.held[slot];
    memcpy(held, packet, offsetof(struct impairer_packet, bytes) + packet->size);
    held->behind = reorders ? rule->amount + 1 : 0;  /* it passes itself first */
    held->due_ns = now_ns + (reorders ? IMPAIRER_WAIT_NS : (int64_t)rule->delay_ns);
    if (reorders) {
        impairer->reordered[impairer->reordered_count++] = slot;
        impairer->counters.reordered++;
    } else {
        struct impairer_queue *queue = &impairer->queues[index];
        queue->slots[queue->tail++ % IMPAIRER_HELD] = slot;
        impairer->counters.delayed++;
    }
    if (held->due_ns < impairer->due_ns)
        impairer->due_ns = held->due_ns;
    return true;
}

/* --- the way out --- */

bool impairer_takes(struct impairer *impairer, const struct impairer_piece pieces[3], uint64_t position,
                    uint32_t messages, uint64_t tag, int64_t rule_ns, int64_t now_ns) {
    struct verdict verdict = judge(impairer, position, messages, rule_ns);
    if (verdict.drop) {
        *(messages ? &impairer->counters.dropped : &impairer->counters.controls_dropped) += 1;
        return true;
    }
    if (verdict.spare)
        return false;
    struct impairer_packet *packet = &impairer->options.held[IMPAIRER_HELD];
    packet->tag = tag;
    packet->size = 0;
    for (int i = 0; i < 3; i++) {
        memcpy(packet->bytes + packet->size, pieces[i].bytes, pieces[i].size);
        packet->size += pieces[i].size;
    }
    if (verdict.corrupt != NO_RULE)
        corrupt(impairer, rule_at(impairer, verdict.corrupt), packet);
    uint32_t copies = verdict.duplicate == NO_RULE ? 0 : rule_at(impairer, verdict.duplicate)->amount;
    impairer->counters.duplicated += copies;
    for (uint32_t i = 0; i < 1 + copies; i++) {
        if (verdict.hold != NO_RULE && hold(impairer, verdict.hold, packet, now_ns))
            continue;
        impairer->counters.overflows += verdict.hold != NO_RULE;
        send_packet(impairer, packet);
    }
    return true;
}

/* Send reordered packets that nothing is missing for, or that waited too long; the others keep their order. */
static void release_reordered(struct impairer *impairer, int64_t now_ns, bool passed) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < impairer->reordered_count; i++) {
        uint16_t slot = impairer->reordered[i];
        struct impairer_packet *packet = &impairer->options.held[slot];
        packet->behind -= passed && packet->behind;
        if (packet->behind == 0 || packet->due_ns <= now_ns)
            send_slot(impairer, slot);
        else
            impairer->reordered[kept++] = slot;
    }
    impairer->reordered_count = kept;
}

void impairer_passed(struct impairer *impairer, int64_t now_ns) {
    if (impairer->reordered_count == 0)
        return;
    release_reordered(impairer, now_ns, true);
    find_due(impairer);
}

static bool release_oldest(struct impairer *impairer, int64_t now_ns) {
    for (uint32_t i = 0; i < impairer->options.rule_count; i++) {
        struct impairer_queue *queue = &impairer->queues[i];
        uint16_t slot = queue->slots[queue->head % IMPAIRER_HELD];
        if (queue->head == queue->tail || impairer->options.held[slot].due_ns > now_ns)
            continue;
        queue->head++;
        send_slot(impairer, slot);
        return true;
    }
    return false;
}

void impairer_release(struct impairer *impairer, int64_t now_ns) {
    if (now_ns < impairer->due_ns)
        return;
    release_reordered(impairer, now_ns, false);
    for (int sent = 0; sent < IMPAIRER_DUE_MAX && release_oldest(impairer, now_ns); sent++)
        ;
    find_due(impairer);
}

void impairer_flush(struct impairer *impairer) {
    while (impairer->due_ns != INT64_MAX) {
        release_reordered(impairer, INT64_MAX, false);
        while (release_oldest(impairer, INT64_MAX))
            ;
        find_due(impairer);
    }
}
