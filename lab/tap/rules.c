#include "lab/tap/rules.h"

#include <errno.h>
#include <string.h>

int rules_arm(struct tap_state *state, uint32_t place, const struct impairment_rule *rule)
{
    if (place >= TAP_PLACE_COUNT)
        return -EINVAL;
    uint32_t number = state->rule_count[place];
    if (number == TAP_RULES_MAX)
        return -ENOSPC;
    struct tap_rule *slot = &state->rules[place][number];
    memset(slot, 0, sizeof(*slot));
    slot->rule = *rule;
    slot->place = (uint8_t)place;
    slot->number = (uint8_t)number;
    slot->window = TAP_WINDOWS_MAX;
    __atomic_store_n(&slot->enabled, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&state->rule_count[place], number + 1, __ATOMIC_RELEASE);
    return (int)number;
}

int rules_read(const struct tap_state *state, uint32_t place, uint32_t number, struct impairment_rule *rule)
{
    if (place >= TAP_PLACE_COUNT || number >= state->rule_count[place])
        return -EINVAL;
    *rule = state->rules[place][number].rule;
    return 0;
}

void rules_clear(struct tap_state *state)
{
    for (unsigned place = 0; place < TAP_PLACE_COUNT; place++)
        for (unsigned number = 0; number < TAP_RULES_MAX; number++)
            __atomic_store_n(&state->rules[place][number].enabled, 0, __ATOMIC_RELEASE);
}

uint32_t rules_windows(const struct tap_state *state, struct tap_window *windows, uint32_t capacity)
{
    uint64_t used = __atomic_load_n(&state->windows_used, __ATOMIC_ACQUIRE);
    uint32_t count = used < TAP_WINDOWS_MAX ? (uint32_t)used : TAP_WINDOWS_MAX;
    if (count > capacity)
        count = capacity;
    memcpy(windows, state->windows, count * sizeof(*windows));
    return count;
}

void rules_predict(struct impairment_rule *rule, uint64_t count, const uint64_t *positions,
                   const uint32_t *messages, const uint64_t *now_ns, uint32_t *taken_in)
{
    for (uint64_t i = 0; i < count; i++)
        taken_in[i] = impairment_takes(rule, positions[i], messages[i], now_ns[i]) ? rule->windows : 0;
}
