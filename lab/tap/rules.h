/* Impairment rules of the wires: armed and read back by the lab, executed by the BPF programs (wire.bpf.c).
 *
 * Owner: the lab's thread. A slot belongs to BPF from rules_arm() to rules_clear(); what a rule did may be read at
 * any time, and is exact once no more packets come. rules_predict() is the same judgement without a wire.
 */
#ifndef LAB_TAP_RULES_H
#define LAB_TAP_RULES_H

#include <stdint.h>

#include "lab/tap/tap.h"

/* Copies the rule to its place and arms it. Returns its number there, -EINVAL without such a place, -ENOSPC when
 * the place has TAP_RULES_MAX rules already. */
int rules_arm(struct tap_state *state, uint32_t place, const struct impairment_rule *rule);

/* The rule as it stands now. -EINVAL when no such rule was armed. */
int rules_read(const struct tap_state *state, uint32_t place, uint32_t number, struct impairment_rule *rule);

/* All rules sleep from now on; what they did stays readable. */
void rules_clear(struct tap_state *state);

/* Copies the remembered windows, oldest first; returns how many. */
uint32_t rules_windows(const struct tap_state *state, struct tap_window *windows, uint32_t capacity);

/* Asks `rule`, which advances, for `count` packets of one line in order; taken_in[i] becomes the number of the window
 * (from 1) in which it takes the packet, or 0. */
void rules_predict(struct impairment_rule *rule, uint64_t count, const uint64_t *positions,
                   const uint32_t *messages, const uint64_t *now_ns, uint32_t *taken_in);

#endif
