/* The gate's account of value: see exposure.h. */
#include "engine/risk/exposure.h"

#include "engine/risk/risk_inside.h"

__extension__ typedef __int128 wide;

static inline bool fits(wide sum)
{
    return sum <= RISK_EXPOSURE_MAX && sum >= -RISK_EXPOSURE_MAX;
}

/* Over the hard limits now that it is filled? */
static void look_after_fill(struct risk *risk, uint16_t number, uint64_t now_ns)
{
    const struct risk_exposure *exposure = &risk->exposure;
    const int64_t position = risk->memory->symbols[number].position;
    const uint64_t watched = risk->trips.after_fill;
    struct risk_terms terms;
    if (risk->missing || risk->tripped) /* closed already */
        return;
    terms_of_symbol(risk, number, &terms);
    if (!rules_sealed(risk) || !trips_sealed(risk) || !terms.good) {
        risk_trip(risk, RISK_LIMITS_INVALID, now_ns);
        return;
    }
    if (watched == 0)
        return;
    const bool position_over =
        position > (int64_t)terms.position_long_max || -position > (int64_t)terms.position_short_max;
    const int64_t net = largest(exposure->value, exposure->open_buy, exposure->open_sell);
    if ((watched >> RISK_POSITION & 1) && position_over)
        risk_trip(risk, RISK_POSITION, now_ns);
    else if ((watched >> RISK_NET_EXPOSURE & 1) && net > (int64_t)risk->account.net_exposure_max)
        risk_trip(risk, RISK_NET_EXPOSURE, now_ns);
    else if ((watched >> RISK_GROSS_EXPOSURE & 1) &&
             (exposure->lost || exposure->gross > (int64_t)risk->account.gross_exposure_max))
        risk_trip(risk, RISK_GROSS_EXPOSURE, now_ns);
}

void risk_on_change(struct risk *risk, uint16_t number, const struct risk_change *change, uint64_t now_ns)
{
    struct risk_exposure *exposure = &risk->exposure;
    struct risk_symbol *symbol = &risk->memory->symbols[number];
    const int64_t value_before = marked_value(symbol);
    const int64_t gross_before = largest(value_before, symbol->open_buy, symbol->open_sell);
    const uint32_t mark = change->mark_price != 0 ? change->mark_price : symbol->mark;
    const wide position = (wide)symbol->position + change->position, value = position * mark;
    const wide open_buy = (wide)symbol->open_buy + change->open_buy;
    const wide open_sell = (wide)symbol->open_sell + change->open_sell;
    const wide as_long = value + open_buy, as_short = open_sell - value;
    const wide gross = exposure->gross + (as_long > as_short ? as_long : as_short) - gross_before;
    const wide total = exposure->value + value - value_before;
    const wide total_buy = (wide)exposure->open_buy + change->open_buy;
    const wide total_sell = (wide)exposure->open_sell + change->open_sell;
    const int64_t orders = (int64_t)exposure->open_orders + change->orders;

    if (position > RISK_POSITION_MAX || position < -RISK_POSITION_MAX || !fits(value) || !fits(as_long) ||
        !fits(as_short) || !fits(gross) || !fits(total) || !fits(total + total_buy) || !fits(total_sell - total) ||
        open_buy < 0 || open_sell < 0 || orders < 0 || orders > UINT32_MAX) {
        exposure->lost = true; /* the sums stay as they were: they are not believed any more */
    } else {
        *symbol = (struct risk_symbol){.position = (int64_t)position, .open_buy = (int64_t)open_buy,
                                       .open_sell = (int64_t)open_sell, .mark = mark};
        exposure->value = (int64_t)total;
        exposure->open_buy = (int64_t)total_buy;
        exposure->open_sell = (int64_t)total_sell;
        exposure->gross = (int64_t)gross;
        exposure->open_orders = (uint32_t)orders;
    }
    if (change->position != 0)
        look_after_fill(risk, number, now_ns);
}

/* Differences of one side; a value of shares * price always fits. */
static struct risk_change on_side(char side, uint32_t shares, uint32_t price, int64_t sign)
{
    const uint64_t value = (uint64_t)shares * price;
    const int64_t signed_value = value > RISK_EXPOSURE_MAX ? INT64_MAX : (int64_t)value;
    return side == 'B' ? (struct risk_change){.open_buy = sign * signed_value}
                       : (struct risk_change){.open_sell = sign * signed_value};
}

void risk_on_sent(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price)
{
    struct risk_change change = on_side(side, shares, price, 1);
    change.orders = 1;
    risk_on_change(risk, symbol, &change, 0);
}

void risk_on_fill(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price, uint32_t fill_price,
                  uint64_t now_ns)
{
    struct risk_change change = on_side(side, shares, price, -1);
    change.position = side == 'B' ? (int64_t)shares : -(int64_t)shares;
    change.mark_price = fill_price;
    risk_on_change(risk, symbol, &change, now_ns);
}

void risk_on_cancelled(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price)
{
    const struct risk_change change = on_side(side, shares, price, -1);
    risk_on_change(risk, symbol, &change, 0);
}

void risk_on_closed(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price)
{
    struct risk_change change = on_side(side, shares, price, -1);
    change.orders = -1;
    risk_on_change(risk, symbol, &change, 0);
}
