/* Misbehaviour of the gateway on command. Essay: gateway_behave.h. */
#include "traffic/exchange/gateway_behave.h"

/* splitmix64 */
static uint64_t draw(struct gateway *gateway, uint64_t choices) {
    uint64_t mixed = gateway->random += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (mixed ^ mixed >> 31) % choices;
}

static void space_cut(struct gateway *gateway) {
    uint32_t orders = gateway->behaviour.cut_orders;
    gateway->cut_in = orders ? 1 + (uint32_t)draw(gateway, 2 * (uint64_t)orders - 1) : 1;
}

struct gateway_cut gateway_cut_before(struct gateway *gateway, char kind) {
    struct gateway_cut cut = {0};
    if (gateway->behaviour.cuts == 0 || kind == 0 || kind == 'Q' || --gateway->cut_in != 0)
        return cut;
    gateway->behaviour.cuts--;
    space_cut(gateway);
    cut.due = true;
    cut.place = (uint32_t)draw(gateway, GATEWAY_CUT_PLACES);
    cut.drops = cut.place == 0;
    return cut;
}

void gateway_cut_now(struct gateway *gateway, struct gateway_cut cut, uint64_t answer_bytes) {
    uint64_t pending = soup_port_pending_bytes(&gateway->port), bytes = 0;
    if (cut.place == 2 && answer_bytes)
        bytes = pending - answer_bytes + draw(gateway, answer_bytes);
    else if (cut.place == 3)
        bytes = pending;
    gateway->counters.cuts++;
    soup_port_cut_after(&gateway->port, bytes);
}

static void obey(struct gateway *gateway) {
    gateway->behaviour = gateway->command;
    gateway->port.hold_ns = gateway->behaviour.mute ? SOUP_PORT_MUTE : gateway->behaviour.delay_ns;
    gateway->random = gateway->behaviour.cut_seed;
    if (gateway->behaviour.cuts)
        space_cut(gateway);
    if (gateway->behaviour.cuts && gateway->behaviour.cut_orders == 0 && gateway->port.holder >= 0) {
        gateway->behaviour.cuts--;
        gateway->counters.cuts++;
        soup_port_cut(&gateway->port);
    }
    atomic_store_explicit(&gateway->told, 0, memory_order_release);
}

void gateway_poll(struct gateway *gateway, int64_t now_ns) {
    if (__builtin_expect(atomic_load_explicit(&gateway->told, memory_order_acquire), 0))
        obey(gateway);
    soup_port_poll(&gateway->port, now_ns);
}

bool gateway_tell(struct gateway *gateway, const struct gateway_behaviour *behaviour) {
    if (!gateway_told(gateway))
        return false;
    gateway->command = *behaviour;
    atomic_store_explicit(&gateway->told, 1, memory_order_release);
    return true;
}

bool gateway_told(const struct gateway *gateway) {
    return atomic_load_explicit(&gateway->told, memory_order_acquire) == 0;
}
