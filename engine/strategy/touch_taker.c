/* touch_taker: set-up; the rule itself is inline in touch_taker.h. */
#include "engine/strategy/touch_taker.h"

#include <errno.h>
#include <stddef.h>

int touch_taker_init(struct touch_taker *taker, const struct touch_taker_options *options,
                     struct touch_taker_symbol symbols[STRATEGY_SYMBOL_COUNT])
{
    if (symbols == NULL || options->order_shares == 0 ||
        options->imbalance_permille > TOUCH_TAKER_IMBALANCE_PERMILLE_MAX)
        return -EINVAL;
    memset(taker, 0, sizeof(*taker));
    memset(symbols, 0, STRATEGY_SYMBOL_COUNT * sizeof(*symbols));
    taker->symbols = symbols;
    taker->options = *options;
    return 0;
}

void touch_taker_forget(struct touch_taker *taker)
{
    taker->epoch++;
}
